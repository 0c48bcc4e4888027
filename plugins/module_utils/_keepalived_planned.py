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

def _sorted_out(statements, blocks):
    """Leaves as lists of words, and blocks as {words: statements}; the braces of an empty one do not show, so blocks says which are."""
    return ([words for words, dummy in statements if tuple(words) not in blocks],
            dict((tuple(words), block) for words, block in statements if tuple(words) in blocks))


def _keywords(statements):
    return [words[0] for words in statements if words]


def differences(planned, found, where=''):
    """Yield what differs between the statements of two files, whatever their layout."""
    every_block = set(tuple(words) for words, block in planned + found if block)
    (wanted, wanted_blocks), (there, blocks) = _sorted_out(planned, every_block), _sorted_out(found, every_block)
    lacking = _keywords(words for words in wanted if words not in there)
    added = _keywords(words for words in there if words not in wanted)
    for keyword in sorted(set(lacking + added)):
        what = 'is another' if keyword in lacking and keyword in added else 'is missing' if keyword in lacking else (
            'is there and not planned' + MEANS.get(keyword, ''))
        yield '{0}{1} {2}'.format(where, keyword, what)
    for words in sorted(every_block):
        name = where + ' '.join(words)
        if words not in blocks or words not in wanted_blocks:
            yield '{0} is {1}'.format(name, 'missing' if words not in blocks else 'there and not planned')
        else:
            for what in differences(wanted_blocks[words], blocks[words], name + ': '):
                yield what


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
