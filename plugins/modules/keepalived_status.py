#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: keepalived_status
short_description: Tell what a running keepalived thinks of its instances and its checks
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Asks the keepalived that a systemd unit runs for the state of its VRRP instances, their priorities with what checks add to them, its
    counters, and what came of its checks.
  - This is what the daemon thinks. M(vipkit.ha.vip_ownership) tells what the kernel has, and M(vipkit.ha.vrrp_adverts) what is on the wire.
  - It only asks. That keepalived does not run or does not answer is no failure, it is what RV(answers) and RV(msg) tell.
options:
  unit:
    description:
      - The systemd unit that runs keepalived.
    type: str
    default: keepalived.service
  timeout:
    description:
      - Seconds to wait until it answers and all of its instances are V(BACKUP) or V(MASTER). What it says last is returned, whatever that is.
    type: float
    default: 0
  drain_file:
    description:
      - The tracked file by which the host is drained. RV(drained) is whether it begins with another number than 0, as keepalived reads it.
      - It is read from the disk. keepalived 2.0.7 does not tell what it has read itself.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - It asks in check mode, too.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details:
      - It changes nothing, so there is nothing to compare.
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
    details:
      - RV(ignore:changed) is always V(false).
  platform:
    description: The platforms that the module runs on.
    support: full
    platforms: linux
notes:
  - Needs systemd and root.
  - Until 2.3.4, keepalived tells its state only in files that it writes into its F(/tmp) on the signals C(USR1) and C(USR2), with the
    password in them. The module removes what lies there before, waits 5 seconds at most for each file, reads it, and removes it. It returns no
    password. keepalived writes a line for each signal into its log.
  - With C(PrivateTmp=yes) that F(/tmp) is the unit's own. It is entered through F(/proc/PID/root) of its main process.
  - Whoever asks at the same time, such as the metrics of the role, is waited for.
  - A keepalived that is just starting is not asked, since the signals would end it.
  - With C(state_dump_file) or C(stats_dump_file) in C(global_defs), or C(TMPDIR) in its options, it writes elsewhere, and does not answer here.
  - Source of the fields is C(dump_vrrp) in F(keepalived/vrrp/vrrp_data.c) of keepalived.
seealso:
  - module: vipkit.ha.keepalived_state
  - module: vipkit.ha.vip_ownership
  - module: vipkit.ha.vrrp_adverts
"""

EXAMPLES = r"""
- name: Ask keepalived what it thinks
  vipkit.ha.keepalived_status:
  register: keepalived

- name: Name the checks that fail
  ansible.builtin.debug:
    msg: "{{ keepalived.scripts | selectattr('success', 'equalto', false) | map(attribute='name') }}"
"""

RETURN = r"""
answers:
  description: Whether there is a process that does VRRP, and it answers.
  returned: success
  type: bool
  sample: true
msg:
  description: Why it does not answer, and what to do next.
  returned: when it does not answer, and on errors
  type: str
  sample: keepalived has no process that does VRRP; look at `systemctl status keepalived.service` and at the keepalived log
drained:
  description: Whether the host is drained; null without O(drain_file).
  returned: success
  type: bool
  sample: false
states:
  description: The different states of its instances.
  returned: success
  type: list
  elements: str
  sample: [BACKUP, MASTER]
instances:
  description: The VRRP instances, in the order of the configuration. Empty when it does not answer.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    virtual_router_id:
      description: Its number on the wire.
      type: int
    interface:
      description: Its interface; of a virtual MAC, the one below.
      type: str
    state:
      description: V(INIT), V(BACKUP), V(MASTER) or V(FAULT), as keepalived calls it.
      type: str
    priority:
      description: Its priority as configured.
      type: int
    effective_priority:
      description: The same with what checks and tracked files add to it.
      type: int
    version:
      description: Its version of VRRP.
      type: int
    advert_int:
      description: Seconds between its adverts.
      type: float
    down_timer_adverts:
      description: Adverts that it misses until it takes the master for dead; null where keepalived does not tell, since it is always 3 (before 2.2.3).
      type: int
    preempt_delay:
      description: Seconds that it waits before it preempts; null if none.
      type: float
    last_transition:
      description: When it has changed its state last, in seconds since the epoch.
      type: float
    addresses:
      description: Its virtual IPs, without prefix length.
      type: list
      elements: str
    scripts:
      description: Names of the checks that it tracks.
      type: list
      elements: str
    became_master:
      description: How often it has become master since keepalived started.
      type: int
    released_master:
      description: How often it has ceased to be master.
      type: int
scripts:
  description: The checks. Empty when it does not answer.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    success:
      description: Whether keepalived counts it as good, by its C(rise) and C(fall); null before its first result.
      type: bool
"""

import os
import signal
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vipkit.ha.plugins.module_utils import _clock, _keepalived, _keepalived_dump

PAUSE = 1  # seconds between two questions; keepalived writes each of them into its log


def status_of(data, stats):
    """Return what the dumps tell."""
    instances, scripts = _keepalived_dump.parse_data(data)
    counters = _keepalived_dump.parse_stats(stats)
    for one in instances:
        own = counters.get(one['name'], {})
        one.update(became_master=own.get('Became master'), released_master=own.get('Released master'))
    return {'answers': True, 'states': sorted(set(one['state'] for one in instances)), 'instances': instances,
            'scripts': [{'name': name, 'success': good} for name, good in scripts]}


def is_whole(told):
    """Return whether every instance could take over, or has done so."""
    return told['answers'] and all(one['state'] in ('BACKUP', 'MASTER') for one in told['instances'])


def wait_for(ask, timeout):
    """Ask until all is whole or the time is over; return what was told last."""
    end = _clock.monotonic() + timeout
    told = ask()
    while not is_whole(told) and _clock.monotonic() < end:
        time.sleep(min(PAUSE, max(0, end - _clock.monotonic())))
        told = ask()
    return told


def look(unit, shown):
    """Return what keepalived tells, or why it tells nothing; shown: what systemd tells of its unit."""
    main_pid = _keepalived_dump.main_process(shown)
    try:
        # both have the same /tmp, and only the main process lets root in that lacks CAP_SYS_PTRACE, as in a container
        folder = os.path.join('/proc', str(main_pid), 'root', 'tmp')
        return status_of(*_keepalived_dump.dumps(_keepalived_dump.vrrp_process(main_pid), folder))
    except _keepalived_dump.Silent as why:
        hint = 'look at `systemctl status {0}` and at the keepalived log'.format(unit)
        return {'answers': False, 'msg': '{0}; {1}'.format(why, hint), 'states': [], 'instances': [], 'scripts': []}


def end_early(number, dummy):
    """Have what was asked for removed when somebody ends this, since the password is in it."""
    raise _keepalived_dump.Silent('signal {0} has ended the wait for keepalived'.format(number))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            unit=dict(type='str', default='keepalived.service'),
            drain_file=dict(type='path'),
            timeout=dict(type='float', default=0),
        ),
        supports_check_mode=True,
    )
    unit, drain_file = module.params['unit'], module.params['drain_file']
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_early)
    command = [module.get_bin_path('systemctl', required=True), 'show', '-p', 'MainPID', unit]
    try:
        result = wait_for(lambda: look(unit, _keepalived.run(command, 10).output), module.params['timeout'])
        drained = bool(_keepalived.tracked_number(drain_file)) if drain_file else None
    except EnvironmentError as error:
        module.fail_json(msg='cannot ask the keepalived of {0} ({1}); run this as root'.format(unit, error))
    module.exit_json(changed=False, drained=drained, **result)


if __name__ == '__main__':
    main()
