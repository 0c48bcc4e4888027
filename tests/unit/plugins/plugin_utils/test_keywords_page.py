# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import runpy
from pathlib import Path

import yaml
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import VERSIONS

ROOT = Path(__file__).resolve().parents[4]


def test_the_page_of_the_keywords_agrees_with_their_tables():
    page = runpy.run_path(str(ROOT / 'tools/keywords'))['page']()
    assert (ROOT / 'docs/keywords.md').read_text(encoding='utf-8') == page, 'run tools/keywords'


def test_the_tables_are_those_of_the_catalogued_releases():
    data = yaml.safe_load((ROOT / 'roles/keepalived/vars/main.yml').read_text(encoding='utf-8'))
    assert tuple(data['__keepalived_catalogue']) == VERSIONS
