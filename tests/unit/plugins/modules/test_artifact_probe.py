# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real stamps and files, and a real preprocessor with headers of our own; canned text for what this machine has not."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import os
import platform
import subprocess

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError
from ansible_collections.vipkit.ha.plugins.modules import artifact_probe as probe


def which(name):
    for directory in [''] if '/' in name else os.environ['PATH'].split(os.pathsep):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


needs_cc = pytest.mark.skipif(which('cc') is None, reason='there is no C compiler')


class Runner(object):
    """Runs commands for real and counts them."""

    def __init__(self):
        self.calls = []

    def __call__(self, args, data):
        self.calls.append(args)
        process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                                   env=dict(os.environ, LC_ALL='C'))
        out, err = process.communicate(data)
        return process.returncode, out, err


@pytest.fixture
def header(tmpdir, monkeypatch):
    """A header of our own that the compiler finds."""
    tmpdir.mkdir('inner').join('deep.h').write('int deep_word;\n')
    tmpdir.join('own.h').write("""
#ifndef OWN_H
#define OWN_H
#include <inner/deep.h>
/* only_in_a_comment */
#define MAJOR 3
#define VERSION_NUMBER (MAJOR << 8)
#define VERSION_TEXT "Own " "3.0"
#define NOTHING
#ifdef _GNU_SOURCE
struct crypt_data { char current_salt[2]; };
#endif
#endif
""")
    tmpdir.join('broken.h').write('#error not for you\n')
    monkeypatch.setenv('CPATH', str(tmpdir))


def script(path, text):
    path.write('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return str(path)


# The stamp

def test_installed(tmpdir):
    tmpdir.join('f').write('abc')
    stamp = {'program': 'p', 'files': [{'path': '/f', 'sha256': hashlib.sha256(b'abc').hexdigest()}]}
    path = tmpdir.join('stamp')
    path.write(json.dumps(stamp))
    assert probe.read_installed(str(path), None, str(tmpdir)) == {'stamp': stamp, 'stamp_error': None, 'intact': True, 'damaged': [], 'artifacts': []}
    tmpdir.join('f').write('abd')
    damaged = probe.read_installed(str(path), None, str(tmpdir))
    assert (damaged['intact'], damaged['damaged']) == (False, ['/f'])


def test_not_installed(tmpdir):
    assert probe.read_installed(str(tmpdir.join('absent'))) == {
        'stamp': None, 'stamp_error': None, 'intact': False, 'damaged': [], 'artifacts': []}


def test_unusable_stamp(tmpdir):
    tmpdir.join('stamp').write('{')
    found = probe.read_installed(str(tmpdir.join('stamp')))
    assert (found['stamp'], found['intact']) == (None, False) and 'cannot be used' in found['stamp_error']


# The toolchain, for real

@needs_cc
def test_compiler_and_libc():
    found = probe.read_toolchain('cc', {}, {}, Runner(), which)
    version = Runner()(['cc', '-dumpversion'], '')[1].strip()  # some compilers give the major number only
    assert found['compiler']['path'] == which('cc')
    assert found['compiler']['name'] in ('gcc', 'clang')
    assert (found['compiler']['version'] + '.').startswith(version + '.')
    assert len(found['compiler']['version'].split('.')) == 3
    if platform.libc_ver()[0] == 'glibc':
        assert '{0[name]} {0[version]}'.format(found['libc']) == Runner()(['getconf', 'GNU_LIBC_VERSION'], '')[1].strip()
    assert 'cc' not in found['missing'] and 'libc headers' not in found['missing']


@needs_cc
def test_headers(header):
    run = Runner()
    found = probe.read_toolchain('cc', {
        'text': {'header': 'own.h', 'macro': 'VERSION_TEXT'},
        'number': {'header': 'own.h', 'macro': 'VERSION_NUMBER'},
        'empty': {'header': 'own.h', 'macro': 'NOTHING'},
        'undefined': {'header': 'own.h', 'macro': 'OTHER'},
        'absent': {'header': 'absent.h', 'macro': 'VERSION_TEXT'},
        'broken': {'header': 'broken.h', 'macro': 'VERSION_TEXT'},
    }, {
        'salt': {'header': 'own.h', 'text': 'current_salt'},
        'included': {'header': 'own.h', 'text': 'int deep_word;'},
        'defined': {'header': 'own.h', 'text': '#define MAJOR 3'},
        'comment': {'header': 'own.h', 'text': 'only_in_a_comment'},
        'file name': {'header': 'own.h', 'text': 'deep.h'},
        'query': {'header': 'own.h', 'text': 'OTHER'},
        'no header': {'header': 'absent.h', 'text': 'x'},
    }, run, which)
    assert found['macros'] == {'text': 'Own 3.0', 'number': '(3 << 8)', 'empty': '', 'undefined': None, 'absent': None, 'broken': None}
    assert found['contains'] == {
        'salt': True, 'included': True, 'defined': True, 'comment': False, 'file name': False, 'query': False, 'no header': None,
    }
    assert len(run.calls) == 4


@needs_cc
def test_gcc_takes_over_from_an_unusable_compiler(tmpdir):
    broken = script(tmpdir.join('cc'), 'echo "cannot execute cc1" >&2; exit 1\n')
    found = probe.read_toolchain('cc', {}, {}, Runner(), {'cc': broken, 'gcc': which('cc'), 'make': broken}.get)
    assert found['compiler']['path'] == which('cc') and found['missing'] == []


@needs_cc
def test_compiler_without_headers(tmpdir):
    bare = script(tmpdir.join('cc'), 'exec {0} -nostdinc "$@"\n'.format(which('cc')))
    found = probe.read_toolchain('cc', {'x': {'header': 'stdio.h', 'macro': 'EOF'}}, {}, Runner(), {'cc': bare}.get)
    assert found['compiler']['version'] != ''
    assert (found['libc'], found['macros'], found['missing']) == (None, {'x': None}, ['make', 'libc headers'])


def test_no_compiler():
    run = Runner()
    found = probe.read_toolchain('cc', {'x': {'header': 'x.h', 'macro': 'X'}}, {'y': {'header': 'x.h', 'text': 'X'}}, run, {}.get)
    assert found == {'compiler': None, 'libc': None, 'macros': {'x': None}, 'contains': {'y': None}, 'missing': ['cc', 'make']}
    assert run.calls == []


@needs_cc
def test_musl_is_asked_for_its_version(tmpdir):
    tmpdir.mkdir('include').join('features.h').write('#define _FEATURES_H\n')
    compiler = script(tmpdir.join('cc'), 'exec {0} -nostdinc -I{1} "$@"\n'.format(which('cc'), tmpdir.join('include')))
    ldd = script(tmpdir.join('ldd'), "printf 'musl libc (x86_64)\\nVersion 1.2.4\\nDynamic Program Loader\\n' >&2; exit 1\n")
    found = probe.read_toolchain('cc', {}, {}, Runner(), {'cc': compiler, 'ldd': ldd}.get)
    assert found['libc'] == {'name': 'musl', 'version': '1.2.4'}


# Pure

@pytest.mark.parametrize('text, compiler', [
    ('#define __GNUC__ 4\n#define __GNUC_MINOR__ 8\n#define __GNUC_PATCHLEVEL__ 5\n', {'name': 'gcc', 'version': '4.8.5'}),
    ('#define __GNUC__ 4\n#define __clang_major__ 15\n#define __clang_minor__ 0\n#define __clang_patchlevel__ 7\n',
     {'name': 'clang', 'version': '15.0.7'}),
    ('#define __TINYC__ 927\n', {'name': 'unknown', 'version': ''}),
])
def test_compiler_of(text, compiler):
    assert probe.compiler_of(probe.defined_macros(text)) == compiler


@pytest.mark.parametrize('text, value', [
    ('"one"', 'one'),
    ('\n# 4 "<stdin>" 3 4\n   "one" "two"', None),
    ('"a" "b"', 'ab'),
    ('( 1 << 2 )', '( 1 << 2 )'),
    ('"a" + 1', '"a" + 1'),
    ('', ''),
    ('"say \\"x\\""', 'say \\"x\\"'),
])
def test_macro_value(text, value):
    if value is None:
        text = 'vipkit_begin "M" {0} vipkit_end'.format(text)
        assert probe.header_answer(text) == ('', {'M': 'onetwo'})
    else:
        assert probe.macro_value(text) == value


def test_ldd_of_another_library():
    assert probe.musl_of('ldd (Debian GLIBC 2.36-9) 2.36\n') is None


@pytest.mark.parametrize('option, key, query', [
    ('macros', 'macro', {'header': 'x.h', 'macro': 'A B'}),
    ('macros', 'macro', {'header': 'x.h'}),
    ('macros', 'macro', {'header': 'x.h>\n#include <y.h', 'macro': 'A'}),
    ('macros', 'macro', 'x.h'),
    ('contains', 'text', {'text': 'A'}),
    ('contains', 'text', {'header': 'x.h', 'text': ''}),
])
def test_queries_are_checked(option, key, query):
    queries = {'macros': {}, 'contains': {}}
    queries[option] = {'mine': query}
    with pytest.raises(ArtifactError) as caught:
        probe.read_toolchain('cc', queries['macros'], queries['contains'], Runner(), which)
    assert str(caught.value).startswith("{0}: 'mine' has no usable ".format(option))
    assert str(caught.value).endswith('; give it a header and a {0}'.format(key))


def test_programs_are_read_by_name(tmpdir):
    found = probe.read_programs({'p': {'stamp': str(tmpdir.join('absent'))}}, str(tmpdir))
    assert list(found) == ['p'] and not found['p']['intact']


@pytest.mark.parametrize('programs', [{'p': {}}, {'p': {'stamp': ''}}, {'p': '/stamp'}])
def test_a_program_without_a_stamp_is_refused(programs):
    with pytest.raises(ArtifactError) as caught:
        probe.read_programs(programs, '/')
    assert str(caught.value) == "programs: 'p' has no stamp; give it the path of its stamp file"
