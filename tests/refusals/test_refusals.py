# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bad input stops the real playbook with one clear sentence, before any host is changed."""

from __future__ import annotations

import copy
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
INVENTORY = pathlib.Path(__file__).with_name('hosts.yml')
INSTANCES = yaml.safe_load(INVENTORY.read_text())['loadbalancers']['vars']['keepalived_vrrp_instances']


def instances(**values):
    """The instances of the inventory, the first one changed; None takes a key away."""
    changed = copy.deepcopy(INSTANCES)
    changed[0].update(values)
    changed[0] = {key: value for key, value in changed[0].items() if value is not None}
    return {'keepalived_vrrp_instances': changed}


def deploy(variables, playbook='site.yml', *options):
    """Exit code and output, as one line without doubled quotes, of a playbook."""
    command = [str(pathlib.Path(sys.executable).with_name('ansible-playbook')), playbook, '-i', str(INVENTORY), *options,
               '--extra-vars', json.dumps({'ansible_become': False, **variables})]
    env = {**os.environ, 'ANSIBLE_NOCOLOR': '1', 'ANSIBLE_FORCE_COLOR': '0', 'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg')}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return done.returncode, ' '.join((done.stdout + done.stderr).split()).replace("''", "'")


@pytest.mark.parametrize('variables, sentence', [
    pytest.param(instances(virtual_ipaddress=['203.0.113.77/24'], interface=None),
                 r'one: 203\.0\.113\.77 on node1 is in no network of an interface there \(.*\): correct the address or say which with '
                 r"'interface'\.", id='VIP outside every network'),
    pytest.param(instances(virtual_ipaddress=['203.0.113.77/24']),
                 r"one: 203\.0\.113\.77/24 is in no network of node1's lo \(.*\): correct it, or write it as 203\.0\.113\.77/32",
                 id='VIP outside its network'),
    pytest.param(instances(virtual_router_id=0), r'one: virtual_router_id is 0; it has to be from 1 to 255', id='virtual_router_id 0'),
    pytest.param(instances(virtual_router_id=256), r'one: virtual_router_id is 256; it has to be from 1 to 255', id='virtual_router_id 256'),
    pytest.param(instances(virtual_router_id=101), r'two: virtual router id 101 is already that of one; give each its own\.',
                 id='virtual_router_id twice'),
    pytest.param(instances(nodes=['node1', 'node3']), r"one: node 'node3' is not in the inventory; correct the name or add the host\.",
                 id='unknown node'),
    pytest.param({'keepalived_auth_pass': 'ninechars'}, r'auth_pass has 9 characters; VRRP carries 8 .*: shorten it\.', id='long auth_pass'),
    pytest.param(instances(advert_interval=1), r"one: there is no keyword 'advert_interval'; nearest: advert_int \(or use raw\)",
                 id='misspelt keyword'),
    pytest.param(instances(down_timer_adverts=2), r"one: keyword 'down_timer_adverts' came with keepalived 2\.2\.3 and this is 2\.0\.7",
                 id='keyword of a later version'),
    pytest.param({'keepalived_blocks': {'vrrp_instance': [{'name': 'three'}]}},
                 r'keepalived_blocks: vrrp_instance does not belong there, .* use keepalived_vrrp_instances\.', id='instance among the blocks'),
    pytest.param({'keepalived_scripts': [{'name': 'announce'}]}, 'missing required arguments: content found in keepalived_scripts',
                 id='script without content'),
    pytest.param({'keepalived_version': '2.0.8'}, r'There is no sha256 for keepalived 2\.0\.8: the catalogue knows 2\.0\.7, .*'
                 r'Set keepalived_sha256 to the checksum of keepalived-2\.0\.8\.tar\.gz', id='no checksum of keepalived'),
    pytest.param({'nginx_version': '1.9.10'}, r'There is no sha256 for nginx 1\.9\.10: .* Set nginx_sha256 to the checksum',
                 id='no checksum of nginx'),
    pytest.param({'nginx_http': {'keepalive_timeot': 9}}, r"there is no directive 'keepalive_timeot'; nearest: keepalive_timeout",
                 id='misspelt directive'),
    pytest.param({'nginx_main': {'worker_shutdown_timeout': '9s'}}, r'nginx 1\.9\.9 has no worker_shutdown_timeout: it came with 1\.11\.11',
                 id='directive of a later version'),
    pytest.param({'nginx_servers': [{'listen': '443 ssl'}]}, r'ssl needs --with-http_ssl_module in nginx_configure_flags',
                 id='TLS that is not built in'),
    pytest.param({'nginx_servers': [{'listen': '443 ssl'}], 'nginx_configure_flags': ['--with-http_ssl_module'], 'nginx_tls_profile': 'modern'},
                 r'the TLS profile modern needs TLS 1\.3, which came with nginx 1\.13\.0', id='TLS profile of a later version'),
    pytest.param({'nginx_json_log': True}, r'an access log in JSON needs nginx 1\.11\.8 or newer', id='JSON log of a later version'),
])
def test_bad_input_is_refused_before_any_host_is_changed(variables, sentence):
    code, output = deploy(variables)
    assert code != 0
    assert re.search(sentence, output), output
    recap = output[output.index('PLAY RECAP'):]
    assert recap.count('changed=0') == 2
    assert 'PLAY [Deploy]' not in output


# What a host says of itself is given here, since this machine is one platform at most.
PREFLIGHT = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        cacheable: true
        distribution: "{{ platform[0] }}"
        distribution_major_version: "{{ platform[1] }}"
        distribution_version: "{{ platform[1] }}"
        os_family: "{{ 'Debian' if platform[0] == 'Debian' else 'RedHat' }}"
        pkg_mgr: none
        service_mgr: systemd
    - ansible.builtin.include_role:
        name: vipkit.ha.nginx
        tasks_from: preflight
"""


@pytest.mark.parametrize('platform, version, flags, refused', [
    pytest.param(('Debian', '12'), '1.9.9', ['--with-http_ssl_module'], True, id='TLS of an old nginx on OpenSSL 3'),
    pytest.param(('Rocky', '8'), '1.9.9', ['--with-stream', '--with-stream_ssl_module'], True, id='TLS of an old nginx on OpenSSL 1.1'),
    pytest.param(('Debian', '12'), '1.9.9', [], False, id='an old nginx without TLS'),
    pytest.param(('CentOS', '7'), '1.9.9', ['--with-http_ssl_module'], False, id='TLS of an old nginx on OpenSSL 1.0'),
    pytest.param(('Debian', '12'), '1.22.1', ['--with-http_ssl_module'], False, id='TLS of a newer nginx'),
])
def test_tls_that_cannot_be_built_is_refused_before_any_host_is_changed(tmp_path, platform, version, flags, refused):
    playbook = tmp_path / 'preflight.yml'
    playbook.write_text(PREFLIGHT)
    code, output = deploy({'platform': platform, 'nginx_version': version, 'nginx_configure_flags': flags}, str(playbook))
    assert (code != 0) is refused, output
    if refused:
        assert re.search(rf'nginx {version} cannot be built on node1 with {" ".join(platform)}: its TLS needs OpenSSL before 1\.1\.0.* '
                         r'use one of nginx 1\.18\.0, 1\.22\.1 and 1\.26\.3, leave TLS out', output), output


@pytest.mark.parametrize('variables', [
    pytest.param({}, id='no fault'),
    pytest.param({'keepalived_priority': 'high'}, id='wrong type elsewhere'),
    pytest.param({'keepalived_blocks': {'nonsense': True}}, id='finding elsewhere'),
])
def test_no_output_tells_a_password(variables):
    authentication = {'auth_type': 'PASS', 'auth_pass': '0f-one'}
    dummy, output = deploy({'keepalived_auth_pass': '0f-all', **instances(authentication=authentication), **variables},
                           'playbooks/validate.yml', '-vvv')
    assert 'one' in output
    assert '0f-one' not in output and '0f-all' not in output


def test_the_description_without_a_fault_passes():
    code, output = deploy({}, playbook='playbooks/validate.yml')
    assert code == 0, output
