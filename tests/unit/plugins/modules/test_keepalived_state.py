# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A /proc made of files, a scripted clock, and at last real processes below a script that stands in for systemctl.

They are Python's, as a unit test cannot build keepalived; a real one, and systemd, are proven in the molecule scenario.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import os
import subprocess
import sys
import time

import pytest

from ansible_collections.vipkit.ha.plugins.modules import keepalived_state

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = '/usr/local/sbin/keepalived'
NOTHING = {'vrrp': None, 'checker': None, 'bfd': None}


class Proc(object):
    """A /proc, and the root directory that its processes see."""

    def __init__(self, tmpdir):
        self.proc = tmpdir.mkdir('proc')
        self.root = tmpdir.mkdir('root')
        self.proc.mkdir('sys')
        self.process(1, 0, exe='/usr/lib/systemd/systemd', comm='systemd')
        self.process(100, 1)

    def process(self, pid, parent, exe=PROGRAM, comm='keepalived', state='S', arguments=()):
        directory = self.proc.mkdir(str(pid))
        directory.join('stat').write('{0} ({1}) {2} {3} {0} 0 -1\n'.format(pid, comm, state, parent))
        directory.join('comm').write(comm + '\n')
        directory.join('cmdline').write('\0'.join((PROGRAM,) + tuple(arguments)) + '\0')
        directory.join('root').mksymlinkto(self.root)
        if exe:
            directory.join('exe').mksymlinkto(exe)

    def pid_file(self, path, text):
        self.root.join(path).write(str(text) + '\n', ensure=True)

    def daemons(self):
        return keepalived_state.daemons(str(self.proc), 100)

    def has(self, **expected):
        assert self.daemons() == dict(NOTHING, **expected)


@pytest.fixture
def proc(tmpdir):
    return Proc(tmpdir)


# --- which process is which ---

def test_all_three(proc):
    for pid, name in ((101, 'checkers'), (102, 'vrrp'), (103, 'bfd')):
        proc.process(pid, 100)
        proc.pid_file('run/%s.pid' % name, pid)
    proc.has(checker=101, vrrp=102, bfd=103)


def test_parent_without_any_child(proc):
    proc.pid_file('run/vrrp.pid', 102)
    proc.has()


@pytest.mark.parametrize('path', [
    'run/vrrp.pid', 'var/run/vrrp.pid', 'usr/local/var/run/vrrp.pid', 'run/keepalived/vrrp.pid', 'run/keepalived/vrrp_one.pid',
    'run/keepalived/keepalived_vrrp.pid',
])
def test_places_of_pid_files(proc, path):
    proc.process(102, 100)
    proc.pid_file(path, 102)
    proc.has(vrrp=102)


@pytest.mark.parametrize('path', ['run/keepalived.pid', 'run/vrrp.pid.old', 'run/my_vrrp.pid', 'run/other/vrrp.pid'])
def test_files_that_are_none(proc, path):
    proc.process(102, 100)
    proc.pid_file(path, 102)
    proc.has()


@pytest.mark.parametrize('arguments', [('-r', '/srv/v.pid'), ('-D', '-r/srv/v.pid'), ('--vrrp_pid', '/srv/v.pid'), ('--vrrp_pid=/srv/v.pid', '-D')])
def test_pid_file_by_option(proc, arguments):
    proc.process(102, 100)
    proc.process(103, 100)
    proc.pid_file('srv/v.pid', 102)
    proc.pid_file('run/vrrp.pid', 103)
    proc.has(vrrp=103)
    proc.proc.join('100', 'cmdline').write('\0'.join((PROGRAM,) + arguments) + '\0')
    proc.has(vrrp=102)


def test_option_without_its_value(proc):
    assert keepalived_state.option(['-r'], '-r', '--vrrp_pid') is None
    assert keepalived_state.option(['-c', '/x', '--vrrp'], '-r', '--vrrp_pid') is None


@pytest.mark.parametrize('process', [
    {'parent': 1},                              # of another keepalived, or orphaned
    {'parent': 102},
    {'parent': 100, 'exe': '/usr/bin/sleep'},   # the number was given to another program
    {'parent': 100, 'exe': None},
    {'parent': 100, 'state': 'Z'},
    {'parent': 100, 'state': 'X'},
])
def test_stale_pid_file(proc, process):
    proc.process(102, **process)
    proc.pid_file('run/vrrp.pid', 102)
    proc.has()


@pytest.mark.parametrize('text', ['', 'x', '-102', '102 103'])
def test_pid_file_that_holds_no_number(proc, text):
    proc.process(102, 100)
    proc.pid_file('run/vrrp.pid', text)
    proc.has()


def test_stale_pid_file_beside_a_good_one(proc):
    proc.process(102, 100)
    proc.pid_file('run/vrrp.pid', 99)
    proc.pid_file('run/keepalived/vrrp_one.pid', 102)
    proc.has(vrrp=102)


def test_upgraded_program(proc):
    proc.proc.join('100', 'exe').remove()
    proc.proc.join('100', 'exe').mksymlinkto(PROGRAM + ' (deleted)')
    proc.process(102, 100, exe=PROGRAM + ' (deleted)')
    proc.pid_file('run/vrrp.pid', 102)
    proc.has(vrrp=102)


def test_names_of_processes_help_where_pid_files_are_missing(proc):
    proc.process(102, 100, comm='keepalived_vrrp')
    proc.process(103, 100, comm='keepalived_lvs')
    proc.process(104, 100, comm='keepalived_bfd')
    proc.process(105, 1, comm='keepalived_vrrp')
    proc.has(vrrp=102, checker=103, bfd=104)
    proc.pid_file('run/vrrp.pid', 105)
    proc.has(vrrp=102, checker=103, bfd=104)


def test_name_that_looks_like_the_rest_of_its_line(proc):
    proc.process(102, 100, comm='a) Z 1 (b')
    proc.pid_file('run/vrrp.pid', 102)
    proc.has(vrrp=102)


def test_no_main_process(proc):
    assert keepalived_state.daemons(str(proc.proc), None) == NOTHING
    proc.process(999, 998, exe=None)
    assert keepalived_state.daemons(str(proc.proc), 998) == NOTHING


def test_root_that_may_not_trace_goes_by_the_command_line(proc, monkeypatch):
    def forbidden(path):
        raise OSError(13, 'Permission denied', path)

    proc.process(102, 100)
    proc.process(103, 100)
    proc.proc.join('103', 'cmdline').write('/usr/bin/sleep\x0060\0')
    proc.pid_file('run/vrrp.pid', 102)
    proc.pid_file('run/bfd.pid', 103)
    monkeypatch.setattr(keepalived_state.os, 'readlink', forbidden)  # a container without the capability cannot be had here
    proc.has(vrrp=102)


def test_a_replaced_program_is_still_the_same_for_parent_and_child(proc):
    proc.process(102, 100, exe=PROGRAM + ' (deleted)')
    proc.pid_file('run/vrrp.pid', 102)
    proc.has(vrrp=102)


def test_root_directory_that_cannot_be_entered(proc):
    assert keepalived_state.root_of(str(proc.proc), 100) == str(proc.proc.join('100', 'root'))
    proc.proc.join('100', 'root').remove()
    assert keepalived_state.root_of(str(proc.proc), 100) == '/'


# --- the unit ---

class Systemctl(object):
    """A script that stands in for systemctl."""

    def __init__(self, tmpdir):
        self.path = tmpdir.mkdir('bin').join('systemctl')

    def says(self, script):
        self.path.write('#!/bin/sh\n%s\n' % script)
        self.path.chmod(0o755)

    def shows(self, active='active', pid=0):
        self.says('echo "$@" >&2\nprintf "MainPID=%s\\nActiveState=%s\\n"' % (pid, active))

    def state(self):
        return keepalived_state.unit_state(str(self.path), 'keepalived.service')


@pytest.fixture
def systemctl(tmpdir):
    return Systemctl(tmpdir)


@pytest.mark.parametrize('active, pid, expected', [
    ('active', 812, (True, 812)),
    ('reloading', 812, (True, 812)),
    ('active', 0, (True, None)),
    ('inactive', 0, (False, None)),
    ('failed', 0, (False, None)),
    ('activating', 812, (False, 812)),
    ('deactivating', 812, (False, 812)),
])
def test_unit(systemctl, active, pid, expected):
    systemctl.shows(active, pid)
    assert systemctl.state() == expected


@pytest.mark.parametrize('script, words', [
    ('echo "System has not been booted with systemd." >&2\necho; exit 1',
     'systemd cannot be asked about keepalived.service (System has not been booted with systemd.); see that it runs on this host'),
    ('exit 1', 'systemd cannot be asked about keepalived.service (it did not answer); see that it runs on this host'),
])
def test_unit_that_cannot_be_read(systemctl, script, words):
    systemctl.says(script)
    with pytest.raises(keepalived_state.StateError) as caught:
        systemctl.state()
    assert str(caught.value) == words


def test_look(proc, systemctl):
    systemctl.shows(pid=100)
    proc.process(102, 100)
    proc.pid_file('run/vrrp.pid', 102)
    assert keepalived_state.look(str(systemctl.path), 'keepalived.service', str(proc.proc), ['bfd', 'vrrp']) == {
        'active': True, 'main_pid': 100, 'daemons': dict(NOTHING, vrrp=102), 'missing': ['bfd']}


# --- waiting ---

def state(vrrp=None, main_pid=100, active=True, checker=None):
    return {'active': active, 'main_pid': main_pid, 'daemons': dict(NOTHING, vrrp=vrrp, checker=checker), 'missing': [] if vrrp else ['vrrp']}


class Host(object):
    """Its processes change at given times; time passes only while somebody pauses."""

    def __init__(self, *history):
        self.history = history
        self.now = 1000.0
        self.looks = 0

    def clock(self):
        return self.now

    def pause(self, seconds):
        assert seconds > 0
        self.now += seconds

    def see(self):
        self.looks += 1
        return dict([one for since, one in self.history if since <= self.now - 1000 + 1e-6][-1])

    def wait(self, timeout=5.0, stable_for=1.0, needs=('vrrp',)):
        result, replaced = keepalived_state.wait(self.see, list(needs), self.clock, self.pause, timeout, stable_for)
        return result['alive'], result['elapsed'], replaced


def test_alive_from_the_start():
    assert Host((0, state(102))).wait() == (True, 1.0, 0)


def test_alive_late():
    assert Host((0, state()), (2, state(102))).wait() == (True, 3.0, 0)


def test_dead():
    assert Host((0, state())).wait() == (False, 5.0, 0)


def test_dies_after_a_moment():
    assert Host((0, state(102)), (0.8, state())).wait() == (False, 5.0, 0)


def test_started_again_and_again():
    assert Host(*[(0.8 * turn, state(102 + turn)) for turn in range(20)]).wait() == (False, 5.0, 6)


def test_replaced_once():
    assert Host((0, state(102)), (0.4, state()), (0.8, state(103))).wait() == (True, 1.8, 1)


def test_gap_starts_the_stable_time_anew():
    assert Host((0, state(102)), (0.4, state()), (0.8, state(102))).wait() == (True, 1.8, 0)


def test_another_main_process():
    assert Host((0, state(102)), (0.6, state(102, main_pid=99))).wait() == (True, 1.6, 1)


def test_what_is_not_needed_does_not_count():
    assert Host((0, state(102, checker=7)), (0.6, state(102, checker=8))).wait() == (True, 1.0, 0)
    assert Host((0, state(102, checker=7)), (0.6, state(102, checker=8))).wait(needs=('vrrp', 'checker')) == (True, 1.6, 1)


@pytest.mark.parametrize('given', [state(102, active=False), state(102, main_pid=None)])
def test_processes_of_a_unit_that_does_not_run(given):
    assert Host((0, given)).wait() == (False, 5.0, 0)


@pytest.mark.parametrize('vrrp', [102, None])
def test_timeout_0_looks_once(vrrp):
    host = Host((0, state(vrrp)))
    assert host.wait(timeout=0) == (bool(vrrp), 0.0, 0)
    assert host.looks == 1


def test_stable_for_0_takes_the_first():
    assert Host((0, state()), (0.4, state(102))).wait(stable_for=0) == (True, 0.4, 0)


@pytest.mark.parametrize('seconds, words', [
    ((-1, 1), 'timeout is -1; give it as seconds, 0 or more'),
    ((5, float('nan')), 'stable_for is nan; give it as seconds, 0 or more'),
    ((1, 2), 'stable_for (2 s) can never be reached within timeout (1 s); lower the one or raise the other'),
])
def test_seconds_that_make_no_sense(seconds, words):
    with pytest.raises(keepalived_state.StateError) as caught:
        keepalived_state.check_seconds(*seconds)
    assert str(caught.value) == words


def test_seconds_that_make_sense():
    keepalived_state.check_seconds(0, 1)
    keepalived_state.check_seconds(1, 1)


@pytest.mark.parametrize('given, replaced, words', [
    (state(active=False), 0, 'k.service on node128 is not active after 5 s; look at `systemctl status k.service` and at the keepalived log'),
    (state(main_pid=None), 0, 'k.service on node128 is active, but systemd does not know its main process after 5 s; '
     'see that its pid file is the one the unit names'),
    (dict(state(), missing=['vrrp', 'bfd']), 0, 'is active (process 100), but has no vrrp and no bfd process after 5 s; look at'),
    (state(102), 3, 'but does not keep its processes: within 5 s they were replaced 3 times; look at'),
    (state(102), 0, 'but had its processes too late to see within 5 s that they stay; look at'),
])
def test_explanation(given, replaced, words):
    assert words in keepalived_state.explain('k.service', 'node128', dict(given, elapsed=5.02), replaced)


def test_checksum(tmpdir):
    tmpdir.join('a').write('abc')
    assert keepalived_state.checksum(str(tmpdir.join('a'))) == hashlib.sha256(b'abc').hexdigest()
    assert keepalived_state.checksum(str(tmpdir.join('b'))) is None
    assert keepalived_state.checksum(None) is None
    with pytest.raises(EnvironmentError):
        keepalived_state.checksum(str(tmpdir))


# --- real processes, and the module as a process ---

FAMILY = """
import os, signal, sys
children = {}
def start(name):
    pid = os.fork()
    if not pid:
        signal.pause()
    with open(os.path.join(sys.argv[-1], name + '.new'), 'w') as handle:
        handle.write('%d\\n' % pid)
    os.rename(os.path.join(sys.argv[-1], name + '.new'), os.path.join(sys.argv[-1], name))
    return pid
vrrp, checker = start('v.pid'), start('c.pid')
sys.stdin.readline()
os.kill(vrrp, signal.SIGKILL)
os.waitpid(vrrp, 0)
print('dead')
sys.stdout.flush()
sys.stdin.readline()
os.kill(checker, signal.SIGKILL)
"""


class Family(object):
    """A process with two children of its own kind, which loses the first one when it is told to."""

    def __init__(self, directory):
        arguments = ['--vrrp_pid=%s' % directory.join('v.pid'), '-c', str(directory.join('c.pid'))]
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, '-c', FAMILY] + arguments + [str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        deadline = time.time() + 30
        while not directory.join('c.pid').check():
            assert time.time() < deadline and self.process.poll() is None

    def pid(self, name):
        return int(self.directory.join(name).read())

    def tell(self):
        self.process.stdin.write(b'\n')
        self.process.stdin.flush()

    def lose_vrrp(self):
        self.tell()
        assert self.process.stdout.readline() == b'dead\n'

    def end(self):
        self.process.communicate(b'\n\n')


@pytest.fixture
def family(tmpdir):
    started = Family(tmpdir.mkdir('family'))
    yield started
    started.end()


# Newer releases of ansible-core want to know how arguments and results are encoded; older ones have no such name.
RUN = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible.module_utils import basic
basic._ANSIBLE_PROFILE = 'legacy'
sys.argv = ['keepalived_state']
runpy.run_module('ansible_collections.vipkit.ha.plugins.modules.keepalived_state', run_name='__main__')
"""


def run_module(directory, **arguments):
    environment = dict(os.environ, PATH='%s:/usr/bin:/bin' % directory)
    process = subprocess.Popen([sys.executable, '-c', RUN, UNIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment)
    output, errors = process.communicate(json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
    assert not errors.strip(), errors.decode()
    return process.returncode, json.loads(output.decode())


def test_real_processes(family):
    main_pid, vrrp, checker = family.process.pid, family.pid('v.pid'), family.pid('c.pid')
    assert keepalived_state.children('/proc', main_pid) == sorted([vrrp, checker])
    assert keepalived_state.daemons('/proc', main_pid) == {'vrrp': vrrp, 'checker': checker, 'bfd': None}
    family.lose_vrrp()
    assert keepalived_state.daemons('/proc', main_pid) == {'vrrp': None, 'checker': checker, 'bfd': None}


@pytest.mark.parametrize('check_mode', [False, True])
def test_module_sees_the_loss_that_systemd_does_not(family, systemctl, tmpdir, check_mode):
    tmpdir.join('keepalived.conf').write('abc')
    systemctl.shows(pid=family.process.pid)
    arguments = {'needs': ['vrrp', 'checker'], 'stable_for': 0.3, 'path': str(tmpdir.join('keepalived.conf')),
                 '_ansible_check_mode': check_mode}
    status, result = run_module(systemctl.path.dirname, timeout=20, **arguments)
    assert (status, result['changed'], result['alive'], result['active'], result['missing']) == (0, False, True, True, [])
    assert result['daemons'] == {'vrrp': family.pid('v.pid'), 'checker': family.pid('c.pid'), 'bfd': None}
    assert result['main_pid'] == family.process.pid
    assert result['config_sha256'] == hashlib.sha256(b'abc').hexdigest()
    assert 0.3 <= result['elapsed'] < 20
    assert result['version'] is None  # Python is not keepalived
    assert 'msg' not in result and 'failed' not in result

    family.lose_vrrp()
    for fail_on_dead in (True, False):
        status, result = run_module(systemctl.path.dirname, timeout=0.5, fail_on_dead=fail_on_dead, **arguments)
        assert (status, result.get('failed', False)) == (int(fail_on_dead), fail_on_dead)
        assert (result['changed'], result['alive'], result['active'], result['missing']) == (False, False, True, ['vrrp'])
        assert ' is active (process %d), but has no vrrp process after ' % family.process.pid in result['msg']


def test_module_on_a_unit_that_does_not_run(systemctl):
    systemctl.shows('failed')
    status, result = run_module(systemctl.path.dirname, unit='k.service', timeout=0, fail_on_dead=False)
    assert (status, result['alive'], result['active'], result['main_pid']) == (0, False, False, None)
    assert (result['daemons'], result['version'], result['config_sha256']) == (NOTHING, None, None)
    assert 'k.service on ' in result['msg'] and ' is not active after ' in result['msg']


def test_module_tells_which_tracked_files_are_not_in_force(systemctl, tmpdir):
    systemctl.shows('failed')
    conf, loaded = tmpdir.join('keepalived.conf'), tmpdir.join('loaded')
    conf.write('track_file one {\n file /x\n}\nvrrp_instance a {\n track_file {\n  two\n }\n}\nvrrp_track_file three {\n file /y\n}\n')
    arguments = {'timeout': 0, 'fail_on_dead': False, 'path': str(conf), 'loaded': str(loaded), 'drain_file': str(tmpdir.join('drain'))}

    def untracked(*names):
        return run_module(systemctl.path.dirname, trackers=list(names), **arguments)[1]['untracked']

    assert untracked('one') == ['one'], 'nothing is known to be loaded'
    loaded.write(hashlib.sha256(conf.read_binary()).hexdigest() + '  ' + str(conf) + '\n')
    assert [untracked(), untracked('one', 'three'), untracked('one', 'two')] == [[], [], ['two']]
    assert run_module(systemctl.path.dirname, **arguments)[1]['drained'] is False
    tmpdir.join('drain').write('253\n')
    assert run_module(systemctl.path.dirname, **arguments)[1]['drained'] is True


def test_module_compares_with_what_was_planned(systemctl, tmpdir):
    systemctl.shows('failed')
    conf, web, own = tmpdir.join('keepalived.conf'), tmpdir.join('web'), tmpdir.join('own')
    planned = {'content': 'global_defs {\n router_id a\n}\n', 'directory': str(tmpdir),
               'scripts': [{'name': 'web', 'content': '#!/bin/sh\n'}], 'commands': [{'command': str(own), 'user': 'root', 'name': 'own'}]}
    arguments = {'timeout': 0, 'fail_on_dead': False, 'path': str(conf), 'loaded': str(tmpdir.join('loaded')), 'planned': planned}
    conf.write(planned['content'])
    for script in (web, own):
        script.write('#!/bin/sh\n')
        script.chmod(0o755)
    assert run_module(systemctl.path.dirname, **arguments)[1]['deviations'] == []
    conf.write('global_defs {\n router_id b\n}\n')
    tmpdir.join('loaded').write(hashlib.sha256(conf.read_binary()).hexdigest() + '  ' + str(conf) + '\n')
    web.chmod(0o644)
    own.chmod(0o644)
    result = run_module(systemctl.path.dirname, **arguments)[1]
    assert [sentence.partition(';')[0].partition(' (mode 0644, owner')[0] for sentence in result['deviations']] == [
        '%s is not the planned one (global_defs: router_id is another), and it is in force' % conf,
        'the script %s has lost its execute bit (mode 0644, planned 0755), and keepalived may count that as a success' % web,
        'own: root (uid 0, gid 0) may not execute %s' % own,
    ]
    assert result['changed'] is False
    own.remove()
    assert 'own: ' in run_module(systemctl.path.dirname, **arguments)[1]['deviations'][2]
    result = run_module(systemctl.path.dirname, planned=planned, timeout=0, fail_on_dead=False)[1]
    assert result['failed'] and 'path' in result['msg']


@pytest.mark.parametrize('arguments, words', [
    ({'timeout': 1, 'stable_for': 2}, 'can never be reached'),
    ({'needs': ['router']}, 'value of needs must be one or more of'),
    ({}, 'systemd cannot be asked about keepalived.service (broken); see that it runs on this host'),
])
def test_module_fails(systemctl, arguments, words):
    systemctl.says('echo broken; exit 1')
    status, result = run_module(systemctl.path.dirname, fail_on_dead=False, **arguments)
    assert (status, result['failed']) == (1, True)
    assert words in result['msg']


def test_module_without_systemd(monkeypatch):
    class Failed(Exception):
        pass

    class Module(object):
        params = {'unit': 'keepalived.service', 'needs': ['vrrp'], 'timeout': 5, 'stable_for': 1}

        def __init__(self, **spec):
            pass

        def get_bin_path(self, name):
            return None

        def fail_json(self, msg):
            raise Failed(msg)

    monkeypatch.setattr(keepalived_state, 'AnsibleModule', Module)  # a host without systemctl cannot be had where one is installed
    with pytest.raises(Failed) as caught:
        keepalived_state.main()
    assert str(caught.value).startswith('there is no systemctl on this host; this module needs systemd')
