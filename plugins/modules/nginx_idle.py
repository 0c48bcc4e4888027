#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nginx_idle
short_description: Wait until nginx has no client left
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Counts the TCP connections of clients to the ports that an nginx listens on, and looks again until there is none or until O(timeout).
  - Connections through an address that the host no longer has do not count, since nothing can pass through them any more, nor do those from the
    host itself, such as health checks.
  - That some are left when the time is over is no failure; RV(connections) tells how many.
options:
  pid_path:
    description:
      - The pid file of the nginx. Where none runs, there is no client.
    type: path
    required: true
  timeout:
    description:
      - Seconds to wait. V(0) looks once.
    type: float
    default: 30
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - It only reads. In check mode it looks once.
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
  - It needs root, to see which sockets are nginx's.
  - It closes nothing. A client that keeps a connection open through the host's own address counts until it or nginx closes it.
seealso:
  - module: vipkit.ha.vip_hand_over
  - module: vipkit.ha.nginx_reload
"""

EXAMPLES = r"""
- name: Wait until nobody is served any more
  vipkit.ha.nginx_idle:
    pid_path: /usr/local/nginx/nginx.pid
    timeout: 60
"""

RETURN = r"""
connections:
  description: Connections of clients at the last look.
  returned: success
  type: int
  sample: 0
elapsed:
  description: Seconds until then.
  returned: success
  type: float
  sample: 0.4
msg:
  description: What could not be read, and what to do.
  returned: on failure
  type: str
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible_collections.vipkit.ha.plugins.module_utils import _clock, _netlink, _nginx

PAUSE = 0.2
ESTABLISHED = '01'
LOOPBACK = (u'127.', u'::1', u'::ffff:127.')
MAPPED = u'::ffff:'


def clients(table, kind, ports, own):
    """How many connections in a table of the kernel are from elsewhere, to these ports, on addresses that the host has."""
    found = 0
    for line in table:
        fields = line.split(None, 4)
        if len(fields) < 4 or fields[3] != ESTABLISHED or int(fields[1].rpartition(':')[2], 16) not in ports:
            continue
        local, remote = (_nginx.listener_of(kind, end).address for end in fields[1:3])
        bare = local[len(MAPPED):] if local.startswith(MAPPED) else local
        found += bare in own and not remote.startswith(LOOPBACK) and remote != local
    return found


def ports_of(proc, pid_path):
    """The TCP ports that an nginx listens on."""
    masters = [one for one in (_nginx.family(proc, pid_path).current, _nginx.family(proc, pid_path).older) if one]
    names = set(name for one in masters for name in _nginx.sockets(proc, one.process.pid))
    return set(listener.port for one in masters[:1] for name, listener in _nginx.listening(proc, one.process.pid).items()
               if name in names and listener.kind.startswith('tcp'))


def count(proc, ports):
    own = set(one['address'] for one in _netlink.addresses())
    found = 0
    for kind in ('tcp', 'tcp6'):
        path = os.path.join(proc, 'net', kind)
        if ports and os.path.exists(path):
            with open(path) as table:
                next(table)  # what its columns are called
                found += clients(table, kind, ports, own)
    return found


def wait(look, clock, pause, timeout):
    start = clock()
    while True:
        found, elapsed = look(), clock() - start
        if not found or elapsed >= timeout:
            return {'connections': found, 'elapsed': round(elapsed, 3)}
        pause(PAUSE)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            pid_path=dict(type='path', required=True),
            timeout=dict(type='float', default=30),
        ),
        supports_check_mode=True,
    )
    timeout = module.params['timeout']
    if not 0 <= timeout < float('inf'):
        module.fail_json(msg='timeout is %s; give it as seconds, 0 or more' % timeout)
    try:
        ports = ports_of('/proc', module.params['pid_path'])
        result = wait(lambda: count('/proc', ports), _clock.monotonic, time.sleep, 0 if module.check_mode else timeout)
    except (_nginx.NginxError, _netlink.NetlinkError) as error:
        module.fail_json(msg=to_native(error))
    module.exit_json(changed=False, **result)


if __name__ == '__main__':
    main()
