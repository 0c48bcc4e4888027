# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of the balancers while clients ask through the virtual IPs: those that work lose no request, those that fail are put back."""

from __future__ import annotations

import contextlib
import re

import pytest
import yaml
from conftest import NET, ROOT, load_on, one_line, variables, wait_until

NGINX = '/usr/local/nginx'
SHARED = ROOT / 'molecule/shared/group_vars'
MADE = yaml.safe_load((SHARED / 'all/made-sources.yml').read_text())
SERVERS = yaml.safe_load((SHARED / 'balanced/main.yml').read_text())['nginx_servers']
ENOUGH = 300                          # requests; among fewer a short gap could go unnoticed

with_an_earlier_version = pytest.mark.skipif('earlier_nginx_version' not in MADE, reason='the source of one version alone can be had here')


def masters(cluster):
    """The master of each nginx."""
    return {name: host.file(f'{NGINX}/nginx.pid').content_string.strip() for name, host in cluster.nodes.items()}


def workers(cluster):
    """The workers of each nginx that take connections."""
    return {name: set(host.check_output('pgrep -xf "nginx: worker process"').split()) for name, host in cluster.nodes.items()}


def versions(cluster):
    """The versions that run, not those on disk."""
    return {re.search(r'\d+\.\d+\.\d+', cluster.nodes[name].run(f'/proc/{pid}/exe -v').stderr).group() for name, pid in masters(cluster).items()}


def started(cluster):
    """When systemd has started each nginx."""
    return {name: host.check_output('systemctl show --property=ActiveEnterTimestampMonotonic nginx') for name, host in cluster.nodes.items()}


def files_of_nginx(cluster, *columns):
    """All but logs and what is kept of an earlier configuration, by path: what is in each file, and these columns of find for it."""
    look = (f'cd {NGINX} && find . \\( -path ./logs -o -path ./.previous -o -name "*.failed" \\) -prune '
            f'-o -type f -printf "%p {" ".join(columns)} " -exec sha256sum {{}} \\; | sort')
    return {name: node.check_output(look) for name, node in cluster.nodes.items()}


@contextlib.contextmanager
def nothing_lost(cluster, *addresses):
    """A load on the virtual IPs, or on some, of which no request may fail. An address that moves cuts the connections that it has."""
    before = cluster.transitions()
    with load_on(*addresses or cluster.vips) as load:
        yield
    assert load['failed'] == [] and load['answered'] > ENOUGH, f'{load}; states that keepalived had entered: {before}, now {cluster.transitions()}'


def changes_nothing(cluster):
    """Whether everything on the hosts is as described."""
    code, output = cluster.play('site.yml')
    assert code == 0, output
    return all(re.search(rf'^{name} .* changed=0 ', output, re.M) for name in cluster.nodes)


def test_a_reload_loses_no_request(cluster):
    before, served_before = masters(cluster), workers(cluster)
    with nothing_lost(cluster):
        code, output = cluster.play('site.yml', *variables(nginx_http={'keepalive_timeout': 31}))
        assert code == 0, output
        assert masters(cluster) == before
        assert not any(served_before[name] & now for name, now in workers(cluster).items())
        code, output = cluster.play('site.yml')
        assert code == 0, output


@with_an_earlier_version
def test_another_binary_and_the_way_back_lose_no_request(cluster):
    began = started(cluster)
    with nothing_lost(cluster):
        code, output = cluster.play('site.yml', *variables(nginx_version=MADE['earlier_nginx_version']))
        assert code == 0, output
        assert versions(cluster) == {MADE['earlier_nginx_version']}
        code, output = cluster.play('playbooks/rollback.yml', *variables(vipkit_programs='nginx'))
        assert code == 0, output
        assert versions(cluster) == {MADE['nginx_version']}
    assert started(cluster) == began
    assert changes_nothing(cluster)


def test_a_configuration_that_nginx_refuses_changes_no_file(cluster):
    before = files_of_nginx(cluster, '%m', '%u', '%i', '%T@')
    with nothing_lost(cluster):
        code, output = cluster.play('site.yml', *variables(nginx_http={'raw': 'no_such_directive on;'}))
    assert code != 0 and 'no_such_directive' in output, output
    assert files_of_nginx(cluster, '%m', '%u', '%i', '%T@') == before


@contextlib.contextmanager
def port_taken(host, port):
    """Another program that listens there for a while."""
    host.check_output(f'systemd-run --unit taken python3 -m http.server {port}')
    assert wait_until(lambda: host.run(f'ss -Hlnt sport = :{port}').stdout)
    try:
        yield
    finally:
        host.check_output('systemctl stop taken')


def test_an_address_that_another_program_has_is_put_back(cluster):
    """`nginx -t` passes over an address in use, so that this shows only when nginx loads it."""
    before, served_before = files_of_nginx(cluster, '%m', '%u'), workers(cluster)
    more = {'listen': '8090', 'location': [{'path': '/', 'proxy_pass': 'http://shop'}]}
    with port_taken(cluster.nodes['node128'], 8090), nothing_lost(cluster):
        code, output = cluster.play('site.yml', *variables(nginx_servers=[*SERVERS, more]))
    assert code != 0
    assert re.search(r'bind\(\) to 0\.0\.0\.0:8090 failed \(98: .* look with `ss -lnptu` who has the address', one_line(output)), output
    for name in cluster.nodes:
        assert f'The earlier configuration is back on the disk of {name}.' in one_line(output), output
    assert files_of_nginx(cluster, '%m', '%u') == before and workers(cluster) == served_before
    assert changes_nothing(cluster)


def test_a_configuration_without_workers_is_put_back_after_one_host(cluster):
    """nginx accepts it and loads it, and then every new worker ends at once."""
    before, served_before = files_of_nginx(cluster, '%m', '%u'), workers(cluster)
    with nothing_lost(cluster, f'{NET}.101'):  # of node129, whose turn does not come
        code, output = cluster.play('site.yml', *variables(nginx_main={'working_directory': '/no/such/directory'}))
    assert code != 0
    assert re.search(r'the new workers of nginx \(process \d+\) do not stay \(.*exited with fatal code 2', one_line(output)), output
    assert 'It does not serve there' not in output
    assert files_of_nginx(cluster, '%m', '%u') == before
    now = workers(cluster)
    assert now['node129'] == served_before['node129'] and now['node128'] and not now['node128'] & served_before['node128']
    assert changes_nothing(cluster)


def test_tls_that_the_version_cannot_have_here_is_refused_before_a_host_is_changed(cluster):
    before = files_of_nginx(cluster, '%m', '%u', '%i', '%T@')
    code, output = cluster.play('site.yml', *variables(nginx_version='1.9.9'))
    assert code != 0
    assert 'its TLS needs OpenSSL before 1.1.0, and there is a newer one; use one of nginx 1.18.0, 1.22.1 and 1.26.3' in one_line(output), output
    assert all(re.search(rf'^{name} .* changed=0 ', output, re.M) for name in cluster.nodes), output
    assert files_of_nginx(cluster, '%m', '%u', '%i', '%T@') == before


def test_a_changed_bind_address_comes_into_force(cluster):
    server = {**SERVERS[0], 'listen': [*(f'{vip}:80' for vip in cluster.vips), '443 ssl']}
    code, output = cluster.play('site.yml', *variables(nginx_servers=[server]))
    assert code == 0, output
    for node in cluster.nodes.values():
        sockets = node.check_output('ss -lnt')
        assert all(f'{vip}:80 ' in sockets for vip in cluster.vips) and '0.0.0.0:80 ' not in sockets
    assert all(cluster.page(vip) for vip in cluster.vips)
    code, output = cluster.play('site.yml')
    assert code == 0, output
    assert all(cluster.page(vip) for vip in cluster.vips)
