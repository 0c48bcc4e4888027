# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The status of a cluster, and its page."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.vipkit.ha.plugins.filter.cluster_status import cluster_status
from ansible_collections.vipkit.ha.plugins.filter.plan_around import plan_around
from ansible_collections.vipkit.ha.plugins.filter.status_html import status_html
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan

from test_build_status import host as build_of
from test_drill_reports import TAGS, Page

NOON = 1795600800.0
VIPS = {'one': '192.0.2.100', 'two': '192.0.2.101'}
HOSTVARS = {name: {'ansible_facts': {'interfaces': ['eth0'], 'distribution': 'Debian', 'eth0': {
    'device': 'eth0', 'active': True, 'type': 'ether', 'macaddress': f'02:00:00:00:00:0{place}',
    'ipv4': {'address': f'192.0.2.{place}', 'prefix': '24', 'netmask': '255.255.255.0', 'network': '192.0.2.0'}}}}
    for place, name in enumerate('ab', 1)}
INSTANCES = [{'name': 'one', 'virtual_router_id': 100, 'virtual_ipaddress': ['192.0.2.100/24'], 'nodes': ['a', 'b']},
             {'name': 'two', 'virtual_router_id': 101, 'virtual_ipaddress': ['192.0.2.101/24'], 'nodes': ['b', 'a']}]
DESCRIPTION = {'version': '2.3.4', 'cluster': {'vrrp_instances': INSTANCES, 'auth_pass': 'nanfei'}}
ISSUE = {'id': 'CVE-1', 'kind': 'cve', 'severity': 'major', 'summary': 'It breaks.', 'advice': 'Use 3.', 'source': 'https://example.net/cve-1',
         'reach': 'reachable', 'also': '', 'mitigations': [], 'line': 'major: CVE-1'}


def plan_of(*names):
    """The plan, with the facts of these hosts."""
    plan = vrrp_plan({name: copy.deepcopy(DESCRIPTION) for name in 'ab'}, {**{name: {} for name in 'ab'}, **{name: HOSTVARS[name] for name in names}})
    return plan


def told(state='MASTER', name='one', effective=None, **more):
    """An instance as keepalived_status tells it."""
    priority = 100 if state == 'MASTER' else 50
    return {'name': name, 'virtual_router_id': 100, 'interface': 'eth0', 'state': state, 'priority': priority,
            'effective_priority': priority if effective is None else effective, 'last_transition': NOON, 'addresses': [VIPS[name]], 'scripts': ['check_nginx'],
            'became_master': 1, 'released_master': 0, **more}


DEAD = {'alive': False, 'drained': False, 'msg': 'keepalived.service on a is not active', 'deviations': []}


def host(*instances, good=True, holds=(), hears=(), answers=True, issues=(), state=None):
    """A host that answered; hears: (source's last number, instance's number)."""
    adverts = [{'interface': 'eth0', 'family': 'inet', 'virtual_router_id': 99 + number, 'priorities': [100], 'priority': 100, 'version': 2,
                'source': f'192.0.2.{source}', 'mac': f'02:00:00:00:00:0{source}'} for source, number in hears]
    status = {'answers': answers, 'instances': [*instances], 'scripts': [{'name': 'check_nginx', 'success': good}] if answers else []}
    return {**build_of(), 'keepalived': status if answers else {**status, 'msg': 'keepalived has no process that does VRRP'},
            'state': {'alive': True, 'drained': False, 'deviations': [], **(state or {})},
            'ownership': {'as_expected': True, 'holding': [{'address': VIPS[name]} for name in holds]},
            'wire': {'adverts': adverts, 'answers': []}, 'issues': {'keepalived': [*issues]}}


def without(hosts, name, *parts):
    """The same, but that a host has not told some of it."""
    return {**hosts, name: {part: told_of for part, told_of in hosts[name].items() if part not in parts}}


HEARD = [(1, 1), (2, 2)]


def sound():
    """Both hosts, all well."""
    return {'a': host(told(), told('BACKUP', 'two'), holds=['one'], hears=HEARD), 'b': host(told('BACKUP'), told(name='two'), holds=['two'], hears=HEARD)}


def test_a_sound_cluster():
    assert plan_of('a', 'b')['findings'] == []
    status = cluster_status(sound(), plan_of('a', 'b'), HOSTVARS)
    assert status['drift'] == []
    assert status['lines'] == [
        'host  drained  instance  state   priority  checks            since                 VIP          owner  wire',
        'a     no       one       MASTER  100       check_nginx:good  2026-11-25T10:00:00Z  192.0.2.100  a      a',
        'a     no       two       BACKUP  50        check_nginx:good  2026-11-25T10:00:00Z  192.0.2.101  b      b',
        'b     no       one       BACKUP  50        check_nginx:good  2026-11-25T10:00:00Z  192.0.2.100  a      a',
        'b     no       two       MASTER  100       check_nginx:good  2026-11-25T10:00:00Z  192.0.2.101  b      b',
    ]
    text = Page(status_html(status, NOON)).text
    assert '✓ All is as it should be Looked at 2026-11-25 10:00:00 UTC.' in text and '192.0.2.100 (one) ✓ in order a a a' in text


def test_a_host_that_is_down_is_named_and_the_rest_told():
    hosts = {'a': host(told(), told('MASTER', 'two', priority=50), holds=['one', 'two'], hears=[(1, 1), (1, 2)]),
             'b': {'why': 'ssh: connect to host b port 22:\n No route to host.\n'}}
    status = cluster_status(hosts, plan_of('a'), {'a': HOSTVARS['a'], 'b': {}})
    assert status['drift'] == ['b did not answer: ssh: connect to host b port 22: No route to host.',
                               "192.0.2.101 (two): expected on b, a holds it: look at keepalived's log and at its check scripts on the expected owner."]
    assert status['lines'][1].endswith('192.0.2.100  a      a') and status['lines'][4] == (
        'b     -        two       no answer  -          -                 -                     192.0.2.101  a      a')


def test_what_the_others_hear_of_a_member_that_this_run_leaves_out_counts():
    hosts = {'a': sound()['a']}
    status = cluster_status(hosts, plan_of('a', 'b'), HOSTVARS)
    assert status['drift'] == [] and status['lines'][4].split() == 'b - two not asked - - - 192.0.2.101 b b'.split()
    assert '✗' not in Page(status_html(status, NOON)).text


@pytest.mark.parametrize('change, problem', [
    ({'instances': [told('FAULT'), told('FAULT', 'two')]}, 'a: one is in FAULT.'),
    ({'good': False}, 'a: keepalived counts its check check_nginx as failed: look at what it checks.'),
    ({'answers': False, 'instances': []}, 'a: keepalived has no process that does VRRP.'),
    ({'answers': False, 'instances': [], 'state': DEAD}, 'a: keepalived.service on a is not active.'),
    ({'state': {'deviations': ['the script /x has lost its execute bit', 'it is another']}}, 'a: the script /x has lost its execute bit.'),
    ({'instances': [told('INIT'), told('BACKUP', 'two')]}, 'a: one is in INIT.'),
    ({'instances': [told()]}, 'a: two is not loaded by keepalived, which runs another configuration.'),
    ({'holds': []}, '192.0.2.100 (one): expected on a, no host holds it'),
    ({'holds': ['one', 'two']}, '192.0.2.101 (two): expected on b, 2 hosts hold it (a, b): split brain'),
])
def test_what_is_not_as_it_should_be(change, problem):
    arguments = {'instances': [told(), told('BACKUP', 'two')], 'holds': ['one'], 'hears': HEARD, **change}
    status = cluster_status({**sound(), 'a': host(*arguments.pop('instances'), **arguments)}, plan_of('a', 'b'), HOSTVARS)
    assert any(sentence.startswith(problem) for sentence in status['drift']), status['drift']
    assert problem in Page(status_html(status, NOON)).text


@pytest.mark.parametrize('parts', [('keepalived', 'state', 'ownership', 'wire'), ('keepalived',), ('state',), ('ownership', 'wire')])
def test_a_host_that_goes_away_while_it_is_looked_at_is_named(parts):
    status = cluster_status(without(sound(), 'b', *parts), plan_of('a', 'b'), HOSTVARS)
    assert status['drift'] == ['b did not answer.'], status['drift']
    assert {row['state'] for row in status['instances'] if row['host'] == 'b'} == ({'no answer'} if 'keepalived' in parts else {'MASTER', 'BACKUP'})
    hosts = without(sound(), 'b', 'wire')
    hosts['b']['why'] = 'Connection timed out'
    assert cluster_status(hosts, plan_of('a', 'b'), HOSTVARS)['drift'] == ['b did not answer: Connection timed out.']


def test_a_host_that_is_no_member_has_nothing_to_tell_of_keepalived():
    assert cluster_status({**sound(), 'c': build_of()}, plan_of('a', 'b'), HOSTVARS)['drift'] == []


def test_a_dead_keepalived_is_told_once():
    hosts = {**sound(), 'a': host(answers=False, hears=[(2, 2)], state=DEAD)}
    assert [sentence for sentence in cluster_status(hosts, plan_of('a', 'b'), HOSTVARS)['drift'] if sentence.startswith('a')] == [
        'a: keepalived.service on a is not active.']


def test_what_a_drained_host_has_handed_over_is_where_it_should_be():
    hosts = {'a': host(told('BACKUP', effective=1), told('BACKUP', 'two', effective=1), state={'drained': True}, hears=[(2, 1), (2, 2)]),
             'b': host(told(priority=50), told(name='two'), holds=['one', 'two'], hears=[(2, 1), (2, 2)])}
    plan = plan_around(plan_of('a', 'b'), ['a'])
    drained = ['a is drained, so what it owns is elsewhere: run undrain.yml for it when the work on it is done.']
    status = cluster_status(hosts, plan, HOSTVARS)
    assert status['drift'] == drained and [row['drained'] for row in status['instances']] == [True, True, False, False]
    status = cluster_status({'b': hosts['b']}, plan, HOSTVARS)
    assert status['drift'] == drained and [row['drained'] for row in status['instances']] == [True, True, False, False], 'nor does it take a look at it'
    hosts['b']['ownership']['holding'].pop(0)
    assert cluster_status(hosts, plan, HOSTVARS)['drift'][1:] == drained, 'and nobody has the other one'


def test_a_priority_that_checks_have_lowered_is_shown_beside_the_configured_one():
    hosts = {**sound(), 'a': host(told(effective=1), told('BACKUP', 'two'), holds=['one'], hears=HEARD)}
    assert '  1 of 100  ' in cluster_status(hosts, plan_of('a', 'b'), HOSTVARS)['lines'][1]


def test_a_check_without_a_result_is_neither_good_nor_bad():
    hosts = {**sound(), 'a': host(told(), told('BACKUP', 'two'), good=None, holds=['one'], hears=HEARD)}
    status = cluster_status(hosts, plan_of('a', 'b'), HOSTVARS)
    assert status['drift'] == [] and 'check_nginx:not-run-yet' in status['lines'][1]


def test_issues_are_told_once_with_their_hosts():
    hosts = {name: {**one, 'issues': {'keepalived': [ISSUE, {**ISSUE, 'id': 'CVE-2', 'reach': 'unknown'}, {**ISSUE, 'id': 'CVE-3', 'reach': 'built'}]}}
             for name, one in sound().items()}
    status = cluster_status(hosts, plan_of('a', 'b'), HOSTVARS)
    assert status['issue_lines'] == ['keepalived on a, b: major CVE-1, major CVE-2 (perhaps)']
    assert [(issue['id'], issue['hosts']) for issue in status['issues']] == [('CVE-1', ['a', 'b']), ('CVE-2', ['a', 'b']), ('CVE-3', ['a', 'b'])]
    assert 'CVE-3 major, built in, not used keepalived a, b It breaks. Use 3.' in Page(status_html(status, NOON)).text


def test_of_an_unsound_description_only_that_is_told():
    status = cluster_status({'a': build_of()}, {'findings': ['one has no node.']})
    assert status['drift'] == ['The description of the cluster is unsound, so nothing is told of its instances: one has no node.']
    assert status['instances'] == status['vips'] == []


def test_a_page_needs_nothing_and_has_nothing_of_others_in_it():
    hosts = {'a': {**host(told('<b>x'), holds=['one']), 'issues': {'nginx': [{**ISSUE, 'summary': '<script>1</script>'}]}}, 'b': {'why': '<img src=x>'}}
    text = status_html(cluster_status(hosts, plan_of('a'), {'a': HOSTVARS['a'], 'b': {}}), NOON)
    page = Page(text)
    assert page.tags <= TAGS | {'div'} and not page.open and '<img src=x>' in page.text and '<script>1</script>' in page.text
    assert not [key for key, value in page.attributes if key in ('src', 'href')]
