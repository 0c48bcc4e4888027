# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_health_refusals
short_description: Turn files into what nginx answers while they are there
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives one C(if) of nginx for each file. While the file is there, the answer is 503 with its text.
  - In a location they stand before the C(return) for all other times.
positional: _input
options:
  _input:
    description: The text for each path.
    type: dict
    required: true
seealso:
  - plugin: vipkit.ha.nginx_conf
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what a file for maintenance does
  ansible.builtin.debug:
    msg: "{{ {'/run/maintenance': 'maintenance'} | vipkit.ha.nginx_health_refusals }}"
"""

RETURN = r"""
_value:
  description: The values of C(if), as P(vipkit.ha.nginx_conf#filter) takes them.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_plan import looked_for


def nginx_health_refusals(texts):
    """One for each file: the answer while it is there."""
    try:
        return [{'condition': looked_for(path), 'return': f'503 "{text}\\n"'} for path, text in texts.items()]
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'nginx_health_refusals': nginx_health_refusals}
