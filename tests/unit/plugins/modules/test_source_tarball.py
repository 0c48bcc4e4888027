# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Downloads from a real HTTP server on the loopback."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import os
import resource
import socket
import stat
import threading
import time

try:
    from http.server import BaseHTTPRequestHandler, HTTPServer
except ImportError:
    from BaseHTTPServer import BaseHTTPRequestHandler, HTTPServer

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError
from ansible_collections.vipkit.ha.plugins.modules import source_tarball

NAME = 'tiny-1.0.tar.gz'
GOOD = b'\x1f\x8b' + b'tarball' * 30000
SUM = hashlib.sha256(GOOD).hexdigest()
WRONG = b'<html>please log in</html>'


class Handler(BaseHTTPRequestHandler):
    """Answers by path: what a good server does, and what bad ones do."""

    def do_GET(self):
        self.server.requests.append(self.path)
        getattr(self, 'answer_' + self.path.strip('/').partition('/')[0])()

    def log_message(self, *args):
        pass

    def begin(self, length, **headers):
        self.send_response(200)
        if length is not None:
            self.send_header('Content-Length', str(length))
        for name in headers:
            self.send_header(name.replace('_', '-'), headers[name])
        self.end_headers()

    def answer_good(self):
        self.begin(len(GOOD))
        self.wfile.write(GOOD)

    def answer_labelled(self):
        self.begin(len(GOOD), Content_Encoding='gzip', Content_Type='application/x-gzip')
        self.wfile.write(GOOD)

    def answer_unannounced(self):
        self.begin(None)
        self.wfile.write(GOOD)

    def answer_missing(self):
        self.send_error(404, 'Not Found')

    def answer_wrong(self):
        self.begin(len(WRONG))
        self.wfile.write(WRONG)

    def answer_short(self):
        self.begin(len(GOOD))
        self.wfile.write(GOOD[:1000])

    def answer_stalled(self):
        self.begin(len(GOOD))
        self.wfile.write(GOOD[:1000])
        self.wfile.flush()
        self.server.released.wait(20)

    def answer_silent(self):
        self.server.released.wait(20)

    def answer_together(self):
        with self.server.arrival:
            self.server.arrived += 1
            self.server.arrival.notify_all()
            while self.server.arrived < 2:
                self.server.arrival.wait(20)
        self.answer_good()


class Server(HTTPServer):
    """One thread a request, so that two can be under way."""

    def __init__(self):
        HTTPServer.__init__(self, ('127.0.0.1', 0), Handler)
        self.requests, self.arrived = [], 0
        self.arrival, self.released = threading.Condition(), threading.Event()
        self.url = 'http://127.0.0.1:{0}/'.format(self.server_address[1])

    def process_request(self, request, client_address):
        thread = threading.Thread(target=self.serve, args=(request, client_address))
        thread.daemon = True
        thread.start()

    def serve(self, request, client_address):
        self.finish_request(request, client_address)
        self.shutdown_request(request)

    def handle_error(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ('no_proxy', 'NO_PROXY'):
        monkeypatch.setenv(name, '127.0.0.1')
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmpdir):
    return tmpdir.join('cache')


@pytest.fixture
def unused_url():
    holder = socket.socket()
    holder.bind(('127.0.0.1', 0))  # bound but not listening: refused, and nobody else can take the port
    yield 'http://127.0.0.1:{0}/x'.format(holder.getsockname()[1])
    holder.close()


def fetch(cache, urls, **more):
    options = dict({'name': NAME, 'dest': str(cache), 'sha256': SUM, 'urls': urls, 'opener': source_tarball.opener_with(0.5)}, **more)
    return source_tarball.fetch(**options)


def failure(*args, **more):
    with pytest.raises(ArtifactError) as caught:
        fetch(*args, **more)
    return caught.value


def put(cache, data):
    cache.ensure(dir=True).join(NAME).write_binary(data)


def test_download(server, cache):
    umask = os.umask(0o077)
    try:
        result = fetch(cache, [server.url + 'good'])
    finally:
        os.umask(umask)
    assert result == {'path': str(cache.join(NAME)), 'sha256': SUM, 'source': server.url + 'good', 'attempts': [], 'changed': True}
    assert cache.join(NAME).read_binary() == GOOD
    assert stat.S_IMODE(os.stat(str(cache)).st_mode) == 0o755
    assert stat.S_IMODE(os.stat(str(cache.join(NAME))).st_mode) == 0o644
    assert os.listdir(str(cache)) == [NAME]


def test_second_run_takes_the_cache_and_asks_nobody(server, cache):
    fetch(cache, [server.url + 'good'])
    again = fetch(cache, [server.url + 'good'], sha256=SUM.upper())
    assert (again['changed'], again['source'], again['sha256'], server.requests) == (False, 'cache', SUM, ['/good'])


@pytest.mark.parametrize('path', ['labelled', 'unannounced'])
def test_bytes_are_taken_as_they_are_stored(server, cache, path):
    assert fetch(cache, [server.url + path])['changed']
    assert cache.join(NAME).read_binary() == GOOD


@pytest.mark.parametrize('check_mode', [False, True])
def test_cache_serves_without_urls(cache, check_mode):
    put(cache, GOOD)
    assert fetch(cache, [], check_mode=check_mode)['source'] == 'cache'


@pytest.mark.parametrize('check_mode', [False, True])
def test_wrong_file_in_the_cache_stays_and_stops(server, cache, check_mode):
    put(cache, WRONG)
    message = str(failure(cache, [server.url + 'good'], check_mode=check_mode))
    assert message == '{0} has sha256 {1}, expected {2}; remove the file or correct the checksum'.format(
        cache.join(NAME), hashlib.sha256(WRONG).hexdigest(), SUM)
    assert (cache.join(NAME).read_binary(), server.requests) == (WRONG, [])


@pytest.mark.parametrize('path, reason', [
    ('missing', 'HTTP Error 404: Not Found'),
    ('short', '1000'),
    ('stalled', 'timed out'),
    ('silent', 'timed out'),
])
def test_next_url_is_tried(server, cache, path, reason):
    started = time.time()
    result = fetch(cache, [server.url + path, server.url + 'good'])
    assert time.time() - started < 10
    assert result['source'] == server.url + 'good'
    assert [attempt['url'] for attempt in result['attempts']] == [server.url + path]
    assert reason in result['attempts'][0]['error']
    assert os.listdir(str(cache)) == [NAME]


@pytest.mark.parametrize('url', [None, 'nonsense', 'gopher://127.0.0.1/x', 'http://127.0.0.1:1:1/'])
def test_next_url_is_tried_when_one_is_no_use(server, cache, unused_url, url):
    result = fetch(cache, [url or unused_url, server.url + 'good'])
    assert result['source'] == server.url + 'good' and result['attempts'][0]['error']


def test_wrong_checksum_from_a_url_stops_at_once(server, cache):
    message = str(failure(cache, [server.url + 'wrong', server.url + 'good']))
    assert message == '{0}wrong serves a file with sha256 {1}, expected {2}; correct the checksum or remove the URL'.format(
        server.url, hashlib.sha256(WRONG).hexdigest(), SUM)
    assert (os.listdir(str(cache)), server.requests) == ([], ['/wrong'])


def test_nothing_worked(server, cache):
    error = failure(cache, [server.url + 'missing', server.url + 'short'])
    assert str(error).startswith('{0} is not in {1}, {2}missing did not serve it: HTTP Error 404: Not Found, {2}short did not'.format(
        NAME, cache, server.url))
    assert str(error).endswith('; put the file (sha256 {0}) into {1} or name another URL'.format(SUM, cache))
    assert [attempt['url'] for attempt in error.details['attempts']] == [server.url + 'missing', server.url + 'short']
    assert os.listdir(str(cache)) == []


@pytest.mark.parametrize('check_mode', [False, True])
def test_no_file_and_no_url(cache, check_mode):
    assert str(failure(cache, [], check_mode=check_mode)) == (
        '{0} is not in {1} and no URL is given; put the file (sha256 {2}) into {1} or name another URL'.format(NAME, cache, SUM))
    assert not cache.check()


def test_check_mode_predicts_and_touches_nothing(server, cache):
    result = fetch(cache, [server.url + 'good'], check_mode=True)
    assert (result['changed'], result['source'], cache.check(), server.requests) == (True, None, False, [])


def test_two_runs_at_once(server, cache):
    results = []
    threads = [threading.Thread(target=lambda: results.append(fetch(cache, [server.url + 'together']))) for dummy in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result['changed'] for result in results] == [True, True]
    assert (cache.join(NAME).read_binary(), os.listdir(str(cache))) == (GOOD, [NAME])


def test_full_disk_is_no_fault_of_the_url(server, cache):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        message = str(failure(cache, [server.url + 'good', server.url + 'missing']))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert message.startswith('cannot write {0} ('.format(cache.join(NAME)))
    assert (os.listdir(str(cache)), server.requests) == ([], ['/good'])


def test_interruption_leaves_nothing(cache):
    class Response(object):
        headers = {}
        pieces = iter([b'half'])

        def read(self, size):
            for piece in self.pieces:
                return piece
            raise KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt):
        fetch(cache, ['http://192.0.2.1/'], opener=lambda url: Response())
    assert os.listdir(str(cache)) == []


@pytest.mark.parametrize('name', ['', '.', '..', 'a/b', '/etc/passwd'])
def test_names_with_a_directory_are_refused(cache, name):
    assert str(failure(cache, [], name=name)) == (
        "name '{0}' is not a file name: give it without a directory, the directory is dest".format(name))


def test_checksum_must_be_one(cache):
    assert "'abc' is not a checksum" in str(failure(cache, [], sha256='abc'))


def test_dest_that_is_a_file(server, tmpdir):
    dest = tmpdir.join('f')
    dest.write('')
    assert str(failure(dest, [server.url + 'good'])).startswith('cannot make the directory {0} ('.format(dest))
