# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vip_worse
short_description: Tell which virtual IPs a change has made worse
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Compares the report of before a change with that of after it.
  - Best is one owner. Worse is none, and worst are several. What was as bad before is not the change's doing, and which one owns it
    does not count, since a virtual IP may still be on its way home.
positional: _input, now
options:
  _input:
    description: The report of before, from P(vipkit.ha.vip_report#filter).
    type: dict
    required: true
  now:
    description: The report of after.
    type: dict
    required: true
seealso:
  - plugin: vipkit.ha.vip_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Require that the change did no harm
  ansible.builtin.assert:
    that: before | vipkit.ha.vip_worse(after) | length == 0
"""

RETURN = r"""
_value:
  description: One sentence for each virtual IP that is worse off. Empty when none is.
  type: list
  elements: str
"""


from ansible_collections.vipkit.ha.plugins.filter.vip_report import ELSEWHERE


def vip_worse(before, now):
    """One sentence for each virtual IP that is worse off."""
    grades = {row['address']: row['grade'] for row in before['rows']}
    return [f"{row['address']} ({row['instance']}) was held by {', '.join(held['seen']) or 'nobody'} before and is now held by "
            f"{', '.join(row['seen']) or 'nobody'}" + (f", and advertised by {', '.join(row['advertised_by'])}" if row['advertised_by'] else '')
            for held, row in zip(before['rows'], now['rows']) if row['grade'] > max(grades[row['address']], ELSEWHERE)]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vip_worse': vip_worse}
