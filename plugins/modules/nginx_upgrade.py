#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nginx_upgrade
short_description: Bring a new nginx binary into force without dropping a connection
version_added: 1.0.0
description:
  - Replaces a running nginx by the binary that is at O(sbin_path) now. A new master takes over the listening sockets, the old workers
    finish their connections, and no connection is refused or cut in between.
  - What runs is compared with the file itself. So a changed version, a rebuilt binary and an older one that was put back are all alike.
  - The old master goes only when the new one has workers that stay and answers every one of O(probes). Otherwise the old one is brought
    back, and the module fails.
  - A run that was killed, or an upgrade that somebody began by hand, is recognised by its processes. The next run finishes it or
    backs it out.
  - It does not install the binary, and does not start, stop or restart nginx. It does not reload the configuration of a binary that
    already runs.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what it would do, without doing so.
    details:
      - Whether the new binary accepts the configuration, and whether it would answer, is not tried.
  diff_mode:
    support: none
    description: Returns details on what has changed when in diff mode.
    details:
      - Processes have no readable difference.
  idempotent:
    support: full
    description: When run twice in a row with the same options, the second run changes nothing.
    details:
      - Old workers that still finish their connections are no change. They are told in RV(lingering).
  platform:
    support: full
    description: The platforms that the module runs on.
    platforms: linux
options:
  sbin_path:
    description:
      - The nginx binary. nginx must have been started by this path, or by another name of the same file, for that is what it starts again.
      - A script that starts nginx will not do.
    type: path
    required: true
  pid_path:
    description:
      - The pid file of the running nginx.
    type: path
    required: true
  conf_path:
    description:
      - The configuration file that nginx is meant to read. When nginx was started with another one, the module refuses.
      - Not needed when nginx was started without C(-c), and not looked at then.
    type: path
  probes:
    description:
      - What must answer once the old workers accept no more. Each one is asked 5 times, each time by a new connection.
      - With C(http://) or C(https://), an answer of status 200 to 399. Redirections are not followed, certificates are not verified.
      - C(tcp://HOST:PORT) or C(HOST:PORT) only asks that a process accepts the connection.
      - Name addresses that are on this host at all times. A virtual IP that another host has now would be answered there.
      - Without any, the module only looks at the new processes. Give at least one.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds that each step may take.
    type: float
    default: 15
  probe_timeout:
    description:
      - Seconds that an answer to a probe may take. If the new workers do not accept connections, clients wait so long, too.
    type: float
    default: 3
  drain_timeout:
    description:
      - Seconds to wait for the connections of the old workers to end, and the old master with them.
      - After that the old master is ended by KILL. Its workers do not notice. They accept nothing any more, go on with the connections they
        have, and end with the last one, see RV(lingering). So systemd follows to the new master at once, and the next upgrade can come.
      - V(0) does not wait.
    type: float
    default: 60
  unit:
    description:
      - The systemd unit that nginx runs in. It must be of C(Type=forking) and name O(pid_path) as its C(PIDFile), or systemd would take
        the end of the old master for the end of nginx and kill the new one.
      - Empty when no unit runs this nginx.
    type: str
    default: nginx.service
notes:
  - Needs root.
  - "By hand: test with C(nginx -t). C(kill -USR2) the number in the pid file. Wait until the pid file holds a new number, and the one
    with C(.oldbin) added to its name the old number. C(kill -WINCH) the old one, and see that nginx answers. C(kill -QUIT) the old one."
  - "To undo that by hand, as long as the old master was not told to QUIT: C(kill -HUP) the old one, once, and only when it has no
    workers any more. Then C(kill -QUIT) the new one. The pid file goes back by itself when that one ends."
  - "After QUIT there is no way back but forwards: put the older binary back to O(sbin_path), and run this module again."
  - Do not reload the unit while two masters run. HUP gives the old master its workers again, or is lost on one that ends. C(MainPID) is the
    old master as long as that lives, so let C(ExecReload) signal the process that the pid file names, not C($MAINPID).
  - systemd takes the number in the pid file for the main process when the old one ends. It did so in version 208 and does so today,
    so in all versions of CentOS 7.
  - The new master starts with the command line of the old one, and reads the configuration that is on the disk.
  - The test is C(nginx -t) with the options of the running master. With C(listen ... reuseport) that can cut connections before
    nginx 1.13.4.
  - nginx before 1.13.8 obeys USR2 only when its parent is process 1. With C(daemon off), nginx does not obey WINCH, and since 1.13.8
    not USR2. The module then fails and leaves it as it was.
  - Old workers live as long as their last connection. From nginx 1.11.11 on, C(worker_shutdown_timeout) can limit that.
  - Two runs at the same time are refused by a lock on the directory of the pid file. It ends with the run, however that ends.
  - The module fails when nginx does not run, when the pid file names no master of nginx, on a binary that refuses the configuration,
    when a step does not come to its end in time, when a probe is not answered, and when systemd does not follow. Its message tells what
    serves then.
seealso:
  - module: vipkit.ha.artifact_install
  - name: Controlling nginx
    description: The signals of nginx, and upgrading its executable on the fly.
    link: https://nginx.org/en/docs/control.html
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Bring the installed nginx into force
  vipkit.ha.nginx_upgrade:
    sbin_path: /usr/local/nginx/nginx
    conf_path: /usr/local/nginx/nginx.conf
    pid_path: /usr/local/nginx/nginx.pid
    probes:
      - http://127.0.0.1:8081/healthz
      - 127.0.0.1:80

- name: Do not wait for long downloads
  vipkit.ha.nginx_upgrade:
    sbin_path: /usr/local/nginx/nginx
    pid_path: /usr/local/nginx/nginx.pid
    probes:
      - http://127.0.0.1:8081/healthz
    drain_timeout: 0
  register: nginx_upgraded
"""

RETURN = r"""
actions:
  description:
    - What was done, in its order. Nothing when the binary was in force already. In check mode, what would be done.
    - V(upgrade) is a whole upgrade. V(finish) and V(back_out) end one that had been begun.
    - After V(upgrade), what runs has read the configuration that is on the disk. After V(back_out) it may not have.
  returned: when nginx runs
  type: list
  elements: str
  sample: [upgrade]
master_before:
  description: The process in the pid file before.
  returned: when nginx runs
  type: int
  sample: 812
master:
  description: The process in the pid file now, null when there is none. In check mode it is that before.
  returned: when nginx runs
  type: int
  sample: 2077
version_before:
  description: The version that ran before, with the name of its build if it has one.
  returned: when nginx runs
  type: str
  sample: 1.9.9
version:
  description: The version that runs now. In check mode that of the file at O(sbin_path).
  returned: when nginx runs
  type: str
  sample: 1.26.3
steps:
  description:
    - The steps that were taken, with the seconds of each. Those in capitals are named after the signal that was sent.
    - C(HUP) and C(back out) are the way back. C(orphans) is the end of workers whose master was killed.
  returned: when nginx runs
  type: list
  elements: dict
  contains:
    step:
      description: Its name.
      returned: always
      type: str
      sample: USR2
    seconds:
      description: How long it took.
      returned: always
      type: float
      sample: 0.61
  sample:
    - step: test
      seconds: 0.02
    - step: USR2
      seconds: 0.06
    - step: workers
      seconds: 0.51
    - step: WINCH
      seconds: 0.05
    - step: probe
      seconds: 0.01
    - step: QUIT
      seconds: 0.05
    - step: unit
      seconds: 0.01
lingering:
  description: Old workers that only finish the connections they have.
  returned: when nginx runs
  type: list
  elements: int
  sample: []
msg:
  description: What went wrong, what serves now, and what to do next.
  returned: on failure
  type: str
  sample: >-
    the new nginx 1.26.3 (process 2077) does not answer http://127.0.0.1:8081/healthz: status 503; nginx 1.9.9 (process 812) serves as
    before; correct the binary or its configuration, and run this again
"""

import contextlib
import errno
import os
import signal

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived, _nginx
from ansible_collections.vipkit.ha.plugins.module_utils._nginx import NginxError, same

ROUNDS = 5
STEADY = 0.5  # for so long new workers must be the same, so that none is taken that dies and is started again
AGAIN = 'correct the binary or its configuration, and run this again'


# What is to be done

def plan(family, wanted, quitting):
    """Return the next thing to do; wanted tells of a process whether it runs the right file, quitting whether the older master ends."""
    current, older = family.current, family.older
    if family.newcomers or older and not quitting and (not current.active or wanted(older.process) and not wanted(current.process)):
        return 'back_out'
    if family.orphans or older:
        return 'finish'
    return None if wanted(current.process) else 'upgrade'


def foresee(family, wanted, quitting):
    """Return all that is to be done, as far as it can be told beforehand."""
    first = plan(family, wanted, quitting)
    if first in (None, 'upgrade'):
        return [first] if first else []
    left = family.older or family.current if first == 'back_out' else family.current
    return [first] if wanted(left.process) else [first, 'upgrade']


def test_command(sbin_path, line):
    """Return the command that tests the configuration as a new master would read it, given the command line of the running one."""
    given = _nginx.options(line)
    return [sbin_path, '-t', '-q'] + [word for name in sorted(given) for word in ('-' + name, given[name])]


def unit_problem(shown, pid_path, pids):
    """Return why systemd would not follow to a new master, or None; shown is what `systemctl show` tells."""
    if shown.get('LoadState') != 'loaded':
        return 'systemd knows no such unit'
    if shown.get('Type') != 'forking':
        return 'it is of Type={0}, so that systemd would kill the new master when the old one ends'.format(shown.get('Type'))
    if os.path.realpath(shown.get('PIDFile') or '/') != os.path.realpath(pid_path):
        return "its PIDFile is '{0}', not {1}".format(shown.get('PIDFile', ''), pid_path)
    if int(shown.get('MainPID') or 0) not in pids:
        return 'its main process is {0}, but {1} names {2}'.format(shown.get('MainPID'), pid_path, pids[0])
    return None


def inode_and_change(path):
    """Return what tells a file that was moved away and back from one that was left alone."""
    try:
        status = os.stat(path)
        return status.st_ino, status.st_ctime
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return None, None


# Doing it

class Upgrade(object):
    """Brings what is on the disk into force, and keeps record of it."""

    def __init__(self, params, watch, systemctl, kill=os.kill, run=_keepalived.run, probe=_nginx.probe):
        self.params = params
        self.watch = watch
        self.systemctl = systemctl
        self.kill = kill
        self.run = run
        self.probe = probe
        self.programs = _nginx.Programs(watch.proc)
        self.log = None
        self.result = {'actions': [], 'steps': []}

    # Looking

    def wanted(self, one):
        return self.programs.same(one.pid, self.params['sbin_path'])

    def version(self, one):
        return _nginx.version(_nginx.program(self.watch.proc, one.pid))

    def name(self, one):
        return 'nginx {0} (process {1})'.format(self.version(one) or 'of unknown version', one.pid)

    def settled(self):
        """Return the masters as they are once nothing is being started or ended, or when the time for that is over."""
        def quiet(family):
            return not family.newcomers and (family.current.active if family.current else not family.older)

        family = self.watch.until(quiet, self.params['timeout']) or self.watch.look()
        if not (family.current or family.older):
            raise NginxError('{0} names no running master of nginx; start nginx, or write the number of its master there if it runs'.format(
                self.watch.pid_path))
        if not (family.current or family.newcomers):
            raise NginxError('{0} is gone, though {1} runs; write that number into it, or restart nginx'.format(
                self.watch.pid_path, self.name(family.older.process)))
        return family

    def quitting(self, family):
        return bool(family.older and family.current) and _nginx.quitting(self.watch.proc, family.older, family.current)

    def shown(self):
        """Return what systemd tells of the unit."""
        names = ('LoadState', 'ActiveState', 'Type', 'PIDFile', 'MainPID')
        outcome = self.run([self.systemctl, 'show', self.params['unit']] + ['--property=' + name for name in names], 10)
        if outcome.rc != 0:
            raise NginxError("systemd cannot be asked about {0} ({1}); see that it runs on this host, or set unit to ''".format(
                self.params['unit'], ' '.join(to_native(outcome.output).split()) or 'it did not answer'))
        return dict(line.partition('=')[::2] for line in to_native(outcome.output).splitlines())

    def unanswered(self, rounds):
        return _nginx.unanswered(self.params['probes'], self.params['probe_timeout'], rounds, self.probe)

    # Refusing

    def check(self, family):
        """Refuse an nginx that is not the one that the options tell of, or that cannot be upgraded."""
        master = (family.older or family.current).process
        sbin_path = self.params['sbin_path']
        line = _nginx.command(self.watch.proc, master.pid)
        called = line.partition(' ')[0]
        if os.path.realpath(os.path.join(_nginx.directory(self.watch.proc, master.pid), called)) != os.path.realpath(sbin_path):
            raise NginxError("process {0} was started as '{1}' and would start that again, not {2}; restart nginx instead".format(
                master.pid, called, sbin_path))
        _nginx.check_configuration(self.watch.proc, master, self.params['conf_path'])
        with open(sbin_path, 'rb') as handle:
            if handle.read(2) == b'#!':
                raise NginxError('{0} is a script, and nobody knows what it would run; put the binary of nginx there'.format(sbin_path))
        if self.params['unit']:
            pids = [one.process.pid for one in (family.current, family.older) if one]
            problem = unit_problem(self.shown(), self.watch.pid_path, pids)
            if problem:
                raise NginxError("{0} won't do: {1}; correct the unit, name another one, or set unit to '' if none runs this nginx".format(
                    self.params['unit'], problem))

    def test(self, family):
        """Have the new binary test the configuration."""
        command = test_command(self.params['sbin_path'], _nginx.command(self.watch.proc, family.current.process.pid))
        with self.step('test'):
            try:
                outcome = self.run(command, self.params['timeout'])
            except EnvironmentError as error:
                raise NginxError('{0} cannot be run ({1}); nothing was done; put a working binary there'.format(command[0], error))
        if outcome.rc != 0:
            said = 'it did not end in time' if outcome.timed_out else ' '.join(to_native(outcome.output).split())[-1000:]
            raise NginxError('the new binary refuses the configuration: `{0}` says: {1}; nothing was done; {2}'.format(
                ' '.join(command), said or 'exit code {0}'.format(outcome.rc), AGAIN))

    # Steps

    @contextlib.contextmanager
    def step(self, name):
        start = self.watch.clock()
        try:
            yield
        finally:
            self.result['steps'].append({'step': name, 'seconds': round(self.watch.clock() - start, 3)})

    def signal(self, one, number):
        _nginx.send(self.watch.proc, one, number, self.kill)

    def start(self, family):
        """Have the running master start the new one, and return the family with it."""
        old, pid_path, timeout = family.current.process, self.watch.pid_path, self.params['timeout']
        self.log = _nginx.open_log(self.watch.proc, old.pid)
        before = inode_and_change(pid_path)
        back = _nginx.Steady(self.watch.clock, STEADY)  # a file that is just being moved away has changed, and is still found there

        def started(seen):
            if seen.current and same(seen.current.process, old):
                now = inode_and_change(pid_path)
                if back(now if not seen.newcomers and now[0] == before[0] and now != before else None):
                    raise NginxError('the new master ended while it started')
                return False
            return seen.current and self.wanted(seen.current.process)

        with self.step('USR2'):
            self.signal(old, signal.SIGUSR2)
            seen = self.watch.until(started, timeout)
        if not seen and inode_and_change(pid_path) == before:
            raise NginxError('process {0} does not obey USR2, see the notes of this module'.format(old.pid))
        if not seen:
            raise NginxError('there was no new master after {0:g} s'.format(timeout))
        return seen

    def hand_over(self, family):
        """Have the old workers accept no more, once there are new ones that stay, and see that those answer."""
        new, timeout = family.current.process, self.params['timeout']
        steady = _nginx.Steady(self.watch.clock, STEADY)

        def workers(seen):
            if not (seen.current and same(seen.current.process, new)):
                raise NginxError('the new master (process {0}) ended'.format(new.pid))
            return [one.pid for one in seen.current.active]

        def alive(seen):
            if not workers(seen):
                raise NginxError('the workers of the new master (process {0}) ended'.format(new.pid))
            return True

        with self.step('workers'):
            if not self.watch.until(lambda seen: steady(workers(seen)), timeout):
                raise NginxError('the new master (process {0}) had no workers that stay after {1:g} s'.format(new.pid, timeout))
        with self.step('WINCH'):
            older = self.watch.look().older
            if older and older.active:
                self.signal(older.process, signal.SIGWINCH)
            if not self.watch.until(lambda seen: alive(seen) and not (seen.older and seen.older.active), timeout):
                raise NginxError('the old workers still accept connections {0:g} s after WINCH'.format(timeout))
        with self.step('probe'):
            wrong = self.unanswered(ROUNDS)
        alive(self.watch.look())
        if wrong:
            raise NginxError('the new {0} does not answer {1}'.format(self.name(new), wrong))

    def retire(self):
        """Have the older master end, with the connections of its workers or before them."""
        older = self.watch.look().older
        if older:
            with self.step('QUIT'):
                self.signal(older.process, signal.SIGQUIT)
                if not self.watch.until(lambda seen: not seen.older, self.params['drain_timeout']):
                    # It only waits for its workers, and they do not need it for what they still have to do
                    self.signal(older.process, signal.SIGKILL)
                    if not self.watch.until(lambda seen: not seen.older, self.params['timeout']):
                        raise NginxError('process {0} does not end; look what the system has against that, and run this again'.format(
                            older.process.pid))
        left = self.watch.pid_path + '.oldbin'
        # one that was killed leaves its file, and may be listed for a moment when it is none any more
        if os.path.exists(left) and not self.watch.look().older:
            os.unlink(left)

    def withdraw(self, old):
        """Give the place back to the old master; return who serves now."""
        family = self.watch.look()
        kept = next((one for one in (family.older, family.current) if one and same(one.process, old)), None)
        if not kept:
            raise NginxError('process {0} is gone; see what runs, and restart nginx'.format(old.pid))

        def working(seen):
            return any(one.active for one in (seen.older, seen.current) if one and same(one.process, old))

        with self.step('HUP'):
            # With workers it would get as many again
            if not kept.active:
                self.signal(old, signal.SIGHUP)
            if not self.watch.until(working, self.params['timeout']):
                raise NginxError('{0} has no workers again; what runs is left as it is, look at its error log'.format(self.name(old)))
        with self.step('back out'):
            self.drop(old)
        wrong = self.unanswered(1)
        return '{0} serves as before{1}'.format(self.name(old), ', but does not answer {0} either'.format(wrong) if wrong else '')

    def drop(self, kept):
        """End every master but one, which then has its pid file again."""
        def alone(seen):
            return seen.current and same(seen.current.process, kept) and not seen.newcomers

        family = self.watch.look()
        others = family.newcomers + [one.process for one in (family.current,) if one and not same(one.process, kept)]
        for one in others:
            # What has not got so far as to call itself a master has no connections, and does not listen to other signals
            starting = not _nginx.title(self.watch.proc, one.pid).startswith(_nginx.MASTER)
            self.signal(one, signal.SIGKILL if starting else signal.SIGQUIT)
        if others and not self.watch.until(alone, self.params['drain_timeout']):
            for one in others:
                self.signal(one, signal.SIGKILL)
        family = self.watch.until(alone, self.params['timeout'])
        if not family:
            raise NginxError('{0} does not get its pid file {1} back; see that the file holds its number, and run this again'.format(
                self.name(kept), self.watch.pid_path))
        for one in family.orphans:  # of a new master that was killed
            self.signal(one, signal.SIGQUIT)

    # Actions

    def backing_out(self, act, family):
        """Do what may fail, and have the old master back then."""
        old = (family.older or family.current).process
        try:
            act(family)
        except NginxError as failure:
            said = to_native('; '.join(_nginx.complaints(self.log)))
            try:
                serves = self.withdraw(old)
            except NginxError as error:
                raise NginxError('{0}{1}; backing out failed too: {2}'.format(failure, said and ' ({0})'.format(said), error))
            raise NginxError('{0}{1}; {2}; {3}'.format(failure, said and ' ({0})'.format(said), serves, AGAIN))

    def back_out(self, family):
        self.withdraw((family.older or family.current).process)

    def finish(self, family):
        if family.orphans:
            with self.step('orphans'):
                for one in family.orphans:
                    self.signal(one, signal.SIGQUIT)
                if not self.watch.until(lambda seen: not seen.orphans, self.params['timeout']):
                    raise NginxError('workers without a master ({0}) still accept connections; end them, and run this again'.format(
                        ', '.join(str(one.pid) for one in family.orphans)))
        if family.older and not self.quitting(family):
            self.backing_out(self.hand_over, family)
        self.retire()

    def upgrade(self, family):
        self.test(family)
        self.backing_out(lambda family: self.hand_over(self.start(family)), family)
        self.retire()

    def follow(self, master):
        """Wait until systemd takes the master for the main process of the unit."""
        state = {}

        def followed(dummy):
            state.update(self.shown())
            return state.get('MainPID') == str(master.pid)

        with self.step('unit'):
            if not self.watch.until(followed, self.params['timeout'], 0.2):
                raise NginxError('{0} serves, but systemd calls {1} {2} with the main process {3}; look at `systemctl status {1}`, and '
                                 'restart it when an outage is allowed'.format(
                                     self.name(master), self.params['unit'], state.get('ActiveState'), state.get('MainPID')))

    def bring_into_force(self, check_mode):
        """Do what is to be done until nothing is."""
        acts = {'back_out': self.back_out, 'finish': self.finish, 'upgrade': self.upgrade}
        family = self.settled()
        before = (family.current or family.older).process
        self.result.update(master_before=before.pid, version_before=self.version(before))
        while True:
            if not family.newcomers and not family.current.active and (not family.older or self.quitting(family)):
                raise NginxError('{0} has no workers that accept connections; it ends, or cannot start any: look at its error log'.format(
                    self.name(family.current.process)))
            action = plan(family, self.wanted, self.quitting(family))
            if not action:
                break
            self.check(family)
            if check_mode:
                self.result['actions'] = foresee(family, self.wanted, self.quitting(family))
                return
            self.result['actions'].append(action)
            acts[action](family)
            family = self.settled()
        if self.result['actions'] and self.params['unit']:
            self.follow(family.current.process)

    def outcome(self, check_mode):
        """Return the result with what runs now, however it came to be."""
        family = self.watch.look()
        if 'master_before' in self.result:
            now = family.current.process if family.current else None
            self.result['master'] = now.pid if now else None
            self.result['version'] = _nginx.version(self.params['sbin_path']) if check_mode else self.version(now) if now else None
            self.result['lingering'] = [one.pid for one in family.remnants + (family.older.leaving if family.older else [])]
        return self.result


def main():
    module = AnsibleModule(
        argument_spec=dict(
            sbin_path=dict(type='path', required=True),
            pid_path=dict(type='path', required=True),
            conf_path=dict(type='path'),
            probes=dict(type='list', elements='str', default=[]),
            timeout=dict(type='float', default=15),
            probe_timeout=dict(type='float', default=3),
            drain_timeout=dict(type='float', default=60),
            unit=dict(type='str', default='nginx.service'),
        ),
        supports_check_mode=True,
    )
    systemctl = module.get_bin_path('systemctl')
    if module.params['unit'] and not systemctl:
        module.fail_json(msg="there is no systemctl on this host to ask about {0}; set unit to ''".format(module.params['unit']))
    upgrade = Upgrade(module.params, _nginx.Watch(module.params['pid_path']), systemctl)
    try:
        _nginx.check_options(module.params)
        if module.check_mode:
            upgrade.bring_into_force(True)
        else:
            with _nginx.lock(os.path.dirname(module.params['pid_path'])):
                upgrade.bring_into_force(False)
        result = upgrade.outcome(module.check_mode)
    except (NginxError, EnvironmentError) as error:
        result = upgrade.outcome(module.check_mode)
        module.fail_json(msg=to_native(error), changed=result.get('master') != result.get('master_before'), **result)
    module.exit_json(changed=bool(result['actions']), **result)


if __name__ == '__main__':
    main()
