# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every keepalived that can be built here tells the program of the role keepalived what it does, with real processes.

The nodes are those of test_silenced_instances.py. systemd, and the /tmp that it gives to service and program, has its test in molecule.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_fixes import main_process
from test_silenced_instances import ONE, READY, TWO, ip, nodes, plan_of, seconds_until, started, version  # pylint: disable=unused-import

sys.path.insert(0, str(Path(__file__).parents[2] / 'roles/keepalived/files'))

import keepalived_dump  # noqa: E402
import keepalived_metrics as own  # noqa: E402

NUMBERS = {'one': '101', 'two': '102'}


def vrrp_process(node):
    """The process that its pid file means, which has another number out here."""
    inside = (node.folder / 'vrrp_pid').read_text().strip()
    for pid in keepalived_dump.children(main_process(node)):
        if keepalived_dump.text_of('/proc', pid, 'status').partition('NSpid:')[2].split('\n')[0].split()[-1] == inside:
            return int(pid)
    raise AssertionError(f'no process {inside} of {node.name}\n{node.log}')


@pytest.fixture(name='look')
def program(monkeypatch):
    """What the program makes of a node."""
    def look(node):
        monkeypatch.setattr(own, 'FOLDER', f'/proc/{main_process(node)}/root/tmp')
        monkeypatch.setattr(own, 'vrrp_process', lambda main: vrrp_process(node))
        monkeypatch.setattr(own, 'output', lambda *command: ip('-n', node.namespace, '-o', 'address', 'show'))
        return {(name, labels.get('vrrp_instance') or labels.get('vrrp_script')): (value, labels.get('virtual_router_id'))
                for name, labels, value in own.collect('keepalived.service')}
    return look


@pytest.mark.skipif(not shutil.which('nsenter'), reason='nsenter is not found')
def test_each_version_tells_what_it_does(version, nodes, look):
    a, b = started(nodes, version, plan_of(version, weight=-60), check_of_b=False)
    for node in (a, b):
        subprocess.run(['nsenter', '-m', '-t', str(main_process(node)), 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'], check=True)
    for node, state, good, held in ((a, 2, True, True), (b, 1, False, False)):
        told = look(node)
        assert told['keepalived_up', None] == (1, None), node.log
        assert {name: told['keepalived_vrrp_state', name] for name in NUMBERS} == {name: (state, number) for name, number in NUMBERS.items()}
        assert told['keepalived_vrrp_script_success', 'web'] == (good, None)
        assert {told['keepalived_virtual_ipaddress_held', name][0] for name in NUMBERS} == {held}
        assert {told['keepalived_become_master_total', name][0] for name in NUMBERS} == {int(held)}
        assert (told['keepalived_advertisements_sent_total', 'one'][0] > 0) is held
    a.kill()
    assert seconds_until(lambda: b.holds(ONE, TWO), READY) is not None
    assert seconds_until(lambda: look(b)['keepalived_become_master_total', 'two'] == (1, '102'), READY) is not None
