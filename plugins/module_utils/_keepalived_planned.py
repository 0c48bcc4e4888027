# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where what a keepalived runs with is not what was planned, in sentences without their full stop. PRIVATE to this collection.

Passwords are compared and not told: of a statement that differs only the keyword is named.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import stat

from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived

MOST = 5  # differences that one sentence names
RUN_SITE = 'run site.yml, which puts the planned one back'
MEANS = {'nopreempt': ', so preemption is off'}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def loaded_sum(text):
    """The checksum that the unit noted when keepalived read its configuration, or None."""
    return (text.split() or [None])[0]


# keepalived.conf

def _beyond(statements, others):
    """The statements that have no equal in others, where each is the equal of one only."""
    rest, found = list(others), []
    for statement in statements:
        if statement in rest:
            rest.remove(statement)
        else:
            found.append(statement)
    return found


def differences(planned, found, where=''):
    """Yield what differs between the statements of two files, whatever their layout. A name may stand there more than once."""
    # the braces of an empty block do not show, so it is one when any other of its name is
    blocks = set(tuple(words) for words, block in planned + found if block)

    def named(statements):
        return [((tuple(words) in blocks, ' '.join(words if tuple(words) in blocks else words[:1])), block) for words, block in statements]

    def of(name, statements):
        return [block for one, block in named(statements) if one == name]

    lacking, added = _beyond(planned, found), _beyond(found, planned)
    for name in sorted(set(one for one, dummy in named(lacking + added))):
        is_block, called = name[0], where + name[1]
        wanted, there = of(name, lacking), of(name, added)
        if wanted and there and not is_block:
            yield called + ' is another'
            continue
        for one, other in zip(wanted, there):
            for what in differences(one, other, called + ': '):
                yield what
        if len(wanted) > len(there):
            yield called + (' is there less often than planned' if of(name, found) else ' is missing')
        elif len(wanted) < len(there):
            yield called + (' is there more often than planned' if of(name, planned) else ' is there and not planned' + MEANS.get(name[1], ''))


def of_configuration(path, planned, data, loaded):
    """Deviations of the file at path, which holds data or is not there, and of the one with the checksum loaded, if that is known."""
    if data is None:
        return ['{0} is not there; {1}'.format(path, RUN_SITE)]
    found = list(differences(_keepalived.parse(to_text(planned)), _keepalived.parse(to_text(data, errors='replace'))))
    if found:
        shown = '; '.join(found[:MOST]) + ('; and {0} more'.format(len(found) - MOST) if len(found) > MOST else '')
        state = 'it is in force' if loaded == sha256(data) else 'it comes into force with the next reload, unless it has already by a signal'
        return ['{0} is not the planned one ({1}), and {2}; {3}'.format(path, shown, state, RUN_SITE)]
    if loaded not in (None, sha256(data), sha256(to_bytes(planned))):
        return ['keepalived has read another configuration than {0}, which is the planned one; systemctl reload keepalived'.format(path)]
    return []


# Scripts

def of_script(path, planned, mode, found):
    """Deviations of a script that the role wrote; found is (mode, content), or None when it is not there."""
    if found is None:
        return ['the script {0} is not there, and keepalived may count that as a success; {1}'.format(path, RUN_SITE)]
    deviations = []
    if mode & ~found[0] & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
        deviations.append('the script {0} has lost its execute bit (mode {1:04o}, planned {2:04o}), and keepalived may count that as a success; {3}'.format(
            path, found[0], mode, RUN_SITE))
    if found[1] != to_bytes(planned):
        deviations.append('the script {0} is not the one that the role wrote, so it may never fail; {1}'.format(path, RUN_SITE))
    return deviations
