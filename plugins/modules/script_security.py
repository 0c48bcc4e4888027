#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: script_security
short_description: Tell which scripts keepalived would refuse, or never run
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Looks at scripts as keepalived will, and names those that it would drop and those that it would take but could not run.
  - A dropped check is silent. The VRRP instance then runs without it.
  - A check that keepalived cannot start counts as passed. It never fails, whatever it was meant to watch.
  - Changes nothing, runs none of the scripts, and needs neither keepalived nor its configuration.
  - Does not tell whether a script does what it should.
options:
  scripts:
    description:
      - The scripts that keepalived is to be given, checks and notify scripts alike.
    type: list
    elements: dict
    required: true
    suboptions:
      command:
        description:
          - The command line that keepalived is given. Only its first word is looked at, the path.
          - A name without a slash is searched in O(search_path). keepalived 2.2.5 and later finds it for root only.
          - V(</path) asks whether a file can be opened. It is a finding before keepalived 2.0.17, which counts it as success whatever
            becomes of the file, and not looked at from there on.
        type: str
        required: true
      user:
        description:
          - The user that keepalived runs it as, by name. Its primary group is the group. An empty one counts as the default.
        type: str
        default: keepalived_script
      name:
        description:
          - What the script is called in RV(findings). Default is its O(scripts[].command).
        type: str
  version:
    description:
      - The version of keepalived, as in V(2.0.7).
    type: str
    required: true
  enable_script_security:
    description:
      - Whether the configuration of keepalived has C(enable_script_security). Without it, keepalived only warns of most things that
        others than root can change.
    type: bool
    default: true
  search_path:
    description:
      - Where a name without a slash is searched. The default is what systemd gives to its services.
    type: str
    default: /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
  fail_on_finding:
    description:
      - Whether the module fails when there is a finding.
      - V(false) only reports them in RV(findings). Errors in the options and in reading the host still fail.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - It only reads, so it does the same in check mode. Scripts that earlier tasks of a check run did not write are not found.
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
  - Run it as root. Else it cannot look into every directory, and fails where it cannot.
  - The user counts with its primary group only, since keepalived takes all others from a script.
  - These are findings with any settings. The user does not exist. The path is relative, leads nowhere, or leads to something that is not
    a regular file. The user cannot enter a directory on the way, may not execute the file, or may not read it although an interpreter
    has to. The file is neither an ELF binary nor begins with C(#!). Its interpreter is missing or cannot be executed by that user. The file
    system is mounted C(noexec).
  - A script counts as protected when it runs as root or in the group root, or is setuid or setgid root. For a protected one it is a
    finding if any part of its path is not owned by root or can be written by others than root, with O(enable_script_security=true).
    Directories with the sticky bit may be writable.
  - From keepalived 2.3.0 on it is a finding if the path of a protected script leads through a symbolic link to a directory, as C(/bin/true)
    does where C(/bin) is a link. This holds without O(enable_script_security) too. That the script itself is a link is fine.
  - It does not look at access control lists, SELinux, capabilities, the architecture of a binary, or what C(/usr/bin/env) in a
    first line would find. The shared file systems of other hosts are taken to trust root.
  - The C(use_symlink_paths) of keepalived 2.3.0 and later is not known to it. It judges as if that were off, which is the default.
  - A version before 2.0.7 is judged as 2.0.7 is.
  - The module fails on a version that it cannot read, on a command without a path that it can read, on what it may not look at, and on
    findings if O(fail_on_finding=true).
  - Source of the rules is the code of keepalived 2.0.7 to 2.4.3.
seealso:
  - module: vipkit.ha.script_directory
  - name: execve(2)
    description: How the kernel starts a script and its interpreter.
    link: https://man7.org/linux/man-pages/man2/execve.2.html
"""

EXAMPLES = r"""
- name: Stop before keepalived is given a script that it would not run
  vipkit.ha.script_security:
    version: 2.0.7
    scripts:
      - name: check nginx
        command: /usr/libexec/keepalived/check_nginx --quick
      - name: notify
        command: /usr/libexec/keepalived/notify
        user: root

- name: Only look, before an upgrade
  vipkit.ha.script_security:
    version: 2.3.4
    fail_on_finding: false
    scripts:
      - command: /bin/true
        user: root
  register: after_upgrade

- name: Show what the upgrade would break
  ansible.builtin.debug:
    var: after_upgrade.findings
"""

RETURN = r"""
findings:
  description: A sentence for each thing that is wrong, with the script, its path, what it is, and what to do.
  returned: when the host could be read
  type: list
  elements: str
  sample:
    - >-
      check nginx: keepalived drops /usr/libexec/keepalived/check_nginx when it reads its configuration: keepalived_script (uid 990,
      gid 985) may not execute /usr/libexec/keepalived/check_nginx (mode 0644, owner 0:0), which only its log says;
      chmod 0755 /usr/libexec/keepalived/check_nginx
scripts:
  description: The scripts in the order of O(scripts).
  returned: when the host could be read
  type: list
  elements: dict
  contains:
    name:
      description: What the script is called.
      returned: always
      type: str
      sample: check nginx
    path:
      description: The path of the script, where a bare name was found if it was, else the first word of the command.
      returned: always
      type: str
      sample: /usr/libexec/keepalived/check_nginx
    runs_as:
      description: The user that it would run as.
      returned: always
      type: str
      sample: keepalived_script
    ok:
      description: Whether there is no finding on it.
      returned: always
      type: bool
      sample: true
  sample:
    - name: check nginx
      path: /usr/libexec/keepalived/check_nginx
      runs_as: keepalived_script
      ok: true
msg:
  description: How many scripts there are findings on, and what they are.
  returned: when there are findings, and on errors
  type: str
  sample: >-
    keepalived 2.0.7 would not run 1 of 2 scripts: notify: keepalived drops /opt/notify when it reads its configuration: root runs it, and
    /opt/notify can be written by everybody; chmod o-w /opt/notify
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native

from ansible_collections.vipkit.ha.plugins.module_utils import _script_security
from ansible_collections.vipkit.ha.plugins.module_utils._script_security import ScriptSecurityError

DEFAULT_USER = 'keepalived_script'


def look(scripts, version, security, search_path, host):
    """Return the findings on scripts, and what the module answers of each."""
    numbers = _script_security.version_tuple(version)
    findings, answers = [], []
    for script in scripts:
        name = script['name'] or script['command']
        word = _script_security.first_word(script['command'])
        user = script['user'] or DEFAULT_USER
        path, problems = _script_security.judge(word, user, numbers, security, search_path, host)
        findings.extend(one.outcome.format(name=name, path=path, what=one.what, advice=one.advice) for one in problems)
        answers.append({'name': name, 'path': path, 'runs_as': user, 'ok': not problems})
    return findings, answers


def summary(version, findings, answers):
    return 'keepalived {0} would not run {1} of {2} scripts: {3}'.format(
        version, len([one for one in answers if not one['ok']]), len(answers), '; '.join(findings))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            scripts=dict(
                type='list', elements='dict', required=True,
                options=dict(
                    command=dict(type='str', required=True),
                    user=dict(type='str', default=DEFAULT_USER),
                    name=dict(type='str'),
                ),
            ),
            version=dict(type='str', required=True),
            enable_script_security=dict(type='bool', default=True),
            search_path=dict(type='str', default='/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin'),
            fail_on_finding=dict(type='bool', default=True),
        ),
        supports_check_mode=True,
    )
    options = module.params
    try:
        findings, answers = look(options['scripts'], options['version'], options['enable_script_security'], options['search_path'],
                                 _script_security.Host())
    except ScriptSecurityError as error:
        module.fail_json(msg=to_native(error))
    except EnvironmentError as error:
        module.fail_json(msg='cannot look at the scripts ({0}); run this task as root, with become'.format(to_native(error)))

    result = dict(changed=False, findings=findings, scripts=answers)
    if not findings:
        module.exit_json(**result)
    finish = module.fail_json if options['fail_on_finding'] else module.exit_json
    finish(msg=summary(options['version'], findings, answers), **result)


if __name__ == '__main__':
    main()
