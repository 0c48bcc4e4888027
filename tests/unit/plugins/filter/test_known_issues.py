# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What applies, shown with data made for it. The real data has tests of its own."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.filter.known_issues import known_issues
from ansible_collections.vipkit.ha.plugins.filter.known_mitigations import known_mitigations
from ansible_collections.vipkit.ha.plugins.plugin_utils._known_issues import statements

NGINX = r'''
user nobody;  # not { this; }
http {
    include mime.types;
    log_format main '$remote_addr "$request" {';
    server {
        listen 80; listen [::]:80 ipv6only=on;
        location ~ "^/(?<year>\d{4})/(.*)$" { return 200 "a;b\"c"; }
        rewrite ^/a/(.*)$ /b/${year}x;
        set $x "";
    }
}
stream { }
'''
KEEPALIVED = '''
! a comment with {
global_defs {
    router_id a   # another one
}
vrrp_script web
{
    script "/bin/check a { b"
}
vrrp_instance one {
    virtual_ipaddress {
        192.0.2.1/24 dev eth0
        ${OTHER}
    }
    track_script { web }
}
include more.conf
'''


def issue(name, **more):
    return {'id': name, 'kind': 'cve', 'severity': 'medium', 'versions': ['<2'], 'summary': 'It breaks.', 'advice': 'Mend it.', 'source': 'https://x',
            **more}


def known(*issues, **mitigations):
    return {'program': 'nginx', 'mitigations': mitigations, 'issues': list(issues)}


def reaches(data, *args, **more):
    return {one['id']: one['reach'] for one in known_issues(data, *args, **more)}


def test_statements_of_nginx():
    assert statements('nginx', NGINX) == [
        ('user', 'nobody', ()),
        ('http', '', ()),
        ('include', 'mime.types', ('http',)),
        ('log_format', 'main $remote_addr "$request" {', ('http',)),
        ('server', '', ('http',)),
        ('listen', '80', ('http', 'server')),
        ('listen', '[::]:80 ipv6only=on', ('http', 'server')),
        ('location', r'~ ^/(?<year>\d{4})/(.*)$', ('http', 'server')),
        ('return', r'200 a;b\"c', ('http', 'server', 'location')),
        ('rewrite', '^/a/(.*)$ /b/${year}x', ('http', 'server')),
        ('set', '$x ""', ('http', 'server')),
        ('stream', '', ()),
    ]


def test_statements_of_keepalived():
    assert statements('keepalived', KEEPALIVED) == [
        ('global_defs', '', ()),
        ('router_id', 'a', ('global_defs',)),
        ('vrrp_script', 'web', ()),
        ('script', '/bin/check a { b', ('vrrp_script',)),
        ('vrrp_instance', 'one', ()),
        ('virtual_ipaddress', '', ('vrrp_instance',)),
        ('192.0.2.1/24', 'dev eth0', ('vrrp_instance', 'virtual_ipaddress')),
        ('${OTHER}', '', ('vrrp_instance', 'virtual_ipaddress')),
        ('track_script', '', ('vrrp_instance',)),
        ('web', '', ('vrrp_instance', 'track_script')),
        ('include', 'more.conf', ()),
    ]


@pytest.mark.parametrize('program, conf', [('nginx', '} } a "b { c;'), ('keepalived', '{\n}}\n"x\n{')])
def test_text_that_is_no_configuration_raises_nothing(program, conf):
    statements(program, conf)


@pytest.mark.parametrize('version, there', [('1.4', False), ('1.5', True), ('1.9.9', True), ('1.10', False), ('2', True), ('2.0.1', False)])
def test_one_range_is_enough_and_all_of_its_conditions_hold(version, there):
    data = known(issue('a', versions=['>=1.5, <1.10', '==2.0']))
    assert (reaches(data, version, [], 'x;') == {'a': 'reachable'}) is there


def test_a_module_has_to_be_built():
    data = known(issue('optional', when={'with': ['--with-a', '--with-b']}), issue('default', when={'without': ['--without-c', '--without-d']}))
    assert list(reaches(data, '1', [], 'x;')) == ['default']
    assert list(reaches(data, '1', ['--with-b=dynamic', '--without-c'], 'x;')) == ['default', 'optional']
    assert list(reaches(data, '1', ['--with-abc', '--without-c', '--without-d'], 'x;')) == []


@pytest.mark.parametrize('conf, reach', [
    ('http { ssi on; }', 'reachable'),
    ('http { ssi off; }', 'built'),
    ('ssi on;', 'built'),
    ('http { server { ssi on; } }', 'reachable'),
    ('http { one 1; }', 'built'),
    ('http { one 1; two 2; two 3; }', 'reachable'),
    ('http { one 1; two 2; }', 'built'),
    ('http { include mime.types; include /etc/fastcgi_params; }', 'built'),
    ('http { include conf.d/*.conf; }', 'unknown'),
    ('http { include conf.d/*.conf; ssi on; }', 'reachable'),
    ('', 'unknown'),
    ('# ssi on', 'unknown'),
])
def test_what_the_configuration_uses(conf, reach):
    data = known(issue('a', when={'uses': [{'in': 'http', 'name': 'ssi', 'args': '^on$'}, [{'name': 'one'}, {'name': 'two', 'count': 2}]]}))
    assert reaches(data, '1', [], conf) == {'a': reach}


def test_what_no_text_tells_is_never_sure():
    data = known(issue('used', when={'uses': [{'name': 'ssi'}], 'also': 'It rains.'}), issue('always', when={'also': 'It rains.'}))
    assert reaches(data, '1', [], 'ssi on;') == {'used': 'unknown', 'always': 'unknown'}
    assert reaches(data, '1', [], 'x;') == {'used': 'built', 'always': 'unknown'}


@pytest.mark.parametrize('conf, ended', [
    ('http { max_ranges 1; }', True),
    ('http { max_ranges 1; server { max_ranges 0; } }', True),
    ('http { max_ranges 1; server { max_ranges 5; } }', False),
    ('http { server { max_ranges 1; } }', False),
    ('http { max_ranges 5; }', False),
    ('http { }', False),
])
def test_a_directive_ends_an_issue_only_everywhere(conf, ended):
    data = known(issue('a', mitigation='max_ranges'), max_ranges={'how': '', 'directives': {'max_ranges': ['1', '0']}})
    assert (reaches(data, '1', [], conf) == {}) is ended


def test_flags_fixes_measures_and_own_patches_end_an_issue():
    data = known(issue('a', mitigation=['no_a', 'walled'], fixed_by='mended'), no_a={'how': '', 'configure_flags': ['--without-a', '--without-b']},
                 walled={'how': ''})
    assert reaches(data, '1', ['--without-a'], 'x;')
    assert not reaches(data, '1', ['--without-a', '--without-b'], 'x;')
    for name in ('walled', 'mended', 'a'):
        assert not reaches(data, '1', [], 'x;', [name])


def test_the_worst_come_first_and_the_line_says_it():
    data = known(issue('b'), issue('a', severity='low'), issue('c', when={'uses': [{'name': 'x'}]}), issue('d', severity='major', when={'also': 'It rains.'}),
                 issue('e', severity='none'), issue('f', when={'uses': [{'name': 'y'}]}))
    found = known_issues(data, '1', [], 'x;')
    assert [one['id'] for one in found] == ['d', 'b', 'c', 'f', 'a', 'e']
    assert [one['line'] for one in found[:4]] == [
        'major, perhaps: d: If: It rains. It breaks. Mend it. https://x',
        'medium: b: It breaks. Mend it. https://x',
        'medium: c: It breaks. Mend it. https://x',
        'medium, built in but not used: f: It breaks. Mend it. https://x',
    ]
    assert found[0] == {'id': 'd', 'kind': 'cve', 'severity': 'major', 'reach': 'unknown', 'summary': 'It breaks.', 'advice': 'Mend it.',
                        'source': 'https://x', 'also': 'It rains.', 'mitigations': [], 'line': found[0]['line']}
    assert [one['id'] for one in known_issues(data, '1', [], 'x;', at_least='medium')] == ['d', 'b', 'c']
    assert [one['id'] for one in known_issues(data, '1', [], 'x;', at_least='major')] == ['d']


@pytest.mark.parametrize('arguments, problem', [
    ({'version': 'newest'}, "'newest' is no version"),
    ({'version': '1', 'at_least': 'grave'}, "there is no severity 'grave'; give one of none, low, medium, major"),
])
def test_what_cannot_be_is_refused(arguments, problem):
    with pytest.raises(AnsibleFilterError, match=problem):
        known_issues(known(), **arguments)


MITIGATED = known(
    issue('a', mitigation='ranges'), issue('b', mitigation=['no_b', 'costly']), issue('c', versions=['>=2'], mitigation='no_c'),
    issue('d', mitigation='walled'),
    ranges={'how': '', 'directives': {'max_ranges': ['1', '0']}}, no_b={'how': '', 'configure_flags': ['--without-b1', '--without-b2']},
    no_c={'how': '', 'configure_flags': ['--without-c']}, costly={'how': '', 'default': False, 'configure_flags': ['--without-proxy']}, walled={'how': ''})


def test_mitigations_help_the_version_and_cost_nothing():
    assert known_mitigations(MITIGATED, '1') == {'configure_flags': ['--without-b1', '--without-b2'], 'directives': {'max_ranges': '1'}, 'measures': ['walled']}
    assert known_mitigations(MITIGATED, '2') == {'configure_flags': ['--without-c'], 'directives': {}, 'measures': []}


def test_each_mitigation_can_be_left_out():
    assert known_mitigations(MITIGATED, '1', ['no_b', 'walled', 'ranges']) == {'configure_flags': [], 'directives': {}, 'measures': []}
    with pytest.raises(AnsibleFilterError, match="there is no mitigation 'no_x'; there are ranges, no_b, no_c, costly, walled"):
        known_mitigations(MITIGATED, '1', ['no_b', 'no_x'])


def test_what_is_applied_ends_what_it_is_for():
    applied = known_mitigations(MITIGATED, '1')
    assert len(known_issues(MITIGATED, '1', [], 'http { }')) == 3
    conf = ' '.join(['http {', *(f'{name} {value};' for name, value in applied['directives'].items()), '}'])
    assert not known_issues(MITIGATED, '1', applied['configure_flags'], conf, applied['measures'])
