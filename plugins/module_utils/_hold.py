# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: new connections to some addresses are left unanswered for a moment, so that their clients ask again a second later.

What holds them back ends by itself, whatever becomes of the process that has asked for it.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import subprocess

from ansible.module_utils.common.text.converters import to_native

HOLD = 1  # seconds after which it ends
TABLE = 'vipkit_hold'


class HoldError(Exception):
    """What failed, and what was said of it."""


class Nft(object):
    """Leaves new connections to some addresses unanswered. The kernel ends it by itself."""

    name = 'nft'

    def __init__(self):
        self.load('add table inet {t}\ndelete table inet {t}\nadd table inet {t}\n'
                  'add set inet {t} v4 {{ type ipv4_addr; flags timeout; }}\nadd set inet {t} v6 {{ type ipv6_addr; flags timeout; }}\n'
                  'add chain inet {t} input {{ type filter hook input priority -300; }}\n'
                  'add rule inet {t} input ip daddr @v4 tcp flags & (syn|ack) == syn drop\n'
                  'add rule inet {t} input ip6 daddr @v6 tcp flags & (syn|ack) == syn drop\n'.format(t=TABLE))

    def load(self, commands):
        call(['nft', '-f', '-'], commands)

    def on(self, addresses):
        self.load(''.join('add element inet {0} {1} {{ {2} timeout {3}s }}\n'.format(TABLE, 'v6' if ':' in address else 'v4', address, HOLD)
                          for address in sorted(addresses)))

    def close(self):
        try:
            self.load('delete table inet {0}\n'.format(TABLE))
        except HoldError:
            pass  # somebody has flushed all tables meanwhile


class Iptables(object):
    """The same where there is no nft; a process of its own ends it, whatever becomes of this one."""

    name = 'iptables'

    def __init__(self):
        call(['iptables', '-w', '-S', 'INPUT'])
        self.held = set()

    def rules(self, verb, addresses):
        for address in sorted(addresses):
            if ':' in address and not on_path('ip6tables'):
                continue
            yield ['ip6tables' if ':' in address else 'iptables', '-w', verb, 'INPUT', '-d', address, '-p', 'tcp', '--syn', '-j', 'DROP']

    def on(self, addresses):
        removal = '; '.join(' '.join(rule) for rule in self.rules('-D', addresses))
        end_later(removal, HOLD)
        self.held |= addresses
        for rule in self.rules('-I', addresses):
            call(rule)

    def close(self):
        """What came after its own end goes, too."""
        for rule in self.rules('-D', self.held):
            try:
                call(rule)
            except HoldError:
                pass  # as it should be: it is gone


class Nothing(object):
    """Where neither can be used."""

    name = ''

    def on(self, addresses):
        pass

    def close(self):
        pass


def call(command, text=''):
    """Run a command that must not fail."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=True)
    except EnvironmentError as error:
        raise HoldError('{0}: {1}'.format(command[0], error))
    said = process.communicate(text.encode('ascii'))[0]
    if process.returncode != 0:
        raise HoldError('{0}: {1}'.format(' '.join(command), to_native(said, errors='replace').strip()))


def on_path(program):
    return any(os.access(os.path.join(directory, program), os.X_OK) for directory in os.environ.get('PATH', '').split(os.pathsep))


def end_later(commands, seconds):
    """Have a process of its own end something, whatever becomes of this one."""
    with open(os.devnull, 'r+b') as nothing:
        subprocess.Popen(['sh', '-c', 'sleep {0}; {1}'.format(seconds, commands or ':')], stdin=nothing, stdout=nothing, stderr=nothing, close_fds=True,
                         preexec_fn=os.setsid)


def what_holds_back():
    """The first of them that works here."""
    for kind in (Nft, Iptables):
        try:
            return kind()
        except HoldError:
            continue
    return Nothing()
