# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The frames come from a Linux kernel, captured at the other end of a cable, except for the ARP probe, which it never sends."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import binascii

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _neighbour

HOLDER, ASKER = '02:00:00:00:00:0a', '02:00:00:00:00:0b'

# 192.0.2.1 and 2001:db8::77 are those of the holder.
ARP_ANSWER = '02000000000b02000000000a0806000108000604000202000000000ac000020102000000000b00000000'
ARP_PROBE = 'ffffffffffff02000000000b0806000108000604000102000000000b00000000000000000000c0000201'
ND_ANSWER = ('33330000000102000000000a86dd6000000000203aff20010db8000000000000000000000077ff020000000000000000000000000001'
             '8800f8352000000020010db8000000000000000000000077020102000000000a')
ND_PROBE = ('3333ff00007702000000000a86dd6000000000183aff00000000000000000000000000000000ff0200000000000000000001ff000077'
            '87004c010000000020010db8000000000000000000000077')
ND_ROUTER_SOLICITATION = ('33330000000202000000000a86dd6000000000103afffe80000000000000000000fffe00000aff020000000000000000000000000002'
                          '85007b1a00000000010102000000000a')


def data(text):
    return binascii.unhexlify(text)


def changed(text, offset, value):
    frame = bytearray(data(text))
    frame[offset] = value
    return bytes(frame)


def read(frame):
    return _neighbour.parse(_neighbour.split_frame(frame))


def signed(kind, source, target, options, mac=HOLDER, destination='ff02::1'):
    return _neighbour._nd('33:33:00:00:00:01', mac, source, destination, kind, 0, target, options)


@pytest.mark.parametrize('text, expected', [
    (ARP_PROBE, ('question', '192.0.2.1', ASKER, False)),
    (ARP_ANSWER, ('answer', '192.0.2.1', HOLDER, False)),
    (ND_PROBE, ('question', '2001:db8::77', HOLDER, False)),
    (ND_ANSWER, ('answer', '2001:db8::77', HOLDER, True)),  # to a question in the name of no address
])
def test_captured_frames(text, expected):
    assert tuple(read(data(text))) == expected
    assert tuple(read(data(text) + b'\0' * 18)) == expected  # padded


@pytest.mark.parametrize('mac, address, text', [(ASKER, '192.0.2.1', ARP_PROBE), (HOLDER, '2001:db8::77', ND_PROBE)])
def test_question_is_the_one_before_an_address_is_taken(mac, address, text):
    assert _neighbour.question(mac, address) == data(text)


def test_an_announcement_is_of_the_address_of_its_sender():
    for operation, kind in ((1, 'question'), (2, 'answer')):
        frame = _neighbour._arp(_neighbour.BROADCAST, HOLDER, operation, '192.0.2.1', _neighbour.NO_MAC, '192.0.2.1')
        assert read(frame) == (kind, '192.0.2.1', HOLDER, True)
        frame = _neighbour._arp(_neighbour.BROADCAST, HOLDER, operation, '192.0.2.1', _neighbour.NO_MAC, '192.0.2.2')
        assert not read(frame).announced


def test_an_answer_to_one_host_announces_nothing():
    option = data('0201') + _neighbour.pack_mac(HOLDER)
    frame = _neighbour._nd(ASKER, HOLDER, '2001:db8::77', '2001:db8::1', 136, _neighbour.ND_SOLICITED | _neighbour.ND_OVERRIDE, '2001:db8::77', option)
    assert read(frame) == ('answer', '2001:db8::77', HOLDER, False)


@pytest.mark.parametrize('address, text', [('192.0.2.1', ARP_ANSWER), ('2001:db8::77', ND_ANSWER)])
def test_answer_is_that_of_a_kernel(address, text):
    assert _neighbour.answer(HOLDER, address, ASKER) == data(text)


@pytest.mark.parametrize('address', ['192.0.2.1', '2001:db8::77'])
def test_question_tells_nobody_who_asks(address):
    frame = _neighbour.question(ASKER, address)
    sender = frame[28:32] if '.' in address else frame[22:38]
    assert sender == b'\0' * len(sender)
    if ':' in address:
        assert data(ASKER.replace(':', '')) not in frame[14:]  # no option with it, either


def test_mac_in_the_message_counts():
    """A proxy, or an interface with a MAC of its own for the virtual IP, may send in the name of another one."""
    other = '000000000063'
    assert read(data(ARP_ANSWER[:12] + other + ARP_ANSWER[24:])).mac == HOLDER
    assert read(data(ND_ANSWER[:12] + other + ND_ANSWER[24:])).mac == HOLDER


def test_advertisement_without_an_option_is_of_its_sender():
    assert read(signed(136, '2001:db8::77', '2001:db8::77', b''))[:3] == ('answer', '2001:db8::77', HOLDER)


def test_options_are_walked():
    nonce, source, target = data('0e01a1a2a3a4a5a6'), data('01010200000000cc'), data('02010200000000dd')
    long_one = data('0e02') + b'\0' * 14
    assert read(signed(136, '2001:db8::77', '2001:db8::77', nonce + long_one + source + target)).mac == '02:00:00:00:00:dd'
    assert read(signed(135, 'fe80::a', '2001:db8::77', nonce + target + source)).mac == '02:00:00:00:00:cc'
    assert read(signed(136, '2001:db8::77', '2001:db8::77', data('0e00a1a2a3a4a5a6') + target)).mac == HOLDER  # no length: cannot go on
    assert read(signed(136, '2001:db8::77', '2001:db8::77', target[:5])).mac == HOLDER


@pytest.mark.parametrize('frame', [
    data(ARP_ANSWER)[:14],
    data(ARP_ANSWER)[:-1],
    changed(ARP_ANSWER, 12, 0x09),  # not ARP
    changed(ARP_ANSWER, 15, 6),  # not of Ethernet
    changed(ARP_ANSWER, 16, 0x86),  # not for IPv4
    changed(ARP_ANSWER, 18, 8),
    changed(ARP_ANSWER, 21, 3),  # reverse ARP
    data(ND_ROUTER_SOLICITATION),
    data(ND_ANSWER)[:50],
    data(ND_ANSWER)[:-8],  # cut off: wrong checksum
    changed(ND_ANSWER, 85, 0xcc),  # wrong checksum
    changed(ND_ANSWER, 21, 254),  # passed on by a router
    changed(ND_ANSWER, 20, 17),
    signed(137, 'fe80::a', '2001:db8::77', b''),
])
def test_other_frames_are_left_out(frame):
    assert read(frame) is None


def test_frame_that_is_too_short():
    assert _neighbour.split_frame(data(ARP_ANSWER)[:13]) is None


@pytest.mark.parametrize('group, mac', [
    ('224.0.0.18', '01:00:5e:00:00:12'),
    ('239.129.2.3', '01:00:5e:01:02:03'),
    ('ff02::12', '33:33:00:00:00:12'),
    ('ff02::1:ffab:cdef', '33:33:ff:ab:cd:ef'),
])
def test_multicast_mac(group, mac):
    assert _neighbour.multicast_mac(group) == mac


def test_solicited_node():
    assert _neighbour.solicited_node('2001:db8::12ab:cdef') == 'ff02::1:ffab:cdef'


def test_mac_as_text():
    assert _neighbour.unpack_mac(_neighbour.pack_mac('02:00:5e:aB:cd:0f')) == '02:00:5e:ab:cd:0f'
