#!/usr/bin/env python
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long planning and linting take on the controller: HOSTS x INSTANCES, every instance on every host.

    python bench/plan.py

prints the best of three for a quarter, a half and all of it. The limit is 3 s for 100 hosts x 250 instances.
"""

from __future__ import annotations

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tests/unit'))
# It registers the collection.
import conftest  # noqa: E402,F401  pylint: disable=unused-import,wrong-import-position

from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan  # noqa: E402  pylint: disable=wrong-import-position

LIMIT = 3.0


def facts(place):
    """One interface with an address in a /16."""
    address = {'address': f'10.9.{place // 250}.{place % 250 + 1}', 'prefix': '16'}
    return {'ansible_facts': {'interfaces': ['lo', 'eth0'], 'eth0': {'ipv4': address}, 'lo': {'ipv4': {'address': '127.0.0.1', 'prefix': '8'}},
                              'default_ipv4': address}}


def measure(hosts, instances):
    """Seconds for one plan, and how many instances of hosts it holds."""
    names = [f'node{place}' for place in range(hosts)]
    cluster = {
        'vrrp_instances': [{'name': f'instance_{place}', 'virtual_router_id': place + 1, 'virtual_ipaddress': [f'10.9.200.{place + 1}/16']}
                           for place in range(instances)],
        'nodes': names,
        'priority': 254,
        'auth_pass': 'secret',
        'vrrp_scripts': [{'name': 'web', 'interval': 1, 'check': {'kind': 'tcp', 'port': 80}}],
    }
    descriptions = {name: {'cluster': cluster, 'version': '2.0.7', 'configure_flags': [], 'blocks': {}} for name in names}
    hostvars = {name: facts(place) for place, name in enumerate(names)}
    started = time.perf_counter()
    plan = vrrp_plan(descriptions, hostvars)
    taken = time.perf_counter() - started
    assert plan['findings'] == [], plan['findings'][:3]
    return taken, sum(len(host['conf']['vrrp_instance']) for host in plan['hosts'].values())


def main():
    """Measure, and fail when the limit is broken."""
    for hosts, instances in ((25, 250), (50, 250), (100, 250), (100, 125)):
        taken, parts = min(measure(hosts, instances) for dummy in range(3))
        print(f'{hosts:4} hosts x {instances} instances: {taken:.2f} s, {taken / parts * 1e6:.0f} us a host and instance')
        if (hosts, instances) == (100, 250) and taken > LIMIT:
            sys.exit(f'ERROR: more than {LIMIT} s')


if __name__ == '__main__':
    main()
