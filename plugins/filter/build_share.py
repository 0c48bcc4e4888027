# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: build_share
short_description: Choose the programs that a host is to build
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Of the hosts that need a program, the first one builds it. Hosts of different platforms need different ones.
positional: _input, host, needs
options:
  _input:
    description: What M(vipkit.ha.artifact_build) could build, from P(vipkit.ha.build_requests#filter).
    type: list
    elements: dict
    required: true
  host:
    description: The host's name in the inventory.
    type: str
    required: true
  needs:
    description: The names of the requests that each host needs, by the host's name and in the play's order.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: What does this host build?
  ansible.builtin.debug:
    msg: "{{ requests | vipkit.ha.build_share(inventory_hostname, {'node128': ['4b22'], 'node129': ['4b22']}) }}"
"""

RETURN = r"""
_value:
  description: Those of the requests that the host is to build.
  type: list
  elements: dict
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils import _source_build


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'build_share': _source_build.share}
