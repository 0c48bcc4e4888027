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
VRRP, AH = '112', '51'  # IP protocols
GROUP, OWN, PEER, STRANGER = '224.0.0.18', '198.51.100.1', '198.51.100.2', '198.51.100.3'
SHOW = 'ip -o -4 address show dev v0'
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
    return testinfra.get_host('docker://surroundings-surr-node')


@pytest.fixture(name='hears')
def the_ear(host):
    """Whether a packet of the peer's network gets through to this host."""
    def hears(protocol, source, destination):
        said = host.run('python3 -c %s %s %s %s', HEAR, protocol, source, destination)
        assert said.rc == 0, said.stderr
        return said.stdout.strip() == 'heard'
    return hears


def restart(host, loader):
    """Load a firewall's rules anew, and wait for firewalld, which says that it runs before it has."""
    host.run_expect([0], f"systemctl restart {loader} {'&& firewall-cmd --state' if loader == 'firewalld' else ''}")


@pytest.fixture(name='closed')
def a_closed_firewall(request, host):
    """One kind of firewall, closed; gives what loads its rules."""
    host.run_expect([0], f"printf '%s' '{NFTABLES}' > /etc/nftables.conf; printf '{IPTABLES}' > /etc/iptables/rules.v4")
    restart(host, request.param)
    yield request.param
    host.run('systemctl disable --now vipkit-admit-vrrp')
    host.run_expect([0], f'systemctl stop {request.param}; nft flush ruleset; rm -f /etc/firewalld/zones/public.xml')


def play(*arguments, **variables):
    """Run the role's part again; gives how many tasks changed something, and the output."""
    env = {**os.environ, 'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg'), 'ANSIBLE_NOCOLOR': '1', 'ANSIBLE_FORCE_COLOR': '0',
           'ANSIBLE_COLLECTIONS_PATH': str(ROOT / '.collections'),
           'ANSIBLE_CACHE_PLUGIN': 'jsonfile', 'ANSIBLE_CACHE_PLUGIN_CONNECTION': str(pathlib.Path(os.environ['MOLECULE_EPHEMERAL_DIRECTORY'], 'facts'))}
    done = subprocess.run(['ansible-playbook', str(SCENARIO / 'converge.yml'), '-i', os.path.dirname(os.environ['MOLECULE_INVENTORY_FILE']),
                           '--extra-vars', json.dumps(variables), *arguments],
                          cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return int(re.search(r'changed=(\d+)', output).group(1)), output


@pytest.fixture(name='open_for_vrrp')
def an_opening(hears, closed):
    """Has the role open a closed firewall, and looks that it lets in what it should, and no more."""
    def open_for_vrrp(firewall):
        assert not hears(VRRP, PEER, GROUP), closed
        assert play(keepalived_firewall=firewall)[0] > 0
        assert hears(VRRP, PEER, GROUP)
        assert hears(AH, PEER, OWN)
        assert not hears(AH, STRANGER, OWN), 'one that is no peer gets through'
        assert not hears(VRRP, PEER, OWN), 'what no instance needs gets through'
    return open_for_vrrp


@pytest.mark.parametrize('closed', ['nftables'], indirect=True)
def test_nftables(host, hears, open_for_vrrp, closed):
    changed, output = play(keepalived_firewall='auto')
    assert (changed, hears(VRRP, PEER, GROUP)) == (0, False), 'rules that are not its own were not left alone'
    assert 'set keepalived_firewall to nftables' in ' '.join(output.split())
    assert play('--check', keepalived_firewall='nftables')[0] > 0

    open_for_vrrp('nftables')
    for action in ('restart', 'reload'):
        host.run_expect([0], f'systemctl {action} {closed}')
        assert hears(VRRP, PEER, GROUP), f'a {action} of the firewall has closed it'
    assert play(keepalived_firewall='nftables')[0] == 0

    host.run_expect([0], 'nft -f /etc/nftables.conf')
    assert not hears(VRRP, PEER, GROUP)
    assert host.run('/etc/keepalived/admit_vrrp look').stdout == 'changed\n'
    assert not hears(VRRP, PEER, GROUP), 'looking has changed something'
    host.run_expect([0], '/etc/keepalived/admit_vrrp add')
    assert hears(VRRP, PEER, GROUP)

    host.run_expect([0], 'systemctl disable --now vipkit-admit-vrrp')
    assert not hears(VRRP, PEER, GROUP)
    assert 'vipkit' not in host.run('nft list ruleset').stdout


@pytest.mark.parametrize('closed', ['netfilter-persistent'], indirect=True)
def test_iptables(host, hears, open_for_vrrp, closed):
    open_for_vrrp('iptables')
    restart(host, closed)
    assert hears(VRRP, PEER, GROUP), 'a restart of the firewall has closed it'
    assert play(keepalived_firewall='iptables')[0] == 0
    host.run_expect([0], 'systemctl disable --now vipkit-admit-vrrp')
    assert not hears(VRRP, PEER, GROUP)
    assert 'VIPKIT' not in host.run('iptables -S').stdout


@pytest.mark.parametrize('closed', ['firewalld'], indirect=True)
def test_firewalld_that_is_active(host, hears, open_for_vrrp, closed):
    assert play('--check')[0] > 0
    open_for_vrrp('auto')
    restart(host, closed)
    assert hears(VRRP, PEER, GROUP), 'a restart of the firewall has closed it'
    assert play()[0] == 0


def test_networkd_keeps_a_virtual_ip(host):
    def survives():
        host.run_expect([0], 'ip address replace 198.51.100.100/32 dev v0')
        host.run_expect([0], 'ip address del 198.51.100.1/24 dev v0')  # when it is back, networkd has gone over all addresses
        host.run_expect([0], 'networkctl reconfigure v0')
        host.run_expect([0], f'for try in $(seq 100); do {SHOW} | grep -q 198.51.100.1/24 && exit; sleep 0.1; done; exit 1')
        return '198.51.100.100/32' in host.run(SHOW).stdout

    assert host.file(DROP_IN).exists
    host.run_expect([0], 'systemctl restart systemd-networkd')  # what a boot does: the role does not load it
    assert survives()
    host.run_expect([0], f'mv {DROP_IN} /root && systemctl restart systemd-networkd')
    assert not survives(), 'it would have stayed without the role, too'
    host.run_expect([0], f'mv /root/{pathlib.Path(DROP_IN).name} {DROP_IN} && systemctl restart systemd-networkd')
