# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster gets where its variables say nothing, by keepalived_profile. PRIVATE to this collection.

This is the only place with these values; docs/profiles.md tells the reasons and the price, and a test compares the two.
A keyword of the cluster's own always wins.
"""

from __future__ import annotations

import typing

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import release

SCHEDULED_OTHERWISE = '2.2.0'  # the first release that schedules itself in another way


class Profile(typing.NamedTuple):
    """Priority of the first node, how far down the next one is (None: even steps down to nothing), and keywords of three blocks."""

    priority: int
    step: int | None
    vrrp_instance: dict
    vrrp_script: dict
    global_defs: dict
    earlier: dict  # more global_defs, before SCHEDULED_OTHERWISE
    later: dict    # and from then on


PROFILES = {
    'classic': Profile(priority=100, step=None, vrrp_instance={'advert_int': 1}, vrrp_script={}, global_defs={}, earlier={}, later={}),
    'fast': Profile(
        priority=254,  # 255 is for the owner of an address (RFC 5798 section 5.2.4), which ignores what a check or a drain takes off
        step=1,
        vrrp_instance={'advert_int': 0.1},
        vrrp_script={'interval': 1, 'fall': 2, 'rise': 3},
        global_defs={
            'vrrp_version': 3,  # version 2 has whole seconds alone
            'vrrp_garp_master_delay': 1,
            'vrrp_garp_master_repeat': 3,
            'vrrp_garp_master_refresh': 60,
            'vrrp_garp_master_refresh_repeat': 1,
            'vrrp_garp_lower_prio_delay': 1,
            'vrrp_garp_lower_prio_repeat': 1,
        },
        earlier={
            'vrrp_rt_priority': 20,
            # without it keepalived is killed after 10 ms of work without a pause, and a reload is work
            'vrrp_rlimit_rtime': 1000000,
        },
        # Real-time there sets that limit to 0 at each reload, and where root may not raise it again, the reload kills the VRRP process.
        # And no_swap before holds nothing that is in memory already, and in a container the reload ends with SIGSEGV.
        later={'vrrp_priority': -20, 'vrrp_no_swap': True},
    ),
}

# What a keyword of the cluster's own stands for, besides itself
INSTEAD_OF = {
    'vrrp_rlimit_rttime': ('vrrp_rlimit_rtime',),
    'vrrp_priority': ('vrrp_rt_priority', 'vrrp_rlimit_rtime'),
    'vrrp_rt_priority': ('vrrp_priority',),
}


def global_defs(profile, version, own):
    """The global_defs of a release, from those of its profile and the cluster's own."""
    given = {**profile.global_defs, **(profile.earlier if release(version) < release(SCHEDULED_OTHERWISE) else profile.later)}
    replaced = {name for keyword in own for name in INSTEAD_OF.get(keyword, ())}
    return {**{keyword: value for keyword, value in given.items() if keyword not in replaced}, **own}
