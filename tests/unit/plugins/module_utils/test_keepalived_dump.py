# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking keepalived, and reading what it writes; of the dumps, see tests/unit/roles/keepalived."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import io
import os
import signal
import subprocess
import sys

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived_dump as own

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'roles', 'keepalived')
VERSIONS = ['2.0.7', '2.0.20', '2.2.7', '2.3.4']
each_version = pytest.mark.parametrize('version', VERSIONS)


def dump(version, kind):
    with io.open(os.path.join(HERE, 'dumps', '{0}.{1}'.format(version, kind)), encoding='utf-8') as handle:
        return handle.read()


@each_version
def test_what_is_told_of_an_instance(version):
    one, two, broken = own.parse_data(dump(version, 'data'))[0]
    assert dict(one, last_transition=None) == {
        'name': 'vrrp_instance_1', 'virtual_router_id': 100, 'interface': 'v0', 'state': 'MASTER', 'priority': 254, 'effective_priority': 244,
        'version': 2, 'advert_int': 1, 'down_timer_adverts': None if version < '2.2' else 3, 'preempt_delay': None,
        'last_transition': None, 'addresses': ['192.0.2.100', '192.0.2.102', '2001:db8::100'], 'scripts': ['check_nginx', 'check_upstreams']}
    assert (two['version'], two['advert_int']) == (3, 0.2)
    assert (two['state'], broken['state'], broken['scripts']) == ('BACKUP', 'FAULT', ['check_dead'])


@each_version
def test_counters_are_whole_only_with_the_last_one(version):
    stats, names = dump(version, 'stats'), ['vrrp_instance_1', 'vrrp_instance_2', 'broken']
    assert own.is_whole(stats, names) and not own.is_whole(stats, names + ['another'])
    assert [length for length in range(len(stats)) if own.is_whole(stats[:length], names)] == []


# --- asking; a process stands in for keepalived, which only root can run: molecule and tests/faults ask the real one ---

DAEMON = r"""
import os, shutil, signal, sys, time
data, stats, source, mode = sys.argv[1:5]
wanted = []
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda got, frame: wanted.append(got))
print('ready'); sys.stdout.flush()
while True:
    time.sleep(0.01)
    while wanted and mode != 'silent':
        kind, path = ('data', data) if wanted.pop(0) == signal.SIGUSR1 else ('stats', stats)
        text = open('{0}.{1}'.format(source, kind)).read()
        with open(path, 'w') as handle:
            for place in range(0, len(text), 500):
                handle.write(text[place:place + 500])
                handle.flush()
                time.sleep(0.01)
"""


@pytest.fixture(name='daemon')
def the_daemon(tmpdir, monkeypatch):
    """Start one; what it writes goes to a directory of the test."""
    running = []
    paths = [str(tmpdir.join(name)) for name in (own.DATA, own.STATS)]
    monkeypatch.setattr(own, 'PATIENCE', 10)

    def start(mode='slow', program=DAEMON):
        process = subprocess.Popen([sys.executable, '-c', program] + paths + [os.path.join(HERE, 'dumps', '2.0.7'), mode], stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout.readline() == b'ready\n'
        return process.pid, str(tmpdir)

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_what_an_earlier_process_has_left_is_not_read(daemon):
    pid, folder = daemon()
    for name in (own.DATA, own.STATS):
        with open(os.path.join(folder, name), 'w') as handle:
            handle.write('of yesterday\n')
    assert own.dumps(pid, folder) == (dump('2.0.7', 'data'), dump('2.0.7', 'stats'))
    assert os.listdir(folder) == [], 'nor left, since the password is in it'


def test_one_that_does_not_answer_is_silent(daemon, monkeypatch):
    monkeypatch.setattr(own, 'PATIENCE', 0.2)
    pid, folder = daemon('silent')
    with pytest.raises(own.Silent) as caught:
        own.dumps(pid, folder)
    assert 'process {0} lives, but has not written {1} within 0.2 s'.format(pid, os.path.join(folder, own.DATA)) in str(caught.value)


def test_two_who_ask_at_once_do_not_take_the_answer_away_from_each_other(daemon):
    pid, folder = daemon()
    program = ('import sys; sys.path.insert(0, sys.argv[1]); import _keepalived_dump as own; '
               'sys.stdout.write(str(len(own.dumps(int(sys.argv[2]), sys.argv[3])[0])))')
    askers = [subprocess.Popen([sys.executable, '-c', program, os.path.dirname(own.__file__), str(pid), folder], stdout=subprocess.PIPE) for dummy in range(3)]
    assert [asker.communicate()[0].decode() for asker in askers] == [str(len(dump('2.0.7', 'data')))] * 3


def test_one_who_holds_the_folder_too_long_is_not_waited_for(daemon, monkeypatch):
    monkeypatch.setattr(own, 'PATIENCE', 0.1)
    pid, folder = daemon()
    with own.alone(folder):
        with pytest.raises(own.Silent) as caught:
            own.dumps(pid, folder)
    assert 'somebody else has asked keepalived for 0.1 s' in str(caught.value)


def test_a_link_that_a_script_has_put_there_is_not_followed(tmpdir):
    tmpdir.join('secret').write('s')
    os.symlink(str(tmpdir.join('secret')), str(tmpdir.join('keepalived.data')))
    assert own.text_of(str(tmpdir), 'secret') == 's' and own.text_of(str(tmpdir), 'keepalived.data') is None


def test_one_that_just_starts_is_not_ended_by_a_signal(daemon):
    pid, folder = daemon(program="import time; print('ready'); import sys; sys.stdout.flush(); time.sleep(60)")
    with pytest.raises(own.Silent) as caught:
        own.dumps(pid, folder)
    assert 'is just starting' in str(caught.value)
    os.kill(pid, 0)


def test_one_that_is_stopped_is_not_asked(daemon):
    pid, folder = daemon()
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    with pytest.raises(own.Silent) as caught:
        own.dumps(pid, folder)
    assert 'is stopped; have it go on' in str(caught.value)
    os.kill(pid, signal.SIGCONT)
    assert own.dumps(pid, folder)[0]
    assert os.listdir(folder) == [], 'nobody has asked it meanwhile'


def test_one_that_ends_meanwhile_is_silent(tmpdir, monkeypatch):
    process = subprocess.Popen(['true'])
    process.wait()
    monkeypatch.setattr(own, 'takes', lambda *dummy: True)
    with pytest.raises(own.Silent) as caught:
        own.dumps(process.pid, str(tmpdir))
    assert 'has just ended' in str(caught.value)


# --- which process ---

def test_the_process_is_a_child_of_the_service_that_a_pid_file_names(tmpdir, monkeypatch):
    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
    try:
        main = own.main_process('MainPID={0}\n'.format(os.getpid()))
        monkeypatch.setattr(own, 'PID_FILES', (str(tmpdir.join('*vrrp*.pid')),))
        tmpdir.join('vrrp.pid').write('1\n')  # somebody else
        with pytest.raises(own.Silent):
            own.vrrp_process(main)
        tmpdir.join('keepalived_vrrp.pid').write('{0}\n'.format(child.pid))
        assert own.vrrp_process(main) == child.pid
    finally:
        child.kill()
        child.wait()
    with pytest.raises(own.Silent):
        own.vrrp_process(main)


@pytest.mark.parametrize('said', ['MainPID=0\n', '', 'MainPID=\n'])
def test_a_service_that_does_not_run_has_none(said):
    with pytest.raises(own.Silent) as caught:
        own.vrrp_process(own.main_process(said))
    assert 'keepalived has no process that does VRRP' in str(caught.value)
