# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a keepalived.conf says, what of it must stay hidden, and commands that end. PRIVATE to this collection.

The reader of keepalived.conf is a tolerant one: keepalived itself judges the file. It looks into no included file,
and takes definitions ($NAME=text) and conditions (@name) for words like any other.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import errno
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

from ansible.module_utils.common.text.converters import to_text
from ansible_collections.vipkit.ha.plugins.module_utils import _clock

HIDDEN = u'****'

# A comment begins anywhere outside of quotes, quotes end with their line, and a brace counts wherever it stands outside of both.
TOKEN = re.compile(r'"(?P<quoted>[^"]*)"?|(?P<brace>[{}])|(?P<comment>[!#].*)|(?P<word>(?:\$\{\w+\}|\\[!#]|[^\s"{}!#])+)')
UNJUDGED = re.compile(r'(?m)^[ \t]*[@$~].*[{}\\]')
PASSWORD = r'(?:auth_pass|\$\w*pass\w*|[\w$-]*passw(?:or)?d|[\w$-]*passphrase|[\w$-]*secret)\b["\']?[ \t=:]+|^[ \t]*key[ \t]+'


# What the file says

def tokens(text):
    """Yield (number of the line, kind, text) of each word, quoted text and brace."""
    for number, line in enumerate(text.split(u'\n'), 1):
        for found in TOKEN.finditer(line):
            if found.lastgroup != 'comment':
                yield number, found.lastgroup, found.group(found.lastgroup)


def parse(text):
    """Return the statements of a file, each as (words, statements in its block)."""
    top = []
    blocks, words, last = [top], [], 0

    def end():
        if words:
            blocks[-1].append((words[:], []))
            del words[:]

    for number, kind, token in tokens(text):
        if number != last:
            end()
        last = number
        if (kind, token) == ('brace', u'{'):
            end()
            if not blocks[-1]:
                blocks[-1].append(([], []))
            blocks.append(blocks[-1][-1][1])
        elif kind == 'brace':
            end()
            if len(blocks) > 1:
                blocks.pop()
        else:
            words.append(token)
    end()
    return top


def imbalance(text):
    """Return which brace has no partner, or None; conditions and definitions may hold halves, so with braces in them nobody can tell."""
    if UNJUDGED.search(text):
        return None
    opened = []
    for number, kind, token in tokens(text):
        if (kind, token) == ('brace', u'{'):
            opened.append(number)
        elif kind == 'brace' and not opened:
            return "line %d has a '}' that closes nothing" % number
        elif kind == 'brace':
            opened.pop()
    return "the block that line %d opens is never closed: a '}' is missing" % opened[-1] if opened else None


def flaw(text):
    """Return what makes a file unusable although some version of keepalived takes it, or None."""
    if u'\0' in text:
        return 'line %d holds a NUL byte' % (text[:text.index(u'\0')].count(u'\n') + 1)
    if not parse(text):
        return 'it is empty, or holds nothing but comments'
    return imbalance(text)


# What all members of a virtual router have to agree on

def _values(statements, keyword):
    return [words[1] for words, dummy in statements if words[:1] == [keyword] and len(words) > 1]


def _value(statements, keyword, default=None):
    return (_values(statements, keyword) or [default])[-1]


def _blocks(statements, keyword):
    return [inner for words, block in statements if words[:1] == [keyword] for inner in block]


def _address(text):
    address = text.partition(u'/')[0]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return to_text(socket.inet_ntop(family, socket.inet_pton(family, address)))
        except (socket.error, ValueError):
            pass
    return text


def _number(text):
    try:
        return int(text)
    except (TypeError, ValueError):
        return text


def _whole_seconds(text):
    """The interval as version 2 has it on the wire."""
    try:
        return max(1, int(float(text) + 0.5))
    except (OverflowError, ValueError):
        return text


def _instance(name, statements, defaults):
    """Return what decides whether the other members understand one instance."""
    addresses = frozenset(_address(words[0]) for words, dummy in _blocks(statements, u'virtual_ipaddress') if words)
    peers = [words[0] for words, dummy in _blocks(statements, u'unicast_peer') if words]
    authentication = _blocks(statements, u'authentication')
    ipv6 = [u'native_ipv6'] in [words for words, dummy in statements] or any(u':' in one for one in list(addresses) + peers)
    group, everybody = (u'vrrp_mcast_group6', u'ff02::12') if ipv6 else (u'vrrp_mcast_group4', u'224.0.0.18')
    agreed = {
        'virtual_router_id': _number(_value(statements, u'virtual_router_id')),
        'version': 3 if ipv6 else _number(_value(statements, u'version', _value(defaults, u'vrrp_version', 2))),
        'virtual_ipaddress': addresses,
        'unicast_peer': bool(peers),
    }
    if agreed['version'] == 2:
        agreed['advert_int'] = _whole_seconds(_value(statements, u'advert_int', u'1'))
        agreed['auth_type'] = _value(authentication, u'auth_type')
        agreed['auth_pass'] = _value(authentication, u'auth_pass', u'')[:8]  # no more of it is sent
    if not peers:
        agreed[group] = _address(_value(statements, u'mcast_dst_ip', _value(defaults, group, everybody)))
    return {'name': name, 'interface': _value(statements, u'interface'), 'ipv6': ipv6, 'agreed': agreed}


def instances(text):
    """Return the VRRP instances of a file."""
    statements = parse(text)
    defaults = _blocks(statements, u'global_defs')
    return [_instance(words[1], block, defaults) for words, block in statements if words[:1] == [u'vrrp_instance'] and len(words) > 1]


def _partners(old, new):
    """Return (before, after) of each instance that both have: the same virtual router on the wire, else the same name."""
    old, new, pairs = list(old), list(enumerate(new)), []
    router = [lambda one: one['agreed']['virtual_router_id'], lambda one: one['ipv6']]
    for keys in (router + [lambda one: one['interface']], router, [lambda one: one['name']]):
        for place, after in list(new):
            key = [get(after) for get in keys]
            before = next((one for one in old if None not in key and [get(one) for get in keys] == key), None)
            if before:
                pairs.append((place, before, after))
                old.remove(before)
                new.remove((place, after))
    return [(before, after) for dummy, before, after in sorted(pairs, key=lambda pair: pair[0])]


def shared_changes(old, new):
    """Return what of each instance changes that all members have to change at the same moment, without any value."""
    changes = []
    for before, after in _partners(instances(old), instances(new)):
        before, name, after = before['agreed'], after['name'], after['agreed']
        # What only one of the two has follows from its version or its mode, and that has changed then.
        what = sorted(key for key in after if key in before and before[key] != after[key])
        if what:
            changes.append({'instance': name, 'what': what})
    return changes


# What must stay hidden

def _plain(value):
    """The password itself of what stands after its keyword."""
    found = TOKEN.match(value.strip())
    return found.group(found.lastgroup) if found else value.strip()


def passwords(text):
    """Return the passwords that stand in a file."""
    return [_plain(found.group(1)) for found in re.finditer('(?im)(?:' + PASSWORD + ')(.+)', text)]


def masked(text, secrets, label=lambda value: HIDDEN):
    """Return text with a label for each secret, and for all that follows a password's keyword in its line."""
    known = set(to_text(secret) for secret in secrets)
    known |= set(secret[:8] for secret in known)  # as keepalived shortens it
    pattern = '(?P<keyword>' + PASSWORD + ')(?P<value>.+)'
    if known - set([u'']):
        pattern += '|(?P<known>' + '|'.join(re.escape(one) for one in sorted(known - set([u'']), key=len, reverse=True)) + ')'

    def hide(found):
        if found.group('keyword') is None:
            return label(found.group(0))
        return found.group('keyword') + label(_plain(found.group('value')))
    return re.sub('(?im)' + pattern, hide, text)


def numbered():
    """Return a label for masked() that is the same for the same secret only, so that a changed one can be seen."""
    numbers = {}
    return lambda value: u'<secret %d>' % numbers.setdefault(value, len(numbers) + 1)


# Commands

Outcome = collections.namedtuple('Outcome', ['rc', 'output', 'timed_out'])


def tracked_number(path):
    """Return what keepalived reads in a tracked file; one that is missing, or holds no number, is 0."""
    try:
        with open(path, 'rb') as handle:
            found = re.match(r'\s*-?\d+', to_text(handle.read(), errors='replace'))
    except EnvironmentError as error:
        if error.errno != errno.ENOENT:
            raise
        return 0
    return int(found.group(0)) if found else 0


def _apart():
    os.setsid()
    # keepalived 2.2.5 to 2.2.7 send this to themselves when they test a file with a script of another user.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def run(command, timeout):
    """Run a command in a session of its own, which is killed when it does not end in time."""
    # A pipe would stay open, and be waited for, while any descendant has it.
    with tempfile.TemporaryFile() as output, open(os.devnull) as nothing:
        process = subprocess.Popen(command, stdin=nothing, stdout=output, stderr=subprocess.STDOUT, close_fds=True, preexec_fn=_apart)
        deadline = _clock.monotonic() + timeout
        rc = process.poll()
        while rc is None and _clock.monotonic() < deadline:
            time.sleep(0.01)
            rc = process.poll()
        if rc is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return Outcome(rc, to_text(output.read(), errors='replace'), rc is None)


def version(program):
    """Return the version that a keepalived tells, such as '2.0.7', or None."""
    try:
        said = run([program, '--version'], 5).output
    except EnvironmentError:
        return None
    return (re.findall(r'Keepalived v([\d.]+)', said) or [None])[0]
