# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: hear the adverts of VRRP on interfaces, and ask there who has given addresses.

``run()`` takes the options of the module vrrp_adverts, whose documentation says what comes of them.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import ctypes
import errno
import os
import select
import socket
import struct
import time

from ansible_collections.vipkit.ha.plugins.module_utils import _neighbour, _netlink, _vrrp

ETH_P_ALL = 0x0003
ARPHRD_ETHER = 1
ARPHRD_LOOPBACK = 772
PACKET_OUTGOING = 4
SO_ATTACH_FILTER = 26
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_MR_ALLMULTI = 2
PACKET_MREQ = struct.Struct('=iHH8s')  # interface index, type, length of an address, address
BUFFER_SIZE = 65536
SEND_TIMEOUT = 1.0

# The filter is a program for the kernel (BPF). Each line: label, operation, operand, label to go on at if equal, and if not.
INSTRUCTION = struct.Struct('=HBBI')  # operation, lines to skip if equal, lines to skip if not, operand
WORD = 0x20  # load what is at that offset of the frame
HALF = 0x28
BYTE = 0x30
IP_HEADER_SIZE = 0xb1  # load into the index the size of the IPv4 header at that offset
INDEXED_BYTE = 0x50  # load what is at that offset plus the index
AND = 0x54
EQUAL = 0x15
END = 0x06
VLAN_TAG = 0xfffff000 + 44  # an offset beyond the frame: the kernel has taken the tag out of it
VLAN_TAG_PRESENT = 0xfffff000 + 48
FILTER = (
    ('', WORD, VLAN_TAG_PRESENT),
    ('', EQUAL, 0, 'untagged', ''),
    ('', WORD, VLAN_TAG),
    ('', AND, 0x0fff),
    ('', EQUAL, 0, 'untagged', 'drop'),  # VLAN 0 is none: the tag is there for the priority in it
    ('untagged', HALF, 12),
    ('', EQUAL, _neighbour.ETH_P_ARP, 'arp', ''),
    ('', EQUAL, _neighbour.ETH_P_IP, 'ipv4', ''),
    ('', EQUAL, _neighbour.ETH_P_IPV6, 'ipv6', 'drop'),
    ('arp', HALF, 20),
    ('', EQUAL, 2, 'take', 'drop'),  # an answer
    ('ipv4', BYTE, 23),
    ('', EQUAL, _vrrp.VRRP, 'take', ''),
    ('', EQUAL, _vrrp.AH, '', 'drop'),
    ('', IP_HEADER_SIZE, 14),
    ('', INDEXED_BYTE, 14),
    ('', EQUAL, _vrrp.VRRP, 'take', 'drop'),
    ('ipv6', BYTE, 20),
    ('', EQUAL, _vrrp.VRRP, 'take', ''),
    ('', EQUAL, _vrrp.AH, '', 'nd'),
    ('', BYTE, 54),
    ('', EQUAL, _vrrp.VRRP, 'take', 'drop'),
    ('nd', EQUAL, _neighbour.ICMPV6, '', 'drop'),
    ('', BYTE, 54),
    ('', EQUAL, 136, 'take', 'drop'),  # an answer
    ('take', END, BUFFER_SIZE),
    ('drop', END, 0),
)


class ListenError(Exception):
    """The options make no sense on this host, or the host does not let the module listen."""


# --- pure ---

def canonical(given):
    """The address of 'address' or 'address/prefix' in the form that it is heard in."""
    address, slash, prefix = given.partition('/')
    family, bits = ('inet6', 128) if ':' in address else ('inet', 32)
    try:
        packed = _vrrp.pack(address)
        usable = not slash or (prefix.isdigit() and int(prefix) <= bits)
    except (socket.error, ValueError):
        usable = False
    if not usable:
        raise ListenError("'%s' is not an address; write it like 192.0.2.10 or 2001:db8::10" % given)
    return _vrrp.unpack(family, packed)


def check_seconds(name, seconds):
    if not 0 <= seconds < float('inf'):
        raise ListenError('%s is %s; give it as seconds, 0 or more' % (name, seconds))


def choose(names, links):
    """The interfaces of that name, each once, as links() tells them."""
    if not names:
        raise ListenError('there is no interface to listen on; give at least one in interfaces')
    missing = sorted(name for name in set(names) if name not in links)
    if missing:
        raise ListenError('%s does not exist on this host; it has %s' % (', '.join(missing), ', '.join(sorted(links))))
    return [links[name] for name in sorted(set(names))]


def assemble(program):
    """The bytes of a filter."""
    places = dict((line[0], number) for number, line in enumerate(program))
    code = []
    for number, line in enumerate(program):
        skips = [places[label] - number - 1 if label else 0 for label in line[3:]] or [0, 0]
        code.append(INSTRUCTION.pack(line[1], skips[0], skips[1], line[2]))
    return b''.join(code)


class Heard(object):
    """What the frames said so far."""

    def __init__(self, addresses):
        self.addresses = set(addresses)
        self.adverts = {}
        self.malformed = set()
        self.answers = set()

    def take(self, interface, data, outgoing):
        frame = _neighbour.split_frame(data)
        if not frame:
            return
        neighbour = _neighbour.parse(frame)
        if neighbour:
            # What this host tells others is no answer to its own question.
            if neighbour.kind == 'answer' and neighbour.address in self.addresses and not outgoing:
                self.answers.add((neighbour.address, interface, neighbour.mac))
            return
        ip = _vrrp.split_ip(frame.payload)
        if not ip:
            return
        try:
            advert = _vrrp.parse(ip)
        except _vrrp.VrrpError as error:
            self.malformed.add((interface, ip.source, str(error)))
            return
        if advert:
            self.count(dict(advert, interface=interface, mac=frame.source, outgoing=outgoing))

    def count(self, advert):
        key = tuple(advert[name] for name in ('interface', 'family', 'virtual_router_id', 'version', 'source'))
        before = self.adverts.get(key, {'outgoing': False, 'checksum_ok': True, 'ttl_ok': True, 'priorities': [], 'count': 0})
        self.adverts[key] = dict(
            advert,
            outgoing=before['outgoing'] or advert['outgoing'],
            checksum_ok=before['checksum_ok'] and advert['checksum_ok'],
            ttl_ok=before['ttl_ok'] and advert['ttl_ok'],
            priorities=sorted(set(before['priorities'] + [advert['priority']])),
            count=before['count'] + 1,
        )

    def has(self, routers):
        return set(routers) <= set(advert['virtual_router_id'] for advert in self.adverts.values())

    def result(self):
        return {
            'adverts': [self.adverts[key] for key in sorted(self.adverts)],
            'malformed': [dict(zip(('interface', 'source', 'problem'), one)) for one in sorted(self.malformed)],
            'answers': [dict(zip(('address', 'interface', 'mac'), one)) for one in sorted(self.answers)],
        }


# --- the wire ---

def links():
    """{name: the interface of that name} of this network namespace."""
    try:
        with contextlib.closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)) as sock:
            sock.settimeout(_netlink.TIMEOUT)
            found = [_netlink.parse_link(payload) for payload in _netlink.dump(sock, _netlink.RTM_GETLINK, _netlink.RTM_NEWLINK)]
    except socket.error as error:
        raise ListenError('cannot read the interfaces of this host: %s; run `ip link` there as the same user' % error)
    return dict((link['interface'], dict(link, index=index)) for index, link in found)


class Wire(object):
    """An interface that is listened on, and asked on."""

    def __init__(self, link):
        self.name, self.mac = link['interface'], link['mac']
        self.note = None if link['lower_up'] else 'has no carrier' if link['up'] else 'is down'
        # Without a protocol it hears nothing yet, so that nothing comes in before the filter is there.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.socket.settimeout(SEND_TIMEOUT)
            attach(self.socket, assemble(FILTER))
            # Only with ETH_P_ALL does the kernel hand over what this host sends.
            self.socket.bind((self.name, ETH_P_ALL))
            everything = PACKET_MREQ.pack(link['index'], PACKET_MR_ALLMULTI, 0, b'')
            self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, everything)  # ends when the socket is closed
        except socket.error:
            self.socket.close()
            raise
        self.understood = self.socket.getsockname()[3] in (ARPHRD_ETHER, ARPHRD_LOOPBACK)
        if not self.understood:
            self.note = 'is not an Ethernet interface'

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def hear(self):
        """(frame, whether this host sent it), None where there was none."""
        try:
            data, origin = self.socket.recvfrom(BUFFER_SIZE)
        except socket.error as error:
            self.fails(error)
            return None
        return (data, origin[2] == PACKET_OUTGOING) if self.understood else None

    def ask(self, addresses):
        for address in addresses if self.understood else ():
            try:
                self.socket.send(_neighbour.question(self.mac, address))
            except socket.error as error:
                self.fails(error)
                return

    def fails(self, error):
        """An interface may go down at any time, and one that was down has told so at the start."""
        if self.note is None:
            self.note = 'went down' if error.errno == errno.ENETDOWN else 'failed (%s)' % error


def attach(sock, code):
    """Let the kernel hand over only the frames that the filter takes."""
    room = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('HP', len(code) // INSTRUCTION.size, ctypes.addressof(room)))


def observe(wires, heard, addresses, duration, clock, routers=(), enough=0.0):
    """Listen and ask until more than the duration has passed, or what is enough of it if all routers have been heard."""
    start, due, pause = clock(), 0.0, max(0.01, min(1.0, duration / 4))
    while True:
        elapsed = clock() - start
        if addresses and elapsed >= due:
            for wire in wires:
                wire.ask(addresses)
            due += pause
        rest = min([duration] + ([due] if addresses else []) + ([enough] if routers and elapsed < enough else [])) - elapsed
        # At least a little, so that the end of a step is not waited for at full speed.
        for wire in select.select(wires, [], [], max(rest, 0.001))[0]:
            found = wire.hear()
            if found:
                heard.take(wire.name, *found)
        # more, and not by a rounding error, as the clock may go in steps
        if round(clock() - start, 6) > (enough if routers and heard.has(routers) else duration):
            return


def listen(chosen, addresses, duration, clock, routers=(), enough=0.0):
    """(what was heard, notes on the interfaces)."""
    heard, wires = Heard(addresses), []
    try:
        for link in chosen:
            try:
                wires.append(Wire(link))
            except socket.error as error:
                raise ListenError('cannot listen on %s: %s; run the task as root (become: true), and look at `ip link` there'
                                  % (link['interface'], error))
        observe(wires, heard, addresses, duration, clock, routers, enough)
        return heard.result(), ['%s %s, so not everything could be heard there' % (wire.name, wire.note) for wire in wires if wire.note]
    finally:
        for wire in wires:
            wire.close()


def monotonic():
    """Seconds on a clock that nobody sets; Python 2.7 has one on Linux too, in steps of 10 ms, as the fifth of os.times()."""
    return time.monotonic() if hasattr(time, 'monotonic') else os.times()[4]


ARGUMENTS = dict(
    interfaces=dict(type='list', elements='str', required=True),
    duration=dict(type='float', default=3),
    virtual_router_ids=dict(type='list', elements='int', default=[]),
    enough=dict(type='float'),
    addresses=dict(type='list', elements='str', default=[]),
)


def run(options):
    """(what was heard, notes on the interfaces) for values of ARGUMENTS; ListenError or _netlink.NetlinkError."""
    enough = options['duration'] if options['enough'] is None else options['enough']
    check_seconds('duration', options['duration'])
    check_seconds('enough', enough)
    addresses = sorted(set(canonical(address) for address in options['addresses']))
    chosen = choose(options['interfaces'], links())
    return listen(chosen, addresses, options['duration'], monotonic, options['virtual_router_ids'], enough)
