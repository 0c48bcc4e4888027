# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a load balancer's nginx.conf is to say, as data: the inputs of the role, and what goes without saying. PRIVATE to this collection.

nginx inherits a list such as proxy_set_header as a whole or not at all. So what a block adds to one is added to what it would inherit here.
"""

from __future__ import annotations

import re

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_conf import FIRST

# RFC 7230 6.1 and RFC 6455: without a request to upgrade, the connection to a backend is kept
UPGRADE = {'args': '$http_upgrade $connection_upgrade', 'entries': {'default': 'upgrade', "''": "''"}}
PROXY = {
    'proxy_http_version': '1.1',
    'proxy_connect_timeout': '5s',
    'proxy_set_header': [
        'Host $host',
        'X-Real-IP $remote_addr',
        'X-Forwarded-For $proxy_add_x_forwarded_for',
        'X-Forwarded-Proto $scheme',
        'Upgrade $http_upgrade',
        'Connection $connection_upgrade',
    ],
}
HEADERS = ['X-Content-Type-Options nosniff always', 'X-Frame-Options SAMEORIGIN always', 'Referrer-Policy same-origin always']
JSON = ('{"time":"$time_iso8601","remote_addr":"$remote_addr","host":"$host","method":"$request_method","uri":"$request_uri",'
        '"status":"$status","bytes":"$body_bytes_sent","seconds":"$request_time","upstream":"$upstream_addr",'
        '"upstream_status":"$upstream_status","upstream_seconds":"$upstream_response_time","user_agent":"$http_user_agent"}')
# Mozilla's recommendations, version 5.7
TLS = {
    'modern': {'ssl_protocols': 'TLSv1.3', 'ssl_prefer_server_ciphers': False},
    'intermediate': {
        'ssl_protocols': 'TLSv1.2 TLSv1.3',
        'ssl_ciphers': 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:'
                       'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:'
                       'DHE-RSA-CHACHA20-POLY1305',
        'ssl_prefer_server_ciphers': False,
    },
    'old': {
        'ssl_protocols': 'TLSv1 TLSv1.1 TLSv1.2 TLSv1.3',
        'ssl_ciphers': '@SECLEVEL=0:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:'
                       'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:'
                       'DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:'
                       'ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:'
                       'ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:'
                       'AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA',
        'ssl_prefer_server_ciphers': True,
    },
}
TLS_SESSIONS = {'ssl_session_timeout': '1d', 'ssl_session_cache': 'shared:vipkit:10m', 'ssl_session_tickets': False}
TLS_1_3 = (1, 13, 0)
ESCAPED = (1, 11, 8)                  # from here on what a client sends cannot break the JSON of a log
IDEMPOTENT = (1, 9, 13)               # from here on a POST is never sent to a second backend by itself
REWRITES = ('break', 'if', 'rewrite', 'return', 'set', 'raw', 'location')  # what would be done twice, or cannot be looked into
UNSAFE = '($request_method ~ "^(POST|LOCK|PATCH)$")'
OWN_KEYS = ('certificate', 'closed', 'closed_file')  # of a server, beside nginx's own
CLOSED = '/vipkit-closed'             # where a server that is closed sends all requests, inside of nginx
FILE = re.compile(r'/[\w./+@%-]*')    # what nginx can look for in the text of a condition


def release(version):
    """A version as something to compare."""
    return tuple(int(part) for part in re.findall(r'\d+', version))


def entries(value):
    """What may be one or several, as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def word(entry):
    """The first word of an argument list: the header that it sets."""
    return str(entry[0] if isinstance(entry, (list, tuple)) else entry).split(None, 1)[0].lower()


def added(inherited, own):
    """A list of headers with those of a block, which come instead of inherited ones of the same name."""
    names = {word(entry) for entry in own}
    return [entry for entry in inherited if word(entry) not in names] + list(own)


def inheriting(block, inherited):
    """A block whose lists of headers hold what it would have inherited, and those lists as its own blocks inherit them."""
    lists = {name: added(inherited[name], entries(block[name])) if block.get(name) is not None else inherited[name] for name in inherited}
    return {**block, **{name: lists[name] for name in inherited if block.get(name) is not None}}, lists


def listens_with(server, parameter):
    """Whether a server has a socket with this parameter."""
    return any(parameter in str(one).split()[1:] for one in entries(server.get('listen')))


# Locations

def once_upstreams(upstreams):
    """Those that keep connections, without that: such a version sends again what fails on a kept one, whatever proxy_next_upstream says."""
    return [{**{key: value for key, value in one.items() if not key.startswith('keepalive') and key != 'zone'}, 'name': f"{one['name']}_once"}
            for one in upstreams if one.get('keepalive')]


def once(location, keeping):
    """A location that sends to one backend only, over a connection of its own."""
    scheme, dummy, rest = str(location['proxy_pass']).partition('://')
    name, slash, path = rest.partition('/')
    target = f'{scheme}://{name}_once{slash}{path}' if name in keeping else location['proxy_pass']
    return {**location, 'proxy_pass': target, 'proxy_next_upstream': 'off'}


def sent_once(location, number, error_pages, keeping):
    """A location that leaves what is not idempotent to another one, and that one."""
    name = f'@once_{number}'
    own = {
        **location,
        'error_page': error_pages + [f'418 = {name}'],
        'if': [{'condition': UNSAFE, 'return': 418}],
        'proxy_next_upstream': 'error timeout',
    }
    return [own, {**once(location, keeping), 'path': name}]


def splits(location):
    """Whether what a location sends can be left to a named one, which takes no path for the backend."""
    return re.match(r'https?://[^/]+$', str(location.get('proxy_pass') or '')) and not set(REWRITES) & location.keys()


class Locations:
    """The locations of one server."""

    def __init__(self, server, inherited, splitting, keeping):
        self.error_pages, self.inherited, self.keeping = entries(server.get('error_page')), inherited, keeping
        self.splitting = splitting and 'proxy_next_upstream' not in server
        self.count = 0

    def planned(self, location, inherited=None):
        """What becomes of one, and of those inside of it."""
        block, lists = inheriting(location, inherited or self.inherited)
        if block.get('location') is not None:
            block['location'] = [one for inner in entries(block['location']) for one in self.planned(inner, lists)]
        if not self.splitting or 'proxy_pass' not in block or 'proxy_next_upstream' in block:
            return [block]
        if not splits(block):
            return [once(block, self.keeping)]
        self.count += 1
        return sent_once(block, self.count, entries(block['error_page']) if 'error_page' in block else self.error_pages, self.keeping)


# Servers

def looked_for(path):
    """The condition that a file is there."""
    if not FILE.fullmatch(str(path)):
        raise ValueError(f'nginx cannot look for the file {path}: give an absolute path of letters, digits and . _ - + @ %')
    return f'(-f {path})'


def closed_page(page, retry_after):
    """The location that answers for a server that is closed.

    A page as it is would be 200, and 405 to a POST. So the location refuses, and is asked again by GET for the page to that.
    """
    if not re.fullmatch('[0-9]+', str(retry_after)):
        raise ValueError(f'Retry-After of a server that is closed is {retry_after}: give whole seconds')
    return {
        'path': f'= {CLOSED}', 'internal': True, 'error_page': f'503 {CLOSED}', 'if': [{'condition': '($status != 503)', 'return': 503}],
        'alias': page, 'default_type': [['text/html; charset=utf-8']], 'client_max_body_size': 0,
        'add_header': [f'Retry-After {retry_after} always', 'Cache-Control no-store always'],
    }


def closing(block, server, given):
    """A server that is closed, or can be, and any other as it is."""
    closed, path = server.get('closed', given['closed']), server.get('closed_file', given['closed_file'])
    if not isinstance(closed, bool):
        raise ValueError(f'closed of a server is {closed}: write true or false')
    if not closed and not path:
        return block
    page = closed_page(given['closed_page'], given['closed_retry_after'])
    block = {**block, 'location': [*entries(block.get('location')), page]}
    send = {'rewrite': f'^ {CLOSED} last'}
    return {FIRST: send if closed else {'if': {'condition': looked_for(path), **send}}, **block}


def planned_server(server, given, inherited, splitting):
    """A server with what goes without saying."""
    block = {'listen': given['listen'], **{key: value for key, value in server.items() if key not in OWN_KEYS}}
    if server.get('certificate'):
        path = f"{given['certificates']}/{server['certificate']}"
        block = {'ssl_certificate': f'{path}.crt', 'ssl_certificate_key': f'{path}.key', **block}
    block, lists = inheriting(closing(block, server, given), inherited)
    locations = Locations(block, lists, splitting, {one['name'] for one in given['upstreams'] if one.get('keepalive')})
    if block.get('location') is not None:
        block['location'] = [one for location in entries(block['location']) for one in locations.planned(location)]
    return block


def tls(profile, version):
    """The directives of a profile, as far as a version knows them."""
    chosen = TLS[profile]
    if release(version) < TLS_1_3:
        if profile == 'modern':
            raise ValueError(f'the TLS profile modern needs TLS 1.3, which came with nginx 1.13.0: use the profile intermediate instead of {version}'
                             ' with it, or a newer nginx')
        chosen = {**chosen, 'ssl_protocols': chosen['ssl_protocols'].replace(' TLSv1.3', '')}
    return {**chosen, **TLS_SESSIONS}


def json_format(version):
    """The format of an access log that machines read."""
    if release(version) < ESCAPED:
        raise ValueError(f'an access log in JSON needs nginx 1.11.8 or newer, since {version} does not escape what clients send')
    return [['json', 'escape=json', JSON]]


def planned_http(given, version, servers):
    """The block http without its servers."""
    proxied = any('proxy_pass' in str(server) for server in servers)
    secure = any(listens_with(server, 'ssl') for server in servers)
    own = given['http']
    formats = (json_format(version) if given['json_log'] else []) + entries(own.get('log_format'))  # nginx has to read them before a log names one
    http = {'log_format': formats, **(tls(given['tls_profile'], version) if secure else {}), **(PROXY if proxied else {}), **given['http_defaults']}
    if given['security_headers']:
        http['add_header'] = HEADERS
    for name in ('proxy_set_header', 'add_header'):
        if own.get(name) is not None:
            own = {**own, name: added(http.get(name, []), entries(own[name]))}
    http.update({**own, 'log_format': formats})
    http['map'] = entries(own.get('map')) + ([UPGRADE] if proxied else [])
    return {key: value for key, value in http.items() if value != []}


def plan(given, version):
    """What P(vipkit.ha.nginx_conf#filter) takes."""
    servers = [dict(server) for server in given['servers']]
    http = planned_http(given, version, servers)
    inherited = {'proxy_set_header': entries(http.get('proxy_set_header')), 'add_header': entries(http.get('add_header'))}
    splitting = release(version) < IDEMPOTENT and given['send_once'] and 'proxy_next_upstream' not in given['http']
    return {
        'main': given['main'], 'events': given['events'], 'http': http,
        'upstreams': given['upstreams'] + (once_upstreams(given['upstreams']) if splitting and servers else []),
        'servers': [planned_server(server, given, inherited, splitting) for server in servers] + given['own_servers'],
        'streams': given['streams'], 'stream': given['stream'],
    }


# The test

ELSEWHERE = ('off', 'stderr', 'syslog:', 'memory:', '/dev/')
LOGS = ('access_log', 'error_log')


def log_of_test(entry):
    """A log below the directory that a test is made in, with whatever follows its path."""
    words = [str(word) for word in entry] if isinstance(entry, (list, tuple)) else str(entry).split(None, 1)
    path = words[0] if words[0].startswith(ELSEWHERE) else 'logs/' + words[0].rpartition('/')[2]
    return [path, *words[1:]] if isinstance(entry, (list, tuple)) else ' '.join([path, *words[1:]])


def for_test(block):
    """A plan, or a part of it, whose logs are not those in use."""
    if isinstance(block, (list, tuple)):
        return [for_test(one) for one in block]
    if not isinstance(block, dict):
        return block
    return {name: [log_of_test(one) for one in entries(value)] if name in LOGS and value is not None else for_test(value) for name, value in block.items()}
