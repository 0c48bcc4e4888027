# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two balancers over three backends, asked through a virtual IP."""

from __future__ import annotations

import contextlib
import json

import pytest
import testinfra
from conftest import NET, container, variables, wait_until

BACKENDS = ('backend1', 'backend2', 'backend3')
VIP = f'{NET}.100'

WEBSOCKET = r"""
import base64, hashlib, os, socket, sys
key = base64.b64encode(os.urandom(16)).decode()
line = socket.create_connection((sys.argv[1], 80), 5)
line.sendall(('GET /ws HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
              'Sec-WebSocket-Key: %s\r\n\r\n' % key).encode())
stream = line.makefile('rb')
head = [stream.readline().decode().strip() for dummy in range(1)]
while head[-1]:
    head.append(stream.readline().decode().strip())
proof = base64.b64encode(hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
assert head[0].split()[1] == '101' and any(one.partition(': ')[2] == proof for one in head), head
mask = os.urandom(4)
line.sendall(bytes((0x81, 0x80 | 5)) + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(b'hello')))
print(stream.read(7)[2:].decode())
"""


@pytest.fixture(scope='session', name='backends')
def the_backends():
    """The backends."""
    return {name: testinfra.get_host(f'docker://{container(name)}') for name in BACKENDS}


def ask(cluster, path='/', count=1, options=''):
    """What the client gets through the virtual IP, one answer a line."""
    command = f'for i in $(seq {count}); do curl --silent --max-time 10 {options} http://{VIP}{path}; done'
    return cluster.client.run(command).stdout.split()


@contextlib.contextmanager
def flag(host, path):
    """A file by which a backend behaves otherwise for a while."""
    host.check_output(f'touch {path}')
    try:
        yield
    finally:
        host.check_output(f'rm -f {path}')


@contextlib.contextmanager
def stopped(host):
    """A backend that is not there for a while."""
    host.check_output('systemctl kill --signal KILL backend; systemctl stop backend')
    try:
        yield
    finally:
        host.check_output('systemctl start backend')


@pytest.fixture(autouse=True)
def all_backends_serve(cluster):
    """Each test begins where all of them are asked."""
    assert wait_until(lambda: set(ask(cluster, count=12)) == set(BACKENDS))


def test_answers_are_balanced(cluster):
    answers = ask(cluster, count=30)
    assert len(answers) == 30 and all(8 <= answers.count(name) <= 12 for name in BACKENDS), answers


def test_the_backend_is_told_of_the_client(cluster):
    head = cluster.client.check_output(f'curl --silent --include --header "Host: shop.example" http://{VIP}/').replace('\r', '')
    client = cluster.client.check_output('hostname -I').split()[0]
    for line in ('Seen-Host: shop.example', f'Seen-X-Real-IP: {client}', f'Seen-X-Forwarded-For: {client}', 'Seen-X-Forwarded-Proto: http'):
        assert line in head, head
    assert 'X-Content-Type-Options: nosniff' in head and 'nginx/' not in head


def test_no_request_fails_when_a_backend_is_killed(cluster, backends):
    with stopped(backends['backend2']):
        answers = ask(cluster, count=20)
    assert len(answers) == 20 and set(answers) == {'backend1', 'backend3'}, answers


def test_a_slow_backend_is_given_up_for_another_one(cluster, backends):
    with flag(backends['backend1'], '/run/slow'):
        answers = ask(cluster, count=6)
    assert len(answers) == 6 and set(answers) <= {'backend2', 'backend3'}, answers


def test_a_post_is_never_sent_twice(cluster, backends):
    def posts():
        return sum(int(host.check_output('curl --silent http://127.0.0.1:8080/posts')) for host in backends.values())

    before = posts()
    with contextlib.ExitStack() as stack:
        for host in backends.values():
            stack.enter_context(flag(host, '/run/hang-up'))
        ask(cluster, '/order', options='--request POST --data a=b')
    assert posts() == before + 1


def test_tls_through_a_virtual_ip(cluster):
    said = cluster.client.check_output(f'curl --silent --insecure --include --verbose https://{VIP}/ 2>&1')
    assert 'CN=shop.example' in said and 'Seen-X-Forwarded-Proto: https' in said, said
    refused = cluster.client.run(f'curl --silent --show-error --insecure --tlsv1.1 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 https://{VIP}/')
    assert 'alert protocol version' in refused.stderr, refused


def test_keys_are_for_root_alone(cluster):
    for node in cluster.nodes.values():
        key = node.file('/usr/local/nginx/tls/shop.key')
        assert (key.user, key.group, key.mode) == ('root', 'root', 0o600)


def test_a_stream_through_a_virtual_ip(cluster):
    lines = cluster.client.check_output(f'for i in $(seq 9); do timeout 5 bash -c "cat </dev/tcp/{VIP}/9000"; done').split()
    assert len(lines) == 9 and set(lines) == set(BACKENDS), lines


def test_websocket(cluster):
    assert cluster.client.check_output('python3 -c %s %s', WEBSOCKET, VIP) == 'hello'


@contextlib.contextmanager
def cut_off(node, backends):
    """A balancer that reaches no backend for a while."""
    addresses = [backend.check_output('hostname -I').split()[0] for backend in backends.values()]
    for address in addresses:
        node.check_output(f'ip route add blackhole {address}')
    try:
        yield
    finally:
        for address in addresses:
            node.check_output(f'ip route del blackhole {address}')


def test_a_balancer_without_backends_hands_over_what_it_holds(cluster, backends):
    with cut_off(cluster.nodes['node128'], backends):
        assert cluster.becomes({vip: ['node129'] for vip in cluster.vips}) == {vip: ['node129'] for vip in cluster.vips}
        answers = ask(cluster, count=6)
        assert len(answers) == 6 and set(answers) <= set(BACKENDS), answers
    assert cluster.becomes(cluster.planned()) == cluster.planned()


def test_nothing_moves_when_no_balancer_has_backends(cluster, backends):
    with contextlib.ExitStack() as stack:
        for host in backends.values():
            stack.enter_context(stopped(host))
        for node in cluster.nodes.values():
            assert wait_until(lambda host=node: host.run('curl --silent http://127.0.0.1:8081/healthz').stdout.startswith('shop'))
            assert node.run('curl --silent --fail http://127.0.0.1:8081/healthz/live').rc == 0
        # one may have been lowered a second before the other; from then on both are alike
        assert cluster.becomes(cluster.planned()) == cluster.planned()
        before = cluster.transitions()
        cluster.client.run('sleep 8')  # two times what a peer would need to take over
        assert cluster.transitions() == before
        assert cluster.ownership() == cluster.planned()
    assert wait_until(lambda: all(node.run('curl --silent --fail http://127.0.0.1:8081/healthz').rc == 0 for node in cluster.nodes.values()))


def test_a_balancer_in_maintenance_hands_over_what_it_holds(cluster):
    node = cluster.nodes['node129']
    with flag(node, '/usr/local/nginx/maintenance'):
        assert cluster.becomes({vip: ['node128'] for vip in cluster.vips}) == {vip: ['node128'] for vip in cluster.vips}
        assert len(ask(cluster, count=4)) == 4
    assert cluster.becomes(cluster.planned()) == cluster.planned()


def answer(cluster, path='/', options=''):
    """Status and head of what the client gets through the virtual IP, and the body."""
    said = cluster.client.check_output(f'curl --silent --include --max-time 10 {options} http://{VIP}{path}').replace('\r', '')
    head, dummy, body = said.partition('\n\n')
    return head, body


def test_closed_for_work_is_a_page_and_moves_nothing(cluster):
    given = variables(nginx_closed_file='/usr/local/nginx/closed', nginx_closed_page='<p>Back at $noon</p>\n', nginx_closed_retry_after=77)
    try:
        code, output = cluster.play('site.yml', *given)
        assert code == 0, output
        assert ask(cluster, count=3)[0] in BACKENDS
        before = cluster.transitions()
        with contextlib.ExitStack() as stack:
            for node in cluster.nodes.values():
                stack.enter_context(flag(node, '/usr/local/nginx/closed'))
            for options in ('', '--request POST --data a=b', '--request DELETE'):
                head, body = answer(cluster, '/any/path?x=1', options)
                assert head.startswith('HTTP/1.1 503') and 'Retry-After: 77' in head and 'X-Content-Type-Options: nosniff' in head, head
                assert 'Content-Type: text/html' in head and body == '<p>Back at $noon</p>', body
            for node in cluster.nodes.values():
                assert node.check_output('curl --silent http://127.0.0.1:8081/healthz') == 'ok'
            cluster.client.run('sleep 8')  # two times what a peer would need to take over
            assert cluster.transitions() == before
            assert cluster.ownership() == cluster.planned()
        assert ask(cluster)[0] in BACKENDS, 'open again without a run'
    finally:
        code, output = cluster.play('site.yml')
    assert code == 0, output
    assert ask(cluster)[0] in BACKENDS


def test_an_access_log_in_json_is_json_whatever_clients_send(cluster):
    try:
        code, output = cluster.play('site.yml', *variables(nginx_json_log=True))
        assert code == 0, output
        ask(cluster, '/json', options="""--user-agent '"},{\\ü'""")

        def logged():
            logs = [node.file('/usr/local/nginx/logs/access.log').content_string for node in cluster.nodes.values()]
            return [json.loads(line) for log in logs for line in log.splitlines() if '/json' in line]

        assert wait_until(logged), 'it is written once a second'
        lines = logged()
        assert [(one['uri'], one['status'], one['user_agent']) for one in lines] == [('/json', '200', '"},{\\ü')]
        assert lines[0]['upstream'].endswith(':8080')
    finally:
        code, output = cluster.play('site.yml')
    assert code == 0, output
