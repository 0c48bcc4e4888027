# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a keyword of keepalived.conf can take. PRIVATE to this collection.

A block is a table of keyword to kind. Its order is the order of rendering, which keepalived cares about: ``interface`` stands before
the addresses that go onto it, and scripts stand before the instances that track them.

A kind is one of these words, or what one of the functions below makes:

``word``     one token
``words``    one or more
``secret``   one token that no message shows
``quoted``   text in double quotes
``address``  an IP address, ``ipv4`` and ``ipv6`` one of that version
``flag``     a keyword without a value
``truth``    one with true or false
``lines``    a block with one entry a line
``bare``     such entries without a keyword of their own, in a block that has a name
a table      a block of its own

Where not every catalogued release or build has a keyword, a ``Keyword`` with the kind says which; where releases take different
values, a list of them does, the oldest first.
"""

from __future__ import annotations

import typing

UINT = 4294967295
INT = 2147483647


class Keyword(typing.NamedTuple):
    """A kind, the first release that has it, the first that no longer has it, and what a build of keepalived needs for it.

    Of several ``needs`` one is enough. One that begins with ``--`` is a switch of configure, another one is a library.
    """

    kind: object
    since: str = ''
    until: str = ''
    needs: tuple = ()


def integer(low, high):
    """A whole number within a range."""
    return ('integer', low, high)


def number(low, high):
    """A number, fractions allowed, within a range."""
    return ('number', low, high)


def weight(low, high):
    """A whole number within a range, which the word reverse can follow."""
    return ('weight', low, high)


def choice(*words):
    """One of these words."""
    return ('choice', *words)


def optional(kind):
    """A keyword that can stand alone, for which the value is true, or take a value."""
    return ('optional', kind)


def repeated(kind):
    """A keyword that can stand several times, its values as a list."""
    return ('repeated', kind)


def blocks(table):
    """A block that can stand several times, as a list of bodies or as one body."""
    return ('blocks', table)


def named(table, name='word'):
    """Blocks that each have a name, as a list of bodies with a ``name``."""
    return ('named', table, name)
