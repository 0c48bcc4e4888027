# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which known issues of a program a build and a configuration have. PRIVATE to this collection.

The data is ``files/known_issues.yml`` of the roles; its keys are explained in docs/known-issues.md.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.vipkit.ha.plugins.plugin_utils._source_build import matches

SEVERITIES = ('none', 'low', 'medium', 'major')
REACHES = ('reachable', 'unknown', 'built')

# One comment, quoted text, sign or word. A variable such as ${name} is part of its word.
_TOKENS = {
    'nginx': re.compile(r'#[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[;{}]|(?:\\.|\$\{|[^\s;{\\])+', re.S),
    'keepalived': re.compile(r'[#!][^\n]*|"[^"\n]*"|[{}\n]|(?:\$\{[^}\s]*\}|[^\s{}!#"])+'),
}
_COMMENTS = {'nginx': '#', 'keepalived': '#!'}
_ENDS = {'nginx': ';', 'keepalived': '\n'}
# What nginx brings itself, and what is known to hold nothing but types and parameters
_HARMLESS_INCLUDE = re.compile(r'(?:.*/)?(?:mime\.types|(?:fastcgi|scgi|uwsgi)_params|fastcgi\.conf)')


class Statement(NamedTuple):
    """One statement of a configuration: its first word, the others, and the first words of the blocks around it."""

    name: str
    args: str
    blocks: tuple


def statements(program, conf):
    """Every statement of a configuration; one that opens a block is a statement too."""
    found, blocks, words = [], [], []

    def end():
        if words:
            found.append(Statement(words[0], ' '.join(words[1:]), tuple(blocks)))
            words.clear()

    for match in _TOKENS[program].finditer(conf):
        token = match.group()
        if token[0] in _COMMENTS[program]:
            continue
        if token == '{':
            end()  # or it stands on a line of its own, and opens what was on the line before
            blocks.append(found[-1].name if found else '')
        elif token == '}':
            end()
            del blocks[-1:]
        elif token == _ENDS[program]:
            end()
        else:
            words.append(token[1:-1] if len(token) > 2 and token[0] in '"\'' and token[0] == token[-1] else token)
    end()
    return found


def affects(issue, version):
    """Whether a version has the issue: it lies in one of the ranges, each of which is conditions with commas between."""
    return any(all(matches(version, condition) for condition in text.split(',')) for text in issue['versions'])


def mitigations_of(issue):
    """The names of what works against an issue."""
    names = issue.get('mitigation', [])
    return [names] if isinstance(names, str) else names


def _given(flag, flags):
    return any(one == flag or one.startswith(flag + '=') for one in flags)


def _is_used(use, conf):
    """Whether a configuration does what `use` describes, as often as it has to."""
    found = [one for one in conf
             if re.fullmatch(use.get('name', '.*'), one.name, re.S)
             and re.search(use.get('args', ''), one.args)
             and ('in' not in use or any(re.fullmatch(use['in'], block) for block in one.blocks))]
    return len(found) >= use.get('count', 1)


def _holds(directives, conf):
    """Whether each directive is set for all of http, and nowhere to a value that is not safe."""
    def holds(name, safe):
        found = [one for one in conf if one.name == name]
        return any(one.blocks == ('http',) for one in found) and all(one.args in safe for one in found)

    return all(holds(name, safe) for name, safe in directives.items())


def _in_force(mitigation, flags, conf):
    """Whether flags and configuration show a mitigation. One that neither could show has to be named."""
    needed, directives = mitigation.get('configure_flags', []), mitigation.get('directives', {})
    return bool(needed or directives) and all(_given(flag, flags) for flag in needed) and _holds(directives, conf)


def _is_built(when, flags):
    """Whether the code that has the issue is in the program."""
    left_out = when.get('without', [])
    return ((not when.get('with') or any(_given(flag, flags) for flag in when['with']))
            and not (left_out and all(_given(flag, flags) for flag in left_out)))


def _reach(when, conf, whole):
    uses = [use if isinstance(use, list) else [use] for use in when.get('uses', [])]
    if uses and not any(all(_is_used(one, conf) for one in use) for use in uses):
        return 'built' if whole else 'unknown'
    return 'unknown' if 'also' in when else 'reachable'


def applying(known, version, flags, text, fixes):
    """Each issue of a version that neither a fix nor a mitigation has ended, with its reach; the worst come first."""
    conf = statements(known['program'], text)
    whole = bool(conf) and all(_HARMLESS_INCLUDE.fullmatch(one.args) for one in conf if one.name == 'include')
    in_force = {name for name, mitigation in known['mitigations'].items() if _in_force(mitigation, flags, conf)} | set(fixes)
    found = []
    for issue in known['issues']:
        when = issue.get('when', {})
        ended_by = {issue['id'], issue.get('fixed_by'), *mitigations_of(issue)}
        if affects(issue, version) and _is_built(when, flags) and not ended_by & in_force:
            found.append((issue, _reach(when, conf, whole)))
    return sorted(found, key=lambda one: (-SEVERITIES.index(one[0]['severity']), REACHES.index(one[1]), one[0]['id']))


def helping(known, version):
    """The mitigations that a version needs and that cost nothing, by their names."""
    named = {name for issue in known['issues'] if affects(issue, version) for name in mitigations_of(issue)}
    return {name: mitigation for name, mitigation in known['mitigations'].items() if name in named and mitigation.get('default', True)}
