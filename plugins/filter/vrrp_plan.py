# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vrrp_plan
short_description: Work out what each host of a VRRP cluster is
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Turns the description of a cluster into one plan - which instances each host runs, in which state, with which priority and on
    which interface, and which host owns each virtual IP.
  - Roles, playbooks and verification all read this plan; nothing works it out a second time.
  - What is wrong with the description comes back as text in RV(_value.findings), all of it at once, so that the caller can
    stop before any host is touched. A plan with findings is not fit for use.
  - The plan holds no password. See P(vipkit.ha.vrrp_secrets#filter).
positional: _input
options:
  _input:
    description:
      - The instances. Each has a C(name), its C(nodes) in order of preference and keywords of a C(vrrp_instance) block of keepalived.conf.
      - An element of C(nodes) is a host's name, or a dictionary with that C(name) and keywords for this host alone.
      - Without C(nodes), all of O(nodes) serve, each instance starting one host further on, so that masters spread evenly.
    type: list
    elements: dict
    required: true
  nodes:
    description: Hosts that serve instances which name none.
    type: list
    elements: str
    default: []
  hostvars:
    description:
      - Ansible's C(hostvars). Only C(ansible_facts) of the nodes is read.
      - A node without facts (outside of C(--limit)) gets no derived interface, and is not checked against its addresses.
    type: dict
    required: true
  scripts:
    description:
      - The C(vrrp_script) blocks. Every instance tracks all of them unless it has a C(track_script) of its own.
      - One with a C(check) gets no C(script) here, since its path may differ from host to host. See P(vipkit.ha.keepalived_conf#filter).
    type: list
    elements: dict
    default: []
  global_defs:
    description: Keywords of the C(global_defs) block, for every host.
    type: dict
    default: {}
  priority:
    description: Priority of the first node (RFC 5798 section 5.2.4). The others follow in even steps, for two nodes half of it.
    type: int
    default: 100
  auth_pass:
    description: Password of instances that have none of their own. Only its length and its characters are looked at.
    type: str
    default: ''
seealso:
  - plugin: vipkit.ha.keepalived_conf
    plugin_type: filter
  - name: RFC 5798
    description: Virtual Router Redundancy Protocol (VRRP) Version 3.
    link: https://www.rfc-editor.org/rfc/rfc5798
"""

EXAMPLES = r"""
- name: Who will own what
  ansible.builtin.debug:
    msg: "{{ (keepalived_vrrp_instances | vipkit.ha.vrrp_plan(hostvars=hostvars)).vips }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    findings:
      description: One sentence for each thing that is wrong. Empty when all is well.
      type: list
      elements: str
    members:
      description: All hosts of the cluster.
      type: list
      elements: str
    vips:
      description:
        - Each virtual IP with its C(address), the name of its C(instance), its C(nodes) and its C(owner).
        - The owner is null where C(nopreempt) leaves it to history.
      type: list
      elements: dict
    hosts:
      description:
        - For each host C(conf), the blocks of its keepalived.conf as data, and the addresses that it should hold
          (C(owned)), should not (C(not_owned)) and may (C(watched)).
      type: dict
"""

import ipaddress
import re

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.filter.keepalived_conf import keepalived_conf

_OURS = ('name', 'nodes')
_AUTH_PASS_LENGTH = 8
_TAKEN = ('log', 'release_vips')  # what else the role puts into the directory of scripts
_UNSAFE_IN_PASSWORD = re.compile(r'[\s"\'#!{}$\\]')


def _integer(value):
    try:
        return int(str(value))
    except ValueError:
        return None


def _address(vip):
    """The address of an entry such as '192.0.2.1/24 dev eth0', or None when it is none."""
    try:
        return ipaddress.ip_interface(str(vip).split()[0]).ip
    except (ValueError, IndexError):
        return None


def _facts_addresses(facts):
    """What a host's facts say of its interfaces: {name: [ip_interface, ...]}."""
    found = {}
    for name in facts.get('interfaces', []):
        device = facts.get(re.sub('[-:]', '_', name)) or {}
        first = [device['ipv4']] if device.get('ipv4') else []
        entries = first + list(device.get('ipv4_secondaries', [])) + list(device.get('ipv6', []))
        found[name] = [ipaddress.ip_interface(f"{entry['address'].partition('%')[0]}/{entry['prefix']}") for entry in entries
                       if entry.get('prefix')]
    return found


def _priorities(first, count):
    step = max(1, first // count)
    return [first - place * step for place in range(count)]


def _nodes(instance, place, default_nodes):
    """An instance's nodes, best first, each as a dictionary with a name."""
    given = instance.get('nodes')
    if not given:
        turn = place % len(default_nodes) if default_nodes else 0
        given = default_nodes[turn:] + default_nodes[:turn]
    return [{'name': '', **node} if isinstance(node, dict) else {'name': node} for node in given]


def _vips(instance):
    """The addresses of an instance that are ones."""
    entries = instance.get('virtual_ipaddress')
    return [address for address in map(_address, entries if isinstance(entries, list) else []) if address]


def _own_priorities(instance, nodes, first):
    if 'priority' in instance:
        return {node['name']: _integer(node.get('priority', instance['priority'])) for node in nodes}
    derived = _priorities(first, max(1, len(nodes)))
    return {node['name']: _integer(node.get('priority', derived[rank])) for rank, node in enumerate(nodes)}


def _interface(vips, addresses, own_vips):
    """The one interface whose network holds every VIP, or None and why not."""
    held = [(name, entry) for name, entries in addresses.items() for entry in entries if entry.ip not in own_vips]
    fitting = sorted({name for name, entry in held if all(vip in entry.network for vip in vips)})
    if len(fitting) == 1:
        return fitting[0], None
    if fitting:
        return None, f"is in the network of several interfaces ({', '.join(fitting)}): say which with 'interface'"
    known = ', '.join(f'{name} {entry}' for name, entry in held if not entry.ip.is_loopback) or 'none'
    return None, f"is in no network of an interface there ({known}): correct the address or say which with 'interface'"


class _Planner:
    """Builds the plan of one cluster, collecting what is wrong on the way."""

    def __init__(self, hostvars, scripts, global_defs, auth_pass):
        self.scripts = scripts
        self.global_defs = dict(global_defs)
        self.auth_pass = auth_pass
        self.hostvars = hostvars
        self.findings = []
        self.vips = []
        self.hosts = {}
        self.own_vips = set()

    def find(self, instance, problem):
        self.findings.append(f"{instance.get('name', 'an instance without a name')}: {problem}.")

    def check_identity(self, instances):
        """Names, router ids and addresses, each of which belongs to one instance."""
        owners = {'name': {}, 'virtual_router_id': {}, 'address': {}}

        def claim(kind, value, instance):
            holder = owners[kind].setdefault(value, instance)
            if holder is not instance:
                self.find(instance, f"{kind.replace('_', ' ')} {value} is already that of {holder.get('name')}; give each its own")

        for instance in instances:
            if not re.fullmatch(r'[\w.-]+', str(instance.get('name', ''))):
                self.find(instance, "'name' has to be one word of letters, digits, '_', '.' and '-'")
            claim('name', instance.get('name'), instance)
            router_id = _integer(instance.get('virtual_router_id'))
            if router_id is None or not 1 <= router_id <= 255:
                self.find(instance, f"virtual_router_id is {instance.get('virtual_router_id')}; "
                                    'it has to be from 1 to 255 (RFC 5798 section 5.2.3)')
            else:
                claim('virtual_router_id', router_id, instance)
            entries = instance.get('virtual_ipaddress')
            if not entries or not isinstance(entries, list):
                self.find(instance, 'virtual_ipaddress is no list of addresses; give at least one, such as [192.0.2.10/24]')
                continue
            for vip in entries:
                address = _address(vip)
                if address is None:
                    self.find(instance, f"'{vip}' is no IP address; write it as 192.0.2.10/24")
                else:
                    claim('address', str(address), instance)
                    self.own_vips.add(address)

    def check_passwords(self, instances):
        own = {instance.get('name'): (instance.get('authentication') or {}).get('auth_pass') for instance in instances}
        passwords = [(name, password) for name, password in own.items() if password]
        if not all(own.values()):
            passwords.append(('the password of all instances', self.auth_pass or ''))
        for name, password in passwords:
            if len(str(password)) > _AUTH_PASS_LENGTH:
                self.find({'name': name}, f'auth_pass has {len(str(password))} characters; VRRP carries {_AUTH_PASS_LENGTH} '
                                          '(RFC 2338 section 5.3.6) and keepalived would cut it: shorten it')
            if _UNSAFE_IN_PASSWORD.search(str(password)):
                self.find({'name': name}, 'auth_pass holds a blank, a quote or one of # ! { } $ \\, which keepalived.conf cannot carry: '
                                          'choose another')

    def check_nodes(self, instance, nodes, priorities):
        names = [node.get('name') for node in nodes]
        if not nodes:
            self.find(instance, "'nodes' is empty; name the hosts that serve it, the preferred one first, or set keepalived_nodes "
                                'for all instances')
        for name in sorted({str(name) for name in names if names.count(name) > 1}):
            self.find(instance, f"node '{name}' is named more than once; name it once")
        for node in nodes:
            if 'authentication' in node:
                self.find(instance, f"authentication of '{node['name']}' alone cannot work; give it to the instance")
        for name in names:
            if name not in self.hostvars:
                self.find(instance, f"node '{name}' is not in the inventory; correct the name or add the host")
        for name, priority in priorities.items():
            if priority is None or not 1 <= priority <= 255:
                self.find(instance, f"priority of '{name}' has to be from 1 to 255 (RFC 5798 section 5.2.4)")
        if len(set(priorities.values())) < len(priorities):
            self.find(instance, 'its nodes do not all have a priority of their own '
                                f"({', '.join(map(str, priorities.values()))}); make them differ")

    def check_checks(self, scripts):
        names = [script.get('name') for script in scripts]
        for script in scripts:
            name, check = str(script.get('name')), script.get('check') or {}
            if not re.fullmatch(r'[\w-]+', name) or name in _TAKEN or names.count(name) > 1:
                self.find(script, f"a script needs a name of its own of letters, digits, '_' and '-', and not {' or '.join(_TAKEN)}")
            if check.get('kind') == 'http' and not str(check.get('url', '')).startswith('http://'):
                self.find(script, f"url '{check.get('url')}' has to begin with http://, since the check script speaks no TLS")

    def check_scripts(self, instance):
        known = [script.get('name') for script in self.scripts]
        for tracked in instance.get('track_script') or []:
            if str(tracked).split()[0] not in known:
                self.find(instance, f"it tracks the script '{tracked}', which is not defined; defined: {', '.join(known) or 'none'}")

    def addresses_of(self, name):
        if name not in self.hostvars:
            return {}
        return _facts_addresses(self.hostvars[name].get('ansible_facts') or {})

    def own_address_of(self, name):
        """The address that a host is known by; others on its interfaces may be virtual ones that it holds right now."""
        facts = self.hostvars[name].get('ansible_facts') if name in self.hostvars else None
        return ((facts or {}).get('default_ipv4') or {}).get('address')

    def interface_on(self, instance, node, addresses):
        vips = _vips(instance)
        for vip in vips:
            if str(vip) == self.own_address_of(node['name']):
                self.find(instance, f"{vip} is {node['name']}'s own address; a virtual IP has to be one that no host has")
        chosen = node.get('interface', instance.get('interface'))
        if chosen and addresses and chosen not in addresses:
            self.find(instance, f"{node['name']} has no interface '{chosen}'; it has {', '.join(addresses)}")
        if chosen or not addresses or not vips:
            return chosen
        chosen, why = _interface(vips, addresses, self.own_vips)
        if why:
            self.find(instance, f"{', '.join(map(str, vips))} on {node['name']} {why}")
        return chosen

    def add(self, instance, nodes, priorities):
        """One instance into the plan of each of its nodes."""
        ranked = sorted(nodes, key=lambda node: -(priorities[node['name']] or 0))
        nopreempt = any(node.get('nopreempt', instance.get('nopreempt')) for node in nodes)
        # keepalived takes 'state MASTER' for a wish to preempt at once
        waits = nopreempt or any(node.get('preempt_delay', instance.get('preempt_delay')) for node in nodes)
        owner = None if nopreempt or not ranked else ranked[0]['name']
        for vip in _vips(instance):
            self.vips.append({'address': str(vip), 'instance': instance.get('name'), 'owner': owner,
                              'nodes': [node['name'] for node in ranked]})
        shared = {key: value for key, value in instance.items() if key not in _OURS}
        for node in nodes:
            name = node['name']
            own = {key: value for key, value in node.items() if key not in _OURS}
            is_first = node is ranked[0] and not waits
            block = {
                'name': instance.get('name'),
                'state': 'MASTER' if is_first else 'BACKUP',
                'advert_int': 1,
                'track_script': [script['name'] for script in self.scripts],
                **shared, **own,
                'priority': priorities[name],
                'interface': self.interface_on(instance, node, self.addresses_of(name)),
            }
            if waits and block['state'] == 'MASTER':
                self.find(instance, f"state MASTER of '{name}' does not go with nopreempt and preempt_delay; leave state out")
            block.pop('authentication', None)
            if self.authenticates(instance, block):
                block['authentication'] = {'auth_type': 'PASS', **(instance.get('authentication') or {})}
                block['authentication'].pop('auth_pass', None)
            host = self.hosts.setdefault(name, {'instances': [], 'owned': [], 'not_owned': [], 'watched': []})
            host['instances'].append(block)
            held = 'watched' if owner is None else 'owned' if name == owner else 'not_owned'
            host[held] += [str(vip) for vip in _vips(instance)]

    def authenticates(self, instance, block):
        """Whether an instance has a password: VRRP version 3, and so IPv6, has none (RFC 5798 section 9)."""
        version = _integer(block.get('version', self.global_defs.get('vrrp_version', 2)))
        is_ipv6 = any(vip.version == 6 for vip in _vips(instance))
        return bool((self.auth_pass or instance.get('authentication')) and version != 3 and not is_ipv6)

    def plan(self):
        blocks = {'global_defs': self.global_defs, 'vrrp_script': self.scripts}
        return {
            'findings': self.findings,
            'members': list(self.hosts),
            'vips': self.vips,
            'hosts': {name: {
                'conf': {**blocks, 'global_defs': {'router_id': name, **self.global_defs}, 'vrrp_instance': host['instances']},
                **{held: host[held] for held in ('owned', 'not_owned', 'watched')},
            } for name, host in self.hosts.items()},
        }


def _unwritable(hosts):
    """What keepalived.conf cannot hold, each thing once however many hosts it is on."""
    found = []
    for host in hosts.values():
        try:
            keepalived_conf(host['conf'])
        except AnsibleFilterError as error:
            found.append(f'{error}.')
    return list(dict.fromkeys(found))


def vrrp_plan(instances, nodes=None, hostvars=None, scripts=None, global_defs=None, priority=100, auth_pass=''):
    """The plan of the cluster that the instances describe."""
    blocks = [{key: value for key, value in script.items() if key != 'check'} for script in scripts or []]
    planner = _Planner(hostvars or {}, blocks, global_defs or {}, auth_pass)
    planner.check_identity(instances)
    planner.check_passwords(instances)
    planner.check_checks(scripts or [])
    for place, instance in enumerate(instances):
        own_nodes = _nodes(instance, place, list(nodes or []))
        priorities = _own_priorities(instance, own_nodes, int(priority))
        planner.check_nodes(instance, own_nodes, priorities)
        planner.check_scripts(instance)
        planner.add(instance, own_nodes, priorities)
    plan = planner.plan()
    plan['findings'] = plan['findings'] or _unwritable(plan['hosts'])
    return plan


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vrrp_plan': vrrp_plan}
