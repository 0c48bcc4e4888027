# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: keepalived_features
short_description: Turn a choice of keepalived's optional parts into arguments of configure and packages
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives the arguments of C(./configure) with which a release has the parts that are chosen, and no other,
    whatever libraries lie on the host that builds it.
  - Gives the packages to build it with. It does not give those to run it, which follow from what the program is linked to.
  - Fails with everything that is wrong in the choice, a line each.
positional: _input, version, configure_flags
options:
  _input:
    description:
      - Names of the parts, as listed in C(docs/features.md).
    type: list
    elements: str
    required: true
  version:
    description: The release of keepalived.
    type: str
    required: true
  configure_flags:
    description: Further arguments of C(./configure). Those that decide one of the parts are refused.
    type: list
    elements: str
    default: []
seealso:
  - module: vipkit.ha.artifact_build
"""

EXAMPLES = r"""
- name: Arguments and packages for a keepalived with virtual servers, BFD and nftables
  ansible.builtin.set_fact:
    chosen: "{{ ['lvs', 'libnl', 'bfd', 'nftables'] | vipkit.ha.keepalived_features('2.2.8') }}"
"""

RETURN = r"""
_value:
  description: What follows from the choice.
  type: dict
  contains:
    configure_flags:
      description: The arguments of C(./configure).
      type: list
      elements: str
    packages:
      description: The packages to build with, under the names V(Debian) and V(RedHat) of the families of systems.
      type: dict
    crb:
      description: Those packages that EL 8 and newer have in CodeReady Builder (C(crb), before EL 9 C(powertools)), which is not enabled there by itself.
      type: list
      elements: str
    shown:
      description:
        - What C(keepalived -v) has to tell among its options, C(present), and what it must not tell, C(absent).
        - For some parts configure only warns when it cannot use their library.
      type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.vipkit.ha.plugins.plugin_utils import _keepalived_features as _features


def keepalived_features(features, version, configure_flags=None):
    """What a choice of features comes to in a release."""
    version = str(version)
    wrong = _features.findings(features, version, configure_flags or [])
    if wrong:
        raise AnsibleFilterError('\n'.join(wrong))
    packages, crb = _features.packages(features, version)
    return {
        'configure_flags': _features.configure_flags(features, version),
        'packages': packages,
        'crb': crb,
        'shown': _features.shown(features, version),
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'keepalived_features': keepalived_features}
