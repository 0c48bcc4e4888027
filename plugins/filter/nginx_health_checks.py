# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_health_checks
short_description: Work out which servers are to be asked whether they are well, and how
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Fills in what a check of an upstream leaves out. The program C(upstream_health.py) of the role P(vipkit.ha.nginx#role) reads what comes
    out, as JSON.
  - A check without servers gets those of the upstream of its name, without their parameters. Those that are C(down) are left out, those
    that are C(backup) are not. What stands in C(raw) of an upstream is not seen. An address without a port gets port 80, as in nginx.
  - Names of hosts are left as they are.
positional: _input, upstreams
options:
  _input:
    description:
      - The checks, each with a C(name), and if need be with C(servers), C(kind), C(path), C(min_servers), C(interval), C(timeout), C(rise)
        and C(fall).
    type: list
    elements: dict
    required: true
  upstreams:
    description: The upstreams, each with C(name) and C(server).
    type: list
    elements: dict
    required: true
notes:
  - It fails for a name that is there twice or cannot be that of a file, for one that is no upstream without C(servers), and where there
    are no servers or fewer than C(min_servers).
  - It fails for an address that is none of TCP. Sockets with a path cannot be asked.
seealso:
  - plugin: vipkit.ha.nginx_health_refusals
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look what is asked
  ansible.builtin.debug:
    msg: "{{ [{'name': 'shop', 'min_servers': 2}] | vipkit.ha.nginx_health_checks(nginx_upstreams) }}"
"""

RETURN = r"""
_value:
  description: The checks, each with everything that it needs.
  type: list
  elements: dict
"""

import re

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_plan import entries

NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]*')
ADDRESS = re.compile(r'(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]$]+)(?::(\d{1,5}))?')
PATH = re.compile(r'/[!-~]*')
KINDS = ('tcp', 'http')
# of a number how it is read, its least value, and what it is by default
NUMBERS = {'min_servers': (int, 1, 1), 'interval': (float, 0.1, 1), 'timeout': (float, 0.1, 1), 'rise': (int, 1, 2), 'fall': (int, 1, 2)}


def words(entry):
    """The arguments of a directive."""
    return [str(word) for word in entry] if isinstance(entry, (list, tuple)) else str(entry).split()


def servers_of(name, upstreams):
    """The addresses of an upstream that nginx would send something to."""
    found = [upstream for upstream in upstreams if upstream.get('name') == name]
    if not found:
        known = ', '.join(str(upstream.get('name')) for upstream in upstreams) or 'there are none'
        raise ValueError(f'nginx_upstreams has no {name} (it has: {known}): correct the name, or give servers')
    return [arguments[0] for arguments in map(words, entries(found[0].get('server'))) if arguments and 'down' not in arguments[1:]]


def address(text):
    """An address with its port."""
    found = ADDRESS.fullmatch(str(text))
    if not found or not 0 < int(found.group(2) or 80) < 65536:
        only_tcp, brackets = ', since only TCP can: give servers without it', '; an address of IPv6 stands in brackets'
        raise ValueError(f"{text} is no HOST:PORT that can be asked{only_tcp if str(text).startswith('unix:') else brackets}")
    return f'{found.group(1)}:{found.group(2) or 80}'


def number(check, name):
    """A number of a check."""
    read, least, default = NUMBERS[name]
    given = check.get(name, default)
    try:
        value = read(str(given))
    except ValueError:
        value = None
    if value is None or not least <= value < float('inf'):
        raise ValueError(f"{name} is {given}: give {'a whole number' if read is int else 'seconds'}, {least} or more")
    return value


def asked(check):
    """What is asked of each server."""
    kind = check.get('kind', 'tcp')
    if kind not in KINDS:
        raise ValueError(f"kind is {kind}: use {' or '.join(KINDS)}")
    if kind == 'tcp' and 'path' in check:
        raise ValueError('path goes with kind http: add that, or leave path out')
    path = check.get('path', '/')
    if not PATH.fullmatch(str(path)):
        raise ValueError(f'path is {path}: begin it with a slash, and encode spaces and what is not ASCII')
    return {'kind': kind, 'path': path} if kind == 'http' else {'kind': kind}


def complete(check, upstreams):
    """A check with all that it needs."""
    name = str(check['name'])
    if not NAME.fullmatch(name):
        raise ValueError('its name becomes that of a file: use letters, digits, dots, hyphens and underscores, and give servers')
    servers = [address(one) for one in (entries(check['servers']) if 'servers' in check else servers_of(check['name'], upstreams))]
    numbers = {name: number(check, name) for name in NUMBERS}
    if not servers:
        raise ValueError('it has no servers: give some')
    if numbers['min_servers'] > len(servers):
        raise ValueError(f"min_servers is {numbers['min_servers']}, and there are only {len(servers)} servers, so it would always fail")
    return {'name': name, 'servers': servers, **asked(check), **numbers}


def nginx_health_checks(checks, upstreams):
    """The checks as the program reads them."""
    names = [str(check['name']) for check in checks]
    done = []
    for check in checks:
        try:
            if names.count(str(check['name'])) > 1:
                raise ValueError('there are several of this name')
            done.append(complete(check, upstreams))
        except ValueError as error:
            raise AnsibleFilterError(f"nginx_upstream_health, {check['name']}: {error}") from error
    return done


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'nginx_health_checks': nginx_health_checks}
