# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: the addresses of a Linux host, asked from the kernel through rtnetlink.

No ``ip`` command and no library is needed. ``addresses()`` is the reader; ``dump()`` and ``receive()`` are the I/O
below it; everything else turns bytes into data and can be called without a socket.
Sources: netlink(7), rtnetlink(7), linux/if_addr.h, linux/if_link.h.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import os
import socket
import struct

from ansible.module_utils.common.text.converters import to_native

NLMSGHDR = struct.Struct('=IHHII')  # length, type, flags, sequence number, port
RTATTR = struct.Struct('=HH')  # length, type
IFADDRMSG = struct.Struct('=BBBBI')  # family, prefix length, flags, scope, interface index
IFINFOMSG = struct.Struct('=BxHiII')  # family, type, interface index, flags, change mask
ERRNO = struct.Struct('=i')

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_OVERRUN = 4
NLM_F_REQUEST = 0x1
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLA_TYPE_MASK = 0x3fff

RTM_NEWLINK = 16
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_GETADDR = 22

IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_FLAGS = 8
IFF_UP = 0x1
IFF_LOWER_UP = 0x10000

FAMILIES = {socket.AF_INET: 'ipv4', socket.AF_INET6: 'ipv6'}
SCOPES = {0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere'}
FLAGS = ((0x02, 'nodad'), (0x04, 'optimistic'), (0x08, 'dadfailed'), (0x20, 'deprecated'), (0x40, 'tentative'), (0x80, 'permanent'))
FIRST_FLAG = {'ipv4': 'secondary', 'ipv6': 'temporary'}  # one bit, another meaning in each family

TIMEOUT = 5.0
ATTEMPTS = 10
BUFFER_SIZE = 65536  # the kernel fills at most 32 KiB of it


class NetlinkError(Exception):
    """The kernel could not be asked, or its answer could not be read."""

    def __init__(self, problem):
        super(NetlinkError, self).__init__(
            'cannot read the addresses of this host through rtnetlink: %s; '
            'run `ip addr` there as the same user, and look at its kernel log if that fails too' % problem)


def request(kind, sequence):
    """The bytes that ask for everything of one kind; the zeros are a header that filters nothing."""
    header = {RTM_GETADDR: IFADDRMSG, RTM_GETLINK: IFINFOMSG}[kind]
    return NLMSGHDR.pack(NLMSGHDR.size + header.size, kind, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0) + b'\0' * header.size


def _pieces(data, header):
    """Cut data into (header fields, body): messages and attributes alike start with their length and are padded to 4 bytes."""
    pieces, offset = [], 0
    while offset < len(data):
        left = len(data) - offset
        fields = header.unpack_from(data, offset) if left >= header.size else (0,)
        if not header.size <= fields[0] <= left:
            raise NetlinkError('a message of the kernel is cut off or malformed at byte %d of %d' % (offset, len(data)))
        pieces.append((fields, data[offset + header.size:offset + fields[0]]))
        offset += (fields[0] + 3) & ~3
    return pieces


def attributes(data):
    """{attribute type: value}."""
    return dict((kind & NLA_TYPE_MASK, value) for (dummy, kind), value in _pieces(data, RTATTR))


def _header(header, payload):
    if len(payload) < header.size:
        raise NetlinkError('a message of the kernel has %d bytes where %d are the least' % (len(payload), header.size))
    return header.unpack_from(payload), attributes(payload[header.size:])


def parse_address(payload):
    """One RTM_NEWADDR as a dict, None for a family other than IPv4 and IPv6."""
    (number, prefix, flags, scope, index), attrs = _header(IFADDRMSG, payload)
    if number not in FAMILIES:
        return None
    family = FAMILIES[number]
    # With a peer, IFA_ADDRESS is the other end and IFA_LOCAL this host's; IPv6 without a peer has no IFA_LOCAL.
    packed = attrs.get(IFA_LOCAL, attrs.get(IFA_ADDRESS, b''))
    try:
        address = socket.inet_ntop(number, packed)
    except ValueError:
        raise NetlinkError('an %s address of interface %d has %d bytes' % (family, index, len(packed)))
    return {
        'index': index,
        'family': family,
        'address': address,
        'prefix': prefix,
        'scope': SCOPES.get(scope, str(scope)),
        'flags': flag_names(family, address_flags(flags, attrs)),
    }


def address_flags(flags, attrs):
    """IFA_FLAGS has all 32 bits, the header only the lowest 8; kernels before 3.14 send the header's alone."""
    value = attrs.get(IFA_FLAGS, b'')
    return struct.unpack('=I', value)[0] if len(value) == 4 else flags


def flag_names(family, flags):
    first = [FIRST_FLAG[family]] if flags & 0x01 else []
    return first + [name for bit, name in FLAGS if flags & bit]


def parse_link(payload):
    """One RTM_NEWLINK as (interface index, dict)."""
    (dummy, dummy, index, flags, dummy), attrs = _header(IFINFOMSG, payload)
    return index, {
        'interface': to_native(attrs.get(IFLA_IFNAME, b'').rstrip(b'\0')),
        'up': bool(flags & IFF_UP),
        'lower_up': bool(flags & IFF_LOWER_UP),
        'mac': ':'.join('%02x' % byte for byte in bytearray(attrs.get(IFLA_ADDRESS, b''))),
    }


def join(address_payloads, link_payloads):
    """The list that addresses() returns; an address whose interface is gone has gone with it."""
    links = dict(parse_link(payload) for payload in link_payloads)
    found = [parse_address(payload) for payload in address_payloads]
    return [dict(address, **links[address['index']]) for address in found if address and address['index'] in links]


def _check_errno(payload):
    """An NLMSG_ERROR carries a negative errno; an NLMSG_DONE may, when the dump broke off."""
    errno = ERRNO.unpack_from(payload)[0] if len(payload) >= ERRNO.size else 0
    if errno < 0:
        raise NetlinkError('the kernel answered "%s"' % os.strerror(-errno))


def collect(datagrams, kind, sequence):
    """(payloads of that kind, whole) of the answer to one request; whole is false when the kernel's tables changed meanwhile."""
    payloads, whole = [], True
    for datagram in datagrams:
        for (dummy, found, flags, number, dummy), payload in _pieces(datagram, NLMSGHDR):
            if number != sequence:
                continue
            whole = whole and not flags & NLM_F_DUMP_INTR
            if found == NLMSG_OVERRUN:
                raise NetlinkError('the kernel lost data')
            if found in (NLMSG_ERROR, NLMSG_DONE):
                _check_errno(payload)
            if found == NLMSG_DONE:
                return payloads, whole
            if found == kind:
                payloads.append(payload)
    raise NetlinkError('the answer ended before it was complete')


def receive(sock):
    """One datagram, whole."""
    room = bytearray(BUFFER_SIZE)
    size = sock.recv_into(room, 0, socket.MSG_TRUNC)  # with MSG_TRUNC: the size sent, even where it did not fit
    if size > BUFFER_SIZE:
        raise NetlinkError('a datagram of %d bytes was truncated to %d' % (size, BUFFER_SIZE))
    return bytes(room[:size])


def dump(sock, get, new):
    """The payloads of everything of one kind, asked again when the kernel says that its tables changed while it answered."""
    for sequence in range(1, ATTEMPTS + 1):
        sock.send(request(get, sequence))
        payloads, whole = collect(iter(lambda: receive(sock), b''), new, sequence)
        if whole:
            return payloads
    raise NetlinkError('addresses or interfaces changed during each of %d dumps in a row' % ATTEMPTS)


def read(sock):
    """addresses() on a given socket."""
    try:
        # Addresses before interfaces: an interface made in between is then only one without addresses.
        return join(dump(sock, RTM_GETADDR, RTM_NEWADDR), dump(sock, RTM_GETLINK, RTM_NEWLINK))
    except socket.timeout:
        raise NetlinkError('no answer within %g s' % sock.gettimeout())
    except socket.error as error:
        raise NetlinkError(error)


def addresses(timeout=TIMEOUT):
    """Every IPv4 and IPv6 address of this network namespace, in the kernel's order.

    Each is a dict: interface, index, family ('ipv4', 'ipv6'), address (canonical text), prefix (int), scope, flags (list of
    the names that ``ip addr`` uses), and of the interface: up, lower_up (bool), mac (text, empty where there is none).
    """
    if not hasattr(socket, 'AF_NETLINK'):
        raise NetlinkError('this is not Linux')
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)  # protocol 0: NETLINK_ROUTE
    except socket.error as error:
        raise NetlinkError(error)
    with contextlib.closing(sock):
        sock.settimeout(timeout)
        return read(sock)
