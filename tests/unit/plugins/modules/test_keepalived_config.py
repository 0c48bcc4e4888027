# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real files. Shell scripts stand in for keepalived, as a unit test cannot build one; a real one is proven in the molecule scenario.

The last tests run the module as Ansible does, in a process.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import stat
import subprocess
import sys
import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError
from ansible_collections.vipkit.ha.plugins.modules import keepalived_config

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OLD = 'vrrp_instance VI_1 {\n    virtual_router_id 51\n    authentication {\n        auth_pass geheim11\n    }\n}\n'
NEW = OLD.replace('geheim11', 'geheim12')


class Host(object):
    """A directory for the configuration, and a script that stands in for keepalived."""

    def __init__(self, tmpdir):
        self.etc = tmpdir.mkdir('etc')
        self.tmpdir = tmpdir
        self.live = self.etc.join('keepalived.conf')
        self.binary = tmpdir.join('keepalived')
        self.says('exit 0')

    def has(self, text, mode=0o640, name='keepalived.conf'):
        self.etc.join(name).write(text)
        self.etc.join(name).chmod(mode)

    def says(self, script, version='2.0.7'):
        self.binary.write('#!/bin/sh\ncd {0}\n[ "$1" != --version ] || {{ echo "Keepalived v{1} (unknown)" >&2; exit 0; }}\n{2}\n'.format(
            self.tmpdir, version, script))
        self.binary.chmod(0o755)

    def test(self, content=NEW, secrets=(), timeout=20):
        return keepalived_config.tested(str(self.live), content, str(self.binary), list(secrets), timeout)

    def present(self, content=NEW, **more):
        return keepalived_config.present(str(self.live), content, **more)

    def restored(self, **more):
        return keepalived_config.restored(str(self.live), **more)

    def files(self):
        """Content and mode of all files by what their names add to that of the live one."""
        return dict((path.basename[len('keepalived.conf'):], (path.read(), stat.S_IMODE(path.lstat().mode))) for path in self.etc.listdir())


@pytest.fixture
def host(tmpdir):
    return Host(tmpdir)


def failure(call, *args, **more):
    with pytest.raises(ArtifactError) as caught:
        call(*args, **more)
    return str(caught.value)


# --- state=tested ---

def test_accepted(host):
    host.says('echo "$@" >arguments; ls -ld "$3" >listing; cp "$3" seen')
    host.has(OLD)
    assert host.test() == {
        'changed': False, 'differs': True, 'accepted': True, 'refusal': '', 'exit_code': 0,
        'shared_changes': [{'instance': 'VI_1', 'what': ['auth_pass']}]}
    assert host.tmpdir.join('arguments').read() == '-t -f {0}.staged\n'.format(host.live)
    assert host.tmpdir.join('listing').read().startswith('-rw-------')
    assert host.tmpdir.join('seen').read() == NEW
    assert host.files() == {'': (OLD, 0o640)}


def test_without_a_file_in_use(host):
    result = host.test()
    assert (result['differs'], result['accepted'], result['shared_changes']) == (True, True, [])
    assert host.files() == {}


def test_same_file(host):
    host.has(NEW)
    assert not host.test()['differs']


@pytest.mark.parametrize('mode', [0o600, 0o644, 0o750])
def test_wrong_mode_differs(host, mode):
    host.has(NEW, mode)
    assert host.test()['differs']
    assert host.files() == {'': (NEW, mode)}


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give a file away')
@pytest.mark.parametrize('owner', [(1, 0), (0, 1)])
def test_wrong_owner_differs_and_is_put_right(host, owner):
    host.has(NEW)
    os.chown(str(host.live), *owner)
    assert host.test()['differs']
    assert (host.present()['changed'], host.present()['changed']) == (True, False)
    assert (os.stat(str(host.live)).st_uid, os.stat(str(host.live)).st_gid) == (0, 0)


def test_link_differs_and_is_replaced(host):
    host.has(NEW, name='keepalived.conf.real')
    host.live.mksymlinkto('keepalived.conf.real')
    assert host.test()['differs']
    assert host.present(OLD)['previous'] == str(host.live) + '.previous'
    assert not host.live.islink()
    assert host.files() == {'': (OLD, 0o640), '.real': (NEW, 0o640), '.previous': (NEW, 0o600)}


def test_dangling_link_is_no_file(host):
    host.live.mksymlinkto('nowhere')
    assert host.test()['differs']
    assert host.present()['previous'] is None
    assert host.files() == {'': (NEW, 0o640)}


def test_refused(host):
    host.says('echo "($3: Line 4) Truncating auth_pass to 8 characters" >&2; echo "  bad: geheim12 hush"; echo "  bad: geheim12 hush"; exit 4')
    result = host.test(secrets=['hush'])
    assert (result['accepted'], result['exit_code']) == (False, 4)
    assert result['refusal'] == '({0}: Line 4) Truncating auth_pass **** | bad: **** ****'.format(host.live)
    assert host.files() == {}


def test_refused_without_a_word(host):
    host.says('exit 3')
    assert host.test()['refusal'] == 'keepalived -t gave no reason (exit code 3)'


@pytest.mark.parametrize('version, accepted', [('2.0.7', True), ('2.0.20', False), ('2.1.5', False), ('2.2.0', True), ('2.3.4', True), ('?', False)])
def test_errors_with_exit_code_0(host, version, accepted):
    host.says('echo "(Line 1) Unknown keyword"', version)
    result = host.test()
    assert (result['accepted'], result['exit_code'], result['refusal']) == (accepted, 0, '' if accepted else '(Line 1) Unknown keyword')


def test_killed_by_a_signal_that_has_nothing_to_do_with_the_file(host):
    host.says('echo x >>runs; [ $(wc -l <runs) -gt 3 ] || kill -SEGV $$')
    assert host.test()['accepted']
    assert len(host.tmpdir.join('runs').readlines()) == 4


def test_killed_by_a_signal_again_and_again(host):
    host.says('echo x >>runs; kill -KILL $$')
    result = host.test()
    assert (result['accepted'], result['exit_code'], result['refusal']) == (False, -9, 'keepalived -t was ended by signal 9, 4 times')
    assert len(host.tmpdir.join('runs').readlines()) == 4


def test_sigterm_to_itself_does_not_count(host):
    host.says('echo x >>runs; kill -TERM $$; exit 0')
    assert host.test()['accepted']
    assert len(host.tmpdir.join('runs').readlines()) == 1


def test_hanging(host):
    host.says('echo x >>runs; echo "one moment"; sleep 60')
    start = time.time()
    result = host.test(timeout=0.5)
    assert time.time() - start < 20
    assert (result['accepted'], result['exit_code']) == (False, None)
    assert result['refusal'] == 'one moment | keepalived -t did not end within 0.5 s and was killed'
    assert len(host.tmpdir.join('runs').readlines()) == 1
    assert host.files() == {}


@pytest.mark.parametrize('content, words', [
    (NEW.rstrip()[:-1], "the block that line 1 opens is never closed: a '}' is missing"),
    (NEW + '}\n', "line 7 has a '}' that closes nothing"),
    ('', 'it is empty, or holds nothing but comments'),
    (NEW.replace('51', '5\0001'), 'line 2 holds a NUL byte'),
])
def test_refused_before_keepalived_is_asked(host, content, words):
    host.says('echo x >runs')
    result = host.test(content)
    assert (result['accepted'], result['exit_code'], result['refusal']) == (False, None, words)
    assert not host.tmpdir.join('runs').check()


def test_shared_changes(host):
    host.says('exit 4')
    host.has(OLD.replace('    auth', '    version 2\n    auth'))
    result = host.test(NEW.replace('VI_1', 'VI_hush'), secrets=['hush'])
    assert result['shared_changes'] == [{'instance': 'VI_****', 'what': ['auth_pass']}]
    assert 'geheim' not in json.dumps(result)


def test_file_in_use_that_is_no_text(host):
    host.live.write_binary(b'! \xff\xfe\n' + OLD.encode())
    host.live.chmod(0o640)
    assert host.test()['differs']
    assert host.present()['changed']
    assert host.etc.join('keepalived.conf.previous').read_binary().startswith(b'! \xff\xfe\n')


def test_what_a_killed_run_has_left_is_replaced_and_a_link_never_followed(host):
    victim = host.tmpdir.join('victim')
    victim.write('precious')
    host.etc.join('keepalived.conf.staged').mksymlinkto(victim)
    host.says('cp "$3" seen')
    assert host.test()['accepted']
    assert (victim.read(), host.tmpdir.join('seen').read()) == ('precious', NEW)
    assert host.files() == {}


def test_staged_file_is_removed_when_the_test_breaks_off(host, monkeypatch):
    def interrupted(command, timeout):
        assert os.path.exists(command[3])
        raise KeyboardInterrupt()

    monkeypatch.setattr(keepalived_config._keepalived, 'run', interrupted)
    with pytest.raises(KeyboardInterrupt):
        host.test()
    assert host.files() == {}


def test_errors_of_a_test(host):
    host.binary.remove()
    words = failure(host.test)
    assert words.startswith('cannot have {0} test a configuration beside {1} ('.format(host.binary, host.live))
    assert words.endswith('; nothing has been changed: see that keepalived is installed and the directory is there, and run again')
    assert host.files() == {}
    host.says('exit 0')
    host.etc.mkdir('keepalived.conf.staged')
    assert 'keepalived.conf.staged' in failure(host.test)
    host.live.mkdir()
    assert failure(host.test) == '{0} is not a file; move it away and run again'.format(host.live)


# --- state=present ---

def test_first_file(host):
    result = host.present()
    assert (result['changed'], result['previous']) == (True, None)
    assert host.files() == {'': (NEW, 0o640)}


def test_second_run_changes_nothing(host):
    host.has(OLD)
    assert host.present()['previous'] == str(host.live) + '.previous'
    before, inode = host.files(), host.live.stat().ino
    assert before == {'': (NEW, 0o640), '.previous': (OLD, 0o600)}
    again = host.present()
    assert (again['changed'], again['previous']) == (False, None)
    assert (host.files(), host.live.stat().ino) == (before, inode)


def test_only_the_mode_is_wrong(host):
    host.has(NEW, 0o755)
    result = host.present()
    assert (result['changed'], result['previous']) == (True, None)
    assert host.files() == {'': (NEW, 0o640)}


def test_previous_is_the_last_one(host):
    host.has(OLD)
    host.has('older', name='keepalived.conf.previous')
    host.present()
    assert host.files()['.previous'] == (OLD, 0o600)


@pytest.mark.parametrize('umask', [0, 0o077])
def test_mode_does_not_depend_on_the_umask(host, umask):
    former = os.umask(umask)
    try:
        host.present()
    finally:
        os.umask(former)
    assert host.files()[''] == (NEW, 0o640)


def test_nothing_is_written_in_check_mode(host):
    assert host.present(check_mode=True)['changed']
    assert host.files() == {}
    host.has(OLD)
    result = host.present(check_mode=True)
    assert (result['changed'], result['previous']) == (True, str(host.live) + '.previous')
    assert host.files() == {'': (OLD, 0o640)}
    assert not host.present(OLD, check_mode=True)['changed']
    host.has('older', name='keepalived.conf.previous')
    result = host.restored(check_mode=True)
    assert (result['changed'], result['set_aside']) == (True, str(host.live) + '.failed')
    assert host.files() == {'': (OLD, 0o640), '.previous': ('older', 0o640)}


def test_old_or_new_and_nothing_between(host):
    host.has(OLD)
    with open(str(host.live)) as handle:
        host.present()
        assert handle.read() == OLD


def test_what_cannot_be_written_leaves_all_as_it_was(host):
    host.has(OLD)
    host.etc.mkdir('keepalived.conf.previous.staged')
    words = failure(host.present)
    assert words.startswith('cannot write {0}.previous ('.format(host.live))
    assert words.endswith('; it is as it was: remove the cause and run again')
    host.etc.join('keepalived.conf.previous.staged').remove()
    assert host.files() == {'': (OLD, 0o640)}
    host.etc.mkdir('keepalived.conf.staged')
    assert failure(host.present).startswith('cannot write {0} ('.format(host.live))
    assert host.live.read() == OLD


def test_new_file_gets_its_label_before_it_takes_its_place(host):
    host.has(OLD)
    labelled = []

    def label(name, path):
        with open(name) as handle:
            labelled.append((name, path, handle.read(), host.live.read()))

    host.present(label=label)
    live = str(host.live)
    assert labelled == [(live + '.previous.staged', live + '.previous', OLD, OLD), (live + '.staged', live, NEW, OLD)]


# --- state=restored ---

def test_taken_back(host):
    host.has(OLD)
    host.present()
    result = host.restored()
    assert (result['changed'], result['set_aside']) == (True, str(host.live) + '.failed')
    taken_back = {'': (OLD, 0o640), '.previous': (OLD, 0o600), '.failed': (NEW, 0o600)}
    assert host.files() == taken_back
    again = host.restored()
    assert (again['changed'], again['set_aside']) == (False, None)
    assert host.files() == taken_back


def test_taken_back_to_where_nothing_is(host):
    host.has(OLD, name='keepalived.conf.previous')
    result = host.restored()
    assert (result['changed'], result['set_aside']) == (True, None)
    assert host.files()[''] == (OLD, 0o640)


@pytest.mark.parametrize('check_mode', [False, True])
def test_nothing_to_go_back_to(host, check_mode):
    host.has(NEW)
    assert failure(host.restored, check_mode=check_mode).startswith(
        'there is no {0}.previous to go back to; {0} is as it was: '.format(host.live))
    assert host.files() == {'': (NEW, 0o640)}


# --- diff ---

def test_diff_shows_that_a_password_changes_and_not_which(host):
    host.has(OLD + '! hush\n')
    diff = host.present(secrets=['hush'])['diff']
    assert (diff['before_header'], diff['after_header']) == (str(host.live), str(host.live))
    assert diff['before'] == OLD.replace('geheim11', '<secret 1>') + '! <secret 2>'
    assert diff['after'] == NEW.replace('geheim12', '<secret 3>').rstrip('\n')
    assert host.restored()['diff']['after'] == OLD.replace('geheim11', '<secret 2>') + '! hush'


# --- the module as a process ---

# Newer releases of ansible-core want to know how arguments and results are encoded; older ones have no such name.
RUN = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible.module_utils import basic
basic._ANSIBLE_PROFILE = 'legacy'
sys.argv = ['keepalived_config']
runpy.run_module('ansible_collections.vipkit.ha.plugins.modules.keepalived_config', run_name='__main__')
"""


def run_module(**arguments):
    process = subprocess.Popen([sys.executable, '-c', RUN, UNIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate(json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
    assert not errors.strip(), errors.decode()
    return process.returncode, output.decode(), json.loads(output.decode())


def test_module_from_the_test_to_taking_back(host):
    path, binary = str(host.live), str(host.binary)
    host.has(OLD)
    host.says('echo "bad: geheim12"; exit 4')
    common = {'path': path, 'secrets': ['geheim11', 'geheim12'], '_ansible_diff': True}
    answers = []
    for state, check_mode, changed in (('tested', True, False), ('present', True, True), ('present', False, True), ('present', False, False),
                                       ('restored', True, True), ('restored', False, True), ('restored', False, False)):
        more = {} if state == 'restored' else {'content': NEW, 'binary': binary}
        status, text, result = run_module(state=state, _ansible_check_mode=check_mode, **dict(common, **more))
        assert (state, check_mode, status, result['changed']) == (state, check_mode, 0, changed)
        assert ('diff' in result) == (state != 'tested')
        assert 'geheim' not in text
        answers.append(result)
    assert (answers[0]['accepted'], answers[0]['exit_code'], answers[0]['differs']) == (False, 4, True)
    assert (answers[1]['previous'], answers[2]['previous'], answers[3]['previous']) == (path + '.previous', path + '.previous', None)
    assert (answers[4]['set_aside'], answers[5]['set_aside'], answers[6]['set_aside']) == (path + '.failed', path + '.failed', None)
    assert host.files() == {'': (OLD, 0o640), '.previous': (OLD, 0o600), '.failed': (NEW, 0o600)}


def test_module_shows_a_diff_of_a_file_without_any_password(host):
    content = 'vrrp_instance VI_1 {\n    virtual_router_id 51\n}\n'
    diff = run_module(path=str(host.live), state='present', content=content, _ansible_diff=True)[2]['diff']
    assert diff == {'before_header': str(host.live), 'before': '', 'after_header': str(host.live), 'after': content.rstrip('\n')}


def test_module_without_diff_and_secrets_tells_nothing_of_the_content(host):
    dummy, text, result = run_module(path=str(host.live), state='present', content=NEW)
    assert 'diff' not in result
    assert 'geheim' not in text


@pytest.mark.parametrize('arguments, text', [
    ({'state': 'tested', 'content': NEW}, 'state is tested but all of the following are missing: binary'),
    ({'state': 'present'}, 'state is present but all of the following are missing: content'),
    ({'state': 'restored'}, 'to go back to'),
    ({'state': 'absent'}, 'value of state must be one of'),
])
def test_module_refuses(host, arguments, text):
    status, dummy, result = run_module(path=str(host.live), **arguments)
    assert (status, result['failed']) == (1, True)
    assert text in result['msg']
