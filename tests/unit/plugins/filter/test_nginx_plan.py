# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes without saying in an nginx.conf."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.vipkit.ha.plugins.filter.nginx_certificate_files import nginx_certificate_files
from ansible_collections.vipkit.ha.plugins.filter.nginx_conf import nginx_conf
from ansible_collections.vipkit.ha.plugins.filter.nginx_findings import nginx_findings
from ansible_collections.vipkit.ha.plugins.filter.nginx_plan import nginx_plan
from ansible_collections.vipkit.ha.plugins.filter.nginx_sockets import nginx_sockets
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_plan import for_test as nginx_test_plan

NOTHING = {'main': {}, 'events': {}, 'http_defaults': {}, 'http': {}, 'upstreams': [], 'servers': [], 'own_servers': [], 'listen': ['80'],
           'certificates': '/etc/tls', 'tls_profile': 'intermediate', 'security_headers': False, 'json_log': False, 'send_once': True,
           'streams': [], 'stream': {}, 'closed': False, 'closed_file': '', 'closed_page': '/www/closed.html', 'closed_retry_after': 60}


def plan(version='1.26.3', **given):
    """The plan of some inputs."""
    return nginx_plan({**NOTHING, **given}, version)


def server(version='1.26.3', **given):
    """The plan of one server."""
    return plan(version, servers=[given])['servers'][0]


def test_what_is_given_stays():
    assert plan(main={'user': 'www'}, events={'worker_connections': 7}, http={'sendfile': True}, upstreams=[{'name': 'a'}], streams=[{'name': 'b'}],
                stream={'zone': 'x'}, own_servers=[{'listen': '1'}]) == {
        'main': {'user': 'www'}, 'events': {'worker_connections': 7}, 'http': {'sendfile': True}, 'upstreams': [{'name': 'a'}],
        'servers': [{'listen': '1'}], 'streams': [{'name': 'b'}], 'stream': {'zone': 'x'}}


def test_http_replaces_a_default():
    assert plan(http_defaults={'sendfile': True, 'keepalive_timeout': 65}, http={'sendfile': False})['http'] == {'sendfile': False, 'keepalive_timeout': 65}


def test_a_server_listens_where_nothing_else_is_said():
    assert server(server_name='a')['listen'] == ['80']
    assert server(listen=['81'])['listen'] == ['81']


def test_nothing_of_proxying_where_nothing_proxies():
    assert plan(servers=[{'location': [{'path': '/', 'return': 404}]}])['http'] == {}


def test_what_proxies_keeps_connections_and_takes_websockets():
    http = plan(servers=[{'location': [{'path': '/', 'proxy_pass': 'http://a'}]}], http={'map': {'args': '$a $b', 'entries': {'c': 'd'}}})['http']
    assert http['proxy_http_version'] == '1.1'
    assert {'Upgrade $http_upgrade', 'Connection $connection_upgrade', 'Host $host'} <= set(http['proxy_set_header'])
    assert http['map'] == [{'args': '$a $b', 'entries': {'c': 'd'}},
                           {'args': '$http_upgrade $connection_upgrade', 'entries': {'default': 'upgrade', "''": "''"}}]


def test_headers_of_a_location_come_to_those_that_it_would_inherit():
    one = server(location=[{'path': '/', 'proxy_pass': 'http://a', 'proxy_set_header': ['host b', ['X-A', 'c d']],
                            'location': [{'path': '/e', 'proxy_set_header': 'X-E f'}, {'path': '/g'}]}])['location'][0]
    outer = one['proxy_set_header']
    assert 'host b' in outer and 'Host $host' not in outer and outer[-1] == ['X-A', 'c d'] and 'X-Real-IP $remote_addr' in outer
    assert one['location'][0]['proxy_set_header'] == outer + ['X-E f']
    assert 'proxy_set_header' not in one['location'][1]


def test_headers_of_responses_come_together_too():
    done = plan(security_headers=True, http={'add_header': 'X-Frame-Options DENY always'}, servers=[{'add_header': 'X-A b'}])
    assert 'X-Frame-Options DENY always' in done['http']['add_header'] and 'X-Frame-Options SAMEORIGIN always' not in done['http']['add_header']
    assert done['servers'][0]['add_header'] == done['http']['add_header'] + ['X-A b']


OLD = '1.9.9'


def test_an_old_version_sends_once_what_must_not_be_sent_twice():
    both = server(OLD, error_page='502 /x', location=[{'path': '/', 'proxy_pass': 'http://a', 'proxy_read_timeout': '9s'}])['location']
    assert both == [
        {'path': '/', 'proxy_pass': 'http://a', 'proxy_read_timeout': '9s', 'proxy_next_upstream': 'error timeout',
         'error_page': ['502 /x', '418 = @once_1'], 'if': [{'condition': '($request_method ~ "^(POST|LOCK|PATCH)$")', 'return': 418}]},
        {'path': '@once_1', 'proxy_pass': 'http://a', 'proxy_read_timeout': '9s', 'proxy_next_upstream': 'off'}]


@pytest.mark.parametrize('version, location', [
    ('1.9.13', {'proxy_pass': 'http://a'}),
    (OLD, {'proxy_pass': 'http://a', 'proxy_next_upstream': 'timeout'}),
    (OLD, {'return': 404}),
])
def test_and_leaves_all_else(version, location):
    assert server(version, location=[{'path': '/', **location}])['location'] == [{'path': '/', **location}]


@pytest.mark.parametrize('location', [
    {'proxy_pass': 'http://a/b'}, {'proxy_pass': 'http://a', 'rewrite': 'a b break'},
    {'proxy_pass': 'http://a', 'raw': 'set $a b;'}, {'proxy_pass': 'http://a', 'location': []}])
def test_what_cannot_be_split_is_sent_once(location):
    assert server(OLD, location=[{'path': '/', **location}])['location'] == [{'path': '/', **location, 'proxy_next_upstream': 'off'}]


def test_what_is_sent_once_is_sent_over_a_connection_of_its_own():
    kept = {'name': 'a', 'server': ['b:1'], 'least_conn': True, 'keepalive': 4, 'keepalive_timeout': 9, 'zone': 'z 1m'}
    done = plan(OLD, upstreams=[kept, {'name': 'c', 'server': ['d:1']}], servers=[{'location': [
        {'path': '/', 'proxy_pass': 'http://a'}, {'path': '/x', 'proxy_pass': 'http://a/y'}, {'path': '/c', 'proxy_pass': 'http://c'}]}])
    assert done['upstreams'][2:] == [{'name': 'a_once', 'server': ['b:1'], 'least_conn': True}]
    assert [(one['path'], one['proxy_pass']) for one in done['servers'][0]['location']] == [
        ('/', 'http://a'), ('@once_1', 'http://a_once'), ('/x', 'http://a_once/y'), ('/c', 'http://c'), ('@once_2', 'http://c')]


def test_nothing_is_split_where_somebody_has_decided():
    location = {'path': '/', 'proxy_pass': 'http://a'}
    for given in ({'servers': [{'proxy_next_upstream': 'off', 'location': [location]}]},
                  {'http': {'proxy_next_upstream': 'off'}, 'servers': [{'location': [location]}]},
                  {'send_once': False, 'servers': [{'location': [location]}]}):
        assert plan(OLD, **given)['servers'][0]['location'] == [location]


PAGE = {'path': '= /vipkit-closed', 'internal': True, 'error_page': '503 /vipkit-closed', 'if': [{'condition': '($status != 503)', 'return': 503}],
        'alias': '/www/closed.html', 'default_type': [['text/html; charset=utf-8']], 'client_max_body_size': 0,
        'add_header': ['Retry-After 60 always', 'Cache-Control no-store always']}
LOOK = {'condition': '(-f /run/closed)', 'rewrite': '^ /vipkit-closed last'}


def test_a_server_is_closed_before_anything_else_of_it():
    given = {'listen': ['80'], 'raw': 'rewrite ^/a /b last;', 'set': '$a b', 'if': {'condition': '($a)', 'return': 1}, 'return': '301 /x',
             'rewrite': '^/c /d last', 'location': [{'path': '/'}]}
    for asked, what in (({'closed': True}, 'rewrite ^ /vipkit-closed last;'), ({'closed_file': '/run/closed'}, 'if (-f /run/closed) {')):
        text = nginx_conf(plan(servers=[{**given, **asked}]), '1.26.3')
        head = [line.strip() for line in text.partition('server {')[2].splitlines() if line.strip()]
        assert head[0] == what
        assert head.index('rewrite ^/a /b last;') < head.index('set $a b;') < head.index('if ($a) {') < head.index('return 301 /x;')
    assert server(**given, closed=True)['location'] == [{'path': '/'}, PAGE]


def test_what_is_said_of_a_server_counts_more_than_what_is_said_of_all():
    done = plan(closed=True, closed_file='/run/closed', servers=[{}, {'closed': False}, {'closed': False, 'closed_file': '/run/b'},
                                                                 {'closed': False, 'closed_file': None}], own_servers=[{'listen': '1'}])['servers']
    assert [one.get('_first') for one in done] == [
        {'rewrite': '^ /vipkit-closed last'}, {'if': LOOK}, {'if': {'condition': '(-f /run/b)', 'rewrite': '^ /vipkit-closed last'}}, None, None]
    assert done[-2:] == [{'listen': ['80']}, {'listen': '1'}]


def test_a_page_keeps_the_headers_that_a_server_has():
    page = plan(security_headers=True, closed=True, servers=[{'add_header': 'X-A b'}])['servers'][0]['location'][0]
    assert page['add_header'][-3:] == ['X-A b', *PAGE['add_header']] and 'X-Content-Type-Options nosniff always' in page['add_header']


@pytest.mark.parametrize('given, text', [
    ({'closed_file': 'closed'}, 'absolute path'), ({'closed_file': '/run/a b'}, 'absolute path'), ({'closed': 'no'}, 'write true or false'),
    ({'closed': True, 'closed_retry_after': 'soon'}, 'whole seconds')])
def test_a_server_that_cannot_be_closed_is_a_finding(given, text):
    assert text in nginx_findings({**NOTHING, **given, 'servers': [{}]}, OLD, [])[0]


def test_a_certificate_by_name():
    assert server(listen=['443 ssl'], certificate='shop') == {'listen': ['443 ssl'], 'ssl_certificate': '/etc/tls/shop.crt',
                                                              'ssl_certificate_key': '/etc/tls/shop.key'}


def test_a_profile_comes_with_the_first_server_that_needs_it():
    assert 'ssl_protocols' not in plan(servers=[{'listen': ['80']}])['http']
    http = plan(servers=[{'listen': ['443 ssl']}])['http']
    assert http['ssl_protocols'] == 'TLSv1.2 TLSv1.3' and http['ssl_session_tickets'] is False
    assert plan(servers=[{'listen': ['443 ssl']}], http={'ssl_protocols': 'TLSv1.3'})['http']['ssl_protocols'] == 'TLSv1.3'
    assert plan('1.12.0', servers=[{'listen': ['443 ssl']}])['http']['ssl_protocols'] == 'TLSv1.2'


@pytest.mark.parametrize('given, text', [
    ({'servers': [{'listen': '443 ssl'}], 'tls_profile': 'modern'}, 'the TLS profile modern needs TLS 1.3, which came with nginx 1.13.0'),
    ({'json_log': True}, 'needs nginx 1.11.8 or newer'),
])
def test_what_an_old_version_cannot_do(given, text):
    with pytest.raises(AnsibleFilterError, match=text):
        plan(OLD, **given)


def test_the_json_of_a_log_is_json():
    (name, escape, text), = plan(json_log=True)['http']['log_format']
    assert (name, escape) == ('json', 'escape=json')
    assert json.loads(text)['status'] == '$status'


def test_nginx_reads_formats_before_a_log_names_one():
    http = plan(json_log=True, http_defaults={'access_log': '/a json'}, http={'access_log': '/b main', 'log_format': "main '$status'"})['http']
    assert [*http] == ['log_format', 'access_log']
    assert [one[:2] if isinstance(one, list) else one for one in http['log_format']] == [['json', 'escape=json'], "main '$status'"]
    assert [*plan(http_defaults={'access_log': '/a'}, http={'access_log': '/b main', 'log_format': "main '$status'"})['http']][0] == 'log_format'


@pytest.mark.parametrize('listen, sockets', [
    ('80', ['*:80']), (80, ['*:80']), (['80 default_server', '[::]:80 ipv6only=on'], ['*:80', '[::]:80']), ('192.0.2.1', ['192.0.2.1:80']),
    ('192.0.2.1:443 ssl', ['192.0.2.1:443']), ('*:81', ['*:81']), ('[2001:db8::1]', ['[2001:db8::1]:80']), ('unix:/run/a b', ['unix:/run/a']),
    ('53 udp', ['*:53/udp']), ('localhost:80', []), (None, []),
])
def test_sockets(listen, sockets):
    assert nginx_sockets({'servers': [{'listen': listen}], 'streams': []}) == sockets
    assert nginx_sockets({'servers': [], 'streams': [{'listen': listen}]}) == sockets


@pytest.mark.parametrize('log, tested', [
    ('/var/log/a.log', ['logs/a.log']), ('/var/log/a.log json buffer=1k', ['logs/a.log json buffer=1k']), ('off', ['off']),
    (['/b', 'syslog:server=a:1 x'], ['logs/b', 'syslog:server=a:1 x']), ('stderr warn', ['stderr warn']), ('/dev/stdout', ['/dev/stdout']),
    ([['/a/b c', 'json']], [['logs/b c', 'json']]), (None, None),
])
def test_a_test_has_logs_of_its_own(log, tested):
    given = {'main': {'error_log': log, 'user': 'a'}, 'servers': [{'location': [{'path': '/', 'access_log': log}]}]}
    assert nginx_test_plan(given) == {'main': {'error_log': tested, 'user': 'a'}, 'servers': [{'location': [{'path': '/', 'access_log': tested}]}]}


def test_files_of_certificates():
    assert nginx_certificate_files([{'name': 'a', 'certificate': 'b', 'key': 'c\n'}]) == [
        {'path': 'tls/a.crt', 'content': 'b\n'}, {'path': 'tls/a.key', 'content': 'c\n', 'mode': '0600', 'secret': True}]


def test_findings():
    assert nginx_findings({**NOTHING, 'servers': [{'location': [{'path': '/', 'proxy_pass': 'http://a'}]}]}, OLD, []) == []
    assert 'gzip_on' in nginx_findings({**NOTHING, 'http': {'gzip_on': True}}, OLD, [])[0]
    assert 'TLS 1.3' in nginx_findings({**NOTHING, 'servers': [{'listen': '443 ssl'}], 'tls_profile': 'modern'}, OLD, [])[0]
