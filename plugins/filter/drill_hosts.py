# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_hosts
short_description: Tell what stands against a failover drill on its hosts, and what runs there
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Joins what each host said before the first fault. A host whose keepalived is not whole or whose check fails takes nothing over, so with one
    of them no fault is made. Nor is one where the witness gets no good answer, since nothing could be measured.
positional: _input, states
options:
  _input:
    description: What C(playbooks/failover_drill/fault.sh look) printed on each host, by the host's name.
    type: dict
    required: true
  states:
    description: What M(vipkit.ha.keepalived_state) returned on each host.
    type: dict
    required: true
  told:
    description: What M(vipkit.ha.keepalived_status) returned on each host. One that does not answer is not judged by it.
    type: dict
    default: {}
  witness:
    description: The host that probes.
    type: str
    default: the witness
  probed:
    description: What M(vipkit.ha.vip_probe) returned there, with C(duration), also when it failed. Without it the witness is not judged.
    type: dict
seealso:
  - plugin: vipkit.ha.drill_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Require that nothing stands against it
  ansible.builtin.assert:
    that: (looked | vipkit.ha.drill_hosts(states)).findings | length == 0
"""

RETURN = r"""
_value:
  description: Of all hosts together.
  type: dict
  contains:
    findings:
      description: One sentence for each thing for which no fault may be made. Empty when all is well.
      type: list
      elements: str
    warnings:
      description: One sentence for each thing that a drill will not be able to tell, and that does not stand against it.
      type: list
      elements: str
    nodes:
      description: For each host C(keepalived) and C(nginx), the version that runs, or null.
      type: dict
  sample:
    findings: []
    warnings: []
    nodes:
      node128: {keepalived: 2.0.7, nginx: 1.9.9}
"""


from ansible_collections.vipkit.ha.plugins.plugin_utils._drill import faulty


def _said(text, word):
    return [rest for first, dummy, rest in (line.partition(' ') for line in text.splitlines()) if first == word]


def _unseen(witness, probed):
    """A sentence for each address of which the witness gets no good answer."""
    if 'probes' not in probed:
        yield f"{witness} cannot probe: {str(probed.get('msg') or 'it did not answer').rstrip('.')}."
    for probe in probed.get('probes', []):
        if not probe['answered']:
            came = ', '.join(f'{text}: {count}' for text, count in probe['errors'].items()) or f"{probe['late']} came late"
            yield (f"{witness} gets no good answer from {probe['address']} ({came}): look at vipkit_probe_protocol, vipkit_probe_port and vipkit_probe_path, "
                   'and whether what is asked for comes within 0.25 s.')


def _unnamed(witness, probed, members):
    """A sentence for each address of which the witness cannot tell who has it."""
    for probe in probed.get('probes', []):
        lines = {owner['line'] for owner in probe['owners']}
        if probe['no_mac'] and not (len(probe['owners']) == 1 and lines <= set(members)):
            yield (f"{witness} cannot tell who has {probe['address']}: it sees no hardware addresses ({probe['no_mac']}), and the first line of the page "
                   'is not one and the same name of a member. So whether an address moves, and to whom, is not judged.')


def drill_hosts(looked, states, told=None, witness='the witness', probed=None):
    """What is against it, and what runs."""
    findings = [f"{name}: {state.get('msg') or 'its keepalived does not run'}." for name, state in states.items() if not state.get('alive')]
    findings += [f'{name}: it is drained, so it would take nothing over: undrain it first.' for name, state in states.items() if state.get('drained')]
    findings += [f'{name}: {sentence}' for name, text in looked.items() for sentence in _said(text, 'finding')]
    findings += [*faulty(told or {}), *(() if probed is None else _unseen(witness, probed))]
    nodes = {name: {'keepalived': states.get(name, {}).get('version'), 'nginx': next(iter(_said(text, 'nginx')), '') or None} for name, text in looked.items()}
    return {'findings': findings, 'warnings': [*_unnamed(witness, probed or {}, looked)], 'nodes': nodes}


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'drill_hosts': drill_hosts}
