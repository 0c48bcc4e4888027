# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parser reads frames that keepalived 2.0.7 has sent, captured at the peer; the builder has to make the same messages."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import binascii

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _vrrp

PASSWORD = b's3cr3t77'

# What keepalived sent. It ran on 192.0.2.1 and fe80::a with priority 150; each second frame is that of its stop.
CAPTURED = {
    'v2': ('01005e00001202000000000a080045c0002c00010000ff70188dc0000201e000001221339602'
           '0001c4b2c000020ac000020b0000000000000000'),
    'v2 stop': ('01005e00001202000000000a080045c0002c00030000ff70188bc0000201e000001221330002'
                '00015ab3c000020ac000020b0000000000000000'),
    'v2 password': '01005e00001202000000000a080045c0002800010000ff701891c0000201e0000012213496010102446ac000020c7333637233743737',
    'v2 password stop': '01005e00001202000000000a080045c0002800030000ff70188fc0000201e0000012213400010102da6ac000020c7333637233743737',
    'v2 ah': ('01005e00001202000000000a080045c0004000010000ff3318b6c0000201e000001270040000c00002010000000133fb6b7b3d9aa8562a5838ed'
              '21359601020184bac000020d0000000000000000'),
    'v2 ah stop': ('01005e00001202000000000a080045c0004000030000ff3318b4c0000201e000001270040000c0000201000000038b99b194ded031032c254700'
                   '2135000102011abbc000020d0000000000000000'),
    'v3': '01005e00001202000000000a080045c0002000010000ff701899c0000201e0000012313696010019d40fc000020e',
    'v3 stop': '01005e00001202000000000a080045c0002000100000ff70188ac0000201e00000123136000100196a10c000020e',
    'v3 ipv6': ('33330000001202000000000a86dd6c0644e1002870fffe80000000000000000000000000000aff020000000000000000000000000012'
                '3137960200320e02fe80000000000000000000000000001020010db8000000000000000000000010'),
    'v3 ipv6 stop': ('33330000001202000000000a86dd6c0644e1002870fffe80000000000000000000000000000aff020000000000000000000000000012'
                     '313700020032a402fe80000000000000000000000000001020010db8000000000000000000000010'),
    'v2 unicast': '02000000000b02000000000a080045c0002800010000ff7036a1c0000201c000020221399601000186b2c00002110000000000000000',
    'v3 unicast': '02000000000b02000000000a080045c0002000010000ff7036a9c0000201c0000202313a96010064f1ccc0000212',
    'v3 unicast, old checksum': '02000000000b02000000000a080045c0002000010000ff7036a9c0000201c0000202313b96010064d3bac0000213',
    'v2 vmac': '01005e00001200005e00013c080045c0002800010000ff701891c0000201e0000012213c9601000186acc00002140000000000000000',
}

# What its configuration said: version, virtual router, advert_int, authentication, virtual IPs.
CONFIGURED = {
    'v2': (2, 51, 1.0, 'none', ['192.0.2.10', '192.0.2.11']),
    'v2 password': (2, 52, 2.0, 'simple', ['192.0.2.12']),
    'v2 ah': (2, 53, 1.0, 'ah', ['192.0.2.13']),
    'v3': (3, 54, 0.25, 'none', ['192.0.2.14']),
    'v3 ipv6': (3, 55, 0.5, 'none', ['fe80::10', '2001:db8::10']),
    'v2 unicast': (2, 57, 1.0, 'none', ['192.0.2.17']),
    'v3 unicast': (3, 58, 1.0, 'none', ['192.0.2.18']),
    'v3 unicast, old checksum': (3, 59, 1.0, 'none', ['192.0.2.19']),
    'v2 vmac': (2, 60, 1.0, 'none', ['192.0.2.20']),
}


def packet(name):
    return binascii.unhexlify(CAPTURED[name])[14:]


def read(data):
    return _vrrp.parse(_vrrp.split_ip(data))


def changed(data, offset, value):
    data = bytearray(data)
    data[offset] = value
    return bytes(data)


def carried(message, protocol=112, source='192.0.2.1', destination='224.0.0.18'):
    return _vrrp.ip_packet(source, destination, protocol, message)


def problem(data):
    with pytest.raises(_vrrp.VrrpError) as error:
        read(data)
    return str(error.value)


# --- what keepalived sends ---

@pytest.mark.parametrize('name', sorted(CAPTURED))
def test_captured_advert_is_what_was_configured(name):
    version, router, interval, auth_type, addresses = CONFIGURED[name.replace(' stop', '')]
    destination = '192.0.2.2' if 'unicast' in name else 'ff02::12' if 'ipv6' in name else '224.0.0.18'
    assert read(packet(name)) == {
        'source': 'fe80::a' if 'ipv6' in name else '192.0.2.1',
        'destination': destination,
        'family': 'inet6' if 'ipv6' in name else 'inet',
        'version': version,
        'virtual_router_id': router,
        'priority': 0 if 'stop' in name else 150,
        'advert_int': interval,
        'auth_type': auth_type,
        'virtual_ipaddress': addresses,
        'checksum_ok': True,
        'ttl_ok': True,
    }


@pytest.mark.parametrize('name', ['v2 password', 'v2 password stop'])
def test_password_is_nowhere(name):
    assert PASSWORD in packet(name)
    for data in (packet(name), changed(packet(name), 26, 0)):  # a wrong checksum as well
        shown = repr(read(data))
        assert PASSWORD.decode() not in shown and CAPTURED[name][-16:] not in shown


def test_password_of_a_malformed_advert_is_nowhere():
    for data in (changed(packet('v2 password'), 20, 0x41), changed(packet('v2 password'), 24, 9), changed(packet('v2 password'), 23, 7)):
        assert 's3cr3t' not in problem(data)


@pytest.mark.parametrize('name', sorted(CAPTURED))
def test_wrong_checksum_is_told(name):
    start = 40 if 'ipv6' in name else 44 if 'ah' in name else 20
    for offset in (start + 1, start + 6, len(packet(name)) - 1):
        data = packet(name)
        assert not read(changed(data, offset, bytearray(data)[offset] ^ 0x55))['checksum_ok'], offset


def test_pseudo_header_counts():
    moved = changed(packet('v3 unicast'), 15, 9)  # another source address
    assert not read(moved)['checksum_ok']
    assert not read(changed(packet('v3 ipv6'), 23, 9))['checksum_ok']
    assert read(changed(packet('v2 unicast'), 15, 9))['checksum_ok']  # version 2 has none


def test_version_3_without_a_pseudo_header_is_right_too():
    message = bytearray(packet('v3')[20:])
    message[6:8] = b'\0\0'
    total = _vrrp.checksum(bytes(message))
    message[6:8] = bytearray([total >> 8, total & 0xff])
    assert bytes(message) != packet('v3')[20:]
    assert read(carried(bytes(message)))['checksum_ok']


def test_version_2_with_a_pseudo_header_is_wrong():
    message = packet('v2')[20:26] + b'\0\0' + packet('v2')[28:]
    total = _vrrp.checksum(_vrrp.pseudo_header('192.0.2.1', '224.0.0.18', 112, len(message)) + message)
    assert not read(packet('v2')[:26] + bytes(bytearray([total >> 8, total & 0xff])) + packet('v2')[28:])['checksum_ok']


def test_longer_signature():
    data = packet('v2 ah')
    longer = data[20:21] + b'\x07' + data[22:44] + b'\xa5' * 12 + data[44:]
    assert read(carried(longer, protocol=51)) == read(data)


def test_signed_advert_that_says_it_is_not():
    assert read(changed(packet('v2 ah'), 48, 0))['auth_type'] == 'ah'


def test_frame_that_is_padded():
    assert read(packet('v3') + b'\xff' * 14) == read(packet('v3'))
    assert read(packet('v3 ipv6') + b'\xff' * 14) == read(packet('v3 ipv6'))


@pytest.mark.parametrize('covers_it', [True, False])
def test_trailer_behind_the_message(covers_it):
    source, destination, trailer = 'fe80::a', 'ff02::12', b'\x01\x07' + b'\xa5' * 26
    if covers_it:
        message = packet('v3 ipv6')[40:46] + b'\0\0' + packet('v3 ipv6')[48:] + trailer
        total = _vrrp.checksum(_vrrp.pseudo_header(source, destination, 112, len(message)) + message)
        message = message[:6] + bytes(bytearray([total >> 8, total & 0xff])) + message[8:]
    else:
        message = packet('v3 ipv6')[40:] + trailer
    assert read(carried(message, source=source, destination=destination)) == read(packet('v3 ipv6'))


def test_version_2_over_ipv6_has_no_authentication_data():
    data = _vrrp.build('fe80::a', 'ff02::12', 51, 100, ['2001:db8::10'], advert_int=3)
    assert len(data) == 40 + 8 + 16
    found = read(data)
    assert (found['version'], found['advert_int'], found['auth_type'], found['checksum_ok']) == (2, 3.0, 'none', True)


def test_other_ttl_is_told():
    assert not read(_vrrp.build('192.0.2.1', '224.0.0.18', 51, 100, [], ttl=254))['ttl_ok']
    assert not read(_vrrp.build('fe80::a', 'ff02::12', 51, 100, [], version=3, ttl=1))['ttl_ok']


def test_reserved_bits_of_the_interval_are_not_read():
    assert read(changed(packet('v3'), 24, 0xf1))['advert_int'] == 2.81


def test_advert_without_addresses():
    assert read(_vrrp.build('192.0.2.1', '224.0.0.18', 51, 100, []))['virtual_ipaddress'] == []


# --- what is no advert ---

@pytest.mark.parametrize('data, text', [
    (carried(b''), 'it has 0 bytes, where 8 are the least'),
    (carried(packet('v2')[20:27]), 'it has 7 bytes, where 8 are the least'),
    (packet('v2')[:24], 'it has 4 bytes, where 8 are the least'),
    (changed(packet('v2'), 20, 0x11), 'its VRRP version is 1, neither 2 nor 3'),
    (changed(packet('v2'), 20, 0x41), 'its VRRP version is 4, neither 2 nor 3'),
    (changed(packet('v2'), 20, 0x22), 'its VRRP type is 2, where 1 is the only one'),
    (changed(packet('v2'), 23, 3), 'it has 24 bytes, where 3 addresses take 28'),
    (changed(packet('v3'), 23, 2), 'it has 12 bytes, where 2 addresses take 16'),
    (changed(packet('v3 ipv6'), 43, 255), 'it has 40 bytes, where 255 addresses take 4088'),
    (changed(packet('v2'), 3, 43), 'it has 23 bytes, where 2 addresses take 24'),
    (packet('v2')[:-1], 'it has 23 bytes, where 2 addresses take 24'),
    (changed(packet('v2'), 24, 3), 'its authentication type is 3, where 2 is the greatest'),
    (changed(packet('v2'), 6, 0x20), 'it is a fragment of an IP packet; adverts are never fragmented'),
    (changed(packet('v2'), 7, 0x01), 'it is a fragment of an IP packet; adverts are never fragmented'),
    (changed(packet('v2 ah'), 44, 0x41), 'its VRRP version is 4, neither 2 nor 3'),
    (packet('v2 ah')[:44], 'it has 0 bytes, where 8 are the least'),
    (changed(packet('v2'), 0, 0x4f), 'it has 0 bytes, where 8 are the least'),
])
def test_malformed_advert_is_an_error(data, text):
    assert problem(data) == text


@pytest.mark.parametrize('data', [
    carried(packet('v2')[20:], protocol=17),
    changed(packet('v2 ah'), 20, 6),  # something else that is signed
    carried(b'', protocol=51),
    carried(b'\x70', protocol=51),
])
def test_other_packets_are_left_out(data):
    assert read(data) is None


@pytest.mark.parametrize('data', [b'', b'\x45', packet('v2')[:19], packet('v3 ipv6')[:39], b'\x50' + packet('v2')[1:]])
def test_what_is_no_ip_packet(data):
    assert _vrrp.split_ip(data) is None


def test_every_part_of_an_advert_is_read_without_an_accident():
    for name in CAPTURED:
        for length in range(len(packet(name))):
            ip = _vrrp.split_ip(packet(name)[:length])
            if ip:
                try:
                    assert _vrrp.parse(ip) is None
                except _vrrp.VrrpError:
                    pass


# --- what is built ---

@pytest.mark.parametrize('name', [name for name in sorted(CAPTURED) if 'ah' not in name and 'old' not in name])
def test_built_message_is_that_of_keepalived(name):
    version, router, interval, auth_type, addresses = CONFIGURED[name.replace(' stop', '')]
    ip = _vrrp.split_ip(packet(name))
    built = _vrrp.split_ip(_vrrp.build(
        ip.source, ip.destination, router, 0 if 'stop' in name else 150, addresses, version=version, advert_int=interval,
        auth_type=auth_type, auth_pass=PASSWORD.decode() if auth_type == 'simple' else ''))
    assert built == ip


def test_built_ip_header_has_a_right_checksum():
    header = _vrrp.build('192.0.2.1', '224.0.0.18', 51, 100, ['192.0.2.10'])[:20]
    assert _vrrp.checksum(header) == 0 and header[10:12] != b'\0\0'


def test_built_ah_has_the_form_of_that_of_keepalived():
    built, captured = _vrrp.build('192.0.2.1', '224.0.0.18', 53, 150, ['192.0.2.13'], auth_type='ah'), packet('v2 ah')
    assert len(built) == len(captured)
    assert (built[9:10], built[20:24], built[44:]) == (captured[9:10], captured[20:24], captured[44:])
    assert read(built) == read(captured)


def test_longer_password_is_cut():
    data = _vrrp.build('192.0.2.1', '224.0.0.18', 52, 150, ['192.0.2.12'], advert_int=2, auth_type='simple', auth_pass='s3cr3t77-and-more')
    assert data[20:] == packet('v2 password')[20:]


@pytest.mark.parametrize('data, expected', [
    (b'', 0xffff), (b'\0\1\xf2\3\xf4\xf5\xf6\xf7', 0x220d), (b'\xff', 0x00ff), (b'\xff\xff\0\1', 0xfffe),
])
def test_checksum(data, expected):
    assert _vrrp.checksum(data) == expected
