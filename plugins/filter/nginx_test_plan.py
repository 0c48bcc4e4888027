# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_test_plan
short_description: Turn a plan of nginx into one that can be tested beside the nginx that runs
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Puts every log file into C(logs) below the directory that the test is made in, since C(nginx -t) opens them, and writes down there what it refuses.
  - What stands in C(raw) and in files that are included is not seen.
positional: _input
options:
  _input:
    description: What P(vipkit.ha.nginx_plan#filter) gives.
    type: dict
    required: true
seealso:
  - module: vipkit.ha.nginx_config
"""

EXAMPLES = r"""
- name: Look at what nginx tests
  ansible.builtin.debug:
    msg: "{{ plan | vipkit.ha.nginx_test_plan | vipkit.ha.nginx_conf('1.26.3') }}"
"""

RETURN = r"""
_value:
  description: The same plan, with other log files.
  type: dict
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_plan import for_test


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'nginx_test_plan': for_test}
