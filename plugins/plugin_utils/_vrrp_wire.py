# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts heard on the wire, told by name. PRIVATE to this collection.

``heard`` is what vipkit.ha.vrrp_adverts returned, by the host that listened.
"""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import Host, interface_of

_FAMILIES = {'inet': 4, 'inet6': 6}
_VIRTUAL_MAC = '00:00:5e:00:0'  # RFC 5798 section 7.3


def virtual_router(vip):
    """What tells the virtual router of a virtual IP from all others of the plan."""
    return vip['instance'], tuple(vip['nodes'])


class Wire:
    """Adverts and answers, each with the instance that it is about and the name of who sent it."""

    def __init__(self, plan, heard, hostvars):
        virtual = {vip['address'] for vip in plan['vips']}
        hosts = [Host(name, hostvars, set()) for name in plan['members']]
        self.knows_all = all(host.is_known for host in hosts)
        self.by_address = {str(entry.ip): host.name for host in hosts for held in host.interfaces.values() for entry in held
                           if str(entry.ip) not in virtual}
        self.by_mac = {mac: host.name for host in hosts for mac in host.macs if not mac.startswith(_VIRTUAL_MAC)}
        self.instance_of = {vip['address']: vip['instance'] for vip in plan['vips']}
        self.blocks = {(name, block['interface'], int(block['virtual_router_id']), _family(block)): block
                       for name, host in plan['hosts'].items() for block in host['conf']['vrrp_instance']}
        self.vmacs = {block['name'] for block in self.blocks.values() if block.get('use_vmac') or block.get('use_vmac_addr')}
        # instances of two clusters may have the same name, so it takes the nodes to tell them apart
        self.router_of = {(node, vip['instance']): virtual_router(vip) for vip in plan['vips'] for node in vip['nodes']}
        # (listener, instance, who or None, advert)
        self.adverts = [(name, block['name'], self.by_address.get(advert['source']), advert)
                        for name, result in heard.items() for advert in result.get('adverts', []) for block in [self._block(name, advert)]
                        if block and advert['priorities'] != [0]]
        self.answers = [(name, self.by_mac.get(answer['mac'].lower()), answer)
                        for name, result in heard.items() for answer in result.get('answers', []) if answer['address'] in self.instance_of]

    def _block(self, listener, advert):
        return self.blocks.get((listener, advert['interface'], advert['virtual_router_id'], _FAMILIES[advert['family']]))

    def _is_ours(self, answer):
        return answer['mac'].startswith(_VIRTUAL_MAC) and self.instance_of[answer['address']] in self.vmacs

    def advertised_by(self):
        """Who advertises each virtual router."""
        found = {}
        for listener, instance, who, advert in self.adverts:
            if who is None and not self.knows_all or (listener, instance) not in self.router_of:
                continue  # it could be a member of which nothing is known
            found.setdefault(self.router_of[listener, instance], set()).add(who or f"{advert['source']} ({advert['mac']})")
        return {router: sorted(names) for router, names in found.items()}

    def answered_by(self):
        """Who answers for each virtual IP; a virtual router's own hardware address tells nothing."""
        found = {}
        for dummy, who, answer in self.answers:
            if who or self.knows_all and not self._is_ours(answer):
                found.setdefault(answer['address'], set()).add(who or answer['mac'])
        return {address: sorted(names) for address, names in found.items()}

    def strangers(self):
        """A sentence for each router and each hardware address that is none of the members' and uses what is theirs."""
        if not self.knows_all:
            return []  # it could be a member of which nothing is known
        found = [f"{instance}: virtual_router_id {advert['virtual_router_id']} is in use on {advert['interface']} of {listener} by {advert['source']} "
                 f"({advert['mac']}, priority {advert['priority']}, version {advert['version']}), which is no member: "
                 'give the instance an id that is free there, or stop that router.'
                 for listener, instance, who, advert in self.adverts if who is None]
        found += [f"{self.instance_of[answer['address']]}: {answer['address']} is in use, since {answer['mac']} answers for it on {answer['interface']} of "
                  f'{listener}, and no member has that hardware address: choose an address that is free, or free it.'
                  for listener, who, answer in self.answers if who is None and not self._is_ours(answer)]
        return list(dict.fromkeys(found))


def _family(block):
    first = interface_of(block['virtual_ipaddress'][0])
    return first.version if first else 4
