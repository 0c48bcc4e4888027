# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the programs that write metrics have in common: the text format of Prometheus, and what the collection knows of a program."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import io
import json
import os
import re
import subprocess
import sys

SUM = re.compile(r'([0-9a-f]{64}) [ *](/.*)$')


# The text

def escaped(value):
    return u'{0}'.format(value).replace(u'\\', u'\\\\').replace(u'"', u'\\"').replace(u'\n', u'\\n')


def line(name, labels, value):
    inside = u','.join(u'{0}="{1}"'.format(key, escaped(labels[key])) for key in sorted(labels))
    number = int(value) if value == int(value) else repr(value)  # of a bool, too
    return u'{0}{1} {2}'.format(name, u'{{{0}}}'.format(inside) if inside else u'', number)


def exposition(known, samples):
    """Return samples, each as (name, labels, value), as text; known: (name, kind, help) of all there are, in their order."""
    lines = []
    for name, kind, what in known:
        own = [line(*sample) for sample in samples if sample[0] == name]
        if own:
            lines += [u'# HELP {0} {1}'.format(name, what), u'# TYPE {0} {1}'.format(name, kind)] + own
    return u'\n'.join(lines) + u'\n'


def publish(path, text):
    """Have a file with this text, complete from the first moment on, or print it without a path."""
    if not path:
        getattr(sys.stdout, 'buffer', sys.stdout).write(text.encode('utf-8'))
        return
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    new = path + '.new'                   # the collector of node_exporter reads no such name
    if os.path.lexists(new):              # left by a look that was broken off, or a link that somebody put there to have root write elsewhere
        os.remove(new)
    with io.open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), 'w', encoding='utf-8') as handle:
        os.fchmod(handle.fileno(), 0o644)  # whatever the umask is
        handle.write(text)
    os.rename(new, path)


# What the host knows

def text_of(*path):
    """Return the content of a file, or None when there is none, as with a process that is gone."""
    try:
        with io.open(os.path.join(*path), encoding='utf-8', errors='replace') as handle:
            return handle.read()
    except EnvironmentError:
        return None


def output(*command):
    """Return what a command says."""
    return subprocess.Popen(command, stdout=subprocess.PIPE).communicate()[0].decode('utf-8', 'replace')


def is_what_a_sum_says(path, expected):
    try:
        with io.open(path, 'rb') as handle:
            return hashlib.sha256(handle.read()).hexdigest() == expected
    except EnvironmentError:
        return False


def in_force(*notes):
    """Return whether files are what they were when the service read them; None without the service's notes of that."""
    texts = [text_of(note) for note in notes]
    sums = [SUM.match(one) for text in texts for one in (text or u'').splitlines()]
    if None in texts or not sums or None in sums:
        return None
    return all(is_what_a_sum_says(found.group(2), found.group(1)) for found in sums)


def of_the_collection(program, stamp, notes, now):
    """Return the samples that every program has."""
    samples = [(program + '_metrics_timestamp_seconds', {}, now)]
    told = text_of(stamp)
    if told is not None:
        build = json.loads(told)
        samples.append((program + '_build_info', {'version': build['version'], 'fingerprint': build['fingerprint'][:16]}, 1))
    loaded = in_force(*notes)
    return samples + ([] if loaded is None else [(program + '_in_force', {}, loaded)])


def known_to_all(program):
    """Return (name, kind, help) of them."""
    return [
        (program + '_metrics_timestamp_seconds', 'gauge', 'When this was written.'),
        (program + '_build_info', 'gauge', 'What is installed, by the stamp of the collection; always 1.'),
        (program + '_in_force', 'gauge', 'Whether program, unit and configuration on the disk are those that run.'),
    ]
