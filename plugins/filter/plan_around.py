# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_around
short_description: Adapt a plan to hosts that are drained
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - A drained host takes a virtual IP only when all others that serve it are gone. So the owner of each is the first of its nodes that
    is not drained.
  - Where all nodes of a virtual IP are drained, any of them may have it.
  - An earlier adaptation is taken back, so the hosts that are drained now are all that it needs.
positional: _input, drained
options:
  _input:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter) or from here.
    type: dict
    required: true
  drained:
    description: The hosts that are drained.
    type: list
    elements: str
    required: true
seealso:
  - plugin: vipkit.ha.vrrp_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Who will own what while node128 is drained?
  ansible.builtin.debug:
    msg: "{{ (plan | vipkit.ha.plan_around(['node128'])).vips }}"
"""

RETURN = r"""
_value:
  description:
    - The plan, with C(drained) and, in C(vips), another C(owner) and C(eligible). C(preferred) is the owner without drained hosts.
  type: dict
"""


def _vip(vip, drained):
    """A virtual IP with the owner that it has now."""
    preferred = vip.get('preferred', vip['owner'])
    eligible = [node for node in vip['nodes'] if node not in drained]
    if not eligible:
        return {**vip, 'preferred': preferred, 'eligible': vip['nodes'], 'owner': None}
    # with nopreempt history decides, as long as there is more than one
    owner = eligible[0] if preferred or len(eligible) == 1 and drained else None
    return {**vip, 'preferred': preferred, 'eligible': eligible, 'owner': owner}


def plan_around(plan, drained):
    """The plan, as it is while some hosts are drained."""
    vips = [_vip(vip, set(drained)) for vip in plan['vips']]
    hosts = {}
    for name, host in plan['hosts'].items():
        held = {'owned': [], 'not_owned': [], 'watched': []}
        for vip in vips:
            if name in vip['nodes']:
                may = vip['owner'] is None and name in vip['eligible']
                held['watched' if may else 'owned' if vip['owner'] == name else 'not_owned'].append(vip['address'])
        hosts[name] = {**host, **held}
    order = sorted(hosts, key=lambda name: len(hosts[name]['owned']))
    return {**plan, 'vips': vips, 'hosts': hosts, 'drained': sorted(drained), 'backups_first': order}


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'plan_around': plan_around}
