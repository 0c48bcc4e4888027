# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a check can ask, as data. PRIVATE to this collection."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

COMMON_KEYS = ('kind', 'limit', 'log')
LIMIT = 0.8  # seconds, where a check gives none

# Of each kind the keys of which it needs at least one, and those that it may have.
KINDS = {
    'http': (('url',), ('status',)),
    'tcp': (('port',), ('host',)),
    'process': (('process', 'pattern'), ()),
    'command': (('command',), ()),
}


def _is_url(value):
    try:
        url = urlsplit(str(value))
        return url.scheme == 'http' and bool(re.fullmatch(r'[\w.:-]+', url.hostname or '')) and url.port != 0
    except ValueError:
        return False


def _is_integer(value, low, high):
    return re.fullmatch(r'\d+', str(value)) is not None and low <= int(value) <= high


# Of a key what its value has to be, and how to say that it is not.
VALUES = {
    'url': (_is_url, 'has to begin with http:// and name a host, since the check script speaks no TLS'),
    'status': (lambda value: _is_integer(value, 100, 599), 'is no status; give one from 100 to 599'),
    'port': (lambda value: _is_integer(value, 1, 65535), 'is no port; give one from 1 to 65535'),
    'host': (lambda value: re.fullmatch(r'[\w.:-]+', str(value)), 'is no host; give its name or its address'),
    'process': (lambda value: isinstance(value, str) and 0 < len(value) <= 15,
                'is no name that the kernel keeps; it has at most 15 characters, or use pattern'),
    'pattern': (lambda value: isinstance(value, str), 'is no text; put quotes around it'),
    'command': (lambda value: isinstance(value, str), 'is no text; put quotes around it'),
    'log': (lambda value: isinstance(value, bool), 'is neither true nor false'),
}
