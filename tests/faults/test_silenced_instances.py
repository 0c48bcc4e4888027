# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Before 2.0.8, an instance in FAULT silences every other instance of its interface: shown with real keepalived processes.

Two nodes are two network namespaces with a cable between them. Their configurations are what the collection makes of a description.
The binaries are found as tests/keywords finds them.

No process can stay behind: each keepalived is the first one of a process namespace, so that the kernel ends its children with it, and
is itself ended with the process that has started it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.vipkit.ha.plugins.filter.keepalived_conf import keepalived_conf
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import VERSIONS
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import release
from test_keywords import FOUND

ONE, TWO = '192.0.2.101', '192.0.2.102'
ADDRESSES = {'a': '192.0.2.1', 'b': '192.0.2.2'}
FACTS = {name: {'ansible_facts': {'interfaces': ['eth0'], 'eth0': {'ipv4': {'address': address, 'prefix': '24'}}}}
         for name, address in ADDRESSES.items()}
TOOLS = ('ip', 'unshare', 'setpriv', 'mount')
OWN_RUN = 'mount -t tmpfs tmpfs /run && exec "$@"'  # since some builds lock a pid file of BFD there, and others know no option for that

CHECK_INTERVAL = 1
MASTER_DOWN = 3 + 255 / 256  # seconds; the longest interval of this name with an advert each second (RFC 3768 section 6.1)
LIMIT = MASTER_DOWN + 1      # for a busy machine
READY = 15                   # to start, to look at the check and to become master

SILENCED = [version for version in VERSIONS if release(version) < (2, 0, 8)]
REFUSED = ('two: it shares eth0 with one and not its trackers of weight 0 (web); in keepalived {}, when one of these fails, all other instances of '
           'the interface fall silent and take over nothing: give both the same, or a weight, build it with the fix silenced_instances, '
           'or use 2.0.8 or newer.')
REMEDIES = {'a weight': {'weight': -60}, 'both the same': {'trackers_of_two': ['web']}}


def plan_of(version, weight=0, trackers_of_two=()):
    """The plan of two instances on one interface that prefer the same node. The first one tracks a check, the second one what is given."""
    cluster = {
        'vrrp_scripts': [{'name': 'web', 'check': {'kind': 'command', 'command': 'true'}, 'interval': CHECK_INTERVAL, 'weight': weight}],
        'vrrp_instances': [
            {'name': 'one', 'virtual_router_id': 101, 'virtual_ipaddress': [f'{ONE}/24'], 'nodes': ['a', 'b']},
            {'name': 'two', 'virtual_router_id': 102, 'virtual_ipaddress': [f'{TWO}/24'], 'nodes': ['a', 'b'],
             'track_script': list(trackers_of_two)},
        ],
    }
    return vrrp_plan({name: {'cluster': cluster, 'version': version} for name in ADDRESSES}, FACTS)


def seconds_until(condition, most):
    """How long it takes until a condition holds; None if it does not within these seconds."""
    start = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - start
        if time.monotonic() - start > most:
            return None
        time.sleep(0.02)


def ip(*arguments):
    return subprocess.run(['ip', *arguments], check=True, capture_output=True, text=True).stdout


class Node:
    """A keepalived in a network namespace."""

    def __init__(self, name, namespace, folder):
        self.name = name
        self.namespace = namespace
        self.folder = folder
        self.process = None
        folder.mkdir()

    def check(self, passes):
        """Let the check pass or fail from now on."""
        new = self.folder / 'web.new'
        new.write_text(f'#!/bin/sh\nexit {0 if passes else 1}\n')
        new.chmod(0o755)
        new.rename(self.folder / 'web')

    def start(self, version, plan):
        """Run the keepalived of a version with this node's part of a plan."""
        conf = self.folder / 'keepalived.conf'
        conf.write_text(keepalived_conf(plan['hosts'][self.name]['conf'], scripts_dir=str(self.folder), version=version))
        conf.chmod(0o644)
        pids = [f'--{which}={self.folder}/{which}' for which in ('pid', 'vrrp_pid', 'checkers_pid')]
        with (self.folder / 'log').open('w') as log:
            self.process = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL', 'ip', 'netns', 'exec', self.namespace,
                 'unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', OWN_RUN, 'sh',
                 FOUND[version], '--dont-fork', '--log-console', '--log-detail', '--no-syslog', *pids, '-f', conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def kill(self):
        """End all of its processes at once, and be sure of that."""
        if self.process and self.process.poll() is None:
            try:
                for first in Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children').read_text().split():
                    os.kill(int(first), signal.SIGKILL)  # the kernel ends all others of its process namespace
                self.process.wait(5)
            finally:
                self.process.kill()
        assert seconds_until(lambda: not ip('netns', 'pids', self.namespace), 5) is not None, f'processes of {self.name} are left'

    @property
    def log(self):
        """What it has said."""
        return (self.folder / 'log').read_text(errors='replace')

    def holds(self, *addresses):
        """Whether it has all of these addresses."""
        shown = ip('-n', self.namespace, '-o', 'address', 'show', 'dev', 'eth0')
        return all(f' {address}/' in shown for address in addresses)


@pytest.fixture(params=VERSIONS)
def version(request):
    """A version of which there is a binary."""
    if request.param not in FOUND:
        pytest.skip(f'there is no keepalived {request.param}: tools/keepalived-builds makes it where its source can be had')
    return request.param


@pytest.fixture
def nodes(tmp_path):
    """Both nodes, with nothing that runs on them yet."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root, for network namespaces, and {', '.join(TOOLS)}; not found: {', '.join(missing) or 'none'}")
    with contextlib.ExitStack() as stack:
        run, made = secrets.token_hex(4), []
        for name in ADDRESSES:
            namespace = f'vipkit-{run}-{name}'
            try:
                ip('netns', 'add', namespace)
            except subprocess.CalledProcessError as error:
                pytest.skip(f'no network namespace can be made here: {error.stderr}')
            stack.callback(ip, 'netns', 'del', namespace)
            made.append(Node(name, namespace, tmp_path / name))
            stack.callback(made[-1].kill)
        a, b = made
        ip('link', 'add', 'eth0', 'netns', a.namespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b.namespace)
        for node in made:
            ip('-n', node.namespace, 'address', 'add', f'{ADDRESSES[node.name]}/24', 'dev', 'eth0')
            ip('-n', node.namespace, 'link', 'set', 'eth0', 'up')
        for node in made:
            assert seconds_until(lambda node=node: 'state UP' in ip('-n', node.namespace, 'link', 'show', 'eth0'), READY) is not None
        yield a, b


def started(nodes, version, plan, check_of_b):
    """Run the plan until node a has both addresses and node b waits for the second one, having looked at its check."""
    a, b = nodes
    a.check(passes=True)
    b.check(passes=check_of_b)
    for node in nodes:
        node.start(version, plan)
    looked = f"VRRP_Script(web) {'succeeded' if check_of_b else 'failed'}"
    ready = seconds_until(lambda: a.holds(ONE, TWO) and looked in b.log and '(two) Entering BACKUP STATE' in b.log, READY)
    assert ready is not None, f'not ready: a is to hold both addresses, and b to wait\n{a.log}\n{b.log}'
    assert not b.holds(ONE) and not b.holds(TWO)
    return a, b


@pytest.mark.parametrize('version', VERSIONS)
def test_lint_refuses_it_for_the_versions_that_do_it(version):
    assert plan_of(version)['findings'] == ([REFUSED.format(version)] if version in SILENCED else [])


@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('remedy', REMEDIES)
def test_lint_takes_what_it_advises(version, remedy):
    assert plan_of(version, **REMEDIES[remedy])['findings'] == []


def seconds_until_held(node, addresses, most):
    """How long it takes until a node has addresses; pytest -rP shows it."""
    taken = seconds_until(lambda: node.holds(*addresses), most)
    print(f"{node.name} has {' and '.join(addresses)}", f'not within {most:.1f} s' if taken is None else f'after {taken:.2f} s')
    return taken


def test_an_instance_in_fault_silences_the_other_one_or_does_not(version, nodes):
    a, b = started(nodes, version, plan_of(version), check_of_b=False)
    a.kill()
    taken = seconds_until_held(b, [TWO], 3 * MASTER_DOWN if version in SILENCED else LIMIT)
    assert not b.holds(ONE), 'its check fails'
    if version in SILENCED:
        assert taken is None, 'it was not silent'
        b.check(passes=True)
        assert seconds_until_held(b, [TWO], CHECK_INTERVAL + LIMIT) is not None, 'something else than the other instance in FAULT keeps it silent'
    else:
        assert taken is not None, 'nobody has the address'


@pytest.mark.parametrize('version', SILENCED, indirect=True)
def test_with_a_weight_it_takes_over(version, nodes):
    a, b = started(nodes, version, plan_of(version, **REMEDIES['a weight']), check_of_b=False)
    a.kill()
    assert seconds_until_held(b, [ONE, TWO], LIMIT) is not None, 'nobody has the addresses'


@pytest.mark.parametrize('version', SILENCED, indirect=True)
def test_a_silenced_owner_is_taken_for_dead(version, nodes):
    a, b = started(nodes, version, plan_of(version), check_of_b=True)
    a.check(passes=False)
    assert seconds_until(lambda: '(two) Entering MASTER STATE' in b.log, CHECK_INTERVAL + LIMIT) is not None, 'it was heard'
    assert a.holds(TWO)


@pytest.mark.parametrize('version', SILENCED, indirect=True)
def test_with_the_same_trackers_the_other_node_takes_over_both(version, nodes):
    a, b = started(nodes, version, plan_of(version, **REMEDIES['both the same']), check_of_b=True)
    a.check(passes=False)
    assert seconds_until_held(b, [ONE, TWO], CHECK_INTERVAL + LIMIT) is not None, 'nobody has taken over'
    assert not a.holds(ONE) and not a.holds(TWO)
