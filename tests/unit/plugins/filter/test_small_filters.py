# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.filter.fingerprint import fingerprint
from ansible_collections.vipkit.ha.plugins.filter.toolchain_flags import matches, toolchain_flags
from ansible_collections.vipkit.ha.plugins.filter.vip_report import vip_report
from ansible_collections.vipkit.ha.plugins.filter.vip_table import vip_table
from ansible_collections.vipkit.ha.plugins.filter.vrrp_secrets import vrrp_secrets

ROLES = pathlib.Path(__file__).resolve().parents[4] / 'roles'
PLAN = {
    'members': ['a', 'b'],
    'vips': [
        {'address': '192.0.2.100', 'instance': 'one', 'owner': 'a', 'nodes': ['a', 'b']},
        {'address': '192.0.2.101', 'instance': 'two', 'owner': 'b', 'nodes': ['b', 'a']},
    ],
}


def seen(**holding):
    return {host: {'as_expected': True, 'holding': [{'address': address} for address in addresses]} for host, addresses in holding.items()}


def test_fingerprint_depends_on_content_alone():
    assert fingerprint({'a': 1, 'b': [1, 2]}) == fingerprint({'b': [1, 2], 'a': 1})
    assert fingerprint({'a': [1, 2]}) != fingerprint({'a': [2, 1]})
    assert fingerprint({'a': 1}) == '015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862'


def test_fingerprint_refuses_what_is_no_data():
    with pytest.raises(AnsibleFilterError, match='cannot be written as JSON'):
        fingerprint({'a': object()})


@pytest.mark.parametrize('version, condition, expected', [
    ('2.0.7', '<2.0.14', True), ('2.0.14', '<2.0.14', False), ('2.1', '<2.0.14', False), ('12.2.0', '>=8', True), ('8', '>=8.0', True),
    ('OpenSSL 3.0.17 1 Jul 2025', '>=3.0', True), ('OpenSSL 1.1.1n', '>=3.0', False), (None, '>=0', False), ('1.9.9', '==1.9.9', True),
])
def test_matches(version, condition, expected):
    assert matches(version, condition) is expected


def test_a_condition_that_is_none_is_refused():
    with pytest.raises(AnsibleFilterError, match="'newer' is no condition on a version"):
        matches('1', 'newer')


def flags(role, version, **toolchain):
    data = yaml.safe_load((ROLES / role / 'vars/main.yml').read_text())
    return toolchain_flags(data[f'__{role}_toolchain_rules'], version, toolchain)


GCC12 = {'compiler': {'name': 'gcc', 'version': '12.2.0'}, 'libc': {'name': 'glibc', 'version': '2.36'},
         'macros': {'openssl': 'OpenSSL 3.0.17 1 Jul 2025'}, 'contains': {'crypt_current_salt': False}}
CENTOS7 = {'compiler': {'name': 'gcc', 'version': '4.8.5'}, 'libc': {'name': 'glibc', 'version': '2.17'},
           'macros': {'openssl': 'OpenSSL 1.0.2k-fips  26 Jan 2017'}, 'contains': {'crypt_current_salt': True}}


@pytest.mark.parametrize('role, version, toolchain, expected', [
    ('keepalived', '2.0.7', GCC12, ['-O2', '-g', '-fcommon']),
    ('keepalived', '2.0.7', CENTOS7, []),
    ('keepalived', '2.3.4', GCC12, []),
    ('nginx', '1.9.9', GCC12, ['-Wno-implicit-fallthrough', '-Wno-cast-function-type', '-Wno-deprecated-declarations',
                               '-Dcurrent_salt=setting', '-DNGX_SYS_NERR=135']),
    ('nginx', '1.9.9', CENTOS7, []),
    ('nginx', '1.26.3', GCC12, []),
])
def test_flags_of_the_pinned_versions(role, version, toolchain, expected):
    assert flags(role, version, **toolchain) == expected


def test_flags_come_once_and_after_the_wanted_ones():
    rules = [{'cflags': ['-a', '-b']}, {'cflags': ['-b', '-c']}]
    assert toolchain_flags(rules, '1', {}, ['-c']) == ['-c', '-a', '-b']


def test_report_of_a_sound_cluster():
    report = vip_report(PLAN, seen(a=['192.0.2.100'], b=['192.0.2.101']))
    assert report['problems'] == []
    assert report['rows'][1] == {'address': '192.0.2.101', 'instance': 'two', 'expected': 'b', 'seen': ['b']}


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
    plan = {'members': ['a', 'b'], 'vips': [{**PLAN['vips'][0], 'owner': None}]}
    assert vip_report(plan, seen(a=[], b=['192.0.2.100']))['problems'] == []
    assert 'expected on any one of a, b, no host holds it' in vip_report(plan, seen(a=[], b=[]))['problems'][0]
    assert 'split brain' in vip_report(plan, seen(a=['192.0.2.100'], b=['192.0.2.100']))['problems'][0]


def test_table_is_aligned_and_shows_answers():
    report = vip_report(PLAN, seen(a=['192.0.2.100'], b=[]))
    answers = [{'vip': PLAN['vips'][0], 'status': 200, 'content': 'node a\nmore'},
               {'vip': PLAN['vips'][1], 'status': -1, 'msg': 'Status code was -1 and not [200]: Request failed: timed out'}]
    assert vip_table(report, answers) == [
        'VIP          expected owner  owner seen  HTTP through the VIP',
        '192.0.2.100  a               a           200 node a',
        '192.0.2.101  b               nobody      Request failed: timed out',
    ]
    assert vip_table(report)[1].endswith('not asked')
    away = [{'vip': PLAN['vips'][0], 'unreachable': True, 'msg': 'Failed to create temporary directory.'}]
    assert vip_table(report, away)[1].endswith('  the witness cannot be reached')


def test_secrets_are_collected_by_name():
    instances = [{'name': 'one', 'authentication': {'auth_pass': 'own'}}, {'name': 'two'}]
    assert vrrp_secrets(instances, 'shared') == {'one': 'own', 'two': 'shared'}
    assert vrrp_secrets([{'name': 'one'}]) == {}
