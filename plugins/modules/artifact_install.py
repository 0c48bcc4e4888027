#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: artifact_install
short_description: Put an artefact in place on a host
version_added: 1.0.0
description:
  - Installs, upgrades or rolls back a program by replacing its files with those of an artefact that M(vipkit.ha.artifact_build) made,
    each of them at once, also while the program is running. What was installed is recorded in a stamp, which is written last.
  - Files of the program's previous artefact that the new one has not are removed, unless somebody has changed them since.
  - Artefacts that were installed stay on the host, each with a record beside it. With O(restore), one of them is put back, without
    anything but what the host has.
  - It does not start, stop or reload anything, does not copy the artefact to the host, and does not remove directories.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell whether the program would be installed, without doing so.
    details:
      - The artefact need not be on the host then. Without it, O(sha256) is not looked at.
      - RV(removed) and RV(kept) are empty, and RV(files) are those of the present stamp.
  diff_mode:
    support: full
    description: Shows the fingerprint and the version before and after, and which files were damaged.
    details:
      - The contents of files are not compared.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
    details:
      - The program counts as installed when the stamp has the same fingerprint and all files that it lists are intact.
options:
  artifact:
    description:
      - The artefact on this host. It needs O(sha256) and O(manifest).
    type: path
  sha256:
    description:
      - SHA-256 checksum of the artefact, 64 hexadecimal digits. It is verified before anything is changed.
    type: str
  restore:
    description:
      - Instead of O(artifact), puts back an artefact that the host still has in O(directory).
      - V(previous) is the one that was installed before the present one, so that a second time undoes the first.
      - A version or the first digits of a fingerprint (at least 4) name any other one. When that fits what is installed, it is left alone.
        Of several with that version it is the one that was installed last.
    type: str
  undo:
    description:
      - What is installed now has failed. With O(restore), it does not become V(previous); that is again what it was when the restored one
        was installed.
    type: bool
    default: false
  directory:
    description:
      - Where the host keeps the artefacts of the program. Needed by O(restore), and of no use without it.
    type: path
  keep:
    description:
      - How many earlier artefacts to keep, of which the one before the installed one is always the first. The others are removed, those
        that were installed longest ago first.
    type: int
    default: 2
  stamp:
    description:
      - The stamp file, JSON with mode V(0644). Its directory is made with mode V(0755) when it is missing.
    type: path
    required: true
  manifest:
    description:
      - What the stamp shall say about the program.
      - The keys C(program), C(version) and C(fingerprint) are required, each a non-empty string.
      - Any other key is allowed but C(files), C(artifact_sha256), C(installed_at) and C(previous), which the module adds.
      - With O(restore), it is the one of the artefact's record.
    type: dict
  root:
    description:
      - Directory that stands for C(/) in the paths of the artefact. It is for tests and for images. O(stamp) is not below it.
    type: path
    default: /
notes:
  - Two installations from one directory of artefacts wait for each other.
  - All files are first written under hidden names beside their destinations, so that a full or read-only file system is met before
    anything is replaced. In that case all is taken back and the host is as it was.
  - An installation that is interrupted while files are being replaced leaves the old stamp, which does not match any more.
    The next run completes it.
  - Files belong to root when the module runs as root. Directories that exist keep their owner and mode.
  - A symbolic link at the place of a file is replaced, never followed. A directory there is an error.
seealso:
  - module: vipkit.ha.artifact_build
  - module: vipkit.ha.artifact_probe
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Put back what was installed before
  vipkit.ha.artifact_install:
    restore: previous
    directory: /var/lib/vipkit/artifacts/nginx
    stamp: /etc/ansible/facts.d/vipkit_nginx.fact

- name: Install what was built
  vipkit.ha.artifact_install:
    artifact: "{{ nginx_build.artifact }}"
    sha256: "{{ nginx_build.sha256 }}"
    stamp: /var/lib/vipkit/nginx.json
    manifest:
      program: nginx
      version: 1.9.9
      fingerprint: 4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a
      flags:
        - --prefix=/usr/local/nginx
  notify: Restart nginx
"""

RETURN = r"""
version:
  description: The version that is installed after the run. In check mode, the one that would be.
  returned: success
  type: str
  sample: 1.9.9
previous:
  description: The fingerprint that was installed before, or null.
  returned: success
  type: str
  sample: ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d
replaced:
  description:
    - The fingerprint of another build whose place this run has taken, to which a step back leads.
    - Null when nothing has changed, when nothing was installed before, and when the same build was mended.
  returned: success
  type: str
  sample: ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d
platform:
  description: The platform that the manifest names, or null.
  returned: success
  type: str
  sample: debian-12-x86_64
fingerprint:
  description: The fingerprint that is installed after the run. In check mode, the one that would be.
  returned: success
  type: str
  sample: 4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a
files:
  description: The files and links that the stamp lists after the run.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/nginx/nginx]
removed:
  description: The files and links of the previous artefact that were removed.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/nginx/old-helper]
kept:
  description: The files and links of the previous artefact that the new one has not, but that were changed since and so left alone.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/nginx/mime.types]
diff:
  description: The fingerprint and the version before and after.
  returned: in diff mode
  type: dict
  sample:
    before: |
      fingerprint: ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d
      version: 1.9.8
    after: |
      fingerprint: 4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a
      version: 1.9.9
"""

import json
import os
import re
import shutil
import tarfile
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_native

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import (
    ArtifactError,
    archive_entries,
    artifact_files,
    create,
    damaged_files,
    discard,
    is_intact,
    locked,
    make_directory,
    missing_directories,
    new_token,
    read_records,
    read_stamp,
    record_of,
    replacing,
    reported,
    settle,
    settle_directory,
    temporary_name,
    under,
    verify_sum,
)

REQUIRED = ('program', 'version', 'fingerprint')
ADDED = ('files', 'artifact_sha256', 'installed_at', 'previous')
NOTHING_REPLACED = 'nothing has been replaced: make room or make it writable, and run again'


# What is to be done

def checked_manifest(manifest, found, stamp):
    """Refuse a manifest from which no stamp can be made, or one that would take another program's stamp and so its files."""
    for key in REQUIRED:
        if not isinstance(manifest.get(key), (str, u''.__class__)) or not manifest[key]:
            raise ArtifactError("the manifest has no usable '{0}': give it a non-empty string (numbers need quotes)".format(key))
    for key in ADDED:
        if key in manifest:
            raise ArtifactError("the manifest must not have the key '{0}': the module adds it, so give yours another name".format(key))
    if found and found.get('program') != manifest['program']:
        raise ArtifactError('the stamp {0} is that of {1}, not of {2}; give each program its own stamp'.format(
            stamp, to_native(found.get('program')), manifest['program']))


def as_json(data):
    """Return data as text for people and machines, the same text for the same data."""
    return json.dumps(data, indent=2, sort_keys=True, separators=(',', ': ')) + '\n'


def before(found, manifest):
    """Return the fingerprint to which a step back from a new installation leads."""
    if found and found.get('fingerprint') == manifest['fingerprint']:
        return found.get('previous')
    return found.get('fingerprint') if found else None


def chosen(records, found, restore, directory):
    """Return the record of the kept artefact that a word means."""
    current = found.get('fingerprint') if found else None
    wanted = (found or {}).get('previous') if restore == 'previous' else None
    matching = [record for record in records if record['fingerprint'] == wanted or restore == record['version'] or
                (re.match('^[0-9a-f]{4,64}$', restore) and record['fingerprint'].startswith(restore))]
    # what is installed is as good as any other that is meant
    for record in sorted(matching, key=lambda record: record['fingerprint'] != current):
        return record
    raise ArtifactError("there is no artefact '{0}' in {1}, where this host has {2}; name one of those, or have it built again".format(
        restore, directory, ', '.join('{0[version]} ({1})'.format(record, record['fingerprint'][:12]) for record in records) or 'none'))


def superfluous(records, stamp, keep):
    """Return the records of artefacts that are to go: all but the installed one, the one before it, and some more."""
    spare = [record for record in records if record['fingerprint'] not in (stamp['fingerprint'], stamp['previous'])]
    return spare[max(keep - 1, 0):]


def difference(found, damaged, manifest):
    """Return the diff between what the stamp says and what the manifest wants."""
    def lines(source):
        return ''.join('{0}: {1}\n'.format(key, to_native(source[key])) for key in ('fingerprint', 'version') if key in source)
    return {'before': lines(found or {}) + ''.join('damaged: {0}\n'.format(path) for path in damaged), 'after': lines(manifest)}


def obstacles(targets):
    """Return those places on the host where a directory stands in the way of a file, or a file in that of a directory."""
    found = [path for path, is_directory in targets if not is_directory and os.path.isdir(path) and not os.path.islink(path)]
    for path, is_directory in targets:
        parent = path if is_directory else os.path.dirname(path)
        while not os.path.lexists(parent):
            parent = os.path.dirname(parent)
        if not os.path.isdir(parent):
            found.append(parent)
    return found


def resolved(path):
    """Return the place of a path itself: its directory may be reached through links."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def obsolete(old_files, new_files, root):
    """Return the old entries whose place no new file has taken."""
    taken = set(resolved(under(root, entry['path'])) for entry in new_files)
    return [entry for entry in old_files if resolved(under(root, entry['path'])) not in taken]


# Doing it

def remove_leftovers(targets):
    """Remove what an installation of the same files left beside them when it was killed."""
    names = {}
    for path in targets:
        names.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
    for directory in names:
        for name in os.listdir(directory) if os.path.isdir(directory) else []:
            temporary = re.match(r'^\.(.+)\.vipkit-[0-9a-f]{8}$', name)
            if temporary and temporary.group(1) in names[directory]:
                discard(os.path.join(directory, name))


class Staging(object):
    """New files beside their destinations, to be given their names together or taken back together."""

    def __init__(self):
        self.token = new_token()
        self.directories = []
        self.files = []

    def directory(self, path, mode=0o755):
        """Make a directory with this mode unless it exists, and those that it stands in with mode 0755."""
        for missing in missing_directories(path):
            make_directory(missing, mode if missing == os.path.abspath(path) else 0o755)
            self.directories.append(missing)

    def temporary(self, path):
        """Return the name under which the successor of path is written."""
        self.directory(os.path.dirname(path))
        temporary = temporary_name(path, self.token)
        self.files.append((temporary, path))
        return temporary

    def link(self, path, text):
        """Prepare a symbolic link."""
        temporary = self.temporary(path)
        os.symlink(text, temporary)
        if os.geteuid() == 0:
            os.lchown(temporary, 0, 0)

    def file(self, path, mode, write):
        """Prepare a file with what write(handle) puts into it."""
        with create(self.temporary(path)) as handle:
            write(handle)
            settle(handle, mode)

    def commit(self):
        """Replace all destinations in the order of their preparation, and bring their names to the disk."""
        directories = set(os.path.dirname(path) for dummy, path in self.files)
        while self.files:
            temporary, path = self.files[0]
            with reported('cannot replace {0}'.format(path), 'remove the cause and run again, as files before it may be replaced already'):
                os.rename(temporary, path)
            self.files.pop(0)
        for directory in directories:
            settle_directory(directory)

    def take_back(self):
        """Remove what has not taken its place, and the directories that were made for it."""
        for temporary, dummy in self.files:
            discard(temporary)
        for directory in reversed(self.directories):
            try:
                os.rmdir(directory)
            except OSError:
                pass  # by now it holds something


def prepare(staging, tar, entries, root):
    """Write all that an open artefact holds beside its destinations."""
    for path, member in entries:
        target = under(root, path)
        with reported('cannot write {0}'.format(target), NOTHING_REPLACED):
            if member.isdir():
                staging.directory(target, member.mode)
            elif member.issym():
                staging.link(target, member.linkname)
            else:
                source = tar.extractfile(member)
                staging.file(target, member.mode, lambda handle, source=source: shutil.copyfileobj(source, handle))


def remove_old(entries, root):
    """Remove old files that are still what was installed; return (removed, kept) paths."""
    removed, kept = [], []
    for entry in entries:
        path = under(root, entry['path'])
        if is_intact(entry, root):
            with reported('cannot remove {0}'.format(path), 'remove the cause and run again, as the new files are in place already'):
                os.unlink(path)
            removed.append(to_native(entry['path']))
        elif os.path.lexists(path):
            kept.append(to_native(entry['path']))
    return removed, kept


def put_in_place(artifact, stamp, text, files, old_files, root):
    """Replace the files, remove the old ones, and write the stamp last; return (removed, kept) paths."""
    program, record = Staging(), Staging()
    try:
        with tarfile.open(artifact, 'r:gz') as tar:
            entries = list(archive_entries(tar))
            for path in obstacles([(under(root, path), member.isdir()) for path, member in entries] + [(stamp, False)])[:1]:
                raise ArtifactError('{0} is in the way of the installation; move it away, nothing has been changed'.format(path))
            remove_leftovers([under(root, entry['path']) for entry in files] + [stamp])
            prepare(program, tar, entries, root)
        with reported('cannot write the stamp {0}'.format(stamp), NOTHING_REPLACED):
            record.file(stamp, 0o644, lambda handle: handle.write(to_bytes(text)))
        program.commit()
        outcome = remove_old(obsolete(old_files, files, root), root)
        record.commit()
        return outcome
    except BaseException:
        record.take_back()
        program.take_back()
        raise


def keep_record(artifact, stamp, manifest):
    """Write beside an artefact what a later step back to it has to know."""
    record = {'sha256': stamp['artifact_sha256'], 'installed_at': stamp['installed_at'], 'previous': stamp['previous'], 'manifest': manifest}
    with reported('cannot write {0}'.format(record_of(artifact)), NOTHING_REPLACED):
        with replacing(record_of(artifact)) as handle:
            handle.write(to_bytes(as_json(record)))


def remove_superfluous(directory, stamp, keep):
    """Remove artefacts that nobody needs any more, the record last, so that what is left of a broken run goes with the next."""
    for record in superfluous(read_records(directory), stamp, keep):
        for path in (record['artifact'] + '.built', record['artifact'], record_of(record['artifact'])):
            discard(path)


def install(artifact, sha256, stamp, manifest, root='/', keep=2, check_mode=False, **previous):
    """Have the program installed, alone among all runs, and return what the module answers."""
    if check_mode:
        return install_alone(artifact, sha256, stamp, manifest, root, keep, check_mode, **previous)
    with reported('cannot lock the directory of {0}'.format(artifact), 'nothing has been changed: copy the artefact there and run again'):
        with locked(os.path.dirname(artifact)):
            return install_alone(artifact, sha256, stamp, manifest, root, keep, check_mode, **previous)


def install_alone(artifact, sha256, stamp, manifest, root, keep, check_mode, **previous):
    """Have the program installed."""
    found = read_stamp(stamp)[0]
    checked_manifest(manifest, found, stamp)
    damaged = damaged_files(found, root) if found else []
    old_files = found['files'] if found else []
    result = {
        'changed': True,
        'version': manifest['version'],
        'previous': found.get('fingerprint') if found else None,
        'replaced': found.get('fingerprint') if found and found.get('fingerprint') != manifest['fingerprint'] else None,
        'fingerprint': manifest['fingerprint'],
        'platform': manifest.get('platform'),
        'files': [to_native(entry['path']) for entry in old_files],
        'removed': [],
        'kept': [],
        'diff': difference(found, damaged, manifest),
    }
    if result['previous'] == result['fingerprint'] and not damaged:
        return dict(result, changed=False)
    if os.path.lexists(artifact) or not check_mode:
        verify_sum(artifact, sha256, 'nothing has been changed: copy the artefact again or correct the checksum')
    if check_mode:
        return result
    files = artifact_files(artifact)
    installed_at = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
    new_stamp = dict(manifest, files=files, artifact_sha256=sha256.lower(), installed_at=installed_at,
                     previous=previous.get('previous', before(found, manifest)))
    keep_record(artifact, new_stamp, manifest)
    with reported('cannot install {0}'.format(artifact), 'remove the cause and run again'):
        removed, kept = put_in_place(artifact, stamp, as_json(new_stamp), files, old_files, root)
    remove_superfluous(os.path.dirname(artifact), new_stamp, keep)
    return dict(result, files=[entry['path'] for entry in files], removed=removed, kept=kept)


def restore_kept(restore, directory, stamp, root='/', undo=False, **options):
    """Have an artefact installed that the host still has."""
    record = chosen(read_records(directory), read_stamp(stamp)[0], restore, directory)
    if undo:
        options['previous'] = record['previous']
    return install(record['artifact'], record['sha256'], stamp, record['manifest'], root, **options)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            artifact=dict(type='path'),
            sha256=dict(type='str'),
            restore=dict(type='str'),
            undo=dict(type='bool', default=False),
            directory=dict(type='path'),
            keep=dict(type='int', default=2),
            stamp=dict(type='path', required=True),
            manifest=dict(type='dict'),
            root=dict(type='path', default='/'),
        ),
        required_one_of=[('artifact', 'restore')],
        mutually_exclusive=[('artifact', 'restore')],
        required_by=dict(artifact=('sha256', 'manifest'), restore=('directory',)),
        supports_check_mode=True,
    )
    options = dict((key, module.params[key]) for key in ('stamp', 'root', 'keep'))
    options['check_mode'] = module.check_mode
    try:
        if module.params['restore']:
            result = restore_kept(module.params['restore'], module.params['directory'], undo=module.params['undo'], **options)
        else:
            result = install(module.params['artifact'], module.params['sha256'], manifest=module.params['manifest'], **options)
        if not module._diff:
            del result['diff']
        module.exit_json(**result)
    except ArtifactError as error:
        module.fail_json(msg=to_native(error), **error.details)


if __name__ == '__main__':
    main()
