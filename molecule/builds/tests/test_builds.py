# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Other programs on a running cluster: builds that fail in every way, steps back, and no network. Upgrades are in the scenario `operate`."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest
import yaml
from conftest import ROOT, container, docker, one_line, variables, wait_until

MADE = yaml.safe_load((ROOT / 'molecule/shared/group_vars/all/made-sources.yml').read_text())
NGINX = '/usr/local/nginx/nginx'
KEEPALIVED = '/usr/local/sbin/keepalived'


def only_nginx(cluster, *arguments, **values):
    """Run the nginx role alone with these variables; gives exit code and output."""
    return cluster.play('molecule/builds/nginx_only.yml', *arguments, *variables(**values))


def another_build(name):
    """Variables of an nginx that nobody has built yet."""
    return {'nginx_cflags': ['-O0', f'-DVIPKIT_TEST_{name}']}  # quick to compile


def programs(cluster):
    """What every host has on its disk and in memory, which a failed build must leave alone."""
    return {node: [host.file(path).sha256sum for path in (NGINX, KEEPALIVED, '/etc/ansible/facts.d/vipkit_nginx.fact')]
            + [host.check_output(f'systemctl show --property=MainPID {unit}') for unit in ('nginx', 'keepalived')]
            for node, host in cluster.nodes.items()}


class Background:
    """A play that runs while the test does something to it."""

    def __init__(self, cluster, *arguments, **values):
        self.outcome = None
        self.thread = threading.Thread(target=self.run, args=(cluster, arguments, values))
        self.thread.start()

    def run(self, cluster, arguments, values):
        """What the thread does."""
        self.outcome = only_nginx(cluster, *arguments, **values)

    def end(self):
        """Wait for the end; gives exit code and output."""
        self.thread.join(300)
        return self.outcome


def make_runs(cluster):
    """Wait until the builder compiles."""
    return wait_until(lambda: cluster.nodes['node128'].run('pgrep -x make').rc == 0, 60)


@pytest.fixture(name='before')
def the_state_before(cluster):
    """The programs before the test, to which a last run of the nginx role brings them back where it is needed."""
    state = programs(cluster)
    yield state
    if programs(cluster) != state:
        code, output = only_nginx(cluster)
        assert code == 0, output


# --- upgrades and steps back ---

def test_an_nginx_that_cannot_serve_is_taken_back(cluster, before):
    code, output = only_nginx(cluster, nginx_configure_flags=['--http-client-body-temp-path=/no/such/directory/body'])
    assert code != 0
    assert 'mkdir() "/no/such/directory/body" failed' in one_line(output), output
    assert 'The earlier program is back on the disk of node128' in one_line(output)
    now = programs(cluster)
    assert {node: state[0] for node, state in now.items()} == {node: state[0] for node, state in before.items()}
    assert {node: state[3:] for node, state in now.items()} == {node: state[3:] for node, state in before.items()}
    assert [cluster.page(vip) for vip in cluster.vips] == list(cluster.vips.values())


def test_hosts_do_not_go_back_to_different_programs(cluster, before):
    code, output = only_nginx(cluster, '--limit', 'node128', **another_build('ODD'))
    assert code == 0, output
    now = programs(cluster)
    assert now['node128'][0] != before['node128'][0]
    code, output = cluster.play('playbooks/rollback.yml', *variables(vipkit_programs='nginx'))
    assert code != 0
    assert re.search("would not all go back to the same one|there is no artefact 'previous'", one_line(output)), output
    assert programs(cluster) == now


def test_a_keepalived_that_does_not_start_is_taken_back_and_the_other_one_not_touched(cluster):
    paths = ('/usr/local/etc/sysconfig/keepalived', '/etc/systemd/system/keepalived.service')
    before = {node: [host.file(path).sha256sum for path in paths] for node, host in cluster.nodes.items()}
    pids = {node: host.check_output('systemctl show --property=MainPID keepalived') for node, host in cluster.nodes.items()}
    code, output = cluster.play('site.yml', *variables(keepalived_options='-D -S 0 --no-such-option'))
    assert code != 0
    assert 'The new /usr/local/etc/sysconfig/keepalived did not work: node128: ' in one_line(output), output
    assert {node: [host.file(path).sha256sum for path in paths] for node, host in cluster.nodes.items()} == before
    untouched = [node for node, host in cluster.nodes.items() if host.check_output('systemctl show --property=MainPID keepalived') == pids[node]]
    assert len(untouched) == 1
    code, output = cluster.play('site.yml')
    assert code == 0 and len(re.findall('changed=0', output)) >= 2, output


def test_status_shows_builds_and_drift(cluster):
    code, output = cluster.play('playbooks/status.yml', *variables(vipkit_fail_on_drift=True))
    assert code == 0, output
    for node in cluster.nodes:
        assert re.search(rf'{node} +nginx +{re.escape(MADE["nginx_version"])} +[0-9a-f]{{8}} +yes', output), output
    # a running program cannot be written to
    cluster.nodes['node129'].check_output(f'mv {NGINX} {NGINX}.kept && cp -p {NGINX}.kept {NGINX} && printf x >>{NGINX}')
    try:
        code, output = cluster.play('playbooks/status.yml', *variables(vipkit_fail_on_drift=True))
    finally:
        cluster.nodes['node129'].check_output(f'mv {NGINX}.kept {NGINX}')
    assert code != 0
    assert f'node129: {NGINX} is not what was installed' in one_line(output)


def test_local_facts_tell_what_was_built(cluster):
    for host in cluster.nodes.values():
        fact = json.loads(host.file('/etc/ansible/facts.d/vipkit_keepalived.fact').content_string)
        assert fact['version'] == MADE['keepalived_version'] and fact['built_on'] == 'node128' and fact['toolchain']['compiler']['name'] == 'gcc'
        assert set(fact) >= {'fingerprint', 'configure_flags', 'cflags', 'patches', 'sha256', 'source', 'built_at', 'installed_at', 'packages'}


# --- builds that fail: every host serves as before, and one message says why ---

def failed_cleanly(cluster, before, code, output, message):
    """What holds after each of them."""
    assert code != 0
    assert message in one_line(output), output
    assert len(re.findall(r'(?:failed|unreachable)=[1-9]', output)) == 1, output
    assert programs(cluster) == before
    assert [cluster.page(vip) for vip in cluster.vips] == list(cluster.vips.values())


def test_wrong_checksum(cluster, before):
    code, output = only_nginx(cluster, nginx_sha256='0' * 64)
    failed_cleanly(cluster, before, code, output, 'expected 0000000000000000')


def test_full_disk(cluster, before):
    host = cluster.nodes['node128']
    host.check_output('mount -t tmpfs -o size=9m tmpfs /var/tmp')
    try:
        code, output = only_nginx(cluster, **another_build('FULL'))
    finally:
        host.check_output('umount /var/tmp')
    failed_cleanly(cluster, before, code, output, 'could not be built on node128, and no program was replaced on any host')
    assert re.search('disk of /var/tmp is full|No space left on device', one_line(output))


def test_killed_make_and_the_run_after_it(cluster, before):
    play = Background(cluster, **another_build('KILLED'))
    assert make_runs(cluster)
    cluster.nodes['node128'].check_output('pkill -KILL -x make')
    failed_cleanly(cluster, before, *play.end(), "step 'make' was killed by signal 9")
    code, output = only_nginx(cluster, **another_build('KILLED'))
    assert code == 0, output
    assert cluster.nodes['node128'].run('ls -d /var/tmp/nginx-*').rc != 0, 'the next build clears up'


def test_killed_run_and_the_run_after_it(cluster, before):
    command = cluster.command('molecule/builds/nginx_only.yml', *variables(**another_build('ENDED')))
    with subprocess.Popen(command, cwd=ROOT, env=cluster.environment, stdout=subprocess.DEVNULL, start_new_session=True) as play:
        assert make_runs(cluster)
        os.killpg(play.pid, signal.SIGKILL)
    assert programs(cluster) == before
    code, output = only_nginx(cluster, **another_build('ENDED'))
    assert code == 0, output


def test_vanished_builder(cluster, before):
    play = Background(cluster, **another_build('VANISHED'))
    assert make_runs(cluster)
    docker('kill', container('node128'))
    try:
        code, output = play.end()
        assert cluster.becomes({vip: ['node129'] for vip in cluster.vips}) == {vip: ['node129'] for vip in cluster.vips}
    finally:
        cluster.boot('node128')
    assert code != 0 and 'nginx could not be built on node128, and no program was replaced on any host' in one_line(output), output
    assert {node: state[:3] for node, state in programs(cluster).items()} == {node: state[:3] for node, state in before.items()}


def test_truncated_artefact(cluster, before):
    shelf = pathlib.Path(os.environ['MOLECULE_EPHEMERAL_DIRECTORY']) / 'artifacts/nginx'
    change = {**another_build('TRUNCATED'), 'source_build_shelf': str(shelf.parent.with_name('truncated'))}
    code, output = only_nginx(cluster, '--limit', 'node128', **change)
    assert code == 0, output
    now = programs(cluster)
    artefact, = (shelf.parent.with_name('truncated') / 'nginx').glob('*.tar.gz')
    with artefact.open('r+b') as handle:
        handle.truncate(1000)
    code, output = only_nginx(cluster, **change)
    failed_cleanly(cluster, now, code, output, f'{artefact} on the controller is not what was built')
    code, output = only_nginx(cluster, **change)
    assert code == 0, output
    assert programs(cluster)['node129'][0] != before['node129'][0]


def test_two_plays_at_once_on_the_same_cache(cluster, before):
    plays = [Background(cluster, '--limit', node, **another_build('TWICE')) for node in cluster.nodes]
    for code, output in [play.end() for play in plays]:
        assert code == 0, output
    after = programs(cluster)
    assert all(after[node][0] != before[node][0] for node in cluster.nodes)
    code, output = only_nginx(cluster, **another_build('TWICE'))
    assert code == 0 and len(re.findall('changed=0', output)) == 2, output


# --- without a network ---

def cut_off(cluster, playbook, *arguments):
    """Run a playbook on a controller that has no network at all; containers are reached through the engine's socket."""
    done = subprocess.run(['unshare', '--net', *cluster.command(playbook, *arguments)], cwd=ROOT, env=cluster.environment,
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can cut the network off')
def test_without_a_network_the_folder_of_sources_is_enough(cluster, before, tmp_path):
    change = {**another_build('CUT_OFF'), 'source_build_sources': str(tmp_path / 'sources'), 'nginx_source_urls': ['http://127.0.0.1:1/x.tar.gz']}
    code, output = cut_off(cluster, 'molecule/builds/nginx_only.yml', *variables(**change))
    failed_cleanly(cluster, before, code, output, f"nginx-{MADE['nginx_version']}.tar.gz is not in {tmp_path}/sources")

    # collected elsewhere, from an address that serves it
    cache = pathlib.Path.home() / '.cache/vipkit/sources'
    urls = {f'{name}_source_urls': [(cache / f"{name}-{MADE[f'{name}_version']}.tar.gz").as_uri()] for name in ('nginx', 'keepalived')}
    code, output = cluster.play('playbooks/sources.yml', *variables(**{**change, **urls}))
    assert code == 0, output
    assert sorted(path.name for path in (tmp_path / 'sources').iterdir()) == [
        f"{name}-{MADE[f'{name}_version']}.tar.gz" for name in ('keepalived', 'nginx')]

    code, output = cut_off(cluster, 'molecule/builds/nginx_only.yml', *variables(**change))
    assert code == 0, output
    assert programs(cluster)['node128'][0] != before['node128'][0]


# --- the last one, since what comes after it has to be installed again ---

def test_build_tools_can_be_removed_again(cluster, before):
    code, output = cluster.play('site.yml', *variables(source_build_remove_build_packages=True))
    assert code == 0, output
    for host in cluster.nodes.values():
        for name in ('gcc', 'make', 'patch'):
            assert host.run(f'command -v {name}').rc != 0, name
        for path in (NGINX, KEEPALIVED):
            assert 'not found' not in host.check_output(f'ldd {path}')
    assert programs(cluster) == before
