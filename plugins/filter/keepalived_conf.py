# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: keepalived_conf
short_description: Write one host's keepalived.conf
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Turns one host's part of a plan into the text of its C(keepalived.conf).
  - Every keyword comes from a table; one that the table does not know is an error that names the nearest known ones.
  - Braces always balance and no value can add a line of its own, so that what C(keepalived -t) lets pass in old versions cannot happen.
  - It decides nothing; that is the work of P(vipkit.ha.vrrp_plan#filter).
positional: _input, auth_pass, scripts_dir
options:
  _input:
    description:
      - The blocks C(global_defs), C(vrrp_script) and C(vrrp_instance), the last two as lists in which each has a C(name).
      - The key C(raw) is taken as it is, in any block and at the top.
    type: dict
    required: true
  auth_pass:
    description: Password of each instance by its name. It is kept apart, so that no plan holds a secret.
    type: dict
    default: {}
  scripts_dir:
    description: Directory of the check scripts on this host. A C(vrrp_script) without a C(script) is the one of its own name there.
    type: str
    default: ''
seealso:
  - plugin: vipkit.ha.vrrp_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the configuration of this host
  ansible.builtin.debug:
    msg: "{{ plan.hosts[inventory_hostname].conf | vipkit.ha.keepalived_conf }}"
"""

RETURN = r"""
_value:
  description: Text of the file, with a newline at its end.
  type: str
"""

import difflib

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import BLOCKS

_INDENT = '    '
_HEADER = '! Written by the Ansible collection vipkit.ha from the inventory: what is changed here by hand is lost at the next run.'


def _fail(where, problem):
    raise AnsibleFilterError(f'keepalived.conf: {where}: {problem}')


def _one_line(where, value):
    text = str(value)
    if not text.strip() or any(sign in text for sign in '\n\r{}'):
        _fail(where, f'{text!r} cannot be written: a value is one line without braces, and not empty')
    return text


def _scalar(where, kind, value):
    if kind == 'quoted':
        text = _one_line(where, value)
        if '"' in text:
            _fail(where, f'{text!r} cannot be written: it holds a double quote; put it into a script of its own')
        return f'"{text}"'
    if kind == 'words':
        return _one_line(where, value)
    if kind == 'word':
        text = _one_line(where, value)
        if any(sign.isspace() or sign in '!#"' for sign in text):
            _fail(where, f'{text!r} cannot be written: it has to be one word without blanks, quotes, ! and #')
        return text
    if kind == 'truth':
        return str(_is_true(where, value)).lower()
    name, low, high = kind
    try:
        given = int(str(value)) if name == 'integer' else float(value)
    except ValueError:
        _fail(where, f'{value!r} is no {name}; give one from {low} to {high}')
    if not low <= given <= high:
        _fail(where, f'{value} is out of range; give one from {low} to {high}')
    return str(value)


def _is_true(where, value):
    if not isinstance(value, bool):
        _fail(where, f'{value!r} is neither true nor false')
    return value


def _keyword(where, keyword, kind, value):
    """The lines of one keyword, unindented."""
    if isinstance(kind, dict):
        return _block(where, keyword, kind, value)
    if kind == 'lines':
        if not isinstance(value, list):
            _fail(where, f'{value!r} is no list; write it as [{value}]')
        entries = [_INDENT + _one_line(where, entry) for entry in value]
        return [f'{keyword} {{', *entries, '}'] if entries else []
    if kind == 'flag':
        return [keyword] if _is_true(where, value) else []
    return [f'{keyword} {_scalar(where, kind, value)}']


def _raw(text):
    return str(text).strip('\n').split('\n')


def _block(where, head, table, body):
    """The lines of a block, its keywords in the order of the table."""
    for given in body:
        if given not in table and given not in ('name', 'raw'):
            near = difflib.get_close_matches(given, table, n=3) or sorted(table)
            _fail(where, f"there is no keyword '{given}'; nearest: {', '.join(near)} (or use raw)")
    inner = []
    for keyword, kind in table.items():
        if body.get(keyword) is not None:
            inner += _keyword(f'{where}, {keyword}', keyword, kind, body[keyword])
    if body.get('raw'):
        inner += _raw(body['raw'])
    return [f'{head} {{', *(_INDENT + line for line in inner), '}']


def _with_password(instance, auth_pass):
    authentication = instance.get('authentication')
    if not authentication or instance['name'] not in auth_pass:
        return instance
    return {**instance, 'authentication': {**authentication, 'auth_pass': auth_pass[instance['name']]}}


def keepalived_conf(conf, auth_pass=None, scripts_dir=''):
    """The text of keepalived.conf for one host's plan."""
    unknown = [key for key in conf if key not in BLOCKS and key != 'raw']
    if unknown:
        _fail('top level', f"there is no block '{unknown[0]}'; known: {', '.join(BLOCKS)} (or use raw)")
    sections = [[_HEADER]]
    for block, (table, named) in BLOCKS.items():
        if not named:
            if conf.get(block):
                sections.append(_block(block, block, table, conf[block]))
            continue
        for body in conf.get(block, []):
            head = f"{block} {_scalar(block, 'word', body['name'])}"
            if block == 'vrrp_instance':
                body = _with_password(body, auth_pass or {})
            elif block == 'vrrp_script':
                body = {'script': f"{scripts_dir}/{body['name']}", **body}
            sections.append(_block(head, head, table, body))
    if conf.get('raw'):
        sections.append(_raw(conf['raw']))
    return '\n\n'.join('\n'.join(lines) for lines in sections) + '\n'


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'keepalived_conf': keepalived_conf}
