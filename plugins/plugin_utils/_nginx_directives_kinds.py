# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is to say of a directive of nginx.conf. PRIVATE to this collection.

A table is a dictionary of name to ``Directive``, or to a list of them where the name stands for several: in one context this and in
another that, or until a release this and from then on that. What came with nginx 1.9.9 or before has no ``since``.
"""

from __future__ import annotations

import functools
import re
import typing

# Contexts, by the name of their block; one that has its name from another part of the file has that part's before it.
CONTEXTS = {
    'main': 'main',
    'events': 'events',
    'http': 'http',
    'server': 'server',
    'location': 'location',
    'upstream': 'upstream',
    'if_server': 'if of a server',
    'if_location': 'if of a location',
    'limit_except': 'limit_except',
    'stream': 'stream',
    'stream_server': 'server of stream',
    'stream_upstream': 'upstream of stream',
}
MAIN = 'main'
HS = 'http server'
HSL = 'http server location'
HSLI = 'http server location if_location'
SS = 'stream stream_server'
INNERMOST = 'if_server if_location limit_except'
EVERYWHERE_ELSE = ' '.join(name for name in CONTEXTS if name not in INNERMOST.split())

# Inside of a block that is a list of keys and values, no directives.
ENTRIES = 'entries'


class Directive(typing.NamedTuple):
    """Where a directive may stand and how often, what it takes, and which nginx has it.

    ``takes`` is ``flag``, or how many arguments: each number that is possible, or the least with a plus. ``block`` is the context
    inside of it. Each of ``needs`` is a switch of configure: ``--with-…`` has to be given, ``--without-…`` must not be.
    """

    contexts: tuple
    takes: str = '1'
    many: bool = False
    since: str = ''
    until: str = ''
    needs: tuple = ()
    block: str = ''


@functools.lru_cache(maxsize=None)
def release(version):
    """A version as something to compare."""
    return tuple(int(part) for part in re.findall(r'\d+', version))


def once(contexts, takes='1', **more):
    """One with arguments that may stand once in a block."""
    return Directive(tuple(contexts.split()), takes, **more)


def many(contexts, takes='1', **more):
    """One with arguments that may stand more than once in a block."""
    return once(contexts, takes, many=True, **more)


def flag(contexts, **more):
    """One that is on or off."""
    return once(contexts, 'flag', **more)


def bare(contexts, **more):
    """One without arguments."""
    return once(contexts, '0', **more)


def block(contexts, inside, takes='0', **more):
    """One that holds other directives."""
    return once(contexts, takes, block=inside, **more)


def lookup(contexts, takes='2', **more):
    """One that holds keys and values, and may stand more than once."""
    return many(contexts, takes, block=ENTRIES, **more)


def variants(entry):
    """What a table says of a name, always as a list."""
    return entry if isinstance(entry, list) else [entry]


def built(*needs_and_table):
    """A table of directives that need switches of configure."""
    *needs, table = needs_and_table
    return {name: [one._replace(needs=(*needs, *one.needs)) for one in variants(entry)] for name, entry in table.items()}
