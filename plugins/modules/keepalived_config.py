#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: keepalived_config
short_description: Test a keepalived.conf, put it in place, and take it back, in steps of their own
version_added: 1.0.0
description:
  - Tests a configuration with keepalived itself, without touching the file that is in use. So all hosts can be asked before the
    first one is written.
  - Puts a configuration in place, whole or not at all, and keeps the one that was there. Takes it back when asked to.
  - Tells which changes all members of a virtual router have to get at the same moment, because two that differ in them both
    become MASTER.
  - It does not start, stop or reload keepalived, and does not test a configuration that it puts in place.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what would change, without changing it.
    details:
      - With O(state=tested) it does the same in check mode. The staged file is written and removed again.
      - keepalived looks for the scripts and the interfaces that a configuration names. In check mode those that the same run would
        have made are missing, so a configuration may be refused then that would be accepted otherwise.
  diff_mode:
    support: full
    description: Shows the text before and after.
    details:
      - Each password is shown as C(<secret 1>), C(<secret 2>) and so on. The same number is the same password, so a changed one is
        seen without being told.
      - A wrong owner or mode is put right, but not shown. With O(state=tested) there is no diff.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
options:
  path:
    description:
      - The file that keepalived reads. Its directory has to exist.
    type: path
    required: true
  state:
    description:
      - V(tested) writes O(content) to a staged file beside O(path), has keepalived test it, and removes it. Nothing else is changed.
        It does not fail when the configuration is refused, see RV(accepted).
      - V(present) puts O(content) in place, owned by root, with mode V(0640). What was there is kept beside it as C(.previous).
      - V(restored) puts the content of C(.previous) back in place. What was there is kept beside it as C(.failed).
        It fails when there is no C(.previous).
    type: str
    choices: [tested, present, restored]
    required: true
  content:
    description:
      - The whole configuration. Required for O(state=tested) and O(state=present).
    type: str
  binary:
    description:
      - The keepalived that tests the configuration. Required for O(state=tested).
    type: path
  secrets:
    description:
      - Texts that are hidden in all that is returned, such as the passwords of the instances.
      - What follows C(auth_pass), C(password) and the like in a line is hidden in any case.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds after which a test that does not end is killed. The configuration counts as refused then.
    type: float
    default: 20
notes:
  - C(.previous) and C(.failed) are beside O(path), for example C(keepalived.conf.previous). They belong to root and have mode V(0600).
    Each is overwritten by the next one of its kind.
  - Take back with O(state=restored) only where O(state=present) has returned a RV(previous). A C(.previous) may also be left from
    an earlier run.
  - The staged file is C(.staged) beside O(path), so that relative C(include) lines find what they will find later. It belongs to
    root, has mode V(0600), and is never there after the module. One that a killed run has left is replaced.
  - A symbolic link at O(path) is replaced by a file, never followed when writing. SELinux contexts are those of the present file,
    or the policy's where there is none.
  - Only exit code 0 is an acceptance, because the other ones differ between versions. Errors that keepalived repeats are told once.
  - keepalived 2.0.20 to 2.1.5 tell errors and may still end with 0. What they say counts as a refusal, whatever the exit code.
  - keepalived 2.0.7 accepts a file in which a closing brace is missing, and all versions accept some that are empty. Such files, and
    those with a NUL byte, are refused before keepalived is asked. Where conditions (C(@name)) or definitions (C($NAME=)) hold
    braces, only keepalived judges them.
  - keepalived 2.2.5 to 2.2.7 send themselves SIGTERM when a script runs as another user, so that a good file looks bad. The test
    runs with that signal ignored. A test that dies by another signal is repeated up to three times.
  - keepalived accepts more that is wrong, such as a virtual router id that is used twice (2.0.7), or a missing notify script.
  - RV(shared_changes) compares the two texts only. It does not see what changes in included files and in definitions, and not
    what other hosts have. That keepalived sends no more than 8 characters of a password, and whole seconds in version 2, is allowed for.
  - The module fails when O(binary) cannot be started, and when a file cannot be read or written.
seealso:
  - module: vipkit.ha.keepalived_state
  - plugin: vipkit.ha.keepalived_conf
    plugin_type: filter
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Have keepalived test the new configuration on every host
  vipkit.ha.keepalived_config:
    path: /etc/keepalived/keepalived.conf
    state: tested
    content: "{{ keepalived_text }}"
    binary: /usr/local/sbin/keepalived
    secrets: "{{ keepalived_passwords }}"
  register: test

- name: Go on only when all hosts accept theirs
  ansible.builtin.assert:
    that: ansible_play_hosts | map('extract', hostvars, ['test', 'accepted']) is all
    fail_msg: "{{ test.refusal }}"

- name: Put it in place
  vipkit.ha.keepalived_config:
    path: /etc/keepalived/keepalived.conf
    state: present
    content: "{{ keepalived_text }}"
    secrets: "{{ keepalived_passwords }}"
  register: written

- name: Take it back
  vipkit.ha.keepalived_config:
    path: /etc/keepalived/keepalived.conf
    state: restored
  when: written.previous
"""

RETURN = r"""
differs:
  description: Whether O(state=present) would change anything, be it the content, the owner or the mode.
  returned: with O(state=tested)
  type: bool
  sample: true
accepted:
  description: Whether keepalived accepts the configuration.
  returned: with O(state=tested)
  type: bool
  sample: false
refusal:
  description: What keepalived, or the module before it, has against the configuration. Empty when it is accepted.
  returned: with O(state=tested)
  type: str
  sample: "(/etc/keepalived/keepalived.conf: Line 10) Unknown keyword 'virtual_adress' | (Line 12) Truncating auth_pass ****"
exit_code:
  description:
    - Exit code of the test, or the negative number of the signal that ended it.
    - Null when it was not started, or had to be killed because it did not end.
  returned: with O(state=tested)
  type: int
  sample: 4
shared_changes:
  description:
    - What changes of instances that the file in use has too, and has to change on all members of the virtual router at the same moment.
    - Instances are the same when they have the same virtual router id, or else the same name.
  returned: with O(state=tested)
  type: list
  elements: dict
  contains:
    instance:
      description: Name of the instance in O(content).
      returned: always
      type: str
      sample: VI_1
    what:
      description:
        - Those of V(advert_int), V(auth_pass), V(auth_type), V(unicast_peer) (unicast or not), V(version), V(virtual_ipaddress),
          V(virtual_router_id), V(vrrp_mcast_group4) and V(vrrp_mcast_group6) that change. Values are not told.
      returned: always
      type: list
      elements: str
      sample: [auth_pass, virtual_ipaddress]
  sample:
    - instance: VI_1
      what: [auth_pass, virtual_ipaddress]
previous:
  description:
    - The file that holds what this run has replaced. In check mode, the one that would.
    - Null when there was no file, or one with the same content.
  returned: with O(state=present)
  type: str
  sample: /etc/keepalived/keepalived.conf.previous
set_aside:
  description:
    - The file that holds what this run has taken back. In check mode, the one that would.
    - Null when there was no file, or one with the same content.
  returned: with O(state=restored)
  type: str
  sample: /etc/keepalived/keepalived.conf.failed
diff:
  description: The text before and after, with numbers in place of the passwords.
  returned: in diff mode, but not with O(state=tested)
  type: dict
  sample:
    before_header: /etc/keepalived/keepalived.conf
    before: "        auth_pass <secret 1>"
    after_header: /etc/keepalived/keepalived.conf
    after: "        auth_pass <secret 2>"
"""

import contextlib
import os
import re
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_native, to_text

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import (
    ArtifactError,
    create,
    discard,
    reported,
    settle,
    settle_directory,
)

MODE = 0o640
MODE_ASIDE = 0o600
REPETITIONS = 3


# Files

def current(path):
    """Return (content or None, whether it is a file with the right owner and mode) of what is at path."""
    with reported('cannot read {0}'.format(path), 'remove the cause and run again'):
        if not os.path.lexists(path):
            return None, False
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode) and not os.path.exists(path):
            return None, False
        if not os.path.isfile(path):
            raise ArtifactError('{0} is not a file; move it away and run again'.format(path))
        ours = os.geteuid() != 0 or (status.st_uid, status.st_gid) == (0, 0)
        with open(path, 'rb') as handle:
            return handle.read(), ours and stat.S_IMODE(status.st_mode) == MODE  # a link's mode is never that


@contextlib.contextmanager
def staged(path, data, mode):
    """Hand out the name of a new file beside path; what still has that name when the block ends is removed."""
    name = path + '.staged'
    discard(name)  # a run that was killed may have left it
    try:
        with create(name) as handle:
            handle.write(data)
            settle(handle, mode)
        yield name
    finally:
        discard(name)


def replace(path, data, mode, label):
    """Give path a new content at once; label(name, path) sees the new file before it takes its place."""
    with reported('cannot write {0}'.format(path), 'it is as it was: remove the cause and run again'):
        with staged(path, data, mode) as name:
            label(name, path)
            os.rename(name, path)
        settle_directory(os.path.dirname(path))


# Testing

def ask(command, timeout):
    """Run a test, again when a signal has ended it, as that says nothing about the file."""
    for dummy in range(1 + REPETITIONS):
        outcome = _keepalived.run(command, timeout)
        if outcome.timed_out or outcome.rc >= 0:
            break
    return outcome


def forgets(version):
    """Whether a keepalived may end with 0 although it has told errors: each of its parsers forgets those of the one before."""
    return version is None or (2, 0, 20) <= tuple(int(number) for number in re.findall(r'\d+', version)) < (2, 2)


def verdict(outcome, timeout, binary):
    """Return what an outcome of a test says against the file, line by line."""
    if outcome.rc == 0 and not (outcome.output.strip() and forgets(_keepalived.version(binary))):
        return []
    lines = [line.strip() for line in outcome.output.splitlines() if line.strip()]
    if outcome.timed_out:
        lines.append('keepalived -t did not end within %g s and was killed' % timeout)
    elif outcome.rc < 0:
        lines.append('keepalived -t was ended by signal %d, %d times' % (-outcome.rc, 1 + REPETITIONS))
    lines = lines or ['keepalived -t gave no reason (exit code %d)' % outcome.rc]
    return [line for place, line in enumerate(lines) if line not in lines[:place]]


def tested(path, content, binary, secrets, timeout):
    """Return what keepalived says of a content for path, and what it would change."""
    data, text = to_bytes(content), to_text(content)
    live, right = current(path)
    outcome, flaw = None, _keepalived.flaw(text)
    if flaw is None:
        advice = 'nothing has been changed: see that keepalived is installed and the directory is there, and run again'
        with reported('cannot have {0} test a configuration beside {1}'.format(binary, path), advice):
            with staged(path, data, MODE_ASIDE) as name:
                outcome = ask([binary, '-t', '-f', name], timeout)
    words = u'\n'.join(verdict(outcome, timeout, binary) if outcome else [flaw]).replace(to_text(path + '.staged'), to_text(path))
    # Words of four letters may well be a password; shorter ones would only make the rest unreadable.
    hidden = secrets + [password for password in _keepalived.passwords(text) if len(password) > 3]
    changes = _keepalived.shared_changes(to_text(live or b'', errors='replace'), text)
    return {
        'changed': False,
        'differs': live != data or not right,
        'accepted': not words,
        'refusal': _keepalived.masked(words, hidden).replace('\n', ' | '),
        'exit_code': outcome.rc if outcome else None,
        'shared_changes': [dict(change, instance=_keepalived.masked(change['instance'], secrets)) for change in changes],
    }


# Writing

def difference(path, before, after, secrets):
    """Return the diff of two contents in which passwords are numbers."""
    label = _keepalived.numbered()

    def shown(data):
        # The module's answer must not hold the content as it was given, or all of it would be hidden. So the last newline is left out.
        return _keepalived.masked(to_text(data or b'', errors='replace'), secrets, label).rstrip('\n')
    return {'before_header': path, 'before': shown(before), 'after_header': path, 'after': shown(after)}


def put(path, data, aside, secrets, check_mode, label):
    """Have data at path and what was there at aside; return what the module answers, and where the former content is kept."""
    before, right = current(path)
    kept = aside if before is not None and before != data else None
    changed = before != data or not right
    if changed and not check_mode:
        if kept:
            replace(kept, before, MODE_ASIDE, label)
        replace(path, data, MODE, label)
    return {'changed': changed, 'diff': difference(path, before, data, secrets)}, kept


def present(path, content, secrets=(), check_mode=False, label=lambda name, path: None):
    """Have a content at path."""
    result, kept = put(path, to_bytes(content), path + '.previous', secrets, check_mode, label)
    return dict(result, previous=kept)


def restored(path, secrets=(), check_mode=False, label=lambda name, path: None):
    """Have the former content at path again."""
    former = current(path + '.previous')[0]
    if former is None:
        raise ArtifactError('there is no {0}.previous to go back to; {0} is as it was: put a configuration there by hand, or run the role '
                            'with settings that are right'.format(path))
    result, kept = put(path, former, path + '.failed', secrets, check_mode, label)
    return dict(result, set_aside=kept)


def labels(module):
    """Return what gives a new file the SELinux context of the one whose place it takes."""
    def label(name, path):
        context = module.selinux_context(path) if os.path.lexists(path) else module.selinux_default_context(path)
        module.set_context_if_different(name, context, False)
    return label


def main():
    module = AnsibleModule(
        argument_spec=dict(
            path=dict(type='path', required=True),
            state=dict(type='str', choices=['tested', 'present', 'restored'], required=True),
            content=dict(type='str', no_log=True),
            binary=dict(type='path'),
            secrets=dict(type='list', elements='str', default=[], no_log=True),
            timeout=dict(type='float', default=20),
        ),
        required_if=[('state', 'tested', ('content', 'binary')), ('state', 'present', ('content',))],
        supports_check_mode=True,
    )
    path = os.path.abspath(module.params['path'])
    state, content, binary, secrets, timeout = [module.params[name] for name in ('state', 'content', 'binary', 'secrets', 'timeout')]
    try:
        if state == 'tested':
            result = tested(path, content, binary, secrets, timeout)
        elif state == 'present':
            result = present(path, content, secrets, module.check_mode, labels(module))
        else:
            result = restored(path, secrets, module.check_mode, labels(module))
    except ArtifactError as error:
        module.fail_json(msg=to_native(error))
    if not module._diff:
        result.pop('diff', None)
    module.exit_json(**result)


if __name__ == '__main__':
    main()
