# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directives of the further modules of http that nginx comes with. PRIVATE to this collection."""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives_kinds import (
    HSL, HSLI, bare, built, flag, lookup, many, once,
)

HTTP_ADDITION = built('--with-http_addition_module', {
    'add_before_body': once(HSL),
    'add_after_body': once(HSL),
    'addition_types': many(HSL, '1+'),
})

HTTP_AUTH_REQUEST = built('--with-http_auth_request_module', {
    'auth_request': once(HSL),
    'auth_request_set': many(HSL, '2'),
})

HTTP_AUTOINDEX = built('--without-http_autoindex_module', {
    'autoindex': flag(HSL),
    'autoindex_format': once(HSL),
    'autoindex_localtime': flag(HSL),
    'autoindex_exact_size': flag(HSL),
})

HTTP_BROWSER = built('--without-http_browser_module', {
    'modern_browser': many(HSL, '12'),
    'ancient_browser': many(HSL, '1+'),
    'modern_browser_value': once(HSL),
    'ancient_browser_value': once(HSL),
})

HTTP_CHARSET = built('--without-http_charset_module', {
    'charset': once(HSLI),
    'source_charset': once(HSLI),
    'override_charset': flag(HSLI),
    'charset_types': many(HSL, '1+'),
    'charset_map': lookup('http'),
})

HTTP_DAV = built('--with-http_dav_module', {
    'dav_methods': many(HSL, '1+'),
    'create_full_put_path': flag(HSL),
    'min_delete_depth': once(HSL),
    'dav_access': once(HSL, '123'),
})

HTTP_DEGRADATION = built('--with-http_degradation_module', {
    'degradation': once('http'),
    'degrade': once(HSL),
})

HTTP_EMPTY_GIF = built('--without-http_empty_gif_module', {
    'empty_gif': bare('location'),
})

HTTP_FLV = built('--with-http_flv_module', {
    'flv': bare('location'),
})

HTTP_GEO = built('--without-http_geo_module', {
    'geo': lookup('http', '12'),
})

HTTP_GEOIP = built('--with-http_geoip_module', {
    'geoip_country': once('http', '12'),
    'geoip_org': once('http', '12'),
    'geoip_city': once('http', '12'),
    'geoip_proxy': many('http'),
    'geoip_proxy_recursive': flag('http'),
})

HTTP_GUNZIP = built('--with-http_gunzip_module', {
    'gunzip': flag(HSL),
    'gunzip_buffers': once(HSL, '2'),
})

HTTP_GZIP = built('--without-http_gzip_module', {
    'gzip': flag(HSLI),
    'gzip_buffers': once(HSL, '2'),
    'gzip_types': many(HSL, '1+'),
    'gzip_comp_level': once(HSL),
    'gzip_window': once(HSL),
    'gzip_hash': once(HSL),
    'postpone_gzipping': once(HSL),
    'gzip_no_buffer': flag(HSL),
    'gzip_min_length': once(HSL),
})

HTTP_GZIP_STATIC = built('--with-http_gzip_static_module', {
    'gzip_static': once(HSL),
})

HTTP_IMAGE_FILTER = built('--with-http_image_filter_module', {
    'image_filter': many('location', '123'),
    'image_filter_jpeg_quality': once(HSL),
    'image_filter_sharpen': once(HSL),
    'image_filter_transparency': flag(HSL),
    'image_filter_interlace': flag(HSL),
    'image_filter_buffer': once(HSL),
    'image_filter_webp_quality': once(HSL, since='1.11.6'),
})

HTTP_LIMIT_CONN = built('--without-http_limit_conn_module', {
    'limit_conn_zone': many('http', '2'),
    'limit_conn': many(HSL, '2'),
    'limit_conn_log_level': once(HSL),
    'limit_conn_status': once(HSL),
    'limit_conn_dry_run': flag(HSL, since='1.17.6'),
})

HTTP_LIMIT_REQ = built('--without-http_limit_req_module', {
    'limit_req_zone': many('http', '3'),
    'limit_req': many(HSL, '123'),
    'limit_req_log_level': once(HSL),
    'limit_req_status': once(HSL),
    'limit_req_dry_run': flag(HSL, since='1.17.1'),
})

HTTP_MAP = built('--without-http_map_module', {
    'map': lookup('http'),
    'map_hash_max_size': once('http'),
    'map_hash_bucket_size': once('http'),
})

HTTP_MP4 = built('--with-http_mp4_module', {
    'mp4': bare('location'),
    'mp4_buffer_size': once(HSL),
    'mp4_max_buffer_size': once(HSL),
    'mp4_start_key_frame': flag(HSL, since='1.21.4'),
})

HTTP_RANDOM_INDEX = built('--with-http_random_index_module', {
    'random_index': flag('location'),
})

HTTP_REALIP = built('--with-http_realip_module', {
    'set_real_ip_from': many(HSL),
    'real_ip_header': once(HSL),
    'real_ip_recursive': flag(HSL),
})

HTTP_REFERER = built('--without-http_referer_module', {
    'valid_referers': many('server location', '1+'),
    'referer_hash_max_size': once('server location'),
    'referer_hash_bucket_size': once('server location'),
})

HTTP_SECURE_LINK = built('--with-http_secure_link_module', {
    'secure_link': once(HSL),
    'secure_link_md5': once(HSL),
    'secure_link_secret': once(HSL),
})

HTTP_SPLIT_CLIENTS = built('--without-http_split_clients_module', {
    'split_clients': lookup('http'),
})

HTTP_SSI = built('--without-http_ssi_module', {
    'ssi': flag(HSLI),
    'ssi_silent_errors': flag(HSL),
    'ssi_ignore_recycled_buffers': flag(HSL),
    'ssi_min_file_chunk': once(HSL),
    'ssi_value_length': once(HSL),
    'ssi_types': many(HSL, '1+'),
    'ssi_last_modified': flag(HSL),
})

HTTP_STUB_STATUS = built('--with-http_stub_status_module', {
    'stub_status': once('server location', '01'),
})

HTTP_SUB = built('--with-http_sub_module', {
    'sub_filter': many(HSL, '2'),
    'sub_filter_types': many(HSL, '1+'),
    'sub_filter_once': flag(HSL),
    'sub_filter_last_modified': flag(HSL),
})

HTTP_USERID = built('--without-http_userid_module', {
    'userid': once(HSL),
    'userid_service': once(HSL),
    'userid_name': once(HSL),
    'userid_domain': once(HSL),
    'userid_path': once(HSL),
    'userid_expires': once(HSL),
    'userid_p3p': once(HSL),
    'userid_mark': once(HSL),
    'userid_flags': many(HSL, '123', since='1.19.3'),
})

HTTP_XSLT = built('--with-http_xslt_module', {
    'xml_entities': once(HSL),
    'xslt_stylesheet': many('location', '1+'),
    'xslt_param': many(HSL, '2'),
    'xslt_string_param': many(HSL, '2'),
    'xslt_types': many(HSL, '1+'),
    'xslt_last_modified': flag(HSL),
    'xml_external_entities': flag(HSL, since='1.31.3'),
})

HTTP_SLICE = built('--with-http_slice_module', {
    'slice': once(HSL),
})

HTTP_MIRROR = built('--without-http_mirror_module', {
    'mirror': many(HSL, since='1.13.4'),
    'mirror_request_body': flag(HSL, since='1.13.4'),
})

TABLES = (
    HTTP_ADDITION, HTTP_AUTH_REQUEST, HTTP_AUTOINDEX, HTTP_BROWSER, HTTP_CHARSET, HTTP_DAV, HTTP_DEGRADATION, HTTP_EMPTY_GIF,
    HTTP_FLV, HTTP_GEO, HTTP_GEOIP, HTTP_GUNZIP, HTTP_GZIP, HTTP_GZIP_STATIC, HTTP_IMAGE_FILTER, HTTP_LIMIT_CONN, HTTP_LIMIT_REQ,
    HTTP_MAP, HTTP_MP4, HTTP_RANDOM_INDEX, HTTP_REALIP, HTTP_REFERER, HTTP_SECURE_LINK, HTTP_SPLIT_CLIENTS, HTTP_SSI,
    HTTP_STUB_STATUS, HTTP_SUB, HTTP_USERID, HTTP_XSLT, HTTP_SLICE, HTTP_MIRROR,
)
