# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The known issues of the roles: their shape, the list of each catalogued release, and for each entry what makes it appear and vanish."""

from __future__ import annotations

import datetime
import re
import runpy
from pathlib import Path

import pytest
import yaml
from ansible_collections.vipkit.ha.plugins.filter.known_issues import known_issues
from ansible_collections.vipkit.ha.plugins.filter.known_mitigations import known_mitigations
from ansible_collections.vipkit.ha.plugins.plugin_utils._known_issues import SEVERITIES, affects, mitigations_of
from ansible_collections.vipkit.ha.plugins.plugin_utils._source_build import matches

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ('nginx', 'keepalived')


def load(*parts):
    return yaml.safe_load(ROOT.joinpath('roles', *parts).read_text(encoding='utf-8'))


KNOWN = {program: load(program, 'files/known_issues.yml') for program in PROGRAMS}
CATALOGUE = {program: list(load(program, 'vars/main.yml')[f'__{program}_catalogue']) for program in PROGRAMS}
EVERY = [pytest.param(program, issue, id=f"{program}-{issue['id']}") for program in PROGRAMS for issue in KNOWN[program]['issues']]
every_issue = pytest.mark.parametrize('program, issue', EVERY)

KEYS = {
    'issue': {'id', 'kind', 'severity', 'versions', 'when', 'mitigation', 'fixed_by', 'summary', 'advice', 'source'},
    'when': {'with', 'without', 'uses', 'also'},
    'use': {'name', 'args', 'in', 'count'},
    'mitigation': {'how', 'default', 'configure_flags', 'directives'},
}
NEEDED = {'id', 'kind', 'severity', 'versions', 'summary', 'advice', 'source'}
PUTS_IN = re.compile(r'--(with|enable)-[\w-]+')
LEAVES_OUT = re.compile(r'--(without|disable)-[\w-]+')
SENTENCE = re.compile(r'\S.*[^.\s]\.')

# --- which release has what ---

PINNED = {
    'nginx': '''
        .      .      .      1.26.3 CVE-2026-90439
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-42533
        .      1.18.0 1.22.1 1.26.3 CVE-2026-60005
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-56434
        .      .      .      .      CVE-2026-42530
        .      1.18.0 1.22.1 1.26.3 CVE-2026-42055
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-48142
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-9256
        .      .      .      .      CVE-2026-42926
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-42945
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-42946
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-42934
        .      .      .      1.26.3 CVE-2026-40460
        .      .      1.22.1 1.26.3 CVE-2026-40701
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-27654
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-27784
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-32647
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-27651
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-28753
        .      .      .      .      CVE-2026-28755
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2026-1642
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2025-53859
        .      1.18.0 1.22.1 .      CVE-2025-23419
        1.9.9  1.18.0 1.22.1 .      CVE-2024-7347
        .      .      .      .      CVE-2024-32760
        .      .      .      .      CVE-2024-31079
        .      .      .      .      CVE-2024-35200
        .      .      .      .      CVE-2024-34161
        .      .      .      .      CVE-2024-24989
        .      .      .      .      CVE-2024-24990
        1.9.9  1.18.0 1.22.1 .      CVE-2023-44487
        1.9.9  1.18.0 .      .      CVE-2022-41741
        1.9.9  1.18.0 .      .      CVE-2022-41742
        1.9.9  1.18.0 .      .      CVE-2021-23017
        1.9.9  1.18.0 .      .      CVE-2021-3618
        1.9.9  .      .      .      CVE-2019-20372
        1.9.9  .      .      .      CVE-2019-9511
        1.9.9  .      .      .      CVE-2019-9513
        1.9.9  .      .      .      CVE-2019-9516
        1.9.9  .      .      .      CVE-2018-16843
        1.9.9  .      .      .      CVE-2018-16844
        1.9.9  .      .      .      CVE-2018-16845
        1.9.9  .      .      .      CVE-2017-20005
        1.9.9  .      .      .      CVE-2017-7529
        1.9.9  .      .      .      CVE-2016-4450
        1.9.9  .      .      .      CVE-2016-0742
        1.9.9  .      .      .      CVE-2016-0746
        1.9.9  .      .      .      CVE-2016-0747
        1.9.9  1.18.0 1.22.1 1.26.3 CVE-2009-4487
        1.9.9  .      .      .      double_submit
        1.9.9  .      .      .      double_submit_cgi
        1.9.9  .      .      .      reload_kills_master
        1.9.9  .      .      .      early_http2
        1.9.9  .      .      .      http2_slow_read
        1.9.9  1.18.0 .      .      header_buffers_crash
        1.9.9  .      .      .      test_drops_connections
        1.9.9  .      .      .      unix_socket_upgrade
        1.9.9  .      .      .      sendfile_spin
        1.9.9  .      .      .      hash_spin
        1.9.9  .      .      .      syslog_stops
        1.9.9  1.18.0 .      .      lax_request_framing
        1.9.9  .      .      .      tls13_not_refused
    ''',
    'keepalived': '''
        2.0.7  2.0.20 2.2.7  2.2.8  .      .      CVE-2024-41184
        2.0.7  2.0.20 .      .      .      .      CVE-2021-44225
        .      .      .      .      .      .      CVE-2018-19115
        2.0.7  .      .      .      .      .      CVE-2018-19046
        2.0.7  .      .      .      .      .      CVE-2018-19045
        2.0.7  .      .      .      .      .      CVE-2018-19044
        2.0.7  .      .      .      .      .      silenced_instances
        2.0.7  .      .      .      .      .      hung_scripts
        2.0.7  .      .      .      .      .      hung_misc_checks
        2.0.7  2.0.20 2.2.7  2.2.8  2.3.3  2.3.4  failed_exec_is_success
        2.0.7  .      .      .      .      .      parent_without_child
        2.0.7  .      .      .      .      .      reload_of_groups
        2.0.7  .      .      .      .      .      default_route_crash
        .      .      .      .      .      .      script_timeout_loop
        2.0.7  .      .      .      .      .      executable_config
        2.0.7  .      .      .      .      .      missing_brace
        2.0.7  .      .      .      .      .      duplicate_vrid
        2.0.7  .      .      .      .      .      lost_scripts
        .      2.0.20 2.2.7  2.2.8  .      .      timed_out_script_crash
        2.0.7  2.0.20 2.2.7  2.2.8  2.3.3  2.3.4  init_fail_ignored
        2.0.7  2.0.20 .      .      .      .      script_added_on_reload
        2.0.7  2.0.20 2.2.7  2.2.8  .      .      script_status_kept
        2.0.7  .      .      .      .      .      priority_after_reload
        2.0.7  .      .      .      .      .      wall_clock
        2.0.7  .      .      .      .      .      leftover_vips
        2.0.7  .      .      .      .      .      deleted_instance
        2.0.7  .      .      .      .      .      vmac_stays_down
        2.0.7  .      .      .      .      .      skip_check_without_effect
        2.0.7  .      .      .      .      .      dont_track_primary_without_effect
        2.0.7  .      .      .      .      .      silent_start_of_groups
        2.0.7  .      .      .      .      .      scripts_inherit_priority
        2.0.7  2.0.20 2.2.7  2.2.8  2.3.3  2.3.4  regex_check_overflow
        .      .      .      .      2.3.3  .      sorry_server_crash
        .      .      .      .      2.3.3  .      no_build_on_el7
    ''',
}

# Releases on both sides of a border that no catalogued release shows: affected, then no longer or not yet
BORDERS = {
    'CVE-2026-90439': ('1.25.0 1.31.5', '1.24.0 1.31.6'),
    'CVE-2026-42533': ('1.30.3 1.31.0 1.31.2', '1.30.4 1.31.3'),
    'CVE-2026-60005': ('1.15.8 1.30.3 1.31.2', '1.15.7 1.30.4 1.31.3'),
    'CVE-2026-56434': ('1.30.3 1.31.2', '1.30.4 1.31.3'),
    'CVE-2026-42530': ('1.31.0 1.31.1', '1.30.4 1.31.2'),
    'CVE-2026-42055': ('1.13.10 1.30.2 1.31.1', '1.13.9 1.30.3 1.31.2'),
    'CVE-2026-48142': ('1.30.2 1.31.1', '1.30.3 1.31.2'),
    'CVE-2026-9256': ('1.30.1 1.31.0', '1.30.2 1.31.1'),
    'CVE-2026-42926': ('1.29.4 1.30.0', '1.29.3 1.30.1 1.31.0'),
    'CVE-2026-42945': ('1.29.8 1.30.0', '1.30.1 1.31.0'),
    'CVE-2026-42946': ('1.29.8 1.30.0', '1.30.1 1.31.0'),
    'CVE-2026-42934': ('1.29.8 1.30.0', '1.30.1 1.31.0'),
    'CVE-2026-40460': ('1.25.0 1.30.0', '1.24.0 1.30.1 1.31.0'),
    'CVE-2026-40701': ('1.19.0 1.30.0', '1.18.0 1.30.1 1.31.0'),
    'CVE-2026-27654': ('1.28.2 1.29.6', '1.28.3 1.29.7'),
    'CVE-2026-27784': ('1.28.2 1.29.6', '1.28.3 1.29.7'),
    'CVE-2026-32647': ('1.28.2 1.29.6', '1.28.3 1.29.7'),
    'CVE-2026-27651': ('1.28.2 1.29.6', '1.28.3 1.29.7'),
    'CVE-2026-28753': ('1.28.2 1.29.6', '1.28.3 1.29.7'),
    'CVE-2026-28755': ('1.27.2 1.28.2 1.29.6', '1.27.1 1.28.3 1.29.7'),
    'CVE-2026-1642': ('1.28.1 1.29.4', '1.28.2 1.29.5'),
    'CVE-2025-53859': ('1.28.0 1.29.0', '1.28.1 1.29.1'),
    'CVE-2025-23419': ('1.11.4 1.26.2 1.27.3', '1.11.3 1.26.3 1.27.4'),
    'CVE-2024-7347': ('1.26.1 1.27.0', '1.26.2 1.27.1'),
    'CVE-2024-32760': ('1.25.0 1.26.0', '1.24.0 1.26.1 1.27.0'),
    'CVE-2024-31079': ('1.25.0 1.26.0', '1.24.0 1.26.1 1.27.0'),
    'CVE-2024-35200': ('1.25.0 1.26.0', '1.24.0 1.26.1 1.27.0'),
    'CVE-2024-34161': ('1.25.0 1.26.0', '1.24.0 1.26.1 1.27.0'),
    'CVE-2024-24989': ('1.25.3', '1.25.2 1.25.4'),
    'CVE-2024-24990': ('1.25.0 1.25.3', '1.24.0 1.25.4'),
    'CVE-2023-44487': ('1.24.0 1.25.2', '1.9.4 1.25.3'),
    'CVE-2022-41741': ('1.22.0 1.23.1', '1.22.1 1.23.2'),
    'CVE-2022-41742': ('1.22.0 1.23.1', '1.22.1 1.23.2'),
    'CVE-2021-23017': ('1.20.0', '1.20.1 1.21.0'),
    'CVE-2021-3618': ('1.20.2', '1.21.0'),
    'CVE-2019-20372': ('1.17.6', '1.17.7'),
    'CVE-2019-9511': ('1.16.0 1.17.2', '1.9.4 1.16.1 1.17.3'),
    'CVE-2019-9513': ('1.16.0 1.17.2', '1.9.4 1.16.1 1.17.3'),
    'CVE-2019-9516': ('1.16.0 1.17.2', '1.9.4 1.16.1 1.17.3'),
    'CVE-2018-16843': ('1.14.0 1.15.5', '1.9.4 1.14.1 1.15.6'),
    'CVE-2018-16844': ('1.14.0 1.15.5', '1.9.4 1.14.1 1.15.6'),
    'CVE-2018-16845': ('1.14.0 1.15.5', '1.14.1 1.15.6'),
    'CVE-2017-20005': ('1.13.5', '1.13.6'),
    'CVE-2017-7529': ('1.12.0 1.13.2', '1.12.1 1.13.3'),
    'CVE-2016-4450': ('1.10.0 1.11.0', '1.10.1 1.11.1'),
    'CVE-2016-0742': ('1.8.0 1.9.0', '1.8.1 1.9.10'),
    'CVE-2016-0746': ('1.8.0 1.9.0', '1.8.1 1.9.10'),
    'CVE-2016-0747': ('1.8.0 1.9.0', '1.8.1 1.9.10'),
    'double_submit': ('1.9.12', '1.9.13'),
    'double_submit_cgi': ('1.9.12', '1.9.13'),
    'reload_kills_master': ('1.13.6', '1.13.7'),
    'early_http2': ('1.13.5', '1.9.4 1.13.6'),
    'http2_slow_read': ('1.9.11', '1.9.4 1.9.12'),
    'header_buffers_crash': ('1.19.1', '1.19.2'),
    'test_drops_connections': ('1.13.3', '1.9.0 1.13.4'),
    'unix_socket_upgrade': ('1.11.4', '1.11.5'),
    'sendfile_spin': ('1.9.12', '1.9.13'),
    'hash_spin': ('1.13.5', '1.7.1 1.13.6'),
    'syslog_stops': ('1.13.12', '1.7.0 1.15.0'),
    'lax_request_framing': ('1.21.1', '1.21.2'),
    'tls13_not_refused': ('1.12.2', '1.13.0'),
    'CVE-2024-41184': ('2.3.1', '2.3.2'),
    'CVE-2021-44225': ('2.2.4', '2.2.5'),
    'CVE-2018-19115': ('2.0.6', '2.0.7'),
    'CVE-2018-19046': ('2.0.9', '2.0.10'),
    'CVE-2018-19045': ('2.0.8', '2.0.9'),
    'CVE-2018-19044': ('2.0.8', '2.0.9'),
    'silenced_instances': ('2.0.7', '2.0.8'),
    'hung_scripts': ('2.0.7', '2.0.8'),
    'hung_misc_checks': ('2.0.19', '2.0.20'),
    'parent_without_child': ('2.0.7', '2.0.8'),
    'reload_of_groups': ('2.0.7', '2.0.8'),
    'default_route_crash': ('2.0.7', '2.0.8'),
    'script_timeout_loop': ('2.0.8 2.0.10', '2.0.7 2.0.11'),
    'executable_config': ('2.0.8', '2.0.9'),
    'missing_brace': ('2.0.7', '2.0.8'),
    'duplicate_vrid': ('2.0.7', '2.0.8'),
    'lost_scripts': ('2.0.19', '2.0.20'),
    'timed_out_script_crash': ('2.0.20 2.3.2', '2.0.19 2.3.3'),
    'script_added_on_reload': ('2.2.4', '2.2.5'),
    'script_status_kept': ('2.3.1', '2.3.2'),
    'priority_after_reload': ('2.0.7', '2.0.8'),
    'wall_clock': ('2.0.7', '2.0.8'),
    'leftover_vips': ('2.0.12', '2.0.13'),
    'deleted_instance': ('2.0.15', '2.0.16'),
    'vmac_stays_down': ('2.0.16', '2.0.17'),
    'skip_check_without_effect': ('2.0.18', '2.0.19'),
    'dont_track_primary_without_effect': ('2.0.19', '2.0.20'),
    'silent_start_of_groups': ('2.0.14', '2.0.15'),
    'scripts_inherit_priority': ('2.0.7', '2.0.8'),
    'regex_check_overflow': ('2.3.4', '2.4.0'),
    'sorry_server_crash': ('2.3.0 2.3.3', '2.2.8 2.3.4'),
    'no_build_on_el7': ('2.3.2 2.3.3', '2.3.1 2.3.4'),
}

# --- what each entry needs of the configuration: for each of its alternatives a text that has it, and one that comes near ---

QUIC = [('http { server { listen 443 quic; } }', 'http { server { listen 443 ssl; } }')]
HTTP2 = [('http { server { listen 443 ssl http2; } }', 'http { server { listen 443 ssl; server_name http2; } }'),
         ('http { http2 on; }', 'http { http2 off; }')]
MP4 = [('http { server { location /v/ { mp4; } } }', 'http { server { location /mp4/ { root /v; } } }')]
RESOLVER = [('http { resolver 192.0.2.53; }', 'http { resolver off; resolver_timeout 5s; }')]
CHARSET_MAP = [('http { charset_map koi8-r utf-8 { C0 D18E; } }', 'http { charset utf-8; }')]
SCRIPT = [('vrrp_script web {\n interval 1\n}', 'vrrp_track_file web {\n file /x\n}')]
MISC = [('virtual_server 192.0.2.1 80 {\n real_server 192.0.2.2 80 {\n  MISC_CHECK {\n  }\n }\n}', 'virtual_server 192.0.2.1 80 {\n TCP_CHECK {\n }\n}')]
TWO = [('vrrp_instance one {\n}\nvrrp_instance two {\n}', 'vrrp_instance one {\n}')]
USES = {
    'CVE-2026-90439': QUIC,
    'CVE-2026-42533': [
        ('http { map $uri $m { ~^/a 1; } server { location ~ ^/(.*)$ { return 200 $1$m; } } }', 'http { map $uri $m { /a 1; } server { return 200 $1; } }'),
        ('http { map $uri $m { "~(?<c>.*)" $c; } }', 'http { map $uri $m { "(?<c>.*)" 1; } }'),
        ('http { map $uri $m { volatile; } }', 'http { map $uri $m { default volatile; } }'),
    ],
    'CVE-2026-60005': [
        ('http { server { slice 1m; proxy_set_header X $1; } }', 'http { server { slice 1m; proxy_set_header X $name; } }'),
        ('http { proxy_cache_background_update on; proxy_set_header X ${1}; }', 'http { proxy_cache_background_update off; proxy_set_header X $1; }'),
    ],
    'CVE-2026-56434': [('http { server { ssi on; } }', 'http { ssi off; ssi_types on; }')],
    'CVE-2026-42530': QUIC,
    'CVE-2026-42055': [
        ('http { ignore_invalid_headers off; large_client_header_buffers 4 32m; server { grpc_pass grpc://a; } }',
         'http { ignore_invalid_headers on; large_client_header_buffers 4 32m; server { grpc_pass grpc://a; } }'),
        ('http { ignore_invalid_headers off; large_client_header_buffers 4 32m; proxy_http_version 2; }',
         'http { ignore_invalid_headers off; large_client_header_buffers 4 32m; proxy_http_version 1.1; }'),
    ],
    'CVE-2026-48142': CHARSET_MAP,
    'CVE-2026-9256': [
        ('http { server { rewrite ^/((?:a|b)(.*))$ http://a/$1$2 redirect; } }', r'http { server { rewrite ^/(?:a(.*))/(a\(|b)$ /$1$2 redirect; } }')],
    'CVE-2026-42926': [('http { proxy_set_body x; proxy_http_version 2; }', 'http { proxy_set_body x; proxy_http_version 1.1; }')],
    'CVE-2026-42945': [
        ('http { server { rewrite "^/a b(.*)" "/new a?c=1"; set $x $1; } }', 'http { server { rewrite ^/a/?(.*) /new?; set $x $1; } }')],
    'CVE-2026-42946': [('http { server { uwsgi_pass a; } }', 'http { server { uwsgi_param uwsgi_pass a; } }')],
    'CVE-2026-42934': CHARSET_MAP,
    'CVE-2026-40460': QUIC,
    'CVE-2026-40701': [('http { ssl_ocsp leaf; resolver 192.0.2.53; }', 'http { ssl_ocsp off; resolver 192.0.2.53; }')],
    'CVE-2026-27654': [('http { server { alias /a/; dav_methods PUT MOVE; } }', 'http { server { alias /a/; dav_methods PUT; } }')],
    'CVE-2026-27784': MP4,
    'CVE-2026-32647': MP4,
    'CVE-2026-27651': [('mail { imap_auth plain cram-md5; }', 'mail { imap_auth plain login; }')],
    'CVE-2026-28753': [('mail { resolver 192.0.2.53; }', 'mail { resolver off; }\nhttp { resolver 192.0.2.53; }')],
    'CVE-2026-28755': [('stream { server { ssl_ocsp on; } }', 'http { ssl_ocsp on; }')],
    'CVE-2026-1642': [
        ('http { server { proxy_pass https://a; } }', 'http { server { proxy_pass http://https; } }'),
        ('http { server { grpc_pass grpcs://a; } }', 'http { server { grpc_pass grpc://a; } }'),
        ('http { server { uwsgi_pass suwsgi://a; } }', 'http { server { uwsgi_pass uwsgi://a; } }'),
    ],
    'CVE-2025-53859': [('mail { server { smtp_auth login none; } }', 'mail { server { smtp_auth login; } }')],
    'CVE-2025-23419': [('http { ssl_verify_client optional; }', 'http { ssl_verify_client off; }')],
    'CVE-2024-7347': MP4,
    **dict.fromkeys(('CVE-2024-32760', 'CVE-2024-31079', 'CVE-2024-35200', 'CVE-2024-34161', 'CVE-2024-24989', 'CVE-2024-24990'), QUIC),
    **dict.fromkeys(('CVE-2023-44487', 'CVE-2019-9511', 'CVE-2019-9513', 'CVE-2019-9516', 'CVE-2018-16843', 'CVE-2018-16844'), HTTP2),
    **dict.fromkeys(('CVE-2022-41741', 'CVE-2022-41742', 'CVE-2018-16845'), MP4),
    **dict.fromkeys(('CVE-2021-23017', 'CVE-2016-0742', 'CVE-2016-0746', 'CVE-2016-0747'), RESOLVER),
    'CVE-2021-3618': [('mail { }', 'http { server_name mail; }')],
    'CVE-2019-20372': [('http { error_page 401 403 http://a/; }', 'http { error_page 404 /404.html; error_page 500 @sorry; }')],
    'CVE-2017-20005': [('http { server { autoindex on; } }', 'http { autoindex off; }')],
    'CVE-2017-7529': [('http { }', 'stream { }')],
    'CVE-2016-4450': [
        ('http { server { location / { proxy_pass http://a; } } }', 'stream { server { proxy_pass a; } }'),
        ('http { server { dav_methods PUT; } }', 'http { server { return 200 dav_methods; } }'),
    ],
    'double_submit': [('http { server { proxy_pass http://a; } }', 'stream { server { proxy_pass a; } }')],
    'double_submit_cgi': [('http { server { fastcgi_pass a; } }', 'http { server { proxy_pass http://a; } }')],
    'reload_kills_master': [
        ('http { limit_req_zone $uri zone=a:1m rate=1r/s; }', 'http { limit_req zone=a; }'),
        ('http { ssl_session_cache shared:a:1m; }', 'http { ssl_session_cache builtin; }'),
    ],
    'early_http2': HTTP2,
    'http2_slow_read': HTTP2,
    'header_buffers_crash': [('http { server { large_client_header_buffers 4 8k; } }', 'http { large_client_header_buffers 4 8k; }')],
    'test_drops_connections': [('http { server { listen 80 reuseport; } }', 'http { server { listen 80; } }')],
    'unix_socket_upgrade': [('http { server { listen unix:/run/a; } }', 'http { server { listen 80; } }')],
    'sendfile_spin': [('http { sendfile on; }', 'http { sendfile off; }')],
    'hash_spin': [('http { upstream a { hash $uri consistent; } }', 'http { upstream a { hash $uri; } }')],
    'syslog_stops': [('http { access_log syslog:server=192.0.2.5; }', 'http { access_log syslog:server=unix:/dev/log; }')],
    'lax_request_framing': [('http { server { proxy_pass http://a; } }', 'stream { server { proxy_pass a; } }')],
    'tls13_not_refused': [
        ('http { server { listen 443 ssl; } }', 'http { server { listen 443; ssl_protocols TLSv1.2; } }'),
        ('http { server { ssl on; } }', 'http { server { ssl off; } }'),
    ],
    'CVE-2024-41184': [('global_defs {\n vrrp_ipsets a ""\n}', 'global_defs {\n vrrp_ipsets a b\n}')],
    'CVE-2018-19115': [('real_server 192.0.2.2 80 {\n HTTP_GET {\n }\n}', 'real_server 192.0.2.2 80 {\n TCP_CHECK {\n }\n}')],
    'silenced_instances': TWO,
    'duplicate_vrid': TWO,
    'hung_scripts': SCRIPT,
    'script_timeout_loop': SCRIPT,
    'script_added_on_reload': SCRIPT,
    'script_status_kept': SCRIPT,
    'hung_misc_checks': MISC,
    'failed_exec_is_success': SCRIPT,
    'lost_scripts': SCRIPT,
    'timed_out_script_crash': SCRIPT,
    'reload_of_groups': [('vrrp_sync_group a {\n}', 'garp_group {\n}')],
    'default_route_crash': [
        ('vrrp_instance one {\n virtual_routes {\n  default via 192.0.2.254\n }\n}', 'static_routes {\n default via 192.0.2.254\n}'),
        ('vrrp_instance one {\n virtual_routes {\n  src 192.0.2.1 to 0.0.0.0/0\n }\n}',
         'vrrp_instance one {\n virtual_routes {\n  src 192.0.2.1 to 10.0.0.0/0\n }\n}'),
    ],
    'init_fail_ignored': [('vrrp_script web {\n init_fail\n}', 'vrrp_script web {\n script "/bin/init_fail"\n}')],
    'priority_after_reload': [('track_interface {\n eth1 weight -10\n}', 'track_interface {\n eth1\n}')],
    'vmac_stays_down': [('vrrp_instance one {\n use_vmac vrrp.1\n}', 'vrrp_instance use_vmac {\n}')],
    'skip_check_without_effect': [('vrrp_instance one {\n skip_check_adv_addr\n}', 'vrrp_instance one {\n skip_check_adv_addr false\n}')],
    'dont_track_primary_without_effect': [('vrrp_instance one {\n dont_track_primary\n}', 'vrrp_instance one {\n track_interface {\n }\n}')],
    'silent_start_of_groups': [('vrrp_sync_group a {\n notify /bin/x\n}', 'vrrp_instance a {\n notify /bin/x\n}')],
    'scripts_inherit_priority': [
        ('global_defs {\n vrrp_priority 50\n}', 'global_defs {\n vrrp_rt_priority 50\n}'),
        ('global_defs {\n checker_priority 5\n}', 'global_defs {\n router_id checker_priority\n}'),
        ('global_defs {\n bfd_no_swap\n}', 'bfd_instance one {\n}'),
    ],
    'regex_check_overflow': [('HTTP_GET {\n url {\n  regex (?<=a)b\n }\n}', 'HTTP_GET {\n url {\n  path /regex\n }\n}')],
    'sorry_server_crash': [('virtual_server 192.0.2.1 80 {\n sorry_server 192.0.2.9 80\n}', 'virtual_server 192.0.2.1 80 {\n}')],
}
EMPTY = {'nginx': 'events { }', 'keepalived': 'global_defs {\n}'}


def affected(program, issue):
    """A release that has the issue."""
    return BORDERS[issue['id']][0].split()[0] if issue['id'] in BORDERS else CATALOGUE[program][0]


def alternatives(issue):
    return issue.get('when', {}).get('uses', [])


def reach(program, issue, conf, flags=None, fixes=()):
    """The reach of an issue in a build that has all that it asks for; None where it is not reported."""
    if flags is None:
        flags = issue.get('when', {}).get('with', [])[:1]
    found = known_issues(KNOWN[program], affected(program, issue), flags, conf, fixes)
    return next((one['reach'] for one in found if one['id'] == issue['id']), None)


def shown(program, issue):
    """A configuration in which it is reported, and what its reach is there."""
    conf = USES[issue['id']][0][0] if alternatives(issue) else EMPTY[program]
    return conf, 'unknown' if 'also' in issue.get('when', {}) else 'reachable'


# --- shape ---

@every_issue
def test_shape(program, issue):
    assert NEEDED <= set(issue) <= KEYS['issue']
    assert re.fullmatch(r'CVE-\d{4}-\d{4,}' if issue['kind'] == 'cve' else r'[a-z][a-z0-9_]+', issue['id'])
    assert issue['kind'] in ('cve', 'bug')
    assert issue['severity'] in SEVERITIES
    assert SENTENCE.fullmatch(issue['summary']) and SENTENCE.fullmatch(issue['advice'])
    assert issue['source'].startswith('https://')
    assert set(mitigations_of(issue)) <= set(KNOWN[program]['mitigations'])
    assert issue['versions'] and affects(issue, affected(program, issue))
    for text in issue['versions']:
        assert all(re.fullmatch(r'(>=|<)\d+(\.\d+)+', condition.strip()) for condition in text.split(','))


@every_issue
def test_shape_of_conditions(program, issue):
    when = issue.get('when', {})
    assert set(when) <= KEYS['when'] and when.get('uses') != []
    assert all(PUTS_IN.fullmatch(flag) for flag in when.get('with', []))
    assert all(LEAVES_OUT.fullmatch(flag) for flag in when.get('without', []))
    assert 'also' not in when or SENTENCE.fullmatch(when['also'])
    for use in alternatives(issue):
        for one in use if isinstance(use, list) else [use]:
            assert one and set(one) <= KEYS['use']
            assert all(re.compile(one[key]) for key in ('name', 'args', 'in') if key in one)
            assert one.get('count', 2) > 1


@pytest.mark.parametrize('program', PROGRAMS)
def test_shape_of_files(program):
    known = KNOWN[program]
    assert set(known) == {'program', 'as_of', 'mitigations', 'issues'} and known['program'] == program
    assert datetime.date.fromisoformat(known['as_of'])
    ids = [issue['id'] for issue in known['issues']]
    assert len(ids) == len(set(ids))
    named = {name for issue in known['issues'] for name in mitigations_of(issue)}
    assert named == set(known['mitigations']) and not named & set(ids), 'a mitigation that nothing names, or that has the name of an issue'
    for mitigation in known['mitigations'].values():
        assert {'how'} <= set(mitigation) <= KEYS['mitigation'] and SENTENCE.fullmatch(mitigation['how'])
        assert all(LEAVES_OUT.fullmatch(flag) for flag in mitigation.get('configure_flags', []))
        assert all(isinstance(value, str) for values in mitigation.get('directives', {}).values() for value in values)


def test_every_fix_has_its_issue_and_the_other_way_round():
    healed = {issue['fixed_by'] for issue in KNOWN['keepalived']['issues'] if 'fixed_by' in issue}
    fixes = {path.stem for path in (ROOT / 'roles/keepalived/files/fixes/2.0.7').glob('*.patch')}
    assert healed == fixes - {'shared_definition'}, 'shared_definition makes it build, and what is built has no such issue'


# --- versions ---

@pytest.mark.parametrize('program', PROGRAMS)
def test_the_list_of_every_catalogued_release(program):
    table = [line.split() for line in PINNED[program].strip().splitlines()]
    assert table == [[*(version if affects(issue, version) else '.' for version in CATALOGUE[program]), issue['id']]
                     for issue in KNOWN[program]['issues']]


@every_issue
def test_the_borders(program, issue):
    if issue['id'] not in BORDERS:
        assert all('<' not in text for text in issue['versions']), 'it has an end, and so a border'
        return
    inside, outside = (texts.split() for texts in BORDERS[issue['id']])
    assert [version for version in inside if not affects(issue, version)] == []
    assert [version for version in outside if affects(issue, version)] == []
    ends = [condition.strip()[1:] for text in issue['versions'] for condition in text.split(',') if condition.strip().startswith('<')]
    assert ends and set(ends) <= set(outside), 'each end of a range is shown'
    assert all(any(matches(version, '<' + end) for version in inside) for end in ends)


# --- appear and vanish ---

@every_issue
def test_it_appears_and_vanishes_with_the_configuration(program, issue):
    if not alternatives(issue):
        assert reach(program, issue, EMPTY[program]) == shown(program, issue)[1]
        return
    assert len(USES[issue['id']]) == len(alternatives(issue)), 'a pair of texts for each alternative'
    for place, (has, near) in enumerate(USES[issue['id']]):
        known = {**KNOWN[program], 'issues': [{**issue, 'when': {**issue['when'], 'uses': [alternatives(issue)[place]]}}]}
        flags = issue['when'].get('with', [])
        assert [one['reach'] for one in known_issues(known, affected(program, issue), flags, has)] == [shown(program, issue)[1]], has
        assert [one['reach'] for one in known_issues(known, affected(program, issue), flags, near)] == ['built'], near
        assert reach(program, issue, near) == 'built', near
    assert reach(program, issue, EMPTY[program]) == 'built'


@every_issue
def test_it_vanishes_with_its_code(program, issue):
    when, (conf, there) = issue.get('when', {}), shown(program, issue)
    for flag in when.get('with', []):
        assert reach(program, issue, conf, [flag]) == there
    if 'with' in when:
        assert reach(program, issue, conf, []) is None
    if 'without' in when:
        assert reach(program, issue, conf, when.get('with', []) + when['without']) is None


@every_issue
def test_it_vanishes_with_what_works_against_it(program, issue):
    conf, there = shown(program, issue)
    assert reach(program, issue, conf) == there
    assert reach(program, issue, conf, fixes=[issue['id']]) is None
    if 'fixed_by' in issue:
        assert reach(program, issue, conf, fixes=[issue['fixed_by']]) is None
    for name in mitigations_of(issue):
        mitigation = KNOWN[program]['mitigations'][name]
        flags = issue.get('when', {}).get('with', [])[:1] + mitigation.get('configure_flags', [])
        directives = ' '.join(f'{one} {values[0]};' for one, values in mitigation.get('directives', {}).items())
        fixes = [] if 'configure_flags' in mitigation or directives else [name]
        assert reach(program, issue, f'http {{ {directives} {conf} }}' if directives else conf, flags, fixes) is None


# --- mitigations ---

@pytest.mark.parametrize('program, version, expected', [
    ('nginx', '1.9.9', {'configure_flags': ['--without-http_ssi_module', '--without-http_charset_module', '--without-http_scgi_module',
                                            '--without-http_uwsgi_module', '--without-http_autoindex_module'],
                        'directives': {'max_ranges': '1'}, 'measures': ['send_once']}),
    ('nginx', '1.26.3', {'configure_flags': ['--without-http_ssi_module', '--without-http_charset_module', '--without-http_scgi_module',
                                             '--without-http_uwsgi_module'],
                         'directives': {}, 'measures': []}),
    ('nginx', '1.31.3', {'configure_flags': [], 'directives': {}, 'measures': []}),
    ('keepalived', '2.0.7', {'configure_flags': [], 'directives': {}, 'measures': ['private_tmp', 'config_mode', 'release_vips']}),
    ('keepalived', '2.0.20', {'configure_flags': [], 'directives': {}, 'measures': []}),
])
def test_the_mitigations_of_a_release(program, version, expected):
    applied = known_mitigations(KNOWN[program], version)
    assert {key: sorted(values) for key, values in applied.items()} == {key: sorted(values) for key, values in expected.items()}


def test_a_load_balancer_keeps_its_modules():
    taken = {flag for mitigation in KNOWN['nginx']['mitigations'].values() if mitigation.get('default', True)
             for flag in mitigation.get('configure_flags', [])}
    kept = 'proxy upstream_hash upstream_ip_hash upstream_least_conn upstream_keepalive upstream_zone rewrite map gzip access limit_conn limit_req geo'
    assert not taken & {f'--without-http_{name}_module' for name in kept.split()}


# --- the roles as they come ---

NGINX_CONF = '''
worker_processes auto;
error_log /usr/local/nginx/logs/error.log;
events {{ worker_connections 1024; }}
http {{
    {directives}
    include /usr/local/nginx/mime.types;
    sendfile on;
    server {{ listen 80 default_server; root /usr/local/nginx/html; }}
    server {{ listen 127.0.0.1:8081; location = /healthz {{ return 200 "ok\\n"; }} }}
}}
'''
KEEPALIVED_CONF = '''
vrrp_script check {{
    script "/apps/check"
    interval 1
}}
{instances}
'''.format(instances='\n'.join(f'''
vrrp_instance {name} {{
    interface eth0
    virtual_router_id {vrid}
    track_script {{
        check
    }}
}}''' for name, vrid in (('one', 100), ('two', 101))))


def reported(program, version, **build):
    return [one['id'] for one in known_issues(KNOWN[program], version, at_least='low', **build)]


def test_the_default_nginx_before_and_after():
    applied = known_mitigations(KNOWN['nginx'], '1.9.9')
    assert reported('nginx', '1.9.9', conf=NGINX_CONF.format(directives='')) == ['CVE-2017-7529', 'sendfile_spin']
    assert reported('nginx', '1.9.9', configure_flags=applied['configure_flags'],
                    conf=NGINX_CONF.format(directives=' '.join(f'{name} {value};' for name, value in applied['directives'].items()))) == ['sendfile_spin']


def test_the_default_keepalived_before_and_after():
    fixes = [path.stem for path in (ROOT / 'roles/keepalived/files/fixes/2.0.7').glob('*.patch')]
    applied = known_mitigations(KNOWN['keepalived'], '2.0.7')['measures']
    assert reported('keepalived', '2.0.7', conf=KEEPALIVED_CONF) == [
        'failed_exec_is_success', 'hung_scripts', 'parent_without_child', 'silenced_instances', 'CVE-2018-19044', 'CVE-2018-19045', 'deleted_instance',
        'leftover_vips', 'script_added_on_reload', 'wall_clock', 'duplicate_vrid', 'executable_config', 'lost_scripts', 'missing_brace',
        'CVE-2018-19046', 'script_status_kept']
    assert reported('keepalived', '2.0.7', conf=KEEPALIVED_CONF, fixes=fixes + applied + ['limited_scripts']) == [
        'deleted_instance', 'script_added_on_reload', 'wall_clock', 'script_status_kept']


# --- the page ---

def test_the_page_agrees_with_the_data():
    page = runpy.run_path(str(ROOT / 'tools/known-issues'))['page']()
    assert (ROOT / 'docs/known-issues.md').read_text(encoding='utf-8') == page, 'run tools/known-issues'
