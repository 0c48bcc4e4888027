# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host hands over, when the next one takes it, and what is planned while it is away."""

from __future__ import annotations

import pytest
from ansible_collections.vipkit.ha.plugins.filter.hand_overs import hand_overs
from ansible_collections.vipkit.ha.plugins.filter.left_behind import left_behind
from ansible_collections.vipkit.ha.plugins.filter.plan_around import plan_around
from ansible_collections.vipkit.ha.plugins.filter.unfit import unfit
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan
from test_vrrp_plan import HOSTS, INSTANCES, changed, described, instance_on

PLACES = {'drain_file': '/etc/keepalived/drain', 'yield_prefix': '/run/keepalived.yield.'}


def plan_of(instances, hosts=('a', 'b', 'c'), **cluster):
    given = {name: {**description, **PLACES} for name, description in described(hosts, vrrp_instances=instances, **cluster).items()}
    plan = vrrp_plan(given, HOSTS)
    assert plan['findings'] == []
    return plan


def test_every_instance_can_be_lowered_by_the_host_as_a_whole_and_alone():
    plan = plan_of(INSTANCES, hosts=('a', 'b'))
    assert plan['hosts']['a']['conf']['vrrp_track_file'] == [
        {'name': 'vipkit_drain', 'file': '/etc/keepalived/drain', 'weight': -253},
        {'name': 'vipkit_yield_one', 'file': '/run/keepalived.yield.one', 'weight': -1},
        {'name': 'vipkit_yield_two', 'file': '/run/keepalived.yield.two', 'weight': -1}]
    assert instance_on(plan, 'a', 'two')['track_file'] == ['vipkit_drain weight -49', 'vipkit_yield_two']


def test_own_tracked_files_stay():
    plan = plan_of(changed(0, track_file=['own weight 10']), hosts=('a', 'b'), blocks={'vrrp_track_file': [{'name': 'own', 'file': '/run/own'}]})
    assert instance_on(plan, 'a', 'one')['track_file'] == ['own weight 10', 'vipkit_drain weight -99', 'vipkit_yield_one']
    assert plan['hosts']['a']['conf']['vrrp_track_file'][0] == {'name': 'own', 'file': '/run/own'}


def test_the_owner_of_an_address_has_no_tracker():
    plan = plan_of(changed(0, nodes=[{'name': 'a', 'priority': 255}, 'b']), hosts=('a', 'b'))
    assert 'track_file' not in instance_on(plan, 'a', 'one')
    assert [unit['name'] for unit in hand_overs(plan, 'a', ['b'])] == ['two']
    assert [unit['name'] for unit in hand_overs(plan, 'b', ['a'])] == ['one', 'two']


def test_a_sync_group_moves_as_one():
    instances = changed(1, nodes=['a', 'b'])
    plan = plan_of(instances, hosts=('a', 'b'), vrrp_sync_groups=[{'name': 'both', 'group': ['one', 'two']}])
    unit, = hand_overs(plan, 'a', ['b'])
    assert (unit['name'], unit['addresses'], unit['file']) == ('both', ['192.0.2.100', '192.0.2.101'], '/run/keepalived.yield.group_both')
    assert [router['virtual_router_id'] for router in unit['routers']] == [100, 101]
    assert instance_on(plan, 'a', 'two')['track_file'] == ['vipkit_drain weight -99', 'vipkit_yield_group_both']
    assert plan['hosts']['a']['conf']['vrrp_sync_group'] == [{'sync_group_tracking_weight': True, 'name': 'both', 'group': ['one', 'two']}]


@pytest.mark.parametrize('instance, delay', [
    # shared/facts: 3 adverts and the skew of the next one, whose priority is 50
    ({}, 3.8047),
    ({'advert_int': 2}, 6.8047),
    ({'version': 3}, 3.8047),
    ({'version': 3, 'advert_int': 0.1, 'nodes': [{'name': 'a', 'priority': 254}, {'name': 'b', 'priority': 253}]}, 0.3012),
    ({'nodes': [{'name': 'a', 'priority': 254}, {'name': 'b', 'priority': 253}]}, 3.0117),
    ({'down_timer_adverts': 5}, 5.8047),
    # a fault: the skew alone
    ({'nopreempt': True}, 0.8047),
    ({'nopreempt': True, 'version': 3, 'advert_int': 0.5}, 0.4023),
])
def test_when_the_next_one_takes_over(instance, delay):
    unit = hand_overs(plan_of(changed(0, **instance), hosts=('a', 'b')), 'a', ['b'])[0]
    assert unit['delay'] == pytest.approx(delay, abs=0.0001)
    assert unit['patience'] > unit['delay']
    assert unit['value'] == (254 if 'nopreempt' in instance else 253)


def test_a_delayed_preemption_is_waited_for_and_not_foretold():
    unit = hand_overs(plan_of(changed(0, preempt_delay=30), hosts=('a', 'b')), 'a', ['b'])[0]
    assert unit['delay'] is None and unit['patience'] > 34


def test_the_best_one_alive_counts():
    three = changed(0, nodes=['a', 'b', 'c'])
    plan = plan_of(three)
    delays = {living: hand_overs(plan, 'a', living.split())[0]['delay'] for living in ('b', 'c', 'b c')}
    assert delays['b'] == delays['b c'] < delays['c']
    assert hand_overs(plan, 'a', ['b'], priorities={'one': 99})[0]['delay'] < delays['b']
    assert hand_overs(plan, 'a', []) == []


def test_only_what_the_plan_gives_to_a_host():
    plan = plan_of(INSTANCES, hosts=('a', 'b'))
    assert [unit['name'] for unit in hand_overs(plan, 'b', ['a'], heir='a')] == ['one']


def test_a_good_check_that_adds_to_the_priority_counts():
    scripts = [{'name': 'bonus', 'script': '/usr/bin/true', 'weight': 60}]
    plan = plan_of(INSTANCES, hosts=('a', 'b'), scripts=scripts)
    unit = hand_overs(plan, 'a', ['b'])[0]
    assert unit['routers'][0]['priority'] == 160 and unit['delay'] == pytest.approx(3 + (256 - 110) / 256)
    assert instance_on(plan, 'a', 'one')['track_file'][0] == 'vipkit_drain weight -159'


def test_who_is_left_behind():
    pair_and_more = changed(0, nodes=['a', 'b']) + [{'name': 'alone', 'virtual_router_id': 102, 'virtual_ipaddress': ['192.0.2.102/24'], 'nodes': ['a']}]
    plan = plan_of(pair_and_more)
    assert left_behind(plan, 'a', ['b']) == ['192.0.2.102']
    assert left_behind(plan, 'a', ['b'], shared=True) == []
    assert left_behind(plan, 'a', ['c'], shared=True) == ['192.0.2.100', '192.0.2.101'], 'who serves something else is of no help'
    owner = plan_of(changed(0, nodes=[{'name': 'a', 'priority': 255}, 'b']), hosts=('a', 'b'))
    assert left_behind(owner, 'a', ['b']) == ['192.0.2.100'], 'what cannot be given away'
    assert left_behind(owner, 'a', ['b'], shared=True) == []


# --- while hosts are drained ---

def test_without_drained_hosts_nothing_changes():
    plan = plan_of(INSTANCES, hosts=('a', 'b'))
    around = plan_around(plan, [])
    assert [(vip['address'], vip['owner'], vip['eligible']) for vip in around['vips']] == [
        ('192.0.2.100', 'a', ['a', 'b']), ('192.0.2.101', 'b', ['b', 'a'])]
    assert all(around['hosts'][name][key] == plan['hosts'][name][key] for name in 'ab' for key in ('owned', 'not_owned', 'watched'))


def test_the_next_one_owns_what_a_drained_host_had_and_gives_it_back():
    plan = plan_of(INSTANCES, hosts=('a', 'b'))
    drained = plan_around(plan, ['a'])
    assert {vip['owner'] for vip in drained['vips']} == {'b'}
    assert drained['hosts']['b']['owned'] == ['192.0.2.100', '192.0.2.101']
    assert drained['hosts']['a']['not_owned'] == ['192.0.2.100', '192.0.2.101']
    assert drained['backups_first'] == ['a', 'b']
    assert plan_around(drained, [])['vips'] == plan_around(plan, [])['vips']


def test_when_all_are_drained_any_may_have_it():
    drained = plan_around(plan_of(INSTANCES, hosts=('a', 'b')), ['a', 'b'])
    assert drained['hosts']['a']['watched'] == ['192.0.2.100', '192.0.2.101']
    assert [vip['owner'] for vip in drained['vips']] == [None, None]


def test_with_nopreempt_history_decides_among_those_that_are_left():
    plan = plan_of(changed(0, nopreempt=True, nodes=['a', 'b', 'c']))
    around = plan_around(plan, ['a'])
    assert (around['vips'][0]['owner'], around['vips'][0]['eligible']) == (None, ['b', 'c'])
    assert '192.0.2.100' in around['hosts']['a']['not_owned'] and '192.0.2.100' in around['hosts']['c']['watched']
    assert plan_around(plan, ['a', 'c'])['vips'][0]['owner'] == 'b'
    assert plan_around(plan, [])['vips'][0]['owner'] is None


# --- what the daemons themselves say ---

def told_by(**changes):
    """What keepalived_status returns on a and b, as far as it counts here."""
    def status(node, **change):
        instances = [{'name': name, 'state': 'MASTER' if is_first else 'BACKUP', 'priority': 100 if is_first else 50,
                      'effective_priority': 100 if is_first else 50, 'version': 2, 'advert_int': 1.0, 'down_timer_adverts': None,
                      'preempt_delay': None, 'scripts': ['web']}
                     for name, is_first in (('one', node == 'a'), ('two', node == 'b'))]
        return {'answers': True, 'instances': [{**instance, **change.get(instance['name'], {})} for instance in instances],
                'scripts': [{'name': 'web', 'success': change.get('web', True)}]}
    return {node: status(node, **changes.get(node, {})) for node in 'ab'}


def test_when_all_run_what_is_planned_the_daemons_tell_nothing_new():
    plan = plan_of(INSTANCES, hosts=('a', 'b'))
    assert hand_overs(plan, 'a', ['b'], told_by()) == hand_overs(plan, 'a', ['b'])
    assert left_behind(plan, 'a', ['b'], told=told_by()) == unfit(plan, 'a', ['b'], told_by()) == []


@pytest.mark.parametrize('changes, delay', [
    # the inventory has been changed, and not yet deployed
    ({'b': {'one': {'effective_priority': 250}}}, 3 + 6 / 256),
    ({'a': {'one': {'advert_int': 3.0}}, 'b': {'one': {'advert_int': 3.0}}}, 9 + 206 / 256),
    ({'b': {'one': {'down_timer_adverts': 5}}}, 5 + 206 / 256),
    # with version 3 the next one goes by the interval of the master
    ({'a': {'one': {'version': 3, 'advert_int': 0.2}}, 'b': {'one': {'version': 3}}}, 0.2 * (3 + 206 / 256)),
    ({'b': {'one': {'preempt_delay': 20.0}}}, None),
])
def test_the_moment_is_by_what_the_daemons_run(changes, delay):
    unit = hand_overs(plan_of(INSTANCES, hosts=('a', 'b')), 'a', ['b'], told_by(**changes))[0]
    assert unit['delay'] == (pytest.approx(delay) if delay else None)
    assert unit['patience'] > (unit['delay'] or 20)


def test_who_is_lowered_right_now_counts_with_what_it_will_have():
    unit = hand_overs(plan_of(INSTANCES, hosts=('a', 'b')), 'a', ['b'], told_by(a={'one': {'priority': 120, 'effective_priority': 1}}))[0]
    assert unit['routers'][0]['priority'] == 120


@pytest.mark.parametrize('b, why, is_able', [
    ({'one': {'state': 'FAULT'}}, 'b: one is in state FAULT', False),
    ({'one': {'state': 'INIT'}}, 'b: one is in state INIT', False),
    ({'web': False}, 'b: web fails', True),
    ({'web': None}, None, True),
])
def test_who_is_fit_to_take_over(b, why, is_able):
    plan = plan_of(INSTANCES, hosts=('a', 'b'), scripts=[{'name': 'web', 'script': '/usr/bin/true', 'weight': -60}])
    told = told_by(b=b)
    assert unfit(plan, 'a', ['b'], told) == ([why] if why else [])
    assert left_behind(plan, 'a', ['b'], told=told)[:1] == (['192.0.2.100'] if why else [])
    assert ('one' in [unit['name'] for unit in hand_overs(plan, 'a', ['b'], told)]) is is_able


def test_a_check_with_reverse_says_nothing_of_fitness():
    plan = plan_of(changed(0, track_script=['web weight -60 reverse']), hosts=('a', 'b'), scripts=[{'name': 'web', 'script': '/usr/bin/true'}])
    assert [why for why in unfit(plan, 'a', ['b'], told_by(b={'web': False})) if 'web' in why] == []


def test_who_does_not_answer_is_not_fit():
    plan, told = plan_of(INSTANCES, hosts=('a', 'b')), {'a': told_by()['a'], 'b': {'answers': False, 'instances': []}}
    assert unfit(plan, 'a', ['b'], told) == ['b: its keepalived does not answer']
    assert hand_overs(plan, 'a', ['b'], told) == []
    assert left_behind(plan, 'a', ['b'], told=told) == ['192.0.2.100', '192.0.2.101']


def test_who_cannot_be_asked_counts_as_planned():
    plan, told = plan_of(INSTANCES, hosts=('a', 'b')), {'a': told_by()['a'], 'b': {'skipped': True}}
    assert unfit(plan, 'a', ['b'], told) == left_behind(plan, 'a', ['b'], told=told) == []
    assert hand_overs(plan, 'a', ['b'], told) == hand_overs(plan, 'a', ['b'])


def test_an_instance_that_nobody_has_loaded_yet_is_not_left_behind():
    plan, told = plan_of(INSTANCES, hosts=('a', 'b')), told_by()
    for node in 'ab':
        told[node]['instances'] = [instance for instance in told[node]['instances'] if instance['name'] == 'one']
    assert left_behind(plan, 'a', ['b'], told=told) == []
    assert [unit['name'] for unit in hand_overs(plan, 'a', ['b'], told)] == ['one']
    told['b']['instances'] = []
    assert left_behind(plan, 'a', ['b'], told=told) == ['192.0.2.100']


def test_everything_that_adds_to_a_priority_counts():
    plan = plan_of(changed(0, track_interface=['eth0 weight 60']), hosts=('a', 'b'))
    assert instance_on(plan, 'a', 'one')['track_file'][0] == 'vipkit_drain weight -159'
    scripts = [{'name': 'bonus', 'script': '/usr/bin/true', 'weight': 60}]
    instances = [{**instance, 'nodes': ['a', 'b'], 'track_script': []} for instance in INSTANCES]
    grouped = plan_of(instances, hosts=('a', 'b'), scripts=scripts, vrrp_sync_groups=[
        {'name': 'both', 'group': ['one', 'two'], 'track_script': ['bonus'], 'sync_group_tracking_weight': True}])
    assert instance_on(grouped, 'a', 'one')['track_file'][0] == 'vipkit_drain weight -159'
