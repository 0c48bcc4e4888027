# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: known_issues
short_description: Read what the collection knows to be wrong with the releases of a program
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives the data that lies in C(files/known_issues.yml) of the role that is named like the program, for P(vipkit.ha.known_issues#filter)
    and P(vipkit.ha.known_mitigations#filter).
options:
  _terms:
    description: The program, V(keepalived) or V(nginx).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what helps nginx 1.9.9
  ansible.builtin.debug:
    msg: "{{ lookup('vipkit.ha.known_issues', 'nginx') | vipkit.ha.known_mitigations('1.9.9') }}"
"""

RETURN = r"""
_list:
  description: The data of each program.
  type: list
  elements: dict
"""

import functools
import pathlib

import yaml
from ansible.plugins.lookup import LookupBase

ROLES = pathlib.Path(__file__).resolve().parents[2] / 'roles'
LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


@functools.lru_cache(maxsize=None)
def known_issues(program):
    """The data of one program, read once in a process and those that it forks. Not to be changed."""
    return yaml.load((ROLES / program / 'files/known_issues.yml').read_bytes(), Loader=LOADER)


class LookupModule(LookupBase):
    """Ansible's entry point."""

    def run(self, terms, variables=None, **kwargs):
        """The data of each program."""
        return [known_issues(str(term)) for term in terms]
