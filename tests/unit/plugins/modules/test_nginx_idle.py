# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who counts as a client that is left."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import socket
import struct

import pytest

from ansible_collections.vipkit.ha.plugins.modules import nginx_idle


def end(address, port):
    packed = socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)
    return ''.join('%08X' % word for word in struct.unpack('=%dI' % (len(packed) // 4), packed)) + ':%04X' % port


def line(local, remote, state='01', port=80):
    return '   0: %s %s %s 00000000:00000000 00:00000000 00000000     0\n' % (end(local, port), end(remote, 40000), state)


@pytest.mark.parametrize('kind, given, expected', [
    ('tcp', line('192.0.2.1', '192.0.2.9'), 1),
    ('tcp', line('192.0.2.1', '192.0.2.9', state='0A'), 0),
    ('tcp', line('192.0.2.1', '192.0.2.9', port=8080), 0),
    ('tcp', line('192.0.2.100', '192.0.2.9'), 0),              # an address that is elsewhere by now
    ('tcp', line('127.0.0.1', '127.0.0.1'), 0),
    ('tcp', line('192.0.2.1', '192.0.2.1'), 0),                # from itself
    ('tcp6', line('::ffff:192.0.2.1', '::ffff:192.0.2.9'), 1),
    ('tcp6', line('2001:db8::1', '2001:db8::9'), 1),
    ('tcp6', line('::1', '::1'), 0),
])
def test_clients(kind, given, expected):
    own = set(['192.0.2.1', '127.0.0.1', '2001:db8::1', '::1'])
    assert nginx_idle.clients([given], kind, set([80]), own) == expected


def test_it_waits_until_nobody_is_left_or_the_time_is_over():
    now, left = [0.0], [3, 2, 0, 0]

    def pause(seconds):
        now[0] += seconds

    assert nginx_idle.wait(lambda: left.pop(0), lambda: now[0], pause, 30) == {'connections': 0, 'elapsed': 0.4}
    now[0] = 0.0
    assert nginx_idle.wait(lambda: 7, lambda: now[0], pause, 1)['connections'] == 7
    assert nginx_idle.wait(lambda: 7, lambda: now[0], pause, 0) == {'connections': 7, 'elapsed': 0.0}


def test_where_no_nginx_runs_nobody_is_left(tmp_path):
    assert nginx_idle.count('/proc', nginx_idle.ports_of('/proc', str(tmp_path / 'nginx.pid'))) == 0
