# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: toolchain_flags
short_description: Choose the compiler flags that a version needs with the toolchain that was found
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Goes through rules in order and adds the flags of each rule all of whose conditions hold.
  - A condition on something that the probe did not find (a missing header, another compiler) does not hold.
positional: _input, version, toolchain, flags
options:
  _input:
    description:
      - The rules. Each has RV(_value) in its key C(cflags) and any of these conditions.
      - C(version), the program's version, such as V(<1.15.0).
      - "C(compiler) and C(libc), each a dictionary of name to version, such as V({gcc: '>=8'})."
      - "C(macros), a dictionary of probed macro to the version in its value, such as V({openssl: '>=3.0'})."
      - "C(contains), a dictionary of probed text to whether it was found, such as V({crypt_current_salt: false})."
    type: list
    elements: dict
    required: true
  version:
    description: Version of the program that is to be built.
    type: str
    required: true
  toolchain:
    description: What M(vipkit.ha.artifact_probe) returned as RV(vipkit.ha.artifact_probe#module:toolchain).
    type: dict
    required: true
  flags:
    description: Flags that are wanted with any toolchain; they come first.
    type: list
    elements: str
    default: []
seealso:
  - module: vipkit.ha.artifact_probe
"""

EXAMPLES = r"""
- name: Flags for an old program on the compiler that was found
  ansible.builtin.debug:
    msg: "{{ rules | vipkit.ha.toolchain_flags('2.0.7', probe.toolchain, ['-O2', '-g']) }}"
  vars:
    rules:
      - version: "<2.0.14"
        compiler: {gcc: ">=10"}
        cflags: [-fcommon]
"""

RETURN = r"""
_value:
  description: The flags, each once. Empty when no rule applies and none was given.
  type: list
  elements: str
"""

import re

from ansible.errors import AnsibleFilterError

_COMPARE = {
    '<': lambda a, b: a < b,
    '<=': lambda a, b: a <= b,
    '>': lambda a, b: a > b,
    '>=': lambda a, b: a >= b,
    '==': lambda a, b: a == b,
}


def _numbers(text):
    found = re.search(r'\d+(?:\.\d+)*', str(text))
    return [int(number) for number in found.group().split('.')] if found else None


def matches(version, condition):
    """Whether a version text meets a condition such as '>=1.2'; a text without a version meets none."""
    parsed = re.fullmatch(r'\s*(<=|>=|==|<|>)\s*(\d+(?:\.\d+)*)\s*', str(condition))
    if not parsed:
        raise AnsibleFilterError(f"toolchain_flags: '{condition}' is no condition on a version; write it as '<1.15.0' or '>=8'")
    have, limit = _numbers(version), _numbers(parsed.group(2))
    if have is None:
        return False
    width = max(len(have), len(limit))
    pad = [have + [0] * (width - len(have)), limit + [0] * (width - len(limit))]
    return _COMPARE[parsed.group(1)](*pad)


def _applies(rule, version, toolchain):
    if not matches(version, rule.get('version', '>=0')):
        return False
    for part in ('compiler', 'libc'):
        found = toolchain.get(part) or {}
        for name, condition in rule.get(part, {}).items():
            if found.get('name') != name or not matches(found.get('version'), condition):
                return False
    for name, condition in rule.get('macros', {}).items():
        if not matches((toolchain.get('macros') or {}).get(name), condition):
            return False
    for name, wanted in rule.get('contains', {}).items():
        if (toolchain.get('contains') or {}).get(name) is not wanted:
            return False
    return True


def toolchain_flags(rules, version, toolchain, flags=None):
    """The given flags and those of every rule that applies, each once and in order."""
    chosen = list(flags or [])
    for rule in rules:
        if _applies(rule, version, toolchain):
            chosen += rule['cflags']
    return list(dict.fromkeys(chosen))


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'toolchain_flags': toolchain_flags}
