# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: build_findings
short_description: Find what is wrong with descriptions of programs that are to be built
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Looks at the descriptions alone and so needs no host.
positional: _input
options:
  _input:
    description: The programs, as the role C(vipkit.ha.source_build) takes them in C(source_build_programs).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Require a source that can be verified
  ansible.builtin.assert:
    that: programs | vipkit.ha.build_findings | length == 0
  vars:
    programs:
      - program: nginx
        version: 1.9.9
        source_dir: /apps/nginx/nginx-1.9.9
"""

RETURN = r"""
_value:
  description: One sentence for each finding; empty when all is well.
  type: list
  elements: str
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils import _source_build


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'build_findings': _source_build.findings}
