# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules on a host that exists only as a description; the real files are in the test of the module."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import stat

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _script_security
from ansible_collections.vipkit.ha.plugins.module_utils._script_security import DROPPED, FAILS, PASSES, Account, NotFound, Problem

SECURE = (2, 0, 7)
STRICT = (2, 3, 0)
SHELL = b'#!/usr/bin/sh\n'
ELF = b'\x7fELF\x02\x01'
ACCOUNTS = [Account('keepalived_script', 990, 985), Account('root', 0, 0), Account('wheel', 1000, 0)]
SEARCH_PATH = '/usr/local/bin:/usr/bin'


class Status(object):
    def __init__(self, kind, mode, uid=0, gid=0):
        self.st_mode, self.st_uid, self.st_gid = kind | mode, uid, gid


class Host(object):
    """Files are told as {path: (mode, uid, gid, content)}, links as {path: target}, and directories that are not told are safe ones."""

    def __init__(self, files, noexec=()):
        self.noexec = noexec
        self.contents, self.links, self.statuses = {}, {}, {}
        files = dict({'/usr/bin/sh': (0o755, 0, 0, ELF)}, **files)
        for path in files:
            if isinstance(files[path], str):
                self.links[path], self.statuses[path] = files[path], Status(stat.S_IFLNK, 0o777)
            elif len(files[path]) == 3:
                self.statuses[path] = Status(stat.S_IFDIR, *files[path])
            else:
                self.statuses[path], self.contents[path] = Status(stat.S_IFREG, *files[path][:3]), files[path][3]
        for path in files:
            while path != '/':
                path = os.path.dirname(path)
                self.statuses.setdefault(path, Status(stat.S_IFDIR, 0o755))

    def lstat(self, path):
        directory, name = os.path.split(path)
        if directory in self.links:  # the kernel follows what is not the last
            return self.lstat(os.path.join(directory, self.links[directory], name))
        if path not in self.statuses:
            raise OSError(errno.ENOENT, 'No such file or directory', path)
        return self.statuses[path]

    def readlink(self, path):
        return self.links[path]

    def head(self, path):
        return self.contents[path]

    def is_noexec(self, path):
        return path in self.noexec

    def account(self, name):
        return dict((one.name, one) for one in ACCOUNTS).get(name)


def judge(path, files, user='keepalived_script', version=SECURE, security=True, **more):
    return _script_security.judge(path, user, version, security, SEARCH_PATH, Host(files, **more))


def problems(path, files, *args, **more):
    return [(one.outcome, one.what) for one in judge(path, files, *args, **more)[1]]


GOOD = (0o755, 0, 0, SHELL)


# --- options ---

@pytest.mark.parametrize('text, expected', [('2.0.7', (2, 0, 7)), ('v2.3.4', (2, 3, 4)), ('10.20.30', (10, 20, 30))])
def test_version(text, expected):
    assert _script_security.version_tuple(text) == expected


@pytest.mark.parametrize('text', ['', '2.0', '2.0.7-1', 'two', '2.0.7\n'])
def test_no_version(text):
    with pytest.raises(_script_security.ScriptSecurityError) as error:
        _script_security.version_tuple(text)
    assert str(error.value) == "version '{0}' is not one of keepalived; write it like 2.0.7".format(text)


@pytest.mark.parametrize('command, expected', [
    ('/a/b', '/a/b'), ('  /a/b c "d e"', '/a/b'), ('"/a b/c" d', '/a b/c'), ("'/a b'/c", '/a b/c'), ('"/a#b" c', '/a#b'),
    ("/a/b 'unfinished", '/a/b'), ('curl -s', 'curl'), ('</dev/tcp/192.0.2.1/22', '</dev/tcp/192.0.2.1/22'), ('/a "" \\x', '/a'),
])
def test_first_word(command, expected):
    assert _script_security.first_word(command) == expected


@pytest.mark.parametrize('command', ['', '  ', '"/a', "/a'b", '/a\\ b', '/a#b', '# /a', '""', 'a' * 5000 + '\\'])
def test_no_first_word(command):
    with pytest.raises(_script_security.ScriptSecurityError) as error:
        _script_security.first_word(command)
    assert 'does not begin with a path that can be read' in str(error.value)


# --- permissions ---

@pytest.mark.parametrize('mode, uid, gid, expected', [
    (0o100, 990, 5, True), (0o077, 990, 5, False),  # the owner, and only as such
    (0o010, 5, 985, True), (0o701, 5, 985, False),  # the group, and only as such
    (0o001, 5, 5, True), (0o770, 5, 5, False),
])
def test_may_execute(mode, uid, gid, expected):
    status = Status(stat.S_IFREG, mode, uid, gid)
    assert _script_security.may_execute(status, ACCOUNTS[0]) is expected
    assert _script_security.may_enter(status, ACCOUNTS[0]) is expected


def test_root_may_execute_what_anybody_may_and_enter_everything():
    root = ACCOUNTS[1]
    for mode, expected in ((0o001, True), (0o010, True), (0o100, True), (0o666, False)):
        assert _script_security.may_execute(Status(stat.S_IFREG, mode, 5, 5), root) is expected
        assert _script_security.may_enter(Status(stat.S_IFDIR, mode, 5, 5), root) is True


@pytest.mark.parametrize('mode, uid, gid, account, expected', [
    (0o755, 0, 0, 0, None), (0o755, 0, 0, 1, 'root runs it'), (0o755, 0, 0, 2, 'the group root runs it'),
    (0o4755, 0, 5, 0, 'it is setuid root'), (0o4655, 0, 5, 0, None), (0o4755, 5, 0, 0, None),
    (0o2755, 5, 0, 0, 'it is setgid root'), (0o2745, 5, 0, 0, None), (0o2755, 0, 5, 0, None),
])
def test_why_protected(mode, uid, gid, account, expected):
    assert _script_security.why_protected(Status(stat.S_IFREG, mode, uid, gid), ACCOUNTS[account]) == expected


@pytest.mark.parametrize('kind, mode, uid, gid, expected', [
    (stat.S_IFREG, 0o755, 0, 0, []), (stat.S_IFREG, 0o775, 0, 0, []), (stat.S_IFREG, 0o775, 0, 5, ['can be written by the group 5']),
    (stat.S_IFREG, 0o1757, 0, 0, ['can be written by everybody']),  # sticky means nothing on a file
    (stat.S_IFDIR, 0o777, 0, 5, ['can be written by the group 5', 'can be written by everybody']), (stat.S_IFDIR, 0o1777, 0, 5, []),
    (stat.S_IFDIR, 0o1755, 7, 0, ['is owned by uid 7 and not by root']), (stat.S_IFLNK, 0o777, 0, 5, []),
    (stat.S_IFLNK, 0o777, 7, 0, ['is owned by uid 7 and not by root']),
])
def test_exposure(kind, mode, uid, gid, expected):
    assert [what for what, dummy in _script_security.exposure(Status(kind, mode, uid, gid))] == expected


# --- paths ---

LINKED = {'/real/sub/x': GOOD, '/dir': 'real/sub', '/abs': '/real', '/real/up': '../real/sub/x', '/one': 'two', '/two': 'one',
          '/real/sub/y': 'x', '/dangling': 'gone'}


@pytest.mark.parametrize('path, expected, directories', [
    ('/real/sub/x', '/real/sub/x', ['/', '/real', '/real/sub']), ('//real/./sub//x', '/real/sub/x', ['/', '/real', '/real/sub']),
    ('/dir/x', '/real/sub/x', ['/', '/real', '/real/sub']), ('/dir/../sub/x', '/real/sub/x', ['/', '/real', '/real/sub']),
    ('/real/up', '/real/sub/x', ['/', '/real', '/real/sub']), ('/abs/sub/y', '/real/sub/x', ['/', '/real', '/real/sub']),
    ('/../real', '/real', ['/']), ('/', '/', ['/']),
])
def test_resolve(path, expected, directories):
    assert _script_security.resolve(path, Host(LINKED)) == (expected, directories)


@pytest.mark.parametrize('path, expected', [
    ('/real/none/x', '/real/none does not exist'),
    ('/real/sub/x/', '/real/sub/x is not a directory'), ('/dangling', '/gone does not exist'),
    ('/one', '/one leads through too many symbolic links'), ('/real/sub/x/y', '/real/sub/x is not a directory'),
])
def test_what_leads_nowhere(path, expected):
    with pytest.raises(NotFound) as error:
        _script_security.resolve(path, Host(LINKED))
    assert str(error.value) == expected


@pytest.mark.parametrize('version, path, expected', [
    (SECURE, '/real/sub/x', ['/real/sub/x']), (SECURE, '/dir/x', ['/real/sub/x']), (SECURE, '/dir/y', ['/real/sub/y', '/real/sub/x']),
    (SECURE, '/real/up', ['/real/sub/x']), ((2, 2, 8), '/dir/x', ['/real/sub/x']),
    (STRICT, '/real/sub/x', ['/real/sub/x']),
    (STRICT, '/dir/x', ['/dir/x', '/real/sub/x']), (STRICT, '/real/up', ['/real/up', '/real/sub/x']),
    (STRICT, '//real/./sub/../sub/x', ['/real/sub/x']),
])
def test_examined(version, path, expected):
    assert _script_security.examined(path, '/real/sub/x', version, Host(LINKED)) == expected


@pytest.mark.parametrize('files, expected', [
    ({'/usr/bin/x': GOOD}, '/usr/bin/x'),
    ({'/usr/bin/x': GOOD, '/usr/local/bin/x': GOOD}, '/usr/local/bin/x'),
    ({'/usr/bin/x': GOOD, '/usr/local/bin/x': (0o644, 0, 0, SHELL)}, '/usr/bin/x'),
    ({'/usr/bin/x': GOOD, '/usr/local/bin/x/y': GOOD}, '/usr/bin/x'),
    ({'/usr/bin/x': GOOD, '/usr/local/bin/x': GOOD, '/usr/local': (0o700, 0, 0)}, '/usr/bin/x'),
])
def test_a_bare_name(files, expected):
    assert judge('x', files) == (expected, [])


def test_a_bare_name_that_is_nowhere():
    files = {'/usr/bin/x': (0o644, 0, 0, SHELL), '/x': GOOD}
    for search_path in (SEARCH_PATH, ':.:bin'):
        path, found = _script_security.judge('x', 'keepalived_script', SECURE, True, search_path, Host(files))
        assert path == 'x' and [one.outcome for one in found] == [DROPPED]
        assert found[0].what == 'there is no x that keepalived_script may execute in ' + search_path


def test_a_bare_name_is_found_for_root_only_from_2_2_5_on():
    files = {'/usr/bin/x': GOOD}
    for user in ('root', 'keepalived_script', 'wheel'):
        assert judge('x', files, user, (2, 2, 4)) == ('/usr/bin/x', [])
    assert judge('x', files, 'root', (2, 2, 5)) == ('/usr/bin/x', [])
    for user in ('keepalived_script', 'wheel'):
        assert problems('x', files, user, (2, 2, 5)) == [
            (DROPPED, 'it begins with a bare name, which keepalived 2.2.5 and later finds for root only')]


# --- judgement ---

def test_a_good_script():
    for version in (SECURE, STRICT):
        for user in ('keepalived_script', 'root', 'wheel'):
            assert judge('/opt/x', {'/opt/x': GOOD}, user, version) == ('/opt/x', [])
            assert judge('/opt/x', {'/opt/x': (0o755, 0, 0, ELF)}, user, version) == ('/opt/x', [])


def test_an_unknown_user():
    assert judge('/opt/x', {}, 'nobody-here') == ('/opt/x', [
        Problem(DROPPED, 'its user nobody-here does not exist', 'create that user or name another')])


@pytest.mark.parametrize('path, what', [
    ('opt/x', 'a relative path depends on where keepalived was started'),
    ('./x', 'a relative path depends on where keepalived was started'),
    ('/opt/x', '/opt does not exist'),
])
def test_a_script_that_is_not_there(path, what):
    assert problems(path, {}) == [(DROPPED, what)]


def test_a_directory_that_the_user_cannot_enter():
    files = {'/opt/in/x': GOOD, '/opt': (0o750, 0, 985), '/opt/in': (0o771, 7, 985)}
    assert problems('/opt/in/x', files) == []
    for mode, gid, advice in ((0o770, 7, 'o'), (0o707, 985, 'g')):
        found = judge('/opt/in/x', dict(files, **{'/opt/in': (mode, 7, gid)}))[1]
        assert found == [Problem(
            DROPPED, 'keepalived_script (uid 990, gid 985) cannot enter /opt/in (mode {0:04o}, owner 7:{1})'.format(mode, gid),
            'chmod {0}+x /opt/in, or put the script elsewhere'.format(advice))]
        assert problems('/opt/in/x', dict(files, **{'/opt/in': (mode, 0, gid)}), 'root', security=False) == []


def test_a_script_that_the_user_may_not_execute():
    files = {'/opt/x': (0o644, 0, 0, SHELL)}
    for user, name in (('keepalived_script', 'keepalived_script (uid 990, gid 985)'), ('root', 'root (uid 0, gid 0)')):
        assert judge('/opt/x', files, user) == ('/opt/x', [Problem(
            DROPPED, name + ' may not execute /opt/x (mode 0644, owner 0:0), which only its log says', 'chmod 0755 /opt/x')])


def test_a_script_that_its_interpreter_cannot_read():
    files = {'/opt/x': (0o711, 0, 0, SHELL), '/opt/elf': (0o711, 0, 0, ELF)}
    assert problems('/opt/x', files) == [(
        FAILS, 'keepalived_script (uid 990, gid 985) may not read it (mode 0711, owner 0:0), so its interpreter cannot either')]
    assert problems('/opt/x', files, 'root') == problems('/opt/elf', files) == []


@pytest.mark.parametrize('user, mode, outcome', [
    ('keepalived_script', 0o755, PASSES), ('keepalived_script', 0o750, DROPPED), ('root', 0o755, DROPPED), ('wheel', 0o755, DROPPED)])
def test_a_directory_instead_of_a_script(user, mode, outcome):
    assert problems('/opt/x', {'/opt/x': (mode, 0, 0)}, user) == [(outcome, '/opt/x is not a regular file')]


@pytest.mark.parametrize('head, expected', [
    (b'#!/usr/bin/sh', '/usr/bin/sh'), (b'#! \t/usr/bin/sh\t-e \nexit', '/usr/bin/sh'), (b'#!/usr/bin/sh\r\n', '/usr/bin/sh\r'),
    (b'#!/usr/bin/sh -e\r\n', '/usr/bin/sh'), (ELF, None), (b'', ''), (b'exit 0\n#!/usr/bin/sh', ''), (b'#!\n/usr/bin/sh', ''),
    (b' #!/usr/bin/sh', ''), (b'\xef\xbb\xbf#!/usr/bin/sh', ''), (b'#!   \n', ''), (b'#!/usr/bin/sh\0x', '/usr/bin/sh'),
])
def test_interpreter(head, expected):
    assert _script_security.interpreter(head) == expected


@pytest.mark.parametrize('head, what', [
    (b'exit 1\n', '/opt/x is no binary and names no interpreter, which only a keepalived with libmagic gives to a shell'),
    (b'#!/usr/bin/bsh\n', 'the first line of /opt/x names /usr/bin/bsh, and /usr/bin/bsh does not exist'),
    (b'#!sh\n', 'the first line of /opt/x names sh, and that is not an absolute path'),
    (b'#!/usr/bin/sh\r\n', 'the first line of /opt/x names /usr/bin/sh<CR>, and the carriage return (<CR>) belongs to its name, as the '
                           'file has the line ends of Windows'),
    (b'#!/usr/bin\n', 'the first line of /opt/x names /usr/bin, and /usr/bin is not a regular file'),
    (b'#!/opt/plain\n', 'the first line of /opt/x names /opt/plain, and keepalived_script (uid 990, gid 985) may not execute /opt/plain '
                        '(mode 0744, owner 0:0)'),
    (b'#!/opt/closed/sh\n', 'the first line of /opt/x names /opt/closed/sh, and keepalived_script (uid 990, gid 985) cannot enter '
                            '/opt/closed (mode 0700, owner 0:0)'),
    (b'#!/opt/text\n', 'the first line of /opt/x names /opt/text, and /opt/text is no binary and names no interpreter, which only a '
                       'keepalived with libmagic gives to a shell'),
    (b'#!/opt/chain\n', 'the first line of /opt/x names /opt/chain, and the first line of /opt/chain names /none, and /none does not '
                        'exist'),
])
def test_what_the_kernel_would_not_start(head, what):
    files = {'/opt/x': (0o755, 0, 0, head), '/opt/plain': (0o744, 0, 0, ELF), '/opt/closed': (0o700, 0, 0), '/opt/closed/sh': GOOD,
             '/opt/text': (0o755, 0, 0, b'exit 0\n'), '/opt/chain': (0o755, 0, 0, b'#!/none')}
    assert problems('/opt/x', files) == [(PASSES, what)]


def test_interpreters_of_interpreters():
    files = dict(('/opt/{0}'.format(number), (0o755, 0, 0, '#!/opt/{0}\n'.format(number - 1).encode('ascii'))) for number in range(1, 9))
    files['/opt/0'] = (0o755, 0, 0, ELF)
    assert problems('/opt/4', files) == []
    assert problems('/opt/5', files)[0][1].endswith('names /opt/0, and there are too many interpreters of interpreters')
    assert problems('/opt/x', {'/opt/x': (0o755, 0, 0, b'#!/opt/x\n')})[0][1].endswith('too many interpreters of interpreters')


def test_a_file_system_without_exec():
    files = {'/run/x': GOOD, '/run/sh': (0o755, 0, 0, ELF), '/opt/x': (0o755, 0, 0, b'#!/run/sh')}
    text = '{0} is on a file system that is mounted noexec'
    assert problems('/run/x', files, noexec=['/run/x']) == [(PASSES, text.format('/run/x'))]
    assert problems('/opt/x', files, noexec=['/run/sh']) == [
        (PASSES, 'the first line of /opt/x names /run/sh, and ' + text.format('/run/sh'))]


@pytest.mark.parametrize('changed, what, advice', [
    ({'/opt': (0o775, 0, 7)}, 'root runs it, and /opt can be written by the group 7', 'chmod g-w /opt'),
    ({'/': (0o757, 0, 0)}, 'root runs it, and / can be written by everybody', 'chmod o-w /'),
    ({'/opt': (0o1755, 7, 0)}, 'root runs it, and /opt is owned by uid 7 and not by root', 'chown root /opt'),
    ({'/opt/x': (0o755, 7, 0, SHELL)}, 'root runs it, and /opt/x is owned by uid 7 and not by root', 'chown root /opt/x'),
    ({'/opt': (0o1777, 0, 7)}, None, None),
    ({'/opt/x': (0o775, 0, 0, SHELL)}, None, None),
])
def test_what_others_than_root_can_change(changed, what, advice):
    files = dict({'/opt/x': GOOD}, **changed)
    for version in (SECURE, STRICT):
        assert judge('/opt/x', files, 'root', version)[1] == ([Problem(DROPPED, what, advice)] if what else [])
        assert problems('/opt/x', files, 'root', version, security=False) == []
        assert problems('/opt/x', files, 'keepalived_script', version) == []


def test_a_path_through_a_link():
    files = {'/usr/bin/x': GOOD, '/bin': 'usr/bin', '/usr/bin/y': 'x'}
    for security in (True, False):
        for user in ('root', 'wheel', 'keepalived_script'):
            assert problems('/bin/x', files, user, (2, 2, 8), security) == problems('/bin/x', files, user, SECURE, security) == []
            assert problems('/usr/bin/y', files, user, STRICT, security) == []
        assert problems('/bin/x', files, 'keepalived_script', STRICT, security) == []
        assert judge('/bin/x', files, 'root', STRICT, security)[1] == [Problem(
            DROPPED, 'root runs it, and /bin is a symbolic link where this version accepts directories only',
            'write its path as /usr/bin/x')]


def test_where_a_link_leads_is_looked_at_in_every_version():
    files = {'/bad/x': GOOD, '/bad': (0o777, 0, 0), '/opt/y': '/bad/x'}
    for version in (SECURE, STRICT):
        assert problems('/opt/y', files, 'root', version) == [(DROPPED, 'root runs it, and /bad can be written by everybody')]
    where_it_lies = {'/good/x': GOOD, '/bad': (0o777, 0, 0), '/bad/y': '/good/x'}
    assert problems('/bad/y', where_it_lies, 'root', SECURE) == []
    assert problems('/bad/y', where_it_lies, 'root', STRICT) == [(DROPPED, 'root runs it, and /bad can be written by everybody')]


def test_each_component_is_told_once():
    files = {'/bad/x': GOOD, '/bad': (0o777, 0, 0), '/bad/y': 'x'}
    for version in (SECURE, STRICT):
        assert problems('/bad/y', files, 'root', version) == [(DROPPED, 'root runs it, and /bad can be written by everybody')]


def test_a_file_that_is_only_opened():
    for version, expected in (((2, 0, 16), [(PASSES, 'before 2.0.17 this is taken for the name of a command')]), ((2, 0, 17), [])):
        assert problems('</dev/tcp/192.0.2.1/22', {}, version=version) == expected
