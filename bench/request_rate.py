#!/usr/bin/env python
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests a second through the nginx.conf of the role, against one that is tuned by hand (bench/hand_tuned.conf), side by side.

    python bench/request_rate.py [--rounds 60] [--seconds 1] [--write docs/benchmarks.md] [--json FILE]

Both are served by the same binary, the one that the role has built, on one host at the same time, over the same two backends. In each round wrk
asks one and then the other, in turning order. The figure is the median of the rounds' quotients; the goal is 0.95. What is measured, and how, stands
in docs/benchmarks.md. Ends with status 1 when the goal is missed. Needs what `make setup` makes, and a Docker engine on this machine.

It is not called requests.py, since that would take the place of the library of this name for everything in this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys

from common import ROOT, STATE, Failure, Nodes, chosen_version, machine, over_ssh, put_between_marks, run_playbook, stop

GOAL = 0.95
CLIENTS = 64
NODE = 'node128'
# unit of systemd: where it listens
WAYS = {'nginx': 80, 'tuned': 8000}
DESCRIPTION = {
    'nginx_upstreams': [{'name': 'app', 'server': ['127.0.0.1:9001', '127.0.0.1:9002'], 'keepalive': CLIENTS}],
    'nginx_servers': [{'listen': '80', 'location': [{'path': '/', 'proxy_pass': 'http://app'}]}],
}


def run(container, *command):
    """What a command says on the host."""
    done = container.exec_run(list(command))
    if done.exit_code != 0:
        raise Failure(f"{' '.join(command)} failed: {done.output.decode(errors='replace').strip()[-500:]}")
    return done.output.decode(errors='replace')


def deploy(nodes, container, version):
    """The role as anybody runs it, and beside it the backends, the tuned nginx and wrk."""
    playbook = STATE / 'request_rate.yml'
    playbook.write_text(json.dumps([{'hosts': 'all', 'become': True, 'roles': ['vipkit.ha.nginx']}]))
    hosts = {'all': {'hosts': {NODE: {'ansible_host': f'{nodes.net}.128', **over_ssh()}}}}
    run_playbook('request_rate', playbook, hosts, {**DESCRIPTION, 'nginx_version': version})
    run(container, 'apt-get', '-q', 'update')
    run(container, 'apt-get', '-q', '-y', '--no-install-recommends', 'install', 'wrk')
    for unit, conf in (('backends', 'backends.conf'), ('tuned', 'hand_tuned.conf')):
        subprocess.run(['docker', 'cp', '--quiet', ROOT / 'bench' / conf, f'{container.name}:/root/{conf}'], check=True)
        run(container, 'systemd-run', f'--unit={unit}', '--property=LimitNOFILE=65536', '/usr/local/nginx/nginx', '-c', f'/root/{conf}',
            '-g', 'daemon off;')
    answers = {run(container, 'curl', '--silent', '--show-error', '--fail', '--retry', '5', '--retry-connrefused', f'http://127.0.0.1:{port}/')
               for port in WAYS.values()}
    if len(answers) != 1 or len(answers.pop()) != 1024:
        raise Failure('both do not give the same answer')


def cpu_seconds(container, unit):
    """What the workers of a unit have worked so far."""
    stats = run(container, 'sh', '-c', f'cat $(pgrep -P $(systemctl show --property=MainPID --value {unit}) | sed "s:.*:/proc/&/stat:")')
    ticks = [sum(int(field) for field in line.rpartition(')')[2].split()[11:13]) for line in stats.splitlines()]
    return sum(ticks) / os.sysconf('SC_CLK_TCK')


def slice_of(container, unit, seconds):
    """Requests a second through one of them, and what each costs it, in microseconds of a core."""
    before = cpu_seconds(container, unit)
    said = run(container, 'wrk', '--threads', '1', '--connections', str(CLIENTS), '--duration', f'{seconds}s', f'http://127.0.0.1:{WAYS[unit]}/')
    worked = cpu_seconds(container, unit) - before
    if 'Socket errors' in said or 'Non-2xx' in said:
        raise Failure(f'requests through {unit} failed: {said}')
    made = int(re.search(r'(\d+) requests in', said).group(1))
    return float(re.search(r'Requests/sec: +([\d.]+)', said).group(1)), worked / made * 1e6


def measure(container, rounds, seconds):
    """All rounds: {way: (rate, cost)} each, the order turning. One before them warms up, and does not count."""
    results = []
    for number in range(rounds + 1):
        order = list(WAYS)[::-1] if number % 2 else list(WAYS)
        results.append({unit: slice_of(container, unit, seconds) for unit in order})
        (rate, cost), (tuned_rate, tuned_cost) = results[-1]['nginx'], results[-1]['tuned']
        print(f'round {number:2}: {rate:.0f} against {tuned_rate:.0f} requests/s, {rate / tuned_rate:.3f}; {cost:.1f} against {tuned_cost:.1f} us '
              f'of a core each, {cost / tuned_cost:.3f}', file=sys.stderr)
    return results[1:]


def quotients(results, which):
    """The role's against the tuned one's, for each round."""
    return [result['nginx'][which] / result['tuned'][which] for result in results]


def spread(values, form):
    """Median, and between what half of the values and all of them are."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f'{middle:{form}} | {low:{form}} to {high:{form}} | {min(values):{form}} to {max(values):{form}}'


def report(results, version, seconds):
    """The part of docs/benchmarks.md that is measured."""
    here = machine()
    rows = [
        ('requests/s, `nginx.conf` of the role', [result['nginx'][0] for result in results], '.0f'),
        ('requests/s, tuned by hand', [result['tuned'][0] for result in results], '.0f'),
        ('quotient of both', quotients(results, 0), '.3f'),
        ('CPU of nginx a request, µs, `nginx.conf` of the role', [result['nginx'][1] for result in results], '.1f'),
        ('CPU of nginx a request, µs, tuned by hand', [result['tuned'][1] for result in results], '.1f'),
        ('quotient of both', quotients(results, 1), '.3f'),
    ]
    met, value = verdict(results)
    return f"""\
| | median | half of the rounds | all rounds |
| --- | ---: | ---: | ---: |
{''.join(f'| {name} | {spread(values, form)} |' + chr(10) for name, values, form in rows)}
- {'met' if met else 'MISSED'}: requests/s against those of a hand-tuned `nginx.conf`: {value:.3f}, goal {GOAL:g}

Measured on {here['date']}, {len(results)} rounds of {seconds} s each way: {here['cores']} cores ({here['processor']}), Linux {here['kernel']}, Docker \
{here['docker']}; a node with Debian 12, {CLIENTS} clients; nginx {version}.
"""


def verdict(results):
    """Whether the goal is met, and the figure."""
    value = statistics.median(quotients(results, 0))
    return value >= GOAL, value


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description='Measure requests a second through the role\'s nginx.conf and through one tuned by hand.')
    parser.add_argument('--rounds', type=int, default=60, metavar='N', help='take the median of so many rounds (60)')
    parser.add_argument('--seconds', type=int, default=1, metavar='N', help='so long each of both is asked in a round (1)')
    parser.add_argument('--version', metavar='VERSION', help='of nginx (what the lab builds)')
    parser.add_argument('--subnet', default='10.98.2.0', metavar='A.B.C.0', help='a /24 that this machine does not use otherwise (10.98.2.0)')
    parser.add_argument('--write', type=pathlib.Path, metavar='FILE', help='put the table into this page')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE', help='write every single measurement')
    options = parser.parse_args()
    if options.rounds < 2 or options.seconds < 1:
        parser.error('--rounds has to be 2 or more, and --seconds 1 or more')
    return options


def main():
    """Measure, show, and fail when the goal is missed."""
    options = parse_arguments()
    signal.signal(signal.SIGTERM, stop)
    nodes = Nodes('bench-requests', options.subnet)
    version = options.version or chosen_version('nginx')
    try:
        with nodes.bare({NODE: f'{nodes.net}.128'}) as containers:
            deploy(nodes, containers[NODE], version)
            results = measure(containers[NODE], options.rounds, options.seconds)
    except Failure as failure:
        sys.exit(f'ERROR: {failure}')
    except KeyboardInterrupt:
        sys.exit('ended; the container is gone')
    text = report(results, version, options.seconds)
    print(text)
    if options.json:
        options.json.write_text(json.dumps({'machine': machine(), 'version': version, 'results': results}, indent=2) + '\n')
    if options.write:
        put_between_marks(options.write, 'requests', text)
    met, value = verdict(results)
    if not met:
        sys.exit(f'ERROR: missed: {value:.3f} of the requests a second of a hand-tuned nginx.conf, goal {GOAL:g}')


if __name__ == '__main__':
    main()
