# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that writes keepalived's metrics.

``dumps`` holds what real daemons wrote: keepalived 2.0.7, 2.0.20, 2.2.7 and 2.3.4, each with the same three instances and three checks, in a
network namespace with a peer. vrrp_instance_1 is master there, vrrp_instance_2 backup of the peer, and broken in FAULT.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import io
import os
import re
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(HERE))))
sys.path.insert(0, os.path.join(ROOT, 'roles', 'keepalived', 'files'))

import keepalived_metrics as own  # noqa: E402
import vipkit_metrics as common  # noqa: E402
from keepalived_dump import is_whole, parse_data, parse_stats  # noqa: E402

VERSIONS = ['2.0.7', '2.0.20', '2.2.7', '2.3.4']
HELD = set(['192.0.2.1', '192.0.2.100', '192.0.2.102', '2001:db8::100'])
each_version = pytest.mark.parametrize('version', VERSIONS)


def dump(version, kind):
    with io.open(os.path.join(HERE, 'dumps', '{0}.{1}'.format(version, kind)), encoding='utf-8') as handle:
        return handle.read()


def key(labels):
    """The label that tells samples of one name apart."""
    return labels.get('error') or labels.get('virtual_ipaddress') or labels.get('vrrp_instance') or labels['vrrp_script']


def told(version, data=None):
    """The samples of a version's dumps, by name and label."""
    samples = own.samples_of(data or dump(version, 'data'), dump(version, 'stats'), HELD)
    return dict(((name[len('keepalived_'):], labels.get('vrrp_instance') if 'error' in labels else None, key(labels)), value)
                for name, labels, value in samples)


# --- what dumps say ---

@each_version
def test_instances(version):
    found = told(version)
    one = [(found['vrrp_state', None, name], found['vrrp_priority', None, name], found['vrrp_effective_priority', None, name])
           for name in ('vrrp_instance_1', 'vrrp_instance_2', 'broken')]
    assert one == [(2, 254, 244), (1, 50, 50), (3, 50, 50)]
    for name in ('vrrp_instance_1', 'vrrp_instance_2', 'broken'):
        assert 1795647000 < found['vrrp_last_transition_timestamp_seconds', None, name] < 1795648000


@each_version
def test_labels(version):
    samples = own.samples_of(dump(version, 'data'), dump(version, 'stats'), HELD)
    assert [labels for name, labels, dummy in samples if name == 'keepalived_vrrp_state'] == [
        {'vrrp_instance': name, 'virtual_router_id': number, 'interface': interface}
        for name, number, interface in (('vrrp_instance_1', '100', 'v0'), ('vrrp_instance_2', '101', 'v0'), ('broken', '102', 'v1'))]


@each_version
def test_virtual_ips_are_held_when_the_host_has_them(version):
    held = dict((label, value) for (name, dummy, label), value in told(version).items() if name == 'virtual_ipaddress_held')
    assert held == {'192.0.2.100': True, '192.0.2.102': True, '2001:db8::100': True, '192.0.2.101': False, '198.51.100.100': False}


@each_version
def test_checks(version):
    found = dict((label, value) for (name, dummy, label), value in told(version).items() if name == 'vrrp_script_success')
    assert found == {'check_nginx': True, 'check_upstreams': False, 'check_dead': False}


@pytest.mark.parametrize('version, line, other, expected', [
    ('2.0.7', 'Status = GOOD', 'Status = INIT', None),
    ('2.0.7', 'Status = GOOD', 'Status = INIT/FAILED', False),
    ('2.3.4', 'Init state = unknown', 'Init state = INIT', None),
    ('2.3.4', 'Init state = unknown', 'Init state = INIT/RELOAD', None),
    ('2.3.4', 'Init state = unknown', 'Init state = INIT/FAILED', True),
])
def test_a_check_says_nothing_before_its_first_result(version, line, other, expected):
    data = dump(version, 'data')
    assert line in data
    assert told(version, data.replace(line, other, 1)).get(('vrrp_script_success', None, 'check_nginx')) is expected


@each_version
def test_counters(version):
    found = told(version)
    assert found['become_master_total', None, 'vrrp_instance_1'] == 1 and found['become_master_total', None, 'broken'] == 0
    assert found['advertisements_sent_total', None, 'vrrp_instance_1'] > 0 == found['advertisements_received_total', None, 'vrrp_instance_1']
    assert found['advertisements_received_total', None, 'vrrp_instance_2'] > 0 == found['advertisements_sent_total', None, 'vrrp_instance_2']
    assert set(label for name, instance, label in found if name == 'packet_errors_total' and instance == 'broken') == set(own.ERRORS)


def test_every_counter_has_its_own_line():
    numbers = iter(range(1000, 2000))
    stats = re.sub(r': \d+$', lambda dummy: ': {0}'.format(next(numbers)), dump('2.0.7', 'stats'), flags=re.M)
    first = parse_stats(stats)['vrrp_instance_1']
    assert [first[where] for dummy, where, what in own.COUNTERS] == [1000, 1001, 1002, 1003, 1012, 1013]
    assert [first[own.ERRORS[name]] for name in ('length', 'ttl', 'type', 'advertisement_interval', 'address_list')] == list(range(1004, 1009))
    assert [first[own.ERRORS[name]] for name in ('auth_type', 'auth_type_mismatch', 'auth_pass')] == [1009, 1010, 1011]


def test_a_build_without_passwords_has_fewer_counters():
    stats = re.sub(r'    (Type Mismatch|Failure): 0\n', '', dump('2.0.7', 'stats'))
    assert is_whole(stats, ['vrrp_instance_1', 'vrrp_instance_2', 'broken'])
    samples = own.samples_of(dump('2.0.7', 'data'), stats, HELD)
    assert not [labels for dummy, labels, value in samples if labels.get('error') in ('auth_pass', 'auth_type_mismatch')]


def test_the_interface_below_a_mac_address_of_its_own():
    data = dump('2.0.7', 'data').replace('Interface = v0', 'Interface = vrrp.100, vmac on v0, xmit base i/f', 1)
    assert parse_data(data)[0][0]['interface'] == 'v0'


@each_version
def test_the_text_has_no_password_and_only_what_is_declared(version):
    samples = own.samples_of(dump(version, 'data'), dump(version, 'stats'), HELD) + [('keepalived_up', {}, 1)]
    text = common.exposition(own.METRICS, samples)
    assert 'Password = nanfei' in dump(version, 'data') and 'nanfei' not in text
    assert len(re.findall('^[a-z]', text, re.M)) == len(samples), 'none is left out'
    declared = [name for name, dummy, what in own.METRICS]
    assert len(set(declared)) == len(declared)
    assert set(declared) - set(name for name, dummy, value in samples) == set(name for name, dummy, what in common.known_to_all('keepalived'))


def test_one_that_does_not_answer_is_down(monkeypatch, capsys):
    monkeypatch.setattr(own, 'output', lambda *dummy: 'MainPID=0\n')
    assert own.collect('keepalived.service') == [('keepalived_up', {}, 0)]
    assert 'keepalived has no process that does VRRP, so keepalived_up is 0' in capsys.readouterr()[1]


# --- what the programs have in common ---

def test_the_text():
    known = [('b', 'gauge', 'Second.'), ('a', 'counter', 'First.'), ('c', 'gauge', 'None.')]
    assert common.exposition(known, [('a', {'z': 1, 'y': u'q"\\\n\xe4'}, 2), ('b', {}, True), ('a', {}, 0.5)]) == (
        u'# HELP b Second.\n# TYPE b gauge\nb 1\n# HELP a First.\n# TYPE a counter\na{y="q\\"\\\\\\n\xe4",z="1"} 2\na 0.5\n')


def test_the_file_is_there_as_a_whole_and_for_everybody(tmpdir):
    path = tmpdir.join('folder', 'one.prom')
    before = os.umask(0o077)
    try:
        common.publish(str(path), u'\xe4 1\n')
        common.publish(str(path), u'\xe4 2\n')
    finally:
        os.umask(before)
    assert path.read_binary() == u'\xe4 2\n'.encode('utf-8')
    assert os.stat(str(path)).st_mode & 0o777 == 0o644
    assert os.listdir(str(tmpdir.join('folder'))) == ['one.prom']


def test_a_link_in_a_folder_of_others_leads_root_nowhere(tmpdir):
    other, path = tmpdir.join('other'), tmpdir.join('vipkit.prom')
    other.write('theirs')
    os.symlink(str(other), str(path) + '.new')
    common.publish(str(path), u'1\n')
    assert (other.read(), path.read(), path.islink()) == ('theirs', '1\n', False)


def test_what_runs_is_compared_with_what_is_on_disk(tmpdir):
    conf, note = tmpdir.join('conf'), tmpdir.join('note')
    conf.write('a')
    assert common.in_force(str(note)) is None
    note.write('{0}  {1}\n'.format(hashlib.sha256(b'a').hexdigest(), conf))
    assert common.in_force(str(note)) is True
    conf.write('b')
    assert common.in_force(str(note)) is False
    conf.remove()
    assert common.in_force(str(note)) is False
    note.write('something else\n')
    assert common.in_force(str(note)) is None


def test_what_is_installed_comes_from_the_stamp(tmpdir):
    stamp = tmpdir.join('stamp')
    assert common.of_the_collection('nginx', str(stamp), (str(stamp),), 5) == [('nginx_metrics_timestamp_seconds', {}, 5)]
    stamp.write('{"version": "1.9.9", "fingerprint": "0123456789abcdef0123", "files": []}')
    assert ('nginx_build_info', {'version': '1.9.9', 'fingerprint': '0123456789abcdef'}, 1) in common.of_the_collection(
        'nginx', str(stamp), (str(stamp),), 5)
