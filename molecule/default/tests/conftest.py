# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two deployed nodes and a client, looked at from outside of Ansible."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import time

import pytest
import testinfra

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCENARIO = os.environ['MOLECULE_SCENARIO_NAME']


def container(name):
    """The container of a host."""
    return f'{SCENARIO}-{name}'


def docker(*arguments):
    """A command of the Docker client, on this machine."""
    return subprocess.run(['docker', *arguments], check=True, capture_output=True, text=True).stdout


NET = docker('network', 'inspect', '--format', '{{(index .IPAM.Config 0).Subnet}}', f'vipkit-{SCENARIO}').rpartition('.')[0]


def wait_until(holds, timeout=30):
    """Wait until a condition holds; the last value that it had tells whether it did."""
    end = time.monotonic() + timeout
    while True:
        value = holds()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.2)


def variables(**values):
    """Extra variables for a play."""
    return ['--extra-vars', json.dumps(values)]


def one_line(output):
    """What a play said, without its line breaks."""
    return ' '.join(output.split())


@contextlib.contextmanager
def load_on(*addresses):
    """Ask these addresses from the client all the time (molecule/shared/load.py); what came of it is in the dict in the end."""
    outcome = {}
    program = (ROOT / 'molecule/shared/load.py').read_text()
    command = ['docker', 'exec', '-i', container('client'), 'python3', '-c', program, *addresses]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        try:
            yield outcome
        finally:
            said = load.communicate(timeout=60)[0]
    outcome.update(json.loads(said))


class Cluster:
    """The nodes, the client, and who holds what."""

    vips = {f'{NET}.100': 'node128', f'{NET}.101': 'node129'}
    instances = {'vrrp_instance_1': f'{NET}.100', 'vrrp_instance_2': f'{NET}.101'}

    def __init__(self):
        self.nodes = {name: testinfra.get_host(f'docker://{container(name)}') for name in ('node128', 'node129')}
        self.client = testinfra.get_host(f'docker://{container("client")}')

    def vip_of(self, node):
        """The virtual IP whose planned owner a node is."""
        return next(vip for vip, owner in self.vips.items() if owner == node)

    def peer_of(self, node):
        """The other node."""
        return next(name for name in self.nodes if name != node)

    def ownership(self):
        """Nodes that have each virtual IP on an interface, as `ip` sees it."""
        addresses = {name: host.run('ip -o -4 address show').stdout for name, host in self.nodes.items()}
        return {vip: [name for name, text in addresses.items() if f'inet {vip}/' in text] for vip in self.vips}

    def holders(self, vip):
        """Those that have this one."""
        return self.ownership()[vip]

    def planned(self):
        """What the plan says of the same."""
        return {vip: [owner] for vip, owner in self.vips.items()}

    def page(self, vip):
        """What the client gets through a virtual IP."""
        return self.client.run(f'curl --silent --max-time 2 http://{vip}/').stdout.strip()

    def becomes(self, ownership, timeout=30):
        """Wait until the virtual IPs are held like this, and tell how they are."""
        wait_until(lambda: self.ownership() == ownership, timeout)
        return self.ownership()

    def transitions(self):
        """How often keepalived has changed a state, on each node."""
        count = 'grep -c "Entering" /apps/keepalived/keepalived-*/logs/keepalived.log'
        return {name: host.run(count).stdout.strip() for name, host in self.nodes.items()}

    def boot(self, node):
        """Start a node again, as far as systemd is done with it."""
        docker('start', container(node))
        # Docker mounts /proc/sys read-only, so what systemd does with it at the boot of a real host is done here
        assert wait_until(lambda: self.nodes[node].run('systemctl is-system-running').stdout.strip() == 'running', 60)
        self.nodes[node].check_output('mount -o remount,rw,bind /proc/sys')
        self.nodes[node].check_output('/lib/systemd/systemd-sysctl /etc/sysctl.d/50-vipkit-nonlocal-bind.conf')

    @property
    def environment(self):
        """What a playbook of this checkout runs with."""
        return {**os.environ, 'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg'), 'ANSIBLE_NOCOLOR': '1', 'ANSIBLE_FORCE_COLOR': '0',
                'ANSIBLE_COLLECTIONS_PATH': str(ROOT / '.collections')}

    def command(self, playbook, *arguments):
        """How to run a playbook of the collection against these hosts."""
        return ['ansible-playbook', str(ROOT / playbook), '-i', os.path.dirname(os.environ['MOLECULE_INVENTORY_FILE']), *arguments]

    def play(self, playbook, *arguments):
        """Run a playbook of the collection against these hosts; gives exit code and output."""
        done = subprocess.run(self.command(playbook, *arguments), cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope='session', name='cluster')
def the_cluster():
    """The cluster of this scenario."""
    return Cluster()


@pytest.fixture(autouse=True)
def settled(cluster):
    """Every test starts from the planned state, and leaves it."""
    assert cluster.becomes(cluster.planned()) == cluster.planned(), 'not in the planned state before the test'
    yield
    assert cluster.becomes(cluster.planned()) == cluster.planned(), 'not back in the planned state after the test'


@pytest.fixture(name='node', params=['node128', 'node129'])
def each_node(request, cluster):
    """A node by name, one after the other."""
    assert request.param in cluster.nodes
    return request.param
