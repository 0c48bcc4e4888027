# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check a description of nginx.conf against the table of its directives, and write it. PRIVATE to this collection.

The description is first made a tree in which every part is a block of its own; then one walk writes the lines and collects everything
that is wrong. No message shows a value, a key of a map or a condition: each may be a secret.
"""

from __future__ import annotations

import difflib

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives import CONTEXTS, DIRECTIVES, ENTRIES, INSTEAD, PAID
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives_kinds import release
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_parameters import parameters
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_tokens import Fault, arguments, check_lines, quoted

_INDENT = '    '
_HEADER = '# Written by the Ansible collection vipkit.ha from the inventory: what is changed here by hand is lost at the next run.'

# The parts of a description, and where in it the blocks are that a part cannot hold itself.
_PARTS = {'main': dict, 'events': dict, 'http': dict, 'upstreams': list, 'servers': list, 'stream': dict, 'streams': list}
_ELSEWHERE = {
    'main': {'events': 'events', 'http': 'http', 'stream': 'stream'},
    'events': {},
    'http': {'upstream': 'upstreams', 'server': 'servers'},
    'stream': {'upstream': 'streams', 'server': 'streams'},
}

# The key that holds what stands between the name of a block and its brace.
_HEADS = {'location': 'path', 'if': 'condition', 'limit_except': 'method', 'upstream': 'name'}

# The key of a block's directives that come before all others, also before those of the same name; for plans, and no input of the role.
FIRST = '_first'

# Words in a block of keys and values that are no keys.
_BARE_ENTRIES = ('hostnames', 'volatile', 'ranges', 'proxy_recursive')


def _counts(takes):
    """How many arguments are possible, in words."""
    if takes in ('0', 'flag'):
        return 'no arguments' if takes == '0' else '1 argument'
    counts = f'{takes[0]} or more' if '+' in takes else takes[0] if len(takes) == 1 else f'{takes[0]} to {takes[-1]}'
    return f'{counts} argument' + ('' if counts == '1' else 's')


def _may_take(takes, count):
    """Whether so many arguments are possible."""
    return count >= int(takes[0]) if '+' in takes else str(count) in list(takes)


def _truth(value):
    return 'on' if value else 'off'


def _text(takes, value):
    """The arguments as text, None where the directive is left out."""
    if isinstance(value, dict):
        raise Fault('it is no block; give its arguments as text')
    if takes == 'flag':
        text = _truth(value) if isinstance(value, bool) else str(value).lower()
        if text not in ('on', 'off'):
            raise Fault('it is neither true nor false, on nor off; write one of them')
        return text
    if isinstance(value, list):
        return ' '.join(quoted(_truth(one) if isinstance(one, bool) else one) for one in value)
    if not isinstance(value, bool):
        return str(value).strip()
    if '0' in takes:
        return '' if value else None
    if _may_take(takes, 1):
        return _truth(value)
    raise Fault(f'it takes {_counts(takes)}, not {str(value).lower()} alone')


def _checked(takes, text):
    """The arguments of a text, if there are as many as there have to be."""
    words = arguments(text)
    if takes != 'flag' and not _may_take(takes, len(words)):
        raise Fault(f"it takes {_counts(takes)}, and {len(words)} {'is' if len(words) == 1 else 'are'} given")
    return words


def _raw(text):
    check_lines(str(text))
    return str(text).strip('\n').split('\n')


def _indented(lines):
    return [_INDENT + line if line else line for line in lines]


def _joined(pieces):
    """The lines of all pieces, with an empty one around each that has several."""
    lines, before = [], 1
    for piece in pieces:
        if lines and max(before, len(piece)) > 1:
            lines.append('')
        lines += piece
        before = len(piece)
    return lines


def _block(head, pieces):
    return [f'{head} {{', *_indented(_joined(pieces)), '}']


def _inside(where, part):
    return f'{where} > {part}' if where else part


def _numbered(name, number, items):
    return name if len(items) == 1 else f'{name} number {number}'


def _entry(key, value):
    """The pieces of a key and its value; an empty one is written as nginx takes it, in quotes."""
    if key in _BARE_ENTRIES and isinstance(value, bool):
        return [[f'{key};']] if value else []
    key, text = key or "''", _text('1+', value) or "''"
    _checked('1', key)
    _checked('1+', text)
    return [[f'{key} {text};']]


def _is_left_out(name, value):
    """Whether there is nothing to write; a name that is not known is to be told all the same."""
    return not _items(value) and (name in DIRECTIVES or name == 'raw')


def _unless_empty(part):
    return None if all(_is_left_out(name, value) for name, value in part.items()) else part


def _items(value):
    """What is there to be written, one for each time."""
    return [one for one in (value if isinstance(value, list) else [value]) if one is not None]


class _Writer:
    """Writes blocks for one release and one build of it, and notes what is wrong."""

    def __init__(self, version='', configure_flags=None):
        self.version = version
        self.switches = None if configure_flags is None else {str(switch).partition('=')[0] for switch in configure_flags}
        self.findings = []

    def fault(self, where, problem):
        self.findings.append(f"nginx.conf: {where or 'main'}: {problem}")

    def is_in_time(self, entry):
        """Whether the release has it."""
        now = release(self.version)
        return not now or release(entry.since) <= now and not (entry.until and release(entry.until) <= now)

    def of_release(self, entries):
        """Of what a name stands for what the release has, without a release the newest."""
        return next((entry for entry in reversed(entries) if self.is_in_time(entry)), None)

    def check_release(self, name, entries):
        """What a name stands for, a fault where the release has none."""
        found = self.of_release(entries)
        if found:
            return found
        instead = INSTEAD.get(name, 'leave it out')
        if release(self.version) < release(entries[0].since):
            raise Fault(f'nginx {self.version} has no {name}: it came with {entries[0].since}; use that version or {instead}')
        raise Fault(f'nginx {self.version} has no {name} any more: it went with {entries[-1].until}; {instead}')

    def check_build(self, name, needs):
        """A fault where the build lacks what something needs."""
        for switch in needs if self.switches is not None else ():
            if switch.startswith('--without-') and switch in self.switches:
                raise Fault(f'{name} is not in a build with {switch}; take that out of nginx_configure_flags')
            if switch.startswith('--with-') and switch not in self.switches:
                raise Fault(f'{name} needs {switch} in nginx_configure_flags')

    def nearest(self, given, context):
        there = [name for name, entries in DIRECTIVES.items()
                 if self.of_release([entry for entry in entries if context in entry.contexts])]
        near = difflib.get_close_matches(given, there) or difflib.get_close_matches(given, there, cutoff=0)
        return f"{', '.join(near)} (or use raw)"

    def entry(self, context, name):
        """What the table says of a directive here, a fault where it may not stand."""
        if name in PAID:
            raise Fault(f'{name} is only in the commercial nginx; leave it out')
        if name not in DIRECTIVES:
            raise Fault(f"there is no directive '{name}'; nearest: {self.nearest(name, context)}")
        here = [entry for entry in DIRECTIVES[name] if context in entry.contexts]
        if not here:
            places = dict.fromkeys(CONTEXTS[place] for entry in DIRECTIVES[name] for place in entry.contexts)
            raise Fault(f"{name} may not stand here, only in {', '.join(places)}")
        found = self.check_release(name, here)
        self.check_build(name, found.needs)
        return found

    def check_parameter(self, word, known):
        """A fault where a parameter cannot be taken."""
        name, equals = word.partition('=')[:2]
        if name not in known:
            near = difflib.get_close_matches(name, known) or known
            raise Fault(f"there is no parameter '{name}'; nearest: {', '.join(near)}")
        if known[name].paid:
            raise Fault(f'its parameter {name} is only in the commercial nginx; leave it out')
        self.check_release(name, [known[name]])
        self.check_build(name, known[name].needs)
        if known[name].valued and not equals:
            raise Fault(f'its parameter {name} needs a value; write {name}=…')
        if equals and not known[name].valued:
            raise Fault(f'its parameter {name} takes no value; write {name} alone')

    def line(self, context, name, entry, value):
        """The line of a directive, None where it is left out."""
        text = _text(entry.takes, value)
        if text is None:
            return None
        words = _checked(entry.takes, text)
        taken = parameters(name, context) if entry.takes != 'flag' else None
        for word in words[taken.first:] if taken else ():
            self.check_parameter(word.strip('"\''), taken.known)
        return f'{name} {text};' if text else f'{name};'

    def head(self, name, entry, body):
        """What begins a block."""
        if entry.takes == '0':
            return name
        key = _HEADS.get(name, 'args')
        if not _items(body.get(key)):
            raise Fault(f'it has no {key}; write it as {{{key}: …, …}}')
        text = _text('1+', body[key])
        if name == 'if' and not text.startswith('('):
            text = f'({text})'
        _checked(entry.takes, text)
        return f'{name} {text}'

    def sub_block(self, where, name, entry, number, body):
        """The lines of a block within another one."""
        if not isinstance(body, dict):
            raise Fault('it is a block; give a dictionary, or a list of them')
        head = self.head(name, entry, body)
        inner = {key: value for key, value in body.items() if entry.takes == '0' or key != _HEADS.get(name, 'args')}
        if name == 'server':
            own = _inside(where, f"server {inner.pop('name', None) or number}")
        else:
            own = _inside(where, f'if {number}' if name == 'if' else head)
        return _block(head, self.entries(own, inner) if entry.block == ENTRIES else self.body(own, entry.block, inner))

    def entries(self, where, body):
        """The pieces of a block of keys and values."""
        pieces = []
        for key in body:
            if key not in ('entries', 'raw'):
                self.fault(where, f"there is no key '{key}' here; write what it holds in entries, or use raw")
        entries = body.get('entries') or {}
        if not isinstance(entries, dict):
            self.fault(where, 'its entries have to be a dictionary of keys and values')
            entries = {}
        for number, (key, value) in enumerate(entries.items(), 1):
            for one in _items(value):
                try:
                    pieces += _entry(_truth(key) if isinstance(key, bool) else str(key), one)
                except Fault as fault:
                    self.fault(where, f'entry {number}: {fault}')
        return pieces + self.raw(where, body.get('raw'))

    def raw(self, where, text):
        """The piece that is taken as it is, if there is any."""
        try:
            return [_raw(text)] if text else []
        except Fault as fault:
            self.fault(where, f'raw cannot be written: {fault}')
            return []

    def directive(self, where, context, name, value):
        """The pieces of a directive, one for each time that it stands."""
        if _is_left_out(name, value):
            return []
        items = _items(value)
        try:
            entry = self.entry(context, name)
        except Fault as fault:
            self.fault(where, fault)
            return []
        if len(items) > 1 and not entry.many:
            self.fault(where, f'{name} may stand only once here, and {len(items)} are given; put arguments of one into one text')
        pieces = []
        for number, one in enumerate(items, 1):
            try:
                written = self.sub_block(where, name, entry, number, one) if entry.block else [self.line(context, name, entry, one)]
                pieces += [written] if written != [None] else []
            except Fault as fault:
                self.fault(where, f'{_numbered(name, number, items)}: {fault}')
        return pieces

    def body(self, where, context, body):
        """The pieces inside of a block, in the order that is given."""
        pieces = []
        for name, value in body.items():
            if name == FIRST:
                pieces += self.body(where, context, value)
            else:
                pieces += self.raw(where, value) if name == 'raw' else self.directive(where, context, str(name), value)
        return pieces

    def part(self, description, name):
        """A part of the description, empty where there is none or it is of the wrong kind."""
        kind, value = _PARTS[name], description.get(name)
        if value is None:
            return kind()
        if not isinstance(value, kind) or kind is list and not all(isinstance(one, dict) for one in value):
            self.fault(name, 'it has to be a dictionary of directives' if kind is dict else 'it has to be a list of dictionaries')
            return kind()
        for key in _ELSEWHERE.get(name, {}):
            if key in value:
                self.fault(name, f"{key} may not stand here; write it in {_ELSEWHERE[name][key]} of the description")
        return {key: one for key, one in value.items() if key not in _ELSEWHERE[name]} if kind is dict else value

    def check_names(self, where, upstreams):
        """A finding for every name that several upstreams have."""
        names = [str(body['name']) for body in upstreams if body.get('name') is not None]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                self.fault(where, f'{names.count(name)} upstreams have the name {name}; give each its own')

    def tree(self, description):
        """The whole as blocks within blocks."""
        for key in description:
            if key not in _PARTS:
                near = difflib.get_close_matches(str(key), _PARTS) or _PARTS
                self.fault('description', f"there is no part '{key}'; nearest: {', '.join(near)}")
        main, events, http, upstreams, servers, stream, streams = (self.part(description, name) for name in _PARTS)
        divided = [_divided(body) for body in streams]
        http = {**http, 'upstream': upstreams, 'server': servers}
        stream = {**stream, 'upstream': [upstream for upstream, dummy in divided if upstream],
                  'server': [server for dummy, server in divided]}
        self.check_names('http', http['upstream'])
        self.check_names('stream', stream['upstream'])
        first = {key: value for key, value in main.items() if key == 'load_module'}
        return {**first, **main, 'events': events, 'http': _unless_empty(http), 'stream': _unless_empty(stream)}


def _is_upstreams(name):
    """Whether a directive of stream can only belong to an upstream."""
    contexts = {context for entry in DIRECTIVES.get(name, []) for context in entry.contexts}
    return 'stream_upstream' in contexts and 'stream_server' not in contexts


def _divided(body):
    """The upstream and the server that one of the streams describes; with no server to pass to, there is no upstream."""
    if not body.get('server'):
        return None, body
    upstream = {key: value for key, value in body.items() if key == 'name' or _is_upstreams(key)}
    server = {key: value for key, value in body.items() if key not in upstream or key == 'name'}
    return upstream, {**server, 'proxy_pass': server.get('proxy_pass') or body.get('name')}


def render(description, version='', configure_flags=None):
    """The text of nginx.conf; a ValueError names everything that is wrong, a line each.

    Without a version, what any release has is taken; without configure flags, what any build has.
    """
    if not isinstance(description, dict):
        raise ValueError('nginx.conf: the description has to be a dictionary')
    writer = _Writer(version, configure_flags)
    pieces = writer.body('', 'main', writer.tree(description))
    if writer.findings:
        raise ValueError('\n'.join(writer.findings))
    return '\n'.join([_HEADER, '', *_joined(pieces)]) + '\n'
