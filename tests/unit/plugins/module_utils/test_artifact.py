# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checksums, files that change whole or not at all, archives and stamps, on real files."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import io
import json
import os
import resource
import stat
import tarfile

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _artifact as artifact

SUM_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'


def write(path, data):
    with open(str(path), 'wb') as handle:
        handle.write(data)
    return str(path)


def read(path):
    with open(str(path), 'rb') as handle:
        return handle.read()


def mode_of(path):
    return stat.S_IMODE(os.lstat(str(path)).st_mode)


def archive(path, *members):
    """Make a gzipped tar of (name, type, content or link) members."""
    with tarfile.open(str(path), 'w:gz') as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.mode = 0o755
            if kind == tarfile.REGTYPE:
                member.size = len(content)
            else:
                member.linkname = content
            tar.addfile(member, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return str(path)


@pytest.fixture
def small_files():
    """Let no file grow beyond 64 KiB, as on a file system that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Checksums

def test_checksum_is_taken_in_either_case():
    assert artifact.checked_sum(SUM_OF_ABC.upper()) == SUM_OF_ABC


@pytest.mark.parametrize('text', ['', 'abc', SUM_OF_ABC[1:], SUM_OF_ABC + '0', 'g' + SUM_OF_ABC[1:], 'sha256:' + SUM_OF_ABC])
def test_what_is_no_checksum_is_refused(text):
    with pytest.raises(artifact.ArtifactError) as caught:
        artifact.checked_sum(text)
    assert str(caught.value) == "sha256 '{0}' is not a checksum: give its 64 hexadecimal digits".format(text)


def test_checksum_of_a_file_longer_than_one_read(tmpdir):
    data = b'0123456789' * 20000
    assert artifact.sha256_of(write(tmpdir.join('long'), data)) == hashlib.sha256(data).hexdigest()


def test_verify_accepts_the_expected_file(tmpdir):
    artifact.verify_sum(write(tmpdir.join('f'), b'abc'), SUM_OF_ABC.upper(), 'advice')


def test_verify_names_file_both_sums_and_the_advice(tmpdir):
    path = write(tmpdir.join('f'), b'abd')
    with pytest.raises(artifact.ArtifactError) as caught:
        artifact.verify_sum(path, SUM_OF_ABC, 'do this')
    assert str(caught.value) == '{0} has sha256 {1}, expected {2}; do this'.format(path, hashlib.sha256(b'abd').hexdigest(), SUM_OF_ABC)


def test_verify_of_an_absent_file_says_so(tmpdir):
    with pytest.raises(artifact.ArtifactError) as caught:
        artifact.verify_sum(str(tmpdir.join('absent')), SUM_OF_ABC, 'do this')
    assert 'cannot read' in str(caught.value) and 'No such file' in str(caught.value) and str(caught.value).endswith('do this')


# Directories and files

def test_directories_are_0755_whatever_the_umask(tmpdir):
    tmpdir.chmod(0o700)
    umask = os.umask(0o077)
    try:
        artifact.make_directories(str(tmpdir.join('a', 'b', 'c')))
    finally:
        os.umask(umask)
    assert [mode_of(tmpdir.join(*names)) for names in ((), ('a',), ('a', 'b'), ('a', 'b', 'c'))] == [0o700, 0o755, 0o755, 0o755]


def test_missing_directories_come_outermost_first(tmpdir):
    assert artifact.missing_directories(str(tmpdir)) == []
    assert artifact.missing_directories(str(tmpdir.join('a', 'b'))) == [str(tmpdir.join('a')), str(tmpdir.join('a', 'b'))]


def test_a_file_in_place_of_a_directory_is_named(tmpdir):
    path = write(tmpdir.join('f'), b'') + '/below'
    with pytest.raises(artifact.ArtifactError) as caught:
        artifact.make_directories(path)
    assert str(caught.value).startswith('cannot make the directory {0} ('.format(path))


def test_replaced_file_is_whole_and_has_its_mode(tmpdir):
    path = write(tmpdir.join('f'), b'old')
    umask = os.umask(0o077)
    try:
        with artifact.replacing(path, 0o4755) as handle:
            handle.write(b'new')
            handle.flush()
            assert read(path) == b'old'
    finally:
        os.umask(umask)
    assert (read(path), mode_of(path), os.listdir(str(tmpdir))) == (b'new', 0o4755, ['f'])


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_broken_off_replacement_leaves_the_old_file_alone(tmpdir, error):
    path = write(tmpdir.join('f'), b'old')
    with pytest.raises(error):
        with artifact.replacing(path) as handle:
            handle.write(b'half')
            raise error()
    assert (read(path), os.listdir(str(tmpdir))) == (b'old', ['f'])


def test_full_disk_leaves_the_old_file_alone(tmpdir, small_files):
    path = write(tmpdir.join('f'), b'old')
    with pytest.raises(EnvironmentError):
        with artifact.replacing(path) as handle:
            handle.write(b'x' * (1 << 17))
    assert (read(path), os.listdir(str(tmpdir))) == (b'old', ['f'])


def test_replacement_does_not_follow_a_link(tmpdir):
    victim = write(tmpdir.join('victim'), b'precious')
    path = str(tmpdir.join('link'))
    os.symlink(victim, path)
    with artifact.replacing(path) as handle:
        handle.write(b'new')
    assert (read(victim), read(path), os.path.islink(path)) == (b'precious', b'new', False)


def test_create_takes_no_file_that_is_there(tmpdir):
    with pytest.raises(OSError):
        artifact.create(write(tmpdir.join('f'), b''))


def test_discard_is_content_with_what_is_possible(tmpdir):
    path = write(tmpdir.join('f'), b'')
    artifact.discard(str(tmpdir.join('absent')))
    artifact.discard(path + '/below')
    artifact.discard(path)
    assert os.listdir(str(tmpdir)) == []


# Archives

@pytest.mark.parametrize('name, parts', [('a/b', ['a', 'b']), ('./a//b/', ['a', 'b']), ('./', []), ('a..b', ['a..b'])])
def test_safe_names(name, parts):
    assert artifact.safe_parts(name) == parts


@pytest.mark.parametrize('name', ['/etc/passwd', '../x', 'a/../../x', 'a/..'])
def test_names_that_lead_out_are_refused(name):
    with pytest.raises(artifact.ArtifactError) as caught:
        artifact.safe_parts(name)
    assert "'{0}', a name that leads out of it".format(name) in str(caught.value)


@pytest.mark.parametrize('kind', [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.LNKTYPE])
def test_artefact_with_a_special_file_is_refused(tmpdir, kind):
    path = archive(tmpdir.join('a'), ('usr/x', tarfile.REGTYPE, b''), ('usr/odd', kind, 'usr/x'))
    with pytest.raises(artifact.ArtifactError) as caught:
        artifact.artifact_files(path)
    assert "the archive holds 'usr/odd'" in str(caught.value)


def test_files_of_an_artefact(tmpdir):
    path = archive(tmpdir.join('a'), ('usr', tarfile.DIRTYPE, ''), ('usr/f', tarfile.REGTYPE, b'abc'), ('usr/l', tarfile.SYMTYPE, 'f'))
    assert artifact.artifact_files(path) == [
        {'path': '/usr/f', 'mode': '0755', 'sha256': SUM_OF_ABC},
        {'path': '/usr/l', 'mode': '0755', 'link': 'f'},
    ]


@pytest.mark.parametrize('share', [0.0, 0.01, 0.5, 0.95])
def test_truncated_artefact_is_reported(tmpdir, share):
    content = os.urandom(100000)
    whole = read(archive(tmpdir.join('a'), ('usr/f', tarfile.REGTYPE, content)))
    path = write(tmpdir.join('cut'), whole[:int(len(whole) * share)])
    with pytest.raises(artifact.ArtifactError) as caught:
        artifact.artifact_files(path)
    assert str(caught.value).startswith('cannot read the artefact {0} ('.format(path))


# Stamps

def test_no_stamp_is_no_error(tmpdir):
    assert artifact.read_stamp(str(tmpdir.join('absent'))) == (None, None)


def test_good_stamp(tmpdir):
    stamp = {'program': 'p', 'files': [{'path': '/f', 'sha256': SUM_OF_ABC}, {'path': '/l', 'link': 'f'}]}
    assert artifact.read_stamp(write(tmpdir.join('s'), json.dumps(stamp).encode('ascii'))) == (stamp, None)


@pytest.mark.parametrize('data', [
    b'', b'{"files": [', b'[]', b'null', b'{}', b'{"files": {}}', b'{"files": ["/f"]}',
    b'{"files": [{"path": "/f"}]}', b'{"files": [{"link": "/f"}]}', b'\xff\xfe',
])
def test_what_is_no_stamp_counts_as_none_and_says_why(tmpdir, data):
    path = write(tmpdir.join('s'), data)
    stamp, error = artifact.read_stamp(path)
    assert stamp is None
    assert error.startswith('the stamp {0} cannot be used ('.format(path))


def test_a_stamp_that_cannot_be_read_says_why(tmpdir):
    stamp, error = artifact.read_stamp(str(tmpdir))
    assert stamp is None and 'Is a directory' in error


@pytest.fixture
def installed(tmpdir):
    """A file, a link and their entries below a root of their own."""
    tmpdir.mkdir('usr')
    write(tmpdir.join('usr', 'f'), b'abc')
    os.symlink('f', str(tmpdir.join('usr', 'l')))
    return {'files': [{'path': u'/usr/f', 'sha256': SUM_OF_ABC}, {'path': u'/usr/l', 'link': u'f'}]}


def test_intact(tmpdir, installed):
    assert artifact.damaged_files(installed, str(tmpdir)) == []


def test_root_matters(installed):
    assert artifact.damaged_files(installed) == ['/usr/f', '/usr/l']


@pytest.mark.parametrize('damage, damaged', [
    (lambda d: write(d.join('f'), b'abd'), ['/usr/f']),
    (lambda d: d.join('f').remove(), ['/usr/f']),
    (lambda d: (d.join('f').rename(d.join('g')), os.symlink('g', str(d.join('f')))), ['/usr/f']),
    (lambda d: (d.join('f').remove(), d.mkdir('f')), ['/usr/f']),
    (lambda d: (d.join('l').remove(), os.symlink('g', str(d.join('l')))), ['/usr/l']),
    (lambda d: (d.join('l').remove(), write(d.join('l'), b'abc')), ['/usr/l']),
    (lambda d: d.remove(), ['/usr/f', '/usr/l']),
])
def test_damage_is_seen(tmpdir, installed, damage, damaged):
    damage(tmpdir.join('usr'))
    assert artifact.damaged_files(installed, str(tmpdir)) == damaged


def test_names_beyond_ascii(tmpdir):
    write(tmpdir.join('f'), b'abc')
    os.rename(str(tmpdir.join('f')), os.path.join(str(tmpdir), artifact.to_native(u'\u00fc')))
    stamp = artifact.stamp_of(json.dumps({'files': [{'path': u'/\u00fc', 'sha256': SUM_OF_ABC}, {'path': u'/\u00e4', 'link': u'\u00fc'}]}))
    assert artifact.damaged_files(stamp, str(tmpdir)) == [artifact.to_native(u'/\u00e4')]
