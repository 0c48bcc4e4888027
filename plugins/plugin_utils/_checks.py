# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a check can ask, as data. PRIVATE to this collection."""

from __future__ import annotations

COMMON_KEYS = ('kind', 'limit', 'log')
LIMIT = 0.8  # seconds, where a check gives none

# Of each kind the keys of which it needs at least one, and those that it may have.
KINDS = {
    'http': (('url',), ('status',)),
    'tcp': (('port',), ('host',)),
    'process': (('process', 'pattern'), ()),
    'command': (('command',), ()),
}
