# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes of one nginx as /proc shows them, what they log, and whether they answer. PRIVATE to this collection.

Nothing here needs more than to be root: of a worker, which runs as another user, only what everybody may see is read.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import contextlib
import errno
import fcntl
import io
import os
import re
import select
import socket
import ssl
import stat
import struct
import time

try:
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from urllib.parse import urlsplit
except ImportError:  # Python 2
    from httplib import HTTPConnection, HTTPException, HTTPSConnection
    from urlparse import urlsplit

from ansible.module_utils.common.text.converters import to_native, to_text
from ansible_collections.vipkit.ha.plugins.module_utils import _clock, _keepalived
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import sha256_of

MASTER = u'nginx: master process '
WORKER = u'nginx: worker process'
HELPER = re.compile(u'nginx: .+ process')
LEAVING = u'is shutting down'
GRAVE = re.compile(r'\[(?:emerg|alert|crit)\].*')
LISTEN = re.compile(r'(?:(?P<v4>\*|[\d.]+)|\[(?P<v6>[\dA-Fa-f:.]+)\]):(?P<port>\d{1,5})(?P<udp>/udp)?\Z')
EVERYWHERE = (u'0.0.0.0', u'::')
LISTENING = '0A'
UNCONNECTED = '07'  # what a socket of UDP is called that takes from everybody
ACCEPTS = 0x10000
MANY = 1000

# A number may be given to another process, but not at the same time
Process = collections.namedtuple('Process', ['pid', 'parent', 'session', 'start'])
# Its workers that accept connections, and those that only finish what they have
Master = collections.namedtuple('Master', ['process', 'active', 'leaving'])
# current is the one in the pid file; older the one that started it, or whose pid file is moved away; newcomers are being started by one
# of them; orphans are workers without a master that accept connections, and remnants those that only finish what they have
Family = collections.namedtuple('Family', ['current', 'older', 'newcomers', 'orphans', 'remnants'])
# kind is tcp, tcp6, udp, udp6 or unix; the last has a path for its address, and no port
Listener = collections.namedtuple('Listener', ['kind', 'address', 'port'])


class NginxError(Exception):
    """What failed, where, and what to do next."""


# Files of /proc

def gone(error):
    """Whether an error only says that there is no such file or process, or no longer."""
    return error.errno in (errno.ENOENT, errno.ESRCH, errno.ENOTDIR)


def text_of(*parts):
    """Return the content of a file, or nothing when it is not there."""
    try:
        with open(os.path.join(*parts), 'rb') as handle:
            return to_text(handle.read(), errors='replace')
    except EnvironmentError as error:
        if not gone(error):
            raise
        return u''


def process(proc, pid):
    """Return a living process, or None; the name that stands in its stat file may hold anything."""
    fields = text_of(proc, str(pid), 'stat').rpartition(u')')[2].split()
    return Process(int(pid), int(fields[1]), int(fields[3]), int(fields[19])) if len(fields) > 19 and fields[0] not in u'ZX' else None


def same(one, other):
    """Whether two looks saw the same process."""
    return bool(one and other) and (one.pid, one.start) == (other.pid, other.start)


def send(proc, one, number, kill=os.kill):
    """Send a signal to a process, if it still is the same."""
    if same(one, process(proc, one.pid)):
        try:
            kill(one.pid, number)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise NginxError('cannot send signal {0} to process {1} ({2}); run this as root'.format(number, one.pid, error))


def rests(proc, pid):
    """Whether a master has done all that it was told to and waits for the next signal; None when the system does not tell."""
    place = text_of(proc, str(pid), 'wchan').strip()
    if place and not place.isdigit():
        return u'sigsuspend' in place
    state = text_of(proc, str(pid), 'stat').rpartition(u')')[2].split()[:1]
    return None if state == [u'S'] else False


def processes(proc):
    """Return the living processes by their number."""
    found = [process(proc, name) for name in os.listdir(proc) if name.isdigit()]
    return dict((one.pid, one) for one in found if one)


def title(proc, pid):
    """Return what a process calls itself, or was called by."""
    return text_of(proc, str(pid), 'cmdline').partition(u'\0')[0]


def pid_in(path):
    """Return the number in a pid file, or None."""
    text = text_of(path).strip()
    return int(text) if text.isdigit() else None


def sockets(proc, pid):
    """Return the sockets that a process holds, standard input and outputs aside."""
    directory = os.path.join(proc, str(pid), 'fd')
    found = set()
    try:
        for name in os.listdir(directory):
            try:
                target = os.readlink(os.path.join(directory, name))
            except OSError as error:
                if not gone(error):
                    raise
                continue
            if target.startswith('socket:') and int(name) > 2:
                found.add(target)
    except OSError as error:
        if not gone(error):
            raise NginxError('cannot see the sockets of process {0} ({1}); run this as root'.format(pid, error))
    return found


# Programs

def program(proc, pid):
    """Return a path at which the file that a process executes can be opened, even when it is gone from the disk."""
    return os.path.join(proc, str(pid), 'exe')


def directory(proc, pid):
    """Return the directory that a process is in."""
    try:
        return os.readlink(os.path.join(proc, str(pid), 'cwd'))
    except OSError as error:
        raise NginxError('cannot see the directory of process {0} ({1}); run this as root'.format(pid, error))


class Programs(object):
    """Tells whether a process executes what a file holds; what was read once is not read again."""

    def __init__(self, proc):
        self.proc = proc
        self.sums = {}

    def sha256(self, path, status):
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime)
        if key not in self.sums:
            self.sums[key] = sha256_of(path)
        return self.sums[key]

    def same(self, pid, path):
        running = program(self.proc, pid)
        try:
            ours, theirs = os.stat(path), os.stat(running)
        except OSError as error:
            if gone(error) and os.path.exists(path):
                return False
            raise NginxError('cannot compare {0} with what process {1} executes ({2}); see that the file is there, and run this as root'
                             .format(path, pid, error))
        if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
            return True
        return ours.st_size == theirs.st_size and self.sha256(path, ours) == self.sha256(running, theirs)


def version(path):
    """Return the version that an nginx tells, with the name of its build if it has one, or None."""
    try:
        said = _keepalived.run([path, '-v'], 5).output
    except EnvironmentError:
        return None
    return (re.findall(r'(?m)^\w+ version: [^/\s]+/(.+?)\s*$', said) or [None])[0]


# Where it listens

def parse_listen(text):
    """Return the Listener that nginx calls so, with /udp behind it when it is none of TCP."""
    text = to_text(text)
    if text.startswith(u'unix:/'):
        return Listener('unix', text[len('unix:'):], None)
    found = LISTEN.match(text)
    try:
        if found and 0 < int(found.group('port')) < 65536:
            version, address = (socket.AF_INET6, found.group('v6')) if found.group('v6') else (socket.AF_INET, found.group('v4'))
            packed = socket.inet_pton(version, u'0.0.0.0' if address == u'*' else address)
            kind = ('udp' if found.group('udp') else 'tcp') + ('6' if found.group('v6') else '')
            return Listener(kind, to_text(socket.inet_ntop(version, packed)), int(found.group('port')))
    except (socket.error, ValueError):
        pass
    raise NginxError("nothing can listen on '{0}'; give ADDRESS:PORT, *:PORT, [ADDRESS]:PORT, unix:/PATH or ADDRESS:PORT/udp".format(
        to_native(text)))


def listen_text(listener):
    """Return what nginx calls a Listener."""
    if listener.kind == 'unix':
        return u'unix:' + listener.address
    address = u'[{0}]'.format(listener.address) if u':' in listener.address else listener.address.replace(u'0.0.0.0', u'*')
    return u'{0}:{1}{2}'.format(address, listener.port, u'/udp' if listener.kind.startswith('udp') else u'')


def listener_of(kind, local):
    """Return the Listener that the tables of sockets call so."""
    words, dummy, port = local.partition(':')
    packed = b''.join(struct.pack('=I', int(words[place:place + 8], 16)) for place in range(0, len(words), 8))
    return Listener(kind, to_text(socket.inet_ntop(socket.AF_INET6 if kind.endswith('6') else socket.AF_INET, packed)), int(port, 16))


def _on_network(kind, table):
    """Yield the number of each socket of TCP or UDP that listens, and its Listener."""
    for line in table:
        fields = line.split()
        if fields[3] == (LISTENING if kind.startswith('tcp') else UNCONNECTED):
            yield fields[9], listener_of(kind, fields[1])
        elif kind.startswith('tcp'):
            break  # the listening ones come first, and of the others there may be many


def _on_paths(kind, table):
    """Yield the number of each socket with a path that listens, and its Listener."""
    for line in table:
        fields = line.rstrip(u'\n').split(None, 7)
        if len(fields) == 8 and int(fields[3], 16) & ACCEPTS:
            yield fields[6], Listener(kind, fields[7], None)


def listening(proc, pid):
    """Return all that listens on the network that a process is on, by the names that descriptors have for it."""
    found = {}
    for kind in ('tcp', 'tcp6', 'udp', 'udp6', 'unix'):
        path = os.path.join(proc, str(pid), 'net', kind)
        if os.path.exists(path):
            with open(path, 'rb') as table:
                next(table)  # what its columns are called
                lines = (to_text(line, errors='replace') for line in table)
                found.update((u'socket:[{0}]'.format(number), listener)
                             for number, listener in (_on_paths if kind == 'unix' else _on_network)(kind, lines))
    return found


def listens(held, wanted):
    """Whether some listeners do what is wanted; nginx opens no socket for an address beside one for all."""
    return any((one.kind, one.port) == (wanted.kind, wanted.port) and (one.address == wanted.address or one.address in EVERYWHERE)
               for one in held)


def collides(one, other):
    """Whether the system may refuse one listener because of the other."""
    if (one.kind[:3], one.port) != (other.kind[:3], other.port):
        return False
    return one.address == other.address or one.address in EVERYWHERE or other.address in EVERYWHERE


# The family

def command(proc, pid):
    """Return the command line that a master was started with, as far as its title, which has no quotes, tells."""
    return title(proc, pid)[len(MASTER):]


def options(line):
    """Return the options in such a command line that take a value; more than one of the same is the last."""
    parts = re.split(r' -([cepg]) ?(?=\S)', line)
    return dict(zip(parts[1::2], [part.strip() for part in parts[2::2]]))


def check_configuration(proc, master, conf_path):
    """Refuse a master that was started with another configuration file, as far as its command line tells."""
    given = options(command(proc, master.pid)).get('c', conf_path)
    if conf_path and given.startswith('/') and os.path.realpath(given) != os.path.realpath(conf_path):
        raise NginxError('process {0} reads {1}, not {2}; correct conf_path or pid_path, or restart nginx'.format(
            master.pid, given, conf_path))


def _master(one, kin):
    """Return a master with those of its kin that are its workers."""
    if one is None:
        return None
    workers = [other for other, name in kin if other.parent == one.pid and name.startswith(WORKER)]
    names = dict((other.pid, name) for other, name in kin)
    return Master(one, sorted(other for other in workers if LEAVING not in names[other.pid]),
                  sorted(other for other in workers if LEAVING in names[other.pid]))


def _family(proc, named, named_old):
    table = processes(proc)

    def master(pid):
        return table[pid] if pid in table and title(proc, pid).startswith(MASTER) else None

    current = master(named)
    older = master(current.parent if current else named_old)
    if not (current or older):
        return Family(None, None, [], [], [])
    parents = [one.pid for one in (current, older) if one]
    # A new master stays in the session of the one that started it, and so do workers that lose theirs
    session = (current or older).session
    kin = [(one, title(proc, one.pid)) for one in table.values() if one.session == session or one.parent in parents]
    called = command(proc, parents[0]).partition(u' ')[0]
    masters = [one.pid for one, name in kin if name.startswith(MASTER)]
    newcomers = [one for one, name in kin
                 if one.parent in parents and one.pid not in parents and (name.startswith(MASTER) or name == called)]
    lone = [(one, LEAVING in name) for one, name in kin
            if one.parent not in masters and one.pid not in masters and HELPER.match(name)]
    return Family(_master(current, kin), _master(older, kin), sorted(newcomers),
                  sorted(one for one, leaving in lone if not leaving), sorted(one for one, leaving in lone if leaving))


def family(proc, pid_path):
    """Return the masters and workers of the nginx that has this pid file."""
    while True:
        named = pid_in(pid_path), pid_in(pid_path + '.oldbin')
        seen = _family(proc, *named)
        if named == (pid_in(pid_path), pid_in(pid_path + '.oldbin')):
            return seen


def quitting(proc, older, current):
    """Whether an older master was told to end: it has closed the listening sockets that both would have."""
    return not (older.active or sockets(proc, older.process.pid) & sockets(proc, current.process.pid))


# The log

def open_log(proc, pid):
    """Return the error log of a master, opened at its present end, or None when it is no file."""
    path = os.path.join(proc, str(pid), 'fd', '2')  # nginx makes the log its standard error
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        log = io.open(path, 'rb')  # Python 2's own reads nothing more once it came to the end
    except EnvironmentError:
        return None
    log.seek(0, os.SEEK_END)
    return log


def complaints(log, count=3):
    """Return the last grave words that were added to a log."""
    return GRAVE.findall(to_text(log.read(), errors='replace'))[-count:] if log else []


class Logs(object):
    """What a master and its workers log from now on: into the file that they have for that, and into those that they open later."""

    def __init__(self, proc, pid):
        self.directory = os.path.join(proc, str(pid), 'fd')
        self.logs = [log for log in (open_log(proc, pid),) if log]
        self.readable = bool(self.logs)
        self.known = set(key for key, dummy in self.written())

    def written(self):
        """Return (what identifies it, a path to it) for each file that the master has opened to write."""
        found = []
        for name in os.listdir(self.directory) if os.path.isdir(self.directory) else []:
            path = os.path.join(self.directory, name)
            try:
                status = os.stat(path)
                if stat.S_ISREG(status.st_mode) and os.lstat(path).st_mode & stat.S_IWUSR:
                    found.append(((status.st_dev, status.st_ino), path))
            except OSError as error:
                if not gone(error):
                    raise
        return found

    def read(self):
        """Return the grave words that were added since the last time."""
        said = [line for log in self.logs for line in complaints(log, MANY)]
        for key, path in self.written():
            if key not in self.known:
                self.known.add(key)
                try:
                    self.logs.append(io.open(path, 'rb'))
                except EnvironmentError:
                    continue
                self.logs[-1].seek(0, os.SEEK_END)  # what stands there may be old
        return said

    def close(self):
        for log in self.logs:
            log.close()


# Whether it answers

def parse_probe(text):
    """Return (scheme, host, port, path) of a URL, or of HOST:PORT."""
    try:
        parts = urlsplit(text if '://' in text else 'tcp://' + text)
        port = parts.port or {'http': 80, 'https': 443}.get(parts.scheme)
        if parts.scheme in ('http', 'https', 'tcp') and parts.hostname and port and '@' not in parts.netloc:
            return parts.scheme, parts.hostname, port, (parts.path or '/') + ('?' + parts.query if parts.query else '')
    except ValueError:
        pass
    raise NginxError("'{0}' can't be probed; give an http:// or https:// URL without user, tcp://HOST:PORT or HOST:PORT".format(text))


def _answer_http(scheme, host, port, path, timeout):
    """Return what is wrong with the answer to a request, or None."""
    more = {}
    if scheme == 'https' and hasattr(ssl, '_create_unverified_context'):
        more['context'] = ssl._create_unverified_context()  # what it answers with is not the question
    connection = (HTTPSConnection if scheme == 'https' else HTTPConnection)(host, port, timeout=timeout, **more)
    with contextlib.closing(connection):
        connection.request('GET', path, headers={'Connection': 'close'})
        answer = connection.getresponse()
        if answer.version < 10:  # Python 2 takes anything for an answer of HTTP/0.9
            raise HTTPException('no answer of HTTP')
        return None if 200 <= answer.status < 400 else 'status {0}'.format(answer.status)


def listeners(family, address, port):
    """Return the names that the tables of TCP sockets have for the sockets that may listen on an address."""
    packed = socket.inet_pton(family, address.partition('%')[0])
    words = struct.unpack('={0}I'.format(len(packed) // 4), packed)
    return ['{0}:{1:04X}'.format(name, port) for name in (''.join('{0:08X}'.format(word) for word in words), '0' * 8, '0' * 32)]


def queued(table, names):
    """Return how many connections the system has taken for some listening sockets, and no process has accepted."""
    total = 0
    for line in table:
        fields = line.split()
        if fields[3] not in ('st', LISTENING):
            break  # the listening ones come first, and of the others there may be many
        if fields[1] in names:
            total += int(fields[4].partition(':')[2], 16)
    return total


def _answer_tcp(host, port, timeout, proc):
    """Return None when a process accepts a connection; that the system does so proves only that somebody listens."""
    deadline = _clock.monotonic() + timeout
    with contextlib.closing(socket.create_connection((host, port), timeout)) as connection:
        names = listeners(connection.family, connection.getpeername()[0], port)
        while True:
            waiting = 0
            for table in [os.path.join(proc, 'net', name) for name in ('tcp', 'tcp6')]:
                if os.path.exists(table):
                    with open(table) as handle:
                        waiting += queued(handle, names)
            if not waiting:  # now, so ours is not either: they are accepted in their order
                return None
            if select.select([connection], [], [], 0.02)[0]:
                connection.recv(1)  # whatever it is, or an error
                return None
            if _clock.monotonic() >= deadline:
                return 'no process accepts connections'


def probe(text, timeout, proc='/proc'):
    """Return what is wrong with the answer that a probe gets, or None."""
    scheme, host, port, path = parse_probe(text)
    try:
        return _answer_tcp(host, port, timeout, proc) if scheme == 'tcp' else _answer_http(scheme, host, port, path, timeout)
    except (EnvironmentError, HTTPException, UnicodeError) as error:
        return to_text(error) or error.__class__.__name__


def unanswered(probes, timeout, rounds=1, ask=probe):
    """Return the first probe without a good answer, with what is wrong, or None."""
    for dummy in range(rounds):
        for one in probes:
            wrong = ask(one, timeout)
            if wrong:
                return '{0}: {1}'.format(one, to_native(wrong))
    return None


# What a module is told

def check_options(params):
    for name in ('timeout', 'probe_timeout', 'drain_timeout'):
        if not 0 <= params.get(name, 0) < float('inf'):
            raise NginxError('{0} is {1}; give it as seconds, 0 or more'.format(name, params[name]))
    for one in params['probes']:
        parse_probe(one)


@contextlib.contextmanager
def lock(directory):
    """Be the only run on this host that changes the nginx with its pid file there."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (IOError, OSError) as error:
            raise NginxError('another run upgrades or reloads nginx at this moment ({0} is locked: {1}); wait for it'.format(
                directory, error))
        yield
    finally:
        os.close(descriptor)


# Waiting

class Watch(object):
    """Looks at one nginx again and again."""

    def __init__(self, pid_path, proc='/proc', clock=_clock.monotonic, pause=time.sleep):
        self.pid_path = pid_path
        self.proc = proc
        self.clock = clock
        self.pause = pause

    def look(self):
        return family(self.proc, self.pid_path)

    def until(self, ready, timeout, interval=0.05):
        """Return the first family that is ready, or None when there is none in time."""
        deadline = self.clock() + timeout
        while True:
            seen = self.look()
            if ready(seen):
                return seen
            if self.clock() >= deadline:
                return None
            self.pause(interval)


class Steady(object):
    """Tells whether something has been the same, and not nothing, for some seconds."""

    def __init__(self, clock, seconds):
        self.clock = clock
        self.seconds = seconds
        self.last = None
        self.since = None

    def __call__(self, value):
        if value != self.last:
            self.last, self.since = value, self.clock()
        return bool(value) and self.clock() - self.since >= self.seconds
