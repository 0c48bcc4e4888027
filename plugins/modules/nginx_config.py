#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nginx_config
short_description: Test the configuration files of an nginx as a whole, put them in place, and take them back
version_added: 1.0.0
description:
  - Tests a C(nginx.conf) and the files that it includes, all of them new, with nginx itself, without touching the files that are in use.
    So all hosts can be asked before the first file is written.
  - Puts the files in place when nginx accepts them, removes those that it wrote earlier and that are no longer described, and keeps all
    that was there. Takes them back, together, when asked to.
  - Records which files it wrote in the file C(.managed) beside C(nginx.conf). What it did not write is never removed, nor what somebody
    has changed since.
  - It does not start, stop or reload nginx, and does not tell whether a reload would be enough.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what would change, without changing it.
    details:
      - With O(state=tested) it does the same in check mode. The staged files are written and removed again.
      - With O(state=present) nothing is tested in check mode.
  diff_mode:
    support: full
    description: Shows the text of each file that changes, before and after.
    details:
      - Of a file with O(files[].secret) it shows only that it changes. This holds as well when the file is removed or taken back later.
      - Owner, group and mode are shown where it is only these that change. The record C(.managed) is not shown. With O(state=tested)
        there is no diff.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
  platform:
    support: full
    description: The platforms that the module runs on.
    platforms: posix
options:
  conf_path:
    description:
      - The C(nginx.conf) that nginx reads. Its directory has to exist. In it are O(files), and what the module keeps.
    type: path
    required: true
  state:
    description:
      - V(tested) writes all files to a staged directory, has nginx test them, and removes it. Nothing else is changed. It does not fail
        when the configuration is refused, see RV(accepted).
      - V(present) does the same test when anything differs, and fails, with every file as it was, when nginx refuses. Then it puts all
        files in place. What was there is kept in C(.previous) beside O(conf_path).
      - V(restored) puts back what C(.previous) holds, and removes files that were not there then, even if somebody changed them since. The
        C(nginx.conf) that was there is kept beside it as C(nginx.conf.failed). It tests nothing. It fails when there is nothing to go
        back to.
    type: str
    choices: [tested, present, restored]
    required: true
  content:
    description:
      - The whole C(nginx.conf). Required for O(state=tested) and O(state=present). It gets the mode V(0644).
      - Other files have to be included by relative paths, such as C(include snippets/gzip.conf;) or C(ssl_certificate tls/shop.crt;).
        nginx looks for them beside C(nginx.conf), so the test finds the new ones. By an absolute path it would find those in use.
    type: str
  test_content:
    description:
      - Another text of C(nginx.conf) for the test, if it is to differ from O(content).
      - nginx opens the logs that the text names, also for a test, and writes into the error log why it refuses. Name them by relative
        paths in C(logs/), as in C(access_log logs/access.log;), and they are made in the staged directory.
      - The line numbers in RV(refusal) are those of this text, so keep its lines where they are in O(content).
    type: str
  files:
    description:
      - All other files of the configuration, which belong to root. Missing directories are made with mode V(0755).
      - What else is in the directory of O(conf_path), such as C(mime.types), is left as it is, and the test finds it.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - The file, relative to the directory of O(conf_path). Its names are of letters, digits and C(_ . @ + -) and do not start with
            a dot.
        type: str
        required: true
      content:
        description:
          - The text of the file, written as it is, in UTF-8.
        type: str
        required: true
      mode:
        description:
          - The permissions, as three octal digits with a zero before them, in quotes. Give private keys V('0600'), which is enough because
            nginx reads them as root.
        type: str
        default: '0644'
      secret:
        description:
          - Whether the text of the file is kept out of the diff, and what nginx quotes of it out of RV(refusal).
        type: bool
        default: false
  sbin_path:
    description:
      - The nginx that tests the configuration. Required for O(state=tested) and O(state=present).
    type: path
  timeout:
    description:
      - Seconds after which a test that does not end is killed. The configuration counts as refused then.
    type: float
    default: 20
notes:
  - C(.previous) is a directory that only root may enter. It holds C(nginx.conf) and the other files under their names, with owner and
    mode, and in C(.record) which files there were and which were not. It is written before the first file changes, and only when a text
    changes. To look at what is different, use C(diff -r .previous .) there.
  - Take back with O(state=restored) only where O(state=present) has returned a RV(previous). A C(.previous) may also be left from an
    earlier run.
  - Each file is written beside its place first. When all of them are there, they take their places one by one, C(nginx.conf) after those
    that it includes. Files that are no longer described are removed after that.
  - An interrupted run leaves no half-written file, but some files may be new and some old. The next run with O(state=present) finishes the
    work, and one with O(state=restored) takes it back. C(.previous) then still holds what was there before the interrupted run, and
    C(.unfinished) in it tells that there was one. Without it the interrupted run has changed no file yet, or all.
  - If a run is interrupted and the next one no longer describes a file that was not yet written anew, the old one is left with a
    warning, as if it had been changed by hand.
  - A record C(.managed) that cannot be read counts as absent, with a warning. Files of earlier runs then remain.
  - The staged directory is C(.staged) beside O(conf_path). Only root may enter it, and it is never there after the module. One that a
    killed run has left is removed.
  - nginx is called with C(-t -q -p STAGED/ -c STAGED/nginx.conf), and with a pid file of its own. A C(pid) directive at the start of a
    line does not count in the test. From version 1.19.5 on nginx also gets C(-e), because one that was built with an absolute
    C(--error-log-path) would write why it refuses to that file. An older one that was built like that still does.
  - Relative paths of C(load_module) are found if they lead into C(modules/) of the prefix that nginx was built with, or into the
    directory of O(conf_path).
  - The test opens the listening sockets. An address that the host does not have, such as a virtual IP of another node, is refused
    unless C(net.ipv4.ip_nonlocal_bind) or C(net.ipv6.ip_nonlocal_bind) is set. A port that is in use counts as free, so a reload may
    still fail where an address changes to one that overlaps.
  - nginx before 1.13.4 may lose connections of the one that runs when it tests a C(listen) with C(reuseport). Leave that out of
    O(test_content).
  - A symbolic link in the place of a file is replaced by a file, never followed when writing. C(.previous) holds the text that it led to.
  - A new file gets the SELinux context that the policy has for its path.
  - Directories that become empty are left. Two runs for the same directory wait for each other.
  - The module fails, before it changes anything, on a path that it does not take or that is there twice, on a mode that it cannot read,
    and where anything but a file or a link is in the place of a file. It fails when O(sbin_path) cannot be started, and when a file
    cannot be read or written.
seealso:
  - module: vipkit.ha.keepalived_config
  - module: vipkit.ha.managed_files
  - module: vipkit.ha.nginx_upgrade
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Have nginx test the new configuration on every host
  vipkit.ha.nginx_config: &configuration
    conf_path: /usr/local/nginx/conf/nginx.conf
    state: tested
    content: "{{ nginx_text }}"
    test_content: "{{ nginx_text | replace('/usr/local/nginx/logs/', 'logs/') }}"
    files:
      - path: snippets/gzip.conf
        content: |
          gzip on;
      - path: tls/shop.crt
        content: "{{ shop_certificate }}"
      - path: tls/shop.key
        content: "{{ shop_key }}"
        mode: '0600'
        secret: true
    sbin_path: /usr/local/nginx/sbin/nginx
  register: test

- name: Go on only when all hosts accept theirs
  ansible.builtin.assert:
    that: ansible_play_hosts | map('extract', hostvars, ['test', 'accepted']) is all
    fail_msg: "{{ test.refusal }}"

- name: Put it in place
  vipkit.ha.nginx_config:
    <<: *configuration
    state: present
  register: written

- name: Take it back
  vipkit.ha.nginx_config:
    conf_path: /usr/local/nginx/conf/nginx.conf
    state: restored
  when: written.previous
"""

RETURN = r"""
differs:
  description: Whether O(state=present) would change anything, be it the text, the owner or the mode of a file, or the record of files.
  returned: with O(state=tested)
  type: bool
  sample: true
accepted:
  description: Whether nginx accepts the configuration.
  returned: with O(state=tested)
  type: bool
  sample: false
refusal:
  description:
    - What nginx has against the configuration, with the paths that the files will have. Empty when it is accepted.
    - What it quotes of secret files is shown as C(****).
  returned: with O(state=tested)
  type: str
  sample: 'nginx: [emerg] unknown directive "gzipp" in /usr/local/nginx/conf/snippets/gzip.conf:1'
remarks:
  description: What nginx says although it accepts the configuration, such as that it ignores a server name. Empty when it refuses.
  returned: with O(state=tested)
  type: str
  sample: 'nginx: [warn] conflicting server name "shop.example" on 192.0.2.10:80, ignored'
exit_code:
  description:
    - Exit code of the test, or the negative number of the signal that ended it.
    - Null when it had to be killed because it did not end.
  returned: with O(state=tested)
  type: int
  sample: 1
written:
  description:
    - The files that were written, because they were missing or their text, owner, group or mode was another.
    - With O(state=restored), those that were put back.
  returned: with O(state=present) and O(state=restored)
  type: list
  elements: str
  sample: [/usr/local/nginx/conf/snippets/gzip.conf, /usr/local/nginx/conf/nginx.conf]
removed:
  description: The files that were removed.
  returned: with O(state=present) and O(state=restored)
  type: list
  elements: str
  sample: [/usr/local/nginx/conf/snippets/old.conf]
previous:
  description:
    - The directory that holds what this run has replaced. In check mode, the one that would.
    - Null when no text has changed, or there was no C(nginx.conf) to go back to.
  returned: with O(state=present)
  type: str
  sample: /usr/local/nginx/conf/.previous
set_aside:
  description:
    - The file that holds the C(nginx.conf) that this run has taken back. In check mode, the one that would.
    - Null when there was no such file, or one with the same text.
  returned: with O(state=restored)
  type: str
  sample: /usr/local/nginx/conf/nginx.conf.failed
diff:
  description: Before and after of each file that changes, without the text of secret ones.
  returned: in diff mode, but not with O(state=tested)
  type: list
  elements: dict
  sample:
    - before_header: /usr/local/nginx/conf/snippets/gzip.conf
      before: "gzip off;"
      after_header: /usr/local/nginx/conf/snippets/gzip.conf
      after: "gzip on;"
"""

import collections
import contextlib
import hashlib
import json
import os
import re
import shutil
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_native, to_text

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import (
    ArtifactError,
    create,
    discard,
    locked,
    make_directory,
    mode_text,
    reported,
    settle_directory,
)
from ansible_collections.vipkit.ha.plugins.module_utils._files import (
    File,
    checked_mode,
    difference,
    labels,
    make_way,
    prepare,
    read_file,
    remove_leftovers,
    same_content,
    write,
)

STAGE = '.staged'
MANAGED = '.managed'
PREVIOUS = '.previous'
RECORD = '.record'
UNFINISHED = '.unfinished'
FAILED = '.failed'
UNTOUCHED = 'no file of the configuration has been changed: remove the cause and run again'
ADVICE = 'some files may be new and some old: remove the cause and run again, which finishes what is left to do, or take it back'

PATH = re.compile(r'[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]*(?:/[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]*)*\Z')
# What is the module's own, or what nginx writes to: the test must not find it.
PASSED_OVER = re.compile(r'\.(?:staged|managed|previous)(?:\.|\Z)|(?:logs|.+_temp|.+\.log|.+\.pid)\Z')

Site = collections.namedtuple('Site', 'directory conf label')  # conf: the name of nginx.conf
Change = collections.namedtuple('Change', 'path found wanted')
Tree = collections.namedtuple('Tree', 'files secrets')  # files: {path: File, or None where none is to be}; secrets: a set of paths
Plan = collections.namedtuple('Plan', 'changes first before warnings')  # first: the record while both trees may be there; before: a Tree
Verdict = collections.namedtuple('Verdict', 'accepted words exit_code')


# Options

def regular(content, mode):
    """Return a file of root's, or of whoever else runs this."""
    return File(stat.S_IFREG, content, mode, *((0, 0) if os.geteuid() == 0 else (os.geteuid(), os.getegid())))


def parents(path):
    """Return the directories above a relative path, from the outermost, which has no name."""
    parts = path.split('/')
    return ['/'.join(parts[:count]) for count in range(len(parts))]


def described(conf, content, files):
    """Return the Tree that is to be."""
    tree = {conf: regular(to_bytes(content), 0o644)}
    for one in files:
        path = one['path']
        if not PATH.match(path):
            raise ArtifactError("the file '{0}' cannot have that path; give it relative to the directory of {1}, with names of letters, "
                                'digits and _ . @ + - that do not start with a dot'.format(path, conf))
        if path in (conf, conf + FAILED):
            raise ArtifactError('{0} is not one of the other files; {1} is described by content'.format(path, conf))
        if path in tree:
            raise ArtifactError('the file {0} is described twice; describe each once'.format(path))
        tree[path] = regular(to_bytes(one['content']), checked_mode(one['mode'], 'the file ' + path))
    for path in sorted(tree):
        for parent in parents(path):
            if parent in tree:
                raise ArtifactError('{0} is described as a file, and as the directory of {1}; give one another name'.format(parent, path))
    return Tree(tree, set(one['path'] for one in files if one['secret']))


# Records

def digest(content):
    return hashlib.sha256(content).hexdigest()


def entry(one, secret):
    """Return what a record says of a file."""
    return one and {'sha256': digest(one.content), 'secret': secret, 'mode': mode_text(one.mode), 'uid': one.uid, 'gid': one.gid}


def entries_of(tree):
    return dict((path, entry(one, path in tree.secrets)) for path, one in tree.files.items())


def record(entries):
    """Return the file that holds a record; a sum tells something of a secret, so it is not for everybody."""
    return regular(to_bytes(json.dumps(entries, indent=2, sort_keys=True, separators=(',', ': ')) + '\n'), 0o600)


def recorded(content):
    """Return what a record says, {path: entry, or None}. A ValueError says why it says nothing."""
    entries = json.loads(content.decode('utf-8'))
    if not isinstance(entries, dict):
        raise ValueError('it is not an object')
    for path, one in entries.items():
        # These are written or removed some day, so they must not lead out of the directory.
        if not (PATH.match(path) or path == MANAGED):
            raise ValueError('its entry {0} is not a path below the directory'.format(to_native(path)))
        if one is not None and not (isinstance(one, dict) and set(one) >= set(['sha256', 'secret', 'mode', 'uid', 'gid'])):
            raise ValueError('its entry {0} does not describe a file'.format(to_native(path)))
    return dict((to_native(path), one) for path, one in entries.items())


def secrets_of(entries):
    return set(path for path, one in entries.items() if one and one['secret'])


# What is there

def at(site, path):
    return os.path.join(site.directory, path)


def look(path):
    """Return the File at a path, a link with what it leads to; None for nothing."""
    found = read_file(path)
    if found and found.kind == stat.S_IFLNK:
        if not os.path.isfile(path):
            return found._replace(content=None)
        status = os.stat(path)
        with open(path, 'rb') as handle:
            return File(stat.S_IFLNK, handle.read(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    if found and found.kind != stat.S_IFREG:
        raise ArtifactError('{0} is a directory or a device, where a file is meant; move it away, nothing has been changed'.format(path))
    return found


def look_at(site, paths):
    """Return what is at paths, {path: File or None}."""
    with reported('cannot look at what is in {0}'.format(site.directory), 'nothing has been changed: remove the cause and run again'):
        return dict((path, look(at(site, path))) for path in paths)


def managed(found, path):
    """Return the entries of the record of what earlier runs wrote, and a warning if it cannot be used."""
    if found is None:
        return {}, []
    try:
        return dict((name, one) for name, one in recorded(found.content or b'').items() if one), []
    except ValueError as error:
        return {}, ['the record {0} cannot be used ({1}); it is written anew, and files that earlier runs wrote are not removed any '
                    'more'.format(path, to_native(error))]


def previous_directory(site):
    """Return where the former files are; between two renames they have another name."""
    path = at(site, PREVIOUS)
    return path if os.path.lexists(path) else path + '.old'


def former(site):
    """Return the Tree that was there before the last change, or None."""
    directory = previous_directory(site)
    if not os.path.isdir(directory):
        return None
    unusable = ArtifactError('{0} is damaged, so nobody can go back to it; nothing has been changed: remove it, and run the role with '
                             'settings that are right'.format(directory))
    files = {}
    with reported('cannot read {0}'.format(directory), 'nothing has been changed: remove the cause and run again'):
        try:
            with open(os.path.join(directory, RECORD), 'rb') as handle:
                entries = recorded(handle.read())
            for path, one in entries.items():
                found = one and read_file(os.path.join(directory, path))
                if one and not (found and found.kind == stat.S_IFREG and digest(found.content) == one['sha256']):
                    raise unusable
                files[path] = one and File(stat.S_IFREG, found.content, int(one['mode'], 8), one['uid'], one['gid'])
        except (ValueError, TypeError):
            raise unusable
    return Tree(files, secrets_of(entries))


def is_unfinished(site):
    return os.path.lexists(os.path.join(previous_directory(site), UNFINISHED))


# What is to be done

def sort_out(entries, found, wanted):
    """Return (paths to remove, paths to leave because somebody changed them) of what earlier runs wrote and is no longer described."""
    obsolete = [path for path in sorted(entries) if path not in wanted and found[path]]
    remove = [path for path in obsolete
              if found[path].kind == stat.S_IFREG and digest(found[path].content) == entries[path]['sha256']]
    return remove, [path for path in obsolete if path not in remove]


def changes_between(found, wanted, conf):
    """Return the changes in the order in which no nginx.conf has to do without what it includes."""
    changes = [Change(path, found[path], wanted[path]) for path in wanted if found[path] != wanted[path]]
    return sorted(changes, key=lambda one: (one.path == MANAGED, one.wanted is None, one.path == conf, one.path))


def plan_for(site, tree):
    """Compare what is there with what is described."""
    record_found = look_at(site, [MANAGED])
    entries, warnings = managed(record_found[MANAGED], at(site, MANAGED))
    found = dict(look_at(site, set(tree.files) | set(entries)), **record_found)
    remove, leave = sort_out(entries, found, tree.files)
    last = dict((path, one) for path, one in entries_of(tree).items() if path != site.conf)
    last.update((path, entries[path]) for path in leave)
    wanted = dict(tree.files, **dict((path, None) for path in remove))
    wanted[MANAGED] = record(last)
    before = Tree(dict((path, one._replace(kind=stat.S_IFREG) if one and one.content is not None else None) for path, one in found.items()),
                  tree.secrets | secrets_of(entries))
    warnings = warnings + ['{0} is no longer described, but somebody changed it since it was written, so it is left; remove it by hand if '
                           'nobody needs it'.format(at(site, path)) for path in leave]
    return Plan(changes_between(found, wanted, site.conf), dict(entries, **last), before, warnings)


def changes_text(changes):
    return any(not same_content(one.found, one.wanted) for one in changes if one.path != MANAGED)


# Testing

def remove_tree(path):
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)


def links(directory, own):
    """Return the relative paths of all that is in a directory beside the files that are the configuration's own."""
    inner = set(parent for path in own for parent in parents(path))
    beside = []
    for parent in sorted(inner):
        source = os.path.join(directory, parent)
        for name in sorted(os.listdir(source)) if os.path.isdir(source) else []:
            path = os.path.join(parent, name)
            if path not in own and path not in inner and not PASSED_OVER.match(name):
                beside.append(path)
    return beside


@contextlib.contextmanager
def staged(site, files, modules):
    """Hand out a private directory that is as the one in use will be, without logs, and gone when the block ends; None: a file to go."""
    stage = at(site, STAGE)
    remove_tree(stage)  # a run that was killed may have left it
    try:
        make_directory(stage, 0o700)
        for parent in sorted(set(parent for path in files for parent in parents(path)) | set(['logs'])):
            make_directory(os.path.join(stage, parent))
        for path in links(site.directory, files):
            os.symlink(at(site, path), os.path.join(stage, path))
        if not os.path.lexists(os.path.join(stage, 'modules')):
            os.symlink(modules, os.path.join(stage, 'modules'))
        for path, one in files.items():
            if one:
                with create(os.path.join(stage, path)) as handle:
                    handle.write(one.content)
        yield stage
    finally:
        remove_tree(stage)


def build(said):
    """Return (version as numbers, prefix) of what nginx -V says."""
    version = re.findall(r'version: [^/\s]+/([\d.]+)', said)
    prefix = re.findall(r'--prefix=(\S+)', said)
    return tuple(int(number) for number in re.findall(r'\d+', version[0])) if version else (), (prefix or ['/usr/local/nginx'])[0]


def command(sbin_path, stage, conf, version):
    """Return the command that tests, and writes nothing but what is in the stage."""
    log = ['-e', os.path.join(stage, 'logs/error.log')] if version >= (1, 19, 5) else []
    return [sbin_path, '-t', '-q', '-p', stage + '/', '-c', os.path.join(stage, conf), '-g', 'pid "{0}/.pid";'.format(stage)] + log


def without_pid(text):
    """Return a configuration without its pid directive, which may not be there twice."""
    return re.sub(r'(?m)^([ \t]*)pid[ \t]+[^;\n]*;', r'\1', text)


def masked(words, secrets):
    """Hide what is quoted of secret texts, but not the names of directives that nginx knows."""
    def hide(found):
        return u'"%s"' % _keepalived.HIDDEN if any(found.group(1) in text for text in secrets) else found.group(0)
    return re.sub(r'"([^"]{4,})"(?! directive)', hide, words)


def judged(outcome, timeout, real, secrets):
    """Return the Verdict of an outcome; real: (path of the stage, path that it stands for)."""
    lines = [line.strip() for line in outcome.output.replace(*real).splitlines() if line.strip()]
    if outcome.timed_out:
        lines.append(u'nginx -t did not end within %g s and was killed' % timeout)
    elif outcome.rc < 0:
        lines.append(u'nginx -t was ended by signal %d' % -outcome.rc)
    elif outcome.rc and not lines:
        lines.append(u'nginx -t gave no reason (exit code %d)' % outcome.rc)
    words = u' | '.join(line for place, line in enumerate(lines) if line not in lines[:place])
    return Verdict(outcome.rc == 0, masked(words, secrets), outcome.rc)


def test(site, plan, tree, test_content, sbin_path, timeout):
    """Have nginx judge the tree that would be there."""
    content = without_pid(to_text(tree.files[site.conf].content if test_content is None else test_content))
    files = dict(tree.files, **dict((one.path, None) for one in plan.changes if one.wanted is None))
    files[site.conf] = regular(to_bytes(content), 0o644)
    advice = 'nothing has been changed: see that nginx is installed and the directory is there, and run again'
    with reported('cannot have {0} test a configuration in {1}'.format(sbin_path, site.directory), advice):
        version, prefix = build(_keepalived.run([sbin_path, '-V'], timeout).output)
        with staged(site, files, os.path.join(prefix, 'modules')) as stage:
            outcome = _keepalived.run(command(sbin_path, stage, site.conf, version), timeout)
    real = to_text(stage + '/'), to_text(site.directory.rstrip('/') + '/')
    return judged(outcome, timeout, real, [to_text(tree.files[path].content) for path in tree.secrets])


# Changing it

def tidy(site, paths):
    """Remove what a run that was killed has left."""
    with reported('cannot write into {0}'.format(site.directory), UNTOUCHED):
        remove_tree(at(site, STAGE))
        remove_tree(at(site, PREVIOUS + '.new'))
        for directory in sorted(set(os.path.dirname(path) for path in paths)):
            if os.path.isdir(at(site, directory)):
                remove_leftovers(at(site, directory), [os.path.basename(path) for path in paths if os.path.dirname(path) == directory])


def keep(site, tree):
    """Have .previous hold a tree, marked as one whose successor is not complete."""
    path = at(site, PREVIOUS)
    new, old = path + '.new', path + '.old'
    make_directory(new, 0o700)
    site.label(new, path)
    for name, one in sorted(tree.files.items()):
        if one:
            for parent in parents(name)[1:]:
                make_directory(os.path.join(new, parent))
            write(os.path.join(new, name), one, site.label)
    write(os.path.join(new, RECORD), record(entries_of(tree)), site.label)
    write(os.path.join(new, UNFINISHED), regular(b'', 0o600), site.label)
    for directory, dummy, dummy in os.walk(new):
        settle_directory(directory)
    if os.path.lexists(path):
        remove_tree(old)
        os.rename(path, old)
    os.rename(new, path)
    settle_directory(site.directory)
    remove_tree(old)


def carry_out(site, changes, first, before):
    """Make all changes, or none if not all files can be written; before: the Tree to keep, or None to keep the one that is kept."""
    made = {}
    try:
        for one in changes:
            if one.wanted:
                with reported('cannot write {0}'.format(at(site, one.path)), UNTOUCHED):
                    directory = os.path.dirname(at(site, one.path))
                    if not os.path.isdir(directory):
                        make_way(directory, regular(b'', 0o755), site.label)
                    made[one.path] = prepare(at(site, one.path), one.wanted, site.label)
        with reported('cannot keep what is there in {0}'.format(at(site, PREVIOUS)), UNTOUCHED):
            if before:
                keep(site, before)
            if MANAGED in [one.path for one in changes]:
                write(at(site, MANAGED), record(first), site.label)
        for one in changes:
            with reported('cannot change {0}'.format(at(site, one.path)), ADVICE):
                if one.wanted:
                    os.rename(made[one.path], at(site, one.path))
                else:
                    os.unlink(at(site, one.path))
    except BaseException:
        for temporary in made.values():
            discard(temporary)
        shutil.rmtree(at(site, PREVIOUS + '.new'), ignore_errors=True)
        raise
    for directory in sorted(set(os.path.dirname(at(site, one.path)) for one in changes)):
        with reported('cannot finish {0}'.format(directory), ADVICE):
            settle_directory(directory)


def finish(site):
    discard(os.path.join(previous_directory(site), UNFINISHED))


# The states

def differences(site, changes, secrets):
    """Return the diff of what changes, without secrets."""
    def shown(one, path, text):
        # The module's answer must not hold a content as it was given, or all of it would be hidden. So the last newline is left out.
        return one and one._replace(content=text if path in secrets else (one.content or b'').rstrip(b'\n'))
    diff = []
    for path, found, wanted in changes:
        after = b'(secret)' if same_content(found, wanted) or not found else b'(another secret)'
        diff.append(difference(at(site, path), shown(found, path, b'(secret)'), shown(wanted, path, after)))
    return diff


def answer(site, changes, secrets):
    """Return what the module says of changes; its own record is not worth showing."""
    seen = [one for one in changes if one.path != MANAGED]
    return {
        'changed': bool(changes),
        'written': [at(site, one.path) for one in seen if one.wanted],
        'removed': [at(site, one.path) for one in seen if not one.wanted],
        'diff': differences(site, seen, secrets),
    }


def tested(site, tree, test_content, sbin_path, timeout):
    """Return what nginx says of a tree, and whether it would change anything."""
    plan = plan_for(site, tree)
    verdict = test(site, plan, tree, test_content, sbin_path, timeout)
    return {
        'changed': False,
        'differs': bool(plan.changes),
        'accepted': verdict.accepted,
        'refusal': '' if verdict.accepted else verdict.words,
        'remarks': verdict.words if verdict.accepted else '',
        'exit_code': verdict.exit_code,
    }


def present(site, tree, test_content, sbin_path, timeout, check_mode=False):
    """Have a tree in place; return what the module answers, and warnings."""
    plan = plan_for(site, tree)
    before = plan.before if changes_text(plan.changes) else None
    if before and is_unfinished(site):
        kept = former(site)
        before = Tree(dict(before.files, **kept.files), before.secrets | kept.secrets)
    if plan.changes and not check_mode:
        verdict = test(site, plan, tree, test_content, sbin_path, timeout)
        if not verdict.accepted:
            raise ArtifactError('{0} refuses the new configuration: {1}; no file has been changed: correct it and run again'.format(
                sbin_path, to_native(verdict.words)))
    if not check_mode:
        tidy(site, set(plan.before.files) | set(plan.first))
        carry_out(site, plan.changes, plan.first, before)
        finish(site)
    previous = at(site, PREVIOUS) if before and before.files[site.conf] else None
    return dict(answer(site, plan.changes, plan.before.secrets), previous=previous), plan.warnings


def restored(site, check_mode=False):
    """Have the former tree in place again; return what the module answers."""
    kept = former(site)
    if kept is None or kept.files.get(site.conf) is None:
        raise ArtifactError('{0} holds no {1} to go back to; {2} is as it was: put a configuration there by hand, or run the role with '
                            'settings that are right'.format(at(site, PREVIOUS), site.conf, at(site, site.conf)))
    found = look_at(site, set(kept.files) | set([MANAGED]))
    wanted = dict({MANAGED: None}, **kept.files)
    changes = changes_between(found, wanted, site.conf)
    entries = managed(found[MANAGED], at(site, MANAGED))[0]
    failed = found[site.conf]
    aside = []
    if failed and failed.content is not None and failed.content != kept.files[site.conf].content:
        aside = [Change(site.conf + FAILED, None, regular(failed.content, 0o600))]
    if not check_mode:
        tidy(site, set(kept.files) | set(entries) | set([MANAGED, site.conf + FAILED]))
        if changes:
            carry_out(site, aside + changes, dict(managed(wanted[MANAGED], '')[0], **entries), kept)
        finish(site)
    return dict(answer(site, changes, kept.secrets | secrets_of(entries)), set_aside=at(site, aside[0].path) if aside else None)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            conf_path=dict(type='path', required=True),
            state=dict(type='str', choices=['tested', 'present', 'restored'], required=True),
            content=dict(type='str', no_log=True),
            test_content=dict(type='str', no_log=True),
            files=dict(
                type='list', elements='dict', default=[],
                options=dict(
                    path=dict(type='str', required=True),
                    content=dict(type='str', required=True, no_log=True),
                    mode=dict(type='str', default='0644'),
                    secret=dict(type='bool', default=False, no_log=False),
                ),
            ),
            sbin_path=dict(type='path'),
            timeout=dict(type='float', default=20),
        ),
        required_if=[('state', 'tested', ('content', 'sbin_path')), ('state', 'present', ('content', 'sbin_path'))],
        supports_check_mode=True,
    )
    directory, conf = os.path.split(os.path.abspath(module.params['conf_path']))
    site = Site(directory, conf, labels(module))
    state, content, files = [module.params[name] for name in ('state', 'content', 'files')]
    how = [module.params[name] for name in ('test_content', 'sbin_path', 'timeout')]
    warnings = []
    try:
        with reported('cannot have {0} for itself'.format(directory), 'nothing has been changed: see that it is there, and run again'):
            with locked(directory):
                if state == 'tested':
                    result = tested(site, described(conf, content, files), *how)
                elif state == 'present':
                    result, warnings = present(site, described(conf, content, files), *how, check_mode=module.check_mode)
                else:
                    result = restored(site, module.check_mode)
    except ArtifactError as error:
        module.fail_json(msg=to_native(error))
    for warning in warnings:
        module.warn(warning)
    if not module._diff:
        result.pop('diff', None)
    module.exit_json(**result)


if __name__ == '__main__':
    main()
