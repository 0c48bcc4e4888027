# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts for tests: real network namespaces on a bridge, with the kernel to answer."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import ctypes
import json
import os
import subprocess
import sys

import pytest

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Newer releases of ansible-core want to know how arguments and results are encoded; older ones have no such name.
RUN = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible.module_utils import basic
basic._ANSIBLE_PROFILE = 'legacy'
sys.argv = sys.argv[2:]
runpy.run_module('ansible_collections.vipkit.ha.plugins.modules.' + sys.argv[0], run_name='__main__')
"""


class Namespace(object):
    """A network namespace; it lives as long as its holder waits for input."""

    def __init__(self):
        self.holder = subprocess.Popen(['unshare', '--net', 'sh', '-c', 'echo ready; read line'],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.ready = self.holder.stdout.readline().strip() == b'ready'

    def start(self, *command, **more):
        return subprocess.Popen(('nsenter', '--net', '--target', str(self.holder.pid)) + command,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def run(self, *command, **more):
        process = self.start(*command)
        output, errors = process.communicate(more.get('data', '').encode())
        assert process.returncode == 0, errors.decode()
        return output.decode()

    def ip(self, text):
        return self.run('ip', *text.split())

    def start_module(self, module_name, preexec_fn=None, **arguments):
        process = self.start(sys.executable, '-c', RUN, UNIT, module_name, preexec_fn=preexec_fn)
        process.stdin.write(json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
        process.stdin.close()
        process.stdin = None  # so that communicate() does not touch it
        return process

    def module(self, module_name, **arguments):
        return result_of(self.start_module(module_name, **arguments))

    def close(self):
        self.holder.communicate()


def result_of(process):
    """(status, result) of a module that start_module() has started."""
    output, errors = process.communicate()
    assert not errors.strip(), errors.decode()
    return process.returncode, json.loads(output.decode())


def without_raw_sockets():
    """The right to open them leaves the bounding set, so that not even root has it in the next program."""
    drop_from_bounding_set, cap_net_raw = 24, 13
    assert ctypes.CDLL(None).prctl(drop_from_bounding_set, cap_net_raw, 0, 0, 0) == 0


@contextlib.contextmanager
def bridged(kind, hosts):
    """Namespaces of that class by name, on a bridge in one more; hosts: {name: (MAC, addresses with their prefix lengths)} of their eth0."""
    if os.geteuid() != 0:
        pytest.skip('only root can make a network namespace')
    made = []
    try:
        try:
            for dummy in range(len(hosts) + 1):
                made.append(kind())
        except OSError as error:
            pytest.skip('no network namespace: %s' % error)
        if not all(one.ready for one in made):
            pytest.skip('the kernel refuses to make a network namespace')
        hub, found = made[0], dict(zip(sorted(hosts), made[1:]))
        try:
            hub.ip('link add br0 up type bridge mcast_snooping 0')
            for name, (mac, addresses) in hosts.items():
                hub.ip('link add to_%s type veth peer name eth0 netns %d' % (name, found[name].holder.pid))
                hub.ip('link set to_%s up master br0' % name)
                found[name].ip('link set lo up')
                found[name].ip('link set eth0 up address ' + mac)
                for address in addresses:
                    found[name].ip('addr add %s dev eth0%s' % (address, ' nodad' if ':' in address else ''))
        except (OSError, AssertionError) as error:
            pytest.skip('no bridge, no veth interface or no IPv6 in a network namespace: %s' % error)
        yield found
    finally:
        for one in made:
            one.close()
