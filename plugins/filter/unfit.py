# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: unfit
short_description: Tell which hosts should not take over from a host, and why
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - A host is unfit for an instance when its keepalived does not answer or has not loaded it, when the instance is neither V(BACKUP) nor
    V(MASTER) there, and when a check that it follows fails, even if that only lowers its priority.
  - A check with C(reverse) says nothing about that.
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
  told:
    description: What M(vipkit.ha.keepalived_status) returned on each of them, by its name. A host that is missing does not answer.
    type: dict
    required: true
seealso:
  - plugin: vipkit.ha.left_behind
    plugin_type: filter
  - module: vipkit.ha.keepalived_status
"""

EXAMPLES = r"""
- name: Who is no help?
  ansible.builtin.debug:
    msg: "{{ plan | vipkit.ha.unfit(inventory_hostname, ['node129'], {'node129': node129_status}) }}"
"""

RETURN = r"""
_value:
  description: One clause for each reason.
  type: list
  elements: str
  sample: ["node129: vrrp_instance_1 is in state FAULT"]
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_told import why_unfit


def unfit(plan, host, serving, told):
    """Who should not take over, and why."""
    moved = {name for unit in plan['hosts'][host]['units'] for name in unit['instances']}
    found = []
    for node in serving:
        names = [block['name'] for block in plan['hosts'][node]['conf']['vrrp_instance'] if block['name'] in moved]
        found += [f'{node}: {why}' for why in why_unfit(plan, told, node, names)] if names else []
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'unfit': unfit}
