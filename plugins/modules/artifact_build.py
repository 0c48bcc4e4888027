#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: artifact_build
short_description: Build programs from source tarballs into artefacts
version_added: 1.0.0
description:
  - For each program, unpacks a verified source tarball, applies patches, runs C(./configure) if there is one, C(make), and
    C(make install) into a stage (C(DESTDIR)), and packs the stage as a gzipped tar archive, the artefact.
  - Several programs are built at the same time, since what takes long in one build is often of one processor only.
  - The unpacked, untouched source is left in the C(source_dir) of each of the O(builds).
  - Tells which packages of the host a program was linked to, so that hosts which only receive it can be given those.
  - It does not install the program on the host. That is done by M(vipkit.ha.artifact_install).
  - It does not install compilers or libraries, and does not download anything.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell whether an artefact would be built, without doing so.
    details:
      - Whether the build would succeed is not tried. For an artefact that is not there yet, checksum and packages are null.
  diff_mode:
    support: none
    description: Can show what has changed.
    details:
      - An artefact has no readable difference.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
    details:
      - An artefact that is there and whole is not built again, whatever the other options say. So its name should tell what it was made
        from. One that is damaged is built again.
options:
  builds:
    description:
      - What is to be built.
    type: list
    elements: dict
    required: true
    suboptions:
      program:
        description: Name of the program, for messages and for the scratch directory.
        type: str
        required: true
      version:
        description: Its version, for messages and for the scratch directory.
        type: str
        required: true
      tarball:
        description: The source tarball on this host. It must have exactly one directory at its top.
        type: path
        required: true
      sha256:
        description: SHA-256 checksum of the tarball, 64 hexadecimal digits. It is verified before anything else.
        type: str
        required: true
      source_dir:
        description:
          - Where the untouched source stands after a successful build.
          - Files of the same names are replaced. What else is in that directory is left alone.
        type: path
        required: true
      artifact:
        description: The artefact to make. Its directory is made with mode V(0755) when it is missing.
        type: path
        required: true
      patches:
        description: Patches for the source, applied in this order with C(patch -p1) and without fuzz.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the patch, for messages.
            type: str
            required: true
          content:
            description: The unified diff.
            type: str
            required: true
      extra_sources:
        description:
          - Further source tarballs, such as modules. Each is unpacked beside the source tree, so that configure finds it as C(../NAME).
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the directory, in letters, digits and C(. + ~ - _).
            type: str
            required: true
          tarball:
            description: The tarball on this host. It must have exactly one directory at its top.
            type: path
            required: true
          sha256:
            description: Its SHA-256 checksum, 64 hexadecimal digits.
            type: str
            required: true
      configure_flags:
        description: Arguments of C(./configure).
        type: list
        elements: str
        default: []
      environment:
        description: Environment variables of every step, such as C(CFLAGS). C(LC_ALL) is always V(C).
        type: dict
        default: {}
      make_flags:
        description: Arguments of C(make) and C(make install).
        type: list
        elements: str
        default: []
      exclude:
        description:
          - Shell patterns of absolute paths that shall not be in the artefact, such as configuration files that somebody else owns.
          - A C(*) matches slashes too. Of a directory that matches, nothing is in the artefact.
        type: list
        elements: str
        default: []
  jobs:
    description:
      - How many jobs each C(make) may run at the same time. By default as many as the host has processors.
    type: int
  build_dir:
    description:
      - Directory below which the scratch directories are made. Programs must be allowed to run there.
    type: path
    default: /var/tmp
notes:
  - When a step fails, its scratch directory stays for inspection until the next build of that version, and with it the log of all steps.
    Nothing else has been changed by then. When the disk is full, it is removed at once to make room.
  - A failure of one program does not end the others. Their artefacts are found by the next run.
  - Two builds of the same program on one host wait for each other. The later one finds the artefact of the earlier one.
  - The artefact is written under a hidden name, and the record that vouches for it comes last. Without a fitting record it is built again.
  - The artefact is laid out in a fixed order, with owner and group 0 and without times.
    So the same files give the same bytes when the same Python writes them.
  - Hard links become separate files. Devices, sockets and pipes are refused.
  - What a program is linked to comes from C(ldd), and the packages from C(dpkg-query) or C(rpm).
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
    builds:
      - program: nginx
        version: 1.9.9
        tarball: /var/lib/vipkit/sources/nginx-1.9.9.tar.gz
        sha256: de66bb2b11c82533aa5cb5ccc27cbce736ab87c9f2c761e5237cda0b00068d73
        source_dir: /apps/nginx/nginx-1.9.9
        artifact: /var/lib/vipkit/artifacts/nginx/4b227777.tar.gz
        configure_flags:
          - --prefix=/usr/local/nginx
          - --sbin-path=/usr/local/nginx/nginx
          - --add-module=../headers-more
        extra_sources:
          - name: headers-more
            tarball: /var/lib/vipkit/sources/headers-more-0.34.tar.gz
            sha256: 9072a2b8ae7b7fbd8e8a5a6d7a8d0c4aab0ad2a9d2ff5d6a2fe3a4aa4a1b1fb4
        exclude:
          - /usr/local/nginx/*.conf
  register: nginx_build
"""

RETURN = r"""
builds:
  description: What became of each of the O(builds), in their order.
  returned: success
  type: list
  elements: dict
  contains:
    program:
      description: The program.
      type: str
    artifact:
      description: The artefact.
      type: str
    sha256:
      description: SHA-256 checksum of the artefact. Null in check mode when it is not there yet.
      type: str
    packages:
      description:
        - The packages that own the shared libraries which the artefact's programs are linked to. Empty where neither dpkg nor rpm is.
        - They are kept in a record beside the artefact, whose name ends with C(.built). Null in check mode when there is none yet.
      type: list
    built:
      description: Whether it was built by this run.
      type: bool
    elapsed:
      description: Seconds that the build took.
      type: float
  sample:
    - program: nginx
      artifact: /var/lib/vipkit/artifacts/nginx/4b227777.tar.gz
      sha256: ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d
      packages: [libc6, libpcre2-8-0, libssl3, zlib1g]
      built: true
      elapsed: 21.4
step:
  description: The step that failed.
  returned: when a step fails
  type: str
  sample: make
exit_code:
  description: Its exit code, negative for the signal that ended it.
  returned: when a step fails
  type: int
  sample: 2
log:
  description: The file with the output of all steps, in the scratch directory that stays after a failure.
  returned: when a step fails
  type: str
  sample: /var/tmp/nginx-1.9.9.vipkit-k3Jx7q/build.log
"""

import fnmatch
import gzip
import json
import multiprocessing
import os
import re
import shutil
import stat
import tarfile
import tempfile
import threading
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_native

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import (
    ArtifactError,
    create,
    locked,
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
RECORD = '.built'  # beside an artefact: its checksum and the packages that it is linked to
FULL = 1 << 20  # a disk with less than this many bytes left counts as full
OWNERS = (  # of files: the command to ask with, and what a line of its answer looks like
    (['dpkg-query', '--search'], re.compile(r'(?P<package>[^\s:,]+)(?::\w+)?: /')),
    (['rpm', '--query', '--queryformat', '%{NAME}: /\\n', '--file'], re.compile(r'(?P<package>\S+): /$')),
)


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


def place_extra(source, directory):
    """Unpack one extra source beside the source tree, under its own name."""
    place = os.path.join(directory, checked_word(source['name']))
    if os.path.lexists(place):
        raise ArtifactError("the extra source '{0}' has the name of something that is there; give it another".format(source['name']))
    verify_sum(source['tarball'], source['sha256'], 'put the right tarball there or correct the checksum')
    os.rename(unpack(source['tarball'], tempfile.mkdtemp(prefix='.extra-', dir=directory)), place)


def place_patch(number, patch, scratch):
    """Write a patch to a file and return its path."""
    path = os.path.join(scratch, '{0:02d}.patch'.format(number))
    with create(path) as handle:
        handle.write(to_bytes(patch['content']))
    return path


# The build: `run` is run(args, cwd, environ) -> (rc, stdout, stderr)

def patch_steps(patches, scratch):
    """Return [(name, command)] that apply the patches in their order."""
    return [('patch ' + patch['name'], ['patch', '-p1', '--force', '--fuzz=0', '--input=' + place_patch(number, patch, scratch)])
            for number, patch in enumerate(patches)]


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


def refuse_full_disk(directory, what):
    """Say so when it is a full disk that ended a step: what the step itself said may not have had room."""
    disk = os.statvfs(directory)
    if disk.f_bavail * disk.f_frsize < FULL:
        raise ArtifactError('{0} failed because the disk of {1} is full; make room, which this build has already left, or name another '
                            'build_dir'.format(what, os.path.dirname(directory)))


def ending(rc):
    """Return how a step ended, in words."""
    return 'was killed by signal {0}'.format(-rc) if rc < 0 else 'failed with exit code {0}'.format(rc)


def compile_into(stage, tree, scratch, options, run):
    """Run all steps of the build, from the source tree into the stage."""
    log = os.path.join(scratch, 'build.log')
    jobs = options['jobs'] or multiprocessing.cpu_count()
    steps = build_steps(tree, stage, options['configure_flags'], options['make_flags'], jobs)
    for step, command in patch_steps(options['patches'], scratch) + steps:
        rc, tail = run_step(command, tree, options['environment'], log, run)
        if rc != 0:
            refuse_full_disk(scratch, "building {0} {1} in step '{2}'".format(options['program'], options['version'], step))
            raise StepFailed("building {0} {1}: step '{2}' {3}; see {4}, where its output ends with:\n{5}".format(
                options['program'], options['version'], step, ending(rc), log, '\n'.join(tail)), step=step, exit_code=rc, log=log)


# What it is linked to

def is_elf(path):
    """Tell whether a file is a program or a shared library."""
    with open(path, 'rb') as handle:
        return handle.read(4) == b'\x7fELF'


def linked_libraries(output):
    """Return the paths of shared libraries that ldd names."""
    return set(re.findall(r'=> (/\S+) \(0x', output))


def spellings(path):
    """Return the names under which a package may have brought a file, as /lib may be a link to /usr/lib or has been one since."""
    names = set([path, os.path.realpath(path)])
    return sorted(names | set('/usr' + name for name in names) | set(name[len('/usr'):] for name in names if name.startswith('/usr/')))


def owning_packages(libraries, run):
    """Return the packages that own shared libraries."""
    names = sorted(set(name for library in libraries for name in spellings(library)))
    for command, line in OWNERS:
        try:
            answer = run(command + names, '/', {'LC_ALL': 'C', 'LANGUAGE': 'C'})[1]
        except EnvironmentError:  # this system has the other kind of packages
            continue
        found = set(match.group('package') for match in map(line.match, answer.splitlines()) if match)
        if found:
            return sorted(found)
    return []


def linked_packages(stage, exclude, run):
    """Return the packages whose libraries the staged programs are linked to."""
    libraries = set()
    for path in staged(stage, exclude):
        if os.path.isfile(stage + path) and not os.path.islink(stage + path) and is_elf(stage + path):
            libraries |= linked_libraries(run(['ldd', stage + path], '/', {'LC_ALL': 'C', 'LANGUAGE': 'C'})[1])
    return owning_packages(libraries, run) if libraries else []


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


def write_artifact(stage, exclude, packages, artifact):
    """Make the artefact of a stage, whole or not at all, and after it the record that vouches for it."""
    make_directories(os.path.dirname(artifact))
    with reported('cannot write the artefact {0}'.format(artifact), 'make room or name another path'):
        with replacing(artifact) as handle:
            pack(stage, exclude, handle)
        with replacing(artifact + RECORD) as handle:
            handle.write(to_bytes(json.dumps({'sha256': sha256_of(artifact), 'packages': packages}, indent=2, sort_keys=True)))


def read_record(artifact):
    """Return what is recorded of an artefact that is there and whole; None if it has to be built."""
    try:
        with open(artifact + RECORD) as handle:
            record = json.load(handle)
        if record['sha256'] == sha256_of(artifact):
            return {'sha256': to_native(record['sha256']), 'packages': [to_native(name) for name in record['packages']]}
    except (EnvironmentError, ValueError, KeyError, TypeError):
        pass  # whatever it is, a new build mends it
    return None


def checked_word(text):
    """Refuse what cannot be in the name of a file."""
    if not re.match(r'^\w[\w.+~-]*$', text):
        raise ArtifactError("'{0}' cannot be in a file name; use letters, digits and . + ~ - _".format(text))
    return text


def make_scratch(build_dir, program, version):
    """Make the directory in which one build happens, and remove those of earlier ones that did not end well."""
    prefix = '{0}-{1}.vipkit-'.format(checked_word(program), checked_word(version))
    make_directories(build_dir)
    with reported('cannot make a scratch directory below {0}'.format(build_dir), 'name another build_dir'):
        for path in [os.path.join(build_dir, name) for name in os.listdir(build_dir) if name.startswith(prefix)]:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():  # anybody may put something there
                shutil.rmtree(path)
        return tempfile.mkdtemp(prefix=prefix, dir=build_dir)


def build_in(scratch, options, run):
    """Go from the tarball to the artefact, which appears last."""
    source, stage = os.path.join(scratch, 'source'), os.path.join(scratch, 'stage')
    tree = unpack(options['tarball'], source)
    for extra in options['extra_sources']:
        place_extra(extra, source)
    make_directories(stage)
    compile_into(stage, tree, scratch, options, run)
    packages = linked_packages(stage, options['exclude'], run)
    place_source(options['tarball'], options['source_dir'])
    write_artifact(stage, options['exclude'], packages, options['artifact'])


def build_now(options, run):
    """Build the artefact in a scratch directory, which only stays when a step fails."""
    scratch = make_scratch(options['build_dir'], options['program'], options['version'])
    keep = False
    try:
        with reported('cannot build {0[program]} {0[version]} in {1}'.format(options, scratch), 'make room or name another build_dir'):
            build_in(scratch, options, run)
    except StepFailed:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(scratch, ignore_errors=True)


def build(options, run, check_mode=False):
    """Have one artefact, and return what the module answers of it."""
    artifact = options['artifact']
    result = {'program': options['program'], 'artifact': artifact, 'built': False, 'elapsed': 0.0}
    if check_mode:
        record = read_record(artifact)
        return dict(result, built=not record, **(record or {'sha256': None, 'packages': None}))
    make_directories(os.path.dirname(artifact))
    with locked(os.path.dirname(artifact)):
        started = time.time()
        if not read_record(artifact):
            verify_sum(options['tarball'], options['sha256'], 'put the right tarball there or correct the checksum')
            build_now(options, run)
            result.update(built=True, elapsed=round(time.time() - started, 3))
        return dict(result, **read_record(artifact))


class Builder(threading.Thread):
    """One build beside the others."""

    def __init__(self, options, run, check_mode):
        super(Builder, self).__init__()
        self.arguments = (options, run, check_mode)
        self.result = self.error = None

    def run(self):
        try:
            self.result = build(*self.arguments)
        except ArtifactError as error:
            self.error = error


def build_all(builds, run, check_mode=False):
    """Have all artefacts, built at the same time, and return what the module answers."""
    builders = [Builder(options, run, check_mode) for options in builds]
    umask = os.umask(0o022)  # it is of the whole process
    try:
        for builder in builders[1:]:
            builder.start()
        try:
            for builder in builders[:1]:
                builder.run()
        finally:
            for builder in builders[1:]:
                builder.join()
    finally:
        os.umask(umask)
    errors = [builder.error for builder in builders if builder.error]
    if errors:
        raise ArtifactError('\n'.join(to_native(error) for error in errors), **errors[0].details)
    results = [builder.result for builder in builders]
    return {'builds': results, 'changed': any(result['built'] for result in results)}


def main():
    module = AnsibleModule(
        argument_spec=dict(
            builds=dict(type='list', elements='dict', required=True, options=dict(
                program=dict(type='str', required=True),
                version=dict(type='str', required=True),
                tarball=dict(type='path', required=True),
                sha256=dict(type='str', required=True),
                source_dir=dict(type='path', required=True),
                artifact=dict(type='path', required=True),
                patches=dict(type='list', elements='dict', default=[], options=dict(
                    name=dict(type='str', required=True),
                    content=dict(type='str', required=True),
                )),
                extra_sources=dict(type='list', elements='dict', default=[], options=dict(
                    name=dict(type='str', required=True),
                    tarball=dict(type='path', required=True),
                    sha256=dict(type='str', required=True),
                )),
                configure_flags=dict(type='list', elements='str', default=[]),
                environment=dict(type='dict', default={}),
                make_flags=dict(type='list', elements='str', default=[]),
                exclude=dict(type='list', elements='str', default=[]),
            )),
            jobs=dict(type='int'),
            build_dir=dict(type='path', default='/var/tmp'),
        ),
        supports_check_mode=True,
    )

    def run(args, cwd, environ):
        # several threads at once may call it: it keeps nothing between start and end but what is its own
        return module.run_command(args, cwd=cwd, environ_update=environ, handle_exceptions=False)

    shared = dict((key, module.params[key]) for key in ('jobs', 'build_dir'))
    try:
        module.exit_json(**build_all([dict(options, **shared) for options in module.params['builds']], run, module.check_mode))
    except ArtifactError as error:
        module.fail_json(msg=to_native(error), **error.details)


if __name__ == '__main__':
    main()
