# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that writes nginx's metrics, with real sockets on loopback and real processes that have nginx's titles."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import socket
import subprocess
import sys
import threading
import time
import types

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))
sys.path.insert(0, os.path.join(ROOT, 'roles', 'nginx', 'files'))

import nginx_metrics as own  # noqa: E402
import vipkit_metrics as common  # noqa: E402

# As nginx 1.26.3 answered
STUB_STATUS = 'Active connections: 3 \nserver accepts handled requests\n 1701 1699 9911 \nReading: 0 Writing: 1 Waiting: 2 \n'
STATUS = {'checks': [
    {'name': 'shop', 'failed': '1 of 3 servers up, at least 2 needed', 'min_servers': 2, 'servers': [
        {'server': '192.0.2.1:8080', 'up': True, 'since': 1, 'last_error': None},
        {'server': '192.0.2.2:8080', 'up': False, 'since': 1, 'last_error': 'refused'},
        {'server': '192.0.2.3:8080', 'up': None, 'since': None, 'last_error': None}]},
    {'name': 'search', 'failed': None, 'min_servers': 1, 'servers': [{'server': '192.0.2.4:9200', 'up': True, 'since': 1, 'last_error': None}]},
]}


# --- what it reads ---

def test_stub_status():
    assert dict((name, value) for name, dummy, value in own.parse_stub_status(STUB_STATUS)) == {
        'nginx_connections_accepted': 1701, 'nginx_connections_handled': 1699, 'nginx_http_requests_total': 9911,
        'nginx_connections_active': 3, 'nginx_connections_reading': 0, 'nginx_connections_writing': 1, 'nginx_connections_waiting': 2}


def test_a_page_that_is_none_of_stub_status_says_nothing():
    assert own.parse_stub_status('<html>404</html>') == own.parse_stub_status('') == []


def test_upstreams():
    found = own.upstreams(json.dumps(STATUS))
    assert [(labels.get('check'), value) for name, labels, value in found if name == 'nginx_upstream_check_failed'] == [('shop', True), ('search', False)]
    assert [value for name, dummy, value in found if name == 'nginx_upstream_min_servers'] == [2, 1]
    assert [(labels['server'], value) for name, labels, value in found if name == 'nginx_upstream_server_up'] == [
        ('192.0.2.1:8080', True), ('192.0.2.2:8080', False), ('192.0.2.4:9200', True)], 'of one that is not known yet nothing is said'
    assert found[0] == ('nginx_upstream_health_up', {}, True)


def test_without_the_program_that_asks_there_is_no_verdict():
    assert own.upstreams(None) == [('nginx_upstream_health_up', {}, False)]


# --- processes ---

# A master that starts workers by the titles that it is given
MASTER = r"""
import os, sys, time
for title in sys.argv[2:]:
    if os.fork() == 0:
        os.execv(sys.argv[1], [title, '-c', 'import time; time.sleep(60)'])
print('ready'); sys.stdout.flush()
time.sleep(60)
"""


def titled(master):
    """Children of a process that have a title of nginx already."""
    return [name for name in os.listdir('/proc') if name.isdigit() and own.stat_of(name)[1:2] == [str(master)] and own.title(name).startswith(own.WORKER)]


@pytest.fixture(name='master')
def the_master(tmpdir):
    """Start one with workers; gives the path of its pid file."""
    running = []

    def start(*titles):
        process = subprocess.Popen(['nginx: master process nginx', '-c', MASTER, sys.executable] + list(titles), executable=sys.executable,
                                   stdout=subprocess.PIPE, preexec_fn=os.setsid)
        running.append(process)
        assert process.stdout.readline() == b'ready\n'
        end = time.time() + 10
        while len(titled(process.pid)) < len(titles):
            assert time.time() < end
            time.sleep(0.01)
        path = tmpdir.join('nginx.pid')
        if path.check():
            path.rename(str(path) + '.oldbin')  # as nginx does for a new binary
        path.write('{0}\n'.format(process.pid))
        return str(path)

    yield start
    for process in running:
        os.killpg(process.pid, 9)
        process.wait()


def test_workers(master):
    path = master('nginx: worker process', 'nginx: worker process', 'nginx: worker process is shutting down')
    found = dict((name, value) for name, dummy, value in own.processes(path))
    assert found['nginx_workers'] == 2 and found['nginx_workers_shutting_down'] == 1
    assert abs(found['nginx_worker_start_time_seconds'] - time.time()) < 60


def test_workers_of_the_binary_before_are_on_their_way_out(master):
    master('nginx: worker process', 'nginx: worker process')
    found = dict((name, value) for name, dummy, value in own.processes(master('nginx: worker process')))
    assert found['nginx_workers'] == 1 and found['nginx_workers_shutting_down'] == 2


def test_workers_of_another_nginx_do_not_count(master, tmpdir):
    master('nginx: worker process', 'nginx: worker process')
    tmpdir.join('nginx.pid').remove()
    found = dict((name, value) for name, dummy, value in own.processes(master('nginx: worker process')))
    assert found['nginx_workers'] == 1 and found['nginx_workers_shutting_down'] == 0


@pytest.mark.parametrize('text', ['', 'nonsense\n', '4194305\n', '{0}\n'.format(os.getpid())])
def test_a_pid_file_that_names_no_nginx(tmpdir, text):
    tmpdir.join('nginx.pid').write(text)
    nothing = [('nginx_workers', {}, 0), ('nginx_workers_shutting_down', {}, 0)]
    assert own.processes(str(tmpdir.join('nginx.pid'))) == own.processes(str(tmpdir.join('none'))) == nothing


# --- asking ---

@pytest.fixture(name='server')
def the_server():
    """A socket that answers by path; gives its address."""
    listening = socket.socket()
    listening.bind(('127.0.0.1', 0))
    listening.listen(5)
    pages = {'/healthz/nginx': '200 ok\n', '/stub_status': '200 ' + STUB_STATUS, '/busy': '503 no\n'}

    def serve():
        while True:
            try:
                connection = listening.accept()[0]
            except (OSError, socket.error):
                return
            path = connection.recv(4096).decode('ascii').split()[1]
            status, dummy, body = pages.get(path, '404 none\n').partition(' ')
            connection.sendall('HTTP/1.1 {0} x\r\nContent-Length: {1}\r\nConnection: close\r\n\r\n{2}'.format(status, len(body), body).encode('ascii'))
            connection.close()

    thread = threading.Thread(target=serve)
    thread.daemon = True
    thread.start()
    yield '127.0.0.1:{0}'.format(listening.getsockname()[1])
    listening.close()


def test_only_a_good_answer_counts(server):
    assert own.get(server, '/healthz/nginx') == 'ok\n'
    assert own.get(server, '/busy') is None
    closed = socket.socket()
    closed.bind(('127.0.0.1', 0))  # and nobody listens
    assert own.get('127.0.0.1:{0}'.format(closed.getsockname()[1]), '/') is None


def options(tmpdir, pid, address, **more):
    given = dict(pid=pid, address=address, alive='/healthz/nginx', stub_status='/stub_status', maintenance=str(tmpdir.join('maintenance')), upstreams=None)
    return types.SimpleNamespace(**dict(given, **more)) if hasattr(types, 'SimpleNamespace') else type('Options', (), dict(given, **more))


def collected(*given, **more):
    return dict((name, value) for name, dummy, value in own.collect(options(*given, **more)))


def test_all_of_it(tmpdir, master, server):
    tmpdir.join('status.json').write(json.dumps(STATUS))
    pid = master('nginx: worker process')
    samples = own.collect(options(tmpdir, pid, server, upstreams=str(tmpdir.join('status.json'))))
    text = common.exposition(own.METRICS, samples)
    assert 'nginx_up 1\n' in text and 'nginx_http_requests_total 9911\n' in text
    assert 'nginx_upstream_server_up{check="shop",server="192.0.2.2:8080"} 0\n' in text
    names = set(name for name, dummy, value in samples)
    assert names | set(name for name, dummy, what in common.known_to_all('nginx')) == set(name for name, dummy, what in own.METRICS)


def test_what_is_dead_is_down_and_keeps_no_numbers(tmpdir, master, server, capsys):
    pid = master('nginx: worker process')
    assert collected(tmpdir, pid, server)['nginx_up'] == 1
    assert collected(tmpdir, pid, server, stub_status=None).get('nginx_connections_active') is None
    down = {'nginx_up': 0, 'nginx_maintenance': 0, 'nginx_workers': 0, 'nginx_workers_shutting_down': 0}
    assert collected(tmpdir, str(tmpdir.join('none')), server) == down, 'somebody else answers at its address'
    assert collected(tmpdir, pid, server, alive='/busy')['nginx_up'] == 0
    assert 'so nginx_up is 0' in capsys.readouterr()[1]


def test_maintenance(tmpdir, master, server):
    tmpdir.join('maintenance').write('')
    assert collected(tmpdir, master('nginx: worker process'), server)['nginx_maintenance'] == 1
