# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import textwrap

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.filter import nginx_conf as plugin
from ansible_collections.vipkit.ha.plugins.filter.nginx_conf import nginx_conf

FLAGS = ['--prefix=/usr/local/nginx', '--with-http_ssl_module', '--with-http_v2_module', '--with-stream']

DESCRIBED = r'''
    main:
      worker_processes: auto
      error_log: /var/log/nginx/error.log warn
      load_module: modules/a.so
    events: {worker_connections: 1024, multi_accept: true}
    http:
      include: mime.types
      server_tokens: off
      log_format:
        - [json, escape=json, '{"client": "$remote_addr"}']
        - main '$remote_addr $status'
      map:
        - args: $http_upgrade $connection_upgrade
          entries: {volatile: true, hostnames: false, default: upgrade, "''": close}
      limit_req_zone: $binary_remote_addr zone=one:10m rate=5r/s
      raw: |
        a_new_directive 1;
    upstreams:
      - {name: app, server: ['192.0.2.1:8080 max_fails=1', 192.0.2.2:8080], least_conn: true, ip_hash: false, keepalive: 16}
    servers:
      - name: app
        listen: [80 default_server, '443 ssl http2']
        server_name: _
        location:
          - path: /
            proxy_pass: http://app
            proxy_set_header: [Host $host, 'Connection ""']
            if: [{condition: $request_method = POST, return: 405}, {condition: ($a), return: [[200, "one; two\n"]]}]
          - path: ~ \.php$
            internal: true
            limit_except: {method: GET HEAD, deny: all}
            location: [{path: '"~ ^/a{2}"', return: 404}]
    stream: {log_format: a $remote_addr}
    streams:
      - {name: db, listen: ['192.0.2.10:5432'], server: ['10.0.0.1:5432', 10.0.0.2:5432 backup], least_conn: true, proxy_timeout: 1h}
      - {listen: 53 udp, proxy_pass: 10.0.0.3:53}
'''
WRITTEN = r'''
    load_module modules/a.so;
    worker_processes auto;
    error_log /var/log/nginx/error.log warn;

    events {
        worker_connections 1024;
        multi_accept on;
    }

    http {
        include mime.types;
        server_tokens off;
        log_format json escape=json '{"client": "$remote_addr"}';
        log_format main '$remote_addr $status';

        map $http_upgrade $connection_upgrade {
            volatile;
            default upgrade;
            '' close;
        }

        limit_req_zone $binary_remote_addr zone=one:10m rate=5r/s;
        a_new_directive 1;

        upstream app {
            server 192.0.2.1:8080 max_fails=1;
            server 192.0.2.2:8080;
            least_conn;
            keepalive 16;
        }

        server {
            listen 80 default_server;
            listen 443 ssl http2;
            server_name _;

            location / {
                proxy_pass http://app;
                proxy_set_header Host $host;
                proxy_set_header Connection "";

                if ($request_method = POST) {
                    return 405;
                }

                if ($a) {
                    return 200 "one; two
    NEWLINE";
                }
            }

            location ~ \.php$ {
                internal;

                limit_except GET HEAD {
                    deny all;
                }

                location "~ ^/a{2}" {
                    return 404;
                }
            }
        }
    }

    stream {
        log_format a $remote_addr;

        upstream db {
            server 10.0.0.1:5432;
            server 10.0.0.2:5432 backup;
            least_conn;
        }

        server {
            listen 192.0.2.10:5432;
            proxy_timeout 1h;
            proxy_pass db;
        }

        server {
            listen 53 udp;
            proxy_pass 10.0.0.3:53;
        }
    }
'''
PARSED = [
    ['load_module', 'modules/a.so'],
    ['worker_processes', 'auto'],
    ['error_log', '/var/log/nginx/error.log', 'warn'],
    ['events', [['worker_connections', '1024'], ['multi_accept', 'on']]],
    ['http', [
        ['include', 'mime.types'],
        ['server_tokens', 'off'],
        ['log_format', 'json', 'escape=json', '{"client": "$remote_addr"}'],
        ['log_format', 'main', '$remote_addr $status'],
        ['map', '$http_upgrade', '$connection_upgrade', [['volatile'], ['default', 'upgrade'], ['', 'close']]],
        ['limit_req_zone', '$binary_remote_addr', 'zone=one:10m', 'rate=5r/s'],
        ['a_new_directive', '1'],
        ['upstream', 'app', [
            ['server', '192.0.2.1:8080', 'max_fails=1'],
            ['server', '192.0.2.2:8080'],
            ['least_conn'],
            ['keepalive', '16'],
        ]],
        ['server', [
            ['listen', '80', 'default_server'],
            ['listen', '443', 'ssl', 'http2'],
            ['server_name', '_'],
            ['location', '/', [
                ['proxy_pass', 'http://app'],
                ['proxy_set_header', 'Host', '$host'],
                ['proxy_set_header', 'Connection', ''],
                ['if', '$request_method', '=', 'POST', [['return', '405']]],
                ['if', '$a', [['return', '200', 'one; two\n']]],
            ]],
            ['location', '~', '\\.php$', [
                ['internal'],
                ['limit_except', 'GET', 'HEAD', [['deny', 'all']]],
                ['location', '~ ^/a{2}', [['return', '404']]],
            ]],
        ]],
    ]],
    ['stream', [
        ['log_format', 'a', '$remote_addr'],
        ['upstream', 'db', [['server', '10.0.0.1:5432'], ['server', '10.0.0.2:5432', 'backup'], ['least_conn']]],
        ['server', [['listen', '192.0.2.10:5432'], ['proxy_timeout', '1h'], ['proxy_pass', 'db']]],
        ['server', [['listen', '53', 'udp'], ['proxy_pass', '10.0.0.3:53']]],
    ]],
]


def load(text):
    return yaml.safe_load(textwrap.dedent(text))


def http(**directives):
    return {'http': directives}


def server(**directives):
    return {'servers': [{'name': 'app', **directives}]}


def upstream(*servers, **directives):
    return {'upstreams': [{'name': 'app', 'server': list(servers), **directives}]}


def inside(description, version='', flags=None):
    """The lines inside of http, without braces that end a block."""
    lines = [line.strip() for line in nginx_conf(description, version, flags).splitlines()]
    return [line for line in lines[lines.index('http {') + 1:] if line not in ('', '}')]


def told(description, version='', flags=None):
    """Everything that is wrong, without what each sentence begins with."""
    with pytest.raises(AnsibleFilterError) as error:
        nginx_conf(description, version, flags)
    lines = str(error.value).splitlines()
    assert all(line.startswith('nginx.conf: ') for line in lines)
    return [line.removeprefix('nginx.conf: ') for line in lines]


def test_a_whole_description(parsed):
    text = nginx_conf(load(DESCRIBED), '1.22.1', FLAGS)
    head, dummy, rest = text.partition('\n\n')
    assert head.startswith('# Written by ') and '\n' not in head
    assert rest == textwrap.dedent(WRITTEN).lstrip().replace('\nNEWLINE', '\n')
    assert parsed(text) == PARSED


def test_the_same_description_gives_the_same_text_and_is_left_as_it_was():
    description, before = load(DESCRIBED), load(DESCRIBED)
    assert nginx_conf(description) == nginx_conf(description)
    assert description == before


def test_example_of_the_documentation(parsed):
    task = yaml.safe_load(plugin.EXAMPLES)[0]
    statements = parsed(nginx_conf(task['vars']['balancer'], '1.26.3', ['--with-http_ssl_module', '--with-stream']))
    assert [one[0] for one in statements] == ['worker_processes', 'error_log', 'events', 'http', 'stream']


def test_nothing_gives_what_nginx_needs(parsed):
    assert parsed(nginx_conf({})) == [['events', []]]
    assert parsed(nginx_conf({'http': None, 'stream': {'tcp_nodelay': None}, 'servers': [], 'streams': None})) == [['events', []]]


@pytest.mark.parametrize('directives, lines', [
    ({'gzip': True}, ['gzip on;']),
    ({'gzip': False}, ['gzip off;']),
    ({'gzip': 'ON'}, ['gzip on;']),
    ({'gzip': None}, []),
    ({'server_tokens': False}, ['server_tokens off;']),
    ({'server_tokens': 'build'}, ['server_tokens build;']),
    ({'access_log': False}, ['access_log off;']),
    ({'keepalive_timeout': 65}, ['keepalive_timeout 65;']),
    ({'proxy_http_version': 1.1}, ['proxy_http_version 1.1;']),
    ({'root': ' /srv/www\n'}, ['root /srv/www;']),
    ({'root': ['/srv/www']}, ['root /srv/www;']),
    ({'root': [['/srv/a b']]}, ['root "/srv/a b";']),
    ({'proxy_buffers': [[8, '16k']]}, ['proxy_buffers 8 16k;']),
    ({'index': []}, []),
    ({'index': ['a', None, 'b']}, ['index a;', 'index b;']),
    ({'ssl_protocols': ['TLSv1.2', 'TLSv1.3']}, ['ssl_protocols TLSv1.2;', 'ssl_protocols TLSv1.3;']),
    ({'add_header': [['X-A', 'it is "a"; {b}', 'always']]}, ['''add_header X-A 'it is "a"; {b}' always;''']),
    ({'error_page': '500 502 /50x.html'}, ['error_page 500 502 /50x.html;']),
    ({'raw': 'a {\n    b;\n}'}, ['a {', 'b;']),
    ({'b': 1, 'raw': 'a;', 'gzip': True}, None),
])
def test_values(directives, lines):
    if lines is None:
        assert told(http(**directives))
    else:
        assert inside({**http(**directives), 'servers': [{}]}, '1.26.3') == [*lines, 'server {']


def test_the_order_of_a_dictionary_is_kept():
    assert inside(http(tcp_nopush=True, raw='a;\n', sendfile=True)) == ['tcp_nopush on;', 'a;', 'sendfile on;']


@pytest.mark.parametrize('entries, lines', [
    ({'default': 0, '~*bot': 1}, ['default 0;', '~*bot 1;']),
    ({'': 'x', 'a': ''}, ["'' x;", "a '';"]),
    ({'a': ['b', ['c d']]}, ['a b;', 'a "c d";']),
    ({'a': True, 'b': False, 'c': None}, ['a on;', 'b off;']),
    ({'hostnames': True, 'volatile': False}, ['hostnames;']),
    ({'include': ['a.conf', 'b.conf']}, ['include a.conf;', 'include b.conf;']),
    ({'"~ ^/a{2}"': '"b c"'}, ['"~ ^/a{2}" "b c";']),
])
def test_keys_and_values(entries, lines):
    assert inside(http(map={'args': '$a $b', 'entries': entries})) == ['map $a $b {', *lines]


def test_types_have_no_arguments():
    types = {'entries': {'text/html': 'html htm'}, 'raw': 'text/x x;'}
    assert inside(server(types=types))[1:] == ['types {', 'text/html html htm;', 'text/x x;']


def test_lines_of_raw_text_are_indented():
    assert '\n    a {\n        b;\n\n        c;\n    }\n' in nginx_conf(http(raw='a {\n    b;\n\n    c;\n}\n'))


def test_a_stream_that_passes_to_a_name_of_its_own(parsed):
    streams = [{'name': 'db', 'listen': 1, 'server': 'a:1', 'hash': '$remote_addr', 'proxy_pass': '$there', 'zone': 'db 64k', 'raw': 'a;'}]
    assert parsed(nginx_conf({'streams': streams}))[-1] == ['stream', [
        ['upstream', 'db', [['server', 'a:1'], ['hash', '$remote_addr'], ['zone', 'db', '64k']]],
        ['server', [['listen', '1'], ['proxy_pass', '$there'], ['a']]]]]


def test_everything_that_is_wrong_comes_together():
    description = {
        'mian': {},
        'main': {'events': {}, 'worker_proceses': 1},
        'events': [],
        'http': {'server': [], 'gzip': 'maybe', 'worker_processes': 1},
        'upstreams': [{'name': 'a', 'server': 'x slow_start=1s'}, {'name': 'a', 'server': 'x'}, {'server': 'x'}],
        'servers': [
            {'name': 'app', 'location': [{'path': '/', 'health_check': True, 'internal': 'x'}, {'proxy_pass': 'x'}]},
            {'listen': '80 sll'},
        ],
        'streams': ['x'],
    }
    assert told(description) == [
        "description: there is no part 'mian'; nearest: main",
        'main: events may not stand here; write it in events of the description',
        'events: it has to be a dictionary of directives',
        'http: server may not stand here; write it in servers of the description',
        'streams: it has to be a list of dictionaries',
        'http: 2 upstreams have the name a; give each its own',
        "main: there is no directive 'worker_proceses'; nearest: worker_processes, master_process, worker_priority (or use raw)",
        'http: gzip: it is neither true nor false, on nor off; write one of them',
        'http: worker_processes may not stand here, only in main',
        'http > upstream a: server: its parameter slow_start is only in the commercial nginx; leave it out',
        'http: upstream number 3: it has no name; write it as {name: …, …}',
        'http > server app > location /: health_check is only in the commercial nginx; leave it out',
        'http > server app > location /: internal: it takes no arguments, and 1 is given',
        'http > server app: location number 2: it has no path; write it as {path: …, …}',
        "http > server 2: listen: there is no parameter 'sll'; nearest: ssl",
    ]


@pytest.mark.parametrize('description, version, message', [
    (http(gzipp=True), '', "http: there is no directive 'gzipp'; nearest: gzip, gunzip, gzip_types (or use raw)"),
    (http(gzipp=None), '', "http: there is no directive 'gzipp'"),
    (server(http2=True), '1.22.1', 'http > server app: nginx 1.22.1 has no http2: it came with 1.25.1; use that version or write '),
    (server(ssl=True), '1.26.3',
     'http > server app: nginx 1.26.3 has no ssl any more: it went with 1.25.1; write ssl after the address in listen'),
    (server(ssl_certificate=['a', 'b']), '1.9.9', 'http > server app: ssl_certificate may stand only once here, and 2 are given'),
    (http(server_tokens='build'), '1.9.9', 'http: server_tokens: it is neither true nor false'),
    (http(add_header=['A b;', 'A b']), '', "http: add_header number 1: a ';' stands outside of quotes"),
    (http(add_header=True), '', 'http: add_header: it takes 2 to 3 arguments, not true alone'),
    (http(proxy_buffers=8), '', 'http: proxy_buffers: it takes 2 arguments, and 1 is given'),
    (http(root=''), '', 'http: root: it takes 1 argument, and 0 are given'),
    (http(error_page='404'), '', 'http: error_page: it takes 2 or more arguments, and 1 is given'),
    (http(root={'a': 1}), '', 'http: root: it is no block; give its arguments as text'),
    (http(raw='a {'), '', 'http: raw cannot be written: its braces do not balance'),
    (http(map='$a $b'), '', 'http: map: it is a block; give a dictionary, or a list of them'),
    (http(map={'args': '$a $b', 'entries': ['a b']}), '', 'http > map $a $b: its entries have to be a dictionary'),
    (http(map={'args': '$a $b', 'default': 'a'}), '', "http > map $a $b: there is no key 'default' here; write what it holds in entries"),
    (http(map={'args': '$a $b', 'entries': {'a b': 'c'}}), '', 'http > map $a $b: entry 1: it takes 1 argument, and 2 are given'),
    (http(map={'args': '$a $b', 'entries': {'a': ['b', 'c;']}}), '', "http > map $a $b: entry 1: a ';' stands outside of quotes"),
    (http(map={'args': '$a', 'entries': {}}), '', 'http: map: it takes 2 arguments, and 1 is given'),
    (server(location=[{'path': '~ a{2}'}]), '', "http > server app: location: a '{' stands outside of quotes"),
    (server(location={'path': '/', 'if': {'return': 404}}), '', 'http > server app > location /: if: it has no condition; write it as'),
    (server(location={'path': '/', 'limit_except': [{'method': 'GET'}] * 2}), '',
     'http > server app > location /: limit_except may stand only once here'),
    (server(hash='$uri'), '', 'http > server app: hash may not stand here, only in upstream, upstream of stream'),
    ({'servers': [{}, {'name': 'two', 'a': 1}]}, '', "http > server two: there is no directive 'a'"),
    ({'servers': [{'location': '/'}]}, '', 'http > server 1: location: it is a block'),
    ({'streams': [{'listen': 1, 'hash': '$a'}]}, '', 'stream > server 1: hash may not stand here, only in upstream, upstream of stream'),
    ({'streams': [{'listen': 1, 'server': 'a:1'}]}, '', 'stream: upstream: it has no name; write it as {name: …, …}'),
    ({'stream': {'server': {}}}, '', 'stream: server may not stand here; write it in streams of the description'),
    ([], '', 'the description has to be a dictionary'),
])
def test_what_cannot_be_written_is_refused(description, version, message):
    lines = told(description, version)
    assert len(lines) == 1 and lines[0].startswith(message)


@pytest.mark.parametrize('description, version, flags, message', [
    (server(listen='80 default_server backlog=511 ipv6only=on'), '1.9.9', [], None),
    (server(listen='unix:/run/a.sock proxy_protocol'), '1.9.9', [], None),
    (server(listen='443 ssl'), '1.9.9', [], 'ssl needs --with-http_ssl_module in nginx_configure_flags'),
    (server(listen='443 ssl'), '1.9.9', FLAGS, None),
    (server(listen='443 http2'), '1.9.9', [], 'http2 needs --with-http_v2_module in nginx_configure_flags'),
    (server(listen='443 quic'), '1.22.1', None, 'nginx 1.22.1 has no quic: it came with 1.25.0; use that version or leave it out'),
    (server(listen='80 backlog'), '', None, 'its parameter backlog needs a value; write backlog=…'),
    (server(listen='80 ssl=on'), '', None, 'its parameter ssl takes no value; write ssl alone'),
    (server(listen='53 udp'), '', None, "there is no parameter 'udp'"),
    ({'streams': [{'listen': '53 udp'}]}, '1.9.9', None, 'nginx 1.9.9 has no udp: it came with 1.9.13'),
    ({'streams': [{'listen': '53 proxy_protocol'}]}, '1.9.9', None, 'nginx 1.9.9 has no proxy_protocol: it came with 1.11.4'),
    ({'streams': [{'listen': '53 ssl'}]}, '1.18.0', ['--with-stream'], 'ssl needs --with-stream_ssl_module in nginx_configure_flags'),
    ({'streams': [{'listen': 53}]}, '1.18.0', [], 'stream needs --with-stream in nginx_configure_flags'),
    (upstream('a weight=2 max_fails=1 fail_timeout=5s backup'), '1.9.9', None, None),
    (upstream('a max_conns=5'), '1.9.9', None, 'nginx 1.9.9 has no max_conns: it came with 1.11.5'),
    (upstream('a resolve'), '1.26.3', None, 'nginx 1.26.3 has no resolve: it came with 1.27.3'),
    (upstream('a', zone='app 64k'), '1.18.0', ['--without-http_upstream_zone_module'],
     'not in a build with --without-http_upstream_zone_module'),
    (http(proxy_next_upstream='error timeout non_idempotent'), '1.9.9', None, 'nginx 1.9.9 has no non_idempotent: it came with 1.9.13'),
    (http(proxy_next_upstream='error http_429'), '1.18.0', None, None),
    (http(proxy_next_upstream='http_505'), '', None, "there is no parameter 'http_505'; nearest: "),
    (http(ssl_protocols='TLSv1.2 TLSv1.3'), '1.9.9', None, 'nginx 1.9.9 has no TLSv1.3: it came with 1.13.0'),
])
def test_parameters_of_releases_and_builds(description, version, flags, message):
    if message is None:
        nginx_conf(description, version, flags)
    else:
        lines = told(description, version, flags)
        assert len(lines) == 1 and message in lines[0]


@pytest.mark.parametrize('description', [
    http(proxy_set_header='Authorization "Basic c2VjcmV0'),
    http(proxy_set_header='Authorization Basic c2VjcmV0'),
    http(gzip='c2VjcmV0'),
    http(raw='proxy_set_header Authorization "c2VjcmV0'),
    http(map={'args': '$a $b', 'entries': {'a': 'c2VjcmV0;'}}),
    http(map={'args': '$a $b', 'entries': {'Basic c2VjcmV0': 'b'}}),
    server(**{'if': {'condition': '$http_a = c2VjcmV0', 'return': []}, 'x': 1}),
    server(**{'if': {'condition': '$http_a = c2VjcmV0', 'x': 1}}),
    http(proxy_set_header={'Authorization': 'c2VjcmV0'}),
])
def test_no_message_shows_a_value(description):
    assert 'c2VjcmV0' not in '\n'.join(told(description))


@pytest.mark.parametrize('name, value', [
    ('proxy_pass', 'http://a; }\n} server { listen 81'),
    ('return', '200 "a'),
    ('root', '/a }'),
    ('alias', 'a\\'),
    ('index', 'a #'),
])
def test_no_value_ends_its_directive(name, value):
    assert len(told(server(location={'path': '/', name: value}))) == 1
    assert len(told(server(location={'path': value, 'internal': True}))) == 1
