# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directives of http that pass a request on: proxy, fastcgi, uwsgi, scgi, grpc, memcached, tunnel. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives_kinds import (
    HSL, built, flag, many, once, release, variants,
)

PASS = {
    'pass': once('location if_location'),
}

REACH = {
    'bind': [once(HSL, until='1.11.0'), once(HSL, '12', since='1.11.0')],
    'connect_timeout': once(HSL),
    'send_timeout': once(HSL),
    'read_timeout': once(HSL),
    'buffer_size': once(HSL),
    'next_upstream': many(HSL, '1+'),
    'next_upstream_tries': once(HSL),
    'next_upstream_timeout': once(HSL),
    'socket_keepalive': flag(HSL, since='1.15.6'),
}

SOCKET = {
    'socket_rcvbuf': once(HSL, since='1.31.3'),
    'socket_sndbuf': once(HSL, since='1.31.3'),
}

SEND_LOWAT = {
    'send_lowat': once(HSL),
}

HEADERS = {
    'intercept_errors': flag(HSL),
    'pass_header': many(HSL),
    'hide_header': many(HSL),
    'ignore_headers': many(HSL, '1+'),
}

SET_HEADER = {
    'set_header': many(HSL, '2'),
}

PARAM = {
    'param': many(HSL, '23'),
}

BODY = {
    'store': once(HSL),
    'store_access': once(HSL, '123'),
    'buffering': flag(HSL),
    'request_buffering': flag(HSL),
    'ignore_client_abort': flag(HSL),
    'pass_request_headers': flag(HSL),
    'pass_request_body': flag(HSL),
    'buffers': once(HSL, '2'),
    'busy_buffers_size': once(HSL),
    'force_ranges': flag(HSL),
    'limit_rate': once(HSL),
    'temp_path': once(HSL, '1234'),
    'max_temp_file_size': once(HSL),
    'temp_file_write_size': once(HSL),
}

CACHE = built('--without-http-cache', {
    'cache': once(HSL),
    'cache_key': once(HSL),
    'cache_path': many('http', '2+'),
    'cache_bypass': many(HSL, '1+'),
    'no_cache': many(HSL, '1+'),
    'cache_valid': many(HSL, '1+'),
    'cache_min_uses': once(HSL),
    'cache_use_stale': many(HSL, '1+'),
    'cache_methods': many(HSL, '1+'),
    'cache_lock': flag(HSL),
    'cache_lock_timeout': once(HSL),
    'cache_lock_age': once(HSL),
    'cache_revalidate': flag(HSL),
    'cache_max_range_offset': once(HSL, since='1.11.6'),
    'cache_background_update': flag(HSL, since='1.11.10'),
})

CACHE_CONVERT_HEAD = built('--without-http-cache', {
    'cache_convert_head': flag(HSL),
})

TLS = built('--with-http_ssl_module', {
    'ssl_session_reuse': flag(HSL),
    'ssl_protocols': many(HSL, '1+'),
    'ssl_ciphers': once(HSL),
    'ssl_name': once(HSL),
    'ssl_server_name': flag(HSL),
    'ssl_verify': flag(HSL),
    'ssl_verify_depth': once(HSL),
    'ssl_trusted_certificate': once(HSL),
    'ssl_crl': once(HSL),
    'ssl_certificate': once(HSL),
    'ssl_certificate_key': once(HSL),
    'ssl_password_file': once(HSL),
    'ssl_conf_command': many(HSL, '2', since='1.19.4'),
    'ssl_certificate_cache': once(HSL, '123', since='1.27.4'),
})

PROXY = {
    'pass': once('location if_location limit_except'),
    'redirect': many(HSL, '12'),
    'cookie_domain': many(HSL, '12'),
    'cookie_path': many(HSL, '12'),
    'cookie_flags': many(HSL, '1234', since='1.19.3'),
    'headers_hash_max_size': once(HSL),
    'headers_hash_bucket_size': once(HSL),
    'set_body': once(HSL),
    'method': once(HSL),
    'http_version': once(HSL),
    'pass_trailers': flag(HSL, since='1.27.2'),
}

FASTCGI = {
    'index': once(HSL),
    'split_path_info': once(HSL),
    'catch_stderr': many(HSL),
    'keep_conn': flag(HSL),
}

UWSGI = {
    'modifier1': once(HSL),
    'modifier2': once(HSL),
    'string': once(HSL),
}

MEMCACHED = {
    'gzip_flag': once(HSL),
}

TUNNEL = {
    'pass': once('server location if_location', '01'),
}


def _later(directive, since):
    """A directive that came with a release, or after it."""
    return directive._replace(since=max(directive.since, since, key=release))


def _module(name, since, *tables):
    """The directives of one of these modules, and of it alone."""
    rows = {f'{name}_{part}': [_later(one, since) for one in variants(entry) if not one.until or release(since) < release(one.until)]
            for table in tables for part, entry in table.items()}
    return built(f'--without-http_{name}_module', rows)


TABLES = (
    _module('proxy', '', REACH, SOCKET, SEND_LOWAT, HEADERS, SET_HEADER, BODY, CACHE, CACHE_CONVERT_HEAD, TLS, PROXY),
    _module('fastcgi', '', PASS, REACH, SOCKET, SEND_LOWAT, HEADERS, PARAM, BODY, CACHE, FASTCGI),
    _module('uwsgi', '', PASS, REACH, SOCKET, HEADERS, PARAM, BODY, CACHE, TLS, UWSGI),
    _module('scgi', '', PASS, REACH, SOCKET, HEADERS, PARAM, BODY, CACHE),
    built('--with-http_v2_module', _module('grpc', '1.13.10', PASS, REACH, SOCKET, HEADERS, SET_HEADER, TLS)),
    _module('memcached', '', PASS, REACH, MEMCACHED),
    _module('tunnel', '1.31.0', REACH, SOCKET, SEND_LOWAT, TUNNEL),
)
