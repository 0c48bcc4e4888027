# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan
from ansible_collections.vipkit.ha.plugins.plugin_utils import _vrrp_lint
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import VERSIONS

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
        'default_ipv4': {**entry(address), 'interface': interface},
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


def described(hosts=('a', 'b'), version='2.3.4', blocks=None, flags=(), chosen=('lvs', 'libnl'), fixes=(), **cluster):
    """What these hosts have in their variables."""
    cluster['vrrp_scripts'] = [{'script': '/usr/bin/true', **script} if 'name' in script and 'check' not in script else script
                               for script in cluster.pop('scripts', [])]
    cluster['scripts'] = cluster.pop('own_scripts', [])
    build = {'version': version, 'configure_flags': list(flags), 'features': list(chosen), 'fixes': list(fixes), 'blocks': blocks or {}}
    return {name: {'cluster': cluster, **build} for name in hosts}


def plan_of(instances, hostvars=None, **arguments):
    return vrrp_plan(described(vrrp_instances=instances, **arguments), HOSTS if hostvars is None else hostvars)


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
        {'address': '192.0.2.100', 'instance': 'one', 'virtual_router_id': 100, 'owner': 'a', 'nodes': ['a', 'b'], 'eligible': ['a', 'b']},
        {'address': '192.0.2.101', 'instance': 'two', 'virtual_router_id': 101, 'owner': 'b', 'nodes': ['b', 'a'], 'eligible': ['b', 'a']},
    ]
    assert plan['hosts']['a']['owned'] == ['192.0.2.100']
    assert plan['hosts']['a']['not_owned'] == ['192.0.2.101']


def test_explicit_form_of_a_host_wins():
    hosts = {**HOSTS, 'a': host('192.0.2.1/24', interface='bond0')}
    plan = plan_of(changed(0, nodes=[{'name': 'a', 'priority': 30, 'interface': 'bond0'}, {'name': 'b', 'state': 'BACKUP', 'priority': '200'}]), hosts)
    assert plan['findings'] == []
    assert plan['vips'][0]['owner'] == 'b'
    assert (instance_on(plan, 'a', 'one')['priority'], instance_on(plan, 'a', 'one')['interface']) == (30, 'bond0')
    assert (instance_on(plan, 'b', 'one')['priority'], instance_on(plan, 'b', 'one')['state']) == (200, 'BACKUP')


@pytest.mark.parametrize('count, priorities', [(1, [100]), (2, [100, 50]), (3, [100, 67, 34]), (4, [100, 75, 50, 25])])
def test_priorities_fall_in_even_steps(count, priorities):
    nodes = [f'n{number}' for number in range(count)]
    plan = plan_of([{**INSTANCES[0], 'nodes': nodes}], hostvars=dict.fromkeys(nodes, {}))
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


# --- profiles ---

def test_without_a_word_it_is_classic():
    arguments = {'auth_pass': 'secret', 'scripts': [{'name': 'web'}]}
    assert plan_of(INSTANCES, **arguments) == plan_of(INSTANCES, profile='classic', **arguments) == plan_of(INSTANCES, priority=100, **arguments)
    assert plan_of(INSTANCES)['hosts']['a']['conf']['global_defs'] == {'router_id': 'a'}


@pytest.mark.parametrize('count, priorities', [(1, [254]), (2, [254, 253]), (4, [254, 253, 252, 251])])
def test_fast_priorities_are_high_and_close_together(count, priorities):
    nodes = [f'n{number}' for number in range(count)]
    plan = plan_of([{**INSTANCES[0], 'nodes': nodes}], hostvars=dict.fromkeys(nodes, {}), profile='fast')
    assert [instance_on(plan, node, 'one')['priority'] for node in nodes] == priorities


@pytest.mark.parametrize('version', VERSIONS)
def test_fast_is_sound_in_every_release(version):
    plan = plan_of(INSTANCES, profile='fast', version=version, scripts=[{'name': 'web', 'check': {'kind': 'tcp', 'port': 80}}])
    assert plan['findings'] == []
    assert {block['advert_int'] for node in 'ab' for block in plan['hosts'][node]['conf']['vrrp_instance']} == {0.1}
    assert plan['hosts']['a']['conf']['vrrp_script'] == [{'name': 'web', 'interval': 1, 'fall': 2, 'rise': 3}]
    assert plan['hosts']['a']['conf']['global_defs']['vrrp_version'] == 3


@pytest.mark.parametrize('version, realtime', [('2.0.7', True), ('2.0.20', True), ('2.2.7', False), ('2.3.4', False)])
def test_fast_is_scheduled_as_its_release_can_bear_it(version, realtime):
    given = plan_of(INSTANCES, profile='fast', version=version)['hosts']['a']['conf']['global_defs']
    assert ('vrrp_rt_priority' in given, 'vrrp_rlimit_rtime' in given) == (realtime, realtime)
    assert ('vrrp_priority' in given, 'vrrp_no_swap' in given) == (not realtime, not realtime)


def test_each_node_gets_what_its_own_release_can_bear():
    mixed = {**described('a', '2.0.20', vrrp_instances=INSTANCES, profile='fast'), **described('b', '2.3.4', vrrp_instances=INSTANCES, profile='fast')}
    hosts = vrrp_plan(mixed, HOSTS)['hosts']
    assert ['vrrp_rt_priority' in hosts[node]['conf']['global_defs'] for node in 'ab'] == [True, False]


@pytest.mark.parametrize('version', ['2.0.20', '2.3.4'])
def test_a_keyword_of_the_clusters_own_wins_over_the_profile(version):
    own = {'advert_int': 0.5, 'priority': 200, 'version': 3}
    plan = plan_of([{**changed(0)[0], 'nodes': ['a'], **own}], profile='fast', version=version, scripts=[{'name': 'web', 'interval': 3, 'fall': 1, 'rise': 1}],
                   global_defs={'vrrp_garp_master_repeat': 7, 'vrrp_no_swap': False})
    assert own.items() <= instance_on(plan, 'a', 'one').items()
    assert plan['hosts']['a']['conf']['vrrp_script'] == [{'name': 'web', 'script': '/usr/bin/true', 'interval': 3, 'fall': 1, 'rise': 1}]
    assert plan['hosts']['a']['conf']['global_defs']['vrrp_garp_master_repeat'] == 7
    assert plan['hosts']['a']['conf']['global_defs']['vrrp_no_swap'] is False


@pytest.mark.parametrize('version, own, gone', [
    ('2.0.7', 'vrrp_rlimit_rttime', {'vrrp_rlimit_rtime'}), ('2.0.7', 'vrrp_priority', {'vrrp_rt_priority', 'vrrp_rlimit_rtime'}),
    ('2.3.4', 'vrrp_rt_priority', {'vrrp_priority'}),
])
def test_a_keyword_that_says_the_same_in_another_way_wins_too(version, own, gone):
    given = plan_of(INSTANCES, profile='fast', version=version, global_defs={own: 5})['hosts']['a']['conf']['global_defs']
    assert given[own] == 5 and not gone & set(given)


def test_fast_takes_a_password_where_an_instance_has_version_2():
    assert plan_of(changed(0, version=2, advert_int=1), profile='fast', auth_pass='secret')['findings'] == []


def test_profiles_do_not_mix_in_a_cluster():
    mixed = {**described('a', vrrp_instances=INSTANCES, profile='fast'), **described('b', vrrp_instances=INSTANCES, profile='classic')}
    assert any('have different variables of the cluster' in finding for finding in vrrp_plan(mixed, HOSTS)['findings'])


SIMPLE_CASES = [
    (changed(0, virtual_router_id=0), {}, 'one: virtual_router_id is 0; it has to be from 1 to 255 (RFC 5798 section 5.2.3).'),
    (changed(0, virtual_router_id=256), {}, 'one: virtual_router_id is 256; it has to be from 1 to 255 (RFC 5798 section 5.2.3).'),
    (changed(0, virtual_router_id='x'), {}, 'one: virtual_router_id is x; it has to be from 1 to 255 (RFC 5798 section 5.2.3).'),
    (changed(1, virtual_router_id='100'), {}, 'two: virtual router id 100 is already that of one; give each its own.'),
    (changed(1, name='one'), {}, 'one: another instance has that name already; give each its own.'),
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
     "one: track_script names 'gone', which is not defined; defined: web."),
    (changed(0, virtual_ipaddress=['198.51.100.1/24']), {},
     "one: 198.51.100.1 on a is in no network of an interface there (eth0 192.0.2.1/24): correct the address or say which with 'interface'."),
    (changed(0, nopreempt=True, state='MASTER'), {},
     "one: state MASTER of 'a' does not go with nopreempt and preempt_delay; leave state out."),
    (changed(0, nodes=[{'name': 'a', 'authentication': {'auth_pass': 'x'}}, 'b']), {},
     "one: authentication of 'a' alone cannot work, since members with different ones do not hear each other and all become master; "
     'give it to the instance.'),
    (INSTANCES, {'scripts': [{'name': 'web', 'check': {'kind': 'http', 'url': 'https://127.0.0.1/'}}]},
     "web: url 'https://127.0.0.1/' has to begin with http:// and name a host, since the check script speaks no TLS."),
    (changed(1, virtual_ipaddress='192.0.2.101/24'), {},
     'two: virtual_ipaddress is no list of addresses; give at least one, such as [192.0.2.10/24].'),
    (changed(0, nodes=[{'priority': 5}, 'b']), {}, "one: node '' is not in the inventory; correct the name or add the host."),
    (INSTANCES, {'scripts': [{'name': 'log'}]},
     "log: a script needs a name of its own of letters, digits, '_', '.' and '-', and not log or release_vips."),
    (INSTANCES, {'scripts': [{'name': 'web'}, {'name': 'web'}]},
     "web: a script needs a name of its own of letters, digits, '_', '.' and '-', and not log or release_vips."),
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
]


@pytest.mark.parametrize('instances, arguments, finding', SIMPLE_CASES)
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


# --- rules over hosts, instances and clusters ---

NODES = [{'name': 'a', 'priority': 100}, {'name': 'b', 'priority': 90}]
HEARD_BY_NONE = 'alone cannot work, since members with different ones do not hear each other and all become master; give it to the instance.'
DIFFERENT = [{'name': 'one', 'virtual_router_id': 7, 'virtual_ipaddress': ['192.0.2.7/24'], 'nodes': ['c']}]


@pytest.mark.parametrize('keyword, value', [
    ('virtual_router_id', 7), ('virtual_ipaddress', ['192.0.2.9/24']), ('advert_int', 2), ('version', 3), ('authentication', {'auth_pass': 'x'}),
])
def test_members_agree(keyword, value):
    nodes = [{'name': 'a', keyword: value}, 'b']
    assert f"one: {keyword} of 'a' {HEARD_BY_NONE}" in plan_of(changed(0, nodes=nodes))['findings']


CASES = [
    # what an advert can carry
    (changed(0, advert_int=1.5), {}, 'one: advert_int is 1.5; VRRP version 2 carries whole seconds, 1 to 255: round it, or set version 3.'),
    (changed(0, advert_int=0), {}, 'one: advert_int is 0; VRRP version 2 carries whole seconds, 1 to 255: round it, or set version 3.'),
    (changed(0, advert_int=41, version=3), {}, 'one: advert_int is 41; VRRP version 3 carries 0.01 to 40.95 s.'),
    (changed(0, virtual_ipaddress=[f'192.0.{place // 250}.{place % 250 + 1}/16' for place in range(256)], interface='eth0'), {},
     'one: 256 addresses do not fit into an advert, which carries 255: put the others into virtual_ipaddress_excluded.'),
    (changed(0, virtual_ipaddress=['192.0.2.100/24', '2001:db8::1/64']), {},
     'one: virtual_ipaddress has IPv4 and IPv6 addresses, which are separate virtual routers (RFC 5798 section 1.3): make two instances, or put '
     'those of one family into virtual_ipaddress_excluded.'),
    (changed(0, virtual_ipaddress=['2001:db8::1/64'], interface='eth0', version=2), {}, 'one: version is 2, which knows no IPv6; leave version out.'),
    (changed(0, version=3, authentication={'auth_pass': 'x'}), {},
     'one: VRRP version 3 has no authentication (RFC 5798 section 9), so it cannot be given one; leave it out.'),
    # where the addresses are
    (changed(0, interface='eth0', virtual_ipaddress=['198.51.100.1/24']), {},
     "one: 198.51.100.1/24 is in no network of a's eth0 (192.0.2.1/24): correct it, or write it as 198.51.100.1/32 if routers send it there."),
    (changed(0, virtual_ipaddress=['192.0.2.255/24']), {}, 'one: 192.0.2.255/24 is the address of the network itself or its broadcast; choose another.'),
    # checks that move nothing
    (changed(0, nodes=NODES), {'scripts': [{'name': 'web', 'weight': -10}]},
     "one: script 'web' with weight -10 leaves a at priority 90 when it fails, and b has 90, so it never takes over "
     'from there; let the weight be more than the gap, or 0.'),
    (changed(0, nodes=NODES), {'scripts': [{'name': 'web', 'weight': 10}]},
     "one: script 'web' with weight 10 leaves a at priority 100 when it fails, and b has 100, so it never takes "
     'over from there; let the weight be more than the gap, or 0.'),
    (changed(0, nodes=NODES, track_script=['web weight -5']), {'scripts': [{'name': 'web'}]},
     "one: script 'web' with weight -5 leaves a at priority 95 when it fails, and b has 90, so it never takes over "
     'from there; let the weight be more than the gap, or 0.'),
    (changed(0, nodes=NODES, track_interface=['eth1 weight -5']), {},
     "one: interface 'eth1' with weight -5 leaves a at priority 95 when it fails, and b has 90, so it never takes over from there; "
     'let the weight be more than the gap, '
     'or 0.'),
    (changed(0, nodes=[{'name': 'a', 'priority': 255}, 'b']), {'scripts': [{'name': 'web', 'weight': -250}]},
     "one: script 'web' with weight -250 leaves a at priority 255 when it fails, and b has 50, so it never takes over from there; "
     'let the weight be more than the gap, '
     'or 0.'),
    (changed(0, nopreempt=True), {'scripts': [{'name': 'web', 'weight': -60}]},
     "one: script 'web' has a weight, and with nopreempt no node takes over from one that has lost priority; use weight 0 or leave nopreempt out."),
    (changed(0, nopreempt=True, preempt_delay=5), {}, 'one: nopreempt and preempt_delay exclude each other; leave one of them out.'),
    (changed(0, nopreempt=True, nodes=[{'name': 'a', 'priority': 255}, 'b']), {},
     "one: priority 255 of 'a' always preempts, so nopreempt needs a lower one."),
    (INSTANCES, {'scripts': [{'name': 'web', 'script': '/tmp/web.sh -v', 'user': 'root'}]},
     'web: keepalived refuses to run /tmp/web.sh as root, since others can change what is there: put it where only root can write, or give it '
     'another user.'),
    (changed(0, nodes=['a', 'b', 'c']), {'scripts': [{'name': 'web', 'weight': -40}]},
     "one: script 'web' with weight -40 leaves a at priority 60 when it fails, and c has 34, so it never takes over from there; let the weight be more "
     'than the gap, or 0.'),
    (changed(0, virtual_ipaddress_excluded=['192.0.2.100']), {}, 'one: it has the address 192.0.2.100 more than once; give it once.'),
    (changed(0, virtual_ipaddress_excluded=['192.0.2.101']), {}, 'two: address 192.0.2.101 is already that of one; give each its own.'),
    (changed(0, virtual_ipaddress_excluded=['192.0.2.2']), {}, "one: 192.0.2.2 is b's own address; a virtual IP has to be one that no host has."),
    (changed(0, track_file=['gone']), {}, "one: track_file names 'gone', which is not defined; defined: none."),
    # what a check asks
    (INSTANCES, {'scripts': [{'name': 'web', 'check': {'kind': 'ping'}}]},
     "web: there is no check of the kind 'ping'; there are http, tcp, process, command."),
    (INSTANCES, {'scripts': [{'name': 'web', 'check': {'kind': 'process'}}]}, "web: a check of the kind 'process' needs process or pattern."),
    (INSTANCES, {'scripts': [{'name': 'web', 'check': {'kind': 'tcp', 'port': 80, 'url': 'http://x/'}}]},
     "web: a check of the kind 'tcp' has no 'url'; it has port, host, limit, log."),
    (INSTANCES, {'scripts': [{'name': 'web', 'check': {'kind': 'tcp', 'port': 80, 'limit': 3}, 'interval': 2}]},
     'web: its limit of 3 s is not below its interval of 2 s; make it so.'),
    (INSTANCES, {'scripts': [{'name': 'web', 'check': {'kind': 'tcp', 'port': 80, 'limit': 4}, 'interval': 5, 'timeout': 2}]},
     'web: its limit of 4 s is not below its timeout of 2 s; make it so.'),
    (INSTANCES, {'scripts': [{'name': 'web', 'check': {'kind': 'tcp', 'port': 80}, 'script': '/x'}]},
     "web: it has a 'check' and a 'script'; leave one of them out."),
    (INSTANCES, {'scripts': [{'name': 'web', 'script': None}]}, "web: it has neither a 'check' nor a 'script'; say what it looks at."),
    (INSTANCES, {'scripts': [{'name': 'web'}], 'own_scripts': ['web']},
     "web: a script needs a name of its own of letters, digits, '_', '.' and '-', and not log or release_vips."),
    *[(INSTANCES, {'scripts': [{'name': 'web', 'check': check}]}, f'web: {finding}') for check, finding in [
        ({'kind': 'tcp', 'port': '80; reboot'}, "port '80; reboot' is no port; give one from 1 to 65535."),
        ({'kind': 'tcp', 'port': 80, 'host': 'a b'}, "host 'a b' is no host; give its name or its address."),
        ({'kind': 'http', 'url': 'http://127.0.0.1:x/'}, "url 'http://127.0.0.1:x/' has to begin with http:// and name a host,"),
        ({'kind': 'http', 'url': 'http://127.0.0.1/', 'status': 'ok'}, "status 'ok' is no status; give one from 100 to 599."),
        ({'kind': 'process', 'process': 'a-name-of-16-cha'}, "process 'a-name-of-16-cha' is no name that the kernel keeps;"),
        ({'kind': 'tcp', 'port': 80, 'log': 'false'}, "log 'false' is neither true nor false."),
    ]],
    # of another shape
    ([*INSTANCES, 'name=three'], {}, "keepalived_vrrp_instances: 'name=three' is no dictionary; write it as {name: ..., ...}."),
    (changed(0, nodes={'a': {'priority': 5}}), {}, "one: 'nodes' is no list; write it as [node1, node2], the preferred one first."),
    (changed(0, authentication='secret'), {}, 'one: authentication is no dictionary; write it as {auth_type: PASS, auth_pass: ...}.'),
    (changed(0, unicast='false'), {}, "one: unicast is 'false', which is neither true nor false."),
    (changed(0, name=['x']), {}, "['x']: 'name' has to be one word of letters, digits, '_', '.' and '-'."),
    (INSTANCES, {'priority': 256}, "one: priority of 'a' has to be from 1 to 255 (RFC 5798 section 5.2.4)."),
    # what does not go with a profile
    (INSTANCES, {'profile': 'faster'}, "keepalived_profile is 'faster'; there are classic, fast."),
    (INSTANCES, {'profile': 'fast', 'auth_pass': 'secret'},
     'keepalived_auth_pass: the profile fast runs VRRP version 3, which has no authentication (RFC 5798 section 9), so no advert would carry it; leave it '
     'empty, or stay with the profile classic.'),
    (changed(0, version=2), {'profile': 'fast'},
     'one: advert_int is 0.1; VRRP version 2 carries whole seconds, 1 to 255: round it, or set version 3.'),
    (INSTANCES, {'profile': 'fast', 'priority': 1},
     'one: 2 nodes do not fit below the priority 1, each one less than the one before; raise keepalived_priority.'),
    (changed(0, nodes=[{'name': 'a', 'priority': 100}, 'b']), {'profile': 'fast'},
     'one: some of its nodes have a priority of their own and b the one of the profile fast, so that b comes first; give all of them one, or none.'),
    # 2.0.7 falls silent
    (changed(0, track_script=[]), {'scripts': [{'name': 'web'}], 'version': '2.0.7'},
     'one: it shares eth0 with two and not its trackers of weight 0 (web); in keepalived 2.0.7, when one of these fails, all other instances of the '
     'interface fall silent and take over nothing: give both the same, or a weight, build it with the fix silenced_instances, or use 2.0.8 or newer.'),
    # unicast
    (changed(0, nodes=['a'], unicast=True), {},
     "one: 'a' has no unicast_peer but itself, so it would always be master; name other nodes or leave unicast out."),
    (changed(0, unicast=True), {'hostvars': {'a': HOSTS['a'], 'b': {}}},
     "one: the address that 'b' sends its adverts from is not known; let its facts be read, or give the node a unicast_src_ip."),
    (changed(0, nodes=['a', {'name': 'b', 'unicast_peer': ['192.0.2.1']}]), {},
     "one: unicast_peer of 'b' alone cannot work, since the others send to all; set unicast for the instance."),
    (changed(0, nodes=['a', {'name': 'b', 'unicast': True}]), {}, "keepalived.conf: vrrp_instance one: there is no keyword 'unicast'"),
    # sync groups
    (changed(1, nodes=['a', 'b']), {'vrrp_sync_groups': [{'name': 'both', 'group': ['one', 'two']}], 'scripts': [{'name': 'web', 'weight': -60}]},
     "both: keepalived ignores script 'web' of one, since it has a weight; use weight 0, or set sync_group_tracking_weight for the group."),
    (INSTANCES, {'vrrp_sync_groups': [{'name': 'x', 'group': ['one']}, {'name': 'x', 'group': ['two']}]},
     'x: another sync group has that name already; give each its own.'),
    (INSTANCES, {'vrrp_sync_groups': [{'name': 'x', 'group': ['one'], 'track_script': ['gone']}]},
     "x: track_script names 'gone', which is not defined; defined: none."),
    (INSTANCES, {'vrrp_sync_groups': [{'name': 'both', 'group': ['one', 'two']}]},
     'both: its instances prefer different nodes, and a sync group moves as one; give them the same nodes in the same order.'),
    (INSTANCES, {'vrrp_sync_groups': [{'name': 'both', 'group': ['one', 'three']}]}, "both: there is no instance 'three'; there are one, two."),
    (INSTANCES, {'vrrp_sync_groups': [{'name': 'x', 'group': ['one']}, {'name': 'y', 'group': ['one']}]},
     'y: one is in the sync group x already; an instance moves with one.'),
    (INSTANCES, {'vrrp_sync_groups': [{'name': 'both'}]}, "both: 'group' names no instance; name those that move together."),
    # keywords of the version
    (changed(0, down_timer_adverts=2), {'version': '2.0.7'},
     "keepalived.conf: vrrp_instance one: keyword 'down_timer_adverts' came with keepalived 2.2.3 and this is 2.0.7"),
    (INSTANCES, {'blocks': {'virtual_servers': []}}, "keepalived.conf: top level: there is no keyword 'virtual_servers'; nearest: virtual_server"),
    (INSTANCES, {'blocks': {'vrrp_instance': []}},
     'keepalived_blocks: vrrp_instance does not belong there, since the plan has to know it; use keepalived_vrrp_instances.'),
    # what is built in
    (INSTANCES, {'chosen': ['lvs', 'libnl', 'ipset', 'iptables'], 'version': '2.0.7'}, "keepalived_features: 'ipset'"),
    (INSTANCES, {'flags': ['--enable-bfd']}, 'keepalived_configure_flags: --enable-bfd is decided by keepalived_features'),
    (INSTANCES, {'blocks': {'bfd_instance': [{'name': 'x', 'neighbor_ip': '192.0.2.2'}]}},
     "keepalived.conf: top level: keyword 'bfd_instance' needs a keepalived that is configured with --enable-bfd; see keepalived_features"),
]


@pytest.mark.parametrize('instances, arguments, finding', CASES)
def test_lint(instances, arguments, finding):
    assert [found for found in plan_of(instances, **arguments)['findings'] if found.startswith(finding)], plan_of(instances, **arguments)['findings']


def two_clusters(other, hosts=('c',)):
    return vrrp_plan({**described(vrrp_instances=INSTANCES), **described(hosts, vrrp_instances=other)}, HOSTS)


def test_two_clusters_are_planned_together():
    plan = two_clusters(DIFFERENT)
    assert plan['findings'] == []
    assert plan['members'] == ['a', 'b', 'c']
    assert [vip['owner'] for vip in plan['vips']] == ['a', 'b', 'c']
    assert [block['name'] for block in plan['hosts']['c']['conf']['vrrp_instance']] == ['one']


@pytest.mark.parametrize('values, finding', [
    ({'virtual_router_id': 100}, 'one: virtual router id 100 is already that of one of another cluster (a, b); give each its own.'),
    ({'virtual_ipaddress': ['192.0.2.100/24']}, 'one: address 192.0.2.100 is already that of one of another cluster (a, b); give each its own.'),
    ({'nodes': ['c', 'a']}, 'a: c and a have different variables of the cluster, and yet the first names the latter as a node; give all of its hosts '
                            'the same, as variables of a group.'),
])
def test_two_clusters_do_not_meet(values, finding):
    assert finding in two_clusters([{**DIFFERENT[0], **values}])['findings']


def test_a_router_id_may_be_used_again_on_another_network():
    hosts = {**HOSTS, 'c': host('198.51.100.3/24')}
    other = [{'name': 'other', 'virtual_router_id': 100, 'virtual_ipaddress': ['198.51.100.100/24'], 'nodes': ['c']}]
    assert vrrp_plan({**described(vrrp_instances=INSTANCES), **described(['c'], vrrp_instances=other)}, hosts)['findings'] == []


@pytest.mark.parametrize('weight', [-51, 51])
def test_a_weight_above_the_gap_is_right(weight):
    assert plan_of(INSTANCES, scripts=[{'name': 'web', 'weight': weight}])['findings'] == []


@pytest.mark.parametrize('values, arguments', [
    ({}, {'scripts': [{'name': 'web'}], 'version': '2.0.7'}),
    ({'track_script': []}, {'scripts': [{'name': 'web'}], 'version': '2.0.20'}),
    ({'track_script': []}, {'scripts': [{'name': 'web'}], 'version': '2.0.7', 'fixes': ['silenced_instances']}),
    ({}, {'chosen': ['lvs', 'libnl', 'bfd'], 'blocks': {'bfd_instance': [{'name': 'x', 'neighbor_ip': '192.0.2.2'}]}}),
    ({'interface': 'eth0', 'virtual_ipaddress': ['198.51.100.1/32']}, {}),
    ({'version': 3, 'advert_int': 0.25}, {}),
    ({'nopreempt': True}, {'scripts': [{'name': 'web'}]}),
    ({'track_file': ['drained weight 10']}, {'blocks': {'vrrp_track_file': [{'name': 'drained', 'file': '/run/drained'}]}}),
    ({'unicast': True}, {'hostvars': {'a': {}, 'b': {}}}),
    ({'unicast': None}, {}),
    ({'interface': 'eth0', 'virtual_ipaddress': ['198.51.100.1/24 dev eth1']}, {}),
    ({'interface': 'eth0', 'virtual_ipaddress': ['198.51.100.1/24'], 'virtual_routes': ['default via 198.51.100.254']}, {}),
])
def test_what_is_right_has_no_findings(values, arguments):
    assert plan_of(changed(0, **values), **arguments)['findings'] == []


def test_unicast_peers_are_the_other_nodes():
    plan = plan_of(changed(0, nodes=['a', 'b', 'c'], unicast=True))
    assert plan['findings'] == []
    assert (instance_on(plan, 'b', 'one')['unicast_src_ip'], instance_on(plan, 'b', 'one')['unicast_peer']) == ('192.0.2.2', ['192.0.2.1', '192.0.2.3'])
    assert 'unicast_peer' not in instance_on(plan, 'b', 'two')
    given = plan_of(changed(0, unicast_peer=['192.0.2.1', '192.0.2.2']))
    assert [instance_on(given, node, 'one')['unicast_peer'] for node in 'ab'] == [['192.0.2.2'], ['192.0.2.1']]


def test_a_default_address_that_is_virtual_is_no_hosts_own():
    hosts = copy.deepcopy(HOSTS)
    hosts['a']['ansible_facts']['default_ipv4']['address'] = '192.0.2.100'
    assert plan_of(INSTANCES, hosts)['findings'] == []


def test_link_local_addresses_move_with_their_instance():
    instances = [{**instance, 'virtual_ipaddress': ['fe80::ff/64'], 'interface': 'eth0'} for instance in INSTANCES]
    plan = plan_of(instances)
    assert plan['findings'] == [] and plan['vips'] == []


def test_excluded_addresses_have_owners_too():
    plan = plan_of(changed(0, virtual_ipaddress_excluded=['192.0.2.150/24', '2001:db8::150/64']))
    assert plan['findings'] == []
    assert plan['hosts']['a']['owned'] == ['192.0.2.100', '192.0.2.150', '2001:db8::150']


def test_unicast_of_all_instances_is_one_variable():
    plan = plan_of(changed(1, unicast=False), unicast=True)
    assert 'unicast_peer' in instance_on(plan, 'a', 'one')
    assert 'unicast_peer' not in instance_on(plan, 'a', 'two')


def test_ipv6_is_version_3_and_begins_link_local():
    hosts = copy.deepcopy(HOSTS)
    for number, name in enumerate('ab', 1):
        hosts[name]['ansible_facts']['eth0']['ipv6'] = [{'address': f'2001:db8::{number}', 'prefix': '64'}, {'address': 'fe80::1', 'prefix': '64'}]
    plan = plan_of(changed(0, virtual_ipaddress=['2001:db8::100/64']), hosts, auth_pass='secret')
    assert plan['findings'] == []
    block = instance_on(plan, 'a', 'one')
    assert (block['version'], block['native_ipv6'], block['interface']) == (3, True, 'eth0')
    assert block['virtual_ipaddress'] == ['fe80::200:5eff:fe00:264/64', '2001:db8::100/64']
    assert 'authentication' not in block
    assert [vip['address'] for vip in plan['vips']] == ['2001:db8::100', '192.0.2.101']
    assert instance_on(plan_of(changed(0, virtual_ipaddress=['2001:db8::100/64'], unicast=True), hosts), 'a', 'one')['unicast_peer'] == ['2001:db8::2']


def test_sync_groups_are_on_the_hosts_of_their_instances():
    group = {'name': 'both', 'group': ['one', 'two']}
    plan = plan_of(changed(1, nodes=['a', 'b']), vrrp_sync_groups=[group])
    assert plan['findings'] == []
    assert plan['hosts']['a']['conf']['vrrp_sync_group'] == [group]


def test_versions_are_each_hosts_own():
    descriptions = {**described(['a'], '2.0.7', vrrp_instances=changed(0, down_timer_adverts=2)),
                    **described(['b'], vrrp_instances=changed(0, down_timer_adverts=2))}
    plan = vrrp_plan(descriptions, HOSTS)
    assert len(plan['findings']) == 1 and 'this is 2.0.7' in plan['findings'][0]


def test_blocks_are_each_hosts_own():
    descriptions = {**described(['a'], blocks={'static_routes': ['198.51.100.0/24 dev eth0']}, vrrp_instances=INSTANCES),
                    **described(['b'], vrrp_instances=INSTANCES)}
    plan = vrrp_plan(descriptions, HOSTS)
    assert plan['findings'] == []
    assert [plan['hosts'][name]['conf'].get('static_routes') for name in 'ab'] == [['198.51.100.0/24 dev eth0'], None]


BETWEEN_CASES = [{'virtual_router_id': 100}, {'nodes': ['c', 'a']}]


def all_findings():
    """What all the cases above find."""
    plans = [plan_of(instances, **arguments) for instances, arguments, dummy in SIMPLE_CASES + CASES]
    plans += [plan_of(changed(0, nodes=[{'name': 'a', 'advert_int': 2}, 'b']))] + [two_clusters([{**DIFFERENT[0], **values}]) for values in BETWEEN_CASES]
    return [plan['findings'] for plan in plans]


@pytest.mark.parametrize('name', ['RULES', 'RULES_BETWEEN'])
def test_every_rule_has_a_case_that_breaks_it(monkeypatch, name):
    whole, rules = all_findings(), getattr(_vrrp_lint, name)
    for rule in rules:
        monkeypatch.setattr(_vrrp_lint, name, [other for other in rules if other is not rule])
        assert all_findings() != whole, rule.__name__
