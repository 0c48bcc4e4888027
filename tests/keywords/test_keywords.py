# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables of keywords against real keepalived binaries: what a table says a release has, it accepts; what not, it calls unknown.

The binaries are those that tools/keepalived-builds has made, and those below $VIPKIT_KEEPALIVED_BUILDS: a folder with one installation a
folder, each named after its version, to which something can be added (2.3.4 and 2.3.4-bare). They run as ``keepalived -t`` in a network
namespace of its own, which only root can make.

With $VIPKIT_KEYWORDS_TESTED, how many keywords of each block were accepted goes into the file of that name, for docs/keywords.md. What
it says of other versions stays.
"""

# pylint: disable=dangerous-default-value
# A table is only read.
from __future__ import annotations

import collections
import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import samples
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import at, findings, known, render, shown, table_of
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import ROOT, VERSIONS

FOLDERS = [Path(__file__).parents[2] / '.state/keepalived', *map(Path, filter(None, [os.environ.get('VIPKIT_KEEPALIVED_BUILDS')]))]
FOUND = {binary.parents[1].name: binary for folder in FOLDERS for binary in sorted(folder.glob('*/sbin/keepalived'))
         if binary.parents[1].name.partition('-')[0] in VERSIONS}
MISSING = [version for version in VERSIONS if version not in FOUND]

# What `keepalived -v` calls the optional libraries.
LIBRARIES = {'LVS': '--enable-lvs', 'NFTABLES': 'libnftnl', 'LIBIPSET': 'libipset', 'LIBIPSET_DYNAMIC': 'libipset', 'IPTABLES': 'libiptc', 'LIBIPTC': 'libiptc'}

Build = collections.namedtuple('Build', 'binary version has')
Run = collections.namedtuple('Run', 'code complaints')


@functools.cache
def build_of(name):
    """A binary, its version, and the configure switches and libraries that it has."""
    told = subprocess.run([FOUND[name], '-v'], capture_output=True, text=True, check=True).stderr
    switches = re.search(r'^configure options: *(.*)', told, re.M | re.I)
    options = re.findall(r'^(?:Config|System) options: *(.*)', told, re.M)
    libraries = {LIBRARIES[option] for option in ' '.join(options).split() if option in LIBRARIES}
    return Build(FOUND[name], name.partition('-')[0], frozenset(switches.group(1).split()) | libraries)


@pytest.fixture(params=[*FOUND, *MISSING])
def build(request):
    if request.param in MISSING:
        pytest.skip(f'there is no keepalived {request.param}: tools/keepalived-builds makes it where its source can be had')
    return build_of(request.param)


def ip(*arguments):
    subprocess.run(['ip', *arguments], check=True, capture_output=True, text=True)


@pytest.fixture(scope='module')
def namespace():
    if os.geteuid() != 0 or not shutil.which('ip'):
        pytest.skip('needs root and ip, for a network namespace with the interfaces that keepalived asks for')
    name = samples.NAMESPACE
    subprocess.run(['ip', 'netns', 'del', name], check=False, capture_output=True)
    try:
        ip('netns', 'add', name)
        ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1')
    except subprocess.CalledProcessError as error:
        pytest.skip(f'no network namespace with interfaces can be made here: {error.stderr}')
    for interface, address in samples.ADDRESSES.items():
        ip('-n', name, 'address', 'add', address, 'dev', interface)
        ip('-n', name, 'link', 'set', interface, 'up')
    place = Path(samples.PLACE)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for file in ('included.conf', 'track', 'ca.pem', 'cert.pem', 'key.pem'):
        (place / file).touch()
    yield name
    shutil.rmtree(place)
    ip('netns', 'del', name)


@pytest.fixture
def keepalived(build, namespace, tmp_path):
    """Give a text to the real ``keepalived -t``. It is in a session of its own: before 2.2.8 it may send a signal to its whole group."""
    def run(text):
        path = tmp_path / 'keepalived.conf'
        path.write_text(text)
        path.chmod(0o644)
        command = ['ip', 'netns', 'exec', namespace, build.binary, '-t', '-f', path]
        for dummy in range(3):
            done = subprocess.run(command, capture_output=True, text=True, start_new_session=True, timeout=60, check=False)
            if done.returncode >= 0:
                break
        return Run(done.returncode, (done.stdout + done.stderr).splitlines())
    return run


def of_build(conf, build, table=ROOT):
    """What a build knows of a configuration."""
    kept = {}
    for keyword, value in conf.items():
        found = at(table[keyword], build.version) if keyword in table else None
        inner = found and table_of(found.kind)
        if keyword not in table:
            kept[keyword] = value
        elif found and (not found.needs or build.has & set(found.needs)):
            bodies = [of_build(body, build, inner) for body in value] if isinstance(value, list) and inner else value
            kept[keyword] = of_build(value, build, inner) if inner and isinstance(value, dict) else bodies
    return kept


def held(conf, table=ROOT, path=()):
    """Path of every keyword of a configuration."""
    for keyword, value in conf.items():
        if keyword in table and table[keyword] != 'bare':
            yield (*path, keyword)
            inner = table_of(at(table[keyword]).kind)
            for body in (value if isinstance(value, list) else [value]) if inner else []:
                yield from held(body, inner, (*path, keyword))


def with_raw(conf, lines_of, table=ROOT, path=(), done=None):
    """A configuration with lines of its own at the end of the first block of each path."""
    done = set() if done is None else done
    lines = [] if path in done else lines_of(path)
    done.add(path)
    changed = {'raw': '\n'.join(lines)} if lines else {}
    for keyword, value in conf.items():
        inner = keyword in table and table_of(at(table[keyword]).kind)
        if not inner or 'members' in inner:
            changed[keyword] = value
        elif isinstance(value, list):
            changed[keyword] = [with_raw(body, lines_of, inner, (*path, keyword), done) for body in value]
        else:
            changed[keyword] = with_raw(value, lines_of, inner, (*path, keyword), done)
    return changed


def said(complaint):
    """What a complaint says, without the line and the instance that it is about."""
    return re.sub(r'^(\([^()]*\) *)*', '', complaint)


def lines_with(text, complaints, pattern):
    """The lines of a text that complaints are about, in order."""
    numbers = {int(number) for complaint in complaints for number in re.findall(rf'Line (\d+)\) {pattern}', complaint)}
    lines = text.splitlines()
    return [lines[number - 1].strip() for number in sorted(numbers)]


@pytest.fixture(scope='session')
def tested():
    """What was accepted, by version; written when it is asked for."""
    accepted = collections.defaultdict(set)
    yield accepted
    if 'VIPKIT_KEYWORDS_TESTED' in os.environ:
        target = Path(os.environ['VIPKIT_KEYWORDS_TESTED'])
        counts = json.loads(target.read_text()) if target.exists() else {}
        for version, paths in accepted.items():
            counts[version] = collections.Counter('/'.join(path[:-1]) for path in paths)
        target.write_text(json.dumps(counts, indent=2, sort_keys=True) + '\n')


def test_samples_hold_every_keyword(build):
    keywords = {path for path, dummy in known(build.version, build.has)}
    assert {path for conf in (*samples.CLEAN, samples.COMPLAINED) for path in held(of_build(conf, build))} == keywords


@pytest.mark.parametrize('place', range(len(samples.CLEAN)))
def test_every_keyword_is_accepted(build, keepalived, tested, place):
    conf = of_build(samples.CLEAN[place], build)
    assert findings(conf, build.version) == []
    assert keepalived(render(conf, build.version)) == Run(0, [])
    tested[build.version] |= set(held(conf))


def test_what_is_complained_about_is_known(build, keepalived, tested):
    conf = of_build(samples.COMPLAINED, build)
    assert findings(conf, build.version) == []
    complaints = keepalived(render(conf, build.version)).complaints
    assert [complaint for complaint in complaints if said(complaint) not in samples.COMPLAINTS] == []
    tested[build.version] |= set(held(conf))


def test_what_a_release_or_build_lacks_is_unknown_to_it(build, keepalived):
    has = {path for path, dummy in known(build.version, build.has)}
    lacks = [path for path, dummy in known() if path not in has and (len(path) == 1 or path[:-1] in has)]
    conf = with_raw(of_build(samples.MAIN, build), lambda path: [f'{lacking[-1]} 1' for lacking in lacks if lacking[:-1] == path])
    text = render(conf, build.version)
    called_unknown = lines_with(text, keepalived(text).complaints, 'Unknown keyword')
    assert sorted(called_unknown) == sorted(f'{path[-1]} 1' for path in lacks)


def ranges(build):
    """(path, values that are taken, values that are refused) of every keyword that does not take just anything."""
    for path, found in known(build.version, build.has):
        kind = found.kind if isinstance(found.kind, tuple) else (found.kind,)
        name, *limits = kind[1] if kind[0] == 'optional' else kind
        if name in ('integer', 'number', 'weight'):
            low, high = limits
            yield path, [shown(low), shown(high)], [shown(low - 1), shown(high + 1)]
        elif name == 'choice':
            yield path, [limits[0], limits[-1]], ['nonsense']


def without(conf, paths, table=ROOT, path=()):
    """A configuration without some of its keywords."""
    kept = {}
    for keyword, value in conf.items():
        own = (*path, keyword)
        inner = keyword in table and table_of(at(table[keyword]).kind)
        if own in paths:
            continue
        if inner and isinstance(value, list):
            value = [without(body, paths, inner, own) for body in value]
        kept[keyword] = without(value, paths, inner, own) if inner and isinstance(value, dict) else value
    return kept


def complained_of(build, keepalived, values):
    """Which of these values, as (path, value), the real keepalived complains of."""
    given = [f'{path[-1]} {value}' for path, value in values]
    conf = without(of_build(samples.MAIN, build), {path for path, dummy in values})
    text = render(with_raw(conf, lambda block: [f'{path[-1]} {value}' for path, value in values if path[:-1] == block]), build.version)
    ignored = samples.COMPLAINTS + samples.CONFLICTS
    complaints = [complaint for complaint in keepalived(text).complaints if said(complaint) not in ignored]
    return sorted(line for line in lines_with(text, complaints, '') if line in given)


@pytest.mark.parametrize('end', [0, -1], ids=['lowest', 'highest'])
def test_values_within_a_range_are_accepted(build, keepalived, end):
    assert complained_of(build, keepalived, [(path, taken[end]) for path, taken, dummy in ranges(build)]) == []


@pytest.mark.parametrize('end', [0, -1], ids=['below', 'above'])
def test_values_out_of_range_are_refused(build, keepalived, end):
    values = [(path, refused[end]) for path, dummy, refused in ranges(build) if path[-1] not in samples.UNCHECKED]
    assert complained_of(build, keepalived, values) == sorted(f'{path[-1]} {value}' for path, value in values)
