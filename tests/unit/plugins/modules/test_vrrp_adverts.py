# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is heard is counted without a network; the wire is a bridge between real network namespaces, with the kernel to answer."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import binascii
import json
import socket
import struct
import sys
import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _clock, _neighbour, _vrrp, _wire
from ansible_collections.vipkit.ha.plugins.modules import vrrp_adverts

from namespaces import UNIT, Namespace, bridged, without_raw_sockets

A, B, C = ['02:00:00:00:00:0' + last for last in 'abc']
PASSWORD = 's3cr3t77'
LINKS = dict((name, {'interface': name, 'index': 1}) for name in ('lo', 'eth0', 'eth1'))


def advert(source='192.0.2.2', destination='224.0.0.18', router=51, priority=100, addresses=('192.0.2.10',), mac=B, **more):
    """A frame with an advert."""
    packet = _vrrp.build(source, destination, router, priority, addresses, **more)
    to = _neighbour.multicast_mac(destination) if destination in ('224.0.0.18', 'ff02::12') else A
    return _neighbour.frame(to, mac, 0x86dd if ':' in source else 0x0800, packet)


def advert6(**more):
    return advert(source='fe80::b', destination='ff02::12', addresses=('fe80::10', '2001:db8::10'), version=3, **more)


def malformed(source='192.0.2.66', message=b'\x71' * 16):
    return _neighbour.frame('01:00:5e:00:00:12', B, 0x0800, _vrrp.ip_packet(source, '224.0.0.18', 112, message))


def heard(*frames, **more):
    found = vrrp_adverts.Heard(more.get('addresses', ()))
    for frame in frames:
        found.take(more.get('interface', 'eth0'), frame, more.get('outgoing', False))
    return found.result()


# --- options ---

@pytest.mark.parametrize('given, expected', [
    ('192.0.2.10', '192.0.2.10'),
    ('192.0.2.10/24', '192.0.2.10'),
    ('2001:DB8:0:0::1/64', '2001:db8::1'),
])
def test_canonical(given, expected):
    assert vrrp_adverts.canonical(given) == expected


@pytest.mark.parametrize('given', [
    '', 'vip', '192.0.2', '192.0.2.256', '192.0.2.10/33', '192.0.2.10/', '2001:db8::1/129', 'fe80::1%eth0', '/24',
])
def test_not_an_address(given):
    with pytest.raises(vrrp_adverts.ListenError) as error:
        vrrp_adverts.canonical(given)
    assert str(error.value) == "'%s' is not an address; write it like 192.0.2.10 or 2001:db8::10" % given


@pytest.mark.parametrize('duration', [0, 0.5, 86400])
def test_duration_that_makes_sense(duration):
    vrrp_adverts.check_seconds('duration', duration)


@pytest.mark.parametrize('duration', [-1.0, -0.001, float('inf'), float('nan')])
def test_duration_that_makes_none(duration):
    with pytest.raises(vrrp_adverts.ListenError) as error:
        vrrp_adverts.check_seconds('duration', duration)
    assert str(error.value) == 'duration is %s; give it as seconds, 0 or more' % duration


def test_interfaces_are_taken_once():
    assert vrrp_adverts.choose(['eth1', 'eth0', 'eth1'], LINKS) == [LINKS['eth0'], LINKS['eth1']]


@pytest.mark.parametrize('names, text', [
    (['eth0', 'eth9'], 'eth9 does not exist on this host; it has eth0, eth1, lo'),
    (['eth9', 'eth8'], 'eth8, eth9 does not exist on this host; it has eth0, eth1, lo'),
    ([], 'there is no interface to listen on; give at least one in interfaces'),
])
def test_interfaces_that_cannot_be_taken(names, text):
    with pytest.raises(vrrp_adverts.ListenError) as error:
        vrrp_adverts.choose(names, LINKS)
    assert str(error.value) == text


# --- what is heard ---

def test_one_advert():
    assert heard(advert(addresses=['192.0.2.11', '192.0.2.10'], advert_int=2)) == {
        'adverts': [{
            'interface': 'eth0', 'source': '192.0.2.2', 'mac': B, 'destination': '224.0.0.18', 'family': 'inet',
            'outgoing': False, 'version': 2, 'virtual_router_id': 51, 'priority': 100, 'priorities': [100], 'advert_int': 2.0, 'auth_type': 'none',
            'virtual_ipaddress': ['192.0.2.11', '192.0.2.10'], 'count': 1, 'checksum_ok': True, 'ttl_ok': True,
        }],
        'malformed': [],
        'answers': [],
    }


def test_adverts_of_one_sender_are_counted_and_the_last_one_is_told():
    frames = [advert(priority=150), advert(priority=100), advert(priority=150), advert(priority=0, addresses=['192.0.2.99'], mac=C)]
    found = heard(*frames)['adverts']
    assert [(one['count'], one['priority'], one['priorities'], one['virtual_ipaddress'], one['mac']) for one in found] == [
        (4, 0, [0, 100, 150], ['192.0.2.99'], C)]


def test_each_sender_router_version_and_family_is_told_on_its_own():
    frames = [advert(router=52), advert(source='192.0.2.3'), advert6(), advert(version=3), advert()]
    found = heard(*(frames + frames))['adverts']
    assert [(one['family'], one['virtual_router_id'], one['version'], one['source'], one['count']) for one in found] == [
        ('inet', 51, 2, '192.0.2.2', 2), ('inet', 51, 2, '192.0.2.3', 2), ('inet', 51, 3, '192.0.2.2', 2), ('inet', 52, 2, '192.0.2.2', 2),
        ('inet6', 51, 3, 'fe80::b', 2)]


def test_each_interface_is_told_on_its_own():
    found = vrrp_adverts.Heard([])
    found.take('eth1', advert(), False)
    found.take('eth0', advert(), True)
    assert [(one['interface'], one['outgoing']) for one in found.result()['adverts']] == [('eth0', True), ('eth1', False)]


@pytest.mark.parametrize('order', [(True, False), (False, True)])
def test_one_own_advert_is_enough_to_be_outgoing(order):
    found = vrrp_adverts.Heard([])
    for outgoing in order:
        found.take('eth0', advert(), outgoing)
    assert found.result()['adverts'][0]['outgoing'] is True


def test_one_bad_advert_is_not_hidden_by_the_good_ones():
    broken = advert()[:-1] + b'\1'
    found = heard(advert(), broken, advert(ttl=64), advert())['adverts'][0]
    assert (found['checksum_ok'], found['ttl_ok'], found['count']) == (False, False, 4)


def test_malformed_packets_that_are_alike_are_one_entry():
    found = heard(malformed(), malformed(), malformed(message=b'\x21\x33'), advert())
    assert found['malformed'] == [
        {'interface': 'eth0', 'source': '192.0.2.66', 'problem': 'it has 2 bytes, where 8 are the least'},
        {'interface': 'eth0', 'source': '192.0.2.66', 'problem': 'its VRRP version is 7, neither 2 nor 3'}]
    assert len(found['adverts']) == 1


def test_password_is_nowhere():
    frame = advert(auth_type='simple', auth_pass=PASSWORD)
    assert PASSWORD.encode() in frame
    shown = repr(heard(frame, malformed(message=frame[34:58]), malformed(message=b'\x41' + frame[35:])))
    assert "'simple'" in shown and 'version is 4' in shown
    assert PASSWORD not in shown and PASSWORD[:4] not in shown


def test_answers():
    frames = [_neighbour.answer(*one) for one in (
        (C, '192.0.2.10', A), (B, '192.0.2.10', A), (B, '192.0.2.10', A), (B, '192.0.2.99', A),
        (B, '2001:db8::10', A), (C, '192.0.2.9', C))]
    found = heard(*frames, addresses=['192.0.2.10', '192.0.2.9', '2001:db8::10'])['answers']
    assert found == [{'address': address, 'interface': 'eth0', 'mac': mac} for address, mac in (
        ('192.0.2.10', B), ('192.0.2.10', C), ('192.0.2.9', C), ('2001:db8::10', B))]


def test_questions_and_own_answers_are_no_answers():
    for address in ('192.0.2.10', '2001:db8::10'):
        assert heard(_neighbour.question(B, address), addresses=[address])['answers'] == []
        assert heard(_neighbour.answer(B, address, C), addresses=[address], outgoing=True)['answers'] == []


@pytest.mark.parametrize('frame', [b'', b'\0' * 13, b'\0' * 14, advert()[:30], _neighbour.frame(A, B, 0x0800, b'\x45' + b'\0' * 30)])
def test_frames_that_are_none(frame):
    assert heard(frame) == {'adverts': [], 'malformed': [], 'answers': []}


def test_assembled_filter():
    program = (('', 0x28, 12), ('', 0x15, 0x0806, 'take', ''), ('', 0x15, 0x0800, '', 'drop'), ('take', 0x06, 99), ('drop', 0x06, 0))
    code = _wire.assemble(program)
    assert [struct.unpack('=HBBI', code[start:start + 8]) for start in range(0, len(code), 8)] == [
        (0x28, 0, 0, 12), (0x15, 1, 0, 0x0806), (0x15, 0, 1, 0x0800), (0x06, 0, 0, 99), (0x06, 0, 0, 0)]


# --- time ---

class Line(object):
    """A wire on which there is always something to hear, or never."""

    name = 'eth0'

    def __init__(self, busy):
        self.ends = socket.socketpair()
        if busy:
            self.ends[1].send(b'x')
        self.asked = []
        self.heard = 0

    def fileno(self):
        return self.ends[0].fileno()

    def ask(self, addresses):
        self.asked.append((_clock.monotonic(), addresses))

    def hear(self):
        self.heard += 1
        return advert(), False

    def close(self):
        for end in self.ends:
            end.close()


@pytest.fixture(params=[False, True], ids=['silent', 'busy'])
def line(request):
    made = Line(request.param)
    yield made
    made.close()


def test_questions_are_repeated_and_the_time_is_kept(line):
    found, start = vrrp_adverts.Heard([]), time.time()
    vrrp_adverts.observe([line], found, ['192.0.2.10'], 0.4, _clock.monotonic)
    assert 0.4 <= time.time() - start < 5
    assert len(line.asked) in (4, 5)  # the last one where the clock goes in steps
    assert set(addresses[0] for dummy, addresses in line.asked) == set(['192.0.2.10'])
    assert all(later[0] - earlier[0] > 0.04 for earlier, later in zip(line.asked, line.asked[1:]))
    assert [one['count'] for one in found.result()['adverts']] == ([line.heard] if line.heard else [])
    assert bool(line.heard) == (line.ends[0] in vrrp_adverts.select.select([line.ends[0]], [], [], 0)[0])


def test_nobody_is_asked_for_nothing(line):
    vrrp_adverts.observe([line], vrrp_adverts.Heard([]), [], 0.05, _clock.monotonic)
    assert line.asked == []


def test_no_time_is_enough_for_one_question(line):
    vrrp_adverts.observe([line], vrrp_adverts.Heard([]), ['192.0.2.10'], 0, _clock.monotonic)
    assert len(line.asked) in (1, 2)


@pytest.mark.parametrize('start', [0, 10000, 171798667, 171798691])
def test_a_clock_in_steps_does_not_end_it_early(start):
    """Seconds told as 40 steps of 10 ms may have been 39 and a bit."""
    steps, line = [start], Line(True)
    line.hear = lambda: steps.append(steps[-1] + 1)
    vrrp_adverts.observe([line], vrrp_adverts.Heard([]), [], 0.4, lambda: steps[-1] / 100)
    line.close()
    assert steps[-1] - start == 41


@pytest.mark.parametrize('routers, ends', [([], 41), ([51], 21), ([51, 52], 41)])
def test_it_ends_early_when_every_expected_router_was_heard(routers, ends):
    steps, line = [0], Line(True)
    line.hear = lambda: steps.append(steps[-1] + 1) or (advert(), False)
    vrrp_adverts.observe([line], vrrp_adverts.Heard([]), [], 0.4, lambda: steps[-1] / 100.0, routers, 0.2)
    line.close()
    assert steps[-1] == ends


# --- the wire ---

# Sends the frames again and again, until nobody holds the other end of the input any more.
SEND = """
import binascii, json, select, socket, sys
request = json.loads(sys.stdin.readline())
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sock.bind((str(request['interface']), 0))
while True:
    for frame in request['frames']:
        sock.send(binascii.unhexlify(frame.encode()))
    if select.select([sys.stdin], [], [], 0.05)[0]:
        break
"""

# What the module's socket on one interface hears of frames that another interface, or the same one, sends.
HEAR = """
import binascii, json, socket, subprocess, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.vipkit.ha.plugins.module_utils import _wire
request = json.loads(sys.stdin.readline())
wire = _wire.Wire(_wire.links()[request['on']])
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sock.bind((str(request['from']), 0))
for frame in request['frames']:
    sock.send(binascii.unhexlify(frame.encode()))
found = []
while not found or found[-1][0] != request['frames'][-1]:
    data, outgoing = wire.hear()
    found.append((binascii.hexlify(data).decode(), outgoing))
if request['then']:
    subprocess.check_call(request['then'])
    wire.hear()
    wire.ask(['192.0.2.10'])
print(json.dumps([found, wire.note]))
"""


class Host(Namespace):
    """One that can send frames, and be asked what it hears."""

    def listen(self, **arguments):
        return self.module('vrrp_adverts', **dict({'interfaces': ['eth0']}, **arguments))

    def sender(self, *frames):
        process = self.start(sys.executable, '-c', SEND)
        process.stdin.write(request(frames, interface='eth0').encode())
        process.stdin.flush()
        return process

    def hear(self, frames, on, sender, then=None):
        return json.loads(self.run(sys.executable, '-c', HEAR, UNIT, data=request(frames, **{'on': on, 'from': sender, 'then': then})))


def request(frames, **more):
    return json.dumps(dict(more, frames=in_hex(frames))) + '\n'


def in_hex(frames):
    return [binascii.hexlify(frame).decode() for frame in frames]


@pytest.fixture(scope='module')
def lan():
    """Namespaces a, b and c with an eth0 each, on a bridge in a fourth one; a has the ends x0 and x1 of another cable as well."""
    with bridged(Host, {'a': (A, ['192.0.2.1/24', '2001:db8::1/64']),
                        'b': (B, ['192.0.2.2/24', '2001:db8::2/64', '192.0.2.10/24', '2001:db8::10/64']),
                        'c': (C, ['192.0.2.3/24', '192.0.2.10/24', '2001:db8::10/64'])}) as hosts:
        hosts['a'].ip('link add x0 type veth peer name x1')
        for name in ('x0', 'x1'):
            hosts['a'].run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/%s/disable_ipv6' % name)  # nothing of its own
            hosts['a'].ip('link set %s up' % name)
        yield hosts


def listen_while_sending(lan, frames, **arguments):
    sender = lan['b'].sender(*frames)
    try:
        status, result = lan['a'].listen(**dict({'duration': 0.6}, **arguments))
    finally:
        output, errors = sender.communicate()
    assert not errors, errors.decode()
    assert (status, result['changed']) == (0, False)
    return result


@pytest.mark.parametrize('check_mode', [False, True])
def test_adverts_on_the_wire(lan, check_mode):
    result = listen_while_sending(lan, [
        advert(priority=150), advert(priority=0), malformed(),
        advert(router=52, auth_type='simple', auth_pass=PASSWORD, mac='00:00:5e:00:01:34'),
        advert(router=53, auth_type='ah'),
        advert(router=54, version=3, advert_int=0.25),
        advert(router=55, destination='192.0.2.1', ttl=64),
        advert6(router=56, advert_int=0.5),
    ], _ansible_check_mode=check_mode)
    found = dict((one['virtual_router_id'], one) for one in result['adverts'])
    assert sorted(found) == [51, 52, 53, 54, 55, 56] and len(result['adverts']) == 6
    common = {'interface': 'eth0', 'outgoing': False, 'checksum_ok': True, 'mac': B, 'ttl_ok': True, 'destination': '224.0.0.18',
              'source': '192.0.2.2', 'family': 'inet', 'version': 2, 'auth_type': 'none', 'advert_int': 1.0, 'priorities': [100],
              'virtual_ipaddress': ['192.0.2.10']}
    different = {
        51: {'priorities': [0, 150]},
        52: {'auth_type': 'simple', 'mac': '00:00:5e:00:01:34'},
        53: {'auth_type': 'ah'},
        54: {'version': 3, 'advert_int': 0.25},
        55: {'destination': '192.0.2.1', 'ttl_ok': False},
        56: {'version': 3, 'advert_int': 0.5, 'family': 'inet6', 'source': 'fe80::b', 'destination': 'ff02::12',
             'virtual_ipaddress': ['fe80::10', '2001:db8::10']},
    }
    for router, one in found.items():
        assert one.pop('count') >= 4
        assert one.pop('priority') in one['priorities']
        assert one == dict(common, virtual_router_id=router, **different[router])
    assert result['malformed'] == [{'interface': 'eth0', 'source': '192.0.2.66', 'problem': 'its VRRP version is 7, neither 2 nor 3'}]
    assert result['answers'] == []
    assert PASSWORD not in json.dumps(result)


def test_own_adverts_are_outgoing(lan):
    sender = lan['a'].sender(advert(source='192.0.2.1', mac=A))
    try:
        result = listen_while_sending(lan, [advert()])
    finally:
        sender.communicate()
    assert [(one['source'], one['outgoing'], one['mac']) for one in result['adverts']] == [('192.0.2.1', True, A), ('192.0.2.2', False, B)]


def test_holders_answer_and_nothing_changes(lan):
    before = [lan[name].ip('neigh show') for name in 'bc']
    asked = ['192.0.2.2', '192.0.2.10/24', '192.0.2.99', '192.0.2.1', '2001:DB8::2', '2001:db8::10', '2001:db8::99', '2001:db8::1']
    status, result = lan['a'].listen(addresses=asked, duration=0.6)
    assert (status, result['changed'], result['adverts'], result['malformed']) == (0, False, [], [])
    # Not 192.0.2.1 and 2001:db8::1: these are of the one who asks.
    assert [(one['address'], one['interface'], one['mac']) for one in result['answers']] == [
        ('192.0.2.10', 'eth0', B), ('192.0.2.10', 'eth0', C), ('192.0.2.2', 'eth0', B),
        ('2001:db8::10', 'eth0', B), ('2001:db8::10', 'eth0', C), ('2001:db8::2', 'eth0', B)]
    assert [lan[name].ip('neigh show') for name in 'bc'] == before
    assert not any('fail' in lan[name].ip('-6 addr show') for name in 'abc')


def test_answers_of_others_and_adverts_come_at_once(lan):
    frames = [advert(), _neighbour.answer(B, '192.0.2.77', _neighbour.BROADCAST), _neighbour.answer(C, '2001:db8::77', C)]
    result = listen_while_sending(lan, frames, addresses=['192.0.2.77', '2001:db8::77', '192.0.2.3'])
    assert [(one['address'], one['mac']) for one in result['answers']] == [('192.0.2.3', C), ('192.0.2.77', B), ('2001:db8::77', C)]
    assert [one['virtual_router_id'] for one in result['adverts']] == [51]


@pytest.mark.parametrize('duration', [0, 0.5, 1.25])
def test_it_ends_after_the_duration_and_not_earlier(lan, duration):
    start = time.time()
    status, result = lan['a'].listen(duration=duration)
    assert duration <= time.time() - start < duration + 10
    assert (status, result['adverts'], result['malformed'], result['answers']) == (0, [], [], [])
    assert 'warnings' not in result


def ipv4(protocol, payload=b'\x70\x04' + b'\0' * 30):
    return _neighbour.frame(A, B, 0x0800, _vrrp.ip_packet('192.0.2.2', '192.0.2.1', protocol, payload))


def ipv6(protocol, payload=b'\x70\x04' + b'\0' * 30):
    return _neighbour.frame(A, B, 0x86dd, _vrrp.ip_packet('fe80::b', 'fe80::a', protocol, payload))


def tagged(frame, vlan):
    return frame[:12] + struct.pack('!HH', 0x8100, vlan) + frame[12:]


def with_ip_options(frame):
    return frame[:14] + b'\x46' + frame[15:34] + b'\0' * 4 + frame[34:]


MARK = advert(router=255)
TAKEN = [
    _neighbour.answer(B, '192.0.2.10', A), _neighbour.answer(B, '2001:db8::10', A), advert(), advert6(), advert(auth_type='ah'),
    advert(destination='192.0.2.1'), malformed(message=b''), with_ip_options(advert()), with_ip_options(advert(auth_type='ah')),
    ipv6(51), MARK,
]
DROPPED = [
    _neighbour.question(B, '192.0.2.10'), _neighbour.question(B, '2001:db8::10'), ipv4(6), ipv4(17), ipv4(1),
    ipv4(51, b'\x06\x04' + b'p' * 30),
    ipv6(6), ipv6(17), ipv6(58, b'\x80' + b'\0' * 30), ipv6(51, b'\x3a\x04' + b'\x88' * 30), ipv6(0),
    tagged(advert(), 100), tagged(advert6(), 0xe064),
    _neighbour.frame(A, B, 0x88cc, advert()[14:]), _neighbour.frame(A, B, 0x0800, b'\x45\0'),
]


@pytest.mark.parametrize('sender, outgoing', [('x1', False), ('x0', True)])
def test_the_filter_takes_adverts_and_answers_alone(lan, sender, outgoing):
    frames = [frame for pair in zip(DROPPED * 2, TAKEN) for frame in pair]
    assert MARK == frames[-1] and len(TAKEN) < len(DROPPED)
    frames = DROPPED + frames
    found, note = lan['a'].hear(frames, 'x0', sender)
    assert [one[0] for one in found] == in_hex(TAKEN)
    assert set(one[1] for one in found) == set([outgoing])
    assert note is None


def test_tag_that_only_has_a_priority_is_no_vlan(lan):
    found, note = lan['a'].hear([tagged(advert(), 0xe000), tagged(advert(), 0xe001), MARK], 'x0', 'x1')
    assert [one[0] for one in found] == in_hex([advert(), MARK])


def test_groups_that_the_host_has_not_joined_are_heard(lan):
    try:
        lan['a'].ip('link add link x0 name m0 up type macvlan')  # unlike a veth, it drops what nobody has joined
    except AssertionError as error:
        pytest.skip('no macvlan interface: %s' % error)
    try:
        frames = [advert(), advert6(), MARK]
        found, note = lan['a'].hear(frames, 'm0', 'x1')
        assert [one[0] for one in found] == in_hex(frames)
    finally:
        lan['a'].ip('link del m0')


def test_interface_that_goes_down_meanwhile_is_noted(lan):
    try:
        found, note = lan['a'].hear([MARK], 'x0', 'x1', then=['ip', 'link', 'set', 'x0', 'down'])
    finally:
        lan['a'].ip('link set x0 up')
    assert (len(found), note) == (1, 'went down')


def test_interface_that_goes_away_meanwhile_is_noted(lan):
    lan['a'].ip('link add y0 up type veth peer name y1')
    lan['a'].ip('link set y1 up')
    found, note = lan['a'].hear([MARK], 'y0', 'y1', then=['ip', 'link', 'del', 'y0'])
    assert (len(found), note) == (1, 'went down')


def test_interfaces_that_are_down_or_without_a_carrier_are_warned_about(lan):
    lan['a'].ip('link set x1 down')
    try:
        for names, notes in ((['x0'], ['x0 has no carrier']), (['x1', 'x0'], ['x0 has no carrier', 'x1 is down'])):
            start = time.time()
            status, result = lan['a'].listen(interfaces=names, addresses=['192.0.2.10', '2001:db8::10'], duration=0.3)
            assert time.time() - start >= 0.3
            assert (status, result['adverts'], result['answers']) == (0, [], [])
            assert result['warnings'] == [note + ', so not everything could be heard there' for note in notes]
    finally:
        lan['a'].ip('link set x1 up')


def test_interface_that_is_not_ethernet_is_warned_about(lan):
    try:
        lan['a'].ip('tuntap add t0 mode tun')
    except AssertionError as error:
        pytest.skip('no tun interface: %s' % error)
    lan['a'].ip('link set t0 up')
    try:
        status, result = lan['a'].listen(interfaces=['t0'], addresses=['192.0.2.10'], duration=0.1)
    finally:
        lan['a'].ip('link del t0')
    assert (status, result['answers']) == (0, [])
    assert result['warnings'] == ['t0 is not an Ethernet interface, so not everything could be heard there']


def test_module_takes_its_hands_off_the_interface(lan):
    lan['a'].listen(duration=0.1)
    assert 'ALLMULTI' not in lan['a'].ip('link show eth0')


@pytest.mark.parametrize('arguments, text', [
    ({'interfaces': ['eth9']}, 'eth9 does not exist on this host; it has eth0, lo, x0, x1'),
    ({'interfaces': []}, 'there is no interface to listen on'),
    ({'addresses': ['192.0.2.300']}, "'192.0.2.300' is not an address"),
    ({'duration': -1}, 'duration is -1.0'),
    ({'enough': -1}, 'enough is -1.0'),
])
def test_module_refuses(lan, arguments, text):
    start = time.time()
    status, result = lan['a'].listen(**dict({'duration': 60}, **arguments))
    assert (status, result['failed']) == (1, True) and time.time() - start < 30
    assert text in result['msg']


def test_module_without_the_right_to_listen(lan):
    status, result = lan['a'].listen(preexec_fn=without_raw_sockets)
    assert (status, result['failed']) == (1, True)
    assert result['msg'].startswith('cannot listen on eth0: ') and 'Operation not permitted' in result['msg']
    assert 'run the task as root (become: true)' in result['msg']
