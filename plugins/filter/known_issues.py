# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: known_issues
short_description: Tell which known issues a program has as it is built and configured
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Goes through the vulnerabilities and grave bugs that are known of a program, and leaves out those of other versions, those whose code
    is not in the program, and those that a fix or a mitigation has ended.
  - It reads text. It asks no host, and it knows nothing that was found after the data was written.
positional: _input, version, configure_flags, conf
options:
  _input:
    description: What stands in C(files/known_issues.yml) of the role of the program.
    type: dict
    required: true
  version:
    description: Version of the program.
    type: str
    required: true
  configure_flags:
    description: All arguments that C(configure) was given.
    type: list
    elements: str
    default: []
  conf:
    description:
      - Text of the configuration. Where it consists of several files, all of them in one text.
      - Without it, or when it includes a file that may hold anything, what it does not say is unknown instead of not used.
    type: str
    default: ''
  fixes:
    description:
      - Names of the fixes that the program was built with, and of mitigations that neither flags nor configuration show.
      - The C(id) of an issue is taken too, for one that a patch of your own has ended or that you accept.
    type: list
    elements: str
    default: []
  at_least:
    description:
      - Only issues of this severity or a higher one, and none whose code the configuration does not use.
      - Without it all of them.
    type: str
    choices: [none, low, medium, major]
seealso:
  - plugin: vipkit.ha.known_mitigations
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse what is gravely vulnerable
  ansible.builtin.assert:
    that: found | length == 0
    fail_msg: "{{ found | map(attribute='line') | join('\n') }}"
  vars:
    known: "{{ lookup('ansible.builtin.file', role_path ~ '/files/known_issues.yml') | from_yaml }}"
    found: "{{ known | vipkit.ha.known_issues('1.9.9', flags, conf, at_least='major') }}"
"""

RETURN = r"""
_value:
  description:
    - For each issue C(id), C(kind) (V(cve) or V(bug)), C(severity), C(reach), C(summary), C(advice), C(source), C(also), C(mitigations)
      (names of what would work against it) and C(line), which says most of that in one line.
    - C(reach) is V(reachable) when the configuration does what the issue needs, V(unknown) when it may, or when the issue also needs what
      no text tells (C(also)), and V(built) when the code is in the program and the configuration does not use it.
    - The worst come first.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._known_issues import SEVERITIES, applying, mitigations_of

_SHOWN = ('id', 'kind', 'severity', 'summary', 'advice', 'source')
_WORDS = {'reachable': '', 'unknown': ', perhaps', 'built': ', built in but not used'}


def _shown(issue, reach):
    also = issue.get('when', {}).get('also', '')
    words = ' '.join(text for text in (also and f'If: {also}', issue['summary'], issue['advice'], issue['source']) if text)
    return {**{key: issue[key] for key in _SHOWN}, 'reach': reach, 'also': also, 'mitigations': mitigations_of(issue),
            'line': f"{issue['severity']}{_WORDS[reach]}: {issue['id']}: {words}"}


def known_issues(known, version, configure_flags=(), conf='', fixes=(), at_least=None):
    """The known issues that a program has as it is built and configured, the worst first."""
    if not any(sign.isdigit() for sign in str(version)):
        raise AnsibleFilterError(f"known_issues: '{version}' is no version, so nothing can be said of it; give one such as 1.26.3")
    if at_least and at_least not in SEVERITIES:
        raise AnsibleFilterError(f"known_issues: there is no severity '{at_least}'; give one of {', '.join(SEVERITIES)}")
    found = [_shown(*one) for one in applying(known, str(version), configure_flags, conf, fixes)]
    if not at_least:
        return found
    return [issue for issue in found
            if issue['reach'] != 'built' and SEVERITIES.index(issue['severity']) >= SEVERITIES.index(at_least)]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'known_issues': known_issues}
