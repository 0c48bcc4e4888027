# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the measurements share: bare hosts in containers, a playbook run on them, the machine that it is, and the page with the figures."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import re
import runpy
import signal
import subprocess
import sys

import docker

ROOT = pathlib.Path(__file__).resolve().parent.parent
STATE = ROOT / '.state/bench'
IMAGE = 'vipkit-bench:bookworm'
KEY = STATE / 'key'


class Failure(Exception):
    """A measurement that did not end as it has to."""


def stop(*dummy):
    """As after Ctrl-C, so that the containers go."""
    raise KeyboardInterrupt


def chosen_version(program):
    """The version that the lab builds of it, too."""
    return str(runpy.run_path(str(ROOT / 'tools/sources'))['choose'](program))


# The nodes

def own_key():
    """The public half of the key that opens the nodes, made once for each checkout."""
    if not KEY.exists():
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', KEY], check=True)
    return KEY.with_suffix('.pub').read_text()


def make_image(client, base):
    """The lab's node with an SSH server. No key is in it, so that checkouts can measure side by side."""
    client.images.build(tag=IMAGE, rm=True, fileobj=io.BytesIO(f"""\
FROM {base}
RUN apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install openssh-server
""".encode()))


class Nodes:
    """Bare hosts: fresh containers on a network of their own, made as those of the lab are."""

    def __init__(self, network, subnet):
        self.client = docker.from_env()
        self.lab = runpy.run_path(str(ROOT / 'tools/lab'))
        self.network, self.net = network, subnet.rpartition('.')[0]
        STATE.mkdir(parents=True, exist_ok=True)
        make_image(self.client, self.lab['IMAGE'])
        self.down()                   # what a killed measurement left

    def down(self):
        """Remove everything of this measurement."""
        for container in self.client.containers.list(all=True, filters={'name': f'^/{self.network}-'}):
            container.remove(force=True)
        for network in self.client.networks.list(names=[f'^{self.network}$']):
            network.remove()

    def container(self, name, address):
        """One of them, started."""
        api = self.client.api
        endpoint = api.create_endpoint_config(ipv4_address=address)
        made = api.create_container(IMAGE, hostname=name, name=f'{self.network}-{name}',
                                    host_config={'NetworkMode': self.network, **self.lab['node_settings']()},
                                    networking_config=api.create_networking_config({self.network: endpoint}))
        container = self.client.containers.get(made['Id'])
        container.start()
        container.exec_run(['sh', '-c', 'umask 077; mkdir -p /root/.ssh; printenv KEY >/root/.ssh/authorized_keys'], environment={'KEY': own_key()})
        return container

    @contextlib.contextmanager
    def bare(self, addresses):
        """Hosts by name and address, running and ready, whose package index is as old as can be, whatever the age of the image."""
        try:
            pool = docker.types.IPAMPool(subnet=f'{self.net}.0/24', gateway=f'{self.net}.1')
            self.client.networks.create(self.network, driver='bridge', ipam=docker.types.IPAMConfig(pool_configs=[pool]))
            containers = {name: self.container(name, address) for name, address in addresses.items()}
            for container in containers.values():
                self.lab['make_ready'](container)
                container.exec_run(['sh', '-c', 'apt-get clean; rm -rf /var/lib/apt/lists/*; touch -d @0 /var/lib/apt/lists'])
            yield containers
        finally:
            interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C shall not leave containers behind
            self.down()
            signal.signal(signal.SIGINT, interrupt)


# Ansible

def over_ssh():
    """How a playbook reaches the nodes, as an operator does. The host keys come from the image, so there is nothing to compare them with."""
    return {'ansible_user': 'root', 'ansible_ssh_private_key_file': str(KEY),
            'ansible_ssh_common_args': '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'}


def run_playbook(name, playbook, hosts, extra, config=ROOT / 'ansible.cfg', arguments=()):
    """A run of ansible-playbook as a user would start it. Its log."""
    for what, content in (('hosts', hosts), ('vars', extra)):
        (STATE / f'{what}.json').write_text(json.dumps(content))
    environment = {**os.environ, 'ANSIBLE_CONFIG': str(config), 'ANSIBLE_CALLBACKS_ENABLED': 'ansible.posix.profile_tasks',
                   'PROFILE_TASKS_TASK_OUTPUT_LIMIT': 'all', 'ANSIBLE_NOCOLOR': 'true', 'ANSIBLE_FORCE_COLOR': 'false'}
    command = [pathlib.Path(sys.executable).parent / 'ansible-playbook', playbook, '-i', STATE / 'hosts.json', '-e', f'@{STATE}/vars.json', *arguments]
    path = STATE / f'{name}.log'
    with path.open('wb') as log:
        status = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode
    if status != 0:
        raise Failure(f'ansible-playbook {playbook} failed: the whole log is in {path}')
    return path.read_text(errors='replace')


# What comes out

def machine():
    """What it was measured on."""
    processor = re.search(r'^model name\s*: (.*)$', pathlib.Path('/proc/cpuinfo').read_text(), re.MULTILINE)
    return {'date': datetime.date.today().isoformat(), 'cores': os.cpu_count(), 'processor': processor.group(1) if processor else platform.machine(),
            'kernel': platform.release(), 'docker': docker.from_env().version()['Version'], 'python': platform.python_version(),
            'ansible-core': importlib.metadata.version('ansible-core')}


def put_between_marks(path, name, text):
    """Take the place of what was measured before under this name."""
    page = path.read_text()
    head, begin, rest = page.partition(f'<!-- {name}: begin -->\n')
    dummy, end, tail = rest.partition(f'<!-- {name}: end -->\n')
    if not end:
        raise Failure(f'{path} lacks the lines <!-- {name}: begin --> and <!-- {name}: end -->')
    path.write_text(f'{head}{begin}\n{text}\n{end}{tail}')
