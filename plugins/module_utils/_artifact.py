# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artefacts, their stamps and files that change at once or not at all. PRIVATE to this collection.

An artefact is a gzipped tar archive of an installation tree. A stamp is the JSON file that says what is
installed of a program: its manifest and, under ``files``, each file with its checksum and each link with its target.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import binascii
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import struct
import tarfile
import zlib

from ansible.module_utils.common.text.converters import to_native

SYSTEM_ERRORS = (EnvironmentError, EOFError, tarfile.TarError, struct.error, zlib.error)


class ArtifactError(Exception):
    """What failed, where, and what to do next; details are for the caller's result."""

    def __init__(self, message, **details):
        super(ArtifactError, self).__init__(message)
        self.details = details


@contextlib.contextmanager
def reported(failure, advice):
    """Turn what the system or an archive complains about into a message for people."""
    try:
        yield
    except SYSTEM_ERRORS as error:
        raise ArtifactError('{0} ({1}); {2}'.format(failure, to_native(error), advice))


# Checksums

def checked_sum(text):
    """Return a sha256 in lower case, refusing what cannot be one."""
    if not re.match('^[0-9a-fA-F]{64}$', text):
        raise ArtifactError("sha256 '{0}' is not a checksum: give its 64 hexadecimal digits".format(text))
    return text.lower()


def sha256_of_stream(stream):
    """Return the sha256 of what is left to read of a binary stream."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: stream.read(1 << 16), b''):
        digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path):
    """Return the sha256 of a file."""
    with open(path, 'rb') as stream:
        return sha256_of_stream(stream)


def verify_sum(path, expected, advice):
    """Refuse a file that is not, byte for byte, the expected one."""
    expected = checked_sum(expected)
    with reported('cannot read {0}'.format(path), advice):
        found = sha256_of(path)
    if found != expected:
        raise ArtifactError('{0} has sha256 {1}, expected {2}; {3}'.format(path, found, expected, advice))


# Directories and files

def missing_directories(path):
    """Return the directories that must be made before path is one, outermost first."""
    missing = []
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    return missing


def make_directory(path, mode=0o755):
    """Make one directory with this mode, whatever the umask; another run may have been quicker."""
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != errno.EEXIST or not os.path.isdir(path):
            raise
    else:
        os.chmod(path, mode)


def make_directories(path):
    """Make a directory, and those that it stands in, with mode 0755."""
    with reported('cannot make the directory {0}'.format(path), 'make it by hand or name another path'):
        for directory in missing_directories(path):
            make_directory(directory)


def new_token():
    """Return a word that no other run has, for names of temporary files."""
    return to_native(binascii.hexlify(os.urandom(4)))


def temporary_name(path, token):
    """Return the hidden name beside path under which its successor is prepared."""
    return os.path.join(os.path.dirname(path), '.{0}.vipkit-{1}'.format(os.path.basename(path), token))


def create(path):
    """Open a new file for writing, never one that is there nor one behind a link."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb')


def settle(handle, mode):
    """Give a new file its owner and mode, and bring it to the disk."""
    handle.flush()
    if os.geteuid() == 0:
        os.fchown(handle.fileno(), 0, 0)
    os.fchmod(handle.fileno(), mode)  # after the owner: a change of owner clears setuid
    os.fsync(handle.fileno())


def settle_directory(path):
    """Bring the names in a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(path):
    """Remove a temporary file, as far as possible: what made it superfluous is what matters."""
    try:
        os.unlink(path)
    except OSError:
        pass


@contextlib.contextmanager
def replacing(path, mode=0o644):
    """Hand out a new binary file that takes the name path, whole, when the block ends well; else it is gone."""
    temporary = temporary_name(path, new_token())
    try:
        with create(temporary) as handle:
            yield handle
            settle(handle, mode)
        os.rename(temporary, path)
    except BaseException:
        discard(temporary)
        raise
    settle_directory(os.path.dirname(path))


@contextlib.contextmanager
def locked(directory):
    """Have a directory for oneself: another run that wants it waits. The lock goes with the process, so none is left behind."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# Archives

def safe_parts(name):
    """Return the components of a name in an archive, refusing one that leads out of the place of unpacking."""
    parts = [part for part in name.split('/') if part not in ('', '.')]
    if name.startswith('/') or '..' in parts:
        raise ArtifactError("the archive holds '{0}', a name that leads out of it; use an archive from a source you trust".format(name))
    return parts


def archive_entries(tar):
    """Yield (absolute path, member) of an open artefact in its order, refusing what is neither file, link nor directory."""
    for member in tar:
        parts = safe_parts(member.name)
        if not (member.isreg() or member.issym() or member.isdir()):
            raise ArtifactError("the archive holds '{0}', neither a file, a symbolic link nor a directory; build it again".format(
                member.name))
        if parts:
            yield '/' + '/'.join(parts), member


def mode_text(mode):
    """Return a mode as a stamp records it."""
    return '{0:04o}'.format(stat.S_IMODE(mode))


def file_entry(path, member, tar):
    """Return what a stamp records of a file or link in an open artefact."""
    entry = {'path': path, 'mode': mode_text(member.mode)}
    if member.issym():
        entry['link'] = member.linkname
    else:
        entry['sha256'] = sha256_of_stream(tar.extractfile(member))
    return entry


def artifact_files(path):
    """Return what an artefact holds, files and links, as a stamp records them."""
    with reported('cannot read the artefact {0}'.format(path), 'remove it so that it is built or copied again'):
        with tarfile.open(path, 'r:gz') as tar:
            return [file_entry(name, member, tar) for name, member in archive_entries(tar) if not member.isdir()]


# Stamps

def stamp_of(text):
    """Return the stamp that a text holds; a ValueError says what it has not."""
    stamp = json.loads(text)
    files = stamp.get('files') if isinstance(stamp, dict) else None
    if not isinstance(files, list):
        raise ValueError("it has no list 'files'")
    for entry in files:
        if not isinstance(entry, dict) or 'path' not in entry or not ('sha256' in entry or 'link' in entry):
            raise ValueError("an entry of 'files' has no path, or neither sha256 nor link")
    return stamp


def read_stamp(path):
    """Return (stamp, error): (None, None) without a stamp, (None, text) when it cannot be used."""
    try:
        with open(path, 'rb') as stream:
            return stamp_of(stream.read().decode('utf-8')), None
    except (EnvironmentError, ValueError) as error:
        if getattr(error, 'errno', None) == errno.ENOENT:
            return None, None
        return None, 'the stamp {0} cannot be used ({1}); it counts as absent until the next installation writes it anew'.format(
            path, to_native(error))


# Records of what a host keeps

def record_of(artifact):
    """Return the path of the record that lies beside an artefact which was installed here."""
    return artifact + '.json'


def read_records(directory):
    """Return the records of the artefacts in a directory, the one that was installed last first; what is no record is passed over."""
    records = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if not name.endswith('.tar.gz.json'):
            continue
        path = os.path.join(directory, name)
        try:
            with open(path, 'rb') as stream:
                record = json.loads(stream.read().decode('utf-8'))
            found = dict((key, record[key]) for key in ('sha256', 'installed_at', 'manifest'))
            found.update((key, to_native(record['manifest'][key])) for key in ('version', 'fingerprint'))
            found['previous'] = record.get('previous')
        except (EnvironmentError, ValueError, KeyError, TypeError):
            continue
        if os.path.isfile(path[:-len('.json')]):
            records.append(dict(found, artifact=path[:-len('.json')]))
    return sorted(records, key=lambda record: record['installed_at'], reverse=True)


def under(root, path):
    """Return an absolute path as it is seen from outside root."""
    return os.path.join(root, to_native(path).lstrip('/'))


def is_intact(entry, root='/'):
    """Tell whether a file or link is still what its stamp records."""
    path = under(root, entry['path'])
    try:
        mode = os.lstat(path).st_mode
        if 'link' in entry:
            return stat.S_ISLNK(mode) and os.readlink(path) == to_native(entry['link'])
        return stat.S_ISREG(mode) and mode_text(mode) == entry.get('mode', mode_text(mode)) and sha256_of(path) == entry['sha256']
    except EnvironmentError:
        return False


def damaged_files(stamp, root='/'):
    """Return the paths that a stamp lists and that are gone or changed."""
    return [to_native(entry['path']) for entry in stamp['files'] if not is_intact(entry, root)]
