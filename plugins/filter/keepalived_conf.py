# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: keepalived_conf
short_description: Write one host's keepalived.conf
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Turns one host's part of a plan into the text of its C(keepalived.conf).
  - Every keyword comes from a table; one that the table does not know is an error that names the nearest known ones.
  - Braces always balance and no value can add a line of its own, so that what C(keepalived -t) lets pass in old versions cannot happen.
  - It decides nothing; that is the work of P(vipkit.ha.vrrp_plan#filter).
positional: _input, auth_pass, scripts_dir
options:
  _input:
    description:
      - The blocks C(global_defs), C(vrrp_script) and C(vrrp_instance), the last two as lists in which each has a C(name).
      - The key C(raw) is taken as it is, in any block and at the top.
    type: dict
    required: true
  auth_pass:
    description: Password of each instance by its name. It is kept apart, so that no plan holds a secret.
    type: dict
    default: {}
  scripts_dir:
    description: Directory of the check scripts on this host. A C(vrrp_script) without a C(script) is the one of its own name there.
    type: str
    default: ''
  scripts:
    description: Names of further scripts in O(scripts_dir). A command that begins with one gets the path before it.
    type: list
    elements: str
    default: []
seealso:
  - plugin: vipkit.ha.vrrp_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the configuration of this host
  ansible.builtin.debug:
    msg: "{{ plan.hosts[inventory_hostname].conf | vipkit.ha.keepalived_conf }}"
"""

RETURN = r"""
_value:
  description: Text of the file, with a newline at its end.
  type: str
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_commands import with_paths
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import render


def keepalived_conf(conf, auth_pass=None, scripts_dir='', version='', scripts=()):
    """The text of keepalived.conf for one host's plan."""
    try:
        return render(with_paths(conf, list(scripts), scripts_dir), version, auth_pass, scripts_dir)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'keepalived_conf': keepalived_conf}
