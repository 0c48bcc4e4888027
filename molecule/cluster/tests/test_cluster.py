# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two clusters side by side: who holds what, who follows whom, and what the lint says when they meet."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

import pytest
import testinfra

ROOT = pathlib.Path(__file__).resolve().parents[3]
NET = f"{os.environ.get('VIPKIT_TEST_NETS', '192.168')}.120"
EDGE = {f'{NET}.51': 'edge1', f'{NET}.52': 'edge2', f'{NET}.53': 'edge3', f'{NET}.54': 'edge2', 'fd00:120::54': 'edge2', 'fd00:120::56': 'edge3'}
INNER = f'{NET}.61'
NODES = {name: testinfra.get_host(f'docker://cluster-{name}') for name in ('edge1', 'edge2', 'edge3', 'inner1', 'inner2')}


def wait_until(holds, timeout=30):
    """Wait until a condition holds; the last value that it had tells whether it did."""
    end = time.monotonic() + timeout
    while True:
        value = holds()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.1)


def holders():
    """Holders of each virtual IP, as `ip` sees them; a stopped node holds nothing."""
    found = {vip: [] for vip in (*EDGE, INNER)}
    for name, host in NODES.items():
        held = host.run('ip -o address show').stdout
        for vip, names in found.items():
            names += [name] if f' {vip}/' in held else []
    return found


def edge(**moved):
    """Planned holders in the cluster of three, but for what is said to be elsewhere."""
    return {vip: [moved.get(owner, owner)] for vip, owner in EDGE.items()}


def edge_becomes(expected):
    """Wait until the virtual IPs of the cluster of three are held like this, and tell how they are."""
    wait_until(lambda: {vip: names for vip, names in holders().items() if vip != INNER} == expected, 40)
    return {vip: names for vip, names in holders().items() if vip != INNER}


def ansible(program, *arguments):
    """Exit code and output, as one line, of a program of Ansible's against these hosts."""
    env = {**os.environ, 'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg'), 'ANSIBLE_NOCOLOR': '1', 'ANSIBLE_FORCE_COLOR': '0',
           'ANSIBLE_COLLECTIONS_PATH': str(ROOT / '.collections')}
    inventory = os.path.dirname(os.environ['MOLECULE_INVENTORY_FILE'])
    done = subprocess.run([program, '-i', inventory, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return done.returncode, ' '.join((done.stdout + done.stderr).split())


def play(playbook, *arguments, **values):
    """The same of a playbook."""
    return ansible('ansible-playbook', str(ROOT / playbook), '--extra-vars', json.dumps(values), *arguments)


@pytest.fixture(autouse=True)
def settled():
    """Every test starts from the planned state, and leaves it."""
    assert edge_becomes(edge()) == edge(), 'not in the planned state before the test'
    yield
    assert edge_becomes(edge()) == edge(), 'not back in the planned state after the test'


def test_masters_are_spread_and_each_address_has_one_owner():
    assert len(holders()[INNER]) == 1
    code, output = play('playbooks/verify.yml')
    assert code == 0, output
    for vip, owner in EDGE.items():
        assert f'{vip} ' in output and f' {owner} ' in output


def test_unicast_goes_to_the_peers_alone():
    text = NODES['edge1'].file('/etc/keepalived/keepalived.conf').content_string
    first = text[text.index('vrrp_instance web_1'):text.index('vrrp_instance web_2')]
    assert f'unicast_src_ip {NET}.11\n' in first
    assert f'unicast_peer {{\n        {NET}.12\n        {NET}.13\n    }}' in first


def test_dead_node_leaves_everything_to_the_next_and_both_families_together():
    subprocess.run(['docker', 'kill', 'cluster-edge2'], check=True, capture_output=True)
    try:
        # after edge2 comes edge3 for web_2, and edge1 for the sync group
        expected = {**edge(), f'{NET}.52': ['edge3'], f'{NET}.54': ['edge1'], 'fd00:120::54': ['edge1']}
        assert edge_becomes(expected) == expected
    finally:
        subprocess.run(['docker', 'start', 'cluster-edge2'], check=True, capture_output=True)


def test_failing_check_moves_the_sync_group_as_one():
    NODES['edge2'].check_output('systemctl stop syslog.socket rsyslog')
    try:
        expected = {**edge(), f'{NET}.52': ['edge3'], f'{NET}.54': ['edge1'], 'fd00:120::54': ['edge1']}
        assert edge_becomes(expected) == expected
    finally:
        NODES['edge2'].check_output('systemctl start syslog.socket rsyslog')


def test_without_preemption_the_address_stays_where_it_went():
    owner = holders()[INNER][0]
    other = next(name for name in ('inner1', 'inner2') if name != owner)
    NODES[owner].check_output('systemctl stop keepalived')
    assert wait_until(lambda: holders()[INNER] == [other], 5)
    NODES[owner].check_output('systemctl start keepalived')
    assert wait_until(lambda: NODES[owner].run('pgrep -c keepalived').stdout.strip() >= '2', 10)
    code, output = play('playbooks/verify.yml')
    assert code == 0, output
    assert holders()[INNER] == [other]


def adverts_of(router_id):
    """What a node that is no member hears of a virtual router in a second, as one line."""
    code, output = ansible('ansible', 'edge1', '--one-line', '-m', 'vipkit.ha.vrrp_adverts', '-a', json.dumps({'interfaces': ['eth0'], 'duration': 1}))
    assert code == 0, output
    heard = json.loads(output.partition('=> ')[2])['adverts']
    return [advert for advert in heard if advert['virtual_router_id'] == router_id]


def test_fast_profile_is_on_the_wire_and_goes_on_where_it_may_not_raise_its_priority():
    owner = holders()[INNER][0]
    heard, = adverts_of(61)
    assert heard['version'] == 3
    assert heard['priorities'] == [254 if owner == 'inner1' else 253]
    assert heard['advert_int'] == 0.1
    refused = 'grep -c "Unable to set process priority to -20" /apps/keepalived/keepalived-*/logs/keepalived.log'
    for name in ('inner1', 'inner2'):
        host = NODES[name]
        times = int(host.check_output(refused))
        parent = host.check_output('systemctl show --property=MainPID --value keepalived')
        before = host.check_output(f'pgrep --parent {parent}')
        host.check_output('systemctl reload keepalived')
        assert wait_until(lambda host=host, times=times: int(host.check_output(refused)) > times, 10), 'it says so again when it has read the file'
        assert host.check_output(f'pgrep --parent {parent}') == before, 'the same process'
    assert holders()[INNER] == [owner]


def test_the_profile_is_changed_by_all_members_together():
    code, output = play('molecule/cluster/converge.yml', '--limit', 'inner1', keepalived_profile='classic')
    assert code != 0
    assert 'version of web_1 would change on inner1 and not on inner2 at the same moment' in output, output


def test_clusters_that_meet_are_refused():
    code, output = play('playbooks/validate.yml', inner_id=51)
    assert code != 0
    assert 'web_1: virtual router id 51 is already that of web_1 of another cluster (edge1, edge2, edge3); give each its own.' in output, output
