# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vip_table
short_description: Lay out a report on virtual IPs as a table
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives the rows of a report as aligned lines of text, beside who advertises each virtual IP or answers for it
    on the wire, and what a witness got over HTTP from it.
positional: _input, answers
options:
  _input:
    description: The report, from P(vipkit.ha.vip_report#filter).
    type: dict
    required: true
  answers:
    description:
      - Results of M(ansible.builtin.uri) in a loop over the virtual IPs with the loop variable C(vip).
      - A virtual IP without a result is shown as not asked.
    type: list
    elements: dict
    default: []
seealso:
  - plugin: vipkit.ha.vip_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show who owns what
  ansible.builtin.debug:
    msg: "{{ report | vipkit.ha.vip_table(answers.results) }}"
"""

RETURN = r"""
_value:
  description: The heading and one line for each virtual IP.
  type: list
  elements: str
"""

_HEADING = ('VIP', 'expected owner', 'owner seen', 'on the wire', 'HTTP through the VIP')


def _answer(result):
    """Status and first line of an answer, or why there is none."""
    if result.get('unreachable'):
        return 'the witness cannot be reached'
    status = result.get('status', -1)
    if status < 100:
        return result.get('msg', 'no answer').removeprefix('Status code was -1 and not [200]: ')
    content = str(result.get('content', '')).strip()
    return f'{status} {content.splitlines()[0][:60]}' if content else str(status)


def vip_table(report, answers=None):
    """Lines of text with aligned columns."""
    answered = {result['vip']['address']: _answer(result) for result in answers or []}
    lines = [_HEADING] + [(row['address'], row['expected'], ', '.join(row['seen']) or 'nobody',
                           ', '.join(sorted({*row['advertised_by'], *row['answered_by']})) or '-', answered.get(row['address'], 'not asked'))
                          for row in report['rows']]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ['  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vip_table': vip_table}
