# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real files with real checksums; scripts stand in for systemctl and journalctl.

No systemd can be had in a unit test. The scripts answer with what systemd 252 was seen to say; the molecule scenario has the real one.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import os
import subprocess
import sys

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError
from ansible_collections.vipkit.ha.plugins.modules import unit_in_force

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# A systemd whose state is files: what it knows of the unit, and what it was told. It writes the checksums when it starts the unit.
SYSTEMCTL = r"""#!/bin/sh
cd {state} || exit 9
echo "$*" >>calls
for unit; do :; done
[ -d "$unit" ] && cd "$unit"  # another one than that of which all else is about
[ -e fails-$1 ] && {{ echo "Job for $2 failed."; echo "See the journal." >&2; exit 1; }}
case $1 in
  show) printf 'LoadState=%s\nActiveState=%s\nUnitFileState=%s\nNeedDaemonReload=%s\n' \
          "$(cat load)" "$(cat active)" "$(cat file)" "$(cat outdated)" ;;
  daemon-reload) echo no >outdated; [ -e unit ] && echo loaded >load ;;
  enable) echo enabled >file ;;
  disable) echo disabled >file ;;
  start) echo active >active; sha256sum {state}/program >started; sha256sum {state}/conf >loaded ;;
  *) exit 8 ;;
esac
exit 0
"""
JOURNALCTL = r"""#!/bin/sh
echo "$*" >>{state}/journal-calls
echo 'nginx[1]: bind() failed'
echo 'systemd[1]: Failed to start nginx.'
"""


class Host(object):
    """A unit as systemd sees it, with a program, a configuration, and the checksums of both."""

    def __init__(self, tmpdir):
        self.state = tmpdir
        self.sums = (str(tmpdir.join('started')), str(tmpdir.join('loaded')))
        self.bin = tmpdir.mkdir('bin')
        for name, text in (('systemctl', SYSTEMCTL), ('journalctl', JOURNALCTL)):
            self.bin.join(name).write(text.format(state=tmpdir))
            self.bin.join(name).chmod(0o755)
        tmpdir.join('program').write('program')
        tmpdir.join('conf').write('conf')
        self.is_now()

    def is_now(self, load='loaded', active='active', file='enabled', outdated='no'):
        for name, value in (('load', load), ('active', active), ('file', file), ('outdated', outdated)):
            self.state.join(name).write(value + '\n')
        if load == 'loaded':
            self.state.join('unit').write('')
        for path, name in zip(self.sums, ('program', 'conf')):
            with open(path, 'w') as handle:
                handle.write('{0}  {1}\n'.format(hashlib.sha256(self.state.join(name).read_binary()).hexdigest(), self.state.join(name)))

    def has_companion(self, name, load='loaded', active='active', file='enabled', outdated='no'):
        own = self.state.join(name).ensure(dir=True)
        for key, value in (('load', load), ('active', active), ('file', file), ('outdated', outdated)):
            own.join(key).write(value + '\n')
        return own

    def run(self, enabled=None, started=True, sums=True, missing_ok=False, check_mode=False, journal=True, companions=()):
        systemd = unit_in_force.Systemd('nginx.service', lambda command: _keepalived.run(command, 10), str(self.bin.join('systemctl')),
                                        str(self.bin.join('journalctl')) if journal else None)
        return unit_in_force.have(systemd, enabled, started, self.sums if sums else None, missing_ok, check_mode, companions)

    def failure(self, **more):
        with pytest.raises(ArtifactError) as caught:
            self.run(**more)
        return caught.value

    def calls(self):
        """Return what systemctl was called for, in order."""
        return [line.split()[0] for line in self.state.join('calls').readlines()]

    def has(self, **expected):
        for name, value in expected.items():
            assert self.state.join(name).read().strip() == value


@pytest.fixture
def host(tmpdir):
    return Host(tmpdir)


def same(result, **expected):
    assert dict((name, result[name]) for name in expected) == expected


# --- having it run ---

def test_what_is_as_it_should_be_takes_one_call(host):
    assert host.run(enabled=True) == {'changed': False, 'exists': True, 'active': 'active', 'started': False, 'enabled_now': False,
                                      'companions_changed': [], 'in_force': 'yes', 'stale': []}
    assert host.state.join('calls').read() == 'show -p LoadState -p ActiveState -p UnitFileState -p NeedDaemonReload nginx.service\n'


@pytest.mark.parametrize('active', ['inactive', 'failed', 'activating', 'deactivating'])
def test_it_is_started_and_enabled(host, active):
    host.is_now(active=active, file='disabled')
    for path in host.sums:
        os.unlink(path)
    same(host.run(enabled=True), changed=True, active=active, started=True, enabled_now=True, in_force='yes', stale=[])
    assert host.calls() == ['show', 'enable', 'start']
    host.has(active='active', file='enabled')
    same(host.run(enabled=True), changed=False, active='active', started=False, enabled_now=False)


def test_it_is_left_as_it_is(host):
    host.is_now(active='inactive', file='disabled')
    same(host.run(started=False), changed=False, started=False, enabled_now=False, in_force='restart', stale=[])
    same(host.run(started=False, sums=False), changed=False, in_force='yes')
    host.has(active='inactive', file='disabled')


@pytest.mark.parametrize('file, enabled, verbs', [
    ('enabled', True, []), ('alias', True, []), ('static', True, []), ('generated', True, []), ('indirect', True, []),
    ('enabled-runtime', True, ['enable']), ('disabled', True, ['enable']), ('masked', True, ['enable']), ('', True, ['enable']),
    ('enabled', False, ['disable']), ('enabled-runtime', False, ['disable']), ('disabled', False, []), ('static', False, []),
    ('enabled', None, []), ('disabled', None, []),
])
def test_at_boot(file, enabled, verbs):
    assert unit_in_force.steps(unit_in_force.Unit(True, 'active', file, False), enabled, True) == verbs


def test_disabling_is_a_change(host):
    same(host.run(enabled=False), changed=True, enabled_now=True, started=False, in_force='yes')
    host.has(file='disabled', active='active')


def test_a_changed_unit_is_read_anew_which_is_no_change(host):
    host.is_now(outdated='yes')
    same(host.run(), changed=False, in_force='yes')
    assert host.calls() == ['show', 'daemon-reload', 'show']
    host.has(outdated='no')


def test_a_systemd_that_remembers_that_there_was_no_unit(host):
    host.is_now(load='not-found', active='inactive', file='')
    host.state.join('unit').write('')
    same(host.run(enabled=True), exists=True, started=True, enabled_now=True)
    assert host.calls() == ['show', 'daemon-reload', 'show', 'enable', 'start']


# --- companions ---

TIMER = 'nginx-metrics.timer'


@pytest.fixture
def metrics(host):
    host.has_companion('nginx-metrics.service', active='inactive', file='static')
    return host.has_companion(TIMER)


def test_companions_that_run_are_no_change(host, metrics):
    same(host.run(enabled=True, companions=[TIMER]), changed=False, companions_changed=[], in_force='yes')
    assert host.calls() == ['show'] * 3


def test_companions_are_enabled_and_started(host, metrics):
    host.has_companion(TIMER, active='inactive', file='disabled')
    same(host.run(enabled=True, companions=[TIMER], check_mode=True), changed=True, companions_changed=[TIMER], started=False)
    assert metrics.join('active').read() == 'inactive\n'
    same(host.run(enabled=True, companions=[TIMER]), changed=True, companions_changed=[TIMER], started=False, enabled_now=False, in_force='yes')
    assert (metrics.join('active').read(), metrics.join('file').read()) == ('active\n', 'enabled\n')
    same(host.run(enabled=True, companions=[TIMER]), changed=False, companions_changed=[])


def test_a_companion_that_there_is_not_is_left_out(host):
    host.has_companion(TIMER, load='not-found', active='inactive', file='')
    same(host.run(enabled=True, companions=[TIMER]), changed=False, companions_changed=[], in_force='yes')
    assert 'start' not in host.calls()
    same(host.run(enabled=True, companions=[TIMER], check_mode=True), changed=True, companions_changed=[TIMER], in_force='yes')


@pytest.mark.parametrize('active, started', [('active', False), ('inactive', True)])
def test_a_companion_that_does_not_start_says_nothing_of_the_unit(host, metrics, active, started):
    host.is_now(active=active)
    metrics.join('active').write('inactive')
    metrics.join('fails-start').write('')
    error = host.failure(enabled=True, companions=[TIMER])
    assert str(error).startswith('cannot start ' + TIMER)
    same(error.details['known'], started=started, in_force='yes', stale=[])


@pytest.mark.parametrize('outdated', [TIMER, 'nginx-metrics.service'])
def test_a_timer_is_read_anew_with_its_service(host, metrics, outdated):
    host.state.join(outdated, 'outdated').write('yes\n')
    same(host.run(enabled=True, companions=[TIMER]), changed=False)
    assert host.calls().count('daemon-reload') == 1


# --- what is in force ---

@pytest.mark.parametrize('changed, in_force', [
    ((), 'yes'), (('conf',), 'reload'), (('program',), 'restart'), (('program', 'conf'), 'restart'),
])
@pytest.mark.parametrize('gone', [False, True])
def test_what_differs_is_told(host, changed, in_force, gone):
    for name in changed:
        if gone:
            host.state.join(name).remove()
        else:
            host.state.join(name).write('another')
    same(host.run(), changed=False, in_force=in_force, stale=[str(host.state.join(name)) for name in changed])
    same(host.run(sums=False), in_force='yes', stale=[])


@pytest.mark.parametrize('which', [0, 1])
@pytest.mark.parametrize('text', [None, '', '\n', 'sha256sum: no such file\n', 'abc  /bin/sh\n', '\xff', 'a' * 64 + '  relative\n'])
def test_checksums_that_cannot_be_used_mean_a_restart(host, which, text):
    if text is None:
        os.unlink(host.sums[which])
    else:
        with open(host.sums[which], 'wb') as handle:
            handle.write(text.encode('latin-1') if str is not bytes else text)
    same(host.run(), in_force='restart', stale=[host.sums[which]])


def test_one_line_that_is_none_spoils_the_rest(host):
    with open(host.sums[0], 'a') as handle:
        handle.write('and more\n')
    same(host.run(), in_force='restart', stale=[host.sums[0]])


def test_what_sha256sum_writes_is_read(host):
    paths = [str(host.state.join(name)) for name in ('a file', 'b')]
    for path in paths:
        with open(path, 'w') as handle:
            handle.write(path)
    for arguments in ([], ['--binary']):
        output = subprocess.Popen(['sha256sum'] + arguments + paths, stdout=subprocess.PIPE).communicate()[0].decode('utf-8')
        assert [path for path, dummy in unit_in_force.sums_in(output)] == paths
        assert not any(unit_in_force.differs(path, expected) for path, expected in unit_in_force.sums_in(output))


# --- no such unit ---

def test_a_unit_that_does_not_exist(host):
    host.is_now(load='not-found', active='inactive', file='')
    host.state.join('unit').remove()
    error = host.failure(enabled=True)
    assert str(error) == 'systemd knows no unit nginx.service; see that its file is in place, and run again'
    assert error.details['known']['exists'] is False
    for check_mode in (True, False):
        same(host.run(enabled=True, sums=False, missing_ok=True, check_mode=check_mode),
             changed=False, exists=False, started=False, enabled_now=False, in_force='yes')
    assert set(host.calls()) == set(['show', 'daemon-reload'])


def test_a_masked_unit_exists_and_is_not_read_again_and_again(host):
    host.is_now(load='masked', active='inactive', file='masked')
    same(host.run(started=False), exists=True)
    assert host.calls() == ['show']


# --- check mode ---

def test_check_mode_foretells_and_does_nothing(host):
    host.is_now(active='inactive', file='disabled', outdated='yes')
    host.state.join('conf').write('another')
    foretold = host.run(enabled=True, check_mode=True)
    assert host.calls() == ['show']
    assert host.run(enabled=True) == foretold
    same(foretold, changed=True, started=True, enabled_now=True, in_force='yes')


def test_check_mode_compares_what_runs(host):
    host.state.join('conf').write('another')
    same(host.run(check_mode=True), changed=False, in_force='reload')


def test_check_mode_foresees_a_unit_that_the_same_run_would_make(host):
    host.is_now(load='not-found', active='inactive', file='')
    same(host.run(enabled=True, check_mode=True), changed=True, exists=False, started=True, enabled_now=True, in_force='yes')
    assert host.calls() == ['show']


# --- failures ---

def test_a_unit_that_does_not_start(host):
    host.is_now(active='failed', file='disabled')
    host.state.join('fails-start').write('')
    error = host.failure(enabled=True)
    assert str(error) == (
        'cannot start nginx.service (Job for nginx.service failed. | See the journal.); its journal ends with: nginx[1]: bind() failed | '
        'systemd[1]: Failed to start nginx.; remove the cause and run again')
    same(error.details['known'], active='failed', enabled_now=True, started=False, in_force='restart')
    assert host.state.join('journal-calls').read() == '--unit nginx.service --lines 10 --quiet --no-pager\n'
    assert 'journal ends' not in str(host.failure(journal=False))
    host.bin.join('journalctl').write('#!/bin/sh\nexit 1\n')
    assert 'journal ends' not in str(host.failure())


@pytest.mark.parametrize('verb, words', [('show', 'cannot ask systemd about nginx.service (Job for -p failed. | See the journal.); '),
                                         ('daemon-reload', 'cannot have systemd read nginx.service anew (Job for'),
                                         ('enable', 'cannot enable nginx.service (Job for nginx.service failed. |')])
def test_other_calls_that_fail(host, verb, words):
    host.is_now(file='disabled', outdated='yes')
    host.state.join('fails-' + verb).write('')
    message = str(host.failure(enabled=True))
    assert message.startswith(words) and 'journal ends' not in message


def test_a_call_that_does_not_end(host):
    host.bin.join('systemctl').write('#!/bin/sh\nexec tail -f /dev/null\n')
    systemd = unit_in_force.Systemd('nginx.service', lambda command: _keepalived.run(command, 0.1), str(host.bin.join('systemctl')))
    with pytest.raises(ArtifactError) as caught:
        systemd.look()
    assert '(systemctl did not end in time)' in str(caught.value)


def test_no_systemctl_that_could_be_run(host):
    host.bin.join('systemctl').remove()
    assert 'see that systemd runs on this host' in str(host.failure())


# --- as Ansible runs it ---

def run_module(host, arguments):
    """Run the module in a process of its own, and return what it answers."""
    code = ('import sys; sys.path.insert(0, {0!r}); import conftest\n'
            'from ansible.module_utils import basic\n'
            'basic._ANSIBLE_PROFILE = "legacy"\n'
            'basic._ANSIBLE_ARGS = {1!r}.encode()\n'
            'from ansible_collections.vipkit.ha.plugins.modules import unit_in_force\n'
            'unit_in_force.main()\n').format(UNIT, json.dumps({'ANSIBLE_MODULE_ARGS': arguments}))
    environment = dict(os.environ, PATH=str(host.bin) + os.pathsep + os.environ['PATH'])
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    output, errors = process.communicate()
    assert output, errors
    return json.loads(output.decode('utf-8'))


def test_the_module(host):
    sums = {'started_sums': host.sums[0], 'loaded_sums': host.sums[1]}
    host.is_now(active='inactive')
    foretold = run_module(host, dict(sums, name='nginx', _ansible_check_mode=True))
    same(foretold, changed=True, started=True, in_force='yes')
    host.has(active='inactive')
    same(run_module(host, dict(sums, name='nginx', enabled=False)), changed=True, started=True, enabled_now=True, in_force='yes')
    same(run_module(host, dict(sums, name='nginx')), changed=False)
    host.state.join('conf').write('another')
    same(run_module(host, dict(sums, name='nginx')), in_force='reload', stale=[str(host.state.join('conf'))])

    same(run_module(host, {'name': 'no-such-unit'}), in_force='restart', stale=['/run/no-such-unit.started', '/run/no-such-unit.loaded'])
    same(run_module(host, {'name': 'no-such.service'}), stale=['/run/no-such.started', '/run/no-such.loaded'])
    assert [line.split()[-1] for line in host.state.join('calls').readlines()[-2:]] == ['no-such-unit.service', 'no-such.service']

    host.is_now(active='failed', file='disabled')
    host.state.join('fails-start').write('')
    failed = run_module(host, dict(sums, name='nginx', enabled=True))
    same(failed, failed=True, changed=True, active='failed', started=False, enabled_now=True, in_force='restart')
    assert failed['msg'].startswith('cannot start nginx.service (Job for nginx.service failed. |')
