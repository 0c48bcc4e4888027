# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real files, directories and commands; the last test runs the module as Ansible does, in a process."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import grp
import json
import os
import pwd
import socket
import stat
import subprocess
import sys

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _files
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError
from ansible_collections.vipkit.ha.plugins.modules import managed_files

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name
as_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')


class Killed(BaseException):
    """What a run that is killed in the middle looks like from within."""


class Host(object):
    """A directory that stands for a host, and what the module makes of it."""

    def __init__(self, tmpdir):
        self.root = tmpdir
        self.labelled = []

    def path(self, name):
        return str(self.root.join(name)) if name[:1] != '/' else name

    def file(self, name, content=u'text\n', **more):
        return dict({'path': self.path(name), 'content': content, 'mode': '0644', 'owner': USER, 'group': GROUP, 'validate': None,
                     'backup': False}, **more)

    def directory(self, name, **more):
        return dict({'path': self.path(name), 'mode': '0755', 'owner': USER, 'group': GROUP}, **more)

    def label(self, path, name):
        self.labelled.append((os.path.basename(path), os.path.basename(name)))

    def run(self, files=(), directories=(), absent=(), check_mode=False):
        return managed_files.have(list(directories), list(files), [self.path(name) for name in absent], self.label, check_mode)

    def failure(self, *args, **more):
        with pytest.raises(ArtifactError) as caught:
            self.run(*args, **more)
        return str(caught.value)

    def names(self):
        return sorted(os.path.relpath(str(path), str(self.root)) for path in self.root.visit())

    def state(self):
        """Return everything about the files, without the times of access."""
        return [(name, os.lstat(self.path(name))[:7], os.lstat(self.path(name)).st_mtime) for name in self.names()]

    def relative(self, paths):
        return [os.path.relpath(path, str(self.root)) for path in paths]


@pytest.fixture
def host(tmpdir):
    os.chmod(str(tmpdir), 0o755)
    return Host(tmpdir)


def mode_of(path):
    return stat.S_IMODE(os.lstat(str(path)).st_mode)


# --- writing ---

def test_everything_is_made_in_one_call(host):
    host.root.join('old').write('old')
    old = os.umask(0o077)
    try:
        result = host.run([host.file('etc/a/conf', u'\xfc\r\n'), host.file('log', None, mode='0640')],
                          [host.directory('etc/a'), host.directory('private', mode='0700')], ['old', 'never/there'])
    finally:
        os.umask(old)
    assert host.names() == ['etc', 'etc/a', 'etc/a/conf', 'log', 'private']
    assert host.relative(result['written']) == ['etc/a', 'private', 'etc/a/conf', 'log']
    assert (host.relative(result['removed']), result['touched_attributes'], result['changed']) == (['old'], [], True)
    assert [mode_of(host.root.join(name)) for name in host.names()] == [0o755, 0o755, 0o644, 0o640, 0o700]
    assert host.root.join('etc/a/conf').read_binary() == b'\xc3\xbc\r\n'
    assert host.root.join('log').read() == ''


def test_the_second_run_changes_nothing(host):
    wanted = dict(files=[host.file('etc/conf', validate='false %s'), host.file('log', None)], directories=[host.directory('etc')],
                  absent=['old'])
    host.failure(**wanted)  # the test is really run when there is something to test
    wanted['files'][0]['validate'] = 'true %s'
    assert host.run(**wanted)['changed']
    before = host.state()
    wanted['files'][0]['validate'] = 'false %s'
    assert host.run(**wanted) == {'changed': False, 'written': [], 'backed_up': [], 'touched_attributes': [], 'removed': [], 'diff': []}
    assert host.state() == before


def test_only_what_differs_is_written(host):
    files = [host.file('a'), host.file('b'), host.file('c')]
    host.run(files)
    inodes = [host.root.join(name).stat().ino for name in 'ac']
    host.root.join('c').chmod(0o600)
    files[1]['content'] = u'new\n'
    result = host.run(files)
    assert (host.relative(result['written']), host.relative(result['touched_attributes'])) == (['b'], ['c'])
    assert [host.root.join(name).stat().ino for name in 'ac'] == inodes
    assert mode_of(host.root.join('c')) == 0o644
    texts = dict((os.path.basename(one['after_header']), (one['before'], one['after'])) for one in result['diff'])
    assert texts['b'] == ('text\n', 'new\n')
    assert [text.splitlines()[-1] for text in texts['c']] == ['mode: 0600', 'mode: 0644']


def test_a_directory_gets_its_attributes_and_keeps_what_it_holds(host):
    host.run([host.file('d/a')], [host.directory('d')])
    result = host.run(directories=[host.directory('d', mode='0700')])
    assert host.relative(result['touched_attributes']) == ['d'] and result['written'] == []
    assert mode_of(host.root.join('d')) == 0o700 and host.root.join('d/a').check()


@as_root
def test_owners_and_groups(host):
    wanted = dict(files=[host.file('d/a', owner='65534', group='65533'), host.file('log', None)],
                  directories=[host.directory('d', owner='65533', group='65534')])
    host.run(**wanted)
    assert [(os.stat(host.path(name)).st_uid, os.stat(host.path(name)).st_gid) for name in ('d', 'd/a')] == [(65533, 65534), (65534, 65533)]
    assert host.run(**wanted)['diff'] == []
    wanted['files'][1].update(owner='65534', mode='0600')
    assert host.relative(host.run(**wanted)['touched_attributes']) == ['log']
    assert (os.stat(host.path('log')).st_uid, mode_of(host.path('log'))) == (65534, 0o600)


def test_labels_go_to_the_temporary_file_for_the_name_that_it_will_have(host):
    host.run([host.file('d/a')], [host.directory('d')])
    assert [name for dummy, name in host.labelled] == ['d', 'a'] and host.labelled[1][0].startswith('.a.vipkit-')


# --- files without a content ---

def test_content_and_times_of_a_log_stay(host):
    log = host.root.join('log')
    log.write('line\n')
    os.utime(str(log), (1, 2))
    log.chmod(0o600)
    with open(str(log), 'a') as writer:
        result = host.run([host.file('log', None)])
        writer.write('another\n')
    assert log.read() == 'line\nanother\n'
    assert host.relative(result['touched_attributes']) == ['log'] and result['written'] == []
    os.utime(str(log), (1, 2))
    host.run([host.file('log', None, mode='0640')])
    assert (mode_of(log), os.stat(str(log)).st_atime, os.stat(str(log)).st_mtime) == (0o640, 1, 2)


def test_a_log_is_not_read(host, monkeypatch):
    host.root.join('log').write('much')
    monkeypatch.setattr(_files, 'open', None, raising=False)  # calling it fails
    assert host.run([host.file('log', None)], check_mode=True)['written'] == []


def test_an_empty_content_is_a_content(host):
    host.root.join('a').write('text')
    assert host.relative(host.run([host.file('a', u'')])['written']) == ['a']
    assert host.root.join('a').read() == ''


def test_a_new_empty_file_is_seen_in_the_diff(host):
    diff = host.run([host.file('log', None)])['diff']
    assert diff[0]['before'] == '' and 'mode: 0644' in diff[0]['after']


# --- links and obstacles ---

@pytest.mark.parametrize('content', [None, u'text\n'])
def test_a_link_becomes_a_file_and_its_target_stays_as_it_is(host, content):
    target = host.root.join('target')
    target.write('text\n')
    target.chmod(0o600)
    host.root.join('a').mksymlinkto(target)
    assert host.relative(host.run([host.file('a', content)])['written']) == ['a']
    assert not host.root.join('a').islink() and (target.read(), mode_of(target)) == ('text\n', 0o600)


def test_a_link_that_leads_nowhere_becomes_a_file(host):
    host.root.join('a').mksymlinkto('nowhere')
    host.run([host.file('a')])
    assert not host.root.join('a').islink() and host.names() == ['a']


def test_attributes_never_go_through_a_link(host):
    host.root.join('target').write('his')
    host.root.join('a').mksymlinkto(host.root.join('target'))
    with pytest.raises(EnvironmentError):
        _files.set_attributes(host.path('a'), _files.read_file(host.path('target')))


def test_a_link_to_a_directory_is_followed(host):
    host.root.mkdir('real')
    host.root.join('link').mksymlinkto('real')
    host.run([host.file('link/a')], [host.directory('link', mode='0700')])
    assert host.root.join('link').islink() and host.root.join('real/a').check() and mode_of(host.root.join('real')) == 0o700


def test_a_link_is_removed_and_its_target_stays(host):
    host.root.join('target').write('his')
    host.root.join('a').mksymlinkto('target')
    host.run(absent=['a'])
    assert host.names() == ['target']


@pytest.mark.parametrize('wanted', ['file', 'log', 'absent'])
@pytest.mark.parametrize('kind', ['directory', 'socket'])
def test_only_a_file_or_a_link_makes_room_for_a_file(host, wanted, kind):
    there = host.root.join('there')
    if kind == 'directory':
        there.mkdir()
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(there))
        listener.close()
    files = {'file': [host.file('there')], 'log': [host.file('there', None)], 'absent': []}[wanted]
    for check_mode in (True, False):
        assert host.failure([host.file('a')] + files, [host.directory('d')], ['there'] if not files else [], check_mode) == (
            '{0} is a directory or a device, where a file is meant; move it away, nothing has been changed'.format(there))
    assert host.names() == ['there']


@pytest.mark.parametrize('target', [None, 'nowhere'])
def test_what_is_in_the_place_of_a_directory_is_refused(host, target):
    there = host.root.join('there')
    if target:
        there.mksymlinkto(target)
    else:
        there.write('his')
    assert 'is there and is no directory' in host.failure([host.file('a')], [host.directory('d'), host.directory('there')])
    assert host.names() == ['there']


def test_a_directory_that_is_missing(host):
    assert host.run([host.file('no/a')], check_mode=True)['changed']  # the same run may be about to make it
    message = host.failure([host.file('a'), host.file('no/a')])
    assert 'cannot write into {0}'.format(host.path('no')) in message and 'no file has been changed' in message
    assert host.names() == []


# --- testing ---

def test_a_refused_file_leaves_all_files_as_they_were(host):
    files = [host.file('a'), host.file('b'), host.file('c', backup=True)]
    host.run(files)
    host.root.join('c').chmod(0o600)
    host.root.join('gone').write('')
    before = host.state()
    script = host.root.dirpath('checker')
    script.write('#!/bin/sh\ntest "$1" = "two words" && echo "$2: line 1" && echo " no " >&2; exit 3\n')
    script.chmod(0o755)
    test = "{0} 'two words' %s".format(script)
    files = [host.file('a', u'new'), host.file('b', u'new', validate=test), host.file('c', u'new', backup=True)]
    assert host.failure(files, absent=['gone']) == (
        '{0} refuses the new {1} (exit code 3): {1}: line 1 | no; no file has been changed: correct it and run again'.format(
            script, host.path('b')))
    assert host.state() == before
    files[1]['validate'] = 'true %s'
    files[2]['validate'] = 'false %s'
    assert 'it says nothing' in host.failure(files, absent=['gone'])
    assert host.state() == before
    files[2]['validate'] = None
    result = host.run(files, absent=['gone'])
    assert (host.relative(result['written']), host.relative(result['backed_up'])) == (['a', 'b', 'c'], ['c'])
    assert host.names() == ['a', 'b', 'c', 'c.previous']


def test_the_test_sees_the_new_file_complete_and_the_old_one_in_its_place(host):
    host.run([host.file('a', u'old')])
    script = host.root.dirpath('checker-that-looks')
    script.write('#!/bin/sh\nstat -c %a "$1"; cat "$1" {0}; exit 1\n'.format(host.path('a')))
    script.chmod(0o755)
    assert ': 640 | newold; ' in host.failure([host.file('a', u'new', mode='0640', validate='{0} %s'.format(script))])


def test_no_shell_is_involved(host):
    host.run([host.file('a', validate='test -f %s -a x != "; touch ' + host.path('b') + '"')])
    assert host.names() == ['a']


def test_a_command_that_does_not_end(host, monkeypatch):
    monkeypatch.setattr(managed_files, 'PATIENCE', 0.1)
    assert '(it did not end within 0.1 s)' in host.failure([host.file('a', validate='tail -f %s')])
    assert host.names() == []


def test_commands_that_are_none(host):
    assert 'does not tell where the new file belongs' in host.failure([host.file('a', validate='true')])
    assert 'cannot be split into words' in host.failure([host.file('a', validate='true "%s')])
    message = host.failure([host.file('a', validate='/no/such/program %s')])
    assert 'cannot have {0} tested by /no/such/program'.format(host.path('a')) in message
    assert host.names() == []


# --- the former version ---

def test_one_former_version_is_kept(host):
    for number in range(3):
        host.run([host.file('a', u'{0}'.format(number), mode='06{0}0'.format(number + 1), backup=True)])
    assert host.names() == ['a', 'a.previous']
    assert (host.root.join('a').read(), host.root.join('a.previous').read()) == ('2', '1')
    assert (mode_of(host.root.join('a')), mode_of(host.root.join('a.previous'))) == (0o630, 0o620)
    host.run([host.file('a', u'2', backup=True)])
    assert host.root.join('a.previous').read() == '1'  # a change of the mode alone is no new version


def test_a_link_has_no_former_version(host):
    host.root.join('a').mksymlinkto('nowhere')
    host.run([host.file('a', backup=True)])
    assert host.names() == ['a']


# --- runs that are killed or fail ---

@pytest.mark.parametrize('function, after', [(name, count) for name in ('rename', 'unlink', 'fchmod') for count in range(5)])
def test_an_interrupted_run_is_finished_by_the_next(host, monkeypatch, function, after):
    host.run([host.file('a', u'old'), host.file('b', u'old'), host.file('gone')])
    wanted = dict(files=[host.file('a', u'new', backup=True), host.file('b', u'new'), host.file('c')], absent=['gone'])
    real, calls = getattr(os, function), []

    def mortal(*args):
        calls.append(args)
        if len(calls) > after:
            raise Killed()
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, function, mortal)
        patch.setattr(_files, 'discard', lambda path: None)  # who is killed does not clean up
        patch.setattr(managed_files, 'discard', lambda path: None)
        try:
            host.run(**wanted)
        except Killed:
            pass
    for name in 'ab':
        assert host.root.join(name).read() in ('old', 'new')
    host.run(**wanted)
    assert host.names() == ['a', 'a.previous', 'b', 'c']
    assert not host.run(**wanted)['changed']


def test_a_run_that_cannot_write_cleans_up(host, monkeypatch):
    host.run([host.file('a', u'old')])
    before, real = host.state(), os.fsync
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, 'No space left on device')
        real(descriptor)

    monkeypatch.setattr(os, 'fsync', full)
    message = host.failure([host.file('a', u'new'), host.file('b')])
    assert 'cannot write {0}'.format(host.path('b')) in message and 'No space left' in message and 'no file has been changed' in message
    assert host.state() == before


# --- check mode ---

def test_check_mode_foretells_and_changes_nothing(host):
    host.run([host.file('a', u'old'), host.file('b'), host.file('gone')])
    host.root.join('b').chmod(0o600)
    before = host.state()
    wanted = dict(files=[host.file('a', u'new', backup=True), host.file('b'), host.file('d/c')], directories=[host.directory('d')],
                  absent=['gone', 'never'])
    foretold = host.run(check_mode=True, **wanted)
    assert host.state() == before and foretold['changed'] is True
    assert host.run(**wanted) == foretold


def test_who_does_not_exist_yet_is_foreseen(host):
    wanted = [host.file('a', owner='no-such-user', group='no-such-group')]
    foretold = host.run(wanted, check_mode=True)
    assert host.relative(foretold['written']) == ['a']
    assert host.failure(wanted) == 'the user no-such-user does not exist; create it or name another'
    host.run([host.file('a')])
    assert 'owner: no-such-user\n' in host.run(wanted, check_mode=True)['diff'][0]['after']


# --- options ---

def test_paths_that_are_refused(host):
    assert host.failure(absent=['x'], files=[host.file('a', path='etc/a')]) == 'etc/a is a relative path; give an absolute one'
    twice = '{0} is described twice; name each path once'.format(host.path('a'))
    assert host.failure([host.file('a'), host.file('a')]) == twice
    assert host.failure([host.file('a')], [host.directory('b/../a/')]) == twice
    assert host.failure([host.file('a')], absent=['a']) == twice
    assert host.names() == []


@pytest.mark.parametrize('mode', ['', '75', '0855', '04755', 'u+x', '493', '0644\n'])
def test_modes_that_are_refused(host, mode):
    expected = "the mode '{0}' of {1} is not one; write it as in '0755', with the quotes".format(mode, host.path('a'))
    assert host.failure([host.file('a', mode=mode)]) == expected
    assert host.failure(directories=[host.directory('a', mode=mode)]) == expected


# --- as Ansible runs it ---

def run_module(arguments):
    """Run the module in a process of its own, and return what it answers."""
    code = ('import sys; sys.path.insert(0, {0!r}); import conftest\n'
            'from ansible.module_utils import basic\n'
            'basic._ANSIBLE_PROFILE = "legacy"\n'
            'basic._ANSIBLE_ARGS = {1!r}.encode()\n'
            'from ansible_collections.vipkit.ha.plugins.modules import managed_files\n'
            'managed_files.main()\n').format(UNIT, json.dumps({'ANSIBLE_MODULE_ARGS': arguments}))
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate()
    assert output, errors
    return json.loads(output.decode('utf-8'))


def test_the_module(host):
    owner = {'owner': USER, 'group': GROUP}
    arguments = {'directories': [dict(owner, path=host.path('d'))],
                 'files': [dict(owner, path=host.path('d/a'), content=u'\xfc\n', validate='grep -q . %s'),
                           dict(owner, path=host.path('log'))]}
    foretold = run_module(dict(arguments, _ansible_check_mode=True, _ansible_diff=True))
    assert foretold['changed'] is True and foretold['diff'][1]['after'] == u'\xfc\n' and host.names() == []
    quiet = run_module(arguments)
    assert host.relative(quiet['written']) == ['d', 'd/a', 'log'] and 'diff' not in quiet
    again = run_module(dict(arguments, _ansible_diff=True))
    assert (again['changed'], again['written'], again['diff']) == (False, [], [])
    assert run_module({'absent': [host.path('log')]})['removed'] == [host.path('log')]
    arguments['files'][0].update(content=u'', validate=u'grep -q \xfc %s')
    assert 'grep refuses the new ' in run_module(arguments)['msg']
