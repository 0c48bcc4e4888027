# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real builds: a tiny program with a configure script and a Makefile, real make, real archives."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tarfile

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, artifact_files
from ansible_collections.vipkit.ha.plugins.modules import artifact_build

CONFIGURE = """#!/bin/sh
echo "configuring in $LC_ALL"
{ echo "# flags: $*"; echo "# CFLAGS: $CFLAGS"; cat Makefile.in; } > Makefile
"""
MAKEFILE = """all: tiny
tiny: tiny.in
\tcp tiny.in tiny
install:
\tmkdir -p $(DESTDIR)/usr/local/sbin $(DESTDIR)/usr/local/tiny/logs $(DESTDIR)/etc/tiny/conf.d
\tcp tiny $(DESTDIR)/usr/local/sbin/tiny
\tchmod 4755 $(DESTDIR)/usr/local/sbin/tiny
\tln -s ../sbin/tiny $(DESTDIR)/usr/local/tiny/current
\tln $(DESTDIR)/usr/local/sbin/tiny $(DESTDIR)/usr/local/sbin/tiny-hard
\tcp Makefile $(DESTDIR)/etc/tiny/tiny.conf
\techo "$(EXTRA)" > $(DESTDIR)/etc/tiny/conf.d/make
"""
MTIME = 1000000000


def exists(name):
    return any(os.access(os.path.join(directory, name), os.X_OK) for directory in os.environ['PATH'].split(os.pathsep))


pytestmark = pytest.mark.skipif(not exists('make'), reason='there is no make')
needs_patch = pytest.mark.skipif(not exists('patch'), reason='there is no patch')


def member(name, content=b'', kind=tarfile.REGTYPE, link='', mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode, entry.mtime = kind, link, mode, MTIME
    entry.uid = entry.gid = 4321
    entry.size = len(content)
    return entry, content


def source(configure=CONFIGURE, makefile=MAKEFILE, top='tiny-1.0', more=()):
    """Return the members of a source tree."""
    return [
        member(top, kind=tarfile.DIRTYPE, mode=0o775),
        member(top + '/configure', configure.encode('ascii'), mode=0o775),
        member(top + '/Makefile.in', makefile.encode('ascii'), mode=0o664),
        member(top + '/tiny.in', b'#!/bin/sh\necho tiny\n', mode=0o600),
        member(top + '/doc/README', b'read me\n'),
        member(top + '/README', kind=tarfile.SYMTYPE, link='doc/README'),
    ] + list(more)


def tarball(path, members):
    with tarfile.open(str(path), 'w:gz') as tar:
        for entry, content in members:
            tar.addfile(entry, io.BytesIO(content))
    return str(path)


def run(args, cwd, environ):
    process = subprocess.Popen(args, cwd=cwd, env=dict(os.environ, **environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               universal_newlines=True)
    out, err = process.communicate()
    return process.returncode, out, err


def never(args, cwd, environ):
    raise AssertionError('nothing was to be run, but {0} was'.format(args))


def interrupting(word):
    """Return a runner that is interrupted at the step with this word."""
    def runner(args, cwd, environ):
        if word in args:
            raise KeyboardInterrupt()
        return run(args, cwd, environ)
    return runner


@pytest.fixture
def site(tmpdir):
    return tmpdir.mkdir('site')


def options_for(site, members=None, **more):
    """Return the module's options for a tarball of these members."""
    path = tarball(site.join('tiny-1.0.tar.gz'), source() if members is None else members)
    with open(path, 'rb') as handle:
        digest = hashlib.sha256(handle.read()).hexdigest()
    return dict({
        'program': 'tiny', 'version': '1.0', 'tarball': path, 'sha256': digest,
        'source_dir': str(site.join('apps', 'tiny-1.0')), 'artifact': str(site.join('cache', 'tiny.tar.gz')),
        'configure_flags': [], 'environment': {}, 'make_flags': [], 'jobs': None, 'exclude': [], 'build_dir': str(site.join('scratch')),
        'patches': [], 'extra_sources': [],
    }, **more)


def build(options, runner=run, check_mode=False):
    """Build one program, as the module does it; what it holds is looked up beside."""
    result = artifact_build.build_all([options], runner, check_mode)
    files = artifact_files(options['artifact']) if result['builds'][0]['sha256'] else []
    return dict(result['builds'][0], changed=result['changed'], files=files)


def failure(options, runner=run, **more):
    with pytest.raises(ArtifactError) as caught:
        build(options, runner, **more)
    return caught.value


def tree(path):
    """Return the paths of all files and links below a directory."""
    return sorted(os.path.relpath(os.path.join(directory, name), str(path)) for directory, subdirectories, names in os.walk(str(path))
                  for name in names + [name for name in subdirectories if os.path.islink(os.path.join(directory, name))])


def untouched(options):
    """Tell whether a build has left neither an artefact, nor a source, nor a trace of either."""
    return tree(os.path.dirname(options['artifact'])) == [] and tree(options['source_dir']) == []


def contents(artifact):
    """Return {name: content} of the files in an artefact."""
    with tarfile.open(artifact) as tar:
        return dict((entry.name, tar.extractfile(entry).read().decode('ascii')) for entry in tar if entry.isreg())


# What a build makes

def test_build(site):
    options = options_for(site)
    umask = os.umask(0o077)
    try:
        result = build(options)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(umask)
    binary = hashlib.sha256(b'#!/bin/sh\necho tiny\n').hexdigest()
    assert (result['built'], result['changed'], result['artifact']) == (True, True, options['artifact'])
    assert 0 < result['elapsed'] < 60
    with open(options['artifact'], 'rb') as handle:
        assert result['sha256'] == hashlib.sha256(handle.read()).hexdigest()
    by_path = dict((entry['path'], entry) for entry in result['files'])
    assert sorted(by_path) == ['/etc/tiny/conf.d/make', '/etc/tiny/tiny.conf', '/usr/local/sbin/tiny', '/usr/local/sbin/tiny-hard',
                               '/usr/local/tiny/current']
    assert by_path['/usr/local/sbin/tiny'] == {'path': '/usr/local/sbin/tiny', 'mode': '4755', 'sha256': binary}
    assert by_path['/usr/local/sbin/tiny-hard']['sha256'] == binary
    assert by_path['/usr/local/tiny/current']['link'] == '../sbin/tiny'
    assert by_path['/etc/tiny/tiny.conf']['mode'] == '0644'
    assert tree(site.join('cache')) == ['tiny.tar.gz', 'tiny.tar.gz.built']
    assert stat.S_IMODE(os.stat(options['artifact']).st_mode) == 0o644
    assert stat.S_IMODE(site.join('cache').stat().mode) == 0o755
    assert site.join('scratch').listdir() == []


def test_the_archive_is_neutral(site):
    options = options_for(site)
    build(options)
    with open(options['artifact'], 'rb') as handle:
        assert handle.read(8)[4:] == b'\0\0\0\0'  # where gzip has the time
    with tarfile.open(options['artifact']) as tar:
        entries = tar.getmembers()
    names = [entry.name for entry in entries]
    assert names == sorted(names) and 'usr/local/tiny/logs' in names
    assert set((entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries) == set([(0, 0, '', '', 0)])
    assert set(entry.mode for entry in entries if entry.isdir()) == set([0o755])


def test_the_same_files_give_the_same_bytes(site):
    paths = [str(site.join('cache', name)) for name in ('one.tar.gz', 'two.tar.gz')]
    sums = [build(options_for(site, artifact=path))['sha256'] for path in paths]
    assert sums[0] == sums[1]


def test_the_source_is_pristine(site):
    options = options_for(site)
    place = site.mkdir('apps').mkdir('tiny-1.0')
    place.mkdir('scripts').join('check.sh').write('mine')
    place.mkdir('.vipkit-killed').join('rest').write('of a killed run')
    place.join('tiny.in').write('changed')
    build(options)
    assert tree(place) == ['Makefile.in', 'README', 'configure', 'doc/README', 'scripts/check.sh', 'tiny.in']
    assert place.join('tiny.in').read() == '#!/bin/sh\necho tiny\n'
    assert os.readlink(str(place.join('README'))) == 'doc/README'
    assert [stat.S_IMODE(place.join(name).stat().mode) for name in ('configure', 'tiny.in')] == [0o755, 0o644]
    assert [os.stat(str(place.join(name))).st_mtime for name in ('configure', 'Makefile.in', 'doc/README')] == [MTIME] * 3
    assert os.stat(str(place.join('configure'))).st_uid == os.geteuid()
    assert [path.basename for path in place.listdir() if path.basename.startswith('.')] == []


def test_flags_and_environment_arrive(site):
    options = options_for(site, configure_flags=['--prefix=/x', '--with a'], environment={'CFLAGS': '-O1', 'LC_ALL': 'de_DE'},
                          make_flags=['EXTRA=more'], jobs=3)
    seen = []

    def watching(args, cwd, environ):
        seen.append((args[len(artifact_build.LOGGED) + 1:], environ['LC_ALL']))
        return run(args, cwd, environ)

    build(options, watching)
    found = contents(options['artifact'])
    assert found['etc/tiny/tiny.conf'].startswith('# flags: --prefix=/x --with a\n# CFLAGS: -O1\n')
    assert found['etc/tiny/conf.d/make'] == 'more\n'
    assert [args[:2] for args, dummy in seen] == [['./configure', '--prefix=/x'], ['make', '-j3'], ['make', 'install']]
    assert set(locale for dummy, locale in seen) == set(['C'])


def test_a_program_without_configure(site):
    members = [item for item in source() if not item[0].name.endswith('configure')]
    members.append(member('tiny-1.0/Makefile', MAKEFILE.encode('ascii')))
    assert len(build(options_for(site, members))['files']) == 5
    os.unlink(str(site.join('cache', 'tiny.tar.gz')))
    assert 'no executable configure script' in str(failure(options_for(site, members, configure_flags=['--x'])))


@pytest.mark.parametrize('exclude, gone', [
    (['/etc/tiny/*'], ['/etc/tiny/conf.d/make', '/etc/tiny/tiny.conf']),
    (['/etc/tiny/*.conf'], ['/etc/tiny/tiny.conf']),
    (['/etc/tiny/conf.d'], ['/etc/tiny/conf.d/make']),
    (['/usr/local/tiny/current', '*-hard'], ['/usr/local/sbin/tiny-hard', '/usr/local/tiny/current']),
])
def test_excluded_paths(site, exclude, gone):
    whole = [entry['path'] for entry in build(options_for(site))['files']]
    less = build(options_for(site, artifact=str(site.join('cache', 'less.tar.gz')), exclude=exclude))['files']
    assert sorted(set(whole) - set(entry['path'] for entry in less)) == gone


# What is there already, and check mode

@pytest.mark.parametrize('check_mode', [False, True])
def test_an_artefact_is_not_built_again(site, check_mode):
    options = options_for(site)
    first = build(options)
    again = build(dict(options, tarball='/absent'), never, check_mode)
    assert again == dict(first, built=False, changed=False, elapsed=0.0)


@pytest.mark.parametrize('name, size', [('tiny.tar.gz', 200), ('tiny.tar.gz.built', 0), ('tiny.tar.gz.built', 20)])
def test_a_truncated_artefact_is_built_again(site, name, size):
    options = options_for(site)
    first = build(options)
    with open(str(site.join('cache', name)), 'r+b') as handle:
        handle.truncate(size)
    again = build(options)
    assert (again['built'], again['sha256']) == (True, first['sha256'])


def test_check_mode_builds_nothing(site):
    options = options_for(site)
    result = build(options, never, check_mode=True)
    assert result == {'program': 'tiny', 'artifact': options['artifact'], 'sha256': None, 'packages': None, 'files': [], 'built': True, 'changed': True,
                      'elapsed': 0.0}
    assert [path.basename for path in site.listdir()] == ['tiny-1.0.tar.gz']


# Patches, extra sources, libraries, several at once

PATCH = '''Tiny becomes large, because a test wants it.

--- a/tiny.in
+++ b/tiny.in
@@ -1,2 +1,2 @@
 #!/bin/sh
-echo tiny
+echo large
'''


def patch(content=PATCH):
    return [{'name': 'large', 'content': content}]


@needs_patch
def test_a_patch_changes_the_program_and_not_the_source(site):
    options = options_for(site, patches=patch())
    assert contents(build(options)['artifact'])['usr/local/sbin/tiny'] == '#!/bin/sh\necho large\n'
    assert site.join('apps', 'tiny-1.0', 'tiny.in').read() == '#!/bin/sh\necho tiny\n'


@needs_patch
@pytest.mark.parametrize('content', [PATCH.replace('echo tiny', 'echo small'), PATCH.replace('tiny.in', 'absent.in'), 'no patch at all'])
def test_a_patch_that_does_not_fit(site, content):
    options = options_for(site, patches=patch(content))
    error = failure(options)
    assert error.details['step'] == 'patch large' and "step 'patch large' failed with exit code" in str(error)
    assert untouched(options)


def extra(site, name='module', top='module-2.1'):
    path = tarball(site.join('module.tar.gz'), [member(top, kind=tarfile.DIRTYPE, mode=0o755), member(top + '/module.in', b'a module\n')])
    with open(path, 'rb') as handle:
        return {'name': name, 'tarball': path, 'sha256': hashlib.sha256(handle.read()).hexdigest()}


def test_an_extra_source_lies_beside_the_source(site):
    options = options_for(site, source(makefile=MAKEFILE.replace('cp tiny.in tiny', 'cat ../module/module.in >tiny')), extra_sources=[extra(site)])
    assert contents(build(options)['artifact'])['usr/local/sbin/tiny'] == 'a module\n'


@pytest.mark.parametrize('change, message', [
    ({'sha256': '0' * 64}, 'put the right tarball there or correct the checksum'),
    ({'name': '../evil'}, "'../evil' cannot be in a file name"),
    ({'name': 'tiny-1.0'}, "the extra source 'tiny-1.0' has the name of something that is there"),
])
def test_an_extra_source_that_is_refused(site, change, message):
    options = options_for(site, extra_sources=[dict(extra(site), **change)])
    assert message in str(failure(options, never))
    assert untouched(options) and site.join('scratch').listdir() == []


LDD = '''
\tlinux-vdso.so.1 (0x00007ffd0a5f2000)
\tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f0b3a800000)
\tlibgone.so.1 => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f0b3b2f0000)
'''


def test_linked_libraries():
    assert artifact_build.linked_libraries(LDD) == set(['/lib/x86_64-linux-gnu/libssl.so.3'])


def answering(**answers):
    """Return a runner that knows these commands."""
    def runner(args, cwd, environ):
        if args[0].replace('-', '_') not in answers:
            raise OSError(2, 'No such file or directory')
        return 1, answers[args[0].replace('-', '_')], ''
    return runner


@pytest.mark.parametrize('answers, packages', [
    ({'dpkg_query': 'libssl3:amd64: /usr/lib/x86_64-linux-gnu/libssl.so.3\nlibc6:amd64: /lib/libc.so.6\n'
                    'diversion by libc6 from: /lib/libssl.so.3\n'}, ['libc6', 'libssl3']),
    ({'rpm': 'openssl-libs: /\nfile /usr/lib/libx.so is not owned by any package\n'}, ['openssl-libs']),
    ({}, []),
])
def test_owning_packages(answers, packages):
    assert artifact_build.owning_packages(['/lib/libssl.so.3'], answering(**answers)) == packages


@pytest.mark.skipif(not exists('dpkg-query') and not exists('rpm'), reason='there is neither dpkg nor rpm')
def test_the_packages_of_a_real_program(site):
    makefile = MAKEFILE.replace('cp tiny.in tiny', 'cp {0} tiny'.format(os.path.realpath('/bin/ls')))
    assert set(build(options_for(site, source(makefile=makefile)))['packages']) & set(['libc6', 'glibc'])


def test_several_programs_are_built_at_the_same_time(site):
    pipe = str(site.join('pipe'))
    os.mkfifo(pipe)  # each end waits for the other
    one = options_for(site.mkdir('one'), source(makefile=MAKEFILE.replace('cp tiny.in tiny', 'cp tiny.in tiny; echo here > ' + pipe)))
    two = options_for(site.mkdir('two'), source(makefile=MAKEFILE.replace('cp tiny.in tiny', 'cp tiny.in tiny; cat ' + pipe)))
    result = artifact_build.build_all([one, two], run)
    assert [entry['artifact'] for entry in result['builds']] == [one['artifact'], two['artifact']]
    assert [entry['built'] for entry in result['builds']] == [True, True]


def test_a_failing_program_does_not_end_the_others(site):
    one, two, three = [options_for(site.mkdir(name), source(makefile=makefile)) for name, makefile in (
        ('one', 'all:\n\tfalse\n'), ('two', MAKEFILE), ('three', 'all:\n\texit 7\n'))]
    with pytest.raises(ArtifactError) as caught:
        artifact_build.build_all([one, two, three], run)
    assert str(caught.value).count("step 'make' failed with exit code 2") == 2
    assert artifact_build.read_record(two['artifact']) and untouched(one) and untouched(three)


def test_two_builds_of_one_program_wait_for_each_other(site):
    options = options_for(site)
    results = artifact_build.build_all([options, options], run)['builds']
    assert sorted(entry['built'] for entry in results) == [False, True]


# Failures

def test_a_killed_step_is_named(site):
    error = failure(options_for(site, source(configure='#!/bin/sh\nkill -9 $$\n')))
    assert "step 'configure' was killed by signal 9; see" in str(error)
    assert error.details['exit_code'] == -9


def test_the_scratch_of_a_failed_build_goes_with_the_next_one(site):
    failure(options_for(site, source(configure='#!/bin/sh\nexit 1\n')))
    assert len(site.join('scratch').listdir()) == 1
    build(options_for(site))
    assert site.join('scratch').listdir() == []


@pytest.mark.parametrize('step, code, members', [
    ('configure', 3, source(configure='#!/bin/sh\nseq 1 40\necho no luck >&2\nexit 3\n')),
    ('make', 2, source(makefile='all:\n\t@seq 1 40; echo no luck >&2; exit 1\n')),
    ('make install', 2, source(makefile='all:\ninstall:\n\t@seq 1 40; echo no luck >&2; exit 1\n')),
])
def test_a_failing_step(site, step, code, members):
    options = options_for(site, members)
    error = failure(options)
    head, tail = str(error).split(', where its output ends with:\n')
    log = error.details['log']
    assert head == "building tiny 1.0: step '{0}' failed with exit code {1}; see {2}".format(step, code, log)
    assert (error.details['step'], error.details['exit_code']) == (step, code)
    assert len(tail.splitlines()) == 15 and 'no luck' in tail and '40' in tail.splitlines() and '20' not in tail.splitlines()
    with open(log) as handle:
        text = handle.read()
    assert '$ ./configure' in text and '\n1\n2\n' in text and 'no luck' in text
    assert os.path.dirname(os.path.dirname(log)) == options['build_dir']
    assert untouched(options)


def test_an_absent_make_is_a_failing_step(site, monkeypatch):
    empty = site.mkdir('bin')
    for name in ('cat', 'sh'):
        os.symlink(os.path.join('/bin', name), str(empty.join(name)))
    monkeypatch.setenv('PATH', str(empty))
    error = failure(options_for(site))
    assert (error.details['step'], error.details['exit_code']) == ('make', 127) and 'make' in str(error).splitlines()[-1]


def test_a_wrong_tarball_is_not_unpacked(site):
    options = options_for(site, sha256='0' * 64)
    assert str(failure(options, never)).endswith('; put the right tarball there or correct the checksum')
    assert untouched(options) and not site.join('scratch').check()


@pytest.mark.parametrize('members, message', [
    (source(more=[member('/etc/evil')]), "'/etc/evil', a name that leads out"),
    (source(more=[member('tiny-1.0/../../evil')]), "'tiny-1.0/../../evil', a name that leads out"),
    (source(more=[member('tiny-1.0/null', kind=tarfile.CHRTYPE)]), "'tiny-1.0/null', neither a file"),
    (source(more=[member('tiny-1.0/pipe', kind=tarfile.FIFOTYPE)]), "'tiny-1.0/pipe', neither a file"),
    (source(more=[member('other/file')]), 'the tarball has other, tiny-1.0 at its top instead of one directory'),
    ([member('file', b'x')], 'the tarball has file at its top instead of one directory'),
    ([], 'the tarball has nothing at its top instead of one directory'),
])
def test_a_hostile_tarball(site, members, message):
    options = options_for(site, members)
    assert message in str(failure(options, never))
    assert untouched(options) and site.join('scratch').listdir() == []


def test_nothing_is_written_through_a_link(site):
    outside = site.mkdir('outside')
    options = options_for(site, source(more=[
        member('tiny-1.0/door', kind=tarfile.SYMTYPE, link=str(outside)),
        member('tiny-1.0/door/evil', b'evil'),
    ]))
    assert 'cannot unpack' in str(failure(options, never))
    assert outside.listdir() == []


def test_hard_links_in_a_tarball(site):
    build(options_for(site, source(more=[member('tiny-1.0/same', kind=tarfile.LNKTYPE, link='tiny-1.0/tiny.in')])))
    assert site.join('apps', 'tiny-1.0', 'same').read() == '#!/bin/sh\necho tiny\n'


@pytest.mark.parametrize('makefile, exclude', [
    ('all:\ninstall:\n', []),
    ('all:\ninstall:\n\tmkdir -p $(DESTDIR)/usr/empty\n', []),
    (MAKEFILE, ['*']),
])
def test_an_empty_stage_is_an_error(site, makefile, exclude):
    options = options_for(site, source(makefile=makefile), exclude=exclude)
    assert 'make install put nothing into DESTDIR' in str(failure(options))
    assert tree(site.join('cache')) == [] and site.join('scratch').listdir() == []


def test_a_special_file_in_the_stage(site):
    options = options_for(site, source(makefile='all:\ninstall:\n\tmkdir -p $(DESTDIR)/run\n\tmkfifo $(DESTDIR)/run/pipe\n'))
    assert 'make install made /run/pipe, neither a file' in str(failure(options))
    assert tree(site.join('cache')) == []


@pytest.mark.parametrize('name', ['../x', 'a b', '', 'a/b'])
def test_names_that_cannot_be_in_a_path(site, name):
    assert "'{0}' cannot be in a file name".format(name) in str(failure(options_for(site, version=name), never))


def test_something_in_the_way_of_the_source(site):
    options = options_for(site)
    site.mkdir('apps').mkdir('tiny-1.0').mkdir('tiny.in')
    assert 'cannot put the source into {0} ('.format(options['source_dir']) in str(failure(options))
    assert tree(site.join('cache')) == [] and site.join('scratch').listdir() == []


# Interruptions

@pytest.mark.parametrize('step', ['./configure', '-j2', 'install'])
def test_an_interruption_leaves_nothing(site, step):
    options = options_for(site, jobs=2)
    with pytest.raises(KeyboardInterrupt):
        build(options, interrupting(step))
    assert untouched(options) and site.join('scratch').listdir() == []


def test_a_full_disk_leaves_no_half_artefact(site):
    options = options_for(site, source(makefile='all:\ninstall:\n\tdd if=/dev/urandom of=$(DESTDIR)/big bs=64k count=4\n'))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def filling(args, cwd, environ):
        answer = run(args, cwd, environ)
        if 'install' in args:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
        return answer

    try:
        message = str(failure(options, filling))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert message.startswith('cannot write the artefact {0} ('.format(options['artifact']))
    assert tree(site.join('cache')) == [] and site.join('scratch').listdir() == []


BUILDER = """
import json, os, subprocess, sys
sys.path.insert(0, {unit!r})
import conftest
from ansible_collections.vipkit.ha.plugins.modules import artifact_build
with open({options!r}) as handle:
    options = json.load(handle)
artifact_build.build_all([options], lambda args, cwd, environ: (subprocess.call(args, cwd=cwd, env=dict(os.environ, **environ)), '', ''))
"""


def test_a_killed_build_is_simply_done_again(site):
    pipe = str(site.join('pipe'))
    os.mkfifo(pipe)
    blocked = MAKEFILE.replace('install:\n', 'install:\n\ttest ! -p {0} || {{ echo here > {0}; cat {0}; }}\n'.format(pipe))
    options = options_for(site, source(makefile=blocked))
    site.join('options.json').write(json.dumps(options))
    unit = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    script = BUILDER.format(unit=unit, options=str(site.join('options.json')))
    builder = subprocess.Popen([sys.executable, '-c', script], preexec_fn=os.setsid)
    with open(pipe) as handle:
        assert handle.readline() == 'here\n'
    os.killpg(builder.pid, signal.SIGKILL)
    assert builder.wait() == -signal.SIGKILL
    assert untouched(options)
    os.unlink(pipe)
    assert build(options)['built']
