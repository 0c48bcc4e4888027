# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vip_heirs
short_description: Tell who takes over what a host owns when it stops
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - For each virtual IP whose planned owner the host is, the next one in order of preference among those that live.
  - A virtual IP that nobody else alive has in its nodes has no heir and is left out.
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
seealso:
  - plugin: vipkit.ha.vrrp_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Who takes what this host has?
  ansible.builtin.debug:
    msg: "{{ plan | vipkit.ha.vip_heirs(inventory_hostname, ['node128', 'node129']) }}"
"""

RETURN = r"""
_value:
  description: The heirs, each with the addresses that it takes.
  type: dict
  sample:
    node129: [192.168.100.100]
"""


def vip_heirs(plan, host, living):
    """Each heir with the addresses that it takes."""
    heirs = {}
    for vip in plan['vips']:
        heir = next((name for name in vip['nodes'] if name != host and name in living), None)
        if vip['owner'] == host and heir:
            heirs.setdefault(heir, []).append(vip['address'])
    return heirs


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vip_heirs': vip_heirs}
