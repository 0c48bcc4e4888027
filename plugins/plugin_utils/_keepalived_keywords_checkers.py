# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keywords of the blocks that load balancing with LVS consists of. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_kinds import (
    INT, UINT, Keyword, blocks, choice, integer, named, number, optional, weight,
)

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_global import BFD, SNMP_CHECKER

REGEX = ('--enable-regex',)

# What 64 bits of microseconds can hold, in seconds.
LONG = 18446744073709
SECONDS = [Keyword(integer(0, LONG), until='2.0.13'), Keyword(number(0, LONG), '2.0.13')]
CHECKER_SECONDS = [Keyword(integer(0, 4294), until='2.0.13'), Keyword(number(0, LONG), '2.0.13')]
LOOP = [Keyword(integer(1, LONG), until='2.0.13'), Keyword(number(0.000001, LONG), '2.0.13')]
TIMEOUT = [Keyword(integer(1, 4294), until='2.0.13'), Keyword(number(0.000001, 4294), '2.0.13')]
METHOD = [Keyword(choice('NAT', 'DR', 'TUN'), until='2.0.18'), Keyword('words', '2.0.18')]

SCHEDULERS = ('rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'sh', 'mh', 'dh', 'fo', 'ovf', 'sed', 'nq')
SCHEDULER = [Keyword(choice(*SCHEDULERS), until='2.2.5'), Keyword(choice(*SCHEDULERS, 'twos'), '2.2.5')]

RETRIES = {
    'retry': integer(0, UINT),
    'delay_before_retry': CHECKER_SECONDS,
    'warmup': CHECKER_SECONDS,
    'delay_loop': LOOP,
    'alpha': 'truth',
    'log_all_failures': Keyword('truth', '2.0.11'),
}

CONNECTION = {
    'connect_ip': 'address',
    'connect_port': integer(1, 65535),
    'bindto': 'address',
    'bind_port': integer(1, 65535),
    'bind_if': 'word',
    'connect_timeout': TIMEOUT,
    'fwmark': integer(0, UINT),
    **RETRIES,
}

MISC_CHECK = {
    'misc_path': 'quoted',
    'misc_timeout': integer(0, 4294),
    'misc_dynamic': 'flag',
    'user': 'words',
    **RETRIES,
}

SMTP_CHECK = {
    'helo_name': 'word',
    **CONNECTION,
    'host': blocks(CONNECTION),
}

DNS_CHECK = {
    'type': choice('A', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'AAAA', 'RRSIG', 'DNSKEY'),
    'name': 'word',
    **CONNECTION,
}

UDP_CHECK = {
    'payload': Keyword('words', '2.2.0'),
    'require_reply': [Keyword('flag', '2.1.0', '2.2.0'), Keyword(optional('words'), '2.2.0')],
    'min_reply_length': Keyword(integer(0, 65535), '2.2.0'),
    'max_reply_length': Keyword(integer(0, 65535), '2.2.0'),
    **CONNECTION,
}

FILE_CHECK = {
    'track_file': 'word',
    'weight': weight(-INT, INT),
}

BFD_CHECK = {
    'name': 'word',
    'alpha': 'truth',
}

HTTP_URL = {
    'path': 'word',
    'digest': 'word',
    'status_code': [Keyword(integer(100, 999), until='2.0.17'), Keyword('words', '2.0.17')],
    'virtualhost': 'word',
    'regex': Keyword('quoted', needs=REGEX),
    'regex_no_match': Keyword('flag', needs=REGEX),
    'regex_options': Keyword('words', needs=REGEX),
    'regex_min_offset': Keyword(integer(0, UINT), needs=REGEX),
    'regex_max_offset': Keyword(integer(0, UINT), needs=REGEX),
    'regex_stack': Keyword('words', needs=REGEX),
}

HTTP_GET = {
    'nb_get_retry': integer(0, UINT),
    'virtualhost': 'word',
    'http_protocol': Keyword(choice('1.0', '1.0C', '1.0c', '1.1'), '2.0.17'),
    'enable_sni': 'truth',
    'fast_recovery': Keyword('truth', '2.0.17'),
    **CONNECTION,
    'url': blocks(HTTP_URL),
}

SSL_GET = {
    **HTTP_GET,
    'tls_compliant': Keyword('truth', '2.2.8'),
    'url': blocks({**HTTP_URL, 'tls_compliant': Keyword('truth', '2.2.8')}),
}

REAL_SERVER = {
    'weight': [
        Keyword(integer(1, 65535), until='2.0.16'),
        Keyword(integer(0, 65535), '2.0.16', '2.1.0'),
        Keyword(integer(0, INT), '2.1.0'),
    ],
    'lvs_method': METHOD,
    'uthreshold': integer(0, UINT),
    'lthreshold': integer(0, UINT),
    'inhibit_on_failure': 'truth',
    'notify_up': 'quoted',
    'notify_down': 'quoted',
    'alpha': 'truth',
    'retry': integer(1, UINT),
    'delay_before_retry': SECONDS,
    'warmup': SECONDS,
    'connect_timeout': Keyword(number(0.000001, 4294), '2.0.13'),
    'delay_loop': LOOP,
    'smtp_alert': 'truth',
    'virtualhost': 'word',
    'snmp_name': Keyword('word', '2.2.3', needs=SNMP_CHECKER),
    'MISC_CHECK': blocks(MISC_CHECK),
    'SMTP_CHECK': blocks(SMTP_CHECK),
    'TCP_CHECK': blocks(CONNECTION),
    'HTTP_GET': blocks(HTTP_GET),
    'SSL_GET': blocks(SSL_GET),
    'DNS_CHECK': blocks(DNS_CHECK),
    'PING_CHECK': Keyword(blocks(CONNECTION), '2.1.0'),
    'UDP_CHECK': Keyword(blocks(UDP_CHECK), '2.1.0'),
    'FILE_CHECK': Keyword(blocks(FILE_CHECK), '2.1.0'),
    'BFD_CHECK': Keyword(blocks(BFD_CHECK), needs=BFD),
}

VIRTUAL_SERVER = {
    'ip_family': choice('inet', 'inet6'),
    'protocol': choice('TCP', 'UDP', 'SCTP'),
    'lb_algo': SCHEDULER,
    'lvs_sched': SCHEDULER,
    'hashed': 'flag',
    'ops': 'flag',
    'flag-1': 'flag',
    'flag-2': 'flag',
    'flag-3': 'flag',
    'sh-port': 'flag',
    'sh-fallback': 'flag',
    'mh-port': Keyword('flag', '2.0.20'),
    'mh-fallback': Keyword('flag', '2.0.20'),
    'lb_kind': METHOD,
    'lvs_method': METHOD,
    'persistence_engine': 'word',
    'persistence_timeout': [Keyword(optional(integer(1, UINT)), until='2.1.3'), Keyword(optional(integer(1, 2678400)), '2.1.3')],
    'persistence_granularity': 'word',
    'retry': integer(1, UINT),
    'delay_before_retry': SECONDS,
    'warmup': SECONDS,
    'connect_timeout': Keyword(number(0.000001, 4294), '2.0.13'),
    'delay_loop': LOOP,
    'inhibit_on_failure': 'flag',
    'ha_suspend': 'flag',
    'smtp_alert': 'truth',
    'virtualhost': 'word',
    'snmp_name': Keyword('word', '2.2.3', needs=SNMP_CHECKER),
    'alpha': 'flag',
    'omega': 'flag',
    'quorum': integer(1, UINT),
    'hysteresis': integer(0, UINT),
    'quorum_up': 'quoted',
    'quorum_down': 'quoted',
    'weight': [Keyword(integer(1, 65535), until='2.1.0'), Keyword(integer(1, INT), '2.1.0')],
    'sorry_server': 'words',
    'sorry_server_inhibit': 'flag',
    'sorry_server_lvs_method': METHOD,
    'real_server': named(REAL_SERVER, 'words'),
}

VIRTUAL_SERVER_GROUP = {
    'members': 'bare',
}

SSL = {
    'password': 'secret',
    'ca': 'word',
    'certificate': 'word',
    'key': 'word',
}
