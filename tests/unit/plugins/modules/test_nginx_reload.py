# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A nginx that is played in a /proc made of files, with a clock of its own, and at last real ones.

The played one takes HUP as nginx does, in a good version and in all the ways in which it comes to nothing. The real ones are those of
VIPKIT_NGINX or of PATH; without any, these tests are skipped.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _nginx
from ansible_collections.vipkit.ha.plugins.modules import nginx_reload
from ansible_collections.vipkit.ha.plugins.modules.nginx_reload import NginxError, Problem

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MASTER = u'nginx: master process /usr/local/nginx/nginx -c /etc/nginx.conf'
WORKER = u'nginx: worker process'
LEAVING = WORKER + u' is shutting down'
IN_USE = '[emerg] bind() to 192.0.2.1:80 failed (98: Address already in use)'
GIVEN_UP = '[emerg] still could not bind()'


# --- what nginx says ---

def test_said_by():
    lines = ['[emerg] 100#100: a', '[alert] 101#0: b', '[crit] 102#0: *7 c', '[emerg] 100#100: a', '[emerg] e', '[alert] 100#0: *9 d']
    assert nginx_reload.said_by([100], lines) == ['[emerg] a', '[alert] *9 d']
    assert nginx_reload.said_by([101, 102], lines) == ['[alert] b', '[crit] *7 c']
    assert nginx_reload.said_by([], lines) == []


@pytest.mark.parametrize('words, expected', [
    ([], False),
    (['[alert] setrlimit(RLIMIT_NOFILE, 9) failed (1: Operation not permitted)', '[crit] x'], False),
    ([IN_USE], False),  # it may be free at the next try
    ([IN_USE, GIVEN_UP], True),
    (['[emerg] bind() to 192.0.2.1:80 failed (99: Cannot assign requested address)'], True),
    (['[emerg] unknown directive "x" in /etc/nginx.conf:3'], True),
])
def test_is_refusal(words, expected):
    assert nginx_reload.is_refusal(words) is expected


@pytest.mark.parametrize('words, own, others, expected', [
    ([GIVEN_UP], ['*:80'], [], ('refused', None)),
    ([IN_USE, GIVEN_UP], ['*:443', '*:80'], ['127.0.0.1:25'], ('address', 'restart')),
    ([IN_USE, GIVEN_UP], ['*:443'], ['*:80'], ('address', None)),
    ([IN_USE, GIVEN_UP], ['[::]:80'], ['192.0.2.1:80'], ('address', None)),  # a restarted nginx would not have it either
    ([IN_USE, GIVEN_UP], [], [], ('address', None)),
    (['[emerg] bind() to 0.0.0.0:80 failed (98: Unknown error)', GIVEN_UP], ['192.0.2.1:80'], [], ('address', 'restart')),
    (['[emerg] bind() to unix:/a failed (98: x)', GIVEN_UP], ['unix:/a'], [], ('address', 'restart')),
    (['[emerg] bind() to unix:/a failed (98: x)', GIVEN_UP], ['*:80'], [], ('address', None)),
    (['[emerg] bind() to [::]:80 failed (98: x)', GIVEN_UP], ['[2001:db8::1]:80'], ['[::]:81'], ('address', 'restart')),
])
def test_refusal(words, own, others, expected):
    problem = nginx_reload.refusal('nginx', words, *[[_nginx.parse_listen(text) for text in texts] for texts in (own, others)])
    assert (problem.kind, problem.needs) == expected
    assert str(problem).startswith('nginx does not load its configuration: %s; what it had loaded before is in force; ' % ', '.join(words))


def test_checksums(tmpdir):
    one, two = tmpdir.join('one'), tmpdir.join('two')
    one.write('1')
    two.write('2')
    text = nginx_reload.checksums([str(one), str(two)])
    assert text == '{0}  {1}\n{2}  {3}\n'.format(hashlib.sha256(b'1').hexdigest(), one, hashlib.sha256(b'2').hexdigest(), two)
    assert nginx_reload.checksums([]) == ''


@pytest.mark.parametrize('path, words', [
    ('nginx.conf', "'nginx.conf' cannot be noted"),
    ('/a\nb', 'cannot be noted'),
    ('/var/empty/none', 'cannot read what is to be loaded ('),
])
def test_checksums_that_cannot_be_had(path, words):
    with pytest.raises(NginxError) as caught:
        nginx_reload.checksums([path])
    assert words in str(caught.value)


@pytest.mark.parametrize('options, words', [
    ({'timeout': -1}, 'timeout is -1; give it as seconds, 0 or more'),
    ({'probe_timeout': float('nan')}, 'probe_timeout is nan; give it'),
    ({'probes': ['localhost']}, "'localhost' can't be probed"),
    ({'listen': ['*:80', 'localhost:80']}, "nothing can listen on 'localhost:80'"),
])
def test_options_that_make_no_sense(options, words):
    with pytest.raises(NginxError) as caught:
        nginx_reload.check_options(dict({'timeout': 1, 'probe_timeout': 0, 'probes': [], 'listen': []}, **options))
    assert words in str(caught.value)


# --- an nginx that is played ---

class Play(object):
    """Master 100 with workers 101 and 102, and one more that only finishes what it has."""

    def __init__(self, directory):
        self.directory, self.proc = directory, directory.mkdir('proc')
        self.pid_path, self.log = directory.join('nginx.pid'), directory.join('error.log')
        self.now, self.events, self.last, self.sent, self.notes = 1000.0, [], 102, [], []
        self.workers = [101, 102]
        self.behave = self.load
        self.log.write('[emerg] 100#100: long ago\n')
        self.process(100, 1, MASTER)
        self.process(101, 100, WORKER)
        self.process(102, 100, WORKER)
        self.process(90, 100, LEAVING)
        self.pid_path.write('100\n')
        self.proc.join('100', 'fd', '2').mksymlinkto(self.log)
        self.proc.join('100', 'cwd').mksymlinkto('/')
        self.does('sigsuspend')
        self.sockets('0.0.0.0:80')

    def process(self, pid, parent, title, start=7):
        directory = self.proc.ensure(str(pid), dir=True)
        directory.ensure('fd', dir=True)
        directory.join('cmdline').write(title + u'\0')
        directory.join('stat').write('{0} (nginx) S {1} {0} 100 {2} {3} 0\n'.format(pid, parent, ' '.join(['0'] * 15), start))

    def end(self, pid):
        if self.proc.join(str(pid)).check():
            shutil.rmtree(str(self.proc.join(str(pid))))

    def does(self, what):
        self.proc.join('100', 'wchan').write(what)

    def says(self, words, pid=100):
        self.log.write('2026/11/22 10:00:00 %s\n' % words.replace('] ', '] {0}#{0}: '.format(pid), 1), 'a')

    def sockets(self, *own):
        table = ['  sl  local_address']
        for number, text in enumerate(own, 11):
            address, dummy, port = text.partition(':')
            table.append('   0: {0:08X}:{1:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {2} 1'.format(
                struct.unpack('=I', socket.inet_aton(address))[0], int(port), number))
            link = self.proc.join('100', 'fd', str(number))
            if not os.path.islink(str(link)):
                link.mksymlinkto('socket:[%d]' % number)
        self.proc.ensure('100', 'net', 'tcp').write('\n'.join(table) + '\n')

    # time

    def later(self, seconds, event, *arguments):
        self.events.append((self.now + seconds, event, arguments))

    def pause(self, seconds):
        end = self.now + seconds
        while True:
            due = min(self.events, key=lambda event: event[0]) if self.events else None
            if not due or due[0] > end:
                break
            self.events.remove(due)
            self.now = max(self.now, due[0])
            due[1](*due[2])
        self.now = end

    # what HUP may lead to

    def spawn(self):
        self.last += 1
        self.process(self.last, 100, WORKER)
        return self.last

    def start(self, count=2):
        self.old, self.workers = self.workers, [self.spawn() for dummy in range(count)]
        return self.workers

    def leave(self):
        """One worker of the generation before still has connections."""
        self.process(self.old[0], 100, LEAVING)
        self.end(self.old[1])

    def load(self):
        self.does('hrtimer_nanosleep')
        self.later(0.1, self.start)
        self.later(0.2, self.leave)
        self.later(0.2, self.does, 'sigsuspend')

    def refuse(self):
        self.later(0.1, self.says, '[emerg] unknown directive "x"')

    def retry(self, succeeds=False, own='0.0.0.0:80'):
        self.sockets(own)
        self.does('hrtimer_nanosleep')
        for attempt in range(3 if succeeds else 5):
            self.later(0.5 * attempt, self.says, IN_USE)
        self.later(2, *((self.load,) if succeeds else (self.says, GIVEN_UP)))
        self.later(2.01, self.does, 'sigsuspend')

    def load_slowly(self):
        self.does('ep_poll')
        self.later(20, self.load)

    def load_with_complaints(self):
        self.says('[alert] setrlimit() failed')
        self.later(0.12, self.says, '[crit] *5 SSL_do_handshake() failed', 103)
        self.later(0.12, self.says, '[alert] *5 of another one', 101)
        self.load()

    def fail_at_start(self):
        self.says('[alert] worker process 103 exited with fatal code 2')
        self.says('[emerg] chdir() failed', 103)
        for pid in self.start():
            self.end(pid)
        self.leave()

    def loop(self):
        self.start()
        self.leave()
        self.later(0.06, self.again, self.workers)

    def again(self, pids):
        for pid in pids:
            self.end(pid)
            self.says('[alert] worker process %d exited on signal 11' % pid)
        if self.now < 1100:
            self.later(0.06, self.again, self.start())

    def tire(self):
        pids = self.start()
        self.leave()
        self.later(0.65, self.end, pids[0])

    def stick(self):
        self.start()
        self.process(101, 100, LEAVING)

    def die(self):
        self.says('[alert] could not go on')
        self.end(100)

    def be_replaced(self):
        self.process(200, 1, MASTER)
        self.pid_path.write('200')

    def get_the_number_of_another(self):
        self.process(100, 1, MASTER, start=8)

    def move_pid_file(self):
        self.load()
        self.later(0.1, self.pid_path.remove)

    # what the module sees of it

    def kill(self, pid, number):
        self.sent.append((pid, number))
        self.later(0.001, self.behave)

    def reload(self, check_mode=False, answers=None, **options):
        params = dict({'pid_path': str(self.pid_path), 'conf_path': '/etc/nginx.conf', 'listen': ['192.0.2.1:80'],
                       'probes': ['127.0.0.1:80'], 'timeout': 30, 'probe_timeout': 1, 'loaded_sums': None, 'loaded_files': None}, **options)
        watch = _nginx.Watch(params['pid_path'], str(self.proc), lambda: self.now, self.pause)

        def probe(*dummy):
            self.pause(0.02)
            return answers

        reload = nginx_reload.Reload(params, watch, lambda *note: self.notes.append(note), self.kill, probe)
        failure = None
        try:
            reload.bring_into_force(check_mode)
        except NginxError as error:
            failure = error
        return dict(reload.outcome(), failure=failure and str(failure), kind=getattr(failure, 'kind', None),
                    needs=getattr(failure, 'needs', None))


@pytest.fixture
def play(tmpdir):
    return Play(tmpdir)


HUP = [(100, signal.SIGHUP)]


def test_reload(play):
    result = play.reload()
    assert result == {'failure': None, 'kind': None, 'needs': None, 'master': 100, 'workers': [103, 104], 'lingering': [90, 101],
                      'listening': ['*:80'], 'complaints': [], 'seconds': result['seconds'], 'noted': False}
    assert play.sent == HUP and 0.7 <= result['seconds'] < 1


def test_reload_again_and_again(play):
    for number in range(1, 6):
        assert play.reload()['failure'] is None
        assert play.sent == HUP * number


def test_other_number_of_workers(play):
    play.behave = lambda: (play.start(5), play.leave())
    assert play.reload()['workers'] == [103, 104, 105, 106, 107]


def test_check_mode(play):
    result = play.reload(check_mode=True)
    assert (result['failure'], result['workers'], result['seconds'], play.sent) == (None, [101, 102], 0, [])


def test_note(play, tmpdir):
    tmpdir.join('conf').write('1')

    def load():
        tmpdir.join('conf').write('2')  # too late for nginx, perhaps
        play.load()

    play.behave = load
    result = play.reload(loaded_sums='/run/x', loaded_files=[str(tmpdir.join('conf'))])
    assert (result['failure'], result['noted']) == (None, True)
    assert play.notes == [('/run/x', '{0}  {1}\n'.format(hashlib.sha256(b'1').hexdigest(), tmpdir.join('conf')))]


@pytest.mark.parametrize('behave, kind, needs, words, seconds', [
    ('refuse', 'refused', None, '[emerg] unknown directive "x"; what it had loaded before is in force; correct the configuration', 0.2),
    ('retry', 'address', 'restart', 'still could not bind(); what it had loaded before is in force; it has *:80 itself, and cannot', 2.1),
    ('load_slowly', None, None, None, 20.9),
    ('load_with_complaints', None, None, None, 0.9),
    ('fail_at_start', 'workers', None, 'stay ([alert] worker process 103 exited with fatal code 2, [emerg] chdir() failed); it', 1.2),
    ('loop', 'workers', None, 'do not stay ([alert] worker process 1', 1),
    ('tire', 'workers', None, 'the new workers of nginx (process 100) do not stay; it has taken the new configuration, and may', 0.7),
    ('stick', 'old_workers', None, 'earlier ones (102) still accept connections after 30 s; so both', 30.1),
    ('die', 'master', None, 'nginx (process 100) has ended ([alert] could not go on); see whether nginx runs', 0.2),
    ('be_replaced', 'master', None, 'nginx (process 100) is not the master any more, process 200 is', 0.2),
    ('get_the_number_of_another', 'master', None, 'nginx (process 100) is not the master any more', 0.2),
    ('move_pid_file', 'pid_file', None, 'nginx.pid does not name it any more; if its configuration has another pid file', 0.2),
])
def test_what_comes_of_it(play, behave, kind, needs, words, seconds):
    play.behave = getattr(play, behave)
    before = play.now
    result = play.reload(loaded_sums='/run/x', loaded_files=[])
    assert (result['kind'], result['needs']) == (kind, needs)
    assert (words or '') in (result['failure'] or '') and bool(words) == bool(result['failure'])
    assert bool(play.notes) == result['noted'] == (kind is None)
    assert play.sent == HUP and play.now - before <= seconds + 0.1


def test_complaints_that_are_no_refusal(play):
    play.behave = play.load_with_complaints
    assert play.reload()['complaints'] == ['[alert] setrlimit() failed', '[crit] *5 SSL_do_handshake() failed']


def test_address_that_is_free_at_the_third_try(play):
    play.behave = lambda: play.retry(succeeds=True)
    result = play.reload()
    assert (result['failure'], result['complaints'], result['workers']) == (None, [IN_USE], [103, 104])


def test_address_that_another_process_has(play):
    play.behave = lambda: (play.retry(own='0.0.0.0:81'), play.sockets('0.0.0.0:81'))
    result = play.reload()
    assert (result['kind'], result['needs']) == ('address', None)
    assert 'look with `ss -lnptu` who has the address' in result['failure']


def test_refusal_that_nobody_reads(play):
    play.proc.join('100', 'fd', '2').remove()
    play.behave = lambda: (play.does('do_epoll_wait'), play.later(3, play.does, 'sigsuspend'))
    result = play.reload()
    assert result['kind'] == 'refused' and 4 <= result['seconds'] < 4.2
    assert 'configuration (its error log is no file, so the reason is not known here), and goes on with' in result['failure']


def test_system_that_does_not_tell_what_a_process_waits_for(play):
    play.does('0')
    play.behave = lambda: (play.later(0.1, play.start), play.later(0.2, play.leave))
    assert play.reload()['failure'] is None
    play.behave = lambda: None
    result = play.reload(timeout=7)
    assert (result['kind'], result['seconds'] >= 7) == ('undecided', True)
    assert 'has neither loaded its configuration nor refused it after 7 s' in result['failure']


def test_words_in_a_log_that_is_new(play):
    new = play.directory.join('new.log')
    new.write('[emerg] 100#100: long ago, too\n')

    def retry():
        play.proc.join('100', 'fd', '5').mksymlinkto(new)
        play.log = new
        play.retry()

    play.behave = retry
    result = play.reload()
    assert (result['kind'], result['complaints']) == ('address', [IN_USE, GIVEN_UP])


@pytest.mark.parametrize('answers, options, kind, words', [
    ('status 503', {}, 'probe', 'has loaded its configuration, but does not answer 127.0.0.1:80: status 503; correct the configuration'),
    (None, {'listen': ['*:80', '*:81', '[::]:80']}, 'listen', 'but does not listen on *:81, [::]:80, only on *:80; correct'),
])
def test_new_workers_that_do_not_serve_as_they_should(play, answers, options, kind, words):
    result = play.reload(answers=answers, loaded_sums='/run/x', loaded_files=[], **options)
    assert (result['kind'], result['workers'], result['noted']) == (kind, [103, 104], False)
    assert words in result['failure']


def test_note_that_cannot_be_written(play):
    class Full(list):
        def append(self, dummy):
            raise OSError(28, 'No space left on device')

    play.notes = Full()
    result = play.reload(loaded_sums='/run/x', loaded_files=[])
    assert (result['kind'], result['noted']) == ('note', False) and '/run/x cannot be written (' in result['failure']


def refused(play, words, **options):
    result = play.reload(**options)
    assert (result['kind'], play.sent) == (None, []) and words in result['failure']


def test_nothing_runs(play):
    play.pid_path.write('1')
    refused(play, 'nginx.pid names no running master of nginx; start nginx')


@pytest.mark.parametrize('check_mode', [False, True])
def test_upgrade_that_is_half_done(play, check_mode):
    play.process(200, 100, MASTER)
    play.process(201, 200, WORKER)
    play.proc.join('200', 'wchan').write('sigsuspend')
    play.pid_path.new(basename='nginx.pid.oldbin').write('100')
    refused(play, 'half done, and HUP would do something else now; finish it with the module nginx_upgrade', check_mode=check_mode)
    play.pid_path.write('200')
    refused(play, 'an upgrade of nginx (process 200) to another binary is half done', check_mode=check_mode)


def test_workers_of_a_master_that_was_killed(play):
    play.process(90, 1, WORKER)
    refused(play, 'half done')


def test_master_that_is_told_to_end(play):
    for pid in (101, 102):
        play.process(pid, 100, LEAVING)
    play.sockets()
    refused(play, 'it was told to end, and waits for connections; nothing was done; wait for its end')


def test_master_whose_workers_ended(play):
    for pid in (101, 102):
        play.end(pid)
    assert play.reload()['workers'] == [103, 104]


def test_another_reload_under_way(play):
    play.load_slowly()
    result = play.reload()
    assert (result['failure'], result['workers'], len(play.sent)) == (None, [105, 106], 1)


def test_another_reload_that_does_not_end(play):
    play.load_slowly()
    refused(play, 'nginx (process 100) is still busy after 5 s, as with a reload that somebody began; nothing was done', timeout=5)


def test_other_configuration(play):
    refused(play, 'process 100 reads /etc/nginx.conf, not /etc/other.conf; correct conf_path', conf_path='/etc/other.conf')


def test_file_that_is_not_there(play):
    refused(play, 'cannot read what is to be loaded', loaded_sums='/run/x', loaded_files=['/var/empty/none'])


def test_problem_is_told_for_programs():
    assert (Problem('a', 'b', 'c').kind, str(Problem('a', 'b')), Problem('a', 'b').needs) == ('a', 'b', None)


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
sys.argv = ['nginx_reload']
runpy.run_module('ansible_collections.vipkit.ha.plugins.modules.nginx_reload', run_name='__main__')
"""

# Nobody else may enter the directories of pytest
CONFIGURATION = """
user root;
pid {0}/nginx.pid;
error_log {log};
worker_processes {workers};
events {{ worker_connections 128; }}
http {{
    access_log off;
{paths}
    server {{
        {listen}
        root {0}/html;
        {more}
    }}
}}
"""


def free_port():
    reserved = socket.socket()
    reserved.bind(('127.0.0.1', 0))
    try:
        return reserved.getsockname()[1]
    finally:
        reserved.close()


class Real(object):
    """A real nginx with a page and a file that does not fit into the buffers of a connection."""

    def __init__(self, directory):
        self.directory, self.pid_path, self.conf = directory, str(directory.join('nginx.pid')), directory.join('nginx.conf')
        self.port, self.sums = free_port(), directory.join('loaded')
        directory.mkdir('html').join('page').write('ok')
        self.big = os.urandom(1 << 20) * 24
        directory.join('html', 'big').write(self.big, 'wb')
        built = subprocess.Popen([NGINX, '-V'], stderr=subprocess.PIPE).communicate()[1].decode()
        self.paths = '\n'.join('    {0}_temp_path {1}/{0};'.format(kind, directory)
                               for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
                               if '--without-http_%s_module' % kind not in built)
        self.configure()
        self.running = subprocess.Popen([NGINX, '-c', str(self.conf), '-g', 'daemon off;'], stderr=subprocess.PIPE)  # a child, so reaped
        self.wait(lambda: self.pid() and self.family().current and self.family().current.active)

    def configure(self, listen='listen 127.0.0.1:{0};', log=None, workers=2, more=''):
        self.conf.write(CONFIGURATION.format(self.directory, log=log or self.directory.join('error.log'), workers=workers, paths=self.paths,
                                             listen=listen.format(self.port), more=more))

    def wait(self, condition):
        deadline = time.time() + 20
        while not condition():
            assert time.time() < deadline
            time.sleep(0.01)

    def pid(self):
        return _nginx.pid_in(self.pid_path)

    def family(self):
        return _nginx.family('/proc', self.pid_path)

    def workers(self):
        return [one.pid for one in self.family().current.active]

    def download(self):
        """Return a connection that has asked for the big file, and has had its first byte."""
        connection = socket.create_connection(('127.0.0.1', self.port), 20)
        connection.sendall(b'GET /big HTTP/1.0\r\n\r\n')
        assert connection.recv(1)
        return connection

    def rest(self, connection):
        answer = b''.join(iter(lambda: connection.recv(65536), b''))
        connection.close()
        return answer.partition(b'\r\n\r\n')[2]

    def result(self, **arguments):
        arguments = dict({'pid_path': self.pid_path, 'conf_path': str(self.conf), 'listen': ['127.0.0.1:%d' % self.port],
                          'probes': ['http://127.0.0.1:%d/page' % self.port, '127.0.0.1:%d' % self.port],
                          'loaded_sums': str(self.sums), 'loaded_files': [str(self.conf)]}, **arguments)
        running = subprocess.Popen([sys.executable, '-c', RUN, UNIT], close_fds=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        output, errors = running.communicate(json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
        assert not errors.strip(), errors.decode()
        return json.loads(output.decode())

    def is_noted(self):
        return self.sums.check() and self.sums.read() == '{0}  {1}\n'.format(hashlib.sha256(self.conf.read('rb')).hexdigest(), self.conf)

    def end(self):
        family = self.family()
        pids = [one.pid for one in family.current.active + family.current.leaving] if family.current else []
        self.running.kill()
        self.running.communicate()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


@pytest.fixture
def nginx(tmpdir):
    started = Real(tmpdir)
    yield started
    started.end()


def told(result):
    return result.get('msg'), result.get('problem'), result.get('needs')


FINE = (None, None, None)


@real
def test_real_reload(nginx):
    before = nginx.workers()
    result = nginx.result(_ansible_check_mode=True)
    assert (told(result), result['changed'], nginx.workers(), nginx.sums.check()) == (FINE, True, before, False)
    connection = nginx.download()
    nginx.configure(workers=3)
    result = nginx.result()
    assert (told(result), result['changed'], result['noted'], result['master']) == (FINE, True, True, nginx.pid())
    assert result['workers'] == nginx.workers() and len(result['workers']) == 3 and not set(before) & set(result['workers'])
    assert result['listening'] == ['127.0.0.1:%d' % nginx.port] and nginx.is_noted()
    assert len(result['lingering']) == 1 and result['lingering'][0] in before
    result = nginx.result()  # while a worker of the first generation still has the connection
    assert told(result) == FINE and len(result['lingering']) == 1
    assert nginx.rest(connection) == nginx.big


@real
def test_real_configuration_that_is_refused(nginx):
    before = nginx.workers()
    nginx.configure(more='nonsense;')
    for dummy in range(2):
        result = nginx.result()
        assert (result['failed'], result['changed'], result['problem'], result['needs']) == (True, True, 'refused', None)
        assert 'unknown directive "nonsense" in %s:' % nginx.conf in result['msg'] and 'loaded before is in force; correct' in result['msg']
        assert (result['workers'], result['noted'], nginx.sums.check(), nginx.workers()) == (before, False, False, before)
    nginx.configure()
    assert told(nginx.result()) == FINE and nginx.is_noted()


@real
@pytest.mark.parametrize('before, after', [('listen {0};', 'listen 127.0.0.1:{0};'), ('listen 127.0.0.1:{0};', 'listen {0};')])
@pytest.mark.parametrize('log', [None, 'new.log'])
def test_real_address_that_nginx_has_itself(nginx, before, after, log):
    if before == 'listen {0};':
        nginx.configure(listen='')  # or it would be this one that cannot be exchanged
        nginx.result(listen=[], probes=[])
        nginx.configure(listen=before)
        assert told(nginx.result()) == FINE
    workers = nginx.workers()
    nginx.configure(listen=after, log=log and nginx.directory.join(log))
    result = nginx.result()
    assert (result['problem'], result['needs'], result['workers']) == ('address', 'restart', workers)
    assert 'failed (98: ' in result['msg'] and 'still could not bind()' in result['msg'] and result['msg'].endswith('so restart nginx')


@real
def test_real_address_that_another_process_has(nginx):
    taken = socket.socket()
    taken.bind(('127.0.0.1', 0))
    taken.listen(1)
    nginx.configure(listen='listen 127.0.0.1:{0}; listen 127.0.0.1:%d;' % taken.getsockname()[1])
    result = nginx.result()
    assert (result['problem'], result['needs']) == ('address', None) and 'who has the address' in result['msg']
    nginx.configure(listen='listen 127.0.0.1:{0}; listen 127.0.0.1:%d;' % taken.getsockname()[1])
    taken.close()
    result = nginx.result()
    assert told(result) == FINE and len(result['listening']) == 2


@real
def test_real_address_that_becomes_free(nginx):
    taken = socket.socket()
    taken.bind(('127.0.0.1', 0))
    taken.listen(1)
    nginx.configure(listen='listen 127.0.0.1:{0}; listen 127.0.0.1:%d;' % taken.getsockname()[1])
    log = nginx.directory.join('error.log')
    release = threading.Thread(target=lambda: (nginx.wait(lambda: ' bind() to ' in log.read()), taken.close()))
    release.start()
    result = nginx.result()
    release.join()
    assert told(result) == FINE and 'failed (98: ' in ' '.join(result['complaints'])


@real
def test_real_sockets_of_all_kinds(nginx):
    path = os.path.join(tempfile.mkdtemp(), 'socket')
    try:
        nginx.configure(listen='listen {0}; listen unix:%s;' % path)
        result = nginx.result(listen=['unix:' + path])
        assert (result['problem'], result['needs']) == ('address', 'restart')
        nginx.configure(listen='listen 127.0.0.1:{0}; listen unix:%s;' % path)
        result = nginx.result()  # nginx has left it there
        assert (result['problem'], result['needs']) == ('address', None)
        assert 'no process listens on unix:%s, so remove it' % path in result['msg']
        os.unlink(path)
        assert told(nginx.result(listen=['127.0.0.1:%d' % nginx.port, 'unix:' + path])) == FINE
        result = nginx.result(listen=['unix:/other', '*:%d' % nginx.port])
        assert (result['problem'], nginx.is_noted()) == ('listen', True)
        assert 'does not listen on *:%d, unix:/other, only on 127.0.0.1:%d, unix:%s' % (nginx.port, nginx.port, path) in result['msg']
    finally:
        shutil.rmtree(os.path.dirname(path))


@real
def test_real_one_that_does_not_answer(nginx):
    result = nginx.result(probes=['http://127.0.0.1:%d/none' % nginx.port])
    assert (result['problem'], result['noted'], result['changed']) == ('probe', False, True) and 'status 404' in result['msg']


@real
def test_real_log_that_is_no_file(nginx):
    nginx.configure(log='stderr')
    assert told(nginx.result()) == FINE
    nginx.configure(log='/dev/null')
    result = nginx.result()
    assert told(result) == FINE
    workers = nginx.workers()
    nginx.configure(log='/dev/null', more='nonsense;')
    result = nginx.result()
    assert (result['problem'], result['workers'], result['seconds'] < 10) == ('refused', workers, True)
    assert 'its error log is no file' in result['msg']


@real
def test_real_workers_that_end_at_once(nginx):
    nginx.configure()
    nginx.conf.write(nginx.conf.read().replace('user root;', 'user root; working_directory /none;'))
    result = nginx.result()
    assert (result['problem'], nginx.sums.check(), result['seconds'] < 10) == ('workers', False, True)
    assert 'do not stay (' in result['msg'] and 'chdir("/none") failed' in result['msg'] and 'exited with fatal code 2' in result['msg']
    nginx.configure()
    assert told(nginx.result()) == FINE


@real
def test_real_pid_file_that_moves(nginx):
    nginx.conf.write(nginx.conf.read().replace('nginx.pid', 'other.pid'))
    result = nginx.result()
    nginx.pid_path = str(nginx.directory.join('other.pid'))
    assert (result['problem'], result['noted']) == ('pid_file', False) and 'does not name it any more' in result['msg']
    assert told(nginx.result()) == FINE


@real
def test_real_runs_at_the_same_time(nginx):
    held = os.open(os.path.dirname(nginx.pid_path), os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    result = nginx.result()
    os.close(held)
    assert 'another run upgrades or reloads nginx at this moment' in result['msg'] and not result['changed']
    assert told(nginx.result()) == FINE
