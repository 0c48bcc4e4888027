# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parser is fed with bytes built here by struct, the I/O with a socket pair, and the whole with a real network namespace."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import json
import os
import socket
import struct
import subprocess
import sys
import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _netlink

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
V4 = socket.inet_pton(socket.AF_INET, '192.0.2.10')
V4_PEER = socket.inet_pton(socket.AF_INET, '192.0.2.99')
V6 = socket.inet_pton(socket.AF_INET6, '2001:db8::10')
V6_PEER = socket.inet_pton(socket.AF_INET6, '2001:db8::99')

NEW_LINK, NEW_ADDRESS, DONE, ERROR, OVERRUN = 16, 20, 3, 2, 4
MULTI, INTERRUPTED = 0x02, 0x10


def attribute(kind, value):
    return struct.pack('=HH', 4 + len(value), kind) + value + b'\0' * (-len(value) % 4)


def address(family, prefix, index, attributes, flags=0x80, scope=0):
    return struct.pack('=BBBBI', family, prefix, flags, scope, index) + b''.join(attribute(*one) for one in attributes)


def link(index, name, flags=0x10043, mac=b'\x00\x00\x5e\x00\x53\x01'):
    return struct.pack('=BBHiII', 0, 0, 1, index, flags, 0) + attribute(3, name + b'\0') + attribute(1, mac)


def message(kind, payload=b'', sequence=1, flags=MULTI):
    return struct.pack('=IHHII', 16 + len(payload), kind, flags, sequence, 4242) + payload + b'\0' * (-len(payload) % 4)


def done(sequence=1, flags=MULTI, status=0):
    return message(DONE, struct.pack('=i', status), sequence, flags)


# --- one message ---

def test_ipv4_address_is_the_local_one():
    payload = address(socket.AF_INET, 24, 2, [(1, V4), (2, V4), (3, b'eth0\0')], flags=0x81)
    assert _netlink.parse_address(payload) == {
        'index': 2, 'family': 'ipv4', 'address': '192.0.2.10', 'prefix': 24, 'scope': 'global', 'flags': ['secondary', 'permanent']}


@pytest.mark.parametrize('family, own, peer, bits, expected', [
    (socket.AF_INET, V4, V4_PEER, 32, '192.0.2.10'),
    (socket.AF_INET6, V6, V6_PEER, 128, '2001:db8::10'),
])
def test_address_with_a_peer_is_not_the_peers(family, own, peer, bits, expected):
    assert _netlink.parse_address(address(family, bits, 2, [(1, peer), (2, own)]))['address'] == expected
    assert _netlink.parse_address(address(family, bits, 2, [(2, own), (1, peer)]))['address'] == expected


def test_ipv6_address_has_no_local_attribute():
    found = _netlink.parse_address(address(socket.AF_INET6, 64, 3, [(1, V6)]))
    assert (found['family'], found['address'], found['prefix']) == ('ipv6', '2001:db8::10', 64)


@pytest.mark.parametrize('number, names', [
    (0x00, []),
    (0x01, ['temporary']),
    (0x40, ['tentative']),
    (0x48, ['dadfailed', 'tentative']),
    (0xa2, ['nodad', 'deprecated', 'permanent']),
])
def test_flags_of_the_header(number, names):
    assert _netlink.parse_address(address(socket.AF_INET6, 64, 3, [(1, V6)], flags=number))['flags'] == names


def test_flags_attribute_wins_over_the_header():
    attributes = [(1, V6), (8, struct.pack('=I', 0x248))]
    assert _netlink.parse_address(address(socket.AF_INET6, 64, 3, attributes, flags=0x80))['flags'] == ['dadfailed', 'tentative']


@pytest.mark.parametrize('number, name', [(0, 'global'), (253, 'link'), (254, 'host'), (7, '7')])
def test_scope(number, name):
    assert _netlink.parse_address(address(socket.AF_INET, 24, 2, [(2, V4)], scope=number))['scope'] == name


def test_other_families_are_left_out():
    assert _netlink.parse_address(address(35, 8, 2, [(2, b'\x04')])) is None


def test_link():
    assert _netlink.parse_link(link(2, b'ens33')) == (
        2, {'interface': 'ens33', 'up': True, 'lower_up': True, 'mac': '00:00:5e:00:53:01'})


def test_link_that_is_up_without_a_carrier():
    properties = _netlink.parse_link(link(2, b'ens33', flags=0x3, mac=b''))[1]
    assert (properties['up'], properties['lower_up'], properties['mac']) == (True, False, '')


def test_nested_and_byte_order_bits_of_an_attribute_type_are_ignored():
    assert _netlink.attributes(attribute(0x8000 | 3, b'x') + attribute(0x4000 | 4, b'yz')) == {3: b'x', 4: b'yz'}


@pytest.mark.parametrize('payload', [
    b'',
    struct.pack('=BBBB', 2, 24, 0, 0),
    address(socket.AF_INET, 24, 2, []),
    address(socket.AF_INET, 24, 2, [(2, b'\xc0\x00')]),
    address(socket.AF_INET, 24, 2, []) + struct.pack('=HH', 3, 2),
    address(socket.AF_INET, 24, 2, []) + struct.pack('=HH', 9, 2) + V4,
    address(socket.AF_INET, 24, 2, []) + b'\x08',
])
def test_malformed_address_is_an_error(payload):
    with pytest.raises(_netlink.NetlinkError):
        _netlink.parse_address(payload)


def test_join_names_the_interface_and_drops_an_address_without_one():
    found = _netlink.join(
        [address(socket.AF_INET, 32, 2, [(2, V4)]), address(35, 8, 2, []), address(socket.AF_INET6, 64, 9, [(1, V6)])],
        [link(1, b'lo'), link(2, b'ens33')])
    assert [(one['interface'], one['address'], one['lower_up']) for one in found] == [('ens33', '192.0.2.10', True)]


# --- one dump ---

def test_collect_takes_what_was_asked_for_from_several_datagrams():
    datagrams = [
        message(NEW_ADDRESS, b'one!') + message(NEW_ADDRESS, b'odd'),
        message(NEW_ADDRESS, b'stale', sequence=7) + message(NEW_LINK, b'other') + message(NEW_ADDRESS, b'last'),
        done(sequence=7),
        done() + message(NEW_ADDRESS, b'late'),
    ]
    assert _netlink.collect(datagrams, NEW_ADDRESS, 1) == ([b'one!', b'odd', b'last'], True)


@pytest.mark.parametrize('datagram', [
    message(NEW_ADDRESS, b'one!', flags=MULTI | INTERRUPTED) + done(),
    message(NEW_ADDRESS, b'one!') + done(flags=MULTI | INTERRUPTED),
])
def test_collect_tells_an_interrupted_dump(datagram):
    assert _netlink.collect([datagram], NEW_ADDRESS, 1) == ([b'one!'], False)


@pytest.mark.parametrize('datagram, reason', [
    (message(ERROR, struct.pack('=i', -errno.EPERM) + b'\0' * 16), os.strerror(errno.EPERM)),
    (done(status=-errno.ENOMEM), os.strerror(errno.ENOMEM)),
    (message(OVERRUN), 'lost data'),
    (message(NEW_ADDRESS, b'x'), 'ended before it was complete'),
    (done()[:-1], 'malformed at byte 0 of 19'),
    (message(NEW_ADDRESS, b'x') + done()[:9], 'malformed at byte 20 of 29'),
    (struct.pack('=IHHII', 0, NEW_ADDRESS, 0, 1, 0), 'malformed at byte 0 of 16'),
])
def test_collect_refuses(datagram, reason):
    with pytest.raises(_netlink.NetlinkError) as error:
        _netlink.collect([datagram], NEW_ADDRESS, 1)
    assert reason in str(error.value)
    assert '`ip addr`' in str(error.value)


def test_collect_goes_on_after_an_acknowledgement():
    datagrams = [message(ERROR, struct.pack('=i', 0) + b'\0' * 16), message(NEW_ADDRESS, b'one!'), done()]
    assert _netlink.collect(datagrams, NEW_ADDRESS, 1) == ([b'one!'], True)


@pytest.fixture
def pair():
    """(socket of the reader, socket of somebody who plays the kernel)."""
    reader, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    reader.settimeout(0.05)
    kernel.settimeout(0.05)
    yield reader, kernel
    reader.close()
    kernel.close()


def test_read_asks_for_addresses_then_for_links(pair):
    reader, kernel = pair
    kernel.send(message(NEW_ADDRESS, address(socket.AF_INET, 24, 2, [(2, V4)])) + done())
    kernel.send(message(NEW_LINK, link(2, b'ens33')))
    kernel.send(done())
    found = _netlink.read(reader)
    assert [(one['interface'], one['address']) for one in found] == [('ens33', '192.0.2.10')]
    assert kernel.recv(100) == struct.pack('=IHHII', 24, 22, 0x301, 1, 0) + b'\0' * 8
    assert kernel.recv(100) == struct.pack('=IHHII', 32, 18, 0x301, 1, 0) + b'\0' * 16


def test_interrupted_dump_is_asked_again(pair):
    reader, kernel = pair
    kernel.send(message(NEW_ADDRESS, b'old!', flags=MULTI | INTERRUPTED))
    kernel.send(done())
    kernel.send(message(NEW_ADDRESS, b'new!', sequence=2) + done(sequence=2))
    assert _netlink.dump(reader, 22, NEW_ADDRESS) == [b'new!']
    assert [struct.unpack_from('=I', kernel.recv(100), 8)[0] for dummy in range(2)] == [1, 2]


class Restless(object):
    """A socket to a kernel whose tables change during each dump."""

    def send(self, data):
        self.answer = done(struct.unpack_from('=I', data, 8)[0], INTERRUPTED)

    def recv_into(self, room, size, flags):
        room[:len(self.answer)] = self.answer
        return len(self.answer)


def test_dump_that_is_always_interrupted_ends_with_an_error():
    with pytest.raises(_netlink.NetlinkError) as error:
        _netlink.dump(Restless(), 22, NEW_ADDRESS)
    assert 'each of 10 dumps' in str(error.value)


def test_silence_ends_with_an_error(pair):
    with pytest.raises(_netlink.NetlinkError) as error:
        _netlink.read(pair[0])
    assert 'no answer within 0.05 s' in str(error.value)


def test_closed_socket_is_an_error(pair):
    pair[0].close()
    with pytest.raises(_netlink.NetlinkError) as error:
        _netlink.read(pair[0])
    assert os.strerror(errno.EBADF) in str(error.value)


def test_truncated_datagram_is_an_error(pair):
    reader, kernel = pair
    kernel.send(message(NEW_ADDRESS, b'\0' * 70000))
    with pytest.raises(_netlink.NetlinkError) as error:
        _netlink.receive(reader)
    assert '70016 bytes was truncated to 65536' in str(error.value)


def test_no_netlink_at_all_is_an_error(monkeypatch):
    monkeypatch.delattr(_netlink.socket, 'AF_NETLINK')
    with pytest.raises(_netlink.NetlinkError) as error:
        _netlink.addresses()
    assert 'not Linux' in str(error.value)


# --- the kernel ---

def test_this_host_has_its_loopback_address():
    found = [one for one in _netlink.addresses() if one['address'] == '127.0.0.1']
    if not found:
        pytest.skip('the loopback interface of this host is not configured')
    assert (found[0]['interface'], found[0]['prefix'], found[0]['scope'], found[0]['up']) == ('lo', 8, 'host', True)


@pytest.mark.parametrize('arguments, expected', [({}, 5.0), ({'timeout': 1.5}, 1.5)])
def test_socket_of_the_kernel_has_a_time_limit(monkeypatch, arguments, expected):
    monkeypatch.setattr(_netlink, 'read', lambda sock: sock.gettimeout())
    assert _netlink.addresses(**arguments) == expected


READ = """
import json, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.vipkit.ha.plugins.module_utils import _netlink
print(json.dumps(_netlink.addresses()))
"""


class Namespace(object):
    """A network namespace with the ends v0 and v1 of a cable; it lives as long as its holder waits for input."""

    def __init__(self):
        self.holder = subprocess.Popen(['unshare', '--net', 'sh', '-c', 'echo ready; read line'],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.ready = self.holder.stdout.readline().strip() == b'ready'

    def run(self, *command):
        return subprocess.check_output(('nsenter', '--net', '--target', str(self.holder.pid)) + command).decode()

    def ip(self, text):
        return self.run('ip', *text.split())

    def addresses(self):
        return json.loads(self.run(sys.executable, '-c', READ, UNIT))

    def flags(self, wanted):
        return [one['flags'] for one in self.addresses() if one['address'] == wanted]

    def close(self):
        self.holder.communicate()


@pytest.fixture(scope='module')
def namespace():
    if os.geteuid() != 0:
        pytest.skip('only root can make a network namespace')
    try:
        made = Namespace()
    except OSError as error:
        pytest.skip('no network namespace: %s' % error)
    try:
        if not made.ready:
            pytest.skip('the kernel refuses to make a network namespace')
        try:
            made.ip('link add v0 type veth peer name v1')
            made.ip('link set lo up')
            made.ip('link set v0 up')
            made.run('sh', '-c', 'echo 0 > /proc/sys/net/ipv6/conf/v0/router_solicitation_delay')
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip('no veth interface or no IPv6 in a network namespace: %s' % error)
        yield made
    finally:
        made.close()


def shown_by_ip(text):
    """{(interface, family, address, prefix, scope)} of `ip -o addr`."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        family = {'inet': 'ipv4', 'inet6': 'ipv6'}[words[2]]
        with_prefix = words[words.index('peer') + 1] if 'peer' in words else words[3]
        found.add((words[1], family, words[3].split('/')[0], int(with_prefix.split('/')[1]), words[words.index('scope') + 1]))
    return found


def seen(addresses):
    return set((one['interface'], one['family'], one['address'], one['prefix'], one['scope']) for one in addresses)


def test_the_kernel_is_read_as_ip_reads_it(namespace):
    namespace.ip('addr add 198.51.100.1/24 dev v0')
    before = namespace.addresses()
    for one in ('192.0.2.10/32 dev v0', '198.51.100.2/24 dev v0', '192.0.2.20 peer 192.0.2.21/32 dev v0', '192.0.2.30/24 dev v1',
                '2001:db8::10/64 dev v1 nodad', '2001:db8::20 peer 2001:db8::21/128 dev v0 nodad'):
        namespace.ip('addr add ' + one)
    after = namespace.addresses()
    assert seen(after) == shown_by_ip(namespace.ip('-o addr'))
    assert seen(after) - seen(before) == set([
        ('v0', 'ipv4', '192.0.2.10', 32, 'global'),
        ('v0', 'ipv4', '198.51.100.2', 24, 'global'),
        ('v0', 'ipv4', '192.0.2.20', 32, 'global'),
        ('v1', 'ipv4', '192.0.2.30', 24, 'global'),
        ('v1', 'ipv6', '2001:db8::10', 64, 'global'),
        ('v0', 'ipv6', '2001:db8::20', 128, 'global'),
    ])
    assert [one['flags'] for one in after if one['address'] == '198.51.100.2'] == [['secondary', 'permanent']]
    assert set((one['up'], one['lower_up']) for one in after if one['interface'] == 'v0') == set([(True, False)])
    mac = namespace.ip('-o link show v0').split('link/ether ')[1].split()[0]
    assert set(one['mac'] for one in after if one['interface'] == 'v0') == set([mac])

    namespace.ip('addr del 192.0.2.10/32 dev v0')
    namespace.ip('addr flush dev v1')
    assert seen(after) - seen(namespace.addresses()) == set([
        ('v0', 'ipv4', '192.0.2.10', 32, 'global'),
        ('v1', 'ipv4', '192.0.2.30', 24, 'global'),
        ('v1', 'ipv6', '2001:db8::10', 64, 'global'),
    ])


def test_duplicate_address_detection_is_seen(namespace):
    namespace.ip('addr add 2001:db8::dad/64 dev v1 nodad')
    namespace.ip('addr add 2001:db8::dad/64 dev v0')
    assert ['tentative', 'permanent'] in namespace.flags('2001:db8::dad')  # v1 is down: nobody can be asked yet
    namespace.ip('link set v1 up')
    deadline = time.time() + 10
    while not any('dadfailed' in flags for flags in namespace.flags('2001:db8::dad')):
        assert time.time() < deadline, namespace.ip('addr')
        time.sleep(0.1)


def test_many_addresses_take_several_datagrams(namespace):
    batch = ''.join('addr add 203.0.%d.%d/32 dev v0\n' % (number // 250, number % 250) for number in range(750))  # 60 KB of answer
    namespace.run('sh', '-c', 'printf "%s" "$0" | ip -batch -', batch)
    try:
        assert len([one for one in namespace.addresses() if one['address'].startswith('203.0.')]) == 750
    finally:
        namespace.ip('-4 addr flush dev v0')
