# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The optional parts of keepalived as data: what switches each on and off in which release, and what it is built with.

PRIVATE to this collection.

What is not chosen is switched off by name, so that no library that happens to lie on a host gets into the program. What needs no library and
is on in every release (VRRP itself, its authentication, virtual MACs, routes and rules, process tracking) is no feature: it is always there.
"""

from __future__ import annotations

import difflib
import re
import typing

from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import release
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import VERSIONS


class Switch(typing.NamedTuple):
    """Arguments of configure that switch a part on and off, in releases from ``since`` to before ``until``."""

    on: tuple = ()
    off: tuple = ()
    since: str = ''
    until: str = ''


class Package(typing.NamedTuple):
    """What to build with, on Debian's kin and on Red Hat's; ``crb`` where EL 8 and newer keep it in CodeReady Builder."""

    debian: str
    redhat: str
    since: str = ''
    until: str = ''
    crb: bool = False


class Need(typing.NamedTuple):
    """Another feature without which this one has no effect."""

    feature: str
    since: str = ''
    until: str = ''


class Shown(typing.NamedTuple):
    """The word by which ``keepalived -v`` tells that it has a part."""

    word: str
    since: str = ''
    until: str = ''


class Feature(typing.NamedTuple):
    """A part that can be chosen, from which release on and why not before, and how the tables of keywords call it."""

    purpose: str
    switches: tuple
    packages: tuple = ()
    needs: tuple = ()
    shown: tuple = ()
    has: str = ''
    since: str = ''
    why: str = ''


# The compiler and the SSL library that VRRP's authentication and the checks are made with
TOOLS = (
    Package('gcc', 'gcc'),
    Package('make', 'make'),
    Package('libc6-dev', ''),
    Package('pkg-config', ''),
    Package('libssl-dev', 'openssl-devel'),
)

# What configure would otherwise take from the machine that it runs on: whether Sphinx is installed, and what a manual page says of iproute2
ALWAYS = (
    Switch(('ac_cv_prog_HAVE_SPHINX_BUILD=No',), until='2.4.0'),
    Switch(('--with-iproute-etc-dir=/etc/iproute2', '--with-iproute-usr-dir=/usr/share/iproute2'), since='2.3.2'),
)

# configure takes libkmod where pkg-config knows it, and has no switch: so pkg-config does not know it. Without blanks, since configure splits it.
NO_KMOD = 'PKG_CONFIG=/bin/sh -c test${IFS}$2${IFS}!=${IFS}libkmod&&exec${IFS}pkg-config${IFS}$@ pkg-config'

# configure asks for a libiptc that iptables has divided in two since 1.8; told that it is there, it links both parts.
LIBIPTC = 'ac_cv_lib_iptc_iptc_init=yes'

SNMP = (Package('libsnmp-dev', 'net-snmp-devel'),)
LVS = (Need('lvs'),)


def _switched(name, since='', until=''):
    return Switch((f'--enable-{name}',), (f'--disable-{name}',), since, until)


FEATURES = {
    'lvs': Feature(
        'Virtual servers, and the checks of what stands behind them',
        (_switched('lvs'),), shown=(Shown('LVS'),), has='--enable-lvs',
    ),
    'libnl': Feature(
        'Virtual servers with IPv6 addresses, through netlink',
        (_switched('libnl'),), needs=(Need('lvs', '2.0.9'),), shown=(Shown('LIBNL3'),), has='--enable-libnl',
        packages=(
            Package('libnl-3-dev', 'libnl3-devel'),
            Package('libnl-genl-3-dev', ''),
            Package('libnl-route-3-dev', '', until='2.0.9'),
            Package('libnfnetlink-dev', 'libnfnetlink-devel', until='2.0.9', crb=True),
        ),
    ),
    'bfd': Feature(
        'Neighbours watched with Bidirectional Forwarding Detection',
        (_switched('bfd'),), shown=(Shown('BFD'),), has='--enable-bfd',
    ),
    'regex': Feature(
        'HTTP checks that look for a regular expression',
        (_switched('regex'),), (Package('libpcre2-dev', 'pcre2-devel'),), LVS, (Shown('REGEX'),), '--enable-regex',
    ),
    'iptables': Feature(
        'no_accept and strict mode with iptables; releases before 2.1.0 run its command without this',
        (
            Switch(('--enable-libiptc', LIBIPTC), ('--disable-libiptc',), until='2.0.11'),
            Switch(('--enable-iptables', '--enable-libiptc', LIBIPTC), ('--enable-iptables', '--disable-libiptc'), '2.0.11', '2.1.0'),
            _switched('iptables', '2.1.0'),
        ),
        (Package('libiptc-dev', 'iptables-devel'), Package('libxtables-dev', '')),
        shown=(Shown('LIBIPTC', until='2.1.0'), Shown('IPTABLES', '2.1.0')), has='libiptc',
    ),
    'ipset': Feature(
        'The addresses of no_accept in sets, for iptables',
        # Linked rather than loaded at run time, so that the program itself tells what it needs
        (Switch(('--enable-libipset', '--disable-libipset-dynamic'), ('--disable-libipset',)),),
        (Package('libipset-dev', 'ipset-devel', crb=True),), (Need('iptables'),), (Shown('LIBIPSET'),), 'libipset',
        '2.0.10', ', older ones cannot be built with libipset 7',
    ),
    'nftables': Feature(
        'no_accept and strict mode with nftables',
        (_switched('nftables', '2.0.11'),),
        (Package('libnftnl-dev', 'libnftnl-devel', crb=True), Package('libmnl-dev', 'libmnl-devel', crb=True)),
        shown=(Shown('NFTABLES'),), has='libnftnl', since='2.0.11',
    ),
    'snmp_vrrp': Feature(
        "The state of VRRP over SNMP, by keepalived's own MIB",
        (_switched('snmp-vrrp'),), SNMP, (), (Shown('SNMP_VRRP'),), '--enable-snmp-vrrp',
    ),
    'snmp_checker': Feature(
        "The state of virtual servers over SNMP, by keepalived's own MIB",
        (_switched('snmp-checker'),), SNMP, LVS, (Shown('SNMP_CHECKER'),), '--enable-snmp-checker',
    ),
    'snmp_rfcv2': Feature(
        'The state of VRRP version 2 over SNMP, by the MIB of RFC 2787',
        (_switched('snmp-rfcv2'),), SNMP, (), (Shown('SNMP_RFCV2'),), '--enable-snmp-rfcv2',
    ),
    'snmp_rfcv3': Feature(
        'The state of VRRP version 3 over SNMP, by the MIB of RFC 6527',
        (_switched('snmp-rfcv3'),), SNMP, (), (Shown('SNMP_RFCV3'),), '--enable-snmp-rfcv3',
    ),
    'dbus': Feature(
        'The state of VRRP over D-Bus',
        (
            # Before 2.0.17 configure forgets CFLAGS when it has looked for D-Bus, and such releases need -fcommon from gcc 10 on.
            Switch(('--enable-dbus', 'CPPFLAGS=-O2 -g -fcommon'), ('--disable-dbus',), until='2.0.17'),
            _switched('dbus', '2.0.17'),
        ),
        (Package('libglib2.0-dev', 'glib2-devel'),), (), (Shown('DBUS'),), '--enable-dbus',
    ),
    'json': Feature(
        'The state of VRRP as JSON, on a signal',
        (_switched('json'),), (Package('libjson-c-dev', 'json-c-devel', until='2.0.11'),), (), (Shown('JSON'),), '--enable-json',
    ),
    'magic': Feature(
        'Scripts that do not name their interpreter are reported',
        (Switch(('ac_cv_lib_magic_magic_open=yes',), ('ac_cv_lib_magic_magic_open=no',)),),
        (Package('libmagic-dev', 'file-devel', crb=True),), has='libmagic',
    ),
    'systemd_notify': Feature(
        'systemd is told when keepalived is ready, for units of the type notify',
        (_switched('systemd', '2.2.0'),), (Package('libsystemd-dev', 'systemd-devel'),),
        shown=(Shown('SYSTEMD', '2.2.0', '2.2.2'), Shown('SYSTEMD_NOTIFY', '2.2.2')), has='libsystemd', since='2.2.0',
    ),
    'kmod': Feature(
        'Kernel modules loaded with libkmod rather than with the command modprobe',
        (Switch((), (NO_KMOD,), '2.2.5'),), (Package('libkmod-dev', 'kmod-devel', crb=True),),
        shown=(Shown('LIBKMOD'),), has='libkmod', since='2.2.5',
    ),
    'nm': Feature(
        "NetworkManager is told to leave keepalived's virtual interfaces alone",
        (_switched('nm', '2.2.8'),), (Package('libnm-dev', 'NetworkManager-libnm-devel', crb=True),),
        shown=(Shown('LIBNM'),), has='libnm', since='2.2.8',
    ),
}

DEFAULT = ('lvs', 'libnl')

# Switches that stand for some of the above, and what decides them instead
ALIASES = {
    'snmp': 'snmp_vrrp, snmp_checker',
    'snmp-keepalived': 'snmp_vrrp',
    'snmp-rfc': 'snmp_rfcv2, snmp_rfcv3',
    'libipset-dynamic': 'ipset',
    'dynamic-linking': 'ipset',
}


def holds(entry, version):
    """Whether something that has ``since`` and ``until`` is so in a release."""
    now = release(version)
    return (not entry.since or release(entry.since) <= now) and (not entry.until or now < release(entry.until))


def lacks(name, features, version):
    """The features that this one needs and that are not chosen."""
    return [need.feature for need in FEATURES[name].needs if holds(need, version) and need.feature not in features]


def configure_flags(features, version):
    """The arguments of configure that build what is chosen, and nothing else.

    What belongs to a feature that is not chosen goes with it. configure refuses to be told so.
    """
    flags = [flag for switch in ALWAYS if holds(switch, version) for flag in switch.on]
    for name, feature in FEATURES.items():
        if name in features or not lacks(name, features, version):
            flags += [flag for switch in feature.switches if holds(switch, version) for flag in (switch.on if name in features else switch.off)]
    return flags


def packages(features, version):
    """The packages to build with, by family of systems, and those of Red Hat's that EL 8 and newer keep in CodeReady Builder."""
    chosen = dict.fromkeys(TOOLS)
    for name, feature in FEATURES.items():
        chosen.update(dict.fromkeys(package for package in feature.packages if name in features and holds(package, version)))
    return {
        'Debian': [package.debian for package in chosen if package.debian],
        'RedHat': [package.redhat for package in chosen if package.redhat],
    }, [package.redhat for package in chosen if package.crb]


def shown(features, version):
    """The words that ``keepalived -v`` has to show of what is chosen, and those that it must not show."""
    words = {name: [word.word for word in feature.shown if holds(word, version)] for name, feature in FEATURES.items()}
    return {'present': [word for name, its in words.items() if name in features for word in its],
            'absent': [word for name, its in words.items() if name not in features for word in its]}


def built_with(features, flags=()):
    """What a build has, as the tables of keywords ask for it (``Keyword.needs``)."""
    return [*(FEATURES[name].has for name in features if name in FEATURES), *flags]


# --- what is wrong ---

def _name_of(flag):
    """What an argument of configure decides, without whether and how."""
    return re.sub(r'^--?(enable|disable|with|without)-', '', flag.partition('=')[0]).replace('_', '-')


def _owners():
    owners = dict(ALIASES)
    for name, feature in FEATURES.items():
        for switch in feature.switches:
            owners.update({_name_of(flag): name for flag in switch.off})
    return owners


def _unknown(name):
    near = [feature for feature in FEATURES if feature.startswith(f'{name}_')] or difflib.get_close_matches(name, FEATURES)
    told = f"nearest: {', '.join(near)}; " if near else ''
    return f"keepalived_features: there is no feature '{name}'; {told}there are {', '.join(FEATURES)}"


def _too_new(name, version):
    feature = FEATURES[name]
    known = next((f' (of those with a known checksum {known} is the first)' for known in VERSIONS if release(known) >= release(feature.since)), '')
    return (f"keepalived_features: '{name}' needs keepalived {feature.since} or newer{feature.why}, and this is {version}; "
            f'leave it out or set keepalived_version{known}')


def findings(features, version, flags=()):
    """Everything that is wrong in a choice of features and in the arguments of configure beside it, as sentences."""
    if not isinstance(features, (list, tuple)):
        return [f"keepalived_features: {features!r} is no list; write it as [{', '.join(DEFAULT)}]"]
    wrong = []
    for name in dict.fromkeys(map(str, features)):
        if name not in FEATURES:
            wrong.append(_unknown(name))
            continue
        if FEATURES[name].since and release(version) < release(FEATURES[name].since):
            wrong.append(_too_new(name, version))
        wrong += [f"keepalived_features: '{name}' needs '{needed}'; add '{needed}' or leave '{name}' out" for needed in lacks(name, features, version)]
    owners = _owners()
    for flag in map(str, flags):
        if _name_of(flag) in owners:
            wrong.append(f'keepalived_configure_flags: {flag} is decided by keepalived_features; leave it out, '
                         f'and say there whether you want {owners[_name_of(flag)]}')
    return wrong
