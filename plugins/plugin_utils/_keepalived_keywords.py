# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keywords of keepalived.conf as data. PRIVATE to this collection.

A block is a table of keyword to kind; its order is the order of rendering, which keepalived cares about:
``interface`` stands before the addresses that go onto it, and scripts stand before the instances that track them.

Kinds: ``word`` one token, ``words`` one or more, ``quoted`` text in double quotes, ``flag`` a keyword without a value,
``truth`` one with true or false, ``integer`` and ``number`` with their range, ``lines`` a block with one entry a line, or a
table: a block of its own.
"""

from __future__ import annotations


def integer(low, high):
    """A whole number within a range."""
    return ('integer', low, high)


def number(low, high):
    """A number, fractions allowed, within a range."""
    return ('number', low, high)


GLOBAL_DEFS = {
    'router_id': 'word',
    'script_user': 'words',
    'enable_script_security': 'flag',
    'default_interface': 'word',
    'dynamic_interfaces': 'flag',
    'vrrp_version': integer(2, 3),
    'vrrp_mcast_group4': 'word',
    'vrrp_mcast_group6': 'word',
    'vrrp_garp_master_delay': integer(0, 86400),
    'vrrp_garp_master_repeat': integer(0, 86400),
    'vrrp_garp_master_refresh': integer(0, 86400),
    'vrrp_garp_master_refresh_repeat': integer(0, 86400),
    'vrrp_garp_lower_prio_delay': integer(0, 86400),
    'vrrp_garp_lower_prio_repeat': integer(0, 86400),
    'vrrp_lower_prio_no_advert': 'truth',
    'vrrp_higher_prio_send_advert': 'truth',
    'vrrp_skip_check_adv_addr': 'flag',
    'vrrp_check_unicast_src': 'flag',
    'vrrp_strict': 'flag',
    'vrrp_priority': integer(-20, 19),
    'vrrp_no_swap': 'flag',
    'vrrp_rt_priority': integer(1, 99),
    'notify_fifo': 'word',
    'notify_fifo_script': 'quoted',
    'vrrp_notify_fifo': 'word',
    'vrrp_notify_fifo_script': 'quoted',
}

VRRP_SCRIPT = {
    'script': 'quoted',
    'interval': integer(1, 4294),
    'timeout': integer(1, 4294),
    'weight': integer(-253, 253),
    'rise': integer(1, 2147483647),
    'fall': integer(1, 2147483647),
    'user': 'words',
    'init_fail': 'flag',
}

AUTHENTICATION = {
    'auth_type': 'word',
    'auth_pass': 'word',
}

VRRP_INSTANCE = {
    'state': 'word',
    'interface': 'word',
    'use_vmac': 'words',
    'vmac_xmit_base': 'flag',
    'native_ipv6': 'flag',
    'dont_track_primary': 'flag',
    'virtual_router_id': integer(1, 255),
    'priority': integer(1, 255),
    'version': integer(2, 3),
    'advert_int': number(0.01, 255),
    'mcast_src_ip': 'word',
    'unicast_src_ip': 'word',
    'unicast_peer': 'lines',
    'authentication': AUTHENTICATION,
    'virtual_ipaddress': 'lines',
    'virtual_ipaddress_excluded': 'lines',
    'virtual_routes': 'lines',
    'virtual_rules': 'lines',
    'track_interface': 'lines',
    'track_script': 'lines',
    'promote_secondaries': 'flag',
    'accept': 'flag',
    'no_accept': 'flag',
    'nopreempt': 'flag',
    'preempt_delay': number(0, 1000),
    'garp_master_delay': integer(0, 86400),
    'garp_master_repeat': integer(0, 86400),
    'garp_master_refresh': integer(0, 86400),
    'garp_master_refresh_repeat': integer(0, 86400),
    'garp_lower_prio_delay': integer(0, 86400),
    'garp_lower_prio_repeat': integer(0, 86400),
    'lower_prio_no_advert': 'truth',
    'higher_prio_send_advert': 'truth',
    'notify_master': 'quoted',
    'notify_backup': 'quoted',
    'notify_fault': 'quoted',
    'notify_stop': 'quoted',
    'notify': 'quoted',
}

# Name of a block to its table and whether each of its kind has a name of its own.
BLOCKS = {
    'global_defs': (GLOBAL_DEFS, False),
    'vrrp_script': (VRRP_SCRIPT, True),
    'vrrp_instance': (VRRP_INSTANCE, True),
}
