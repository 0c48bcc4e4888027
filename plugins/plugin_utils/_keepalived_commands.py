# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The commands in a description of keepalived.conf, wherever they stand. PRIVATE to this collection."""

from __future__ import annotations

import re

_COMMAND = re.compile(r'(\w*notify(_(?!fifo$)\w+)?|script|misc_path|quorum_(up|down)|\w+_script)$')
_NO_COMMAND = ('vrrp_script', 'track_script')


def _is_command(keyword, value):
    return isinstance(value, str) and keyword not in _NO_COMMAND and _COMMAND.match(str(keyword)) is not None


def with_paths(conf, names, directory):
    """The description with the directory before each command that is the bare name of one of these scripts."""
    if isinstance(conf, list):
        return [with_paths(part, names, directory) for part in conf]
    if not isinstance(conf, dict):
        return conf
    return {keyword: f'{directory}/{value}' if _is_command(keyword, value) and value.split()[:1] and value.split()[0] in names
            else with_paths(value, names, directory) for keyword, value in conf.items()}


def commands(conf, where='keepalived.conf', user=''):
    """(where, command, user) of each command; a block's own user goes before that of the block around it."""
    if isinstance(conf, list):
        return [found for part in conf for found in commands(part, where, user)]
    if not isinstance(conf, dict):
        return []
    where, user = str(conf.get('name', where)), str(conf.get('user') or user)
    found = []
    for keyword, value in conf.items():
        if _is_command(keyword, value):
            found.append((f'{where}, {keyword}', value, user))
        else:
            found += commands(value, where, user)
    return found
