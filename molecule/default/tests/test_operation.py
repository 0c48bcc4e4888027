# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The playbooks on a running cluster: what they change, what they refuse, what they prove."""

from __future__ import annotations

import re
import subprocess

import pytest
from conftest import container, docker, one_line, variables, wait_until

NOTHING = r'changed=0 +unreachable=0 +failed=0'


def recap(output, node):
    """The line of the play's recap for a node."""
    return re.search(rf'^{node} +: (.*)$', output[output.index('PLAY RECAP'):], re.M).group(1)


def test_site_changes_nothing_and_shows_who_owns_what(cluster):
    code, output = cluster.play('site.yml')
    assert code == 0
    for node in cluster.nodes:
        assert re.search(NOTHING, recap(output, node))
    for vip, owner in cluster.vips.items():
        assert re.search(rf'{vip} +{owner} +{owner} +{owner} +200 {owner}', output)


def test_check_mode_predicts_no_change_after_a_real_run(cluster):
    code, output = cluster.play('site.yml', '--check', '--diff')
    assert code == 0, output
    for node in cluster.nodes:
        assert re.search(NOTHING, recap(output, node)), output


def test_limit_proves_the_whole_cluster(cluster):
    code, output = cluster.play('site.yml', '--limit', 'node129,witnesses')
    assert code == 0, output
    assert re.search(r'\.100 +node128 +node128 ', output)


def test_member_that_is_away_does_not_hide_the_verdict(cluster):
    docker('stop', '--time', '1', container('node129'))
    try:
        code, output = cluster.play('playbooks/verify.yml', '--limit', 'node128,witnesses', *variables(keepalived_verify_timeout=3))
    finally:
        cluster.boot('node129')
    assert code != 0
    assert 'node129 has not reported' in one_line(output)
    assert re.search(r'\.100 +node128 +node128 ', output), 'the table is shown all the same'


def test_changed_configuration_is_reloaded_without_a_restart(cluster):
    pids = {node: host.check_output('systemctl show --property=MainPID keepalived') for node, host in cluster.nodes.items()}
    try:
        code, output = cluster.play('site.yml', *variables(keepalived_global_defs={'vrrp_garp_master_repeat': 3}))
        assert code == 0, output
        for node, host in cluster.nodes.items():
            assert 'vrrp_garp_master_repeat 3' in host.file('/etc/keepalived/keepalived.conf').content_string
            assert host.check_output('systemctl show --property=MainPID keepalived') == pids[node]
            assert re.search(r'changed=2 ', recap(output, node)), 'the file and the reload'
    finally:
        code, output = cluster.play('site.yml')
    assert code == 0, output


def test_what_a_broken_run_left_on_disk_is_loaded_by_the_next(cluster):
    change = variables(keepalived_global_defs={'vrrp_garp_master_repeat': 4})
    loaded = 'sha256sum --check --status /run/keepalived.loaded'
    try:
        code, output = cluster.play('molecule/default/configure_only.yml', *change)
        assert code == 0, output
        assert cluster.nodes['node128'].run(loaded).rc != 0, 'the change is on disk and not in force'
        code, output = cluster.play('site.yml', *change)
        assert code == 0, output
        for node, host in cluster.nodes.items():
            assert re.search(r'changed=1 ', recap(output, node)), 'the reload alone'
            assert host.run(loaded).rc == 0
    finally:
        code, output = cluster.play('site.yml')
    assert code == 0, output


def test_witness_that_is_away_does_not_hide_the_owners(cluster):
    docker('stop', '--time', '1', container('client'))
    try:
        code, output = cluster.play('playbooks/verify.yml')
    finally:
        docker('start', container('client'))
    assert code == 0, output
    for vip, owner in cluster.vips.items():
        assert re.search(rf'{vip} +{owner} +{owner} +', output)


DOWNLOAD = '''
import http.client
connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=20)
connection.request("GET", "/large")
answer = connection.getresponse()
got = len(answer.read(1))
input()
print(got + len(answer.read()))
'''


def test_stopping_nginx_lets_requests_under_way_finish(cluster):
    host, size = cluster.nodes['node128'], 30000000  # more than the buffers of both ends
    host.check_output(f'head -c {size} /dev/zero >/usr/local/nginx/html/large')
    try:
        with subprocess.Popen(['docker', 'exec', '-i', container('node128'), 'python3', '-c', DOWNLOAD],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as download:
            assert wait_until(lambda: host.run('ss -Htn state established sport = :80').stdout.strip() != '', 5)
            with subprocess.Popen(['docker', 'exec', container('node128'), 'systemctl', 'restart', 'nginx']) as restart:
                assert wait_until(lambda: not host.run('ss -Htln sport = :80').stdout.strip(), 5), 'nginx has stopped listening'
                assert restart.poll() is None, 'and waits for the request'
                assert download.communicate('go\n', timeout=20)[0] == f'{size}\n'
            assert restart.returncode == 0
    finally:
        host.check_output('rm -f /usr/local/nginx/html/large')


def test_refused_configuration_leaves_the_live_one(cluster):
    before = {node: host.file('/etc/keepalived/keepalived.conf').content_string for node, host in cluster.nodes.items()}
    code, output = cluster.play('site.yml', *variables(keepalived_global_defs={'raw': 'vrrp_version seven'}))
    assert code != 0
    assert 'No /etc/keepalived/keepalived.conf was changed, because keepalived refuses the new one: node12' in one_line(output)
    for node, host in cluster.nodes.items():
        assert host.file('/etc/keepalived/keepalived.conf').content_string == before[node]


def test_refused_nginx_configuration_leaves_the_live_one(cluster):
    before = cluster.nodes['node128'].file('/usr/local/nginx/nginx.conf').content_string
    code, output = cluster.play('site.yml', *variables(nginx_worker_processes='many'))
    assert code != 0
    assert '"worker_processes" directive invalid value' in one_line(output)
    assert cluster.nodes['node128'].file('/usr/local/nginx/nginx.conf').content_string == before
    assert cluster.nodes['node128'].file('/usr/local/nginx/nginx.pid').size > 0


def test_password_never_shows(cluster):
    cluster.nodes['node128'].check_output('sed -i s/nanfei/other/ /etc/keepalived/keepalived.conf')
    code, output = cluster.play('site.yml', '-vvv', '--diff')
    assert code == 0
    assert re.search(r'changed=1 ', recap(output, 'node128'))
    assert 'nanfei' not in output
    assert re.search(r'^-.*auth_pass', output, re.M) and re.search(r'^\+.*auth_pass', output, re.M), 'that it changes is shown'


def test_two_owners_are_named(cluster):
    vip = cluster.vip_of('node128')
    cluster.nodes['node129'].check_output(f'ip address add {vip}/32 dev lo')
    try:
        code, output = cluster.play('playbooks/verify.yml', *variables(keepalived_verify_timeout=3))
    finally:
        cluster.nodes['node129'].check_output(f'ip address del {vip}/32 dev lo')
    assert code != 0
    assert f'{vip} (vrrp_instance_1): expected on node128, 2 hosts hold it (node128, node129): split brain' in one_line(output)


def test_no_owner_is_named(cluster):
    for host in cluster.nodes.values():
        host.check_output('systemctl stop keepalived')
    try:
        code, output = cluster.play('playbooks/verify.yml', *variables(keepalived_verify_timeout=3))
    finally:
        for host in cluster.nodes.values():
            host.check_output('systemctl start keepalived')
    assert code != 0
    for vip, owner in cluster.vips.items():
        assert re.search(rf'{re.escape(vip)} \(vrrp_instance_\d\): expected on {owner}, no host holds it', one_line(output))


def test_wrong_owner_is_named(cluster):
    vip = cluster.vip_of('node128')
    cluster.nodes['node128'].check_output('systemctl stop nginx')
    try:
        cluster.becomes({each: ['node129'] for each in cluster.vips})
        code, output = cluster.play('playbooks/verify.yml', *variables(keepalived_verify_timeout=3))
    finally:
        cluster.nodes['node128'].check_output('systemctl start nginx')
    assert code != 0
    assert f'{vip} (vrrp_instance_1): expected on node128, node129 holds it' in one_line(output)


@pytest.mark.parametrize('binary', ['/usr/local/sbin/keepalived', '/usr/local/nginx/nginx'])
def test_overwritten_binary_is_put_back(cluster, binary):
    host = cluster.nodes['node129']
    before = host.file(binary).sha256sum
    host.check_output(f'cp /bin/true {binary}.planted && mv {binary}.planted {binary}')
    code, output = cluster.play('site.yml')
    assert code == 0, output
    assert host.file(binary).sha256sum == before
    assert re.search(r'changed=0 ', recap(output, 'node128'))
    assert re.search(r'changed=1 ', recap(output, 'node129')), 'what runs is still the right one'


def settings(host):
    """The settings of the kernel that the role can raise."""
    names = 'net.core.somaxconn net.ipv4.tcp_max_syn_backlog net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse'
    return host.check_output(f'sysctl --values {names}').replace('\t', ' ').splitlines()


def test_settings_of_the_kernel_come_and_go(cluster):
    path, raise_them = '/etc/sysctl.d/50-vipkit-nginx.conf', variables(nginx_sysctl=True, nginx_sysctl_settings={'net.ipv4.tcp_tw_reuse': None})
    before = settings(cluster.nodes['node128'])
    try:
        code, output = cluster.play('site.yml', *raise_them)
        assert code == 0, output
        for node, host in cluster.nodes.items():
            assert settings(host) == ['4096', '4096', '16384 60999', before[3]]
            assert re.search(r'changed=1 ', recap(output, node)), 'the file, and with it the kernel'
        code, output = cluster.play('site.yml', *raise_them)
        assert code == 0 and re.search(NOTHING, recap(output, 'node128')), output
        code, output = cluster.play('site.yml', *variables(nginx_sysctl=True, nginx_sysctl_settings={'net.core.somaxconn': 'many'}))
        assert code != 0 and 'net/core/somaxconn' in output, output
        assert 'many' not in cluster.nodes['node128'].file(path).content_string, 'so the next run would try again'
    finally:
        code, output = cluster.play('site.yml')
    assert code == 0, output
    for node, host in cluster.nodes.items():
        assert not host.file(path).exists and re.search(r'changed=1 ', recap(output, node)), 'the file alone'


def test_logs_of_a_stopped_nginx_are_rotated(cluster):
    host = cluster.nodes['node129']
    host.check_output('systemctl stop nginx')
    try:
        host.check_output('logrotate --force /etc/logrotate.d/nginx')
    finally:
        host.check_output('systemctl start nginx')
