# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every option of the role nginx, rendered and read back: nginx.conf with crossplane, a unit by its entries, all else where it arrives.

The table below has a row for each option, and a test fails where one has none. A row says what is given, where to look, and what has to be
there, which must not be there by default. Every directive in every block is read back in test_nginx_conf_directives.py.
"""

from __future__ import annotations

import functools
import json
import re

import pytest
import yaml

from ansible_collections.vipkit.ha.plugins.filter.nginx_findings import nginx_findings
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_conf import _HEADS as HEADS
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_plan import OWN_KEYS
from test_platforms import ROOT, entries, fill_in, variables_of
from test_role_interfaces import nested, options

NEW, OLD = '1.26.3', '1.9.9'
ROLE = ROOT / 'roles' / 'nginx'
SERVER = ('http', 'server')
LOCATION = (*SERVER, 'location')
TEMPLATE = re.compile(r"lookup\('ansible\.builtin\.template', '([^']+)'\)")
SHA = 'a' * 64
HOST = {'inventory_hostname': 'node1', 'nginx_version': NEW, 'nginx_configure_flags': ['--with-stream', '--with-http_ssl_module'],
        'ansible_facts': {'os_family': 'Debian', 'distribution': 'Debian', 'distribution_major_version': '12'}}
BASE = variables_of('nginx')
# No lookup can be had here: what they find stands in their place.
LOOKUPS = {"lookup('vipkit.ha.known_issues', 'nginx')": 'found_issues',
           "query('ansible.builtin.file', *nginx_patches, rstrip=false)": 'found_patches'}
FOUND = {'found_issues': yaml.safe_load((ROLE / 'files/known_issues.yml').read_text(encoding='utf-8')), 'found_patches': ['--- a\n+++ b\n']}


class Role:
    """The role on a host with these inputs."""

    def __init__(self, parse, given):
        variables = {**BASE, **HOST, **given}
        for lookup, name in LOOKUPS.items():
            variables = {key: one.replace(lookup, name) if isinstance(one, str) else one for key, one in variables.items()}
        self.variables, self.parse = {**FOUND, **variables}, parse

    def value(self, expression):
        """What an expression comes to."""
        return fill_in('{{ ' + expression + ' }}', self.variables)

    def conf(self, path):
        """All statements in all blocks of such a path in nginx.conf."""
        found = self.parse(self.value('__nginx_conf'))
        for name in path:
            found = [inner for one in found if one[0] == name for inner in one[-1]]
        return found

    def file(self, name):
        """The text of a file that the role writes, by its path."""
        lists = [value for key, value in self.variables.items() if re.fullmatch('__nginx_(.*_)?files', key) and isinstance(value, list)]
        content, = (one['content'] for files in lists for one in files if fill_in(one['path'], self.variables) == name)
        template = TEMPLATE.search(content)
        return fill_in((ROLE / 'templates' / template.group(1)).read_text(encoding='utf-8') if template else content, self.variables)

    def task(self, name, key, *path):
        """What the tasks of a file have for a key, or for one below it."""
        found = []
        for task in walk(yaml.safe_load((ROLE / 'tasks' / f'{name}.yml').read_text(encoding='utf-8'))):
            value = task.get(key)
            for part in path:
                value = value.get(part) if isinstance(value, dict) else None
            if isinstance(value, str):
                value = functools.reduce(lambda text, pair: text.replace(*pair), LOOKUPS.items(), value)
            found += [fill_in(value, self.variables)] if value is not None else []
        return found


def walk(tasks):
    """Each task, those in blocks, too."""
    for task in tasks:
        yield task
        yield from walk(task.get('block', []))


def conf(*path):
    """Look into nginx.conf."""
    return lambda role: role.conf(path)


def unit(name='nginx'):
    """Look into a unit."""
    return lambda role: [*entries(role.file(f'/etc/systemd/system/{name}.service'))]


def lines(name):
    """Look into the lines of a file."""
    return lambda role: [line.strip() for line in role.file(name).splitlines()]


def value(expression):
    """Look at one value."""
    return lambda role: [role.value(expression)]


def items(expression):
    """Look into a list."""
    return lambda role: [*role.value(expression)]


def task(*path):
    """Look at what tasks are given."""
    return lambda role: role.task(*path)


def checks(role):
    """Each key and value of what the program reads that asks upstreams."""
    return [pair for check in json.loads(role.file('/usr/local/nginx/upstream_health.json')) for pair in check.items()]


def health(**given):
    """One check of servers."""
    return {'nginx_upstream_health': [{'name': 'shop', 'servers': ['192.0.2.1:80', '192.0.2.2:80'], **given}]}


def server(**given):
    """One server."""
    return {'nginx_servers': [{'listen': '81', **given}]}


def location(**given):
    """One location."""
    return server(location=[{'path': '/', **given}])


def module(**given):
    """One module of others."""
    return {'nginx_modules': [{'name': 'echo', 'version': '0.63', 'sha256': SHA, **given}]}


def library(**given):
    """One library."""
    return {'nginx_libraries': [{'name': 'pcre', 'version': '8.45', 'sha256': SHA, **given}]}


def program(key):
    """Look at what the role source_build is given, at the parts of a list, too."""
    def look(role):
        given = fill_in(role.variables['__nginx_program'][key], role.variables)
        return [given, *(given if isinstance(given, list) else [])]
    return look


def source(key):
    """Look at the further sources that are built."""
    return lambda role: [one.get(key) for one in program('extra_sources')(role)[1:]]


def lacks(look, what):
    """Look whether something is missing."""
    return lambda role: [what not in look(role)]


def names(*path):
    """Look at the names of directives in nginx.conf."""
    return lambda role: [one[0] for one in role.conf(path)]


def told(role):
    """The known issues that are told."""
    return [one['id'] for one in role.task('known_issues', 'ansible.builtin.set_fact', '__nginx_known_issues')[0]]


def removed(role):
    """The files that are removed."""
    return role.task('configure', 'vipkit.ha.managed_files', 'absent')[0]


def wanted(role):
    """The conditions of what proves that nginx answers."""
    return [role.value(one[0]) for one in role.task('bring_up', 'when') if isinstance(one, list)]


CERTIFICATE = {'nginx_certificates': [{'name': 'shop', 'certificate': 'CRT', 'key': 'KEY'}]}
FLAGS = '__nginx_configure_flags'
BUILD_PATHS = {'nginx_dir': '--prefix', 'nginx_sbin_path': '--sbin-path', 'nginx_conf_path': '--conf-path', 'nginx_pid_path': '--pid-path'}
CLOSED = ['alias', '/usr/local/nginx/vipkit_closed.html']
ROWS = [
    # the program
    ('nginx_version', {'nginx_version': '1.22.1'}, program('version'), '1.22.1'),
    ('nginx_sha256', {'nginx_sha256': SHA}, program('sha256'), SHA),
    ('nginx_source_urls', {'nginx_source_urls': ['http://a/b']}, program('urls'), 'http://a/b'),
    ('nginx_configure_flags', {'nginx_configure_flags': ['--with-debug']}, items(FLAGS), '--with-debug'),
    ('nginx_cflags', {'nginx_cflags': ['-O3']}, program('cflags'), '-O3'),
    ('nginx_modules', module(), items(FLAGS), '--add-module=../echo'),
    ('nginx_modules.name', module(name='brotli'), items(FLAGS), '--add-module=../brotli'),
    ('nginx_modules.version', module(version='1.2'), source('version'), '1.2'),
    ('nginx_modules.sha256', module(sha256='b' * 64), source('sha256'), 'b' * 64),
    ('nginx_modules.urls', module(urls=['http://a']), source('urls'), ['http://a']),
    ('nginx_modules.dynamic', module(dynamic=True), items(FLAGS), '--add-dynamic-module=../echo'),
    ('nginx_modules.load', module(dynamic=True, load=['e.so']), conf(), ['load_module', 'modules/e.so']),
    ('nginx_libraries', library(), items(FLAGS), '--with-pcre=../pcre'),
    ('nginx_libraries.name', library(name='zlib'), items(FLAGS), '--with-zlib=../zlib'),
    ('nginx_libraries.version', library(version='8.44'), source('version'), '8.44'),
    ('nginx_libraries.sha256', library(sha256='b' * 64), source('sha256'), 'b' * 64),
    ('nginx_libraries.urls', library(urls=['http://a']), source('urls'), ['http://a']),
    ('nginx_patches', {'nginx_patches': [str(ROOT / 'LICENSE')]}, lambda role: [one['name'] for one in program('patches')(role)[1:]], 'LICENSE'),
    ('nginx_rollback_to', {'nginx_rollback_to': '1.18.0'}, task('rollback', 'vars', 'source_build_restore'), {'nginx': '1.18.0'}),
    ('nginx_without_mitigations', {'nginx_version': OLD, 'nginx_without_mitigations': ['no_ssi']},
     lacks(items(FLAGS), '--without-http_ssi_module'), True),
    ('nginx_accepted_issues', {'nginx_accepted_issues': ['CVE-2009-4487']}, lacks(told, 'CVE-2009-4487'), True),
    ('nginx_fail_on_cve', {'nginx_fail_on_cve': 'low', '__nginx_known_issues': [{'kind': 'cve', 'reach': 'used', 'severity': 'low', 'line': 'x'}]},
     items("__nginx_intolerable | map(attribute='line')"), 'x'),
    # where things are
    *((name, {name: '/usr/local/nginx/x'}, items(FLAGS), f'{flag}=/usr/local/nginx/x') for name, flag in BUILD_PATHS.items()),
    ('nginx_dir', {'nginx_dir': '/n'}, conf(), ['error_log', '/n/logs/error.log']),
    ('nginx_dir', {'nginx_dir': '/n'}, unit(), ('Service', 'ReadWriteDirectories', '/n')),
    ('nginx_dir', {'nginx_dir': '/n'}, lines('/etc/logrotate.d/nginx'), '/n/logs/*.log {'),
    ('nginx_sbin_path', {'nginx_sbin_path': '/n'}, unit(), ('Service', 'ExecStart', '/n -c /usr/local/nginx/nginx.conf')),
    ('nginx_conf_path', {'nginx_conf_path': '/n/c'}, conf('http'), ['include', '/n/mime.types']),
    ('nginx_pid_path', {'nginx_pid_path': '/run/n'}, unit(), ('Service', 'PIDFile', '/run/n')),
    ('nginx_pid_path', {'nginx_pid_path': '/run/n'}, unit(), ('Service', 'ReadWriteDirectories', '/usr/local/nginx /run')),
    ('nginx_source_dir', {'nginx_source_dir': '/s'}, program('source_dir'), '/s'),
    ('nginx_html_dir', {'nginx_html_dir': '/h'}, conf(*SERVER), ['root', '/h']),
    # what it serves
    ('nginx_listen', {'nginx_listen': ['[::]:80']}, conf(*SERVER), ['listen', '[::]:80', 'default_server']),
    ('nginx_listen', {'nginx_listen': ['90'], 'nginx_servers': [{'server_name': 'a'}]}, conf(*SERVER), ['listen', '90']),
    ('nginx_upstreams', {'nginx_upstreams': [{'name': 'shop', 'server': ['192.0.2.1:80 max_fails=1'], 'keepalive': 4}]}, conf('http'),
     ['upstream', 'shop', [['server', '192.0.2.1:80', 'max_fails=1'], ['keepalive', '4']]]),
    ('nginx_upstreams.name', {'nginx_upstreams': [{'name': 'a', 'server': 'b'}]}, conf('http'), ['upstream', 'a', [['server', 'b']]]),
    ('nginx_upstreams.raw', {'nginx_upstreams': [{'name': 'a', 'server': 'b', 'raw': 'hash $a;'}]}, conf('http', 'upstream'), ['hash', '$a']),
    ('nginx_servers', server(server_name='a b'), conf(*SERVER), ['server_name', 'a', 'b']),
    ('nginx_servers.name', server(name='shop', lisen='80'),
     lambda role: [one.split(':')[1].strip() for one in nginx_findings(role.value('__nginx_inputs'), NEW, [])], 'http > server shop'),
    ('nginx_servers.certificate', {**server(listen='443 ssl', certificate='shop'), **CERTIFICATE}, conf(*SERVER), ['ssl_certificate', 'tls/shop.crt']),
    ('nginx_servers.certificate', {**server(listen='443 ssl', certificate='shop'), **CERTIFICATE}, conf(*SERVER), ['ssl_certificate_key', 'tls/shop.key']),
    ('nginx_servers.closed', server(closed=True), conf(*SERVER), ['rewrite', '^', '/vipkit-closed', 'last']),
    ('nginx_servers.closed_file', server(closed_file='/run/c'), conf(*SERVER),
     ['if', '-f', '/run/c', [['rewrite', '^', '/vipkit-closed', 'last']]]),
    ('nginx_servers.raw', server(raw='etag off;'), conf(*SERVER), ['etag', 'off']),
    ('nginx_servers.location', location(etag=False), conf(*LOCATION), ['etag', 'off']),
    ('nginx_servers.location.path', server(location={'path': r'~ \.php$', 'etag': True}), conf(*SERVER), ['location', '~', r'\.php$', [['etag', 'on']]]),
    ('nginx_servers.location.location', location(location=[{'path': '/a', 'etag': True}]), conf(*LOCATION), ['location', '/a', [['etag', 'on']]]),
    ('nginx_servers.location.raw', location(raw='etag off;'), conf(*LOCATION), ['etag', 'off']),
    ('nginx_servers.if.condition', server(**{'if': {'condition': '$a', 'return': 404}}), conf(*SERVER), ['if', '$a', [['return', '404']]]),
    ('nginx_servers.location.limit_except.method', location(limit_except={'method': 'GET', 'deny': 'all'}), conf(*LOCATION),
     ['limit_except', 'GET', [['deny', 'all']]]),
    ('nginx_streams', {'nginx_streams': [{'name': 'db', 'listen': '54', 'server': 'b:1', 'least_conn': True, 'proxy_timeout': '9s'}]}, conf('stream'),
     ['server', [['listen', '54'], ['proxy_timeout', '9s'], ['proxy_pass', 'db']]]),
    ('nginx_streams', {'nginx_streams': [{'name': 'db', 'listen': '54', 'server': 'b:1', 'least_conn': True}]}, conf('stream'),
     ['upstream', 'db', [['server', 'b:1'], ['least_conn']]]),
    ('nginx_streams.name', {'nginx_streams': [{'name': 'a', 'listen': '54', 'server': 'b:1'}]}, conf('stream'), ['upstream', 'a', [['server', 'b:1']]]),
    ('nginx_streams.server', {'nginx_streams': [{'name': 'a', 'listen': '54', 'server': ['b:1', 'c:1']}]}, conf('stream', 'upstream'), ['server', 'c:1']),
    ('nginx_streams.raw', {'nginx_streams': [{'listen': '54', 'proxy_pass': 'b:1', 'raw': 'tcp_nodelay on;'}]}, conf('stream', 'server'),
     ['tcp_nodelay', 'on']),
    ('nginx_files', {'nginx_files': [{'path': 'a', 'content': 'b'}]}, items('__nginx_tree'), {'path': 'a', 'content': 'b'}),
    ('nginx_files.path', {'nginx_files': [{'path': 'c', 'content': 'b'}]}, items('__nginx_loaded_files'), '/usr/local/nginx/c'),
    ('nginx_files.content', {'nginx_files': [{'path': 'a', 'content': 'c'}]}, items('__nginx_tree'), {'path': 'a', 'content': 'c'}),
    ('nginx_certificates', CERTIFICATE, items('__nginx_loaded_files'), '/usr/local/nginx/tls/shop.key'),
    ('nginx_certificates.name', CERTIFICATE, items("__nginx_tree | map(attribute='path')"), 'tls/shop.crt'),
    ('nginx_certificates.certificate', CERTIFICATE, items('__nginx_tree'), {'path': 'tls/shop.crt', 'content': 'CRT\n'}),
    ('nginx_certificates.key', CERTIFICATE, items('__nginx_tree'), {'path': 'tls/shop.key', 'content': 'KEY\n', 'mode': '0600', 'secret': True}),
    ('nginx_tls_profile', {**server(listen='443 ssl'), 'nginx_tls_profile': 'modern'}, conf('http'), ['ssl_protocols', 'TLSv1.3']),
    ('nginx_security_headers', {'nginx_security_headers': False}, lacks(names('http'), 'add_header'), True),
    ('nginx_json_log', {'nginx_json_log': True}, conf('http'),
     ['access_log', '/usr/local/nginx/logs/access.log', 'json', 'buffer=64k', 'flush=1s']),
    ('nginx_json_log', {'nginx_json_log': True}, lambda role: [one[:3] for one in role.conf(('http',))], ['log_format', 'json', 'escape=json']),
    # directives by block
    ('nginx_main', {'nginx_main': {'user': 'www', 'worker_rlimit_nofile': 9999}}, conf(), ['user', 'www']),
    ('nginx_main', {'nginx_main': {'worker_rlimit_nofile': 9999}}, unit(), ('Service', 'LimitNOFILE', '9999')),
    ('nginx_main.raw', {'nginx_main': {'raw': 'user www;'}}, conf(), ['user', 'www']),
    ('nginx_events', {'nginx_events': {'multi_accept': True}}, conf('events'), ['multi_accept', 'on']),
    ('nginx_events', {'nginx_events': {'worker_connections': 100}}, conf(), ['worker_rlimit_nofile', '264']),
    ('nginx_events.raw', {'nginx_events': {'raw': 'multi_accept on;'}}, conf('events'), ['multi_accept', 'on']),
    ('nginx_http', {'nginx_http': {'server_tokens': True}}, conf('http'), ['server_tokens', 'on']),
    ('nginx_http.raw', {'nginx_http': {'raw': 'etag off;'}}, conf('http'), ['etag', 'off']),
    ('nginx_http.map.args', {'nginx_http': {'map': {'args': '$a $b', 'entries': {'c': 'd'}}}}, conf('http'), ['map', '$a', '$b', [['c', 'd']]]),
    ('nginx_http.map.entries', {'nginx_http': {'map': {'args': '$a $b', 'entries': {'default': '""'}}}}, conf('http', 'map'), ['default', '']),
    ('nginx_http.map.raw', {'nginx_http': {'map': {'args': '$a $b', 'raw': 'x y;'}}}, conf('http', 'map'), ['x', 'y']),
    ('nginx_stream', {'nginx_stream': {'tcp_nodelay': True}}, conf('stream'), ['tcp_nodelay', 'on']),
    ('nginx_stream.raw', {'nginx_stream': {'raw': 'tcp_nodelay on;'}}, conf('stream'), ['tcp_nodelay', 'on']),
    ('nginx_worker_processes', {'nginx_worker_processes': '3'}, conf(), ['worker_processes', '3']),
    ('nginx_worker_connections', {'nginx_worker_connections': 5000}, conf('events'), ['worker_connections', '5000']),
    ('nginx_worker_connections', {'nginx_worker_connections': 5000}, conf(), ['worker_rlimit_nofile', '10064']),
    ('nginx_worker_connections', {'nginx_worker_connections': 5000}, unit(), ('Service', 'LimitNOFILE', '10064')),
    # health
    ('nginx_health_listen', {'nginx_health_listen': '127.0.0.1:9'}, conf(*SERVER), ['listen', '127.0.0.1:9']),
    ('nginx_health_path', {'nginx_health_path': '/up'}, lambda role: [one[:3] for one in role.conf(SERVER)], ['location', '=', '/up']),
    ('nginx_maintenance_file', {'nginx_maintenance_file': '/run/m'}, conf(*LOCATION), ['if', '-f', '/run/m', [['return', '503', 'maintenance\\n']]]),
    ('nginx_upstream_health', health(), checks, ('servers', ['192.0.2.1:80', '192.0.2.2:80'])),
    ('nginx_upstream_health', health(), conf(*LOCATION),
     ['if', '-f', '/run/nginx-upstream-health/shop.failed', [['return', '503', 'shop: too few servers are up\\n']]]),
    ('nginx_upstream_health.name', health(name='a'), checks, ('name', 'a')),
    ('nginx_upstream_health.servers', health(servers=['a']), checks, ('servers', ['a:80'])),
    ('nginx_upstream_health.kind', health(kind='http'), checks, ('kind', 'http')),
    ('nginx_upstream_health.path', health(kind='http', path='/up'), checks, ('path', '/up')),
    *((f'nginx_upstream_health.{name}', health(**{name: number}), checks, (name, number))
      for name, number in {'min_servers': 2, 'interval': 3.5, 'timeout': 4.5, 'rise': 5, 'fall': 6}.items()),
    # closed for work
    ('nginx_closed', {'nginx_closed': True}, conf(*SERVER), ['rewrite', '^', '/vipkit-closed', 'last']),
    ('nginx_closed', {'nginx_closed': True}, conf(*LOCATION), CLOSED),
    ('nginx_closed_file', {'nginx_closed_file': '/run/c'}, conf(*SERVER), ['if', '-f', '/run/c', [['rewrite', '^', '/vipkit-closed', 'last']]]),
    ('nginx_closed_retry_after', {'nginx_closed': True, 'nginx_closed_retry_after': 7}, conf(*LOCATION), ['add_header', 'Retry-After', '7', 'always']),
    ('nginx_closed_page', {'nginx_closed_page': '<p>a</p>'}, lines('/usr/local/nginx/vipkit_closed.html'), '<p>a</p>'),
    # the host around it
    ('nginx_hardening', {'nginx_hardening': False}, lacks(unit(), ('Service', 'ProtectSystem', 'full')), True),
    ('nginx_hardening', {'nginx_hardening': False}, lacks(unit('nginx-upstream-health'), ('Service', 'ProtectSystem', 'full')), True),
    ('nginx_sysctl', {'nginx_sysctl': True}, lacks(removed, '/etc/sysctl.d/50-vipkit-nginx.conf'), True),
    ('nginx_sysctl', {'nginx_sysctl': True}, items("__nginx_directories | map(attribute='path')"), '/etc/sysctl.d'),
    ('nginx_sysctl', {'nginx_streams': [{'listen': '[2001:db8::1]:20000', 'proxy_pass': 'b:1'}, {'listen': '999', 'proxy_pass': 'b:1'}], 'nginx_sysctl': True},
     lines('/etc/sysctl.d/50-vipkit-nginx.conf'), 'net.ipv4.ip_local_reserved_ports = 20000'),
    ('nginx_metrics', {'nginx_metrics': True}, lacks(removed, '/etc/systemd/system/nginx-metrics.timer'), True),
    ('nginx_metrics', {'nginx_metrics': True}, task('service', 'vipkit.ha.unit_in_force', 'companions'), ['nginx-metrics.timer']),
    ('nginx_metrics_dir', {'nginx_metrics_dir': '/srv/prom'}, items('__nginx_metrics_arguments'), '/srv/prom/vipkit_nginx.prom'),
    ('nginx_sysctl_settings', {'nginx_sysctl_settings': {'net.core.somaxconn': 9}}, lines('/etc/sysctl.d/50-vipkit-nginx.conf'), 'net.core.somaxconn = 9'),
    ('nginx_page', {'nginx_page': 'a'}, lines('/usr/local/nginx/html/index.html'), 'a'),
    # the service and the proof
    ('nginx_drain_timeout', {'nginx_drain_timeout': 7}, task('turn', 'vipkit.ha.nginx_upgrade', 'drain_timeout'), 7),
    ('nginx_drain_role', {'nginx_drain_role': 'x.y.z'}, task('turn', 'ansible.builtin.include_role', 'name'), 'x.y.z'),
    ('nginx_turn_order', {'nginx_turn_order': ['b'], '__nginx_to_turn': ['a', 'b']}, value('__nginx_turning'), ['b', 'a']),
    ('nginx_verify', {'nginx_verify': False}, wanted, False),
    ('nginx_verify_timeout', {'nginx_verify_timeout': 7}, task('verify', 'retries'), '7'),
]

# Without these a row could not look.
WITHOUT = {
    'nginx_turn_order': {'__nginx_to_turn': ['a', 'b']},
    'nginx_fail_on_cve': {'__nginx_known_issues': []},
    'nginx_without_mitigations': {'nginx_version': OLD},
}

# What stands in a block of a description beside directives, and what every option of the role is called.
KEYS = {*OWN_KEYS, *HEADS.values(), 'args', 'entries', 'raw'}
OPTIONS = [name for name, dummy in nested(options('nginx'))]


def label(item):
    """The option of a row as the name of its test."""
    return item if isinstance(item, str) and item.startswith('nginx_') else ''


@pytest.mark.parametrize('option, given, look, expected', ROWS, ids=label)
def test_an_option_arrives(option, given, look, expected, parsed):
    def parse(text):
        return parsed(text, is_checked=False)  # its tables know neither newer releases nor what is given here

    assert option.partition('.')[0] in given
    assert expected in look(Role(parse, given))
    assert expected not in look(Role(parse, WITHOUT.get(option, {}))), 'it is there without the option, too'


def test_every_option_has_a_row():
    assert {option for option, *dummy in ROWS} >= {*OPTIONS}


def test_every_row_is_of_an_option():
    inner = {option for option, *dummy in ROWS} - {*OPTIONS}
    assert {option.partition('.')[0] for option in inner} <= {*OPTIONS}
    assert KEYS <= {option.rpartition('.')[2] for option in inner} | {'name'}
