# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan

INSTANCES = [
    {'name': 'one', 'virtual_router_id': 100, 'virtual_ipaddress': ['192.0.2.100/24'], 'nodes': ['a', 'b']},
    {'name': 'two', 'virtual_router_id': 101, 'virtual_ipaddress': ['192.0.2.101/24'], 'nodes': ['b', 'a']},
]


def host(address, *secondaries, interface='eth0'):
    """What the facts of a host say."""
    def entry(text):
        ip, prefix = text.split('/')
        return {'address': ip, 'prefix': prefix}

    facts = {
        'interfaces': ['lo', interface],
        'lo': {'device': 'lo', 'ipv4': entry('127.0.0.1/8')},
        'default_ipv4': entry(address),
        interface.replace('-', '_'): {'device': interface, 'ipv4': entry(address), 'ipv4_secondaries': [entry(text) for text in secondaries]},
    }
    return {'ansible_facts': facts}


HOSTS = {'a': host('192.0.2.1/24'), 'b': host('192.0.2.2/24'), 'c': host('192.0.2.3/24')}


def changed(place, **values):
    """The instances with one of them changed; None takes a key away."""
    instances = copy.deepcopy(INSTANCES)
    instances[place].update(values)
    instances[place] = {key: value for key, value in instances[place].items() if value is not None}
    return instances


def plan_of(instances, **arguments):
    return vrrp_plan(instances, **{'hostvars': HOSTS, **arguments})


def instance_on(plan, node, name):
    return next(block for block in plan['hosts'][node]['conf']['vrrp_instance'] if block['name'] == name)


def test_short_form_gives_the_mirrored_pair():
    plan = plan_of(INSTANCES)
    assert plan['findings'] == []
    assert plan['members'] == ['a', 'b']
    seen = {(node, name): (instance_on(plan, node, name)['state'], instance_on(plan, node, name)['priority'],
                           instance_on(plan, node, name)['interface'])
            for node in 'ab' for name in ('one', 'two')}
    assert seen == {
        ('a', 'one'): ('MASTER', 100, 'eth0'), ('b', 'one'): ('BACKUP', 50, 'eth0'),
        ('a', 'two'): ('BACKUP', 50, 'eth0'), ('b', 'two'): ('MASTER', 100, 'eth0'),
    }
    assert plan['vips'] == [
        {'address': '192.0.2.100', 'instance': 'one', 'owner': 'a', 'nodes': ['a', 'b']},
        {'address': '192.0.2.101', 'instance': 'two', 'owner': 'b', 'nodes': ['b', 'a']},
    ]
    assert plan['hosts']['a']['owned'] == ['192.0.2.100']
    assert plan['hosts']['a']['not_owned'] == ['192.0.2.101']


def test_explicit_form_of_a_host_wins():
    plan = plan_of(changed(0, nodes=[{'name': 'a', 'priority': 30, 'interface': 'lo'}, {'name': 'b', 'state': 'BACKUP', 'priority': '200'}]))
    assert plan['findings'] == []
    assert plan['vips'][0]['owner'] == 'b'
    assert (instance_on(plan, 'a', 'one')['priority'], instance_on(plan, 'a', 'one')['interface']) == (30, 'lo')
    assert (instance_on(plan, 'b', 'one')['priority'], instance_on(plan, 'b', 'one')['state']) == (200, 'BACKUP')


@pytest.mark.parametrize('count, priorities', [(1, [100]), (2, [100, 50]), (3, [100, 67, 34]), (4, [100, 75, 50, 25])])
def test_priorities_fall_in_even_steps(count, priorities):
    nodes = [f'n{number}' for number in range(count)]
    plan = vrrp_plan([{**INSTANCES[0], 'nodes': nodes}], hostvars=dict.fromkeys(nodes, {}))
    assert [instance_on(plan, node, 'one')['priority'] for node in nodes] == priorities


def test_masters_spread_when_no_nodes_are_named():
    instances = [{**changed(0, nodes=None)[0], 'name': f'i{number}', 'virtual_router_id': number, 'virtual_ipaddress': [f'192.0.2.{number}/24']}
                 for number in range(10, 16)]
    assert [vip['owner'] for vip in plan_of(instances, nodes=['a', 'b', 'c'])['vips']] == ['a', 'b', 'c', 'a', 'b', 'c']


def test_nopreempt_makes_every_node_a_backup_and_leaves_the_owner_open():
    plan = plan_of(changed(0, nopreempt=True))
    assert {instance_on(plan, node, 'one')['state'] for node in 'ab'} == {'BACKUP'}
    assert plan['vips'][0]['owner'] is None
    assert '192.0.2.100' not in plan['hosts']['a']['owned'] + plan['hosts']['a']['not_owned']
    assert plan['hosts']['a']['watched'] == ['192.0.2.100']


def test_scripts_are_tracked_by_every_instance():
    plan = plan_of(INSTANCES, scripts=[{'name': 'web', 'interval': 1, 'check': {'kind': 'tcp', 'port': 80}}])
    assert plan['hosts']['b']['conf']['vrrp_script'] == [{'name': 'web', 'interval': 1}]
    assert {tuple(block['track_script']) for node in 'ab' for block in plan['hosts'][node]['conf']['vrrp_instance']} == {('web',)}


def test_a_virtual_ip_that_stands_first_on_another_interface_is_no_hosts_own():
    hosts = copy.deepcopy(HOSTS)
    hosts['a']['ansible_facts']['interfaces'].append('eth1')
    hosts['a']['ansible_facts']['eth1'] = {'device': 'eth1', 'ipv4': {'address': '192.0.2.100', 'prefix': '24'}}
    assert plan_of(INSTANCES, hostvars=hosts)['findings'] == []


def test_interface_is_found_although_virtual_ips_are_on_others():
    hosts = {'a': host('192.0.2.1/24', '192.0.2.100/24'), 'b': host('192.0.2.2/24', interface='br-x')}
    hosts['a']['ansible_facts']['interfaces'].append('eth1')
    hosts['a']['ansible_facts']['eth1'] = {'device': 'eth1', 'ipv4': {'address': '192.0.2.101', 'prefix': '24'}}
    plan = plan_of(changed(1, virtual_ipaddress=['192.0.2.102/24']), hostvars=hosts)
    assert [finding for finding in plan['findings'] if 'several' not in finding] == []
    plan = plan_of(changed(0), hostvars={'a': host('192.0.2.1/24', '192.0.2.100/24', '192.0.2.101/24'), 'b': hosts['b']})
    assert plan['findings'] == []
    assert instance_on(plan, 'a', 'one')['interface'] == 'eth0'
    assert instance_on(plan, 'b', 'one')['interface'] == 'br-x'


def test_no_password_is_in_the_plan():
    instances = changed(0, authentication={'auth_type': 'PASS', 'auth_pass': 'secret1'})
    plan = plan_of(instances, auth_pass='secret2')
    assert 'secret' not in json.dumps(plan)
    assert instance_on(plan, 'a', 'one')['authentication'] == {'auth_type': 'PASS'}
    assert instance_on(plan, 'a', 'two')['authentication'] == {'auth_type': 'PASS'}


@pytest.mark.parametrize('values, arguments', [
    ({'version': 3}, {}), ({'virtual_ipaddress': ['2001:db8::1/64'], 'interface': 'eth0'}, {}), ({}, {'global_defs': {'vrrp_version': 3}}),
])
def test_version_3_has_no_authentication(values, arguments):
    plan = plan_of(changed(0, **values), auth_pass='secret', **arguments)
    assert plan['findings'] == []
    assert 'authentication' not in instance_on(plan, 'a', 'one')


def test_a_password_alone_means_the_type_pass():
    plan = plan_of(changed(0, authentication={'auth_pass': 'own'}))
    assert instance_on(plan, 'a', 'one')['authentication'] == {'auth_type': 'PASS'}
    assert 'authentication' not in instance_on(plan, 'a', 'two')


def test_preempt_delay_makes_every_node_a_backup_but_keeps_the_owner():
    plan = plan_of(changed(0, preempt_delay=5))
    assert {instance_on(plan, node, 'one')['state'] for node in 'ab'} == {'BACKUP'}
    assert plan['vips'][0]['owner'] == 'a'


def test_without_a_password_there_is_no_authentication():
    assert 'authentication' not in instance_on(plan_of(INSTANCES), 'a', 'one')


def test_a_host_outside_of_the_play_has_no_facts_and_is_not_judged():
    plan = plan_of(INSTANCES, hostvars={'a': HOSTS['a'], 'b': {'ansible_facts': {}}})
    assert plan['findings'] == []
    assert instance_on(plan, 'b', 'one')['interface'] is None


def test_global_defs_are_every_hosts_with_its_own_router_id():
    plan = plan_of(INSTANCES, global_defs={'vrrp_version': 3})
    assert plan['hosts']['a']['conf']['global_defs'] == {'router_id': 'a', 'vrrp_version': 3}


@pytest.mark.parametrize('instances, arguments, finding', [
    (changed(0, virtual_router_id=0), {}, 'one: virtual_router_id is 0; it has to be from 1 to 255 (RFC 5798 section 5.2.3).'),
    (changed(0, virtual_router_id=256), {}, 'one: virtual_router_id is 256; it has to be from 1 to 255 (RFC 5798 section 5.2.3).'),
    (changed(0, virtual_router_id='x'), {}, 'one: virtual_router_id is x; it has to be from 1 to 255 (RFC 5798 section 5.2.3).'),
    (changed(1, virtual_router_id='100'), {}, 'two: virtual router id 100 is already that of one; give each its own.'),
    (changed(1, name='one'), {}, 'one: name one is already that of one; give each its own.'),
    (changed(1, name='t wo'), {}, "t wo: 'name' has to be one word of letters, digits, '_', '.' and '-'."),
    (changed(1, virtual_ipaddress=['192.0.2.100']), {}, 'two: address 192.0.2.100 is already that of one; give each its own.'),
    (changed(1, virtual_ipaddress=[]), {}, 'two: virtual_ipaddress is no list of addresses; give at least one, such as [192.0.2.10/24].'),
    (changed(1, virtual_ipaddress=['192.0.2.300/24']), {}, "two: '192.0.2.300/24' is no IP address; write it as 192.0.2.10/24."),
    (changed(0, nodes=['a', 'b', 'z']), {}, "one: node 'z' is not in the inventory; correct the name or add the host."),
    (changed(0, nodes=['a', 'a']), {}, "one: node 'a' is named more than once; name it once."),
    (changed(0, nodes=None), {}, "one: 'nodes' is empty; name the hosts that serve it, the preferred one first, or set keepalived_nodes for all instances."),
    (changed(0, priority=100), {}, 'one: its nodes do not all have a priority of their own (100, 100); make them differ.'),
    (changed(0, nodes=[{'name': 'a', 'priority': 256}, 'b']), {},
     "one: priority of 'a' has to be from 1 to 255 (RFC 5798 section 5.2.4)."),
    (changed(0, track_script=['gone']), {'scripts': [{'name': 'web'}]},
     "one: it tracks the script 'gone', which is not defined; defined: web."),
    (changed(0, virtual_ipaddress=['198.51.100.1/24']), {},
     "one: 198.51.100.1 on a is in no network of an interface there (eth0 192.0.2.1/24): correct the address or say which with 'interface'."),
    (changed(0, nopreempt=True, state='MASTER'), {},
     "one: state MASTER of 'a' does not go with nopreempt and preempt_delay; leave state out."),
    (changed(0, nodes=[{'name': 'a', 'authentication': {'auth_pass': 'x'}}, 'b']), {},
     "one: authentication of 'a' alone cannot work; give it to the instance."),
    (INSTANCES, {'scripts': [{'name': 'web', 'check': {'kind': 'http', 'url': 'https://127.0.0.1/'}}]},
     "web: url 'https://127.0.0.1/' has to begin with http://, since the check script speaks no TLS."),
    (changed(1, virtual_ipaddress='192.0.2.101/24'), {},
     'two: virtual_ipaddress is no list of addresses; give at least one, such as [192.0.2.10/24].'),
    (changed(0, nodes=[{'priority': 5}, 'b']), {}, "one: node '' is not in the inventory; correct the name or add the host."),
    (INSTANCES, {'scripts': [{'name': 'log'}]},
     "log: a script needs a name of its own of letters, digits, '_' and '-', and not log or release_vips."),
    (INSTANCES, {'scripts': [{'name': 'web'}, {'name': 'web'}]},
     "web: a script needs a name of its own of letters, digits, '_' and '-', and not log or release_vips."),
    (INSTANCES, {'global_defs': {'vrrp_versoin': 3}},
     "keepalived.conf: global_defs: there is no keyword 'vrrp_versoin'; nearest: vrrp_version, vrrp_strict (or use raw)."),
    (changed(0, unicast_peer='192.0.2.2'), {},
     "keepalived.conf: vrrp_instance one, unicast_peer: '192.0.2.2' is no list; write it as [192.0.2.2]."),
    (changed(0, interface='ens33'), {}, "one: a has no interface 'ens33'; it has lo, eth0."),
    (changed(0, virtual_ipaddress=['192.0.2.2/24']), {},
     "one: 192.0.2.2 is b's own address; a virtual IP has to be one that no host has."),
    (INSTANCES, {'auth_pass': 'ninechars'},
     'the password of all instances: auth_pass has 9 characters; VRRP carries 8 (RFC 2338 section 5.3.6) and keepalived would cut it: shorten it.'),
    (changed(1, authentication={'auth_pass': 'ninechars'}), {},
     'two: auth_pass has 9 characters; VRRP carries 8 (RFC 2338 section 5.3.6) and keepalived would cut it: shorten it.'),
    (INSTANCES, {'auth_pass': 'a b'},
     'the password of all instances: auth_pass holds a blank, a quote or one of # ! { } $ \\, which keepalived.conf cannot carry: choose another.'),
])
def test_findings(instances, arguments, finding):
    assert finding in plan_of(instances, **arguments)['findings']


def test_two_fitting_interfaces_are_not_guessed():
    hosts = copy.deepcopy(HOSTS)
    hosts['a']['ansible_facts']['interfaces'].append('eth1')
    hosts['a']['ansible_facts']['eth1'] = {'device': 'eth1', 'ipv4': {'address': '192.0.2.9', 'prefix': '24'}}
    assert ("one: 192.0.2.100 on a is in the network of several interfaces (eth0, eth1): say which with 'interface'."
            in plan_of(INSTANCES, hostvars=hosts)['findings'])


def test_all_findings_come_together():
    instances = changed(0, virtual_router_id=0, nodes=['a', 'z'])
    assert len(plan_of(instances, auth_pass='much too long')['findings']) == 4
