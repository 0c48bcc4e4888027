#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: vrrp_adverts
short_description: Listen for VRRP adverts, and ask on the wire who has given addresses
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Listens on interfaces for the adverts of VRRP, versions 2 and 3, over IPv4 and IPv6. Tells who sends them, with which
    priorities and for which virtual IPs.
  - Meanwhile asks on the same interfaces who has the given addresses, by ARP or by neighbour discovery, and tells the
    hardware address of everyone who answers. Two for one address are two hosts that hold it, at once or one after the other.
  - Sees the adverts that the host itself sends, too. They are marked with RV(adverts[].outgoing).
  - Does not judge. Which adverts and answers are the right ones is for the caller to say.
  - Does not see this host among the answers. No host answers its own question, so ask from another one whether this one answers.
  - Does not look at keepalived, and needs none on the host.
options:
  interfaces:
    description:
      - Names of the interfaces to listen on and to ask on.
      - Adverts in a VLAN are heard on the interface of that VLAN, like C(eth0.100), and not on the one below it.
      - An interface that is down is no error. Nothing is heard there, and a warning says so.
    type: list
    elements: str
    required: true
  duration:
    description:
      - Seconds to listen. The module ends after them and not earlier, unless O(enough) lets it.
      - A sender is heard for certain only if this is longer than its advertisement interval.
    type: float
    default: 3
  virtual_router_ids:
    description:
      - Virtual routers that are expected on these interfaces, by their numbers.
    type: list
    elements: int
    default: []
  enough:
    description:
      - Seconds after which the module may end, if each of the O(virtual_router_ids) has been heard by then, whoever advertises it.
        Otherwise it ends as soon as the last one is heard, and after O(duration) at the latest.
      - Everyone who advertises in shorter intervals is heard, too. Without O(virtual_router_ids) it changes nothing.
    type: float
  addresses:
    description:
      - Addresses to ask for, IPv4 or IPv6, with or without a prefix length.
      - Each is asked for on each of the O(interfaces), again and again, every second or four times within O(duration),
        whichever is more often.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - It listens and asks in check mode as well, because neither changes anything. A question names no IP address as its
        sender, so that nobody learns or forgets a neighbour from it. See the notes for the one case in which a question does harm.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details:
      - It changes nothing, so there is nothing to compare.
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
    details:
      - RV(ignore:changed) is always V(false).
  platform:
    description: The platforms that the module runs on.
    support: full
    platforms: linux
notes:
  - Needs root, or the capability C(CAP_NET_RAW), and a kernel of 3.8 or newer.
  - The interfaces are those of the network namespace that the module runs in. They take in all multicast frames meanwhile, so that
    adverts arrive without keepalived, too. The kernel logs that.
  - The kernel hands over nothing but adverts, answers and announcements, so a busy interface does no harm.
  - The questions look like those that a host asks before it takes an address. A host that is just asking itself for the same
    address takes that for a conflict and gives the address up (IPv6 C(dadfailed)). keepalived adds its virtual IPs without asking, so
    they are safe, except IPv6 ones with C(-nodad). Do not ask for an address while it is being added to an interface in another way.
  - Everyone who is heard to answer for an address in O(addresses) is in RV(answers), whoever had asked, and so is everyone who announces
    the address in the form of an answer without having been asked.
  - An address that is held and not answered for is not found. Kernels are told so by C(arp_ignore), and a firewall may do it.
  - A host with two interfaces in the same network may answer with the hardware addresses of both, unless its C(arp_ignore) is set. If
    it is this host, it answers through the one interface what it asks through the other.
  - A network that snoops for IPv6 listeners (MLD) may keep adverts over IPv6 from a host that runs no keepalived.
  - Frames of interfaces that are not Ethernet are not understood. A warning says so.
  - The password of VRRP version 2 is on the wire for all to read. This module does not read it and does not return it.
  - The signature of adverts, as by AH, is not verified. Nor is the trailer that keepalived 2.4 adds for C(auth_hmac).
  - The module fails on an interface that does not exist, on no interface, on an address that it cannot read, on an O(duration) or
    O(enough) that is negative, and without the right to listen.
  - Sources are RFC 2338, RFC 3768, RFC 5798, RFC 9568 (VRRP), RFC 5227 (ARP), RFC 4861, RFC 4862 (neighbour discovery) and packet(7).
seealso:
  - module: vipkit.ha.vip_ownership
  - name: packet(7)
    description: How Linux hands over frames.
    link: https://man7.org/linux/man-pages/man7/packet.7.html
"""

EXAMPLES = r"""
- name: Listen for who claims to be master
  vipkit.ha.vrrp_adverts:
    interfaces: [eth0]
  become: true
  register: heard

- name: Prove that virtual router 51 has exactly one master
  ansible.builtin.assert:
    that: masters | length == 1
    fail_msg: "Masters of virtual router 51: {{ masters | map(attribute='source') | join(', ') }}"
  vars:
    masters: "{{ heard.adverts | selectattr('virtual_router_id', 'equalto', 51) | selectattr('priority', 'gt', 0) }}"

- name: Ask from a third host who answers for the virtual IPs
  vipkit.ha.vrrp_adverts:
    interfaces: [eth0]
    addresses:
      - 192.0.2.10
      - 2001:db8::10
    duration: 2
  become: true
  register: asked

- name: Prove that each of them has exactly one holder
  ansible.builtin.assert:
    that: asked.answers | map(attribute='address') | sort == ['192.0.2.10', '2001:db8::10']
    fail_msg: "These answered: {{ asked.answers }}"
"""

RETURN = r"""
adverts:
  description:
    - The adverts heard, one entry for each interface, source, virtual router, version and family, sorted by these.
    - What is not said otherwise is that of the last advert.
  returned: success
  type: list
  elements: dict
  contains:
    interface:
      description: The interface that they were heard on.
      returned: always
      type: str
      sample: eth0
    source:
      description: IP address of the sender.
      returned: always
      type: str
      sample: 192.0.2.1
    mac:
      description: Hardware address of the sender. It is C(00:00:5e:00:01:XX) with C(use_vmac) of keepalived.
      returned: always
      type: str
      sample: "00:00:5e:00:53:01"
    destination:
      description: V(224.0.0.18) or V(ff02::12), or the address of this host where adverts are sent to single hosts.
      returned: always
      type: str
      sample: 224.0.0.18
    family:
      description: V(inet) or V(inet6).
      returned: always
      type: str
      sample: inet
    outgoing:
      description: Whether this host sent at least one of them.
      returned: always
      type: bool
      sample: false
    version:
      description: Version of VRRP, V(2) or V(3).
      returned: always
      type: int
      sample: 2
    virtual_router_id:
      description: Number of the virtual router.
      returned: always
      type: int
      sample: 51
    priority:
      description: Priority of the sender. V(0) says that it stops being master.
      returned: always
      type: int
      sample: 100
    priorities:
      description: All the priorities heard, sorted.
      returned: always
      type: list
      elements: int
      sample: [0, 100]
    advert_int:
      description: Seconds between two adverts, as the sender says.
      returned: always
      type: float
      sample: 1.0
    auth_type:
      description: V(none), V(simple) (a password), or V(ah) (signed, IP protocol 51).
      returned: always
      type: str
      sample: none
    virtual_ipaddress:
      description: The virtual IPs in the order in which they are sent. Those in C(virtual_ipaddress_excluded) are not sent.
      returned: always
      type: list
      elements: str
      sample: [192.0.2.10]
    count:
      description: How many adverts were heard.
      returned: always
      type: int
      sample: 3
    checksum_ok:
      description:
        - Whether the checksum of all of them was right.
        - For version 3 over IPv4 it may cover the pseudo header, the one with V(224.0.0.18) in it, or none, as senders differ in that.
      returned: always
      type: bool
      sample: true
    ttl_ok:
      description: Whether the TTL of all of them was 255, so that no router has passed them on.
      returned: always
      type: bool
      sample: true
  sample:
    - interface: eth0
      source: 192.0.2.1
      mac: "00:00:5e:00:53:01"
      destination: 224.0.0.18
      family: inet
      outgoing: false
      version: 2
      virtual_router_id: 51
      priority: 100
      priorities: [100]
      advert_int: 1.0
      auth_type: none
      virtual_ipaddress: [192.0.2.10]
      count: 3
      checksum_ok: true
      ttl_ok: true
malformed:
  description: Packets of IP protocol 112 that are no adverts. Those that are alike are one entry.
  returned: success
  type: list
  elements: dict
  contains:
    interface:
      description: The interface that they were heard on.
      returned: always
      type: str
      sample: eth0
    source:
      description: IP address of the sender.
      returned: always
      type: str
      sample: 192.0.2.66
    problem:
      description: What is wrong with them.
      returned: always
      type: str
      sample: its VRRP version is 7, neither 2 nor 3
  sample: []
answers:
  description: Who answered for the O(addresses), one entry for each address, interface and hardware address, sorted by these.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address that was asked for, in its canonical form.
      returned: always
      type: str
      sample: 192.0.2.10
    interface:
      description: The interface that the answer was heard on.
      returned: always
      type: str
      sample: eth0
    mac:
      description: The hardware address that has it, as the answer says.
      returned: always
      type: str
      sample: "00:00:5e:00:53:01"
  sample:
    - address: 192.0.2.10
      interface: eth0
      mac: "00:00:5e:00:53:01"
"""

import select
import socket

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vipkit.ha.plugins.module_utils import _clock, _neighbour, _netlink, _vrrp
from ansible_collections.vipkit.ha.plugins.module_utils._wire import ListenError, choose, links, opened


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
    heard = Heard(addresses)
    with opened(chosen) as wires:
        observe(wires, heard, addresses, duration, clock, routers, enough)
        return heard.result(), ['%s %s, so not everything could be heard there' % (wire.name, wire.note) for wire in wires if wire.note]


def main():
    module = AnsibleModule(
        argument_spec=dict(
            interfaces=dict(type='list', elements='str', required=True),
            duration=dict(type='float', default=3),
            virtual_router_ids=dict(type='list', elements='int', default=[]),
            enough=dict(type='float'),
            addresses=dict(type='list', elements='str', default=[]),
        ),
        supports_check_mode=True,
    )
    try:
        options = module.params
        enough = options['duration'] if options['enough'] is None else options['enough']
        check_seconds('duration', options['duration'])
        check_seconds('enough', enough)
        addresses = sorted(set(canonical(address) for address in options['addresses']))
        chosen = choose(options['interfaces'], links())
        result, notes = listen(chosen, addresses, options['duration'], _clock.monotonic, options['virtual_router_ids'], enough)
    except (ListenError, _netlink.NetlinkError) as error:
        module.fail_json(msg=str(error))

    for note in notes:
        module.warn(note)
    module.exit_json(changed=False, **result)


if __name__ == '__main__':
    main()
