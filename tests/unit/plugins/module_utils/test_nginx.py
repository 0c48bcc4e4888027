# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A /proc made of files, real sockets that answer, that refuse and that nobody accepts from, and a scripted clock."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import errno
import os
import shutil
import socket
import struct
import tempfile
import threading

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _nginx

SBIN = '/usr/local/nginx/nginx'
MASTER = 'nginx: master process %s -c /usr/local/nginx/nginx.conf' % SBIN
WORKER = 'nginx: worker process'
LEAVING = WORKER + ' is shutting down'


class Proc(object):
    """A /proc with an nginx of one master and two workers, process 100 to 102."""

    def __init__(self, tmpdir):
        self.proc = tmpdir.mkdir('proc')
        self.proc.mkdir('sys')
        self.pid_path = tmpdir.join('nginx.pid')
        self.process(1, 0, 'systemd', session=1)
        self.process(100, 1, MASTER)
        self.process(101, 100, WORKER)
        self.process(102, 100, WORKER)
        self.pid_path.write('100\n')

    def process(self, pid, parent, title, session=100, state='S', name='nginx', start=7):
        directory = self.proc.ensure(str(pid), dir=True)
        directory.join('stat').write('{0} ({1}) {2} {3} {0} {4} {5} {6} 0\n'.format(
            pid, name, state, parent, session, ' '.join(['0'] * 15), start))
        directory.join('cmdline').write(title + '\0')
        directory.ensure('fd', dir=True)

    def descriptor(self, pid, number, target):
        self.proc.join(str(pid), 'fd', str(number)).mksymlinkto(target)

    def oldbin(self, pid):
        self.pid_path.new(basename='nginx.pid.oldbin').write('%d\n' % pid)

    def new_master(self):
        """The new master 200 of a started upgrade, with one worker."""
        self.process(200, 100, MASTER)
        self.process(201, 200, WORKER)
        self.oldbin(100)
        self.pid_path.write('200\n')

    def family(self):
        return _nginx.family(str(self.proc), str(self.pid_path))

    def shows(self, current=None, older=None, newcomers=(), orphans=(), remnants=()):
        def master(one):
            return one and (one.process.pid, [worker.pid for worker in one.active], [worker.pid for worker in one.leaving])

        seen = self.family()
        assert (master(seen.current), master(seen.older)) == (current, older)
        assert [[one.pid for one in ones] for ones in seen[2:]] == [list(ones) for ones in (newcomers, orphans, remnants)]


@pytest.fixture
def proc(tmpdir):
    return Proc(tmpdir)


# --- processes ---

def test_process(proc):
    assert _nginx.process(str(proc.proc), 101) == (101, 100, 100, 7)
    assert _nginx.process(str(proc.proc), 999) is None
    assert sorted(_nginx.processes(str(proc.proc))) == [1, 100, 101, 102]


@pytest.mark.parametrize('state', ['Z', 'X'])
def test_dead_process(proc, state):
    proc.process(102, 100, WORKER, state=state)
    assert _nginx.process(str(proc.proc), 102) is None


def test_name_that_looks_like_the_rest_of_its_line(proc):
    proc.process(102, 100, WORKER, name='a) Z 1 (b')
    assert _nginx.process(str(proc.proc), 102) == (102, 100, 100, 7)


@pytest.mark.parametrize('text, expected', [('812\n', 812), ('812', 812), ('', None), ('x', None), ('-1', None), ('1 2', None)])
def test_pid_file(tmpdir, text, expected):
    tmpdir.join('pid').write(text)
    assert _nginx.pid_in(str(tmpdir.join('pid'))) == expected
    assert _nginx.pid_in(str(tmpdir.join('other'))) is None


def test_sockets(proc):
    proc.descriptor(100, 0, '/dev/null')
    proc.descriptor(100, 2, 'socket:[1]')  # the journal
    proc.descriptor(100, 6, 'socket:[11]')
    proc.descriptor(100, 7, 'pipe:[12]')
    assert _nginx.sockets(str(proc.proc), 100) == set(['socket:[11]'])
    assert _nginx.sockets(str(proc.proc), 999) == set()


@pytest.mark.parametrize('place, state, expected', [
    ('sigsuspend', 'S', True),
    ('sigsuspend.isra.0', 'S', True),
    ('sys_rt_sigsuspend', 'S', True),
    ('hrtimer_nanosleep', 'S', False),
    ('0', 'R', False),
    ('0', 'D', False),
    ('0', 'S', None),
    ('18446744071579755024', 'S', None),
    ('', 'S', None),
])
def test_rests(proc, place, state, expected):
    proc.process(100, 1, MASTER, state=state)
    proc.proc.join('100', 'wchan').write(place)
    assert _nginx.rests(str(proc.proc), 100) is expected


def test_signals(proc):
    sent = []
    one = _nginx.process(str(proc.proc), 100)

    def kill(*arguments):
        sent.append(arguments)

    _nginx.send(str(proc.proc), one, 1, kill)
    _nginx.send(str(proc.proc), one._replace(start=one.start - 1), 1, kill)  # its number was given to another one
    assert sent == [(100, 1)]


def test_signals_that_are_refused(proc):
    one = _nginx.process(str(proc.proc), 100)

    def kill(error):
        def refuse(*dummy):
            raise OSError(error, os.strerror(error))
        return refuse

    _nginx.send(str(proc.proc), one, 1, kill(errno.ESRCH))
    with pytest.raises(_nginx.NginxError) as caught:
        _nginx.send(str(proc.proc), one, 1, kill(errno.EPERM))
    assert 'cannot send signal 1 to process 100' in str(caught.value)


def test_title_and_options(proc):
    line = _nginx.command(str(proc.proc), 100)
    assert line == SBIN + ' -c /usr/local/nginx/nginx.conf'
    assert _nginx.options(line) == {'c': '/usr/local/nginx/nginx.conf'}


@pytest.mark.parametrize('line, expected', [
    (SBIN, {}),
    (SBIN + ' -c/a -p /b/', {'c': '/a', 'p': '/b/'}),
    (SBIN + ' -g daemon on; master_process on;', {'g': 'daemon on; master_process on;'}),
    (SBIN + ' -g worker_priority -5; -c /a', {'g': 'worker_priority -5;', 'c': '/a'}),
    (SBIN + ' -c /a -c /b', {'c': '/b'}),
])
def test_options(line, expected):
    assert _nginx.options(line) == expected


# --- programs ---

@pytest.fixture
def programs(proc, tmpdir):
    tmpdir.join('nginx').write('one')
    proc.proc.join('100', 'exe').mksymlinkto(tmpdir.join('nginx'))
    return _nginx.Programs(str(proc.proc))


def test_same_file(programs, tmpdir):
    assert programs.same(100, str(tmpdir.join('nginx')))
    assert not programs.sums  # nothing had to be read


@pytest.mark.parametrize('text, expected', [('one', True), ('two', False), ('three', False)])
def test_other_file(programs, tmpdir, text, expected):
    tmpdir.join('other').write(text)
    assert programs.same(100, str(tmpdir.join('other'))) is expected


def test_replaced_file(programs, tmpdir):
    os.rename(str(tmpdir.join('nginx')), str(tmpdir.join('running')))
    tmpdir.join('proc', '100', 'exe').remove()
    tmpdir.join('proc', '100', 'exe').mksymlinkto(tmpdir.join('running'))
    tmpdir.join('nginx').write('two')
    assert not programs.same(100, str(tmpdir.join('nginx')))


def test_process_that_is_gone(programs, tmpdir):
    assert not programs.same(999, str(tmpdir.join('nginx')))


def test_file_that_is_gone(programs, tmpdir):
    with pytest.raises(_nginx.NginxError) as caught:
        programs.same(100, str(tmpdir.join('away')))
    assert str(caught.value).startswith('cannot compare %s with what process 100 executes' % tmpdir.join('away'))


@pytest.mark.parametrize('said, expected', [
    ('nginx version: nginx/1.9.9', '1.9.9'),
    ('nginx version: nginx/1.26.3 (one)', '1.26.3 (one)'),
    ('nginx version: openresty/1.25.3.1', '1.25.3.1'),
    ('sh: not found', None),
])
def test_version(tmpdir, said, expected):
    tmpdir.join('nginx').write("#!/bin/sh\necho '%s' >&2\n" % said)
    tmpdir.join('nginx').chmod(0o755)
    assert _nginx.version(str(tmpdir.join('nginx'))) == expected
    assert _nginx.version(str(tmpdir.join('away'))) is None


# --- where it listens ---

@pytest.mark.parametrize('text, expected, told', [
    ('*:80', ('tcp', '0.0.0.0', 80), None),
    ('0.0.0.0:80', ('tcp', '0.0.0.0', 80), '*:80'),
    ('192.0.2.1:8081', ('tcp', '192.0.2.1', 8081), None),
    ('[::]:80', ('tcp6', '::', 80), None),
    ('[2001:DB8:0::1]:80', ('tcp6', '2001:db8::1', 80), '[2001:db8::1]:80'),
    ('*:53/udp', ('udp', '0.0.0.0', 53), None),
    ('[::1]:53/udp', ('udp6', '::1', 53), None),
    ('unix:/run/a b', ('unix', '/run/a b', None), None),
])
def test_parse_listen(text, expected, told):
    assert _nginx.parse_listen(text) == expected
    assert _nginx.listen_text(_nginx.parse_listen(text)) == (told or text)


@pytest.mark.parametrize('text', [
    '', '80', '192.0.2.1', 'localhost:80', '*:0', '*:65536', '192.0.2.256:80', '[:::]:80', '::1:80', 'unix:run', '*:80/tcp',
])
def test_listen_that_makes_no_sense(text):
    with pytest.raises(_nginx.NginxError) as caught:
        _nginx.parse_listen(text)
    assert str(caught.value).startswith("nothing can listen on '%s'; give ADDRESS:PORT" % text)


@contextlib.contextmanager
def bound(family, kind, address):
    one = socket.socket(family, kind)
    try:
        one.bind(address)
        if kind == socket.SOCK_STREAM:
            one.listen(1)
        yield 'socket:[%d]' % os.fstat(one.fileno()).st_ino, one.getsockname()
    finally:
        one.close()


@pytest.mark.parametrize('family, kind, address, expected', [
    (socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 0), '127.0.0.1:{0}'),
    (socket.AF_INET, socket.SOCK_STREAM, ('', 0), '*:{0}'),
    (socket.AF_INET6, socket.SOCK_STREAM, ('::1', 0), '[::1]:{0}'),
    (socket.AF_INET6, socket.SOCK_STREAM, ('::', 0), '[::]:{0}'),
    (socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', 0), '127.0.0.1:{0}/udp'),
    (socket.AF_INET6, socket.SOCK_DGRAM, ('::1', 0), '[::1]:{0}/udp'),
])
def test_listening(family, kind, address, expected):
    try:
        with bound(family, kind, address) as (name, given):
            assert _nginx.listen_text(_nginx.listening('/proc', os.getpid())[name]) == expected.format(given[1])
    except socket.error as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        pytest.skip('no IPv6 here')
    assert name not in _nginx.listening('/proc', os.getpid())


def test_listening_on_a_path():
    path = os.path.join(tempfile.mkdtemp(), 'a b')  # pytest's own may be too long for it
    try:
        with bound(socket.AF_UNIX, socket.SOCK_STREAM, path) as (name, dummy):
            assert _nginx.listening('/proc', os.getpid())[name] == ('unix', path, None)
    finally:
        shutil.rmtree(os.path.dirname(path))


def test_sockets_that_do_not_listen(tmpdir):
    tmpdir.ensure('1', 'net', 'tcp').write(TABLE.format('0100007F'))
    assert sorted(_nginx.listening(str(tmpdir), 1)) == ['socket:[638]', 'socket:[639]', 'socket:[640]']
    assert _nginx.listening(str(tmpdir), 2) == {}


@pytest.mark.parametrize('wanted, held, expected', [
    ('192.0.2.1:80', ['192.0.2.1:80'], True),
    ('192.0.2.1:80', ['*:443', '*:80'], True),
    ('*:80', ['192.0.2.1:80'], False),
    ('192.0.2.1:80', ['[::]:80'], False),
    ('192.0.2.1:80', ['*:80/udp'], False),
    ('192.0.2.1:80', ['*:81'], False),
    ('[2001:db8::1]:80', ['[::]:80'], True),
    ('unix:/a', ['unix:/a'], True),
    ('unix:/a', ['unix:/b'], False),
    ('*:80', [], False),
])
def test_listens(wanted, held, expected):
    assert _nginx.listens([_nginx.parse_listen(one) for one in held], _nginx.parse_listen(wanted)) is expected


@pytest.mark.parametrize('one, other, expected', [
    ('192.0.2.1:80', '*:80', True),
    ('192.0.2.1:80', '192.0.2.1:80', True),
    ('192.0.2.1:80', '192.0.2.2:80', False),
    ('192.0.2.1:80', '*:81', False),
    ('192.0.2.1:80', '[::]:80', True),  # without ipv6only it would be so
    ('192.0.2.1:80', '*:80/udp', False),
    ('unix:/a', 'unix:/a', True),
    ('unix:/a', 'unix:/b', False),
])
def test_collides(one, other, expected):
    first, second = _nginx.parse_listen(one), _nginx.parse_listen(other)
    assert [_nginx.collides(*pair) for pair in ((first, second), (second, first))] == [expected] * 2


# --- the family ---

def test_one_master(proc):
    proc.shows(current=(100, [101, 102], []))


def test_workers_that_finish(proc):
    proc.process(103, 100, LEAVING)
    proc.process(104, 100, 'nginx: cache manager process')
    proc.shows(current=(100, [101, 102], [103]))


def test_upgrade_under_way(proc):
    proc.new_master()
    proc.process(102, 100, LEAVING)
    proc.shows(current=(200, [201], []), older=(100, [101], [102]))


def test_older_master_without_its_pid_file(proc):
    proc.new_master()
    proc.pid_path.new(basename='nginx.pid.oldbin').remove()
    proc.shows(current=(200, [201], []), older=(100, [101, 102], []))


def test_new_master_that_has_no_pid_file_yet(proc):
    proc.pid_path.remove()
    proc.oldbin(100)
    proc.process(200, 100, SBIN)
    proc.shows(older=(100, [101, 102], []), newcomers=[200])
    proc.process(200, 100, MASTER)
    proc.shows(older=(100, [101, 102], []), newcomers=[200])


def test_other_child_of_a_master(proc):
    proc.process(200, 100, '/usr/bin/logger')
    proc.shows(current=(100, [101, 102], []))


@pytest.mark.parametrize('text', ['', 'x', '999', '1', '101'])
def test_pid_file_that_names_no_master(proc, text):
    proc.pid_path.write(text)
    proc.shows()


def test_stale_file_of_an_older_master(proc):
    proc.oldbin(999)
    proc.shows(current=(100, [101, 102], []))
    proc.process(300, 1, MASTER, session=300)  # that of another nginx, which has the number now
    proc.oldbin(300)
    proc.shows(current=(100, [101, 102], []))


def test_workers_of_a_master_that_was_killed(proc):
    proc.new_master()
    shutil.rmtree(str(proc.proc.join('100')))
    proc.process(200, 1, MASTER)
    proc.process(101, 1, WORKER)
    proc.process(102, 1, LEAVING)
    proc.shows(current=(200, [201], []), orphans=[101], remnants=[102])


def test_another_nginx_on_the_host(proc):
    proc.process(300, 1, MASTER, session=300)
    proc.process(301, 300, WORKER, session=300)
    proc.process(302, 1, WORKER, session=300)
    proc.shows(current=(100, [101, 102], []))


def test_another_nginx_of_the_same_session(proc):
    proc.process(300, 1, MASTER)
    proc.process(301, 300, WORKER)
    proc.shows(current=(100, [101, 102], []))


def test_pid_files_that_change_meanwhile(proc, monkeypatch):
    def look(where, named, named_old, real=_nginx._family):
        monkeypatch.undo()
        proc.new_master()
        return real(where, named, named_old)

    monkeypatch.setattr(_nginx, '_family', look)  # what happens between two reads cannot be had in another way
    proc.shows(current=(200, [201], []), older=(100, [101, 102], []))


def test_quitting(proc):
    proc.new_master()
    proc.descriptor(100, 6, 'socket:[11]')
    proc.descriptor(200, 8, 'socket:[11]')

    def quitting():
        seen = proc.family()
        return _nginx.quitting(str(proc.proc), seen.older, seen.current)

    assert not quitting()
    proc.proc.join('100', 'fd', '6').remove()
    assert not quitting()  # it has workers that accept
    proc.process(101, 100, LEAVING)
    proc.process(102, 100, LEAVING)
    assert quitting()
    proc.descriptor(100, 6, 'socket:[11]')
    assert not quitting()


# --- the log ---

def test_log(proc, tmpdir):
    log = tmpdir.join('error.log')
    log.write('[emerg] 1#0: long ago\n')
    proc.descriptor(100, 2, str(log))
    opened = _nginx.open_log(str(proc.proc), 100)
    log.write('2026/11/22 [notice] 9#0: go\n2026/11/22 [emerg] 9#0: bind() failed\n[alert] 9#0: a\n[crit] 9#0: b\n[alert] 9#0: c\n', 'a')
    assert _nginx.complaints(opened) == ['[alert] 9#0: a', '[crit] 9#0: b', '[alert] 9#0: c']
    assert _nginx.complaints(opened) == []
    opened.close()


def test_no_log(proc):
    assert _nginx.open_log(str(proc.proc), 100) is None
    proc.descriptor(100, 2, '/dev/null')
    assert _nginx.open_log(str(proc.proc), 100) is None
    assert _nginx.complaints(None) == []


def test_logs(proc, tmpdir):
    old, new = tmpdir.join('old.log'), tmpdir.join('new.log')
    old.write('[emerg] 100#0: long ago\n')
    new.write('[emerg] 100#0: long ago, too\n')
    proc.descriptor(100, 2, str(old))
    proc.descriptor(100, 3, '/dev/null')
    with contextlib.closing(_nginx.Logs(str(proc.proc), 100)) as logs:
        assert (logs.readable, logs.read()) == (True, [])
        old.write('[notice] 100#0: reconfiguring\n[emerg] 100#0: a\n', 'a')
        proc.descriptor(100, 4, str(new))  # the configuration names another one now
        assert logs.read() == ['[emerg] 100#0: a']
        proc.proc.join('100', 'fd', '4').remove()
        new.write('[alert] 100#0: b\n', 'a')
        old.write('[crit] 100#0: c\n', 'a')
        assert logs.read() == ['[crit] 100#0: c', '[alert] 100#0: b']
        assert logs.read() == []


def test_logs_that_are_none(proc):
    proc.descriptor(100, 2, 'socket:[1]')
    for pid in (100, 999):
        with contextlib.closing(_nginx.Logs(str(proc.proc), pid)) as logs:
            assert (logs.readable, logs.read()) == (False, [])


# --- probes ---

@pytest.mark.parametrize('text, expected', [
    ('http://192.0.2.1', ('http', '192.0.2.1', 80, '/')),
    ('http://192.0.2.1:8081/a?b=c', ('http', '192.0.2.1', 8081, '/a?b=c')),
    ('https://[2001:db8::1]/', ('https', '2001:db8::1', 443, '/')),
    ('tcp://192.0.2.1:25', ('tcp', '192.0.2.1', 25, '/')),
    ('192.0.2.1:25', ('tcp', '192.0.2.1', 25, '/')),
    ('[::1]:25', ('tcp', '::1', 25, '/')),
])
def test_parse_probe(text, expected):
    assert _nginx.parse_probe(text) == expected


@pytest.mark.parametrize('text', ['', 'localhost', 'tcp://localhost', 'ftp://localhost/', 'http://', 'http://u:p@h/', 'h:70000', 'http://[::1/'])
def test_probe_that_makes_no_sense(text):
    with pytest.raises(_nginx.NginxError) as caught:
        _nginx.parse_probe(text)
    assert str(caught.value).startswith("'%s' can't be probed; give an http:// " % text)


@contextlib.contextmanager
def listening(answer=None):
    """A port; whoever connects gets the answer, or is not even accepted when there is none."""
    server = socket.socket()
    server.bind(('127.0.0.1', 0))
    server.listen(5)

    def serve():
        while True:
            try:
                connection = server.accept()[0]
            except (socket.error, ValueError):
                return
            connection.recv(1000) if answer else None
            connection.sendall(answer)
            connection.close()

    if answer is not None:
        thread = threading.Thread(target=serve)
        thread.daemon = True
        thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)  # so that accept() ends
        server.close()


@pytest.mark.parametrize('answer, expected', [
    (b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', None),
    (b'HTTP/1.0 302 Found\r\n\r\n', None),
    (b'HTTP/1.1 404 Not Found\r\n\r\n', 'status 404'),
    (b'HTTP/1.1 503 Service Unavailable\r\n\r\n', 'status 503'),
    (b'SSH-2.0\r\n', ''),
    (b'\r\n', ''),
])
def test_http(answer, expected):
    with listening(answer) as port:
        found = _nginx.probe('http://127.0.0.1:%d/' % port, 5)
        assert (found is None) == (expected is None) and (expected or '') in (found or '')


def test_http_of_nobody():
    with listening() as port:
        assert 'timed out' in _nginx.probe('http://127.0.0.1:%d/' % port, 0.2)
    assert 'refused' in _nginx.probe('http://127.0.0.1:%d/' % port, 5)


def test_tls_that_is_none():
    with listening(b'HTTP/1.1 400 Bad Request\r\n\r\n') as port:
        assert _nginx.probe('https://127.0.0.1:%d/' % port, 5)


def test_tcp():
    with listening(b'') as port:
        assert _nginx.probe('127.0.0.1:%d' % port, 5) is None
    assert 'refused' in _nginx.probe('tcp://127.0.0.1:%d' % port, 5)


def test_tcp_that_only_the_system_takes():
    with listening() as port:
        socket.create_connection(('127.0.0.1', port), 5).close()  # connecting as such works
        assert _nginx.probe('127.0.0.1:%d' % port, 0.2) == 'no process accepts connections'


def test_tcp_on_another_host():
    with listening() as port:
        assert _nginx.probe('127.0.0.1:%d' % port, 0.2, proc='/var/empty') is None  # its socket is not to be seen here


TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: {0}:1F91 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 638 1 000000008062ac2f 100 0 0 10 0
   1: 00000000:1F91 00000000:0000 0A 00000000:00000010 00:00000000 00000000     0        0 639 1 000000008062ac2f 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000100 00:00000000 00000000     0        0 640 1 000000008062ac2f 100 0 0 10 0
   3: {0}:1F91 0100007F:BD20 06 00000000:00000000 03:00000DCE 00000000     0        0 0 3 000000003ddd6497
   4: 00000000:1F91 00000000:0000 0A 00000000:00001000 00:00000000 00000000     0        0 641 1 000000008062ac2f 100 0 0 10 0
"""


def test_queued():
    names = _nginx.listeners(socket.AF_INET, '127.0.0.1', 8081)
    local = '%08X' % struct.unpack('=I', socket.inet_aton('127.0.0.1'))
    assert _nginx.queued(TABLE.format(local).splitlines(), names) == 0x13
    assert _nginx.queued(TABLE.format(local).splitlines(), _nginx.listeners(socket.AF_INET, '127.0.0.1', 8082)) == 0
    assert [len(name) for name in _nginx.listeners(socket.AF_INET6, 'fe80::1%eth0', 80)] == [37, 13, 37]


# --- waiting ---

class Clock(object):
    def __init__(self, *events):
        self.now = 1000.0
        self.events = list(events)

    def clock(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds
        if self.events:
            self.events.pop(0)()


def test_until(proc):
    clock = Clock(lambda: None, proc.new_master)
    watch = _nginx.Watch(str(proc.pid_path), str(proc.proc), clock.clock, clock.pause)
    assert watch.until(lambda seen: seen.current.process.pid == 200, 5).older.process.pid == 100
    assert round(clock.now - 1000, 3) == 0.1
    assert watch.until(lambda seen: False, 1) is None
    assert 1.1 <= clock.now - 1000 < 1.2


def test_steady():
    clock = Clock()
    steady = _nginx.Steady(clock.clock, 1)
    told = []
    for value in ([1], [1], [2], [2], [2], [], [], [], [2]):
        told.append(steady(value))
        clock.pause(0.5)
    assert told == [False, False, False, False, True, False, False, False, False]
