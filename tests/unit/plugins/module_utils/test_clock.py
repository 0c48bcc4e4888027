# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _clock


@pytest.mark.parametrize('clock', [_clock.monotonic, _clock.from_libc], ids=['chosen', 'libc'])
def test_clock_goes_on_in_fine_steps(clock):
    start, told = clock(), set()
    deadline = time.time() + 5
    while len(told) < 100:
        told.add(clock())
        assert time.time() < deadline
    assert min(told) >= start
    assert min(later - earlier for earlier, later in zip(sorted(told), sorted(told)[1:])) < 0.005


def test_both_clocks_are_one():
    assert abs(_clock.monotonic() - _clock.from_libc()) < 5
