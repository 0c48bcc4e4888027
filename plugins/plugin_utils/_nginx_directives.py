# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directives of nginx.conf as data: those of every module that nginx comes with, but for mail and Perl. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils import (
    _nginx_directives_core, _nginx_directives_http, _nginx_directives_http_modules, _nginx_directives_proxies, _nginx_directives_stream,
)
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives_kinds import CONTEXTS, ENTRIES, Directive, variants

__all__ = ['CONTEXTS', 'DIRECTIVES', 'ENTRIES', 'INSTEAD', 'NEWEST', 'PAID', 'Directive']

# The last release that the tables were taken from.
NEWEST = '1.31.4'


def _merged(*parts):
    """One table of all; every entry is a list."""
    merged = {}
    for part in parts:
        for table in part.TABLES:
            for name, entry in table.items():
                merged.setdefault(name, []).extend(variants(entry))
    return merged


DIRECTIVES = _merged(_nginx_directives_core, _nginx_directives_http, _nginx_directives_http_modules, _nginx_directives_proxies,
                     _nginx_directives_stream)

# What does the work of a directive where a release lacks it.
INSTEAD = {
    'ssl': 'write ssl after the address in listen',
    'http2': 'write http2 after the address in listen',
}

# What nginx.org documents and only the commercial nginx has.
PAID = frozenset((
    'api', 'auth_jwt', 'auth_jwt_key_file', 'auth_jwt_key_request', 'f4f', 'fastcgi_cache_purge', 'health_check', 'health_check_timeout',
    'hls', 'keyval', 'keyval_zone', 'match', 'mgmt', 'mp4_limit_rate', 'mp4_limit_rate_after', 'ntlm', 'proxy_cache_purge', 'queue',
    'scgi_cache_purge', 'session_log', 'session_log_format', 'session_log_zone', 'state', 'status', 'status_format', 'status_zone',
    'upstream_conf', 'uwsgi_cache_purge', 'zone_sync', 'zone_sync_server',
))
