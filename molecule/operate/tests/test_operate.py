# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What operators do to a running pair, under load: no request is lost, and every step has a way back."""

from __future__ import annotations

import contextlib
import re

import pytest
import yaml
from conftest import NET, ROOT, container, docker, load_on, one_line, variables, wait_until

MADE = yaml.safe_load((ROOT / 'molecule/shared/group_vars/all/made-sources.yml').read_text())
CLUSTER = yaml.safe_load((ROOT / 'molecule/shared/group_vars/all/10-cluster.yml').read_text())
INSTANCES = [{**instance, 'virtual_ipaddress': [address.replace('{{ test_net }}', NET) for address in instance['virtual_ipaddress']]}
             for instance in CLUSTER['keepalived_vrrp_instances']]
SCRIPT = CLUSTER['keepalived_vrrp_scripts'][0]
DRAIN_FILE = '/etc/keepalived/drain'


@contextlib.contextmanager
def no_request_lost(cluster):
    """A steady load on both virtual IPs, of which nothing fails."""
    with load_on(*cluster.vips) as outcome:
        yield
    assert outcome['failed'] == []
    assert outcome['answered'] > 500


def played(cluster, playbook, *arguments):
    """What a play that worked has said."""
    code, output = cluster.play(playbook, *arguments)
    assert code == 0, output
    return output


def all_on(cluster, node):
    """Every virtual IP on one node."""
    return {vip: [node] for vip in cluster.vips}


def left_untouched(cluster):
    """Nothing is lowered, neither for good nor for the moment."""
    return all(host.run(f'cat {DRAIN_FILE} /run/keepalived.yield.* 2>/dev/null | grep -v "^0$"').stdout == '' for host in cluster.nodes.values())


@pytest.fixture(autouse=True)
def nothing_lowered(cluster, settled):
    """Every test leaves the priorities as they are planned."""
    yield settled
    assert left_untouched(cluster)


def test_drain_and_undrain_lose_nothing(cluster, node):
    peer = cluster.peer_of(node)
    with no_request_lost(cluster):
        output = played(cluster, 'playbooks/drain.yml', '--limit', node)
        assert cluster.ownership() == all_on(cluster, peer)
        assert 'vrrp_instance' not in cluster.nodes[peer].run('cat /run/keepalived.yield.*').stdout
        assert 'failed=0' in output
        played(cluster, 'playbooks/undrain.yml', '--limit', node)
    assert cluster.ownership() == cluster.planned()


def test_a_drained_host_stays_drained(cluster):
    played(cluster, 'playbooks/drain.yml', '--limit', 'node128')
    try:
        docker('stop', '--time', '1', container('node128'))
        cluster.boot('node128')
        assert wait_until(lambda: cluster.nodes['node128'].service('keepalived').is_running)
        output = played(cluster, 'site.yml')
        assert 'expected owner' in output and cluster.ownership() == all_on(cluster, 'node129'), 'what is planned is what is there'
        code, refused = cluster.play('playbooks/drain.yml', '--limit', 'node129')
        assert code != 0
        assert 'node129 is the last one that can serve' in one_line(refused)
        pid = cluster.nodes['node129'].check_output('systemctl show --property=MainPID keepalived')
        code, refused = cluster.play('site.yml', '--limit', 'node129', *variables(keepalived_options='-D -S 0 -d'))
        assert code != 0
        assert 'node129 is the last one that serves' in one_line(refused)
        assert cluster.nodes['node129'].check_output('systemctl show --property=MainPID keepalived') == pid
        played(cluster, 'playbooks/drain.yml', '--limit', 'node129', *variables(vipkit_force=True))
        assert cluster.ownership() == all_on(cluster, 'node129'), 'drained by force, it keeps what nobody else takes'
        code, refused = cluster.play('site.yml', '--limit', 'node129', *variables(keepalived_options='-D -S 0 -d'))
        assert code != 0
        assert 'node129 is drained and holds' in one_line(refused)
        assert cluster.nodes['node129'].check_output('systemctl show --property=MainPID keepalived') == pid
    finally:
        played(cluster, 'playbooks/undrain.yml', '--limit', 'node129')
        played(cluster, 'playbooks/undrain.yml', '--limit', 'node128')


def test_what_nobody_can_take_stays_where_it_is(cluster):
    cluster.nodes['node129'].check_output('systemctl stop nginx')
    try:
        assert cluster.becomes(all_on(cluster, 'node128')) == all_on(cluster, 'node128')
        code, output = cluster.play('playbooks/drain.yml', '--limit', 'node128')
        assert code != 0
        assert 'node129: vrrp_instance_1 is in state FAULT; node129: vrrp_instance_2 is in state FAULT; node129: check_nginx fails' in one_line(output)
        assert cluster.ownership() == all_on(cluster, 'node128') and left_untouched(cluster)
        output = played(cluster, 'playbooks/drain.yml', '--limit', 'node128', *variables(vipkit_force=True))
        assert 'Nobody can take' in output and cluster.ownership() == all_on(cluster, 'node128')
        assert {cluster.page(vip) for vip in cluster.vips} == {'node128'}
    finally:
        cluster.nodes['node129'].check_output('systemctl start nginx')
        assert cluster.becomes(all_on(cluster, 'node129')) == all_on(cluster, 'node129'), 'who is drained goes last'
        played(cluster, 'playbooks/undrain.yml', '--limit', 'node128')


def test_a_peer_with_a_failing_check_gets_nothing(cluster):
    """With a weight it could take over all the same."""
    weighted = variables(keepalived_vrrp_scripts=[{**SCRIPT, 'weight': -60}])
    played(cluster, 'site.yml', *weighted)
    cluster.nodes['node129'].check_output('systemctl stop nginx')
    try:
        assert cluster.becomes(all_on(cluster, 'node128')) == all_on(cluster, 'node128')
        code, output = cluster.play('playbooks/drain.yml', '--limit', 'node128', *weighted)
        assert code != 0
        assert 'Nobody is fit to take' in one_line(output) and '(node129: check_nginx fails)' in one_line(output)
        assert cluster.ownership() == all_on(cluster, 'node128') and left_untouched(cluster)
    finally:
        cluster.nodes['node129'].check_output('systemctl start nginx')
        played(cluster, 'site.yml')


def test_a_hand_over_goes_by_what_runs_whatever_the_inventory_wants(cluster):
    slower = variables(keepalived_vrrp_instances=[{**instance, 'advert_int': 3} for instance in INSTANCES])
    with no_request_lost(cluster):
        played(cluster, 'playbooks/drain.yml', '--limit', 'node128', *slower)
        played(cluster, 'playbooks/undrain.yml', '--limit', 'node128', *slower)


def test_what_has_to_be_restarted_is_drained_before(cluster):
    # the instance is new, and nobody can hand over what he does not know
    new = {'name': 'vrrp_instance_3', 'virtual_router_id': 102, 'virtual_ipaddress': [f'{NET}.102/24'], 'nodes': ['node128', 'node129']}
    change = variables(keepalived_options='-D -S 0 -d', nginx_hardening=False, keepalived_vrrp_instances=[*INSTANCES, new])
    try:
        with no_request_lost(cluster):
            output = played(cluster, 'site.yml', *change)
        assert output.count('Restart it with what is new') == 2 and output.count('Restart, since nothing less') >= 2
        for host in cluster.nodes.values():
            assert '-d' in host.check_output('systemctl show --property=MainPID --value keepalived | xargs ps -o args= -p')
            assert 'ProtectSystem' not in host.file('/etc/systemd/system/nginx.service').content_string
            host.check_output('nsenter --target $(cat /usr/local/nginx/nginx.pid) --mount sh -c "touch /etc/planted && rm /etc/planted"')
    finally:
        with no_request_lost(cluster):
            output = played(cluster, 'site.yml')
    restarts = ''.join(re.findall(r'Restart, since nothing less[^\n]*\n(.*?)\n\n', output, re.S))
    assert all(f'changed: [{node}]' in restarts for node in cluster.nodes)


def test_the_first_failure_stops_the_roll(cluster):
    before = {node: host.check_output('systemctl show --property=MainPID keepalived') for node, host in cluster.nodes.items()}
    with no_request_lost(cluster):
        code, output = cluster.play('site.yml', *variables(keepalived_options='--no-such-option'))
    assert code != 0
    assert 'did not work' in one_line(output) and 'changed' in output
    after = {node: host.check_output('systemctl show --property=MainPID keepalived') for node, host in cluster.nodes.items()}
    assert after['node129'] == before['node129'], 'the one after it is left alone'
    assert after['node128'] != before['node128']
    assert all('-D -S 0' in host.file('/usr/local/etc/sysconfig/keepalived').content_string for host in cluster.nodes.values())


def version_of(host, program):
    """The version that runs, not the one on disk."""
    pid = host.check_output(f'systemctl show --property=MainPID {program}').partition('=')[2]
    return re.search(r'\d+\.\d+\.\d+', host.run(f'/proc/{pid}/exe -v').stderr).group()


def running(cluster):
    """The versions that run on the nodes, and since when each nginx has not been stopped."""
    return [([version_of(host, program) for host in cluster.nodes.values()]) for program in ('keepalived', 'nginx')], [
        host.check_output('systemctl show --property=ActiveEnterTimestamp nginx') for host in cluster.nodes.values()]


@pytest.mark.skipif('earlier_keepalived_version' not in MADE or 'earlier_nginx_version' not in MADE, reason='the source of one version alone can be had')
def test_an_upgrade_of_both_programs_and_its_way_back_lose_nothing(cluster):
    other = variables(keepalived_version=MADE['earlier_keepalived_version'], nginx_version=MADE['earlier_nginx_version'])
    before, since = running(cluster)
    try:
        with no_request_lost(cluster):
            output = played(cluster, 'playbooks/upgrade.yml', *other)
        turns = re.findall(r'roll \| (?:Restart it with what is new|Note that it works)\] \**\n\w+: \[(\w+)\]', output)
        assert turns in (['node128', 'node128', 'node129', 'node129'], ['node129', 'node129', 'node128', 'node128'])
        assert running(cluster) == ([[MADE[f'earlier_{program}_version']] * 2 for program in ('keepalived', 'nginx')], since), 'and never stopped'
    finally:
        with no_request_lost(cluster):
            output = played(cluster, 'playbooks/rollback.yml', *variables(vipkit_programs=['keepalived', 'nginx']))
    assert 'artifact_build' not in output and running(cluster) == (before, since)
    assert 'failed=0' in played(cluster, 'site.yml')  # keepalived with its own unit again
