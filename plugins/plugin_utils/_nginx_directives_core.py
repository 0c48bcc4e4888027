# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directives of nginx.conf outside of http and stream. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives_kinds import (
    EVERYWHERE_ELSE, INNERMOST, MAIN, block, built, flag, many, once,
)

CORE = {
    'daemon': flag(MAIN),
    'master_process': flag(MAIN),
    'timer_resolution': once(MAIN),
    'pid': once(MAIN),
    'lock_file': once(MAIN),
    'worker_processes': once(MAIN),
    'debug_points': once(MAIN),
    'user': once(MAIN, '12'),
    'worker_priority': once(MAIN),
    'worker_cpu_affinity': once(MAIN, '1+'),
    'worker_rlimit_nofile': once(MAIN),
    'worker_rlimit_core': once(MAIN),
    'working_directory': once(MAIN),
    'env': many(MAIN),
    'include': [many(EVERYWHERE_ELSE), many(INNERMOST, since='1.17.0')],
    'error_log': many(MAIN, '1+'),
    'epoll_events': once('events'),
    'worker_aio_requests': once('events'),
    'events': block(MAIN, 'events'),
    'worker_connections': once('events'),
    'use': once('events'),
    'multi_accept': flag('events'),
    'accept_mutex': flag('events'),
    'accept_mutex_delay': once('events'),
    'debug_connection': many('events'),
    'ssl_engine': once(MAIN),
    'load_module': many(MAIN, since='1.9.11'),
    'worker_shutdown_timeout': once(MAIN, since='1.11.11'),
    'ssl_object_cache_inheritable': flag(MAIN, since='1.27.4'),
}

PCRE = built('--without-pcre', {
    'pcre_jit': flag(MAIN),
})

THREADS = built('--with-threads', {
    'thread_pool': many(MAIN, '23'),
})

HTTP_BLOCK = built('--without-http', {
    'http': block(MAIN, 'http'),
})

STREAM_BLOCK = built('--with-stream', {
    'stream': block(MAIN, 'stream'),
})

QUIC_BPF = built('--with-http_v3_module', '--without-quic_bpf_module', {
    'quic_bpf': flag(MAIN, since='1.25.0'),
})

TABLES = (CORE, PCRE, THREADS, HTTP_BLOCK, STREAM_BLOCK, QUIC_BPF)
