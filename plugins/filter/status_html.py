# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: status_html
short_description: Lay out the status of a cluster as one HTML page
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives one page that needs nothing else, no other file, no network and no script, in the look of P(vipkit.ha.drill_html#filter).
  - Names of hosts and texts of errors are shown as text, whatever they hold.
positional: _input, written
options:
  _input:
    description: The status, from P(vipkit.ha.cluster_status#filter).
    type: dict
    required: true
  written:
    description: When the cluster was looked at, in seconds since the epoch.
    type: float
    required: true
seealso:
  - plugin: vipkit.ha.cluster_status
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    content: "{{ status | vipkit.ha.status_html(now().timestamp()) }}"
    dest: report/status.html
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

from ansible_collections.vipkit.ha.plugins.filter.cluster_status import SOUND, check_text, drained_text, priority_text
from ansible_collections.vipkit.ha.plugins.plugin_utils._report_page import badge, described, element, listed, moment, page, table, verdict

_REACHES = {'reachable': 'can be reached', 'unknown': 'perhaps', 'built': 'built in, not used'}


def _state(row):
    """A state with its verdict; MASTER and BACKUP are both as it should be, and of who is not asked there is none."""
    return row['state'] if row['state'] in SOUND else badge(False, bad=row['state'])


def _dash(text):
    return '–' if text == '-' else text


def _checks(row):
    return [element('div', badge(check['success'], check_text(check), check_text(check)) if check['success'] is not None else check_text(check))
            for check in row['checks']] or '–'


def _instances(status):
    rows = [(f"{row['host']}, {row['instance']}", _state(row), _dash(priority_text(row)), _checks(row),
             '–' if row['last_transition'] is None else moment(row['last_transition']), '–' if row['became_master'] is None else row['became_master'],
             _dash(drained_text(row['drained']))) for row in status['instances']]
    return table(('Host, instance', 'State', 'Priority', 'Checks', 'Last transition', 'Became master', 'Host drained'), rows,
                 'What keepalived thinks of itself') if rows else None


def _vips(status):
    rows = [(f"{row['address']} ({row['instance']})", badge(row['grade'] == 0, 'in order', 'not in order'), row['expected'],
             ', '.join(row['seen']) or 'nobody', ', '.join(row['advertised_by']) or '–', ', '.join(row['answered_by']) or '–') for row in status['vips']]
    return table(('Virtual IP', 'Verdict', 'Expected on', 'Held by', 'Advertised by', 'Answered for by'), rows, 'Who has each virtual IP') if rows else None


def _builds(status):
    rows = [(f"{row['host']}, {row['program']}", row['version'], row['build'] or '–', _in_force(row['in force']), row['built'] or '–', row['by'] or '–',
             row['kept'] or 'nothing') for row in status['builds']]
    return table(('Host, program', 'Version', 'Fingerprint', 'In force', 'Built', 'By', 'Can go back to'), rows, 'What is installed') if rows else None


def _in_force(told):
    return badge(told == 'yes', 'yes', str(told)) if told else '–'


def _issues(status):
    rows = [(issue['id'], f"{issue['severity']}, {_REACHES[issue['reach']]}", issue['program'], ', '.join(issue['hosts']),
             ' '.join(text for text in (issue['also'] and f"If: {issue['also']}", issue['summary'], issue['advice']) if text), issue['source'])
            for issue in status['issues']]
    if not rows:
        return element('p', 'Nothing is known to be wrong with what is installed.')
    return table(('Issue', 'Severity', 'Program', 'Hosts', 'What it is, and what to do', 'Source'), rows)


def _help():
    return described(
        ('State', 'As keepalived calls it. FAULT: a check without a weight, or an interface, keeps the instance from taking its addresses. '
                  '"no answer": the host did not answer. "keepalived is silent": the host did, and its keepalived does not run or does not answer.'),
        ('Priority', 'What keepalived advertises. "50 of 100": 100 is configured, and checks or tracked files take 50 off.'),
        ('Held by', 'The hosts that have the address on an interface, as their kernels say.'),
        ('Advertised by, answered for by', 'What all hosts together heard on the wire: adverts of VRRP (RFC 5798), and answers to ARP or neighbour discovery.'),
        ('Fingerprint', 'It stands for version, source, flags, patches, platform and toolchain of a build. Hosts of one platform have the same.'),
        ('In force', 'Whether program, unit and configuration on the disk are those that run.'),
        ('Severity', 'Of the issue as its source rates it, and whether the configuration does what the issue needs.'))


def status_html(status, written):
    """A page about a cluster."""
    drift = status['drift']
    told = f"Looked at {moment(float(written))}."
    heading = 'All is as it should be'
    if drift:
        heading = '1 thing is not as it should be' if len(drift) == 1 else f'{len(drift)} things are not as they should be'
    return page(f'Status: {heading}', verdict(not drift, heading, told),
                [element('h2', 'What is not as it should be'), listed(drift)] if drift else None,
                element('h2', 'Virtual IPs and instances'), _vips(status), _instances(status),
                element('h2', 'Builds'), _builds(status), element('h2', 'Known issues'), _issues(status),
                element('h2', 'How to read this'), _help())


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'status_html': status_html}
