# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vrrp_admissions
short_description: Tell what a firewall has to let in for VRRP
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives for each interface and peer, or multicast group, of a host's instances the packets that its keepalived needs to hear, and no more.
positional: _input
options:
  _input:
    description: The host's part of the plan, C(conf) of a host from P(vipkit.ha.vrrp_plan#filter).
    type: dict
    required: true
seealso:
  - plugin: vipkit.ha.vrrp_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what has to come in
  ansible.builtin.debug:
    msg: "{{ plan.hosts[inventory_hostname].conf | vipkit.ha.vrrp_admissions }}"
"""

RETURN = r"""
_value:
  description:
    - Admissions, each once. An advert to a multicast group comes with C(destination), one of a unicast peer with C(source).
    - C(protocol) is the number of the IP protocol, 112 for VRRP and 51 for an instance whose C(auth_type) is C(AH).
  type: list
  elements: dict
  sample:
    - interface: eth0
      family: ipv4
      protocol: 112
      destination: 224.0.0.18
    - interface: eth1
      family: ipv4
      protocol: 112
      source: 192.0.2.2
"""

GROUPS = {'ipv4': ('vrrp_mcast_group4', '224.0.0.18'), 'ipv6': ('vrrp_mcast_group6', 'ff02::12')}  # RFC 5798 section 5.1


def _family(address):
    return 'ipv6' if ':' in address else 'ipv4'


def _interfaces(block):
    """Where adverts come in: with a virtual MAC, on its own interface or on the one below, by version."""
    names = [block['interface']]
    vmac = block.get('use_vmac')
    if vmac:
        given = vmac.split()[:1] if isinstance(vmac, str) and ':' not in vmac.split()[0] else []
        names += given or [f"vrrp.{block['virtual_router_id']}"]
    return names


def _ends(block, global_defs):
    """From whom, or to which group, adverts come: family, and the end as a keyword with its address."""
    if block.get('unicast_peer'):
        peers = [str(peer).split()[0] for peer in block['unicast_peer']]
        return [(_family(peer), {'source': peer}) for peer in peers]
    addresses = [str(address).split()[0] for address in block.get('virtual_ipaddress') or []]
    family = 'ipv6' if block.get('native_ipv6') or 'ipv6' in map(_family, addresses[:1]) else 'ipv4'
    keyword, group = GROUPS[family]
    return [(family, {'destination': str(block.get('mcast_dst_ip') or global_defs.get(keyword) or group)})]


def vrrp_admissions(conf):
    """What has to come in for the instances of a host, each once."""
    found = []
    for block in conf.get('vrrp_instance') or []:
        protocol = 51 if (block.get('authentication') or {}).get('auth_type') == 'AH' else 112
        for interface in _interfaces(block):
            for family, end in _ends(block, conf.get('global_defs') or {}):
                admission = {'interface': interface, 'family': family, 'protocol': protocol, **end}
                if admission not in found:
                    found.append(admission)
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vrrp_admissions': vrrp_admissions}
