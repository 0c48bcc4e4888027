# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# pylint: disable=dangerous-default-value
# A table is only read.
from __future__ import annotations

import textwrap
import time

import pytest
import yaml
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import (
    at, block_findings, findings, known, release, render, table_of, variants,
)
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import ROOT, VERSIONS
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_kinds import Keyword, integer

DESCRIBED = '''
    use_pid_dir: true
    linkbeat_use_polling: false
    global_defs: {router_id: one, dynamic_interfaces: allow_if_changes, smtp_alert: false}
    garp_group:
      - {garp_interval: 0.01, interfaces: [eth0, eth1]}
      - {gna_interval: 0.02, interface: eth2}
    static_routes: [198.51.100.0/24 via 192.0.2.254 dev eth0]
    track_group: [{name: statics, group: [vi]}]
    vrrp_instance:
      - name: vi
        use_vmac: true
        virtual_ipaddress: [192.0.2.100/24]
        interface: eth0
        authentication: {auth_type: PASS, auth_pass: secret}
    virtual_server_group: [{name: web, members: [192.0.2.100 80, fwmark 7]}]
    virtual_server:
      - name: group web
        lb_algo: rr
        real_server:
          - name: 192.0.2.21 80
            weight: 0
            PING_CHECK: {}
            TCP_CHECK: [{connect_port: 80}, {connect_port: 81}]
            HTTP_GET: {url: {path: /, status_code: 200 301-399}}
            raw: 'a_new_keyword 1'
    include: [/etc/keepalived/one.conf, /etc/keepalived/two.conf]
    raw: '# the end'
'''
RENDERED = '''\
    use_pid_dir

    global_defs {
        router_id one
        smtp_alert false
        dynamic_interfaces allow_if_changes
    }

    garp_group {
        garp_interval 0.01
        interfaces {
            eth0
            eth1
        }
    }

    garp_group {
        gna_interval 0.02
        interface eth2
    }

    track_group statics {
        group {
            vi
        }
    }

    static_routes {
        198.51.100.0/24 via 192.0.2.254 dev eth0
    }

    vrrp_instance vi {
        interface eth0
        use_vmac
        authentication {
            auth_type PASS
            auth_pass secret
        }
        virtual_ipaddress {
            192.0.2.100/24
        }
    }

    virtual_server_group web {
        192.0.2.100 80
        fwmark 7
    }

    virtual_server group web {
        lb_algo rr
        real_server 192.0.2.21 80 {
            weight 0
            TCP_CHECK {
                connect_port 80
            }
            TCP_CHECK {
                connect_port 81
            }
            HTTP_GET {
                url {
                    path /
                    status_code 200 301-399
                }
            }
            PING_CHECK {
            }
            a_new_keyword 1
        }
    }

    include /etc/keepalived/one.conf
    include /etc/keepalived/two.conf

    # the end
'''


def told(problem, version='', features=None, **conf):
    """The one finding in a configuration ends with this."""
    found = findings(conf, version, features)
    assert len(found) == 1 and found[0].startswith('keepalived.conf: ')
    assert problem in found[0]


def test_blocks_of_every_shape():
    conf = yaml.safe_load(textwrap.dedent(DESCRIBED))
    assert findings(conf, '2.3.4') == []
    assert render(conf, '2.3.4').partition('\n\n')[2] == textwrap.dedent(RENDERED)


def test_everything_that_is_wrong_comes_together():
    conf = {
        'vrrp_instanze': [],
        'global_defs': {'vrrp_version': 4, 'router_id': 'a b'},
        'vrrp_instance': [{'name': 'one', 'priority': 'high', 'authentication': {'auth_type': 'MD5'}}, {'priority': 1}, 'two'],
        'virtual_server': [{'name': '192.0.2.1 80', 'real_server': [{'name': '192.0.2.2 80', 'TCP_CHECK': [{'connect_port': 0}]}]}],
    }
    assert [finding.removeprefix('keepalived.conf: ') for finding in findings(conf)] == [
        "top level: there is no keyword 'vrrp_instanze'; nearest: vrrp_instance, instance, bfd_instance (or use raw)",
        "global_defs, router_id: 'a b' cannot be written: it has to be one word without blanks, quotes, ! and #",
        'global_defs, vrrp_version: 4 is out of range; give one from 2 to 3',
        "vrrp_instance one, priority: 'high' is no integer; give one from 1 to 255",
        "vrrp_instance one, authentication, auth_type: 'MD5' is none of PASS, AH",
        'vrrp_instance: an entry has no name; write it as {name: …, …}',
        'vrrp_instance: an entry has no name; write it as {name: …, …}',
        'virtual_server 192.0.2.1 80, real_server 192.0.2.2 80, TCP_CHECK, connect_port: 0 is out of range; give one from 1 to 65535',
    ]


def test_what_is_wrong_is_not_rendered():
    with pytest.raises(ValueError, match="no keyword 'x'.*\n.*one from 2 to 3"):
        render({'global_defs': {'vrrp_version': 4}, 'x': 1})


@pytest.mark.parametrize('version, is_known', [('2.0.7', False), ('2.0.10', False), ('2.0.11', True), ('2.0.20', True), ('2.3.4', True), ('', True)])
def test_a_keyword_is_known_from_its_release_on(version, is_known):
    found = block_findings('vrrp_instance', {'name': 'one', 'track_process': ['p']}, version)
    assert found == [] if is_known else found == [
        f"keepalived.conf: vrrp_instance one: keyword 'track_process' came with keepalived 2.0.11 and this is {version}; "
        'nearest that it has: track_interface, track_file (or use raw)']


@pytest.mark.parametrize('version, kind', [('2.0.7', 'flag'), ('2.0.11', 'flag'), ('2.1.0', None), ('2.2.0', integer(1, 2)), ('', integer(1, 2))])
def test_variants_of_a_keyword(monkeypatch, version, kind):
    entry = [Keyword('flag', until='2.1.0'), Keyword(integer(1, 2), '2.2.0')]
    assert getattr(at(entry, version), 'kind', None) == kind
    monkeypatch.setitem(ROOT, 'a_keyword', entry[:1])
    assert bool(findings({'a_keyword': True}, version)) == (version in ('2.1.0', '2.2.0'))
    if version == '2.2.0':
        told("keyword 'a_keyword' is gone since keepalived 2.1.0 and this is 2.2.0; nearest that it has: ", version, a_keyword=True)


def test_a_value_that_only_newer_releases_take():
    script = [{'name': 'check', 'script': '/usr/bin/true', 'interval': 0.5}]
    told('interval: 0.5 is no integer; give one from 1 to 4294', '2.2.8', vrrp_script=script)
    assert findings({'vrrp_script': script}, '2.3.3') == []


@pytest.mark.parametrize('conf', [
    {'bfd_instance': [{'name': 'one', 'neighbor_ip': '192.0.2.2'}]},
    {'vrrp_instance': [{'name': 'one', 'track_bfd': ['one']}]},
    {'global_defs': {'bfd_priority': 1}},
])
def test_a_keyword_that_the_build_needs_a_switch_for(conf):
    told('needs a keepalived that is configured with --enable-bfd', features=['--enable-snmp'], **conf)
    assert findings(conf, features=['--enable-bfd']) == findings(conf) == []


def test_one_of_several_switches_is_enough():
    conf = {'global_defs': {'enable_snmp_rfcv2': True}}
    told('configured with --enable-snmp-rfc or --enable-snmp-rfcv2', features=[], **conf)
    assert findings(conf, features=['--enable-snmp-rfc']) == []


def test_a_keyword_that_the_build_needs_a_library_for():
    told('needs a keepalived that is configured with libnftnl; see keepalived_features', features=[], global_defs={'nftables': True})
    assert findings({'global_defs': {'nftables': True}}, features=['libnftnl']) == []


@pytest.mark.parametrize('keyword, value, problem', [
    ('mcast_src_ip', '192.0.2.300', "'192.0.2.300' is no IP address"),
    ('weight', '5 backwards', "'5 backwards' is no integer; give one from -253 to 253"),
    ('advert_int', '1_0', "'1_0' is no number; give one from 0.01 to 255"),
    ('priority', True, 'True is no integer'),
    ('use_vmac', 'a\nb', 'a value is one line'),
    ('smtp_alert', 'yes', "'yes' is neither true nor false"),
    ('track_script', 'check', "'check' is no list; write it as [check]"),
    ('unicast_peer', ['192.0.2.2', '}'], "'}' cannot be written"),
    ('authentication', 'PASS', 'it has to be a dictionary of keywords'),
])
def test_values_that_are_refused(keyword, value, problem):
    block = 'vrrp_script' if keyword == 'weight' else 'vrrp_instance'
    told(problem, **{block: [{'name': 'one', keyword: value}]})


def test_smallest_number_is_shown_as_one_can_write_it():
    told('give one from 0.000001 to 4294', global_defs={'vrrp_garp_interval': 0})


@pytest.mark.parametrize('instances', [
    [{'name': 'one', 'authentication': {'auth_pass': 'hidden word'}}],
    [{'name': 'one', 'authentication': [{'auth_pass': 'hidden'}]}],
    [{'authentication': {'auth_pass': 'hidden'}}],
    {'name': 'one', 'authentication': {'auth_pass': 'hidden'}},
    [[{'auth_pass': 'hidden'}]],
])
def test_no_message_shows_a_password(instances):
    found = findings({'vrrp_instance': instances})
    assert len(found) == 1 and 'hidden' not in found[0]


@pytest.mark.parametrize('weight', [5, '-5', '5 reverse'])
def test_weight_can_be_reversed(weight):
    assert f'weight {weight}\n' in render({'vrrp_script': [{'name': 'check', 'weight': weight}]})


@pytest.mark.parametrize('block, body, expected', [
    ('global_defs', {'router_id': 'a b'}, 'keepalived.conf: global_defs, router_id: '),
    ('static_routes', 'x', "keepalived.conf: static_routes: 'x' is no list"),
    ('garp_group', {'garp_interval': -1}, 'keepalived.conf: garp_group, garp_interval: '),
    ('include', 'a\nb', 'keepalived.conf: include: '),
    ('no_block', {}, "keepalived.conf: top level: there is no keyword 'no_block'"),
])
def test_findings_of_one_block(block, body, expected):
    found = block_findings(block, body)
    assert len(found) == 1 and found[0].startswith(expected)


def test_findings_of_one_block_say_where_it_is():
    assert block_findings('vrrp_instance', {'name': 'one', 'priority': 0}, where='node a')[0].startswith(
        'keepalived.conf: node a, vrrp_instance one, priority: 0 is out of range')


def test_many_instances_are_checked_quickly():
    bodies = [{
        'name': f'vi_{number}', 'state': 'BACKUP', 'interface': 'eth0', 'virtual_router_id': number, 'priority': 100, 'advert_int': 1,
        'virtual_ipaddress': ['192.0.2.100/24'], 'track_script': ['check'], 'nopreempt': True, 'garp_master_delay': 5,
        'authentication': {'auth_type': 'PASS'}, 'unicast_src_ip': '192.0.2.1', 'unicast_peer': ['192.0.2.2'],
    } for number in range(1, 251)]
    began = time.process_time()
    assert [block_findings('vrrp_instance', body, '2.0.7', []) for body in bodies] == [[]] * 250
    assert time.process_time() - began < 0.25


# --- the tables ---

def entries(table=ROOT):
    for keyword, entry in table.items():
        yield keyword, entry
        yield from entries(table_of(at(entry).kind) or {})


def test_variants_of_a_keyword_follow_each_other_without_a_gap():
    for keyword, entry in entries():
        every = variants(entry)
        bounds = [release(bound) for variant in every for bound in (variant.since, variant.until) if bound]
        assert bounds == sorted(bounds), keyword
        assert all(one.until == other.since for one, other in zip(every, every[1:])), keyword


def test_what_is_referred_to_stands_first():
    def precedes(*keywords, table=ROOT):
        places = [list(table).index(keyword) for keyword in keywords]
        return places == sorted(places)

    assert precedes('net_namespace', 'global_defs', 'bfd_instance', 'vrrp_script', 'track_file', 'vrrp_track_process', 'vrrp_sync_group',
                    'vrrp_instance', 'virtual_server_group', 'virtual_server')
    assert precedes('track_group', 'static_ipaddress', 'static_routes', 'static_rules')
    server = ROOT['virtual_server'].kind[1]
    assert precedes('lb_algo', 'sh-port', table=server) and precedes('sorry_server', 'sorry_server_inhibit', 'real_server', table=server)


def test_every_catalogued_release_is_known():
    assert {version: sum(1 for dummy in known(version)) for version in VERSIONS} == {
        '2.0.7': 367, '2.0.20': 419, '2.2.7': 507, '2.2.8': 515, '2.3.3': 527, '2.3.4': 527}
