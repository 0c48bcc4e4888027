# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directives of http itself, and of TLS, HTTP/2 and 3, rewriting, access and upstreams. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives_kinds import (
    HS, HSL, HSLI, bare, block, built, flag, lookup, many, once,
)

HTTP_ACCESS = built('--without-http_access_module', {
    'allow': many('http server location limit_except'),
    'deny': many('http server location limit_except'),
})

HTTP_AUTH_BASIC = built('--without-http_auth_basic_module', {
    'auth_basic': once('http server location limit_except'),
    'auth_basic_user_file': once('http server location limit_except'),
})

HTTP = {
    'expires': once(HSLI, '12'),
    'add_header': many(HSLI, '23'),
    'index': many(HSL, '1+'),
    'log_format': many('http', '2+'),
    'access_log': many('http server location if_location limit_except', '1+'),
    'open_log_file_cache': once(HSL, '1234'),
    'output_buffers': once(HSL, '2'),
    'variables_hash_max_size': once('http'),
    'variables_hash_bucket_size': once('http'),
    'server_names_hash_max_size': once('http'),
    'server_names_hash_bucket_size': once('http'),
    'server': [block('http', 'server', many=True), many('upstream', '1+')],
    'connection_pool_size': once(HS),
    'request_pool_size': once(HS),
    'client_header_timeout': once(HS),
    'client_header_buffer_size': once(HS),
    'large_client_header_buffers': once(HS, '2'),
    'ignore_invalid_headers': flag(HS),
    'merge_slashes': flag(HS),
    'underscores_in_headers': flag(HS),
    'location': block('server location', 'location', '12', many=True),
    'listen': many('server', '1+'),
    'server_name': many('server', '1+'),
    'types_hash_max_size': once(HSL),
    'types_hash_bucket_size': once(HSL),
    'types': lookup(HSL, '0'),
    'default_type': once(HSL),
    'root': once(HSLI),
    'alias': once('location'),
    'limit_except': block('location', 'limit_except', '1+'),
    'client_max_body_size': once(HSL),
    'client_body_buffer_size': once(HSL),
    'client_body_timeout': once(HSL),
    'client_body_temp_path': once(HSL, '1234'),
    'client_body_in_file_only': once(HSL),
    'client_body_in_single_buffer': flag(HSL),
    'sendfile': flag(HSLI),
    'sendfile_max_chunk': once(HSL),
    'aio': once(HSL),
    'read_ahead': once(HSL),
    'directio': once(HSL),
    'directio_alignment': once(HSL),
    'tcp_nopush': flag(HSL),
    'tcp_nodelay': flag(HSL),
    'send_timeout': once(HSL),
    'send_lowat': once(HSL),
    'postpone_output': once(HSL),
    'limit_rate': once(HSLI),
    'limit_rate_after': once(HSLI),
    'keepalive_timeout': once(HSL, '12'),
    'keepalive_requests': once(HSL),
    'keepalive_disable': many(HSL, '12'),
    'satisfy': once(HSL),
    'internal': bare('location'),
    'lingering_close': once(HSL),
    'lingering_time': once(HSL),
    'lingering_timeout': once(HSL),
    'reset_timedout_connection': flag(HSL),
    'server_name_in_redirect': flag(HSL),
    'port_in_redirect': flag(HSL),
    'msie_padding': flag(HSL),
    'msie_refresh': flag(HSL),
    'log_not_found': flag(HSL),
    'log_subrequest': flag(HSL),
    'recursive_error_pages': flag(HSL),
    'server_tokens': [flag(HSL, until='1.11.10'), once(HSL, since='1.11.10')],
    'if_modified_since': once(HSL),
    'max_ranges': once(HSL),
    'chunked_transfer_encoding': flag(HSL),
    'etag': flag(HSL),
    'error_page': many(HSLI, '2+'),
    'try_files': once('server location', '2+'),
    'post_action': once(HSLI),
    'error_log': many(HSL, '1+'),
    'open_file_cache': once(HSL, '12'),
    'open_file_cache_valid': once(HSL),
    'open_file_cache_min_uses': once(HSL),
    'open_file_cache_errors': flag(HSL),
    'open_file_cache_events': flag(HSL),
    'resolver': once(HSL, '1+'),
    'resolver_timeout': once(HSL),
    'gzip_vary': flag(HSL),
    'gzip_http_version': once(HSL),
    'gzip_proxied': many(HSL, '1+'),
    'gzip_disable': many(HSL, '1+'),
    'disable_symlinks': once(HSL, '12'),
    'upstream': block('http', 'upstream', '1', many=True),
    'aio_write': flag(HSL, since='1.9.13'),
    'absolute_redirect': flag(HSL, since='1.11.8'),
    'add_trailer': many(HSLI, '23', since='1.13.2'),
    'subrequest_output_buffer_size': once(HSL, since='1.13.10'),
    'auth_delay': once(HSL, since='1.17.10'),
    'keepalive_time': once(HSL, since='1.19.10'),
    'keepalive_min_timeout': once(HSL, since='1.27.4'),
    'early_hints': many(HSL, '1+', since='1.29.0'),
    'add_header_inherit': once(HSLI, since='1.29.3'),
    'add_trailer_inherit': once(HSLI, since='1.29.3'),
    'max_headers': once(HS, since='1.29.8'),
}

HTTP_REWRITE = built('--without-http_rewrite_module', {
    'rewrite': many('server location if_server if_location', '23'),
    'return': once('server location if_server if_location', '12'),
    'break': bare('server location if_server if_location'),
    'if': [block('server', 'if_server', '1+', many=True), block('location', 'if_location', '1+', many=True)],
    'set': many('server location if_server if_location', '2'),
    'rewrite_log': flag('http server location if_server if_location'),
    'uninitialized_variable_warn': flag('http server location if_server if_location'),
})

HTTP_SSL = built('--with-http_ssl_module', {
    'ssl': flag(HS, until='1.25.1'),
    'ssl_certificate': [once(HS, until='1.11.0'), many(HS, since='1.11.0')],
    'ssl_certificate_key': [once(HS, until='1.11.0'), many(HS, since='1.11.0')],
    'ssl_password_file': once(HS),
    'ssl_dhparam': once(HS),
    'ssl_ecdh_curve': once(HS),
    'ssl_protocols': many(HS, '1+'),
    'ssl_ciphers': once(HS),
    'ssl_buffer_size': once(HS),
    'ssl_verify_client': once(HS),
    'ssl_verify_depth': once(HS),
    'ssl_client_certificate': once(HS),
    'ssl_trusted_certificate': once(HS),
    'ssl_prefer_server_ciphers': flag(HS),
    'ssl_session_cache': once(HS, '12'),
    'ssl_session_tickets': flag(HS),
    'ssl_session_ticket_key': many(HS),
    'ssl_session_timeout': once(HS),
    'ssl_crl': once(HS),
    'ssl_stapling': flag(HS),
    'ssl_stapling_file': once(HS),
    'ssl_stapling_responder': once(HS),
    'ssl_stapling_verify': flag(HS),
    'ssl_early_data': flag(HS, since='1.15.3'),
    'ssl_ocsp': once(HS, since='1.19.0'),
    'ssl_ocsp_responder': once(HS, since='1.19.0'),
    'ssl_ocsp_cache': once(HS, since='1.19.0'),
    'ssl_conf_command': many(HS, '2', since='1.19.4'),
    'ssl_reject_handshake': flag(HS, since='1.19.4'),
    'ssl_certificate_cache': once(HS, '123', since='1.27.4'),
    'ssl_certificate_compression': flag(HS, since='1.29.1'),
    'ssl_ech_file': many(HS, since='1.29.4'),
})

HTTP_UPSTREAM_HASH = built('--without-http_upstream_hash_module', {
    'hash': once('upstream', '12'),
})

HTTP_UPSTREAM_IP_HASH = built('--without-http_upstream_ip_hash_module', {
    'ip_hash': bare('upstream'),
})

HTTP_UPSTREAM_KEEPALIVE = built('--without-http_upstream_keepalive_module', {
    'keepalive': [once('upstream', until='1.29.7'), once('upstream', '12', since='1.29.7')],
    'keepalive_timeout': once('upstream', since='1.15.3'),
    'keepalive_requests': once('upstream', since='1.15.3'),
    'keepalive_time': once('upstream', since='1.19.10'),
})

HTTP_UPSTREAM_LEAST_CONN = built('--without-http_upstream_least_conn_module', {
    'least_conn': bare('upstream'),
})

HTTP_UPSTREAM_ZONE = built('--without-http_upstream_zone_module', {
    'zone': once('upstream', '12'),
    'resolver': once('upstream', '1+', since='1.27.3'),
    'resolver_timeout': once('upstream', since='1.27.3'),
})

HTTP_V2 = built('--with-http_v2_module', {
    'http2_recv_buffer_size': once('http'),
    'http2_pool_size': once(HS),
    'http2_max_concurrent_streams': once(HS),
    'http2_max_field_size': once(HS),
    'http2_max_header_size': once(HS),
    'http2_streams_index_size': once(HS),
    'http2_recv_timeout': once(HS),
    'http2_idle_timeout': once(HS),
    'http2_chunk_size': once(HSL),
    'http2_body_preread_size': once(HS, since='1.10.2'),
    'http2_max_requests': once(HS, since='1.11.6'),
    'http2_max_concurrent_pushes': once(HS, since='1.13.9'),
    'http2_push_preload': flag(HSL, since='1.13.9'),
    'http2_push': many(HSL, since='1.13.9'),
    'http2': flag(HS, since='1.25.1'),
})

HTTP_UPSTREAM_RANDOM = built('--without-http_upstream_random_module', {
    'random': once('upstream', '012', since='1.15.1'),
})

HTTP_V3 = built('--with-http_v3_module', {
    'http3': flag(HS, since='1.25.0'),
    'http3_hq': flag(HS, since='1.25.0'),
    'http3_max_concurrent_streams': once(HS, since='1.25.0'),
    'http3_stream_buffer_size': once(HS, since='1.25.0'),
    'quic_retry': flag(HS, since='1.25.0'),
    'quic_gso': flag(HS, since='1.25.0'),
    'quic_host_key': once(HS, since='1.25.0'),
    'quic_active_connection_id_limit': once(HS, since='1.25.0'),
})

HTTP_UPSTREAM_STICKY = built('--without-http_upstream_sticky_module', {
    'sticky': once('upstream', '2+', since='1.29.6'),
})

HTTP_UPSTREAM_LEAST_TIME = built('--without-http_upstream_least_time_module', {
    'least_time': once('upstream', '12', since='1.31.0'),
})

TABLES = (
    HTTP_ACCESS, HTTP_AUTH_BASIC, HTTP, HTTP_REWRITE, HTTP_SSL, HTTP_UPSTREAM_HASH, HTTP_UPSTREAM_IP_HASH,
    HTTP_UPSTREAM_KEEPALIVE, HTTP_UPSTREAM_LEAST_CONN, HTTP_UPSTREAM_ZONE, HTTP_V2, HTTP_UPSTREAM_RANDOM, HTTP_V3,
    HTTP_UPSTREAM_STICKY, HTTP_UPSTREAM_LEAST_TIME,
)
