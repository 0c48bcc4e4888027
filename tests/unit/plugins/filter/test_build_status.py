# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts have of a program, and where they drift apart."""

from __future__ import annotations

import pytest
from ansible_collections.vipkit.ha.plugins.filter.build_status import build_status

STAMP = {
    'program': 'nginx', 'version': '1.26.3', 'fingerprint': 'aaaabbbbcccc', 'request': 'r1', 'platform': 'debian-12-x86_64', 'built_on': 'a',
    'built_at': '2026-11-22T10:00:00Z', 'configure_flags': ['--x'], 'patches': [{'name': 'one', 'sha256': 'f'}],
    'toolchain': {'compiler': {'name': 'gcc', 'version': '12.2.0', 'path': '/usr/bin/cc'}},
}
UNIT = {'exists': True, 'active': 'active', 'in_force': 'yes', 'stale': []}


def host(unit=None, damaged=(), artifacts=(), **stamp):
    return {'installed': {'nginx': {'stamp': {**STAMP, **stamp}, 'intact': not damaged, 'damaged': list(damaged), 'artifacts': list(artifacts)}},
            'units': {'nginx': {**UNIT, **(unit or {})}}}


def drift(wanted=None, **hosts):
    return build_status(hosts, wanted)['drift']


def test_hosts_that_are_the_same_do_not_drift():
    assert drift({'a': {'nginx': 'r1'}}, a=host(), b=host()) == []


def test_the_table():
    kept = [{'version': '1.26.3', 'fingerprint': 'aaaabbbbcccc'}, {'version': '1.22.1', 'fingerprint': 'ddddeeeeffff'}]
    status = build_status({'a': host(artifacts=kept), 'b': host({'active': 'inactive'})})
    assert status['lines'] == [
        'host  program  version  build     in force     built                      by          kept',
        'a     nginx    1.26.3   aaaabbbb  yes          2026-11-22T10:00:00Z on a  gcc 12.2.0  1.22.1 (ddddeeee)',
        'b     nginx    1.26.3   aaaabbbb  not running  2026-11-22T10:00:00Z on a  gcc 12.2.0',
    ]
    assert [row['host'] for row in status['rows']] == ['a', 'b']


@pytest.mark.parametrize('b, told', [
    ({'installed': {'nginx': {'stamp': None}}}, 'b has no nginx of this collection: run site.yml.'),
    (host(damaged=['/usr/local/nginx/nginx']), 'b: /usr/local/nginx/nginx is not what was installed: run site.yml, which puts it back.'),
    (host({'active': 'inactive'}), 'b: nginx does not run.'),
    (host({'in_force': 'reload', 'stale': ['/x.conf']}), 'b: nginx runs with something else than what is on disk (/x.conf): run site.yml, which reloads it.'),
    (host({'in_force': 'restart'}), 'b: nginx runs with something else than what is on disk (unknown): run site.yml, which restarts it or has the new one '
                                    'take over.'),
    (host(version='1.22.1'), 'nginx: the hosts differ in version (a: 1.26.3; b: 1.22.1).'),
    (host(configure_flags=[]), 'nginx: the hosts differ in configure_flags (a: --x; b: none).'),
    (host(patches=[]), 'nginx: the hosts differ in patches (a: one; b: none).'),
    (host(fingerprint='999'), 'nginx: hosts of one platform have different builds of the same (a; b), made with different compilers or libraries.'),
])
def test_what_is_not_as_it_should_be(b, told):
    assert drift(a=host(), b=b) == [told]


def test_another_platform_is_no_drift():
    assert drift(a=host(), b=host(platform='debian-13-x86_64', fingerprint='999', request='r2', built_on='b', toolchain={}, packages=['x'])) == []


def test_what_the_inventory_asks_for():
    assert drift({'a': {'nginx': 'r2'}, 'b': {}}, a=host(), b=host()) == [
        'a has nginx 1.26.3, and the inventory asks for another one: the next run of site.yml changes it.']
