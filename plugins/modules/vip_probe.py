#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: vip_probe
short_description: Ask over HTTP what answers on each virtual IP
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Sends one C(GET) to each virtual IP, to all of them at the same time, from the host that the module runs on.
  - That an address does not answer is no failure; RV(answers) tells what came instead.
  - Run it on a host outside of the cluster. A host that holds a virtual IP reaches it without the network.
options:
  addresses:
    description:
      - The virtual IPs, IPv4 or IPv6, without a prefix length.
    type: list
    elements: str
    required: true
  port:
    description:
      - The TCP port.
    type: int
    default: 80
  path:
    description:
      - What is asked for.
    type: str
    default: /
  timeout:
    description:
      - Seconds for each of connecting, sending, and every piece of the answer.
    type: float
    default: 5
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - It only asks, so it does the same in check mode.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details:
      - It changes nothing, so there is nothing to compare.
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: full
    details:
      - RV(ignore:changed) is always V(false).
  platform:
    description: The platforms that the module runs on.
    support: full
    platforms: linux
notes:
  - No proxy is used, whatever the environment says, and no redirection is followed. The name that is asked for is the address.
  - The module fails when no address is given, and on a timeout that is not more than 0.
seealso:
  - module: vipkit.ha.vip_ownership
  - plugin: vipkit.ha.vip_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Ask a client what it gets through the virtual IPs
  vipkit.ha.vip_probe:
    addresses:
      - 192.0.2.10
      - 2001:db8::10
  delegate_to: client
  register: probed

- name: Require that all of them answer
  ansible.builtin.assert:
    that: probed.answers | selectattr('status', 'equalto', 200) | length == 2
"""

RETURN = r"""
answers:
  description: One for each of O(addresses), in their order.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The virtual IP as it was given.
      returned: always
      type: str
      sample: 192.0.2.10
    status:
      description: Status code of the answer, 0 if there was none.
      returned: always
      type: int
      sample: 200
    line:
      description: The first line of the answer's body, up to 200 characters.
      returned: when there was an answer
      type: str
      sample: node128
    error:
      description: Why there was no answer.
      returned: when there was none
      type: str
      sample: timed out
  sample:
    - address: 192.0.2.10
      status: 200
      line: node128
msg:
  description: What is wrong with the options.
  returned: on failure
  type: str
"""

import contextlib
import socket
import threading

from ansible.module_utils.basic import AnsibleModule

try:
    from http.client import HTTPConnection, HTTPException
except ImportError:  # Python 2
    from httplib import HTTPConnection, HTTPException

LONGEST = 4096  # bytes of a body that are read
LINE = 200


def first_line(body):
    """Of a page, without control characters that a terminal would obey."""
    lines = body.decode('utf-8', 'replace').strip().splitlines()
    return ''.join(letter for letter in lines[0][:LINE] if letter >= ' ') if lines else ''


def ask(address, port, path, timeout):
    try:
        with contextlib.closing(HTTPConnection(address, port, timeout=timeout)) as connection:
            connection.request('GET', path, headers={'Connection': 'close'})
            response = connection.getresponse()
            return {'address': address, 'status': response.status, 'line': first_line(response.read(LONGEST))}
    except (socket.error, HTTPException, ValueError) as error:  # the last for a name that is none
        return {'address': address, 'status': 0, 'error': getattr(error, 'strerror', None) or str(error) or error.__class__.__name__}


def ask_all(addresses, port, path, timeout):
    """All at the same time: one that is dead shall not make the others wait."""
    answers = {}

    def note(place, address):
        answers[place] = ask(address, port, path, timeout)

    threads = [threading.Thread(target=note, args=one) for one in enumerate(addresses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[place] for place in range(len(addresses))]


def main():
    module = AnsibleModule(
        argument_spec=dict(
            addresses=dict(type='list', elements='str', required=True),
            port=dict(type='int', default=80),
            path=dict(type='str', default='/'),
            timeout=dict(type='float', default=5),
        ),
        supports_check_mode=True,
    )
    addresses, timeout = module.params['addresses'], module.params['timeout']
    if not addresses:
        module.fail_json(msg='there is no virtual IP to ask; give at least one in addresses')
    if not 0 < timeout < float('inf'):
        module.fail_json(msg='timeout is %s; give it as seconds, more than 0' % timeout)
    module.exit_json(changed=False, answers=ask_all(addresses, module.params['port'], module.params['path'], timeout))


if __name__ == '__main__':
    main()
