# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: own_fixes
short_description: Read the collection's own small fixes for a version of a program
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives the fixes that lie in C(files/fixes/VERSION) of the role that is named like the program. A version without that folder has none.
  - A fix is a unified diff against the pristine source of just that version. What it mends stands at its top.
options:
  _terms:
    description: The program and its version.
    type: list
    elements: str
    required: true
  without:
    description: Names of fixes to leave out. A name that no fix has is an error, since somebody believes to have left something out.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show which fixes keepalived 2.0.7 gets
  ansible.builtin.debug:
    msg: "{{ lookup('vipkit.ha.own_fixes', 'keepalived', '2.0.7', wantlist=true) | map(attribute='name') }}"
"""

RETURN = r"""
_list:
  description: The fixes in the order in which they are applied, each with its C(name) and its C(content).
  type: list
  elements: dict
"""

import pathlib

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

ROLES = pathlib.Path(__file__).resolve().parents[2] / 'roles'


class LookupModule(LookupBase):
    """Ansible's entry point."""

    def run(self, terms, variables=None, **kwargs):
        """The fixes of a program and version."""
        program, version = (str(term) for term in terms)
        without = kwargs.get('without', [])
        patches = {path.stem: path for path in sorted((ROLES / program / 'files/fixes' / version).glob('*.patch'))}
        unknown = sorted(set(without) - set(patches))
        if unknown:
            raise AnsibleLookupError(f"own_fixes: {program} {version} has no fix {', '.join(unknown)} that could be left out; it has "
                                     f"{', '.join(patches) or 'none'}")
        return [{'name': name, 'content': path.read_text()} for name, path in patches.items() if name not in without]
