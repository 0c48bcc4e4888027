# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_plan
short_description: Work out what the nginx.conf of a load balancer is to say
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Adds to a description of upstreams, servers and streams what goes without saying. P(vipkit.ha.nginx_conf#filter) writes what comes out.
  - Whatever proxies gets HTTP/1.1 and kept connections to its backends, the headers C(Host), C(X-Real-IP), C(X-Forwarded-For) and
    C(X-Forwarded-Proto), and WebSocket. A server or location that sets headers of its own keeps the others.
  - Before nginx 1.9.13 a POST whose backend fails went to the next backend, too. A location that proxies is then written as two. What may be
    sent twice is, and the rest is not. Where it cannot be, as with a path in C(proxy_pass) or with C(rewrite), nothing is sent twice. Where
    C(proxy_next_upstream) is given, that holds. An upstream with C(keepalive) gets a copy without it for this, named C(NAME_once), because
    such a version sends again what fails on a kept connection.
  - It does not know which directives there are.
positional: _input, version
options:
  _input:
    description: The inputs.
    type: dict
    required: true
    suboptions:
      main:
        description: Directives outside of any block.
        type: dict
      events:
        description: Directives of the block C(events).
        type: dict
      http_defaults:
        description: Directives of the block C(http) that O(_input.http) may replace.
        type: dict
      http:
        description: Directives of the block C(http). One that is null is left out.
        type: dict
      upstreams:
        description: Upstreams, each with a C(name) and its directives.
        type: list
        elements: dict
      servers:
        description:
          - Servers, each with its directives. Their C(location) is a list in which each has a C(path).
          - C(certificate) is short for C(ssl_certificate) and C(ssl_certificate_key), by the name of both files in O(_input.certificates).
          - C(closed) and C(closed_file) are O(_input.closed) and O(_input.closed_file) for this server alone.
        type: list
        elements: dict
      own_servers:
        description: Servers to which nothing is added.
        type: list
        elements: dict
      listen:
        description: Where a server listens that does not say it.
        type: list
        elements: str
      certificates:
        description: Directory of certificates and keys.
        type: path
      tls_profile:
        description: Which of Mozilla's profiles servers with C(ssl) get, V(modern), V(intermediate) or V(old).
        type: str
      security_headers:
        description: Whether responses get headers that keep browsers from guessing types and from showing pages in foreign frames.
        type: bool
      json_log:
        description: Whether there is a format C(json) for C(access_log).
        type: bool
      closed:
        description: Whether servers answer every request with 503 and O(_input.closed_page).
        type: bool
      closed_file:
        description: File on the host that has servers do so as long as it is there. Empty for none.
        type: str
      closed_page:
        description: File on the host with the page in HTML.
        type: path
      closed_retry_after:
        description: Seconds after which clients are told to come again, as C(Retry-After).
        type: int
      send_once:
        description: Whether locations are split where the version would send a POST twice.
        type: bool
      streams:
        description: What is balanced by layer 4.
        type: list
        elements: dict
      stream:
        description: Directives of the block C(stream).
        type: dict
  version:
    description: Version of nginx.
    type: str
    required: true
seealso:
  - plugin: vipkit.ha.nginx_conf
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the whole of what the role writes
  ansible.builtin.debug:
    msg: "{{ inputs | vipkit.ha.nginx_plan('1.26.3') | vipkit.ha.nginx_conf('1.26.3') }}"
"""

RETURN = r"""
_value:
  description: What P(vipkit.ha.nginx_conf#filter) takes.
  type: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_plan import plan


def nginx_plan(given, version):
    """The description of an nginx.conf."""
    try:
        return plan(given, str(version))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'nginx_plan': nginx_plan}
