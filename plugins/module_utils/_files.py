# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files and directories as they are and as they are to be. PRIVATE to this collection.

A file that is to have another content is prepared beside its place, and takes the name when it is complete.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import errno
import grp
import os
import pwd
import re
import stat

from ansible.module_utils.common.text.converters import to_text

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import (
    ArtifactError,
    create,
    discard,
    make_directory,
    missing_directories,
    new_token,
    temporary_name,
)

ADVICE = 'remove the cause and run again, which finishes what is left to do'

Owner = collections.namedtuple('Owner', 'uid gid')
File = collections.namedtuple('File', 'kind content mode uid gid')  # kind: what st_mode tells of it; content: of a regular file


# Options

def checked_mode(mode, what):
    if not re.match(r'0[0-7]{3}\Z', mode):
        raise ArtifactError("the mode '{0}' of {1} is not one; write it as in '0755', with the quotes".format(mode, what))
    return int(mode, 8)


def number_of(what, name, look_up):
    """Return the number of a user or group that is given by name or by number."""
    try:
        return look_up(name)
    except KeyError:
        if name.isdigit():
            return int(name)
        raise ArtifactError('the {0} {1} does not exist; create it or name another'.format(what, name))


def uid_of(name):
    return number_of('user', name, lambda user: pwd.getpwnam(user).pw_uid)


def gid_of(name):
    return number_of('group', name, lambda group: grp.getgrnam(group).gr_gid)


# What is there

def read_file(path, with_content=True):
    """Return a File; None for nothing."""
    try:
        status = os.lstat(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return None
    content = b''
    if with_content and stat.S_ISREG(status.st_mode):
        with open(path, 'rb') as handle:
            content = handle.read()
    return File(stat.S_IFMT(status.st_mode), content, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def read_directory(path):
    """Return the File that a directory is, links followed; None if it has to be made."""
    if missing_directories(path):
        return None
    status = os.stat(path)
    return File(stat.S_IFDIR, b'', stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


# What changes

def same_content(before, after):
    return bool(before and after) and (before.kind, before.content) == (after.kind, after.content)


def attributes(one):
    return 'owner: {0}\ngroup: {1}\nmode: {2:04o}\n'.format(one.uid, one.gid, one.mode) if one else ''


def text_of(one):
    if one is None:
        return ''
    return to_text(one.content, errors='replace') if one.kind == stat.S_IFREG else '(not a regular file)\n'


def difference(path, before, after):
    """Return the diff of a file or directory of which something changes."""
    directory = stat.S_IFDIR in [one.kind for one in (before, after) if one]
    show = attributes if directory or text_of(before) == text_of(after) else text_of
    return {'before_header': path, 'after_header': path, 'before': show(before), 'after': show(after)}


# Changing it

def labels(module):
    """Return what gives a file the SELinux context that the policy has for a name."""
    def label(path, name):
        if module.selinux_enabled():
            module.set_context_if_different(path, module.selinux_default_context(name), False)
    return label


def make_way(path, directory, label):
    """Have the directory, and what it stands in, with owner and mode."""
    for missing in missing_directories(path):
        make_directory(missing)
        os.chown(missing, directory.uid, directory.gid)
        label(missing, missing)
    os.chown(path, directory.uid, directory.gid)
    os.chmod(path, directory.mode)


def prepare(path, wanted, label):
    """Write what is to become a file beside its place, and return under which name; it is complete by then."""
    temporary = temporary_name(path, new_token())
    try:
        with create(temporary) as handle:
            handle.write(wanted.content)
            handle.flush()
            os.fchown(handle.fileno(), wanted.uid, wanted.gid)
            os.fchmod(handle.fileno(), wanted.mode)
            os.fsync(handle.fileno())
        label(temporary, path)
    except BaseException:
        discard(temporary)
        raise
    return temporary


def write(path, wanted, label):
    """Give the name path to a new file that is complete by then."""
    temporary = prepare(path, wanted, label)
    try:
        os.rename(temporary, path)  # not atomic_move(), which gives the new file the owner and mode of the old one
    except BaseException:
        discard(temporary)
        raise


def set_attributes(path, wanted):
    """Give a regular file its owner and mode where it is, never what a link leads to."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fchown(descriptor, wanted.uid, wanted.gid)
        os.fchmod(descriptor, wanted.mode)
    finally:
        os.close(descriptor)


def remove_leftovers(path, names):
    """Remove from a directory what a run that was killed has prepared for these names."""
    for name in os.listdir(path):
        temporary = re.match(r'\.(.+)\.vipkit-[0-9a-f]{8}\Z', name)
        if temporary and temporary.group(1) in names:
            discard(os.path.join(path, name))
