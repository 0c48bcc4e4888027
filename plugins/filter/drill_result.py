# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_result
short_description: Judge what a fault of a failover drill did to each virtual IP
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Joins what a fault should do (P(vipkit.ha.drill_plan#filter)) with what a witness saw (M(vipkit.ha.vip_probe)) and what the host noted
    on which it was made.
  - Whatever was not answered before the address had moved to another host, or while the fault lasted, counts as the outage of the fault; what came
    after that, as the outage of the way back.
  - An address that moves as planned may be away for O(sla), or without one for 1.05 times its limit, one O(interval), and 0.1 s for what is not VRRP's,
    which is the time that systemd, ARP, TCP and a busy host take. One that comes back, and one that the fault does not concern, may be away for
    O(sla), or for one interval and 0.1 s.
  - C(drain) holds new connections back for an instant, which their clients try again. So it is judged by what was lost, which has to be nothing, and
    by what was late only where there is an O(sla).
  - Two hosts that answer for half a second or longer are a split brain. After C(vrrp_blocked) that is what has to be seen, and after C(freeze) it
    is told and does not count, as a keepalived that does not run cannot give anything back. Several hardware addresses of one member are one host.
  - For C(vrrp_blocked) the protocol has no limit, so an outage has to end, and without O(sla) that is all.
  - A witness that did not probe for longer than an interval and 0.1 s may have missed an outage of so long, or the rest of one. That is a problem, unless
    there is an O(sla), and every outage with so much more would still be within it. One that did not probe from before the fault until after its healing is a
    problem in any case.
  - A hardware address tells which member answers, and one of no member is a failure. Only where there is none, or the same on all, the first line of the
    page does, unless it had changed before the fault was made.
  - Another member than the one that has to take over is a failure. So is a new owner that the witness did not hear announce itself, since the
    witness finds it without, and others do not.
positional: _input, probed, noted
options:
  _input:
    description: One of the C(runs) of P(vipkit.ha.drill_plan#filter).
    type: dict
    required: true
  probed:
    description: What M(vipkit.ha.vip_probe) returned, also when it failed.
    type: dict
    required: true
  noted:
    description: What the host noted, a line for each thing, as C(playbooks/failover_drill/fault.sh) writes it.
    type: str
    required: true
  plan:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars), to name the hosts by their hardware addresses.
    type: dict
    default: {}
  problems:
    description: What is wrong with the cluster after the healing, as P(vipkit.ha.vip_report#filter) says it.
    type: list
    elements: str
    default: []
  told:
    description: What M(vipkit.ha.keepalived_status) returned on each host after the healing, by the host's name.
    type: dict
    default: {}
  failed:
    description: What could not be done, a sentence for each.
    type: list
    elements: str
    default: []
  ahead:
    description: How many seconds the clock of the host is ahead of the witness's.
    type: float
    default: 0
  tried:
    description: When the fault was to be made, in seconds since the epoch, for one of which the host says nothing.
    type: float
    default: 0
  sla:
    description: The seconds for which an address may be away.
    type: float
  interval:
    description: Seconds between two probes.
    type: float
    default: 0.01
seealso:
  - plugin: vipkit.ha.drill_plan
    plugin_type: filter
  - plugin: vipkit.ha.drill_record
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Judge it
  ansible.builtin.set_fact:
    result: "{{ run | vipkit.ha.drill_result(probed, noted.stdout, plan=plan, hostvars=hostvars, sla=3) }}"
"""

RETURN = r"""
_value:
  description: The result.
  type: dict
  contains:
    fault:
      description: The fault.
      type: str
    node:
      description: Where it was made.
      type: str
    injected:
      description: When, in seconds since the epoch by the witness's clock. If it was not made, when it was to be.
      type: float
    healed:
      description: When it was healed, or null.
      type: float
    problems:
      description: A sentence for each thing that is wrong with the cluster as a whole, or for which this could not be measured.
      type: list
      elements: str
    vips:
      description:
        - For each virtual IP C(address), C(instance), C(owner_before), C(taken_over_by) (null if nobody did), C(outage) in seconds (null if it was never well
          again), C(lost), C(late), C(fail_back_outage) and C(fail_back_lost), the C(limit) of the protocol (null if there is none), C(ratio) of outage to
          limit, C(passed), C(why), C(owners), a list of C(at) and C(owner), and C(outages), a list of C(began) and C(ended).
        - Times are in seconds since the epoch.
      type: list
      elements: dict
    passed:
      description: Whether there is no problem and every virtual IP has passed.
      type: bool
"""

import itertools

from ansible_collections.vipkit.ha.plugins.module_utils._probes import VIRTUAL_MACS
from ansible_collections.vipkit.ha.plugins.plugin_utils._drill import faulty
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import Host

TOLERANCE = 1.05
ALLOWANCE = 0.1  # seconds
SPLIT = 0.5      # seconds with two owners; a hand-over without a gap has them for milliseconds
DONE = {'stop_keepalived': 'keepalived is stopped on {node}', 'kill_keepalived': 'keepalived was killed on {node}', 'stop_nginx': 'nginx is stopped on {node}',
        'kill_nginx': 'nginx was killed on {node}', 'failing_check': '{target} fails on {node}', 'freeze': 'keepalived is frozen on {node}',
        'link_down': '{target} is down on {node}', 'vrrp_blocked': 'no VRRP passes to and from {node}', 'drain': '{node} is drained',
        'power_off': '{node} is without power'}
SAYS = {'0': 'did not fail', 'forbidden': 'cannot be executed, which keepalived takes for success'}


def _noted(text):
    """The lines of a host: (time of the fault, time of the healing, problems, what each check said)."""
    times, problems, said = {}, [], {}
    for line in text.splitlines():
        word, dummy, rest = line.partition(' ')
        if word in ('injected', 'healed') and rest:
            times.setdefault(word, float(rest))
        elif word == 'problem':
            problems.append(rest)
        elif word == 'check':
            name, dummy, code = rest.rpartition(' ')
            said[name] = code
    return times.get('injected'), times.get('healed'), problems, said


def _seconds(value):
    return f'{value:.2f} s'


class _Seen:
    """What the witness saw of one virtual IP."""

    def __init__(self, probe, began, names, members, injected):
        self.began, self.members = began, set(members)
        self.outages = probe['outages']
        self.owners = [self._change(change, names) for change in probe['owners']]
        # the page still tells who answers, if it names the node, and not one behind it that has its turn
        virtual = any(change['macs'] for change in probe['owners']) and not any(change['hosts'] for change in self.owners)
        self.no_mac = probe.get('no_mac') or ('it has the same one on every node (use_vmac)' if virtual else '')
        turns = [change for change in self.owners[1:] if injected is not None and change['at'] < injected]
        self.is_blind = bool(self.no_mac) and (bool(turns) or not any(change['owner'] in self.members for change in self.owners))
        if self.is_blind:
            self.owners = []

    def _change(self, change, names):
        """Who answers from then on: by hardware address, or by the page where there is none, or the same for all."""
        hosts = {names.get(mac.lower(), mac) for mac in change['macs'] if not mac.startswith(VIRTUAL_MACS)}
        return {'at': self.began + change['at'], 'owner': ', '.join(sorted(hosts)) or change['line'] or None, 'hosts': hosts,
                'announced': None if change['announced'] is None else self.began + change['announced']}

    def away_at(self, owner):
        """When another one was the only one who answered for the first time, and who that was."""
        return next(((change['at'], change['owner']) for change in self.owners if change['owner'] not in (None, owner)
                     and len(change['hosts']) < 2 and (change['hosts'] or change['owner'] in self.members)), (None, None))

    def strangers(self):
        """Who answered and is no member."""
        return sorted(set().union(*(change['hosts'] for change in self.owners)) - self.members)

    def takeovers(self):
        """Each host that has begun to answer, when, and after how many seconds it was heard to announce that (None: never)."""
        before = None
        for place, change in enumerate(self.owners):
            fresh = change['hosts'] - before if before and change['hosts'] else set()
            before = change['hosts'] or before
            if fresh:
                # by another of its links, too; where another host is, it may be that one's
                alone = itertools.takewhile(lambda other: other['hosts'] == fresh, self.owners[place + 1:])
                heard = next((each['announced'] for each in (change, *alone) if each['announced'] is not None), None)
                yield ', '.join(sorted(fresh)), None if heard is None else heard - change['at']

    def splits(self):
        """The times with several owners, each with its beginning, its end (None: it did not) and the owners."""
        ends = [change['at'] for change in self.owners[1:]] + [None]
        return [(change['at'], end, change['owner']) for change, end in zip(self.owners, ends)
                if len(change['hosts']) > 1 and (end is None or end - change['at'] >= SPLIT)]

    def between(self, first, last):
        """The outages that began in that time, added up: seconds (None: one has no end), lost, late."""
        found = [one for one in self.outages if first <= self.began + one['began'] < last]
        seconds = None if any(one['ended'] is None for one in found) else round(sum(one['seconds'] for one in found), 3)
        return seconds, sum(one['lost'] for one in found), sum(one['late'] for one in found)


def _stayed(run, vip, said):
    """Why an address did not move although it had to."""
    done = DONE[run['kind']].format(**run)
    if run['kind'] not in ('stop_nginx', 'failing_check'):
        return f"{done}, and nobody took over {vip['address']}: look at keepalived's log on {vip['heir']}"
    stayed = f"{done}, and {vip['address']} stayed there"
    if vip['cannot']:
        return f"{stayed}: {vip['cannot']}"
    blind = [f'its check {name} {SAYS[said[name]]}' for name in vip['checks'] if said.get(name) in SAYS]
    if blind:
        return f"{stayed}: {' and '.join(blind)}"
    names = ' and '.join(vip['checks'])
    if run['kind'] == 'stop_nginx' and not set(vip['checks']) & set(said):
        return f"{stayed}, and nobody asked its check {names} whether it fails: run it there by hand, as the user that keepalived runs it with"
    return (f"{stayed}, though its check {names} fails: look at keepalived's log there, whether keepalived runs with the check that is on disk, "
            f"and whether {vip['heir']} is told to leave it where it is (nopreempt)")


def _too_long(outage, allowed, sla, limit):
    by = 'vipkit_sla allows' if sla is not None else f'the protocol allows {_seconds(limit)}, and with what is not VRRP\'s there are' if limit else \
        'nothing had to be lost, and for what is not VRRP\'s there are'
    return 'it was not well again' if outage is None else f'it was without a good answer for {_seconds(outage)}; {by} {_seconds(allowed)}'


class _Verdict:
    """What to make of it."""

    def __init__(self, run, noted, sla, interval):
        self.run, self.sla, self.interval = run, sla, interval
        self.injected, self.healed, self.said = noted

    def allowed(self, limit):
        return self.sla if self.sla is not None else TOLERANCE * (limit or 0.0) + self.interval + ALLOWANCE

    def of(self, vip, seen):
        healed = self.healed if self.healed is not None else float('inf')
        owner = next((change['owner'] for change in seen.owners if change['owner']), vip['owner_before'])
        away, taker = seen.away_at(owner)
        if taker is None and vip['heir'] and seen.splits():
            away, taker = seen.splits()[0][0], vip['heir']  # it took it, beside the one who has not let go
        turn = max(healed, away if away is not None else float('inf') if vip['moves'] and not vip['splits'] and not seen.is_blind else healed)
        outage, lost, late = seen.between(float('-inf'), turn)
        back, back_lost = seen.between(turn, float('inf'))[:2]
        why = self._why(vip, seen, taker, outage, back, lost + back_lost)
        limit = None if vip['limit'] is None else round(vip['limit'], 3)
        return {
            'address': vip['address'], 'instance': vip['instance'], 'owner_before': owner, 'taken_over_by': taker, 'outage': outage, 'lost': lost,
            'late': late, 'fail_back_outage': back, 'fail_back_lost': back_lost, 'limit': limit,
            'ratio': round(outage / limit, 2) if limit and outage else None, 'passed': not why[0], 'why': '; '.join(why[0] or why[1]),
            'owners': [{'at': round(change['at'], 3), 'owner': change['owner']} for change in seen.owners],
            'outages': [{key: None if one[key] is None else round(seen.began + one[key], 3) for key in ('began', 'ended')} for one in seen.outages],
        }

    def _why(self, vip, seen, taker, outage, back, lost):
        """What is wrong, and what is only to be told."""
        wrong, told = [], []
        splits = seen.splits()
        names = splits[0][2] if splits else ''
        if vip['splits']:
            if seen.no_mac:
                wrong.append(f'whether it had two owners cannot be told, since the witness sees no hardware addresses ({seen.no_mac})')
            elif not splits:
                wrong.append(f"{DONE[self.run['kind']].format(**self.run)}, and it never had two owners: look whether the packet filter drops VRRP there")
            else:
                told.append(f'split brain, as it has to be: {names} answered for it at the same time')
        elif splits and self.run['kind'] == 'freeze':
            told.append(f'split brain while keepalived was frozen: {names} answered for it at the same time')
        elif splits:
            wrong.append(f'split brain: {names} answered for it at the same time for '
                         f'{_seconds(splits[0][1] - splits[0][0]) if splits[0][1] else "the rest of the time"}')
        if splits and splits[-1][1] is None and (vip['splits'] or self.run['kind'] == 'freeze'):
            wrong.append(f'the split brain did not end with the healing: {splits[-1][2]} still answer for it')
        if vip['moves'] and seen.is_blind:
            told.append(f'who answers for it cannot be told: {seen.no_mac}')
        wrong += self._takeover(vip, seen, taker)
        if vip['moves'] and not vip['splits'] and taker is None and not splits and not seen.is_blind:
            wrong.append(_stayed(self.run, vip, self.said))
        else:
            wrong += self._times(vip, outage, back, lost)
        return wrong, told

    def _takeover(self, vip, seen, taker):
        """What is wrong with who has it, and with how others learn of that."""
        strangers = seen.strangers()
        if strangers:
            yield f"{', '.join(strangers)} answered for it, a hardware address of no member: look which host that is"
        elif taker is not None and vip['heir'] not in (None, taker):
            yield f"{taker} took it over, and not {vip['heir']}, which has the higher priority: look at keepalived's log on {vip['heir']}"
        for name, seconds in seen.takeovers() if not seen.no_mac else ():
            if seconds is None:
                yield (f'{name} took it and was not heard to announce that (gratuitous ARP, unsolicited neighbour advertisement), so who knew the old owner '
                       'goes on asking that one: look whether a switch or a hypervisor drops it, and at garp_master_repeat')
            elif seconds > self.allowed(0.0):
                yield f'{name} was heard to announce that it has it only {_seconds(seconds)} later, and who knew the old owner asked that one until then'

    def _times(self, vip, outage, back, lost):
        """What is wrong with the outages."""
        wrong = []
        if self.run['kind'] == 'drain' and lost:
            wrong.append(f'{lost} probes were lost, and a drain loses none')
        unlimited = self.sla is None and (vip['splits'] or self.run['kind'] == 'drain')
        if outage is None or (not unlimited and outage > self.allowed(vip['limit'])):
            wrong.append(_too_long(outage, self.allowed(vip['limit']), self.sla, vip['limit'])
                         + ('' if vip['heir'] else ', and this fault does not concern it'))
        elif back is None or (not unlimited and back > self.allowed(0.0)):
            wrong.append('on the way back ' + _too_long(back, self.allowed(0.0), self.sla, 0.0))
        return wrong

    def uncovered(self, began, elapsed):
        """Why what a witness saw that probed then does not tell what came of the fault."""
        times = [time for time in (self.injected, self.healed) if time is not None]
        if all(began <= time <= began + elapsed for time in times):
            return []
        return ['The witness did not probe from before the fault until after its healing, so an outage may have been missed: look what has ended the probes, '
                'and whether a clock was set.']

    def unseen(self, gap, vips):
        """Why what a witness saw that did not probe for so long tells too little."""
        hidden = gap - self.interval
        seen = [seconds for vip in vips for seconds in (vip['outage'], vip['fail_back_outage']) if seconds is not None]
        if hidden <= ALLOWANCE or (self.sla is not None and max(seen, default=0.0) + hidden <= self.sla):
            return []
        return [f'The witness did not probe for {_seconds(gap)}, and an outage of so long may have been missed: look what keeps it busy, '
                'or give a longer vipkit_probe_interval.']


def _not_itself(told):
    """A sentence for each member that would take nothing over. Who was not asked, or could not be, is named elsewhere."""
    yield from (f"{name}: {one['msg']}." for name, one in told.items() if one.get('answers') is False)
    yield from faulty(told)
    yield from (f'{name}: it is drained, so it would take nothing over: undrain it.' for name, one in told.items() if one.get('drained'))


def drill_result(run, probed, noted, plan, hostvars=None, problems=None, told=None, failed=None, ahead=0.0, tried=0.0, sla=None, interval=0.01):
    """What came of one fault."""
    injected, healed, wrong, said = _noted(noted)
    injected, healed = (None if time is None else round(time - float(ahead), 3) for time in (injected, healed))
    names = {mac: name for name in plan['members'] for mac in Host(name, hostvars or {}, set()).macs if not mac.startswith(VIRTUAL_MACS)}
    wrong = [*(failed or []), *(f"{run['node']}: {sentence}" for sentence in wrong)]
    if injected is None:
        wrong.append(f"{run['node']} did not say that the fault was made: look at `journalctl -u vipkit-drill` there.")
    elif healed is None:
        wrong.append(f"{run['node']} did not say that the fault is healed: look at `journalctl -u vipkit-drill` there.")
    if 'probes' not in probed:
        wrong.append(f"The witness could not probe: {probed.get('msg') or 'it did not answer'}.")
    wrong += [f'After the healing: {sentence}' for sentence in [*(problems or []), *_not_itself(told or {})]]
    verdict = _Verdict(run, (injected, healed, said), None if sla is None else float(sla), float(interval))
    probes = {probe['address']: probe for probe in probed.get('probes', [])}
    vips = [verdict.of(vip, _Seen(probes[vip['address']], probed['began'], names, plan['members'], injected)) for vip in run['vips']
            if vip['address'] in probes]
    if probes:
        wrong += [*verdict.uncovered(probed['began'], probed['elapsed']), *verdict.unseen(probed['longest_gap'], vips)]
    return {'fault': run['fault'], 'node': run['node'], 'injected': float(tried) if injected is None else injected, 'healed': healed,
            'problems': wrong, 'vips': vips,
            'passed': not wrong and all(vip['passed'] for vip in vips)}


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'drill_result': drill_result}
