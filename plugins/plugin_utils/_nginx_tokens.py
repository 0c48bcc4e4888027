# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read and write text as nginx divides it into arguments. PRIVATE to this collection.

No message holds the text itself: it may be a secret, such as a header with a password.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r'''
    (?P<space>\s+)
    |(?P<sign>[;{}])
    |(?P<comment>\#[^\n]*)
    |(?P<word>
        "(?:[^"\\]|\\.)*"(?=[\s;{})]|$)
        |'(?:[^'\\]|\\.)*'(?=[\s;{})]|$)
        |(?!["'])(?:\\.|\$\{[^\s;{}"']*\}|[^\s;{}\\])+
    )''', re.VERBOSE | re.DOTALL)
_PLAIN = re.compile(r'''[^\s;{}"'\\#]+''')
_LONGEST = 4095  # what nginx can read of one argument


class Fault(Exception):
    """Why something cannot be written."""


def _tokens(text):
    """Each piece of a text and its kind: space, sign, comment or word."""
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            raise Fault('a quote is not closed, or something stands right after one that is' if text[place] in '"\'' else
                        'it ends with a backslash')
        if found.lastgroup == 'word' and len(found.group().encode()) > _LONGEST:
            raise Fault(f'an argument is longer than the {_LONGEST} bytes that nginx can read')
        yield found.lastgroup, found.group()
        place = found.end()


def arguments(text):
    """The arguments that a text has for nginx, as they are written."""
    words = []
    for kind, piece in _tokens(text):
        if kind == 'sign':
            raise Fault(f"a '{piece}' stands outside of quotes; put the argument in quotes")
        if kind == 'comment':
            raise Fault("a '#' begins an argument and would make a comment of the rest; put the argument in quotes")
        if kind == 'space' and '\n' in piece:
            raise Fault('a newline stands outside of quotes; write it in one line')
        if kind == 'word':
            words.append(piece)
    return words


def check_lines(text):
    """Look at text of several directives: it has to end what it begins, and nothing else."""
    depth, begun = 0, False
    for kind, piece in _tokens(text):
        if kind == 'sign':
            depth += {'{': 1, '}': -1}.get(piece, 0)
            if depth < 0 or piece == '}' and begun:
                raise Fault("its braces do not balance" if depth < 0 else "a ';' is missing before a '}'")
        begun = kind == 'word' or begun and kind != 'sign'
    if depth:
        raise Fault('its braces do not balance')
    if begun:
        raise Fault("its end is missing: a ';' or a block")


def quoted(argument):
    """One argument, in quotes where it needs them, so that nginx reads what is given."""
    text = str(argument)
    if _PLAIN.fullmatch(text):
        return text
    quote = "'" if '"' in text and "'" not in text else '"'
    return quote + re.sub(rf'\\(?=["\'\\trn]|$)|{quote}', r'\\\g<0>', text) + quote
