# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.vipkit.ha.plugins.filter.vrrp_admissions import vrrp_admissions

MULTICAST = {'interface': 'eth0', 'family': 'ipv4', 'protocol': 112, 'destination': '224.0.0.18'}


def admitted(*instances, **global_defs):
    blocks = [{'interface': 'eth0', 'virtual_router_id': 100, 'virtual_ipaddress': ['192.0.2.100/24'], **instance} for instance in instances]
    return vrrp_admissions({'global_defs': global_defs, 'vrrp_instance': blocks})


def test_multicast_is_named_once_for_all_instances_of_an_interface():
    assert admitted({}, {'virtual_router_id': 101}) == [MULTICAST]


def test_interfaces_are_named_apart():
    assert admitted({}, {'interface': 'eth1'}) == [MULTICAST, {**MULTICAST, 'interface': 'eth1'}]


def test_unicast_is_admitted_from_the_peers_alone():
    unicast = {'interface': 'eth0', 'family': 'ipv4', 'protocol': 112}
    assert admitted({'unicast_peer': ['192.0.2.2', '192.0.2.3 min_ttl 255']}) == [
        {**unicast, 'source': '192.0.2.2'}, {**unicast, 'source': '192.0.2.3'}]


def test_ipv6_peers_are_ipv6():
    assert admitted({'unicast_peer': ['2001:db8::2']}) == [{'interface': 'eth0', 'family': 'ipv6', 'protocol': 112, 'source': '2001:db8::2'}]


@pytest.mark.parametrize('instance', [{'virtual_ipaddress': ['fe80::1/64', '2001:db8::100/64']}, {'native_ipv6': True}])
def test_ipv6_has_its_own_group(instance):
    assert admitted(instance) == [{**MULTICAST, 'family': 'ipv6', 'destination': 'ff02::12'}]


def test_authentication_header_is_another_protocol():
    assert admitted({'authentication': {'auth_type': 'AH'}}, {'authentication': {'auth_type': 'PASS'}}) == [{**MULTICAST, 'protocol': 51}, MULTICAST]


def test_another_group_is_followed():
    assert admitted({}, vrrp_mcast_group4='224.0.0.99') == [{**MULTICAST, 'destination': '224.0.0.99'}]
    assert admitted({'mcast_dst_ip': '224.0.0.98'}, vrrp_mcast_group4='224.0.0.99') == [{**MULTICAST, 'destination': '224.0.0.98'}]


@pytest.mark.parametrize('use_vmac, name', [(True, 'vrrp.100'), ('vip0', 'vip0'), ('vip0 02:00:00:00:00:01', 'vip0'), ('02:00:00:00:00:01', 'vrrp.100')])
def test_interface_of_a_virtual_mac_counts_too(use_vmac, name):
    assert [admission['interface'] for admission in admitted({'use_vmac': use_vmac})] == ['eth0', name]


def test_without_instances_nothing_comes_in():
    assert vrrp_admissions({'vrrp_instance': []}) == []
