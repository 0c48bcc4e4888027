# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real failures: the address moves to the peer, and comes back."""

from __future__ import annotations

import pytest
from conftest import container, docker, wait_until


def all_on(cluster, node):
    """Every virtual IP on one node."""
    return {vip: [node] for vip in cluster.vips}


@pytest.mark.parametrize('service', ['nginx', 'keepalived'])
def test_stopped_service_moves_its_vip_and_a_started_one_brings_it_back(cluster, node, service):
    peer = cluster.peer_of(node)
    cluster.nodes[node].check_output(f'systemctl stop {service}')
    try:
        assert cluster.becomes(all_on(cluster, peer)) == all_on(cluster, peer)
        assert cluster.page(cluster.vip_of(node)) == peer
    finally:
        cluster.nodes[node].check_output(f'systemctl start {service}')
    assert cluster.becomes(cluster.planned()) == cluster.planned()
    assert cluster.page(cluster.vip_of(node)) == node


def test_killed_keepalived_leaves_no_stale_vip_and_heals(cluster, node):
    host, vip = cluster.nodes[node], cluster.vip_of(node)
    before = host.check_output('systemctl show --property=MainPID keepalived')
    host.check_output('pkill -KILL keepalived')
    assert wait_until(lambda: node not in cluster.holders(vip), 5), 'the dead node keeps the virtual IP'
    assert wait_until(lambda: host.service('keepalived').is_running
                      and host.check_output('systemctl show --property=MainPID keepalived') != before, 10)
    assert cluster.becomes(cluster.planned()) == cluster.planned()
    assert cluster.page(vip) == node


def test_killed_vrrp_process_heals(cluster, node):
    host = cluster.nodes[node]
    parent = host.check_output('systemctl show --property=MainPID keepalived').partition('=')[2]
    host.check_output(f'pkill -KILL --parent {parent} keepalived')
    assert cluster.becomes(cluster.planned()) == cluster.planned()


def test_dead_node_leaves_both_vips_to_the_other_and_returns_after_boot(cluster, node):
    peer = cluster.peer_of(node)
    docker('kill', container(node))
    try:
        survivor = cluster.nodes[peer]
        assert wait_until(lambda: all(f'inet {vip}/' in survivor.run('ip -o -4 address show').stdout for vip in cluster.vips))
        assert {cluster.page(vip) for vip in cluster.vips} == {peer}
    finally:
        cluster.boot(node)
    assert cluster.nodes[node].sysctl('net.ipv4.ip_nonlocal_bind') == 1
    # nothing but systemd brings keepalived back
    assert cluster.becomes(cluster.planned(), 60) == cluster.planned()
    assert cluster.page(cluster.vip_of(node)) == node
