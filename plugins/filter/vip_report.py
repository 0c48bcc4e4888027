# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vip_report
short_description: Compare who holds each virtual IP with the plan, over all hosts
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Each host can be right about itself and the cluster still be wrong, so this joins what all of them saw.
  - A virtual IP is in order when exactly one host holds it, that one is the planned owner, and no host saw it move of late.
    Where the plan names no owner (C(nopreempt)), any one of its nodes will do.
positional: _input
options:
  _input:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
  seen:
    description: What M(vipkit.ha.vip_ownership) returned on each host, by the host's name. A host that is missing has not reported.
    type: dict
    required: true
seealso:
  - module: vipkit.ha.vip_ownership
  - plugin: vipkit.ha.vip_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Require the planned owner of every virtual IP
  ansible.builtin.assert:
    that: report.problems | length == 0
    fail_msg: "{{ report.problems | join(' ') }}"
  vars:
    report: "{{ plan | vipkit.ha.vip_report(seen) }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    problems:
      description: One sentence for each virtual IP that is not where it should be, with every owner seen. Empty when all is well.
      type: list
      elements: str
    rows:
      description: For each virtual IP C(address), C(instance), C(expected) and C(seen) (list of hosts).
      type: list
      elements: dict
"""


def _holders(address, seen):
    return [host for host, result in seen.items()
            if any(held['address'] == address for held in (result or {}).get('holding', []))]


def _problem(vip, holders):
    expected = vip['owner'] or 'any one of ' + ', '.join(vip['nodes'])
    what = f"{vip['address']} ({vip['instance']}): expected on {expected}, "
    if not holders:
        return what + "no host holds it: look at keepalived's log and at its check scripts on the expected owner."
    if len(holders) > 1:
        return what + (f"{len(holders)} hosts hold it ({', '.join(holders)}): split brain, look whether VRRP packets pass between them "
                       'and whether one keeps an address of a dead keepalived.')
    if holders[0] not in ([vip['owner']] if vip['owner'] else vip['nodes']):
        return what + (f"{holders[0]} holds it: look at keepalived's log and at its check scripts on the expected owner.")
    return None


def vip_report(plan, seen):
    """What is wrong, and a row for each virtual IP."""
    rows, problems = [], []
    for vip in plan['vips']:
        holders = _holders(vip['address'], seen)
        problem = _problem(vip, holders)
        if problem:
            problems.append(problem)
        rows.append({
            'address': vip['address'],
            'instance': vip['instance'],
            'expected': vip['owner'] or 'any',
            'seen': holders,
        })
    for host in plan['members']:
        if host not in seen:
            problems.append(f'{host} has not reported: run this for all hosts of the cluster, and look whether {host} can be reached.')
    if not problems:
        # each address is in its place at the last look, but some host did not see that last
        problems = [str(result.get('msg')) + '.' for result in seen.values() if not result['as_expected']]
    return {'problems': problems, 'rows': rows}


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vip_report': vip_report}
