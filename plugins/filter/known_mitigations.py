# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: known_mitigations
short_description: Choose what works against the known issues of a version without another version
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives what takes nothing away that a load balancer needs, and of that only what helps the version.
positional: _input, version, without
options:
  _input:
    description: What stands in C(files/known_issues.yml) of the role of the program.
    type: dict
    required: true
  version:
    description: Version of the program.
    type: str
    required: true
  without:
    description: Names of mitigations that are not wanted.
    type: list
    elements: str
    default: []
seealso:
  - plugin: vipkit.ha.known_issues
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What an old nginx should be built with
  ansible.builtin.debug:
    msg: "{{ (known | vipkit.ha.known_mitigations('1.9.9', without=['no_autoindex'])).configure_flags }}"
  vars:
    known: "{{ lookup('ansible.builtin.file', role_path ~ '/files/known_issues.yml') | from_yaml }}"
"""

RETURN = r"""
_value:
  description:
    - C(configure_flags), arguments for C(configure).
    - C(directives), directives for the block C(http) of nginx.conf, by their names.
    - C(measures), names of those that are neither and that the role carries out itself. Give them to P(vipkit.ha.known_issues#filter) as
      O(vipkit.ha.known_issues#filter:fixes).
  type: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._known_issues import helping


def known_mitigations(known, version, without=()):
    """Flags and directives against the known issues of a version, and what else the role does."""
    unknown = sorted(set(without) - set(known['mitigations']))
    if unknown:
        raise AnsibleFilterError(f"known_mitigations: there is no mitigation '{unknown[0]}'; there are {', '.join(known['mitigations'])}")
    wanted = {name: mitigation for name, mitigation in helping(known, str(version)).items() if name not in without}
    return {
        'configure_flags': [flag for mitigation in wanted.values() for flag in mitigation.get('configure_flags', [])],
        'directives': {name: values[0] for mitigation in wanted.values() for name, values in mitigation.get('directives', {}).items()},
        'measures': [name for name, mitigation in wanted.items() if not mitigation.keys() & {'configure_flags', 'directives'}],
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'known_mitigations': known_mitigations}
