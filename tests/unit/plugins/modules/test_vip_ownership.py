# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The waiting loop runs on a scripted clock and scripted looks; the last tests run the module as Ansible does, in a process."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import subprocess
import sys

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _netlink
from ansible_collections.vipkit.ha.plugins.modules import vip_ownership

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MINE, PEERS = '192.0.2.10', '192.0.2.11'


def on_host(address, interface='eth0', flags=(), prefix=24):
    return {'address': address, 'interface': interface, 'prefix': prefix, 'flags': list(flags)}


class Host(object):
    """Its addresses change at given times; time passes only while somebody pauses."""

    def __init__(self, *history):
        self.history = history
        self.now = 1000.0
        self.looks = 0
        self.pauses = []

    def clock(self):
        return self.now

    def pause(self, seconds):
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds

    def look(self):
        self.looks += 1
        addresses = [state for since, state in self.history if since <= self.now - 1000][-1]
        return vip_ownership.compare([on_host(one) for one in addresses], [MINE], [PEERS])

    def wait(self, timeout=8.0, stable_for=2.0, sleep=0.5):
        return vip_ownership.wait(self.look, self.clock, self.pause, timeout, stable_for, sleep)


# --- options ---

@pytest.mark.parametrize('given, expected', [
    ('192.0.2.10', '192.0.2.10'),
    ('192.0.2.10/24', '192.0.2.10'),
    ('192.0.2.10/32', '192.0.2.10'),
    ('2001:DB8:0:0::1', '2001:db8::1'),
    ('2001:0db8::0001/128', '2001:db8::1'),
])
def test_canonical(given, expected):
    assert vip_ownership.canonical(given) == expected


@pytest.mark.parametrize('given', [
    '', 'vip', '192.0.2', '192.0.2.256', '192.0.2.10/', '192.0.2.10/33', '192.0.2.10/-1', '192.0.2.10/24/8', '192.0.2.10/a', ' 192.0.2.10',
    '2001:db8::1/129', '2001:db8::1::2', 'fe80::1%eth0', '192.0.2.10 dev eth0', '/24',
])
def test_not_a_virtual_ip(given):
    with pytest.raises(vip_ownership.InputError) as error:
        vip_ownership.canonical(given)
    assert str(error.value) == "'%s' is not a virtual IP; write it like 192.0.2.10, 192.0.2.10/24 or 2001:db8::10/64" % given


def test_expectation_is_canonical_and_without_repetitions():
    assert vip_ownership.expectation(['2001:DB8::2', '192.0.2.10/24', '192.0.2.10'], ['2001:db8:0::1'], ['192.0.2.9']) == [
        ['192.0.2.10', '2001:db8::2'], ['2001:db8::1'], ['192.0.2.9']]


def test_virtual_ip_in_both_lists():
    with pytest.raises(vip_ownership.InputError) as error:
        vip_ownership.expectation(['2001:DB8:0:0::1', '192.0.2.10'], ['192.0.2.11', '2001:db8::1/64'], [])
    assert str(error.value) == '2001:db8::1 is in more than one of owned, not_owned and watched; leave it in one of them'


def test_no_virtual_ip_at_all():
    with pytest.raises(vip_ownership.InputError) as error:
        vip_ownership.expectation([], [], [])
    assert 'give at least one in owned, not_owned or watched' in str(error.value)


@pytest.mark.parametrize('seconds', [(30, 2, 0.2), (2, 2, 0), (0, 2, 0.2), (0, 0, 0)])
def test_seconds_that_make_sense(seconds):
    vip_ownership.check_seconds(*seconds)


@pytest.mark.parametrize('seconds, text', [
    ((-1.0, 2, 0.2), 'timeout is -1.0; give it as seconds, 0 or more'),
    ((30, -0.5, 0.2), 'stable_for is -0.5; give it as seconds, 0 or more'),
    ((30, 2, -3.0), 'sleep is -3.0; give it as seconds, 0 or more'),
    ((float('nan'), 2, 0.2), 'timeout is nan; give it as seconds, 0 or more'),
    ((float('inf'), 2, 0.2), 'timeout is inf; give it as seconds, 0 or more'),
    ((1.5, 2.0, 0.2), 'stable_for (2 s) can never be reached within timeout (1.5 s); lower the one or raise the other'),
])
def test_seconds_that_make_none(seconds, text):
    with pytest.raises(vip_ownership.InputError) as error:
        vip_ownership.check_seconds(*seconds)
    assert str(error.value) == text


# --- one look ---

def test_compare():
    addresses = [
        on_host('192.0.2.1'),
        on_host('192.0.2.10', prefix=32),
        on_host('2001:db8::10', 'eth1', ['nodad', 'deprecated'], 64),
        on_host('192.0.2.13', 'vrrp.7'),
    ]
    assert vip_ownership.compare(addresses, ['192.0.2.10', '192.0.2.12', '2001:db8::10'], ['192.0.2.13', '192.0.2.14']) == {
        'addresses': addresses,
        'holding': [
            {'address': '192.0.2.10', 'prefix': 32, 'interface': 'eth0'},
            {'address': '2001:db8::10', 'prefix': 64, 'interface': 'eth1'},
            {'address': '192.0.2.13', 'prefix': 24, 'interface': 'vrrp.7'},
        ],
        'missing': ['192.0.2.12'],
        'unexpected': ['192.0.2.13'],
    }


def test_watched_virtual_ip_is_reported_and_never_judged():
    for addresses in ([], [on_host('192.0.2.10')]):
        found = vip_ownership.compare(addresses, [], [], ['192.0.2.10'])
        assert ([one['address'] for one in found['holding']], found['missing'], found['unexpected']) == (
            [one['address'] for one in addresses], [], [])


@pytest.mark.parametrize('flags', [['tentative'], ['dadfailed'], ['dadfailed', 'tentative', 'permanent']])
def test_address_that_the_kernel_does_not_answer_for_is_not_held(flags):
    addresses = [on_host('2001:db8::10', flags=flags), on_host('2001:db8::11', flags=flags)]
    found = vip_ownership.compare(addresses, ['2001:db8::10'], ['2001:db8::11'])
    assert (found['holding'], found['missing'], found['unexpected']) == ([], ['2001:db8::10'], [])


def test_address_that_is_usable_on_one_of_two_interfaces_is_held():
    addresses = [on_host('2001:db8::10', 'eth0', ['dadfailed']), on_host('2001:db8::10', 'eth1')]
    found = vip_ownership.compare(addresses, ['2001:db8::10'], [])
    assert ([one['interface'] for one in found['holding']], found['missing']) == (['eth1'], [])


# --- waiting ---

def test_as_expected_from_the_start():
    host = Host((0, [MINE]))
    result = host.wait()
    assert (result['as_expected'], result['elapsed'], result['stable_for']) == (True, 2.0, 2.0)
    assert result['transitions'] == [{'elapsed': 0.0, 'holding': [MINE]}]
    assert host.looks == 5


def test_as_expected_late():
    host = Host((0, [PEERS]), (1, [MINE, PEERS]), (3, [MINE]))
    result = host.wait()
    assert (result['as_expected'], result['elapsed'], result['stable_for']) == (True, 5.0, 2.0)
    assert result['transitions'] == [
        {'elapsed': 0.0, 'holding': [PEERS]}, {'elapsed': 1.0, 'holding': [MINE, PEERS]}, {'elapsed': 3.0, 'holding': [MINE]}]


def test_a_break_starts_the_stable_time_anew():
    result = Host((0, [MINE]), (1.5, []), (2, [MINE])).wait()
    assert (result['as_expected'], result['elapsed'], result['stable_for']) == (True, 4.0, 2.0)
    assert len(result['transitions']) == 3


def test_flapping_is_never_as_expected():
    host = Host(*[(half / 2, [MINE] if half % 4 else []) for half in range(20)])
    result = host.wait()
    assert (result['as_expected'], result['elapsed'], result['missing']) == (False, 8.0, [MINE])
    assert len(result['transitions']) == 9


def test_as_expected_too_late_to_be_stable():
    host = Host((0, []), (7, [MINE]))
    result = host.wait()
    assert (result['as_expected'], result['elapsed'], result['stable_for'], result['missing']) == (False, 8.0, 1.0, [])
    assert vip_ownership.explain('node128', result, 2.0) == (
        'node128 was as expected for only the last 1 s of 8 s, where stable_for asks for 2 s; see transitions in the result; '
        'look at the keepalived log and at `systemctl status keepalived` on this host')


def test_as_expected_just_in_time():
    assert Host((0, []), (6, [MINE])).wait()['as_expected']


def test_never():
    host = Host((0, [PEERS]))
    result = host.wait(timeout=30.0)
    assert (result['as_expected'], result['elapsed'], result['stable_for']) == (False, 30.0, 0.0)
    assert vip_ownership.explain('node128', result, 2.0) == (
        'node128 does not hold 192.0.2.10 after 30 s (expected); it holds 192.0.2.11 on eth0 unexpectedly; '
        'look at the keepalived log and at `systemctl status keepalived` on this host')


@pytest.mark.parametrize('addresses, as_expected', [([MINE], True), ([], False), ([MINE, PEERS], False)])
def test_timeout_0_looks_once_and_never_pauses(addresses, as_expected):
    host = Host((0, addresses))
    result = host.wait(timeout=0)
    assert (result['as_expected'], result['elapsed'], result['stable_for']) == (as_expected, 0.0, 0.0)
    assert (host.looks, host.pauses) == (1, [])


def test_stable_for_0_takes_the_first_match():
    host = Host((0, []), (1, [MINE]))
    result = host.wait(stable_for=0)
    assert (result['as_expected'], result['elapsed'], host.looks) == (True, 1.0, 3)


def test_pauses_are_cut_to_what_is_left():
    never, at_once = Host((0, [])), Host((0, [MINE]))
    assert never.wait(sleep=5.0)['elapsed'] == 8.0
    assert never.pauses == [5.0, 3.0]
    assert at_once.wait(sleep=5.0)['elapsed'] == 2.0
    assert at_once.pauses == [2.0]


def test_error_while_looking_ends_the_waiting():
    def look():
        raise _netlink.NetlinkError('no answer')

    with pytest.raises(_netlink.NetlinkError):
        vip_ownership.wait(look, lambda: 0.0, None, 8.0, 2.0, 0.5)


@pytest.mark.parametrize('flags, text', [
    (['tentative'], 'has 2001:db8::10 on eth1, but not usable yet (tentative): the kernel still checks whether another host has it;'),
    (['dadfailed', 'tentative'], 'has 2001:db8::10 on eth1, but unusable (dadfailed): another host on the link answered for it;'),
])
def test_explanation_of_an_address_that_is_there_but_not_held(flags, text):
    state = vip_ownership.compare([on_host('2001:db8::10', 'eth1', flags)], ['2001:db8::10'], [])
    result = vip_ownership.wait(lambda: state, lambda: 0.0, None, 0, 0, 0)
    assert vip_ownership.explain('node128', result, 0).startswith('node128 does not hold 2001:db8::10 after 0 s (expected); it ' + text)


# --- the module as a process ---

# Newer releases of ansible-core want to know how arguments and results are encoded; older ones have no such name.
RUN = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible.module_utils import basic
basic._ANSIBLE_PROFILE = 'legacy'
sys.argv = ['vip_ownership']
runpy.run_module('ansible_collections.vipkit.ha.plugins.modules.vip_ownership', run_name='__main__')
"""


def run_module(**arguments):
    process = subprocess.Popen([sys.executable, '-c', RUN, UNIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate(json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
    assert not errors.strip(), errors.decode()
    return process.returncode, json.loads(output.decode())


@pytest.fixture
def loopback():
    if not any(one['address'] == '127.0.0.1' for one in _netlink.addresses()):
        pytest.skip('the loopback interface of this host is not configured')


@pytest.mark.parametrize('check_mode', [False, True])
def test_module_on_this_host(loopback, check_mode):
    status, result = run_module(
        owned=['127.0.0.1/32'], not_owned=['203.0.113.250'], timeout=5, stable_for=0.2, sleep=0.1, _ansible_check_mode=check_mode)
    assert (status, result['changed'], result['as_expected']) == (0, False, True)
    assert result['holding'] == [{'address': '127.0.0.1', 'prefix': 8, 'interface': 'lo'}]
    assert (result['missing'], result['unexpected']) == ([], [])
    assert 0.2 <= result['stable_for'] <= result['elapsed'] < 5
    assert [one['holding'] for one in result['transitions']] == [['127.0.0.1']]
    assert 'msg' not in result and 'failed' not in result
    assert set(result['addresses'][0]) == set(
        ['interface', 'index', 'family', 'address', 'prefix', 'scope', 'flags', 'up', 'lower_up', 'mac'])


@pytest.mark.parametrize('fail_on_mismatch', [True, False])
def test_module_on_a_mismatch(loopback, fail_on_mismatch):
    status, result = run_module(owned=['203.0.113.250'], not_owned=['127.0.0.1'], timeout=0, fail_on_mismatch=fail_on_mismatch)
    assert (status, result.get('failed', False)) == (int(fail_on_mismatch), fail_on_mismatch)
    assert (result['changed'], result['as_expected']) == (False, False)
    assert (result['missing'], result['unexpected']) == (['203.0.113.250'], ['127.0.0.1'])
    assert 'does not hold 203.0.113.250 after 0 s (expected); it holds 127.0.0.1 on lo unexpectedly; look at' in result['msg']


@pytest.mark.parametrize('arguments, text', [
    ({'owned': ['192.0.2.300']}, "'192.0.2.300' is not a virtual IP"),
    ({'owned': ['192.0.2.10'], 'not_owned': ['192.0.2.10/24']}, '192.0.2.10 is in more than one of owned, not_owned and watched'),
    ({}, 'there is no virtual IP to look for'),
    ({'owned': ['192.0.2.10'], 'timeout': -1}, 'timeout is -1.0'),
    ({'owned': ['192.0.2.10'], 'timeout': 1}, 'stable_for (2 s) can never be reached within timeout (1 s)'),
])
def test_module_refuses_before_any_waiting(arguments, text):
    status, result = run_module(fail_on_mismatch=False, **arguments)
    assert (status, result['failed'], 'elapsed' in result) == (1, True, False)
    assert text in result['msg']
