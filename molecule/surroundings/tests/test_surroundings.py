# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies around keepalived: each firewall with real packets, and networkd with a real address."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest
import testinfra

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
VRRP, AH = 112, 51
GROUP, OWN, PEER, STRANGER = '224.0.0.18', '198.51.100.1', '198.51.100.2', '198.51.100.3'
DROP_IN = '/etc/systemd/network/v0.network.d/50-vipkit-keep-vips.conf'

# Listens where keepalived would, behind the firewall, while a packet is sent out of the peer's namespace.
HEAR = r"""
import socket, struct, subprocess, sys
protocol, source, destination = int(sys.argv[1]), sys.argv[2], sys.argv[3]
listener = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    struct.pack('4s4s', socket.inet_aton('224.0.0.18'), socket.inet_aton('198.51.100.1')))
listener.settimeout(0.5)
subprocess.run(['ip', 'netns', 'exec', 'peer', sys.executable, '-c', '''
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, int(sys.argv[1]))
sender.bind((sys.argv[2], 0))
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[2]))
sender.sendto(b"advert", (sys.argv[3], 0))
'''] + sys.argv[1:], check=True)
try:
    print('heard' if listener.recv(100).endswith(b'advert') else 'something else')
except socket.timeout:
    print('nothing')
"""

NFTABLES = """flush ruleset
table inet filter {
    chain input { type filter hook input priority filter; policy drop; ip protocol icmp accept; }
}
"""
IPTABLES = '*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n'


@pytest.fixture(scope='module', name='host')
def the_host():
    """The one host of this scenario."""
    return testinfra.get_host('docker://surr-node')


@pytest.fixture(name='hears')
def the_ear(host):
    """Whether a packet of the peer's network gets through to this host."""
    def hears(protocol, source, destination):
        said = host.run(f"python3 -c '{HEAR.replace(chr(39) * 3, chr(34) * 3)}' {protocol} {source} {destination}")
        assert said.rc == 0, said.stderr
        return said.stdout.strip() == 'heard'
    return hears


@pytest.fixture(params=['nftables', 'iptables', 'firewalld'], name='firewall')
def a_closed_firewall(request, host):
    """One kind of firewall, closed, and what loads its rules."""
    if request.param == 'nftables':
        host.run_expect([0], f"printf '%s' '{NFTABLES}' > /etc/nftables.conf")
    elif request.param == 'iptables':
        host.run_expect([0], f"printf '{IPTABLES}' > /etc/iptables/rules.v4")
    loader = {'iptables': 'netfilter-persistent'}.get(request.param, request.param)
    host.run_expect([0], f'systemctl restart {loader}')
    yield request.param, loader
    host.run('systemctl disable --now vipkit-admit-vrrp')
    host.run_expect([0], f'systemctl stop {loader}; nft flush ruleset')


def play(*arguments, **variables):
    """Run the role's part again; gives how many tasks changed something, and the output."""
    env = {**os.environ, 'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg'), 'ANSIBLE_NOCOLOR': '1', 'ANSIBLE_FORCE_COLOR': '0',
           'ANSIBLE_COLLECTIONS_PATH': str(ROOT / '.collections')}
    done = subprocess.run(['ansible-playbook', str(SCENARIO / 'converge.yml'), '-i', os.environ['MOLECULE_INVENTORY_FILE'],
                           '--extra-vars', json.dumps(variables), *arguments],
                          cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return int(re.search(r'changed=(\d+)', output).group(1)), output


def test_each_firewall_admits_vrrp_and_no_more(host, hears, firewall):
    kind, loader = firewall
    assert not hears(VRRP, PEER, GROUP)
    assert play('--check', keepalived_firewall=kind)[0] > 0
    assert not hears(VRRP, PEER, GROUP), 'check mode has changed something'

    assert play(keepalived_firewall=kind)[0] > 0
    assert hears(VRRP, PEER, GROUP)
    assert hears(AH, PEER, OWN)
    assert not hears(AH, STRANGER, OWN), 'one that is no peer gets through'
    assert not hears(VRRP, PEER, OWN), 'what no instance needs gets through'
    assert play(keepalived_firewall=kind)[0] == 0
    assert play('--check', keepalived_firewall=kind)[0] == 0

    host.run_expect([0], f'systemctl restart {loader}')
    assert hears(VRRP, PEER, GROUP), 'a restart of the firewall has closed it'
    if kind == 'nftables':
        host.run_expect([0], 'systemctl reload nftables')
        assert hears(VRRP, PEER, GROUP), 'a reload of the firewall has closed it'
    if kind != 'firewalld':
        host.run_expect([0], 'systemctl disable --now vipkit-admit-vrrp')
        assert not hears(VRRP, PEER, GROUP), 'going back has left it open'


@pytest.mark.parametrize('firewall', ['nftables'], indirect=True)
def test_rules_that_somebody_flushed_come_back(host, hears, firewall):
    play(keepalived_firewall='nftables')
    host.run_expect([0], f'nft -f /etc/{firewall[0]}.conf')
    assert not hears(VRRP, PEER, GROUP)
    assert play('--check', keepalived_firewall='nftables')[0] == 1
    assert play(keepalived_firewall='nftables')[0] == 1
    assert hears(VRRP, PEER, GROUP)


@pytest.mark.parametrize('firewall', ['nftables'], indirect=True)
def test_automatic_leaves_foreign_rules_alone_and_says_so(hears, firewall):
    changed, output = play(keepalived_firewall='auto')
    assert (changed, hears(VRRP, PEER, GROUP)) == (0, False), firewall
    assert 'set keepalived_firewall to nftables' in ' '.join(output.split())


@pytest.mark.parametrize('firewall', ['firewalld'], indirect=True)
def test_automatic_opens_a_firewalld_that_is_active(hears, firewall):
    play(keepalived_firewall='auto')
    assert hears(VRRP, PEER, GROUP), firewall


def test_networkd_keeps_a_virtual_ip(host):
    def survives():
        host.run_expect([0], 'ip address replace 198.51.100.100/32 dev v0')
        host.run_expect([0], 'networkctl reconfigure v0 && /lib/systemd/systemd-networkd-wait-online --interface=v0:routable --timeout=20')
        return '198.51.100.100/32' in host.run('ip -o address show dev v0').stdout

    assert host.file(DROP_IN).exists
    host.run_expect([0], 'systemctl restart systemd-networkd')  # what a boot does: the role does not load it
    assert survives()
    host.run_expect([0], f'rm {DROP_IN} && systemctl restart systemd-networkd')
    assert not survives(), 'it would have stayed without the role, too'
    play()
