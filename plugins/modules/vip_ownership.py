#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: vip_ownership
short_description: Tell which virtual IPs a host holds, and wait until they are the expected ones
version_added: 1.0.0
author: "vipkit.ha contributors (@vipkit)"
description:
  - Reads the addresses of one host from its kernel and compares them with the virtual IPs that this host is expected to hold
    and those that it must not hold.
  - Looks again and again until the expected state has lasted for O(stable_for) without a break, or until O(timeout).
  - Does not know what other hosts hold. Two hosts that hold the same virtual IP each look right to themselves if both were
    told to expect it, so compare the RV(holding) of all hosts where that matters.
  - Does not look at keepalived, and does not test whether anything answers on a virtual IP.
options:
  owned:
    description:
      - Virtual IPs that this host is expected to hold, IPv4 or IPv6, with or without a prefix length.
      - They are compared by value. V(2001:DB8:0:0::1) equals V(2001:db8::1), and the prefix length is not compared.
    type: list
    elements: str
    default: []
  not_owned:
    description:
      - Virtual IPs that this host must not hold, written as in O(owned).
    type: list
    elements: str
    default: []
  watched:
    description:
      - Virtual IPs, written as in O(owned), that this host may hold or not. They are only reported, in RV(holding).
      - At least one virtual IP must be given in O(owned), O(not_owned) or here, and none may be given in two of them.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds until the expected state must have been reached and have lasted for O(stable_for).
      - V(0) looks exactly once and takes what it sees.
    type: float
    default: 30
  stable_for:
    description:
      - Seconds for which every look must show the expected state before it counts, so that a virtual IP that moves back and
        forth is not taken for one that has arrived.
      - Must not be greater than O(timeout). Not used when O(timeout=0).
    type: float
    default: 2
  sleep:
    description:
      - Seconds between two looks.
    type: float
    default: 0.2
  fail_on_mismatch:
    description:
      - Whether the module fails when the state is not the expected one in time.
      - V(false) only reports it in RV(as_expected) and RV(msg). Errors in the options and in reading the host still fail.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
    details:
      - It only reads, so it does the same in check mode, the waiting included.
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
  - The addresses come from the kernel through rtnetlink, in the network namespace that the module runs in. Neither the C(ip)
    command nor root is needed.
  - An IPv6 address that is C(tentative) or C(dadfailed) does not count as held, because the kernel does not answer for it.
  - The state of the interface does not decide. An address on an interface without a carrier counts as held; RV(addresses)
    tells RV(addresses[].up) and RV(addresses[].lower_up).
  - A virtual IP that leaves and returns between two looks is not noticed.
  - The module fails on an address that it cannot read, on a virtual IP in two lists, on no virtual IP at all, on seconds that
    are negative, and on O(stable_for) greater than O(timeout), all before the first look. It fails when the kernel cannot be
    asked, and on a mismatch if O(fail_on_mismatch=true).
  - Source of the reading is rtnetlink(7).
seealso:
  - name: rtnetlink(7)
    description: How Linux tells its addresses.
    link: https://man7.org/linux/man-pages/man7/rtnetlink.7.html
"""

EXAMPLES = r"""
- name: Prove that this host has its own virtual IP and not the one of its peer
  vipkit.ha.vip_ownership:
    owned:
      - 192.0.2.10/24
    not_owned:
      - 192.0.2.11/24

- name: Wait until a drained host has let go of everything
  vipkit.ha.vip_ownership:
    not_owned:
      - 192.0.2.10
      - 2001:db8::10
    timeout: 60
    stable_for: 5

- name: Look once which of the virtual IPs each host holds
  vipkit.ha.vip_ownership:
    owned:
      - 192.0.2.10
      - 192.0.2.11
    timeout: 0
    fail_on_mismatch: false
  register: ownership

- name: Prove that every virtual IP has exactly one owner in the cluster
  ansible.builtin.assert:
    that: owners | sort == ['192.0.2.10', '192.0.2.11']
    fail_msg: "These are held in the cluster: {{ owners | sort | join(', ') }}"
  vars:
    owners: >-
      {{ ansible_play_hosts | map('extract', hostvars, ['ownership', 'holding']) | flatten | map(attribute='address') }}
  run_once: true
"""

RETURN = r"""
as_expected:
  description: Whether the state was the expected one, and lasted for O(stable_for) unless O(timeout=0).
  returned: when the host could be read
  type: bool
  sample: true
holding:
  description: Which of the given virtual IPs this host held at the last look.
  returned: when the host could be read
  type: list
  elements: dict
  contains:
    address:
      description: The virtual IP in its canonical form.
      returned: always
      type: str
      sample: 192.0.2.10
    prefix:
      description: The prefix length that it has on the host.
      returned: always
      type: int
      sample: 24
    interface:
      description: The interface that it is on.
      returned: always
      type: str
      sample: eth0
  sample:
    - address: 192.0.2.10
      prefix: 24
      interface: eth0
missing:
  description: Those of O(owned), in canonical form, that the host did not hold at the last look.
  returned: when the host could be read
  type: list
  elements: str
  sample: []
unexpected:
  description: Those of O(not_owned), in canonical form, that the host did hold at the last look.
  returned: when the host could be read
  type: list
  elements: str
  sample: []
addresses:
  description: All IPv4 and IPv6 addresses of the host at the last look.
  returned: when the host could be read
  type: list
  elements: dict
  contains:
    interface:
      description: Name of the interface.
      returned: always
      type: str
      sample: eth0
    index:
      description: Index of the interface.
      returned: always
      type: int
      sample: 2
    family:
      description: V(ipv4) or V(ipv6).
      returned: always
      type: str
      sample: ipv4
    address:
      description: The address in its canonical form.
      returned: always
      type: str
      sample: 192.0.2.10
    prefix:
      description: Prefix length.
      returned: always
      type: int
      sample: 24
    scope:
      description: V(global), V(site), V(link), V(host), V(nowhere), or the number of another scope.
      returned: always
      type: str
      sample: global
    flags:
      description:
        - Those of V(secondary) (IPv4), V(temporary) (IPv6), V(nodad), V(optimistic), V(dadfailed), V(deprecated), V(tentative)
          and V(permanent) that are set.
      returned: always
      type: list
      elements: str
      sample: [secondary, permanent]
    up:
      description: Whether the interface is set up.
      returned: always
      type: bool
      sample: true
    lower_up:
      description: Whether the interface has a carrier.
      returned: always
      type: bool
      sample: true
    mac:
      description: Hardware address of the interface, empty where it has none.
      returned: always
      type: str
      sample: "00:00:5e:00:53:01"
  sample:
    - interface: eth0
      index: 2
      family: ipv4
      address: 192.0.2.10
      prefix: 24
      scope: global
      flags: [secondary, permanent]
      up: true
      lower_up: true
      mac: "00:00:5e:00:53:01"
elapsed:
  description: Seconds from the start until the last look.
  returned: when the host could be read
  type: float
  sample: 3.418
stable_for:
  description: Seconds for which the expected state had lasted at the last look.
  returned: when the host could be read
  type: float
  sample: 2.004
transitions:
  description: What the host held of the given virtual IPs at the first look, and each change of it seen later.
  returned: when the host could be read
  type: list
  elements: dict
  contains:
    elapsed:
      description: Seconds from the start until the look that showed it.
      returned: always
      type: float
      sample: 1.414
    holding:
      description: The virtual IPs held, sorted, in canonical form.
      returned: always
      type: list
      elements: str
      sample: [192.0.2.10]
  sample:
    - elapsed: 0.001
      holding: []
    - elapsed: 1.414
      holding: [192.0.2.10]
msg:
  description: What is not as expected, and where to look next.
  returned: when the state is not the expected one, and on errors
  type: str
  sample: >-
    node129 does not hold 192.0.2.10 after 30 s (expected); it holds 192.0.2.11 on eth0 unexpectedly; look at the keepalived log
    and at `systemctl status keepalived` on this host
"""

import socket
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vipkit.ha.plugins.module_utils import _clock, _netlink


class InputError(Exception):
    """The options make no sense, whatever the host holds."""


def canonical(vip):
    """The address of 'address' or 'address/prefix' in the form that _netlink.addresses() uses."""
    address, slash, prefix = vip.partition('/')
    family, bits = (socket.AF_INET6, 128) if ':' in address else (socket.AF_INET, 32)
    try:
        packed = socket.inet_pton(family, address)
        usable = not slash or (prefix.isdigit() and int(prefix) <= bits)
    except (socket.error, ValueError):
        usable = False
    if not usable:
        raise InputError("'%s' is not a virtual IP; write it like 192.0.2.10, 192.0.2.10/24 or 2001:db8::10/64" % vip)
    return socket.inet_ntop(family, packed)


def expectation(owned, not_owned, watched):
    """The lists in canonical form, without repetitions, refused where they make no sense together."""
    lists = [sorted(set(canonical(vip) for vip in vips)) for vips in (owned, not_owned, watched)]
    together = sum(lists, [])
    twice = sorted(set(vip for vip in together if together.count(vip) > 1))
    if twice:
        raise InputError('%s is in more than one of owned, not_owned and watched; leave it in one of them' % ', '.join(twice))
    if not together:
        raise InputError('there is no virtual IP to look for; give at least one in owned, not_owned or watched')
    return lists


def check_seconds(timeout, stable_for, sleep):
    for name, value in (('timeout', timeout), ('stable_for', stable_for), ('sleep', sleep)):
        if not 0 <= value < float('inf'):
            raise InputError('%s is %s; give it as seconds, 0 or more' % (name, value))
    if 0 < timeout < stable_for:
        raise InputError('stable_for (%g s) can never be reached within timeout (%g s); lower the one or raise the other'
                         % (stable_for, timeout))


def is_held(address):
    """While the kernel checks whether an IPv6 address is a duplicate, and after it found that it is, it does not answer for it."""
    return not set(address['flags']) & set(['tentative', 'dadfailed'])


def compare(addresses, owned, not_owned, watched=()):
    """What one look shows of the virtual IPs."""
    given = set(owned) | set(not_owned) | set(watched)
    holding = [dict((key, address[key]) for key in ('address', 'prefix', 'interface'))
               for address in addresses if address['address'] in given and is_held(address)]
    held = [one['address'] for one in holding]
    return {
        'addresses': addresses,
        'holding': holding,
        'missing': [vip for vip in owned if vip not in held],
        'unexpected': [vip for vip in not_owned if vip in held],
    }


def wait(look, clock, pause, timeout, stable_for, sleep):
    """Look until the state was the expected one for stable_for seconds without a break, or the time is over."""
    start, since, transitions = clock(), None, []
    while True:
        state = look()
        elapsed = clock() - start
        held = sorted(set(one['address'] for one in state['holding']))
        if not transitions or transitions[-1]['holding'] != held:
            transitions.append({'elapsed': round(elapsed, 3), 'holding': held})

        if state['missing'] or state['unexpected']:
            since, lasted, rest = None, 0.0, timeout
        else:
            since = elapsed if since is None else since
            lasted = elapsed - since
            rest = stable_for - lasted
        as_expected = since is not None and (rest <= 0 or timeout == 0)
        if as_expected or elapsed >= timeout:
            return dict(state, as_expected=as_expected, elapsed=round(elapsed, 3), stable_for=round(lasted, 3), transitions=transitions)
        pause(min(sleep, rest, timeout - elapsed))


def explain(node, result, stable_for):
    """Why the result is not as expected, and where to look."""
    problems = []
    if result['missing']:
        problems.append('does not hold %s after %s (expected)' % (', '.join(result['missing']), in_words(result['elapsed'])))
    problems.extend('has %s on %s, but %s' % (address['address'], address['interface'], why_not_held(address))
                    for address in result['addresses'] if address['address'] in result['missing'])
    problems.extend('holds %(address)s on %(interface)s unexpectedly' % one
                    for one in result['holding'] if one['address'] in result['unexpected'])
    if not problems:
        problems.append('was as expected for only the last %s of %s, where stable_for asks for %s; see transitions in the result' % (
            in_words(result['stable_for']), in_words(result['elapsed']), in_words(stable_for)))
    return '%s %s; look at the keepalived log and at `systemctl status keepalived` on this host' % (node, '; it '.join(problems))


def why_not_held(address):
    if 'dadfailed' in address['flags']:
        return 'unusable (dadfailed): another host on the link answered for it'
    return 'not usable yet (tentative): the kernel still checks whether another host has it'


def in_words(seconds):
    return '%g s' % round(seconds, 1)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            owned=dict(type='list', elements='str', default=[]),
            not_owned=dict(type='list', elements='str', default=[]),
            watched=dict(type='list', elements='str', default=[]),
            timeout=dict(type='float', default=30),
            stable_for=dict(type='float', default=2),
            sleep=dict(type='float', default=0.2),
            fail_on_mismatch=dict(type='bool', default=True),
        ),
        supports_check_mode=True,
    )
    seconds = dict((name, module.params[name]) for name in ('timeout', 'stable_for', 'sleep'))
    try:
        check_seconds(**seconds)
        lists = expectation(*[module.params[name] for name in ('owned', 'not_owned', 'watched')])
        result = wait(lambda: compare(_netlink.addresses(), *lists), _clock.monotonic, time.sleep, **seconds)
    except (InputError, _netlink.NetlinkError) as error:
        module.fail_json(msg=str(error))

    if result['as_expected']:
        module.exit_json(changed=False, **result)
    finish = module.fail_json if module.params['fail_on_mismatch'] else module.exit_json
    finish(changed=False, msg=explain(socket.gethostname(), result, seconds['stable_for']), **result)


if __name__ == '__main__':
    main()
