# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: build_plans
short_description: Work out how programs are built with the toolchain that was found
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Goes through the toolchain rules of each program in order. Of each rule all of whose conditions hold, it takes the compiler flags, or
    what speaks against the build.
  - A condition on something that the probe did not find (a missing header, another compiler) does not hold.
  - Names the result by the SHA-256 of all that decides about it, the toolchain included.
positional: _input, toolchain
options:
  _input:
    description: What is asked for, from P(vipkit.ha.build_requests#filter).
    type: list
    elements: dict
    required: true
  toolchain:
    description: What M(vipkit.ha.artifact_probe) returned as RV(vipkit.ha.artifact_probe#module:toolchain).
    type: dict
    required: true
  sources:
    description: Directory on the builder for source archives.
    type: str
    required: true
  artifacts:
    description: Directory on the builder for artefacts.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: What is to be built, and how
  ansible.builtin.debug:
    msg: "{{ requests | vipkit.ha.build_plans(probe.toolchain, sources='/var/lib/vipkit/sources', artifacts='/var/lib/vipkit/artifacts') }}"
"""

RETURN = r"""
_value:
  description:
    - The requests, each with C(build) (an entry for M(vipkit.ha.artifact_build)), C(made_from) (what decided about it, with the
      C(fingerprint)) and C(refusals) (why it cannot be built with this toolchain; empty if it can).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils import _source_build


def build_plans(requests, toolchain, sources, artifacts):
    """Each request with its flags, its fingerprint and what speaks against it."""
    try:
        return [_source_build.plan(program, toolchain, sources, artifacts) for program in requests]
    except ValueError as error:
        raise AnsibleFilterError(f'build_plans: {error}') from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'build_plans': build_plans}
