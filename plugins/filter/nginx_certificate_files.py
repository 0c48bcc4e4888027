# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_certificate_files
short_description: Turn certificates and keys into files beside nginx.conf
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives C(tls/NAME.crt) and C(tls/NAME.key) for each. The key is a secret, and for root alone.
positional: _input
options:
  _input:
    description: Certificates, each with C(name), C(certificate) and C(key).
    type: list
    elements: dict
    required: true
seealso:
  - module: vipkit.ha.nginx_config
"""

EXAMPLES = r"""
- name: Show which files there will be
  ansible.builtin.debug:
    msg: "{{ nginx_certificates | vipkit.ha.nginx_certificate_files | map(attribute='path') }}"
"""

RETURN = r"""
_value:
  description: The files as O(vipkit.ha.nginx_config#module:files) takes them.
  type: list
  elements: dict
"""


def ended(text):
    """A text that ends with a newline, as what follows it in a file of certificates needs."""
    return text if text.endswith('\n') else text + '\n'


def nginx_certificate_files(certificates):
    """Two files for each."""
    return [file for one in certificates for file in (
        {'path': f"tls/{one['name']}.crt", 'content': ended(one['certificate'])},
        {'path': f"tls/{one['name']}.key", 'content': ended(one['key']), 'mode': '0600', 'secret': True})]


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'nginx_certificate_files': nginx_certificate_files}
