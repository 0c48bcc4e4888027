#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: keepalived_state
short_description: Tell which processes of keepalived run, and wait until they do
version_added: 1.0.0
description:
  - Finds the processes of the keepalived that a systemd unit runs, and tells which of them does VRRP, health checks and BFD.
  - That the unit is active proves nothing. After a fatal error keepalived 2.0.7 loses its VRRP process, and the unit stays active
    without it. So this module looks at the processes themselves.
  - Looks again and again until the needed processes have been alive for O(stable_for) without being replaced, or until O(timeout).
  - With O(planned) it also tells where configuration and scripts are not what they should be.
  - It does not look at virtual IPs, and does not ask the processes themselves. It starts and stops nothing.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return what it would return otherwise.
    details:
      - It only reads, so it does the same in check mode, the waiting included.
  diff_mode:
    support: none
    description: Returns details on what has changed when in diff mode.
    details:
      - It changes nothing, so there is nothing to compare.
  idempotent:
    support: full
    description: When run twice in a row with the same options, the second run changes nothing.
    details:
      - RV(ignore:changed) is always V(false).
  platform:
    support: full
    description: The platforms that the module runs on.
    platforms: linux
options:
  unit:
    description:
      - The systemd unit that runs keepalived.
    type: str
    default: keepalived.service
  path:
    description:
      - A configuration file of which the checksum is wanted.
    type: path
  loaded:
    description:
      - The file to which the unit writes the checksum of O(path), as C(sha256sum) shows it, whenever keepalived reads it. Without that file
        it is not told what was read.
    type: path
    default: /run/keepalived.loaded
  drain_file:
    description:
      - The tracked file that keeps virtual IPs away from this host, if it is wanted whether it does.
    type: path
  trackers:
    description:
      - Tracked files, by the names that the configuration gives them, of which RV(untracked) tells which keepalived has not read.
    type: list
    elements: str
    default: []
  planned:
    description:
      - What the host should have, for RV(deviations). Nothing of it is written.
    type: dict
    suboptions:
      content:
        description:
          - The text that O(path) should have. Layout and comments do not count.
        type: str
        required: true
      directory:
        description:
          - Where O(planned.scripts) are. Needed with them.
        type: path
      scripts:
        description:
          - The scripts that were written for keepalived, as for M(vipkit.ha.script_directory).
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the file.
            type: str
            required: true
          content:
            description: Text of the script.
            type: str
            required: true
          mode:
            description: Permissions, octal and in quotes.
            type: str
            default: "0755"
      commands:
        description:
          - Other commands that keepalived runs, of which only is told why it could not.
        type: list
        elements: dict
        default: []
        suboptions:
          command:
            description: The command, as it stands in the configuration.
            type: str
            required: true
          user:
            description: The user that runs it.
            type: str
            default: keepalived_script
          name:
            description: What to call it in messages.
            type: str
      version:
        description:
          - Version of keepalived, since it decides what becomes of O(planned.commands).
        type: str
        default: 2.0.7
  needs:
    description:
      - The processes that have to be alive. keepalived starts each of them only when its configuration asks for it.
      - An empty list only asks for an active unit with a main process.
    type: list
    elements: str
    choices: [vrrp, checker, bfd]
    default: [vrrp]
  timeout:
    description:
      - Seconds until the needed processes must have been alive for O(stable_for).
      - V(0) looks exactly once and takes what it sees.
    type: float
    default: 5
  stable_for:
    description:
      - Seconds for which every look must show the same processes, so that one that dies and is started again and again is not taken
        for one that runs.
      - Must not be greater than O(timeout). Not used when O(timeout=0).
    type: float
    default: 1
  fail_on_dead:
    description:
      - Whether the module fails when a needed process is not alive in time.
      - V(false) only reports it in RV(alive) and RV(msg). Errors in the options and in reading the host still fail.
    type: bool
    default: true
notes:
  - Needs systemd and root.
  - A unit that does not exist counts as one that is not active.
  - A process of keepalived is a child of the unit's main process that executes the same file and is no zombie. What it does is told by
    the pid file that names it. Pid files are looked for where the options of the main process say, else in the C(run) directories
    that keepalived uses, also those of O(unit)s with C(instance), C(use_pid_dir) or C(net_namespace).
  - A pid file that names any other process is a stale one and does not count.
  - Without a pid file, a process is known by the name that C(process_names) gives it. keepalived 2.0.7 has no such setting.
  - keepalived before 2.2 with both C(instance) and C(bfd_instance) writes the pids of VRRP and BFD to the same file. The one that is
    found there is taken for VRRP, so do not rely on it there.
  - The module fails without systemd, on seconds that are negative, on O(stable_for) greater than O(timeout), when the host
    cannot be read, and on a missing process if O(fail_on_dead=true).
seealso:
  - module: vipkit.ha.keepalived_config
  - module: vipkit.ha.vip_ownership
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Prove that keepalived does VRRP after a reload
  vipkit.ha.keepalived_state:
    path: /etc/keepalived/keepalived.conf

- name: Look once what runs
  vipkit.ha.keepalived_state:
    timeout: 0
    fail_on_dead: false
  register: running

- name: Prove that health checks run as well
  vipkit.ha.keepalived_state:
    needs:
      - vrrp
      - checker
    timeout: 20
    stable_for: 5
"""

RETURN = r"""
alive:
  description: Whether the unit is active and all needed processes were alive, for O(stable_for) unless O(timeout=0).
  returned: when the host could be read
  type: bool
  sample: true
active:
  description: Whether systemd calls the unit active.
  returned: when the host could be read
  type: bool
  sample: true
main_pid:
  description: The main process of the unit, or null.
  returned: when the host could be read
  type: int
  sample: 812
daemons:
  description: The process of each kind, or null where there is none that is alive.
  returned: when the host could be read
  type: dict
  contains:
    vrrp:
      description: The process that does VRRP.
      returned: always
      type: int
      sample: 814
    checker:
      description: The process that does health checks.
      returned: always
      type: int
      sample: 813
    bfd:
      description: The process that does BFD.
      returned: always
      type: int
      sample: 815
  sample:
    vrrp: 814
    checker: null
    bfd: null
missing:
  description: Those of O(needs) that were not alive at the last look.
  returned: when the host could be read
  type: list
  elements: str
  sample: []
version:
  description:
    - Version of the file that the main process executes, also when another one has taken its place on the disk.
    - Null without a main process, and when it does not tell.
  returned: when the host could be read
  type: str
  sample: 2.0.7
config_sha256:
  description: SHA-256 checksum of O(path). Null without O(path), or when there is no such file.
  returned: when the host could be read
  type: str
  sample: 4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a
untracked:
  description:
    - Those of O(trackers) that the file at O(path) does not define. All of them, if it is not the file that keepalived has read (O(loaded)).
  returned: when the host could be read
  type: list
  elements: str
  sample: []
drained:
  description: Whether the host is drained, as far as O(drain_file) says it.
  returned: when the host could be read
  type: bool
  sample: false
deviations:
  description:
    - One sentence without its full stop for each way in which the host is not as O(planned), and what to do.
    - Of a configuration it names keywords and no values. One that was loaded and is no longer in O(path) is told by its checksum alone.
  returned: with O(planned)
  type: list
  elements: str
  sample:
    - >-
      /etc/keepalived/keepalived.conf is not the planned one (vrrp_instance VI_1: nopreempt is there and not planned, so preemption is off),
      and it is in force; run site.yml, which puts the planned one back
elapsed:
  description: Seconds from the start until the last look.
  returned: when the host could be read
  type: float
  sample: 1.012
msg:
  description: What is not alive, and what to do next.
  returned: when something is not alive, and on errors
  type: str
  sample: >-
    keepalived.service on node128 is active (process 812), but has no vrrp process after 5 s; look at the keepalived log, correct the
    configuration, and restart the unit
"""

import errno
import os
import re
import socket
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.vipkit.ha.plugins.module_utils import _clock, _keepalived, _keepalived_planned, _script_security
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, sha256_of
from ansible_collections.vipkit.ha.plugins.module_utils._files import checked_mode, read_file

PAUSE = 0.2
SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin'
DELETED = ' (deleted)'
RUN_DIRECTORIES = ('run', 'run/keepalived', 'var/run', 'var/run/keepalived', 'usr/local/var/run', 'usr/local/var/run/keepalived')
# Short and long option that names the pid file, pattern of its names, and the process's own name if it has one
KINDS = {
    'vrrp': ('-r', '--vrrp_pid', r'(keepalived_)?vrrp(_.+)?\.pid$', 'keepalived_vrrp'),
    'checker': ('-c', '--checkers_pid', r'(keepalived_)?checkers(_.+)?\.pid$', 'keepalived_lvs'),
    'bfd': ('-b', '--bfd_pid', r'(keepalived_)?bfd(_.+)?\.pid$', 'keepalived_bfd'),
}


class StateError(Exception):
    """The options make no sense, or the host cannot be read."""


# Processes

def text_of(*parts):
    """Return the content of a file, or nothing when it is gone, as a process may be at any time."""
    try:
        with open(os.path.join(*parts), 'rb') as handle:
            return handle.read().decode('utf-8', 'replace')
    except EnvironmentError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH, errno.ENOTDIR):
            raise
        return u''


def executable(proc, pid):
    """Return what a process executes, or None when there is no such process any more."""
    try:
        found = os.readlink(os.path.join(proc, str(pid), 'exe'))
        # after an upgrade the file is another one, and still it is the same for a process and its children
        return found[:-len(DELETED)] if found.endswith(DELETED) else found
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            return None
        # root in a container without CAP_SYS_PTRACE: what it was called by is as good for children, which are forks
        return text_of(proc, str(pid), 'cmdline').partition(u'\0')[0] or None


def root_of(proc, pid):
    """Return the root directory as a process sees it, or this one's where it cannot be entered."""
    root = os.path.join(proc, str(pid), 'root')
    return root if os.access(root, os.X_OK) else '/'


def state_and_parent(stat):
    """Return the state and the parent that a stat file tells; the name before them may hold anything."""
    fields = stat.rpartition(u')')[2].split()
    return (fields[0], int(fields[1])) if len(fields) > 1 else (u'X', None)


def children(proc, pid):
    """Return the living children of a process that execute what it does."""
    found, program = [], executable(proc, pid)
    for name in os.listdir(proc) if program else []:
        state, parent = state_and_parent(text_of(proc, name, 'stat')) if name.isdigit() else (u'X', None)
        if parent == pid and state not in u'ZX' and executable(proc, name) == program:
            found.append(int(name))
    return sorted(found)


def option(arguments, short, long_name):
    """Return the value of an option in a command line, in any of its four forms, or None."""
    value = None
    for place, argument in enumerate(arguments):
        if argument in (short, long_name):
            value = (arguments + [None])[place + 1]
        elif argument.startswith(long_name + u'='):
            value = argument[len(long_name) + 1:]
        elif argument.startswith(short):
            value = argument[len(short):]
    return value


def pid_files(proc, pid, short, long_name, pattern):
    """Return the paths, as this process sees them, of the pid files that a main process has for one kind of child."""
    root = root_of(proc, pid)
    given = option(text_of(proc, str(pid), 'cmdline').split(u'\0')[1:], short, long_name)
    if given:
        return [os.path.join(root, given.lstrip(u'/'))]
    directories = [os.path.join(root, directory) for directory in RUN_DIRECTORIES]
    return [os.path.join(directory, name) for directory in directories if os.path.isdir(directory)
            for name in sorted(os.listdir(directory)) if re.match(pattern, name)]


def daemons(proc, main_pid):
    """Return the process of each kind, or None, of a running keepalived."""
    alive = children(proc, main_pid) if main_pid else []
    found = {}
    for kind, (short, long_name, pattern, own_name) in KINDS.items():
        named = [text_of(path).strip() for path in pid_files(proc, main_pid, short, long_name, pattern)] if alive else []
        named += [str(pid) for pid in alive if text_of(proc, str(pid), 'comm').strip() == own_name]
        found[kind] = next((int(pid) for pid in named if pid.isdigit() and int(pid) in alive), None)
    return found


# The unit

def unit_state(systemctl, unit):
    """Return (whether it is active, its main process or None) as systemd sees a unit."""
    command = [systemctl, 'show', '-p', 'ActiveState', '-p', 'MainPID', unit]
    outcome = _keepalived.run(command, 10)
    if outcome.rc != 0:
        said = ' '.join(outcome.output.split()) or 'it did not answer'
        raise StateError("systemd cannot be asked about {0} ({1}); see that it runs on this host".format(unit, said))
    state = dict(line.partition(u'=')[::2] for line in outcome.output.splitlines())
    return state.get('ActiveState') in ('active', 'reloading'), int(state.get('MainPID') or 0) or None


def look(systemctl, unit, proc, needs):
    """Return what runs now."""
    active, main_pid = unit_state(systemctl, unit)
    found = daemons(proc, main_pid)
    return {'active': active, 'main_pid': main_pid, 'daemons': found, 'missing': [kind for kind in needs if not found[kind]]}


# Waiting

def check_seconds(timeout, stable_for):
    for name, value in (('timeout', timeout), ('stable_for', stable_for)):
        if not 0 <= value < float('inf'):
            raise StateError('%s is %s; give it as seconds, 0 or more' % (name, value))
    if 0 < timeout < stable_for:
        raise StateError('stable_for (%g s) can never be reached within timeout (%g s); lower the one or raise the other'
                         % (stable_for, timeout))


def wait(see, needs, clock, pause, timeout, stable_for):
    """Look until the same needed processes were alive for stable_for seconds, or the time is over; return (state, replaced)."""
    start, since, before, replaced = clock(), None, None, 0
    while True:
        state = see()
        elapsed = clock() - start
        ready = state['active'] and state['main_pid'] and not state['missing']
        if ready:
            processes = [state['main_pid']] + [state['daemons'][kind] for kind in needs]
            replaced += before not in (None, processes)
            since = elapsed if since is None or processes != before else since
            before = processes
        else:
            since = None
        rest = timeout if since is None else stable_for - (elapsed - since)
        alive = since is not None and (rest <= 0 or timeout == 0)
        if alive or elapsed >= timeout:
            return dict(state, alive=alive, elapsed=round(elapsed, 3)), replaced
        pause(min(PAUSE, rest, timeout - elapsed))


def explain(unit, node, result, replaced):
    """Why it is not alive, and what to do."""
    where, after = '%s on %s' % (unit, node), 'after %g s' % round(result['elapsed'], 1)
    if not result['active']:
        return '%s is not active %s; look at `systemctl status %s` and at the keepalived log' % (where, after, unit)
    if not result['main_pid']:
        return '%s is active, but systemd does not know its main process %s; see that its pid file is the one the unit names' % (where, after)
    if result['missing']:
        problem = 'has no %s process %s' % (' and no '.join(result['missing']), after)
    elif replaced:
        problem = 'does not keep its processes: within %g s they were replaced %d times' % (round(result['elapsed'], 1), replaced)
    else:
        problem = 'had its processes too late to see within %g s that they stay' % round(result['elapsed'], 1)
    return '%s is active (process %d), but %s; look at the keepalived log, correct the configuration, and restart the unit' % (
        where, result['main_pid'], problem)


def checksum(path):
    """Return the checksum of a file, or None when there is none."""
    try:
        return sha256_of(path) if path else None
    except EnvironmentError as error:
        if error.errno != errno.ENOENT:
            raise
        return None


# What was planned

def deviations(path, loaded, planned):
    """Return where the host is not as planned."""
    data = None
    if os.path.exists(path):
        with open(path, 'rb') as handle:
            data = handle.read()
    found = _keepalived_planned.of_configuration(path, planned['content'], data, loaded)
    for script in planned['scripts']:
        where = os.path.join(planned['directory'] or '', script['name'])
        there = read_file(where)
        found += _keepalived_planned.of_script(where, script['content'], checked_mode(script['mode'], where), there and (there.mode, there.content))
    for entry in planned['commands']:
        path, problems = _script_security.judge(_script_security.first_word(entry['command']), entry['user'],
                                                _script_security.version_tuple(planned['version']), False, SEARCH_PATH, _script_security.Host())
        found += ['{0}: {1}, and keepalived may count that as a success; {2}'.format(entry['name'] or path, one.what, one.advice) for one in problems]
    return found


def track_files(path):
    """Return the names of the tracked files that a configuration file defines."""
    text = text_of(path)
    return set(words[1] for words, dummy in _keepalived.parse(text) if len(words) > 1 and words[0] in (u'vrrp_track_file', u'track_file'))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            unit=dict(type='str', default='keepalived.service'),
            path=dict(type='path'),
            loaded=dict(type='path', default='/run/keepalived.loaded'),
            drain_file=dict(type='path'),
            trackers=dict(type='list', elements='str', default=[]),
            planned=dict(
                type='dict',
                options=dict(
                    content=dict(type='str', required=True, no_log=True),
                    directory=dict(type='path'),
                    scripts=dict(
                        type='list', elements='dict', default=[],
                        options=dict(name=dict(type='str', required=True), content=dict(type='str', required=True), mode=dict(type='str', default='0755')),
                    ),
                    commands=dict(
                        type='list', elements='dict', default=[],
                        options=dict(command=dict(type='str', required=True), user=dict(type='str', default='keepalived_script'), name=dict(type='str')),
                    ),
                    version=dict(type='str', default='2.0.7'),
                ),
            ),
            needs=dict(type='list', elements='str', choices=['vrrp', 'checker', 'bfd'], default=['vrrp']),
            timeout=dict(type='float', default=5),
            stable_for=dict(type='float', default=1),
            fail_on_dead=dict(type='bool', default=True),
        ),
        required_by={'planned': 'path'},
        supports_check_mode=True,
    )
    unit, needs, timeout, stable_for = [module.params[name] for name in ('unit', 'needs', 'timeout', 'stable_for')]
    systemctl = module.get_bin_path('systemctl')
    if not systemctl:
        module.fail_json(msg='there is no systemctl on this host; this module needs systemd, so look at the processes in another way')
    try:
        check_seconds(timeout, stable_for)
        result, replaced = wait(
            lambda: look(systemctl, unit, '/proc', needs), needs, _clock.monotonic, time.sleep, timeout, stable_for)
        result['version'] = _keepalived.version('/proc/%d/exe' % result['main_pid']) if result['main_pid'] else None
        result['config_sha256'] = checksum(module.params['path'])
        loaded = _keepalived_planned.loaded_sum(text_of(module.params['loaded']))
        is_read = bool(loaded) and loaded == result['config_sha256']
        read = track_files(module.params['path']) if is_read else ()
        result['untracked'] = [name for name in module.params['trackers'] if name not in read]
        result['drained'] = bool(module.params['drain_file'] and _keepalived.tracked_number(module.params['drain_file']))
        if module.params['planned']:
            result['deviations'] = deviations(module.params['path'], loaded, module.params['planned'])
    except (StateError, EnvironmentError, ArtifactError, _script_security.ScriptSecurityError) as error:
        module.fail_json(msg=to_native(error))

    if result['alive']:
        module.exit_json(changed=False, **result)
    finish = module.fail_json if module.params['fail_on_dead'] else module.exit_json
    finish(changed=False, msg=explain(unit, socket.gethostname(), result, replaced), **result)


if __name__ == '__main__':
    main()
