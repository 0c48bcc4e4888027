# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the fixes in roles/keepalived/files/fixes mend: each bug is shown in keepalived 2.0.7, and that it is gone with the fixes.

The nodes are those of test_silenced_instances.py. tools/keepalived-builds makes both binaries; that it builds the fixed one without
-fcommon is the test of the fix shared_definition.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import render
from test_keywords import FOUND
from test_silenced_instances import (  # pylint: disable=unused-import
    CHECK_INTERVAL, LIMIT, MASTER_DOWN, ONE, READY, TWO, ip, nodes, plan_of, seconds_until, seconds_until_held, started,
)

VERSION = '2.0.7'
PATCHES = Path(__file__).parents[2] / 'roles/keepalived/files/fixes' / VERSION
TESTED_BY_ITS_BUILD = 'shared_definition'

KILLED = 2                       # seconds from SIGTERM to SIGKILL
AT_ONCE = 2                      # seconds, for a busy machine
TERMINATING = 'exited with permanent error CONFIG. Terminating'


@pytest.fixture(params=[VERSION, f'{VERSION}-fixed'], ids=['without', 'with'])
def build(request):
    """The name of a build, without and with the fixes."""
    if request.param not in FOUND:
        pytest.skip(f'there is no keepalived {request.param}: tools/keepalived-builds makes it where the source of {VERSION} can be had')
    return request.param


@pytest.fixture
def fixed(build):
    """Whether the bug is to be gone."""
    return build != VERSION


def instance(number, **keywords):
    """An instance, with an address of its own."""
    own = {'name': f'i{number}', 'interface': 'eth0', 'virtual_router_id': number, 'virtual_ipaddress': [f'192.0.2.{number}/24']}
    return {**own, **keywords}


def start(node, build, **conf):
    """Run a build with a configuration."""
    node.start(build, {'hosts': {node.name: {'conf': conf}}})


def put(node, name, text, mode=0o755):
    """Give a node a file, at once."""
    new = node.folder / f'{name}.new'
    new.write_text(text)
    new.chmod(mode)
    new.rename(node.folder / name)


def shown(what, seconds, most):
    """Say how long something took, for pytest -rP, and pass it on."""
    print(what, f'not within {most:.1f} s' if seconds is None else f'after {seconds:.2f} s')
    return seconds


def main_process(node):
    """The parent of the keepalived processes: the first one of its process namespace."""
    return int(Path(f'/proc/{node.process.pid}/task/{node.process.pid}/children').read_text().split()[0])


def seconds_until_ended(node, most):
    """How long keepalived still runs."""
    return shown('keepalived ends', seconds_until(lambda: node.process.poll() is not None, most), most)


def check_only(node, build, text, *options, mode=0o644):
    """What a keepalived that does not stay says to a configuration, and what it returns."""
    put(node, 'keepalived.conf', text, mode)
    done = subprocess.run(['ip', 'netns', 'exec', node.namespace, FOUND[build], *options, '-f', node.folder / 'keepalived.conf'],
                          capture_output=True, text=True, start_new_session=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_fix_has_a_test():
    fixes = {patch.stem for patch in PATCHES.glob('*.patch')}
    tested = {name for name in fixes if any(known.startswith(f'test_{name}_') for known in globals())}
    assert fixes - tested == {TESTED_BY_ITS_BUILD}


# --- silenced_instances ---

def test_silenced_instances_a_backup_takes_over(build, fixed, nodes):
    a, b = started(nodes, build, plan_of(VERSION), check_of_b=False)
    a.kill()
    taken = seconds_until_held(b, [TWO], LIMIT if fixed else 3 * MASTER_DOWN)
    assert (taken is not None) == fixed
    assert not b.holds(ONE), 'its check fails'


def test_silenced_instances_a_master_is_heard(build, fixed, nodes):
    a, b = started(nodes, build, plan_of(VERSION), check_of_b=True)
    a.check(passes=False)
    assert seconds_until_held(b, [ONE], CHECK_INTERVAL + LIMIT) is not None, 'its check passes'
    most = 3 * MASTER_DOWN if fixed else LIMIT
    taken = shown('b is master of two', seconds_until(lambda: '(two) Entering MASTER STATE' in b.log, most), most)
    assert (taken is None) == fixed
    assert a.holds(TWO)


def test_silenced_instances_a_slow_check_holds_up_no_other_instance(build, fixed, nodes):
    node = nodes[0]
    put(node, 'slow', '#!/bin/sh\nexec sleep 100\n')
    begin = time.monotonic()
    start(node, build, vrrp_script=[{'name': 'slow', 'interval': 100}],
          vrrp_instance=[instance(101, track_script=['slow']), instance(102)])
    taken = seconds_until_held(node, [TWO], READY if fixed else 3 * MASTER_DOWN)
    assert (taken is not None) == fixed
    assert not fixed or time.monotonic() - begin > 3, 'it has not waited for another master'


# --- hung_scripts ---

@pytest.mark.parametrize('ignores', ['ignores SIGTERM', 'obeys'])
def test_hung_scripts_are_found(build, fixed, nodes, ignores):
    a, b = started(nodes, build, plan_of(VERSION, trackers_of_two=['web']), check_of_b=True)
    trap = "trap '' TERM\n" if ignores == 'ignores SIGTERM' else ''
    put(a, 'web', f'#!/bin/sh\n{trap}sleep 1000\n')
    stubborn = bool(trap) and not fixed
    taken = seconds_until_held(b, [ONE, TWO], 2 * CHECK_INTERVAL + KILLED + LIMIT)
    assert (taken is None) == stubborn
    assert ('VRRP_Script(web) timed_out' in a.log) == (not stubborn)
    assert ('failed with errno 0' in a.log) == (not fixed)


# --- parent_without_child ---

GOOD = {'vrrp_instance': [instance(101, priority=255)]}
BAD = {'vrrp_instance': [instance(101, interface='eth9')]}


def is_left_alone(node, fixed):
    """Whether the parent lives on without its VRRP process, or ends with the code of that."""
    assert seconds_until(lambda: TERMINATING in node.log, READY) is not None, node.log
    assert (seconds_until_ended(node, AT_ONCE + LIMIT * (not fixed)) is not None) == fixed
    assert node.process.poll() == (3 if fixed else None)


def test_parent_without_child_at_the_start(build, fixed, nodes):
    node = nodes[0]
    start(node, build, **BAD)
    is_left_alone(node, fixed)


def test_parent_without_child_at_a_reload(build, fixed, nodes):
    node = nodes[0]
    start(node, build, **GOOD)
    assert seconds_until(lambda: node.holds(ONE), READY) is not None
    put(node, 'keepalived.conf', render(BAD, VERSION), 0o644)
    os.kill(main_process(node), signal.SIGHUP)
    is_left_alone(node, fixed)
    assert node.holds(ONE), 'the header of the fix says that it is left there'


def test_parent_without_child_stopped_by_hand_it_still_returns_0(build, nodes):
    node = nodes[0]
    start(node, build, **GOOD)
    assert seconds_until(lambda: node.holds(ONE), READY) is not None
    os.kill(main_process(node), signal.SIGTERM)
    assert seconds_until_ended(node, AT_ONCE + LIMIT) is not None
    assert node.process.poll() == 0
    assert not node.holds(ONE)


def test_parent_without_child_a_killed_child_is_started_again(build, nodes):
    node = nodes[0]
    start(node, build, **GOOD)
    assert seconds_until(lambda: node.holds(ONE), READY) is not None
    parent = main_process(node)
    os.kill(int(Path(f'/proc/{parent}/task/{parent}/children').read_text().split()[0]), signal.SIGKILL)
    assert seconds_until(lambda: node.log.count('(i101) Entering MASTER STATE') == 2, READY) is not None, node.log
    assert node.process.poll() is None


# --- failed_exec_is_success ---

def lose_x(script):
    script.chmod(0o644)


def lose_interpreter(script):
    script.write_text('#!/nowhere/sh\n')


SHELL = '#!/bin/sh\n'
WAYS = {'deleted': (SHELL, Path.unlink), 'no x bit': (SHELL, lose_x), 'no interpreter': (SHELL, lose_interpreter),
        'deleted, without #! as it is run by a shell': ('', Path.unlink)}


@pytest.mark.parametrize('way', WAYS)
def test_failed_exec_is_success_no_more(build, fixed, nodes, way):
    node, (first_line, breaks) = nodes[0], WAYS[way]
    put(node, 'web', f'{first_line}exit 0\n')
    start(node, build, vrrp_script=[{'name': 'web', 'interval': CHECK_INTERVAL}], vrrp_instance=[instance(101, track_script=['web'])])
    assert seconds_until(lambda: node.holds(ONE), READY) is not None, node.log
    breaks(node.folder / 'web')
    most = 3 * CHECK_INTERVAL + AT_ONCE
    gone = shown('the address is gone', seconds_until(lambda: not node.holds(ONE), most), most)
    assert (gone is not None) == fixed


# --- executable_config ---

TEST, IN_FRONT, BEHIND = ('-t',), ('--dont-fork', '--log-console', '--no-syslog'), ('--no-syslog',)


@pytest.mark.parametrize('options', [TEST, IN_FRONT, BEHIND], ids=['-t', 'in front', 'behind'])
@pytest.mark.parametrize('mode', [0o744, 0o654, 0o645], ids=oct)
def test_executable_config_is_a_failure(build, fixed, nodes, options, mode):
    code, said = check_only(nodes[0], build, render(GOOD, VERSION), *options, mode=mode)
    assert code == (3 if fixed else 0)
    assert ('is not a regular non-executable file' in said) == (options == IN_FRONT or options == TEST and fixed)
    assert ip('netns', 'pids', nodes[0].namespace) == ''


def test_executable_config_a_plain_one_is_none(build, nodes):
    assert check_only(nodes[0], build, render(GOOD, VERSION), '-t') == (0, '')


# --- missing_brace ---

@pytest.mark.parametrize('conf', [
    {'vrrp_instance': [instance(101)]},
    {'vrrp_instance': [instance(101), instance(102)], 'vrrp_sync_group': [{'name': 'both', 'group': ['i101', 'i102']}]},
    {'virtual_server': [{'name': '203.0.113.1 80', 'lb_kind': 'NAT', 'real_server': [{'name': '192.0.2.9 80', 'TCP_CHECK': {}}]}]},
], ids=['instance', 'group', 'virtual_server'])
def test_missing_brace_is_an_error(build, fixed, nodes, conf):
    whole = render(conf, VERSION).rstrip()
    torn = whole.removesuffix('}')
    assert torn != whole
    code, said = check_only(nodes[0], build, torn, '-t')
    assert code == (4 if fixed else 0)
    assert ("missing '}'" in said) == fixed


QUOTED = 'vrrp_script s {\n  script "/bin/echo {"\n}'


@pytest.mark.parametrize('last', ['', 'include nothing.conf', 'linkbeat_use_polling', '! }', '# {', QUOTED])
def test_missing_brace_is_not_where_none_is_missing(build, nodes, last):
    said = check_only(nodes[0], build, render(GOOD, VERSION) + f'{last}\n', '-t')[1]
    assert "missing '}'" not in said


# --- duplicate_vrid ---

V6 = {'virtual_ipaddress': ['fe80::101/64']}
DUPLICATES = {
    'plain': ({}, {}),
    'both with use_vmac': ({'use_vmac': True}, {'use_vmac': 'v2'}),
    'one with use_vmac': ({}, {'use_vmac': True}),
}
NO_DUPLICATES = {
    'other interface': ({}, {'interface': 'eth1'}),
    'other interface with use_vmac': ({'use_vmac': 'v1'}, {'interface': 'eth1', 'use_vmac': 'v2'}),
    'IPv6': ({}, V6),
    'IPv6 with use_vmac': ({'use_vmac': True}, {**V6, 'use_vmac': True}),
    'other number': ({}, {'virtual_router_id': 102}),
}


def said_to_two(node, build, one, other):
    """What -t says to two instances of the same virtual_router_id that differ in these keywords."""
    ip('-n', node.namespace, 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth1-peer')
    ip('-n', node.namespace, 'address', 'add', '198.51.100.1/24', 'dev', 'eth1')
    ip('-n', node.namespace, 'link', 'set', 'eth1', 'up')
    two = [{**instance(101), **one}, {**instance(101), 'name': 'again', 'virtual_ipaddress': ['192.0.2.102/24'], **other}]
    return check_only(node, build, render({'vrrp_instance': two}, VERSION), '-t')


@pytest.mark.parametrize('pair', DUPLICATES)
def test_duplicate_vrid_is_an_error(build, fixed, nodes, pair):
    expected = (4, '(again) VRID 101 is duplicated on interface eth0 by i101\n') if fixed else (0, '')
    assert said_to_two(nodes[0], build, *DUPLICATES[pair]) == expected


@pytest.mark.parametrize('pair', NO_DUPLICATES)
def test_duplicate_vrid_is_not_seen_where_there_is_none(build, nodes, pair):
    code, said = said_to_two(nodes[0], build, *NO_DUPLICATES[pair])
    assert 'duplicated' not in said
    assert code == 0, said


def test_duplicate_vrid_still_runs_and_the_second_one_hears_nobody(build, nodes):
    for node in nodes:
        start(node, build, vrrp_instance=[instance(101), {**instance(101), 'name': 'again', 'virtual_ipaddress': [f'{TWO}/24']}])
    for node in nodes:
        assert seconds_until_held(node, [TWO], READY) is not None, node.log


# --- reload_of_groups ---

@contextlib.contextmanager
def addresses_watched(node):
    """A function that tells which of its addresses a node has lost so far."""
    with (node.folder / 'watched').open('w+') as out, \
            subprocess.Popen(['ip', '-n', node.namespace, '-o', 'monitor', 'address'], stdout=out, stdin=subprocess.DEVNULL) as monitor:
        try:
            probe = '192.0.2.250/32'
            ip('-n', node.namespace, 'address', 'add', probe, 'dev', 'eth0')

            def told():
                return (node.folder / 'watched').read_text()
            if seconds_until(lambda: probe in told(), 1) is None:  # it did not listen yet
                ip('-n', node.namespace, 'address', 'del', probe, 'dev', 'eth0')
            yield lambda: sorted(set(re.findall(r'^Deleted .* inet (192\.0\.2\.10\d)/', told(), re.M)))
        finally:
            monitor.kill()


def grouped_conf(priority, numbers):
    """Instances of one sync group. The first one tracks a check."""
    instances = [instance(number, priority=priority) for number in numbers]
    instances[0]['track_script'] = ['web']
    return {'vrrp_script': [{'name': 'web', 'interval': CHECK_INTERVAL}], 'vrrp_instance': instances,
            'vrrp_sync_group': [{'name': 'all', 'group': [one['name'] for one in instances]}]}


def reloaded(node):
    """Reload, and wait until the VRRP process does it."""
    times = node.log.count('Reloading')
    os.kill(main_process(node), signal.SIGHUP)
    assert seconds_until(lambda: node.log.count('Reloading') > times, READY) is not None


def grouped(nodes, build):
    """Run two instances of one group on both nodes, until the first node is master."""
    for node, priority in zip(nodes, (150, 100)):
        node.check(passes=True)
        start(node, build, **grouped_conf(priority, (101, 102)))
    a, b = nodes
    assert seconds_until(lambda: a.holds(ONE, TWO) and 'VRRP_Group(all) Syncing instances to MASTER' in a.log, READY) is not None, a.log
    assert seconds_until(lambda: b.log.count('Entering BACKUP STATE') == 2, READY) is not None, b.log
    return a, b


def test_reload_of_groups_keeps_the_addresses(build, fixed, nodes):
    a, b = grouped(nodes, build)
    with addresses_watched(a) as lost:
        for dummy in range(2):                                     # what a reload leaves behind is what the next one begins with
            reloaded(a)
            gone = shown('addresses are lost', seconds_until(lambda: lost() == [ONE, TWO], AT_ONCE), AT_ONCE)
            assert (gone is not None) == (not fixed)
            if not fixed:
                back = shown('and are there again', seconds_until(lambda: a.holds(ONE, TWO), READY), READY)
                assert back > 0.5
                break
        else:
            assert lost() == []
    assert 'Entering MASTER STATE' not in b.log
    a.kill()
    assert seconds_until_held(b, [ONE, TWO], LIMIT) is not None, 'nobody has taken over'


def test_reload_of_groups_they_still_fail_and_come_back_together(build, nodes):
    a, b = grouped(nodes, build)
    reloaded(a)
    a.check(passes=False)
    assert seconds_until_held(b, [ONE, TWO], CHECK_INTERVAL + LIMIT) is not None, 'nobody has taken over'
    assert not a.holds(ONE) and not a.holds(TWO)
    a.check(passes=True)
    assert seconds_until_held(a, [ONE, TWO], CHECK_INTERVAL + LIMIT) is not None, a.log
    assert seconds_until(lambda: not b.holds(ONE) and not b.holds(TWO), AT_ONCE) is not None, b.log


def test_reload_of_groups_a_new_member_is_no_master_at_once(build, nodes):
    a, b = grouped(nodes, build)
    put(a, 'keepalived.conf', render(grouped_conf(150, (101, 102, 103)), VERSION, scripts_dir=str(a.folder)), 0o644)
    begin = len(a.log)
    reloaded(a)
    assert seconds_until(lambda: '(i103) Entering BACKUP STATE' in a.log[begin:], AT_ONCE) is not None, a.log
    assert seconds_until_held(a, [ONE, TWO, '192.0.2.103'], READY) is not None, a.log
    assert 'Entering MASTER STATE' not in b.log


# --- open_dump_files ---

DUMPS = {'data': (signal.SIGUSR1, 'Effective priority'), 'stats': (signal.SIGUSR2, 'Priority Zero')}


@pytest.fixture
def tmp(build, nodes):
    """A node with keepalived, and the /tmp that its processes see."""
    node = nodes[0]
    start(node, build, vrrp_instance=[instance(101)])
    assert seconds_until(lambda: '(i101) Entering BACKUP STATE' in node.log, READY) is not None, node.log
    # not sticky, so that the kernel's own protection of files in such a directory does not hide the bug
    subprocess.run(['nsenter', '-m', '-t', str(main_process(node)), 'mount', '-t', 'tmpfs', '-o', 'mode=0777', 'tmpfs', '/tmp'], check=True)
    return node, Path(f'/proc/{main_process(node)}/root/tmp')


def dumped(node, kind, path):
    """Have a dump made where none is yet, and wait for it."""
    which, words = DUMPS[kind]
    os.kill(main_process(node), which)

    def written():
        try:
            return words in path.read_text(errors='replace')
        except FileNotFoundError:
            return False
    assert seconds_until(written, READY) is not None, node.log


def mode_of(path):
    return stat.S_IMODE(path.lstat().st_mode)


needs_nsenter = pytest.mark.skipif(not shutil.which('nsenter'), reason='nsenter is not found')


@needs_nsenter
@pytest.mark.parametrize('kind', DUMPS)
def test_open_dump_files_are_for_root_alone(fixed, tmp, kind):
    node, folder = tmp
    dumped(node, kind, folder / f'keepalived.{kind}')
    assert mode_of(folder / f'keepalived.{kind}') == (0o600 if fixed else 0o666)


@needs_nsenter
@pytest.mark.parametrize('kind', DUMPS)
def test_open_dump_files_do_not_follow_a_link(fixed, tmp, kind):
    node, folder = tmp
    (folder / 'victim').write_text('mine')
    (folder / f'keepalived.{kind}').symlink_to('victim')
    dumped(node, kind, folder / f'keepalived.{kind}')
    assert ((folder / 'victim').read_text() == 'mine') == fixed
    assert (folder / f'keepalived.{kind}').is_symlink() == (not fixed)


@needs_nsenter
@pytest.mark.parametrize('kind', DUMPS)
def test_open_dump_files_do_not_use_the_file_of_another(fixed, tmp, kind):
    node, folder = tmp
    path = folder / f'keepalived.{kind}'
    path.touch()
    path.chmod(0o644)
    os.chown(path, 65534, 65534)
    with path.open() as held:                            # by the one who has put it there
        dumped(node, kind, path)
        assert (held.read() == '') == fixed
    assert (path.stat().st_uid == 0) == fixed
    assert (mode_of(path) == 0o600) == fixed
