# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is cleared from the controller's shelf, and what stays: the task file itself, run on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DAY = 24 * 3600
FACTS = {'distribution': 'Debian', 'distribution_major_version': '12', 'architecture': 'x86_64'}


def shelve(directory, name, age):
    """A manifest and its artefact, of some age."""
    artefact = directory / f'{name}.tar.gz'
    manifest = directory / f'{name}.json'
    artefact.write_text('')
    manifest.write_text(json.dumps({'artifact': artefact.name}))
    for path in (artefact, manifest):
        os.utime(path, (time.time() - age, time.time() - age))


def clear(directory):
    """Run the task file."""
    play = {'hosts': 'localhost', 'connection': 'local', 'gather_facts': False,
            'vars': {'ansible_python_interpreter': sys.executable},
            'tasks': [{'ansible.builtin.include_role': {'name': 'vipkit.ha.source_build', 'tasks_from': 'clear_shelf'},
                       'vars': {'ansible_facts': FACTS, 'program': {'shelf': str(directory)}, 'source_build_keep': 1}}]}
    playbook = directory.with_name('clear.yml')
    playbook.write_text(json.dumps([play]))
    done = subprocess.run([str(Path(sys.executable).with_name('ansible-playbook')), str(playbook), '-i', 'localhost,'], cwd=ROOT,
                          env={**os.environ, 'ANSIBLE_NOCOLOR': '1', 'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg')},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_old_and_of_no_use_goes(tmp_path):
    shelf = tmp_path / 'nginx'
    shelf.mkdir()
    for number, age in enumerate((0, 2 * DAY, 3 * DAY, 4 * DAY)):
        shelve(shelf, f'debian-12-x86_64-{number}', age)
    shelve(shelf, 'debian-13-x86_64-9', 9 * DAY)
    for name, age in (('nameless', 2 * DAY), ('on-its-way', 60)):
        (shelf / f'{name}.tar.gz').write_text('')
        os.utime(shelf / f'{name}.tar.gz', (time.time() - age, time.time() - age))
    clear(shelf)
    kept = ('debian-12-x86_64-0', 'debian-12-x86_64-1', 'debian-13-x86_64-9')
    assert sorted(path.name for path in shelf.iterdir()) == sorted([f'{name}{end}' for name in kept for end in ('.json', '.tar.gz')] + ['on-its-way.tar.gz'])


def test_what_is_young_stays_for_another_run(tmp_path):
    shelf = tmp_path / 'nginx'
    shelf.mkdir()
    for number in range(5):
        shelve(shelf, f'debian-12-x86_64-{number}', 60 * number)
    clear(shelf)
    assert len(list(shelf.iterdir())) == 10
