#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: unit_in_force
short_description: Have a systemd unit run, and tell whether what runs is what is on disk
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Has systemd read its units anew if the files of this one have changed. Enables or disables it, and starts it if it is not active.
  - Tells whether the unit has to be reloaded or restarted before it runs what is on disk. For this the unit itself writes down the
    checksums of its files when it starts and when it is reloaded. See the notes.
  - It does not restart, reload or stop anything. Without O(probe) it does not tell whether a unit that is active does its work.
options:
  name:
    description:
      - The unit. What has no suffix is a service.
    type: str
    required: true
  enabled:
    description:
      - Whether the unit is to start at boot. Without it, this is left as it is.
    type: bool
  started:
    description:
      - Whether a unit that is not active is started. V(false) leaves it as it is.
      - One that is just starting, or waits to be restarted, counts as not active. The call waits until it has started.
    type: bool
    default: true
  sums:
    description:
      - Whether the unit writes its checksums. With V(false) they are not looked for, and RV(in_force) is always V(yes).
    type: bool
    default: true
  started_sums:
    description:
      - The file with the checksums of what takes a restart to come into force.
      - The default is C(/run/NAME.started), where C(NAME) is O(name) without C(.service).
    type: path
  loaded_sums:
    description:
      - The file with the checksums of what takes a reload to come into force.
      - The default is C(/run/NAME.loaded), where C(NAME) is O(name) without C(.service).
    type: path
  companions:
    description:
      - Units that go with this one, such as a timer, with their suffixes. Each is enabled or disabled, and started, as this one is.
      - Their files are not compared with what runs. Of a timer, systemd also reads the service anew that has its name.
      - One that systemd does not know is left out. In check mode it counts as one that the same run would have made.
    type: list
    elements: str
    default: []
  missing_ok:
    description:
      - Whether the module does nothing, instead of failing, when systemd knows no such unit. RV(exists) tells it.
    type: bool
    default: false
  probe:
    description:
      - Where the unit answers when it does its work, as C(http://HOST:PORT/PATH), C(https://HOST:PORT/PATH) or C(HOST:PORT).
      - It is asked once, at last, and RV(answers) tells what came of it. That it does not answer is no failure.
    type: str
  timeout:
    description:
      - Seconds after which a call of systemctl counts as failed. systemd goes on with what it was asked to do.
    type: float
    default: 120
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - A unit that does not exist yet counts as one that the same run would have made, unless O(missing_ok=true).
      - A unit that would be started counts as in force. Any other is compared with what is on disk now.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
  platform:
    description: The platforms that the module runs on.
    support: full
    platforms: linux
notes:
  - Needs systemd and root.
  - The files of checksums are in the form of C(sha256sum). The unit writes one in C(ExecStartPre) and the other in C(ExecStartPre) and
    C(ExecReload).
  - A file of checksums that is missing, empty, or not in that form means a restart, since nobody knows what runs.
  - A file that did not exist when the unit wrote its checksums is not among them. That it has appeared since is not seen.
  - That systemd reads its units anew does not count as a change.
  - The module fails without systemd, when it knows no such unit (unless O(missing_ok=true), or in check mode), and when a call of
    systemctl fails. If the unit does not start, the message has the last lines of its journal.
seealso:
  - module: vipkit.ha.keepalived_state
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Have nginx run, now and at boot
  vipkit.ha.unit_in_force:
    name: nginx
    enabled: true
    probe: http://127.0.0.1:80/
  register: nginx

- name: Have nginx run what is on disk
  ansible.builtin.systemd_service:
    name: nginx
    state: "{{ nginx.in_force ~ 'ed' }}"
  when: nginx.in_force != 'yes'

- name: Have nginx run, and its metrics written again and again
  vipkit.ha.unit_in_force:
    name: nginx
    enabled: true
    companions: [nginx-metrics.timer]

- name: Look whether rsyslog is installed, and have it run if it is
  vipkit.ha.unit_in_force:
    name: rsyslog
    enabled: true
    sums: false
    missing_ok: true
  register: rsyslog
"""

RETURN = r"""
exists:
  description: Whether systemd knows the unit.
  returned: when systemd has answered
  type: bool
  sample: true
active:
  description: What systemd called the unit before, such as V(active), V(inactive) or V(failed).
  returned: when systemd has answered
  type: str
  sample: active
started:
  description: Whether this call has started the unit. In check mode, whether it would.
  returned: when systemd has answered
  type: bool
  sample: false
enabled_now:
  description: Whether this call has enabled or disabled the unit. In check mode, whether it would.
  returned: when systemd has answered
  type: bool
  sample: false
companions_changed:
  description: Those of O(companions) that this call has enabled, disabled or started. In check mode, those that it would.
  returned: when systemd has answered
  type: list
  elements: str
  sample: [nginx-metrics.timer]
in_force:
  description:
    - Whether what runs is what is on disk.
    - V(reload) or V(restart) if the unit has to be reloaded or restarted first. Also V(restart) if it does not run.
    - Always V(yes) with O(sums=false).
  returned: when systemd has answered
  type: str
  sample: reload
stale:
  description: The files that have changed since the unit read them, and the files of checksums that cannot be used.
  returned: when systemd has answered
  type: list
  elements: str
  sample: [/usr/local/nginx/conf/nginx.conf]
answers:
  description: Whether there was a good answer from O(probe) within two seconds, over HTTP one with a status from 200 to 399.
  returned: with O(probe), when systemd has answered
  type: bool
  sample: true
msg:
  description: What failed, in the words of systemctl, the last lines of the unit's journal, and what to do next.
  returned: on errors
  type: str
  sample: >-
    cannot start nginx.service (Job for nginx.service failed because the control process exited with error code.); its journal ends with:
    nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use); remove the cause and run again
"""

import collections
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived, _nginx
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, sha256_of

PROPERTIES = ('LoadState', 'ActiveState', 'UnitFileState', 'NeedDaemonReload')
SUFFIX = re.compile(r'\.(service|socket|timer|path|mount|automount|swap|target|slice|scope|device)\Z')
RUNNING = ('active', 'reloading', 'refreshing')
PATIENCE = 2  # seconds for an answer
AT_BOOT = ('enabled', 'alias', 'static', 'indirect', 'generated')  # the last three have nothing that could be enabled
SUM = re.compile(r'([0-9a-f]{64}) [ *](/.*)\Z')

Unit = collections.namedtuple('Unit', 'exists active at_boot outdated')  # outdated: systemd has to read it first


# The unit

def unit_of(output):
    """Return what `systemctl show` tells of a unit."""
    told = dict(to_native(line).partition('=')[::2] for line in output.splitlines())
    exists = told.get('LoadState') not in ('not-found', None)
    # A systemd that was asked before the file was there may remember that it was not.
    outdated = told.get('NeedDaemonReload') == 'yes' or told.get('LoadState') not in ('loaded', 'masked')
    return Unit(exists, told.get('ActiveState', ''), told.get('UnitFileState', ''), outdated)


def steps(unit, enabled, started):
    """Return what systemctl has to do with a unit, in this order."""
    verbs = []
    if enabled and unit.at_boot not in AT_BOOT:
        verbs.append('enable')
    if enabled is False and unit.at_boot in ('enabled', 'enabled-runtime'):
        verbs.append('disable')
    if started and unit.active not in RUNNING:
        verbs.append('start')
    return verbs


def outdated_service(systemd):
    """Whether systemd has to read the service of a timer first."""
    stem, dot, suffix = systemd.unit.rpartition('.')
    return suffix == 'timer' and systemd.other(stem + '.service').look().outdated


class Systemd(object):
    """systemd as it is asked about one unit; run(command) returns what came of a command."""

    def __init__(self, unit, run, systemctl, journalctl=None):
        self.unit, self.run, self.systemctl, self.journalctl = unit, run, systemctl, journalctl

    def other(self, unit):
        return Systemd(unit, self.run, self.systemctl, self.journalctl)

    def call(self, failure, *arguments):
        try:
            outcome = self.run([self.systemctl] + list(arguments))
        except EnvironmentError as error:
            raise ArtifactError('{0} ({1}); see that systemd runs on this host'.format(failure, to_native(error)))
        if outcome.rc != 0:
            said = 'systemctl did not end in time' if outcome.timed_out else one_line(outcome.output) or 'systemctl gave no reason'
            journal = self.journal() if 'start' in arguments else ''
            raise ArtifactError('{0} ({1}){2}; remove the cause and run again'.format(failure, said, journal))
        return outcome.output

    def journal(self):
        """Return the end of the unit's journal for a message, as far as there is one."""
        if not self.journalctl:
            return ''
        try:
            outcome = self.run([self.journalctl, '--unit', self.unit, '--lines', '10', '--quiet', '--no-pager'])
        except EnvironmentError:
            return ''
        return '; its journal ends with: ' + one_line(outcome.output) if outcome.rc == 0 and outcome.output.strip() else ''

    def look(self):
        wanted = [word for name in PROPERTIES for word in ('-p', name)]
        return unit_of(self.call('cannot ask systemd about {0}'.format(self.unit), 'show', *(wanted + [self.unit])))

    def read_anew(self):
        self.call('cannot have systemd read {0} anew'.format(self.unit), 'daemon-reload')

    def do(self, verb):
        self.call('cannot {0} {1}'.format(verb, self.unit), verb, self.unit)


def one_line(output):
    return to_native(' | '.join(line.strip() for line in output.splitlines() if line.strip()))


# What is in force

def sums_in(text):
    """Return (path, sha256) of each line that sha256sum wrote; None if it wrote anything else, or nothing."""
    found = [SUM.match(line) for line in text.splitlines()]
    return [(line.group(2), line.group(1)) for line in found] if found and all(found) else None


def differs(path, expected):
    try:
        return sha256_of(path) != expected
    except EnvironmentError:
        return True


def stale_files(path):
    """Return the files that are not what a file of checksums says; None if it cannot be used."""
    try:
        with open(path, 'rb') as handle:
            sums = sums_in(to_native(handle.read()))
    except EnvironmentError:
        return None
    return None if sums is None else [name for name, expected in sums if differs(name, expected)]


def verdict(started_sums, loaded_sums):
    """Return (what it takes to bring into force what is on disk, why)."""
    started, loaded = stale_files(started_sums), stale_files(loaded_sums)
    stale = ([started_sums] if started is None else started) + ([loaded_sums] if loaded is None else loaded)
    if started or started is None or loaded is None:
        return 'restart', stale
    return ('reload' if loaded else 'yes'), stale


# All of it

def bring_up(systemd, enabled, started, missing_ok, check_mode):
    """Have the unit as asked; return the unit as it was before, and what was done."""
    unit = systemd.look()
    if (unit.outdated or outdated_service(systemd)) and not check_mode:
        systemd.read_anew()
        unit = systemd.look()
    if not unit.exists and missing_ok:
        return unit, []
    if not unit.exists and not check_mode:
        raise ArtifactError('systemd knows no unit {0}; see that its file is in place, and run again'.format(systemd.unit),
                            known=answer(unit, [], 'restart', []))
    verbs, done = steps(unit, enabled, started), []
    try:
        for verb in verbs:
            if not check_mode:
                systemd.do(verb)
            done.append(verb)
    except ArtifactError as error:
        raise ArtifactError(str(error), known=answer(unit, done, 'restart', []))
    return unit, done


def answer(unit, verbs, in_force, stale, companions=()):
    return {
        'changed': bool(verbs or companions),
        'exists': unit.exists,
        'active': unit.active,
        'started': 'start' in verbs,
        'enabled_now': 'enable' in verbs or 'disable' in verbs,
        'companions_changed': list(companions),
        'in_force': in_force,
        'stale': stale,
    }


def have(systemd, enabled, started, sums, missing_ok, check_mode, companions=()):
    """Have the unit as asked, and return what the module answers; sums: where the checksums are, or None."""
    unit, verbs = bring_up(systemd, enabled, started, missing_ok, check_mode)
    runs = 'start' in verbs or unit.active in RUNNING
    if sums is None or (check_mode and 'start' in verbs):
        in_force, stale = 'yes', []
    else:
        in_force, stale = verdict(*sums) if runs else ('restart', [])
    try:
        changed = [name for name in companions if bring_up(systemd.other(name), enabled, started, not check_mode, check_mode)[1]]
    except ArtifactError as error:  # what is said of the unit holds, whatever becomes of its companions
        raise ArtifactError(str(error), known=answer(unit, verbs, in_force, stale))
    return answer(unit, verbs, in_force, stale, changed)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type='str', required=True),
            enabled=dict(type='bool'),
            started=dict(type='bool', default=True),
            sums=dict(type='bool', default=True),
            started_sums=dict(type='path'),
            loaded_sums=dict(type='path'),
            companions=dict(type='list', elements='str', default=[]),
            missing_ok=dict(type='bool', default=False),
            probe=dict(type='str'),
            timeout=dict(type='float', default=120),
        ),
        supports_check_mode=True,
    )
    options = module.params
    systemctl = module.get_bin_path('systemctl')
    if not systemctl:
        module.fail_json(msg='there is no systemctl on this host; this module needs systemd, so start the service in another way')
    unit = options['name'] if SUFFIX.search(options['name']) else options['name'] + '.service'
    stem = '/run/' + re.sub(r'\.service\Z', '', unit)
    sums = (options['started_sums'] or stem + '.started', options['loaded_sums'] or stem + '.loaded')
    systemd = Systemd(
        unit, lambda command: _keepalived.run(command, options['timeout']), systemctl, module.get_bin_path('journalctl'))
    try:
        result = have(systemd, options['enabled'], options['started'], sums if options['sums'] else None, options['missing_ok'],
                      module.check_mode, options['companions'])
        if options['probe']:
            result['answers'] = _nginx.probe(options['probe'], PATIENCE) is None
    except _nginx.NginxError as error:
        module.fail_json(msg=to_native(error))
    except ArtifactError as error:
        module.fail_json(msg=to_native(error), **error.details.get('known', {}))
    module.exit_json(**result)


if __name__ == '__main__':
    main()
