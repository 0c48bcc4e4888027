# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The failover drill: what it breaks it heals, whatever becomes of it, and what does not work it names."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest
from conftest import container, docker, one_line, variables, wait_until

DRILL = 'playbooks/failover_drill.yml'
NODE, PEER = 'node128', 'node129'
CLAIM = '/run/vipkit-drill.claim'
FAULTS = ['failing_check', 'freeze', 'link_down', 'vrrp_blocked', 'drain']
REPORTS = pathlib.Path(os.environ['MOLECULE_EPHEMERAL_DIRECTORY']) / 'drill'


def asked(*faults, **more):
    """What a drill is told; how long an address is away decides nothing here."""
    return variables(vipkit_faults=faults, vipkit_drill_nodes=[NODE], vipkit_sla=60, vipkit_report_dir=str(REPORTS), **more)


def drill(cluster, *faults, **more):
    """Exit code, and what the drill said, as one line."""
    code, output = cluster.play(DRILL, *asked(*faults, **more))
    return code, one_line(output)


@contextlib.contextmanager
def drill_under_way(cluster, *faults):
    """A drill that has just made its first fault. It is killed in the end, if it still runs."""
    with subprocess.Popen(cluster.command(DRILL, *asked(*faults)), env=cluster.environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True) as run:
        try:
            assert wait_until(lambda: cluster.holders(cluster.vip_of(NODE)) == [PEER], 60)
            yield run
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            # one that was killed has left them
            for host in cluster.nodes.values():
                host.check_output(f'rm -f {CLAIM}')


def unit(cluster):
    """Whether the unit of the fault is there."""
    return cluster.nodes[NODE].run('systemctl is-active vipkit-drill').stdout.strip()


@pytest.fixture(autouse=True)
def nothing_left(cluster):
    """No test leaves a fault behind."""
    yield
    host = cluster.nodes[NODE]
    assert unit(cluster) in ('inactive', 'failed') and not host.file('/run/vipkit-drill/broken').exists
    assert not [name for name, node in cluster.nodes.items() if node.file(CLAIM).exists]
    assert 'vipkit_drill' not in host.check_output('nft list tables')
    pid = host.check_output('systemctl show --property=MainPID keepalived').partition('=')[2]
    assert 'check_nginx' not in host.check_output(f'cat /proc/{pid}/mountinfo')
    assert 'T' not in host.check_output('ps -o state= -C keepalived')
    assert host.service('keepalived').is_running and host.service('nginx').is_running


def test_faults_are_made_measured_and_healed(cluster):
    code, output = drill(cluster, *FAULTS)
    assert code == 0, output[-3000:]
    record = json.loads((REPORTS / 'drill.json').read_text())
    assert (REPORTS / 'drill.html').read_text().startswith('<!doctype html>') and '<testsuites' in (REPORTS / 'drill.xml').read_text()
    assert [(result['fault'], result['node'], result['problems']) for result in record['results']] == [(fault, NODE, []) for fault in FAULTS]
    assert record['witness'] == 'client' and record['passed'] is True
    assert set(record['nodes'][NODE]) == {'keepalived', 'nginx'} and all(record['nodes'][NODE].values())
    mine, other = cluster.vip_of(NODE), cluster.vip_of(PEER)
    results = {result['fault']: {vip['address']: vip for vip in result['vips']} for result in record['results']}
    for fault, vips in results.items():
        assert vips[mine]['owner_before'] == NODE and vips[other]['owner_before'] == PEER
        assert vips[mine]['owners'][-1]['owner'] == NODE, 'it came back'
        assert vips[mine]['taken_over_by'] == PEER, fault
    missed = results['link_down']
    assert missed[mine]['lost'] + missed[mine]['late'] > 0 and missed[other]['taken_over_by'] is None
    # only the witness can have seen these
    assert all('split brain' in results['vrrp_blocked'][vip]['why'] for vip in (mine, other))
    assert 'split brain' in results['freeze'][mine]['why']


@pytest.mark.parametrize('killed', ['the drill', 'its unit, too'])
def test_killed_drill_heals_all_the_same(cluster, killed):
    with drill_under_way(cluster, 'stop_keepalived'):
        pass
    # it is still broken, and nobody is left to heal it
    assert not cluster.nodes[NODE].service('keepalived').is_running
    if killed != 'the drill':
        cluster.nodes[NODE].check_output('systemctl kill --signal=KILL vipkit-drill')
    assert cluster.becomes(cluster.planned()) == cluster.planned()
    assert wait_until(lambda: unit(cluster) == ('inactive' if killed == 'the drill' else 'failed'))


def test_witness_that_dies_ends_the_drill_with_a_report(cluster):
    (REPORTS / 'drill.json').unlink(missing_ok=True)
    with drill_under_way(cluster, 'stop_keepalived', 'freeze') as run:
        docker('kill', container('client'))
        try:
            output = one_line(run.communicate(timeout=300)[0])
        finally:
            docker('start', container('client'))
    assert run.returncode != 0
    assert 'The witness could not probe' in output and '1 further faults were not made' in output, output[-3000:]
    assert [result['fault'] for result in json.loads((REPORTS / 'drill.json').read_text())['results']] == ['stop_keepalived']


def test_check_that_never_fails_is_named(cluster):
    # the verification cannot know, since it is what the inventory asks for
    blind = {'keepalived_vrrp_scripts': [{'name': 'check_nginx', 'interval': 1, 'check': {'kind': 'command', 'command': 'true', 'log': True}}]}
    code, output = cluster.play('molecule/operate/scripts_only.yml', *variables(**blind))
    assert code == 0, output
    try:
        code, output = drill(cluster, 'stop_nginx', **blind)
    finally:
        restored, said = cluster.play('molecule/operate/scripts_only.yml')
    assert code != 0
    assert f'nginx is stopped on {NODE}, and {cluster.vip_of(NODE)} stayed there: its check check_nginx did not fail' in output, output[-3000:]
    assert restored == 0, said


def test_takeover_of_which_nobody_is_told_is_named(cluster):
    # as a switch or a hypervisor does that drops gratuitous ARP; keepalived's frames pass no other hook
    rule = f'arp operation request arp saddr ip {cluster.vip_of(NODE)} drop'
    release = cluster.nodes[PEER].check_output('uname -r')
    if tuple(int(part) for part in re.findall(r'\d+', release)[:2]) < (5, 16):
        pytest.skip(f'Linux {release} has no egress hook for nft, which came with 5.16')
    cluster.nodes[PEER].check_output(f"nft 'table netdev mute {{ chain out {{ type filter hook egress device eth0 priority 0; {rule}; }}; }}'")
    try:
        code, output = drill(cluster, 'stop_keepalived')
    finally:
        cluster.nodes[PEER].check_output('nft delete table netdev mute')
    assert code != 0
    assert f'{PEER} took it and was not heard to announce that' in output, output[-3000:]


def test_cluster_that_is_not_sound_is_left_alone(cluster):
    cluster.nodes[PEER].check_output('systemctl stop keepalived')
    try:
        code, output = drill(cluster, 'stop_keepalived', keepalived_verify_timeout=3)
    finally:
        cluster.nodes[PEER].check_output('systemctl start keepalived')
    assert code != 0
    assert 'The cluster is not in its planned state, so no fault was made' in output


def test_check_mode_shows_what_would_be_done_and_does_nothing(cluster):
    before = cluster.transitions()
    code, output = cluster.play(DRILL, '--check', *variables(vipkit_faults='stop_keepalived,vrrp_blocked'))
    assert code == 0, output
    assert f'stop_keepalived  {NODE} ' in output and f'vrrp_blocked     {PEER} ' in output
    assert cluster.transitions() == before


def test_drill_that_could_not_measure_is_refused(cluster):
    code, output = drill(cluster, 'stop_keepalived', vipkit_witness=PEER, vipkit_probe_port=81)
    assert code != 0
    assert f'No fault was made. {PEER} is a member of the cluster, so it cannot be the witness' in output, output[-3000:]
    assert f'{PEER} gets no good answer from {cluster.vip_of(NODE)} (' in output


def test_drill_while_another_one_has_a_host_is_refused(cluster):
    # as a drill does on all members, between two faults of it, too
    cluster.nodes[PEER].check_output(f'echo "another $(($(cut -d. -f1 /proc/uptime) + 300))" >{CLAIM}')
    try:
        code, output = drill(cluster, 'stop_keepalived')
    finally:
        cluster.nodes[PEER].check_output(f'rm {CLAIM}')
    assert code != 0
    assert f'No fault was made. {PEER}: another drill is under way, and has claimed this host' in output, output[-3000:]


def test_fault_that_was_not_healed_stands_against_another_one(cluster):
    cluster.nodes[NODE].check_output('mkdir /run/vipkit-drill && touch /run/vipkit-drill/broken')
    try:
        code, output = drill(cluster, 'stop_keepalived')
    finally:
        cluster.nodes[NODE].check_output('rm -r /run/vipkit-drill')
    assert code != 0
    assert f'{NODE}: what an earlier drill has broken there was not healed' in output, output[-3000:]


def test_drill_that_could_not_be_judged_or_reported_is_refused(cluster, tmp_path):
    (tmp_path / 'file').write_text('')
    before = cluster.transitions()
    code, output = cluster.play(DRILL, *variables(vipkit_faults='stop_keepalived', vipkit_sla='500ms'))
    assert code != 0 and "No fault was made. vipkit_sla is '500ms'; give it as seconds, such as 0.5." in output, output[-3000:]
    code, output = cluster.play(DRILL, *variables(vipkit_faults='stop_keepalived', vipkit_report_dir=str(tmp_path / 'file')))
    assert code != 0 and 'Have a directory for the report' in output, output[-3000:]
    assert cluster.transitions() == before


def test_drill_without_a_witness_is_refused(cluster):
    code, output = drill(cluster, 'stop_keepalived', vipkit_witness='')
    assert code != 0
    assert 'There is no witness: put a host outside of the cluster' in output
