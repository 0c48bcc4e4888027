# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: vrrp_plan
short_description: Work out what each host of a VRRP cluster is, and what is wrong with that
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Turns the descriptions that hosts have of their cluster into one plan - which instances each host runs, in which state, with
    which priority, on which interface and with which peers, and which host owns each virtual IP.
  - Roles, playbooks and verification all read this plan; nothing works it out a second time.
  - Hosts with the same description form a cluster. Several clusters in one run are planned together, so that they are also
    compared with each other.
  - What is wrong comes back as text in RV(_value.findings), all of it at once, so that the caller can stop before any host is
    touched. A plan with findings is not fit for use.
  - It compares hosts with each other, which C(keepalived -t) cannot do, and keywords with the tables of the version that each
    host gets. What needs a look at the host or at the network is left to the preflight.
  - The plan holds no password. See P(vipkit.ha.vrrp_secrets#filter).
positional: _input
options:
  _input:
    description:
      - For each host of the play what it has in its variables.
      - C(cluster) is what all hosts of a cluster share, each key being the role's variable without its prefix - C(vrrp_instances),
        C(profile),
        C(nodes), C(priority), C(unicast), C(auth_pass), C(vrrp_scripts), C(vrrp_sync_groups) and C(global_defs).
      - C(version), C(configure_flags) and C(blocks) are the host's own.
      - C(drain_file) and C(yield_prefix) are where the tracked files are by which a host hands its addresses over. Without them it has none.
    type: dict
    required: true
  hostvars:
    description:
      - Ansible's C(hostvars). Only C(ansible_facts) and C(ansible_host) of the nodes are read.
      - A node without facts (outside of C(--limit)) gets no derived interface, and is not checked against its addresses.
    type: dict
    required: true
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
    msg: "{{ (descriptions | vipkit.ha.vrrp_plan(hostvars)).vips }}"
  vars:
    descriptions:
      node128: {cluster: "{{ cluster }}", version: 2.0.7}
      node129: {cluster: "{{ cluster }}", version: 2.0.7}
    cluster:
      vrrp_instances:
        - name: vrrp_instance_1
          virtual_router_id: 100
          virtual_ipaddress: [192.0.2.100/24]
          nodes: [node128, node129]
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
      description: All hosts of the clusters.
      type: list
      elements: str
    backups_first:
      description: The same hosts in the order in which a change that interrupts them rolls, those that own the fewest addresses first.
      type: list
      elements: str
    without_facts:
      description: Members whose facts were not there, so that some rules could not look at them.
      type: list
      elements: str
    vips:
      description:
        - Each virtual IP with its C(address), its C(instance) and C(virtual_router_id), its C(nodes), the preferred one first,
          those of them that are C(eligible), which is all of them until P(vipkit.ha.plan_around#filter) says otherwise, and its C(owner).
        - The owner is null where C(nopreempt) leaves it to history.
      type: list
      elements: dict
    hosts:
      description:
        - For each host C(conf), the blocks of its keepalived.conf as data, its C(interfaces), its longest C(advert_int) in seconds,
          the addresses that it should hold (C(owned)), should not (C(not_owned)) and may (C(watched)), its C(drain_file), its C(units), what moves as
          one, for P(vipkit.ha.hand_overs#filter), and whether an instance in FAULT silences others there (C(fault_silences), before 2.0.8).
      type: dict
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_lint import OWNER_PRIORITY, fault_silences, lint
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import clusters_of, entries, number
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_timing import best

DRAIN = 'vipkit_drain'  # the tracker of the whole host
LEAST = 253  # what a tracked file takes off: all but 1 of every priority ...
FAULT = 254  # ... and what keepalived takes for a fault


def _all_vips(instance):
    # a link-local one moves with its instance, and may be the same in another network
    return [vip for vip in instance.vips + [entry.ip for entry in instance.excluded] if not vip.is_link_local]


def _vips(cluster):
    return [{'address': str(vip), 'instance': instance.name, 'virtual_router_id': instance.router_id,
             'owner': instance.owner.name if instance.owner else None, 'nodes': [node.name for node in instance.ranked],
             'eligible': [node.name for node in instance.ranked]}
            for instance in cluster.instances for vip in _all_vips(instance)]


def _unit_of(instance, cluster, build, units):
    """What an instance moves with: its sync group if it is in one."""
    group = next((group['name'] for group in cluster.sync_groups if instance.name in entries(group.get('group'))), None)
    called = f'group_{group}' if group else instance.name
    return units.setdefault(called, {
        'name': group or instance.name, 'tracker': f'vipkit_yield_{called}', 'file': f'{build.yield_prefix}{called}',
        'value': FAULT if instance.any_on('nopreempt') else LEAST, 'instances': [], 'addresses': [], 'routers': [],
    })


def _add_trackers(host, cluster, build, instances):
    """The tracked files by which a host hands its addresses over; no weight lowers the owner's priority (RFC 5798 section 6.1)."""
    units, trackers = {}, {}
    for instance, node in instances:
        if node.priority != OWNER_PRIORITY:
            unit = _unit_of(instance, cluster, build, units)
            unit['instances'].append(instance.name)
            unit['addresses'] += map(str, _all_vips(instance))
            unit['routers'].append({'interface': node.interface, 'family': 'inet6' if instance.family == 6 else 'inet',
                                    'virtual_router_id': instance.router_id, 'priority': node.priority})
            # exactly as much as leaves 1: keepalived 2.0.7 makes 0 of less when it reloads, and with priority 1 there is nothing to take off
            most = best(host['conf'], node.block)
            drain = [f'{DRAIN} weight -{most - 1}'] if most > 1 else []
            trackers[instance.name] = [*drain, unit['tracker']]
    for block in host['conf']['vrrp_instance']:
        if block['name'] in trackers:
            block['track_file'] = [*entries(block.get('track_file')), *trackers[block['name']]]
    host['units'] = list(units.values())
    if units:
        host['conf']['vrrp_track_file'] = [
            *entries(host['conf'].get('vrrp_track_file')), {'name': DRAIN, 'file': build.drain_file, 'weight': -LEAST},
            *({'name': unit['tracker'], 'file': unit['file'], 'weight': -1} for unit in host['units'])]


def _hosts(cluster):
    """What each host of a cluster is: its part in every instance, as data."""
    hosts, instances = {}, {}
    for instance in cluster.instances:
        for node in instance.nodes:
            instances.setdefault(node.name, []).append((instance, node))
            host = hosts.setdefault(node.name, {
                'conf': {
                    'global_defs': {'router_id': node.name, **cluster.global_defs_of(cluster.build(node))},
                    **cluster.build(node).blocks,
                    'vrrp_script': cluster.scripts,
                    'vrrp_instance': [],
                },
                'interfaces': [], 'advert_int': 1, 'owned': [], 'not_owned': [], 'watched': [], 'drain_file': cluster.build(node).drain_file, 'units': [],
                'fault_silences': fault_silences(cluster.build(node)),
            })
            host['conf']['vrrp_instance'].append(dict(node.block))
            if node.interface not in host['interfaces']:
                host['interfaces'].append(node.interface)
            host['advert_int'] = max(host['advert_int'], number(node.block['advert_int']) or 1)
            held = 'watched' if instance.owner is None else 'owned' if node is instance.owner else 'not_owned'
            host[held] += map(str, _all_vips(instance))
    for name, host in hosts.items():
        present = {block['name'] for block in host['conf']['vrrp_instance']}
        groups = [group for group in cluster.sync_groups if present.issuperset(group.get('group') or [None])]
        build = cluster.build(instances[name][0][1])
        if groups:
            # without sync_group_tracking_weight keepalived ignores weights in it, and the lint has seen that there are no others
            host['conf']['vrrp_sync_group'] = [{'sync_group_tracking_weight': True, **group} for group in groups] if build.drain_file else groups
        if build.drain_file:
            _add_trackers(host, cluster, build, instances[name])
    return hosts


def vrrp_plan(descriptions, hostvars=None):
    """The plan of everything that the hosts describe."""
    clusters = clusters_of(descriptions, hostvars or {})
    hosts = {name: host for cluster in clusters for name, host in _hosts(cluster).items()}
    return {
        'findings': lint(clusters),
        'members': list(hosts),
        'backups_first': sorted(hosts, key=lambda name: len(hosts[name]['owned'])),
        'without_facts': [node.name for node in {node.name: node for cluster in clusters for instance in cluster.instances
                                                 for node in instance.nodes}.values() if not node.host.is_known],
        'vips': [vip for cluster in clusters for vip in _vips(cluster)],
        'hosts': hosts,
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'vrrp_plan': vrrp_plan}
