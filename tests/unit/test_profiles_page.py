# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/profiles.md, the table of profiles and the role's inputs say the same."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_profiles import PROFILES, SCHEDULED_OTHERWISE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs/profiles.md').read_text(encoding='utf-8')
HEAD = '| keyword | where | classic | fast | why |'


def rows():
    """Keyword, where and values of each row of the table."""
    lines = PAGE[PAGE.index(HEAD):].partition('\n\n')[0].splitlines()[2:]
    return [tuple(cell.strip(' `') for cell in line.strip('|').split(' | '))[:4] for line in lines]


def written(value):
    return 'set' if value is True else str(value)


def test_the_page_has_every_value():
    classic, fast = PROFILES['classic'], PROFILES['fast']
    wanted = set()
    for where, one, other in (('instance', classic.vrrp_instance, fast.vrrp_instance), ('check', classic.vrrp_script, fast.vrrp_script),
                              ('global_defs', classic.global_defs, fast.global_defs),
                              (f'global_defs`, before {SCHEDULED_OTHERWISE}', classic.earlier, fast.earlier),
                              (f'global_defs`, from {SCHEDULED_OTHERWISE}', classic.later, fast.later)):
        wanted |= {(keyword, where, written(one.get(keyword, '–')), written(value)) for keyword, value in other.items()}
    steps = {None: 'in even steps', fast.step: f'by {fast.step}'}
    wanted.add(('priority', 'instance', *(f'{profile.priority} and down {steps[profile.step]}' for profile in (classic, fast))))
    assert set(rows()) == wanted


def test_the_role_takes_every_profile():
    options = yaml.safe_load((ROOT / 'roles/keepalived/meta/argument_specs.yml').read_text(encoding='utf-8'))['argument_specs']['main']['options']
    assert options['keepalived_profile']['choices'] == list(PROFILES)
    assert f"{PROFILES['classic'].priority} or {PROFILES['fast'].priority}" in ' '.join(options['keepalived_priority']['description'])


def test_the_formulas_are_worked_out_for_the_values_of_the_table():
    fast, interval = PROFILES['fast'], PROFILES['fast'].vrrp_instance['advert_int']
    skew = (256 - (fast.priority - fast.step)) / 256 * interval
    shown = re.search(r'limit  a node that stops: .*fast  ([\d.]+) s\n.*fast  ([\d.]+) s\n', PAGE).groups()
    assert [float(text) for text in shown] == [round(skew, 4), round(3 * interval + skew, 3)]
