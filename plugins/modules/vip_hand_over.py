#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: vip_hand_over
short_description: Hand virtual IPs over to another node without losing a request
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Lowers the priority of a running keepalived through tracked files, so that the next node takes the virtual IPs before this one lets
    go of them.
  - The one that gives an address away is the one that knows when. A better node takes over a fixed time after the last advert of
    the old priority (RFC 5798 section 6.1, C(Master_Down_Interval)), so this module lowers the priority right after an advert, and
    is ready at that moment.
  - For the last instants before it, new connections are left unanswered; their clients try again after a second (RFC 6298), and reach
    the new owner. Connections that nginx keeps open are closed as on a reload. So requests under way come to their end,
    and none is cut off that takes less than O(lead).
  - Whatever lowers a priority without O(drained=true) ends by itself, whatever becomes of the controller, after 30 s with V(aside), else after
    2 minutes.
  - A node that takes nothing over makes the module fail. The priority is then what it was, and no address has moved away
    for good.
options:
  state:
    description:
      - V(yielded) gives away all of O(units) that the host holds, and with O(drained=true) notes it as drained, which outlives a reboot.
      - V(ready) is the first step back. The host is no longer drained, and its priority not above that of whoever holds the
        virtual IPs, so that it is the next one when that one yields. Where that is 2 or less, both are equal, and nobody preempts.
      - V(aside) keeps the host from becoming master of what it does not hold, for the moment in which all members change something that they
        have to share.
      - V(normal) gives every unit its own priority again.
    type: str
    choices: [yielded, ready, aside, normal]
    required: true
  units:
    description:
      - What moves as one, as P(vipkit.ha.hand_overs#filter) tells it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What it is called in messages, the name of the instance or of the sync group.
        type: str
        required: true
      file:
        description: The tracked file that lowers its priority by the number in it.
        type: path
        required: true
      value:
        description: The number that gives it away. From V(254) on keepalived takes it for a fault, which C(nopreempt) needs.
        type: int
        default: 253
      addresses:
        description: Its virtual IPs.
        type: list
        elements: str
        required: true
      routers:
        description: The virtual routers in it.
        type: list
        elements: dict
        required: true
        suboptions:
          interface:
            description: The interface that its adverts are on.
            type: str
            required: true
          family:
            description: The family of its adverts.
            type: str
            choices: [inet, inet6]
            required: true
          virtual_router_id:
            description: Its id.
            type: int
            required: true
          priority:
            description: Its priority on this host.
            type: int
            required: true
      advert_int:
        description: Seconds between two adverts.
        type: float
        required: true
      delay:
        description:
          - Seconds from the last advert of the old priority, or from the fault, until the next node takes over.
          - Not given where that cannot be foretold (C(preempt_delay)). New connections are then not held back.
        type: float
      patience:
        description: Seconds after which it is certain that nobody takes over, counted from the same moment.
        type: float
        required: true
  drain_file:
    description: The tracked file that lowers the priority of everything on this host.
    type: path
    required: true
  drained:
    description: Whether V(yielded) leaves the host drained. Without it the units stay lowered until V(normal), or until that has ended by itself.
    type: bool
    default: false
  lead:
    description: Seconds before the moment of the hand-over in which no new connection is answered, at most V(0.8).
    type: float
    default: 0.4
  pid_path:
    description: The pid file of an nginx that is to close the connections which it keeps open. Nothing else is done to it.
    type: path
  loaded_sums:
    description:
      - Checksums of the configuration that the nginx of O(pid_path) has loaded. Where they are no longer those of the files, its
        connections are left alone, since it would load what nobody has tested.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: partial
    details:
      - It changes nothing, and tells only whether the host holds anything to give away.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
  platform:
    description: The platforms that the module runs on.
    support: full
    platforms: linux
notes:
  - It needs root. New connections are held back with nft or, where it is missing, iptables; without either it hands over all the same,
    and RV(held_by) is empty. Its rules end by themselves after a second, whatever becomes of the module.
  - A request that takes longer than O(lead) is cut off when its address moves, as with every move of an address. RV(units[].cut) tells how
    many connections that were.
  - keepalived has to have read a configuration with the tracked files, which the role keepalived writes.
seealso:
  - module: vipkit.ha.vip_ownership
  - plugin: vipkit.ha.hand_overs
    plugin_type: filter
  - name: RFC 5798
    description: Virtual Router Redundancy Protocol (VRRP) Version 3.
    link: https://www.rfc-editor.org/rfc/rfc5798
"""

EXAMPLES = r"""
- name: Give away everything that this host holds, and keep it away
  vipkit.ha.vip_hand_over:
    state: yielded
    units: "{{ plan | vipkit.ha.hand_overs(inventory_hostname, ['node129']) }}"
    drain_file: /etc/keepalived/drain
    drained: true
    pid_path: /usr/local/nginx/nginx.pid
    loaded_sums: /run/nginx.loaded
"""

RETURN = r"""
units:
  description: What became of each of O(units).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: As given.
      returned: always
      type: str
      sample: vrrp_instance_1
    outcome:
      description:
        - With O(state=yielded) V(handed over) or V(not held).
        - With O(state=ready) V(next), or V(free) when nobody is master.
        - With O(state=aside) V(aside), or V(held) of what the host holds.
        - With O(state=normal) V(normal).
      returned: always
      type: str
      sample: handed over
    took:
      description: Seconds from the moment that O(units[].delay) counts from until the virtual IPs were gone from this host.
      returned: when it was handed over
      type: float
      sample: 3.81
    cut:
      description: Connections through its virtual IPs that were open when it moved.
      returned: when it was handed over
      type: int
      sample: 0
    priority:
      description: The priority that it has now, the lowest of its virtual routers.
      returned: with O(state=ready)
      type: int
      sample: 49
held_by:
  description: What held new connections back, V(nft) or V(iptables); empty if nothing could.
  returned: with O(state=yielded)
  type: str
  sample: nft
elapsed:
  description: Seconds that all of it took.
  returned: success
  type: float
  sample: 4.2
msg:
  description: Who has not taken over, what was done about it, and what to look at.
  returned: on failure
  type: str
"""

import binascii
import os
import select
import socket
import sys

try:
    from shlex import quote
except ImportError:  # Python 2
    from pipes import quote

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.vipkit.ha.plugins.module_utils import _artifact, _clock, _hold, _keepalived, _neighbour, _netlink, _nginx, _vrrp
from ansible_collections.vipkit.ha.plugins.module_utils._wire import ListenError, choose, links, opened

FAULT = 254
BESIDE = 255            # is a fault as well, and told apart from one that hands over
DRAINED = 1             # each instance has a weight for it that leaves it priority 1, the least (RFC 5798 section 5.2.4)
LEAST = 253             # lowers every priority below 255 as far
LONGEST_LEAD = 0.8      # a client asks again after 1 s (RFC 6298 section 2)
ASIDE = 30              # seconds after which nobody stands aside any more
LOWERED_FOR = 120       # and after which what a killed run has left lowered is as it was
LEAST_LEAD = 0.05
PAUSE = 0.005           # between two looks
ESTABLISHED = '01'

WAITING = 'waiting'
LOWERED = 'lowered'
GONE = 'gone'
STAYED = 'stayed'


class HandOverError(Exception):
    """What failed, where, and what to do next."""


# --- pure ---

class Unit(object):
    """What moves as one, and how far it is. It decides; others do."""

    def __init__(self, given, lead, now):
        self.name, self.file, self.value = given['name'], given['file'], given['value']
        self.addresses = set(canonical(address) for address in given['addresses'])
        self.routers = dict(((one['interface'], one['family'], one['virtual_router_id']), one['priority']) for one in given['routers'])
        self.delay, self.patience = given['delay'], given['patience']
        self.faults = self.value >= FAULT
        self.lead = min(lead, LONGEST_LEAD)
        if self.faults and self.delay is not None:
            # nobody has the address meanwhile, and all of it has to be over before clients ask again
            self.lead = min(self.lead, max(LEAST_LEAD, LONGEST_LEAD - self.delay))
        self.state, self.holding, self.since = WAITING, False, None
        self.ready = now if self.delay is None else now + max(0, self.lead - (0 if self.faults else self.delay))
        self.silent_at = self.ready + given['advert_int'] * 3 + 1
        self.took, self.taken = None, False

    def holds_back(self, now):
        """Whether it is time to leave new connections unanswered."""
        if self.delay is None or self.holding or self.state not in (WAITING, LOWERED):
            return False
        if self.state == WAITING:
            return self.faults or self.lead > self.delay
        return now >= self.since + self.delay - self.lead

    def act(self, now, advertised, held, taken):
        """What is to be done now: whether its own advert was just heard, whether the host holds it, and whether another one advertises it."""
        todo = []
        if self.holds_back(now):
            self.holding = True
            todo.append('hold')
        if self.state == WAITING:
            if not held:
                self.state = GONE
            elif now >= self.ready and (advertised or self.faults):
                self.state, self.since = LOWERED, now
                todo.append('lower')
            elif now >= self.silent_at:
                self.state = STAYED
        elif self.state == LOWERED:
            # with a fault keepalived takes the addresses off at once, whether or not anybody wants them
            self.taken = self.taken or taken
            if not held and self.taken:
                self.state, self.took = GONE, now - self.since
            elif now >= self.since + self.patience:
                self.state = STAYED
        return todo

    def below(self, heard):
        """(the number for its file, its priority then) that make it the next one after the masters that were heard."""
        known = [(own, heard[router]) for router, own in self.routers.items() if router in heard]
        # an equal priority does not preempt; less than 2 would not be more than the least, to which the master goes
        by = max([0] + [own - max(2, master) for own, master in known if own > max(2, master)])
        return by, min(self.routers.values()) - by


def canonical(address):
    family, bare = _vrrp.family_of(address), address.partition('/')[0]
    try:
        return _vrrp.unpack(family, _vrrp.pack(bare))
    except (socket.error, ValueError):
        raise HandOverError("'%s' is not an address; write it like 192.0.2.10 or 2001:db8::10" % address)


def advert_in(data):
    """The advert in a frame, or None."""
    frame = _neighbour.split_frame(data)
    ip = frame and _vrrp.split_ip(frame.payload)
    try:
        return ip and _vrrp.parse(ip)
    except _vrrp.VrrpError:
        return None


def open_on(addresses, table):
    """How many connections a table of the kernel, /proc/net/tcp or tcp6, has on these addresses."""
    wanted = set(as_in_table(address) for address in addresses)
    found = (line.split(None, 4) for line in table)
    return sum(1 for fields in found if len(fields) > 3 and fields[3] == ESTABLISHED and fields[1].partition(':')[0] in wanted)


def as_in_table(address):
    """An address as /proc/net/tcp and tcp6 write it: each four bytes as a number of this machine."""
    packed = _vrrp.pack(address)
    turned = b''.join(packed[place:place + 4][::-1] for place in range(0, len(packed), 4)) if sys.byteorder == 'little' else packed
    return to_native(binascii.hexlify(turned)).upper()


# --- the host ---

def held_addresses():
    return set(_vrrp.unpack(_vrrp.family_of(one['address']), _vrrp.pack(one['address'])) for one in _netlink.addresses()
               if not set(one['flags']) & set(('tentative', 'dadfailed')))


def write(path, number):
    """Whether it had to be written. keepalived sees it at once."""
    try:
        if _keepalived.tracked_number(path) == number:
            return False
        with _artifact.replacing(path) as handle:
            handle.write('{0}\n'.format(number).encode('ascii'))
    except EnvironmentError as error:
        raise HandOverError('cannot write {0} ({1}); see that keepalived runs with the unit that the role writes'.format(path, error))
    return True


def connections(addresses):
    """How many are open on these addresses."""
    found = 0
    for name in ('tcp', 'tcp6'):
        path = '/proc/net/' + name
        if os.path.exists(path):
            with open(path) as table:
                found += open_on(set(addresses) | set('::ffff:' + one for one in addresses if ':' not in one), table)
    return found


def close_kept(pid_path, loaded_sums, addresses):
    """Have nginx close what it keeps open, once the requests under way are answered."""
    if not pid_path or not connections(addresses):
        return
    master = _nginx.family('/proc', pid_path).current
    if not master:
        return
    if loaded_sums and _keepalived.run(['sha256sum', '--check', '--status', loaded_sums], 5).rc != 0:
        return
    _nginx.send('/proc', master.process, 1)  # HUP


def adverts(wires, pause):
    """Yield (interface, advert, whether this host sent it) of all that comes in within a moment."""
    for wire in select.select(wires, [], [], pause)[0]:
        found = wire.hear()
        advert = found and advert_in(found[0])
        if advert:
            yield (wire.name, advert['family'], advert['virtual_router_id']), advert, found[1]


class Host(object):
    """What is done on the host; the units decide when."""

    def __init__(self, params):
        self.drain_file, self.drained = params['drain_file'], params['drained']
        self.pid_path, self.loaded_sums = params['pid_path'], params['loaded_sums']

    def do(self, unit, action, holder):
        if action == 'hold':
            holder.on(unit.addresses)
            close_kept(self.pid_path, self.loaded_sums, unit.addresses)
        elif action == 'lower':
            write(unit.file, unit.value)

    def yield_all(self, units, wires, holder):
        """Give away what is held, as much at once as there is."""
        while True:
            ours, others = set(), set()
            for router, advert, outgoing in adverts(wires, PAUSE):
                if outgoing or advert['priority'] > 0:
                    (ours if outgoing else others).add(router)
            held, now = held_addresses(), _clock.monotonic()
            for unit in units:
                routers = set(unit.routers)
                for action in unit.act(now, bool(ours & routers), bool(unit.addresses & held), bool(others & routers)):
                    self.do(unit, action, holder)
            if all(unit.state in (GONE, STAYED) for unit in units):
                return

    def masters(self, units, wires, patience):
        """{router: priority} of the others that are heard to advertise."""
        wanted = set(router for unit in units for router in unit.routers)
        found, end = {}, _clock.monotonic() + patience
        while _clock.monotonic() < end and set(found) != wanted:
            for router, advert, outgoing in adverts(wires, PAUSE):
                if router in wanted and not outgoing and advert['priority'] > 0:
                    found[router] = advert['priority']
        return found


def restore(units):
    for unit in units:
        write(unit.file, 0)


def end_later(units, after):
    """Have these units as they were after so many seconds, unless somebody has written their files anew."""
    which = ['stat', '-c', '%i %z']  # a file that is written in its place has another number, or at least another time
    commands = ['test "$({0} {1})" != {2} || echo 0 >{1}'.format(' '.join(map(quote, which)), quote(unit.file), quote(
        to_native(_keepalived.run(which + [unit.file], 5).output).strip())) for unit in units]
    if commands:
        _hold.end_later('; '.join(commands), after)


def yielded(host, units, wires):
    held = held_addresses()
    ours = [unit for unit in units if unit.addresses & held]
    holder = _hold.what_holds_back() if ours else _hold.Nothing()
    try:
        if ours:
            host.yield_all(ours, wires, holder)
            stayed = [unit.name for unit in ours if unit.state == STAYED]
            silent = [unit.name for unit in ours if unit.state == STAYED and unit.since is None]
            if silent:
                raise HandOverError('this host holds addresses of {0} and sends no advert for them, so there is nothing to hand over; look whether its '
                                    'keepalived has its VRRP process, and restart it'.format(', '.join(silent)))
            if stayed:
                raise HandOverError(
                    'no other node has taken over {0}, so this host has its own priority again and keeps it; look whether keepalived runs on '
                    'the other nodes, and whether their check scripts succeed'.format(', '.join(stayed)))
    except Exception:
        restore(units)
        raise
    finally:
        holder.close()
    changed = bool(ours)
    if host.drained:
        # first this, so that the priority never rises in between
        changed = write(host.drain_file, DRAINED) or changed
        restore(units)
    else:
        end_later(ours, LOWERED_FOR)
    return changed, {'held_by': holder.name, 'units': [
        {'name': unit.name, 'outcome': 'handed over', 'took': round(unit.took or 0, 3), 'cut': connections(unit.addresses)} if unit in ours
        else {'name': unit.name, 'outcome': 'not held'} for unit in units]}


def ready(host, units, wires, patience):
    movable = [unit for unit in units if not unit.faults]
    heard = host.masters(movable, wires, patience)
    answer, changed = [], False
    for unit in units:
        by, priority = unit.below(heard) if not unit.faults else (0, min(unit.routers.values()))
        changed = write(unit.file, by) or changed
        answer.append({'name': unit.name, 'priority': priority, 'outcome': 'next' if set(unit.routers) & set(heard) else 'free'})
    end_later([unit for unit in units if _keepalived.tracked_number(unit.file)], LOWERED_FOR)
    changed = write(host.drain_file, 0) or changed
    return changed, {'units': answer}


def aside(units):
    """Be in no position to take what others hold, for a moment."""
    held = held_addresses()
    others = [unit for unit in units if not unit.addresses & held]
    for unit in others:
        write(unit.file, BESIDE)
        end_later([unit], ASIDE)
    return bool(others), {'units': [{'name': unit.name, 'outcome': 'aside' if unit in others else 'held'} for unit in units]}


def normal(units):
    written = [write(unit.file, 0) for unit in units]
    return True in written, {'units': [{'name': unit.name, 'outcome': 'normal'} for unit in units]}


def main():
    router = dict(interface=dict(type='str', required=True), family=dict(type='str', choices=['inet', 'inet6'], required=True),
                  virtual_router_id=dict(type='int', required=True), priority=dict(type='int', required=True))
    unit = dict(name=dict(type='str', required=True), file=dict(type='path', required=True), value=dict(type='int', default=LEAST),
                addresses=dict(type='list', elements='str', required=True), routers=dict(type='list', elements='dict', required=True, options=router),
                advert_int=dict(type='float', required=True), delay=dict(type='float'), patience=dict(type='float', required=True))
    module = AnsibleModule(
        argument_spec=dict(
            state=dict(type='str', choices=['yielded', 'ready', 'aside', 'normal'], required=True),
            units=dict(type='list', elements='dict', required=True, options=unit),
            drain_file=dict(type='path', required=True),
            drained=dict(type='bool', default=False),
            lead=dict(type='float', default=0.4),
            pid_path=dict(type='path'),
            loaded_sums=dict(type='path'),
        ),
        supports_check_mode=True,
    )
    params, start = module.params, _clock.monotonic()
    try:
        if not 0 <= params['lead'] <= LONGEST_LEAD:
            raise HandOverError('lead is {0}; give it as seconds from 0 to {1}'.format(params['lead'], LONGEST_LEAD))
        units, host = [Unit(one, params['lead'], start) for one in params['units']], Host(params)
        if module.check_mode:
            held = held_addresses()
            would = params['state'] != 'yielded' or params['drained'] and _keepalived.tracked_number(params['drain_file']) != DRAINED or any(
                unit.addresses & held for unit in units)
            module.exit_json(changed=bool(would), units=[], elapsed=0.0)
        if params['state'] in ('normal', 'aside'):
            changed, answer = (normal if params['state'] == 'normal' else aside)(units)
        else:
            with opened(choose(sorted(set(one[0] for unit in units for one in unit.routers)), links()) if units else []) as wires:
                if params['state'] == 'yielded':
                    changed, answer = yielded(host, units, wires)
                else:
                    changed, answer = ready(host, units, wires, max([1] + [3 * one['advert_int'] + 1 for one in params['units']]))
    except (HandOverError, ListenError, _netlink.NetlinkError, _nginx.NginxError, _artifact.ArtifactError, _hold.HoldError) as error:
        module.fail_json(msg=to_native(error))
    module.exit_json(changed=changed, elapsed=round(_clock.monotonic() - start, 3), **answer)


if __name__ == '__main__':
    main()
