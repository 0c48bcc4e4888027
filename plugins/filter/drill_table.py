# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_table
short_description: Lay out a failover drill, planned or made, as a table for the terminal
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives one line for each fault and virtual IP. Addresses that a fault does not concern are left out while nothing happened to them.
positional: _input
options:
  _input:
    description: What P(vipkit.ha.drill_record#filter) gave, or P(vipkit.ha.drill_plan#filter) for a drill that is still to be made.
    type: dict
    required: true
seealso:
  - plugin: vipkit.ha.drill_record
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what came of it
  ansible.builtin.debug:
    msg: "{{ drill | vipkit.ha.drill_table }}"
"""

RETURN = r"""
_value:
  description: The heading and one line for each fault and virtual IP.
  type: list
  elements: str
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._drill import outage, seconds

_MADE = ('fault', 'node', 'VIP', 'owner', 'taken over by', 'outage', 'lost', 'late', 'limit', 'ratio', 'way back', 'verdict')
_PLANNED = ('fault', 'node', 'lasts', 'VIP', 'owner', 'goes to', 'limit')


def _made(result):
    """The lines of a fault."""
    head = (result['fault'], result['node'])
    for vip in result['vips']:
        if vip['passed'] and vip['limit'] is None and not vip['outage'] and vip['taken_over_by'] is None:
            continue
        yield (*head, vip['address'], vip['owner_before'] or '-', vip['taken_over_by'] or 'nobody', outage(vip), str(vip['lost']),
               str(vip['late']), seconds(vip['limit'], '-'), '-' if vip['ratio'] is None else f"{vip['ratio']:.2f}",
               outage(vip, 'fail_back_outage'), 'passed' if vip['passed'] else 'FAILED')
    if all(vip['passed'] for vip in result['vips']) and not result['passed']:
        yield (*head, *['-'] * (len(_MADE) - 3), 'FAILED')


def _planned(run):
    """The lines of a fault that is still to be made."""
    head = (run['fault'], run['node'], '-' if run['kind'] == 'drain' else f"{run['lasts']} s")  # that lasts until it has happened
    concerned = [vip for vip in run['vips'] if vip['heir']]
    for vip in concerned:
        goes = f"{vip['heir']}, too" if vip['splits'] else vip['heir'] if vip['moves'] else f"stays, or {vip['heir']}"
        yield (*head, vip['address'], vip['owner_before'], goes, seconds(vip['limit'], '-'))
    if not concerned:
        yield (*head, '-', '-', 'nothing moves', '-')


def drill_table(drill):
    """Lines of text with aligned columns."""
    lines = [_MADE, *(line for result in drill['results'] for line in _made(result))] if 'results' in drill else \
        [_PLANNED, *(line for run in drill['runs'] for line in _planned(run))]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ['  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'drill_table': drill_table}
