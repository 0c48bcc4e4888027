# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reader of keepalived.conf, the hiding of passwords, and commands that must end."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import signal
import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived

CONF = u"""! who wrote it
global_defs {
    router_id node128   # a comment with }
    vrrp_version 2
}

vrrp_script up {
    script "/bin/sh -c '{ true; } # ! no comment'"
}
vrrp_instance VI_1
{
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass geheim12
    }
    virtual_ipaddress {
        192.0.2.10/24 dev eth0 label eth0:1
        192.0.2.11
    }
}
"""


# --- reading ---

def test_parse():
    tree = _keepalived.parse(CONF)
    assert [words for words, dummy in tree] == [[u'global_defs'], [u'vrrp_script', u'up'], [u'vrrp_instance', u'VI_1']]
    assert tree[0][1] == [([u'router_id', u'node128'], []), ([u'vrrp_version', u'2'], [])]
    assert tree[1][1] == [([u'script', u"/bin/sh -c '{ true; } # ! no comment'"], [])]
    assert tree[2][1][4] == ([u'authentication'], [([u'auth_type', u'PASS'], []), ([u'auth_pass', u'geheim12'], [])])


@pytest.mark.parametrize('text, tree', [
    (u'', []),
    (u'  ! nothing\n# at all { ', []),
    (u'a { b { c 1 } d }', [([u'a'], [([u'b'], [([u'c', u'1'], [])]), ([u'd'], [])])]),
    (u'a {}\nb', [([u'a'], []), ([u'b'], [])]),
    (u'pass ab!cd', [([u'pass', u'ab'], [])]),
    (u'pass ab\\!cd', [([u'pass', u'ab\\!cd'], [])]),
    (u'pass "a b" c', [([u'pass', u'a b', u'c'], [])]),
    (u'dev ${IF}x {\n}', [([u'dev', u'${IF}x'], [])]),
    (u'} a } b', [([u'a'], []), ([u'b'], [])]),
    (u'{ a }', [([], [([u'a'], [])])]),
    (u'a "never closed {\nb', [([u'a', u'never closed {'], []), ([u'b'], [])]),
    (u'a\r\nb\r\n', [([u'a'], []), ([u'b'], [])]),
])
def test_parse_oddities(text, tree):
    assert _keepalived.parse(text) == tree


@pytest.mark.parametrize('text, expected', [
    (CONF, None),
    (CONF.rstrip()[:-1], "the block that line 11 opens is never closed: a '}' is missing"),
    (CONF + u'}', "line 25 has a '}' that closes nothing"),
    (u'a {\n b {\n}', "the block that line 1 opens is never closed: a '}' is missing"),
    (u'a {\n} # }\n! }\n', None),
    (u'a {\n script "}"\n}', None),
    (u'@one a {\n@^one b {\n}', None),
    (u'$START=a {\n$START\n}', None),
    (u'@one a 1\nb {', "the block that line 2 opens is never closed: a '}' is missing"),
    (u'a {\n ! x\0y\n}', 'line 2 holds a NUL byte'),
    (u'\n# nothing\n', 'it is empty, or holds nothing but comments'),
])
def test_flaw(text, expected):
    assert _keepalived.flaw(text) == expected


# --- what all members have to agree on ---

def changed(*replacements, **more):
    new = CONF
    for old, replacement in replacements:
        assert old in new
        new = new.replace(old, replacement)
    return _keepalived.shared_changes(more.get('before', CONF), new)


@pytest.mark.parametrize('old, new, what', [
    (u'geheim12', u'geheim13', ['auth_pass']),
    (u'auth_pass geheim12', u'auth_pass "geheim12-tail"', []),  # no more than 8 characters are sent
    (u'auth_type PASS', u'auth_type AH', ['auth_type']),
    (u'advert_int 1', u'advert_int 2', ['advert_int']),
    (u'advert_int 1', u'advert_int 1.4', []),
    (u'    advert_int 1\n', u'', []),
    (u'advert_int 1', u'advert_int often', ['advert_int']),
    (u'192.0.2.11', u'192.0.2.12', ['virtual_ipaddress']),
    (u'        192.0.2.11\n', u'', ['virtual_ipaddress']),
    (u'192.0.2.10/24 dev eth0 label eth0:1\n        192.0.2.11', u'192.0.2.11/32\n        192.0.2.10', []),
    (u'virtual_router_id 51', u'virtual_router_id 52', ['virtual_router_id']),
    (u'virtual_router_id 51', u'virtual_router_id 051', []),
    (u'priority 100', u'priority 50\n    version 3', ['version']),
    (u'vrrp_version 2', u'vrrp_version 3', ['version']),
    (u'vrrp_version 2', u'vrrp_mcast_group4 224.0.0.20', ['vrrp_mcast_group4']),
    (u'vrrp_version 2', u'vrrp_mcast_group4 224.0.0.18', []),
    (u'vrrp_version 2', u'vrrp_mcast_group6 ff02::13', []),
    (u'priority 100', u'mcast_dst_ip 224.0.0.20', ['vrrp_mcast_group4']),
    (u'priority 100', u'unicast_peer {\n192.0.2.2\n}', ['unicast_peer']),
    (u'priority 100', u'unicast_peer {\n}', []),
    (u'priority 100', u'priority 50\n nopreempt\n virtual_ipaddress_excluded {\n192.0.2.99\n}', []),
    (u'VI_1', u'VI_2', []),
    (u'vrrp_instance VI_1', u'vrrp_instance', []),
])
def test_shared_changes(old, new, what):
    assert changed((old, new)) == ([{'instance': 'VI_1', 'what': what}] if what else [])


def test_version_3_ignores_what_only_version_2_sends():
    before = CONF.replace(u'vrrp_version 2', u'vrrp_version 3')
    after = before.replace(u'geheim12', u'geheim13').replace(u'advert_int 1', u'advert_int 0.1')
    assert _keepalived.shared_changes(before, after) == []


def test_unicast_sends_to_no_group():
    before = CONF.replace(u'priority 100', u'unicast_peer {\n192.0.2.2\n}')
    assert _keepalived.shared_changes(before, before.replace(u'vrrp_version 2', u'vrrp_mcast_group4 224.0.0.20')) == []


def test_ipv6():
    before = CONF.replace(u'192.0.2.10/24', u'2001:DB8:0::10/64').replace(u'192.0.2.11', u'fe80::1')
    same = before.replace(u'2001:DB8:0::10/64', u'2001:db8::10').replace(u'vrrp_version 2', u'vrrp_mcast_group4 224.0.0.20')
    assert _keepalived.shared_changes(before, same) == []
    group = before.replace(u'vrrp_version 2', u'vrrp_mcast_group6 ff02::13')
    assert _keepalived.shared_changes(before, group) == [{'instance': 'VI_1', 'what': ['vrrp_mcast_group6']}]
    assert _keepalived.shared_changes(CONF, before) == [{'instance': 'VI_1', 'what': ['version', 'virtual_ipaddress']}]


def instance(name, router, interface=u'eth0', address=u'192.0.2.10'):
    return (u'vrrp_instance %s {\n virtual_router_id %s\n interface %s\n virtual_ipaddress {\n %s\n }\n}\n' % (name, router, interface, address))


def test_partners_are_the_same_on_the_wire_before_they_have_the_same_name():
    before = instance(u'A', 51) + instance(u'B', 52, address=u'192.0.2.11')
    renamed = instance(u'B', 51) + instance(u'A', 52, address=u'192.0.2.11')
    assert _keepalived.shared_changes(before, renamed) == []
    exchanged = instance(u'A', 52) + instance(u'B', 51, address=u'192.0.2.11')
    assert [(one['instance'], one['what']) for one in _keepalived.shared_changes(before, exchanged)] == [
        ('A', ['virtual_ipaddress']), ('B', ['virtual_ipaddress'])]


def test_partners_with_one_router_id_on_two_interfaces():
    before = instance(u'A', 51) + instance(u'B', 51, u'eth1', u'192.0.2.11')
    assert _keepalived.shared_changes(before, instance(u'X', 51, u'eth1', u'192.0.2.11') + instance(u'Y', 51)) == []


def test_instances_without_a_router_id_are_only_the_same_by_name():
    before = instance(u'A', u'')
    assert _keepalived.shared_changes(before, instance(u'B', u'', address=u'192.0.2.11')) == []
    assert _keepalived.shared_changes(before, instance(u'A', u'', address=u'192.0.2.11')) == [{'instance': 'A', 'what': ['virtual_ipaddress']}]


def test_what_only_one_file_has_is_no_shared_change():
    assert _keepalived.shared_changes(instance(u'A', 51), instance(u'A', 51) + instance(u'B', 52)) == []
    assert _keepalived.shared_changes(instance(u'A', 51) + instance(u'B', 52), instance(u'B', 52)) == []
    assert _keepalived.shared_changes(u'', CONF) == []
    assert _keepalived.shared_changes(instance(u'A', u'x'), instance(u'A', u'x')) == []


# --- hiding ---

@pytest.mark.parametrize('text, expected', [
    (u"'auth_pass geheim12' ! old: geheim11\nnext", u"'auth_pass ****\nnext"),
    (u'AUTH_PASS\t"two words"', u'AUTH_PASS\t****'),
    (u'password = x', u'password = ****'),
    (u'misc_path "ask --password hush"', u'misc_path "ask --password ****'),
    (u'$PASS=hush', u'$PASS=****'),
    (u'$VRRP_PASS=hush', u'$VRRP_PASS=****'),
    (u'    key 1 hex:aabb\n    active_key 1', u'    key ****\n    active_key 1'),
    (u'auth_type PASS', u'auth_type PASS'),
    (u'a Topsy b topsy-turvy c', u'a **** b ****-turvy c'),
    (u'longsecretvalue, shortened: longsecr', u'****, shortened: ****'),
])
def test_masked(text, expected):
    assert _keepalived.masked(text, [u'', u'topsy', u'longsecretvalue']) == expected


def test_secrets_may_hold_anything():
    assert _keepalived.masked(u'x a.*(b y $1 a.b', [u'a.*(b', u'$1']) == u'x **** y **** a.b'


def test_numbers_tell_a_changed_password_and_nothing_of_it():
    label = _keepalived.numbered()
    before = _keepalived.masked(u'auth_pass one\nauth_pass "two" ! note\n! three', [u'three'], label)
    after = _keepalived.masked(u'auth_pass two\nauth_pass four\n! three', [u'three'], label)
    assert before == u'auth_pass <secret 1>\nauth_pass <secret 2>\n! <secret 3>'
    assert after == u'auth_pass <secret 2>\nauth_pass <secret 4>\n! <secret 3>'


def test_passwords_of_a_file():
    assert _keepalived.passwords(CONF + u'$PASS="a b"\npassword x#y') == [u'geheim12', u'a b', u'x']


# --- commands ---

def script(path, text):
    path.write('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return str(path)


def gone(pid):
    """Whether a process has ended; what nobody has waited for yet has ended as well."""
    try:
        with open('/proc/%s/stat' % pid) as handle:
            return handle.read().rpartition(')')[2].split()[0] in 'ZX'
    except EnvironmentError:
        return True


def test_run_takes_both_outputs(tmpdir):
    command = script(tmpdir.join('say'), 'echo "to stdout: $1"; echo "to stderr: $2" >&2; cat; exit 4\n')
    outcome = _keepalived.run([command, 'a b', '*'], 10)
    assert (outcome.rc, outcome.output, outcome.timed_out) == (4, u'to stdout: a b\nto stderr: *\n', False)


def test_run_kills_the_whole_group_in_time(tmpdir):
    command = script(tmpdir.join('hang'), "trap '' TERM\necho begun\nsleep 60 &\necho $! >$1\nwait\n")
    start = time.time()
    outcome = _keepalived.run([command, str(tmpdir.join('pid'))], 0.5)
    assert (outcome.rc, outcome.output, outcome.timed_out) == (None, u'begun\n', True)
    assert 0.4 < time.time() - start < 20
    deadline = time.time() + 10
    while not gone(tmpdir.join('pid').read().strip()):
        assert time.time() < deadline


def test_run_does_not_wait_for_descendants_that_keep_the_output(tmpdir):
    command = script(tmpdir.join('leave'), 'sleep 60 &\necho $! >$1\n')
    start = time.time()
    assert _keepalived.run([command, str(tmpdir.join('pid'))], 30).rc == 0
    assert time.time() - start < 20
    os.kill(int(tmpdir.join('pid').read()), signal.SIGKILL)


def test_run_outlives_the_sigterm_that_keepalived_sends_itself(tmpdir):
    assert _keepalived.run([script(tmpdir.join('term'), 'kill -TERM $$; exit 3\n')], 10).rc == 3
    assert _keepalived.run([script(tmpdir.join('kill'), 'kill -KILL $$\n')], 10).rc == -signal.SIGKILL


def test_run_has_a_session_of_its_own(tmpdir):
    command = script(tmpdir.join('session'), 'read line </proc/self/stat; echo "${line##*)}" $$\n')
    words = _keepalived.run([command], 10).output.split()
    assert words[3] == words[-1] != str(os.getsid(0))


def test_version(tmpdir):
    old = script(tmpdir.join('old'), 'echo "Keepalived v2.0.7 (09/14,2018), git commit v2.0.6" >&2\n')
    assert _keepalived.version(old) == '2.0.7'
    assert _keepalived.version(script(tmpdir.join('other'), 'echo "something 1.0"\n')) is None
    assert _keepalived.version(str(tmpdir.join('missing'))) is None
