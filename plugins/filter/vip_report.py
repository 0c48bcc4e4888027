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
  - Each host can be right about itself and the cluster still be wrong, so this joins what all of them saw, of themselves and
    on the wire.
  - A virtual IP is in order when exactly one host holds it, that one is the planned owner, no host saw it move of late, no
    other router advertises it and no other hardware address answers for it.
  - Where the plan names no owner (C(nopreempt)), any one of its nodes will do.
positional: _input, seen, heard, hostvars, states
options:
  _input:
    description: The plan, from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
  seen:
    description: What M(vipkit.ha.vip_ownership) returned on each host, by the host's name. A host that is missing has not reported.
    type: dict
    required: true
  heard:
    description:
      - What M(vipkit.ha.vrrp_adverts) returned on each host that listened, by the host's name.
      - Without it the report tells nothing of the wire.
    type: dict
    default: {}
  states:
    description:
      - What M(vipkit.ha.keepalived_state) returned with O(vipkit.ha.keepalived_state#module:planned) on each host, by the host's name.
      - A host on which something does not run, or is not as planned, is a problem even while all addresses are in their place.
    type: dict
    default: {}
  hostvars:
    description: Ansible's C(hostvars), to name the hosts by their addresses. Needed with O(heard).
    type: dict
    default: {}
seealso:
  - module: vipkit.ha.vip_ownership
  - module: vipkit.ha.vrrp_adverts
  - module: vipkit.ha.keepalived_state
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
      description:
        - One sentence for each virtual IP that is not where it should be, with every owner seen, and for each thing of a host that is not as
          planned. Empty when all is well.
      type: list
      elements: str
    rows:
      description:
        - For each virtual IP C(address), C(instance), C(expected), C(seen) (list of hosts), C(advertised_by) and C(answered_by) (lists of
          hosts, or of addresses that are no member's), and C(grade).
        - The grade is V(0) when it is in order, V(1) when one other host holds it, V(2) when nobody does, V(3) when it has several owners.
      type: list
      elements: dict
"""


from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_wire import Wire, virtual_router

IN_ORDER = 0
ELSEWHERE = 1
NOWHERE = 2
SEVERAL = 3


def _holders(address, seen):
    return [host for host, result in seen.items()
            if any(held['address'] == address for held in (result or {}).get('holding', []))]


def _listed(names):
    return ', '.join(names)


def _advice(holders, advertisers):
    """What to do about several owners: where one alone says that it is master, the others hold what their keepalived has let go."""
    stale = [host for host in holders if host not in advertisers]
    if len(advertisers) == 1 and advertisers[0] in holders and stale:
        return (f'only {advertisers[0]} advertises it, and {_listed(stale)} keeps a stale address: restart keepalived there, which takes it off, or use '
                'ip address del')
    return 'look whether VRRP packets pass between them and whether one keeps an address of a dead keepalived'


def _owners(vip, row, listeners):
    """Grade of a virtual IP, and what is wrong with its owners."""
    holders, advertisers, answerers = row['seen'], row['advertised_by'], row['answered_by']
    for names, what in ((holders, 'hosts hold it'), (advertisers, 'routers advertise it'), (answerers, 'hardware addresses answer for it')):
        if len(names) > 1:
            return SEVERAL, f'{len(names)} {what} ({_listed(names)}): split brain, {_advice(holders, advertisers)}'
    if not holders:
        return NOWHERE, "no host holds it: look at keepalived's log and at its check scripts on the expected owner"
    for names, what in ((advertisers, 'advertises'), (answerers, 'answers for')):
        if names and names != holders:
            return SEVERAL, f'{_listed(holders)} holds it and {_listed(names)} {what} it: split brain, find out who that is and stop it'
    if not advertisers and holders[0] in listeners:
        return ELSEWHERE, f'{holders[0]} holds it and does not advertise it: look whether the VRRP process of keepalived runs there'
    if holders[0] not in ([vip['owner']] if vip['owner'] else vip['eligible']):
        return ELSEWHERE, f"{holders[0]} holds it: look at keepalived's log and at its check scripts on the expected owner"
    return IN_ORDER, None


def vip_report(plan, seen, heard=None, hostvars=None, states=None):
    """What is wrong, and a row for each virtual IP."""
    heard = heard or {}
    wire = Wire(plan, heard, hostvars or {})
    advertised_by, answered_by = wire.advertised_by(), wire.answered_by()
    rows, problems = [], []
    for vip in plan['vips']:
        row = {
            'address': vip['address'],
            'instance': vip['instance'],
            'expected': vip['owner'] or 'any',
            'seen': _holders(vip['address'], seen),
            'advertised_by': advertised_by.get(virtual_router(vip), []),
            'answered_by': answered_by.get(vip['address'], []),
        }
        row['grade'], problem = _owners(vip, row, heard)
        if problem:
            expected = vip['owner'] or 'any one of ' + _listed(vip['eligible'])
            problems.append(f"{vip['address']} ({vip['instance']}): expected on {expected}, {problem}.")
        rows.append(row)
    for host in plan['members']:
        if host not in seen:
            problems.append(f'{host} has not reported: run this for all hosts of the cluster, and look whether {host} can be reached.')
    for host, state in (states or {}).items():
        problems += [f"{host}: {text}." for text in ([] if state['alive'] else [state['msg']]) + state['deviations']]
    if not problems:
        # each address is in its place at the last look, but some host did not see that last
        problems = [str(result.get('msg')) + '.' for result in seen.values() if not result['as_expected']]
    return {'problems': problems, 'rows': rows}


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vip_report': vip_report}
