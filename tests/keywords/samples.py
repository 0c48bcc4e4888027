# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configurations that together hold every keyword, as data.

What a version or build lacks is taken out before they are rendered. Those of CLEAN are accepted without a word. COMPLAINED holds the
keywords that keepalived knows and always has something to say about, and COMPLAINTS what it says.
"""

from __future__ import annotations

NAMESPACE = 'vipkit-keywords'   # the network namespace, in which eth0 and eth1 have the first addresses of these networks
ADDRESSES = {'eth0': '192.0.2.1/24', 'eth1': '198.51.100.1/24'}
PLACE = '/tmp/vipkit-keywords'  # a folder for what keepalived wants to be there

TRUE = '/usr/bin/true'
NOTIFY = {f'notify_{when}': TRUE for when in ('master', 'backup', 'fault', 'stop')}
RETRIES = {'retry': 3, 'delay_before_retry': 2, 'warmup': 1, 'delay_loop': 6, 'alpha': True, 'log_all_failures': True}
CONNECTION = {
    'connect_ip': '192.0.2.21', 'connect_port': 80, 'bindto': '192.0.2.1', 'bind_port': 4000, 'bind_if': 'eth0', 'connect_timeout': 3,
    'fwmark': 1, **RETRIES,
}
URL = {
    'path': '/', 'digest': '0123456789abcdef0123456789abcdef', 'status_code': 200, 'virtualhost': 'www.example.com',
    'regex': 'ok', 'regex_no_match': True, 'regex_options': 'caseless dotall', 'regex_min_offset': 1, 'regex_max_offset': 100,
    'regex_stack': '1024 65536',
}
HTTP = {
    'virtualhost': 'www.example.com', 'http_protocol': '1.1', 'enable_sni': True, 'fast_recovery': True, **CONNECTION,
    'url': [URL],
}
TLS = {**HTTP, 'tls_compliant': True, 'url': [{**URL, 'tls_compliant': True}]}


def instance(name, number, **keywords):
    """A vrrp_instance with an address of its own."""
    return {'name': name, 'interface': 'eth0', 'virtual_router_id': number, 'virtual_ipaddress': [f'192.0.2.{number}/24'], **keywords}


def server(number, **keywords):
    """A virtual_server with a real server of its own."""
    real = {'name': f'192.0.2.{number} 80', 'TCP_CHECK': {'connect_port': 80}}
    return {'name': f'203.0.113.{number} 80', 'lb_kind': 'NAT', 'real_server': [real], **keywords}


TRACKERS = {
    'vrrp_script': [{
        'name': 'check', 'script': TRUE, 'interval': 2, 'timeout': 2, 'weight': 5, 'rise': 2, 'fall': 2, 'user': 'root', 'init_fail': True}],
    'vrrp_track_file': [{'name': 'file', 'file': f'{PLACE}/track', 'weight': 5, 'init_file': '1 overwrite'}],
    'track_file': [{'name': 'newer', 'file': f'{PLACE}/track', 'weight': 5, 'init_file': '1 overwrite'}],
    'vrrp_track_process': [{
        'name': 'process', 'process': '/usr/bin/sleep', 'param_match': 'initial', 'weight': 5, 'quorum_max': 4, 'quorum': 2, 'delay': 2,
        'terminate_delay': 0.5, 'fork_delay': 1.5, 'full_command': True}],
    'bfd_instance': [{
        'name': 'bfd', 'source_ip': '192.0.2.1', 'neighbor_ip': '192.0.2.22', 'min_rx': 10, 'min_tx': 10, 'idle_tx': 1000, 'multiplier': 5,
        'passive': True, 'ttl': 255, 'max_hops': 1, 'multihop': True, 'weight': 5, 'vrrp': True, 'checker': True,
    }, {
        'name': 'neighbour', 'neighbour_ip': '192.0.2.23', 'hoplimit': 255,
    }],
}

MAIN = {
    'instance': 'keywords',
    'use_pid_dir': True,
    'child_wait_time': 5,
    'linkbeat_use_polling': True,
    'include': [f'{PLACE}/included.conf'],
    'includer': [f'{PLACE}/included.conf'],
    'includem': [f'{PLACE}/included.conf'],
    'includew': [f'{PLACE}/included.conf'],
    'includeb': [f'{PLACE}/included.conf'],
    'includea': [f'{PLACE}/included.conf'],
    'global_defs': {
        'process_names': True, 'process_name': 'ka', 'vrrp_process_name': 'ka_vrrp', 'checker_process_name': 'ka_lvs',
        'lvs_process_name': 'ka_lvs', 'bfd_process_name': 'ka_bfd', 'use_symlink_paths': True, 'router_id': 'one',
        'notification_email_from': 'from@example.com', 'smtp_server': '192.0.2.25 25', 'smtp_helo_name': 'one.example.com',
        'smtp_connect_timeout': 30, 'notification_email': ['to@example.com'], 'smtp_alert': True, 'smtp_alert_vrrp': False,
        'smtp_alert_checker': True, 'no_email_faults': True, 'no_checker_emails': True, 'script_user': 'root root',
        'enable_script_security': True, 'startup_script': TRUE, 'startup_script_timeout': 10, 'shutdown_script': TRUE,
        'shutdown_script_timeout': 10, 'max_auto_priority': 50, 'min_auto_priority_delay': 1000, 'umask': '022', 'random_seed': 1,
        'default_interface': 'eth0', 'disable_local_igmp': True, 'vrrp_version': 2, 'v3_checksum_as_v2': True,
        'vrrp_mcast_group4': '224.0.0.18', 'vrrp_mcast_group6': 'ff02::12', 'vrrp_startup_delay': 0.5,
        'vrrp_garp_master_delay': 5, 'vrrp_garp_master_repeat': 5, 'vrrp_garp_master_refresh': 60, 'vrrp_garp_master_refresh_repeat': 2,
        'vrrp_garp_lower_prio_delay': 5, 'vrrp_garp_lower_prio_repeat': 5, 'vrrp_garp_interval': 0.001, 'vrrp_gna_interval': 0.001,
        'vrrp_garp_extra_if': 'all 60', 'vrrp_min_garp': True, 'vrrp_down_timer_adverts': 3, 'vrrp_lower_prio_no_advert': True,
        'vrrp_higher_prio_send_advert': False, 'vrrp_owner_ignore_adverts': True, 'vrrp_skip_check_adv_addr': True,
        'vrrp_check_unicast_src': True, 'log_unknown_vrids': True, 'vmac_prefix': 'mac', 'vmac_addr_prefix': 'addr',
        'nftables': 'vipkit', 'nftables_priority': -1, 'nftables_ifindex': True, 'nftables_counters': True, 'nftables_ipvs': 'vipkit_ipvs',
        'nftables_ipvs_priority': -1, 'nftables_ipvs_start_fwmark': 1000, 'vrrp_priority': -5, 'vrrp_no_swap': True, 'vrrp_rt_priority': 10,
        'vrrp_cpu_affinity': '0', 'vrrp_rlimit_rttime': 10000, 'vrrp_rlimit_rtime': 10000, 'checker_priority': -5, 'checker_no_swap': True,
        'checker_rt_priority': 10, 'checker_cpu_affinity': '0', 'checker_rlimit_rttime': 10000, 'checker_rlimit_rtime': 10000,
        'bfd_priority': -5, 'bfd_no_swap': True, 'bfd_rt_priority': 10, 'bfd_cpu_affinity': '0', 'bfd_rlimit_rttime': 10000,
        'bfd_rlimit_rtime': 10000, 'notify_fifo': f'{PLACE}/fifo', 'notify_fifo_script': TRUE, 'vrrp_notify_fifo': f'{PLACE}/vrrp_fifo',
        'vrrp_notify_fifo_script': TRUE, 'lvs_notify_fifo': f'{PLACE}/lvs_fifo', 'lvs_notify_fifo_script': TRUE,
        'vrrp_notify_priority_changes': True, 'fifo_write_vrrp_states_on_reload': True, 'lvs_timeouts': 'tcp 60 tcpfin 30 udp 30',
        'lvs_flush': True, 'lvs_flush_on_stop': 'VS', 'lvs_flush_onstop': True, 'lvs_sync_daemon': 'eth0 one', 'rs_init_notifies': True,
        'checker_log_all_failures': True, 'vrrp_netlink_cmd_rcv_bufs': 65536, 'vrrp_netlink_cmd_rcv_bufs_force': True,
        'vrrp_netlink_monitor_rcv_bufs': 65536, 'vrrp_netlink_monitor_rcv_bufs_force': True, 'lvs_netlink_cmd_rcv_bufs': 65536,
        'lvs_netlink_cmd_rcv_bufs_force': True, 'lvs_netlink_monitor_rcv_bufs': 65536, 'lvs_netlink_monitor_rcv_bufs_force': True,
        'process_monitor_rcv_bufs': 65536, 'process_monitor_rcv_bufs_force': True, 'vrrp_rx_bufs_policy': 'MTU', 'vrrp_rx_bufs_multiplier': 3,
        'snmp_socket': 'unix:/var/agentx/master', 'enable_traps': True, 'enable_snmp_vrrp': True, 'enable_snmp_keepalived': True,
        'enable_snmp_checker': True, 'enable_snmp_rfc': True, 'enable_snmp_rfcv2': True, 'enable_snmp_rfcv3': True,
        'snmp_vs_stats_update_interval': 5, 'snmp_rs_stats_update_interval': 5, 'enable_dbus': True, 'dbus_service_name': 'org.example.One',
        'dbus_no_interface_name': 'none', 'reload_check_config': f'{PLACE}/reload.log', 'reload_time_file': f'{PLACE}/reload',
        'reload_repeat': True, 'reload_file': f'{PLACE}/reload_file', 'include_check': 'read +match', 'config_save_dir': PLACE,
        'tmp_config_directory': PLACE, 'data_use_instance': True, 'json_version': 2, 'iproute_usr_dir': '/etc/iproute2',
        'iproute_etc_dir': '/etc/iproute2', 'state_dump_file': f'{PLACE}/data', 'stats_dump_file': f'{PLACE}/stats',
        'json_dump_file': f'{PLACE}/json',
    },
    'interface_up_down_delays': ['eth0 1 2'],
    'linkbeat_interfaces': ['eth0'],
    'garp_group': [{'garp_interval': 0.01, 'gna_interval': 0.01, 'interface': 'eth0'}, {'garp_interval': 0.01, 'interfaces': ['eth1']}],
    'track_group': [{'name': 'statics', 'group': ['one', 'peers']}],
    'static_ipaddress': ['192.0.2.150/24 dev eth0'],
    'static_routes': ['203.0.113.0/24 via 192.0.2.254 dev eth0 track_group statics'],
    'static_rules': ['from 203.0.113.0/24 iif eth0 table 100 priority 1000 track_group statics'],
    **TRACKERS,
    'vrrp_sync_group': [{
        'name': 'pair', 'group': ['later', 'none'], 'track_interface': ['eth1 weight 5'], 'track_script': ['check'], 'track_file': ['file'],
        'track_process': ['process'], 'track_bfd': ['bfd'], 'sync_group_tracking_weight': True, **NOTIFY, 'notify': TRUE,
        'notify_priority_changes': True, 'smtp_alert': True,
    }],
    'vrrp_instance': [
        instance(
            'one', 101, state='MASTER', version=2, priority=150, advert_int=1, use_vmac='vrrp.101', use_vmac_addr=True, vmac_xmit_base=True,
            dont_track_primary=True, mcast_src_ip='192.0.2.1', mcast_dst_ip='224.0.0.18', track_src_ip=True,
            authentication={'auth_type': 'PASS', 'auth_pass': 'secret'}, virtual_ipaddress_excluded=['192.0.2.102/24'],
            virtual_routes=['203.0.113.0/24 via 192.0.2.254 dev eth0'], virtual_rules=['from 203.0.113.0/24 table 100 priority 1001'],
            track_interface=['eth1 weight 4'], track_script=['check weight 3'], track_file=['file'], track_process=['process'],
            track_bfd=['bfd'], accept=True, skip_check_adv_addr=True, strict_mode=False, preempt=True,
            garp_master_delay=5, garp_master_repeat=5, garp_master_refresh=60, garp_master_refresh_repeat=2, garp_lower_prio_delay=5,
            garp_lower_prio_repeat=5, garp_extra_if='all 60', down_timer_adverts=3, lower_prio_no_advert=True,
            higher_prio_send_advert=False, kernel_rx_buf_size=65536, **NOTIFY, notify_deleted=TRUE,
            notify_master_rx_lower_pri=TRUE, notify=TRUE, notify_priority_changes=True, smtp_alert=True, debug=2),
        instance(
            'peers', 103, state='BACKUP', nopreempt=True, unicast_src_ip='192.0.2.1', unicast_peer=['192.0.2.2'], unicast_ttl=64,
            unicast_fault_no_peer=True, check_unicast_src=True, old_unicast_checksum='never', no_accept=True,
            promote_secondaries=True, timer_expired_backup=100),
        instance('later', 104, state='BACKUP', version=3, preempt_delay=10, v3_checksum_as_v2=True),
        instance('ipv6', 105, interface='eth1', native_ipv6=True, virtual_ipaddress=['fe80::105/64']),
        instance('none', 106, no_virtual_ipaddress=True),
        instance('ipvlan', 107, use_ipvlan='ipvl.107 192.0.2.1'),
        instance('owner', 108, priority=255, owner_ignore_adverts=True),
    ],
    'SSL': {'password': 'secret', 'ca': f'{PLACE}/ca.pem', 'certificate': f'{PLACE}/cert.pem', 'key': f'{PLACE}/key.pem'},
    'virtual_server_group': [{'name': 'web', 'members': ['203.0.113.20 80', 'fwmark 7']}],
    'virtual_server': [
        server(
            30, ip_family='inet', protocol='TCP', lb_algo='sh', hashed=True,
            **{'flag-1': True, 'flag-2': True, 'flag-3': True, 'sh-port': True, 'sh-fallback': True},
            persistence_engine='sip', persistence_timeout=300, persistence_granularity='255.255.255.0', retry=3, delay_before_retry=2, warmup=1,
            connect_timeout=3, delay_loop=6, inhibit_on_failure=True, ha_suspend=True, smtp_alert=True, virtualhost='www.example.com',
            snmp_name='thirty', alpha=True, omega=True, quorum=1, hysteresis=0, quorum_up=TRUE, quorum_down=TRUE, weight=2,
            sorry_server='192.0.2.40 80', sorry_server_inhibit=True, sorry_server_lvs_method='NAT',
            real_server=[{
                'name': '192.0.2.31 80', 'weight': 3, 'lvs_method': 'NAT', 'uthreshold': 100, 'lthreshold': 10, 'inhibit_on_failure': False,
                'notify_up': TRUE, 'notify_down': TRUE, 'alpha': True, 'retry': 3, 'delay_before_retry': 2, 'warmup': 1,
                'connect_timeout': 3, 'delay_loop': 6, 'smtp_alert': True, 'virtualhost': 'www.example.com', 'snmp_name': 'thirty-one',
                'MISC_CHECK': {'misc_path': TRUE, 'misc_timeout': 3, 'misc_dynamic': True, 'user': 'root', **RETRIES},
                'SMTP_CHECK': {'helo_name': 'one.example.com', **CONNECTION, 'host': [CONNECTION]},
                'TCP_CHECK': [CONNECTION, {'connect_port': 81}],
                'HTTP_GET': HTTP,
                'SSL_GET': TLS,
                'DNS_CHECK': {'type': 'A', 'name': 'www.example.com', **CONNECTION},
                'PING_CHECK': CONNECTION,
                'UDP_CHECK': {
                    'payload': '00 a1', 'require_reply': True, 'min_reply_length': 1, 'max_reply_length': 100, **CONNECTION},
                'FILE_CHECK': {'track_file': 'newer', 'weight': 5},
                'BFD_CHECK': {'name': 'bfd', 'alpha': True},
            }]),
        server(32, protocol='UDP', lvs_sched='mh', lvs_method='DR', ops=True, **{'mh-port': True, 'mh-fallback': True}),
        {**server(33, protocol='TCP', lb_algo='rr'), 'name': 'group web'},
        {**server(34, lb_algo='rr'), 'name': 'fwmark 9'},
    ],
}

OTHER = {
    'net_namespace': NAMESPACE,
    'net_namespace_ipvs': NAMESPACE,
    'namespace_with_ipsets': True,
    'global_defs': {
        'vrrp_strict': True, 'vrrp_iptables': 'in out', 'vrrp_ipsets': 'set set6', 'dynamic_interfaces': True, 'script_user': 'root'},
    'vrrp_instance': [instance('one', 101)],
}

CLEAN = [MAIN, OTHER]

COMPLAINED = {
    'global_defs': {'vrrp_vmac_garp_intvl': '60'},
    'vrrp_sync_group': [{'name': 'pair', 'group': ['one', 'two'], 'global_tracking': True}],
    'vrrp_instance': [
        instance('one', 101, vmac_garp_intvl='60', lvs_sync_daemon_interface='eth0'),
        instance('two', 102, linkbeat_use_polling=True),
        instance('three', 103, state='BACKUP', nopreempt=True, thread_timer_expired=100),
        instance('four', 104, vrf='vrf0'),
    ],
    'virtual_server': [server(30, protocol='TCP', lb_algo='rr', real_server=[{
        'name': '192.0.2.31 80', 'HTTP_GET': {'nb_get_retry': 3, 'url': {'path': '/'}}, 'SSL_GET': {'nb_get_retry': 3, 'url': {'path': '/'}}}])],
}

# Keywords that have another name by now, which keepalived says, and vrf, which goes with no interface and needs a kernel with VRF.
COMPLAINTS = [
    'Keyword "vrrp_vmac_garp_intvl" is deprecated - please use "vrrp_garp_extra_if"',
    'Keyword "vmac_garp_intvl" is deprecated - please use "garp_extra_if"',
    "nb_get_retry is deprecated - please use 'retry'",
    'global_tracking is deprecated. Use track_interface/script/file on the sync group',
    'Specifying lvs_sync_daemon_interface against a vrrp is deprecated.',
    'Please use global lvs_sync_daemon',
    "'linkbeat_use_polling' in vrrp instance deprecated - use linkbeat_interfaces block",
    "thread_timer_expired - please replace with keyword 'timer_expired_backup'",
    'Cannot specify VRF interface and interface - ignoring',
]

# What it says when the lowest or the highest values of all keywords meet in one file.
CONFLICTS = [
    'Virtual server specified family inet6 conflicts with server family',
    'Quorum is greater than quorum_max - ignoring',
]

# Wrong values that keepalived mentions in its log at most.
UNCHECKED = ['regex_min_offset', 'regex_max_offset']
