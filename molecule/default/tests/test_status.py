# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The status of a running cluster, in the terminal and as a page."""

from __future__ import annotations

import html
import re

import pytest
from conftest import container, docker, one_line, variables, wait_until

CONFIG = '/etc/keepalived/keepalived.conf'
LEFT = 'ls /proc/$(systemctl show --property=MainPID --value keepalived)/root/tmp'


@pytest.fixture(name='status')
def the_status(cluster, tmp_path):
    """Ask for it; gives exit code, output, and the text of the page."""
    def ask(*arguments, **values):
        code, output = cluster.play('playbooks/status.yml', *arguments, *variables(vipkit_report_dir=str(tmp_path / 'report'), **values))
        page = tmp_path / 'report/status.html'
        return code, output, html.unescape(re.sub(r'<[^>]+>', ' ', page.read_text())) if page.exists() else ''
    return ask


def line(host, instance, state, checks, vip, owner, drained='no'):
    """A line of the table."""
    return rf'{host} +{drained} +{instance} +{state} +\S+ +{checks} +\S+ +{re.escape(vip)} +{owner} +{owner}'


def test_status_of_a_healthy_pair(cluster, status):
    code, output, page = status('-vvv', vipkit_fail_on_drift=True)
    assert code == 0, output
    for instance, vip in cluster.instances.items():
        for node in cluster.nodes:
            owner = cluster.vips[vip]
            assert re.search(line(node, instance, 'MASTER' if node == owner else 'BACKUP', 'check_nginx:good', vip, owner), output), output
    assert 'All is as it should be' in page and page.count('✓ check_nginx good') == 4
    assert 'nanfei' not in output and 'nanfei' not in page
    for host in cluster.nodes.values():
        assert host.check_output(LEFT) == '', 'nor does the password lie there afterwards'


def test_status_with_a_node_down_names_it_and_tells_the_rest(cluster, status):
    docker('stop', '--time', '1', container('node129'))
    try:
        assert wait_until(lambda: f"inet {cluster.vip_of('node129')}/" in cluster.nodes['node128'].run('ip -o -4 address show').stdout)
        code, output, page = status()
        failed = status(vipkit_fail_on_drift=True)[0]
    finally:
        cluster.boot('node129')
    assert code == 0 and failed != 0, output
    for text in (one_line(output), one_line(page)):
        assert 'node129 did not answer: ' in text
        assert f"{cluster.vip_of('node129')} (vrrp_instance_2): expected on node129, node128 holds it" in text
    for instance, vip in cluster.instances.items():
        assert re.search(line('node128', instance, 'MASTER', 'check_nginx:good', vip, 'node128'), output), output
        assert re.search(rf'node129 +- +{instance} +no answer ', output), output


def test_status_names_a_failed_check(cluster, status):
    cluster.nodes['node128'].check_output('systemctl stop nginx')
    try:
        cluster.becomes({each: ['node129'] for each in cluster.vips})
        code, output, page = status()
    finally:
        cluster.nodes['node128'].check_output('systemctl start nginx')
    assert code == 0, output
    for instance, vip in cluster.instances.items():
        assert re.search(line('node128', instance, 'FAULT', 'check_nginx:FAILED', vip, 'node129'), output), output
        assert f'node128: {instance} is in FAULT.' in one_line(page)
    assert 'node128: nginx does not run.' in one_line(output)
    assert 'node128: keepalived counts its check check_nginx as failed' in one_line(output)


def test_status_tells_of_a_keepalived_that_does_not_run(cluster, status):
    cluster.nodes['node128'].check_output('systemctl stop keepalived')
    try:
        cluster.becomes({each: ['node129'] for each in cluster.vips})
        code, output, dummy = status()
    finally:
        cluster.nodes['node128'].check_output('systemctl start keepalived')
    assert code == 0, output
    assert re.search(r'node128 +no +vrrp_instance_1 +keepalived is silent ', output), output
    assert re.search(r'node128: keepalived\.service on node128 is not active after \S+ s; look at', one_line(output)), output


def test_status_tells_of_a_priority_that_was_changed_by_hand(cluster, status):
    node = cluster.nodes['node129']
    node.check_output(f"cp -p {CONFIG} {CONFIG}.kept && sed -i 's/priority 50/priority 90/' {CONFIG} && systemctl reload keepalived")
    try:
        code, output, page = status(vipkit_fail_on_drift=True)
    finally:
        node.check_output(f'mv {CONFIG}.kept {CONFIG} && systemctl reload keepalived')
    assert code != 0 and '1 thing is not as it should be' in page, output
    problem = f'node129: {CONFIG} is not the planned one (vrrp_instance vrrp_instance_1: priority is another), and it is in force; run site.yml'
    assert problem in one_line(output) and problem in one_line(page)


def test_status_tells_of_a_drained_node(cluster, status):
    node = cluster.nodes['node128']
    node.check_output('echo 1 >/etc/keepalived/drain')
    try:
        cluster.becomes({each: ['node129'] for each in cluster.vips})
        code, output, page = status()
        limited = status('--limit', 'node129')
    finally:
        node.check_output('echo 0 >/etc/keepalived/drain')
    assert code == 0, output
    for instance, vip in cluster.instances.items():
        expected = line('node128', instance, 'BACKUP', 'check_nginx:good', vip, 'node129', drained='yes')
        assert re.search(expected.replace(r'\S+', '1 of [0-9]+', 1), output), output
    assert re.search(r'node128 +yes +vrrp_instance_1 +not asked ', limited[1]), limited[1]
    for dummy, output, page in ((code, output, page), limited):
        assert 'node128 is drained, so what it owns is elsewhere' in one_line(output)
        assert '1 thing is not as it should be' in page
