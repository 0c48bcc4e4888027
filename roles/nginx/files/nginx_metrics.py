# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write what is to be known of nginx as metrics for Prometheus, once.

It looks at the processes, asks the health address and, where nginx has it, stub_status, and reads what upstream_health.py has found out.
The numbers of stub_status have the names that nginx's own exporter gives them.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import argparse
import json
import os
import re
import sys
import time

try:
    from http.client import HTTPConnection, HTTPException
except ImportError:  # Python 2
    from httplib import HTTPConnection, HTTPException

from vipkit_metrics import exposition, known_to_all, of_the_collection, publish, text_of

PATIENCE = 2  # seconds for an answer
WORKER = 'nginx: worker process'
COUNTED = ('nginx_connections_accepted', 'nginx_connections_handled', 'nginx_http_requests_total')

METRICS = known_to_all('nginx') + [
    ('nginx_up', 'gauge', 'Whether nginx runs and answers.'),
    ('nginx_maintenance', 'gauge', 'Whether the file is there that takes this host out of the traffic.'),
    ('nginx_workers', 'gauge', 'Worker processes that take connections.'),
    ('nginx_workers_shutting_down', 'gauge', 'Worker processes of an earlier configuration, with connections under way.'),
    ('nginx_worker_start_time_seconds', 'gauge', 'Since when the youngest worker runs: the last start or reload, or a worker that died.'),
    ('nginx_connections_accepted', 'counter', 'Connections accepted.'),
    ('nginx_connections_handled', 'counter', 'Connections handled; fewer than accepted where a limit was reached.'),
    ('nginx_http_requests_total', 'counter', 'Requests.'),
    ('nginx_connections_active', 'gauge', 'Connections open, with those that wait.'),
    ('nginx_connections_reading', 'gauge', 'Connections whose request is being read.'),
    ('nginx_connections_writing', 'gauge', 'Connections that are being answered.'),
    ('nginx_connections_waiting', 'gauge', 'Connections that wait for a request.'),
    ('nginx_upstream_health_up', 'gauge', 'Whether the program that asks upstreams runs.'),
    ('nginx_upstream_server_up', 'gauge', 'Whether a server answers; none before that is known.'),
    ('nginx_upstream_check_failed', 'gauge', 'Whether fewer servers of the check answer than it needs.'),
    ('nginx_upstream_min_servers', 'gauge', 'How many servers the check needs.'),
]


# Processes

def stat_of(pid):
    """Return what the kernel tells of a process after its name, from its state on."""
    return (text_of('/proc', str(pid), 'stat') or u'').rpartition(u')')[2].split()


def title(pid):
    return (text_of('/proc', str(pid), 'cmdline') or u'').partition(u'\0')[0]


def master_of(pid_path):
    """Return the master that the pid file names, or None when that is no running nginx."""
    pid = (text_of(pid_path) or u'').strip()
    return pid if pid.isdigit() and title(pid).startswith('nginx: master') else None


def booted():
    found = re.search(r'^btime (\d+)', text_of('/proc/stat') or u'', re.M)
    return int(found.group(1)) if found else 0


def processes(pid_path):
    """Return the samples of workers; those of a master whose place a new binary has taken count as shutting down."""
    master, former = master_of(pid_path), master_of(pid_path + '.oldbin')
    taking, leaving = [], 0
    for name in os.listdir('/proc') if master else []:
        fields = stat_of(name) if name.isdigit() else []
        told = title(name) if len(fields) > 19 and fields[1] in (master, former) else u''
        if told.startswith(WORKER) and fields[1] == master and 'shutting down' not in told:
            taking.append(booted() + int(fields[19]) / os.sysconf('SC_CLK_TCK'))
        elif told.startswith(WORKER):
            leaving += 1
    return [('nginx_workers', {}, len(taking)), ('nginx_workers_shutting_down', {}, leaving)] + (
        [('nginx_worker_start_time_seconds', {}, int(max(taking)))] if taking else [])


# Asking

def get(address, path):
    """Return the text of a good answer, or None."""
    connection = HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request('GET', path)
        response = connection.getresponse()
        text = response.read(4096).decode('latin-1')
        return text if response.status == 200 else None
    except (EnvironmentError, HTTPException):
        return None
    finally:
        connection.close()


def parse_stub_status(text):
    """Return the samples of a page of stub_status."""
    counted = re.search(r'^\s*(\d+) (\d+) (\d+)\s*$', text, re.M)
    found = [(name, {}, int(value)) for name, value in zip(COUNTED, counted.groups() if counted else [])]
    for name, value in re.findall(r'(Active connections|Reading|Writing|Waiting): (\d+)', text):
        found.append(('nginx_connections_' + name.split()[0].lower(), {}, int(value)))
    return found


# Upstreams

def upstreams(status):
    """Return the samples of what asks upstreams; status: the text of its file, or None."""
    found = [('nginx_upstream_health_up', {}, status is not None)]
    for check in json.loads(status)['checks'] if status else []:
        labels = {'check': check['name']}
        found += [('nginx_upstream_check_failed', labels, check['failed'] is not None),
                  ('nginx_upstream_min_servers', labels, check['min_servers'])]
        found += [('nginx_upstream_server_up', dict(labels, server=one['server']), one['up']) for one in check['servers']
                  if one['up'] is not None]
    return found


# All of it

def collect(options):
    """Return what there is to tell; of one that does not answer, hardly more than that."""
    running = processes(options.pid)
    up = running[0][2] > 0 and get(options.address, options.alive) is not None
    if not up:
        print('nginx does not run, or gives no good answer at {0}{1}, so nginx_up is 0'.format(options.address, options.alive), file=sys.stderr)
    samples = [('nginx_up', {}, up), ('nginx_maintenance', {}, os.path.exists(options.maintenance))] + running
    if up and options.stub_status:
        samples += parse_stub_status(get(options.address, options.stub_status) or u'')
    return samples + (upstreams(text_of(options.upstreams)) if options.upstreams else [])


def main():
    parser = argparse.ArgumentParser(description='Write what is to be known of nginx as metrics for Prometheus, once.')
    parser.add_argument('--pid', required=True, help='the pid file of nginx')
    parser.add_argument('--address', required=True, help='HOST:PORT of the health address')
    parser.add_argument('--alive', required=True, help='path there that answers as long as nginx does')
    parser.add_argument('--stub-status', help='path there of stub_status, if nginx has it')
    parser.add_argument('--maintenance', required=True, help='the file that means maintenance')
    parser.add_argument('--upstreams', help='status.json of upstream_health.py, if that is used')
    parser.add_argument('--stamp', required=True, help='what is installed')
    parser.add_argument('--textfile', help='where to; else it is printed')
    options = parser.parse_args()
    samples = of_the_collection('nginx', options.stamp, ('/run/nginx.started', '/run/nginx.loaded'), int(time.time()))
    publish(options.textfile, exposition(METRICS, samples + collect(options)))


if __name__ == '__main__':
    main()
