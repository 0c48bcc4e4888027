# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: what comes of thousands of probes of an address.

``Answer`` reads what a web server sends, ``Tally`` adds probes up, ``Owners`` follows who answers. Nothing here does I/O or looks at a clock, and
nothing grows with the number of probes. All times are seconds since one and the same moment.
Source: RFC 9112 (when an answer is complete).
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import math
import re
import unicodedata

from ansible_collections.vipkit.ha.plugins.module_utils import _vrrp

LISTED = 1000  # of outages, and of changes of owner; an address that flaps all day shall not fill the memory
LINE = 200
VIRTUAL_MACS = ('00:00:5e:00:01:', '00:00:5e:00:02:')  # RFC 5798 section 7.3; whoever is master has the same one
UNANSWERED = 5  # questions to one who is gone
HEAD = 65536  # bytes of an answer that are kept; a head that is longer is none

STATUS_LINE = re.compile(br'HTTP/\d\.\d (\d{3})(?: [^\r\n]*)?\r?\n')
END_OF_HEAD = re.compile(br'\r?\n\r?\n')
LENGTH = re.compile(br'\ncontent-length:[ \t]*(\d+)[ \t]*\r?\n', re.I)
CHUNKED = re.compile(br'\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r?\n', re.I)
LAST_CHUNK = b'0\r\n\r\n'


def digits(seconds):
    """Microseconds are the last ones that mean anything."""
    return None if seconds is None else round(seconds, 6)


def first_line(body):
    """Of a page, without control and format characters, some of which a terminal would obey."""
    lines = body.decode('utf-8', 'replace').strip().splitlines()
    return ''.join(letter for letter in lines[0][:LINE] if unicodedata.category(letter) not in ('Cc', 'Cf')) if lines else ''


def request(address, port, path):
    """A GET for the page at an address."""
    name = address.partition('%')[0]
    host = '[%s]' % name if ':' in name else name
    lines = ['GET %s HTTP/1.1' % path, 'Host: %s' % (host if port == 80 else '%s:%d' % (host, port)), 'User-Agent: vipkit.ha', 'Connection: close', '', '']
    return '\r\n'.join(lines).encode()


class Answer(object):
    """One answer over HTTP, in the pieces in which it comes."""

    __slots__ = ('start', 'size', 'tail', 'body_at', 'length', 'chunked')

    def __init__(self):
        self.start, self.tail = b'', b''
        self.size = 0
        self.body_at = self.length = None
        self.chunked = False

    def take(self, data):
        """Whether the answer is complete, as far as that can be told before the server closes."""
        self.size += len(data)
        if len(self.start) < HEAD:
            self.start += data[:HEAD - len(self.start)]
        self.tail = (self.tail + data)[-len(LAST_CHUNK):]
        if self.body_at is None:
            found = END_OF_HEAD.search(self.start)
            if found:
                self.body_at = found.end()
                head = self.start[:found.end()]
                self.chunked = bool(CHUNKED.search(head))
                length = None if self.chunked else LENGTH.search(head)
                self.length = int(length.group(1)) if length else 0 if self.status() in (204, 304) else None
        return self.length is not None and self.size - self.body_at >= self.length

    def status(self):
        """Of what has come so far; 0 where it is no answer."""
        found = STATUS_LINE.match(self.start)
        return int(found.group(1)) if found and self.body_at is not None else 0

    def whole(self):
        """Whether it was complete when the server closed."""
        if self.body_at is None or self.length is not None:
            return self.length is not None and self.size - self.body_at >= self.length
        return not self.chunked or self.tail == LAST_CHUNK

    def line(self):
        body = self.start[self.body_at:]
        return first_line(body.partition(b'\n')[2] if self.chunked else body)  # a chunk begins with a line that tells its size

    def problem(self, wanted):
        """Why it is not a good one, '' if it is; wanted: the statuses that are good, none for every one below 500."""
        status = self.status()
        if not self.whole():
            return 'closed without an answer' if not self.size else 'closed before the answer was complete'
        if not status:
            return 'what came is no answer of HTTP'
        return '' if (status in wanted if wanted else status < 500) else 'status %d' % status


class Histogram(object):
    """Latencies, each to within 2 %."""

    STEP = math.log(1.02)

    def __init__(self):
        self.counts, self.number, self.worst = {}, 0, 0.0

    def add(self, seconds):
        place = int(math.ceil(math.log(max(seconds, 1e-6)) / self.STEP))
        self.counts[place] = self.counts.get(place, 0) + 1
        self.number += 1
        self.worst = max(self.worst, seconds)

    def at(self, share):
        """What so large a share of them does not exceed; None where there are none."""
        left = self.number * share
        for place in sorted(self.counts):
            left -= self.counts[place]
            if left <= 0:
                return min(math.exp(place * self.STEP), self.worst)
        return None

    def result(self):
        return {'median': digits(self.at(0.5)), 'p99': digits(self.at(0.99)), 'worst': digits(self.worst if self.number else None)}


class Tally(object):
    """The probes of one address, added up in the order in which they were sent."""

    def __init__(self, slow):
        self.slow = slow
        self.sent = self.answered = self.late = self.lost = self.left_out = 0
        self.errors, self.outages, self.latency = {}, [], Histogram()
        self.outage = None

    def add(self, at, took, error=''):
        """A probe that was sent at that time: answered after so many seconds, or lost with an error."""
        self.sent += 1
        if error:
            self.lost += 1
            self.errors[error] = self.errors.get(error, 0) + 1
            self._bad(at, 'lost')
            return
        self.latency.add(took)
        if took > self.slow:
            self.late += 1
            self._bad(at, 'late')
        else:
            self.answered += 1
            self._end(at, at)

    def _bad(self, at, how):
        if self.outage is None:
            self.outage = {'began': at, 'lost': 0, 'late': 0}
        self.outage[how] += 1

    def _end(self, at, ended):
        if self.outage is None:
            return
        if len(self.outages) < LISTED:
            self.outages.append(dict(self.outage, began=digits(self.outage['began']), ended=digits(ended), seconds=digits(at - self.outage['began'])))
        else:
            self.left_out += 1
        self.outage = None

    def result(self, elapsed):
        """All of it, when probing has ended after so many seconds. An outage that lasts until then has no end."""
        self._end(elapsed, None)
        return {
            'sent': self.sent, 'answered': self.answered, 'late': self.late, 'lost': self.lost,
            'errors': self.errors, 'latency': self.latency.result(), 'outages': self.outages,
        }


class Owners(object):
    """Who answers for one address: by hardware address where that is asked for; where it is not, or tells nothing, by the first line of the page."""

    def __init__(self, by_mac):
        self.by_mac = by_mac
        self.changes, self.left_out = [], 0
        self.macs, self.before, self.seen = (), (), {}
        self.last, self.silent = (), {}
        self.since, self.page = 0.0, None
        self.round = self.round_of_change = 0

    def ask(self):
        """Everyone is asked once more. Who has left several questions unanswered is gone, since the last answer."""
        # Questions are counted, not seconds: when this host is too busy to ask, nobody is silent.
        self.round += 1
        for mac in sorted(self.macs, key=self.seen.get):
            at, answered = self.seen[mac]
            if self.round - answered > UNANSWERED:
                self.before = ()
                self._change(max(at, self.since), tuple(other for other in self.macs if other != mac))

    def hear(self, at, mac, announced=False):
        """An answer came from that hardware address, or what it announces to all."""
        fresh = self.round - self.round_of_change <= UNANSWERED
        if mac not in self.macs:
            if fresh and mac in self.before:
                # The one that seemed to be relieved still answers: so both do, and have since then.
                self.macs += (mac,)
                self.last = self.macs
                if self.changes and not self.left_out:
                    self.changes[-1]['macs'] = sorted(self.macs)
            else:
                self.before = self.macs + (self.before if fresh else ())
                self._change(at, (mac,))
        self.seen[mac] = (at, self.round)
        if announced and mac in self.silent:
            self.silent.pop(mac)['announced'] = at

    def read(self, sent, at, line):
        """The page that answered a probe begins with that line."""
        if not self.by_mac:
            if line != self.page:
                self._change(at, ())
                self._write(line)
        elif self.macs and sent >= self.since:
            if self.page is None:
                self._write(line)
            elif line != self.page and all(mac.startswith(VIRTUAL_MACS) for mac in self.macs):
                self._change(at, self.macs)
                self._write(line)

    def _write(self, line):
        self.page = line
        if self.changes and not self.left_out:
            self.changes[-1]['line'] = line

    def _change(self, at, macs):
        self.since = at if self.changes else 0.0  # nobody was there before the first one
        self.round_of_change, self.macs, self.page = self.round, macs, None
        self.seen = dict((mac, self.seen.get(mac)) for mac in macs)
        change = {'at': at, 'macs': sorted(macs), 'line': None, 'announced': None}
        self.silent = dict((mac, self.silent.get(mac, change)) for mac in macs if mac not in self.last or mac in self.silent)
        self.last = macs or self.last
        if len(self.changes) < LISTED:
            self.changes.append(change)
        else:
            self.left_out += 1

    def result(self):
        return [dict(change, at=digits(change['at']), announced=digits(change['announced']), mac=change['macs'][0] if len(change['macs']) == 1 else None)
                for change in self.changes]


def room_needed(addresses, timeout, interval):
    """Open files at most, when nothing answers any more."""
    return int(math.ceil(addresses * (timeout / interval + 1))) + 64  # of Python, and what the shell has left open


def inside(address, network, prefix):
    """Whether an address is in the network that another one is in, with so long a prefix."""
    if _vrrp.family_of(address) != _vrrp.family_of(network):
        return False
    ours, theirs = [''.join('{0:08b}'.format(byte) for byte in bytearray(_vrrp.pack(text))) for text in (address, network)]
    return ours[:prefix] == theirs[:prefix]


def way_to(address, source, local):
    """(the address of this host in whose network the other one is, '') or (None, why there is none).

    source: the address of this host from which it reaches the other one; local: all its addresses, as _netlink tells them.
    """
    if any(one['address'] == address for one in local):
        return None, 'this host holds the address itself'
    interfaces = [one['interface'] for one in local if one['address'] == source]
    for one in local:
        if one['interface'] in interfaces and inside(address, one['address'], one['prefix']):
            return one, ''
    return None, 'the address is not on a network that this host is on'
