# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.vipkit.ha.plugins.filter.keepalived_commands import keepalived_commands
from ansible_collections.vipkit.ha.plugins.filter.vip_heirs import vip_heirs
from ansible_collections.vipkit.ha.plugins.filter.vip_report import vip_report
from ansible_collections.vipkit.ha.plugins.filter.vip_table import vip_table
from ansible_collections.vipkit.ha.plugins.filter.vip_worse import vip_worse
from ansible_collections.vipkit.ha.plugins.filter.vrrp_secrets import vrrp_secrets
from ansible_collections.vipkit.ha.plugins.filter.vrrp_strangers import vrrp_strangers
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_commands import with_paths

BLOCKS = [
    {'name': 'one', 'interface': 'eth0', 'virtual_router_id': 100, 'virtual_ipaddress': ['192.0.2.100/24']},
    {'name': 'two', 'interface': 'eth0', 'virtual_router_id': 101, 'virtual_ipaddress': ['192.0.2.101/24']},
]
PLAN = {
    'members': ['a', 'b'],
    'vips': [
        {'address': '192.0.2.100', 'instance': 'one', 'owner': 'a', 'nodes': ['a', 'b']},
        {'address': '192.0.2.101', 'instance': 'two', 'owner': 'b', 'nodes': ['b', 'a']},
    ],
    'hosts': {name: {'conf': {'vrrp_instance': BLOCKS}} for name in 'ab'},
}


def seen(**holding):
    return {host: {'as_expected': True, 'holding': [{'address': address} for address in addresses]} for host, addresses in holding.items()}


def test_report_of_a_sound_cluster():
    report = vip_report(PLAN, seen(a=['192.0.2.100'], b=['192.0.2.101']))
    assert report['problems'] == []
    assert report['rows'][1] == {'address': '192.0.2.101', 'instance': 'two', 'expected': 'b', 'seen': ['b'], 'advertised_by': [], 'answered_by': [],
                                 'grade': 0}


@pytest.mark.parametrize('holding, problem', [
    ({'a': ['192.0.2.100'], 'b': ['192.0.2.100', '192.0.2.101']},
     '192.0.2.100 (one): expected on a, 2 hosts hold it (a, b): split brain,'),
    ({'a': [], 'b': ['192.0.2.101']}, '192.0.2.100 (one): expected on a, no host holds it:'),
    ({'a': [], 'b': ['192.0.2.100', '192.0.2.101']}, '192.0.2.100 (one): expected on a, b holds it:'),
    ({'b': ['192.0.2.100', '192.0.2.101']}, 'a has not reported:'),
])
def test_report_names_what_is_wrong(holding, problem):
    assert any(text.startswith(problem) for text in vip_report(PLAN, seen(**holding))['problems'])


def test_report_does_not_take_a_state_that_did_not_last():
    holding = seen(a=['192.0.2.100'], b=['192.0.2.101'])
    holding['a'].update(as_expected=False, msg='a was as expected for only the last 0.3 s')
    assert vip_report(PLAN, holding)['problems'] == ['a was as expected for only the last 0.3 s.']


def test_report_takes_any_one_node_where_the_plan_names_no_owner():
    plan = {**PLAN, 'vips': [{**PLAN['vips'][0], 'owner': None, 'eligible': ['a', 'b']}]}
    assert vip_report(plan, seen(a=[], b=['192.0.2.100']))['problems'] == []
    assert 'expected on any one of a, b, no host holds it' in vip_report(plan, seen(a=[], b=[]))['problems'][0]
    assert 'split brain' in vip_report(plan, seen(a=['192.0.2.100'], b=['192.0.2.100']))['problems'][0]


# --- what was heard on the wire ---

MACS = {'a': '02:00:00:00:00:0a', 'b': '02:00:00:00:00:0b'}
DEVICES = {name: {'macaddress': mac.upper(), 'ipv4': {'address': f'192.0.2.{place}', 'prefix': '24'}} for place, (name, mac) in enumerate(MACS.items(), 1)}
HOSTVARS = {name: {'ansible_facts': {'interfaces': ['eth0'], 'eth0': device}} for name, device in DEVICES.items()}
SOUND = {'a': ['192.0.2.100'], 'b': ['192.0.2.101']}


def advert(router_id, source, mac='02:00:00:00:00:99', **values):
    return {'interface': 'eth0', 'source': source, 'mac': mac, 'family': 'inet', 'virtual_router_id': router_id, 'priority': 100, 'priorities': [100],
            'version': 2, **values}


def answer(address, mac):
    return {'address': address, 'interface': 'eth0', 'mac': mac}


def heard(*adverts, answers=()):
    """What host b heard; a did not listen."""
    return {'b': {'adverts': [advert(100, '192.0.2.1'), advert(101, '192.0.2.2'), *adverts], 'answers': list(answers)}}


def test_wire_names_the_members():
    report = vip_report(PLAN, seen(**SOUND), heard(answers=[answer('192.0.2.100', MACS['a'])]), HOSTVARS)
    assert report['problems'] == []
    assert [(row['advertised_by'], row['answered_by']) for row in report['rows']] == [(['a'], ['a']), (['b'], [])]
    assert vrrp_strangers(PLAN, heard(), HOSTVARS) == []


@pytest.mark.parametrize('wire, problem', [
    (heard(advert(100, '192.0.2.2')), '192.0.2.100 (one): expected on a, 2 routers advertise it (a, b): split brain,'),
    (heard(advert(100, '192.0.2.77')), '192.0.2.100 (one): expected on a, 2 routers advertise it (192.0.2.77 (02:00:00:00:00:99), a): split brain,'),
    (heard(answers=[answer('192.0.2.100', MACS['a']), answer('192.0.2.100', '02:00:00:00:00:99')]),
     '192.0.2.100 (one): expected on a, 2 hardware addresses answer for it (02:00:00:00:00:99, a): split brain,'),
    (heard(answers=[answer('192.0.2.100', MACS['b'])]), '192.0.2.100 (one): expected on a, a holds it and b answers for it: split brain,'),
    ({'b': {'adverts': [advert(100, '192.0.2.1')], 'answers': []}},
     '192.0.2.101 (two): expected on b, b holds it and does not advertise it: look whether the VRRP process of keepalived runs there.'),
])
def test_report_names_what_the_wire_tells(wire, problem):
    report = vip_report(PLAN, seen(**SOUND), wire, HOSTVARS)
    assert any(text.startswith(problem) for text in report['problems']), report['problems']


def test_report_names_who_keeps_a_stale_address():
    both = seen(a=['192.0.2.100', '192.0.2.101'], b=['192.0.2.101'])
    problem, = vip_report(PLAN, both, heard(), HOSTVARS)['problems']
    assert problem == ('192.0.2.101 (two): expected on b, 2 hosts hold it (a, b): split brain, only b advertises it, and a keeps a stale address: '
                       'restart keepalived there, which takes it off, or use ip address del.')
    problem, = vip_report(PLAN, both, heard(advert(101, '192.0.2.1')), HOSTVARS)['problems']
    assert 'whether VRRP packets pass between them' in problem, 'both say that they are master'
    problem, = vip_report(PLAN, both)['problems']
    assert 'whether VRRP packets pass between them' in problem, 'nobody has listened'


def test_report_names_what_does_not_run_or_is_not_planned():
    states = {'a': {'alive': True, 'deviations': []}, 'b': {'alive': False, 'msg': 'no vrrp process', 'deviations': ['one thing', 'another']}}
    report = vip_report(PLAN, seen(**SOUND), heard(), HOSTVARS, states)
    assert report['problems'] == ['b: no vrrp process.', 'b: one thing.', 'b: another.']
    assert [row['grade'] for row in report['rows']] == [0, 0]
    assert vip_report(PLAN, seen(**SOUND), heard(), HOSTVARS, {'a': states['a']})['problems'] == []


def test_a_router_that_has_said_goodbye_does_not_count():
    assert vip_report(PLAN, seen(**SOUND), heard(advert(100, '192.0.2.2', priorities=[0])), HOSTVARS)['problems'] == []


def test_instances_of_the_same_name_in_two_clusters_are_told_apart():
    other = {'name': 'one', 'interface': 'eth0', 'virtual_router_id': 7, 'virtual_ipaddress': ['192.0.2.7/24']}
    plan = {'members': ['a', 'b'], 'vips': [{**PLAN['vips'][0], 'nodes': ['a']}, {'address': '192.0.2.7', 'instance': 'one', 'owner': 'b', 'nodes': ['b']}],
            'hosts': {'a': {'conf': {'vrrp_instance': [BLOCKS[0]]}}, 'b': {'conf': {'vrrp_instance': [other]}}}}
    both = {name: {'adverts': [advert(100, '192.0.2.1'), advert(7, '192.0.2.2')], 'answers': []} for name in 'ab'}
    report = vip_report(plan, seen(a=['192.0.2.100'], b=['192.0.2.7']), both, HOSTVARS)
    assert report['problems'] == []
    assert [row['advertised_by'] for row in report['rows']] == [['a'], ['b']]


def test_strangers_are_named():
    wire = heard(advert(100, '192.0.2.77', priority=200), advert(7, '192.0.2.77'), answers=[answer('192.0.2.101', '02:00:00:00:00:99')])
    assert vrrp_strangers(PLAN, wire, HOSTVARS) == [
        'one: virtual_router_id 100 is in use on eth0 of b by 192.0.2.77 (02:00:00:00:00:99, priority 200, version 2), which is no member: '
        'give the instance an id that is free there, or stop that router.',
        'two: 192.0.2.101 is in use, since 02:00:00:00:00:99 answers for it on eth0 of b, and no member has that hardware address: '
        'choose an address that is free, or free it.']


def test_virtual_macs_in_the_facts_of_members_are_nobodys():
    vmac = '00:00:5e:00:01:64'
    hostvars = {'a': HOSTVARS['a'], 'b': {'ansible_facts': {**HOSTVARS['b']['ansible_facts'], 'interfaces': ['eth0', 'vrrp.100'],
                                                            'vrrp_100': {'macaddress': vmac}}}}
    for keyword in ('use_vmac', 'use_vmac_addr'):
        plan = {**PLAN, 'hosts': {name: {'conf': {'vrrp_instance': [{**BLOCKS[0], keyword: True}, BLOCKS[1]]}} for name in 'ab'}}
        wire = heard(answers=[answer('192.0.2.100', vmac)])
        assert vip_report(plan, seen(**SOUND), wire, hostvars)['problems'] == []
        assert vrrp_strangers(plan, wire, hostvars) == []


def test_an_unknown_router_is_not_counted_where_a_member_is_unknown():
    report = vip_report(PLAN, seen(**SOUND), heard(), {'b': HOSTVARS['b']})
    assert [row['advertised_by'] for row in report['rows']] == [[], ['b']]


def test_nobody_is_a_stranger_where_a_member_is_unknown():
    assert vrrp_strangers(PLAN, heard(advert(100, '192.0.2.77')), {'b': HOSTVARS['b']}) == []


def test_a_virtual_routers_own_hardware_address_is_no_stranger_where_it_is_used():
    wire = heard(answers=[answer('192.0.2.100', '00:00:5e:00:01:64')])
    assert len(vrrp_strangers(PLAN, wire, HOSTVARS)) == 1
    plan = {**PLAN, 'hosts': {name: {'conf': {'vrrp_instance': [{**BLOCKS[0], 'use_vmac': True}, BLOCKS[1]]}} for name in 'ab'}}
    assert vrrp_strangers(plan, wire, HOSTVARS) == []


# --- before and after a change ---

@pytest.mark.parametrize('before, after, worse', [
    (SOUND, SOUND, []),
    (SOUND, {'a': ['192.0.2.100'], 'b': []}, ['192.0.2.101 (two) was held by b before and is now held by nobody']),
    (SOUND, {'a': ['192.0.2.100', '192.0.2.101'], 'b': ['192.0.2.101']}, ['192.0.2.101 (two) was held by b before and is now held by a, b']),
    (SOUND, {'a': ['192.0.2.100', '192.0.2.101'], 'b': []}, []),
    ({'a': [], 'b': []}, {'a': [], 'b': []}, []),
    ({'a': [], 'b': []}, SOUND, []),
])
def test_worse_is_what_the_change_did(before, after, worse):
    assert vip_worse(vip_report(PLAN, seen(**before)), vip_report(PLAN, seen(**after))) == worse


# --- heirs ---

@pytest.mark.parametrize('host, living, heirs', [
    ('a', 'abc', {'c': ['1', '2'], 'b': ['3']}),
    ('a', 'ab', {'b': ['1', '2', '3']}),
    ('a', 'a', {}),
    ('b', 'abc', {}),
])
def test_an_heir_is_the_next_one_that_lives(host, living, heirs):
    plan = {'vips': [{'address': '1', 'owner': 'a', 'nodes': ['a', 'c', 'b']}, {'address': '2', 'owner': 'a', 'nodes': ['a', 'c', 'b']},
                     {'address': '3', 'owner': 'a', 'nodes': ['a', 'b', 'c']}, {'address': '4', 'owner': None, 'nodes': ['b', 'a']}]}
    assert vip_heirs(plan, host, list(living)) == heirs


# --- commands in keepalived.conf ---

def test_commands_are_found_wherever_they_stand():
    conf = {'global_defs': {'script_user': 'keepalived_script', 'notify_fifo': '/run/fifo', 'notify_fifo_script': '/usr/bin/reader'},
            'vrrp_script': [{'name': 'web', 'script': '/usr/bin/web -v', 'user': 'nobody nogroup'}, {'name': 'own', 'interval': 1}],
            'vrrp_instance': [{'name': 'one', 'track_script': ['web'], 'notify_master': 'tell up'}],
            'virtual_server': [{'name': '192.0.2.1 80', 'real_server': [{'name': '192.0.2.2 80', 'MISC_CHECK': {'misc_path': '/usr/bin/misc'}}]}]}
    assert keepalived_commands(conf, ['tell']) == [
        {'name': 'keepalived.conf, notify_fifo_script', 'command': '/usr/bin/reader', 'user': 'keepalived_script'},
        {'name': 'web, script', 'command': '/usr/bin/web -v', 'user': 'nobody'},
        {'name': '192.0.2.2 80, misc_path', 'command': '/usr/bin/misc', 'user': 'keepalived_script'}]


def test_a_bare_name_of_an_own_script_gets_its_directory():
    conf = {'vrrp_instance': [{'name': 'one', 'notify': 'tell --loud', 'notify_stop': '/usr/bin/tell', 'track_script': ['tell']}]}
    assert with_paths(conf, ['tell'], '/scripts')['vrrp_instance'][0] == {
        'name': 'one', 'notify': '/scripts/tell --loud', 'notify_stop': '/usr/bin/tell', 'track_script': ['tell']}


def test_table_is_aligned_and_shows_answers():
    report = vip_report(PLAN, seen(a=['192.0.2.100'], b=[]))
    probed = {'answers': [{'address': '192.0.2.100', 'status': 200, 'line': 'node a'},
                          {'address': '192.0.2.101', 'status': 0, 'error': 'timed out'}]}
    assert vip_table(report, probed) == [
        'VIP          expected owner  owner seen  on the wire  HTTP through the VIP',
        '192.0.2.100  a               a           -            200 node a',
        '192.0.2.101  b               nobody      -            timed out',
    ]
    assert vip_table(report)[1].endswith('not asked')
    assert vip_table(report, {'skipped': True, 'changed': False})[1].endswith('not asked')
    assert vip_table(report, {'unreachable': True, 'msg': 'Failed to create temporary directory.'})[1].endswith('  the witness cannot be reached')
    assert vip_table(report, {'failed': True, 'msg': 'no Python'})[1].endswith('  no Python')


def test_secrets_are_collected_by_name():
    instances = [{'name': 'one', 'authentication': {'auth_pass': 'own'}}, {'name': 'two'}]
    assert vrrp_secrets(instances, 'shared') == {'one': 'own', 'two': 'shared'}
    assert vrrp_secrets([{'name': 'one'}]) == {}
