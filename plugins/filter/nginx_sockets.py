# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_sockets
short_description: Tell which sockets an nginx has to listen on
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Reads each C(listen) of the servers and streams in a plan.
  - A host name is left out, since only the host itself knows what it stands for. So is a port that is a variable, and what stands in C(raw).
positional: _input
options:
  _input:
    description: What P(vipkit.ha.nginx_plan#filter) gives.
    type: dict
    required: true
seealso:
  - module: vipkit.ha.nginx_reload
"""

EXAMPLES = r"""
- name: Show what is listened on
  ansible.builtin.debug:
    msg: "{{ plan | vipkit.ha.nginx_sockets }}"
"""

RETURN = r"""
_value:
  description: The sockets as O(vipkit.ha.nginx_reload#module:listen) takes them, sorted, each once.
  type: list
  elements: str
"""

import ipaddress

from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_plan import entries


def is_address(text):
    """Whether this is an IP address."""
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def socket_of(listen):
    """One C(listen) as a socket, or None."""
    where, *parameters = str(listen).split()
    udp = '/udp' if 'udp' in parameters else ''
    if where.startswith('unix:'):
        return where
    if where.isdigit():
        return f'*:{where}{udp}'
    host, colon, port = where.rpartition(':') if not where.endswith(']') else (where, '', '')
    host, port = (host, port) if colon else (where, '80')
    plain = host[1:-1] if host.startswith('[') else host
    return f'{host}:{port}{udp}' if port.isdigit() and (host == '*' or is_address(plain)) else None


def nginx_sockets(plan):
    """All sockets of a plan."""
    found = {socket_of(listen) for block in [*plan['servers'], *plan['streams']] for listen in entries(block.get('listen'))}
    return sorted(found - {None})


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'nginx_sockets': nginx_sockets}
