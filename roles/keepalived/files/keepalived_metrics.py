# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write what keepalived tells of itself as metrics for Prometheus, once.

keepalived has no other interface in each of its versions than two signals, on which the process that does VRRP writes its state and its
counters into /tmp: its own, which this program shares (PrivateTmp, JoinsNamespaceOf). What was there before is removed first, so nothing
is ever read that an earlier process has left, and the password in it is gone afterwards.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import argparse
import glob
import os
import re
import signal
import sys
import time

from vipkit_metrics import exposition, known_to_all, of_the_collection, output, publish, text_of

DATA, STATS = '/tmp/keepalived.data', '/tmp/keepalived.stats'
PID_FILES = ('/run/*vrrp*.pid', '/run/keepalived/*vrrp*.pid')
OWN_NAME = 'keepalived_vrrp'  # of the process, in versions that give it one
PATIENCE = 5                  # seconds for an answer
STATES = {'INIT': 0, 'BACKUP': 1, 'MASTER': 2, 'FAULT': 3}
clock = getattr(time, 'monotonic', time.time)

COUNTERS = [
    # name, where it stands in the dump, what it counts
    ('keepalived_advertisements_received_total', 'Advertisements/Received', 'Advertisements of others that were received.'),
    ('keepalived_advertisements_sent_total', 'Advertisements/Sent', 'Advertisements sent.'),
    ('keepalived_become_master_total', 'Became master', 'How often the instance has become master.'),
    ('keepalived_release_master_total', 'Released master', 'How often it has ceased to be master.'),
    ('keepalived_priority_zero_received_total', 'Priority Zero/Received', 'Masters that said that they stop.'),
    ('keepalived_priority_zero_sent_total', 'Priority Zero/Sent', 'How often it has said that it stops.'),
]
ERRORS = {
    'length': 'Packet Errors/Length',
    'ttl': 'Packet Errors/TTL',
    'type': 'Packet Errors/Invalid Type',
    'advertisement_interval': 'Packet Errors/Advertisement Interval',
    'address_list': 'Packet Errors/Address List',
    'auth_type': 'Authentication Errors/Invalid Type',
    'auth_type_mismatch': 'Authentication Errors/Type Mismatch',
    'auth_pass': 'Authentication Errors/Failure',
}
METRICS = known_to_all('keepalived') + [
    ('keepalived_up', 'gauge', 'Whether the process that does VRRP runs and answers.'),
    ('keepalived_vrrp_state', 'gauge', 'State of the instance: 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT.'),
    ('keepalived_vrrp_priority', 'gauge', 'Priority of the instance as configured.'),
    ('keepalived_vrrp_effective_priority', 'gauge', 'Priority with what checks add to it.'),
    ('keepalived_vrrp_last_transition_timestamp_seconds', 'gauge', 'When the instance changed its state last.'),
    ('keepalived_virtual_ipaddress_held', 'gauge', 'Whether an interface of this host has the virtual IP.'),
    ('keepalived_vrrp_script_success', 'gauge', 'Whether keepalived counts the check as good; none before its first result.'),
] + [(name, 'counter', what) for name, dummy, what in COUNTERS] + [
    ('keepalived_packet_errors_total', 'counter', 'Advertisements that were dropped, by what was wrong with them.'),
]


# What the dumps say

def blocks(text):
    """Return (kind, name, its lines) of each instance and script, without those two and one space of indentation."""
    found = []
    for one in text.splitlines():
        head = re.match(r' (VRRP Instance|VRRP Script) = (.*)', one)
        if head:
            found.append((head.group(1), head.group(2), []))
        elif not one.startswith('   '):
            found.append((None, None, []))  # of something else
        elif found:
            found[-1][2].append(one[3:])
    return [block for block in found if block[0]]


def fields(lines):
    """Return the values of a block, and its lists; versions end the head of a list with = 2, (2): or a colon."""
    values, lists, last = {}, {}, None
    for one in lines:
        if one.startswith('  '):
            lists.setdefault(last, []).append(one.strip())
            continue
        name, equals, value = one.partition(' = ')
        last = re.sub(r'( \(\d+\))? ?:.*$', '', name)
        if equals:
            values.setdefault(name, value)
    return values, lists


def number(value):
    """Return the number that a text begins with."""
    found = re.match(r'\d+(\.\d+)?', value or '')
    return float(found.group(0)) if found else None


def instance(name, lines):
    """Return what is told of an instance; of one with a MAC address of its own, the interface below that."""
    values, lists = fields(lines)
    interface = values.get('Interface', '')
    below = re.search(r'vmac on ([^\s,]+)', interface)
    return {
        'labels': {'vrrp_instance': name, 'virtual_router_id': values.get('Virtual Router ID', ''),
                   'interface': below.group(1) if below else interface.partition(',')[0]},
        'state': STATES.get(values.get('State')),
        'priority': number(values.get('Priority')),
        'effective_priority': number(values.get('Effective priority')),
        'last_transition_timestamp_seconds': number(values.get('Last transition')),
        'addresses': [one.split()[0].partition('/')[0] for key in ('Virtual IP', 'Virtual IP Excluded') for one in lists.get(key, [])],
    }


def is_good(lines):
    """Return whether a script succeeds, or None before its first result."""
    values = fields(lines)[0]
    told = values.get('Status', '')
    first = values.get('Init state', told)
    return None if first in ('INIT', 'INIT/RELOAD') else told == 'GOOD'


def parse_data(text):
    """Return the instances, and (name, whether it succeeds) of each script."""
    found = blocks(text)
    return ([instance(name, lines) for kind, name, lines in found if kind == 'VRRP Instance'],
            [(name, is_good(lines)) for kind, name, lines in found if kind == 'VRRP Script'])


def parse_stats(text):
    """Return the counters of each instance, by what stands before them."""
    found, own, heading = {}, {}, ''
    for one in text.splitlines():
        name, dummy, value = one.strip().partition(':')
        if not one.startswith(' '):
            own = found.setdefault(value.strip(), {})
        elif not value.strip():
            heading = name + '/'
        else:
            own[(heading if one.startswith('    ') else '') + name] = int(value)
    return found


def is_whole(stats, names):
    """Whether counters are there to the last one of the last instance."""
    if not names:
        return True
    found = parse_stats(stats) if stats.endswith('\n') else {}
    return set(names) <= set(found) and all('Priority Zero/Sent' in found[name] for name in names)


# Asking

class Silent(Exception):
    """There is nobody who answers."""


def children(pid):
    """Return the processes that one has started."""
    found = []
    for name in os.listdir('/proc'):
        told = (text_of('/proc', name, 'stat') or u'').rpartition(u')')[2].split() if name.isdigit() else []
        if len(told) > 1 and told[1] == str(pid) and told[0] not in ('Z', 'X'):
            found.append(name)
    return found


def vrrp_process(unit):
    """Return the process of a service that does VRRP."""
    told = output('systemctl', 'show', '-p', 'MainPID', unit)
    main = told.strip().partition('=')[2]
    alive = children(main) if main not in ('', '0') else []
    named = [(text_of(path) or u'').strip() for pattern in PID_FILES for path in sorted(glob.glob(pattern))]
    named += [pid for pid in alive if (text_of('/proc', pid, 'comm') or u'').strip() == OWN_NAME]
    for pid in named:
        if pid in alive:
            return int(pid)
    raise Silent('{0} has no process that does VRRP'.format(unit))


def takes(pid, signals):
    """Whether a process has begun to look after signals that would end it before."""
    told = dict(re.findall(r'^Sig(Blk|Cgt):\s*([0-9a-f]+)', text_of('/proc', str(pid), 'status') or u'', re.M))
    mask = sum(1 << one - 1 for one in signals)
    return any(int(told.get(kind, '0'), 16) & mask == mask for kind in ('Blk', 'Cgt'))


def remove(*paths):
    for path in paths:
        if os.path.lexists(path):
            os.unlink(path)


def answer(pid, number_of_signal, path, whole):
    """Have a process write a file on a signal; return its text once it is whole."""
    try:
        os.kill(pid, number_of_signal)
    except OSError:
        raise Silent('process {0} has just ended'.format(pid))
    end = clock() + PATIENCE
    while clock() < end:
        text = text_of(path)
        if text is not None and whole(text):
            return text
        time.sleep(0.02)                  # between two looks at what it writes: nothing tells when that is whole
    raise Silent('process {0} lives, but has not written {1} within {2} s'.format(pid, path, PATIENCE))


def dumps(pid):
    """Return the state and the counters as a process has them now."""
    if not takes(pid, (signal.SIGUSR1, signal.SIGUSR2)):
        raise Silent('process {0} is just starting'.format(pid))
    remove(DATA, STATS)
    try:
        answer(pid, signal.SIGUSR1, DATA, lambda text: True)
        # one thread writes both, so the first is whole once there is anything of the second
        stats = answer(pid, signal.SIGUSR2, STATS, lambda text: is_whole(text, names_in(text_of(DATA) or u'')))
        return text_of(DATA) or u'', stats
    finally:
        remove(DATA, STATS)


def names_in(data):
    return [one['labels']['vrrp_instance'] for one in parse_data(data)[0]]


def addresses():
    """Return those that the interfaces of this host have."""
    return set(re.findall(r' inet6? ([0-9a-f.:]+)', output('ip', '-o', 'address', 'show')))


# All of it

def samples_of(data, stats, held):
    """Return what is known of a keepalived that answers."""
    instances, scripts = parse_data(data)
    counters, found = parse_stats(stats), []
    for one in instances:
        labels, own = one['labels'], counters.get(one['labels']['vrrp_instance'], {})
        found += [('keepalived_vrrp_' + key, labels, one[key])
                  for key in ('state', 'priority', 'effective_priority', 'last_transition_timestamp_seconds') if one[key] is not None]
        found += [('keepalived_virtual_ipaddress_held', dict(labels, virtual_ipaddress=address), address in held)
                  for address in one['addresses']]
        found += [(name, labels, own[where]) for name, where, dummy in COUNTERS if where in own]
        found += [('keepalived_packet_errors_total', dict(labels, error=error), own[where]) for error, where in sorted(ERRORS.items())
                  if where in own]
    return found + [('keepalived_vrrp_script_success', {'vrrp_script': name}, good) for name, good in scripts if good is not None]


def collect(unit):
    """Return what there is to tell; of one that does not answer, only that."""
    try:
        data, stats = dumps(vrrp_process(unit))
    except Silent as why:
        print('{0}, so keepalived_up is 0'.format(why), file=sys.stderr)
        return [('keepalived_up', {}, 0)]
    return [('keepalived_up', {}, 1)] + samples_of(data, stats, addresses())


def main():
    parser = argparse.ArgumentParser(description='Write what keepalived tells of itself as metrics for Prometheus, once.')
    parser.add_argument('--unit', default='keepalived.service')
    parser.add_argument('--stamp', default='/etc/ansible/facts.d/vipkit_keepalived.fact', help='what is installed')
    parser.add_argument('--textfile', help='where to; else it is printed')
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *dummy: sys.exit(1))  # so that what was asked for is removed: the password is in it
    samples = of_the_collection('keepalived', options.stamp, ('/run/keepalived.started', '/run/keepalived.loaded'), int(time.time()))
    publish(options.textfile, exposition(METRICS, samples + collect(options.unit)))


if __name__ == '__main__':
    main()
