# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fixes of the role keepalived: each says what it is for, is a unified diff, and applies to the source.

It does so alone and with all others, of which each can be left out. The source is a tarball in the cache, or in the folder that
$VIPKIT_SOURCES names. Where there is none, that part is skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

PATCHES = sorted((Path(__file__).resolve().parents[2] / 'roles/keepalived/files/fixes').glob('*/*'))
VERSIONS = sorted({patch.parent for patch in PATCHES})
SOURCES = [Path.home() / '.cache/vipkit/sources', *map(Path, filter(None, [os.environ.get('VIPKIT_SOURCES')]))]
PARTS = re.compile(r'The bug.*?: \S.*\n\nHow it is seen: \S.*\n\nThe fix: \S.*\n\n', re.S)
HUNK = re.compile(r'@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@')

of_each_patch = pytest.mark.parametrize('patch', PATCHES, ids=lambda patch: f'{patch.parent.name}-{patch.stem}')


def split(patch):
    """Header and diff of a patch."""
    header, mark, rest = patch.read_text(encoding='utf-8').partition('--- ')
    return header, mark + rest


def changed(patch):
    """The files that a patch changes; an AssertionError where it is no unified diff."""
    paths, lines = [], split(patch)[1].splitlines()
    while lines:
        old, new = re.fullmatch('--- a/(\\S+)', lines.pop(0)), re.fullmatch('\\+\\+\\+ b/(\\S+)', lines.pop(0))
        assert old and new and old.group(1) == new.group(1)
        paths.append(old.group(1))
        assert lines and HUNK.match(lines[0])
        while lines and HUNK.match(lines[0]):
            left, right = (int(count or 1) for count in HUNK.match(lines.pop(0)).groups())
            while left or right:
                sign = lines.pop(0)[0]
                assert sign in ' +-'
                left, right = left - (sign != '+'), right - (sign != '-')
            assert left == right == 0
    return paths


def test_there_are_fixes():
    assert PATCHES


@of_each_patch
def test_names_are_words(patch):
    assert re.fullmatch(r'[a-z]+(_[a-z]+)*\.patch', patch.name)


@of_each_patch
def test_headers_tell_bug_symptom_and_fix(patch):
    header = split(patch)[0]
    assert PARTS.fullmatch(header)
    assert max(map(len, header.splitlines())) <= 140


@of_each_patch
def test_patches_are_unified_diffs_within_the_source(patch):
    paths = changed(patch)
    assert paths
    assert len(set(paths)) == len(paths)
    assert [path for path in paths if '..' in Path(path).parts] == []


# --- on the source ---

@pytest.fixture(scope='module')
def unpack(tmp_path_factory):
    """Make a new tree of those files of a source that its fixes change."""
    def tree_of(version):
        name = f'keepalived-{version.name}'
        found = [folder / f'{name}.tar.gz' for folder in SOURCES if (folder / f'{name}.tar.gz').is_file()]
        if not found or not shutil.which('patch'):
            pytest.skip(f'needs patch and {name}.tar.gz, in the cache of sources or in the folder that VIPKIT_SOURCES names')
        tree = tmp_path_factory.mktemp(name)
        wanted = {f'{name}/{path}' for patch in version.iterdir() for path in changed(patch)}
        with tarfile.open(found[0]) as tar:
            for member in tar:
                if member.name in wanted:
                    target = tree / member.name.partition('/')[2]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(tar.extractfile(member).read())
        return tree
    return tree_of


def apply(patches, tree):
    """Apply patches in this order without fuzz, and tell what was said."""
    said = ''
    for patch in patches:
        done = subprocess.run(['patch', '-p1', '--fuzz=0', '--forward', '-i', patch], cwd=tree, capture_output=True, text=True, check=False)
        said += done.stdout + done.stderr
        assert done.returncode == 0, f'{patch.name}: {said}'
    assert 'fuzz' not in said
    return said


@of_each_patch
def test_each_applies_alone_just_where_it_says(patch, unpack):
    assert 'offset' not in apply([patch], unpack(patch.parent))


@pytest.mark.parametrize('version', VERSIONS, ids=lambda version: version.name)
def test_all_apply_together(version, unpack):
    apply(sorted(version.iterdir()), unpack(version))


@of_each_patch
def test_the_others_apply_without_it(patch, unpack):
    apply([other for other in sorted(patch.parent.iterdir()) if other != patch], unpack(patch.parent))
