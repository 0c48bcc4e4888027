# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The arguments of nginx's directives that differ by release or build. PRIVATE to this collection."""

from __future__ import annotations

import typing


class Parameter(typing.NamedTuple):
    """Which nginx has it, and whether it takes a value after an equals sign; ``paid`` is one of the commercial nginx."""

    valued: bool = False
    since: str = ''
    until: str = ''
    needs: tuple = ()
    paid: bool = False


class Parameters(typing.NamedTuple):
    """How many arguments stand before them, and each by its name."""

    first: int
    known: dict


WORD = Parameter()
VALUE = Parameter(valued=True)

_LISTEN = {
    'bind': WORD,
    'backlog': VALUE,
    'ipv6only': VALUE,
    'reuseport': WORD,
    'so_keepalive': VALUE,
    'multipath': Parameter(since='1.29.7'),
}

_HTTP_LISTEN = {
    **_LISTEN,
    'default_server': WORD,
    'default': WORD,
    'setfib': VALUE,
    'fastopen': VALUE,
    'rcvbuf': VALUE,
    'sndbuf': VALUE,
    'accept_filter': VALUE,
    'deferred': WORD,
    'proxy_protocol': WORD,
    'ssl': Parameter(needs=('--with-http_ssl_module',)),
    'http2': Parameter(needs=('--with-http_v2_module',)),
    'quic': Parameter(since='1.25.0', needs=('--with-http_v3_module',)),
}

_STREAM_LISTEN = {
    **_LISTEN,
    'ssl': Parameter(needs=('--with-stream_ssl_module',)),
    'udp': Parameter(since='1.9.13'),
    'proxy_protocol': Parameter(since='1.11.4'),
    'rcvbuf': Parameter(True, '1.13.0'),
    'sndbuf': Parameter(True, '1.13.0'),
    'fastopen': Parameter(True, '1.21.0'),
    'setfib': Parameter(True, '1.25.5'),
    'accept_filter': Parameter(True, '1.25.5'),
    'default_server': Parameter(since='1.25.5'),
    'deferred': Parameter(since='1.25.5'),
}

_UPSTREAM_SERVER = {
    'weight': VALUE,
    'max_fails': VALUE,
    'fail_timeout': VALUE,
    'backup': WORD,
    'down': WORD,
    'max_conns': Parameter(True, '1.11.5'),
    'resolve': Parameter(since='1.27.3'),
    'service': Parameter(True, '1.27.3'),
    'slow_start': Parameter(True, paid=True),
}

_HTTP_UPSTREAM_SERVER = {
    **_UPSTREAM_SERVER,
    'route': Parameter(True, '1.29.6'),
    'drain': Parameter(since='1.29.6'),
}

_NEXT_MEMCACHED = dict.fromkeys(('error', 'timeout', 'invalid_response', 'not_found', 'off'), WORD)
_NEXT = {
    **dict.fromkeys(('error', 'timeout', 'invalid_header', 'http_500', 'http_503', 'http_403', 'http_404', 'off'), WORD),
    'non_idempotent': Parameter(since='1.9.13'),
    'http_429': Parameter(since='1.11.13'),
}
_NEXT_PROXY = {**_NEXT, 'http_502': WORD, 'http_504': WORD}

_TLS_VERSIONS = {**dict.fromkeys(('SSLv2', 'SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2'), WORD), 'TLSv1.3': Parameter(since='1.13.0')}

# By the directive, and by the context where it has others there than elsewhere.
PARAMETERS = {
    ('listen', 'server'): Parameters(1, _HTTP_LISTEN),
    ('listen', 'stream_server'): Parameters(1, _STREAM_LISTEN),
    ('server', 'upstream'): Parameters(1, _HTTP_UPSTREAM_SERVER),
    ('server', 'stream_upstream'): Parameters(1, _UPSTREAM_SERVER),
    'proxy_next_upstream': Parameters(0, _NEXT_PROXY),
    'grpc_next_upstream': Parameters(0, _NEXT_PROXY),
    'fastcgi_next_upstream': Parameters(0, _NEXT),
    'uwsgi_next_upstream': Parameters(0, _NEXT),
    'scgi_next_upstream': Parameters(0, _NEXT),
    'memcached_next_upstream': Parameters(0, _NEXT_MEMCACHED),
    'ssl_protocols': Parameters(0, _TLS_VERSIONS),
    'proxy_ssl_protocols': Parameters(0, _TLS_VERSIONS),
    'uwsgi_ssl_protocols': Parameters(0, _TLS_VERSIONS),
    'grpc_ssl_protocols': Parameters(0, _TLS_VERSIONS),
}


def parameters(name, context):
    """The parameters of a directive in a context, None where every argument is taken."""
    return PARAMETERS.get((name, context)) or PARAMETERS.get(name)
