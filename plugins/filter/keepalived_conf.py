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
  - Every keyword comes from a table, which knows those of keepalived 2.0.7, 2.0.20, 2.2.7, 2.2.8, 2.3.3 and 2.3.4 and where each may
    stand. One that is not there, or that O(version) does not have, is an error that names the nearest ones. So is a value of the wrong
    kind or out of its range. All errors come together.
  - What stands inside of a block of lines, such as C(virtual_ipaddress) or C(static_routes), is written as it is given.
  - Braces always balance and no value can add a line of its own, so that what C(keepalived -t) lets pass in old versions cannot happen.
  - It decides nothing; that is the work of P(vipkit.ha.vrrp_plan#filter).
positional: _input, auth_pass, scripts_dir, version, scripts
options:
  _input:
    description:
      - Name of each block to what it holds, a dictionary of keywords and further blocks. What stands outside of any block is a key, too.
      - Blocks with a name, such as C(vrrp_instance), C(virtual_server) and its C(real_server), are lists in which each has a C(name).
        That of a C(virtual_server) can be of several words, such as C(192.0.2.1 80).
      - Blocks that can stand more than once without a name, such as C(garp_group) or the checkers of a C(real_server), are a list of
        dictionaries, or one.
      - Blocks of lines, such as C(virtual_ipaddress) and C(static_routes), are lists of text. Those of a C(virtual_server_group) are its
        C(members).
      - A keyword without a value is C(true). C(false) leaves it out.
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
  version:
    description: Version of the keepalived that the file is for. Without it, every keyword of every known version is taken.
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
