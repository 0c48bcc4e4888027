# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_findings
short_description: Tell what is wrong with the description of an nginx.conf
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives what P(vipkit.ha.nginx_plan#filter) and P(vipkit.ha.nginx_conf#filter) would fail with, so that a play can say it in its own words.
positional: _input, version, configure_flags
options:
  _input:
    description: What P(vipkit.ha.nginx_plan#filter) takes.
    type: dict
    required: true
  version:
    description: Version of nginx.
    type: str
    required: true
  configure_flags:
    description: What it is built with.
    type: list
    elements: str
    required: true
seealso:
  - plugin: vipkit.ha.nginx_conf
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Require a description that this nginx understands
  ansible.builtin.assert:
    that: inputs | vipkit.ha.nginx_findings('1.26.3', []) | length == 0
"""

RETURN = r"""
_value:
  description: What is wrong, a sentence each. None shows a value, which may be a secret.
  type: list
  elements: str
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_conf import render
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_plan import plan


def nginx_findings(given, version, configure_flags):
    """All findings, or none."""
    try:
        render(plan(given, str(version)), str(version), configure_flags)
    except ValueError as error:
        return str(error).splitlines()
    return []


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'nginx_findings': nginx_findings}
