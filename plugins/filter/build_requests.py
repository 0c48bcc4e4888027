# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: build_requests
short_description: Work out what is asked for when programs are to be built for a platform
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Adds to each description its defaults and all that follows from it, above all the name of the request, which is the SHA-256 of all that
    decides about the program but the toolchain. A host that has a program of the same request is left alone.
  - Patches and extra sources count by their checksums, configure flags without their order.
positional: _input, platform
options:
  _input:
    description: The programs, as the role C(vipkit.ha.source_build) takes them in C(source_build_programs).
    type: list
    elements: dict
    required: true
  platform:
    description: Name of the hosts' platform, such as V(debian-12-x86_64).
    type: str
    required: true
  shelf:
    description: Directory on the controller for finished artefacts.
    type: str
    required: true
  stamp_dir:
    description: Directory on the hosts for stamps.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Name what is asked for
  ansible.builtin.debug:
    msg: "{{ programs | vipkit.ha.build_requests('centos-7-x86_64', shelf='/srv/shelf', stamp_dir='/etc/ansible/facts.d')
             | map(attribute='request') }}"
"""

RETURN = r"""
_value:
  description:
    - The programs with C(wanted) (what decides), C(request) (its name), C(sources) (every archive with name, sha256 and URLs), C(stamp),
      C(shelf), and C(manifest) (the file on the shelf that says it has been built).
  type: list
  elements: dict
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils import _source_build


def build_requests(programs, platform, shelf, stamp_dir):
    """Each program with all that follows from its description."""
    return [_source_build.request(program, platform, shelf, stamp_dir) for program in programs]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'build_requests': build_requests}
