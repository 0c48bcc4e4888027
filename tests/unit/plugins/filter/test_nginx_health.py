# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which servers are asked, and what nginx says of them."""

from __future__ import annotations

import json
import re

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.vipkit.ha.plugins.filter.nginx_health_checks import nginx_health_checks
from ansible_collections.vipkit.ha.plugins.filter.nginx_health_refusals import nginx_health_refusals

UPSTREAMS = [
    {'name': 'shop', 'server': ['192.0.2.1:8080 max_fails=1', '192.0.2.2:8080 down', '192.0.2.3:8080 weight=2 backup', 'app.example']},
    {'name': 'lists', 'server': [['[2001:db8::1]:81', 'weight=2'], ['[2001:db8::2]', 'down']]},
    {'name': 'one', 'server': '192.0.2.9'},
    {'name': 'socket', 'server': ['unix:/run/app.sock']},
    {'name': 'raw', 'raw': 'server 192.0.2.1;'},
]


def checked(**check):
    return nginx_health_checks([check], UPSTREAMS)[0]


@pytest.mark.parametrize('name, servers', [
    ('shop', ['192.0.2.1:8080', '192.0.2.3:8080', 'app.example:80']),
    ('lists', ['[2001:db8::1]:81']),
    ('one', ['192.0.2.9:80']),
])
def test_servers_are_those_of_the_upstream(name, servers):
    assert checked(name=name)['servers'] == servers


def test_servers_that_are_given_hold():
    assert checked(name='shop', servers=['192.0.2.8:1'])['servers'] == ['192.0.2.8:1']
    assert checked(name='a-name.of_its-own', servers=['192.0.2.8', '[::1]'])['servers'] == ['192.0.2.8:80', '[::1]:80']


def test_what_is_left_out_is_filled_in():
    assert checked(name='one') == {'name': 'one', 'servers': ['192.0.2.9:80'], 'kind': 'tcp', 'min_servers': 1, 'interval': 1, 'timeout': 1,
                                   'rise': 2, 'fall': 2}
    assert checked(name='one', kind='http')['path'] == '/'


def test_what_is_given_holds_and_is_a_number():
    given = checked(name='shop', kind='http', path='/up', min_servers='2', interval='0.5', timeout=3, rise=1, fall='4')
    assert {key: given[key] for key in given if key != 'servers'} == {
        'name': 'shop', 'kind': 'http', 'path': '/up', 'min_servers': 2, 'interval': 0.5, 'timeout': 3, 'rise': 1, 'fall': 4}


@pytest.mark.parametrize('check, message', [
    ({'name': 'shp'}, 'nginx_upstreams has no shp (it has: shop, lists, one, socket, raw): correct the name, or give servers'),
    ({'name': 'raw'}, 'it has no servers: give some'),
    ({'name': 'shop', 'servers': []}, 'it has no servers: give some'),
    ({'name': 'shop', 'min_servers': 4}, 'min_servers is 4, and there are only 3 servers, so it would always fail'),
    ({'name': 'shop', 'min_servers': 0}, 'min_servers is 0: give a whole number, 1 or more'),
    ({'name': 'shop', 'rise': 1.5}, 'rise is 1.5: give a whole number, 1 or more'),
    ({'name': 'shop', 'interval': 0}, 'interval is 0: give seconds, 0.1 or more'),
    ({'name': 'shop', 'timeout': 'nan'}, 'timeout is nan: give seconds, 0.1 or more'),
    ({'name': 'shop', 'timeout': '1s'}, 'timeout is 1s: give seconds, 0.1 or more'),
    ({'name': 'shop', 'kind': 'udp'}, 'kind is udp: use tcp or http'),
    ({'name': 'shop', 'path': '/'}, 'path goes with kind http: add that, or leave path out'),
    ({'name': 'shop', 'kind': 'http', 'path': 'up'}, 'path is up: begin it with a slash'),
    ({'name': 'shop', 'kind': 'http', 'path': '/a b'}, 'path is /a b: begin it with a slash'),
    ({'name': 'socket'}, 'unix:/run/app.sock is no HOST:PORT that can be asked, since only TCP can: give servers without it'),
    ({'name': 'shop', 'servers': ['2001:db8::1']}, '2001:db8::1 is no HOST:PORT that can be asked; an address of IPv6 stands in brackets'),
    ({'name': 'shop', 'servers': ['192.0.2.1:0']}, '192.0.2.1:0 is no HOST:PORT'),
    ({'name': 'shop', 'servers': ['192.0.2.1:65536']}, '192.0.2.1:65536 is no HOST:PORT'),
    ({'name': 'shop', 'servers': ['http://192.0.2.1']}, 'http://192.0.2.1 is no HOST:PORT'),
    ({'name': 'a/b', 'servers': ['192.0.2.1']}, 'its name becomes that of a file'),
    ({'name': 'a"b', 'servers': ['192.0.2.1']}, 'its name becomes that of a file'),
])
def test_what_cannot_be_is_refused(check, message):
    with pytest.raises(AnsibleFilterError, match=re.escape(f"nginx_upstream_health, {check['name']}: {message}")):
        nginx_health_checks([check], UPSTREAMS)


def test_a_name_that_is_there_twice_is_refused():
    with pytest.raises(AnsibleFilterError, match='shop: there are several of this name'):
        nginx_health_checks([{'name': 'shop'}, {'name': 'shop', 'min_servers': 2}], UPSTREAMS)


def test_each_file_is_a_refusal_in_order():
    assert nginx_health_refusals({'/run/b': 'maintenance', '/run/a.failed': 'a: too few servers are up'}) == [
        {'condition': '(-f /run/b)', 'return': '503 "maintenance\\n"'},
        {'condition': '(-f /run/a.failed)', 'return': '503 "a: too few servers are up\\n"'}]


@pytest.mark.parametrize('path', ['maintenance', '/run/a b', '/run/$x', '/run/a;b', '/run/a)'])
def test_a_path_that_nginx_would_misread_is_refused(path):
    with pytest.raises(AnsibleFilterError, match='nginx cannot look for the file'):
        nginx_health_refusals({path: 'x'})


def test_checks_survive_json():
    assert json.loads(json.dumps(nginx_health_checks([{'name': 'shop'}], UPSTREAMS))) == nginx_health_checks([{'name': 'shop'}], UPSTREAMS)
