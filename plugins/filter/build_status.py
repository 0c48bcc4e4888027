# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: build_status
short_description: Show what hosts have of some programs, and where they drift apart
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Compares what M(vipkit.ha.artifact_probe) and M(vipkit.ha.unit_in_force) have found on hosts with each other and with what the inventory
    asks for.
  - Hosts of different platforms have different fingerprints. They drift when what was asked for differs in anything but the platform.
positional: _input, wanted
options:
  _input:
    description:
      - For each host C(installed), what M(vipkit.ha.artifact_probe) returned under this name, and C(units), a dictionary of each program to
        what M(vipkit.ha.unit_in_force) returned for its unit. A host that did not answer has neither, and nothing is told of it.
    type: dict
    required: true
  wanted:
    description: For each host the names of requests that the inventory comes to, by program, from P(vipkit.ha.build_requests#filter).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what the hosts have
  ansible.builtin.debug:
    msg: "{{ ({'node128': {'installed': probe.installed, 'units': {'nginx': unit}}} | vipkit.ha.build_status).lines }}"
"""

RETURN = r"""
_value:
  description: What to show.
  type: dict
  contains:
    lines:
      description: A table for the terminal, a line for each host and program.
      type: list
      elements: str
    rows:
      description: The same as data.
      type: list
      elements: dict
    drift:
      description: One sentence for each thing that is not as it should be. Empty when all is well.
      type: list
      elements: str
"""

_COLUMNS = ('host', 'program', 'version', 'build', 'in force', 'built', 'by', 'kept')
_RUNNING = ('active', 'reloading', 'refreshing')
_NOT_COMPARED = ('platform', 'toolchain', 'fingerprint', 'request', 'source', 'built_on', 'built_at', 'packages', 'files', 'previous', 'installed_at',
                 'artifact_sha256', 'cflags')


def _compiler(stamp):
    compiler = (stamp.get('toolchain') or {}).get('compiler') or {}
    return f"{compiler.get('name', '')} {compiler.get('version', '')}".strip()


def _is_down(unit):
    return unit.get('exists') and unit.get('active') not in _RUNNING


def _row(host, program, found, unit):
    stamp = found.get('stamp') or {}
    kept = [f"{entry['version']} ({entry['fingerprint'][:8]})" for entry in found.get('artifacts', [])
            if entry['fingerprint'] != stamp.get('fingerprint')]
    in_force = unit.get('in_force', '')
    if _is_down(unit):
        in_force = 'not running'
    return {
        'host': host, 'program': program, 'version': stamp.get('version', 'none'), 'build': stamp.get('fingerprint', '')[:8],
        'in force': in_force, 'built': ' on '.join(filter(None, (stamp.get('built_at'), stamp.get('built_on')))), 'by': _compiler(stamp),
        'kept': ', '.join(kept),
    }


def _table(rows):
    cells = [_COLUMNS] + [tuple(str(row[column]) for column in _COLUMNS) for row in rows]
    widths = [max(len(line[place]) for line in cells) for place in range(len(_COLUMNS))]
    return ['  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]


def _own(hosts, program, wanted):
    """What is wrong on single hosts."""
    for host, seen in hosts.items():
        found = seen['installed'].get(program, {})
        stamp, unit = found.get('stamp') or {}, seen.get('units', {}).get(program) or {}
        if not stamp:
            yield f"{host} has no {program} of this collection: run site.yml"
            continue
        if found.get('damaged'):
            yield f"{host}: {', '.join(found['damaged'])} is not what was installed: run site.yml, which puts it back"
        if wanted.get(host, {}).get(program, stamp.get('request')) != stamp.get('request'):
            yield f"{host} has {program} {stamp['version']}, and the inventory asks for another one: the next run of site.yml changes it"
        if _is_down(unit):
            yield f'{host}: {program} does not run'
        elif unit.get('in_force', 'yes') != 'yes':
            yield (f"{host}: {program} runs with something else than what is on disk ({', '.join(unit.get('stale', [])) or 'unknown'}): "
                   f"run site.yml, which {unit['in_force']}s it" + (' or has the new one take over' if unit['in_force'] == 'restart' else ''))


def _between(hosts, program):
    """Where hosts differ from each other, each kind of difference once."""
    stamps = {host: seen['installed'][program]['stamp'] for host, seen in hosts.items() if seen['installed'].get(program, {}).get('stamp')}
    for key in sorted({key for stamp in stamps.values() for key in stamp} - set(_NOT_COMPARED)):
        values = {}
        for host, stamp in stamps.items():
            values.setdefault(repr(stamp.get(key)), []).append(host)
        if len(values) > 1:
            told = '; '.join(f"{', '.join(names)}: {_shown(stamps[names[0]].get(key))}" for names in values.values())
            yield f'{program}: the hosts differ in {key} ({told})'
    compilers = {}
    for host, stamp in stamps.items():
        compilers.setdefault((str(stamp.get('platform')), stamp.get('request')), {}).setdefault(stamp.get('fingerprint'), []).append(host)
    for builds in compilers.values():
        if len(builds) > 1:
            yield (f"{program}: hosts of one platform have different builds of the same ({'; '.join(', '.join(names) for names in builds.values())}), "
                   'made with different compilers or libraries')


def _shown(value):
    if isinstance(value, list):
        return ' '.join(str(entry.get('name', entry)) if isinstance(entry, dict) else str(entry) for entry in value) or 'none'
    return str(value)


def build_status(hosts, wanted=None):
    """A table of what hosts have, and where they drift apart."""
    there = {host: seen for host, seen in hosts.items() if 'installed' in seen}
    programs = list(dict.fromkeys(program for seen in there.values() for program in seen['installed']))
    rows = [_row(host, program, seen['installed'][program], seen.get('units', {}).get(program) or {})
            for program in programs for host, seen in there.items() if program in seen['installed']]
    drift = [f'{sentence}.' for program in programs for sentence in (*_own(there, program, wanted or {}), *_between(there, program))]
    return {'lines': _table(rows), 'rows': rows, 'drift': drift}


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'build_status': build_status}
