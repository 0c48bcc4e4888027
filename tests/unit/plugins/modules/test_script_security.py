# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real files and real users, as root where owners matter; the last tests run the module as Ansible does, in a process."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import pwd
import subprocess
import sys

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _script_security
from ansible_collections.vipkit.ha.plugins.modules import script_security

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USER = pwd.getpwuid(os.geteuid()).pw_name
SEARCH_PATH = '/usr/local/bin:/usr/bin:/bin'
as_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away and become another user')


def noexec_mounts():
    with open('/proc/self/mounts') as mounts:
        fields = [line.split() for line in mounts]
    return [field[1] for field in fields if 'noexec' in field[3].split(',') and os.path.isdir(field[1])]


def can_become(account):
    """What the kernel says of a path when a process is this account, without other groups, and executes it: the error number."""
    def execute(path):
        child = os.fork()
        if not child:
            status = 0
            try:
                os.setgroups([account.pw_gid])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
                os.execv(path, [path])
            except OSError as error:
                status = error.errno
            finally:
                os._exit(status)
        return os.WEXITSTATUS(os.waitpid(child, 0)[1])
    return execute


@pytest.fixture
def place(tmpdir):
    """A directory that anybody may enter, as far as pytest has made its parents."""
    path = str(tmpdir)
    while path != '/' and os.stat(path).st_uid == os.geteuid() and not os.stat(path).st_mode & 0o1000:
        os.chmod(path, 0o755)
        path = os.path.dirname(path)
    return tmpdir


def put(place, name='check', text='#!/bin/sh\nexit 0\n', mode=0o755):
    path = place.join(name)
    path.write(text, ensure=True)
    path.chmod(mode)
    return str(path)


def look(command, user=USER, version='2.0.7', security=True, name='web'):
    return script_security.look([{'name': name, 'command': command, 'user': user}], version, security, SEARCH_PATH, _script_security.Host())


def findings(command, *args, **more):
    return look(command, *args, **more)[0]


# --- real files ---

def test_a_good_script_and_a_binary(place):
    for command in (put(place) + ' --with arguments', sys.executable, 'ls'):
        found, answers = look(command, version='2.0.7', security=False)
        assert found == [] and answers[0]['ok'] is True
    assert answers[0]['path'] in ('/usr/bin/ls', '/bin/ls') and answers[0]['runs_as'] == USER


def test_sentences(place):
    path = put(place, mode=0o644)
    account = pwd.getpwnam(USER)
    assert findings(path, security=False) == [
        'web: keepalived drops {0} when it reads its configuration: {1} (uid {2}, gid {3}) may not execute {0} (mode 0644, owner {2}:{4}), '
        'which only its log says; chmod 0755 {0}'.format(path, USER, account.pw_uid, account.pw_gid, os.stat(path).st_gid)]
    path = put(place, text='exit 1\n')
    assert findings(path, name=None, security=False) == [
        '{0}: keepalived cannot run {0} and counts that as success: {0} is no binary and names no interpreter, which only a keepalived '
        'with libmagic gives to a shell; make its first line #!/bin/sh or the like'.format(path)]


@pytest.mark.parametrize('make, what', [
    (lambda place: str(place.join('none')), 'does not exist'),
    (str, 'is not a regular file'),
    (lambda place: put(place, text='#!/no/such/shell\n'), '/no does not exist'),
    (lambda place: put(place, text='#!/bin/sh\r\nexit 0\r\n'), 'carriage return'),
    (lambda place: put(place) + '/', 'is not a directory'),
    (lambda place: 'no-such-command', 'there is no no-such-command'),
])
def test_real_trouble(place, make, what):
    found, answers = look(make(place), security=False)
    assert len(found) == 1 and what in found[0] and answers[0]['ok'] is False


@pytest.mark.skipif(not noexec_mounts(), reason='no file system is mounted noexec here')
def test_a_real_file_system_without_exec(place):
    host = _script_security.Host()
    assert host.is_noexec(noexec_mounts()[-1]) is True and host.is_noexec('/usr/bin') is False


def test_links_as_the_kernel_follows_them(place):
    put(place, 'real/sub/check')
    place.join('link').mksymlinkto('real/sub')
    place.join('real', 'up').mksymlinkto('../link/check')
    place.join('real', 'sub', 'alias').mksymlinkto('check')
    for path in ('real/sub/check', 'link/check', 'real/up', 'link/../sub/check', 'link/alias', 'real/./sub//check'):
        path = os.path.join(str(place), path)
        real, directories = _script_security.resolve(path, _script_security.Host())
        assert real == os.path.realpath(path) and directories[0] == '/' and directories[-1] == os.path.dirname(real)


@as_root
@pytest.mark.parametrize('directory, owner, mode', [
    (directory, owner, mode) for directory in (0o755, 0o711, 0o700, 0o750, 0o705) for owner in ('root', 'user', 'group')
    for mode in (0o755, 0o711, 0o644, 0o700, 0o070, 0o750, 0o705)])
def test_the_kernel_agrees_on_what_a_user_can_start(place, directory, owner, mode):
    account = pwd.getpwnam('nobody')
    path = put(place, 'in/check')
    for one, bits in ((os.path.dirname(path), directory), (path, mode)):
        os.chown(one, account.pw_uid if owner == 'user' else 0, account.pw_gid if owner == 'group' else 0)
        os.chmod(one, bits)
    status = can_become(account)(path)
    found = findings(path, 'nobody')
    assert bool(found) == bool(status), (status, found)


@as_root
def test_other_groups_of_the_user_do_not_count(place):
    path = put(place)
    account = pwd.getpwnam('nobody')
    os.chown(path, 0, account.pw_gid + 1 if account.pw_gid < 65534 else 1)
    os.chmod(path, 0o750)
    assert 'nobody (uid {0}, gid {1}) may not execute'.format(account.pw_uid, account.pw_gid) in findings(path, 'nobody')[0]


@as_root
def test_what_others_can_change(place):
    path = put(place, 'in/check')
    parent = os.path.dirname(path)
    assert findings(path, 'root') == findings(path, 'root', '2.3.4') == []
    os.chmod(parent, 0o777)
    expected = 'web: keepalived drops {0} when it reads its configuration: root runs it, and {1} can be written by everybody; chmod o-w {1}'
    assert findings(path, 'root') == [expected.format(path, parent)]
    assert findings(path, 'root', security=False) == findings(path, 'nobody') == []
    os.chmod(parent, 0o1777)
    assert findings(path, 'root') == []
    os.chmod(parent, 0o755)
    os.chown(path, 65534, 0)
    assert 'is owned by uid 65534 and not by root; chown root ' + path in findings(path, 'root')[0]
    os.chown(path, 0, 0)
    os.chmod(path, 0o4755)
    os.chmod(parent, 0o757)
    assert 'it is setuid root, and ' + parent in findings(path, 'nobody')[0]


@as_root
def test_a_linked_directory(place):
    put(place, 'in/check')
    place.join('link').mksymlinkto('in')
    path = os.path.join(str(place), 'link', 'check')
    assert findings(path, 'root', '2.2.8') == findings(path, 'nobody', '2.3.0') == []
    assert '{0} is a symbolic link'.format(place.join('link')) in findings(path, 'root', '2.3.0')[0]
    assert findings(path, 'root', '2.3.0')[0].endswith('write its path as {0}'.format(place.join('in', 'check')))


# --- as Ansible runs it ---

def run_module(arguments):
    """Run the module in a process of its own, and return what it answers."""
    code = ('import sys; sys.path.insert(0, {0!r}); import conftest\n'
            'from ansible.module_utils import basic\n'
            'basic._ANSIBLE_PROFILE = "legacy"\n'
            'basic._ANSIBLE_ARGS = {1!r}.encode()\n'
            'from ansible_collections.vipkit.ha.plugins.modules import script_security\n'
            'script_security.main()\n').format(UNIT, json.dumps({'ANSIBLE_MODULE_ARGS': arguments}))
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate()
    assert output, errors
    return json.loads(output.decode('utf-8'))


def test_the_module(place):
    good, bad = put(place), put(place, 'bad', 'exit 1\n')
    arguments = {'version': '2.0.7', 'enable_script_security': False, 'scripts': [{'name': 'web', 'command': good, 'user': USER}]}
    fine = run_module(dict(arguments, _ansible_check_mode=True))
    assert (fine['changed'], fine['findings'], 'msg' in fine, 'failed' in fine) == (False, [], False, False)
    assert fine['scripts'] == [{'name': 'web', 'path': good, 'runs_as': USER, 'ok': True}]

    arguments['scripts'].append({'command': bad + ' -x', 'user': USER})
    failed = run_module(arguments)
    assert failed['failed'] is True and failed['changed'] is False
    assert failed['msg'].startswith('keepalived 2.0.7 would not run 1 of 2 scripts: {0} -x: keepalived cannot run {0} and '.format(bad))
    told = run_module(dict(arguments, fail_on_finding=False))
    assert 'failed' not in told and told['msg'] == failed['msg'] and told['findings'] == failed['findings']
    assert [one['ok'] for one in told['scripts']] == [True, False]


def test_the_default_user_and_errors(place):
    host_has_it = any(one.pw_name == 'keepalived_script' for one in pwd.getpwall())
    told = run_module({'version': '2.0.7', 'scripts': [{'command': put(place)}], 'fail_on_finding': False})
    same = run_module({'version': '2.0.7', 'scripts': [{'command': put(place), 'user': ''}], 'fail_on_finding': False})
    assert told['scripts'] == same['scripts'] and told['scripts'][0]['runs_as'] == 'keepalived_script'
    assert host_has_it or told['findings'][0].endswith('its user keepalived_script does not exist; create that user or name another')
    assert "version 'new' is not one" in run_module({'version': 'new', 'scripts': [{'command': '/bin/true'}]})['msg']
    assert 'does not begin with a path' in run_module({'version': '2.0.7', 'scripts': [{'command': '"'}]})['msg']
