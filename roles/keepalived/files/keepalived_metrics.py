# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write what keepalived tells of itself as metrics for Prometheus, once.

keepalived answers in a /tmp of its own, which this program shares (PrivateTmp, JoinsNamespaceOf).
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import argparse
import re
import signal
import sys
import time

from keepalived_dump import Silent, dumps, main_process, parse_data, parse_stats, vrrp_process
from vipkit_metrics import exposition, known_to_all, of_the_collection, output, publish

FOLDER = '/tmp'
STATES = {'INIT': 0, 'BACKUP': 1, 'MASTER': 2, 'FAULT': 3}

COUNTERS = [
    # name, where it stands in the dump, what it counts
    ('keepalived_advertisements_received_total', 'Advertisements/Received', 'Advertisements of others that were received.'),
    ('keepalived_advertisements_sent_total', 'Advertisements/Sent', 'Advertisements sent.'),
    ('keepalived_become_master_total', 'Became master', 'How often the instance has become master.'),
    ('keepalived_release_master_total', 'Released master', 'How often it has ceased to be master.'),
    ('keepalived_priority_zero_received_total', 'Priority Zero/Received', 'Masters that said that they stop.'),
    ('keepalived_priority_zero_sent_total', 'Priority Zero/Sent', 'How often it has said that it stops.'),
]
ERRORS = {
    'length': 'Packet Errors/Length',
    'ttl': 'Packet Errors/TTL',
    'type': 'Packet Errors/Invalid Type',
    'advertisement_interval': 'Packet Errors/Advertisement Interval',
    'address_list': 'Packet Errors/Address List',
    'auth_type': 'Authentication Errors/Invalid Type',
    'auth_type_mismatch': 'Authentication Errors/Type Mismatch',
    'auth_pass': 'Authentication Errors/Failure',
}
METRICS = known_to_all('keepalived') + [
    ('keepalived_up', 'gauge', 'Whether the process that does VRRP runs and answers.'),
    ('keepalived_vrrp_state', 'gauge', 'State of the instance: 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT.'),
    ('keepalived_vrrp_priority', 'gauge', 'Priority of the instance as configured.'),
    ('keepalived_vrrp_effective_priority', 'gauge', 'Priority with what checks add to it.'),
    ('keepalived_vrrp_last_transition_timestamp_seconds', 'gauge', 'When the instance changed its state last.'),
    ('keepalived_virtual_ipaddress_held', 'gauge', 'Whether an interface of this host has the virtual IP.'),
    ('keepalived_vrrp_script_success', 'gauge', 'Whether keepalived counts the check as good; none before its first result.'),
] + [(name, 'counter', what) for name, dummy, what in COUNTERS] + [
    ('keepalived_packet_errors_total', 'counter', 'Advertisements that were dropped, by what was wrong with them.'),
]


def addresses():
    """Return those that the interfaces of this host have."""
    return set(re.findall(r' inet6? ([0-9a-f.:]+)', output('ip', '-o', 'address', 'show')))


def samples_of(data, stats, held):
    """Return what is known of a keepalived that answers."""
    instances, scripts = parse_data(data)
    counters, found = parse_stats(stats), []
    for one in instances:
        labels = {'vrrp_instance': one['name'], 'virtual_router_id': str(one['virtual_router_id']), 'interface': one['interface']}
        own = counters.get(one['name'], {})
        told = [('state', STATES.get(one['state'])), ('priority', one['priority']), ('effective_priority', one['effective_priority']),
                ('last_transition_timestamp_seconds', one['last_transition'])]
        found += [('keepalived_vrrp_' + key, labels, value) for key, value in told if value is not None]
        found += [('keepalived_virtual_ipaddress_held', dict(labels, virtual_ipaddress=address), address in held)
                  for address in one['addresses']]
        found += [(name, labels, own[where]) for name, where, dummy in COUNTERS if where in own]
        found += [('keepalived_packet_errors_total', dict(labels, error=error), own[where]) for error, where in sorted(ERRORS.items())
                  if where in own]
    return found + [('keepalived_vrrp_script_success', {'vrrp_script': name}, good) for name, good in scripts if good is not None]


def collect(unit):
    """Return what there is to tell; of one that does not answer, only that."""
    try:
        data, stats = dumps(vrrp_process(main_process(output('systemctl', 'show', '-p', 'MainPID', unit))), FOLDER)
    except Silent as why:
        print('{0}, so keepalived_up is 0'.format(why), file=sys.stderr)
        return [('keepalived_up', {}, 0)]
    return [('keepalived_up', {}, 1)] + samples_of(data, stats, addresses())


def main():
    parser = argparse.ArgumentParser(description='Write what keepalived tells of itself as metrics for Prometheus, once.')
    parser.add_argument('--unit', default='keepalived.service')
    parser.add_argument('--stamp', default='/etc/ansible/facts.d/vipkit_keepalived.fact', help='what is installed')
    parser.add_argument('--textfile', help='where to; else it is printed')
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *dummy: sys.exit(1))  # so that what was asked for is removed: the password is in it
    samples = of_the_collection('keepalived', options.stamp, ('/run/keepalived.started', '/run/keepalived.loaded'), int(time.time()))
    publish(options.textfile, exposition(METRICS, samples + collect(options.unit)))


if __name__ == '__main__':
    main()
