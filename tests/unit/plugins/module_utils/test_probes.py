# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _probes

A, B, C = ['02:00:00:00:00:0' + last for last in 'abc']


# --- answers ---

def read(*pieces):
    """(number of the piece after which it was complete, the answer)."""
    answer = _probes.Answer()
    for number, piece in enumerate(pieces, 1):
        if answer.take(piece):
            return number, answer
    return None, answer


def head(*lines):
    return b'\r\n'.join((b'HTTP/1.1 200 OK',) + lines) + b'\r\n\r\n'


@pytest.mark.parametrize('pieces, complete, line', [
    ([head(b'Content-Length: 8') + b'node128\n'], 1, 'node128'),
    ([head(b'Server: x', b'content-length:8 ') + b'nod', b'e128\n'], 2, 'node128'),
    ([head(b'Content-Length: 8')[:30], head(b'Content-Length: 8')[30:] + b'node128\n'], 2, 'node128'),
    ([head(b'Content-Length: 0')], 1, ''),
    ([b'HTTP/1.1 204 No Content\r\n\r\n'], 1, ''),
    ([head() + b'\nnode128\nmore'], None, 'node128'),
    ([b'HTTP/1.0 200\n\n\x1b[2Jnode128'], None, '[2Jnode128'),
    ([head(b'Transfer-Encoding: gzip, chunked') + b'8\r\nnode128\n\r\n0\r', b'\n\r\n'], None, 'node128'),
    ([head(b'Content-Length: 1', b'Transfer-Encoding: chunked') + b'8\r\nnode128\n\r\n0\r\n\r\n'], None, 'node128'),
    ([head() + b'x' * 100000, b'x' * 100000], None, 'x' * 200),
])
def test_complete_answers(pieces, complete, line):
    number, answer = read(*pieces)
    assert (number, answer.problem([]), answer.line()) == (complete, '', line)


@pytest.mark.parametrize('pieces, problem', [
    ([], 'closed without an answer'),
    ([b'HTTP/1.1 200 OK\r\nServer'], 'closed before the answer was complete'),
    ([head(b'Content-Length: 8') + b'node'], 'closed before the answer was complete'),
    ([head(b'Transfer-Encoding: chunked') + b'8\r\nnode128\n\r\n'], 'closed before the answer was complete'),
    ([b'SSH-2.0-x\r\n\r\n'], 'what came is no answer of HTTP'),
    ([b'x' * 70000 + b'\r\n\r\n'], 'closed before the answer was complete'),
])
def test_answers_that_are_none(pieces, problem):
    assert read(*pieces)[1].problem([]) == problem


@pytest.mark.parametrize('status, wanted, problem', [
    (200, [], ''), (301, [], ''), (404, [], ''), (499, [], ''), (500, [], 'status 500'), (503, [], 'status 503'),
    (503, [200, 503], ''), (200, [200, 503], ''), (404, [200, 503], 'status 404'),
])
def test_status(status, wanted, problem):
    assert read(b'HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n'.replace(b'%d', str(status).encode()))[1].problem(wanted) == problem


@pytest.mark.parametrize('address, port, host', [
    ('192.0.2.10', 80, b'192.0.2.10'), ('192.0.2.10', 8080, b'192.0.2.10:8080'), ('2001:db8::1', 80, b'[2001:db8::1]'), ('fe80::1%eth0', 81, b'[fe80::1]:81'),
])
def test_request(address, port, host):
    lines = _probes.request(address, port, '/a').split(b'\r\n')
    assert lines[0] == b'GET /a HTTP/1.1' and b'Host: ' + host in lines and b'Connection: close' in lines and lines[-2:] == [b'', b'']


# --- sums ---

def tally(text, slow=0.25, elapsed=10.0):
    """Probes each second from 0 on: '.' answered, '~' late, 'x' lost."""
    made = _probes.Tally(slow)
    for at, what in enumerate(text):
        made.add(float(at), {'.': 0.001, '~': 1.0, 'x': None}[what], 'gone' if what == 'x' else '')
    return made.result(elapsed)


def outage(began, ended, seconds, lost, late):
    return {'began': began, 'ended': ended, 'seconds': seconds, 'lost': lost, 'late': late}


@pytest.mark.parametrize('text, outages', [
    ('', []),
    ('....', []),
    ('..x.', [outage(2, 3, 1, 1, 0)]),
    ('x~x.x.', [outage(0, 3, 3, 2, 1), outage(4, 5, 1, 1, 0)]),
    ('.~~', [outage(1, None, 9, 0, 2)]),
    ('x', [outage(0, None, 10, 1, 0)]),
])
def test_outages(text, outages):
    result = tally(text)
    assert result['outages'] == outages
    assert (result['sent'], result['answered'], result['late'], result['lost']) == (len(text), text.count('.'), text.count('~'), text.count('x'))
    assert result['errors'] == ({'gone': text.count('x')} if 'x' in text else {})


def test_what_is_just_in_time_is_not_late():
    made = _probes.Tally(0.25)
    made.add(0, 0.25)
    made.add(1, 0.2500001)
    assert (made.answered, made.late) == (1, 1)


def test_errors_are_told_apart():
    made = _probes.Tally(0.25)
    for error in ('a', 'b', 'a'):
        made.add(0, 0.1, error)
    assert made.result(1)['errors'] == {'a': 2, 'b': 1}
    assert made.result(1)['latency'] == {'median': None, 'p99': None, 'worst': None}


def test_an_address_that_flaps_all_day_does_not_fill_the_memory():
    made = _probes.Tally(0.25)
    for at in range(3000):
        made.add(at, 0.001, 'gone' if at % 2 else '')
    assert (len(made.result(3000)['outages']), made.left_out, made.lost) == (1000, 500, 1500)


def test_latency():
    made = _probes.Histogram()
    for number in range(1, 1001):
        made.add(number / 1000.0)
    result = made.result()
    assert abs(result['median'] - 0.5) < 0.011 and abs(result['p99'] - 0.99) < 0.021 and result['worst'] == 1.0
    assert len(made.counts) < 400


def test_latency_of_one():
    made = _probes.Histogram()
    made.add(0.0004)
    assert made.result() == {'median': 0.0004, 'p99': 0.0004, 'worst': 0.0004}


# --- owners ---

def macs(*rounds):
    """[(at, those who answer)] after a question each second and the answers to it, which come a tenth of a second apart."""
    owners = _probes.Owners(True)
    for number, answers in enumerate(rounds):
        owners.ask()
        for late, mac in enumerate(answers):
            owners.hear(number + late / 10.0, mac)
    return [(change['at'], change['macs'], change['mac']) for change in owners.result()]


def test_one_owner_is_told_once():
    assert macs([A], [A], [A]) == [(0.0, [A], A)]


def test_a_hand_over():
    assert macs([A], [A, B], [B], [B]) == [(0.0, [A], A), (1.1, [B], B)]
    assert macs([A], [], [], [B], [B]) == [(0.0, [A], A), (3.0, [B], B)]


def test_a_hand_over_and_back():
    assert macs(*[[A]] + [[B]] * 6 + [[A]] * 6) == [(0.0, [A], A), (1.0, [B], B), (7.0, [A], A)]


def test_nobody_answers_any_more_since_the_last_answer():
    assert macs([A], [A], [], [], [], [], []) == [(0.0, [A], A)]
    assert macs([A], [A], [], [], [], [], [], []) == [(0.0, [A], A), (1.0, [], None)]
    for mac in (A, B):
        assert macs([A], [A], [], [], [], [], [], [], [], [mac]) == [(0.0, [A], A), (1.0, [], None), (9.0, [mac], mac)]


def test_two_at_once_is_a_split_brain():
    assert macs(*[[A, B]] * 20) == [(0.0, [A], A), (0.1, [A, B], None)]
    assert macs(*[[A]] * 10 + [[A, B], [B, A]] * 20) == [(0.0, [A], A), (10.1, [A, B], None)]


def test_a_split_brain_ends():
    assert macs(*[[A]] + [[A, B]] * 3 + [[B]] * 8) == [(0.0, [A], A), (1.1, [A, B], None), (3.0, [B], B)]
    assert macs(*[[A]] + [[A, B]] * 3 + [[]] * 8) == [(0.0, [A], A), (1.1, [A, B], None), (3.0, [B], B), (3.1, [], None)]


def test_three_at_once():
    assert macs(*[[A, B, C]] * 3)[-1] == (0.2, [A, B, C], None)


def announced(*heard):
    """The changes after these, of each whether it was announced; a capital letter is an announcement, and each round is one question."""
    owners, known = _probes.Owners(True), {'a': A, 'b': B}
    for number, letters in enumerate(heard):
        owners.ask()
        for letter in letters:
            owners.hear(number, known[letter.lower()], letter.isupper())
    return [(''.join(letter for letter, mac in sorted(known.items()) if mac in change['macs']), change['announced']) for change in owners.result()]


def test_a_new_owner_announces_itself_or_does_not():
    gone = [''] * 6
    assert announced('a', 'a', *gone + ['b', 'b']) == [('a', None), ('', None), ('b', None)]
    assert announced('a', 'a', *gone + ['B', 'b']) == [('a', None), ('', None), ('b', 8)]
    assert announced('a', 'a', *gone + ['b', 'b', 'B', 'B']) == [('a', None), ('', None), ('b', 10)]
    # nor does it count for another one
    assert announced('a', 'ab', 'ab', 'abA') == [('a', None), ('ab', None)]
    assert announced('a', 'aB', 'ab', *['b'] * 8) == [('a', None), ('ab', 1), ('b', None)]
    assert announced('a', 'ab', 'ab', *['b'] * 8 + ['B']) == [('a', None), ('ab', 11), ('b', None)]
    # and who answers all the time has nothing to announce
    assert announced('a', 'ab', 'ab', *['a'] * 8 + ['A']) == [('a', None), ('ab', None), ('a', None)]
    assert announced('a', *gone + ['a', 'A']) == [('a', None), ('', None), ('a', None)]


def test_the_page_of_an_owner_is_one_that_was_asked_for_after_the_change():
    owners = _probes.Owners(True)
    owners.read(0.0, 0.005, 'before anybody was heard')
    owners.hear(0.01, A)
    owners.read(0.0, 0.015, 'node128')
    owners.read(0.03, 0.031, 'another backend')
    owners.hear(0.05, B)
    owners.read(0.04, 0.06, 'node128')
    owners.read(0.06, 0.061, 'node129')
    assert [(change['mac'], change['line']) for change in owners.result()] == [(A, 'node128'), (B, 'node129')]


def test_the_first_line_has_nothing_in_it_that_a_terminal_obeys():
    body = u'\n n\x1b[31mo\x7fd\x9b2Je\u202e1\u00e4 \x00\nsecond'
    assert _probes.first_line(body.encode('utf-8')) == u'n[31mod2Je1\u00e4 '


def test_with_a_virtual_mac_each_new_page_is_a_change():
    for mac in ('00:00:5e:00:01:64', '00:00:5e:00:02:64'):
        owners = _probes.Owners(True)
        owners.hear(0.01, mac)
        owners.read(0.02, 0.03, 'node128')
        owners.read(0.04, 0.06, 'node129')
        owners.read(0.05, 0.07, 'node128')  # sent before the change
        owners.hear(0.08, mac)
        owners.read(0.09, 0.1, 'node128')
        assert [(change['at'], change['mac'], change['line']) for change in owners.result()] == [
            (0.01, mac, 'node128'), (0.06, mac, 'node129'), (0.1, mac, 'node128')]


def test_without_hardware_addresses_each_new_page_is_a_change():
    owners = _probes.Owners(False)
    for at, line in enumerate(['node128', 'node128', 'node129', 'node128']):
        owners.read(at, at + 0.5, line)
    assert owners.result() == [{'at': at, 'mac': None, 'macs': [], 'announced': None, 'line': line}
                               for at, line in ((0.5, 'node128'), (2.5, 'node129'), (3.5, 'node128'))]


def test_a_page_that_is_never_the_same_does_not_fill_the_memory():
    owners = _probes.Owners(False)
    for at in range(3000):
        owners.read(at, at, str(at))
    assert (len(owners.result()), owners.left_out, owners.result()[-1]['line']) == (1000, 2000, '999')


# --- ways ---

def on_host(interface, address, prefix):
    return {'interface': interface, 'address': address, 'prefix': prefix}


LOCAL = [on_host('lo', '127.0.0.1', 8), on_host('eth0', '192.0.2.1', 24), on_host('eth0', '198.51.100.1', 25), on_host('eth0', '2001:db8::1', 64),
         on_host('eth1', '203.0.113.1', 24)]


@pytest.mark.parametrize('address, source, network', [
    ('192.0.2.10', '192.0.2.1', '192.0.2.1'),
    ('198.51.100.127', '192.0.2.1', '198.51.100.1'),
    ('2001:db8::10', '2001:db8::1', '2001:db8::1'),
])
def test_on_a_network_of_this_host(address, source, network):
    link, why = _probes.way_to(address, source, LOCAL)
    assert (link['interface'], link['address'], why) == ('eth0', network, '')


@pytest.mark.parametrize('address, source, why', [
    ('192.0.2.1', '192.0.2.1', 'this host holds the address itself'),
    ('198.51.100.128', '192.0.2.1', 'the address is not on a network that this host is on'),
    ('203.0.113.2', '192.0.2.1', 'the address is not on a network that this host is on'),
    ('2001:db8:1::10', '2001:db8::1', 'the address is not on a network that this host is on'),
])
def test_on_no_network_of_this_host(address, source, why):
    assert _probes.way_to(address, source, LOCAL) == (None, why)


@pytest.mark.parametrize('address, network, prefix, expected', [
    ('192.0.2.10', '192.0.2.1', 24, True), ('192.0.3.10', '192.0.2.1', 24, False), ('192.0.3.10', '192.0.2.1', 23, True),
    ('192.0.2.10', '192.0.2.1', 32, False), ('192.0.2.10', '2001:db8::1', 0, False), ('2001:db8::ffff', '2001:db8::1', 112, True),
    ('8.8.8.8', '192.0.2.1', 0, True),
])
def test_inside(address, network, prefix, expected):
    assert _probes.inside(address, network, prefix) is expected


def test_room():
    assert _probes.room_needed(2, 3, 0.01) == 2 * 301 + 64
