# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The formulas beside what was measured with keepalived 2.0.7 (advert_int 1 s unless it says otherwise)."""

from __future__ import annotations

import pytest
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_timing import Check, advert_int, checks_of, effective, master_down, skew, version_of


def block(**more):
    return {'name': 'one', 'virtual_ipaddress': ['192.0.2.100/24'], **more}


@pytest.mark.parametrize(('priority', 'version', 'interval', 'measured'), [
    (50, 2, 1, 0.806), (100, 2, 1, 0.611),
    # by version 2 it does not depend on the interval, by version 3 it does
    (50, 3, 0.01, 0.009), (50, 3, 0.02, 0.017), (50, 3, 0.05, 0.042), (50, 3, 0.1, 0.081), (50, 3, 0.25, 0.202)])
def test_skew_is_what_a_graceful_stop_took(priority, version, interval, measured):
    assert skew({}, block(version=version, advert_int=interval), priority) == pytest.approx(measured, abs=0.003)


def test_skew_of_version_2_does_not_depend_on_the_interval():
    assert skew({}, block(advert_int=4), 50) == skew({}, block(advert_int=1), 50) == 206 / 256


@pytest.mark.parametrize(('priority', 'version', 'interval', 'shortest', 'longest'), [
    (50, 2, 1, 2.81, 3.812), (100, 2, 1, 3.61, 3.62), (50, 3, 0.01, 0.030, 0.035), (50, 3, 0.02, 0.060, 0.063), (50, 3, 0.05, 0.174, 0.191),
    (50, 3, 0.1, 0.283, 0.305), (50, 3, 0.25, 0.703, 0.882)])
def test_a_dead_master_was_replaced_within_the_limit(priority, version, interval, shortest, longest):
    limit = master_down({}, block(version=version, advert_int=interval), priority)
    # the last advert may have been up to an interval ago; what measured it adds up to 10 ms
    assert limit - interval <= shortest + 0.001
    assert longest <= limit + 0.011


def test_the_lowest_timings_that_can_be_used():
    assert master_down({}, block(), 254) == pytest.approx(3.0078, abs=0.0001)
    assert master_down({}, block(version=3, advert_int=0.01), 254) == pytest.approx(0.0301, abs=0.0001)


def test_fewer_missed_adverts_are_enough_where_it_says_so():
    assert master_down({}, block(down_timer_adverts=2), 50) == 2 + 206 / 256


@pytest.mark.parametrize(('given', 'used'), [(0.01, 1.0), (1.49, 1.0), (1.5, 2.0), (2.5, 3.0), (4, 4.0)])
def test_version_2_has_whole_seconds(given, used):
    assert advert_int({}, block(advert_int=given)) == used


@pytest.mark.parametrize(('conf', 'more', 'version'), [
    ({}, {}, 2), ({'global_defs': {'vrrp_version': 3}}, {}, 3), ({'global_defs': {'vrrp_version': 3}}, {'version': 2}, 2),
    ({}, {'virtual_ipaddress': ['2001:db8::1/64']}, 3)])
def test_version(conf, more, version):
    assert version_of(conf, block(**more)) == version


def test_time_that_a_check_takes_to_notice():
    # I=1, N=2: 1.09 to 2.0 s were measured
    check = Check({'name': 'a', 'interval': 1, 'fall': 2, 'rise': 3}, 0, {'kind': 'tcp', 'port': 80})
    assert check.fails_in == pytest.approx(2.8)
    assert check.recovers_in == pytest.approx(3.8)
    # one that hangs until its time limit, an interval in this keepalived: 3.02 s were measured with N=2
    assert Check({'name': 'a', 'interval': 1, 'fall': 2}, 0, None).fails_in == 3.0
    assert Check({'name': 'a', 'interval': 2, 'timeout': 5}, 0, None).fails_in == 7.0
    assert Check({'name': 'a'}, 0, {'kind': 'tcp', 'limit': 0.3}).fails_in == 1.3


def test_checks_of_an_instance_and_of_its_group():
    conf = {'vrrp_script': [{'name': 'a'}, {'name': 'b', 'weight': -20}, {'name': 'c', 'weight': 5}],
            'vrrp_sync_group': [{'name': 'g', 'group': ['one', 'two'], 'track_script': ['c weight 7']}]}
    found = checks_of(conf, block(track_script=['a', 'b weight -30', 'unknown']), [{'name': 'a', 'check': {'kind': 'tcp', 'port': 80}}])
    assert [(check.name, check.weight, bool(check.check)) for check in found] == [('a', 0, True), ('b', -30, False), ('c', 7, False)]


def test_priority_with_what_checks_add_and_take():
    checks = [Check({'name': 'a'}, 0, None), Check({'name': 'b'}, -30, None), Check({'name': 'c'}, 7, None)]
    assert effective(100, checks) == 107
    assert effective(100, checks, {'b'}) == 77
    assert effective(100, checks, {'b', 'c'}) == 70
    assert effective(20, checks, {'b', 'c'}) == 1
    assert effective(250, checks) == 254
    assert effective(255, checks, {'b'}) == 255
