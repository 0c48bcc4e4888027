# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import textwrap

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.filter.keepalived_conf import keepalived_conf
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan
from ansible_collections.vipkit.ha.plugins.filter.vrrp_secrets import vrrp_secrets
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import BLOCKS, VRRP_INSTANCE


def body(text):
    """A configuration without its comments."""
    return '\n'.join(line for line in text.splitlines() if not line.startswith('!')).strip() + '\n'


def instance(**keywords):
    return {'vrrp_instance': [{'name': 'one', **keywords}]}


def seed(node):
    """The configuration that the seed has for a node, with a check of nginx in place of its dotnet."""
    first, second = ('MASTER', 100), ('BACKUP', 50)
    if node == 'node129':
        first, second = second, first
    block = '''
        vrrp_instance vrrp_instance_{number} {{
            state {state}
            interface ens33
            virtual_router_id {router_id}
            priority {priority}
            advert_int 1
            authentication {{
                auth_type PASS
                auth_pass nanfei
            }}
            virtual_ipaddress {{
                192.168.100.{router_id}/24
            }}
            track_script {{
                check_nginx
            }}
        }}
    '''
    script = f'''
        global_defs {{
            router_id {node}
        }}

        vrrp_script check_nginx {{
            script "/apps/keepalived/keepalived-2.0.7/scripts/check_nginx"
            interval 1
        }}
    '''
    return '\n'.join(textwrap.dedent(part).strip() + '\n' for part in (
        script,
        block.format(number=1, state=first[0], priority=first[1], router_id=100),
        block.format(number=2, state=second[0], priority=second[1], router_id=101)))


@pytest.mark.parametrize('node', ['node128', 'node129'])
def test_the_seeds_cluster_gives_the_seeds_configuration(node):
    instances = [
        {'name': 'vrrp_instance_1', 'virtual_router_id': 100, 'virtual_ipaddress': ['192.168.100.100/24'], 'nodes': ['node128', 'node129']},
        {'name': 'vrrp_instance_2', 'virtual_router_id': 101, 'virtual_ipaddress': ['192.168.100.101/24'], 'nodes': ['node129', 'node128']},
    ]
    facts = {name: {'ansible_facts': {'interfaces': ['ens33'], 'ens33': {'ipv4': {'address': address, 'prefix': '24'}}}}
             for name, address in (('node128', '192.168.100.128'), ('node129', '192.168.100.129'))}
    cluster = {'vrrp_instances': instances, 'auth_pass': 'nanfei',
               'vrrp_scripts': [{'name': 'check_nginx', 'interval': 1, 'check': {'kind': 'http', 'url': 'http://127.0.0.1/'}}]}
    described = {name: {'cluster': cluster, 'version': '2.0.7', 'configure_flags': [], 'blocks': {}} for name in facts}
    plan = vrrp_plan(described, facts)
    assert plan['findings'] == []
    text = keepalived_conf(plan['hosts'][node]['conf'], vrrp_secrets(instances, 'nanfei'),
                           '/apps/keepalived/keepalived-2.0.7/scripts')
    assert body(text) == seed(node)


@pytest.mark.parametrize('keyword, value, expected', [
    ('nopreempt', True, ['nopreempt']),
    ('nopreempt', False, []),
    ('lower_prio_no_advert', True, ['lower_prio_no_advert true']),
    ('higher_prio_send_advert', False, ['higher_prio_send_advert false']),
    ('unicast_peer', ['192.0.2.1', '192.0.2.2'], ['unicast_peer {', '    192.0.2.1', '    192.0.2.2', '}']),
    ('unicast_peer', [], []),
    ('advert_int', 0.1, ['advert_int 0.1']),
    ('virtual_router_id', '7', ['virtual_router_id 7']),
    ('notify', '/usr/libexec/n one', ['notify "/usr/libexec/n one"']),
    ('raw', 'garp_extra 1\nother 2', ['garp_extra 1', 'other 2']),
    ('interface', None, []),
])
def test_keywords(keyword, value, expected):
    lines = body(keepalived_conf(instance(**{keyword: value}))).splitlines()
    assert lines == ['vrrp_instance one {', *('    ' + line for line in expected), '}']


@pytest.mark.parametrize('conf, message', [
    (instance(virtual_routerid=1), "keepalived.conf: vrrp_instance one: there is no keyword 'virtual_routerid'; nearest: virtual_router_id"),
    (instance(virtual_router_id=256), 'keepalived.conf: vrrp_instance one, virtual_router_id: 256 is out of range; give one from 1 to 255'),
    (instance(priority='high'), "keepalived.conf: vrrp_instance one, priority: 'high' is no integer; give one from 1 to 255"),
    (instance(nopreempt='yes'), "keepalived.conf: vrrp_instance one, nopreempt: 'yes' is neither true nor false"),
    (instance(interface='eth0\n}'), "keepalived.conf: vrrp_instance one, interface: 'eth0\\n}' cannot be written"),
    (instance(interface=''), "keepalived.conf: vrrp_instance one, interface: '' cannot be written"),
    (instance(interface='eth0 # x'), "keepalived.conf: vrrp_instance one, interface: 'eth0 # x' cannot be written: it has to be one word"),
    (instance(virtual_ipaddress=['192.0.2.1 }']), "keepalived.conf: vrrp_instance one, virtual_ipaddress: '192.0.2.1 }' cannot be written"),
    (instance(notify='/bin/x "y"'), 'keepalived.conf: vrrp_instance one, notify: \'/bin/x "y"\' cannot be written: it holds a double quote'),
    ({'vrrp_instanze': []}, "keepalived.conf: top level: there is no keyword 'vrrp_instanze'; nearest: vrrp_instance"),
])
def test_what_cannot_be_written_is_refused(conf, message):
    with pytest.raises(AnsibleFilterError) as error:
        keepalived_conf(conf)
    assert str(error.value).startswith(message)


def test_interface_stands_before_addresses_and_scripts_before_instances():
    assert list(VRRP_INSTANCE).index('interface') < list(VRRP_INSTANCE).index('virtual_ipaddress')
    assert list(BLOCKS).index('vrrp_script') < list(BLOCKS).index('vrrp_instance')


def test_raw_text_at_the_top_level():
    assert body(keepalived_conf({'raw': 'include /etc/keepalived/more.conf\n'})) == 'include /etc/keepalived/more.conf\n'


def test_password_goes_to_the_instance_with_authentication_only():
    conf = {'vrrp_instance': [{'name': 'one', 'authentication': {'auth_type': 'PASS'}}, {'name': 'two'}]}
    text = keepalived_conf(conf, {'one': 'first', 'two': 'second'})
    assert 'auth_pass first' in text
    assert 'second' not in text


def test_it_says_who_writes_it():
    assert keepalived_conf({}).startswith('! ')
