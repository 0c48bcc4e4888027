#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: artifact_build
short_description: Build a program from a source tarball into an artefact
version_added: 1.0.0
description:
  - Unpacks a verified source tarball, runs C(./configure) if there is one, C(make), and C(make install) into a stage (C(DESTDIR)),
    and packs the stage as a gzipped tar archive, the artefact.
  - The unpacked, untouched source is left in O(source_dir).
  - It does not install the program on the host. That is done by M(vipkit.ha.artifact_install).
  - It does not install compilers or libraries, does not download anything, and does not apply patches.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell whether an artefact would be built, without doing so.
    details:
      - Whether the build would succeed is not tried. RV(sha256) is null and RV(files) empty for an artefact that is not there yet.
  diff_mode:
    support: none
    description: Can show what has changed.
    details:
      - An artefact has no readable difference.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
    details:
      - An artefact that exists is never built again, whatever the other options say. So its name should tell what it was made from.
options:
  program:
    description:
      - Name of the program, for messages and for the scratch directory.
    type: str
    required: true
  version:
    description:
      - Its version, for messages and for the scratch directory.
    type: str
    required: true
  tarball:
    description:
      - The source tarball on this host. It must have exactly one directory at its top.
    type: path
    required: true
  sha256:
    description:
      - SHA-256 checksum of the tarball, 64 hexadecimal digits. It is verified before anything else.
    type: str
    required: true
  source_dir:
    description:
      - Where the untouched source stands after a successful build.
      - Files of the same names are replaced. What else is in that directory is left alone.
    type: path
    required: true
  artifact:
    description:
      - The artefact to make. Its directory is made with mode V(0755) when it is missing.
    type: path
    required: true
  configure_flags:
    description:
      - Arguments of C(./configure).
    type: list
    elements: str
    default: []
  environment:
    description:
      - Environment variables of every step, such as C(CFLAGS). C(LC_ALL) is always V(C).
    type: dict
    default: {}
  make_flags:
    description:
      - Arguments of C(make) and C(make install).
    type: list
    elements: str
    default: []
  jobs:
    description:
      - How many jobs C(make) may run at the same time. By default as many as the host has processors.
    type: int
  exclude:
    description:
      - Shell patterns of absolute paths that shall not be in the artefact, such as configuration files that somebody else owns.
      - A C(*) matches slashes too. Of a directory that matches, nothing is in the artefact.
    type: list
    elements: str
    default: []
  build_dir:
    description:
      - Directory below which the scratch directory is made. Programs must be allowed to run there.
    type: path
    default: /var/tmp
notes:
  - When a step fails, the scratch directory stays for inspection, and with it the log of all steps. Nothing else has been changed by then.
  - The artefact is written under a hidden name and gets its own as the very last act, so that it is complete whenever it is there.
  - The artefact is laid out in a fixed order, with owner and group 0 and without times.
    So the same files give the same bytes when the same Python writes them.
  - Hard links become separate files. Devices, sockets and pipes are refused.
seealso:
  - module: vipkit.ha.source_tarball
  - module: vipkit.ha.artifact_probe
  - module: vipkit.ha.artifact_install
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Build nginx
  vipkit.ha.artifact_build:
    program: nginx
    version: 1.9.9
    tarball: /var/cache/vipkit/nginx-1.9.9.tar.gz
    sha256: de66bb2b11c82533aa5cb5ccc27cbce736ab87c9f2c761e5237cda0b00068d73
    source_dir: /apps/nginx/nginx-1.9.9
    artifact: /var/cache/vipkit/nginx-1.9.9-4b227777.tar.gz
    configure_flags:
      - --prefix=/usr/local/nginx
      - --sbin-path=/usr/local/nginx/nginx
      - --with-http_ssl_module
    environment:
      CFLAGS: -Wno-implicit-fallthrough
    exclude:
      - /usr/local/nginx/*.conf
  register: nginx_build
"""

RETURN = r"""
artifact:
  description: The artefact.
  returned: success
  type: str
  sample: /var/cache/vipkit/nginx-1.9.9-4b227777.tar.gz
sha256:
  description: SHA-256 checksum of the artefact. Null in check mode when it is not there yet.
  returned: success
  type: str
  sample: ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d
files:
  description: The files and links in the artefact. Each has C(path), C(mode), and either C(sha256) or, for a link, C(link).
  returned: success
  type: list
  elements: dict
  sample:
    - path: /usr/local/nginx/nginx
      mode: '0755'
      sha256: 4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce
built:
  description: Whether it was built by this run.
  returned: success
  type: bool
  sample: true
elapsed:
  description: Seconds that the build took.
  returned: success
  type: float
  sample: 21.4
step:
  description: The step that failed.
  returned: when a step fails
  type: str
  sample: make
exit_code:
  description: Its exit code.
  returned: when a step fails
  type: int
  sample: 2
log:
  description: The file with the output of all steps, in the scratch directory that stays after a failure.
  returned: when a step fails
  type: str
  sample: /var/tmp/nginx-1.9.9.k3Jx7q/build.log
"""

import fnmatch
import gzip
import multiprocessing
import os
import re
import shutil
import stat
import tarfile
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import (
    ArtifactError,
    artifact_files,
    create,
    make_directories,
    make_directory,
    replacing,
    reported,
    safe_parts,
    sha256_of,
    verify_sum,
)

# The shell only joins the two outputs in the log as they come, so that a long build can be watched
LOGGED = ['/bin/sh', '-c', 'log=$1; shift; exec "$@" >>"$log" 2>&1', 'sh']
TAIL = 15


class StepFailed(ArtifactError):
    """A step of the build ended with an error; its log shall stay."""


# The source

def source_members(tar):
    """Return [(path, member)] of an open tarball, refusing what does not belong into a source tree."""
    found = []
    for member in tar:
        parts = safe_parts(member.name)
        if not (member.isreg() or member.islnk() or member.issym() or member.isdir()):
            raise ArtifactError("the tarball holds '{0}', neither a file, a link nor a directory; use one from a source you trust".format(
                member.name))
        if parts:
            found.append((os.path.join(*parts), member))
    return found


def top_directory(members):
    """Return the one directory at the top of a tarball."""
    tops = sorted(set(path.split('/')[0] for path, dummy in members))
    if len(tops) != 1 or all(path == tops[0] and not member.isdir() for path, member in members):
        raise ArtifactError('the tarball has {0} at its top instead of one directory; use the release tarball of the project'.format(
            ', '.join(tops[:3]) or 'nothing'))
    return tops[0]


def unpack_file(tar, member, path):
    """Write one file of a tarball, with its time, as make compares them."""
    with create(path) as handle:
        shutil.copyfileobj(tar.extractfile(member), handle)
    os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)
    os.utime(path, (member.mtime, member.mtime))


def unpack(tarball, directory):
    """Unpack a source tarball below an empty directory and return the top of the source."""
    with reported('cannot unpack {0} into {1}'.format(tarball, directory), 'make room or name another directory'):
        with tarfile.open(tarball) as tar:
            members = source_members(tar)
            top = top_directory(members)
            for path, member in members:
                path = os.path.join(directory, path)
                make_directories(path if member.isdir() else os.path.dirname(path))
                if not (member.isdir() or member.issym()):
                    unpack_file(tar, member, path)
            # Links come last, so that nothing can be written through one
            for path, member in members:
                if member.issym():
                    os.symlink(member.linkname, os.path.join(directory, path))
    return os.path.join(directory, top)


def merge(tree, target):
    """Move each file of a tree to its place in the target on the same file system, replacing those that are there."""
    for directory, subdirectories, names in os.walk(tree):
        place = os.path.normpath(os.path.join(target, os.path.relpath(directory, tree)))
        make_directory(place)
        for name in names + [name for name in subdirectories if os.path.islink(os.path.join(directory, name))]:
            os.rename(os.path.join(directory, name), os.path.join(place, name))


def place_source(tarball, source_dir):
    """Have the untouched source in source_dir, next to whatever else is there."""
    make_directories(source_dir)
    with reported('cannot put the source into {0}'.format(source_dir), 'make room there or move away what is in the way'):
        for name in os.listdir(source_dir):
            if name.startswith('.vipkit-'):  # of a run that was killed
                shutil.rmtree(os.path.join(source_dir, name))
        fresh = tempfile.mkdtemp(prefix='.vipkit-', dir=source_dir)
        try:
            merge(unpack(tarball, fresh), source_dir)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


# The build: `run` is run(args, cwd, environ) -> (rc, stdout, stderr)

def build_steps(tree, stage, configure_flags, make_flags, jobs):
    """Return [(name, command)] of what is to be run in the source tree."""
    configure = os.path.join(tree, 'configure')
    steps = [
        ('make', ['make', '-j{0}'.format(jobs)] + make_flags),
        ('make install', ['make', 'install', 'DESTDIR=' + stage] + make_flags),
    ]
    if os.path.isfile(configure) and os.access(configure, os.X_OK):
        steps.insert(0, ('configure', ['./configure'] + configure_flags))
    elif configure_flags:
        raise ArtifactError('configure_flags are given, but the tarball has no executable configure script; use make_flags')
    return steps


def run_step(command, tree, environment, log, run):
    """Run one command with its output added to the log; return its exit code and the last lines of that output."""
    with open(log, 'ab') as handle:
        handle.write('$ {0}\n'.format(' '.join(command)).encode('utf-8'))
    start = os.path.getsize(log)
    environ = dict(environment, LC_ALL='C', LANGUAGE='C')
    rc = run(LOGGED + [log] + command, tree, environ)[0]
    with open(log, 'rb') as handle:
        handle.seek(start)
        return rc, to_native(handle.read(), errors='replace').splitlines()[-TAIL:]


def compile_into(stage, tree, log, options, run):
    """Run all steps of the build, from the source tree into the stage."""
    jobs = options['jobs'] or multiprocessing.cpu_count()
    for step, command in build_steps(tree, stage, options['configure_flags'], options['make_flags'], jobs):
        rc, tail = run_step(command, tree, options['environment'], log, run)
        if rc != 0:
            raise StepFailed("building {0} {1} failed in step '{2}' with exit code {3}; see {4}, where its output ends with:\n{5}".format(
                options['program'], options['version'], step, rc, log, '\n'.join(tail)), step=step, exit_code=rc, log=log)


# The artefact

def staged(stage, exclude, directory='/'):
    """Return the absolute paths of a stage, as they shall be on a host, in a fixed order and without the excluded ones."""
    paths = []
    for name in sorted(os.listdir(stage + directory)):
        path = os.path.join(directory, name)
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in exclude):
            continue
        paths.append(path)
        if os.path.isdir(stage + path) and not os.path.islink(stage + path):
            paths += staged(stage, exclude, path)
    return paths


def link_text(path):
    """Return what a symbolic link says, or None of anything else."""
    return os.readlink(path) if os.path.islink(path) else None


def archive_member(path, status, link):
    """Return the archive's entry for a path of the stage; owner, group and time are those of a new TarInfo: 0."""
    member = tarfile.TarInfo(path.lstrip('/'))
    member.mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode):
        member.size = status.st_size
    elif stat.S_ISLNK(status.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, link
    elif stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
        member.mode &= 0o1777  # setgid would be that of build_dir, inherited
    else:
        raise ArtifactError('make install made {0}, neither a file, a symbolic link nor a directory; exclude it'.format(path))
    return member


def pack(stage, exclude, handle):
    """Write the stage as an archive, the same bytes for the same files."""
    members = [archive_member(path, os.lstat(stage + path), link_text(stage + path)) for path in staged(stage, exclude)]
    if all(member.isdir() for member in members):
        raise ArtifactError('make install put nothing into DESTDIR that is not excluded; check that the program honours it, and exclude')
    with gzip.GzipFile(filename='', mode='wb', fileobj=handle, mtime=0) as compressed:
        with tarfile.open(fileobj=compressed, mode='w', format=tarfile.GNU_FORMAT) as archive:
            for member in members:
                if member.isreg():
                    with open(os.path.join(stage, member.name), 'rb') as content:
                        archive.addfile(member, content)
                else:
                    archive.addfile(member)


def write_artifact(stage, exclude, artifact):
    """Make the artefact of a stage, whole or not at all."""
    make_directories(os.path.dirname(artifact))
    with reported('cannot write the artefact {0}'.format(artifact), 'make room or name another path'):
        with replacing(artifact) as handle:
            pack(stage, exclude, handle)


def describe(artifact):
    """Return what the module tells about an artefact that is there."""
    files = artifact_files(artifact)
    return {'artifact': artifact, 'sha256': sha256_of(artifact), 'files': files}


def make_scratch(build_dir, program, version):
    """Make the directory in which one build happens."""
    for text in (program, version):
        if not re.match(r'^[\w.+~-]+$', text):
            raise ArtifactError("'{0}' cannot be in a file name; give program and version in letters, digits and . + ~ - _".format(text))
    make_directories(build_dir)
    with reported('cannot make a scratch directory below {0}'.format(build_dir), 'name another build_dir'):
        return tempfile.mkdtemp(prefix='{0}-{1}.'.format(program, version), dir=build_dir)


def build_in(scratch, options, run):
    """Go from the tarball to the artefact, which appears last."""
    tree = unpack(options['tarball'], os.path.join(scratch, 'source'))
    stage = os.path.join(scratch, 'stage')
    make_directories(stage)
    compile_into(stage, tree, os.path.join(scratch, 'build.log'), options, run)
    place_source(options['tarball'], options['source_dir'])
    write_artifact(stage, options['exclude'], options['artifact'])


def build(options, run, check_mode=False):
    """Have the artefact, and return what the module answers."""
    artifact = options['artifact']
    if os.path.lexists(artifact):
        return dict(describe(artifact), built=False, changed=False, elapsed=0.0)
    if check_mode:
        return {'artifact': artifact, 'sha256': None, 'files': [], 'built': False, 'changed': True, 'elapsed': 0.0}
    verify_sum(options['tarball'], options['sha256'], 'put the right tarball there or correct the checksum')
    started = time.time()
    scratch = make_scratch(options['build_dir'], options['program'], options['version'])
    keep = False
    umask = os.umask(0o022)
    try:
        with reported('cannot build {0[program]} {0[version]} in {1}'.format(options, scratch), 'make room or name another build_dir'):
            build_in(scratch, options, run)
    except StepFailed:
        keep = True
        raise
    finally:
        os.umask(umask)
        if not keep:
            shutil.rmtree(scratch, ignore_errors=True)
    return dict(describe(artifact), built=True, changed=True, elapsed=round(time.time() - started, 3))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            program=dict(type='str', required=True),
            version=dict(type='str', required=True),
            tarball=dict(type='path', required=True),
            sha256=dict(type='str', required=True),
            source_dir=dict(type='path', required=True),
            artifact=dict(type='path', required=True),
            configure_flags=dict(type='list', elements='str', default=[]),
            environment=dict(type='dict', default={}),
            make_flags=dict(type='list', elements='str', default=[]),
            jobs=dict(type='int'),
            exclude=dict(type='list', elements='str', default=[]),
            build_dir=dict(type='path', default='/var/tmp'),
        ),
        supports_check_mode=True,
    )

    def run(args, cwd, environ):
        return module.run_command(args, cwd=cwd, environ_update=environ)

    try:
        module.exit_json(**build(module.params, run, module.check_mode))
    except ArtifactError as error:
        module.fail_json(msg=to_native(error), **error.details)


if __name__ == '__main__':
    main()
