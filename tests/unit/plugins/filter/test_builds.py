# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From descriptions of programs to requests, and with a toolchain to builds."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible.errors import AnsibleFilterError, AnsibleLookupError
from ansible_collections.vipkit.ha.plugins.filter.build_plans import build_plans
from ansible_collections.vipkit.ha.plugins.filter.build_requests import build_requests
from ansible_collections.vipkit.ha.plugins.lookup import known_issues, own_fixes
from ansible_collections.vipkit.ha.plugins.plugin_utils import _source_build as build

ROLES = pathlib.Path(__file__).resolve().parents[4] / 'roles'
SUM = 'a' * 64
PROGRAM = {
    'program': 'tiny', 'version': '1.0', 'sha256': SUM, 'source_dir': '/apps/tiny', 'urls': ['http://192.0.2.80/tiny-1.0.tar.gz'],
    'configure_flags': ['--b', '--a'], 'cflags': ['-O2'],
    'patches': [{'name': 'one', 'content': 'text'}],
    'extra_sources': [{'name': 'more', 'version': '2.1', 'sha256': 'b' * 64, 'urls': []}],
}
GCC12 = {'compiler': {'name': 'gcc', 'version': '12.2.0'}, 'libc': {'name': 'glibc', 'version': '2.36'}, 'missing': [],
         'macros': {'openssl': 'OpenSSL 3.0.17 1 Jul 2025'}, 'contains': {'crypt_current_salt': False}}
CENTOS7 = {'compiler': {'name': 'gcc', 'version': '4.8.5'}, 'libc': {'name': 'glibc', 'version': '2.17'}, 'missing': [],
           'macros': {'openssl': 'OpenSSL 1.0.2k-fips  26 Jan 2017'}, 'contains': {'crypt_current_salt': True}}


def request(**change):
    return build_requests([{**PROGRAM, **change}], 'debian-12-x86_64', '/shelf', '/facts')[0]


def plan(toolchain=None, **change):
    return build_plans([request(**change)], toolchain or GCC12, '/sources', '/artifacts')[0]


# Descriptions

@pytest.mark.parametrize('change, finding', [
    ({'program': 'Tiny'}, "the program 'Tiny' cannot have that name"),
    ({'version': ''}, "'tiny' lacks version; see"),
    ({'source_dir': '', 'flags': []}, "'tiny' lacks source_dir and has the unknown flags; see"),
    ({'sha256': ''}, 'There is no sha256 for tiny 1.0: the catalogue knows none. Set tiny_sha256 to the checksum of tiny-1.0.tar.gz'),
    ({'sha256': 'abc'}, 'There is no sha256 for tiny 1.0'),
    ({'sha256': '', 'catalogue': {'1.1': {'sha256': SUM}}}, 'the catalogue knows 1.1'),
    ({'extra_sources': [{'name': 'more', 'version': '2.1'}]}, "the extra source 'more' needs a name and a version"),
    ({'extra_sources': [{'name': '../more', 'version': '2.1', 'sha256': SUM}]}, "the extra source '../more' needs"),
])
def test_findings(change, finding):
    found = build.findings([{**PROGRAM, **change}])
    assert len(found) == 1 and finding in found[0]


def test_sound_descriptions_have_no_findings():
    assert build.findings([PROGRAM, {**PROGRAM, 'program': 'other', 'sha256': '', 'catalogue': {'1.0': {'sha256': SUM}}}]) == []


def test_one_program_twice_is_a_finding():
    assert build.findings([PROGRAM, PROGRAM]) == ["source_build_programs names 'tiny' twice; give each program one entry"]


# Requests

def test_a_request():
    found = request()
    assert found['sources'] == [{'name': 'tiny-1.0.tar.gz', 'sha256': SUM, 'urls': PROGRAM['urls']},
                                {'name': 'more-2.1.tar.gz', 'sha256': 'b' * 64, 'urls': []}]
    assert (found['stamp'], found['shelf']) == ('/facts/vipkit_tiny.fact', '/shelf/tiny')
    assert found['manifest'] == f"/shelf/tiny/debian-12-x86_64-{found['request']}.json"


@pytest.mark.parametrize('change, same', [
    ({}, True),
    ({'configure_flags': ['--a', '--b']}, True),
    ({'urls': [], 'source_dir': '/elsewhere', 'build_packages': ['gcc']}, True),
    ({'configure_flags': ['--a']}, False),
    ({'cflags': []}, False),
    ({'patches': []}, False),
    ({'patches': [{'name': 'one', 'content': 'other text'}]}, False),
    ({'extra_sources': []}, False),
    ({'exclude': ['/etc/*']}, False),
    ({'version': '1.1'}, False),
])
def test_what_makes_another_request(change, same):
    assert (request(**change)['request'] == request()['request']) is same


def test_another_platform_is_another_request():
    assert build_requests([PROGRAM], 'debian-13-x86_64', '/shelf', '/facts')[0]['request'] != request()['request']


def test_the_first_host_in_need_builds():
    one, two = request(), request(version='2.0')
    needs = {'a': [], 'b': [one['request']], 'c': [one['request'], two['request']]}
    assert [[entry['version'] for entry in build.share([one, two], host, needs)] for host in 'abc'] == [[], ['1.0'], ['2.0']]


def test_fingerprint_depends_on_content_alone():
    assert build.fingerprint({'a': 1, 'b': [1, 2]}) == build.fingerprint({'b': [1, 2], 'a': 1})
    assert build.fingerprint({'a': [1, 2]}) != build.fingerprint({'a': [2, 1]})
    assert build.fingerprint({'a': 1}) == '015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862'


# Plans

@pytest.mark.parametrize('version, condition, expected', [
    ('2.0.7', '<2.0.14', True), ('2.0.14', '<2.0.14', False), ('2.1', '<2.0.14', False), ('12.2.0', '>=8', True), ('8', '>=8.0', True),
    ('OpenSSL 3.0.17 1 Jul 2025', '>=3.0', True), ('OpenSSL 1.1.1n', '>=3.0', False), (None, '>=0', False), ('1.9.9', '==1.9.9', True),
])
def test_matches(version, condition, expected):
    assert build.matches(version, condition) is expected


def test_a_condition_that_is_none_is_refused():
    with pytest.raises(AnsibleFilterError, match="'newer' is no condition on a version"):
        plan(toolchain_rules=[{'version': 'newer', 'cflags': []}])


def test_a_plan():
    found = plan()
    fingerprint = found['made_from']['fingerprint']
    assert found['build'] == {
        'program': 'tiny', 'version': '1.0', 'tarball': '/sources/tiny-1.0.tar.gz', 'sha256': SUM, 'source_dir': '/apps/tiny',
        'artifact': f'/artifacts/tiny/{fingerprint}.tar.gz', 'patches': PROGRAM['patches'],
        'extra_sources': [{'name': 'more', 'tarball': '/sources/more-2.1.tar.gz', 'sha256': 'b' * 64}],
        'configure_flags': ['--b', '--a', 'CFLAGS=-O2'], 'exclude': [],
    }
    assert found['refusals'] == [] and found['made_from']['request'] == request()['request']


def test_another_compiler_makes_another_fingerprint_of_the_same_request():
    one, two = plan(), plan({**GCC12, 'compiler': {'name': 'gcc', 'version': '13.1.0'}})
    assert one['made_from']['request'] == two['made_from']['request']
    assert one['made_from']['fingerprint'] != two['made_from']['fingerprint']


def test_what_another_program_asks_of_the_toolchain_does_not_count():
    assert plan()['made_from']['fingerprint'] == plan({**GCC12, 'macros': {}})['made_from']['fingerprint']


def test_without_flags_configure_chooses_its_own():
    assert plan(cflags=[])['build']['configure_flags'] == ['--b', '--a']


def test_flags_come_once_and_after_the_wanted_ones():
    assert plan(cflags=['-c'], toolchain_rules=[{'cflags': ['-a', '-b']}, {'cflags': ['-b', '-c']}])['made_from']['cflags'] == ['-c', '-a', '-b']


@pytest.mark.parametrize('rule, refused', [
    ({}, True),
    ({'configure_flags': ['--a', '--z']}, True),
    ({'configure_flags': ['--z']}, False),
    ({'compiler': {'gcc': '<12'}}, False),
    ({'version': '>1.0'}, False),
])
def test_refusals(rule, refused):
    found = plan(toolchain_rules=[{'refuse': 'it is too old; use 2.0', **rule}])['refusals']
    assert found == (['tiny 1.0 cannot be built here: it is too old; use 2.0'] if refused else [])


def role(name, version, toolchain, **change):
    data = yaml.safe_load((ROLES / name / 'vars/main.yml').read_text())
    rules = data[f'__{name}_toolchain_rules'] + ([data['__nginx_tls_rule']] if name == 'nginx' else [])
    return plan(toolchain, version=version, cflags=[], toolchain_rules=rules, macros=data.get(f'__{name}_macros', {}),
                contains=data.get(f'__{name}_contains', {}), **change)


@pytest.mark.parametrize('name, version, toolchain, expected', [
    ('keepalived', '2.0.7', GCC12, ['-O2', '-g', '-fcommon']),
    ('keepalived', '2.0.7', CENTOS7, []),
    ('keepalived', '2.3.4', GCC12, []),
    ('nginx', '1.9.9', GCC12, ['-Wno-implicit-fallthrough', '-Wno-cast-function-type', '-Wno-deprecated-declarations',
                               '-Dcurrent_salt=setting', '-DNGX_SYS_NERR=135']),
    ('nginx', '1.9.9', CENTOS7, []),
    ('nginx', '1.26.3', GCC12, []),
])
def test_flags_of_the_pinned_versions(name, version, toolchain, expected):
    assert role(name, version, toolchain)['made_from']['cflags'] == expected


@pytest.mark.parametrize('version, toolchain, refused', [('1.9.9', GCC12, True), ('1.9.9', CENTOS7, False), ('1.18.0', GCC12, False)])
def test_tls_of_an_old_nginx_with_a_new_openssl_is_refused(version, toolchain, refused):
    found = role('nginx', version, toolchain, configure_flags=['--with-http_ssl_module'])['refusals']
    assert (found and 'use one of nginx 1.18.0, 1.22.1 and 1.26.3' in found[0]) if refused else found == []


# What the collection brings along

def fixes(version, **options):
    return [fix['name'] for fix in own_fixes.LookupModule().run(['keepalived', version], {}, **options)]


def test_own_fixes():
    assert {'silenced_instances', 'hung_scripts'} <= set(fixes('2.0.7'))
    assert fixes('2.3.4') == []


def test_a_fix_can_be_left_out():
    assert set(fixes('2.0.7')) - set(fixes('2.0.7', without=['hung_scripts'])) == {'hung_scripts'}


def test_a_fix_that_does_not_exist_cannot_be_left_out():
    with pytest.raises(AnsibleLookupError, match='keepalived 2.0.7 has no fix hanging_scripts that could be left out; it has '):
        fixes('2.0.7', without=['hanging_scripts'])


@pytest.mark.parametrize('program', ['keepalived', 'nginx'])
def test_data_of_known_issues(program):
    data, = known_issues.LookupModule().run([program])
    assert data['program'] == program and data['issues']


def test_the_folders_of_fixes_are_of_catalogued_versions():
    for folder in own_fixes.ROLES.glob('*/files/fixes/*'):
        data = yaml.safe_load((own_fixes.ROLES / folder.parents[2].name / 'vars/main.yml').read_text())
        assert folder.name in data[f'__{folder.parents[2].name}_catalogue']
