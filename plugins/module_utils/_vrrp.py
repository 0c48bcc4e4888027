# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: VRRP adverts, versions 2 and 3, over IPv4 and IPv6, in the IP packets that carry them.

``split_ip()`` takes an IP packet apart, ``parse()`` reads the advert in it, ``build()`` makes a packet with one. Nothing here
does I/O. The password of VRRP version 2 is never read.
Sources: RFC 3768 (version 2), RFC 2338 (its authentication), RFC 5798 and RFC 9568 (version 3), RFC 4302 (AH).
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import socket
import struct

from ansible.module_utils.common.text.converters import to_bytes

VRRP = 112
AH = 51
ADVERTISEMENT = 1
TTL = 255
GROUP = '224.0.0.18'
AUTH_TYPES = ('none', 'simple', 'ah')

IPV4 = struct.Struct('!BBHHHBBH4s4s')  # version and header length, TOS, length, id, fragment, TTL, protocol, checksum, from, to
IPV6 = struct.Struct('!IHBB16s16s')  # version, class and flow label, length, next header, hop limit, from, to
AH_HEADER = struct.Struct('!BB')  # next header, length in words less 2; more follows
HEADER = struct.Struct('!BBBBHH')  # version and type, virtual router, priority, number of addresses, interval, checksum
AUTH_DATA = 8
ICV = 12

FAMILIES = {'inet': socket.AF_INET, 'inet6': socket.AF_INET6}
ADDRESS_SIZES = {'inet': 4, 'inet6': 16}

IP = collections.namedtuple('IP', 'family source destination protocol ttl fragment payload')


class VrrpError(Exception):
    """The packet says that it is VRRP, and is not."""


def family_of(address):
    return 'inet6' if ':' in address else 'inet'


def pack(address):
    return socket.inet_pton(FAMILIES[family_of(address)], address)


def unpack(family, data):
    return socket.inet_ntop(FAMILIES[family], data)


def checksum(data):
    """The Internet checksum (RFC 1071): that to write where the field is zero, and zero over data with a right one."""
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def pseudo_header(source, destination, protocol, length):
    """What a checksum covers besides the message."""
    tail = struct.pack('!II', length, protocol) if ':' in source else struct.pack('!HH', protocol, length)
    return pack(source) + pack(destination) + tail


def split_ip(packet):
    """The parts of an IP packet, without what pads its frame; None where it is not one."""
    version = bytearray(packet[:1] or b'\0')[0] >> 4
    if version == 4 and len(packet) >= IPV4.size:
        first, dummy, length, dummy, fragment, ttl, protocol, dummy, source, destination = IPV4.unpack_from(packet)
        return IP('inet', unpack('inet', source), unpack('inet', destination), protocol, ttl, bool(fragment & 0x3fff),
                  packet[(first & 0x0f) * 4:length])
    if version == 6 and len(packet) >= IPV6.size:
        dummy, length, protocol, ttl, source, destination = IPV6.unpack_from(packet)
        return IP('inet6', unpack('inet6', source), unpack('inet6', destination), protocol, ttl, False,
                  packet[IPV6.size:IPV6.size + length])
    return None


def ip_packet(source, destination, protocol, payload, ttl=TTL):
    if ':' in source:
        return IPV6.pack(0x60000000, len(payload), protocol, ttl, pack(source), pack(destination)) + payload
    fields = [0x45, 0, IPV4.size + len(payload), 0, 0, ttl, protocol, 0, pack(source), pack(destination)]
    fields[7] = checksum(IPV4.pack(*fields))
    return IPV4.pack(*fields) + payload


def parse(ip):
    """The advert in the packet that split_ip() took apart, None where it carries something else.

    A dict: source, destination, family ('inet', 'inet6'), version, virtual_router_id, priority, advert_int (seconds, float),
    auth_type ('none', 'simple', 'ah'), virtual_ipaddress (list, as sent), checksum_ok, ttl_ok.
    """
    protocol, message, wrapped = ip.protocol, ip.payload, ip.protocol == AH
    if wrapped and len(message) >= AH_HEADER.size:
        protocol, words = AH_HEADER.unpack_from(message)
        message = message[(words + 2) * 4:]
    if protocol != VRRP:
        return None
    if ip.fragment:
        raise VrrpError('it is a fragment of an IP packet; adverts are never fragmented')
    return dict(_parse_message(ip, message, wrapped), source=ip.source, destination=ip.destination, family=ip.family,
                ttl_ok=ip.ttl == TTL)


def _parse_message(ip, message, wrapped):
    if len(message) < HEADER.size:
        raise VrrpError('it has %d bytes, where %d are the least' % (len(message), HEADER.size))
    first, router, priority, number, interval, dummy = HEADER.unpack_from(message)
    version, kind = first >> 4, first & 0x0f
    if version not in (2, 3):
        raise VrrpError('its VRRP version is %d, neither 2 nor 3' % version)
    if kind != ADVERTISEMENT:
        raise VrrpError('its VRRP type is %d, where %d is the only one' % (kind, ADVERTISEMENT))

    size = ADDRESS_SIZES[ip.family]
    addresses = [message[start:start + size] for start in range(HEADER.size, HEADER.size + number * size, size)]
    # Version 2 was made for IPv4; where it is sent over IPv6 nevertheless, it comes without authentication data.
    length = HEADER.size + number * size + (AUTH_DATA if (version, ip.family) == (2, 'inet') else 0)
    if len(message) < length:
        raise VrrpError('it has %d bytes, where %d addresses take %d' % (len(message), number, length))
    return {
        'version': version,
        'virtual_router_id': router,
        'priority': priority,
        'advert_int': float(interval & 0xff) if version == 2 else (interval & 0x0fff) / 100,
        'auth_type': _auth_type(version, interval >> 8, wrapped),
        'virtual_ipaddress': [unpack(ip.family, address) for address in addresses],
        # Some daemons sign with a trailer behind the message (keepalived 2.4: auth_hmac), which the checksum may cover or not.
        'checksum_ok': any(_checksum_ok(ip, version, part) for part in (message, message[:length])),
    }


def _auth_type(version, number, wrapped):
    if wrapped:
        return 'ah'
    if version == 3:
        return 'none'
    if number >= len(AUTH_TYPES):
        raise VrrpError('its authentication type is %d, where %d is the greatest' % (number, len(AUTH_TYPES) - 1))
    return AUTH_TYPES[number]


def _checksum_ok(ip, version, message):
    """Whether it is right in one of the ways in which daemons compute it."""
    # Over IPv6 it is with the pseudo header, always. Over IPv4 version 2 has none. Version 3 has one; in unicast adverts
    # of old daemons it has the group as destination, and some daemons leave it out (keepalived: v3_checksum_as_v2).
    covered = [pseudo_header(ip.source, ip.destination, VRRP, len(message))]
    if ip.family == 'inet':
        covered = [b''] if version == 2 else covered + [pseudo_header(ip.source, GROUP, VRRP, len(message)), b'']
    return any(checksum(before + message) == 0 for before in covered)


def build(source, destination, virtual_router_id, priority, virtual_ipaddress, version=2, advert_int=1, auth_type='none',
          auth_pass='', ttl=TTL):
    """An IP packet with an advert; advert_int in seconds. With auth_type 'ah' it has the form of one and is not signed."""
    auth = AUTH_TYPES.index(auth_type)
    interval = auth << 8 | int(advert_int) if version == 2 else int(round(advert_int * 100))
    body = b''.join(pack(address) for address in virtual_ipaddress)
    if (version, family_of(source)) == (2, 'inet'):
        body += to_bytes(auth_pass)[:AUTH_DATA].ljust(AUTH_DATA, b'\0')
    fields = [version << 4 | ADVERTISEMENT, virtual_router_id, priority, len(virtual_ipaddress), interval, 0]
    covered = HEADER.pack(*fields) + body
    if (version, family_of(source)) != (2, 'inet'):
        covered = pseudo_header(source, destination, VRRP, len(covered)) + covered
    fields[5] = checksum(covered)
    message = HEADER.pack(*fields) + body
    if auth_type == 'ah':
        length = 3 * 4 + ICV
        message = AH_HEADER.pack(VRRP, length // 4 - 2) + b'\0' * (length - AH_HEADER.size) + message
    return ip_packet(source, destination, AH if auth_type == 'ah' else VRRP, message, ttl)
