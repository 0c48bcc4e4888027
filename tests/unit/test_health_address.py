# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role makes of its health inputs."""

from __future__ import annotations

import json

import pytest

from test_platforms import fill_in, variables_of

SHOP = [{'name': 'shop', 'server': ['192.0.2.1:8080 max_fails=1', '192.0.2.2:8080']}]
NOTHING = {'configure_flags': [], 'directives': {}, 'measures': []}
FILES = {'= /healthz': ['/usr/local/nginx/maintenance', '/run/nginx-upstream-health/shop.failed'],
         '= /healthz/live': ['/usr/local/nginx/maintenance'], '= /healthz/nginx': [], '/': []}


def made(name, **given):
    """A variable of the role."""
    return fill_in('{{ ' + name + ' }}', variables_of('nginx', nginx_upstreams=SHOP, **given))


def looked_for(server):
    """The files that make each location refuse."""
    return {location['path']: [one['condition'][4:-1] for one in location.get('if', [])] for location in server['location']}


def test_each_location_looks_for_its_files():
    assert looked_for(made('__nginx_health_server', nginx_upstream_health=[{'name': 'shop'}])) == FILES
    assert looked_for(made('__nginx_health_server')) == {**FILES, '= /healthz': FILES['= /healthz/live']}


def test_refusals_come_before_what_is_answered_otherwise():
    for location in made('__nginx_health_server', nginx_upstream_health=[{'name': 'shop'}])['location']:
        assert [*location][-1] == 'return' and location['return'] in ('200 "ok\\n"', 404)


@pytest.mark.parametrize('path, url', [('/healthz', '/healthz/nginx'), ('/', '/nginx'), ('/a/', '/a/nginx')])
def test_the_role_asks_what_answers_in_maintenance_too(path, url):
    assert made('__nginx_health_url', nginx_health_path=path) == f'http://127.0.0.1:8081{url}'
    assert f'= {url}' in looked_for(made('__nginx_health_server', nginx_health_path=path))


def test_the_program_reads_what_the_role_writes():
    variables = variables_of('nginx', nginx_upstreams=SHOP, nginx_upstream_health=[{'name': 'shop', 'interval': 2}])
    written = next(one for one in variables['__nginx_health_files'] if one['path'] == '{{ __nginx_health_json }}')
    text = fill_in(written['content'], variables)
    assert isinstance(text, str) and text.endswith(']\n')
    assert json.loads(text) == made('__nginx_health_checks', nginx_upstream_health=[{'name': 'shop', 'interval': 2}])


def test_everything_that_is_written_goes_again():
    variables = variables_of('nginx')
    written = {fill_in(one['path'], variables) for one in variables['__nginx_health_files']}
    assert written < {*made('__nginx_health_absent')}


@pytest.mark.parametrize('version', ['1.9.9', '1.26.3'])
def test_nginx_conf_refuses_before_it_answers(version):
    text = made('__nginx_conf', nginx_version=version, nginx_upstream_health=[{'name': 'shop'}], __nginx_mitigations=NOTHING)
    health = text[text.index('location = /healthz {'):text.index('location = /healthz/live')]
    assert [line.strip() for line in health.splitlines() if '-f' in line or 'return' in line] == [
        'if (-f /usr/local/nginx/maintenance) {', 'return 503 "maintenance\\n";',
        'if (-f /run/nginx-upstream-health/shop.failed) {', 'return 503 "shop: too few servers are up\\n";', 'return 200 "ok\\n";']
