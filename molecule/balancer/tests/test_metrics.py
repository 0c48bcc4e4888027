# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the balancers write for a node_exporter follows what happens to them."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from conftest import NET, one_line, variables, wait_until

FOLDER = '/var/lib/prometheus/node-exporter'
UNITS = ('keepalived-metrics', 'nginx-metrics')
WITHOUT = {'nginx_configure_flags': ['--with-stream', '--with-http_ssl_module']}


def written(host):
    """What lies in the folder now, by name and the values of labels, which are in the order of their names."""
    text = host.check_output(f'cat {FOLDER}/*.prom')
    samples = [re.fullmatch(r'(\w+)(?:{(.*)})? (\S+)', line).groups() for line in text.splitlines() if not line.startswith('#')]
    return {(name, *re.findall(r'\w+="(.*?)"', labels or '')): float(value) for name, labels, value in samples}


def look(host):
    """What the units write when they are started by hand."""
    for unit in UNITS:
        host.check_output(f'systemctl start {unit}')
    return written(host)


def states(samples):
    """The state of each instance."""
    return {key[-1]: value for key, value in samples.items() if key[0] == 'keepalived_vrrp_state'}


def held(samples):
    """The virtual IPs that the host has."""
    return {key[2] for key, value in samples.items() if key[0] == 'keepalived_virtual_ipaddress_held' and value == 1}


@pytest.fixture(autouse=True)
def no_look_under_way(request, cluster):
    """A timer that has just begun to look would give what was before a test's change; systemd starts no second look beside it."""
    if 'timers' in request.node.name:
        yield
        return
    timers = ' '.join(f'{unit}.timer' for unit in UNITS)
    for host in cluster.nodes.values():
        host.check_output(f'systemctl stop {timers}')
        assert wait_until(lambda host=host: 'activating' not in host.run(f"systemctl is-active {' '.join(UNITS)}").stdout)
    yield
    for host in cluster.nodes.values():
        host.check_output(f'systemctl start {timers}')


@contextlib.contextmanager
def stopped(host, service):
    """A service that does not run for a while."""
    host.check_output(f'systemctl stop {service}')
    try:
        yield
    finally:
        host.check_output(f'systemctl start {service}')


def test_the_timers_write_again_and_again(cluster, node):
    host = cluster.nodes[node]
    before = look(host)
    for name in ('keepalived_metrics_timestamp_seconds', 'nginx_metrics_timestamp_seconds'):
        assert wait_until(lambda name=name: written(host)[name,] > before[name,], 40)
    assert {host.file(f'{FOLDER}/vipkit_{program}.prom').mode for program in ('keepalived', 'nginx')} == {0o644}
    assert not host.check_output(f'find {FOLDER} -type f ! -name "*.prom"')


def test_a_sound_host(cluster, node):
    host, number = cluster.nodes[node], 1 if node == 'node128' else 2
    samples = look(host)
    assert {samples[name,] for name in ('keepalived_up', 'keepalived_in_force', 'nginx_up', 'nginx_in_force', 'nginx_upstream_health_up')} == {1}
    assert states(samples) == {f'vrrp_instance_{number}': 2, f'vrrp_instance_{3 - number}': 1}
    assert held(samples) == {f'{NET}.{99 + number}'}
    assert {key[1]: value for key, value in samples.items() if key[0] == 'keepalived_vrrp_script_success'} == {'check_nginx': 1, 'check_upstreams': 1}
    assert sum(value for key, value in samples.items() if key[0] == 'nginx_upstream_server_up') == 3
    for program in ('keepalived', 'nginx'):
        fact = json.loads(host.check_output(f'cat /etc/ansible/facts.d/vipkit_{program}.fact'))
        assert samples[f'{program}_build_info', fact['fingerprint'][:16], fact['version']] == 1


def test_nothing_of_a_dump_is_left(cluster, node):
    host = cluster.nodes[node]
    look(host)
    master = host.check_output('systemctl show --property=MainPID --value keepalived')
    assert host.check_output(f'ls -A /proc/{master}/root/tmp') == '', 'where keepalived itself has its /tmp'
    assert not host.check_output('find /tmp -maxdepth 1 -name "keepalived.*"')
    assert host.run(f'grep -r nanfei {FOLDER}').rc == 1


def test_requests_are_counted_and_told_to_the_host_alone(cluster):
    host = cluster.nodes['node128']
    before = look(host)['nginx_http_requests_total',]
    cluster.client.check_output(f'for i in 1 2 3 4 5; do curl --silent http://{NET}.100/; done')
    assert look(host)['nginx_http_requests_total',] >= before + 5
    assert 'Active connections' in host.check_output('curl --silent http://127.0.0.1:8081/stub_status')
    assert cluster.client.run(f'curl --silent --max-time 2 http://{NET}.128:8081/stub_status').rc != 0


def test_a_stopped_keepalived_is_down_and_its_peer_master(cluster):
    host, peer = cluster.nodes['node128'], cluster.nodes['node129']
    became = ('keepalived_become_master_total', 'eth0', '100', 'vrrp_instance_1')
    before = look(peer)[became]
    with stopped(host, 'keepalived'):
        samples = look(host)
        assert samples['keepalived_up',] == 0
        assert states(samples) == {} and held(samples) == set(), 'and nothing is told of its state before'
        assert cluster.becomes({vip: ['node129'] for vip in cluster.vips})
        samples = look(peer)
        assert states(samples) == {'vrrp_instance_1': 2, 'vrrp_instance_2': 2} and held(samples) == {*cluster.vips}
        assert samples[became] == before + 1
    assert cluster.becomes(cluster.planned()) == cluster.planned()
    assert look(host)['keepalived_up',] == 1
    assert states(look(peer)) == {'vrrp_instance_1': 1, 'vrrp_instance_2': 2}


def test_a_keepalived_that_hangs_is_down(cluster):
    host = cluster.nodes['node129']
    host.check_output('systemctl kill --signal STOP keepalived')
    try:
        samples = look(host)
        assert samples['keepalived_up',] == 0 and states(samples) == {}
    finally:
        host.check_output('systemctl kill --signal CONT keepalived')
    assert 'is stopped; have it go on with kill -CONT' in host.check_output('journalctl --unit keepalived-metrics --lines 20 --no-pager')
    assert wait_until(lambda: look(host)['keepalived_up',] == 1)


def test_a_stopped_nginx_is_down_and_fails_its_check(cluster):
    host = cluster.nodes['node128']
    with stopped(host, 'nginx'):
        samples = look(host)
        assert samples['nginx_up',] == samples['nginx_workers',] == 0 and ('nginx_connections_active',) not in samples
        assert wait_until(lambda: look(host)['keepalived_vrrp_script_success', 'check_nginx'] == 0)
        assert wait_until(lambda: states(look(host))['vrrp_instance_1'] == 3), 'FAULT'
    assert look(host)['nginx_up',] == 1


def test_dead_backends_are_told(cluster):
    host = cluster.nodes['node128']
    addresses = [f'{NET}.{number}' for number in (21, 22, 23)]
    for address in addresses:
        host.check_output(f'ip route add blackhole {address}')
    try:
        assert wait_until(lambda: look(host)['nginx_upstream_check_failed', 'shop'] == 1)
        assert sum(value for key, value in written(host).items() if key[0] == 'nginx_upstream_server_up') == 0
    finally:
        for address in addresses:
            host.check_output(f'ip route del blackhole {address}')
    assert wait_until(lambda: look(host)['nginx_upstream_check_failed', 'shop'] == 0)


def test_maintenance_and_what_is_not_in_force_are_told(cluster):
    host = cluster.nodes['node129']
    host.check_output('touch /usr/local/nginx/maintenance; cp -p /usr/local/nginx/nginx.conf /root/kept; echo "#" >>/usr/local/nginx/nginx.conf')
    try:
        samples = look(host)
        assert samples['nginx_maintenance',] == 1 and samples['nginx_in_force',] == 0 and samples['nginx_up',] == 1
    finally:
        host.check_output('mv /root/kept /usr/local/nginx/nginx.conf; rm -f /usr/local/nginx/maintenance')
    samples = look(host)
    assert samples['nginx_maintenance',] == 0 and samples['nginx_in_force',] == 1


def test_a_build_without_stub_status_is_told_before_a_host_is_touched(cluster):
    code, output = cluster.play('playbooks/validate.yml', *variables(**WITHOUT))
    assert code == 0 and 'nginx is built without --with-http_stub_status_module' in one_line(output), output
    server = [{'listen': ['80'], 'location': [{'path': '/status', 'stub_status': True}]}]
    code, output = cluster.play('playbooks/validate.yml', *variables(nginx_servers=server, **WITHOUT))
    assert code != 0 and '--with-http_stub_status_module' in one_line(output), output


@pytest.fixture(name='off')
def without_metrics(cluster):
    """A cluster without metrics, for a while."""
    code, output = cluster.play('site.yml', *variables(nginx_metrics=False, keepalived_metrics=False))
    assert code == 0, output
    yield
    code, output = cluster.play('site.yml')
    assert code == 0, output
    for host in cluster.nodes.values():
        assert look(host)['keepalived_up',] == 1


@pytest.mark.usefixtures('off')
def test_without_metrics_nothing_of_them_is_left(cluster):
    for host in cluster.nodes.values():
        assert host.run(f'ls {FOLDER}').stdout == ''
        assert 'metrics' not in host.check_output('systemctl list-timers --no-pager')
        assert host.run('ls /etc/systemd/system/timers.target.wants | grep metrics').rc == 1
        assert host.run('ls /usr/local/nginx/*metrics* /etc/keepalived/*metrics*').stdout == ''
