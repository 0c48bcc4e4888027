#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: script_directory
short_description: Keep a directory of scripts equal to a description
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Writes any number of scripts into one directory in a single task, and removes those that it wrote earlier and that are no longer
    described, if O(obsolete=remove).
  - A script appears under its name only when it is complete and has its owner and its mode. keepalived, which may run it at any
    moment, meets either the old one or the new one.
  - Records what it wrote in the file C(.managed) of that directory. What it did not write is never removed, nor what somebody has
    changed since.
  - Takes over a file that bears the name of a described script, whoever wrote it.
  - Does not run the scripts, does not look at what they say, and does not tell keepalived.
options:
  path:
    description:
      - The directory, as an absolute path. It is made if it is missing, and so is what it stands in, with mode V(0755).
      - One that is there gets O(owner) and O(group), and loses the right of its group and of others to write to it.
      - A directory with the sticky bit, like C(/tmp), is refused, because it is shared with others.
    type: path
    required: true
  scripts:
    description:
      - The scripts that the directory is to hold.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The name of the file, of letters, digits and C(_ . -). It must not start with a dot.
        type: str
        required: true
      content:
        description:
          - The text of the script, written as it is, in UTF-8.
        type: str
        required: true
      mode:
        description:
          - The permissions, as three octal digits with a zero before them. Put quotes around them, or YAML makes another number of them.
        type: str
        default: '0755'
  owner:
    description:
      - The user that owns the directory, the scripts and the record, by name or by number.
    type: str
    default: root
  group:
    description:
      - The group of the directory, the scripts and the record, by name or by number.
    type: str
    default: root
  obsolete:
    description:
      - What becomes of scripts that an earlier run wrote and that are no longer described.
      - V(keep) leaves them, and remembers them for a later run with V(remove).
      - V(remove) removes them, except those that somebody changed. These are left, with a warning.
    type: str
    choices: [keep, remove]
    default: keep
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
    details:
      - It shows the text of the scripts. Use C(no_log) or C(diff=false) on a task whose scripts hold secrets.
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
  platform:
    description: The platforms that the module runs on.
    support: full
    platforms: posix
notes:
  - An interrupted run leaves no half-written script. Some scripts may be new and some old. The next run finishes the work, since the
    record lists an obsolete script until it is gone.
  - If a run is interrupted and the next one no longer describes a script that was not yet written anew, the old one is left with a
    warning, as if it had been changed by hand.
  - A record that cannot be read counts as absent, with a warning. It is written anew. Scripts of earlier runs then remain.
  - A script that was replaced by a symbolic link becomes a file again. Where the link led to is not touched.
  - It sets the SELinux context that the policy has for a file when it writes one. It does not correct the context of a script that is
    right otherwise.
  - The directories above O(path) are left as they are if they exist. M(vipkit.ha.script_security) tells what keepalived thinks of them.
  - The module fails, before it changes anything, on a relative path, on a name that it does not take or that is there twice, on a mode
    that it cannot read, on an unknown user or group, on a directory with the sticky bit, and where a directory has the name of a script.
    It fails when it cannot write.
seealso:
  - module: vipkit.ha.script_security
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: Write the check scripts, and remove those of checks that are gone
  vipkit.ha.script_directory:
    path: /usr/libexec/keepalived/checks
    obsolete: remove
    scripts:
      - name: web
        content: |
          #!/bin/sh
          exec curl -sfo /dev/null http://192.0.2.10/health
      - name: notify
        content: "{{ lookup('ansible.builtin.template', 'notify.sh.j2') }}"
        mode: '0700'

- name: Remove all scripts that earlier runs wrote and nobody changed since
  vipkit.ha.script_directory:
    path: /usr/libexec/keepalived/checks
    obsolete: remove
    scripts: []
"""

RETURN = r"""
written:
  description: The scripts that were written, because they were missing or their text, owner, group or mode was another. Sorted.
  returned: success
  type: list
  elements: str
  sample: [web]
obsolete:
  description: The scripts of earlier runs that are no longer described and were left with O(obsolete=keep). Sorted.
  returned: success
  type: list
  elements: str
  sample: [old-check]
removed:
  description: The obsolete scripts that were removed. Sorted.
  returned: success
  type: list
  elements: str
  sample: [old-check]
diff:
  description:
    - Before and after of the directory, the record and each script that changes.
    - Owner, group and mode if it is only these that change.
  returned: in diff mode
  type: list
  elements: dict
  sample:
    - before_header: /usr/libexec/keepalived/checks/web
      after_header: /usr/libexec/keepalived/checks/web
      before: ""
      after: |
        #!/bin/sh
        exec curl -sfo /dev/null http://192.0.2.10/health
"""

import collections
import hashlib
import json
import os
import re
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_native

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, reported, settle_directory
from ansible_collections.vipkit.ha.plugins.module_utils._files import (
    ADVICE,
    File,
    Owner,
    checked_mode,
    difference,
    gid_of,
    labels,
    make_way,
    read_directory,
    read_file,
    remove_leftovers,
    uid_of,
    write,
)

RECORD = '.managed'
NAME = re.compile(r'[A-Za-z0-9_-][A-Za-z0-9_.-]*\Z')

Plan = collections.namedtuple('Plan', 'first files obsolete last')  # first and last: the record while obsolete ones are there, and after
Outcome = collections.namedtuple('Outcome', 'written obsolete removed warnings diff')


# Options

def described(scripts, owner):
    """Return the files that the scripts are to be."""
    files = {}
    for script in scripts:
        name = script['name']
        if not NAME.match(name) or len(name) > 200:
            raise ArtifactError("the script '{0}' cannot have that name; use letters, digits and _ . - with no dot in front, and not "
                                'more than 200 of them'.format(name))
        if name in files:
            raise ArtifactError('the script {0} is described twice; give each its own name'.format(name))
        mode = checked_mode(script['mode'], 'the script ' + name)
        files[name] = File(stat.S_IFREG, to_bytes(script['content']), mode, owner.uid, owner.gid)
    return files


# The record

def record_text(sums):
    return to_bytes(json.dumps(sums, indent=2, sort_keys=True, separators=(',', ': ')) + '\n')


def recorded(content):
    """Return what a record says: {name: sha256}. A ValueError says why it says nothing."""
    sums = json.loads(content.decode('utf-8'))
    if not isinstance(sums, dict):
        raise ValueError('it is not an object')
    sums = dict((to_native(name), value) for name, value in sums.items())
    for name in sums:
        # these names are removed some day, so they must not lead out of the directory
        if not NAME.match(name) or not re.match(r'[0-9a-f]{64}\Z', to_native(sums[name])):
            raise ValueError('its entry {0} is not a name with a sha256'.format(name))
    return dict((name, to_native(value)) for name, value in sums.items())


def digest(content):
    return hashlib.sha256(content).hexdigest()


# What is there

def checked_directory(path, found):
    if not path.startswith('/'):
        raise ArtifactError('{0} is a relative path; give an absolute one'.format(path))
    if found and found.mode & stat.S_ISVTX:
        raise ArtifactError('{0} has the sticky bit, so it is shared with others; name a directory that is for these scripts only'.format(
            path))


# What is to be done

def mended(found, owner):
    """Return what a directory is to be."""
    return File(stat.S_IFDIR, b'', found.mode & ~0o022 if found else 0o755, owner.uid, owner.gid)


def sort_out(sums, files, read, obsolete):
    """Return (names to remove, names to forget, warnings) of the obsolete scripts."""
    remove, forget, warnings = [], [], []
    for name in sorted(set(sums) - set(files)):
        found = read(name)
        if found is None:
            forget.append(name)
        elif obsolete == 'remove' and found.kind == stat.S_IFREG and digest(found.content) == sums[name]:
            remove.append(name)
        elif obsolete == 'remove':
            warnings.append(name)
    return remove, forget, warnings


def make_plan(sums, files, remove, forget):
    """Return what the record says before and after the removals, and what is written and removed in between."""
    last = dict((name, digest(files[name].content)) for name in files)
    last.update((name, sums[name]) for name in sums if name not in files and name not in remove and name not in forget)
    first = dict(last, **dict((name, sums[name]) for name in remove))
    return Plan(first, files, remove, last)


# Doing it

class Directory(object):
    """A directory of scripts, brought to what a plan says, or in check mode only compared with it."""

    def __init__(self, path, owner, label, check_mode):
        self.path, self.owner, self.label, self.check_mode = path, owner, label, check_mode
        self.diff = []

    def read(self, name):
        path = os.path.join(self.path, name)
        with reported('cannot read {0}'.format(path), 'nothing has been changed: remove the cause and run again'):
            return read_file(path)

    def record(self, sums):
        return File(stat.S_IFREG, record_text(sums), 0o644, self.owner.uid, self.owner.gid)

    def sums(self):
        """Return what the record says, and a warning if it cannot be used."""
        found = self.read(RECORD)
        if found is None:
            return {}, []
        try:
            return recorded(found.content), []
        except ValueError as error:
            return {}, ['the record {0} cannot be used ({1}); it is written anew, and scripts that earlier runs wrote are not removed any '
                        'more'.format(os.path.join(self.path, RECORD), to_native(error))]

    def refuse_obstacles(self, names):
        for name in names:
            found = self.read(name)
            if found and found.kind == stat.S_IFDIR:
                raise ArtifactError('{0} is a directory, where a file is to be; move it away, nothing has been changed'.format(
                    os.path.join(self.path, name)))

    def prepare(self):
        found = read_directory(self.path)
        wanted = mended(found, self.owner)
        if found != wanted:
            self.diff.append(difference(self.path, found, wanted))
            if not self.check_mode:
                with reported('cannot make or mend the directory {0}'.format(self.path), ADVICE):
                    make_way(self.path, wanted, self.label)

    def put(self, name, wanted, shown=True):
        """Make a file what it is to be, and tell whether it was something else."""
        path, found = os.path.join(self.path, name), self.read(name)
        if found == wanted:
            return False
        if shown:
            self.diff.append(difference(path, found, wanted))
        if not self.check_mode:
            with reported('cannot write {0}'.format(path), ADVICE):
                write(path, wanted, self.label)
        return True

    def remove(self, name):
        path = os.path.join(self.path, name)
        self.diff.append(difference(path, self.read(name), None))
        if not self.check_mode:
            with reported('cannot remove {0}'.format(path), ADVICE):
                os.unlink(path)

    def carry_out(self, plan):
        """Do what a plan says, and return the names of what was written; the record comes first and lists all that may be there."""
        self.prepare()
        before, after = self.read(RECORD), self.record(plan.last)
        if before != after:
            self.diff.append(difference(os.path.join(self.path, RECORD), before, after))
        self.put(RECORD, self.record(plan.first), shown=False)
        written = [name for name in sorted(plan.files) if self.put(name, plan.files[name])]
        for name in plan.obsolete:
            self.remove(name)
        self.put(RECORD, after, shown=False)
        if self.diff and not self.check_mode:
            with reported('cannot finish {0}'.format(self.path), ADVICE):
                remove_leftovers(self.path, [RECORD] + list(plan.first))
                settle_directory(self.path)
        return written


def keep_equal(path, scripts, owner, group, obsolete, label, check_mode):
    """Have the directory equal to its description."""
    owner = Owner(uid_of(owner), gid_of(group))
    files = described(scripts, owner)
    with reported('cannot look at {0}'.format(path), 'nothing has been changed: remove the cause and run again'):
        checked_directory(path, read_directory(path))

    directory = Directory(path, owner, label, check_mode)
    directory.refuse_obstacles([RECORD] + sorted(files))
    sums, warnings = directory.sums()
    remove, forget, changed_by_hand = sort_out(sums, files, directory.read, obsolete)
    warnings = warnings + ['{0} is no longer described, but somebody changed it since it was written, so it is left; remove it by hand if '
                           'nobody needs it'.format(os.path.join(path, name)) for name in changed_by_hand]
    plan = make_plan(sums, files, remove, forget)
    written = directory.carry_out(plan)
    left = sorted(set(plan.last) - set(files)) if obsolete == 'keep' else []
    return Outcome(written, left, remove, warnings, directory.diff)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            path=dict(type='path', required=True),
            scripts=dict(
                type='list', elements='dict', required=True,
                options=dict(
                    name=dict(type='str', required=True),
                    content=dict(type='str', required=True),
                    mode=dict(type='str', default='0755'),
                ),
            ),
            owner=dict(type='str', default='root'),
            group=dict(type='str', default='root'),
            obsolete=dict(type='str', choices=['keep', 'remove'], default='keep'),
        ),
        supports_check_mode=True,
    )

    try:
        outcome = keep_equal(label=labels(module), check_mode=module.check_mode, **module.params)
    except ArtifactError as error:
        module.fail_json(msg=to_native(error))
    for warning in outcome.warnings:
        module.warn(warning)
    result = dict(changed=bool(outcome.diff), written=outcome.written, obsolete=outcome.obsolete, removed=outcome.removed)
    if module._diff:
        result['diff'] = outcome.diff
    module.exit_json(**result)


if __name__ == '__main__':
    main()
