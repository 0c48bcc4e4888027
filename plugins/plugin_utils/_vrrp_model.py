# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Descriptions of clusters worked out into hosts, instances and their nodes. PRIVATE to this collection.

It takes whatever the inventory holds: what makes no sense becomes None or is left out, and ``_vrrp_lint`` names it.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import json
import re

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_features import built_with
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_profiles import PROFILES, global_defs

# Keys of an instance that are the collection's own; all others are keepalived's keywords.
OWN_KEYS = ('name', 'nodes', 'unicast')


def integer(value):
    """A whole number, or None."""
    try:
        return int(str(value))
    except ValueError:
        return None


def number(value):
    """A number, or None."""
    try:
        return float(str(value))
    except ValueError:
        return None


@functools.cache
def release(version):
    """A version as a tuple that compares; an unknown one is newer than all."""
    return tuple(int(part) for part in re.findall(r'\d+', str(version))) or (9999,)


def interface_of(entry):
    """The address and prefix of an entry such as '192.0.2.1/24 dev eth0', or None."""
    try:
        return ipaddress.ip_interface(str(entry).split()[0])
    except (ValueError, IndexError):
        return None


def entries(value):
    """A keyword's list of lines; anything else has none."""
    return value if isinstance(value, list) else []


def dictionaries(value):
    """The elements of a list that are dictionaries."""
    return [entry for entry in entries(value) if isinstance(entry, dict)]


def tracked(entry, weight=0):
    """Name and weight of a line such as 'web weight -20', the weight being the tracker's own unless the line has one; None where it is reversed."""
    name, dummy, own = str(entry).partition(' weight ')
    given = own or str(weight)
    return name.strip(), None if 'reverse' in given else integer((given.split() or [''])[0]) or 0


def _held(device):
    """The addresses that the facts of an interface name."""
    found = ([device['ipv4']] if device.get('ipv4') else []) + device.get('ipv4_secondaries', []) + device.get('ipv6', [])
    return [ipaddress.ip_interface(f"{entry['address'].partition('%')[0]}/{entry['prefix']}") for entry in found if entry.get('prefix')]


class Host:
    """A managed host, as far as its facts are known."""

    def __init__(self, name, hostvars, vips):
        variables = hostvars[name] if name in hostvars else {}
        facts = variables.get('ansible_facts') or {}
        self.name = name
        self.is_in_inventory = name in hostvars
        self.interfaces = {interface: _held(facts.get(re.sub('[-:]', '_', interface)) or {}) for interface in facts.get('interfaces', [])}
        self.macs = {device['macaddress'].lower() for device in map(facts.get, (re.sub('[-:]', '_', name) for name in self.interfaces))
                     if device and device.get('macaddress')}
        # its addresses that are no virtual ones; link-local ones tell nothing
        self.networks = [(interface, entry) for interface, held in self.interfaces.items() for entry in held
                         if entry.ip not in vips and not entry.ip.is_link_local]
        # what it is known by: others on its interfaces, and its default IPv6 address, may be virtual ones that it holds right now
        default = facts.get('default_ipv4') or {}
        primary = (facts.get(re.sub('[-:]', '_', default.get('interface') or '')) or {}).get('ipv4') or {}
        known_by = [variables.get('ansible_host'), default.get('address') if default.get('address') == primary.get('address') else None]
        self.own_addresses = {found.ip for found in map(interface_of, filter(None, known_by)) if found}

    @property
    def is_known(self):
        """Whether its facts were read."""
        return bool(self.interfaces)

    def source_on(self, interface, family, near):
        """Its address to send adverts from: one in the network of the virtual IPs when there is one."""
        fitting = [entry for name, entry in self.networks if name == interface and entry.version == family]
        return next((entry.ip for entry in fitting if any(vip in entry.network for vip in near)), fitting[0].ip if fitting else None)


class Node:
    """A host's part in an instance."""

    def __init__(self, host, own, instance):
        self.host = host
        self.name = host.name
        self.own = own
        self.instance = instance
        self.priority = None
        self.interface = None
        self.source = None
        self.block = {}


class Instance:
    """A virtual router over all of its nodes."""

    def __init__(self, given, cluster):
        self.given = given
        self.cluster = cluster
        self.name = str(self.given.get('name') or 'an instance without a name')
        self.shared = {key: value for key, value in self.given.items() if key not in OWN_KEYS}
        self.router_id = integer(self.given.get('virtual_router_id'))
        self.addresses = [found for found in map(interface_of, entries(self.given.get('virtual_ipaddress'))) if found]
        self.vips = [found.ip for found in self.addresses]
        # they move along, but no advert carries them
        self.excluded = [found for found in map(interface_of, entries(self.given.get('virtual_ipaddress_excluded'))) if found]
        self.family = self.vips[0].version if self.vips else 4
        own = self.given.get('unicast')
        self.is_unicast = (cluster.unicast if own is None else own) is True or bool(self.given.get('unicast_peer'))
        # what decides about the network: a link-local address is in every one
        self.routed = [vip for vip in self.vips if not vip.is_link_local]
        self.nodes = []

    @functools.cached_property
    def ranked(self):
        """Its nodes, the preferred one first."""
        return sorted(self.nodes, key=lambda node: -(node.priority or 0))

    def version(self, node):
        """VRRP version on a node: IPv6 needs 3 (RFC 5798)."""
        default = 3 if self.family == 6 else self.cluster.global_defs.get('vrrp_version', 2)
        return integer(node.own.get('version', self.shared.get('version', default)))

    def on(self, node, keyword):
        """A keyword's value on a node."""
        return node.own.get(keyword, self.shared.get(keyword))

    def any_on(self, keyword):
        """Whether a keyword is set on any node."""
        return any(self.on(node, keyword) for node in self.nodes)

    @functools.cached_property
    def waits(self):
        """Whether a better node does not take over at once; keepalived takes 'state MASTER' for a wish to."""
        return self.any_on('nopreempt') or self.any_on('preempt_delay')

    @functools.cached_property
    def owner(self):
        """The node that should hold the virtual IPs; with nopreempt history decides."""
        return None if self.any_on('nopreempt') or not self.nodes else self.ranked[0]

    @functools.cached_property
    def networks(self):
        """The networks that its adverts are in; None in it where that is not known."""
        found = set()
        for node in self.nodes:
            held = [entry for name, entry in node.host.networks if name == node.interface and entry.version == self.family]
            inside = {entry.network for entry in held if any(vip in entry.network for vip in self.routed)}
            found |= inside or {entry.network for entry in held}
        return found or {entry.network if entry.network.num_addresses > 1 else None for entry in self.addresses} or {None}


@dataclasses.dataclass
class Build:
    """The keepalived of a host, and what its file holds besides what is the cluster's."""

    version: str
    features: list
    blocks: dict
    flags: list = dataclasses.field(default_factory=list)
    chosen: list | None = None
    fixes: list = dataclasses.field(default_factory=list)
    drain_file: str | None = None
    yield_prefix: str | None = None

    @classmethod
    def of(cls, description):
        """The build that a host describes; without a choice of features, only its flags tell what it has."""
        flags, chosen = description.get('configure_flags'), description.get('features')
        has = flags if chosen is None else built_with(chosen, flags or [])
        return cls(str(description.get('version', '')), has, description.get('blocks') or {}, flags or [], chosen, description.get('fixes') or [],
                   description.get('drain_file'), description.get('yield_prefix'))


class Cluster:
    """All instances that one description has, with the hosts that it is the description of."""

    def __init__(self, description, builds, hosts):
        self.names = list(builds)
        self.builds = []
        for build in builds.values():
            if build not in self.builds:
                self.builds.append(build)
        self._build_of = {name: self.builds[self.builds.index(build)] for name, build in builds.items()}
        self.profile_name = str(description.get('profile') or 'classic')
        self.profile = PROFILES.get(self.profile_name, PROFILES['classic'])
        self.own_global_defs = description.get('global_defs') or {}
        self.global_defs = {**self.profile.global_defs, **self.own_global_defs}
        self.auth_pass = description.get('auth_pass') or ''
        self.unicast = description.get('unicast')
        scripts = dictionaries(description.get('vrrp_scripts'))
        self.scripts = [{**self.profile.vrrp_script, **{key: value for key, value in script.items() if key != 'check'}} for script in scripts]
        self.checks = {script.get('name'): script['check'] for script in scripts if script.get('check')}
        self.sync_groups = dictionaries(description.get('vrrp_sync_groups'))
        self.misshapen = [(keyword, entry) for keyword in ('vrrp_instances', 'vrrp_scripts', 'vrrp_sync_groups')
                          for entry in entries(description.get(keyword)) if not isinstance(entry, dict)]
        self.own_scripts = description.get('scripts') or []
        self.instances = [Instance(given, self) for given in dictionaries(description.get('vrrp_instances'))]
        self.weights = {script.get('name'): script.get('weight', 0) for script in self.scripts}
        self.first_priority = integer(description.get('priority')) or self.profile.priority
        default_nodes = list(description.get('nodes') or [])
        for place, instance in enumerate(self.instances):
            self._add_nodes(instance, _nodes(instance.given, place, default_nodes), hosts)

    def build(self, node):
        """The keepalived of a node; one outside of the play is taken to have the same as the others."""
        return self._build_of.get(node.name, self.builds[0])

    def global_defs_of(self, build):
        """The global_defs of a build, what its release alone has included."""
        return global_defs(self.profile, build.version, self.own_global_defs)

    def _add_nodes(self, instance, given, hosts):
        first = self.first_priority
        step = self.profile.step or max(1, first // max(1, len(given)))
        for rank, node in enumerate(given):
            own = {key: value for key, value in node.items() if key != 'name'}
            part = Node(hosts[node['name']], own, instance)
            part.priority = integer(own.get('priority', instance.shared.get('priority', first - rank * step)))
            part.interface = own.get('interface', instance.shared.get('interface')) or self._interface(instance, part.host)
            instance.nodes.append(part)
        for part in instance.nodes:
            part.source = interface_of(instance.on(part, 'unicast_src_ip') or '')
            part.source = part.source.ip if part.source else part.host.source_on(part.interface, instance.family, instance.routed)
        for part in instance.nodes:
            part.block = self._block(instance, part)

    def _interface(self, instance, host):
        """The one interface whose network holds every virtual IP, or None."""
        fitting = fitting_interfaces(instance, host)
        return fitting[0] if len(fitting) == 1 else None

    def _block(self, instance, node):
        """The vrrp_instance block of a node, without its password."""
        block = {
            'name': instance.name,
            'state': 'MASTER' if node is instance.ranked[0] and not instance.waits else 'BACKUP',
            **self.profile.vrrp_instance,
            **({'version': 3, 'native_ipv6': True} if instance.family == 6 else {}),
            'track_script': [script.get('name') for script in self.scripts],
            **instance.shared, **node.own,
            'priority': node.priority,
            'interface': node.interface,
        }
        if instance.is_unicast:
            block['unicast_src_ip'] = str(node.source) if node.source else None
            block['unicast_peer'] = _peers(instance, node)
        elif instance.family == 6 and instance.vips and not instance.vips[0].is_link_local:
            # RFC 5798 section 5.2.9: the first is link-local; this one belongs to the virtual router's own MAC (section 7.3)
            block['virtual_ipaddress'] = [f'fe80::200:5eff:fe00:2{(instance.router_id or 0) % 256:02x}/64', *block['virtual_ipaddress']]
        authentication = block.pop('authentication', None)
        if instance.version(node) != 3 and (self.auth_pass or authentication):
            # VRRP version 3 has no authentication (RFC 5798 section 9)
            given = authentication if isinstance(authentication, dict) else {}
            block['authentication'] = {'auth_type': 'PASS', **{key: value for key, value in given.items() if key != 'auth_pass'}}
        return block


def fitting_interfaces(instance, host):
    """The interfaces of a host whose network holds every virtual IP of an instance."""
    vips = instance.routed
    if not vips:
        return []
    return sorted({name for name, entry in host.networks if all(vip in entry.network for vip in vips)})


def _peers(instance, node):
    """Where a node sends its adverts, never to itself."""
    given = instance.on(node, 'unicast_peer')
    if given and not isinstance(given, list):
        return given
    own = {str(entry.ip) for held in node.host.interfaces.values() for entry in held} | {str(node.source)}
    given = given or [str(peer.source) for peer in instance.nodes if peer is not node and peer.source]
    return [peer for peer in given if str(interface_of(peer).ip if interface_of(peer) else peer) not in own]


def _nodes(given, place, default_nodes):
    """An instance's nodes, best first, each as a dictionary with a name."""
    nodes = entries(given.get('nodes'))
    if not given.get('nodes'):
        turn = place % len(default_nodes) if default_nodes else 0
        nodes = default_nodes[turn:] + default_nodes[:turn]
    return [{'name': '', **node} if isinstance(node, dict) else {'name': str(node)} for node in nodes]


class _Hosts(dict):
    """Hosts by name, each read once."""

    def __init__(self, hostvars, vips):
        super().__init__()
        self.hostvars = hostvars
        self.vips = vips

    def __missing__(self, name):
        self[name] = Host(name, self.hostvars, self.vips)
        return self[name]


def clusters_of(descriptions, hostvars):
    """The clusters that hosts describe: hosts with the same description belong together."""
    grouped = {}
    for name, description in descriptions.items():
        shared = description['cluster']
        grouped.setdefault(json.dumps(shared, sort_keys=True, default=str), (shared, {}))[1][name] = Build.of(description)
    vips = {found.ip for shared, dummy in grouped.values() for given in dictionaries(shared.get('vrrp_instances'))
            for keyword in ('virtual_ipaddress', 'virtual_ipaddress_excluded') for found in map(interface_of, entries(given.get(keyword))) if found}
    hosts = _Hosts(hostvars, vips)
    return [Cluster(shared, builds, hosts) for shared, builds in grouped.values()]
