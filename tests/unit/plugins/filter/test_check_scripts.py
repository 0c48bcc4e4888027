# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The check scripts, each kind run for real."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
import time

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.filter.check_scripts import check_scripts


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the number that is the path, and remembers what it was asked."""

    asked = []

    def do_GET(self):
        Handler.asked.append((self.path, self.headers['Host']))
        if self.path == '/slow':
            time.sleep(2)  # longer than the script's limit
        self.send_response(int(self.path.partition('?')[0].strip('/')) if self.path[1:4].isdigit() else 200)
        self.end_headers()

    def log_message(self, *arguments):
        """Keep quiet."""


@pytest.fixture(name='server', scope='module')
def a_server():
    """A real HTTP server on loopback; gives its port."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(name='check')
def a_check(tmp_path):
    """Writes a check's script, runs it, and gives its exit code."""
    def run(name='check_it', **check):
        path = tmp_path / name
        path.write_text(check_scripts([{'name': name, 'check': check}], str(tmp_path / 'log'))[0]['content'])
        path.chmod(0o755)
        return subprocess.run([str(path)], check=False, timeout=10).returncode
    return run


def free_port():
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def test_http(check, server):
    assert check(kind='http', url=f'http://127.0.0.1:{server}/healthz?a=1&b=2') == 0
    assert Handler.asked[-1] == ('/healthz?a=1&b=2', f'127.0.0.1:{server}')
    assert check(kind='http', url=f'http://127.0.0.1:{server}/503') != 0
    assert check(kind='http', url=f'http://127.0.0.1:{server}/204', status=204) == 0
    assert check(kind='http', url=f'http://127.0.0.1:{free_port()}/') != 0


def test_a_server_that_does_not_answer_in_time_has_failed(check, server):
    started = time.monotonic()
    assert check(kind='http', url=f'http://127.0.0.1:{server}/slow', limit=0.3) != 0
    assert time.monotonic() - started < 2


def test_tcp(check, server):
    assert check(kind='tcp', port=server) == 0
    assert check(kind='tcp', host='127.0.0.1', port=free_port()) != 0


def test_process_by_name(check):
    with subprocess.Popen(['sleep', '30']) as process:
        assert check(kind='process', process='sleep') == 0
        process.kill()
    assert check(kind='process', process='no_such_name') != 0


def test_process_by_pattern_does_not_take_itself_for_it(check):
    pattern = 'wanted_4711'
    assert check(name=pattern, kind='process', pattern=pattern) != 0
    with subprocess.Popen(['bash', '-c', f'exec -a {pattern} sleep 30']) as process:
        assert check(name=pattern, kind='process', pattern=pattern) == 0
        process.kill()


def test_command(check):
    assert check(kind='command', command='test -d /') == 0
    assert check(kind='command', command='test -d /no/such') != 0


def test_a_hung_command_that_ignores_term_has_failed(check):
    assert check(kind='command', command="trap '' TERM; while :; do :; done", limit=0.2) != 0


def test_results_are_logged_when_asked(check, tmp_path):
    check(kind='command', command='false')
    assert not (tmp_path / 'log').exists()
    check(kind='command', command='true', log=True)
    check(kind='command', command='exit 3', log=True)
    assert [line.split()[1] for line in (tmp_path / 'log').read_text().splitlines()] == ['0', '3']


def test_scripts_of_ones_own_are_left_out():
    assert check_scripts([{'name': 'own', 'script': '/usr/bin/true'}]) == []


def test_an_unknown_kind_is_refused():
    with pytest.raises(AnsibleFilterError, match="check_it: there is no check of the kind 'ping'; there are http, tcp, process, command"):
        check_scripts([{'name': 'check_it', 'check': {'kind': 'ping'}}])
