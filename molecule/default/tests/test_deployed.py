# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the deploy left on the hosts."""

from __future__ import annotations

import re
import uuid

import pytest
from conftest import NET, wait_until

CONF = '/etc/keepalived/keepalived.conf'


def conf_instance(host, name):
    """The lines of an instance in keepalived.conf, braces and all, without blanks around them."""
    text = host.file(CONF).content_string
    block = re.search(rf'^vrrp_instance {name} \{{\n(.*?)^\}}', text, re.M | re.S)
    return [line.strip() for line in block.group(1).splitlines()]


def home(host):
    """Directory of the installed keepalived, which has its version in its name."""
    version = re.search(r'v([\d.]+)', host.run('/usr/local/sbin/keepalived --version').stderr).group(1)
    return f'/apps/keepalived/keepalived-{version}'


def log_file(host):
    """Path of keepalived's log."""
    return f'{home(host)}/logs/keepalived.log'


@pytest.mark.parametrize('name, router_id, vip, master', [
    ('vrrp_instance_1', 100, f'{NET}.100', 'node128'),
    ('vrrp_instance_2', 101, f'{NET}.101', 'node129'),
])
def test_configuration_holds_the_seeds_values(cluster, node, name, router_id, vip, master):
    lines = conf_instance(cluster.nodes[node], name)
    assert f"state {'MASTER' if node == master else 'BACKUP'}" in lines
    assert f"priority {100 if node == master else 50}" in lines
    for line in ('interface eth0', f'virtual_router_id {router_id}', 'advert_int 1', 'auth_type PASS', 'auth_pass nanfei',
                 f'{vip}/24', 'check_nginx'):
        assert line in lines


def test_script_stands_above_the_instances_that_track_it(cluster, node):
    text = cluster.nodes[node].file(CONF).content_string
    assert text.index('vrrp_script check_nginx {') < text.index('vrrp_instance ')


def test_options_file_sends_details_to_local0(cluster, node):
    options = cluster.nodes[node].file('/usr/local/etc/sysconfig/keepalived').content_string
    assert 'KEEPALIVED_OPTIONS="-D -S 0"\n' in options


def test_secret_is_closed(cluster, node):
    conf = cluster.nodes[node].file(CONF)
    assert (conf.user, conf.group, conf.mode) == ('root', 'root', 0o640)


def test_each_vip_is_on_its_master_only(cluster):
    assert cluster.ownership() == cluster.planned()


def test_http_through_each_vip_names_its_master(cluster):
    assert {vip: cluster.page(vip) for vip in cluster.vips} == cluster.vips


def test_services_are_enabled_and_healthy(cluster, node):
    for name in ('keepalived', 'nginx', 'rsyslog'):
        service = cluster.nodes[node].service(name)
        assert service.is_enabled and service.is_running


def test_log_fills_through_local0_alone(cluster, node):
    host = cluster.nodes[node]
    assert 'Keepalived_vrrp' in host.file(log_file(host)).content_string
    mine, other = uuid.uuid4().hex, uuid.uuid4().hex
    host.check_output(f'logger -p local1.info {other}')
    host.check_output(f'logger -p local0.info {mine}')
    assert wait_until(lambda: mine in host.file(log_file(host)).content_string, 5)
    assert other not in host.file(log_file(host)).content_string


def test_log_goes_on_after_rotation(cluster, node):
    host = cluster.nodes[node]
    host.check_output('logrotate --force /etc/logrotate.d/keepalived')
    token = uuid.uuid4().hex

    def logged():
        host.check_output(f'logger -p local0.info {token}')
        return host.file(log_file(host)).exists and token in host.file(log_file(host)).content_string

    assert wait_until(logged, 5)
    assert host.file(log_file(host) + '.1').exists


def test_check_results_are_logged_and_rotated(cluster, node):
    host = cluster.nodes[node]
    log = f'{home(host)}/scripts/log'
    host.check_output('logrotate --force /etc/logrotate.d/keepalived-checks')
    assert wait_until(lambda: re.search(r'^\S+T\S+ 0$', host.file(log).content_string, re.M), 5)
    assert host.file(log).user == 'keepalived_script'


def test_check_script_is_one_that_keepalived_accepts(cluster, node):
    host = cluster.nodes[node]
    path = f'{home(host)}/scripts/check_nginx'
    script = host.file(path)
    assert (script.user, script.mode) == ('root', 0o755)
    assert host.run(f'runuser -u keepalived_script -- {path}').rc == 0
    assert 'disabl' not in host.check_output(f'cat {log_file(host)}*').lower()


def test_services_can_bind_to_an_absent_vip(cluster, node):
    assert cluster.nodes[node].sysctl('net.ipv4.ip_nonlocal_bind') == 1


def test_only_the_builder_has_a_compiler(cluster):
    assert cluster.nodes['node128'].exists('gcc')
    assert not cluster.nodes['node129'].exists('gcc')


def test_both_nodes_run_the_same_bytes(cluster):
    for binary in ('/usr/local/sbin/keepalived', '/usr/local/nginx/nginx'):
        assert cluster.nodes['node128'].file(binary).sha256sum == cluster.nodes['node129'].file(binary).sha256sum


def test_source_stands_where_the_seed_has_it(cluster):
    assert cluster.nodes['node128'].run('ls /apps/keepalived/keepalived-*/configure /apps/nginx/nginx-*/configure').rc == 0


def test_nginx_has_the_seeds_configure_line(cluster, node):
    line = cluster.nodes[node].run('/usr/local/nginx/nginx -V').stderr
    for flag in ('--sbin-path=/usr/local/nginx/nginx', '--conf-path=/usr/local/nginx/nginx.conf', '--pid-path=/usr/local/nginx/nginx.pid'):
        assert flag in line


def test_health_url_answers_on_loopback_only(cluster, node):
    assert cluster.nodes[node].run('curl --silent http://127.0.0.1:8081/healthz').stdout == 'ok\n'
    assert cluster.client.run(f'curl --silent --max-time 2 http://{NET}.{node[4:]}:8081/healthz').rc != 0


# --- nginx as a process ---

MASTER = '/usr/local/nginx/nginx.pid'
NEEDED = (0, 1, 3, 5, 6, 7, 10, 13, 23, 24)  # the numbers of its capabilities in linux/capability.h


def test_limits_of_open_files_match(cluster, node):
    host = cluster.nodes[node]
    said = re.search(r'^worker_rlimit_nofile (\d+);', host.file('/usr/local/nginx/nginx.conf').content_string, re.M).group(1)
    limits = host.check_output(f'for pid in $(cat {MASTER}) $(pgrep --parent $(cat {MASTER})); do grep "open files" /proc/$pid/limits; done')
    found = [line.split()[3:5] for line in limits.splitlines()]
    assert len(found) > 1 and found == [[said, said]] * len(found), limits


def test_nginx_is_kept_from_what_it_does_not_need(cluster, node):
    host = cluster.nodes[node]
    inside = f'nsenter --target $(cat {MASTER}) --mount'
    for path in ('/usr/local/sbin', '/etc', '/root'):
        assert 'Read-only file system' in host.run(f'{inside} touch {path}/planted').stderr, path
    host.check_output(f'{inside} touch /usr/local/nginx/logs/planted && rm /usr/local/nginx/logs/planted')
    bounds = int(host.check_output(f'grep CapBnd /proc/$(cat {MASTER})/status').split()[1], 16)
    assert bounds and bounds & ~sum(1 << number for number in NEEDED) == 0, hex(bounds)


def test_systemd_knows_all_of_the_unit(cluster, node):
    assert 'nginx.service:' not in cluster.nodes[node].run('systemd-analyze verify nginx.service').stderr


def test_logs_of_nginx_go_on_after_rotation(cluster, node):
    host, log = cluster.nodes[node], '/usr/local/nginx/logs/access.log'
    host.check_output('curl --silent http://127.0.0.1/before')
    assert wait_until(lambda: '/before' in host.file(log).content_string, 5), 'an empty log is not rotated'
    host.check_output('logrotate --force /etc/logrotate.d/nginx')

    asked = []

    def logged():
        """A line of any request after the rotation: workers write what they have kept once a second."""
        asked.append(uuid.uuid4().hex)
        host.check_output(f'curl --silent http://127.0.0.1/{asked[-1]}')
        return host.file(log).exists and any(token in host.file(log).content_string for token in asked)

    assert wait_until(logged, 5)
    assert '/before' in host.file(f'{log}.1').content_string
    assert int(host.check_output(f'stat --format %u {log}')) == int(host.check_output('id --user nobody')), 'workers have to open it, too'
