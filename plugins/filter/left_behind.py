# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: left_behind
short_description: Tell which virtual IPs nobody else could serve if a host went away
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - A virtual IP is left behind when the host is one of its nodes and none of its other nodes serves. Whoever serves another one is of no help.
positional: _input, host, serving
options:
  _input:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
  host:
    description: The host's name in the inventory.
    type: str
    required: true
  serving:
    description: The other hosts whose keepalived runs and which are not drained.
    type: list
    elements: str
    required: true
  shared:
    description: Leave out those that the host has for itself, and those that it cannot give away because of priority 255.
    type: bool
    default: false
  told:
    description:
      - What M(vipkit.ha.keepalived_status) returned on each host that was asked, by its name. Then whoever is unfit does not count, as
        P(vipkit.ha.unfit#filter) says, and nothing is left behind of an instance that O(host) itself has not loaded.
    type: dict
seealso:
  - plugin: vipkit.ha.unfit
    plugin_type: filter
  - plugin: vipkit.ha.hand_overs
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What would be gone without this host?
  ansible.builtin.debug:
    msg: "{{ plan | vipkit.ha.left_behind(inventory_hostname, ['node129']) }}"
"""

RETURN = r"""
_value:
  description: The addresses, in the order of the plan.
  type: list
  elements: str
  sample: [192.168.100.100]
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_told import has_loaded, why_unfit


def left_behind(plan, host, serving, shared=False, told=None):
    """The addresses that nobody else could serve."""
    movable = {address for unit in plan['hosts'][host]['units'] for address in unit['addresses']}
    found = []
    for vip in plan['vips']:
        others = set(vip['nodes']) - {host}
        is_stuck = not others or vip['address'] not in movable
        fit = [node for node in others & set(serving) if not why_unfit(plan, told, node, [vip['instance']])]
        if host in vip['nodes'] and has_loaded(told, host, vip['instance']) and (not shared if is_stuck else not fit):
            found.append(vip['address'])
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'left_behind': left_behind}
