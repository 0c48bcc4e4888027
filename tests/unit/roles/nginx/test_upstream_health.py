# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that asks the servers of upstreams, with real sockets on loopback and as a process of its own."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import types

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))
PROGRAM = os.path.join(ROOT, 'roles', 'nginx', 'files', 'upstream_health.py')
own = types.ModuleType('upstream_health')
GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
FAST = {'kind': 'tcp', 'min_servers': 1, 'interval': 0.05, 'timeout': 0.5, 'rise': 2, 'fall': 2}

with open(PROGRAM, 'rb') as source:
    exec(compile(source.read(), PROGRAM, 'exec'), own.__dict__)


# --- a server ---

def server(answers, rise=2, fall=2):
    """The verdicts after each of these answers, + for a good one."""
    one, verdicts = own.Server('192.0.2.1:80', rise, fall), []
    for number, good in enumerate(answers):
        one.take(None if good == '+' else 'refused', number)
        verdicts.append({None: '?', True: '+', False: '-'}[one.up])
    return ''.join(verdicts)


@pytest.mark.parametrize('answers, rise, fall, verdicts', [
    ('+', 3, 3, '+'),
    ('---', 2, 3, '??-'),
    ('-+', 2, 3, '?+'),
    ('+-+-+-', 2, 2, '++++++'),
    ('+--', 2, 2, '++-'),
    ('--+-+-+', 2, 2, '?------'),
    ('--+++', 3, 2, '?---+'),
    ('+-+', 1, 1, '+-+'),
])
def test_a_verdict_takes_as_many_answers_in_a_row_as_are_asked_for(answers, rise, fall, verdicts):
    assert server(answers, rise, fall) == verdicts


def test_a_server_knows_since_when_and_what_was_wrong_last():
    one = own.Server('192.0.2.1:80', 1, 1)
    assert [one.take(None, 10), one.take('refused', 11), one.take('refused', 12), one.take(None, 13)] == [True, True, False, True]
    assert one.status() == {'server': '192.0.2.1:80', 'up': True, 'since': 13, 'last_error': 'refused'}


# --- a check ---

@pytest.mark.parametrize('verdicts, min_servers, failure', [
    ('++', 1, None),
    ('+-', 1, None),
    ('+-', 2, '1 of 2 servers up, at least 2 needed'),
    ('--', 1, '0 of 2 servers up, at least 1 needed'),
    ('-?', 1, None),
    ('-?', 2, None),
    ('-?+', 1, None),
])
def test_a_check_fails_with_too_few_servers_once_all_are_known(verdicts, min_servers, failure):
    check = own.Check(dict(FAST, name='shop', servers=list('abc'[:len(verdicts)]), min_servers=min_servers))
    for one, verdict in zip(check.servers, verdicts):
        one.up = {'?': None, '+': True, '-': False}[verdict]
    assert check.failure() == failure


# --- servers on loopback ---

def serve(listener, reply):
    """Answer every connection with this, or keep it without a word."""
    kept = []
    while True:
        try:
            connection = listener.accept()[0]
        except (EnvironmentError, ValueError):
            return
        kept.append(connection)
        if reply is not None:
            connection.recv(4096)
            connection.sendall(reply)
            connection.close()


@contextlib.contextmanager
def listening(reply=None, port=0, host='127.0.0.1'):
    listener = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(16)
    thread = threading.Thread(target=serve, args=(listener, reply))
    thread.daemon = True
    thread.start()
    try:
        yield ('[{0}]:{1}' if ':' in host else '{0}:{1}').format(host, listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def refusing():
    """An address that is taken and does not listen."""
    one = socket.socket()
    one.bind(('127.0.0.1', 0))
    try:
        yield '127.0.0.1:{0}'.format(one.getsockname()[1])
    finally:
        one.close()


@pytest.mark.parametrize('reply, wrong', [
    (GOOD, None),
    (b'HTTP/1.0 302 Found\r\n\r\n', None),
    (b'HTTP/1.1 503 Service Unavailable\r\n\r\n', 'status 503'),
    (b'HTTP/1.1 404\n', 'status 404'),
    (b'SSH-2.0-OpenSSH_9.6\r\n', 'no answer in HTTP'),
    (b'', 'closed without an answer'),
    (None, 'no answer within 0.3 s'),
])
def test_http_takes_a_status_from_200_to_399_in_time(reply, wrong):
    with listening(reply) as address:
        assert own.ask(address, 'http', '/', 0.3) == wrong


def test_http_sends_what_a_server_needs():
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(1)
    address = '127.0.0.1:{0}'.format(listener.getsockname()[1])
    thread = threading.Thread(target=own.ask, args=(address, 'http', '/up?deep=1', 1))
    thread.daemon = True
    thread.start()
    connection = listener.accept()[0]
    request = connection.recv(4096).decode('ascii')
    connection.close()
    listener.close()
    thread.join()
    assert request.startswith('GET /up?deep=1 HTTP/1.1\r\nHost: {0}\r\n'.format(address))
    assert request.endswith('\r\nConnection: close\r\n\r\n')


def drip(connection):
    """Send something now and then for two seconds."""
    for dummy in range(20):
        time.sleep(0.1)
        connection.sendall(b'x')
    connection.close()


def test_an_answer_in_drops_does_not_stretch_the_time():
    one, other = socket.socketpair()
    thread = threading.Thread(target=drip, args=(other,))
    thread.start()
    began = time.time()
    with pytest.raises(socket.timeout):
        own.status_line(one, own.clock() + 0.3)
    assert time.time() - began < 1
    thread.join()
    one.close()


def test_tcp_takes_an_accepted_connection():
    with listening() as address:
        assert own.ask(address, 'tcp', None, 0.3) is None


def test_ipv6_is_asked():
    try:
        with listening(GOOD, host='::1') as address:
            assert own.ask(address, 'http', '/', 0.3) is None
    except socket.error:
        pytest.skip('this machine has no IPv6')


@pytest.mark.parametrize('kind', ['tcp', 'http'])
def test_a_refused_connection_is_told(kind):
    with refusing() as address:
        assert own.ask(address, kind, '/', 0.3) == 'Connection refused'


@pytest.mark.parametrize('address', ['no.such.host.invalid:80', u'b\xfccher..example:80'])
def test_a_name_without_an_address_is_told(address):
    assert own.ask(address, 'tcp', None, 0.3)


# --- the files ---

def test_files_are_complete_and_removed(tmp_path):
    (tmp_path / 'old.failed').write_text(u'of an earlier run')
    files = own.Files(str(tmp_path))
    assert os.listdir(str(tmp_path)) == []
    assert [files.have('a', u'1'), files.have('a', u'1'), files.have('a', u'2')] == [True, False, True]
    assert os.listdir(str(tmp_path)) == ['a'] and (tmp_path / 'a').read_text() == u'2'
    assert [files.have('a', None), files.have('a', None)] == [True, False]
    assert os.listdir(str(tmp_path)) == []


def test_a_file_is_another_one_when_its_text_changes(tmp_path):
    files = own.Files(str(tmp_path))
    files.have('a', u'1')
    with io.open(str(tmp_path / 'a')) as reader:
        files.have('a', u'2')
        assert reader.read() == u'1'


# --- the process ---

def within(condition, seconds):
    """Whether this comes true in time."""
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            return False
        time.sleep(0.02)
    return True


class Process(object):
    """The program as systemd runs it."""

    def __init__(self, directory, checks):
        self.directory = directory / 'run'
        self.directory.mkdir()
        (directory / 'checks.json').write_text(u'{0}'.format(json.dumps(checks)))
        with open(str(directory / 'log'), 'wb') as log:
            self.process = subprocess.Popen([sys.executable, PROGRAM, str(directory / 'checks.json'), str(self.directory)], stderr=log)
        self.log = directory / 'log'

    def status(self):
        return json.loads((self.directory / 'status.json').read_text())['checks']

    def ups(self):
        return [one['up'] for check in self.status() for one in check['servers']]

    def failed(self):
        return sorted(name for name in os.listdir(str(self.directory)) if name.endswith('.failed'))

    def wait(self, condition, seconds=10):
        """Wait for what a running program brings about."""
        assert within(lambda: (self.directory / 'status.json').exists() and condition(), seconds), self.log.read_text()

    def end(self, seconds):
        """Return the exit code."""
        assert within(lambda: self.process.poll() is not None, seconds), self.log.read_text()
        return self.process.poll()


@pytest.fixture(name='run')
def program(tmp_path):
    started = []

    def run(*checks):
        started.append(Process(tmp_path, [dict(FAST, **check) for check in checks]))
        return started[0]
    yield run
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


def test_a_check_fails_and_is_good_again_with_its_servers(run):
    with listening() as one, refusing() as other:
        process = run({'name': 'shop', 'servers': [one, other]}, {'name': 'both', 'servers': [one, other], 'min_servers': 2})
        process.wait(lambda: None not in process.ups())
        assert process.ups() == [True, False, True, False]
        process.wait(lambda: process.failed() == ['both.failed'])
        assert (process.directory / 'both.failed').read_text() == u'1 of 2 servers up, at least 2 needed\n'
    process.wait(lambda: process.failed() == ['both.failed', 'shop.failed'])
    with listening(port=int(one.rpartition(':')[2])):
        process.wait(lambda: [check['failed'] for check in process.status()] == [None, u'1 of 2 servers up, at least 2 needed'])
        process.wait(lambda: process.failed() == ['both.failed'])
    log = process.log.read_text()
    assert u'shop: {0} is down (Connection refused)'.format(one) in log
    assert u'shop: FAILED, 0 of 2 servers up, at least 1 needed' in log and u'shop: good again' in log


def test_an_unknown_server_fails_nothing(run):
    with listening() as silent, refusing() as dead:
        process = run({'name': 'web', 'kind': 'http', 'path': '/', 'servers': [dead, silent], 'timeout': 1.5})
        process.wait(lambda: process.ups()[0] is False)
        assert process.ups() == [False, None] and process.failed() == []
        process.wait(lambda: process.failed() == ['web.failed'])
        assert process.status()[0]['servers'][1]['last_error'] == 'no answer within 1.5 s'


def test_a_slow_server_does_not_hold_up_the_others(run):
    with listening() as silent, listening(GOOD) as good:
        process = run({'name': 'web', 'kind': 'http', 'path': '/', 'servers': [silent, good], 'timeout': 30})
        process.wait(lambda: process.ups() == [None, True], 5)


def test_what_an_earlier_run_found_is_forgotten(run, tmp_path):
    with refusing() as dead:
        process = run({'name': 'shop', 'servers': [dead], 'fall': 1000})
        (tmp_path / 'run' / 'shop.failed').write_text(u'')
        process.process.kill()
        process.process.wait()
        again = subprocess.Popen([sys.executable, PROGRAM, str(tmp_path / 'checks.json'), str(tmp_path / 'run')])
        try:
            process.wait(lambda: process.failed() == [])
        finally:
            again.kill()
            again.wait()


def test_sigterm_ends_it_at_once(run):
    with listening() as silent:
        process = run({'name': 'web', 'kind': 'http', 'path': '/', 'servers': [silent], 'timeout': 30})
        process.wait(lambda: True)
        process.process.terminate()
        assert process.end(1) == -signal.SIGTERM


@pytest.mark.parametrize('abstract', [False, True])
def test_systemd_is_told_when_it_has_begun(run, tmp_path, monkeypatch, abstract):
    address = '{0}vipkit-test-{1}'.format('@' if abstract else str(tmp_path) + '/', os.getpid())
    monkeypatch.setenv('NOTIFY_SOCKET', address)
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.settimeout(10)
    notified.bind(address.replace('@', '\0'))
    try:
        with refusing() as dead:
            process = run({'name': 'shop', 'servers': [dead]})
            assert notified.recv(100) == b'READY=1'
            assert len(process.status()) == 1
    finally:
        notified.close()


def test_checks_that_cannot_be_read_end_it_with_a_reason(run):
    process = run({'name': 'shop'})
    assert process.end(10) == 1
    assert u"KeyError: 'servers'" in process.log.read_text() or u"KeyError: u'servers'" in process.log.read_text()


def test_it_does_not_go_on_without_a_place_to_tell(run):
    with refusing() as dead:
        process = run({'name': 'shop', 'servers': [dead], 'fall': 20})
        process.wait(lambda: True)
        os.rename(str(process.directory), str(process.directory) + '.gone')
        assert process.end(5) == 1
        assert u'Traceback' in process.log.read_text()
