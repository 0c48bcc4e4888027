#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: vip_probe
short_description: Ask what answers on each virtual IP, once or all the time
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Sends one C(GET) to each virtual IP, to all of them at the same time, from the host that the module runs on.
  - With O(duration) it asks each of them again and again, and tells when it did not answer, what was lost meanwhile, and who answered when.
    A probe that gets no answer does not delay the next one.
  - That an address does not answer is no failure; RV(answers) or RV(probes) tells what came instead.
  - Run it on a host outside of the cluster. A host that holds a virtual IP reaches it without the network.
options:
  addresses:
    description:
      - The virtual IPs, IPv4 or IPv6, without a prefix length. An IPv6 address of a link has its interface, as in C(fe80::10%eth0).
    type: list
    elements: str
    required: true
  port:
    description:
      - The TCP port.
    type: int
    default: 80
  path:
    description:
      - What is asked for.
    type: str
    default: /
  timeout:
    description:
      - Seconds for each of connecting, sending, and every piece of the answer. They are 5 if this is not given.
      - With O(duration) the seconds for a whole probe, after which it is lost. They are 3 if this is not given.
    type: float
  duration:
    description:
      - Seconds to probe for. After them the module waits for what has not been answered yet, for up to O(timeout).
    type: float
  interval:
    description:
      - With O(duration), seconds between two probes of an address, 0.001 or more. No outage can be measured finer than this.
    type: float
    default: 0.01
  protocol:
    description:
      - With O(duration), what a probe is.
      - V(http) is a C(GET) on a connection of its own. It is answered when the answer has arrived to its end, by its own length or because
        the server has closed, with a status below 500 (see O(status)). So a page that is missing (404) or forbidden (403) is an answer, since
        a server gave it; a proxy that has nobody to ask (502, 503, 504) is none.
      - V(tcp) is a connection that is opened, and closed at once. Whether a service answers on it is not asked.
    type: str
    choices: [http, tcp]
    default: http
  status:
    description:
      - With O(duration), the only status codes that count as answered.
    type: list
    elements: int
    default: []
  slow:
    description:
      - With O(duration), seconds after which an answer is late. A late one counts as one of an outage, though it is not lost.
      - Below 1, whatever needs a second attempt of TCP to connect counts as late. That comes after 1 s.
    type: float
    default: 0.25
  running_file:
    description:
      - With O(duration), the path of a file that the module makes once every address has been probed, and removes when probing ends.
      - Remove it to end probing early. So a task that runs with C(async) can be waited for and be ended, see the examples, and nothing
        is left behind, whoever ends first.
      - It must not exist before, and nobody else may be able to make it; give it a name that cannot be guessed, or a directory of its own.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - It only asks, so it does the same in check mode.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details:
      - It changes nothing, so there is nothing to compare.
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
    details:
      - RV(ignore:changed) is always V(false).
  platform:
    description: The platforms that the module runs on.
    support: full
    platforms: linux
notes:
  - No proxy is used, whatever the environment says, and no redirection is followed. The name that is asked for is the address.
  - With O(duration), whoever may open packet sockets (root) also asks every 20 ms, or every O(interval) if that is longer, by ARP or neighbour
    discovery who has each address, if it is on a network of this host. Without that right, or behind a router, owners are told by
    the first line of the page, and RV(probes[].no_mac) tells why.
  - A virtual MAC (C(00:00:5e:00:01:XX), RFC 5798 section 7.3, C(use_vmac) of keepalived) is the same on every node. With it each new first line of the page
    counts as a change of owner, too.
  - Over IPv4 such a question names no IP address as its sender, see M(vipkit.ha.vrrp_adverts) for the one case in which it does harm. Over IPv6 it
    names that of this host. The answer goes to this host alone.
  - This host's kernel hears the answer, too, and corrects by it what it knows of a neighbour. So it finds a new owner sooner than other hosts may,
    which depend on what that owner announces (gratuitous ARP, RFC 5227 section 3; unsolicited neighbour advertisement, RFC 4861
    section 7.2.6). Outages here do not show that such an announcement is missing, as where a switch or a hypervisor drops it;
    RV(probes[].owners[].announced) does.
  - This host may still send to a node that has lost an address, until it has heard of the new one. That is part of the outage
    that clients see. Hence the owner by hardware address may change before the page does.
  - A node that forwards packets (C(net.ipv4.ip_forward)) may pass on what still comes to it, as soon as it has found the new owner. Then what is
    answered within O(slow) is no outage, and the outage is up to O(slow) shorter than the time in which nobody had the address. It is so for clients, too.
  - A connection of a probe is reset when it is done with, so that thousands of them leave no sockets behind on either side.
  - Open files are needed for all probes that may be under way, O(timeout) / O(interval) for each address. The module raises its own limit as far as it may.
  - Two addresses every 10 ms cost 5 to 10 % of a core. Memory does not grow with time; of outages and changes of owner the first 1000 are listed.
  - The module fails when no address is given, and on a time that is not more than 0.
seealso:
  - module: vipkit.ha.vip_ownership
  - module: vipkit.ha.vrrp_adverts
  - plugin: vipkit.ha.vip_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Ask a client what it gets through the virtual IPs
  vipkit.ha.vip_probe:
    addresses:
      - 192.0.2.10
      - 2001:db8::10
  delegate_to: client
  register: probed

- name: Require that all of them answer
  ansible.builtin.assert:
    that: probed.answers | selectattr('status', 'equalto', 200) | length == 2

# All the time, while something else happens. The file tells when it has begun, and ends it.
- name: Have a directory that nobody else can write to
  ansible.builtin.tempfile:
    state: directory
  delegate_to: client
  register: place

- name: Probe from a client, every 10 ms for an hour at most
  vipkit.ha.vip_probe:
    addresses: [192.0.2.10]
    duration: 3600
    running_file: "{{ place.path }}/running"
  delegate_to: client
  become: true
  async: 3700
  poll: 0
  register: probing

- name: Wait until it has begun
  ansible.builtin.wait_for:
    path: "{{ place.path }}/running"
  delegate_to: client
  become: true

- name: Do what shall not be noticed
  ansible.builtin.service:
    name: keepalived
    state: restarted

- name: End it
  ansible.builtin.file:
    path: "{{ place.path }}"
    state: absent
  delegate_to: client
  become: true

- name: Collect what it has seen
  ansible.builtin.async_status:
    jid: "{{ probing.ansible_job_id }}"
  delegate_to: client
  become: true
  register: seen
  until: seen.finished | bool
  retries: 20
  delay: 1
"""

RETURN = r"""
answers:
  description: One for each of O(addresses), in their order.
  returned: without O(duration)
  type: list
  elements: dict
  contains:
    address:
      description: The virtual IP as it was given.
      returned: always
      type: str
      sample: 192.0.2.10
    status:
      description: Status code of the answer, 0 if there was none.
      returned: always
      type: int
      sample: 200
    line:
      description: The first line of the answer's body, up to 200 characters.
      returned: when there was an answer
      type: str
      sample: node128
    error:
      description: Why there was no answer.
      returned: when there was none
      type: str
      sample: timed out
  sample:
    - address: 192.0.2.10
      status: 200
      line: node128
began:
  description: When probing began, in seconds since the epoch by the clock of this host. It is read once, so a clock that is set meanwhile does no harm.
  returned: with O(duration)
  type: float
  sample: 1795662000.123456
elapsed:
  description: Seconds from then until no more probes were sent.
  returned: with O(duration)
  type: float
  sample: 30.000123
longest_gap:
  description:
    - The longest time between two probes of an address, in seconds. Much more than O(interval) means that this host was too busy, and that an
      outage may have been missed, or be told wrong by so much.
  returned: with O(duration)
  type: float
  sample: 0.011
probes:
  description: One for each of O(addresses), in their order. All times in it are seconds since RV(began).
  returned: with O(duration)
  type: list
  elements: dict
  contains:
    address:
      description: The virtual IP as it was given.
      returned: always
      type: str
      sample: 192.0.2.10
    sent:
      description: How many probes were sent. Each of them was answered, late or lost.
      returned: always
      type: int
      sample: 3000
    answered:
      description: How many were answered within O(slow).
      returned: always
      type: int
      sample: 2920
    late:
      description: How many were answered after that, and within O(timeout).
      returned: always
      type: int
      sample: 78
    lost:
      description: How many were not answered within O(timeout), or in a way that is none.
      returned: always
      type: int
      sample: 2
    errors:
      description: Why they were lost, and how many for that reason.
      returned: always
      type: dict
      sample: {"Connection refused": 2}
    latency:
      description: Seconds that answers took, late ones included. The first two are right to 2 %. Each is null without an answer.
      returned: always
      type: dict
      contains:
        median:
          description: Half of the answers took no longer.
          returned: always
          type: float
          sample: 0.0004
        p99:
          description: 99 % of them took no longer.
          returned: always
          type: float
          sample: 0.0021
        worst:
          description: None took longer.
          returned: always
          type: float
          sample: 1.0211
    outages:
      description: Runs of probes that were late or lost, up to 1000.
      returned: always
      type: list
      elements: dict
      contains:
        began:
          description: When the first of them was sent.
          returned: always
          type: float
          sample: 4.21
        ended:
          description: When the first one after them was sent that was answered in time. Null if there was none.
          returned: always
          type: float
          sample: 5.01
        seconds:
          description: The time between both, or until the end of probing.
          returned: always
          type: float
          sample: 0.8
        lost:
          description: How many of them were lost.
          returned: always
          type: int
          sample: 2
        late:
          description: How many of them were late.
          returned: always
          type: int
          sample: 78
    owners:
      description: The first one who answers, and then each change of that, up to 1000.
      returned: always
      type: list
      elements: dict
      contains:
        at:
          description: When an answer came from there for the first time, or, if somebody does not answer any more, for the last time.
          returned: always
          type: float
          sample: 5.013
        mac:
          description: The hardware address that answers. Null if none does, if several do, or if they could not be asked.
          returned: always
          type: str
          sample: "00:00:5e:00:53:01"
        macs:
          description: All that answer. More than one is a split brain, or a hand-over without a gap if it lasts for milliseconds.
          returned: always
          type: list
          elements: str
          sample: ["00:00:5e:00:53:01"]
        announced:
          description: When the new one was first heard to announce to all that it has the address. Null if it was not, and where nobody is new.
          returned: always
          type: float
          sample: 5.012
        line:
          description: The first line of the page from then on, up to 200 characters. Null if there was none yet.
          returned: always
          type: str
          sample: node129
    no_mac:
      description: Why owners are told by the page only, or since when hardware addresses could not be asked any more. Empty if they were.
      returned: always
      type: str
      sample: the address is not on a network that this host is on
    left_out:
      description: Outages and changes of owner beyond those listed.
      returned: always
      type: int
      sample: 0
msg:
  description: What is wrong with the options.
  returned: on failure
  type: str
"""

import collections
import contextlib
import errno
import os
import re
import resource
import select
import socket
import struct
import threading
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vipkit.ha.plugins.module_utils import _clock, _neighbour, _netlink, _probes, _wire

try:
    from http.client import HTTPConnection, HTTPException
except ImportError:  # Python 2
    from httplib import HTTPConnection, HTTPException

LONGEST = 4096  # bytes of a body that are read
SHORTEST = 0.001  # seconds between two probes
ASK = 0.02  # seconds between two questions for a hardware address; answers cost the nodes something, too
RESET = struct.pack('ii', 1, 0)
PIECE = 65536


class ProbeError(Exception):
    """The options make no sense on this host, or it does not let the module probe."""


# --- once ---

def ask(address, port, path, timeout):
    try:
        with contextlib.closing(HTTPConnection(address, port, timeout=timeout)) as connection:
            connection.request('GET', path, headers={'Connection': 'close'})
            response = connection.getresponse()
            return {'address': address, 'status': response.status, 'line': _probes.first_line(response.read(LONGEST))}
    except (socket.error, HTTPException, ValueError) as error:  # the last for a name that is none
        return {'address': address, 'status': 0, 'error': getattr(error, 'strerror', None) or str(error) or error.__class__.__name__}


def ask_all(addresses, port, path, timeout):
    """All at the same time: one that is dead shall not make the others wait."""
    answers = {}

    def note(place, address):
        answers[place] = ask(address, port, path, timeout)

    threads = [threading.Thread(target=note, args=one) for one in enumerate(addresses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[place] for place in range(len(addresses))]


# --- all the time ---

def check(addresses, options):
    """What can be told before anything is asked."""
    twice = sorted(set(address for address in addresses if addresses.count(address) > 1))
    if twice:
        raise ProbeError('%s is given twice in addresses; give it once' % ' and '.join(twice))
    timeout, interval = options['timeout'], options['interval']
    for name in ('duration', 'timeout', 'slow', 'interval'):
        if not 0 < options[name] < float('inf'):
            raise ProbeError('%s is %s; give it as seconds, more than 0' % (name, options[name]))
    if interval < SHORTEST:
        raise ProbeError('interval is %s s; give %s or more' % (interval, SHORTEST))
    if not options['slow'] <= timeout:
        raise ProbeError('slow (%s s) is more than timeout (%s s), so that nothing could be late; give less' % (options['slow'], timeout))
    if not re.match(r'/[!-~]*\Z', options['path']):
        raise ProbeError("path is '%s'; begin it with / and write what is no plain ASCII letter as %%XX" % options['path'])


def make_room(needed):
    """Let this process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ProbeError('%d files may be open at once when nothing answers, and this host allows %d; give a longer interval, a shorter timeout '
                         'or fewer addresses' % (needed, hard))
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


class RunningFile(object):
    """Is there while probing goes on; whoever removes it ends that."""

    def __init__(self, path):
        self.path, self.made = path, False
        if path and os.path.lexists(path):
            raise ProbeError('%s exists; remove it if no other task is probing, or give another running_file' % path)
        if path and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
            raise ProbeError('there is no directory for %s; make it, or give another running_file' % path)

    def make(self):
        if self.path and not self.made:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except OSError as error:
                raise ProbeError('cannot make %s: %s; give another running_file' % (self.path, error.strerror))
            self.made = True

    def removed(self):
        return self.made and not os.path.lexists(self.path)

    def close(self):
        if self.made:
            try:
                os.unlink(self.path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise


class Target(object):
    """An address that is probed, and what has come of it."""

    def __init__(self, address, options):
        self.address = address
        try:
            self.family, dummy, dummy, dummy, self.end = socket.getaddrinfo(
                address, options['port'], 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0]
        except socket.error as error:
            raise ProbeError("cannot probe '%s': %s; write the address like 192.0.2.10 or 2001:db8::10" % (address, error.args[-1]))
        self.bare = socket.inet_ntop(self.family, socket.inet_pton(self.family, self.end[0].partition('%')[0]))
        self.request = _probes.request(address, options['port'], options['path']) if options['protocol'] == 'http' else b''
        self.tally = _probes.Tally(options['slow'])
        self.owners, self.wire, self.asker, self.no_mac = None, None, None, ''
        self.under_way = collections.deque()

    def source(self):
        """The address of this host from which it is reached. Nothing is sent for that."""
        with contextlib.closing(socket.socket(self.family, socket.SOCK_DGRAM)) as sock:
            sock.connect(self.end)
            return sock.getsockname()[0].partition('%')[0]

    def result(self, elapsed):
        note = '%s %s' % (self.wire.name, self.wire.note) if self.wire and self.wire.note else ''
        return dict(self.tally.result(elapsed), address=self.address, owners=self.owners.result(), no_mac=self.no_mac or note,
                    left_out=self.tally.left_out + self.owners.left_out)


class Probe(object):
    """One connection."""

    __slots__ = ('target', 'sent', 'socket', 'number', 'answer', 'done', 'took', 'error')

    def __init__(self, target, sent):
        self.target, self.sent = target, sent
        self.answer, self.done, self.took, self.error = None, False, None, ''
        self.socket = socket.socket(target.family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.number = self.socket.fileno()


class Prober(object):
    """One loop for all probes and questions; nothing in it waits for a single one of them."""

    def __init__(self, targets, wires, options, clock):
        self.targets, self.wires = targets, dict((wire.fileno(), wire) for wire in wires)
        self.answering = dict((target.bare, target) for target in targets)
        self.timeout, self.wanted = options['timeout'], options['status']
        self.clock, self.start, self.gap = clock, clock(), 0.0
        self.open = {}
        self.epoll = select.epoll()
        for number in self.wires:
            self.epoll.register(number, select.EPOLLIN)

    def now(self):
        return self.clock() - self.start

    def close(self):
        for probe in self.open.values():
            probe.socket.close()
        self.epoll.close()

    def send(self, target):
        probe = Probe(target, self.now())
        target.under_way.append(probe)
        self.open[probe.number] = probe
        failed = probe.socket.connect_ex(target.end)
        if failed in (0, errno.EINPROGRESS):
            self.epoll.register(probe.number, select.EPOLLOUT)
        else:
            self.end(probe, os.strerror(failed))

    def end(self, probe, error, took=None):
        probe.socket.close()
        del self.open[probe.number]
        probe.done, probe.took, probe.error, probe.answer = True, took, error, None

    def wait(self, seconds):
        """Take what comes within so many seconds."""
        # Through select, since the timeout of epoll has no parts of a millisecond.
        if not select.select([self.epoll.fileno()], [], [], max(seconds, 0))[0]:
            return
        for number, dummy in self.epoll.poll(0):
            if number in self.wires:
                self.hear(self.wires[number])
            else:
                self.go_on(self.open[number])

    def go_on(self, probe):
        try:
            error = self.step(probe)
        except socket.error as problem:
            error = problem.strerror or str(problem)
        if error is None:
            return
        now = self.now()
        if not error and probe.answer:
            probe.target.owners.read(probe.sent, now, probe.answer.line())
        self.end(probe, error, now - probe.sent)

    def step(self, probe):
        """One step of a probe: None if more have to follow, else why it is lost, '' if it is answered."""
        if probe.answer is None:
            failed = probe.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed or not probe.target.request:
                return os.strerror(failed) if failed else ''
            probe.socket.send(probe.target.request)  # into an empty buffer, so all of it
            probe.answer = _probes.Answer()
            self.epoll.modify(probe.number, select.EPOLLIN)
            return None
        data = probe.socket.recv(PIECE)
        if data and not probe.answer.take(data):
            return None
        return probe.answer.problem(self.wanted)

    def hear(self, wire):
        found = wire.hear()
        frame = _neighbour.split_frame(found[0]) if found and not found[1] else None
        neighbour = _neighbour.parse(frame) if frame else None
        if neighbour and (neighbour.kind == 'answer' or neighbour.announced) and neighbour.address in self.answering:
            self.answering[neighbour.address].owners.hear(self.now(), neighbour.mac, neighbour.announced)

    def settle(self):
        """Count what has an outcome, in the order in which it was sent."""
        now = self.now()
        for target in self.targets:
            waiting = target.under_way
            while waiting and (waiting[0].done or now - waiting[0].sent > self.timeout):
                probe = waiting.popleft()
                if not probe.done:
                    self.end(probe, 'timed out')
                target.tally.add(probe.sent, probe.took, probe.error)

    def run(self, duration, interval, running):
        """Seconds until no more probes were sent."""
        pace = max(ASK, interval)
        due, tick, last = 0.0, 0.0, 0.0
        while True:
            now = self.now()
            if now >= duration or now >= tick and running.removed():
                break
            if now >= due:
                self.gap, last = max(self.gap, now - last), now
                for target in self.targets:
                    self.send(target)
                due += interval * (1 + int((now - due) / interval))  # what could not be sent in time is not made up for
            if now >= tick:
                for target in self.targets:
                    if target.wire:
                        target.wire.ask([target.bare], target.asker)
                        target.owners.ask()
                tick += pace * (1 + int((now - tick) / pace))
            self.wait(min(due, tick, duration) - self.now())
            self.settle()
            if not running.made and all(target.tally.sent for target in self.targets):
                running.make()
        ended = self.now()
        while self.open:
            self.wait(min(probe.sent for probe in self.open.values()) + self.timeout - self.now())
            self.settle()
        return ended


def find_owners(targets):
    """Let each address be asked for on the network that it is on; the wires for that."""
    local, wires, refused = _netlink.addresses(), {}, {}
    for target in targets:
        try:
            link, target.no_mac = _probes.way_to(target.bare, target.source(), local)
        except socket.error as error:
            link, target.no_mac = None, 'there is no way to the address (%s)' % error.strerror
        name = link['interface'] if link else None
        if link and name not in wires and name not in refused:
            try:
                wires[name] = _wire.Wire(link, timeout=0, multicast=False)
            except socket.error as error:
                refused[name] = 'this host does not let the module ask on %s (%s); run the task as root (become: true)' % (name, error.strerror)
        if name in refused:
            target.no_mac = refused[name]
        elif link and not wires[name].understood:
            target.no_mac = '%s %s' % (name, wires[name].note)
        elif link:
            target.wire, target.asker = wires[name], link['address']
        target.owners = _probes.Owners(target.wire is not None)
    return list(wires.values())


def probe_for(addresses, options, clock=_clock.monotonic):
    """Probe them for a duration: the module's result."""
    check(addresses, options)
    targets = [Target(address, options) for address in addresses]
    running = RunningFile(options['running_file'])
    make_room(_probes.room_needed(len(targets), options['timeout'], options['interval']))
    wires, prober = find_owners(targets), None
    try:
        prober, began = Prober(targets, wires, options, clock), time.time()
        elapsed = prober.run(options['duration'], options['interval'], running)
    except socket.error as error:
        raise ProbeError('this host does not let the module probe: %s' % error)
    finally:
        running.close()
        for one in wires + ([prober] if prober else []):
            one.close()
    return {'began': began, 'elapsed': _probes.digits(elapsed), 'longest_gap': _probes.digits(prober.gap),
            'probes': [target.result(elapsed) for target in targets]}


def main():
    module = AnsibleModule(
        argument_spec=dict(
            addresses=dict(type='list', elements='str', required=True),
            port=dict(type='int', default=80),
            path=dict(type='str', default='/'),
            timeout=dict(type='float'),
            duration=dict(type='float'),
            interval=dict(type='float', default=0.01),
            protocol=dict(type='str', choices=['http', 'tcp'], default='http'),
            status=dict(type='list', elements='int', default=[]),
            slow=dict(type='float', default=0.25),
            running_file=dict(type='path'),
        ),
        required_by={'running_file': 'duration'},
        supports_check_mode=True,
    )
    options, once = module.params, module.params['duration'] is None
    addresses = options['addresses']
    timeout = (5 if once else 3) if options['timeout'] is None else options['timeout']
    if not addresses:
        module.fail_json(msg='there is no virtual IP to ask; give at least one in addresses')
    if not 0 < timeout < float('inf'):
        module.fail_json(msg='timeout is %s; give it as seconds, more than 0' % timeout)
    if once:
        module.exit_json(changed=False, answers=ask_all(addresses, options['port'], options['path'], timeout))
    try:
        result = probe_for(addresses, dict(options, timeout=timeout))
    except (ProbeError, _netlink.NetlinkError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == '__main__':
    main()
