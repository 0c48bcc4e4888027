#!/usr/bin/env python
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a virtual IP is away in each fault, beside what VRRP allows, on a pair that site.yml has deployed.

    python bench/failover.py [--profile classic fast] [--runs 20] [--fault stop dead ...] [--write docs/benchmarks.md] [--json FILE]

A client in a third container probes both virtual IPs every 5 ms (module vip_probe), from before the first to after the last run of a fault. What is
measured, and how, stands in docs/benchmarks.md. Ends with status 1 when a goal is missed. Needs what `make setup` makes, and a Docker engine on this
machine.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
import random
import re
import signal
import statistics
import sys
import time

import yaml
from common import ROOT, STATE, Failure, Nodes, chosen_version, machine, over_ssh, put_between_marks, run_playbook, stop

NETWORK = 'bench-failover'
PROGRAMS = ('keepalived', 'nginx')
NODE, PEER, CLIENT = 'node128', 'node129', 'client'
HOSTS = {NODE: 128, PEER: 129, CLIENT: 10}
VIPS = {'vrrp_instance_1': 100, 'vrrp_instance_2': 101}
INSTANCE, OTHER = VIPS                # the first is the node's, the other one is the peer's
CHECK = 'check_nginx'
TIMEOUT = 60                          # seconds for anything to happen
INTERVAL = 0.005                      # seconds between two probes of an address
LONGEST = 3600                        # seconds of probing; it ends when its file goes
RUNNING = '/run/bench-failover'
CONF = '/etc/keepalived/keepalived.conf'
PLANNED = {INSTANCE: [NODE], OTHER: [PEER]}

Fault = collections.namedtuple('Fault', 'title inject heal limit')
FAULTS = {
    'stop': Fault('`systemctl stop keepalived`', 'systemctl stop keepalived', 'systemctl start keepalived', 'skew'),
    'dead': Fault('dead node (container killed)', 'docker kill', 'docker start', 'master down'),
    'kill': Fault('`kill -9` of all of keepalived', 'systemctl kill --kill-who=all --signal=KILL keepalived', '', 'master down'),
    'link': Fault('link down', 'ip link set eth0 down', 'ip link set eth0 up', 'master down'),
    'nginx': Fault('nginx stopped, check fails', 'systemctl stop nginx', 'systemctl start nginx', 'check'),
    'drain': Fault('`drain.yml`, `undrain.yml`', 'playbooks/drain.yml', 'playbooks/undrain.yml', None),
}
LIMITS = {'skew': 'skew', 'master down': '3 × advert + skew', 'check': 'interval × fall + skew', None: 'no loss'}


@dataclasses.dataclass
class Away:
    """For how long an address did not answer in time, and what came of the probes meanwhile."""

    seconds: float
    lost: int
    late: int


@dataclasses.dataclass
class Run:
    """When a fault was made and healed, and what was away: the node's address from the one on, from the other on, and the peer's all the time."""

    injected: float
    healed: float | None
    away: Away
    back: Away
    beside: Away


# The cluster

def inventory(net, profile):
    """What site.yml is given: the settings of inventories/lab, and a profile."""
    lab = yaml.safe_load((ROOT / 'inventories/lab/group_vars/all/10-seed.yml').read_text())
    if profile == 'fast':
        lab['keepalived_auth_pass'] = ''  # VRRP version 3 has none
    instances = [{'name': name, 'virtual_router_id': last, 'virtual_ipaddress': [f'{net}.{last}/24'],
                  'nodes': [NODE, PEER] if name == INSTANCE else [PEER, NODE]} for name, last in VIPS.items()]
    hosts = {name: {'ansible_host': f'{net}.{last}'} for name, last in HOSTS.items()}
    return {'all': {
        'vars': {**lab, **over_ssh(), 'keepalived_vrrp_instances': instances, 'keepalived_profile': profile},
        'children': {'loadbalancers': {'hosts': {name: hosts[name] for name in (NODE, PEER)}}, 'witnesses': {'hosts': {CLIENT: hosts[CLIENT]}}}}}


def wait_until(holds, what):
    """Wait for a condition."""
    end = time.monotonic() + TIMEOUT
    while not holds():
        if time.monotonic() > end:
            raise Failure(f'after {TIMEOUT} s still not so: {what}')
        time.sleep(0.05)


class Pair:
    """Two nodes and a client."""

    def __init__(self, nodes, containers, profile, extra):
        self.lab, self.containers, self.net = nodes.lab, containers, nodes.net
        self.inventory, self.extra = inventory(nodes.net, profile), extra

    def run(self, name, *command):
        """What a command says on a host."""
        done = self.containers[name].exec_run(list(command))
        if done.exit_code != 0:
            raise Failure(f"{' '.join(command)} failed on {name}: {done.output.decode(errors='replace').strip()[-500:]}")
        return done.output.decode(errors='replace')

    def play(self, name, playbook, *arguments):
        """A playbook of the collection."""
        return run_playbook(f'failover-{name}', ROOT / playbook, self.inventory, self.extra, arguments=arguments)

    def vip(self, instance):
        """The address of an instance."""
        return f'{self.net}.{VIPS[instance]}'

    def owners(self):
        """The nodes that have each virtual IP."""
        # one that is dead has none
        texts = {name: self.containers[name].exec_run(['ip', '-o', '-4', 'address']).output.decode() if self.alive(name) else '' for name in (NODE, PEER)}
        return {instance: [name for name, text in texts.items() if f' {self.vip(instance)}/' in text] for instance in VIPS}

    def alive(self, name):
        """Whether a container runs."""
        self.containers[name].reload()
        return self.containers[name].status == 'running'

    def masters(self):
        """How often the node has become master of its own virtual IP."""
        count = f"cat /apps/keepalived/keepalived-*/logs/keepalived.log | grep -c '({INSTANCE}) Entering MASTER STATE'"
        return int(self.containers[NODE].exec_run(['sh', '-c', count]).output.decode().strip() or 0)

    def as_a_router_does_not(self, name):
        """Let a host drop what is no longer for it, as one that is no router does. A container inherits that of this machine, where Docker forwards."""
        self.run(name, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=0')

    def boot(self):
        """Start the dead node again."""
        self.containers[NODE].start()
        self.lab['make_ready'](self.containers[NODE])
        self.as_a_router_does_not(NODE)

    def do(self, what):
        """Make a fault, or heal it."""
        if what == 'docker kill':
            self.containers[NODE].kill()
        elif what == 'docker start':
            self.boot()
        elif what.endswith('.yml'):
            self.play(pathlib.Path(what).stem, what, '--limit', NODE)
        else:
            self.run(NODE, *what.split())

    def settings(self):
        """What keepalived does: of each node, from the file that it runs with."""
        return {name: in_force(self.run(name, 'cat', CONF)) for name in (NODE, PEER)}


def in_force(conf):
    """The settings of a keepalived.conf that decide how long something takes."""
    def block(keyword, name):
        found = re.search(rf'^{keyword} {name} \{{$(.*?)^\}}$', conf, re.MULTILINE | re.DOTALL)
        if not found:
            raise Failure(f'{CONF} has no {keyword} {name}')
        return found.group(1)

    def value(text, keyword, default):
        found = re.search(rf'^\s*{keyword} (\S+)$', text, re.MULTILINE)
        return float(found.group(1)) if found else default

    instance, check = block('vrrp_instance', INSTANCE), block('vrrp_script', CHECK)
    version = int(value(instance, 'version', value(conf, 'vrrp_version', 2)))
    return {'version': version, 'advert_int': value(instance, 'advert_int', 1.0), 'priority': int(value(instance, 'priority', 100)),
            'interval': value(check, 'interval', 1.0), 'fall': int(value(check, 'fall', 1)), 'weight': int(value(check, 'weight', 0))}


def limits(settings):
    """Seconds that the protocol allows until the peer has taken over (RFC 5798 6.1; version 2 in seconds, whatever the interval)."""
    peer = settings[PEER]
    skew = (256 - peer['priority']) / 256 * (1 if peer['version'] == 2 else peer['advert_int'])
    master_down = 3 * peer['advert_int'] + skew
    found = settings[NODE]['interval'] * settings[NODE]['fall']
    return {'skew': skew, 'master down': master_down, 'check': found + (master_down if settings[NODE]['weight'] < 0 else skew), None: None}


# Measuring

@contextlib.contextmanager
def probing(pair, name):
    """Probe both addresses from the client as long as this lasts; what the module returns is in the dict in the end."""
    playbook, answer, found = STATE / 'failover-probe.yml', STATE / 'failover-probes.json', {}
    module = {'addresses': [pair.vip(instance) for instance in VIPS], 'duration': LONGEST, 'interval': INTERVAL, 'running_file': RUNNING}
    playbook.write_text(json.dumps([{'hosts': CLIENT, 'gather_facts': False, 'tasks': [
        {'vipkit.ha.vip_probe': module, 'register': 'probed'},
        {'ansible.builtin.copy': {'content': '{{ probed | to_json }}', 'dest': str(answer), 'mode': '0600'}, 'delegate_to': 'localhost',
         'vars': {'ansible_connection': 'local', 'ansible_python_interpreter': sys.executable}}]}]))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        play = pool.submit(run_playbook, f'failover-probe-{name}', playbook, pair.inventory, {})
        try:
            there = ['test', '-e', RUNNING]
            wait_until(lambda: play.done() or pair.containers[CLIENT].exec_run(there).exit_code == 0, 'the client has begun to probe')
            if play.done():           # so it has failed, and says why
                play.result()
            yield found
        finally:
            pair.run(CLIENT, 'rm', '-f', RUNNING)
            play.result()
    found.update(json.loads(answer.read_text()))


def one_run(pair, fault, advert_int):
    """A fault and its end: when each of them was made, the latter None where nobody makes it."""
    wait_until(lambda: pair.owners() == PLANNED, f'{PLANNED} hold the virtual IPs')
    before = pair.masters()
    time.sleep(random.uniform(0, advert_int))  # the time since the last advert decides, and what comes before a run shall not decide on it
    injected, healed = time.time(), None
    pair.do(fault.inject)
    if fault.heal:                    # else systemd does it, and may be faster than the peer
        wait_until(lambda: pair.owners()[INSTANCE] == [PEER], f'{PEER} has taken over')
        healed = time.time()
        pair.do(fault.heal)
    wait_until(lambda: pair.masters() > before and pair.owners() == PLANNED, f'{NODE} has its virtual IP back')
    return injected, healed


def outages_between(began, probe, start, end):
    """All outages that began in between, as one."""
    found = [outage for outage in probe['outages'] if start <= began + outage['began'] < end]
    return Away(*(sum(outage[what] for outage in found) for what in ('seconds', 'lost', 'late')))


def judge(moments, probed):
    """What the probes say of each run."""
    own, other = probed['probes']
    ends = [injected for injected, dummy in moments[1:]] + [float('inf')]
    for (injected, healed), end in zip(moments, ends):
        yield Run(injected, healed, outages_between(probed['began'], own, injected, healed or end),
                  outages_between(probed['began'], own, healed or end, end),  # nothing where all belongs to the fault
                  outages_between(probed['began'], other, injected, end))


def measure_fault(pair, name, runs, settings):
    """All runs of a fault."""
    moments, fault = [], FAULTS[name]
    with probing(pair, name) as probed:
        for number in range(runs):
            moments.append(one_run(pair, fault, settings[NODE]['advert_int']))
            print(f'{name} {number + 1} of {runs}: {time.time() - moments[-1][0]:.1f} s', file=sys.stderr)
    results = list(judge(moments, probed))
    for number, run in enumerate(results, 1):
        print(f'{name} {number}: ' + ', '.join(f'{what} {part.seconds:.3f} s, {part.lost} lost, {part.late} late' for what, part in
                                               (('away', run.away), ('back', run.back), ('the other address', run.beside))), file=sys.stderr)
    return {'runs': results, **probed}


def measure_profile(nodes, profile, faults, runs, extra):
    """All faults on a pair of its own."""
    with nodes.bare({name: f'{nodes.net}.{last}' for name, last in HOSTS.items()}) as containers:
        pair = Pair(nodes, containers, profile, extra)
        pair.play(f'site-{profile}', 'site.yml')
        for name in (NODE, PEER):
            pair.as_a_router_does_not(name)
        settings = pair.settings()
        return {'settings': settings, 'limits': {fault: limits(settings)[FAULTS[fault].limit] for fault in faults},
                'faults': {fault: measure_fault(pair, fault, runs, settings) for fault in faults}}


# What comes out

def goals(profile, result):
    """(met, what, how much of it, goal) of every goal that was measured."""
    def median(fault):
        return statistics.median(run.away.seconds for run in result['faults'][fault]['runs'])

    settings, measured = result['settings'], result['faults']
    wanted = []
    if 'stop' in measured:
        wanted.append(('stop', median('stop'), 0.05 if profile == 'fast' else 1.05 * result['limits']['stop']))
    if 'dead' in measured and profile == 'fast':
        wanted.append(('dead', median('dead'), 0.35))
    if 'nginx' in measured:
        found = settings[NODE]['interval'] * settings[NODE]['fall']
        wanted.append(('nginx', median('nginx'), found + 1.05 * (result['limits']['nginx'] - found)))
    for fault, value, goal in wanted:
        yield value <= goal, f'{profile}, {FAULTS[fault].title}: median {value:.3f} s, goal {goal:.3f} s'
    if 'drain' in measured:
        runs = measured['drain']['runs']
        whole = sum(not any(part.lost for part in (run.away, run.back, run.beside)) for run in runs)
        yield whole == len(runs), f'{profile}, {FAULTS["drain"].title}: {whole} of {len(runs)} without a lost probe'


def spread(numbers):
    """Median and worst."""
    numbers = list(numbers)
    return f'{statistics.median(numbers):.0f} / {max(numbers)}'


def rows(result):
    """A line of the table for each fault."""
    for name, measured in result['faults'].items():
        fault, limit, runs = FAULTS[name], result['limits'][name], measured['runs']
        away, back = [run.away for run in runs], [run.back for run in runs]
        middle = statistics.median(part.seconds for part in away)
        cells = [fault.title, LIMITS[fault.limit], '' if limit is None else f'{limit:.3f} s', f'{middle:.3f} s', f'{max(part.seconds for part in away):.3f} s',
                 '' if limit is None else f'{middle / limit:.2f}', *(spread(part.lost for part in away), spread(part.late for part in away)),
                 f'{max(part.seconds for part in back):.3f} s', f'{max(part.lost for part in back)} / {max(part.late for part in back)}']
        yield f"| {' | '.join(cells)} |"


def report(results, runs, versions):
    """The part of docs/benchmarks.md that is measured."""
    here, text = machine(), ''
    for profile, result in results.items():
        node, peer = result['settings'][NODE], result['settings'][PEER]
        text += f"""\
`{profile}`: VRRP version {node['version']}, an advert every {node['advert_int']:g} s, priorities {node['priority']} and {peer['priority']}, a check every \
{node['interval']:g} s that counts when it fails {node['fall']} time{'s' if node['fall'] != 1 else ''} in a row.

| fault | limit | | outage, median | worst | median / limit | lost, median / worst | late, median / worst | fail-back, worst outage | lost / late, worst |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{''.join(line + chr(10) for line in rows(result))}
"""
    verdicts = [verdict for profile, result in results.items() for verdict in goals(profile, result)]
    gap = max(measured['longest_gap'] for result in results.values() for measured in result['faults'].values())
    return text + f"""\
{''.join(f"- {'met' if met else 'MISSED'}: {what}{chr(10)}" for met, what in verdicts)}
Measured on {here['date']}, {runs} runs of each fault: {here['cores']} cores ({here['processor']}), Linux {here['kernel']}, Docker {here['docker']}; \
nodes with Debian 12; keepalived {versions['keepalived']}, nginx {versions['nginx']}. A probe every {INTERVAL * 1000:g} ms; the longest time between \
two was {gap * 1000:.0f} ms.
"""


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description='Measure how long a virtual IP is away in each fault, beside what VRRP allows.')
    parser.add_argument('--profile', choices=['classic', 'fast'], nargs='+', default=['classic', 'fast'], help='measure these (both)')
    parser.add_argument('--fault', choices=list(FAULTS), nargs='+', default=list(FAULTS), help='make these (all)')
    parser.add_argument('--runs', type=int, default=20, metavar='N', help='of each fault (20)')
    parser.add_argument('--vars', type=pathlib.Path, metavar='FILE', help='variables for site.yml, as YAML, such as keepalived_version')
    parser.add_argument('--subnet', default='10.98.4.0', metavar='A.B.C.0', help='a /24 that this machine does not use otherwise (10.98.4.0)')
    parser.add_argument('--write', type=pathlib.Path, metavar='FILE', help='put the tables into this page')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE', help='write every single run')
    options = parser.parse_args()
    if options.runs < 1:
        parser.error('--runs has to be 1 or more')
    return options


def main():
    """Measure, show, and fail when a goal is missed."""
    options = parse_arguments()
    signal.signal(signal.SIGTERM, stop)
    given = yaml.safe_load(options.vars.read_text()) if options.vars else {}
    versions = {program: str(given.get(f'{program}_version') or chosen_version(program)) for program in PROGRAMS}
    extra = {**given, **{f'{program}_version': version for program, version in versions.items()}}
    results, faults = {}, [fault for fault in options.fault if fault != 'drain' or (ROOT / FAULTS[fault].inject).exists()]
    try:
        nodes = Nodes(NETWORK, options.subnet)
        for profile in options.profile:
            results[profile] = measure_profile(nodes, profile, faults, options.runs, extra)
    except Failure as failure:
        sys.exit(f'ERROR: {failure}')
    except KeyboardInterrupt:
        sys.exit('ended; the containers are gone')
    text = report(results, options.runs, versions)
    print(text)
    if options.json:
        options.json.write_text(json.dumps({'machine': machine(), 'versions': versions, 'results': results}, indent=2, default=dataclasses.asdict) + '\n')
    if options.write:
        put_between_marks(options.write, 'failover', text)
    missed = [what for profile, result in results.items() for met, what in goals(profile, result) if not met]
    if missed:
        sys.exit('ERROR: missed: ' + '; '.join(missed))


if __name__ == '__main__':
    main()
