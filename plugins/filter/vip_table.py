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
positional: _input, probed
options:
  _input:
    description: The report, from P(vipkit.ha.vip_report#filter).
    type: dict
    required: true
  probed:
    description:
      - What M(vipkit.ha.vip_probe) returned, also where the host that was to ask could not be reached or the task was skipped.
      - A virtual IP without an answer is shown as not asked.
    type: dict
    default: {}
seealso:
  - module: vipkit.ha.vip_probe
  - plugin: vipkit.ha.vip_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show who owns what
  ansible.builtin.debug:
    msg: "{{ report | vipkit.ha.vip_table(probed) }}"
"""

RETURN = r"""
_value:
  description: The heading and one line for each virtual IP.
  type: list
  elements: str
"""

_HEADING = ('VIP', 'expected owner', 'owner seen', 'on the wire', 'HTTP through the VIP')


def _shown(answer):
    """Status and first line of an answer, or why there is none."""
    return f"{answer['status']} {answer['line'][:60]}".strip() if answer['status'] else answer['error']


def vip_table(report, probed=None):
    """Lines of text with aligned columns."""
    probed = probed or {}
    answered = {answer['address']: _shown(answer) for answer in probed.get('answers', [])}
    otherwise = 'the witness cannot be reached' if probed.get('unreachable') else probed.get('msg', 'not asked')
    lines = [_HEADING] + [(row['address'], row['expected'], ', '.join(row['seen']) or 'nobody',
                           ', '.join(sorted({*row['advertised_by'], *row['answered_by']})) or '-', answered.get(row['address'], otherwise))
                          for row in report['rows']]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ['  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vip_table': vip_table}
