# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: ask a running keepalived for its state and its counters, and read what it writes.

The role keepalived also puts this file beside its program for metrics, on hosts that know no Ansible. So it imports the standard library alone.

keepalived has no other interface in each of its versions than two signals, on which the process that does VRRP writes its state and its
counters into its /tmp. What was there before is removed first, so nothing is ever read that an earlier process has left, and the password
in it is gone afterwards.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import errno
import fcntl
import glob
import io
import os
import re
import signal
import time

DATA, STATS = 'keepalived.data', 'keepalived.stats'
PID_FILES = ('/run/*vrrp*.pid', '/run/keepalived/*vrrp*.pid')
OWN_NAME = 'keepalived_vrrp'  # of the process, in versions that give it one
PATIENCE = 5                  # seconds for an answer, and for another one who asks
clock = getattr(time, 'monotonic', time.time)


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


def whole(value):
    found = number(value)
    return None if found is None else int(found)


def seconds(value):
    """Return the seconds of a text such as 1 sec or 200 milli-sec."""
    found = number(value)
    return found / 1000 if found and 'milli' in value else found


def instance(name, lines):
    """Return what is told of an instance, but for the password; of one with a MAC address of its own, the interface below that."""
    values, lists = fields(lines)
    interface = values.get('Interface', '')
    below = re.search(r'vmac on ([^\s,]+)', interface)
    return {
        'name': name,
        'virtual_router_id': whole(values.get('Virtual Router ID')),
        'interface': below.group(1) if below else interface.partition(',')[0],
        'state': values.get('State'),
        'priority': whole(values.get('Priority')),
        'effective_priority': whole(values.get('Effective priority')),
        'version': whole(values.get('VRRP Version')),
        'advert_int': seconds(values.get('Advert interval')),
        'down_timer_adverts': whole(values.get('Down timer adverts')),
        'preempt_delay': number(values.get('Preempt delay')),
        'last_transition': number(values.get('Last transition')),
        'addresses': [one.split()[0].partition('/')[0] for key in ('Virtual IP', 'Virtual IP Excluded') for one in lists.get(key, [])],
        'scripts': [one.split()[0] for one in lists.get('Tracked scripts', [])],
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


def text_of(*path):
    """Return the content of a file, or None when there is none, as with a process that is gone. A link is none: scripts share that /tmp."""
    try:
        with io.open(os.open(os.path.join(*path), os.O_RDONLY | os.O_NOFOLLOW), encoding='utf-8', errors='replace') as handle:
            return handle.read()
    except EnvironmentError:
        return None


def children(pid):
    """Return the processes that one has started."""
    found = []
    for name in os.listdir('/proc'):
        told = (text_of('/proc', name, 'stat') or u'').rpartition(u')')[2].split() if name.isdigit() else []
        if len(told) > 1 and told[1] == str(pid) and told[0] not in ('Z', 'X'):
            found.append(name)
    return found


def main_process(shown):
    """Return the main process, by what `systemctl show -p MainPID` tells of the service."""
    main = shown.strip().partition('=')[2]
    return int(main) if main.isdigit() and main != '0' else None


def vrrp_process(main):
    """Return the one of the processes of a main process that does VRRP."""
    alive = children(main) if main else []
    named = [(text_of(path) or u'').strip() for pattern in PID_FILES for path in sorted(glob.glob(pattern))]
    named += [pid for pid in alive if (text_of('/proc', pid, 'comm') or u'').strip() == OWN_NAME]
    for pid in named:
        if pid in alive:
            return int(pid)
    raise Silent('keepalived has no process that does VRRP')


def takes(pid, signals):
    """Whether a process has begun to look after signals that would end it before."""
    told = dict(re.findall(r'^Sig(Blk|Cgt):\s*([0-9a-f]+)', text_of('/proc', str(pid), 'status') or u'', re.M))
    mask = sum(1 << one - 1 for one in signals)
    return any(int(told.get(kind, '0'), 16) & mask == mask for kind in ('Blk', 'Cgt'))


def is_stopped(pid):
    """Whether it was stopped (SIGSTOP) or is traced. It would answer when it goes on, maybe much later, and what it writes would stay there."""
    return (text_of('/proc', str(pid), 'stat') or u'').rpartition(u')')[2].split()[:1] in (['T'], ['t'])


def remove(*paths):
    for path in paths:
        if os.path.lexists(path):
            os.unlink(path)


@contextlib.contextmanager
def alone(folder):
    """Keep all others out who ask, since each would take away what another one has asked for."""
    handle, end = os.open(folder, os.O_RDONLY), clock() + PATIENCE
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except EnvironmentError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                if clock() > end:
                    raise Silent('somebody else has asked keepalived for {0} s and is not done'.format(PATIENCE))
                time.sleep(0.02)          # between two looks at a lock that would be waited for without an end
        yield
    finally:
        os.close(handle)


def answer(pid, number_of_signal, path, is_complete):
    """Have a process write a file on a signal; return its text once it is complete."""
    try:
        os.kill(pid, number_of_signal)
    except OSError:
        raise Silent('process {0} has just ended'.format(pid))
    end = clock() + PATIENCE
    while clock() < end:
        text = text_of(path)
        if text is not None and is_complete(text):
            return text
        time.sleep(0.02)                  # between two looks at what it writes: nothing tells when that is whole
    raise Silent('process {0} lives, but has not written {1} within {2} s'.format(pid, path, PATIENCE))


def names_in(data):
    return [one['name'] for one in parse_data(data)[0]]


def dumps(pid, folder):
    """Return the state and the counters as a process has them now; folder: where its /tmp is."""
    if not takes(pid, (signal.SIGUSR1, signal.SIGUSR2)):
        raise Silent('process {0} is just starting'.format(pid))
    if is_stopped(pid):
        raise Silent('process {0} is stopped; have it go on with kill -CONT'.format(pid))
    data_path, stats_path = os.path.join(folder, DATA), os.path.join(folder, STATS)
    with alone(folder):
        remove(data_path, stats_path)
        try:
            answer(pid, signal.SIGUSR1, data_path, lambda text: True)
            # one thread writes both, so the first is whole once there is anything of the second
            stats = answer(pid, signal.SIGUSR2, stats_path, lambda text: is_whole(text, names_in(text_of(data_path) or u'')))
            return text_of(data_path) or u'', stats
        finally:
            remove(data_path, stats_path)
