# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vrrp_strangers
short_description: Name routers and hosts outside of a cluster that use what is the cluster's
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Compares what the hosts of a cluster heard on the wire with who its members are.
  - A stranger is a router that advertises one of the plan's C(virtual_router_id) in that instance's network, or a hardware address that
    answers for one of its virtual IPs.
  - A foreign router that is BACKUP says nothing, so it cannot be found.
  - Where the facts of a member are missing, nobody is called a stranger, since it could be that member.
positional: _input, heard, hostvars
options:
  _input:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
  heard:
    description: What M(vipkit.ha.vrrp_adverts) returned on each host that listened, by the host's name.
    type: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars). Only C(ansible_facts) of the members is read.
    type: dict
    required: true
seealso:
  - module: vipkit.ha.vrrp_adverts
"""

EXAMPLES = r"""
- name: Require that nobody else uses what the cluster is about to claim
  ansible.builtin.assert:
    that: strangers | length == 0
    fail_msg: "{{ strangers | join('\n') }}"
  vars:
    strangers: "{{ plan | vipkit.ha.vrrp_strangers(heard, hostvars) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each stranger. Empty when there is none.
  type: list
  elements: str
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_wire import Wire


def vrrp_strangers(plan, heard, hostvars):
    """One sentence for each stranger."""
    return Wire(plan, heard, hostvars).strangers()


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vrrp_strangers': vrrp_strangers}
