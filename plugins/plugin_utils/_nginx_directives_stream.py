# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directives of stream. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives_kinds import (
    SS, bare, block, built, flag, lookup, many, once,
)

STREAM = {
    'server': [block('stream', 'stream_server', many=True), many('stream_upstream', '1+')],
    'listen': many('stream_server', '1+'),
    'error_log': many(SS, '1+'),
    'proxy_pass': once('stream_server'),
    'proxy_connect_timeout': once(SS),
    'proxy_timeout': once(SS),
    'proxy_downstream_buffer': once(SS),
    'proxy_upstream_buffer': once(SS),
    'proxy_next_upstream': flag(SS),
    'proxy_next_upstream_tries': once(SS),
    'proxy_next_upstream_timeout': once(SS),
    'upstream': block('stream', 'stream_upstream', '1', many=True),
    'proxy_bind': [once(SS, until='1.11.0'), once(SS, '12', since='1.11.0')],
    'proxy_protocol': [flag(SS, until='1.31.4'), once(SS, since='1.31.4')],
    'proxy_upload_rate': once(SS),
    'proxy_download_rate': once(SS),
    'tcp_nodelay': flag(SS),
    'proxy_buffer_size': once(SS),
    'proxy_responses': once(SS, since='1.9.13'),
    'variables_hash_max_size': once('stream', since='1.11.2'),
    'variables_hash_bucket_size': once('stream', since='1.11.2'),
    'resolver': once(SS, '1+', since='1.11.3'),
    'resolver_timeout': once(SS, since='1.11.3'),
    'proxy_protocol_timeout': once(SS, since='1.11.4'),
    'log_format': many('stream', '2+', since='1.11.4'),
    'access_log': many(SS, '1+', since='1.11.4'),
    'open_log_file_cache': once(SS, '1234', since='1.11.4'),
    'preread_buffer_size': once(SS, since='1.11.5'),
    'preread_timeout': once(SS, since='1.11.5'),
    'proxy_socket_keepalive': flag(SS, since='1.15.6'),
    'proxy_requests': once(SS, since='1.15.7'),
    'proxy_half_close': flag(SS, since='1.21.4'),
    'server_names_hash_max_size': once('stream', since='1.25.5'),
    'server_names_hash_bucket_size': once('stream', since='1.25.5'),
    'server_name': many('stream_server', '1+', since='1.25.5'),
    'proxy_socket_rcvbuf': once(SS, since='1.31.3'),
    'proxy_socket_sndbuf': once(SS, since='1.31.3'),
}

STREAM_SSL = built('--with-stream_ssl_module', {
    'proxy_ssl': flag(SS),
    'proxy_ssl_session_reuse': flag(SS),
    'proxy_ssl_protocols': many(SS, '1+'),
    'proxy_ssl_ciphers': once(SS),
    'proxy_ssl_name': once(SS),
    'proxy_ssl_server_name': flag(SS),
    'proxy_ssl_verify': flag(SS),
    'proxy_ssl_verify_depth': once(SS),
    'proxy_ssl_trusted_certificate': once(SS),
    'proxy_ssl_crl': once(SS),
    'proxy_ssl_certificate': once(SS),
    'proxy_ssl_certificate_key': once(SS),
    'proxy_ssl_password_file': once(SS),
    'ssl_handshake_timeout': once(SS),
    'ssl_certificate': [once(SS, until='1.11.0'), many(SS, since='1.11.0')],
    'ssl_certificate_key': [once(SS, until='1.11.0'), many(SS, since='1.11.0')],
    'ssl_password_file': once(SS),
    'ssl_dhparam': once(SS),
    'ssl_ecdh_curve': once(SS),
    'ssl_protocols': many(SS, '1+'),
    'ssl_ciphers': once(SS),
    'ssl_prefer_server_ciphers': flag(SS),
    'ssl_session_cache': once(SS, '12'),
    'ssl_session_tickets': flag(SS),
    'ssl_session_ticket_key': many(SS),
    'ssl_session_timeout': once(SS),
    'ssl_verify_client': once(SS, since='1.11.8'),
    'ssl_verify_depth': once(SS, since='1.11.8'),
    'ssl_client_certificate': once(SS, since='1.11.8'),
    'ssl_trusted_certificate': once(SS, since='1.11.8'),
    'ssl_crl': once(SS, since='1.11.8'),
    'proxy_ssl_conf_command': many(SS, '2', since='1.19.4'),
    'ssl_conf_command': many(SS, '2', since='1.19.4'),
    'ssl_alpn': once(SS, '1+', since='1.21.4'),
    'ssl_reject_handshake': flag(SS, since='1.25.5'),
    'ssl_ocsp': once(SS, since='1.27.2'),
    'ssl_ocsp_responder': once(SS, since='1.27.2'),
    'ssl_ocsp_cache': once(SS, since='1.27.2'),
    'ssl_stapling': flag(SS, since='1.27.2'),
    'ssl_stapling_file': once(SS, since='1.27.2'),
    'ssl_stapling_responder': once(SS, since='1.27.2'),
    'ssl_stapling_verify': flag(SS, since='1.27.2'),
    'proxy_ssl_certificate_cache': once(SS, '123', since='1.27.4'),
    'ssl_certificate_cache': once(SS, '123', since='1.27.4'),
    'ssl_certificate_compression': flag(SS, since='1.29.1'),
    'ssl_ech_file': many(SS, since='1.29.4'),
    'proxy_ssl_alpn': once(SS, '1+', since='1.31.0'),
})

STREAM_UPSTREAM_HASH = built('--without-stream_upstream_hash_module', {
    'hash': once('stream_upstream', '12'),
})

STREAM_UPSTREAM_LEAST_CONN = built('--without-stream_upstream_least_conn_module', {
    'least_conn': bare('stream_upstream'),
})

STREAM_UPSTREAM_ZONE = built('--without-stream_upstream_zone_module', {
    'zone': once('stream_upstream', '12'),
    'resolver': once('stream_upstream', '1+', since='1.27.3'),
    'resolver_timeout': once('stream_upstream', since='1.27.3'),
})

STREAM_ACCESS = built('--without-stream_access_module', {
    'allow': many(SS),
    'deny': many(SS),
})

STREAM_LIMIT_CONN = built('--without-stream_limit_conn_module', {
    'limit_conn_zone': many('stream', '2'),
    'limit_conn': many(SS, '2'),
    'limit_conn_log_level': once(SS),
    'limit_conn_dry_run': flag(SS, since='1.17.6'),
})

STREAM_MAP = built('--without-stream_map_module', {
    'map': lookup('stream', since='1.11.2'),
    'map_hash_max_size': once('stream', since='1.11.2'),
    'map_hash_bucket_size': once('stream', since='1.11.2'),
})

STREAM_RETURN = built('--without-stream_return_module', {
    'return': once('stream_server', since='1.11.2'),
})

STREAM_GEO = built('--without-stream_geo_module', {
    'geo': lookup('stream', '12', since='1.11.3'),
})

STREAM_GEOIP = built('--with-stream_geoip_module', {
    'geoip_country': once('stream', '12', since='1.11.3'),
    'geoip_org': once('stream', '12', since='1.11.3'),
    'geoip_city': once('stream', '12', since='1.11.3'),
})

STREAM_SPLIT_CLIENTS = built('--without-stream_split_clients_module', {
    'split_clients': lookup('stream', since='1.11.3'),
})

STREAM_REALIP = built('--with-stream_realip_module', {
    'set_real_ip_from': many(SS, since='1.11.4'),
})

STREAM_SSL_PREREAD = built('--with-stream_ssl_preread_module', {
    'ssl_preread': flag(SS, since='1.11.5'),
})

STREAM_UPSTREAM_RANDOM = built('--without-stream_upstream_random_module', {
    'random': once('stream_upstream', '012', since='1.15.1'),
})

STREAM_SET = built('--without-stream_set_module', {
    'set': many('stream_server', '2', since='1.19.3'),
})

STREAM_PASS = built('--without-stream_pass_module', {
    'pass': once('stream_server', since='1.25.5'),
})

STREAM_UPSTREAM_LEAST_TIME = built('--without-stream_upstream_least_time_module', {
    'least_time': once('stream_upstream', '12', since='1.31.0'),
})

TABLES = (
    STREAM, STREAM_SSL, STREAM_UPSTREAM_HASH, STREAM_UPSTREAM_LEAST_CONN, STREAM_UPSTREAM_ZONE, STREAM_ACCESS, STREAM_LIMIT_CONN,
    STREAM_MAP, STREAM_RETURN, STREAM_GEO, STREAM_GEOIP, STREAM_SPLIT_CLIENTS, STREAM_REALIP, STREAM_SSL_PREREAD,
    STREAM_UPSTREAM_RANDOM, STREAM_SET, STREAM_PASS, STREAM_UPSTREAM_LEAST_TIME,
)
