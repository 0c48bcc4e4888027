# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: Ethernet frames that ask who has an IP address, and that answer.

IPv4 is asked by ARP, IPv6 by neighbour discovery (ICMPv6). ``question()`` and ``answer()`` build, ``parse()`` reads.
Nothing here does I/O.
Sources: RFC 826 (ARP), RFC 5227 (its probes and announcements), RFC 4861 (neighbour discovery), RFC 4862 (its probes).
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import binascii
import collections
import struct

from ansible.module_utils.common.text.converters import to_native
from ansible_collections.vipkit.ha.plugins.module_utils import _vrrp

ETH_P_IP = 0x0800
ETH_P_ARP = 0x0806
ETH_P_IPV6 = 0x86dd
ICMPV6 = 58

ARP_KINDS = {1: 'question', 2: 'answer'}
ND_KINDS = {135: 'question', 136: 'answer'}
ND_SOURCE_MAC = 1
ND_TARGET_MAC = 2
ND_SOLICITED = 0x40000000
ND_OVERRIDE = 0x20000000

BROADCAST = 'ff:ff:ff:ff:ff:ff'
NO_MAC = '00:00:00:00:00:00'
ALL_NODES = 'ff02::1'

ETHERNET = struct.Struct('!6s6sH')  # to, from, type
ARP = struct.Struct('!HHBBH6s4s6s4s')  # types and sizes of both addresses, operation, MAC and IP of sender, MAC and IP of target
ARP_OF_IPV4_ON_ETHERNET = (1, ETH_P_IP, 6, 4)
ND = struct.Struct('!BBHI16s')  # type, code, checksum, flags, target; options follow
ND_OPTION = struct.Struct('!BB6s')  # type, length in units of 8 bytes, MAC

Frame = collections.namedtuple('Frame', 'destination source kind payload')
Neighbour = collections.namedtuple('Neighbour', 'kind address mac announced')


def pack_mac(mac):
    return binascii.unhexlify(mac.replace(':', '').encode())


def unpack_mac(data):
    digits = to_native(binascii.hexlify(data))
    return ':'.join(digits[start:start + 2] for start in range(0, len(digits), 2))


def split_frame(data):
    """The parts of an Ethernet frame, None where it is too short for one."""
    if len(data) < ETHERNET.size:
        return None
    destination, source, kind = ETHERNET.unpack_from(data)
    return Frame(unpack_mac(destination), unpack_mac(source), kind, data[ETHERNET.size:])


def frame(destination, source, kind, payload):
    return ETHERNET.pack(pack_mac(destination), pack_mac(source), kind) + payload


def multicast_mac(group):
    """Where an IP multicast group is on Ethernet."""
    packed = _vrrp.pack(group)
    if len(packed) == 16:
        return '33:33:' + unpack_mac(packed[-4:])
    second, third, fourth = bytearray(packed[1:])
    return '01:00:5e:%02x:%02x:%02x' % (second & 0x7f, third, fourth)


def solicited_node(address):
    """The multicast group that whoever has the IPv6 address listens to."""
    return _vrrp.unpack('inet6', _vrrp.pack('ff02::1:ff00:0')[:13] + _vrrp.pack(address)[13:])


def question(mac, address, asker=None):
    """Who has the address? Asked by an interface with that MAC in the name of no IP address, so that nobody learns one from it.

    Over IPv6 all hosts hear the answer to that, and learn. Where an asker is given, an IPv6 address of that interface, it alone gets the answer.
    """
    if ':' in address:
        group = solicited_node(address)
        return _nd(multicast_mac(group), mac, asker or '::', group, 135, 0, address, ND_OPTION.pack(ND_SOURCE_MAC, 1, pack_mac(mac)) if asker else b'')
    return _arp(BROADCAST, mac, 1, '0.0.0.0', NO_MAC, address)


def answer(mac, address, asker):
    """The interface with that MAC has the address, told to the one with the MAC of the asker, or to all where it is IPv6."""
    if ':' in address:
        option = ND_OPTION.pack(ND_TARGET_MAC, 1, pack_mac(mac))
        return _nd(multicast_mac(ALL_NODES), mac, address, ALL_NODES, 136, ND_OVERRIDE, address, option)
    return _arp(asker, mac, 2, address, asker, '0.0.0.0')


def _arp(destination, mac, operation, sender, target_mac, target):
    fields = ARP_OF_IPV4_ON_ETHERNET + (operation, pack_mac(mac), _vrrp.pack(sender), pack_mac(target_mac), _vrrp.pack(target))
    return frame(destination, mac, ETH_P_ARP, ARP.pack(*fields))


def _nd(destination_mac, mac, source, destination, kind, flags, target, options):
    fields = [kind, 0, 0, flags, _vrrp.pack(target)]
    message = ND.pack(*fields) + options
    fields[2] = _vrrp.checksum(_vrrp.pseudo_header(source, destination, ICMPV6, len(message)) + message)
    return frame(destination_mac, mac, ETH_P_IPV6, _vrrp.ip_packet(source, destination, ICMPV6, ND.pack(*fields) + options))


def parse(parts):
    """What the frame that split_frame() took apart asks or answers.

    A Neighbour: kind ('question', 'answer'), the address that it is about, the MAC of the one who speaks, and whether it is announced to all:
    by ARP in the form of a question or an answer, by neighbour discovery in that of an answer, as to a question in the name of no address.
    None for every other frame, and for one that a host has to ignore.
    """
    if parts.kind == ETH_P_ARP:
        return _parse_arp(parts.payload)
    ip = _vrrp.split_ip(parts.payload) if parts.kind == ETH_P_IPV6 else None
    return _parse_nd(ip, parts.source) if ip and ip.protocol == ICMPV6 else None


def _parse_arp(payload):
    if len(payload) < ARP.size:
        return None
    fields = ARP.unpack_from(payload)
    operation, mac, sender, dummy, target = fields[4:]
    if fields[:4] != ARP_OF_IPV4_ON_ETHERNET or operation not in ARP_KINDS:
        return None
    kind = ARP_KINDS[operation]
    return Neighbour(kind, _vrrp.unpack('inet', target if kind == 'question' else sender), unpack_mac(mac), sender == target)


def _parse_nd(ip, mac):
    message = ip.payload
    whole = len(message) >= ND.size and ip.ttl == 255  # no router has passed it on
    if not whole or _vrrp.checksum(_vrrp.pseudo_header(ip.source, ip.destination, ICMPV6, len(message)) + message):
        return None
    number, code, dummy, flags, target = ND.unpack_from(message)
    if number not in ND_KINDS or code:
        return None
    wanted = {135: ND_SOURCE_MAC, 136: ND_TARGET_MAC}[number]
    announced = number == 136 and not flags & ND_SOLICITED
    return Neighbour(ND_KINDS[number], _vrrp.unpack('inet6', target), _options(message[ND.size:]).get(wanted, mac), announced)


def _options(data):
    """{type: MAC} of the options that hold one."""
    found = {}
    while len(data) >= ND_OPTION.size:
        kind, units, mac = ND_OPTION.unpack_from(data)
        if not units:
            break
        found.setdefault(kind, unpack_mac(mac))
        data = data[units * 8:]
    return found
