#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: artifact_probe
short_description: Read what is installed of programs and which toolchain the host has
version_added: 1.0.0
description:
  - Reads the stamps that M(vipkit.ha.artifact_install) wrote, and compares every file and link that they list with what is on the host.
  - If asked, also finds the C compiler, the C library, and what chosen headers define or contain, all in one round trip.
  - It does not compile or run anything but the preprocessor, and it changes nothing. It does not compare the modes and owners of files.
attributes:
  check_mode:
    support: full
    description: Can run in check mode.
    details:
      - It only reads, and so does the same in check mode.
  diff_mode:
    support: none
    description: Can show what has changed.
    details:
      - It changes nothing.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
    details:
      - It never reports a change.
options:
  programs:
    description:
      - What to read, as a dictionary of a program's name to a dictionary with the key C(stamp), its stamp file.
      - With the key C(directory), also lists the artefacts of the program that the host keeps there.
    type: dict
    default: {}
  root:
    description:
      - Directory that stands for C(/) in the paths that stamps list. It is for tests and for images.
    type: path
    default: /
  toolchain:
    description:
      - Whether to look at the toolchain as well.
    type: bool
    default: false
  compiler:
    description:
      - Name or path of the C compiler. When it cannot be used, C(gcc) is tried.
    type: str
    default: cc
  macros:
    description:
      - Preprocessor macros to read, as a dictionary of a name of your choice to a dictionary with the keys C(header) and C(macro).
      - Used only with O(toolchain=true).
    type: dict
    default: {}
  contains:
    description:
      - Texts to look for in headers, as a dictionary of a name of your choice to a dictionary with the keys C(header) and C(text).
      - The text is looked for in what the preprocessor makes of the header with C(_GNU_SOURCE), including its macro definitions and the
        headers that it includes. Comments do not count.
      - Used only with O(toolchain=true).
    type: dict
    default: {}
notes:
  - A stamp that cannot be read or is no stamp counts as none, and C(stamp_error) says why.
    Wrong O(programs), O(macros) and O(contains) are the only errors.
  - It takes one call of the preprocessor, and one more for each different header.
  - The version of the C library musl is not in its headers. It is read from C(ldd).
seealso:
  - module: vipkit.ha.artifact_install
  - module: vipkit.ha.artifact_build
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Read what is installed of nginx
  vipkit.ha.artifact_probe:
    programs:
      nginx:
        stamp: /etc/ansible/facts.d/vipkit_nginx.fact
        directory: /var/lib/vipkit/artifacts/nginx
  register: installed

- name: Read all that decides about the compiler flags
  vipkit.ha.artifact_probe:
    toolchain: true
    macros:
      openssl:
        header: openssl/opensslv.h
        macro: OPENSSL_VERSION_TEXT
    contains:
      crypt_current_salt:
        header: crypt.h
        text: current_salt
  register: builder
"""

RETURN = r"""
installed:
  description: What was found of each of the O(programs), by its name.
  returned: always
  type: dict
  contains:
    stamp:
      description: What the stamp holds, or null without a usable one.
      type: dict
    stamp_error:
      description: Why a stamp that is there cannot be used, or null.
      type: str
    intact:
      description: Whether there is a stamp and every file and link that it lists is as recorded.
      type: bool
    damaged:
      description: The paths that the stamp lists and that are gone or changed.
      type: list
    artifacts:
      description: The artefacts that the host keeps, the one that was installed last first. Empty without C(directory).
      type: list
  sample:
    nginx:
      stamp:
        program: nginx
        version: 1.9.9
        fingerprint: 4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a
        artifact_sha256: ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d
        installed_at: '2026-11-22T15:42:00Z'
        files:
          - path: /usr/local/nginx/nginx
            mode: '0755'
            sha256: 4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce
      stamp_error: null
      intact: true
      damaged: []
      artifacts:
        - version: 1.9.9
          fingerprint: 4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a
          installed_at: '2026-11-22T15:42:00Z'
toolchain:
  description: The toolchain, or null with O(toolchain=false).
  returned: always
  type: dict
  contains:
    compiler:
      description: The compiler's C(name) (V(gcc), V(clang) or V(unknown)), C(version) and C(path), or null without one.
      type: dict
    libc:
      description: The C library's C(name) (V(glibc) or V(musl)) and C(version), or null without a compiler or the library's headers.
      type: dict
    macros:
      description: The value of each of the O(macros), without the quotes of a string. Null when the header or the macro is absent.
      type: dict
    contains:
      description: Whether each of the O(contains) was found. Null when the header is absent.
      type: dict
    missing:
      description: What cannot be had, of the O(compiler), V(make) and V(libc headers).
      type: list
      elements: str
  sample:
    compiler:
      name: gcc
      version: 12.2.0
      path: /usr/bin/cc
    libc:
      name: glibc
      version: '2.36'
    macros:
      openssl: OpenSSL 3.0.11 19 Sep 2023
    contains:
      crypt_current_salt: false
    missing: []
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, damaged_files, read_records, read_stamp

SYNTAX = {'header': r'^[\w.+/-]+$', 'macro': r'^[A-Za-z_]\w*$', 'text': r'.'}
STRING_LITERAL = r'"((?:[^"\\]|\\.)*)"'


# Pure: what is asked of the preprocessor, and what its answers mean

def checked_queries(option, queries, key):
    """Return the queries of an option, each with a header and the key, refusing what is no name."""
    for name in sorted(queries):
        query = queries[name]
        for part in ('header', key):
            if not isinstance(query, dict) or not re.match(SYNTAX[part], to_native(query.get(part) or '')):
                raise ArtifactError("{0}: '{1}' has no usable {2}; give it a header and a {3}".format(option, name, part, key))
    return queries


def header_source(header, macros):
    """Return the C source that includes a header and lays out the value of each macro between two marks."""
    lines = ['#define _GNU_SOURCE', '#include <{0}>'.format(header)]
    for macro in macros:
        lines += ['#ifdef {0}'.format(macro), 'vipkit_begin "{0}" {0} vipkit_end'.format(macro), '#endif']
    return '\n'.join(lines) + '\n'


def header_answer(output):
    """Return (text of the header, {macro: value}) from what the preprocessor made of a header_source."""
    text = '\n'.join(line for line in output.splitlines() if not line.startswith('# '))  # line markers hold file names
    values = re.findall(r'vipkit_begin\s+"(\w+)"(.*?)vipkit_end', text, re.DOTALL)
    return text.partition('vipkit_begin')[0], dict((macro, macro_value(value)) for macro, value in values)


def macro_value(text):
    """Return a macro's value in one line, a string without its quotes."""
    text = ' '.join(text.split())
    if re.match('^(?:{0} ?)+$'.format(STRING_LITERAL), text):
        return ''.join(re.findall(STRING_LITERAL, text))
    return text


def defined_macros(output):
    """Return {macro: value} from the output of the preprocessor's -dM."""
    return dict(re.findall(r'^#define (\w+) (.*)$', output, re.MULTILINE))


def compiler_of(defines):
    """Return the compiler's name and version. Clang defines the macros of gcc too, so it is asked first."""
    for name, keys in (
        ('clang', ('__clang_major__', '__clang_minor__', '__clang_patchlevel__')),
        ('gcc', ('__GNUC__', '__GNUC_MINOR__', '__GNUC_PATCHLEVEL__')),
    ):
        if keys[0] in defines:
            return {'name': name, 'version': '.'.join(defines.get(key, '0') for key in keys)}
    return {'name': 'unknown', 'version': ''}


def glibc_of(defines):
    """Return the C library if the macros of features.h are those of glibc."""
    if '__GLIBC__' not in defines:
        return None
    return {'name': 'glibc', 'version': '{0}.{1}'.format(defines['__GLIBC__'], defines.get('__GLIBC_MINOR__', '0'))}


def musl_of(ldd_output):
    """Return the C library if it is musl that answered for ldd."""
    found = re.search(r'musl libc.*?Version (\S+)', ldd_output, re.DOTALL)
    return {'name': 'musl', 'version': found.group(1)} if found else None


# Readers: `run` is run(args, data) -> (rc, stdout, stderr), `which` is which(name) -> path or None

def read_compiler(names, run, which):
    """Return (compiler, its macros, whether features.h is there) of the first compiler that can be used, or (None, {}, False)."""
    for path in [path for path in map(which, names) if path]:
        for source, has_headers in (('#include <features.h>\n', True), ('\n', False)):
            rc, output, dummy = run([path, '-E', '-dM', '-'], source)
            if rc == 0:
                defines = defined_macros(output)
                return dict(compiler_of(defines), path=path), defines, has_headers
    return None, {}, False


def read_libc(defines, run, which):
    """Return the C library whose features.h gave these macros."""
    ldd = which('ldd')
    return glibc_of(defines) or (musl_of(''.join(run([ldd, '--version'], '')[1:])) if ldd else None)


def read_header(path, header, macros, run):
    """Return (text, {macro: value}) of a header, or None when it cannot be included."""
    rc, output, dummy = run([path, '-E', '-dD', '-'], header_source(header, macros))
    return header_answer(output) if rc == 0 else None


def read_headers(path, macros, contains, run):
    """Return the answers to the queries of macros and of contains, with one call of the compiler for each header."""
    queries = list(macros.values()) + list(contains.values())
    answers = {}
    for header in set(query['header'] for query in queries if path):
        wanted = sorted(set(query['macro'] for query in macros.values() if query['header'] == header))
        answers[header] = read_header(path, header, wanted, run)
    values, found = dict.fromkeys(macros), dict.fromkeys(contains)
    for name, query in macros.items():
        if answers.get(query['header']):
            values[name] = answers[query['header']][1].get(query['macro'])
    for name, query in contains.items():
        if answers.get(query['header']):
            found[name] = query['text'] in answers[query['header']][0]
    return values, found


def read_toolchain(compiler, macros, contains, run, which):
    """Return what the host has to compile with, and what it lacks."""
    checked_queries('macros', macros, 'macro')
    checked_queries('contains', contains, 'text')
    found, defines, has_headers = read_compiler([compiler, 'gcc'], run, which)
    values, texts = read_headers(found and found['path'], macros, contains, run)
    lacks = ((compiler, not found), ('make', not which('make')), ('libc headers', found and not has_headers))
    return {
        'compiler': found,
        'libc': read_libc(defines, run, which) if has_headers else None,
        'macros': values,
        'contains': texts,
        'missing': [name for name, lacking in lacks if lacking],
    }


def read_installed(path, directory=None, root='/'):
    """Return what the stamp at path says and whether it is still true, and which artefacts are kept."""
    stamp, error = read_stamp(path)
    damaged = damaged_files(stamp, root) if stamp else []
    artifacts = [dict((key, record[key]) for key in ('version', 'fingerprint', 'installed_at')) for record in read_records(directory or '')]
    return {'stamp': stamp, 'stamp_error': error, 'intact': stamp is not None and not damaged, 'damaged': damaged, 'artifacts': artifacts}


def read_programs(programs, root):
    """Return what is installed of each program."""
    for name in sorted(programs):
        if not isinstance(programs[name], dict) or not programs[name].get('stamp'):
            raise ArtifactError("programs: '{0}' has no stamp; give it the path of its stamp file".format(name))
    return dict((name, read_installed(programs[name]['stamp'], programs[name].get('directory'), root)) for name in programs)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            programs=dict(type='dict', default={}),
            root=dict(type='path', default='/'),
            toolchain=dict(type='bool', default=False),
            compiler=dict(type='str', default='cc'),
            macros=dict(type='dict', default={}),
            contains=dict(type='dict', default={}),
        ),
        supports_check_mode=True,
    )
    options = module.params

    def run(args, data):
        return module.run_command(args, data=data, environ_update={'LC_ALL': 'C', 'LANGUAGE': 'C'})

    try:
        toolchain = None
        if options['toolchain']:
            toolchain = read_toolchain(options['compiler'], options['macros'], options['contains'], run, module.get_bin_path)
        module.exit_json(changed=False, toolchain=toolchain, installed=read_programs(options['programs'], options['root']))
    except ArtifactError as error:
        module.fail_json(msg=to_native(error), **error.details)


if __name__ == '__main__':
    main()
