# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be wrong with clusters, looked at over all of their hosts. PRIVATE to this collection.

A rule is a function that yields one sentence, without its full stop, for each place that breaks it.
Those of RULES look at one cluster, those of RULES_BETWEEN at all of them together.
"""

from __future__ import annotations

import re

from ansible_collections.vipkit.ha.plugins.plugin_utils._checks import COMMON_KEYS, KINDS, LIMIT, VALUES
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import block_findings, findings
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_features import findings as feature_findings
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import entries, fitting_interfaces, interface_of, number, release, tracked
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_profiles import PROFILES

AUTH_PASS_LENGTH = 8
OWNER_PRIORITY = 255
SCRIPT_FILES = ('log', 'release_vips')  # what else the role puts into the directory of scripts
MOST_VIPS = {4: 255, 6: 89}  # what an advert carries in 1500 bytes
SHARED_KEYWORDS = ('virtual_router_id', 'virtual_ipaddress', 'advert_int', 'version', 'authentication', 'native_ipv6', 'vrrp_mcast_group4')
PLANNED_BLOCKS = {
    'global_defs': 'keepalived_global_defs',
    'vrrp_script': 'keepalived_vrrp_scripts',
    'vrrp_instance': 'keepalived_vrrp_instances',
    'vrrp_sync_group': 'keepalived_vrrp_sync_groups',
}
RULED_KEYWORDS = ('virtual_router_id', 'priority', 'advert_int', 'virtual_ipaddress')  # those that rules of their own look at
UNSAFE_IN_PASSWORD = re.compile(r'[\s"\'#!{}$\\]')
ANYBODYS_PATHS = ('/tmp/', '/var/tmp/', '/dev/shm/', '/home/')  # nosec: looked for in order to refuse them


def _listed(values):
    return ', '.join(map(str, values))


# --- a cluster's instances, each by itself ---

def shapes(cluster):
    """Instances, scripts and sync groups are dictionaries."""
    for keyword, entry in cluster.misshapen:
        yield f"keepalived_{keyword}: '{entry}' is no dictionary; write it as {{name: ..., ...}}"


def names(cluster):
    """Each instance has a name that can stand in keepalived.conf and is nobody else's."""
    seen = set()
    for instance in cluster.instances:
        if not re.fullmatch(r'[\w.-]+', str(instance.name)):
            yield f"{instance.name}: 'name' has to be one word of letters, digits, '_', '.' and '-'"
        if instance.name in seen:
            yield f'{instance.name}: another instance has that name already; give each its own'
        seen.add(instance.name)


def router_ids(cluster):
    """virtual_router_id is from 1 to 255."""
    for instance in cluster.instances:
        if instance.router_id is None or not 1 <= instance.router_id <= 255:
            yield (f"{instance.name}: virtual_router_id is {instance.given.get('virtual_router_id')}; "
                   'it has to be from 1 to 255 (RFC 5798 section 5.2.3)')


def addresses(cluster):
    """virtual_ipaddress is a list of addresses, each once."""
    for instance in cluster.instances:
        given = instance.given.get('virtual_ipaddress')
        if not given or not isinstance(given, list):
            yield f'{instance.name}: virtual_ipaddress is no list of addresses; give at least one, such as [192.0.2.10/24]'
            continue
        for entry in given:
            if interface_of(entry) is None:
                yield f"{instance.name}: '{entry}' is no IP address; write it as 192.0.2.10/24"
        every = instance.vips + [entry.ip for entry in instance.excluded]
        for vip in dict.fromkeys(vip for vip in every if every.count(vip) > 1):
            yield f'{instance.name}: it has the address {vip} more than once; give it once'


def families(cluster):
    """IPv4 and IPv6 are separate virtual routers."""
    for instance in cluster.instances:
        if len({vip.version for vip in instance.vips}) > 1:
            yield (f'{instance.name}: virtual_ipaddress has IPv4 and IPv6 addresses, which are separate virtual routers (RFC 5798 section 1.3): '
                   'make two instances, or put those of one family into virtual_ipaddress_excluded')
        if instance.family == 6 and any(instance.version(node) == 2 for node in instance.nodes):
            yield f'{instance.name}: version is 2, which knows no IPv6; leave version out'


def address_counts(cluster):
    """All virtual IPs of an instance fit into one advert."""
    for instance in cluster.instances:
        most = MOST_VIPS[instance.family]
        if len(instance.vips) > most:
            yield (f'{instance.name}: {len(instance.vips)} addresses do not fit into an advert, which carries {most}: '
                   'put the others into virtual_ipaddress_excluded')


def node_names(cluster):
    """Each instance is served by hosts of the inventory, each once."""
    for instance in cluster.instances:
        given = [node.name for node in instance.nodes]
        if instance.given.get('nodes') and not isinstance(instance.given['nodes'], list):
            yield f"{instance.name}: 'nodes' is no list; write it as [node1, node2], the preferred one first"
        elif not given:
            yield (f"{instance.name}: 'nodes' is empty; name the hosts that serve it, the preferred one first, or set keepalived_nodes "
                   'for all instances')
        for name in sorted({name for name in given if given.count(name) > 1}):
            yield f"{instance.name}: node '{name}' is named more than once; name it once"
        for node in instance.nodes:
            if not node.host.is_in_inventory:
                yield f"{instance.name}: node '{node.name}' is not in the inventory; correct the name or add the host"


# --- what the nodes of an instance have to agree about ---

def agreement(cluster):
    """What an advert carries is the same on all members, or they do not listen to each other."""
    for instance in cluster.instances:
        for node in instance.nodes:
            for keyword in SHARED_KEYWORDS:
                if keyword in node.own:
                    yield (f"{instance.name}: {keyword} of '{node.name}' alone cannot work, since members with different ones do not hear "
                           'each other and all become master; give it to the instance')


def priorities(cluster):
    """Each node has a priority of its own, from 1 to 255."""
    for instance in cluster.instances:
        for node in instance.nodes:
            if node.priority is None or not 1 <= node.priority <= OWNER_PRIORITY:
                yield f"{instance.name}: priority of '{node.name}' has to be from 1 to 255 (RFC 5798 section 5.2.4)"
        given = [node.priority for node in instance.nodes]
        if len(set(given)) < len({node.name for node in instance.nodes}):
            yield f'{instance.name}: its nodes do not all have a priority of their own ({_listed(given)}); make them differ'


def advert_intervals(cluster):
    """advert_int is one that the protocol's version can carry."""
    for instance in cluster.instances:
        if not instance.nodes:
            continue
        given = {**cluster.profile.vrrp_instance, **instance.shared}['advert_int']
        seconds, version = number(given), instance.version(instance.nodes[0])
        if version == 3:
            if seconds is None or not 0.01 <= seconds <= 40.95:
                yield f'{instance.name}: advert_int is {given}; VRRP version 3 carries 0.01 to 40.95 s'
        elif seconds is None or not 1 <= seconds <= 255 or seconds != int(seconds):
            yield (f'{instance.name}: advert_int is {given}; VRRP version 2 carries whole seconds, 1 to 255: '
                   'round it, or set version 3')


def passwords(cluster):
    """A password is one that VRRP and keepalived.conf can carry."""
    given = [(instance.name, (instance.shared.get('authentication') or {}).get('auth_pass')) for instance in cluster.instances
             if isinstance(instance.shared.get('authentication') or {}, dict)]
    given = [(name, password) for name, password in given if password]
    if len(given) < len(cluster.instances):
        given.append(('the password of all instances', cluster.auth_pass))
    for name, password in given:
        if len(str(password)) > AUTH_PASS_LENGTH:
            yield (f'{name}: auth_pass has {len(str(password))} characters; VRRP carries {AUTH_PASS_LENGTH} '
                   '(RFC 2338 section 5.3.6) and keepalived would cut it: shorten it')
        if UNSAFE_IN_PASSWORD.search(str(password)):
            yield (f'{name}: auth_pass holds a blank, a quote or one of # ! {{ }} $ \\, which keepalived.conf cannot carry: '
                   'choose another')


def authentication(cluster):
    """VRRP version 3, and so IPv6, has no authentication."""
    for instance in cluster.instances:
        if not isinstance(instance.shared.get('authentication') or {}, dict):
            yield f'{instance.name}: authentication is no dictionary; write it as {{auth_type: PASS, auth_pass: ...}}'
        if instance.shared.get('authentication') and any(instance.version(node) == 3 for node in instance.nodes):
            yield f'{instance.name}: VRRP version 3 has no authentication (RFC 5798 section 9), so it cannot be given one; leave it out'


def profiles(cluster):
    """The profile is one that there is, and what the cluster gives itself goes with it."""
    profile = cluster.profile_name
    if profile not in PROFILES:
        yield f"keepalived_profile is '{profile}'; there are {_listed(PROFILES)}"
    if profile == 'classic':
        return
    versions = {instance.version(node) for instance in cluster.instances for node in instance.nodes}
    if cluster.auth_pass and versions == {3}:
        yield (f'keepalived_auth_pass: the profile {profile} runs VRRP version 3, which has no authentication (RFC 5798 section 9), so no advert would carry '
               'it; leave it empty, or stay with the profile classic')
    for instance in cluster.instances:
        derived = [node for node in instance.nodes if 'priority' not in {**instance.shared, **node.own}]
        if derived and len(instance.nodes) > cluster.first_priority:
            yield (f'{instance.name}: {len(instance.nodes)} nodes do not fit below the priority {cluster.first_priority}, each one less than the one before; '
                   'raise keepalived_priority')
        elif derived and len(derived) < len(instance.nodes) and instance.ranked != instance.nodes:
            yield (f'{instance.name}: some of its nodes have a priority of their own and {_listed(node.name for node in derived)} the '
                   f'one of the profile {profile}, so that {instance.ranked[0].name} comes first; give all of them one, or none')


# --- where the virtual IPs are ---

def interfaces(cluster):
    """An instance's interface exists and has a network that holds its virtual IPs."""
    for instance in cluster.instances:
        # one that brings its own network with it, by a route or on a device of its own, may be outside
        given = [] if instance.any_on('virtual_routes') else [entry for entry in entries(instance.given.get('virtual_ipaddress')) if ' dev ' not in f'{entry} ']
        outside = [entry for entry in filter(None, map(interface_of, given)) if not entry.ip.is_link_local and entry.network.num_addresses > 1]
        for node in instance.nodes:
            host = node.host
            if not host.is_known or not instance.vips:
                continue
            if node.interface is None:
                yield f'{instance.name}: {_listed(instance.routed)} on {node.name} {_why_no_interface(instance, host)}'
            elif node.interface not in host.interfaces:
                yield f"{instance.name}: {node.name} has no interface '{node.interface}'; it has {_listed(host.interfaces)}"
            else:
                held = [entry for name, entry in host.networks if name == node.interface and entry.version == instance.family]
                for vip in (entry for entry in outside if held and not any(entry.ip in own.network for own in held)):
                    yield (f"{instance.name}: {vip} is in no network of {node.name}'s {node.interface} ({_listed(held)}): correct it, or write it "
                           f'as {vip.ip}/{vip.max_prefixlen} if routers send it there')


def _why_no_interface(instance, host):
    fitting = fitting_interfaces(instance, host)
    if fitting:
        return f"is in the network of several interfaces ({_listed(fitting)}): say which with 'interface'"
    known = _listed(f'{name} {entry}' for name, entry in host.networks if not entry.ip.is_loopback) or 'none'
    return f"is in no network of an interface there ({known}): correct the address or say which with 'interface'"


def own_addresses(cluster):
    """A virtual IP is no host's own address, and one that a host can have."""
    hosts = {node.name: node.host for instance in cluster.instances for node in instance.nodes}
    owners = {address: name for name, host in hosts.items() for address in host.own_addresses}
    for instance in cluster.instances:
        for entry in instance.addresses + instance.excluded:
            if entry.ip in owners:
                yield f"{instance.name}: {entry.ip} is {owners[entry.ip]}'s own address; a virtual IP has to be one that no host has"
            if entry.version == 4 and entry.network.num_addresses > 2 and entry.ip in (entry.network[0], entry.network[-1]):
                yield f'{instance.name}: {entry} is the address of the network itself or its broadcast; choose another'


# --- checks ---

def check_names(cluster):
    """Every script in the role's directory has a name of its own."""
    given = [script.get('name') for script in cluster.scripts]
    for name in [*given, *cluster.own_scripts]:
        if not re.fullmatch(r'\w[\w.-]*', str(name)) or name in SCRIPT_FILES or [*given, *cluster.own_scripts].count(name) > 1:
            yield f"{name}: a script needs a name of its own of letters, digits, '_', '.' and '-', and not {' or '.join(SCRIPT_FILES)}"


def checks(cluster):
    """A check asks what its script can ask, and ends before it is run again."""
    for script in cluster.scripts:
        name, check = script.get('name'), cluster.checks.get(script.get('name'))
        if check is None:
            if not script.get('script'):
                yield f"{name}: it has neither a 'check' nor a 'script'; say what it looks at"
            continue
        if not isinstance(check, dict) or check.get('kind') not in KINDS:
            kind = check.get('kind') if isinstance(check, dict) else check
            yield f"{name}: there is no check of the kind '{kind}'; there are {_listed(KINDS)}"
            continue
        needed, possible = KINDS[check['kind']]
        if not any(check.get(key) for key in needed):
            yield f"{name}: a check of the kind '{check['kind']}' needs {' or '.join(needed)}"
        for key in check:
            if key not in (*COMMON_KEYS, *needed, *possible):
                yield f"{name}: a check of the kind '{check['kind']}' has no '{key}'; it has {_listed((*needed, *possible, *COMMON_KEYS[1:]))}"
        for key, (fits, what) in VALUES.items():
            if key in check and key in (*COMMON_KEYS, *needed, *possible) and not fits(check[key]):
                yield f"{name}: {key} '{check[key]}' {what}"
        if script.get('script'):
            yield f"{name}: it has a 'check' and a 'script'; leave one of them out"
        limit = number(check.get('limit', LIMIT))
        for keyword, given in (('interval', script.get('interval', 1)), ('timeout', script.get('timeout'))):
            if limit is None or number(given) is not None and limit >= number(given):
                yield f"{name}: its limit of {check.get('limit', LIMIT)} s is not below its {keyword} of {given} s; make it so"
                break


def tracked_names(cluster):
    """What an instance or a sync group tracks is defined: keepalived only logs it, and nothing is checked."""
    for instance in cluster.instances:
        for node in instance.nodes:
            yield from _undefined(instance.name, node.block, cluster, cluster.build(node))
    for group in cluster.sync_groups:
        for build in cluster.builds:
            yield from _undefined(group.get('name'), group, cluster, build)


def _undefined(where, block, cluster, build):
    known = {'track_script': list(cluster.weights), **{f'track_{kind}': [entry.get('name') for key in (f'vrrp_track_{kind}', f'track_{kind}')
                                                                         for entry in entries(build.blocks.get(key)) if isinstance(entry, dict)]
                                                       for kind in ('file', 'process')}}
    for keyword, defined in known.items():
        for entry in entries(block.get(keyword)):
            if tracked(entry)[0] not in defined:
                yield f"{where}: {keyword} names '{entry}', which is not defined; defined: {_listed(defined) or 'none'}"


def script_security(cluster):
    """keepalived runs no script as root that somebody else could change."""
    default_user = str(cluster.global_defs.get('script_user', ''))
    for script in cluster.scripts:
        path = (str(script.get('script', '')).split() or [''])[0]
        user = (str(script.get('user') or default_user).split() or [''])[0]
        if user == 'root' and path.startswith(ANYBODYS_PATHS):
            yield (f"{script.get('name')}: keepalived refuses to run {path} as root, since others can change what is there: "
                   'put it where only root can write, or give it another user')


def _trackers(block, weights, keywords):
    """(what, name, weight) of each thing that a block depends on and that moves or silences it; None is a weight that nothing can be said of."""
    for keyword in keywords:
        for entry in entries(block.get(keyword)):
            name = tracked(entry)[0]
            yield keyword.removeprefix('track_'), name, tracked(entry, weights.get(name, 0) if keyword == 'track_script' else 0)[1]


def _weighted(block, weights):
    """(what, weight) of each tracker that moves the priority by a fixed amount."""
    return [(f"{what} '{name}'", weight) for what, name, weight in _trackers(block, weights, ('track_script', 'track_interface', 'track_process'))
            if weight]


def _weightless(node, weights):
    """What takes the addresses off when it fails, but for the interface that they are on."""
    found = _trackers(node.block, weights, ('track_script', 'track_interface', 'track_bfd'))
    files = ((name, weight) for dummy, name, weight in _trackers(node.block, {}, ('track_file',)))
    return frozenset([name for dummy, name, weight in found if weight == 0 and name != node.interface]
                     + [name for name, weight in files if weight == 0 and f'{name} weight 0' in entries(node.block.get('track_file'))])


def _effective(priority, change):
    """An effective priority: weights move it within 1 to 254, and never the owner's."""
    return priority if priority == OWNER_PRIORITY else min(254, max(1, priority + change))


def hand_over(cluster):
    """A failing check with a weight really lets any healthy node take over, the last one too."""
    for instance in cluster.instances:
        ranked = instance.ranked
        if any(node.priority is None for node in ranked):
            continue
        last = ranked[-1] if ranked else None
        for node in ranked[:-1]:
            found = _weighted(node.block, cluster.weights)
            gain, last_gain = (sum(weight for dummy, weight in of_node if weight > 0) for of_node in (found, _weighted(last.block, cluster.weights)))
            for what, weight in found:
                left = _effective(node.priority, gain + (weight if weight < 0 else -weight))
                awaited = _effective(last.priority, last_gain)
                if left >= awaited:
                    yield (f'{instance.name}: {what} with weight {weight} leaves {node.name} at priority {left} when it fails, and {last.name} has {awaited}, '
                           'so it never takes over from there; let the weight be more than the gap, or 0')


def nopreempt_weights(cluster):
    """With nopreempt a lower priority never makes a node give up its addresses."""
    for instance in cluster.instances:
        if instance.any_on('nopreempt'):
            for what in dict.fromkeys(what for node in instance.nodes for what, dummy in _weighted(node.block, cluster.weights)):
                yield (f'{instance.name}: {what} has a weight, and with nopreempt no node takes over from one that has lost priority; '
                       'use weight 0 or leave nopreempt out')


def preemption(cluster):
    """nopreempt and preempt_delay need state BACKUP everywhere, and not each other."""
    for instance in cluster.instances:
        if not instance.waits:
            continue
        for node in instance.nodes:
            if node.block['state'] == 'MASTER':
                yield f"{instance.name}: state MASTER of '{node.name}' does not go with nopreempt and preempt_delay; leave state out"
            if node.priority == OWNER_PRIORITY and instance.any_on('nopreempt'):
                yield f"{instance.name}: priority 255 of '{node.name}' always preempts, so nopreempt needs a lower one"
        if instance.any_on('nopreempt') and instance.any_on('preempt_delay'):
            yield f'{instance.name}: nopreempt and preempt_delay exclude each other; leave one of them out'


def fault_silences(build):
    """Whether an instance in FAULT silences the others of its interface."""
    return release(build.version) < (2, 0, 8) and 'silenced_instances' not in build.fixes


def silenced_instances(cluster):
    """Before 2.0.8 a failed weight-0 tracker of one instance silences the other instances of its interface, unless that is fixed."""
    by_interface = {}
    for instance in cluster.instances:
        for node in instance.nodes:
            if fault_silences(cluster.build(node)) and not node.block.get('use_vmac'):
                same = by_interface.setdefault((node.name, node.interface, instance.family), {})
                same.setdefault(_weightless(node, cluster.weights), (instance, node))
    for found in by_interface.values():
        if len(found) > 1:
            (some, (one, node)), (others, (other, dummy)) = sorted(found.items(), key=lambda item: -len(item[0]))[:2]
            yield (f"{other.name}: it shares {node.interface or 'the interface'} with {one.name} and not its trackers of weight 0 "
                   f'({_listed(sorted(some ^ others))}); in keepalived {cluster.build(node).version}, when one of these fails, all other instances of '
                   'the interface fall silent and take over nothing: give both the same, or a weight, build it with the fix silenced_instances, '
                   'or use 2.0.8 or newer')


# --- how they hang together ---

def unicast(cluster):
    """A unicast instance knows its own address and at least one peer: without, each node becomes master."""
    is_offline = not any(node.host.is_known for instance in cluster.instances for node in instance.nodes)
    for instance in cluster.instances:
        if not isinstance(instance.given.get('unicast') or False, bool):
            yield f"{instance.name}: unicast is '{instance.given['unicast']}', which is neither true nor false"
        for node in instance.nodes:
            if not instance.is_unicast:
                if 'unicast_peer' in node.own:
                    yield (f"{instance.name}: unicast_peer of '{node.name}' alone cannot work, since the others send to all; set unicast for the "
                           'instance')
            elif is_offline:
                continue
            elif node.source is None:
                yield (f"{instance.name}: the address that '{node.name}' sends its adverts from is not known; let its facts be read, or give "
                       'the node a unicast_src_ip')
            elif not node.block['unicast_peer']:
                yield f"{instance.name}: '{node.name}' has no unicast_peer but itself, so it would always be master; name other nodes or leave unicast out"


def sync_groups(cluster):
    """A sync group holds instances of the same nodes in the same order, since it moves as one."""
    by_name = {instance.name: instance for instance in cluster.instances}
    in_group = {}
    given = [group.get('name') for group in cluster.sync_groups]
    for group in cluster.sync_groups:
        where, members = group.get('name', 'a sync group without a name'), entries(group.get('group'))
        if given.count(group.get('name')) > 1:
            yield f'{where}: another sync group has that name already; give each its own'
        if not members:
            yield f"{where}: 'group' names no instance; name those that move together"
        orders = set()
        for name in members:
            if name not in by_name:
                yield f"{where}: there is no instance '{name}'; there are {_listed(by_name)}"
                continue
            if name in in_group:
                yield f'{where}: {name} is in the sync group {in_group[name]} already; an instance moves with one'
            in_group[name] = where
            if not group.get('sync_group_tracking_weight'):
                for what in dict.fromkeys(what for node in by_name[name].nodes for what, dummy in _weighted(node.block, cluster.weights)):
                    yield (f"{where}: keepalived ignores {what} of {name}, since it has a weight; use weight 0, or set "
                           'sync_group_tracking_weight for the group')
            orders.add(tuple(node.name for node in by_name[name].ranked))
        if len(orders) > 1:
            yield f'{where}: its instances prefer different nodes, and a sync group moves as one; give them the same nodes in the same order'


def features(cluster):
    """What is chosen to be built in is there in the host's release, and goes together."""
    for build in cluster.builds:
        if build.chosen is not None:
            yield from feature_findings(build.chosen, build.version, build.flags)


def keywords(cluster):
    """Every keyword is one that the host's keepalived knows, with a value that it takes."""
    for build in cluster.builds:
        for block, bodies in (('global_defs', [cluster.global_defs_of(build)]), ('vrrp_script', cluster.scripts), ('vrrp_sync_group', cluster.sync_groups)):
            for body in bodies:
                yield from block_findings(block, body, build.version, build.features)
        for block in build.blocks:
            if block in PLANNED_BLOCKS:
                yield f'keepalived_blocks: {block} does not belong there, since the plan has to know it; use {PLANNED_BLOCKS[block]}'
        yield from findings(build.blocks, build.version, build.features)
    for instance in cluster.instances:
        looked_at = []
        for node in instance.nodes:
            if node.own or cluster.build(node) not in looked_at:
                build = cluster.build(node)
                looked_at.append(build)
                body = {keyword: value for keyword, value in node.block.items() if keyword not in RULED_KEYWORDS}
                yield from block_findings('vrrp_instance', body, build.version, build.features)


# --- over all clusters ---

def identities(clusters):
    """A router id is one virtual router's in each network and family, and an address one instance's, whichever cluster it is in."""
    routers, owners = {}, {}
    for cluster in clusters:
        for instance in cluster.instances:
            for vip in dict.fromkeys(entry.ip for entry in instance.addresses + instance.excluded if not entry.ip.is_link_local):
                holder = owners.setdefault(vip, instance)
                if holder is not instance:
                    yield f'{instance.name}: address {vip} is already that of {_full_name(holder, cluster)}; give each its own'
            same_id = routers.setdefault((instance.family, instance.router_id), [])
            for holder in same_id if instance.router_id is not None else []:
                if _meet(holder, instance):
                    yield (f'{instance.name}: virtual router id {instance.router_id} is already that of {_full_name(holder, cluster)}; '
                           'give each its own')
                    break
            same_id.append(instance)


def _meet(one, other):
    """Whether the adverts of two instances may reach each other; where it is not known, those of one cluster are taken to."""
    unknown = None in one.networks or None in other.networks
    return (unknown and one.cluster is other.cluster) or any(
        mine.overlaps(theirs) for mine in one.networks - {None} for theirs in other.networks - {None} if mine.version == theirs.version)


def _full_name(instance, seen_from):
    return instance.name if instance.cluster is seen_from else f"{instance.name} of another cluster ({_listed(instance.cluster.names)})"


def one_cluster(clusters):
    """A node belongs to the cluster that it has the description of."""
    described = {name: cluster for cluster in clusters for name in cluster.names}
    for cluster in clusters:
        for name in dict.fromkeys(node.name for instance in cluster.instances for node in instance.nodes):
            if described.get(name, cluster) is not cluster:
                yield (f'{name}: {_listed(cluster.names)} and {name} have different variables of the cluster, and yet the first names the latter '
                       'as a node; give all of its hosts the same, as variables of a group')


RULES = (shapes, names, router_ids, addresses, families, address_counts, node_names, agreement, priorities, advert_intervals, passwords, authentication,
         profiles, interfaces, own_addresses, check_names, checks, tracked_names, script_security, hand_over, nopreempt_weights, preemption,
         silenced_instances, unicast, sync_groups, features, keywords)
RULES_BETWEEN = (identities, one_cluster)


def lint(clusters):
    """Every sentence of every rule, each once."""
    found = [finding for cluster in clusters for rule in RULES for finding in rule(cluster)]
    found += [finding for rule in RULES_BETWEEN for finding in rule(clusters)]
    return [f'{finding}.' for finding in dict.fromkeys(found)]
