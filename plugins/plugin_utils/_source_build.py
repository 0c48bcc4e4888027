# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a program to be built is made from, and which flags a toolchain needs for it. PRIVATE to this collection."""

from __future__ import annotations

import hashlib
import json
import re

DEFAULTS = {
    'sha256': '', 'catalogue': {}, 'urls': [], 'configure_flags': [], 'cflags': [], 'cflags_option': 'CFLAGS=', 'toolchain_rules': [],
    'macros': {}, 'contains': {}, 'build_packages': [], 'runtime_packages': [], 'exclude': [], 'patches': [], 'extra_sources': [],
}
NEEDED = ('program', 'version', 'source_dir')
CHECKSUM = re.compile(r'[0-9a-f]{64}')
WORD = re.compile(r'\w[\w.+~-]*')
_COMPARE = {
    '<': lambda a, b: a < b,
    '<=': lambda a, b: a <= b,
    '>': lambda a, b: a > b,
    '>=': lambda a, b: a >= b,
    '==': lambda a, b: a == b,
}


def fingerprint(data):
    """Name data by its content: the SHA-256 of its canonical JSON."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(',', ':'), ensure_ascii=True).encode('ascii')).hexdigest()


# Versions

def _numbers(text):
    found = re.search(r'\d+(?:\.\d+)*', str(text))
    return [int(number) for number in found.group().split('.')] if found else None


def matches(version, condition):
    """Whether a version text meets a condition such as '>=1.2'; a text without a version meets none."""
    parsed = re.fullmatch(r'\s*(<=|>=|==|<|>)\s*(\d+(?:\.\d+)*)\s*', str(condition))
    if not parsed:
        raise ValueError(f"'{condition}' is no condition on a version; write it as '<1.15.0' or '>=8'")
    have, limit = _numbers(version), _numbers(parsed.group(2))
    if have is None:
        return False
    width = max(len(have), len(limit))
    have, limit = (numbers + [0] * (width - len(numbers)) for numbers in (have, limit))
    return _COMPARE[parsed.group(1)](have, limit)


# Descriptions of programs

def archive_of(source):
    """The name of a source's archive in the cache."""
    return f"{source.get('program') or source['name']}-{source['version']}.tar.gz"


def checksum_of(program):
    """The checksum that is given, or else that of the catalogue."""
    return str(program['sha256'] or program['catalogue'].get(str(program['version']), {}).get('sha256', ''))


def findings(programs):
    """What is wrong with descriptions of programs, one sentence each."""
    found = []
    names = [str(program.get('program', '')) for program in programs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        found.append(f"source_build_programs names '{name}' twice; give each program one entry")
    for program in programs:
        name = str(program.get('program', ''))
        lacking = [key for key in NEEDED if not str(program.get(key, ''))]
        unknown = sorted(set(program) - set(DEFAULTS) - set(NEEDED))
        if lacking or unknown:
            found.append(f"source_build_programs: '{name}' " + ' and '.join(
                ([f"lacks {', '.join(lacking)}"] if lacking else []) + ([f"has the unknown {', '.join(unknown)}"] if unknown else []))
                + '; see the documentation of the role source_build')
            continue
        found += _findings_of({**DEFAULTS, **program}, name)
    return found


def _findings_of(program, name):
    if not re.fullmatch(r'[a-z0-9_]+', name):
        yield f"source_build_programs: the program '{name}' cannot have that name; use small letters, digits and '_'"
    if not CHECKSUM.fullmatch(checksum_of(program)):
        yield (f"There is no sha256 for {name} {program['version']}: the catalogue knows {', '.join(program['catalogue']) or 'none'}. Set "
               f"{name}_sha256 to the checksum of {archive_of(program)} (64 hexadecimal digits) or choose a version of the catalogue.")
    for extra in program['extra_sources']:
        if not all(WORD.fullmatch(str(extra.get(key, ''))) for key in ('name', 'version')) or not CHECKSUM.fullmatch(str(extra.get('sha256', ''))):
            yield (f"{name}: the extra source '{extra.get('name', '')}' needs a name and a version in letters, digits and . + ~ - _, and its sha256 "
                   f"(64 hexadecimal digits)")


# Requests: what is asked for. The toolchain is no part of one, since hosts that only receive have none.

def sources_of(program):
    """Every archive that a build needs: that of the program first."""
    return [{'name': archive_of(program), 'sha256': checksum_of(program), 'urls': program['urls']}] + [
        {'name': archive_of(extra), 'sha256': str(extra['sha256']), 'urls': extra.get('urls', [])} for extra in program['extra_sources']]


def request(program, platform, shelf, stamp_dir):
    """A program with all that follows from its description."""
    program = {**DEFAULTS, **program, 'version': str(program['version'])}
    wanted = {
        'program': program['program'],
        'version': program['version'],
        'sha256': checksum_of(program),
        'configure_flags': sorted(program['configure_flags']),
        'cflags': program['cflags'],
        'toolchain_rules': program['toolchain_rules'],
        'exclude': program['exclude'],
        'patches': [{'name': patch['name'], 'sha256': hashlib.sha256(patch['content'].encode('utf-8')).hexdigest()} for patch in program['patches']],
        'extra_sources': [{'name': extra['name'], 'version': str(extra['version']), 'sha256': extra['sha256']} for extra in program['extra_sources']],
        'platform': platform,
    }
    name = fingerprint(wanted)
    return {
        **program,
        'wanted': wanted,
        'request': name,
        'sources': sources_of(program),
        'stamp': f"{stamp_dir}/vipkit_{program['program']}.fact",
        'shelf': f"{shelf}/{program['program']}",
        'manifest': f"{shelf}/{program['program']}/{platform}-{name}.json",
    }


# Plans: a request with the toolchain that the builder turned out to have

def _applies(rule, program, toolchain):
    if not matches(program['version'], rule.get('version', '>=0')):
        return False
    if 'configure_flags' in rule and not set(rule['configure_flags']) & set(program['configure_flags']):
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


def toolchain_of(program, toolchain):
    """The part of a toolchain that the program asks for, so that the questions of another one are no part of its fingerprint."""
    return {**toolchain, 'missing': None, **{key: {name: (toolchain.get(key) or {}).get(name) for name in program[key]} for key in ('macros', 'contains')}}


def plan(program, toolchain, sources, artifacts):
    """A request with its flags, its fingerprint, what speaks against it, and what M(vipkit.ha.artifact_build) is to be told."""
    toolchain = toolchain_of(program, toolchain)
    rules = [rule for rule in program['toolchain_rules'] if _applies(rule, program, toolchain)]
    cflags = list(dict.fromkeys(program['cflags'] + [flag for rule in rules for flag in rule.get('cflags', [])]))
    name = fingerprint({**program['wanted'], 'toolchain': toolchain})
    return {
        **program,
        'refusals': [f"{program['program']} {program['version']} cannot be built here: {rule['refuse']}" for rule in rules if 'refuse' in rule],
        'made_from': {**program['wanted'], 'request': program['request'], 'fingerprint': name, 'toolchain': toolchain, 'cflags': cflags},
        'build': {
            'program': program['program'],
            'version': program['version'],
            'tarball': f'{sources}/{archive_of(program)}',
            'sha256': program['wanted']['sha256'],
            'source_dir': program['source_dir'],
            'artifact': f"{artifacts}/{program['program']}/{name}.tar.gz",
            'patches': program['patches'],
            'extra_sources': [{'name': extra['name'], 'tarball': f'{sources}/{archive_of(extra)}', 'sha256': extra['sha256']}
                              for extra in program['extra_sources']],
            'configure_flags': program['configure_flags'] + ([program['cflags_option'] + ' '.join(cflags)] if cflags else []),
            'exclude': program['exclude'],
        },
    }


def share(requests, host, needs):
    """Those requests that a host is to build: it is the first in need of each. Needs: {host: [name of a request]}, in the play's order."""
    return [program for program in requests if next((name for name, wants in needs.items() if program['request'] in wants), None) == host]
