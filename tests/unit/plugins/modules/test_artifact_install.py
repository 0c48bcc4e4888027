# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Installations from real archives into a root of their own, and the whole chain from a source to an upgrade."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import io
import json
import os
import re
import resource
import shutil
import stat
import subprocess
import sys
import tarfile

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, artifact_files
from ansible_collections.vipkit.ha.plugins.modules import artifact_build, artifact_install, artifact_probe

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def exists(name):
    return any(os.access(os.path.join(directory, name), os.X_OK) for directory in os.environ['PATH'].split(os.pathsep))


def digest(path):
    with open(str(path), 'rb') as handle:
        return hashlib.sha256(handle.read()).hexdigest()


def entry(name, content=None, link=None, mode=0o755, kind=None):
    """Return (member, content) of a file, or of a link, or of a directory if it has neither."""
    member = tarfile.TarInfo(name)
    member.mode = mode
    if link is not None:
        member.type, member.linkname = tarfile.SYMTYPE, link
    elif content is None:
        member.type = kind or tarfile.DIRTYPE
    member.size = len(content or b'')
    return member, content or b''


def archive(path, *entries):
    with tarfile.open(str(path), 'w:gz') as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return str(path)


VERSION_1 = [
    entry('usr'), entry('usr/sbin'), entry('usr/sbin/tiny', b'one'), entry('usr/sbin/old-helper', b'help', mode=0o700),
    entry('usr/sbin/alias', link='tiny'), entry('var'), entry('var/tiny', mode=0o700),
]
VERSION_2 = [
    entry('usr'), entry('usr/sbin'), entry('usr/sbin/tiny', b'two', mode=0o4755),
    entry('usr/share'), entry('usr/share/note', b'n', mode=0o644),
]


class Host(object):
    """A root directory with a stamp, and artefacts to put there."""

    def __init__(self, tmpdir):
        self.root = tmpdir.mkdir('root')
        self.stamp = tmpdir.join('lib', 'tiny.json')
        self.tmpdir = tmpdir

    def artifact(self, name, entries):
        return archive(self.tmpdir.join(name + '.tar.gz'), *entries)

    def install(self, name, entries=None, **more):
        path = str(self.tmpdir.join(name + '.tar.gz')) if entries is None else self.artifact(name, entries)
        options = {
            'artifact': path, 'sha256': digest(path) if os.path.exists(path) else '', 'stamp': str(self.stamp), 'root': str(self.root),
            'manifest': {'program': 'tiny', 'version': name, 'fingerprint': 'print-' + name, 'flags': ['-O2']},
        }
        return artifact_install.install(**dict(options, **more))

    def failure(self, *args, **more):
        with pytest.raises(ArtifactError) as caught:
            self.install(*args, **more)
        return str(caught.value)

    def probe(self):
        return artifact_probe.read_installed(str(self.stamp), str(self.tmpdir), str(self.root))

    def state(self):
        """Return everything on the host: {path: (mode, content or link or None)}."""
        found = {}
        for top in (self.root, self.stamp.dirpath()):
            for directory, subdirectories, names in os.walk(str(top)):
                for name in subdirectories + names:
                    path = os.path.join(directory, name)
                    found[os.path.relpath(path, str(self.tmpdir))] = describe(path)
        return found


def describe(path):
    if os.path.islink(path):
        return 'link', os.readlink(path)
    mode = stat.S_IMODE(os.lstat(path).st_mode)
    if os.path.isdir(path):
        return mode, None
    with open(path, 'rb') as handle:
        return mode, handle.read()


@pytest.fixture
def host(tmpdir):
    return Host(tmpdir)


# Installing, upgrading, rolling back

def test_first_installation(host):
    umask = os.umask(0o077)
    try:
        result = host.install('1', VERSION_1)
    finally:
        os.umask(umask)
    paths = ['/usr/sbin/tiny', '/usr/sbin/old-helper', '/usr/sbin/alias']
    assert result.pop('diff') == {'before': '', 'after': 'fingerprint: print-1\nversion: 1\n'}
    assert result == {'changed': True, 'version': '1', 'previous': None, 'replaced': None, 'platform': None, 'fingerprint': 'print-1',
                      'files': paths, 'removed': [], 'kept': []}
    state = host.state()
    stamp = json.loads(state.pop('lib/tiny.json')[1].decode('ascii'))
    assert state == {
        'root/usr': (0o755, None), 'root/usr/sbin': (0o755, None), 'root/usr/sbin/tiny': (0o755, b'one'),
        'root/usr/sbin/old-helper': (0o700, b'help'), 'root/usr/sbin/alias': ('link', 'tiny'),
        'root/var': (0o755, None), 'root/var/tiny': (0o700, None),
    }
    assert re.match(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$', stamp.pop('installed_at'))
    assert [item['path'] for item in stamp.pop('files')] == paths
    assert stamp == {'program': 'tiny', 'version': '1', 'fingerprint': 'print-1', 'flags': ['-O2'], 'previous': None,
                     'artifact_sha256': digest(host.tmpdir.join('1.tar.gz'))}
    assert [stat.S_IMODE(os.stat(str(path)).st_mode) for path in (host.stamp, host.stamp.dirpath())] == [0o644, 0o755]
    assert host.probe()['intact']


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')
def test_files_belong_to_root(host):
    sbin = str(host.root.mkdir('usr').mkdir('sbin'))
    os.chown(sbin, 4321, 4321)
    os.chmod(sbin, 0o2755)  # new files get the group of such a directory
    host.install('1', VERSION_1)
    owners = dict((name, (os.lstat(str(host.root.join(*name.split('/')))).st_uid, os.lstat(str(host.root.join(*name.split('/')))).st_gid))
                  for name in ('usr/sbin', 'usr/sbin/tiny', 'usr/sbin/alias'))
    assert owners == {'usr/sbin': (4321, 4321), 'usr/sbin/tiny': (0, 0), 'usr/sbin/alias': (0, 0)}


def test_second_run_changes_nothing(host):
    host.install('1', VERSION_1)
    before = host.state()
    result = host.install('1')
    assert (result['changed'], result['previous'], len(result['files'])) == (False, 'print-1', 3)
    os.unlink(str(host.tmpdir.join('1.tar.gz')))
    assert not host.install('1')['changed']
    assert host.state() == before


def test_upgrade_and_rollback(host):
    host.install('1', VERSION_1)
    first = dict((path, what) for path, what in host.state().items() if path != 'lib/tiny.json')
    result = host.install('2', VERSION_2)
    assert (result['previous'], result['fingerprint']) == ('print-1', 'print-2')
    assert result['diff'] == {'before': 'fingerprint: print-1\nversion: 1\n', 'after': 'fingerprint: print-2\nversion: 2\n'}
    assert (result['removed'], result['kept']) == (['/usr/sbin/old-helper', '/usr/sbin/alias'], [])
    assert host.root.join('usr', 'sbin').listdir() == [host.root.join('usr', 'sbin', 'tiny')]
    assert describe(str(host.root.join('usr', 'sbin', 'tiny'))) == (0o4755, b'two')
    assert host.probe()['intact']
    assert host.install('1')['removed'] == ['/usr/share/note']
    now = dict((path, what) for path, what in host.state().items() if path != 'lib/tiny.json')
    assert now.pop('root/usr/share') == (0o755, None)
    assert now == first


def test_damage_is_repaired(host):
    host.install('1', VERSION_1)
    host.root.join('usr', 'sbin', 'tiny').write('bad')
    host.root.join('usr', 'sbin', 'alias').remove()
    result = host.install('1')
    assert result['changed'] and result['previous'] == 'print-1'
    assert result['diff']['before'] == 'fingerprint: print-1\nversion: 1\ndamaged: /usr/sbin/tiny\ndamaged: /usr/sbin/alias\n'
    assert host.probe()['intact'] and not host.install('1')['changed']


def test_an_unusable_stamp_is_written_anew(host):
    host.install('1', VERSION_1)
    host.stamp.write('{"half')
    assert host.install('1')['previous'] is None
    assert host.probe()['intact']


def test_changed_files_of_the_old_artefact_are_kept(host):
    host.install('1', VERSION_1)
    host.root.join('usr', 'sbin', 'old-helper').write('mine now')
    result = host.install('2', VERSION_2)
    assert (result['removed'], result['kept']) == (['/usr/sbin/alias'], ['/usr/sbin/old-helper'])
    assert host.root.join('usr', 'sbin', 'old-helper').read() == 'mine now'


def test_an_old_file_that_is_gone_already(host):
    host.install('1', VERSION_1)
    host.root.join('usr', 'sbin', 'old-helper').remove()
    result = host.install('2', VERSION_2)
    assert (result['removed'], result['kept']) == (['/usr/sbin/alias'], [])


def test_one_place_under_two_names_is_not_removed(host):
    host.root.mkdir('usr').mkdir('lib')
    os.symlink('usr/lib', str(host.root.join('lib')))
    host.install('1', [entry('lib/unit', b'u')])
    result = host.install('2', [entry('usr/lib/unit', b'u')])
    assert result['removed'] == [] and host.root.join('usr', 'lib', 'unit').read() == 'u'
    assert os.path.islink(str(host.root.join('lib')))


def test_links_in_the_place_of_files_are_not_followed(host):
    victim = host.tmpdir.join('victim')
    victim.write('precious')
    directory = host.tmpdir.mkdir('elsewhere')
    sbin = host.root.mkdir('usr').mkdir('sbin')
    os.symlink(str(victim), str(sbin.join('tiny')))
    os.symlink(str(directory), str(sbin.join('alias')))
    os.symlink('nowhere', str(sbin.join('old-helper')))
    host.install('1', VERSION_1)
    assert victim.read() == 'precious' and directory.listdir() == []
    assert describe(str(sbin.join('tiny'))) == (0o755, b'one') and os.readlink(str(sbin.join('alias'))) == 'tiny'


@pytest.mark.skipif(not exists('sleep') or os.path.islink('/bin/sleep'), reason='there is no sleep to copy')
def test_a_running_binary_is_replaced_and_goes_on(host):
    with open('/bin/sleep', 'rb') as handle:
        host.install('1', [entry('usr/sbin/tiny', handle.read())])
    path = str(host.root.join('usr', 'sbin', 'tiny'))
    process = subprocess.Popen([path, '60'])
    try:
        host.install('2', VERSION_2)
        assert process.poll() is None
        assert os.readlink('/proc/{0}/exe'.format(process.pid)) == path + ' (deleted)'
        assert host.root.join('usr', 'sbin', 'tiny').read() == 'two'
    finally:
        process.kill()
        process.wait()


def test_what_a_killed_run_left_is_removed(host):
    sbin = host.root.mkdir('usr').mkdir('sbin')
    for name in ('.tiny.vipkit-0123abcd', '.other.vipkit-0123abcd', '.tiny.vipkit-mine'):
        sbin.join(name).write('x')
    host.install('1', VERSION_1)
    hidden = sorted(path.basename for path in sbin.listdir() if path.basename.startswith('.'))
    assert hidden == ['.other.vipkit-0123abcd', '.tiny.vipkit-mine']


# What is refused leaves the host as it was

def test_truncated_artefact(host):
    host.install('1', VERSION_1)
    before = host.state()
    path = host.artifact('2', VERSION_2)
    good = digest(path)
    with open(path, 'r+b') as handle:
        handle.truncate(os.path.getsize(path) // 2)
    message = host.failure('2', sha256=good)
    assert message == '{0} has sha256 {1}, expected {2}; nothing has been changed: copy the artefact again or correct the checksum'.format(
        path, digest(path), good)
    assert host.state() == before


def test_truncated_artefact_with_its_own_checksum(host):
    path = host.artifact('2', VERSION_2)
    with open(path, 'r+b') as handle:
        handle.truncate(os.path.getsize(path) // 2)
    assert host.failure('2').startswith('cannot read the artefact {0} ('.format(path))
    assert host.state() == {}


def test_absent_artefact(host):
    assert 'cannot read {0} ('.format(host.tmpdir.join('9.tar.gz')) in host.failure('9', sha256='0' * 64)


@pytest.mark.parametrize('bad', [entry('/etc/evil', b'x'), entry('usr/../../evil', b'x'), entry('dev/null', kind=tarfile.CHRTYPE)])
def test_hostile_artefact(host, bad):
    assert "the archive holds '{0}'".format(bad[0].name) in host.failure('2', VERSION_2 + [bad])
    assert host.state() == {}


@pytest.mark.parametrize('names', [['usr', 'sbin', 'tiny'], ['usr', 'share'], ['usr']])
def test_something_in_the_way(host, names):
    obstacle = host.root.join(*names)
    if names[-1] == 'tiny':
        obstacle.ensure(dir=True)
    else:
        obstacle.write('a file', ensure=True)
    before = host.state()
    assert host.failure('2', VERSION_2) == '{0} is in the way of the installation; move it away, nothing has been changed'.format(obstacle)
    assert host.state() == before


def test_a_directory_in_the_place_of_the_stamp(host):
    host.stamp.ensure(dir=True)
    assert host.failure('1', VERSION_1).startswith('{0} is in the way'.format(host.stamp))
    assert sorted(host.state()) == ['lib/tiny.json']


def test_file_too_large_for_the_file_system(host):
    host.install('1', VERSION_1)
    before = host.state()
    big = VERSION_2 + [entry('opt'), entry('opt/new'), entry('opt/new/big', os.urandom(1 << 17))]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = host.artifact('2', big)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        message = host.failure('2')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert message.startswith('cannot write {0} ('.format(host.root.join('opt', 'new', 'big')))
    assert message.endswith('; nothing has been replaced: make room or make it writable, and run again')
    assert host.state() == before and os.path.exists(path)


FULL_DISK = """
import json, os, subprocess, sys
sys.path.insert(0, {unit!r})
import conftest
from ansible_collections.vipkit.ha.plugins.modules import artifact_install
subprocess.check_call(['mount', '-t', 'tmpfs', '-o', {mount!r}, 'tmpfs', {place!r}])
try:
    artifact_install.install({path!r}, {digest!r}, {stamp!r}, dict(program='tiny', version='2', fingerprint='f'), {root!r})
    message = None
except artifact_install.ArtifactError as error:
    message = str(error)
left = [os.path.join(d, n) for top in ({root!r}, {place!r}) for d, s, f in os.walk(top) for n in s + f]
print(json.dumps([message, sorted(set(left))]))
"""


def can_mount():
    """Tell whether this process may mount something where nobody else sees it."""
    if os.geteuid() != 0 or not exists('unshare'):
        return False
    with open(os.devnull, 'w') as null:
        return subprocess.call(['unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], stdout=null, stderr=null) == 0


@pytest.mark.skipif(not can_mount(), reason='mounting needs root and a mount namespace')
@pytest.mark.parametrize('names, mount, reason', [
    (['root', 'opt'], 'size=64k', 'No space left on device'),
    (['root', 'opt'], 'ro', 'Read-only file system'),
    (['lib'], 'ro', 'Read-only file system'),
])
def test_full_or_read_only_file_system(host, names, mount, reason):
    place = host.tmpdir.join(*names).ensure(dir=True)
    host.root.ensure('opt', dir=True)
    before = sorted(path for path in (str(host.root.join('opt')), str(place)) if path != str(host.tmpdir.join('lib')))
    path = host.artifact('2', [entry('first', b'1')] + [entry('opt/part{0}'.format(number), os.urandom(10000)) for number in range(10)])
    script = FULL_DISK.format(unit=UNIT, mount=mount, place=str(place), path=path, digest=digest(path), stamp=str(host.stamp),
                              root=str(host.root))
    output = subprocess.check_output(['unshare', '-m', sys.executable, '-c', script], universal_newlines=True)
    message, left = json.loads(output)
    assert message.startswith('cannot write ') and reason in message and 'nothing has been replaced' in message
    assert left == sorted(set(before))


def test_replacement_that_fails_half_way_is_completed_by_the_next_run(host, monkeypatch):
    host.install('1', VERSION_1)
    stamp = host.stamp.read()
    real, calls = os.rename, []

    def rename(source, target):
        calls.append(target)
        if len(calls) == 3:  # after the record and the first file
            raise OSError(1, 'Operation not permitted')
        real(source, target)

    monkeypatch.setattr(os, 'rename', rename)
    message = host.failure('2', VERSION_2)
    monkeypatch.undo()
    assert message.startswith('cannot replace {0} ('.format(host.root.join('usr', 'share', 'note'))) and 'run again' in message
    assert host.stamp.read() == stamp
    assert [path for path in host.state() if 'vipkit-' in path] == []
    assert host.root.join('usr', 'sbin', 'tiny').read() == 'two'
    assert (host.probe()['intact'], host.probe()['damaged']) == (False, ['/usr/sbin/tiny'])
    assert host.install('1', check_mode=True)['changed']
    assert host.install('2')['removed'] == ['/usr/sbin/old-helper', '/usr/sbin/alias']
    assert host.probe()['intact']


def test_the_stamp_is_the_last_thing(host, monkeypatch):
    order = []
    real = os.rename
    monkeypatch.setattr(os, 'rename', lambda source, target: (order.append(target), real(source, target)))
    unlink = os.unlink
    monkeypatch.setattr(os, 'unlink', lambda path: (order.append(path), unlink(path)))
    host.install('1', VERSION_1)
    host.install('2', VERSION_2)
    assert [os.path.basename(path) for path in order] == [
        '1.tar.gz.json', 'tiny', 'old-helper', 'alias', 'tiny.json', '2.tar.gz.json', 'tiny', 'note', 'old-helper', 'alias', 'tiny.json',
    ]


@pytest.mark.parametrize('manifest, message', [
    ({}, "no usable 'program'"),
    ({'program': 'tiny', 'version': 1.9}, "no usable 'version'"),
    ({'program': 'tiny', 'version': '1', 'fingerprint': ''}, "no usable 'fingerprint'"),
    ({'program': 'tiny', 'version': '1', 'fingerprint': 'f', 'files': []}, "must not have the key 'files'"),
    ({'program': 'other', 'version': '1', 'fingerprint': 'f'}, 'is that of tiny, not of other; give each program its own stamp'),
])
def test_manifest_is_checked(host, manifest, message):
    host.install('1', VERSION_1)
    before = host.state()
    assert message in host.failure('2', VERSION_2, manifest=manifest)
    assert host.state() == before


# What a host keeps, and steps back

def version(number):
    return [entry('usr/sbin/tiny', 'version {0}'.format(number).encode('ascii'))]


def restore(host, word, **more):
    return artifact_install.restore_kept(word, str(host.tmpdir), str(host.stamp), str(host.root), **more)


def installed(host):
    return host.root.join('usr', 'sbin', 'tiny').read()


@pytest.fixture
def upgraded(host, monkeypatch):
    """A host that has gone from 1 to 2 to 3, an hour each."""
    clock = [1000000000.0]
    monkeypatch.setattr(artifact_install.time, 'gmtime', lambda: REAL_GMTIME(clock[0]))
    host.pass_an_hour = lambda: clock.__setitem__(0, clock[0] + 3600)
    for number in '123':
        host.install(number, version(number))
        host.pass_an_hour()
    return host


REAL_GMTIME = artifact_install.time.gmtime


def test_a_step_back_and_its_undoing(upgraded):
    result = restore(upgraded, 'previous')
    assert (result['changed'], result['version'], installed(upgraded)) == (True, '2', 'version 2')
    assert upgraded.probe()['intact'] and upgraded.probe()['stamp']['flags'] == ['-O2']
    assert restore(upgraded, 'previous')['version'] == '3' and installed(upgraded) == 'version 3'


def test_a_repair_does_not_change_what_a_step_back_leads_to(upgraded):
    upgraded.root.join('usr', 'sbin', 'tiny').chmod(0o644)
    result = upgraded.install('3')
    assert (result['changed'], result['previous'], result['replaced']) == (True, 'print-3', None)
    assert restore(upgraded, 'previous')['version'] == '2'


@pytest.mark.parametrize('word, number', [('1', '1'), ('print-2', None), ('9', None), ('abcdef', None)])
def test_a_step_to_a_version(upgraded, word, number):
    if number:
        assert restore(upgraded, word)['version'] == number and installed(upgraded) == 'version ' + number
        return
    with pytest.raises(ArtifactError) as caught:
        restore(upgraded, word)
    assert str(caught.value).startswith("there is no artefact '{0}' in {1}, where this host has 3 (print-3), 2 (print-2), 1 (print-1); name".format(
        word, upgraded.tmpdir))
    assert installed(upgraded) == 'version 3'


def test_what_has_failed_is_no_step_back(upgraded):
    assert restore(upgraded, '2', undo=True)['replaced'] == 'print-3'
    assert upgraded.probe()['stamp']['previous'] == 'print-1'
    assert restore(upgraded, 'previous')['version'] == '1'


@pytest.mark.parametrize('word, fingerprint', [('1.0', 'aaaa1'), ('aaaa', 'aaaa1'), ('bbbb2', 'bbbb2')])
def test_one_version_with_two_fingerprints(host, word, fingerprint):
    for name in ('aaaa1', 'bbbb2', 'aaaa1'):
        host.install(name, version(name), manifest={'program': 'tiny', 'version': '1.0', 'fingerprint': name})
    result = restore(host, word)
    assert (result['fingerprint'], result['changed']) == (fingerprint, fingerprint != 'aaaa1')
    assert not restore(host, word)['changed'], 'a second time changes nothing'


def test_nothing_to_go_back_to(host):
    host.install('1', VERSION_1)
    with pytest.raises(ArtifactError) as caught:
        restore(host, 'previous')
    assert "there is no artefact 'previous' in" in str(caught.value) and 'this host has 1 (print-1)' in str(caught.value)


def test_a_damaged_kept_artefact_is_not_installed(upgraded):
    with open(str(upgraded.tmpdir.join('2.tar.gz')), 'r+b') as handle:
        handle.truncate(50)
    with pytest.raises(ArtifactError) as caught:
        restore(upgraded, 'previous')
    assert 'nothing has been changed' in str(caught.value) and installed(upgraded) == 'version 3'


@pytest.mark.parametrize('keep, left', [(1, ['2', '3']), (2, ['1', '2', '3']), (0, ['2', '3'])])
def test_how_many_are_kept(upgraded, keep, left):
    upgraded.tmpdir.join('1.tar.gz.built').write('{}')
    upgraded.root.join('usr', 'sbin', 'tiny').remove()
    upgraded.install('3', keep=keep)
    assert sorted(record['version'] for record in upgraded.probe()['artifacts']) == left
    names = [path.basename for path in upgraded.tmpdir.listdir() if path.basename.startswith('1.tar')]
    assert sorted(names) == (['1.tar.gz', '1.tar.gz.built', '1.tar.gz.json'] if '1' in left else [])


def test_what_a_step_back_needs_is_kept_however_old(upgraded):
    restore(upgraded, '1', keep=0)
    assert sorted(record['version'] for record in upgraded.probe()['artifacts']) == ['1', '3']


@pytest.mark.parametrize('text', ['', '[]', '{"sha256": "x"}', '{"sha256": "x", "installed_at": "", "manifest": []}'])
def test_what_is_no_record_is_passed_over(upgraded, text):
    upgraded.tmpdir.join('2.tar.gz.json').write(text)
    assert [record['version'] for record in upgraded.probe()['artifacts']] == ['3', '1']


def test_check_mode_of_a_step_back(upgraded):
    before = upgraded.state()
    result = restore(upgraded, 'previous', check_mode=True)
    assert (result['changed'], result['version']) == (True, '2') and upgraded.state() == before


# Check mode

def test_check_mode_without_the_artefact(host):
    result = host.install('1', check_mode=True)
    assert (result['changed'], result['files'], result['diff']['after']) == (True, [], 'fingerprint: print-1\nversion: 1\n')
    assert host.state() == {}


def test_check_mode_tells_the_truth(host):
    host.artifact('1', VERSION_1)
    for dummy in range(2):
        before = host.state()
        predicted = host.install('1', check_mode=True)
        assert host.state() == before
        assert predicted['changed'] == host.install('1')['changed']
    host.root.join('usr', 'sbin', 'tiny').remove()
    assert host.install('1', check_mode=True)['changed']


def test_check_mode_looks_at_an_artefact_that_is_there(host):
    host.artifact('1', VERSION_1)
    assert 'nothing has been changed' in host.failure('1', check_mode=True, sha256='0' * 64)


# The whole chain

CONFIGURE = '#!/bin/sh\nsed "s/@version@/$1/" main.c.in > main.c\n'
MAKEFILE = 'tiny: main.c\n\tcc -o tiny main.c\ninstall:\n\tmkdir -p $(DESTDIR)/usr/sbin $(DESTDIR)/etc\n' \
    '\tcp tiny $(DESTDIR)/usr/sbin\n\techo sample > $(DESTDIR)/etc/tiny.conf\n'
MAIN = '#include <stdio.h>\nint main(void) { puts("tiny @version@"); return 0; }\n'


@pytest.mark.skipif(not (exists('cc') and exists('make')), reason='there is no C compiler or no make')
def test_from_source_to_upgrade(host):
    def run(args, cwd, environ):
        process = subprocess.Popen(args, cwd=cwd, env=dict(os.environ, **environ), stdout=subprocess.PIPE, universal_newlines=True)
        return process.wait(), process.stdout.read(), ''

    tarball = host.artifact('source', [
        entry('tiny'), entry('tiny/configure', CONFIGURE.encode('ascii')), entry('tiny/Makefile', MAKEFILE.encode('ascii')),
        entry('tiny/main.c.in', MAIN.encode('ascii')),
    ])
    host.root.mkdir('etc').join('tiny.conf').write('mine')
    outputs = []
    for version in ('1.0', '2.0'):
        built = artifact_build.build_all([{
            'program': 'tiny', 'version': version, 'tarball': tarball, 'sha256': digest(tarball), 'configure_flags': [version],
            'source_dir': str(host.tmpdir.join('src-' + version)), 'artifact': str(host.tmpdir.join('cache', version + '.tar.gz')),
            'environment': {}, 'make_flags': [], 'jobs': 1, 'exclude': ['/etc/*'], 'build_dir': str(host.tmpdir.join('scratch')),
            'patches': [], 'extra_sources': [],
        }], run)['builds'][0]
        assert not host.probe()['intact'] or version == '2.0'
        copy = str(host.tmpdir.join('copied.tar.gz'))
        shutil.copy(built['artifact'], copy)
        options = {'manifest': {'program': 'tiny', 'version': version, 'fingerprint': version}, 'artifact': copy, 'sha256': built['sha256']}
        assert host.install(version, **options)['changed'] and not host.install(version, **options)['changed']
        found = host.probe()
        assert found['intact'] and found['stamp']['version'] == version and found['stamp']['files'] == artifact_files(built['artifact'])
        outputs.append(subprocess.check_output([str(host.root.join('usr', 'sbin', 'tiny'))], universal_newlines=True))
    assert outputs == ['tiny 1.0\n', 'tiny 2.0\n']
    assert host.root.join('etc', 'tiny.conf').read() == 'mine'
