# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_conf
short_description: Write nginx.conf
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Turns a description of an nginx into the text of its C(nginx.conf).
  - Every directive comes from a table, which knows those of all modules that nginx comes with, from 1.9.9 to 1.31.4, but for mail and
    Perl; where each may stand, how often, and what it takes. One that is not there is an error that names the nearest ones. So is one
    that may not stand where it does, that O(version) does not have, or that needs a module that O(configure_flags) do not build. All
    errors come together, each with its place, such as C(http > server app > location /).
  - The same holds for the parameters of C(listen), of a C(server) of an upstream, of C(proxy_next_upstream) and its likes, and of
    C(ssl_protocols). Other values are written as they are given; C(nginx -t) judges them.
  - Quotes and braces always balance and no value can end its directive. What stands in a message is never a value that may be a secret.
positional: _input, version, configure_flags
options:
  _input:
    description:
      - A dictionary of the parts below. The order of a dictionary is the order in the file, but that C(load_module) comes first, and in
        C(http) and C(stream) upstreams and then servers come after all else.
      - A directive is a key with nginx's own name. Its value is its arguments, as text that nginx takes, or a number. V(true) and
        V(false) are C(on) and C(off); for a directive without arguments, such as C(ip_hash), V(true) writes it and V(false) leaves it
        out. V(null) leaves any directive out, so that one can be taken away from a default.
      - A list is the directive once for each item, for those that may stand more than once. An item that is a list itself is the
        arguments one by one, as nginx is to see them; they are put in quotes where they need them.
      - A block is a dictionary, or a list of them. What stands before its brace is the C(path) of a C(location), the C(condition) of an
        C(if), with or without its parentheses, the C(method) of a C(limit_except), and the C(args) of all others.
      - A C(map), C(geo), C(split_clients), C(charset_map) or C(types) has C(entries), a dictionary of each key to its value.
      - The key C(raw) is text that is taken as it is and where it stands, in any block, for what has no directive here, such as those of
        modules of others. Only its braces, quotes and last semicolon are looked at. Its lines are indented, those inside of quotes, too.
    type: dict
    required: true
    suboptions:
      main:
        description: Directives outside of any block.
        type: dict
      events:
        description: Directives of C(events), which is always written.
        type: dict
      http:
        description: Directives of C(http), C(map) and its likes among them. The block is written when there is anything for it.
        type: dict
      upstreams:
        description: Upstreams of C(http). Each has a C(name), and C(server) as a list of addresses with their parameters.
        type: list
        elements: dict
      servers:
        description:
          - Servers of C(http), each with its directives. Its C(location) is a list, and each of those can have a C(location) again.
          - A C(name) is for messages only; without it they count.
        type: list
        elements: dict
      stream:
        description: Directives of C(stream). The block is written when there is anything for it.
        type: dict
      streams:
        description:
          - Servers of C(stream). With C(server), a list of addresses, an upstream that has the C(name) is written, too, and the server
            passes to it. What can only stand in an upstream, such as C(least_conn) or C(zone), goes there.
          - Without C(server), it has a C(proxy_pass) of its own.
        type: list
        elements: dict
  version:
    description: Version of the nginx that the file is for. Without it, every directive of every known version is taken.
    type: str
    default: ''
  configure_flags:
    description:
      - What nginx was configured with. Without it, every module counts as built; with an empty list, those that are built by default.
    type: list
    elements: str
seealso:
  - plugin: vipkit.ha.keepalived_conf
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at a load balancer of two backends and of a database
  ansible.builtin.debug:
    msg: "{{ balancer | vipkit.ha.nginx_conf(version='1.26.3', configure_flags=['--with-http_ssl_module', '--with-stream']) }}"
  vars:
    balancer:
      main:
        worker_processes: auto
        error_log: /var/log/nginx/error.log warn
      events:
        worker_connections: 1024
      http:
        include: mime.types
        server_tokens: false
        log_format:
          - [json, escape=json, '{"client": "$remote_addr", "status": $status}']
        map:
          - args: $http_upgrade $connection_upgrade
            entries: {default: upgrade, "": close}
      upstreams:
        - name: app
          server: ["192.0.2.21:8080 max_fails=2", "192.0.2.22:8080 max_fails=2"]
          least_conn: true
          keepalive: 16
      servers:
        - name: app
          listen: [80 default_server, 443 ssl]
          server_name: www.example.com
          ssl_certificate: /etc/ssl/www.example.com.pem
          ssl_certificate_key: /etc/ssl/www.example.com.key
          location:
            - path: /
              proxy_pass: http://app
              proxy_http_version: 1.1
              proxy_set_header: [Host $host, Upgrade $http_upgrade, Connection $connection_upgrade]
            - path: '~ \.(png|css)$'
              root: /srv/www
              expires: 1h
      streams:
        - name: db
          listen: 192.0.2.10:5432
          server: ["192.0.2.31:5432", "192.0.2.32:5432 backup"]
          proxy_timeout: 1h
"""

RETURN = r"""
_value:
  description: Text of the file, with a newline at its end.
  type: str
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_conf import render


def nginx_conf(description, version='', configure_flags=None):
    """The text of nginx.conf for a description."""
    try:
        return render(description, str(version), configure_flags)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'nginx_conf': nginx_conf}
