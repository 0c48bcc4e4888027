# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A nginx that is played in a /proc made of files, with a clock of its own, and at last real ones.

The played one obeys signals as nginx does, in a good version and in broken ones. So the module can be killed at every single one of its
acts, and the next run must end whole. The real ones are those of VIPKIT_NGINX or of PATH; without any, these tests are skipped.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived, _nginx
from ansible_collections.vipkit.ha.plugins.modules import nginx_upgrade
from ansible_collections.vipkit.ha.plugins.modules.nginx_upgrade import NginxError

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORKER = u'nginx: worker process'


# --- what is to be done ---

def process(pid):
    return _nginx.Process(pid, 1, 100, 7)


def master(pid, active=(1, 2), leaving=()):
    return _nginx.Master(process(pid), [process(one) for one in active], [process(one) for one in leaving])


def family(current=None, older=None, newcomers=(), orphans=(), remnants=()):
    return _nginx.Family(current, older, *[[process(pid) for pid in pids] for pids in (newcomers, orphans, remnants)])


@pytest.mark.parametrize('seen, wanted, quitting, expected', [
    (family(master(100)), [100], False, []),
    (family(master(100), remnants=[3]), [100], False, []),
    (family(master(100)), [], False, ['upgrade']),
    (family(master(100), orphans=[3]), [100], False, ['finish']),
    (family(master(100), orphans=[3]), [], False, ['finish', 'upgrade']),
    # two masters: the new one is wanted, the old one, neither
    (family(master(200), master(100)), [200], False, ['finish']),
    (family(master(200), master(100, [])), [200], False, ['finish']),
    (family(master(200), master(100, [])), [200], True, ['finish']),
    (family(master(200), master(100)), [100], False, ['back_out']),
    (family(master(200), master(100, [])), [100], False, ['back_out']),
    (family(master(200), master(100, [])), [100], True, ['finish', 'upgrade']),
    (family(master(200), master(100)), [], False, ['finish', 'upgrade']),
    (family(master(200), master(100)), [100, 200], False, ['finish']),
    # the new one has no workers, or is not there yet
    (family(master(200, []), master(100, [])), [200], False, ['back_out', 'upgrade']),
    (family(None, master(100), newcomers=[200]), [], False, ['back_out', 'upgrade']),
    (family(None, master(100), newcomers=[200]), [100], False, ['back_out']),
    (family(master(100), newcomers=[200]), [100], False, ['back_out']),
])
def test_plan(seen, wanted, quitting, expected):
    def runs_it(one):
        return one.pid in wanted

    assert nginx_upgrade.foresee(seen, runs_it, quitting) == expected
    assert nginx_upgrade.plan(seen, runs_it, quitting) == (expected or [None])[0]


@pytest.mark.parametrize('line, expected', [
    ('/old/nginx -c /a', ['/s/nginx', '-t', '-q', '-c', '/a']),
    ('/old/nginx -g daemon on; x; -p /b', ['/s/nginx', '-t', '-q', '-g', 'daemon on; x;', '-p', '/b']),
    ('/old/nginx', ['/s/nginx', '-t', '-q']),
])
def test_test_command(line, expected):
    assert nginx_upgrade.test_command('/s/nginx', line) == expected


GOOD_UNIT = {'LoadState': 'loaded', 'Type': 'forking', 'PIDFile': '/run/../run/n.pid', 'MainPID': '100'}


@pytest.mark.parametrize('changes, expected', [
    ({}, None),
    ({'MainPID': '200'}, None),
    ({'MainPID': '300'}, 'its main process is 300, but /run/n.pid names 200'),
    ({'MainPID': '0'}, 'its main process is 0, but /run/n.pid names 200'),
    ({'PIDFile': ''}, "its PIDFile is '', not /run/n.pid"),
    ({'PIDFile': '/run/m.pid'}, "its PIDFile is '/run/m.pid', not /run/n.pid"),
    ({'Type': 'simple'}, 'it is of Type=simple, so that systemd would kill the new master when the old one ends'),
    ({'LoadState': 'not-found', 'Type': None}, 'systemd knows no such unit'),
])
def test_unit_problem(changes, expected):
    assert nginx_upgrade.unit_problem(dict(GOOD_UNIT, **changes), '/run/n.pid', [200, 100]) == expected


def test_file_that_was_moved_away_and_back(tmpdir):
    path = str(tmpdir.join('pid'))
    assert nginx_upgrade.inode_and_change(path) == (None, None)
    tmpdir.join('pid').write('1')
    before = nginx_upgrade.inode_and_change(path)
    deadline = time.time() + 10
    while nginx_upgrade.inode_and_change(path) == before:  # two changes within one tick of the kernel's clock look like one
        assert time.time() < deadline
        os.rename(path, path + '.oldbin')
        os.rename(path + '.oldbin', path)
    assert nginx_upgrade.inode_and_change(path)[0] == before[0]


@pytest.mark.parametrize('options, words', [
    ({'timeout': -1}, 'timeout is -1; give it as seconds, 0 or more'),
    ({'probe_timeout': float('nan')}, 'probe_timeout is nan; give it'),
    ({'drain_timeout': float('inf')}, 'drain_timeout is inf; give it'),
    ({'probes': ['127.0.0.1:80', 'localhost']}, "'localhost' can't be probed"),
])
def test_options_that_make_no_sense(options, words):
    with pytest.raises(NginxError) as caught:
        _nginx.check_options(dict({'timeout': 1, 'probe_timeout': 0, 'drain_timeout': 0, 'probes': []}, **options))
    assert words in str(caught.value)


# --- an nginx that is played ---

class Killed(Exception):
    """The module was killed."""


class Played(object):
    """One process."""

    def __init__(self, pid, parent, session, title, version):
        self.pid, self.parent, self.session, self.title, self.version = pid, parent, session, title, version
        self.listening = self.quitting = self.noaccepting = False
        self.busy = False  # has a connection that does not end
        self.new = None


class Play(object):
    """The processes of one nginx. The name of its version is what is wrong with it."""

    def __init__(self, directory):
        self.directory = directory
        self.proc = directory.mkdir('proc')
        self.sbin = str(directory.join('nginx'))
        self.pid_path = str(directory.join('nginx.pid'))
        self.now, self.events, self.table, self.last = 1000.0, [], {}, 100
        self.acts, self.killed_at, self.signals, self.gap = 0, None, [], False
        self.line = self.sbin + ' -c /etc/nginx.conf'
        self.main_pid = None

    # the disk

    def put(self, version):
        stored = self.directory.join('version ' + version)
        if not stored.check():
            stored.write(version)
        if os.path.exists(self.sbin):
            os.unlink(self.sbin)
        os.link(str(stored), self.sbin)

    def write_pid(self, pid):
        with open(self.pid_path + '.new', 'w') as handle:
            handle.write('%d\n' % pid)
        os.rename(self.pid_path + '.new', self.pid_path)

    # processes

    def show(self, one):
        directory = self.proc.ensure(str(one.pid), dir=True)
        directory.join('stat').write('{0} (nginx) S {1} {0} {2} {3} {0} 0\n'.format(
            one.pid, one.parent, one.session, ' '.join(['0'] * 15)))
        directory.join('cmdline').write(one.title + u'\0')
        for link, target, there in (('exe', self.directory.join('version ' + one.version), True), ('cwd', '/', True),
                                    ('fd/6', 'socket:[11]', one.listening), ('fd/9', 'socket:[%d]' % (1000 + one.pid), True)):
            path = str(directory.join(link))
            directory.ensure('fd', dir=True)
            if os.path.islink(path) and not there:
                os.unlink(path)
            elif there and not os.path.islink(path):
                os.symlink(str(target), path)

    def spawn(self, parent, session, title, version):
        self.last += 1
        one = self.table[self.last] = Played(self.last, parent, session or self.last, title, version)
        self.show(one)
        return one

    def retitle(self, one, title):
        one.title = title
        self.show(one)

    def end(self, one):
        if self.table.pop(one.pid, None) is None:
            return
        os.unlink(str(self.proc.join(str(one.pid), 'stat')))  # the rest of its directory is not looked at then
        for child in self.children(one):
            child.parent = 1
            self.show(child)
        parent = self.table.get(one.parent)
        if parent:
            self.later(0.002, lambda: self.reap(parent, one))
        elif one.pid == self.main_pid:
            self.main_pid = _nginx.pid_in(self.pid_path)

    def children(self, one):
        return [other for dummy, other in sorted(self.table.items()) if other.parent == one.pid]

    def workers(self, one, leaving=False):
        return [other for other in self.children(one) if other.title.startswith(WORKER) and leaving == (other.title != WORKER)]

    def accepting(self):
        return [one for one in self.table.values() if one.title == WORKER]

    # time

    def later(self, seconds, event):
        self.events.append((self.now + seconds, event))

    def act(self):
        self.acts += 1
        if self.acts == self.killed_at:
            raise Killed()

    def run_until(self, end):
        while True:
            due = min(self.events, key=lambda event: event[0]) if self.events else None
            if not due or due[0] > end:
                break
            self.events.remove(due)
            self.now = max(self.now, due[0])
            due[1]()
            self.gap = self.gap or not self.accepting()
            assert any(one.listening for one in self.table.values()), 'connections would be refused'
        self.now = end

    def clock(self):
        return self.now

    def pause(self, seconds):
        self.act()
        self.run_until(self.now + seconds)

    # what nginx does

    def begin(self, version, line=None):
        self.put(version)
        one = self.spawn(1, None, u'nginx: master process ' + (line or self.line), version)
        one.listening, self.main_pid = True, one.pid
        self.write_pid(one.pid)
        self.start_workers(one)
        self.show(one)
        return one

    def start_workers(self, one):
        for dummy in range(2):
            self.start_worker(one)

    def start_worker(self, one):
        worker = self.spawn(one.pid, one.session, WORKER, one.version)
        if one.version == 'flaps':
            self.later(0.1, lambda: (self.end(worker), one.pid in self.table and self.start_worker(one)))
        if one.version == 'tires':
            self.later(0.6, lambda: self.end(worker))

    def start_new(self, old, version):
        one = old.new = self.spawn(old.pid, old.session, self.line.partition(' ')[0], version)
        one.listening = True  # what it inherits

        def started():
            if one.pid not in self.table or version == 'hangs':
                return
            if version == 'dies':
                return self.end(one)
            self.write_pid(one.pid)
            self.retitle(one, u'nginx: master process ' + self.line)
            if version != 'idle':
                self.start_workers(one)

        self.later(0.03, started)

    def stop_workers(self, one):
        def left(worker):
            if worker.pid in self.table and not worker.busy:
                self.end(worker)

        for worker in self.workers(one):
            def leave(worker=worker):
                if worker.pid in self.table:
                    self.retitle(worker, WORKER + u' is shutting down')
                    self.later(0.01, lambda: left(worker))
            self.later(0.005, leave)

    def free(self):
        """All connections that did not end do so."""
        for one in list(self.table.values()):
            one.busy = False
            if one.title.startswith(WORKER) and one.title != WORKER:
                self.end(one)

    def reap(self, parent, child):
        if parent.pid not in self.table:
            return
        if child and parent.new is child:
            os.rename(self.pid_path + '.oldbin', self.pid_path)
            parent.new = None
            if parent.noaccepting:
                parent.noaccepting = False
                self.start_workers(parent)
        if parent.quitting and not [one for one in self.children(parent) if one is not parent.new]:
            os.unlink(self.pid_path + ('.oldbin' if parent.new else ''))
            self.end(parent)

    def kill(self, pid, number):
        self.act()
        self.signals.append((pid, number))
        one = self.table[pid]
        if number == signal.SIGKILL:
            return self.end(one)
        if number == signal.SIGQUIT and one.title.startswith(WORKER):
            self.later(0.01, lambda: one.busy or self.end(one))
            return self.retitle(one, WORKER + u' is shutting down')
        assert one.title.startswith(u'nginx: master process'), 'a signal to what would not understand it'
        self.later(0.001, lambda: self.obey(one, number))

    def obey(self, one, number):
        if one.pid not in self.table:
            return
        if number == signal.SIGQUIT:
            one.quitting, one.listening = True, False
            self.show(one)
            self.stop_workers(one)
            self.later(0.02, lambda: self.reap(one, None))
        elif one.quitting or one.version == 'stubborn' and number == signal.SIGUSR2 or one.version == 'deaf' and number == signal.SIGWINCH:
            pass
        elif number == signal.SIGUSR2 and not one.new and one.parent not in self.table:
            os.rename(self.pid_path, self.pid_path + '.oldbin')
            with open(self.sbin) as handle:
                self.start_new(one, handle.read())
        elif number == signal.SIGWINCH:
            one.noaccepting = True
            self.stop_workers(one)
        elif number == signal.SIGHUP:
            one.noaccepting = False
            if not one.new:
                self.stop_workers(one)
            self.start_workers(one)

    # what the module sees of it

    def probe(self, dummy, timeout):
        acceptors = self.accepting()
        if not acceptors:
            self.run_until(self.now + timeout)
            return 'no process accepts connections'
        return 'status 503' if any(one.version == 'mute' for one in acceptors) else None

    def run(self, command, dummy):
        if command[0] == 'systemctl':
            shown = dict(GOOD_UNIT, PIDFile=self.pid_path, MainPID=self.main_pid, ActiveState='active')
            return _keepalived.Outcome(0, u'\n'.join(u'%s=%s' % pair for pair in shown.items()), False)
        assert command == [self.sbin, '-t', '-q', '-c', '/etc/nginx.conf']
        with open(self.sbin) as handle:
            bad = handle.read() == 'refuses'
        return _keepalived.Outcome(int(bad), u'[emerg] unknown directive\n' if bad else u'', False)

    def upgrade(self, check_mode=False, killed_at=None, **options):
        self.acts, self.killed_at = 0, killed_at
        params = dict({'sbin_path': self.sbin, 'conf_path': '/etc/nginx.conf', 'pid_path': self.pid_path, 'probes': ['127.0.0.1:80'],
                       'timeout': 2, 'probe_timeout': 1, 'drain_timeout': 1, 'unit': 'nginx.service'}, **options)
        watch = _nginx.Watch(self.pid_path, str(self.proc), self.clock, self.pause)
        upgrade = nginx_upgrade.Upgrade(params, watch, 'systemctl', self.kill, self.run, self.probe)
        try:
            upgrade.bring_into_force(check_mode)
            failure = None
        except NginxError as error:
            failure = str(error)
        return dict(upgrade.outcome(check_mode), failure=failure)

    def is_whole(self, version):
        """Whether one master serves with two workers, and nothing else is there but workers that finish."""
        masters = [one for one in self.table.values() if one.title.startswith(u'nginx: master')]
        assert [one.version for one in masters] == [version]
        assert [one.parent for one in self.accepting()] == [masters[0].pid] * 2
        assert _nginx.pid_in(self.pid_path) == masters[0].pid == self.main_pid and not os.path.exists(self.pid_path + '.oldbin')
        return True


@pytest.fixture
def play(tmpdir):
    return Play(tmpdir)


def steps(result):
    return [step['step'] for step in result['steps']]


def test_upgrade(play):
    old = play.begin('good')
    play.put('better')
    result = play.upgrade()
    new = _nginx.pid_in(play.pid_path)
    assert (result['failure'], result['actions'], result['lingering']) == (None, ['upgrade'], [])
    assert (result['master_before'], result['master']) == (old.pid, new)
    assert steps(result) == ['test', 'USR2', 'workers', 'WINCH', 'probe', 'QUIT', 'unit']
    assert play.signals == [(old.pid, signal.SIGUSR2), (old.pid, signal.SIGWINCH), (old.pid, signal.SIGQUIT)]
    assert play.is_whole('better') and not play.gap
    result = play.upgrade()
    assert (result['failure'], result['actions'], result['steps'], result['master']) == (None, [], [], new)


def test_check_mode(play):
    play.begin('good')
    assert play.upgrade(check_mode=True)['actions'] == []
    play.put('better')
    result = play.upgrade(check_mode=True)
    assert (result['actions'], result['steps'], play.signals) == (['upgrade'], [], [])
    assert play.is_whole('good')


def test_connections_that_do_not_end(play):
    old = play.begin('good')
    busy = play.workers(old)[1]
    busy.busy = True
    play.put('better')
    result = play.upgrade()
    assert (result['failure'], result['lingering']) == (None, [busy.pid])
    assert play.signals[-2:] == [(old.pid, signal.SIGQUIT), (old.pid, signal.SIGKILL)]
    assert play.is_whole('better') and busy.pid in play.table and not play.gap
    assert (play.upgrade()['actions'], play.upgrade()['lingering']) == ([], [busy.pid])
    play.put('good')  # the way back does not have to wait for them
    result = play.upgrade()
    assert (result['failure'], result['actions'], result['lingering']) == (None, ['upgrade'], [busy.pid])
    assert play.is_whole('good') and busy.pid in play.table
    play.free()
    assert play.upgrade()['lingering'] == []


def test_connections_that_end_in_time(play):
    old = play.begin('good')
    play.workers(old)[1].busy = True
    play.put('better')
    play.later(1, play.free)
    result = play.upgrade()
    assert (result['failure'], result['lingering']) == (None, [])
    assert (old.pid, signal.SIGKILL) not in play.signals and play.is_whole('better')


@pytest.mark.parametrize('version, words, expected', [
    ('refuses', '`%s -t -q -c /etc/nginx.conf` says: [emerg] unknown directive; nothing was done; correct', ['test']),
    ('dies', 'the new master ended while it started; nginx of unknown version (process 101) serves as before; correct',
     ['test', 'USR2', 'HUP', 'back out']),
    ('hangs', 'there was no new master after 2 s; nginx', ['test', 'USR2', 'HUP', 'back out']),
    ('idle', ' had no workers that stay after 2 s; nginx', ['test', 'USR2', 'workers', 'HUP', 'back out']),
    ('flaps', ' had no workers that stay after 2 s; nginx', ['test', 'USR2', 'workers', 'HUP', 'back out']),
    ('mute', 'does not answer 127.0.0.1:80: status 503; nginx of unknown version (process 101) serves as before; correct',
     ['test', 'USR2', 'workers', 'WINCH', 'probe', 'HUP', 'back out']),
    ('tires', 'the workers of the new master (process ', ['test', 'USR2', 'workers', 'WINCH', 'HUP', 'back out']),
])
def test_new_one_that_is_broken(play, version, words, expected):
    old = play.begin('good')
    play.put(version)
    for dummy in range(2):
        result = play.upgrade()
        assert (words % play.sbin if '%' in words else words) in result['failure']
        assert (result['master'], steps(result)) == (old.pid, expected)
        assert play.is_whole('good')
    play.put('good')
    result = play.upgrade()
    assert (result['failure'], result['actions']) == (None, [])


def test_pid_file_that_is_just_being_moved_away(play, monkeypatch):
    look, looks = nginx_upgrade.inode_and_change, []

    def moving(path):
        looks.append(look(path) if len(looks) != 1 else (looks[0][0], looks[0][1] + 1))  # a rename sets the time before it is seen
        return looks[-1]

    play.begin('good')
    play.put('better')
    monkeypatch.setattr(nginx_upgrade, 'inode_and_change', moving)
    result = play.upgrade()
    assert (result['failure'], len(looks) > 1) == (None, True) and play.is_whole('better')


def test_new_one_that_is_broken_and_has_connections(play):
    old = play.begin('good')
    play.put('mute')

    def connect():
        for worker in play.accepting():
            worker.busy = worker.version == 'mute'

    play.later(0.3, connect)
    result = play.upgrade()
    assert 'status 503' in result['failure'] and 'serves as before; ' in result['failure']
    assert (result['master'], len(result['lingering'])) == (old.pid, 2)
    assert play.is_whole('good')


@pytest.mark.parametrize('version, words', [
    ('stubborn', 'process 101 does not obey USR2, see the notes'),
    ('deaf', 'the old workers still accept connections 2 s after WINCH'),
])
def test_old_one_that_does_not_obey(play, version, words):
    play.begin(version)
    play.put('better')
    assert words in play.upgrade()['failure']
    assert play.is_whole(version) and not play.gap


def test_both_do_not_answer(play):
    play.begin('mute')
    play.put('good')
    assert (play.upgrade()['failure'], play.is_whole('good')) == (None, True)
    play.put('dies')
    play.probe = lambda *dummy: 'timed out'
    assert 'serves as before, but does not answer 127.0.0.1:80: timed out either; correct' in play.upgrade()['failure']


# not the old one before the new one is there, nor the new one when the old one was told to end: then nobody is left
@pytest.mark.parametrize('which, seconds', [
    ('old', 0.06), ('old', 0.3), ('old', 0.56), ('old', 0.6), ('old', 0.65), ('new', 0.01), ('new', 0.06), ('new', 0.3), ('new', 0.56), ('new', 0.6),
])
def test_a_master_is_killed_meanwhile(play, which, seconds):
    old = play.begin('good')
    play.put('better')
    play.later(seconds, lambda: play.end(old if which == 'old' else old.new) if old.pid in play.table and old.new else None)
    result = play.upgrade()
    if which == 'new':
        play.run_until(play.now + 0.1)
        assert result['failure'] and play.is_whole('good')
    result = play.upgrade()
    assert result['failure'] is None and play.is_whole('better')
    assert play.upgrade()['actions'] == []


def test_new_master_is_killed_while_it_answers(play):
    old = play.begin('good')
    play.put('better')
    play.probe = lambda *dummy: play.end(old.new) if old.new else None
    assert 'the new master (process 104) ended; nginx' in play.upgrade()['failure']
    assert play.is_whole('good')


def test_no_way_back(play):
    old = play.begin('good')
    play.workers(old)[0].busy = True
    play.put('mute')
    for number in (signal.SIGUSR2, signal.SIGQUIT):
        play.kill(old.pid, number)
        play.run_until(play.now + 0.1)
    result = play.upgrade()
    assert (result['failure'], result['actions'], steps(result)) == (None, ['finish'], ['QUIT', 'unit'])
    assert play.is_whole('mute')


def test_number_that_another_process_has(play):
    old = play.begin('good')
    upgrade = nginx_upgrade.Upgrade({}, _nginx.Watch(play.pid_path, str(play.proc)), None, play.kill)
    seen = _nginx.process(str(play.proc), old.pid)
    upgrade.signal(seen._replace(start=seen.start - 1), signal.SIGHUP)
    assert play.signals == []
    upgrade.signal(seen, signal.SIGHUP)
    assert play.signals == [(old.pid, signal.SIGHUP)]


def ways(play):
    """Return after how many acts the module can be killed in an upgrade."""
    play.upgrade()
    return range(1, play.acts + 1)


def played(tmpdir, number, version):
    play = Play(tmpdir.mkdir(str(number)))
    old = play.begin('good')
    play.put(version)
    return play, old


@pytest.mark.parametrize('busy', [False, True])
def test_killed_at_any_act(tmpdir, busy):
    for killed_at in ways(played(tmpdir, 0, 'better')[0]):
        play, old = played(tmpdir, killed_at, 'better')
        play.workers(old)[0].busy = busy
        with pytest.raises(Killed):
            play.upgrade(killed_at=killed_at)
        play.run_until(play.now + 1)
        result = play.upgrade()
        assert result['failure'] is None and result['actions'] in ([], ['finish'], ['upgrade']), killed_at
        assert play.is_whole('better') and not play.gap
        assert play.upgrade()['actions'] == []


@pytest.mark.parametrize('version', ['hangs', 'flaps', 'mute'])
def test_killed_at_any_act_with_a_new_one_that_is_broken(tmpdir, version):
    for killed_at in list(ways(played(tmpdir, 0, version)[0]))[::4]:
        play, old = played(tmpdir, killed_at, version)
        with pytest.raises(Killed):
            play.upgrade(killed_at=killed_at)
        play.run_until(play.now + 1)
        assert play.upgrade()['failure'], killed_at
        assert play.is_whole('good') and play.main_pid == old.pid


def test_killed_at_any_act_and_the_old_file_put_back(tmpdir):
    for killed_at in ways(played(tmpdir, 0, 'better')[0]):
        play, dummy = played(tmpdir, killed_at, 'better')
        with pytest.raises(Killed):
            play.upgrade(killed_at=killed_at)
        play.run_until(play.now + 1)
        play.put('good')
        foreseen = play.upgrade(check_mode=True)['actions']
        result = play.upgrade()
        assert (result['failure'], result['actions']) == (None, foreseen)
        assert foreseen in ([], ['back_out'], ['upgrade']), killed_at
        assert play.is_whole('good') and not play.gap


def test_killed_at_any_act_and_a_third_file_put_there(tmpdir):
    for killed_at in ways(played(tmpdir, 0, 'better')[0]):
        play, dummy = played(tmpdir, killed_at, 'better')
        with pytest.raises(Killed):
            play.upgrade(killed_at=killed_at)
        play.put('best')
        result = play.upgrade()
        assert result['failure'] is None and result['actions'][-1] == 'upgrade', killed_at
        assert play.is_whole('best') and not play.gap


# --- what is refused ---

def refused(play, words, **options):
    play.put('better')
    signals = list(play.signals)
    result = play.upgrade(**options)
    assert words in result['failure']
    assert play.signals == signals


def test_nothing_runs(play):
    play.put('good')
    refused(play, 'nginx.pid names no running master of nginx; start nginx, or')
    play.write_pid(1)
    refused(play, 'names no running master of nginx')


def test_pid_file_that_is_gone(play):
    old = play.begin('good')
    os.rename(play.pid_path, play.pid_path + '.oldbin')
    refused(play, 'nginx.pid is gone, though nginx of unknown version (process %d) runs; write that number' % old.pid)


def test_master_without_workers(play):
    for worker in play.workers(play.begin('good')):
        play.end(worker)
    refused(play, 'has no workers that accept connections; it ends, or cannot start any')


def test_started_by_another_path(play):
    play.begin('good', '/usr/sbin/nginx -c /etc/nginx.conf')
    refused(play, "process 101 was started as '/usr/sbin/nginx' and would start that again, not %s; restart" % play.sbin)


def test_started_by_a_link(play, tmpdir):
    tmpdir.join('link').mksymlinkto(play.sbin)
    play.line = '%s -c /etc/nginx.conf' % tmpdir.join('link')
    play.begin('good')
    play.put('better')
    assert play.upgrade()['failure'] is None and play.is_whole('better')


def test_started_with_another_configuration(play):
    play.begin('good', play.sbin + ' -c /etc/other.conf')
    refused(play, 'process 101 reads /etc/other.conf, not /etc/nginx.conf; correct conf_path or pid_path')


def test_script(play):
    play.begin('good')
    os.unlink(play.sbin)
    with open(play.sbin, 'w') as handle:
        handle.write('#!/bin/sh\n')
    assert 'is a script, and nobody knows what it would run' in play.upgrade()['failure']


def test_unit_that_will_not_do(play):
    play.begin('good')
    play.main_pid = 7
    refused(play, "nginx.service won't do: its main process is 7, but ")
    assert play.upgrade(unit='')['failure'] is None


def test_unit_that_does_not_follow(play):
    play.begin('good')
    play.put('better')
    play.end = lambda one, end=play.end: (end(one), setattr(play, 'main_pid', 0))
    failure = play.upgrade()['failure']
    assert ' serves, but systemd calls nginx.service active with the main process 0; look at `systemctl status nginx.service`' in failure


def test_systemd_that_does_not_answer(play):
    play.begin('good')
    play.run = lambda command, dummy: _keepalived.Outcome(1, u'', False)
    refused(play, 'systemd cannot be asked about nginx.service (it did not answer); see that it runs')


def test_file_that_is_gone(play):
    play.begin('good')
    os.unlink(play.sbin)
    assert 'see that the file is there' in play.upgrade()['failure']


# --- real ones ---

def nginx_program():
    """Return the nginx that is there for tests, or None."""
    places = [os.path.join(directory, 'nginx') for directory in os.environ.get('PATH', '').split(':') + ['/usr/sbin', '/usr/local/sbin']]
    return next((path for path in [os.environ.get('VIPKIT_NGINX')] + places if path and os.access(path, os.X_OK)), None)


NGINX = nginx_program()
real = pytest.mark.skipif(not NGINX or os.getuid() != 0, reason='needs root, and an nginx in VIPKIT_NGINX or PATH')

# Newer releases of ansible-core want to know how arguments and results are encoded; older ones have no such name.
RUN = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible.module_utils import basic
basic._ANSIBLE_PROFILE = 'legacy'
sys.argv = ['nginx_upgrade']
runpy.run_module('ansible_collections.vipkit.ha.plugins.modules.nginx_upgrade', run_name='__main__')
"""

# Nobody else may enter the directories of pytest
CONFIGURATION = """
user root;
pid {0}/nginx.pid;
error_log {0}/error.log;
worker_processes 2;
events {{ worker_connections 128; }}
http {{
    access_log off;
{2}
    server {{
        listen 127.0.0.1:{1};
        root {0}/html;
    }}
}}
"""


class Real(object):
    """A real nginx with a page and a file that does not fit into the buffers of a connection."""

    def __init__(self, directory):
        self.directory = directory
        self.sbin = str(directory.join('nginx'))
        self.pid_path = str(directory.join('nginx.pid'))
        self.conf = directory.join('nginx.conf')
        reserved = socket.socket()
        reserved.bind(('127.0.0.1', 0))
        self.port = reserved.getsockname()[1]
        reserved.close()
        directory.mkdir('html').join('page').write('ok')
        self.big = os.urandom(1 << 20) * 24
        directory.join('html', 'big').write(self.big, 'wb')
        built = subprocess.Popen([NGINX, '-V'], stderr=subprocess.PIPE).communicate()[1].decode()
        paths = '\n'.join('    {0}_temp_path {1}/{0};'.format(kind, directory) for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
                          if '--without-http_%s_module' % kind not in built)
        self.conf.write(CONFIGURATION.format(directory, self.port, paths))
        self.put('one')
        self.call('-c', str(self.conf))
        self.wait(lambda: self.pid() and self.get('page') == b'ok')

    def put(self, mark):
        """Put the same nginx there as another file: what comes behind the end of a program is not read."""
        new = self.sbin + '.new'
        shutil.copy(NGINX, new)
        with open(new, 'ab') as handle:
            handle.write(mark.encode())
        os.rename(new, self.sbin)

    def call(self, *arguments):
        assert subprocess.call([self.sbin] + list(arguments)) == 0

    def wait(self, condition):
        deadline = time.time() + 20
        while not condition():
            assert time.time() < deadline
            time.sleep(0.01)

    def pid(self, suffix=''):
        return _nginx.pid_in(self.pid_path + suffix)

    def get(self, path, meanwhile=lambda: None):
        """Return the body of what a connection of its own brings."""
        connection = socket.create_connection(('127.0.0.1', self.port), 20)
        connection.sendall(('GET /%s HTTP/1.0\r\n\r\n' % path).encode())
        answer = [connection.recv(1)]
        meanwhile()
        answer += iter(lambda: connection.recv(65536), b'')
        connection.close()
        return b''.join(answer).partition(b'\r\n\r\n')[2]

    def module(self, **arguments):
        arguments = dict({'sbin_path': self.sbin, 'pid_path': self.pid_path, 'conf_path': str(self.conf), 'unit': '', 'drain_timeout': 0.2,
                          'probes': ['http://127.0.0.1:%d/page' % self.port, '127.0.0.1:%d' % self.port]}, **arguments)
        running = subprocess.Popen([sys.executable, '-c', RUN, UNIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.stdin.write(json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
        running.stdin.close()
        running.stdin = None
        return running

    def result(self, **arguments):
        output, errors = self.module(**arguments).communicate()
        assert not errors.strip(), errors.decode()
        return json.loads(output.decode())

    def is_whole(self):
        seen = _nginx.family('/proc', self.pid_path)
        assert not (seen.older or seen.newcomers or seen.orphans or os.path.exists(self.pid_path + '.oldbin'))
        assert len(seen.current.active) == 2
        return True

    def end(self):
        for dummy in range(3):  # a master may be starting others
            seen = _nginx.family('/proc', self.pid_path)
            masters = [one for one in (seen.older, seen.current) if one]
            for one in [each.process for each in masters] + [worker for each in masters for worker in each.active + each.leaving] + sum(seen[2:], []):
                try:
                    os.kill(one.pid, signal.SIGKILL)
                except OSError:
                    pass


@pytest.fixture
def nginx(tmpdir):
    started = Real(tmpdir)
    yield started
    started.end()


class Load(object):
    """Requests all the time, and one download that goes on until they end."""

    def __init__(self, nginx):
        self.nginx, self.over, self.count, self.wrong, self.big = nginx, threading.Event(), 0, [], None
        self.threads = [threading.Thread(target=self.ask) for dummy in range(3)] + [threading.Thread(target=self.download)]

    def ask(self):
        while not self.over.is_set():
            try:
                if self.nginx.get('page') != b'ok':
                    raise ValueError('another answer')
                self.count += 1
            except (EnvironmentError, ValueError) as error:
                self.wrong.append(repr(error))

    def download(self):
        self.big = self.nginx.get('big', self.over.wait)

    def whole(self):
        return self.big == self.nginx.big  # pytest would compare them line by line

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.nginx.wait(lambda: self.count > 10)
        return self

    def __exit__(self, *dummy):
        self.over.set()
        for thread in self.threads:
            thread.join()


@real
def test_real_upgrade_under_load(nginx):
    with Load(nginx) as load:
        old = nginx.pid()
        nginx.put('two')
        assert nginx.result(_ansible_check_mode=True)['actions'] == ['upgrade']
        assert nginx.pid() == old
        result = nginx.result()
        assert (result.get('msg'), result['changed'], result['actions']) == (None, True, ['upgrade'])
        assert (result['master_before'], result['master']) == (old, nginx.pid()) and old != nginx.pid()
        assert result['version'] == result['version_before'] == _nginx.version(NGINX)
        assert len(result['lingering']) == 1  # the download
        assert nginx.is_whole()
        result = nginx.result()
        assert (result.get('msg'), result['changed'], result['steps']) == (None, False, [])
        nginx.put('one')
        assert nginx.result()['changed'] and nginx.is_whole()
    assert load.wrong == [] and load.count > 100
    assert load.whole()


@real
def test_real_one_that_does_not_answer(nginx):
    old = nginx.pid()
    with Load(nginx) as load:
        nginx.put('two')
        result = nginx.result(probes=['http://127.0.0.1:%d/page' % nginx.port, 'http://127.0.0.1:%d/none' % nginx.port])
        assert (result['failed'], result['changed'], result['master']) == (True, False, old)
        assert ' does not answer http://127.0.0.1:%d/none: status 404; nginx ' % nginx.port in result['msg']
        assert steps(result) == ['test', 'USR2', 'workers', 'WINCH', 'probe', 'HUP', 'back out']
        assert nginx.is_whole()
    assert load.wrong == [] and load.whole()


@real
def test_real_one_that_refuses_the_configuration(nginx):
    old = nginx.pid()
    nginx.put('two')
    nginx.conf.write('nonsense;', 'a')
    result = nginx.result()
    assert (result['failed'], result['master']) == (True, old)
    assert 'unknown directive "nonsense"' in result['msg'] and nginx.is_whole()


@real
def test_real_one_that_is_something_else(nginx):
    old = nginx.pid()
    os.unlink(nginx.sbin)
    shutil.copy('/bin/true', nginx.sbin)
    result = nginx.result(timeout=5)
    assert (result['failed'], result['master']) == (True, old)
    assert 'the new master ended while it started' in result['msg'] and nginx.is_whole()


@real
def test_real_port_that_is_taken(nginx):
    old = nginx.pid()
    taken = socket.socket()
    taken.bind(('127.0.0.1', 0))
    taken.listen(1)
    # nginx -t does not mind an address in use
    nginx.conf.write(nginx.conf.read().replace('server {', 'server { listen 127.0.0.1:%d;' % taken.getsockname()[1]))
    nginx.put('two')
    result = nginx.result(timeout=8)
    taken.close()
    assert (result['failed'], result['master']) == (True, old)
    assert 'the new master ended while it started (' in result['msg'] and 'bind() to 127.0.0.1:' in result['msg']
    assert nginx.is_whole()


@real
@pytest.mark.parametrize('signals', [[], [signal.SIGWINCH], [signal.SIGWINCH, signal.SIGQUIT]])
def test_real_upgrade_that_was_begun_by_hand(nginx, signals):
    old = nginx.pid()
    with Load(nginx) as load:
        nginx.put('two')
        os.kill(old, signal.SIGUSR2)
        nginx.wait(lambda: nginx.pid() not in (None, old))
        new = nginx.pid()
        for number in signals:
            os.kill(old, number)
        result = nginx.result()
        assert (result.get('msg'), result['actions'], result['master']) == (None, ['finish'], new)
        assert nginx.is_whole()
    assert load.wrong == [] and load.whole()


@real
def test_real_run_that_is_killed(nginx):
    old = nginx.pid()
    with Load(nginx) as load:
        nginx.put('two')
        running = nginx.module()
        nginx.wait(lambda: nginx.pid('.oldbin') == old)
        running.kill()
        running.communicate()
        result = nginx.result()
        assert (result.get('msg'), result['actions'], nginx.is_whole()) == (None, ['finish'], True)
    assert load.wrong == []


@real
def test_real_new_master_that_is_killed(nginx):
    old = nginx.pid()
    with Load(nginx) as load:
        nginx.put('two')
        running = nginx.module()
        nginx.wait(lambda: nginx.pid() not in (None, old))
        os.kill(nginx.pid(), signal.SIGKILL)
        result = json.loads(running.communicate()[0].decode())
        assert (result['failed'], result['master']) == (True, old)
        nginx.wait(lambda: not _nginx.family('/proc', nginx.pid_path).orphans)
        assert nginx.is_whole()
        assert nginx.result()['actions'] == ['upgrade'] and nginx.is_whole()
    assert load.wrong == []


@real
def test_real_runs_at_the_same_time(nginx):
    nginx.put('two')
    held = os.open(os.path.dirname(nginx.pid_path), os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    result = nginx.result()
    os.close(held)
    assert 'another run upgrades or reloads nginx at this moment' in result['msg'] and 'master' not in result
    assert nginx.result()['changed']


@real
def test_real_unit_without_systemd(nginx, tmpdir, monkeypatch):
    tool = tmpdir.mkdir('bin').join('systemctl')
    tool.write('#!/bin/sh\necho "System has not been booted with systemd." >&2\nexit 1\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', '%s:%s' % (tool.dirname, os.environ['PATH']))
    nginx.put('two')
    result = nginx.result(unit='nginx.service')
    assert 'systemd cannot be asked about nginx.service (System has not been booted with systemd.); see' in result['msg']
    assert nginx.is_whole()
