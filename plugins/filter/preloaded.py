# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: preloaded
short_description: Load the plugins of this collection before Ansible forks a process for each task and host
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Ansible runs each task of each host in a process of its own, which has to load every filter and lookup that it needs, and to read
    the data behind it, unless the process that it was forked from had done so.
  - That process itself fills in the names of tasks. A name that ends with this filter makes it load everything once, for all tasks
    and hosts that follow.
  - It is only a matter of time. What a play does is the same without it.
options:
  _input:
    description: Name of a program whose known issues are read, too, as in P(vipkit.ha.known_issues#lookup).
    type: str
    required: true
seealso:
  - plugin: vipkit.ha.known_issues
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Work out a plan for many hosts{{ 'keepalived' | vipkit.ha.preloaded }}
  ansible.builtin.set_fact:
    plan: "{{ descriptions | vipkit.ha.vrrp_plan(hostvars) }}"
"""

RETURN = r"""
_value:
  description: Nothing, so that the name of the task stays as it is.
  type: str
  sample: ""
"""

import importlib
import pkgutil

from ansible_collections.vipkit.ha.plugins import filter as filters
from ansible_collections.vipkit.ha.plugins import lookup as lookups
from ansible_collections.vipkit.ha.plugins.lookup.known_issues import known_issues


def preloaded(program):
    """Every filter and lookup of the collection is imported, and the known issues of the program are read."""
    for package in (filters, lookups):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):
            importlib.import_module(module.name)
    known_issues(program)
    return ''


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'preloaded': preloaded}
