# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a hand-over does what; that it works is seen in the scenario `operate`."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import socket
import struct
import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived, _neighbour, _vrrp
from ansible_collections.vipkit.ha.plugins.modules import vip_hand_over

ROUTER = {'interface': 'eth0', 'family': 'inet', 'virtual_router_id': 100, 'priority': 100}


def unit(lead=0.4, now=0, **values):
    given = {'name': 'one', 'file': '/run/keepalived.yield.one', 'value': 253, 'addresses': ['192.0.2.100'], 'routers': [ROUTER],
             'advert_int': 1.0, 'delay': 3.8, 'patience': 6.0}
    given.update(values)
    return vip_hand_over.Unit(given, lead, now)


def course(one, until, gone_at=None, adverts_from=0.7, interval=1.0, step=0.1, taken_at=0):
    """[(when, what)] that is done if the address goes, and somebody has taken it, with an advert at each interval."""
    done = []
    for number in range(int(until / step) + 1):
        now = round(number * step, 3)
        since = (now - adverts_from) / interval
        advertised = since >= 0 and abs(since - round(since)) < 0.001
        done += [(now, action) for action in one.act(now, advertised, gone_at is None or now < gone_at, gone_at is not None and now >= max(gone_at, taken_at))]
    return done


def test_it_lowers_right_after_an_advert_and_holds_back_for_the_last_moment():
    one = unit()
    assert course(one, 6, gone_at=4.6) == [(0.7, 'lower'), (4.1, 'hold')]
    assert (one.state, round(one.took, 1)) == (vip_hand_over.GONE, 3.9)


def test_where_the_moment_comes_sooner_than_the_lead_it_holds_back_first():
    one = unit(lead=0.38, advert_int=0.1, delay=0.3, patience=2.5)
    assert course(one, 2, gone_at=0.5, adverts_from=0.05, interval=0.05, step=0.05) == [(0.0, 'hold'), (0.1, 'lower')]
    assert (one.state, round(one.took, 2)) == (vip_hand_over.GONE, 0.4)


def test_what_is_not_taken_over_stays():
    one = unit()
    assert [action for dummy, action in course(one, 10)] == ['lower', 'hold']
    assert one.state == vip_hand_over.STAYED


def test_a_host_that_does_not_advertise_gives_nothing_away():
    one = unit()
    assert course(one, 10, adverts_from=99) == []
    assert one.state == vip_hand_over.STAYED


def test_an_address_that_goes_by_itself_is_gone():
    one = unit()
    assert course(one, 0.2, gone_at=0.3) == [] and one.state == vip_hand_over.WAITING
    assert course(one, 2, gone_at=0.3) == []
    assert one.state == vip_hand_over.GONE


def test_a_moment_that_cannot_be_foretold_holds_nothing_back():
    one = unit(delay=None, patience=40.0)
    assert course(one, 40, gone_at=34) == [(0.7, 'lower')]
    assert (one.state, round(one.took, 1)) == (vip_hand_over.GONE, 33.3)


def test_a_fault_needs_no_advert_and_is_over_before_clients_ask_again():
    one = unit(value=254, delay=0.62, patience=2.0)
    assert one.lead + one.delay <= vip_hand_over.LONGEST_LEAD + 0.001
    # keepalived takes the address off at once; somebody has it when the delay is over
    assert course(one, 3, gone_at=0.4, taken_at=0.85) == [(0.0, 'hold'), (0.2, 'lower')]
    assert (one.state, round(one.took, 1)) == (vip_hand_over.GONE, 0.7)


def test_a_fault_that_nobody_takes_over_is_none():
    one = unit(value=254, delay=0.62, patience=2.0)
    assert [action for dummy, action in course(one, 5, gone_at=0.4, taken_at=99)] == ['hold', 'lower']
    assert one.state == vip_hand_over.STAYED


@pytest.mark.parametrize('own, heard, expected', [
    (100, {}, (0, 100)),            # nobody is there
    (100, {'other': 50}, (0, 100)),
    (100, {'own': 50}, (50, 50)),   # an equal one does not preempt
    (100, {'own': 100}, (0, 100)),
    (50, {'own': 100}, (0, 50)),
    (254, {'own': 253}, (1, 253)),
    (100, {'own': 1}, (98, 2)),     # a drained master goes no lower
])
def test_how_to_be_the_next_one(own, heard, expected):
    key = ('eth0', 'inet', 100)
    assert unit(routers=[dict(ROUTER, priority=own)]).below(dict((key if name == 'own' else name, value) for name, value in heard.items())) == expected


def test_a_group_is_below_all_of_its_masters():
    routers = [ROUTER, dict(ROUTER, family='inet6', priority=90)]
    heard = {('eth0', 'inet', 100): 50, ('eth0', 'inet6', 100): 20}
    assert unit(routers=routers).below(heard) == (70, 20)


def in_table(address, state='01', port=80):
    packed = socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)
    words = struct.unpack('=%dI' % (len(packed) // 4), packed)
    return '   0: %s:%04X 0A00020F:D431 %s 00000000:00000000 00:00000000 00000000     0\n' % (''.join('%08X' % word for word in words), port, state)


def test_open_connections_are_those_on_the_addresses():
    table = ['  sl  local_address rem_address   st\n', in_table('192.0.2.100'), in_table('192.0.2.100', state='0A'), in_table('192.0.2.1'),
             in_table('192.0.2.100', state='06')]
    assert vip_hand_over.open_on(['192.0.2.100'], table) == 1
    assert vip_hand_over.open_on(['2001:db8::100', '::ffff:192.0.2.100'], [in_table('2001:db8::100'), in_table('::ffff:192.0.2.100')]) == 2


def test_an_advert_is_read_from_its_frame():
    packet = _vrrp.build('192.0.2.1', '224.0.0.18', 100, 50, ['192.0.2.100'])
    frame = _neighbour.frame('01:00:5e:00:00:12', '02:00:00:00:00:0a', 0x0800, packet)
    assert vip_hand_over.advert_in(frame)['priority'] == 50
    assert not vip_hand_over.advert_in(frame[:40]) and not vip_hand_over.advert_in(b'')


@pytest.mark.parametrize('given', ['192.0.2', 'x', ''])
def test_what_is_no_address(given):
    with pytest.raises(vip_hand_over.HandOverError, match='is not an address'):
        vip_hand_over.canonical(given)


def test_files_are_written_once(tmp_path):
    path = str(tmp_path / 'drain')
    assert [vip_hand_over.write(path, number) for number in (0, 253, 253, 0)] == [False, True, False, True]
    with pytest.raises(vip_hand_over.HandOverError, match='cannot write'):
        vip_hand_over.write(str(tmp_path / 'missing' / 'drain'), 1)


def test_what_a_killed_run_leaves_lowered_ends_by_itself_unless_it_was_written_anew(tmp_path):
    again, left = [unit(file=str(tmp_path / name)) for name in ('again', 'left')]
    for one in (again, left):
        vip_hand_over.write(one.file, 253)
    vip_hand_over.end_later([again, left], 1)
    for number in (0, 253):
        vip_hand_over.write(again.file, number)
    end = time.time() + 20
    while _keepalived.tracked_number(left.file) and time.time() < end:
        time.sleep(0.05)  # between two looks: it is another process that ends it
    assert [_keepalived.tracked_number(one.file) for one in (again, left)] == [253, 0]
