# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vrrp_secrets
short_description: Collect the passwords of VRRP instances
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives the password of each instance, apart from the plan, for P(vipkit.ha.keepalived_conf#filter).
  - Use the result only in a task that has C(no_log).
positional: _input
options:
  _input:
    description: The instances, as for P(vipkit.ha.vrrp_plan#filter).
    type: list
    elements: dict
    required: true
  auth_pass:
    description: Password of instances that have none in their C(authentication).
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Write the configuration
  ansible.builtin.copy:
    content: "{{ plan.hosts[inventory_hostname].conf | vipkit.ha.keepalived_conf(secrets) }}"
    dest: /etc/keepalived/keepalived.conf
    mode: "0640"
  vars:
    secrets: "{{ keepalived_vrrp_instances | vipkit.ha.vrrp_secrets(keepalived_auth_pass) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: Password by the instance's name; instances without one are left out.
  type: dict
"""


def vrrp_secrets(instances, auth_pass=''):
    """The password of each instance that has one."""
    secrets = {}
    for instance in instances:
        given = instance.get('authentication') if isinstance(instance.get('authentication'), dict) else {}
        password = given.get('auth_pass') or auth_pass
        if password:
            secrets[str(instance.get('name'))] = str(password)
    return secrets


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vrrp_secrets': vrrp_secrets}
