# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: hand_overs
short_description: Tell how a host hands over what it holds, and when the next node will take it
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives for each instance or sync group of a host what M(vipkit.ha.vip_hand_over) has to know of it.
  - A better node takes over 3 adverts and its skew time after the last advert of the old priority (RFC 5798 section 6.1,
    C(Master_Down_Interval)); after a fault it takes its skew time alone.
  - What nobody else alive serves is left out, since it cannot be handed over. So is what has priority 255, which no weight lowers.
  - With O(told), who cannot take over is left out, and the numbers are those that keepalived goes by, whatever the inventory wants by now.
positional: _input, host, living
options:
  _input:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
  host:
    description: The host's name in the inventory.
    type: str
    required: true
  living:
    description: The hosts whose keepalived runs.
    type: list
    elements: str
    required: true
  told:
    description:
      - What M(vipkit.ha.keepalived_status) returned on each host that was asked, by its name. A host that is missing does not answer, and of one
        with C(skipped) the plan is what there is.
    type: dict
  priorities:
    description: Priorities of the next node by the name of the instance or sync group, where they are not those of the plan.
    type: dict
    default: {}
  heir:
    description: A host. With it, only what the plan gives to it is told.
    type: str
seealso:
  - module: vipkit.ha.vip_hand_over
"""

EXAMPLES = r"""
- name: Give away everything that this host holds
  vipkit.ha.vip_hand_over:
    state: yielded
    units: "{{ plan | vipkit.ha.hand_overs(inventory_hostname, ['node129']) }}"
    drain_file: /etc/keepalived/drain
"""

RETURN = r"""
_value:
  description: What is given as O(vipkit.ha.vip_hand_over#module:units).
  type: list
  elements: dict
  sample:
    - name: vrrp_instance_1
      file: /run/keepalived.yield.vrrp_instance_1
      value: 253
      addresses: [192.168.100.100]
      routers: [{interface: eth0, family: inet, virtual_router_id: 100, priority: 100}]
      advert_int: 1.0
      delay: 3.805
      patience: 7.0
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import number
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_timing import advert_int, master_down, skew, version_of
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_told import in_force, priority_of, why_unable

FAULT = 254
PASSED_ON = ('name', 'file', 'value', 'addresses')
SLACK = 1  # seconds that hosts and networks may take beside the protocol


def _parts(plan, told, node, unit):
    """(conf, block, priority) of each instance of a unit on a node that has all of them, or nothing."""
    conf = plan['hosts'][node]['conf']
    blocks = {block['name']: block for block in conf['vrrp_instance']}
    if not blocks.keys() >= set(unit['instances']):
        return []
    return [(conf, in_force(told, node, blocks[name]), priority_of(told, node, conf, blocks[name])) for name in unit['instances']]


def _after(own, parts):
    """The parts of the next node as they follow a master: with version 3 it goes by the interval that the adverts name (RFC 5798 section 5.2.7)."""
    return [(conf, {**block, 'advert_int': master['advert_int']} if version_of(conf, block) == 3 else block, priority)
            for (dummy, master, dummy2), (conf, block, priority) in zip(own, parts)]


def _moments(unit, parts, priority):
    """(seconds until the next node takes over, seconds after which it is certain that it does not)."""
    known = [(conf, block, priority or own) for conf, block, own in parts]
    waits = max(number(block.get('preempt_delay')) or 0 for conf, block, own in parts)
    # a check may have lowered the priority of the next one, and an advert may be lost
    latest = max(master_down(conf, block, 1) + advert_int(conf, block) for conf, block, own in parts) + SLACK
    if unit['value'] >= FAULT:
        return max(skew(*part) for part in known), max(skew(conf, block, 1) for conf, block, own in parts) + SLACK
    return None if waits else max(master_down(*part) for part in known), waits + latest


def hand_overs(plan, host, living, told=None, priorities=None, heir=None):
    """What a host can hand over, and how long each takes."""
    found, wanted = [], set(plan['hosts'][heir]['owned']) if heir else None
    for unit in plan['hosts'][host]['units']:
        if wanted is not None and not wanted & set(unit['addresses']):
            continue
        heirs = [parts for parts in (_parts(plan, told, node, unit) for node in living
                                     if node != host and not why_unable(told, node, unit['instances'])) if parts]
        if heirs:
            own = _parts(plan, told, host, unit)
            delay, patience = _moments(unit, _after(own, max(heirs, key=lambda parts: parts[0][2])), (priorities or {}).get(unit['name']))
            found.append({**{key: unit[key] for key in PASSED_ON}, 'delay': delay, 'patience': patience,
                          'routers': [{**router, 'priority': part[2]} for router, part in zip(unit['routers'], own)],
                          'advert_int': max(advert_int(conf, block) for conf, block, dummy in own)})
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'hand_overs': hand_overs}
