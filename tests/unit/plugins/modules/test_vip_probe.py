# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Against real servers on loopback."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import socket
import threading

import pytest

from ansible_collections.vipkit.ha.plugins.modules import vip_probe


@contextlib.contextmanager
def server(*answers):
    """A port on which each connection gets the next of the answers; None says nothing until the other side gives up."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(8)
        asked = []

        def serve():
            for answer in answers:
                connection = listener.accept()[0]
                with contextlib.closing(connection):
                    asked.append(connection.recv(65536))
                    if answer is None:
                        connection.recv(1)
                    else:
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], asked
        thread.join()


def answer(body, status=b'200 OK'):
    return b'HTTP/1.1 ' + status + b'\r\nContent-Length: ' + str(len(body)).encode() + b'\r\n\r\n' + body


@pytest.mark.parametrize('body, line', [(b'node128\nmore', 'node128'), (b'', ''), (b'\xff\x1b[2Jx', u'\ufffd[2Jx'), (b'x' * 9000, 'x' * 200)])
def test_status_and_first_line(body, line):
    with server(answer(body)) as (port, asked):
        assert vip_probe.ask_all(['127.0.0.1'], port, '/page', 5) == [{'address': '127.0.0.1', 'status': 200, 'line': line}]
    assert asked[0].startswith(b'GET /page HTTP/1.1\r\n')


def test_a_refusal_of_the_server_is_an_answer():
    with server(answer(b'maintenance', b'503 Service Unavailable')) as (port, dummy):
        assert vip_probe.ask_all(['127.0.0.1'], port, '/', 5) == [{'address': '127.0.0.1', 'status': 503, 'line': 'maintenance'}]


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    monkeypatch.setenv('http_proxy', 'http://127.0.0.1:1')
    with server(answer(b'direct')) as (port, dummy):
        assert vip_probe.ask_all(['127.0.0.1'], port, '/', 5)[0]['line'] == 'direct'


def test_nobody_listens():
    with contextlib.closing(socket.socket()) as unused:
        unused.bind(('127.0.0.1', 0))
        assert vip_probe.ask_all(['127.0.0.1'], unused.getsockname()[1], '/', 5) == [
            {'address': '127.0.0.1', 'status': 0, 'error': 'Connection refused'}]


def test_what_is_no_name_is_told_beside_the_answers_of_the_others():
    with server(answer(b'node128')) as (port, dummy):
        good, bad = vip_probe.ask_all(['127.0.0.1', 'a..b'], port, '/', 5)
    assert good['line'] == 'node128' and bad['status'] == 0 and bad['error']


def test_silence_and_an_end_without_an_answer():
    with server(None) as (port, dummy):
        assert vip_probe.ask_all(['127.0.0.1'], port, '/', 0.2) == [{'address': '127.0.0.1', 'status': 0, 'error': 'timed out'}]
    with server(b'') as (port, dummy):
        ended, = vip_probe.ask_all(['127.0.0.1'], port, '/', 5)
    assert ended['status'] == 0 and ended['error']


def test_all_are_asked_at_once_and_told_in_order():
    """The server answers the first only after it has heard the second."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(8)

        def serve():
            connections = [listener.accept()[0] for dummy in range(2)]
            for connection in connections:
                host = connection.recv(65536).split(b'Host: ')[1].split(b':')[0]
                connection.sendall(answer(host))
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        answers = vip_probe.ask_all(['127.0.0.1', 'localhost'], listener.getsockname()[1], '/', 5)
        thread.join()
    assert [(one['address'], one['line']) for one in answers] == [('127.0.0.1', '127.0.0.1'), ('localhost', 'localhost')]
