# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of a keepalived that does not run with what was planned."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _keepalived_planned as planned

PATH = '/etc/keepalived/keepalived.conf'
CONF = u"""! a comment
global_defs {
    router_id a
}
vrrp_instance one {
    priority 100
    authentication {
        auth_pass secret1
    }
    virtual_ipaddress {
        192.0.2.100/24
    }
}
"""


def differing(text, loaded=None):
    return planned.of_configuration(PATH, CONF, text.encode('utf-8'), loaded)


def sum_of(text):
    return planned.sha256(text.encode('utf-8'))


@pytest.mark.parametrize('text', [CONF, CONF.replace(u'! a comment\n', u''), CONF.replace(u'    ', u'\t')])
def test_layout_and_comments_do_not_count(text):
    assert differing(text, sum_of(text)) == []
    assert differing(text) == []


@pytest.mark.parametrize('old, new, what', [
    (u'priority 100\n', u'priority 100\n nopreempt\n', 'vrrp_instance one: nopreempt is there and not planned, so preemption is off'),
    (u'priority 100\n', u'priority 50\n', 'vrrp_instance one: priority is another'),
    (u'    router_id a\n', u'', 'global_defs: router_id is missing'),
    (u'global_defs {\n    router_id a\n}\n', u'', 'global_defs is missing'),
    (u'secret1', u'secret2', 'vrrp_instance one: authentication: auth_pass is another'),
    (u'100/24', u'101/24', 'vrrp_instance one: virtual_ipaddress: 192.0.2.100/24 is missing; vrrp_instance one: virtual_ipaddress: 192.0.2.101/24 is there and '
     'not planned'),
    (u'vrrp_instance one', u'vrrp_instance two', 'vrrp_instance one is missing; vrrp_instance two is there and not planned'),
    (u'global_defs {', u'global_defs {\n vrrp_garp_master_repeat 0\n}\nglobal_defs {', 'global_defs is there more often than planned'),
    (u'vrrp_instance one', u'global_defs {\n vrrp_garp_master_repeat 0\n}\nvrrp_instance one', 'global_defs is there more often than planned'),
    (u'global_defs {\n', u'global_defs {\n x\n}\nglobal_defs {\n y\n',
     'global_defs: router_id is missing; global_defs: x is there and not planned; global_defs is there more often than planned'),
    (u'    priority 100\n', u'    priority 90\n    priority 100\n', 'vrrp_instance one: priority is there more often than planned'),
])
def test_differences_are_named_without_values(old, new, what):
    text = CONF.replace(old, new)
    found, = differing(text, sum_of(text))
    assert found == '%s is not the planned one (%s), and it is in force; run site.yml, which puts the planned one back' % (PATH, what)
    assert 'secret' not in found


def test_what_is_planned_more_than_once_has_to_be_there_as_often():
    twice = CONF + u'virtual_server group web {\n    a\n}\nvirtual_server group web {\n    b\n}\n'
    for text, what in ((twice, []), (twice.replace(u'    a\n', u'    b\n'), ['virtual_server group web: a is missing', 'virtual_server group web: b is there']),
                       (twice.replace(u'virtual_server group web {\n    a\n}\n', u''), ['virtual_server group web is there less often than planned'])):
        found = list(planned.differences(planned._keepalived.parse(twice), planned._keepalived.parse(text)))
        assert len(found) == len(what) and all(one.startswith(start) for one, start in zip(found, what)), found


def test_many_differences_are_counted():
    found, = differing(CONF.replace(u'priority 100', u'\n'.join(u'keyword%d x' % number for number in range(7))))
    assert 'keyword4 is there and not planned; and 3 more), and it comes into force' in found


def test_a_change_that_was_not_loaded():
    text = CONF.replace(u'100\n', u'50\n')
    for loaded in (None, sum_of(CONF)):
        found, = differing(text, loaded)
        assert 'priority is another), and it comes into force with the next reload, unless it has already by a signal; run site.yml' in found


def test_another_one_is_in_force_than_the_planned_one_on_disk():
    assert differing(CONF, sum_of(u'x')) == [
        'keepalived has read another configuration than %s, which is the planned one; systemctl reload keepalived' % PATH]
    other_layout = CONF.replace(u'! a comment\n', u'')
    assert differing(CONF, sum_of(CONF)) == [] and differing(other_layout, sum_of(CONF)) == []


def test_no_configuration():
    assert planned.of_configuration(PATH, CONF, None, None) == [PATH + ' is not there; run site.yml, which puts the planned one back']


@pytest.mark.parametrize('noted, loaded', [(u'', None), (u'abc  /etc/keepalived/keepalived.conf\n', u'abc')])
def test_what_the_unit_has_noted(noted, loaded):
    assert planned.loaded_sum(noted) == loaded


@pytest.mark.parametrize('found, starts', [
    ((0o755, b'#!/bin/sh\n'), []),
    ((0o775, b'#!/bin/sh\n'), []),
    (None, ['the script /s/web is not there, and keepalived may count that as a success;']),
    ((0o644, b'#!/bin/sh\n'), ['the script /s/web has lost its execute bit (mode 0644, planned 0755), and keepalived may count that as a success;']),
    ((0o754, b'#!/bin/sh\n'), ['the script /s/web has lost its execute bit (mode 0754, planned 0755),']),
    ((0o755, b'exit 0\n'), ['the script /s/web is not the one that the role wrote, so it may never fail;']),
    ((0o644, b'exit 0\n'), ['the script /s/web has lost its execute bit', 'the script /s/web is not the one']),
])
def test_scripts(found, starts):
    told = planned.of_script('/s/web', u'#!/bin/sh\n', 0o755, found)
    assert len(told) == len(starts)
    assert all(one.startswith(start) for one, start in zip(told, starts)), told
