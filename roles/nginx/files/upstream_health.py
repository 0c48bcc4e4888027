# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask the servers of upstreams again and again, and keep a file NAME.failed for each check that too few of them answer.

Usage: upstream_health.py CHECKS.json DIRECTORY. The directory also gets status.json. nginx looks for the files, see its /healthz.
A server of which nothing is known yet counts as up, and no check fails before all of its servers are known.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import io
import json
import os
import re
import socket
import sys
import threading
import time
import traceback

try:
    from queue import Queue
except ImportError:  # Python 2
    from Queue import Queue

FAILED = '.failed'
STATUS = 'status.json'
REQUEST = 'GET {0} HTTP/1.1\r\nHost: {1}\r\nUser-Agent: nginx-upstream-health\r\nConnection: close\r\n\r\n'
LONGEST = 4096  # of a status line
clock = getattr(time, 'monotonic', time.time)


# A server

class Server(object):
    """What is known of one server; up is None at first."""

    def __init__(self, address, rise, fall):
        self.address, self.rise, self.fall = address, rise, fall
        self.up = self.since = self.error = None
        self.against = 0

    def take(self, error, now):
        """Count one answer, error being what was wrong with it or None; return whether the verdict is another one now."""
        good = error is None
        self.error = error or self.error
        self.against = 0 if self.up == good else self.against + 1
        if self.against < self.needed(good):
            return False
        self.up, self.since, self.against = good, now, 0
        return True

    def needed(self, good):
        """Return how many answers in a row make another verdict; the first one is there as soon as a server answers well."""
        return (1 if self.up is None else self.rise) if good else self.fall

    def status(self):
        return {'server': self.address, 'up': self.up, 'since': self.since, 'last_error': self.error}


class Check(object):
    """The servers of which some have to be up."""

    def __init__(self, given):
        self.name, self.min_servers = given['name'], given['min_servers']
        self.kind, self.path, self.interval, self.timeout = given['kind'], given.get('path'), given['interval'], given['timeout']
        self.servers = [Server(address, given['rise'], given['fall']) for address in given['servers']]

    def failure(self):
        """Return why the check fails, or None."""
        up = len([server for server in self.servers if server.up])
        if up >= self.min_servers or any(server.up is None for server in self.servers):
            return None
        return '{0} of {1} servers up, at least {2} needed'.format(up, len(self.servers), self.min_servers)

    def status(self):
        return {'name': self.name, 'failed': self.failure(), 'min_servers': self.min_servers,
                'servers': [server.status() for server in self.servers]}


# Asking one

def place(address):
    """Return host and port."""
    host, dummy, port = address.rpartition(':')
    return host.strip('[]'), int(port)


def status_line(connection, deadline):
    """Return the first line that comes before the deadline."""
    received = b''
    while b'\n' not in received and len(received) < LONGEST:
        connection.settimeout(max(deadline - clock(), 0.001))
        more = connection.recv(LONGEST)
        if not more:
            break
        received += more
    return received.partition(b'\n')[0].decode('latin-1').strip()


def answer(connection, path, address, deadline):
    """Return what is wrong with the answer over HTTP, or None."""
    connection.sendall(REQUEST.format(path, address).encode('ascii'))
    line = status_line(connection, deadline)
    found = re.match(r'HTTP/\d\.\d (\d{3})\b', line)
    if not found:
        return 'no answer in HTTP' if line else 'closed without an answer'
    return None if 200 <= int(found.group(1)) < 400 else 'status {0}'.format(found.group(1))


def ask(address, kind, path, timeout):
    """Return what is wrong with a server, or None."""
    deadline = clock() + timeout
    try:
        connection = socket.create_connection(place(address), timeout)
        try:
            return answer(connection, path, address, deadline) if kind == 'http' else None
        finally:
            connection.close()
    except socket.timeout:
        return 'no answer within {0:g} s'.format(timeout)
    except (EnvironmentError, UnicodeError) as error:
        return getattr(error, 'strerror', None) or str(error)


def keep_asking(check, server, answers):
    """Put (check, server, what is wrong with it) in each interval."""
    while True:
        began = clock()
        answers.put((check, server, ask(server.address, check.kind, check.path, check.timeout)))
        time.sleep(min(max(began + check.interval - clock(), 0), check.interval))


# Files

def write(directory, name, text):
    """Have a file with this text, complete from the first moment on."""
    path = os.path.join(directory, name)
    with io.open(path + '.new', 'w', encoding='utf-8') as handle:
        handle.write(text)
    os.rename(path + '.new', path)


class Files(object):
    """The files in the directory, written only where they change."""

    def __init__(self, directory):
        self.directory, self.texts = directory, {}
        for name in os.listdir(directory):
            if name.endswith((FAILED, '.new')):
                os.unlink(os.path.join(directory, name))

    def have(self, name, text):
        """Have a file with this text, or none without a text; return whether it was otherwise."""
        if self.texts.get(name) == text:
            return False
        if text is None:
            os.unlink(os.path.join(self.directory, name))
        else:
            write(self.directory, name, text)
        self.texts[name] = text
        return True


# All of it

def say(text):
    print(text, file=sys.stderr)
    sys.stderr.flush()


def show(checks, files):
    """Bring the files up to what is known; status.json first, so that it has the reason of whatever fails."""
    status = json.dumps({'checks': [check.status() for check in checks]}, indent=1, sort_keys=True)
    files.have(STATUS, u'{0}\n'.format(status))
    for check in checks:
        failure = check.failure()
        if files.have(check.name + FAILED, failure and u'{0}\n'.format(failure)):
            say('{0}: {1}'.format(check.name, 'FAILED, {0}'.format(failure) if failure else 'good again'))


def tell_systemd(state, address):
    """Tell systemd, which waits for it and has the words of a start that fails."""
    if address:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        connection.sendto(state, re.sub('^@', '\0', address))
        connection.close()


def start(target, *arguments):
    """Start a thread without which the program does not go on: systemd starts it anew."""
    def guarded():
        try:
            target(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    thread = threading.Thread(target=guarded)
    thread.daemon = True
    thread.start()


def main(path, directory):
    with io.open(path, encoding='utf-8') as handle:
        checks = [Check(given) for given in json.load(handle)]
    files, answers = Files(directory), Queue()
    show(checks, files)
    for check in checks:
        for server in check.servers:
            start(keep_asking, check, server, answers)
    tell_systemd(b'READY=1', os.environ.get('NOTIFY_SOCKET'))
    while True:
        check, server, error = answers.get()
        before = server.status()
        if server.take(error, int(time.time())):
            say('{0}: {1} is {2}'.format(check.name, server.address, 'up' if server.up else 'down ({0})'.format(error)))
        if server.status() != before:
            show(checks, files)


if __name__ == '__main__':
    main(*sys.argv[1:])
