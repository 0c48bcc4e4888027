# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a profile gives is accepted by the real keepalived of each release, without a word."""

from __future__ import annotations

import pytest
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import render
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_profiles import PROFILES
from test_keywords import Run, build, keepalived, namespace  # pylint: disable=unused-import

CLUSTER = {
    'vrrp_scripts': [{'name': 'check', 'script': '/usr/bin/true'}],
    'global_defs': {'script_user': 'root', 'enable_script_security': True},
    'vrrp_instances': [
        {'name': 'four', 'interface': 'eth0', 'virtual_router_id': 7, 'virtual_ipaddress': ['192.0.2.7/24'], 'nodes': ['a', 'b']},
        {'name': 'six', 'interface': 'eth0', 'virtual_router_id': 7, 'virtual_ipaddress': ['2001:db8::7/64'], 'nodes': ['b', 'a']},
    ],
}


@pytest.mark.parametrize('profile', PROFILES)
def test_keepalived_accepts_it(build, keepalived, profile):
    plan = vrrp_plan(dict.fromkeys('ab', {'cluster': {**CLUSTER, 'profile': profile}, 'version': build.version}), {'a': {}, 'b': {}})
    assert plan['findings'] == []
    assert {host: keepalived(render(plan['hosts'][host]['conf'], build.version)) for host in 'ab'} == dict.fromkeys('ab', Run(0, []))
