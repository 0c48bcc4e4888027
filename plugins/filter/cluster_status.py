# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_status
short_description: Join what hosts, keepalived and the wire tell of a cluster, and name what is not as it should be
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Puts together, for each host and each of its VRRP instances, what its keepalived thinks, who holds the virtual IPs, and who advertises
    them on the wire, beside the builds of the programs.
  - A host that did not answer, or not all that it was asked, is named, and everything else is told without it. So a list C(drift) that is
    empty says that all members were looked at whole.
positional: _input, plan, hostvars, wanted
options:
  _input:
    description:
      - For each host what was found there. A host that did not answer has nothing but perhaps C(why), an error; so has one that ceased to
        answer, beside what it had told.
      - C(installed) and C(units) are those that P(vipkit.ha.build_status#filter) takes.
      - C(state) is what M(vipkit.ha.keepalived_state) returned with O(vipkit.ha.keepalived_state#module:planned), C(keepalived) what
        M(vipkit.ha.keepalived_status) did, C(ownership) what M(vipkit.ha.vip_ownership) did, and C(wire) what M(vipkit.ha.vrrp_adverts) did.
      - A member has to have all of them but C(wire), which is left out where nobody listens.
      - C(issues) is a dictionary of each program to what P(vipkit.ha.known_issues#filter) found.
    type: dict
    required: true
  plan:
    description:
      - The plan, from P(vipkit.ha.vrrp_plan#filter), and from P(vipkit.ha.plan_around#filter) when a host is drained.
      - Of one with findings, only those are told.
    type: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars), to name the hosts by their addresses on the wire.
    type: dict
    default: {}
  wanted:
    description: As in P(vipkit.ha.build_status#filter).
    type: dict
    default: {}
seealso:
  - plugin: vipkit.ha.status_html
    plugin_type: filter
  - plugin: vipkit.ha.build_status
    plugin_type: filter
  - plugin: vipkit.ha.vip_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show how the cluster is
  ansible.builtin.debug:
    msg: "{{ (found | vipkit.ha.cluster_status(plan, hostvars)).lines }}"
"""

RETURN = r"""
_value:
  description: The status.
  type: dict
  contains:
    lines:
      description: A table for the terminal, a line for each host and instance.
      type: list
      elements: str
    build_lines:
      description: The table of P(vipkit.ha.build_status#filter).
      type: list
      elements: str
    issue_lines:
      description: For each program and each set of hosts with the same issues one line with their names. Only those that can be reached.
      type: list
      elements: str
    drift:
      description: One sentence for each thing that is not as it should be. Empty when all is well.
      type: list
      elements: str
    instances:
      description:
        - For each host and instance C(host), C(instance), C(state), C(priority), C(effective_priority), C(last_transition) (seconds since the
          epoch), C(became_master), C(checks) (a list of C(name) and C(success)), C(drained), C(addresses), C(held_by) and C(on_the_wire).
        - What a keepalived did not tell is null, and C(state) then says why.
      type: list
      elements: dict
    vips:
      description: The rows of P(vipkit.ha.vip_report#filter).
      type: list
      elements: dict
    builds:
      description: The rows of P(vipkit.ha.build_status#filter).
      type: list
      elements: dict
    issues:
      description: For each issue C(program), C(hosts), and what P(vipkit.ha.known_issues#filter) returned. The worst of each program come first.
      type: list
      elements: dict
"""

from ansible_collections.vipkit.ha.plugins.filter.build_status import build_status
from ansible_collections.vipkit.ha.plugins.filter.vip_report import vip_report
from ansible_collections.vipkit.ha.plugins.plugin_utils._report_page import moment
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_wire import Wire, virtual_router

# Ansible's output in YAML breaks long lines where a single space is, so the columns to the right have none.
_COLUMNS = ('host', 'drained', 'instance', 'state', 'priority', 'checks', 'since', 'VIP', 'owner', 'wire')
SOUND = ('MASTER', 'BACKUP', 'not asked')  # of any other state stands a sentence in the drift
_OF_ALL = ('installed',)
_OF_MEMBERS = ('installed', 'state', 'keepalived', 'ownership')
_NOT_TOLD = {'state': None, 'priority': None, 'effective_priority': None, 'last_transition': None, 'became_master': None, 'scripts': []}


def _silent(hosts, members):
    """Who did not answer all that was asked, and why, as far as it is known, in one line."""
    for name, host in hosts.items():
        if 'why' in host or not set(_OF_MEMBERS if name in members else _OF_ALL) <= set(host):
            why = ' '.join(str(host.get('why') or '').split()).rstrip('.')
            yield f'{name} did not answer' + (f': {why[:200]}.' if why else '.')


def _report(plan, hosts, hostvars):
    """The report over the hosts that answered; of a member that did not, what the others hear of it."""
    known = {**plan, 'members': [name for name in plan['members'] if 'ownership' in hosts.get(name, {}) or name not in plan['without_facts']]}
    heard = {name: host['wire'] for name, host in hosts.items() if 'wire' in host}
    advertised_by = Wire(known, heard, hostvars).advertised_by()
    seen = {name: hosts[name]['ownership'] if 'ownership' in hosts.get(name, {}) else
            {'as_expected': True, 'holding': [{'address': vip['address']} for vip in plan['vips'] if name in advertised_by.get(virtual_router(vip), [])]}
            for name in known['members']}
    return vip_report(known, seen, heard, hostvars, {name: host['state'] for name, host in hosts.items() if 'state' in host})


def _instance_rows(plan, hosts, report, drained):
    for name in plan['members']:
        host = hosts.get(name, {})
        told = host.get('keepalived', {})
        by_name = {one['name']: one for one in told.get('instances', [])}
        successes = {one['name']: one['success'] for one in told.get('scripts', [])}
        for block in plan['hosts'][name]['conf']['vrrp_instance']:
            vips = [row for row in report['rows'] if row['instance'] == block['name'] and _is_of(plan, row, name)]
            own = by_name.get(block['name'], _NOT_TOLD)
            otherwise = 'not loaded' if told.get('answers') else 'keepalived is silent' if told else 'no answer' if name in hosts else 'not asked'
            yield {
                'host': name, 'drained': name in drained or host.get('state', {}).get('drained'), 'instance': block['name'], 'state': own['state'] or otherwise,
                **{key: own[key] for key in ('priority', 'effective_priority', 'last_transition', 'became_master')},
                'checks': [{'name': script, 'success': successes.get(script)} for script in own['scripts']],
                'addresses': [row['address'] for row in vips], 'held_by': list(dict.fromkeys(holder for row in vips for holder in row['seen'])),
                'on_the_wire': sorted({who for row in vips for who in (*row['advertised_by'], *row['answered_by'])}),
            }


def _is_of(plan, row, host):
    """Whether a host serves the instance of a virtual IP; two clusters may have instances of the same name."""
    return any(vip['address'] == row['address'] and host in vip['nodes'] for vip in plan['vips'])


def check_text(check):
    """What keepalived thinks of a check."""
    return f"{check['name']} {'not run yet' if check['success'] is None else 'good' if check['success'] else 'FAILED'}"


def drained_text(drained):
    """Whether a host is drained; null where that is not known."""
    return '-' if drained is None else 'yes' if drained else 'no'


def priority_text(row):
    """The priority that counts, and the configured one where checks or tracked files have changed it."""
    if row['effective_priority'] in (None, row['priority']):
        return '-' if row['priority'] is None else str(row['priority'])
    return f"{row['effective_priority']} of {row['priority']}"


def _cells(row):
    checks = [check_text(check).replace(' ', ':', 1).replace(' ', '-') for check in row['checks']]
    since = '-' if row['last_transition'] is None else moment(row['last_transition']).replace(' ', 'T', 1).replace(' UTC', 'Z')
    return (row['host'], drained_text(row['drained']), row['instance'], row['state'], priority_text(row), ','.join(checks) or '-', since,
            ','.join(row['addresses']) or '-', ','.join(row['held_by']) or 'nobody', ','.join(row['on_the_wire']).replace(' ', '') or '-')


def _table(cells):
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ['  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]


def _wrong(hosts, rows, drained):
    """What keepalived itself says is wrong, and who is drained."""
    for name in drained:
        yield f'{name} is drained, so what it owns is elsewhere: run undrain.yml for it when the work on it is done.'
    for name, host in hosts.items():
        told = host.get('keepalived', {})
        if told.get('answers') is False and host.get('state', {}).get('alive'):  # else the report has told of it
            yield f"{name}: {told['msg']}."
        for script in told.get('scripts', []):
            if script['success'] is False:
                yield f"{name}: keepalived counts its check {script['name']} as failed: look at what it checks."
    for row in rows:
        if row['state'] == 'not loaded':
            yield f"{row['host']}: {row['instance']} is not loaded by keepalived, which runs another configuration."
        elif row['state'] not in (*SOUND, 'no answer', 'keepalived is silent'):
            yield f"{row['host']}: {row['instance']} is in {row['state']}."


def _issues(hosts):
    """Each issue with the hosts that have it."""
    found = {}
    for name, host in hosts.items():
        for program, issues in host.get('issues', {}).items():
            for issue in issues:
                found.setdefault((program, issue['id'], issue['reach']), {'program': program, **issue, 'hosts': []})['hosts'].append(name)
    return sorted(found.values(), key=lambda issue: issue['program'])


def _issue_lines(issues):
    lines = {}
    for issue in issues:
        if issue['reach'] != 'built':
            doubt = ' (perhaps)' if issue['reach'] == 'unknown' else ''
            lines.setdefault((issue['program'], *issue['hosts']), []).append(f"{issue['severity']} {issue['id']}{doubt}")
    return [f"{program} on {', '.join(names)}: {', '.join(found)}" for (program, *names), found in lines.items()]


def cluster_status(hosts, plan, hostvars=None, wanted=None):
    """How a cluster is, and what of it is not as it should be."""
    builds = build_status(hosts, wanted)
    issues = _issues(hosts)
    drained = plan.get('drained', [])
    report, rows, members = {'rows': [], 'problems': []}, [], []
    if not plan['findings']:
        members = plan['members']
        report = _report(plan, hosts, hostvars or {})
        rows = list(_instance_rows(plan, hosts, report, drained))
    unsound = [f'The description of the cluster is unsound, so nothing is told of its instances: {sentence}' for sentence in plan['findings']]
    return {'lines': _table([_COLUMNS, *map(_cells, rows)]), 'build_lines': builds['lines'], 'issue_lines': _issue_lines(issues),
            'drift': [*_silent(hosts, members), *builds['drift'], *unsound, *report['problems'], *_wrong(hosts, rows, drained)],
            'instances': rows, 'vips': report['rows'], 'builds': builds['rows'], 'issues': issues}


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'cluster_status': cluster_status}
