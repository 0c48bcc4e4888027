# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import itertools
import os
import re
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.filter.keepalived_features import FilterModule, keepalived_features
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import known, release
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_features import (
    ALIASES, DEFAULT, FEATURES, NO_KMOD, built_with, holds, lacks,
)
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import VERSIONS

ROOT = Path(__file__).resolve().parents[4]
# Catalogued, and those beside which a switch changes
RELEASES = sorted({*VERSIONS, '2.0.8', '2.0.9', '2.0.10', '2.0.11', '2.0.16', '2.0.17', '2.1.0', '2.1.5', '2.2.0', '2.2.2', '2.2.4', '2.2.5', '2.3.2'},
                  key=release)


def chosen(features, version='2.3.4', flags=()):
    return keepalived_features(list(features), version, list(flags))


def refused(features, version='2.3.4', flags=()):
    with pytest.raises(AnsibleFilterError) as caught:
        chosen(features, version, flags)
    return str(caught.value).split('\n')


def offered(version):
    """The features that a release has."""
    return [name for name, feature in FEATURES.items() if not feature.since or release(feature.since) <= release(version)]


def with_needs(name, version):
    names = [name]
    for one in names:
        names += lacks(one, names, version)
    return names


def choices(version):
    yield from ([], list(DEFAULT), offered(version))
    yield from (with_needs(name, version) for name in offered(version))


def parts(flags):
    """What the arguments decide: the name of each, and everything that is said of it."""
    said = {}
    for flag in flags:
        name = re.sub(r'^--(enable|disable|with)-', '', flag.partition('=')[0])
        said.setdefault(name, set()).add(flag)
    return said


# --- the arguments of configure ---

@pytest.mark.parametrize('version, expected', [
    ('2.0.7', 'ac_cv_prog_HAVE_SPHINX_BUILD=No --enable-lvs --enable-libnl --disable-bfd --disable-regex --disable-libiptc --disable-snmp-vrrp '
              '--disable-snmp-checker --disable-snmp-rfcv2 --disable-snmp-rfcv3 --disable-dbus --disable-json ac_cv_lib_magic_magic_open=no'),
    ('2.0.20', 'ac_cv_prog_HAVE_SPHINX_BUILD=No --enable-lvs --enable-libnl --disable-bfd --disable-regex --enable-iptables --disable-libiptc '
               '--disable-nftables --disable-snmp-vrrp --disable-snmp-checker --disable-snmp-rfcv2 --disable-snmp-rfcv3 --disable-dbus '
               '--disable-json ac_cv_lib_magic_magic_open=no'),
    ('2.3.4', 'ac_cv_prog_HAVE_SPHINX_BUILD=No --with-iproute-etc-dir=/etc/iproute2 --with-iproute-usr-dir=/usr/share/iproute2 --enable-lvs '
              '--enable-libnl --disable-bfd --disable-regex --disable-iptables --disable-nftables --disable-snmp-vrrp --disable-snmp-checker '
              '--disable-snmp-rfcv2 --disable-snmp-rfcv3 --disable-dbus --disable-json ac_cv_lib_magic_magic_open=no --disable-systemd '
              'PKG_CONFIG --disable-nm'),
])
def test_the_default_set_switches_everything_else_off(version, expected):
    flags = chosen(DEFAULT, version)['configure_flags']
    assert ['PKG_CONFIG' if flag == NO_KMOD else flag for flag in flags] == expected.split()


@pytest.mark.parametrize('version', RELEASES)
def test_everything_is_decided_once(version):
    for features in choices(version):
        said = parts(chosen(features, version)['configure_flags'])
        assert [told for told in said.values() if len(told) > 1] == []


@pytest.mark.parametrize('version, name', [(version, name) for version in RELEASES for name in offered(version)])
def test_one_feature_is_left_out_of_all(version, name):
    others = [other for other in offered(version) if name not in with_needs(other, version)]
    switch, = (switch for switch in FEATURES[name].switches if holds(switch, version))
    with_it, without = (set(chosen(features, version)['configure_flags']) for features in (offered(version), others))
    assert with_it >= set(switch.on) and not with_it & set(switch.off) - set(switch.on)
    assert without >= set(switch.off) and not without & set(switch.on) - set(switch.off)


def test_what_switches_a_part_off_is_what_switches_it_on():
    for name, feature in FEATURES.items():
        for switch in feature.switches:
            assert parts(switch.off).keys() <= parts(switch.on).keys() or (name, switch.off) == ('kmod', (NO_KMOD,))


@pytest.mark.parametrize('features, version, absent', [
    (['lvs', 'libnl'], '2.1.0', 'libipset'),
    (['bfd'], '2.1.0', 'regex'),
    (['bfd'], '2.0.10', 'libnl'),
    ([], '2.3.4', 'snmp-checker'),
])
def test_what_goes_with_another_feature_is_not_mentioned_without_it(features, version, absent):
    assert absent not in parts(chosen(features, version)['configure_flags'])


def test_libnl_is_of_use_without_virtual_servers_until_2_0_9():
    assert '--disable-libnl' in chosen([], '2.0.8')['configure_flags']
    assert '--enable-libnl' in chosen(['libnl'], '2.0.8')['configure_flags']
    assert refused(['libnl'], '2.0.9') == ["keepalived_features: 'libnl' needs 'lvs'; add 'lvs' or leave 'libnl' out"]


@pytest.mark.parametrize('version, flags', [
    ('2.0.7', {'--enable-libiptc'}),
    ('2.0.10', {'--enable-libiptc'}),
    ('2.0.11', {'--enable-iptables', '--enable-libiptc'}),
    ('2.0.20', {'--enable-iptables', '--enable-libiptc'}),
    ('2.1.0', {'--enable-iptables'}),
])
def test_switches_of_iptables_by_release(version, flags):
    assert {flag for flag in chosen(['iptables'], version)['configure_flags'] if flag.endswith(('iptables', 'libiptc'))} == flags


def test_ipset_is_linked_so_that_the_program_tells_what_it_needs():
    assert {'--enable-libipset', '--disable-libipset-dynamic'} < set(chosen(['iptables', 'ipset'], '2.0.10')['configure_flags'])


@pytest.mark.parametrize('version, forgets', [('2.0.7', True), ('2.0.16', True), ('2.0.17', False), ('2.3.4', False)])
def test_compiler_flags_that_configure_forgets_with_dbus(version, forgets):
    assert ('CPPFLAGS=-O2 -g -fcommon' in chosen(['dbus'], version)['configure_flags']) is forgets


@pytest.mark.parametrize('asked, found', [
    (['--exists', 'libkmod'], False), (['--exists', 'libnl-3.0'], True), (['--cflags-only-I', 'libnl-3.0'], True),
    (['--atleast-pkgconfig-version', '0.9'], True),
])
def test_pkg_config_does_not_know_libkmod(tmp_path, asked, found):
    fake = tmp_path / 'pkg-config'
    fake.write_text('#!/bin/sh\necho "$*"\n')
    fake.chmod(0o755)
    # As configure does it: without quotes, so that the shell divides the value at its blanks
    done = subprocess.run(['/bin/sh', '-c', '$PKG_CONFIG "$@"', 'configure', *asked], capture_output=True, text=True, check=False,
                          env={'PATH': f'{tmp_path}:{os.defpath}', 'PKG_CONFIG': NO_KMOD.partition('=')[2]})
    assert (done.returncode == 0) is found
    assert done.stdout == (' '.join(asked) + '\n' if found else '') and done.stderr == ''


def test_libkmod_is_hidden_only_where_configure_looks_for_it_and_it_is_not_wanted():
    assert NO_KMOD in chosen([], '2.2.5')['configure_flags']
    assert NO_KMOD not in chosen([], '2.2.4')['configure_flags'] + chosen(['kmod'], '2.2.5')['configure_flags']


# --- packages ---

def test_packages_of_the_default_set():
    assert chosen(DEFAULT, '2.0.8') == {**chosen(DEFAULT, '2.0.8'), 'crb': ['libnfnetlink-devel'], 'packages': {
        'Debian': ['gcc', 'make', 'libc6-dev', 'pkg-config', 'libssl-dev', 'libnl-3-dev', 'libnl-genl-3-dev', 'libnl-route-3-dev', 'libnfnetlink-dev'],
        'RedHat': ['gcc', 'make', 'openssl-devel', 'libnl3-devel', 'libnfnetlink-devel'],
    }}
    assert chosen(DEFAULT, '2.0.9')['packages'] == {
        'Debian': ['gcc', 'make', 'libc6-dev', 'pkg-config', 'libssl-dev', 'libnl-3-dev', 'libnl-genl-3-dev'],
        'RedHat': ['gcc', 'make', 'openssl-devel', 'libnl3-devel'],
    }
    assert chosen(DEFAULT, '2.0.9')['crb'] == []


def test_a_package_that_several_features_need_is_there_once():
    packages = chosen(['lvs', 'snmp_vrrp', 'snmp_checker', 'snmp_rfcv2'])['packages']
    assert packages['Debian'].count('libsnmp-dev') == packages['RedHat'].count('net-snmp-devel') == 1


def test_json_needs_a_library_until_2_0_11():
    assert 'libjson-c-dev' in chosen(['json'], '2.0.10')['packages']['Debian']
    assert 'libjson-c-dev' not in chosen(['json'], '2.0.11')['packages']['Debian']


def test_packages_of_codeready_builder():
    assert chosen(['iptables', 'ipset', 'nftables', 'nm'])['crb'] == ['ipset-devel', 'libnftnl-devel', 'libmnl-devel', 'NetworkManager-libnm-devel']


# --- what is refused ---

def test_everything_that_is_wrong_is_told_together():
    told = refused(['lvs', 'libbnl', 'nftables', 'ipset', 'snmp'], '2.0.7', ['--enable-strict-config-checks', '--enable-bfd'])
    assert told == [
        f"keepalived_features: there is no feature 'libbnl'; nearest: libnl; there are {', '.join(FEATURES)}",
        "keepalived_features: 'nftables' needs keepalived 2.0.11 or newer, and this is 2.0.7; leave it out or set keepalived_version "
        '(of those with a known checksum 2.0.20 is the first)',
        "keepalived_features: 'ipset' needs keepalived 2.0.10 or newer, older ones cannot be built with libipset 7, and this is 2.0.7; "
        'leave it out or set keepalived_version (of those with a known checksum 2.0.20 is the first)',
        "keepalived_features: 'ipset' needs 'iptables'; add 'iptables' or leave 'ipset' out",
        "keepalived_features: there is no feature 'snmp'; nearest: snmp_vrrp, snmp_checker, snmp_rfcv2, snmp_rfcv3; "
        f"there are {', '.join(FEATURES)}",
        'keepalived_configure_flags: --enable-bfd is decided by keepalived_features; leave it out, and say there whether you want bfd',
    ]


@pytest.mark.parametrize('name', [name for name, feature in FEATURES.items() if feature.since])
def test_a_feature_is_refused_by_the_release_before_its_own(name):
    since = FEATURES[name].since
    major, minor, patch = release(since)
    before = f'{major}.{minor}.{patch - 1}' if patch else f'{major}.{minor - 1}.99'
    assert f"'{name}' needs keepalived {since} or newer" in refused(with_needs(name, since), before)[0]
    assert chosen(with_needs(name, since), since)


@pytest.mark.parametrize('name', ['regex', 'snmp_checker'])
def test_what_belongs_to_virtual_servers_needs_them(name):
    assert refused([name]) == [f"keepalived_features: '{name}' needs 'lvs'; add 'lvs' or leave '{name}' out"]
    assert chosen([name, 'lvs'])


@pytest.mark.parametrize('flag, feature', [
    ('--disable-lvs', 'lvs'), ('--enable-snmp', ALIASES['snmp']), ('--enable-snmp-rfc', ALIASES['snmp-rfc']), ('--enable-snmp_vrrp=yes', 'snmp_vrrp'),
    ('--disable-libiptc', 'iptables'), ('--enable-libipset-dynamic', 'ipset'), ('--disable-systemd', 'systemd_notify'),
    ('ac_cv_lib_magic_magic_open=yes', 'magic'), ('PKG_CONFIG=/opt/bin/pkg-config', 'kmod'),
])
def test_an_argument_that_decides_a_feature_is_refused(flag, feature):
    assert refused(DEFAULT, flags=[flag]) == [
        f'keepalived_configure_flags: {flag} is decided by keepalived_features; leave it out, and say there whether you want {feature}']


def test_other_arguments_are_left_alone():
    flags = ['--disable-vmac', '--with-run-dir=/run', '--enable-dbus-create-instance', '--prefix=/usr', 'LDFLAGS=-s']
    assert chosen(DEFAULT, flags=flags) == chosen(DEFAULT)


@pytest.mark.parametrize('features', ['lvs', None, {'lvs': True}])
def test_a_choice_that_is_no_list_is_refused(features):
    with pytest.raises(AnsibleFilterError, match=r'is no list; write it as \[lvs, libnl\]'):
        keepalived_features(features, '2.3.4')


# --- what a build has ---

@pytest.mark.parametrize('version, features, present, absent', [
    ('2.0.7', ['iptables'], ['LIBIPTC'], ['LVS', 'LIBNL3', 'BFD']),
    ('2.3.4', ['iptables', 'systemd_notify'], ['IPTABLES', 'SYSTEMD_NOTIFY'], ['NFTABLES', 'LIBKMOD']),
    ('2.2.1', ['systemd_notify'], ['SYSTEMD'], ['IPTABLES']),
])
def test_words_that_keepalived_shows(version, features, present, absent):
    told = chosen(features, version)['shown']
    assert told['present'] == present and set(absent) <= set(told['absent']) and not set(present) & set(told['absent'])


def test_every_keyword_that_needs_something_can_be_had_by_a_feature():
    for version in VERSIONS:
        everything = set(built_with(offered(version)))
        needed = {found.needs for dummy, found in known(version) if found.needs}
        assert needed
        if version == '2.0.7':
            needed.remove(('libipset',))
        assert [needs for needs in needed if not everything & set(needs)] == []


def test_a_build_has_what_its_features_and_its_arguments_give():
    assert built_with(['lvs', 'iptables', 'no such'], ['--enable-dbus-create-instance']) == ['--enable-lvs', 'libiptc', '--enable-dbus-create-instance']


def test_each_feature_gives_something_of_its_own():
    assert all(feature.has for feature in FEATURES.values())
    assert len({feature.has for feature in FEATURES.values()}) == len(FEATURES)


# --- the data, and its page ---

def test_ranges_of_one_part_do_not_overlap():
    for name, feature in FEATURES.items():
        for version, entries in itertools.product(RELEASES, (feature.switches, feature.shown)):
            valid = [entry for entry in entries if holds(entry, version)]
            assert len(valid) <= 1, (name, version)
            if entries is feature.switches and name in offered(version):
                assert len(valid) == 1, (name, version)


def dated(entry, text):
    later = f', from {entry.since}' if entry.since else ''
    return f'{text} (before {entry.until})' if entry.until else text + later


def row(name):
    """The line of docs/features.md that tells of a feature."""
    feature = FEATURES[name]
    debian = [dated(package, package.debian) for package in feature.packages if package.debian]
    redhat = [dated(package, package.redhat) + ('\\*' if package.crb else '') for package in feature.packages if package.redhat]
    needs = [dated(need, need.feature) for need in feature.needs]
    cells = [f'`{name}`', feature.purpose, ', '.join(needs), feature.since or 'any', ', '.join(debian), ', '.join(redhat)]
    return '| ' + ' | '.join(cell or '–' for cell in cells) + ' |'


def test_the_page_lists_the_features_as_they_are():
    page = (ROOT / 'docs/features.md').read_text(encoding='utf-8')
    assert [line for line in page.splitlines() if line.startswith('| `')] == [row(name) for name in FEATURES]
    assert f"`[{', '.join(DEFAULT)}]`" in page


def test_the_filter_has_its_name():
    assert FilterModule().filters() == {'keepalived_features': keepalived_features}
