# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check a description of keepalived.conf against the tables of its keywords, and write it. PRIVATE to this collection.

One walk does both: it yields the lines and collects everything that is wrong. Nothing here knows a keyword by name but what the
collection itself adds: the password of an instance, and the script that has the name of its ``vrrp_script``.
"""

# pylint: disable=dangerous-default-value
# A table is only read.
from __future__ import annotations

import difflib
import functools
import ipaddress
import re

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import ROOT, Keyword

_INDENT = '    '
_HEADER = '! Written by the Ansible collection vipkit.ha from the inventory: what is changed here by hand is lost at the next run.'


class _Fault(Exception):
    """Why a value cannot be written."""


@functools.lru_cache(maxsize=None)
def release(version):
    """A version as something to compare."""
    return tuple(int(part) for part in re.findall(r'\d+', version))


def variants(entry):
    """What a table says of a keyword: one, or several where releases take different values."""
    if isinstance(entry, list):
        return entry
    return [entry if isinstance(entry, Keyword) else Keyword(entry)]


def at(entry, version=''):
    """What a table says of a keyword for one release, None where that release lacks it; without a version, for the newest."""
    every = variants(entry)
    if not version:
        return every[-1]
    now = release(version)
    for variant in every:
        if (not variant.since or release(variant.since) <= now) and (not variant.until or now < release(variant.until)):
            return variant
    return None


def table_of(kind):
    """The table of a kind that is a block, else None."""
    if isinstance(kind, dict):
        return kind
    return kind[1] if isinstance(kind, tuple) and kind[0] in ('blocks', 'named') else None


def known(version='', has=None, table=ROOT, path=()):
    """Path of every keyword that a release has, and what the table says of it; with what a build has, of that build alone."""
    for keyword, entry in table.items():
        found = at(entry, version)
        if not found or found.kind == 'bare' or has is not None and found.needs and not set(found.needs) & set(has):
            continue
        yield (*path, keyword), found
        yield from known(version, has, table_of(found.kind) or {}, (*path, keyword))


def shown(limit):
    """A limit as keepalived would take it."""
    return f'{limit:.6f}'.rstrip('0').rstrip('.') if isinstance(limit, float) else str(limit)


# --- values ---

def _one_line(value):
    text = str(value)
    if not text.strip() or any(sign in text for sign in '\n\r{}'):
        raise _Fault(f'{text!r} cannot be written: a value is one line without braces, and not empty')
    return text


def _word(value):
    text = _one_line(value)
    if any(sign.isspace() or sign in '!#"' for sign in text):
        raise _Fault(f'{text!r} cannot be written: it has to be one word without blanks, quotes, ! and #')
    return text


def _secret(value):
    try:
        return _word(value)
    except _Fault:
        raise _Fault('it cannot be written: it has to be one word without blanks, quotes, braces, ! and #') from None


def _quoted(value):
    text = _one_line(value)
    if '"' in text:
        raise _Fault(f'{text!r} cannot be written: it holds a double quote; put it into a script of its own')
    return f'"{text}"'


def _truth(value):
    if not isinstance(value, bool):
        raise _Fault(f'{value!r} is neither true nor false')
    return str(value).lower()


def _address_of(name, convert):
    def address(value):
        try:
            convert(str(value))
        except ValueError:
            raise _Fault(f'{value!r} is no {name} address') from None
        return str(value)
    return address


def _in_range(name, pattern):
    def in_range(value, low, high):
        text, one = str(value), f'give one from {shown(low)} to {shown(high)}'
        if not re.fullmatch(pattern, text):
            raise _Fault(f'{value!r} is no {name}; {one}')
        if not low <= float(text) <= high:
            raise _Fault(f'{value} is out of range; {one}')
        return text
    return in_range


def _weight(value, low, high):
    plain, found, rest = str(value).partition(' reverse')
    return _integer(value if rest else plain, low, high) + found


def _choice(value, *choices):
    if str(value) not in choices:
        raise _Fault(f"{value!r} is none of {', '.join(choices)}")
    return str(value)


_integer = _in_range('integer', r'-?\d+')

_SCALARS = {
    'word': _word,
    'words': _one_line,
    'secret': _secret,
    'quoted': _quoted,
    'truth': _truth,
    'address': _address_of('IP', ipaddress.ip_address),
    'ipv4': _address_of('IPv4', ipaddress.IPv4Address),
    'ipv6': _address_of('IPv6', ipaddress.IPv6Address),
    'integer': _integer,
    'number': _in_range('number', r'-?\d+(\.\d+)?'),
    'weight': _weight,
    'choice': _choice,
}


def _entries(value):
    if isinstance(value, dict):
        raise _Fault('it is a dictionary and has to be a list')
    if not isinstance(value, list):
        raise _Fault(f'{value!r} is no list; write it as [{value}]')
    return value


def _raw(text):
    return str(text).strip('\n').split('\n')


def _with(where, part):
    return f'{where}, {part}' if where else part


# --- blocks ---

class _Writer:
    """Writes blocks for one release and one build of it, and notes what is wrong."""

    def __init__(self, version='', features=None):
        self.version = version
        self.features = features
        self.findings = []

    def fault(self, where, problem):
        self.findings.append(f"keepalived.conf: {where or 'top level'}: {problem}")

    def nearest(self, given, table):
        there = [keyword for keyword, entry in table.items() if at(entry, self.version)]
        near = difflib.get_close_matches(given, there) or difflib.get_close_matches(given, there, cutoff=0)
        return f"{', '.join(near)} (or use raw)"

    def kind(self, where, table, keyword):
        """The kind of a keyword here, None with a finding where it has none."""
        if keyword not in table:
            return self.fault(where, f"there is no keyword '{keyword}'; nearest: {self.nearest(str(keyword), table)}")
        found = at(table[keyword], self.version)
        if not found:
            since = variants(table[keyword])[0].since
            told = f'came with keepalived {since}'
            if not since or release(since) <= release(self.version):
                told = f'is gone since keepalived {variants(table[keyword])[-1].until}'
            return self.fault(where, f"keyword '{keyword}' {told} and this is {self.version}; "
                                     f'nearest that it has: {self.nearest(keyword, table)}')
        if self.features is not None and found.needs and not set(found.needs) & set(self.features):
            return self.fault(where, f"keyword '{keyword}' needs a keepalived that is configured with {' or '.join(found.needs)}; "
                                     'see keepalived_features')
        return found.kind

    def body(self, where, table, body):
        """The lines inside of a block, its keywords in the order of the table."""
        if not isinstance(body, dict):
            self.fault(where, 'it has to be a dictionary of keywords')
            return []
        kinds = {keyword: self.kind(where, table, keyword) for keyword, value in body.items()
                 if keyword != 'raw' and (value is not None or keyword not in table)}
        lines = []
        for keyword in table:
            if kinds.get(keyword):
                try:
                    lines += self.keyword(where, keyword, kinds[keyword], body[keyword])
                except _Fault as fault:
                    self.fault(_with(where, keyword), fault)
        return lines + (_raw(body['raw']) if body.get('raw') else [])

    def block(self, where, head, table, body):
        """The lines of a block."""
        return [f'{head} {{', *(_INDENT + line for line in self.body(where, table, body)), '}']

    def named(self, where, keyword, table, name, body):
        """The lines of a block that has a name."""
        if not isinstance(body, dict) or 'name' not in body:
            raise _Fault('an entry has no name; write it as {name: …, …}')
        head = f"{keyword} {_SCALARS[name](body['name'])}"
        return self.block(_with(where, head), head, table, {key: value for key, value in body.items() if key != 'name'})

    def each(self, where, entries, write):
        """The lines of every entry that can be written."""
        lines = []
        for entry in _entries(entries):
            try:
                lines += write(entry)
            except _Fault as fault:
                self.fault(where, fault)
        return lines

    def keyword(self, where, keyword, kind, value):
        """The lines of one keyword."""
        own = _with(where, keyword)
        if isinstance(kind, dict):
            return self.block(own, keyword, kind, value)
        name, *details = kind if isinstance(kind, tuple) else (kind,)
        if name == 'flag' or name == 'optional' and isinstance(value, bool):
            return [keyword] if _truth(value) == 'true' else []
        if name == 'optional':
            return self.keyword(where, keyword, details[0], value)
        if name == 'lines':
            entries = self.each(own, value, lambda entry: [_INDENT + _one_line(entry)])
            return [f'{keyword} {{', *entries, '}'] if entries else []
        if name == 'bare':
            return self.each(own, value, lambda entry: [_one_line(entry)])
        if name == 'repeated':
            return self.each(own, value, lambda entry: self.keyword(where, keyword, details[0], entry))
        if name == 'blocks':
            return self.each(own, [value] if isinstance(value, dict) else value, lambda body: self.block(own, keyword, details[0], body))
        if name == 'named':
            return self.each(own, value, lambda body: self.named(where, keyword, *details, body))
        return [f'{keyword} {_SCALARS[name](value, *details)}']


def findings(conf, version='', features=None):
    """Everything that is wrong in a description, as sentences. Without a version, no keyword is too new or too old."""
    writer = _Writer(version, features)
    writer.body('', ROOT, conf)
    return writer.findings


def block_findings(block, body, version='', features=None, where=''):
    """Everything that is wrong in one body of a block."""
    writer = _Writer(version, features)
    kind = writer.kind(where, ROOT, block)
    if kind:
        name, *details = kind if isinstance(kind, tuple) else (kind,)
        one = [body] if name in ('named', 'repeated') else body
        try:
            writer.keyword(where, block, kind, one)
        except _Fault as fault:
            writer.fault(_with(where, block), fault)
    return writer.findings


def _completed(conf, auth_pass, scripts_dir):
    """A description with what no plan holds: each instance's password and the path of each script."""
    conf = dict(conf)
    conf['vrrp_instance'] = [
        {**body, 'authentication': {**body['authentication'], 'auth_pass': auth_pass[body['name']]}}
        if body.get('authentication') and body['name'] in auth_pass else body
        for body in conf.get('vrrp_instance', [])]
    conf['vrrp_script'] = [{'script': f"{scripts_dir}/{body['name']}", **body} for body in conf.get('vrrp_script', [])]
    return conf


def _sections(lines):
    """Lines of the top level, divided so that each block stands alone."""
    sections = [[]]
    for line in lines:
        if sections[-1] and (sections[-1][-1] == '}' or line.endswith(' {') and not line.startswith(' ')):
            sections.append([])
        sections[-1].append(line)
    return sections if lines else []


def render(conf, version='', auth_pass=None, scripts_dir=''):
    """The text of keepalived.conf; a ValueError names everything that is wrong, a line each."""
    wrong = findings(conf, version)
    sections = [[_HEADER]]
    if not wrong:
        writer = _Writer(version)
        conf = _completed(conf, auth_pass or {}, scripts_dir)
        sections += _sections(writer.body('', ROOT, {key: value for key, value in conf.items() if value and key != 'raw'}))
        wrong = writer.findings
    if wrong:
        raise ValueError('\n'.join(wrong))
    if conf.get('raw'):
        sections.append(_raw(conf['raw']))
    return '\n\n'.join('\n'.join(lines) for lines in sections) + '\n'
