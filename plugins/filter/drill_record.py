# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_record
short_description: Put the results of a failover drill together with what it was made on
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives everything that a report of a drill needs, as data.
positional: _input, plan
options:
  _input:
    description: What P(vipkit.ha.drill_result#filter) gave for each fault.
    type: list
    elements: dict
    required: true
  plan:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
  began:
    description: When the drill began, in seconds since the epoch.
    type: float
    required: true
  ended:
    description: When it ended.
    type: float
    required: true
  witness:
    description: The host that probed.
    type: str
    required: true
  nodes:
    description: For each host C(keepalived) and C(nginx), the versions that run there, each null where that is not known.
    type: dict
    default: {}
  protocol:
    description: What a probe was.
    type: str
    default: http
  interval:
    description: Seconds between two probes.
    type: float
    default: 0.01
  sla:
    description: The seconds for which an address may be away.
    type: float
  profile:
    description: The profile of the cluster's timings.
    type: str
    default: classic
seealso:
  - plugin: vipkit.ha.drill_result
    plugin_type: filter
  - plugin: vipkit.ha.drill_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Put it together
  ansible.builtin.set_fact:
    drill: "{{ results | vipkit.ha.drill_record(plan=plan, began=began, ended=ended, witness='client') }}"
"""

RETURN = r"""
_value:
  description:
    - The drill, with C(began), C(ended), C(witness), C(nodes), C(protocol), C(interval), C(sla), C(profile), C(vips) of the plan, C(results) and
      C(passed).
    - C(settings) has for each instance C(version), C(advert_int) in seconds and C(priorities) by node. Where two clusters have an instance of
      the same name, it has its nodes beside it, as in C(vrrp_instance_1 (node128, node129)).
    - C(failures) has a sentence for everything that is wrong.
  type: dict
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._drill import failures
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_timing import advert_int, version_of


def _of(plan, name, nodes):
    """Of one virtual router, by the first of its nodes; they have to agree about all but the priority."""
    confs = {node: plan['hosts'][node]['conf'] for node in nodes}
    blocks = {node: next(block for block in conf['vrrp_instance'] if block['name'] == name) for node, conf in confs.items()}
    conf, block = confs[nodes[0]], blocks[nodes[0]]
    return {'version': version_of(conf, block), 'advert_int': advert_int(conf, block),
            'priorities': {node: int(block['priority']) for node, block in blocks.items()}}


def _settings(plan):
    """Of each instance what decides about its timing."""
    routers = list(dict.fromkeys((vip['instance'], tuple(vip['nodes'])) for vip in plan['vips']))
    names = [name for name, dummy in routers]
    return {name if names.count(name) == 1 else f"{name} ({', '.join(nodes)})": _of(plan, name, nodes) for name, nodes in routers}


def drill_record(results, plan, began, ended, witness, nodes=None, protocol='http', interval=0.01, sla=None, profile='classic'):
    """Everything that a report needs."""
    return {
        'began': float(began), 'ended': float(ended), 'witness': witness, 'interval': float(interval), 'protocol': protocol,
        'sla': None if sla is None else float(sla), 'nodes': nodes or {}, 'vips': plan['vips'], 'profile': profile, 'settings': _settings(plan),
        'results': results, 'failures': failures({'results': results}), 'passed': bool(results) and all(result['passed'] for result in results),
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'drill_record': drill_record}
