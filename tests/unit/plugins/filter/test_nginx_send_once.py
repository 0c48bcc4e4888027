# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What real backends get of a request that they never answer, through a real nginx with what the plan says for its version.

The nginx is that of VIPKIT_NGINX or of PATH; without any, these tests are skipped. Only one before 1.9.13 shows what the plan does for it.
"""

from __future__ import annotations

import collections
import http.client
import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest
from ansible_collections.vipkit.ha.plugins.filter.nginx_conf import nginx_conf
from ansible_collections.vipkit.ha.plugins.filter.nginx_plan import nginx_plan

NGINX = shutil.which(os.environ.get('VIPKIT_NGINX') or 'nginx', path=os.environ.get('PATH', '') + ':/usr/sbin:/usr/local/sbin')
VERSION = re.search(r'nginx/([\d.]+)', subprocess.run([NGINX, '-v'], check=True, stderr=subprocess.PIPE, text=True).stderr).group(1) if NGINX else '0'
OLD = tuple(int(part) for part in VERSION.split('.')) < (1, 9, 13)
pytestmark = pytest.mark.skipif(not NGINX or os.getuid() != 0, reason='needs root, and an nginx in VIPKIT_NGINX or PATH')
LOCATIONS = {
    '/split/': {'proxy_pass': 'http://app'},
    '/path/': {'proxy_pass': 'http://app/other/'},
    '/rewrite/': {'proxy_pass': 'http://app', 'rewrite': '^/rewrite/(?<rest>.*)$ /$rest break'},
}


class Backend(http.server.BaseHTTPRequestHandler):
    """Keeps its connections, and hangs up on a request for anything that ends in fail, which it counts by method."""

    protocol_version = 'HTTP/1.1'
    failed = collections.Counter()

    def answer(self):
        """Hang up or say that all is well."""
        self.rfile.read(int(self.headers.get('Content-Length') or 0))
        if self.path.endswith('fail'):
            self.failed[self.command] += 1
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.send_response(200)
            self.send_header('Content-Length', '0')
            self.end_headers()

    do_GET = do_PUT = do_POST = do_PATCH = do_LOCK = answer

    def log_message(self, *args):  # pylint: disable=arguments-differ
        """Nothing."""


class Balancer:
    """An nginx over two backends, asked over one connection."""

    def __init__(self, port, backends):
        self.port, self.backends = port, backends

    def ask(self, method, path):
        """The status of an answer."""
        line = http.client.HTTPConnection('127.0.0.1', self.port, timeout=10)
        try:
            line.request(method, path, body=None if method == 'GET' else b'a=b')
            return line.getresponse().status
        finally:
            line.close()

    def tries(self, method, place):
        """How often backends get a request on which they hang up, when nginx has kept connections to both of them."""
        for dummy in self.backends * 2:
            assert self.ask('GET', place + 'fine') == 200
        Backend.failed.clear()
        assert self.ask(method, place + 'fail') == 502
        return Backend.failed[method]


@pytest.fixture(name='backends')
def two_backends():
    """Two ports that are served."""
    servers = [http.server.ThreadingHTTPServer(('127.0.0.1', 0), Backend) for dummy in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield [server.server_port for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def free_port():
    """A port that nobody has now."""
    with socket.socket() as reserved:
        reserved.bind(('127.0.0.1', 0))
        return reserved.getsockname()[1]


@pytest.fixture(name='balancer')
def the_balancer(request, tmp_path, backends):
    """An nginx with what the plan says; the parameter is whether that is to send once."""
    port = free_port()
    (tmp_path / 'logs').mkdir()
    given = {
        'main': {'user': 'root', 'pid': tmp_path / 'nginx.pid', 'error_log': tmp_path / 'logs/error.log', 'worker_processes': 1},
        'events': {'worker_connections': 64}, 'http_defaults': {'access_log': False}, 'http': {}, 'streams': [], 'stream': {}, 'listen': [],
        'upstreams': [{'name': 'app', 'server': [f'127.0.0.1:{one} max_fails=0' for one in backends], 'keepalive': 4}],
        'servers': [{'listen': f'127.0.0.1:{port}', 'location': [{'path': path, **location} for path, location in LOCATIONS.items()]}],
        'own_servers': [], 'certificates': 'tls', 'tls_profile': 'old', 'security_headers': False, 'json_log': False, 'send_once': request.param,
        'closed': False, 'closed_file': '',
    }
    (tmp_path / 'nginx.conf').write_text(nginx_conf(nginx_plan(given, VERSION), VERSION))
    with subprocess.Popen([NGINX, '-p', f'{tmp_path}/', '-c', tmp_path / 'nginx.conf', '-g', 'daemon off;']) as running:
        try:
            end = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(('127.0.0.1', port), 1).close()
                    break
                except OSError:
                    assert running.poll() is None and time.monotonic() < end, (tmp_path / 'logs/error.log').read_text()
            yield Balancer(port, backends)
        finally:
            running.terminate()


@pytest.mark.parametrize('balancer', [True], indirect=True)
@pytest.mark.parametrize('place', LOCATIONS)
@pytest.mark.parametrize('method', ['POST', 'PATCH', 'LOCK'])
def test_what_must_not_be_sent_twice_is_sent_once(balancer, place, method):
    assert balancer.tries(method, place) == 1


@pytest.mark.parametrize('balancer', [True], indirect=True)
@pytest.mark.parametrize('method', ['GET', 'PUT'])
def test_what_may_be_sent_twice_is(balancer, method):
    assert balancer.tries(method, '/split/') >= 2


@pytest.mark.skipif(not OLD, reason='needs an nginx before 1.9.13 in VIPKIT_NGINX; this one is ' + VERSION)
@pytest.mark.parametrize('balancer', [False], indirect=True)
@pytest.mark.parametrize('place', LOCATIONS)
def test_such_a_version_would_send_a_post_twice(balancer, place):
    """That the tests above can fail."""
    assert balancer.tries('POST', place) >= 2
