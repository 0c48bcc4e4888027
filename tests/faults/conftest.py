# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the collection importable as the unit tests do, and the builds of keepalived findable as the tests of its keywords do."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if 'ansible_collections.vipkit.ha' not in sys.modules:
    runpy.run_path(str(Path(__file__).parents[1] / 'unit/conftest.py'))
sys.path.append(str(Path(__file__).parents[1] / 'keywords'))
