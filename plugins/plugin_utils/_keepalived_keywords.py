# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keywords of keepalived.conf as data, from the top level of the file down. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_checkers import SSL, VIRTUAL_SERVER, VIRTUAL_SERVER_GROUP
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_global import BFD, GLOBAL_DEFS, LVS
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_kinds import Keyword, blocks, integer, named, optional, repeated
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords_vrrp import (
    AUTHENTICATION, BFD_INSTANCE, GARP_GROUP, TRACK_FILE, TRACK_GROUP, VRRP_INSTANCE, VRRP_SCRIPT, VRRP_SYNC_GROUP, VRRP_TRACK_PROCESS,
)

__all__ = ['AUTHENTICATION', 'BLOCKS', 'GLOBAL_DEFS', 'Keyword', 'ROOT', 'VERSIONS', 'VRRP_INSTANCE', 'VRRP_SCRIPT']

# The releases that the tables were taken from, and for which they are tested.
VERSIONS = ('2.0.7', '2.0.20', '2.2.7', '2.2.8', '2.3.3', '2.3.4')

INCLUDE = Keyword(repeated('words'), '2.2.0')

ROOT = {
    'net_namespace': 'word',
    'net_namespace_ipvs': Keyword(optional('word'), '2.1.0'),
    'namespace_with_ipsets': 'flag',
    'instance': 'word',
    'use_pid_dir': 'flag',
    'child_wait_time': integer(0, 4294967295),
    'linkbeat_use_polling': 'flag',
    'global_defs': GLOBAL_DEFS,
    'interface_up_down_delays': Keyword('lines', '2.2.3'),
    'linkbeat_interfaces': Keyword('lines', '2.0.13'),
    'garp_group': blocks(GARP_GROUP),
    'track_group': named(TRACK_GROUP),
    'static_ipaddress': 'lines',
    'static_routes': 'lines',
    'static_rules': 'lines',
    'bfd_instance': Keyword(named(BFD_INSTANCE), needs=BFD),
    'vrrp_script': named(VRRP_SCRIPT),
    'vrrp_track_file': named(TRACK_FILE),
    'track_file': Keyword(named(TRACK_FILE), '2.1.0'),
    'vrrp_track_process': Keyword(named(VRRP_TRACK_PROCESS), '2.0.11'),
    'vrrp_sync_group': named(VRRP_SYNC_GROUP),
    'vrrp_instance': named(VRRP_INSTANCE),
    'SSL': Keyword(SSL, needs=LVS),
    'virtual_server_group': Keyword(named(VIRTUAL_SERVER_GROUP), needs=LVS),
    'virtual_server': Keyword(named(VIRTUAL_SERVER, 'words'), needs=LVS),
    'include': repeated('words'),
    'includer': INCLUDE,
    'includem': INCLUDE,
    'includew': INCLUDE,
    'includeb': INCLUDE,
    'includea': INCLUDE,
}

# What stands once or once per name at the top level, by its name: its table, and whether each has a name of its own.
BLOCKS = {block: (kind, False) if isinstance(kind, dict) else (kind[1], True)
          for block, kind in ROOT.items() if isinstance(kind, dict) or kind[0] == 'named'}
