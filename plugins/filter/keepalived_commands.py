# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: keepalived_commands
short_description: List the commands that keepalived would run and that have to be on a host already
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Looks through one host's part of a plan for check, notify and quorum commands, for M(vipkit.ha.script_security).
  - What stands in C(raw) is not seen.
positional: _input, own
options:
  _input:
    description: The blocks of keepalived.conf, as for P(vipkit.ha.keepalived_conf#filter).
    type: dict
    required: true
  own:
    description: Names of scripts that are written later; commands that begin with one are left out.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Look at the scripts before keepalived is given them
  vipkit.ha.script_security:
    scripts: "{{ plan.hosts[inventory_hostname].conf | vipkit.ha.keepalived_commands }}"
    version: 2.0.7
"""

RETURN = r"""
_value:
  description: Of each command its C(name), which tells where it stands, the C(command) and the C(user) that runs it.
  type: list
  elements: dict
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_commands import commands


def keepalived_commands(conf, own=None):
    """Commands that are not the collection's own."""
    user = str((conf.get('global_defs') or {}).get('script_user', ''))
    found = [{'name': where, 'command': command, 'user': (run_by.split() or [''])[0]} for where, command, run_by in commands(conf, user=user)
             if (command.split() or [''])[0] not in list(own or [])]
    return [dict(entry) for entry in {tuple(sorted(entry.items())): entry for entry in found}.values()]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'keepalived_commands': keepalived_commands}
