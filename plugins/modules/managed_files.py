#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: managed_files
short_description: Have a set of directories and files as described, in one task
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Makes directories, writes files and removes files, any number of them in a single task.
  - Compares all files first. Those that are to have another content are written beside their places and tested there. They take their
    places only when all of them are written and none was refused. A refused file leaves every file of the task as it was.
  - A file appears under its name only when it is complete and has its owner and its mode.
  - It removes nothing that O(absent) does not name, and tells no service that its files have changed.
options:
  directories:
    description:
      - The directories to have. They are made in this order, before any file is written. What they stand in is made too, with mode
        V(0755) and the same owner and group.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - The directory, as an absolute path. A symbolic link that leads to a directory is followed.
        type: path
        required: true
      mode:
        description:
          - The permissions, as three octal digits with a zero before them. Put quotes around them, or YAML makes another number of them.
        type: str
        default: '0755'
      owner:
        description:
          - The user that owns it, by name or by number.
        type: str
        default: root
      group:
        description:
          - Its group, by name or by number.
        type: str
        default: root
  files:
    description:
      - The files to have. Their directories have to exist or to be in O(directories).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - The file, as an absolute path.
        type: path
        required: true
      content:
        description:
          - The text of the file, written as it is, in UTF-8.
          - Without it, any regular file is good, and an empty one is made where there is none. Of one that is there only owner, group and
            mode are set. Its content and its times stay, and a program that writes to it notices nothing. This is for log files.
        type: str
      mode:
        description:
          - The permissions, as three octal digits with a zero before them. Put quotes around them, or YAML makes another number of them.
        type: str
        default: '0644'
      owner:
        description:
          - The user that owns it, by name or by number.
        type: str
        default: root
      group:
        description:
          - Its group, by name or by number.
        type: str
        default: root
      validate:
        description:
          - A command that tests a new content. C(%s) in it is the path of the new file, which lies beside its place and has its owner and
            mode already. Any exit code but 0 refuses the file.
          - No shell is involved. The command is killed after 60 seconds, and the file counts as refused then.
          - The command meets the other files of the task as they were before. A file that needs a new one of these goes into a later task.
        type: str
      backup:
        description:
          - Whether the file that a new content replaces is kept beside it as C(.previous), for example C(nginx.conf.previous), with its
            owner and mode. It replaces an earlier one of that name.
          - Not for directories of which a program reads every file, such as C(/etc/logrotate.d).
        type: bool
        default: false
  absent:
    description:
      - Files that must not be there, as absolute paths. They are removed at last.
      - Of a symbolic link the link is removed, not what it leads to.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - Nothing is written, so nothing is tested with O(files[].validate) either.
      - A user or group that does not exist counts as one that the same run would have made.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: full
    details:
      - It shows the text of the files. Do not give secrets to this module.
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
  platform:
    description: The platforms that the module runs on.
    support: full
    platforms: posix
notes:
  - A symbolic link at the path of a file is replaced by a file, never followed. Where it led to is not touched.
  - An interrupted run leaves no half-written file. Some files may be new and some old. The next run finishes the work, and removes what
    was prepared beside them.
  - Where only owner, group or mode differ, they are set on the file as it is.
  - It sets the SELinux context that the policy has for a path on what it writes or makes. It does not correct the context of what is
    right otherwise.
  - The module fails, before it changes anything, on a relative path, on one that is there twice, on a mode that it cannot read, on an
    unknown user or group, on O(files[].validate) without C(%s), and where anything but a file or a link is in the place of a file, or
    anything but a directory in the place of a directory.
  - It fails when a file is refused or cannot be written. The directories have been made by then.
seealso:
  - module: vipkit.ha.script_directory
  - module: vipkit.ha.keepalived_config
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Have the configuration of nginx, its pages and the rotation of its logs
  vipkit.ha.managed_files:
    directories:
      - path: /usr/local/nginx/html
    files:
      - path: /usr/local/nginx/conf/nginx.conf
        content: "{{ lookup('ansible.builtin.template', 'nginx.conf.j2') }}"
        validate: /usr/local/nginx/sbin/nginx -t -q -c %s
        backup: true
      - path: /etc/logrotate.d/nginx
        content: "{{ lookup('ansible.builtin.template', 'logrotate.j2') }}"

- name: Have a log file that a check script may write to
  vipkit.ha.managed_files:
    files:
      - path: /var/log/keepalived-checks.log
        owner: keepalived_script
        mode: '0640'

- name: Remove a file of an earlier version
  vipkit.ha.managed_files:
    absent:
      - /etc/logrotate.d/keepalived-old
"""

RETURN = r"""
written:
  description: The directories that were made, and the files that were made or whose content was replaced.
  returned: success
  type: list
  elements: str
  sample: [/etc/logrotate.d/nginx]
backed_up:
  description: Those of RV(written) whose earlier content is kept as C(.previous).
  returned: success
  type: list
  elements: str
  sample: []
touched_attributes:
  description: The directories and files that were there and of which only owner, group or mode were changed.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/nginx/html]
removed:
  description: The files that were removed.
  returned: success
  type: list
  elements: str
  sample: []
diff:
  description:
    - Before and after of each file that changes.
    - Owner, group and mode instead of the text for directories, for new files that are empty, and where it is only these that change.
  returned: in diff mode
  type: list
  elements: dict
  sample:
    - before_header: /etc/logrotate.d/nginx
      after_header: /etc/logrotate.d/nginx
      before: ""
      after: |
        /usr/local/nginx/logs/*.log {
            daily
        }
"""

import collections
import os
import shlex
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_native

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, discard, reported, settle_directory
from ansible_collections.vipkit.ha.plugins.module_utils._files import (
    ADVICE,
    File,
    checked_mode,
    difference,
    gid_of,
    labels,
    make_way,
    prepare,
    read_directory,
    read_file,
    remove_leftovers,
    same_content,
    set_attributes,
    uid_of,
)

PREVIOUS = '.previous'
UNTOUCHED = 'no file has been changed: remove the cause and run again'
PATIENCE = 60  # seconds for a test

Change = collections.namedtuple('Change', 'path found wanted test backup')
Plan = collections.namedtuple('Plan', 'directories new touched removed')  # touched: only the attributes of files change


# Options

def checked_paths(paths):
    """Refuse paths that are relative or there twice."""
    for place, path in enumerate(paths):
        if not path.startswith('/'):
            raise ArtifactError('{0} is a relative path; give an absolute one'.format(path))
        if path in paths[:place]:
            raise ArtifactError('{0} is described twice; name each path once'.format(path))


def checked_command(text, path):
    """Return the words of a command that tests a file."""
    try:
        words = shlex.split(to_native(text))
    except ValueError as error:
        raise ArtifactError("the command '{0}' for {1} cannot be split into words ({2}); see to its quotes".format(text, path, error))
    if not any('%s' in word for word in words):
        raise ArtifactError("the command '{0}' for {1} does not tell where the new file belongs; write %s there".format(text, path))
    return words


def number(look_up, name, foreseen):
    """Return the number of a user or group; its name if it is unknown and only foreseen."""
    try:
        return look_up(name)
    except ArtifactError:
        if not foreseen:
            raise
        return name


def wanted(kind, one, foreseen):
    """Return the File that a directory or file is to be."""
    content, mode = to_bytes(one.get('content') or u''), checked_mode(one['mode'], one['path'])
    return File(kind, content, mode, number(uid_of, one['owner'], foreseen), number(gid_of, one['group'], foreseen))


# What is to be done

def directory_change(one, foreseen):
    path = one['path']
    found = read_directory(path)
    if found is None and os.path.lexists(path):
        raise ArtifactError('{0} is there and is no directory; move it away, nothing has been changed'.format(path))
    return Change(path, found, wanted(stat.S_IFDIR, one, foreseen), None, False)


def present_file(path, with_content=True):
    """Return the File, or link, at a path; None for nothing."""
    found = read_file(path, with_content)
    if found and found.kind not in (stat.S_IFREG, stat.S_IFLNK):
        raise ArtifactError('{0} is a directory or a device, where a file is meant; move it away, nothing has been changed'.format(path))
    return found


def file_change(one, foreseen):
    # Without a content any is good, and a log may be too long to be read.
    found = present_file(one['path'], with_content=one['content'] is not None)
    test = checked_command(one['validate'], one['path']) if one['validate'] else None
    return Change(one['path'], found, wanted(stat.S_IFREG, one, foreseen), test, one['backup'])


def make_plan(directories, files, absent, foreseen):
    """Compare what is there with what is described."""
    with reported('cannot look at what is there', 'nothing has been changed: remove the cause and run again'):
        changes = [change for change in [file_change(one, foreseen) for one in files] if change.found != change.wanted]
        return Plan(
            [change for change in [directory_change(one, foreseen) for one in directories] if change.found != change.wanted],
            [change for change in changes if not same_content(change.found, change.wanted)],
            [change for change in changes if same_content(change.found, change.wanted)],
            [change for change in [Change(path, present_file(path), None, None, False) for path in absent] if change.found],
        )


# Doing it

def refuse(change, temporary):
    """Have a new file tested."""
    with reported('cannot have {0} tested by {1}'.format(change.path, change.test[0]), UNTOUCHED):
        outcome = _keepalived.run([word.replace('%s', temporary) for word in change.test], PATIENCE)
    if outcome.rc != 0:
        said = ' | '.join(line.strip() for line in outcome.output.splitlines() if line.strip()).replace(temporary, change.path)
        problem = 'it did not end within {0} s'.format(PATIENCE) if outcome.timed_out else 'exit code {0}'.format(outcome.rc)
        raise ArtifactError('{0} refuses the new {1} ({2}): {3}; no file has been changed: correct it and run again'.format(
            change.test[0], change.path, problem, to_native(said) or 'it says nothing'))


def is_backed_up(change):
    return bool(change.backup and change.found and change.found.kind == stat.S_IFREG)


def prepared(change, label, made):
    """Write a new file, and a copy of the one that it replaces, beside their places, and have it tested; made gets what was written."""
    with reported('cannot write {0}'.format(change.path), UNTOUCHED):
        if is_backed_up(change):
            made.append((prepare(change.path + PREVIOUS, change.found, label), change.path + PREVIOUS))
        made.append((prepare(change.path, change.wanted, label), change.path))
    if change.test:
        refuse(change, made[-1][0])


def replace(changes, label):
    """Give all files their new content, or none."""
    for directory in sorted(set(os.path.dirname(change.path) for change in changes)):
        names = [os.path.basename(change.path) for change in changes if os.path.dirname(change.path) == directory]
        with reported('cannot write into {0}'.format(directory), UNTOUCHED):
            remove_leftovers(directory, names + [name + PREVIOUS for name in names])
    made = []
    try:
        for change in changes:
            prepared(change, label, made)
        for temporary, path in made:
            with reported('cannot write {0}'.format(path), ADVICE):
                os.rename(temporary, path)
    except BaseException:
        for temporary, dummy in made:
            discard(temporary)
        raise


def carry_out(plan, label):
    for change in plan.directories:
        with reported('cannot make or mend the directory {0}'.format(change.path), UNTOUCHED):
            make_way(change.path, change.wanted, label)
    replace(plan.new, label)
    for change in plan.touched:
        with reported('cannot set owner and mode of {0}'.format(change.path), ADVICE):
            set_attributes(change.path, change.wanted)
    for change in plan.removed:
        with reported('cannot remove {0}'.format(change.path), ADVICE):
            os.unlink(change.path)
    for directory in sorted(set(os.path.dirname(change.path) for change in plan.new + plan.removed)):
        with reported('cannot finish {0}'.format(directory), ADVICE):
            settle_directory(directory)


def normalised(entries):
    return [dict(one, path=os.path.normpath(one['path'])) for one in entries]


def have(directories, files, absent, label, check_mode):
    """Have everything as described, and return what the module answers."""
    directories, files, absent = normalised(directories), normalised(files), [os.path.normpath(path) for path in absent]
    checked_paths([one['path'] for one in directories + files] + absent)
    plan = make_plan(directories, files, absent, foreseen=check_mode)
    if not check_mode:
        carry_out(plan, label)
    changes = plan.directories + plan.new + plan.touched + plan.removed
    return {
        'changed': bool(changes),
        'written': [change.path for change in plan.directories if change.found is None] + [change.path for change in plan.new],
        'backed_up': [change.path for change in plan.new if is_backed_up(change)],
        'touched_attributes': [change.path for change in plan.directories if change.found] + [change.path for change in plan.touched],
        'removed': [change.path for change in plan.removed],
        'diff': [difference(change.path, change.found, change.wanted) for change in changes],
    }


def main():
    module = AnsibleModule(
        argument_spec=dict(
            directories=dict(
                type='list', elements='dict', default=[],
                options=dict(
                    path=dict(type='path', required=True),
                    mode=dict(type='str', default='0755'),
                    owner=dict(type='str', default='root'),
                    group=dict(type='str', default='root'),
                ),
            ),
            files=dict(
                type='list', elements='dict', default=[],
                options=dict(
                    path=dict(type='path', required=True),
                    content=dict(type='str'),
                    mode=dict(type='str', default='0644'),
                    owner=dict(type='str', default='root'),
                    group=dict(type='str', default='root'),
                    validate=dict(type='str'),
                    backup=dict(type='bool', default=False),
                ),
            ),
            absent=dict(type='list', elements='path', default=[]),
        ),
        supports_check_mode=True,
    )
    try:
        result = have(label=labels(module), check_mode=module.check_mode, **module.params)
    except ArtifactError as error:
        module.fail_json(msg=to_native(error))
    if not module._diff:
        del result['diff']
    module.exit_json(**result)


if __name__ == '__main__':
    main()
