# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: whether keepalived would run a script, said before it is given one.

``judge()`` is the whole of it: a description of a script in, ``(path, problems)`` out. It sees the host only through a ``Host``,
so that tests may show it another one. What it knows was read in lib/notify.c of keepalived 2.0.7, 2.0.20, 2.2.8, 2.3.4 and 2.4.3.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import errno
import os
import pwd
import re
import stat

from ansible.module_utils.common.text.converters import to_bytes, to_native

# What keepalived makes of a script that has a problem.
DROPPED = '{name}: keepalived drops {path} when it reads its configuration: {what}; {advice}'
PASSES = '{name}: keepalived cannot run {path} and counts that as success: {what}; {advice}'
FAILS = '{name}: {path} fails whenever keepalived runs it: {what}; {advice}'

SHOWS_LINKS = (2, 3, 0)  # from here on the path as it was written is looked at too, not only where it leads
SEARCHES_FOR_ROOT_ONLY = (2, 2, 5)  # from here on it becomes the user too early, so that its search fails for any other
READS_FILES = (2, 0, 17)  # from here on </path reaches the shell as a redirection

MAX_LINKS = 40
MAX_INTERPRETERS = 4
ST_NOEXEC = 8

WORD = re.compile(r'''\s*((?:'[^'\\]*'|"[^"\\]*"|[^\s'"\\#!])+)(?:\s|\Z)''')
QUOTED = re.compile(r''''([^']*)'|"([^"]*)"''')
OPENS_A_FILE = re.compile(r'<[ \t]*/')

Account = collections.namedtuple('Account', 'name uid gid')
Problem = collections.namedtuple('Problem', 'outcome what advice')


class ScriptSecurityError(Exception):
    """What cannot be judged, and what to do about it."""


class NotFound(Exception):
    """Why a path leads to nothing."""


class Host(object):
    """The files and users of this host."""

    def lstat(self, path):
        return os.lstat(to_bytes(path))

    def readlink(self, path):
        return to_native(os.readlink(to_bytes(path)))

    def head(self, path):
        with open(to_bytes(path), 'rb') as handle:
            return handle.read(256)

    def is_noexec(self, path):
        return bool(os.statvfs(to_bytes(path)).f_flag & ST_NOEXEC)

    def account(self, name):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return Account(name, entry.pw_uid, entry.pw_gid)


# Options

def version_tuple(text):
    """Return the version of keepalived as three numbers."""
    found = re.match(r'v?(\d+)\.(\d+)\.(\d+)\Z', text)
    if not found:
        raise ScriptSecurityError("version '{0}' is not one of keepalived; write it like 2.0.7".format(text))
    return tuple(int(number) for number in found.groups())


def first_word(command):
    """Return the path that a command line begins with, its quotes removed."""
    found = WORD.match(command)
    word = QUOTED.sub(lambda quoted: quoted.group(1) or quoted.group(2) or '', found.group(1)) if found else ''
    if not word:
        raise ScriptSecurityError("the command '{0}' does not begin with a path that can be read; put one first, in quotes if it holds "
                                  'spaces or any of # !, and without backslashes'.format(command))
    return word


# Permissions, of what lstat tells

def allowed(status, account, bits):
    """Whether the owner, the group or the others have this of rwx, whichever of them the account is. Its own group is its only one."""
    shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
    return stat.S_IMODE(status.st_mode) >> shift & bits == bits


def may_enter(status, account):
    return account.uid == 0 or allowed(status, account, 1)


def may_read(status, account):
    return account.uid == 0 or allowed(status, account, 4)


def may_execute(status, account):
    return bool(status.st_mode & 0o111) if account.uid == 0 else allowed(status, account, 1)


def why_protected(status, account):
    """Return why keepalived wants root alone to be able to change a script; None where it does not care."""
    if account.uid == 0:
        return 'root runs it'
    if account.gid == 0:
        return 'the group root runs it'
    if status.st_uid == 0 and status.st_mode & stat.S_ISUID and status.st_mode & stat.S_IXUSR:
        return 'it is setuid root'
    if status.st_gid == 0 and status.st_mode & stat.S_ISGID and status.st_mode & stat.S_IXGRP:
        return 'it is setgid root'
    return None


def exposure(status):
    """Return (what, mend) for each way in which others than root can change a component; a sticky directory may be writable."""
    if status.st_uid:
        yield 'is owned by uid {0} and not by root'.format(status.st_uid), 'chown root'
    if stat.S_ISREG(status.st_mode) or (stat.S_ISDIR(status.st_mode) and not status.st_mode & stat.S_ISVTX):
        if status.st_gid and status.st_mode & stat.S_IWGRP:
            yield 'can be written by the group {0}'.format(status.st_gid), 'chmod g-w'
        if status.st_mode & stat.S_IWOTH:
            yield 'can be written by everybody', 'chmod o-w'


def in_words(status):
    return 'mode {0:04o}, owner {1}:{2}'.format(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


# Paths

def lstat(path, host):
    try:
        return host.lstat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            raise NotFound('{0} does not exist'.format(path))
        raise


def resolve(path, host):
    """Follow an absolute path as the kernel does; return where it ends and the directories that were gone through."""
    current, directories, links, parts = '/', [], 0, path.split('/')[1:]
    while parts:
        if not stat.S_ISDIR(lstat(current, host).st_mode):
            raise NotFound('{0} is not a directory'.format(current))
        if current not in directories:
            directories.append(current)
        part = parts.pop(0)
        candidate = {'': current, '.': current, '..': os.path.dirname(current)}.get(part) or os.path.join(current, part)
        if stat.S_ISLNK(lstat(candidate, host).st_mode):
            links += 1
            if links > MAX_LINKS:
                raise NotFound('{0} leads through too many symbolic links'.format(path))
            target = host.readlink(candidate)
            parts[:0] = target.split('/')
            candidate = '/' if target.startswith('/') else current
        current = candidate
    return current, directories


def search(name, search_path, account, host):
    """Return the path of a bare name, as keepalived looks for it: the first regular file that the account may execute."""
    for directory in search_path.split(':'):
        if not directory.startswith('/'):
            continue
        candidate = os.path.join(directory, name)
        try:
            real, directories = resolve(candidate, host)
            status = host.lstat(real)
        except NotFound:
            continue
        entered = all(may_enter(host.lstat(one), account) for one in directories)
        if entered and stat.S_ISREG(status.st_mode) and may_execute(status, account):
            return candidate
    raise NotFound('there is no {0} that {1} may execute in {2}'.format(name, account.name, search_path))


def examined(path, real, version, host):
    """Return the paths whose components keepalived looks at: where the script is, and by which name it is called."""
    if version >= SHOWS_LINKS:
        called = path if path == real else '/' + os.path.normpath(path).lstrip('/')
    else:
        called = os.path.join(os.path.dirname(real), os.path.basename(path))
        try:
            called = called if resolve(called, host)[0] == real else real
        except NotFound:
            called = real
    return [called] if called == real else [called, real]


def components(path):
    """Return a path and all that it stands in, outermost first."""
    found = [path]
    while found[0] != '/':
        found.insert(0, os.path.dirname(found[0]))
    return found


# Judgement

def reach_problems(directories, account, host):
    for directory in directories:
        status = host.lstat(directory)
        if not may_enter(status, account):
            who = 'u' if status.st_uid == account.uid else 'g' if status.st_gid == account.gid else 'o'
            yield Problem(
                DROPPED, '{0} cannot enter {1} ({2})'.format(in_full(account), directory, in_words(status)),
                'chmod {0}+x {1}, or put the script elsewhere'.format(who, directory))


def start_problems(real, account, host, depth=1):
    """Yield why the kernel would not start a regular file, nor what the file names as its interpreter."""
    if host.is_noexec(real):
        yield Problem(PASSES, '{0} is on a file system that is mounted noexec'.format(real), 'put it on another one')
    named = interpreter(host.head(real))
    if named is None:
        return
    if not named:
        what = '{0} is no binary and names no interpreter, which only a keepalived with libmagic gives to a shell'.format(real)
        yield Problem(PASSES, what, 'make its first line #!/bin/sh or the like')
        return
    for what in interpreter_problems(named, account, host, depth):
        yield Problem(PASSES, 'the first line of {0} names {1}, and {2}'.format(real, named.replace('\r', '<CR>'), what),
                      'correct that line or install the interpreter')
    status = host.lstat(real)
    if not may_read(status, account):
        what = '{0} may not read it ({1}), so its interpreter cannot either'.format(in_full(account), in_words(status))
        yield Problem(FAILS, what, 'chmod 0755 {0}'.format(real))


def interpreter(head):
    """Return what the beginning of a file names as its interpreter: '' for nothing, None for a binary that needs none."""
    if head.startswith(b'\x7fELF'):
        return None
    if not head.startswith(b'#!'):
        return ''
    return to_native(re.split(b'[ \t\0]', head[2:].split(b'\n')[0].strip(b' \t'))[0])


def interpreter_problems(path, account, host, depth):
    if path.endswith('\r'):
        yield 'the carriage return (<CR>) belongs to its name, as the file has the line ends of Windows'
    elif not path.startswith('/'):
        yield 'that is not an absolute path'
    elif depth > MAX_INTERPRETERS:
        yield 'there are too many interpreters of interpreters'
    else:
        try:
            real, directories = resolve(path, host)
        except NotFound as problem:
            yield str(problem)
            return
        for problem in reach_problems(directories, account, host):
            yield problem.what
        status = host.lstat(real)
        if not stat.S_ISREG(status.st_mode):
            yield '{0} is not a regular file'.format(real)
        elif not may_execute(status, account):
            yield '{0} may not execute {1} ({2})'.format(in_full(account), real, in_words(status))
        else:
            for problem in start_problems(real, account, host, depth + 1):
                yield problem.what


def exposure_problems(paths, why, security, host):
    """Yield which components of the paths would let others than root change a script that root runs."""
    seen = set()
    for path in paths:
        for component in components(path):
            status = host.lstat(component)
            if component != path and stat.S_ISLNK(status.st_mode):
                yield Problem(DROPPED, '{0}, and {1} is a symbolic link where this version accepts directories only'.format(why, component),
                              'write its path as {0}'.format(paths[-1]))
                break
            for what, mend in exposure(status) if security and component not in seen else []:
                yield Problem(DROPPED, '{0}, and {1} {2}'.format(why, component, what), '{0} {1}'.format(mend, component))
            seen.add(component)


def in_full(account):
    return '{0} (uid {1}, gid {2})'.format(account.name, account.uid, account.gid)


def find(path, account, version, search_path, host):
    """Return (path, real path, directories) of a script."""
    if '/' not in path:
        if version >= SEARCHES_FOR_ROOT_ONLY and account.uid:
            raise NotFound('it begins with a bare name, which keepalived 2.2.5 and later finds for root only')
        path = search(path, search_path, account, host)
    elif not path.startswith('/'):
        raise NotFound('a relative path depends on where keepalived was started')
    return (path,) + resolve(path, host)


def judge(path, user, version, security, search_path, host):
    """Return the path of a script as far as it can be found, and the problems that it has."""
    account = host.account(user)
    if account is None:
        return path, [Problem(DROPPED, 'its user {0} does not exist'.format(user), 'create that user or name another')]
    if OPENS_A_FILE.match(path):
        reads = version >= READS_FILES
        what = 'before 2.0.17 this is taken for the name of a command'
        return path, [] if reads else [Problem(PASSES, what, 'use a script with test -r')]
    try:
        path, real, directories = find(path, account, version, search_path, host)
    except NotFound as problem:
        return path, [Problem(DROPPED, str(problem), 'put the script there, or correct the command to begin with its absolute path')]

    problems = list(reach_problems(directories, account, host))
    status = host.lstat(real)
    why = why_protected(status, account)
    if not stat.S_ISREG(status.st_mode):
        outcome = PASSES if may_execute(status, account) and not why else DROPPED
        return path, problems + [Problem(outcome, '{0} is not a regular file'.format(real), 'correct the path')]
    if not may_execute(status, account):
        what = '{0} may not execute {1} ({2}), which only its log says'.format(in_full(account), real, in_words(status))
        problems.append(Problem(DROPPED, what, 'chmod 0755 {0}'.format(real)))
    problems.extend(start_problems(real, account, host))
    if why:
        problems.extend(exposure_problems(examined(path, real, version, host), why, security, host))
    return path, problems
