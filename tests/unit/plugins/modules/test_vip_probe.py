# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Against real servers: on loopback, and in network namespaces between which the addresses move."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import os
import resource
import socket
import sys
import threading
import time

import pytest

from ansible_collections.vipkit.ha.plugins.modules import vip_probe

from namespaces import UNIT, Namespace, bridged, result_of, without_raw_sockets


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


# --- all the time ---

OPTIONS = {'timeout': 0.4, 'duration': 0.5, 'interval': 0.01, 'slow': 0.1, 'protocol': 'http', 'path': '/', 'status': [], 'running_file': None}
PAGE = answer(b'node128\n')


class Steady(object):
    """A server that gives each connection what the behaviour of this moment says: bytes, a pause before them, silence (None), or a reset ('reset')."""

    def __init__(self, behaviour, family=socket.AF_INET):
        self.behaviour = behaviour
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1' if family == socket.AF_INET else '::1', 0))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.silent = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            behaviour = self.behaviour
            if behaviour == 'end':
                connection.close()
                return
            if behaviour is None:
                self.silent.append(connection)
            elif behaviour == 'reset':
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, vip_probe.RESET)
                connection.close()
            else:
                pause, data = behaviour
                threading.Timer(pause, self.give, (connection, data)).start() if pause else self.give(connection, data)

    def give(self, connection, data):
        with contextlib.closing(connection):
            try:
                connection.recv(65536)
                connection.sendall(data)
            except socket.error:
                pass  # the other side does not wait any more, which is what is tested

    def __enter__(self):
        return self

    def __exit__(self, *dummy):
        self.behaviour = 'end'
        with contextlib.closing(socket.create_connection(self.listener.getsockname()[:2])):
            self.thread.join()
        for connection in [self.listener] + self.silent:
            connection.close()


def probe(steady, addresses=('127.0.0.1',), **options):
    return vip_probe.probe_for(list(addresses), dict(OPTIONS, port=steady.port, **options))


@pytest.mark.parametrize('family, address', [(socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')])
@pytest.mark.parametrize('protocol', ['http', 'tcp'])
def test_a_server_that_answers(family, address, protocol):
    began = time.time()
    with Steady((0, PAGE), family) as steady:
        result = probe(steady, [address], protocol=protocol)
    one, = result['probes']
    assert began <= result['began'] <= time.time() and 0.5 <= result['elapsed'] < 5 and 0.01 <= result['longest_gap'] < 5
    assert one['address'] == address and 5 <= one['sent'] <= 50 and one['sent'] == one['answered'] and one['errors'] == {} and one['outages'] == []
    assert 0 < one['latency']['median'] <= one['latency']['p99'] <= one['latency']['worst'] < 0.1
    assert one['no_mac'] == 'this host holds the address itself' and one['left_out'] == 0
    assert [(owner['mac'], owner['line']) for owner in one['owners']] == ([(None, 'node128')] if protocol == 'http' else [])


@pytest.mark.parametrize('behaviour, errors', [
    ('reset', 'Connection reset by peer'),
    ((0, answer(b'x', b'503 Service Unavailable')), 'status 503'),
    ((0, b''), 'closed without an answer'),
    ((0, PAGE[:-3]), 'closed before the answer was complete'),
])
def test_a_server_that_answers_in_a_way_that_is_none(behaviour, errors):
    with Steady(behaviour) as steady:
        one, = probe(steady)['probes']
    assert one['sent'] == one['lost'] == one['errors'][errors] > 5
    assert [(outage['ended'], outage['lost']) for outage in one['outages']] == [(None, one['sent'])]


def test_only_the_wanted_status_is_an_answer():
    with Steady((0, answer(b'x', b'503 Service Unavailable'))) as steady:
        assert probe(steady, status=[503])['probes'][0]['errors'] == {}
        assert set(probe(steady, status=[200])['probes'][0]['errors']) == set(['status 503'])


def test_a_server_that_is_silent_delays_nothing():
    with Steady(None) as steady:
        one, = probe(steady)['probes']
    assert one['sent'] == one['lost'] == one['errors']['timed out'] > 5


def test_a_server_that_is_late():
    with Steady((0.2, PAGE)) as steady:
        one, = probe(steady, timeout=30)['probes']
    assert one['sent'] == one['late'] > 5 and one['errors'] == {} and one['latency']['median'] > 0.19
    assert [outage['late'] for outage in one['outages']] == [one['late']]


def test_a_server_that_breaks_and_heals(tmpdir):
    """Each change is made when probes have seen the one before, and the running file ends it: nothing here depends on how fast this machine is."""
    running = tmpdir.join('running')
    with Steady((0, PAGE)) as steady:
        done = []
        probing = threading.Thread(target=lambda: done.append(probe(steady, duration=60, running_file=str(running), timeout=30, slow=29)))
        probing.start()
        wait_for(running.exists)
        assert running.stat().mode & 0o777 == 0o600
        steady.behaviour = 'reset'
        time.sleep(0.1)  # so long it is to be broken
        steady.behaviour = (0, answer(b'node129\n'))
        time.sleep(0.1)
        running.remove()
        probing.join()
    result = done[0]
    one, = result['probes']
    outage, = one['outages']
    assert result['elapsed'] < 60 and not running.exists()
    assert outage['lost'] == one['lost'] > 0 and 0 < outage['began'] < outage['ended'] < result['elapsed']
    assert outage['seconds'] == pytest.approx(outage['ended'] - outage['began'], abs=1e-5)
    assert [owner['line'] for owner in one['owners']] == ['node128', 'node129']
    assert one['owners'][1]['at'] >= outage['ended']


def wait_for(holds):
    end = time.time() + 30
    while not holds():
        assert time.time() < end
        time.sleep(0.01)


def test_the_running_file_goes_when_time_is_up(tmpdir):
    with Steady((0, PAGE)) as steady:
        probe(steady, running_file=str(tmpdir.join('running')))
    assert tmpdir.listdir() == []


def test_several_addresses_of_which_one_is_dead(tmpdir):
    with Steady((0, PAGE)) as steady:
        good, bad = probe(steady, ['127.0.0.1', '127.0.0.2'])['probes']
    assert good['answered'] == good['sent'] == bad['sent'] == bad['errors']['Connection refused']


def test_no_file_stays_open():
    before = os.listdir('/proc/self/fd')
    for behaviour in (None, 'reset', (0, PAGE)):
        with Steady(behaviour) as steady:
            probe(steady, duration=0.1)
    assert len(os.listdir('/proc/self/fd')) == len(before)


@pytest.mark.parametrize('options, text', [
    ({'duration': 0}, 'duration is 0; give it as seconds, more than 0'),
    ({'slow': float('nan')}, 'slow is nan; give it as seconds, more than 0'),
    ({'interval': 0.0001}, 'interval is 0.0001 s; give 0.001 or more'),
    ({'slow': 0.5}, 'slow (0.5 s) is more than timeout (0.4 s), so that nothing could be late; give less'),
    ({'path': 'x'}, "path is 'x'; begin it with / and write what is no plain ASCII letter as %XX"),
    ({'path': '/\r\nHost: x'}, "path is '/\r\nHost: x'; begin it with / and write what is no plain ASCII letter as %XX"),
    ({'path': '/\n'}, "path is '/\n'; begin it with / and write what is no plain ASCII letter as %XX"),
    ({'addresses': ['::1', '127.0.0.1', '::1']}, '::1 is given twice in addresses; give it once'),
    ({'running_file': '/nowhere/x'}, 'there is no directory for /nowhere/x; make it, or give another running_file'),
    ({'running_file': '/proc'}, '/proc exists; remove it if no other task is probing, or give another running_file'),
])
def test_options_that_make_no_sense(options, text):
    options = dict(OPTIONS, port=1, **options) if 'addresses' in options else dict(OPTIONS, port=1, addresses=['127.0.0.1'], **options)
    with pytest.raises(vip_probe.ProbeError) as error:
        vip_probe.probe_for(options.pop('addresses'), options)
    assert str(error.value) == text


def test_an_address_that_is_a_name():
    with pytest.raises(vip_probe.ProbeError) as error:
        vip_probe.probe_for(['localhost'], dict(OPTIONS, port=1))
    assert str(error.value).startswith("cannot probe 'localhost': ")


def test_more_files_than_the_host_allows():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip('there is no limit here')
    with pytest.raises(vip_probe.ProbeError) as error:
        vip_probe.probe_for(['127.0.0.1'], dict(OPTIONS, port=1, interval=0.001, timeout=hard / 500.0))
    assert 'this host allows %d;' % hard in str(error.value)


# --- between hosts ---

A, B, C, D = ['02:00:00:00:00:0' + last for last in 'abcd']
VIPS = {'192.0.2.10': '/24', '2001:db8::10': '/64'}

# A web server that names its host, until nobody holds the other end of the input any more.
SERVE = """
import select, socket, sys
listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
listener.bind(('::', 80))
listener.listen(128)
print('ready')
sys.stdout.flush()
while True:
    ready = select.select([listener, sys.stdin], [], [])[0]
    if sys.stdin in ready:
        break
    connection = listener.accept()[0]
    connection.settimeout(0.1)  # whose other end has gone over to the other host says nothing any more
    try:
        connection.recv(65536)
        connection.sendall(('HTTP/1.1 200 OK\\r\\n\\r\\n%s\\n' % sys.argv[1]).encode())
    except socket.error:
        pass  # the prober has given up
    connection.close()
"""

# Tells the network that an address is here now, as keepalived does.
ANNOUNCE = """
import socket, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.vipkit.ha.plugins.module_utils import _neighbour
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sock.bind(('eth0', 0))
for address in sys.argv[3:]:
    if ':' in address:
        sock.send(_neighbour.answer(sys.argv[2], address, _neighbour.BROADCAST))
    else:
        sock.send(_neighbour._arp(_neighbour.BROADCAST, sys.argv[2], 1, address, _neighbour.NO_MAC, address))
"""


class Node(Namespace):
    """A host that can hold the virtual IPs."""

    def take(self, mac, announce=True):
        for vip, prefix in VIPS.items():
            self.ip('addr add %s%s dev eth0%s' % (vip, prefix, ' nodad' if ':' in vip else ''))
        if announce:
            self.run(sys.executable, '-c', ANNOUNCE, UNIT, mac, *VIPS)

    def give(self):
        for vip, prefix in VIPS.items():
            self.ip('addr del %s%s dev eth0' % (vip, prefix))


@pytest.fixture(scope='module')
def lan():
    with bridged(Node, {'a': (A, ['192.0.2.1/24', '2001:db8::1/64']), 'b': (B, ['192.0.2.2/24', '2001:db8::2/64']),
                        'c': (C, ['192.0.2.3/24', '2001:db8::3/64']), 'd': (D, ['192.0.2.4/24', '2001:db8::4/64'])}) as hosts:
        for name in 'bc':
            # one that forwards would pass on what still comes to it when it has lost an address
            hosts[name].run('sh', '-c', 'echo 0 | tee /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding')
            hosts[name].server = hosts[name].start(sys.executable, '-c', SERVE, 'node_' + name)
            assert hosts[name].server.stdout.readline().strip() == b'ready'
        hosts['a'].run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_accept')
        yield hosts
        for name in 'bc':
            hosts[name].server.communicate()


@pytest.fixture
def witness(lan, tmpdir):
    """Probing from a, while the virtual IPs are on b at first; what it has seen is asked for by calling it."""
    running, started = tmpdir.join('running'), []
    lan['b'].take(B)

    def start(**options):
        process = lan['a'].start_module('vip_probe', **dict({'addresses': sorted(VIPS), 'duration': 60, 'running_file': str(running)}, **options))
        started.append(process)
        wait_for(running.exists)

        def end():
            started.remove(process)
            running.remove()
            status, result = result_of(process)
            assert (status, result['changed']) == (0, False), result
            return result['probes']
        return end
    yield start
    for process in started:  # that of a test that has failed
        process.kill()
        process.communicate()
    for name in 'bc':
        for vip, prefix in VIPS.items():
            if ' %s/' % vip in lan[name].ip('addr show dev eth0'):
                lan[name].ip('addr del %s%s dev eth0' % (vip, prefix))


def pages(lan, client='a'):
    """What a client gets at this moment."""
    return [one.get('line') for one in lan[client].module('vip_probe', addresses=sorted(VIPS), timeout=0.5)[1]['answers']]


def owners(one):
    return [(owner['macs'], owner['mac'], owner['line']) for owner in one['owners']]


def test_an_address_that_moves(lan, witness):
    end = witness()
    lan['b'].give()
    time.sleep(0.3)  # so long nobody has it, which is longer than several questions
    lan['c'].take(C)
    wait_for(lambda: pages(lan) == ['node_c'] * 2)
    for one in end():
        assert one['no_mac'] == ''
        assert owners(one) == [([B], B, 'node_b'), ([], None, None), ([C], C, 'node_c')]
        outage, = one['outages']
        assert outage['seconds'] > 0.25 and outage['late'] + outage['lost'] == one['late'] + one['lost'] > 0
        assert outage['began'] < one['owners'][2]['at'] and one['owners'][1]['at'] < one['owners'][2]['at'] - 0.25
        assert [owner['announced'] is None for owner in one['owners']] == [True, True, False]


def test_an_address_that_moves_without_a_word(lan, witness):
    """The kernel of the witness learns of it by the answers, and the third host does not."""
    end = witness()
    assert pages(lan, 'd') == ['node_b'] * 2
    lan['b'].give()
    lan['c'].take(C, announce=False)
    wait_for(lambda: pages(lan) == ['node_c'] * 2)
    assert all(B in lan['d'].ip('neigh show %s' % vip) for vip in VIPS)
    for one in end():
        assert [(macs, announced) for macs, announced in ((owner['macs'], owner['announced']) for owner in one['owners']) if macs] == [([B], None), ([C], None)]


def test_an_address_that_two_hosts_hold(lan, witness):
    end = witness()
    lan['c'].take(C)
    time.sleep(0.3)
    lan['b'].give()
    time.sleep(0.5)
    for one in end():
        assert [macs for macs, dummy, dummy in owners(one)] == [[B], [B, C], [C]], one['owners']


def test_without_the_right_to_ask_owners_are_told_by_the_page(lan, witness):
    end = witness(preexec_fn=without_raw_sockets)
    lan['b'].give()
    lan['c'].take(C)
    wait_for(lambda: pages(lan) == ['node_c'] * 2)
    for one in end():
        assert one['no_mac'].startswith('this host does not let the module ask on eth0 (') and one['no_mac'].endswith('(become: true)')
        assert [line for dummy, dummy, line in owners(one)] == ['node_b', 'node_c']


def test_the_page_of_another_network(lan):
    """Behind a router there is nobody to ask."""
    lan['b'].ip('addr add 198.51.100.1/32 dev lo')
    lan['a'].ip('route add 198.51.100.1 via 192.0.2.2')
    status, result = lan['a'].module('vip_probe', addresses=['198.51.100.1'], duration=0.2)
    one, = result['probes']
    assert (status, one['no_mac'], owners(one)) == (0, 'the address is not on a network that this host is on', [([], None, 'node_b')])


def test_an_address_to_which_there_is_no_way(lan):
    status, result = lan['a'].module('vip_probe', addresses=['203.0.113.9'], duration=0.2)
    one, = result['probes']
    assert (status, one['no_mac']) == (0, 'there is no way to the address (Network is unreachable)')
    assert one['sent'] == one['lost'] == one['errors']['Network is unreachable'] > 0


def test_it_ends_with_a_message(lan):
    status, result = lan['a'].module('vip_probe', addresses=['192.0.2.10'], running_file='/x')
    assert status == 1 and 'duration' in result['msg']
    status, result = lan['a'].module('vip_probe', addresses=['192.0.2.10'], duration=1, interval=0)
    assert status == 1 and result['msg'] == 'interval is 0.0; give it as seconds, more than 0'
