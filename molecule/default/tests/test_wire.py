# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What only the wire can tell: strangers, split brain, and changes that all members have to share."""

from __future__ import annotations

import re
import subprocess
import threading

import pytest
from conftest import NET, container, load_on, one_line, variables, wait_until

CONFIG = '/etc/keepalived/keepalived.conf'
ANOTHER = {'name': 'another', 'virtual_router_id': 102, 'virtual_ipaddress': [f'{NET}.102/24'], 'nodes': ['node128', 'node129']}


def instances(cluster, first=None, second=None, more=()):
    """The cluster's instances with changes to each, as an extra variable."""
    given = [{'name': name, 'virtual_router_id': place, 'virtual_ipaddress': [f'{vip}/24'], 'nodes': [cluster.vips[vip], cluster.peer_of(cluster.vips[vip])],
              **(change or {})}
             for (name, vip), place, change in zip(cluster.instances.items(), (100, 101), (first, second))]
    return variables(keepalived_vrrp_instances=[*given, *more])


def config_of(cluster):
    """The live configuration of each node."""
    return {node: host.file(CONFIG).content_string for node, host in cluster.nodes.items()}


@pytest.fixture(name='stranger', scope='module')
def a_foreign_router(cluster):
    """Debian's own keepalived on the client, which is no member."""
    cluster.client.check_output('printf "#!/bin/sh\\nexit 101\\n" >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d')
    cluster.client.check_output('apt-get update -q && apt-get install -qy --no-install-recommends keepalived')
    cluster.client.check_output(
        "printf 'vrrp_instance foreign {\\n interface eth0\\n virtual_router_id %s\\n priority 200\\n virtual_ipaddress {\\n %s\\n }\\n}\\n'"
        f' 102 {NET}.200/24 >/etc/keepalived/keepalived.conf && systemctl daemon-reload')
    return cluster.client


def test_foreign_router_with_our_id_is_refused_before_any_change(cluster, stranger):
    before = config_of(cluster)
    stranger.check_output('systemctl start keepalived')
    try:
        assert wait_until(lambda: f'{NET}.200/' in stranger.check_output('ip -o address'), 10), 'the stranger is master'
        code, output = cluster.play('site.yml', *instances(cluster, more=[ANOTHER]))
    finally:
        stranger.check_output('systemctl stop keepalived')
    assert code != 0
    assert re.search(rf'another: virtual_router_id 102 is in use on eth0 of node12\d by {re.escape(NET)}\.\d+ \(\S+, priority 200, version 2\), which is no '
                     'member', one_line(output))
    assert config_of(cluster) == before


def test_address_of_somebody_else_is_refused_before_any_change(cluster):
    before = config_of(cluster)
    cluster.client.check_output(f'ip address add {NET}.102/24 dev eth0')
    try:
        code, output = cluster.play('site.yml', *instances(cluster, more=[ANOTHER]))
    finally:
        cluster.client.check_output(f'ip address del {NET}.102/24 dev eth0')
    assert code != 0
    assert re.search(rf'another: {re.escape(NET)}\.102 is in use, since \S+ answers for it on eth0 of node12\d', one_line(output))
    assert config_of(cluster) == before


@pytest.fixture(name='deaf')
def nodes_that_do_not_hear_each_other(cluster):
    """VRRP is dropped at both ends, as by a firewall that nobody opened."""
    for host in cluster.nodes.values():
        host.check_output('command -v nft || { apt-get update -q && apt-get install -qy --no-install-recommends nftables; }')
        host.check_output("nft 'add table inet deaf; add chain inet deaf input { type filter hook input priority 0; }; "
                          "add rule inet deaf input meta l4proto 112 drop'")
    yield
    for host in cluster.nodes.values():
        host.check_output('nft delete table inet deaf')


def test_split_brain_is_reported_with_both_owners(cluster, deaf):
    both = {vip: ['node128', 'node129'] for vip in cluster.vips}
    assert cluster.becomes(both) == both
    code, output = cluster.play('playbooks/verify.yml', *variables(keepalived_verify_timeout=3))
    assert code != 0
    for vip, owner in cluster.vips.items():
        assert re.search(rf'{re.escape(vip)} \(\w+\): expected on {owner}, 2 hosts hold it \(node128, node129\): split brain', one_line(output))
        assert re.search(rf'{re.escape(vip)} +{owner} +node128, node129 +node128, node129 ', output), 'the wire shows both, too'


class Watch:
    """Looks all the time whether each virtual IP has a holder, and asks for a page through it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.end = threading.Event()
        self.dark = []
        self.samples = 0
        self.thread = threading.Thread(target=self.look)

    def look(self):
        """One sample after the other."""
        while not self.end.is_set():
            self.samples += 1
            self.dark += [vip for vip, holders in self.cluster.ownership().items() if not holders]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *dummy):
        self.end.set()
        self.thread.join()


def test_configuration_that_does_not_work_is_taken_back_everywhere(cluster):
    before = config_of(cluster)
    # keepalived -t finds no fault with it, but node129 no longer hears its peer
    lost = [cluster.peer_of('node129'), {'name': 'node129', 'raw': f'unicast_peer {{\n{NET}.99\n}}'}]
    with Watch(cluster) as watch:
        code, output = cluster.play('site.yml', *instances(cluster, first={'nodes': lost}), *variables(keepalived_verify_timeout=5))
    assert code != 0
    words = one_line(output)
    assert f'{cluster.vip_of("node128")} (vrrp_instance_1) was held by node128 before and is now held by node128, node129' in words
    assert 'The last good one is back on node129 and in force' in words
    assert config_of(cluster) == before
    assert f'{NET}.99' in cluster.nodes['node129'].file(f'{CONFIG}.failed').content_string
    assert watch.samples > 20 and watch.dark == []


def test_configuration_that_one_host_refuses_changes_no_host(cluster):
    before = config_of(cluster)
    refused = ['node128', {'name': 'node129', 'raw': 'no_such_keyword'}]
    code, output = cluster.play('site.yml', *instances(cluster, first={'nodes': refused}))
    assert code != 0
    assert re.search(r'No \S+ was changed, because keepalived refuses the new one: node129 says: .*no_such_keyword', one_line(output))
    assert config_of(cluster) == before


@pytest.fixture(name='heard')
def what_the_client_hears(cluster):
    """Sources of the adverts of each virtual router since the last look, as tcpdump on the client sees them."""
    cluster.client.check_output('command -v tcpdump || { apt-get update -q && apt-get install -qy --no-install-recommends tcpdump; }')
    command = 'echo $$ >/run/tcpdump.pid; exec tcpdump -lnni eth0 ip proto 112'
    with subprocess.Popen(['docker', 'exec', container('client'), 'sh', '-c', command], stdout=subprocess.PIPE, text=True) as tcpdump:
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(tcpdump.stdout), daemon=True)
        reader.start()
        heard = {}

        def look():
            cluster.client.check_output('kill -INT $(cat /run/tcpdump.pid)')
            reader.join(10)
            for source, router_id in re.findall(r'IP (\S+) > .*vrid (\d+), prio [1-9]', '\n'.join(lines)):
                heard.setdefault(int(router_id), set()).add(source)
            return heard

        yield look
        tcpdump.kill()


def became_master(cluster):
    """How often each node has become master of anything."""
    return {node: host.run('grep -c "Entering MASTER" /apps/keepalived/keepalived-*/logs/keepalived.log').stdout for node, host in cluster.nodes.items()}


def test_what_members_share_changes_without_a_second_master(cluster, heard):
    changed = {'advert_int': 2, 'authentication': {'auth_pass': 'another1'}}
    arguments = instances(cluster, first={'virtual_ipaddress': [f'{NET}.100/24', f'{NET}.103/24'], **changed}, second=changed)
    code, output = cluster.play('site.yml', '--limit', 'node128,witnesses', *arguments)
    assert code != 0
    assert re.search(r'(?=.*advert_int)(?=.*auth_pass)(?=.*virtual_ipaddress).* would change on node128 and not on node129 at the same moment',
                     one_line(output))
    before = became_master(cluster)
    with load_on(*cluster.vips) as outcome:
        for changes in (arguments, []):
            code, output = cluster.play('site.yml', *changes)
            assert code == 0, output
    assert outcome['failed'] == [] and outcome['answered'] > 500
    sources = heard()
    assert {router_id: len(found) for router_id, found in sources.items()} == {100: 1, 101: 1}, sources
    assert became_master(cluster) == before


def test_scripts_no_longer_described_are_removed(cluster):
    more = {'name': 'check_more', 'check': {'kind': 'command', 'command': 'true'}}
    nginx = {'name': 'check_nginx', 'check': {'kind': 'http', 'url': 'http://127.0.0.1:8081/healthz', 'log': True}, 'interval': 1}
    own = {'name': 'tell', 'content': '#!/bin/sh\nexec logger "told: $*"\n'}
    place = '/apps/keepalived/keepalived-*/scripts'
    try:
        code, output = cluster.play('site.yml', *instances(cluster, first={'notify': 'tell'}),
                                    *variables(keepalived_vrrp_scripts=[nginx, more], keepalived_scripts=[own]))
        assert code == 0, output
        for host in cluster.nodes.values():
            assert host.run(f'ls {place}/check_more {place}/tell').rc == 0
            assert re.search(r'notify "/apps/keepalived/keepalived-\S+/scripts/tell"', host.file(CONFIG).content_string)
        cluster.nodes['node129'].check_output('systemctl stop nginx')
        journal = 'journalctl -t root -t logger -t keepalived_script --no-pager'
        assert wait_until(lambda: 'told: INSTANCE vrrp_instance_1 FAULT' in cluster.nodes['node129'].check_output(journal), 10)
    finally:
        cluster.nodes['node129'].check_output('systemctl start nginx')
        code, output = cluster.play('site.yml')
    assert code == 0, output
    for host in cluster.nodes.values():
        assert host.run(f'ls {place}/check_nginx').rc == 0
        assert host.run(f'ls {place}/check_more {place}/tell').rc != 0
