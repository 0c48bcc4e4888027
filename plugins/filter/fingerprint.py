# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: fingerprint
short_description: Name data by its content
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives the SHA-256 of data in a canonical form, so that the same data has the same name on every controller.
  - The order of a dictionary's keys does not matter, the order of a list does.
positional: _input
options:
  _input:
    description: The data; whatever JSON can carry.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Name what is asked for
  ansible.builtin.debug:
    msg: "{{ {'program': 'nginx', 'version': '1.9.9'} | vipkit.ha.fingerprint }}"
"""

RETURN = r"""
_value:
  description: 64 hexadecimal digits.
  type: str
"""

import hashlib
import json

from ansible.errors import AnsibleFilterError


def fingerprint(data):
    """The SHA-256 of the data's canonical JSON."""
    try:
        canonical = json.dumps(data, sort_keys=True, separators=(',', ':'), ensure_ascii=True)
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f'fingerprint: the data cannot be written as JSON: {error}') from error
    return hashlib.sha256(canonical.encode('ascii')).hexdigest()


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'fingerprint': fingerprint}
