# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of the README has everything that the collection holds, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_contents_is_whole():
    table = re.search(r'(?ms)^\| content \|.*?\n(?=\n)', (ROOT / 'README.md').read_text(encoding='utf-8')).group(0)
    told = {name for row in table.splitlines()[2:] for found in re.findall(r'`(\w+)`|\[(\w+)\]\(roles/', row.split('|')[1]) for name in found if name}
    kinds = ('plugins/modules/*.py', 'plugins/filter/*.py', 'plugins/lookup/*.py', 'playbooks/*.yml', 'roles/*')
    assert told == {path.stem for kind in kinds for path in ROOT.glob(kind)}
