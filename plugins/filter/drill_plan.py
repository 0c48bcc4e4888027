# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_plan
short_description: Work out what a failover drill does, and what VRRP allows each fault to cost
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - For each fault on each node it tells which virtual IPs have to move, to whom, how long they may be away at the most, and how long the fault
    and its healing have to be watched.
  - The limits are those of RFC 5798 section 6.1, for version 2 of RFC 3768 as keepalived has it, with the priorities that the checks leave.
    What a check needs to notice is its C(interval) times C(fall), and its own time limit.
  - Where the service answers until the address moves, no time for noticing counts, since nobody misses it.
  - A check notices that nginx is gone if it looks for its process, or asks this host or the virtual IP on O(port), where the witness asks, too. The first of
    those that decide alone tells the limit. Where there is none, any other check may be the one, so the last of them does.
  - It looks at no host. What is wrong with the choice of faults and nodes comes back as text in RV(_value.findings).
positional: _input, faults, nodes, descriptions
options:
  _input:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
  faults:
    description: The faults, in their order, each one of C(stop_keepalived), C(kill_keepalived), C(stop_nginx), C(kill_nginx), C(failing_check),
      C(freeze), C(link_down), C(vrrp_blocked), C(drain) and C(power_off).
    type: list
    elements: str
    required: true
  nodes:
    description: The hosts on which they are made, one after the other.
    type: list
    elements: str
    required: true
  descriptions:
    description: What P(vipkit.ha.vrrp_plan#filter) was given. The checks and the names of scripts are read from it.
    type: dict
    default: {}
  holders:
    description: The hosts that hold each virtual IP now, by its address. Without it, or for one that nobody holds, the planned owner does.
    type: dict
    default: {}
  boot:
    description: Seconds that a node needs until it is back after C(power_off).
    type: float
    default: 120
  witness:
    description: The host that looks on. A member of the cluster cannot, as it may hold the addresses itself.
    type: str
    default: ''
  port:
    description: The TCP port that the witness probes.
    type: int
    default: 80
  scripts_dirs:
    description: Of each host the directory of the scripts of the collection's.
    type: dict
    default: {}
  sla:
    description: The seconds for which an address may be away. What is no such time comes back as a finding.
    type: raw
seealso:
  - plugin: vipkit.ha.drill_result
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What would be done, and how long would it take?
  ansible.builtin.debug:
    msg: "{{ planned.runs | map(attribute='lasts') | sum }} s with a fault"
  vars:
    planned: "{{ plan | vipkit.ha.drill_plan(['stop_keepalived', 'stop_nginx'], ['node128', 'node129'], descriptions) }}"
"""

RETURN = r"""
_value:
  description: The drill.
  type: dict
  contains:
    findings:
      description: One sentence for each thing for which the drill cannot be made. Empty when all is well.
      type: list
      elements: str
    checks:
      description: For each member its checks, as C(playbooks/failover_drill/fault.sh) is told of them.
      type: dict
    runs:
      description:
        - One for each fault on each node, with C(fault), C(kind), which is the same without its target, C(node), C(target), which is the interface of
          C(link_down), the check of C(failing_check), and else null, and C(arguments), what C(playbooks/failover_drill/fault.sh) is told.
        - C(lead), C(lasts) and C(back) are the seconds until the fault is made, those until it is healed, and those after which all is back at the latest.
          C(longest) are those after which nobody is concerned with it any more, whatever goes wrong.
        - C(vips) has every virtual IP of the plan, each with C(address), C(instance), C(owner_before), its C(heir), or null where the fault does
          not concern it, its C(limit) in seconds or null, C(moves), whether it has to move, C(splits), whether it has to have two owners at
          the same time, C(checks), the names of those that have to notice the fault, and C(cannot), why it will stay where it is, or nothing.
      type: list
      elements: dict
"""

import dataclasses
import math
import shlex
from urllib.parse import urlsplit

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_commands import commands, with_paths
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import entries, integer, number, tracked
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_timing import advert_int, checks_of, effective, master_down, skew

FAULTS = ('stop_keepalived', 'kill_keepalived', 'stop_nginx', 'kill_nginx', 'failing_check', 'freeze', 'link_down', 'vrrp_blocked', 'drain', 'power_off')
LEAD = 1.0     # seconds: whoever starts the fault has his answer by then, on a connection that the fault may cut
SPARE = 240    # seconds for all that the playbook does meanwhile
QUIET = 1.0    # seconds in which nothing more may happen, after what has to
DRAINED = 180  # seconds, besides those of the way back, until a node undrains itself, should nobody do it
START = 2.0    # seconds that a service needs to be up
RESTART = 1.0  # RestartSec of both units


class _Router:
    """A virtual router as a node sees it that a fault is made on."""

    def __init__(self, plan, vip, node, holders, descriptions):
        self.vip, self.node = vip, node
        self.owner = next(iter(holders.get(vip['address']) or []), None) or vip['owner'] or vip['nodes'][0]
        self.confs = {name: plan['hosts'][name]['conf'] for name in vip['nodes']}
        self.blocks = {name: next(block for block in conf['vrrp_instance'] if block['name'] == vip['instance']) for name, conf in self.confs.items()}
        self.checks = {name: checks_of(conf, self.blocks[name], descriptions.get(name, {}).get('cluster', {}).get('vrrp_scripts'))
                       for name, conf in self.confs.items()}
        others = [name for name in vip['nodes'] if name != node]
        self.heir = max(others, key=self.priority, default=None)

    def priority(self, name, failed=()):
        return effective(int(self.blocks[name]['priority']), self.checks[name], failed)

    @property
    def sync_group(self):
        """The block of the group that it is in, if it is in one."""
        groups = self.confs[self.node].get('vrrp_sync_group') or [] if self.node in self.confs else []
        return next((group for group in groups if self.vip['instance'] in entries(group.get('group'))), {})

    @property
    def group(self):
        """The instances that move with this one."""
        return self.sync_group.get('group') or [self.vip['instance']]

    def hangs_on(self, link):
        """Whether the node loses it with a link and the VLANs on that: True, False, or None where its priority only becomes less."""
        lines = [self.blocks[self.node]['interface'], *entries(self.blocks[self.node].get('track_interface')), *entries(self.sync_group.get('track_interface'))]
        weights = [weight for name, weight in map(tracked, lines) if name == link or name.startswith(f'{link}.')]
        return 0 in weights or (None if weights else False)

    def _of(self, name, formula):
        return formula(self.confs[name], self.blocks[name], self.priority(name))

    @property
    def skew(self):
        return self._of(self.heir, skew)

    @property
    def master_down(self):
        return self._of(self.heir, master_down)

    def waits(self, checks):
        """What the heir waits besides, as the master lives when nothing but its priority goes: preempt_delay, from the first such advert on."""
        block, conf = self.blocks[self.heir], self.confs[self.heir]
        delay = number(block.get('preempt_delay')) or 0
        return delay + advert_int(conf, block) if delay and checks and all(check.weight for check in checks) else 0.0

    @property
    def back_in(self):
        """Until the node has it again, from the moment on at which nothing is wrong any more."""
        block, conf = self.blocks[self.node], self.confs[self.node]
        return self._of(self.node, master_down) + (number(block.get('preempt_delay')) or 0) + advert_int(conf, block)

    def follows(self, checks):
        """Whether it moves when these fail, and why it does not."""
        hard = [check for check in checks if check.weight == 0]
        if hard:
            return True, ''
        own, other = self.priority(self.node, {check.name for check in checks}), self.priority(self.heir)
        if own >= other:
            return False, (f"its checks leave {self.node} a priority of {own}, which is not below the {other} of {self.heir}: "
                           'give one of them weight 0, or take more off')
        if self.blocks[self.heir].get('nopreempt'):
            return False, f'{self.heir} has nopreempt, so it takes nothing from a master that lives: give a check weight 0'
        return True, ''

    def limit_of_checks(self, noticing, answers):
        """The longest that it may be away when these fail; the service answers until then, or does not."""
        hard = [check for check in noticing.checks if check.weight == 0]
        if answers:
            return self.skew if hard else 0.0
        if hard:
            return (min if noticing.is_certain else max)(check.fails_in for check in hard) + self.skew
        return max(check.fails_in for check in noticing.checks) + self.master_down + self.waits(noticing.checks)


@dataclasses.dataclass
class _Noticing:
    """The checks of an instance that have to notice a fault: each of them for certain, or at least one of them."""

    checks: list
    is_certain: bool = True

    @classmethod
    def nginx(cls, checks, address, port):
        """Those that look at nginx; what another command does, or who is behind another port, nobody knows."""
        seen = {check.name: _looks_at_nginx(check.check, address, port) for check in checks}
        certain = [check for check in checks if seen[check.name]]
        return cls(certain or [check for check in checks if seen[check.name] is None], bool(certain))


def _looks_at_nginx(asked, address, port):
    """True, False, or None where that is not known."""
    if asked.get('kind') == 'process':
        return 'nginx' in str(asked.get('process') or asked.get('pattern'))
    url = urlsplit(str(asked.get('url', '')))
    where = {'http': (url.hostname, url.port or 80), 'tcp': (asked.get('host') or '127.0.0.1', integer(asked.get('port')))}.get(asked.get('kind'))
    return True if where in [(host, port) for host in ('127.0.0.1', '::1', 'localhost', address)] else None


def _own_checks(routers, described):
    """The checks of a node that are files of the collection's."""
    scripts = described.get('cluster', {}).get('scripts') or []
    commanded = {script['name']: str(script.get('script') or script['name']).split()[:1] for router in routers
                 for script in router.confs[router.node].get('vrrp_script') or []}
    return list(dict.fromkeys(check.name for router in routers for check in router.checks[router.node]
                              if check.check or set(commanded[check.name]) & set(scripts)))


def _commands(plan, node, described, directory):
    """Of each check of a node the command, and the user who runs it."""
    conf = plan['hosts'][node]['conf']
    own, found = described.get('cluster', {}).get('scripts') or [], {}
    for script in conf.get('vrrp_script') or []:
        whole = {'script': f"{directory}/{script['name']}", **with_paths(script, own, directory)}
        (dummy, command, user), = commands(whole, user=conf['global_defs']['script_user'])
        found[script['name']] = shlex.split(command), user.split()[0]
    return found


def _told(checks, known):
    """What the script of the faults is told of checks."""
    return [f'check={shlex.join([known[name][1], name, *known[name][0]])}' for name in checks]


def _concerns(fault, router, noticing, target):
    """Whether a fault on its node concerns a virtual IP."""
    if router.node not in router.confs or router.heir is None or (fault == 'failing_check' and not noticing.checks):
        return False
    if fault == 'vrrp_blocked':
        return True  # the node takes what it is backup of, and its peers what it is master of
    return router.owner == router.node and (fault != 'link_down' or router.hangs_on(target) is not False)


def _vip(fault, router, noticing, target):
    """What a fault means for one virtual IP."""
    checks = noticing.checks
    entry = {'address': router.vip['address'], 'instance': router.vip['instance'], 'owner_before': router.owner, 'heir': None, 'limit': None,
             'moves': False, 'splits': False, 'checks': [], 'cannot': ''}
    if not _concerns(fault, router, noticing, target):
        return entry
    entry.update(heir=router.heir if router.owner == router.node else router.node, moves=True)
    if fault == 'vrrp_blocked':
        entry['splits'] = True
    elif fault in ('stop_nginx', 'kill_nginx', 'failing_check'):
        entry['checks'] = [check.name for check in checks]
        moves, entry['cannot'] = router.follows(checks) if checks else (False, f"no check of {router.vip['instance']} looks at nginx")
        limit = router.limit_of_checks(noticing, fault == 'failing_check') if moves else 0.0 if fault == 'failing_check' else None
        if fault == 'kill_nginx':
            # systemd has it again before a check notices, or soon after
            moves, limit = False, max(limit or 0.0, RESTART)
        # where nginx is away for good, it has to move, whatever the checks can do
        entry.update(moves=moves or fault == 'stop_nginx', limit=limit)
    elif fault == 'drain':
        entry['limit'] = 0.0
    else:
        entry.update(limit=router.skew if fault == 'stop_keepalived' else router.master_down,
                     moves=fault != 'link_down' or router.hangs_on(target) is True)
    return entry


def _with_groups(vips, routers):
    """Members of a sync group move together, so the slowest of them tells what all may take, and one that moves takes all along."""
    for vip, router in zip(vips, routers):
        mates = [mate for mate, other in zip(vips, routers) if mate['instance'] in router.group and other.vip['nodes'] == router.vip['nodes']
                 and other.owner == router.owner and mate['heir']]
        limits = [mate['limit'] for mate in mates if mate['limit'] is not None]
        if router.owner == router.node and limits:
            yield {**vip, 'heir': router.heir, 'limit': max(limits), 'moves': any(mate['moves'] for mate in mates)}
        else:
            yield vip


def _arguments(plan, fault, node, described):
    """What the script of the faults is told about a node."""
    host = plan['hosts'][node]
    kinds = {(block.get('authentication') or {}).get('auth_type') for block in host['conf']['vrrp_instance']}
    # VRRP (RFC 5798 section 5.1.1.4), and AH around it where that is asked for
    protocols = [112, 51] if 'AH' in kinds else [112]
    files = [described.get('drain_file'), *(unit['file'] for unit in host.get('units', []))] if fault == 'drain' else []
    return [*(f'protocol={number}' for number in protocols), *(f'file={path}' for path in files if path), *(f"vip={vip['address']}" for vip in plan['vips'])]


def _run(plan, fault, node, target, targets, given):
    described = given.descriptions.get(node, {})
    routers = [_Router(plan, vip, node, given.holders, given.descriptions) for vip in plan['vips']]
    mine = [router for router in routers if node in router.confs]

    def noticing(router):
        found = router.checks.get(node, [])
        if fault == 'failing_check':
            return _Noticing([check for check in found if check.name == target])
        return _Noticing.nginx(found, router.vip['address'], given.port)

    vips = list(_with_groups([_vip(fault, router, noticing(router), target) for router in routers], routers))
    noticed = max((check.fails_in for router in mine for check in noticing(router).checks), default=0.0)
    by_checks = fault in ('stop_nginx', 'kill_nginx', 'failing_check')
    forgotten = max((check.recovers_in for router in mine for check in router.checks[node]), default=0.0)
    away = max((router.master_down + (router.waits(noticing(router).checks) if by_checks else 0) for router in mine if router.heir), default=0.0)
    back = math.ceil(START + forgotten + max((router.back_in for router in mine), default=0.0) + QUIET) + (given.boot if fault == 'power_off' else 0)
    lasts = DRAINED + back if fault == 'drain' else math.ceil((noticed if by_checks else 0) + away + QUIET)
    known = _commands(plan, node, described, given.scripts_dirs.get(node, ''))
    # one that is made to fail need not be asked
    asked = [] if fault == 'failing_check' else list(dict.fromkeys(name for vip in vips for name in vip['checks']))
    of_target = [f'interface={target}'] if fault == 'link_down' else [f'script={known[target][0][0]}'] if target else []
    return {
        'fault': fault if len(targets) == 1 else f'{fault} {target}', 'kind': fault, 'node': node, 'target': target,
        'arguments': [*of_target, *_told(asked, known), *_arguments(plan, fault, node, described)],
        'lead': LEAD, 'lasts': lasts, 'back': back, 'longest': LEAD + 2 * lasts + 2 * back + SPARE, 'vips': vips,
    }


@dataclasses.dataclass
class _Given:
    """What is known besides the plan, and the same for all faults."""

    descriptions: dict
    holders: dict
    boot: float
    port: int
    scripts_dirs: dict

    def checks(self, plan, node):
        """All of a node's, and those of them that are the collection's."""
        routers = [_Router(plan, vip, node, {}, self.descriptions) for vip in plan['vips'] if node in vip['nodes']]
        every = list(dict.fromkeys(check.name for router in routers for check in router.checks[node] if check.weight is not None))  # a reversed one has to fail
        return every, _own_checks(routers, self.descriptions.get(node, {}))

    def targets(self, plan, fault, node):
        """What a fault is made on, one after the other."""
        return {'link_down': plan['hosts'][node]['interfaces'], 'failing_check': self.checks(plan, node)[1]}.get(fault) or [None]


def _findings(plan, faults, nodes, runs, witness):
    found = [f"There is no fault '{fault}'; there are {', '.join(FAULTS)}." for fault in faults if fault not in FAULTS]
    found += [f"{node} is no member of the cluster; the members are {', '.join(plan['members'])}." for node in nodes if node not in plan['members']]
    found += [f'{vip["address"]} ({vip["instance"]}) has no other node than {node}, so nobody could take it over: leave {node} out of vipkit_drill_nodes, '
              'or give the instance a second node.'
              for node in nodes for vip in plan['vips'] if vip['nodes'] == [node]]
    found += [f"failing_check: the inventory gives {run['node']} no check that is a script of the collection's, so there is none to fail: "
              'leave failing_check out of vipkit_faults.'
              for run in runs if run['kind'] == 'failing_check' and run['target'] is None]
    if witness in plan['members']:
        found.append(f'{witness} is a member of the cluster, so it cannot be the witness: name a host outside of it in vipkit_witness.')
    return found if faults else [*found, f"There is no fault to make: name some in vipkit_faults, of {', '.join(FAULTS)}."]


def drill_plan(plan, faults, nodes, descriptions=None, holders=None, boot=120, witness='', port=80, scripts_dirs=None, sla=None):
    """Every fault on every node, with what follows from it."""
    given = _Given(descriptions or {}, holders or {}, float(boot), int(port), scripts_dirs or {})
    runs = [_run(plan, fault, node, target, targets, given) for node in nodes if node in plan['members'] for fault in faults if fault in FAULTS
            for targets in [given.targets(plan, fault, node)] for target in targets]
    checks = {name: _told(given.checks(plan, name)[0], _commands(plan, name, given.descriptions.get(name, {}), given.scripts_dirs.get(name, '')))
              for name in plan['members']}
    findings = [] if sla is None or 0 < (number(sla) or 0) < math.inf else [f"vipkit_sla is '{sla}'; give it as seconds, such as 0.5."]
    return {'findings': findings + _findings(plan, faults, nodes, runs, witness), 'runs': runs, 'checks': checks}


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'drill_plan': drill_plan}
