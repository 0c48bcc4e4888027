# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What keepalived tells of itself, from the dumps of real daemons (tests/unit/roles/keepalived)."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import io
import os

import pytest

from ansible_collections.vipkit.ha.plugins.modules import keepalived_status as own

DUMPS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'roles', 'keepalived', 'dumps')


SILENT = {'answers': False, 'instances': []}
INIT, FAULT, BACKUP, MASTER = [{'answers': True, 'instances': [{'state': state}]} for state in ('INIT', 'FAULT', 'BACKUP', 'MASTER')]


def dumps(version):
    found = []
    for kind in ('data', 'stats'):
        with io.open(os.path.join(DUMPS, '{0}.{1}'.format(version, kind)), encoding='utf-8') as handle:
            found.append(handle.read())
    return found


@pytest.mark.parametrize('version', ['2.0.7', '2.0.20', '2.2.7', '2.3.4'])
def test_each_version_tells_the_same_and_never_the_password(version):
    told = own.status_of(*dumps(version))
    assert told['answers'] is True
    assert [(one['name'], one['virtual_router_id'], one['state'], one['priority'], one['effective_priority'], one['became_master'],
             one['released_master']) for one in told['instances']] == [
        ('vrrp_instance_1', 100, 'MASTER', 254, 244, 1, 0), ('vrrp_instance_2', 101, 'BACKUP', 50, 50, 0, 0), ('broken', 102, 'FAULT', 50, 50, 0, 0)]
    assert told['scripts'] == [{'name': 'check_nginx', 'success': True}, {'name': 'check_upstreams', 'success': False},
                               {'name': 'check_dead', 'success': False}]
    assert 'Password = nanfei' in dumps(version)[0] and 'nanfei' not in repr(told)


@pytest.mark.parametrize('text, drained', [('253\n', True), ('-1', True), ('253 # maintenance\n', True), ('0\n', False), ('', False), ('yes', False),
                                           (None, False)])
def test_a_host_is_drained_by_a_number_in_the_file(tmpdir, monkeypatch, text, drained):
    if text is not None:
        tmpdir.join('drain').write(text)
    assert ran(monkeypatch, [BACKUP], drain_file=str(tmpdir.join('drain')))['drained'] is drained


def ran(monkeypatch, told, **options):
    """What the module returns; told: what keepalived says, one after the other."""
    said, results = list(told), []

    class Module(object):
        params = dict(dict(unit='keepalived.service', drain_file=None, timeout=0), **options)

        def __init__(self, **dummy):
            pass

        def get_bin_path(self, name, required):
            return 'true'

        def exit_json(self, **result):
            results.append(result)

    monkeypatch.setattr(own, 'AnsibleModule', Module)
    monkeypatch.setattr(own, 'look', lambda unit, shown: said.pop(0) if len(said) > 1 else said[0])
    monkeypatch.setattr(own.signal, 'signal', lambda *dummy: None)
    monkeypatch.setattr(own, 'PAUSE', 0.01)
    own.main()
    return results[0]


@pytest.mark.parametrize('told, timeout, state', [
    ([FAULT, BACKUP], 0, 'FAULT'), ([SILENT, FAULT, INIT, BACKUP, MASTER], 10, 'BACKUP'), ([FAULT], 0.05, 'FAULT')])
def test_it_waits_until_all_is_whole(monkeypatch, told, timeout, state):
    assert [one['state'] for one in ran(monkeypatch, told, timeout=timeout)['instances']] == [state]


def test_one_that_does_not_run_is_no_failure():
    told = own.look('keepalived.service', 'MainPID=0\n')
    assert (told['answers'], told['instances'], told['scripts']) == (False, [], [])
    assert told['msg'] == 'keepalived has no process that does VRRP; look at `systemctl status keepalived.service` and at the keepalived log'
