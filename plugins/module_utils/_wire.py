# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: interfaces that are listened on for VRRP adverts, and for answers and announcements of ARP and neighbour discovery."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import ctypes
import errno
import socket
import struct

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
KEEP = 0x07  # what was loaded, in the index
EQUAL = 0x15
EQUAL_KEPT = 0x1d
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
    ('', EQUAL, 2, 'take', ''),  # an answer
    ('', WORD, 28),
    ('', KEEP, 0),
    ('', WORD, 38),
    ('', EQUAL_KEPT, 0, 'take', 'drop'),  # an announcement asks for the address of its sender
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
    """An interface that is listened on, and asked on. Adverts arrive for certain only with all multicast frames, answers without, too."""

    def __init__(self, link, timeout=SEND_TIMEOUT, multicast=True):
        self.name, self.mac = link['interface'], link['mac']
        self.note = None if link['lower_up'] else 'has no carrier' if link['up'] else 'is down'
        # Without a protocol it hears nothing yet, so that nothing comes in before the filter is there.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.socket.settimeout(timeout)
            attach(self.socket, assemble(FILTER))
            # Only with ETH_P_ALL does the kernel hand over what this host sends.
            self.socket.bind((self.name, ETH_P_ALL))
            if multicast:
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

    def ask(self, addresses, asker=None):
        for address in addresses if self.understood else ():
            try:
                self.socket.send(_neighbour.question(self.mac, address, asker))
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


@contextlib.contextmanager
def opened(chosen):
    """Listen on these interfaces."""
    wires = []
    try:
        for link in chosen:
            try:
                wires.append(Wire(link))
            except socket.error as error:
                raise ListenError('cannot listen on %s: %s; run the task as root (become: true), and look at `ip link` there'
                                  % (link['interface'], error))
        yield wires
    finally:
        for wire in wires:
            wire.close()
