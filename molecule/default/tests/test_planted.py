# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a healthy look hides: verification and status find faults that were planted, and name each; site.yml heals all of them."""

from __future__ import annotations

from conftest import one_line, variables, wait_until

CONFIG = '/etc/keepalived/keepalived.conf'


def script_of(host):
    """The check script on a host."""
    return host.check_output('ls /apps/keepalived/keepalived-*/scripts/check_nginx')


def vrrp_process(host):
    """Parent and VRRP child of keepalived."""
    parent = host.check_output('systemctl show --property=MainPID --value keepalived')
    return parent, host.check_output(f'pgrep --parent {parent} keepalived')


def test_planted_faults_are_named_and_healed(cluster, tmp_path):
    first, second = cluster.nodes['node128'], cluster.nodes['node129']
    one, two = cluster.vip_of('node128'), cluster.vip_of('node129')
    first.check_output(f'chmod a-x {script_of(first)}')
    second.check_output(f"printf '#!/bin/sh\\nexit 0\\n' >{script_of(second)}")
    # a peer that never takes back what is its own, with a priority that nobody has given it
    instance = '/^vrrp_instance vrrp_instance_1 /'
    second.check_output(f"sed -i -e '{instance},/^}}/s/priority .*/priority 90/' -e '{instance}a nopreempt' {CONFIG}")
    # of two blocks of a name keepalived takes both; the later one wins where they say the same
    second.check_output(f"sed -i '0,/^global_defs/s//global_defs {{\\n vrrp_garp_master_repeat 0\\n}}\\nglobal_defs/' {CONFIG}")
    loaded = second.file('/run/keepalived.loaded').content_string
    second.check_output('systemctl reload keepalived')
    assert second.file('/run/keepalived.loaded').content_string != loaded
    # a parent that goes on without its VRRP process, which leaves its address behind while the peer takes it
    parent, child = vrrp_process(first)
    first.check_output(f'kill -STOP {parent} && kill -KILL {child}')
    assert wait_until(lambda: cluster.holders(one) == ['node128', 'node129'], 10)
    # an address that nobody but this host knows of
    first.check_output(f'ip address add {two}/32 dev eth0')
    arguments = variables(keepalived_verify_timeout=3, vipkit_fail_on_drift=True, vipkit_report_dir=str(tmp_path))
    try:
        told = [cluster.play(f'playbooks/{playbook}.yml', *arguments) for playbook in ('verify', 'status')]
    finally:
        healed, said = cluster.play('site.yml')
    assert all(code != 0 for code, dummy in told)
    for problem in (
            f'{one} (vrrp_instance_1): expected on node128, 2 hosts hold it (node128, node129): split brain, only node129 advertises it, '
            'and node128 keeps a stale address',
            f'{two} (vrrp_instance_2): expected on node129, 2 hosts hold it (node128, node129): split brain, only node129 advertises it, '
            'and node128 keeps a stale address',
            f'node128: keepalived.service on node128 is active (process {parent}), but has no vrrp process',
            f'node128: the script {script_of(first)} has lost its execute bit (mode 0644, planned 0755)',
            f'node129: the script {script_of(second)} is not the one that the role wrote, so it may never fail',
            f'node129: {CONFIG} is not the planned one (global_defs is there more often than planned; '
            'vrrp_instance vrrp_instance_1: nopreempt is there and not planned, so preemption is off; '
            'vrrp_instance vrrp_instance_1: priority is another), and it is in force'):
        for dummy, output in told:
            assert problem in one_line(output), output
    assert healed == 0, said
    code, output = cluster.play('playbooks/verify.yml')
    assert code == 0, output
