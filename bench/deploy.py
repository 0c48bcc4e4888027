#!/usr/bin/env python
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a deployment takes: the seed's procedure by hand against `ansible-playbook site.yml`, from the same bare containers.

    python bench/deploy.py [--nodes 2 4 8] [--repeat 3] [--write docs/benchmarks.md] [--json FILE]

Every way has to end with the same proof: each virtual IP is held by its own node and by no other, and answers over HTTP. What is measured, and
how, stands in docs/benchmarks.md. Ends with status 1 when a goal is missed. Needs what `make setup` makes, and a Docker engine on this machine.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import yaml
from common import ROOT, STATE, Failure, Nodes, chosen_version, machine, over_ssh, put_between_marks, run_playbook, stop

NETWORK = 'bench-deploy'
PROGRAMS = ('keepalived', 'nginx')
PASSWORD = 'nanfei'                   # the seed's
TIMEOUT = 30                          # seconds for the proof
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

WAYS = {
    'hand': 'by hand, all nodes at once',
    'bare': '`site.yml`, from bare nodes',
    'shelf': '`site.yml`, from bare nodes, artefacts on the shelf',
    'again': '`site.yml`, nothing to change',
    'public': 'public pair of roles, from bare nodes',
    'public again': 'public pair of roles, nothing to change',
}
PARTS = {'packages': re.compile(r'\bapt\b|\bpackages?\b'), 'compiling': re.compile(r'\| Build ')}
GOALS = (('bare', 2, 'hand', 0.8), ('bare', 8, 'hand', 0.35), ('again', 2, None, 12.0), ('again', 2, 'public again', 1.0))

# What gcc 12, glibc, libxcrypt and OpenSSL 3 of the nodes want for old versions; an operator has to find that out first.
OLD_KEEPALIVED = ((2, 0, 14), "CFLAGS='-O2 -g -fcommon'")
OLD_NGINX = ((1, 15, 0), "--with-cc-opt='-Wno-implicit-fallthrough -Wno-cast-function-type -Wno-deprecated-declarations "
                         "-Dcurrent_salt=setting -DNGX_SYS_NERR=135'")

Node = collections.namedtuple('Node', 'name address vip router_id partner container')


# What is deployed

def layout(count, net):
    """Pairs like the seed's: each node is master of a virtual IP of its own, and its partner is backup."""
    return [Node(f'node{128 + place}', f'{net}.{128 + place}', f'{net}.{100 + place}', 100 + place, f'node{128 + (place ^ 1)}',
                 f'{NETWORK}-node{128 + place}') for place in range(count)]


def inventory(nodes):
    """What site.yml is given: the settings of inventories/lab, and this machine as the witness."""
    lab = yaml.safe_load((ROOT / 'inventories/lab/group_vars/all/10-seed.yml').read_text())
    instances = [{'name': f'vrrp_instance_{node.router_id}', 'virtual_router_id': node.router_id, 'virtual_ipaddress': [f'{node.vip}/24'],
                  'nodes': [node.name, node.partner]} for node in nodes]
    return {'all': {
        'vars': {**lab, **over_ssh(), 'keepalived_vrrp_instances': instances},
        'children': {
            'loadbalancers': {'hosts': {node.name: {'ansible_host': node.address} for node in nodes}},
            'witnesses': {'hosts': {'controller': {'ansible_connection': 'local', 'ansible_python_interpreter': sys.executable}}}}}}


def roles_of(node, nodes):
    """The instances of a node as the seed writes them: name, state, router id, priority, virtual IP."""
    for other in nodes:
        if node.name in (other.name, other.partner):
            own = node is other
            yield f'vrrp_instance_{other.router_id}', 'MASTER' if own else 'BACKUP', other.router_id, 100 if own else 50, f'{other.vip}/24'


# By hand

def older(version, limit):
    """Whether a version comes before another one."""
    return tuple(int(part) for part in version.split('.')) < limit


def packages_by_hand(versions):
    """Compiler and libraries, and what the seed's CentOS 7 has from the start: rsyslog and ps."""
    names = ['gcc', 'make', 'libc6-dev', 'pkg-config', 'libssl-dev', 'libnl-3-dev', 'libnl-genl-3-dev', 'zlib1g-dev', 'rsyslog', 'procps']
    names += ['libnl-route-3-dev', 'libnfnetlink-dev'] if older(versions['keepalived'], (2, 0, 9)) else []
    names += ['libpcre3-dev' if older(versions['nginx'], (1, 21, 5)) else 'libpcre2-dev']
    return f"""
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install {' '.join(names)}"""


def build_by_hand(versions, url):
    """Fetch, unpack, configure, make, make install: one program after the other."""
    keepalived_flags = OLD_KEEPALIVED[1] if older(versions['keepalived'], OLD_KEEPALIVED[0]) else ''
    nginx_flags = OLD_NGINX[1] if older(versions['nginx'], OLD_NGINX[0]) else ''
    return f"""
mkdir -p /apps/keepalived /apps/nginx
cd /apps/keepalived
curl -fsSO {url}/keepalived-{versions['keepalived']}.tar.gz
tar zxf keepalived-{versions['keepalived']}.tar.gz
cd keepalived-{versions['keepalived']}
./configure --with-init=systemd {keepalived_flags}
make && make install
cd /apps/nginx
curl -fsSO {url}/nginx-{versions['nginx']}.tar.gz
tar zxf nginx-{versions['nginx']}.tar.gz
cd nginx-{versions['nginx']}
./configure --sbin-path=/usr/local/nginx/nginx --conf-path=/usr/local/nginx/nginx.conf --pid-path=/usr/local/nginx/nginx.pid {nginx_flags}
make && make install"""


def keepalived_conf(node, nodes, scripts):
    """The seed's keepalived.conf of one node."""
    instances = [f"""
vrrp_instance {name} {{
    state {state}
    interface eth0
    virtual_router_id {router_id}
    priority {priority}
    advert_int 1
    authentication {{
        auth_type PASS
        auth_pass {PASSWORD}
    }}
    virtual_ipaddress {{
        {vip}
    }}
    track_script {{
        check_nginx
    }}
}}""" for name, state, router_id, priority, vip in roles_of(node, nodes)]
    return f"""
vrrp_script check_nginx {{
    script "{scripts}/check.sh"
    interval 1
}}
{''.join(instances)}"""


def start_by_hand(versions, node, nodes):
    """The page, options file, log rule, check script and keepalived.conf; then start both programs and look."""
    home = f"/apps/keepalived/keepalived-{versions['keepalived']}"
    return f"""
mkdir -p {home}/logs {home}/scripts /etc/keepalived
hostname >/usr/local/nginx/html/index.html
echo 'KEEPALIVED_OPTIONS="-D -S 0"' >/usr/local/etc/sysconfig/keepalived
echo 'local0.* {home}/logs/keepalived.log' >>/etc/rsyslog.conf
systemctl restart rsyslog
cat >{home}/scripts/check.sh <<'SCRIPT'
#!/bin/bash
code=1
for c in `ps -ef |grep 'nginx: master' |grep process`; do
    code=0
done
echo $code >> {home}/scripts/log
exit $code
SCRIPT
chmod +x {home}/scripts/check.sh
cat >/etc/keepalived/keepalived.conf <<'CONF'
{keepalived_conf(node, nodes, home + '/scripts')}
CONF
/usr/local/nginx/nginx
systemctl start keepalived
systemctl status keepalived
ip addr"""


def script_by_hand(versions, url, node, nodes):
    """All that is typed on one node, and when each part of it was done."""
    parts = {'packages': packages_by_hand(versions), 'compiling': build_by_hand(versions, url), 'starting': start_by_hand(versions, node, nodes)}
    done = [f'{text}\necho "bench: {part} $(date +%s.%N)"\n' for part, text in parts.items()]
    return 'set -eu\necho "bench: begin $(date +%s.%N)"\n' + ''.join(done)


def parts_by_hand(log):
    """Seconds of each part, from what the script said."""
    moments = [(part, float(moment)) for part, moment in re.findall(r'^bench: (\w+) ([0-9.]+)$', log, re.MULTILINE)]
    return {part: moment - moments[place][1] for place, (part, moment) in enumerate(moments[1:])}


def run_by_hand(bench, nodes):
    """Everything on all nodes at the same time, and the seconds of each part on the node where it took longest."""
    logs = {node.name: STATE / f'hand-{len(nodes)}-{node.name}.log' for node in nodes}
    terminals = []
    for node in nodes:
        with logs[node.name].open('wb') as log:
            command = ['docker', 'exec', node.container, 'bash', '-c', script_by_hand(bench.versions, bench.url, node, nodes)]
            terminals.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))  # pylint: disable=consider-using-with
    for node, terminal in zip(nodes, terminals):
        if terminal.wait() != 0:
            raise Failure(f'the procedure by hand failed on {node.name}: the whole log is in {logs[node.name]}')
    parts = [parts_by_hand(log.read_text(errors='replace')) for log in logs.values()]
    return {part: max(seconds[part] for seconds in parts) for part in PARTS}


# By Ansible

def parts_by_ansible(log):
    """Seconds of all tasks of each part, from what the callback profile_tasks wrote at the end."""
    tasks = re.findall(r'^(.+?) -+ ([0-9.]+)s$', log, re.MULTILINE)
    return {part: sum(float(seconds) for name, seconds in tasks if pattern.search(name)) for part, pattern in PARTS.items()}


def changed_hosts(log):
    """The hosts on which a run changed something, from its recap."""
    return re.findall(r'^(\S+) +: ok=\d+ +changed=[1-9]', log, re.MULTILINE)


def run_site(bench, nodes, name):
    """site.yml. Its log."""
    return run_playbook(f'{name}-{len(nodes)}', ROOT / 'site.yml', inventory(nodes), bench.extra)


def public_inventory(nodes):
    """What the public roles are given: the same two virtual IPs, password and check."""
    hosts = {node.name: {
        'ansible_host': node.address,
        'keepalived_instances': {name: {'interface': 'eth0', 'state': state, 'virtual_router_id': router_id, 'priority': priority,
                                        'authentication_password': PASSWORD, 'vips': [vip], 'track_scripts': ['check_nginx']}
                                 for name, state, router_id, priority, vip in roles_of(node, nodes)}} for node in nodes}
    check = {'check_script': '/usr/bin/curl -fs -o /dev/null http://127.0.0.1/', 'interval': 1, 'rise': 1, 'fall': 1}
    return {'all': {'hosts': hosts, 'vars': {**over_ssh(), 'keepalived_global_defs': ['enable_script_security', 'script_user root'],
                                             'keepalived_scripts': {'check_nginx': check}}}}


def run_public(bench, nodes, name):
    """The two public roles, with the same number of forks and the same pipelining as site.yml. Its log."""
    folder, *roles = bench.public_roles
    config = STATE / 'public.cfg'
    config.write_text(f'[defaults]\nforks = 20\nroles_path = {pathlib.Path(folder).resolve()}\n[connection]\npipelining = true\n')
    playbook = STATE / 'public.json'
    playbook.write_text(json.dumps([{'hosts': 'all', 'become': True, 'roles': roles}]))
    return run_playbook(f'{name}-{len(nodes)}', playbook, public_inventory(nodes), {}, config)


# The proof

def page(url):
    """What answers, or nothing."""
    try:
        with NO_PROXY.open(url, timeout=2) as response:
            return response.read().decode(errors='replace').strip()
    except (urllib.error.URLError, OSError):
        return None


def wrong(bench, nodes, pages_name_nodes):
    """The virtual IPs that are not where they have to be, or do not answer from there."""
    addresses = {node.name: bench.hosts.client.containers.get(node.container).exec_run(['ip', '-o', '-4', 'address']).output.decode() for node in nodes}
    for node in nodes:
        holders = [name for name, text in addresses.items() if f' {node.vip}/' in text]
        answer = page(f'http://{node.vip}/')
        if holders != [node.name] or not answer or (pages_name_nodes and answer != node.name):
            yield f"{node.vip} of {node.name} is held by {' and '.join(holders) or 'nobody'} and answers {(answer or 'nothing')[:40]!r}"


def prove(bench, nodes, pages_name_nodes=True):
    """Wait until everything is as it has to be."""
    end = time.monotonic() + TIMEOUT
    while findings := list(wrong(bench, nodes, pages_name_nodes)):
        if time.monotonic() > end:
            raise Failure('; '.join(findings))
        time.sleep(0.2)


# The nodes

@contextlib.contextmanager
def bare_nodes(bench, count):
    """The nodes of a layout, bare."""
    nodes = layout(count, bench.hosts.net)
    with bench.hosts.bare({node.name: node.address for node in nodes}):
        yield nodes


@contextlib.contextmanager
def tarballs_served(net, folder):
    """The tarballs of the controller's cache over HTTP, on the bridge of the nodes."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        """Logs nothing."""

        def log_message(self, *args):  # pylint: disable=arguments-differ
            """Nothing."""

    with http.server.ThreadingHTTPServer((f'{net}.1', 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f'http://{net}.1:{server.server_port}'
        finally:
            server.shutdown()


# Measuring

def cpu_seconds():
    """What all cores of this machine have worked, for whomever: in two measurements of one way it is the same, unless others worked, too."""
    user, nice, system = (int(ticks) for ticks in pathlib.Path('/proc/stat').read_text().split(maxsplit=4)[1:4])
    return (user + nice + system) / os.sysconf('SC_CLK_TCK')


class Bench:
    """What all measurements share, and what they brought."""

    def __init__(self, options):
        self.hosts = Nodes(NETWORK, options.subnet)
        self.public_roles = options.public_roles
        self.ways = options.ways
        self.url = None
        given = yaml.safe_load(pathlib.Path(options.vars).read_text()) if options.vars else {}
        self.versions = {program: str(given.get(f'{program}_version') or chosen_version(program)) for program in PROGRAMS}
        self.sources = pathlib.Path(given.get('source_build_cache', '~/.cache/vipkit')).expanduser() / 'sources'
        self.cache = STATE / 'cache'
        self.extra = {**given, **{f'{program}_version': version for program, version in self.versions.items()},
                      'source_build_cache': str(self.cache)}
        self.results = []

    def empty_cache(self):
        """The controller has the tarballs and nothing else."""
        shutil.rmtree(self.cache, ignore_errors=True)
        (self.cache / 'sources').mkdir(parents=True)
        for program, version in self.versions.items():
            tarball = self.sources / f'{program}-{version}.tar.gz'
            if not tarball.is_file():
                raise Failure(f'there is no {tarball}: put it there, or have `make lab` fetch it')
            shutil.copy(tarball, self.cache / 'sources')

    @contextlib.contextmanager
    def clock(self, way, nodes):
        """Take the time of a way. It writes the seconds of its parts into what it is given."""
        parts = {}
        load, cpu, started = os.getloadavg()[0], cpu_seconds(), time.perf_counter()
        yield parts
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
        self.results.append({'way': way, 'nodes': len(nodes), 'seconds': seconds, **parts, 'cpu_of_machine': cpu, 'load_before': load})
        print(f'{way:12} {len(nodes)} nodes: {seconds:6.1f} s, ' + ', '.join(f'{part} {value:.1f} s' for part, value in parts.items()) +
              f', the whole machine worked {cpu:.1f} s on its cores, load before {load:.1f}', file=sys.stderr)

    def warm_up(self):
        """Whoever installs first shall not pay for what the package mirror has to fetch."""
        with bare_nodes(self, 1) as (node,):
            self.hosts.client.containers.get(node.container).exec_run(['bash', '-c', packages_by_hand(self.versions)])

    def by_hand(self, count):
        """The seed's procedure."""
        with bare_nodes(self, count) as nodes, tarballs_served(self.hosts.net, self.cache / 'sources') as self.url:
            with self.clock('hand', nodes) as parts:
                parts.update(run_by_hand(self, nodes))
                prove(self, nodes)

    def by_site(self, count):
        """site.yml from bare nodes, and again; then from bare nodes with what the first run put on the shelf."""
        with bare_nodes(self, count) as nodes:
            with self.clock('bare', nodes) as parts:
                parts.update(parts_by_ansible(run_site(self, nodes, 'bare')))
            prove(self, nodes)
            if 'again' in self.ways:
                self.again('again', nodes, run_site)
        if 'shelf' in self.ways:
            with bare_nodes(self, count) as nodes:
                with self.clock('shelf', nodes) as parts:
                    parts.update(parts_by_ansible(run_site(self, nodes, 'shelf')))
                if parts['compiling']:
                    raise Failure(f'site.yml compiled although the artefacts were on the shelf: see {STATE}/shelf-{count}.log')
                prove(self, nodes)

    def by_public_roles(self, count):
        """The public pair, and again. Nothing of it proves anything, so the proof does not count."""
        with bare_nodes(self, count) as nodes:
            with self.clock('public', nodes) as parts:
                parts.update(parts_by_ansible(run_public(self, nodes, 'public')))
            prove(self, nodes, pages_name_nodes=False)
            self.again('public again', nodes, run_public)

    def again(self, way, nodes, run):
        """A run that has to change nothing."""
        with self.clock(way, nodes) as parts:
            log = run(self, nodes, way.replace(' ', '-'))
            parts.update(parts_by_ansible(log))
        if changed_hosts(log):
            raise Failure(f"the run '{way}' changed {', '.join(changed_hosts(log))}: see {STATE}/{way.replace(' ', '-')}-{len(nodes)}.log")


def measure(bench, counts, repeat):
    """Every way for every number of nodes, in turning order."""
    bench.warm_up()
    for turn in range(repeat):
        for count in counts:
            bench.empty_cache()
            ways = [bench.by_hand] if 'hand' in bench.ways else []
            ways += [bench.by_site] if {'bare', 'shelf', 'again'} & set(bench.ways) else []
            ways += [bench.by_public_roles] if 'public' in bench.ways and bench.public_roles and count == 2 else []
            for way in ways[::-1] if turn % 2 else ways:
                way(count)


# What comes out

def medians(results):
    """{(way, nodes): {'seconds': ..., each part: ...}}, the median over the repetitions."""
    groups = collections.defaultdict(list)
    for result in results:
        groups[result['way'], result['nodes']].append(result)
    return {key: {part: statistics.median(result[part] for result in group) for part in ('seconds', *PARTS)} for key, group in groups.items()}


def table(middle, cell):
    """A table of ways and numbers of nodes."""
    counts = sorted({nodes for dummy, nodes in middle})
    rows = [['way', *(f'{count} nodes' for count in counts)], ['---'] + ['---:'] * len(counts)]
    rows += [[title, *(cell(middle, way, count) if (way, count) in middle else '' for count in counts)]
             for way, title in WAYS.items() if any((way, count) in middle for count in counts)]
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in rows)


def total(middle, way, count):
    """Seconds; where a way does what is done by hand, also how it compares."""
    seconds = middle[way, count]['seconds']
    if way not in ('bare', 'shelf') or ('hand', count) not in middle:
        return f'{seconds:.1f} s'
    return f"{seconds:.1f} s ({seconds / middle['hand', count]['seconds']:.2f})"


def in_parts(middle, way, count):
    """Where the time went."""
    figures = middle[way, count]
    rest = figures['seconds'] - sum(figures[part] for part in PARTS)
    return ' + '.join(f'{seconds:.0f}' for seconds in (*(figures[part] for part in PARTS), rest))


def verdicts(middle):
    """Each goal that was measured, with what came out and whether it is met."""
    for way, count, other, limit in GOALS:
        if (way, count) not in middle or (other and (other, count) not in middle):
            continue
        value = middle[way, count]['seconds'] / (middle[other, count]['seconds'] if other else 1)
        against = f' against {WAYS[other]}' if other else ''
        yield value <= limit, f"{WAYS[way]}, {count} nodes{against}: {value:.2f}{'' if other else ' s'}, goal {limit:g}"


def report(bench, repeat):
    """The part of docs/benchmarks.md that is measured."""
    middle = medians(bench.results)
    here = machine()
    return f"""\
{table(middle, total)}

In brackets: the time by hand is 1. Where the time went, in seconds: packages + compiling + the rest.

{table(middle, in_parts)}

{''.join(f"- {'met' if met else 'MISSED'}: {text}" + chr(10) for met, text in verdicts(middle))}
Measured on {here['date']}{f', median of {repeat}' if repeat > 1 else ', once'}: {here['cores']} cores ({here['processor']}), Linux {here['kernel']}, Docker \
{here['docker']}, Python {here['python']}, ansible-core {here['ansible-core']}; nodes with Debian 12; keepalived {bench.versions['keepalived']}, nginx \
{bench.versions['nginx']}.
"""


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description='Measure how long a deployment takes, by hand and with site.yml.')
    parser.add_argument('--nodes', type=int, nargs='+', default=[2, 4, 8], metavar='N', help='numbers of nodes, each even (2 4 8)')
    parser.add_argument('--repeat', type=int, default=1, metavar='N', help='take the median of so many measurements (1)')
    ways = ('hand', 'bare', 'shelf', 'again', 'public')
    parser.add_argument('--ways', nargs='+', choices=ways, default=ways, help='what to measure (all); bare is part of shelf and again')
    parser.add_argument('--vars', metavar='FILE', help='extra variables for site.yml; versions and source_build_cache count for the hand, too')
    parser.add_argument('--public-roles', nargs=3, metavar=('FOLDER', 'NGINX', 'KEEPALIVED'),
                        help='measure this pair of roles of that folder, too, with 2 nodes; the variables are those of geerlingguy.nginx and '
                             'evrardjp.keepalived')
    parser.add_argument('--subnet', default='10.98.1.0', metavar='A.B.C.0', help='a /24 that this machine does not use otherwise (10.98.1.0)')
    parser.add_argument('--write', type=pathlib.Path, metavar='FILE', help='put the tables into this page')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE', help='write every single measurement')
    options = parser.parse_args()
    if any(count < 2 or count % 2 or count > 100 for count in options.nodes):
        parser.error('--nodes: the seed describes pairs, so each number has to be even, from 2 to 100')
    return options


def main():
    """Measure, show, and fail when a goal is missed."""
    options = parse_arguments()
    signal.signal(signal.SIGTERM, stop)
    bench = Bench(options)
    try:
        measure(bench, options.nodes, options.repeat)
    except Failure as failure:
        sys.exit(f'ERROR: {failure}')
    except KeyboardInterrupt:
        sys.exit('ended; the containers are gone')
    finally:
        if options.json:              # with what came until then, too
            options.json.write_text(json.dumps({'machine': machine(), 'versions': bench.versions, 'results': bench.results}, indent=2) + '\n')
    text = report(bench, options.repeat)
    print(text)
    if options.write:
        put_between_marks(options.write, 'measured', text)
    missed = [goal for met, goal in verdicts(medians(bench.results)) if not met]
    if missed:
        sys.exit('ERROR: missed: ' + '; '.join(missed))


if __name__ == '__main__':
    main()
