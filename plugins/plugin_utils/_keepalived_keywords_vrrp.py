# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keywords of the blocks that VRRP consists of, and of what it tracks. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_kinds import (
    INT, UINT, Keyword, choice, integer, number, optional, weight,
)

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_global import BFD, DELAY, FIREWALL, LVS, REPEAT, SIZE

SECONDS = [Keyword(integer(1, 4294), until='2.3.2'), Keyword(number(0.001, 4294), '2.3.2')]
GARP_INTERVAL = [Keyword(number(0, 2147), until='2.3.2'), Keyword(number(0, 4294), '2.3.2')]
PROCESS_DELAY = number(0.000001, 3600)


def tracker_weight(limit, since=''):
    """What a tracker adds to a priority; it can be reversed since 2.0.18."""
    return [Keyword(integer(-limit, limit), since, '2.0.18'), Keyword(weight(-limit, limit), '2.0.18')]


def milliseconds(low):
    """What BFD counts in; fractions are possible since 2.2.0."""
    return [Keyword(integer(low, 4294967), until='2.2.0'), Keyword(number(low, 4294967), '2.2.0')]


GARP_GROUP = {
    'garp_interval': GARP_INTERVAL,
    'gna_interval': GARP_INTERVAL,
    'interface': 'word',
    'interfaces': 'lines',
}

TRACK_GROUP = {
    'group': 'lines',
}

BFD_INSTANCE = {
    'source_ip': 'address',
    'neighbor_ip': 'address',
    'neighbour_ip': 'address',
    'min_rx': milliseconds(1),
    'min_tx': milliseconds(1),
    'idle_tx': milliseconds(1000),
    'multiplier': integer(1, 255),
    'passive': 'flag',
    'ttl': integer(1, 255),
    'hoplimit': integer(1, 255),
    'max_hops': integer(-1, 255),
    'multihop': Keyword('truth', '2.2.8'),
    'weight': tracker_weight(253),
    'vrrp': 'flag',
    'checker': Keyword('flag', needs=LVS),
}

VRRP_SCRIPT = {
    'script': 'quoted',
    'interval': SECONDS,
    'timeout': SECONDS,
    'weight': tracker_weight(253),
    'rise': integer(1, INT),
    'fall': integer(1, INT),
    'user': 'words',
    'init_fail': 'flag',
}

VRRP_TRACK_PROCESS = {
    'process': [Keyword('word', '2.0.11', '2.0.16'), Keyword('words', '2.0.16')],
    'param_match': Keyword(optional(choice('initial', 'partial')), '2.0.16'),
    'weight': tracker_weight(254, '2.0.11'),
    'quorum_max': Keyword(integer(0, 65535), '2.0.16'),
    'quorum': Keyword(integer(1, 65535), '2.0.11'),
    'delay': Keyword(PROCESS_DELAY, '2.0.11'),
    'terminate_delay': Keyword(PROCESS_DELAY, '2.0.16'),
    'fork_delay': Keyword(PROCESS_DELAY, '2.0.16'),
    'full_command': Keyword('flag', '2.0.11'),
}

TRACK_FILE = {
    'file': 'word',
    'weight': tracker_weight(254),
    'init_file': optional('words'),
}

VRRP_SYNC_GROUP = {
    'group': 'lines',
    'track_interface': 'lines',
    'track_script': 'lines',
    'track_file': 'lines',
    'track_process': Keyword('lines', '2.0.11'),
    'track_bfd': Keyword('lines', needs=BFD),
    'sync_group_tracking_weight': 'flag',
    'global_tracking': 'flag',
    'notify_master': 'quoted',
    'notify_backup': 'quoted',
    'notify_fault': 'quoted',
    'notify_stop': 'quoted',
    'notify': 'quoted',
    'notify_priority_changes': Keyword('truth', '2.2.0'),
    'smtp_alert': 'truth',
}

AUTHENTICATION = {
    'auth_type': choice('PASS', 'AH'),
    'auth_pass': 'secret',
}

VRRP_INSTANCE = {
    'state': choice('MASTER', 'BACKUP'),
    'interface': 'word',
    'vrf': Keyword('word', '2.2.5'),
    'use_vmac': optional('words'),
    'use_vmac_addr': Keyword('flag', '2.2.0'),
    'use_ipvlan': Keyword(optional('words'), '2.0.17'),
    'vmac_xmit_base': 'flag',
    'native_ipv6': 'flag',
    'dont_track_primary': 'flag',
    'linkbeat_use_polling': 'flag',
    'virtual_router_id': integer(1, 255),
    'priority': integer(1, 255),
    'version': integer(2, 3),
    'advert_int': number(0.01, 255),
    'mcast_src_ip': 'address',
    'mcast_dst_ip': Keyword('address', '2.2.5'),
    'unicast_src_ip': 'address',
    'track_src_ip': 'flag',
    'unicast_peer': 'lines',
    'unicast_ttl': Keyword(integer(0, 255), '2.1.0'),
    'unicast_fault_no_peer': Keyword('flag', '2.2.5'),
    'check_unicast_src': Keyword('flag', '2.1.0'),
    'old_unicast_checksum': optional(choice('never')),
    'v3_checksum_as_v2': Keyword('truth', '2.2.8'),
    'authentication': AUTHENTICATION,
    'virtual_ipaddress': 'lines',
    'virtual_ipaddress_excluded': 'lines',
    'no_virtual_ipaddress': Keyword('flag', '2.2.8'),
    'virtual_routes': 'lines',
    'virtual_rules': 'lines',
    'track_interface': 'lines',
    'track_script': 'lines',
    'track_file': 'lines',
    'track_process': Keyword('lines', '2.0.11'),
    'track_bfd': Keyword('lines', needs=BFD),
    'promote_secondaries': 'flag',
    'accept': 'flag',
    'no_accept': [Keyword('flag', until='2.1.0'), Keyword('flag', '2.1.0', needs=FIREWALL)],
    # false means true there since 2.2.5
    'skip_check_adv_addr': [Keyword('truth', until='2.2.5'), Keyword('flag', '2.2.5')],
    'strict_mode': 'truth',
    'preempt': 'flag',
    'nopreempt': 'flag',
    'preempt_delay': number(0, 1000),
    'garp_master_delay': DELAY,
    'garp_master_repeat': REPEAT,
    'garp_master_refresh': SIZE,
    'garp_master_refresh_repeat': REPEAT,
    'garp_lower_prio_delay': DELAY,
    'garp_lower_prio_repeat': integer(0, INT),
    'garp_extra_if': Keyword('words', '2.2.3'),
    'vmac_garp_intvl': Keyword('words', '2.2.0'),
    'down_timer_adverts': Keyword(integer(1, 100), '2.2.3'),
    'timer_expired_backup': Keyword(optional(integer(1, 254)), '2.2.8'),
    'thread_timer_expired': Keyword(optional(integer(1, 254)), '2.3.2'),
    'lower_prio_no_advert': 'truth',
    'higher_prio_send_advert': 'truth',
    'owner_ignore_adverts': Keyword('truth', '2.3.3'),
    'kernel_rx_buf_size': integer(0, UINT),
    'lvs_sync_daemon_interface': Keyword('word', needs=LVS),
    'notify_master': 'quoted',
    'notify_backup': 'quoted',
    'notify_fault': 'quoted',
    'notify_stop': 'quoted',
    'notify_deleted': Keyword(optional('quoted'), '2.1.0'),
    'notify_master_rx_lower_pri': 'quoted',
    'notify': 'quoted',
    'notify_priority_changes': Keyword('truth', '2.0.16'),
    'smtp_alert': 'truth',
    'debug': integer(0, 4),
}
