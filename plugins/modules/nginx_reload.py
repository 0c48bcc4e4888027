#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nginx_reload
short_description: Have a running nginx load what is on the disk, and prove that it did
version_added: 1.0.0
description:
  - Sends HUP to a running nginx, and waits until it is proven that the configuration on the disk is in force.
  - C(kill -HUP), C(nginx -s reload) and C(systemctl reload) succeed as soon as the signal is sent. When nginx refuses the configuration, it
    writes a line into its error log and goes on with what it had loaded before. C(nginx -t) does not notice an address that is in use.
  - It is proven when there are new workers that stay, no earlier worker accepts connections any more, nginx has logged no refusal, each
    socket of O(listen) listens, and each of O(probes) answers. Only then O(loaded_sums) is written.
  - No connection is refused or cut. Old workers finish the connections that they have, see RV(lingering).
  - It does not write or test the configuration, and does not start, restart or upgrade nginx.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what it would do, without doing so.
    details:
      - Whether nginx would accept the configuration is not tried.
  diff_mode:
    support: none
    description: Returns details on what has changed when in diff mode.
    details:
      - Processes have no readable difference.
  idempotent:
    support: none
    description: When run twice in a row with the same options, the second run changes nothing.
    details:
      - Each run reloads, and is a change. M(vipkit.ha.unit_in_force) tells whether it has to be.
  platform:
    support: full
    description: The platforms that the module runs on.
    platforms: linux
options:
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
  listen:
    description:
      - The sockets that nginx has to have afterwards, as C(ADDRESS:PORT), C(*:PORT), C([ADDRESS]:PORT), C([::]:PORT) or C(unix:/PATH). UDP
        has C(/udp) behind it, as in C(*:53/udp). No host names.
      - A socket for all addresses does for each address of its family, since nginx has one socket for C(listen 80) and
        C(listen 192.0.2.10:80) together. C([::]:80) with C(ipv6only=off) does not do for addresses of IPv4.
      - nginx may have others, too.
    type: list
    elements: str
    default: []
  probes:
    description:
      - What must answer once the old workers accept no more. Each one is asked 5 times, each time by a new connection.
      - With C(http://) or C(https://), an answer of status 200 to 399. Redirections are not followed, certificates are not verified.
      - C(tcp://HOST:PORT) or C(HOST:PORT) only asks that a process accepts the connection.
      - Name addresses that are on this host at all times. A virtual IP that another host has now would be answered there.
    type: list
    elements: str
    default: []
  loaded_sums:
    description:
      - Where to note the checksums of O(loaded_files), in the form of C(sha256sum), for M(vipkit.ha.unit_in_force).
      - They are taken before the reload. So a file that changes meanwhile counts as not loaded.
      - When the reload fails, the note stays as it is.
    type: path
  loaded_files:
    description:
      - The files that nginx loads when it is reloaded.
    type: list
    elements: path
  timeout:
    description:
      - Seconds that nginx may take, first to end what it is doing, and then to reload.
      - nginx looks up the names of upstream servers while it loads. If the name servers do not answer, this takes long.
    type: float
    default: 30
  probe_timeout:
    description:
      - Seconds that an answer to a probe may take.
    type: float
    default: 3
notes:
  - Needs root.
  - "By hand: C(nginx -t), then C(kill -HUP) the number in the pid file. Then C(pgrep -af nginx) shows new workers, and the old ones as
    C(is shutting down) if at all. The error log shows no C([emerg]). C(ss -lntp) shows the sockets."
  - An address that changes from C(listen 80) to C(listen 192.0.2.10:80), or the other way round, cannot be reloaded. The system refuses the
    new socket as long as nginx has the old one. A binary upgrade fails in the same way, so RV(needs) is V(restart). nginx tries for 2
    seconds before it gives up.
  - It looks at what the master and its new workers log as C(emerg), C(alert) or C(crit). An C(emerg) of the master is a refusal. Others may
    come from a client, so they are told in RV(complaints), and are no failure by themselves.
  - A socket C(unix:/PATH) that nginx has made for a configuration that it refuses then stays as a file. Remove that before the next reload
    or restart, or it is refused as an address in use.
  - When the error log is no file (C(stderr) of a container, the journal), a refusal is known by this, that the master rests and the same
    workers go on. The message then cannot tell the reason.
  - A log that the configuration names anew is read from when nginx has opened it. What nginx refuses at that very moment may stand there
    and not in the message.
  - An address that has to change can also be changed by two reloads, the first without any socket on that port. For a moment new
    connections are refused, about 0.1 s by hand, but those that are open go on. A restart cuts them.
  - nginx that is to listen on a virtual IP that is not on the host needs C(net.ipv4.ip_nonlocal_bind=1). Without it, it is
    refused with error 99.
  - Old workers live as long as their last connection. From nginx 1.11.11 on, C(worker_shutdown_timeout) can limit that.
  - The number of workers may change, and workers of earlier reloads may still be there.
  - Two runs at the same time, or one of M(vipkit.ha.nginx_upgrade), are refused by a lock on the directory of the pid file. A reload by
    somebody else that is under way is waited for.
  - With C(master_process off) nginx has no master, and the module refuses.
seealso:
  - module: vipkit.ha.nginx_upgrade
  - module: vipkit.ha.unit_in_force
  - name: Controlling nginx
    description: The signals of nginx, and how it changes its configuration.
    link: https://nginx.org/en/docs/control.html
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Load the configuration
  vipkit.ha.nginx_reload:
    pid_path: /usr/local/nginx/nginx.pid
    conf_path: /usr/local/nginx/nginx.conf
    listen:
      - "*:80"
      - 127.0.0.1:8081
    probes:
      - http://127.0.0.1:8081/healthz
    loaded_sums: /run/nginx.loaded
    loaded_files:
      - /usr/local/nginx/nginx.conf

- name: Load the configuration, and restart where nothing less will do
  block:
    - name: Reload
      vipkit.ha.nginx_reload:
        pid_path: /usr/local/nginx/nginx.pid
      register: nginx_reloaded
  rescue:
    - name: Fail, unless the address of a socket has changed
      ansible.builtin.fail:
        msg: "{{ nginx_reloaded.msg }}"
      when: nginx_reloaded.needs | default('', true) != 'restart'

    - name: Restart
      ansible.builtin.systemd_service:
        name: nginx
        state: restarted
"""

RETURN = r"""
changed:
  description: Whether HUP was sent, also when nginx refused. In check mode, whether it would be.
  returned: always
  type: bool
  sample: true
master:
  description: The master of this nginx.
  returned: when nginx runs
  type: int
  sample: 812
workers:
  description: Its workers that accept connections now.
  returned: when nginx runs
  type: list
  elements: int
  sample: [2077, 2078]
lingering:
  description: Old workers that only finish the connections they have.
  returned: when nginx runs
  type: list
  elements: int
  sample: []
listening:
  description: Where nginx listens now, in the words of O(listen).
  returned: when nginx runs
  type: list
  elements: str
  sample: ["*:80", "127.0.0.1:8081"]
complaints:
  description:
    - What the master and its new workers have logged since the HUP as C(emerg), C(alert) or C(crit), each once, at most 5.
  returned: when nginx runs
  type: list
  elements: str
  sample: []
seconds:
  description: How long it took from the HUP until the proof, or until it failed. V(0) when none was sent.
  returned: when nginx runs
  type: float
  sample: 0.72
noted:
  description: Whether O(loaded_sums) was written.
  returned: when nginx runs
  type: bool
  sample: true
problem:
  description:
    - What went wrong, for programs. Null when HUP was not sent.
    - With V(refused), V(address) and V(undecided), what was loaded before is in force. V(address) is a socket that the system refuses
      since the address is in use, V(undecided) a reload that has not come to its end in time.
    - With V(workers), V(old_workers), V(listen), V(probe), V(pid_file) and V(note), nginx has taken the new configuration.
      V(workers) are new workers that do not stay, V(old_workers) earlier ones that still accept connections.
    - V(master) is a master that has ended, or has another one in its place.
  returned: on failure
  type: str
  sample: address
needs:
  description:
    - V(restart) when only that brings the configuration into force, since nginx itself has the address that a new socket is to have.
    - Null otherwise. A restart would then not help, and with V(refused), or an address that another process has, nginx would not start.
  returned: on failure
  type: str
  sample: restart
msg:
  description: What went wrong in the words of nginx, what is in force, and what to do next.
  returned: on failure
  type: str
  sample: >-
    nginx (process 812) does not load its configuration: [emerg] bind() to 192.0.2.10:80 failed (98: Address already in use), [emerg] still
    could not bind(); what it had loaded before is in force; it has *:80 itself, and cannot exchange one for the other while it runs, so
    restart nginx
"""

import contextlib
import os
import re
import signal
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_native
from ansible_collections.vipkit.ha.plugins.module_utils import _files, _nginx
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, sha256_of
from ansible_collections.vipkit.ha.plugins.module_utils._nginx import NginxError

ROUNDS = 5
STEADY = 0.5  # for so long new workers must be the same, so that none is taken that dies and is started again
SILENT = 1.0  # for so long a master must rest that has neither loaded nor complained
LOOP = 3  # times that all new workers have ended
TOLD = 5

COMPLAINT = re.compile(r'(\[\w+\]) (\d+)#\d+: (.*)')
RETRIED = re.compile(r'\[emerg\] bind\(\) to (\S+) failed \(98\b')  # nginx tries again, and tells at last when it gives up

EXITED = re.compile(r'\[alert\] \w+ process (\d+) exited')

BEFORE = 'what it had loaded before is in force'
AGAIN = 'correct the configuration, and run this again'


class Problem(NginxError):
    """Why it is not proven that the configuration is in force; kind and needs are for programs."""

    def __init__(self, kind, message, needs=None):
        super(Problem, self).__init__(message)
        self.kind = kind
        self.needs = needs


# What nginx has said

def said_by(pids, lines):
    """Return what these processes have complained of, each once."""
    told = []
    for found in [COMPLAINT.match(line) for line in lines]:
        if found and int(found.group(2)) in pids:
            words = to_native('{0} {1}'.format(to_native(found.group(1)), to_native(found.group(3))))
            if words not in told:
                told.append(words)
    return told


def is_refusal(words):
    """Whether the last word is spoken, given what a master has complained of."""
    return any(one.startswith('[emerg]') and not RETRIED.match(one) for one in words)


def colliding(refused, listeners):
    return [one for one in listeners if any(_nginx.collides(one, wanted) for wanted in refused)]


def refusal(name, words, own, others):
    """Return the Problem that a master has with the configuration, in its own words."""
    what = '{0} does not load its configuration: {1}; {2}; '.format(name, ', '.join(words[-TOLD:]), BEFORE)
    refused = [_nginx.parse_listen(found.group(1)) for found in [RETRIED.match(one) for one in words] if found]
    if not refused:
        return Problem('refused', what + AGAIN)
    left = [one for one in refused if one.kind == 'unix' and not colliding([one], own + others)]
    if left:
        return Problem('address', '{0}no process listens on {1}, so remove it, and run this again'.format(what, names(left)))
    mine = colliding(refused, own)
    if mine and not colliding(refused, others):
        return Problem('address', '{0}it has {1} itself, and cannot exchange one for the other while it runs, so restart nginx'.format(
            what, names(mine)), 'restart')
    return Problem('address', what + 'look with `ss -lnptu` who has the address, end that or change the configuration, and run this again')


def names(listeners):
    return ', '.join(sorted(to_native(_nginx.listen_text(one)) for one in set(listeners)))


# What is loaded

def checksums(paths):
    """Return the checksums of files in the form of sha256sum."""
    for path in paths:
        if not path.startswith('/') or '\n' in path or '\\' in path:
            raise NginxError("'{0}' cannot be noted; give loaded_files absolute paths without line breaks and backslashes".format(path))
    try:
        return ''.join('{0}  {1}\n'.format(sha256_of(path), path) for path in paths)
    except EnvironmentError as error:
        raise NginxError('cannot read what is to be loaded ({0}); nothing was done; correct loaded_files'.format(to_native(error)))


# Doing it

class Reload(object):
    """Has one nginx load its configuration, and keeps record of it."""

    def __init__(self, params, watch, note, kill=os.kill, probe=_nginx.probe):
        self.params = params
        self.watch = watch
        self.note = note
        self.kill = kill
        self.probe = probe
        self.master = None
        self.before = set()
        self.fresh = set()  # all new workers that were ever seen
        self.logs = None
        self.lines = []
        self.since = self.took = None  # None: HUP was not sent
        self.noted = False

    # Looking

    @property
    def name(self):
        return 'nginx (process {0})'.format(self.master.pid)

    def settled(self):
        """Return the family once it does nothing but serve, so that what comes after the HUP comes of it."""
        quiet = _nginx.Steady(self.watch.clock, STEADY)

        def at_rest(seen):
            if not seen.current:
                return True
            rests = _nginx.rests(self.watch.proc, seen.current.process.pid)
            unknown = quiet([one.pid for one in seen.current.active] if rests is None else None)
            return not seen.newcomers and (rests or unknown)

        family = self.watch.until(at_rest, self.params['timeout'])
        seen = family or self.watch.look()
        if not (seen.current or seen.older):
            raise NginxError('{0} names no running master of nginx; start nginx, or write the number of its master there if it runs'.format(
                self.watch.pid_path))
        self.master = (seen.current or seen.older).process
        if not seen.current or seen.older or seen.newcomers or seen.orphans:
            raise NginxError('an upgrade of {0} to another binary is half done, and HUP would do something else now; finish it with the '
                             'module nginx_upgrade, or as its notes tell, and run this again'.format(self.name))
        if not family:
            raise NginxError('{0} is still busy after {1:g} s, as with a reload that somebody began; nothing was done; see its error log, '
                             'and run this again'.format(self.name, self.params['timeout']))
        if not family.current.active and not self.held()[0]:
            raise NginxError('{0} has no workers and no sockets, so it was told to end, and waits for connections; nothing was done; wait '
                             'for its end, and start nginx'.format(self.name))
        return family

    def held(self):
        """Return the listeners of the master, and those of everybody else."""
        table, own = _nginx.listening(self.watch.proc, self.master.pid), _nginx.sockets(self.watch.proc, self.master.pid)
        return [table[one] for one in own if one in table], [table[one] for one in table if one not in own]

    def words(self, *pids):
        return said_by(pids, self.lines)

    def complaints(self):
        known = [one.pid for one in self.before]
        ended = [int(pid) for pid in EXITED.findall('\n'.join(self.words(self.master.pid)))]  # perhaps before they were seen
        return self.words(self.master.pid, *[one.pid for one in self.fresh] + [pid for pid in ended if pid not in known])

    def workers(self, seen):
        """Return the new workers of the master and the earlier ones that still accept connections."""
        if not seen.current:
            if _nginx.same(self.master, _nginx.process(self.watch.proc, self.master.pid)):
                raise Problem('pid_file', '{0} runs, but {1} does not name it any more; if its configuration has another pid file now, '
                              'write the number there, put the earlier path back, and run this again'.format(
                                  self.name, self.watch.pid_path))
            raise Problem('master', '{0} has ended{1}; see whether nginx runs, and start it'.format(self.name, self.because()))
        if not _nginx.same(self.master, seen.current.process):
            raise Problem('master', '{0} is not the master any more, process {1} is; what that has loaded is unknown; run this '
                          'again'.format(self.name, seen.current.process.pid))
        fresh = [one for one in seen.current.active if one not in self.before]
        self.fresh.update(fresh)
        return fresh, [one for one in seen.current.active if one in self.before]

    def ended(self, seen):
        return self.fresh.difference(seen.current.active + seen.current.leaving)

    def because(self):
        said = self.complaints()
        return ' ({0})'.format(', '.join(said[-TOLD:])) if said else ''

    # Steps

    def reload(self):
        """Send HUP, and return once new workers have taken the place of the earlier ones, and stay."""
        steady, silent = _nginx.Steady(self.watch.clock, STEADY), _nginx.Steady(self.watch.clock, SILENT)
        last = [[], []]

        def loaded(seen):
            self.lines += self.logs.read()
            said = self.words(self.master.pid)
            if is_refusal(said):
                raise refusal(self.name, said, *self.held())
            last[:] = fresh, old = self.workers(seen)
            resting = _nginx.rests(self.watch.proc, self.master.pid)
            if silent(resting and not fresh):
                raise self.silence(old)
            if len(self.ended(seen)) >= LOOP * max(1, len(fresh)):
                raise self.tired()
            return steady(fresh if not old else None)

        _nginx.send(self.watch.proc, self.master, signal.SIGHUP, self.kill)
        if not self.watch.until(loaded, self.params['timeout']):
            raise self.overdue(*last)
        return last[0]

    def silence(self, old):
        """Return the Problem of a master that has done with HUP, and has no new workers."""
        if not old:
            return self.tired()
        return Problem('refused', '{0} does not load its configuration{1}, and goes on with the same workers; {2}; see the error log, or '
                       'what `nginx -t` says; {3}'.format(self.name, self.because() or self.unread(), BEFORE, AGAIN))

    def unread(self):
        return '' if self.logs.readable else ' (its error log is no file, so the reason is not known here)'

    def tired(self):
        return Problem('workers', 'the new workers of {0} do not stay{1}; it has taken the new configuration, and may not serve; put the '
                       'earlier configuration back, and run this again'.format(self.name, self.because() or self.unread()))

    def overdue(self, fresh, old):
        """Return the Problem of a master that has not come to an end in time."""
        if old and not fresh:
            return Problem('undecided', '{0} has neither loaded its configuration nor refused it after {1:g} s{2}; {3} so far, but it may '
                           'load it yet; see its error log, and run this again, with a longer timeout if it is slow'.format(
                               self.name, self.params['timeout'], self.because() or self.unread(), BEFORE))
        if old:
            return Problem('old_workers', '{0} has new workers, but earlier ones ({1}) still accept connections after {2:g} s{3}; so both '
                           'configurations are in force; see what they do, end them by QUIT, and run this again'.format(
                               self.name, ', '.join(str(one.pid) for one in old), self.params['timeout'], self.because()))
        return self.tired()

    def prove(self, fresh):
        """Require that the new workers serve as they are meant to, and are still there then."""
        own = self.held()[0]
        missing = [one for one in [_nginx.parse_listen(text) for text in self.params['listen']] if not _nginx.listens(own, one)]
        if missing:
            raise Problem('listen', '{0} has loaded its configuration, but does not listen on {1}, only on {2}; correct the configuration '
                          'or the option listen, and run this again'.format(self.name, names(missing), names(own) or 'nothing'))
        wrong = _nginx.unanswered(self.params['probes'], self.params['probe_timeout'], ROUNDS, self.probe)
        self.lines += self.logs.read()
        now, dummy = self.workers(self.watch.look())
        if now != fresh:
            raise self.tired()
        if wrong:
            raise Problem('probe', '{0} has loaded its configuration, but does not answer {1}{2}; correct the configuration or the option '
                          'probes, and run this again'.format(self.name, wrong, self.because()))

    def write_note(self, sums):
        try:
            self.note(self.params['loaded_sums'], sums)
            self.noted = True
        except (EnvironmentError, ArtifactError) as error:
            raise Problem('note', '{0} has loaded its configuration, but {1} cannot be written ({2}); remove the cause, and run this '
                          'again'.format(self.name, self.params['loaded_sums'], to_native(error)))

    # All of it

    def bring_into_force(self, check_mode):
        family = self.settled()
        _nginx.check_configuration(self.watch.proc, self.master, self.params['conf_path'])
        sums = checksums(self.params['loaded_files'] or [])
        if check_mode:
            return
        self.before = set(family.current.active + family.current.leaving)
        with contextlib.closing(_nginx.Logs(self.watch.proc, self.master.pid)) as self.logs:
            self.since = self.watch.clock()
            try:
                self.prove(self.reload())
            finally:
                self.took = self.watch.clock() - self.since
        if self.params['loaded_sums']:
            self.write_note(sums)

    def outcome(self):
        """Return the result with what runs now, however it came to be."""
        if not self.master:
            return {}
        family = self.watch.look()
        masters = [one for one in (family.current, family.older) if one]
        return {
            'master': masters[0].process.pid if masters else None,
            'workers': [one.pid for one in masters[0].active] if masters else [],
            'lingering': [one.pid for one in sum([each.leaving for each in masters], []) + family.remnants],
            'listening': sorted(set(to_native(_nginx.listen_text(one)) for one in self.held()[0])),
            'complaints': self.complaints()[-TOLD:],
            'seconds': round(self.took or 0, 3),
            'noted': self.noted,
        }


def check_options(params):
    _nginx.check_options(params)
    for text in params['listen']:
        _nginx.parse_listen(text)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            pid_path=dict(type='path', required=True),
            conf_path=dict(type='path'),
            listen=dict(type='list', elements='str', default=[]),
            probes=dict(type='list', elements='str', default=[]),
            loaded_sums=dict(type='path'),
            loaded_files=dict(type='list', elements='path'),
            timeout=dict(type='float', default=30),
            probe_timeout=dict(type='float', default=3),
        ),
        required_together=[('loaded_sums', 'loaded_files')],
        supports_check_mode=True,
    )

    def note(path, text):
        _files.write(path, _files.File(stat.S_IFREG, to_bytes(text), 0o644, 0, 0), _files.labels(module))

    reload = Reload(module.params, _nginx.Watch(module.params['pid_path']), note)
    try:
        check_options(module.params)
        if module.check_mode:
            reload.bring_into_force(True)
        else:
            with _nginx.lock(os.path.dirname(module.params['pid_path'])):
                reload.bring_into_force(False)
        result = reload.outcome()
    except (NginxError, EnvironmentError) as error:
        module.fail_json(msg=to_native(error), changed=reload.since is not None, problem=getattr(error, 'kind', None),
                         needs=getattr(error, 'needs', None), **reload.outcome())
    module.exit_json(changed=True, **result)


if __name__ == '__main__':
    main()
