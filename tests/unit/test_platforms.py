# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be known of a platform without having one: what its systemd reads, which packages it has, where its mirrors went."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import subprocess
import sys
from collections import ChainMap
from pathlib import Path

import pytest
import yaml

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.vipkit.ha.plugins.plugin_utils import _keepalived_features as keepalived_features

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).with_name('data')
SYSTEMD = yaml.safe_load((DATA / 'systemd-219.yml').read_text(encoding='utf-8'))
PACKAGES = yaml.safe_load((DATA / 'packages.yml').read_text(encoding='utf-8'))
SECTION = re.compile(r'\[(\w+)\]')
ENTRY = re.compile(r'([A-Z]\w*)\s*=\s*(.*)')


def variables_of(role, **more):
    """What a role's templates see on a host that has nothing special."""
    files = [ROOT / 'roles' / role / part / 'main.yml' for part in ('defaults', 'vars')]
    known = [yaml.safe_load(path.read_text(encoding='utf-8')) or {} for path in files if path.exists()]
    return dict(ChainMap({'ansible_managed': 'managed', **more}, *reversed(known)))


@functools.cache
def own_filters():
    """The filters of the collection, which is not installed here, under their full names."""
    modules = [importlib.import_module(f'ansible_collections.vipkit.ha.plugins.filter.{path.stem}')
               for path in sorted((ROOT / 'plugins/filter').glob('*.py'))]
    return {f'vipkit.ha.{name}': function for module in modules for name, function in module.FilterModule().filters().items()}


def fill_in(text, variables):
    """A template with its variables."""
    templar = Templar(loader=DataLoader(), variables=variables)
    for name, function in own_filters().items():
        templar.environment.filters[name] = function
    return templar.template(text)


# --- units, as systemd 219 reads them ---

def unit_templates():
    """Templates of units and of drop-ins for units; a section that systemd's own networkd reads is none of them."""
    for path in sorted((ROOT / 'roles').glob('*/templates/*.j2')):
        if re.search(r'^\[(Unit|Service|Socket|Timer|Path|Slice|Install)\]$', path.read_text(encoding='utf-8'), re.M):
            yield pytest.param(path, id=path.stem)


each_unit = pytest.mark.parametrize('path', [*unit_templates()])


def entries(text):
    """(section, directive, value) of each line that sets one."""
    section = None
    for line in text.replace('\\\n', ' ').splitlines():
        section = found.group(1) if (found := SECTION.fullmatch(line.strip())) else section
        if entry := ENTRY.fullmatch(line.strip()):
            yield section, *entry.groups()


def unknown(text):
    """What of a unit, or of its template, is in no list of directives."""
    names = {section: {*names, *SYSTEMD['rhel7'].get(section, [])} for section, names in SYSTEMD['directives'].items()}
    return [f'[{section}] {name}=' for section, name, dummy in entries(text) if name not in names.get(section, ())]


def misread(text):
    """What of a unit systemd 219 would not take as it is meant."""
    found = [*entries(text)]
    for dummy, name, value in found:
        specifiers = re.findall('%(.)', value)
        if name.startswith('Exec') and value:
            path = value.lstrip(SYSTEMD['exec_prefixes'])
            if not path.startswith('/'):
                yield f'{name}={value}: no absolute path after its prefixes'
            if re.search(r"""[^\s'"]["'](?=\S)""", re.sub(r"""(?<!\S)("[^"]*"|'[^']*')(?!\S)""", '', value)):
                yield f'{name}={value}: quotes count at the beginning of a word alone'
        if name.endswith('Sec') and value == 'infinity':
            yield f'{name}={value}: 0 is what it takes for no limit'
        if value not in SYSTEMD['values'].get(name, [value]):
            yield f'{name}={value}: no choice'
        yield from (f'{name}={value}: no specifier %{letter}' for letter in specifiers if letter not in SYSTEMD['specifiers'])
    if ('Service', 'Type', 'oneshot') in found and any(name == 'Restart' and value != 'no' for dummy, name, value in found):
        yield 'Restart= with Type=oneshot'


def unit(path, **facts):
    """A unit as a role would write it."""
    given = {'__keepalived_rule_loaders': 'nftables.service'} if 'keepalived' in str(path) else {}
    return fill_in(path.read_text(encoding='utf-8'), {**variables_of(path.parts[-3]), **given, 'ansible_facts': facts})


@each_unit
def test_units_have_directives_that_systemd_219_knows(path):
    assert unknown(path.read_text(encoding='utf-8')) == []  # the template itself: every branch of it


@each_unit
def test_units_have_values_that_systemd_219_reads(path):
    assert [*misread(unit(path))] == []


# What a unit of a newer platform may have beside them, and the systemd that brought it, from its NEWS.
LATER = {'ProtectControlGroups': 232, 'ProtectKernelLogs': 244, 'ProtectKernelModules': 232, 'ProtectKernelTunables': 232, 'LockPersonality': 235,
         'RestrictNamespaces': 233, 'RestrictRealtime': 231, 'RestrictSUIDSGID': 242}
OLDEST = {'RedHat': 219, 'Debian': 245}  # CentOS 7 and Ubuntu 20.04


@each_unit
@pytest.mark.parametrize('family', OLDEST)
def test_units_of_each_family_are_known_to_its_oldest_systemd(path, family):
    text = unit(path, os_family=family)
    later = {name for name in LATER if LATER[name] <= OLDEST[family]}
    assert [one for one in unknown(text) if one.removeprefix('[Service] ').removesuffix('=') not in later] == []
    assert [*misread(text)] == []


@pytest.mark.parametrize('name', ['nginx', 'nginx-upstream-health'])
def test_units_of_nginx_are_hardened_where_it_can_be(name):
    path = ROOT / f'roles/nginx/templates/{name}.service.j2'
    everywhere, newer = ({entry for entry in entries(unit(path, os_family=family)) if entry[0] == 'Service'} for family in OLDEST)
    assert ('Service', 'ProtectSystem', 'full') in everywhere and everywhere < newer
    assert {name for dummy, name, value in newer - everywhere} > {*LATER}
    assert not {'NoNewPrivileges', *LATER} & {name for dummy, name, value in everywhere}


@pytest.mark.parametrize('line', ['[Unit]\nStartLimitIntervalSec=0', '[Service]\nProtectKernelTunables=yes', '[Service]\nReadWritePaths=/var',
                                  '[Service]\nDescription=misplaced', '[Install]\nUpheldBy=x', '[Service]\nMemoryMax=1G'])
def test_later_directives_are_found(line):
    assert unknown(line)


@pytest.mark.parametrize('line', ['ExecStart=+/bin/true', 'ExecStart=!/bin/true', 'ExecStart=-+/bin/true', 'ExecStart=true',
                                  "ExecStart=/bin/sh --command='a b'", 'TimeoutStopSec=infinity', 'StandardOutput=file:/var/log/x',
                                  'Restart=sometimes', 'Type=exec', 'ProtectSystem=strict', 'RuntimeDirectory=%E', 'Type=oneshot\nRestart=always'])
def test_later_syntax_is_found(line):
    assert [*misread(f'[Service]\n{line}')]


@pytest.mark.parametrize('line', ['ExecStart=-/bin/true', 'ExecStart=@/bin/true name', 'ExecStop=/bin/sh -c "a; b" c', "ExecReload=/bin/sh -c 'a b'",
                                  'TimeoutStopSec=0', 'StandardOutput=journal', 'Description=%n of %H, 100%%', 'ExecStart='])
def test_old_syntax_is_not_found(line):
    assert [*misread(f'[Service]\n{line}')] == []


def systemctl_calls():
    """Each use of systemctl, in what the roles run or write and in the tests of the scenario for CentOS 7."""
    paths = [path for part in ('tasks', 'handlers', 'templates', 'vars') for path in (ROOT / 'roles').glob(f'*/{part}/*')]
    for path in [*paths, *(ROOT / 'molecule/centos7/tests').glob('*.py')]:
        yield from re.findall(r'\bsystemctl +([^\n;|&)\'"`]+)', path.read_text(encoding='utf-8'))


def test_systemctl_of_219_knows_every_command_and_option():
    calls = [call.split() for call in systemctl_calls()]
    assert calls
    options = {word.lstrip('-').partition('=')[0] for words in calls for word in words if word.startswith('--')}
    commands = {next(word for word in words if not word.startswith('-')) for words in calls}
    assert options - {*SYSTEMD['systemctl']['options']} == set()
    assert commands - {*SYSTEMD['systemctl']['commands']} == set()


# --- packages, as public lists have them ---

PCRE1 = {'libpcre3-dev'}
WITHOUT_PCRE1 = ('Debian 13',)  # so nginx before 1.21.5 has no regular expressions there


def facts_of(platform):
    """What a host of this platform, with SELinux, says of itself."""
    distribution, major = platform.split()
    return {'distribution': distribution, 'distribution_major_version': major, 'selinux': {'status': 'enabled'},
            'os_family': 'Debian' if distribution in ('Debian', 'Ubuntu') else 'RedHat'}


def listed(platform):
    """Every name that a list knows there."""
    return {name for where in ('default', 'optional', 'unseen') for name in PACKAGES[platform].get(where, ())}


def catalogue(role):
    """The versions that a role knows."""
    return variables_of(role)[f'__{role}_catalogue']


def asked(role, platform, version):
    """The packages that a role installs there for a version."""
    variables = variables_of(role, ansible_facts=facts_of(platform), **{f'{role}_version': version})
    program = variables[f'__{role}_program']
    return {name for key in ('build_packages', 'runtime_packages') for name in fill_in(program.get(key, []), variables)}


def is_older(version, other):
    """Whether a version came before another one."""
    return [int(part) for part in version.split('.')] < [int(part) for part in other.split('.')]


@pytest.mark.parametrize('platform', PACKAGES)
@pytest.mark.parametrize('role', ['keepalived', 'nginx'])
def test_packages_of_every_version_are_in_the_lists(role, platform):
    for version in catalogue(role):
        missing = PCRE1 if role == 'nginx' and platform in WITHOUT_PCRE1 and is_older(version, '1.21.5') else set()
        assert asked(role, platform, version) - listed(platform) == missing, version


@pytest.mark.parametrize('platform', PACKAGES)
def test_packages_of_rsyslog_are_in_the_lists(platform):
    assert {fill_in('{{ rsyslog_package }}', variables_of('rsyslog')), 'logrotate'} <= listed(platform)


@pytest.mark.parametrize('platform', PACKAGES)
def test_packages_of_every_feature_are_in_the_lists(platform):
    for version in catalogue('keepalived'):
        packages, builder = keepalived_features.packages(keepalived_features.FEATURES, version)
        names = {*packages[facts_of(platform)['os_family']]}
        assert names - listed(platform) == set(), version
        assert names & {*PACKAGES[platform].get('optional', ())} <= {*builder}, version


# --- the repositories of CentOS 7 ---

BASE = """\
# CentOS-Base.repo
[base]
name=CentOS-$releasever - Base
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=os&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/
gpgcheck=1

#released updates
[updates]
name=CentOS-$releasever - Updates
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=updates&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/updates/$basearch/
gpgcheck=1
enabled=1

[cr]
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=cr&infra=$infra
#baseurl=http://mirror.centos.org/centos/$releasever/cr/$basearch/
enabled=0
"""
OWN = """
[centosplus]
#mirrorlist=http://mirrorlist.centos.org/?release=7&repo=centosplus
#baseurl=http://mirror.centos.org/centos/7/centosplus/$basearch/
baseurl=http://192.0.2.80/centosplus/$basearch/

[fasttrack]
mirrorlist=http://mirrorlist.centos.org/?release=7&repo=fasttrack
#baseurl=http://mirror.centos.org/centos/7/fasttrack/$basearch/
baseurl=http://192.0.2.80/fasttrack/$basearch/
"""
FILES = {
    'CentOS-Base.repo': BASE + OWN,
    'CentOS-altarch.repo': '[base]\nname=É\nmirrorlist=http://mirrorlist.centos.org/?repo=os\n#baseurl=http://mirror.centos.org/altarch/7/os/$basearch/\n'
                           '[rt]\nbaseurl = https://mirror.centos.org/centos/7.9.2009/rt/$basearch/',  # no line break at the end
    # those of the special interest groups have no slash there
    'CentOS-SCLo-scl-rh.repo': '[sclo]\nname=SCLo\n#baseurl=http://mirror.centos.org/centos/7/sclo/$basearch/rh/\n'
                               'mirrorlist=http://mirrorlist.centos.org?arch=$basearch&release=7&repo=sclo-rh\nenabled=1\n',
    'CentOS-own.repo': OWN.partition('[fasttrack]')[0],
    'epel.repo': '[epel]\nbaseurl=http://mirror.centos.org/centos/7/os/\n',
}
ARCHIVED = {
    'CentOS-Base.repo': [
        '[base]', '#mirrorlist=', 'baseurl=http://vault.centos.org/7.9.2009/os/$basearch/',
        '[updates]', '#mirrorlist=', 'baseurl=http://vault.centos.org/7.9.2009/updates/$basearch/', 'enabled=1',
        '[cr]', 'mirrorlist=', '#baseurl=http://mirror.centos.org/centos/$releasever/cr/$basearch/', 'enabled=0',
        *re.findall(r'(?m)^(\[.*|#?mirrorlist=|#?baseurl.*)', OWN)],
    'CentOS-altarch.repo': [
        '[base]', '#mirrorlist=', 'baseurl=http://vault.centos.org/altarch/7.9.2009/os/$basearch/',
        '[rt]', 'baseurl = http://vault.centos.org/7.9.2009/rt/$basearch/'],
    'CentOS-SCLo-scl-rh.repo': [
        '[sclo]', 'baseurl=http://vault.centos.org/7.9.2009/sclo/$basearch/rh/', '#mirrorlist=', 'enabled=1'],
}


@pytest.fixture(name='repos')
def repository_files(tmp_path):
    """A directory with the files that yum reads."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding='utf-8')
    return tmp_path


def texts(directory):
    """Each file and what is in it."""
    return {path.name: path.read_text(encoding='utf-8') for path in directory.iterdir()}


def lines_that_count(text):
    """The lines that say whether and where a repository is, without what follows a mirrorlist."""
    return [re.sub('(mirrorlist=).*', r'\1', line) for line in text.splitlines() if re.match(r'\[|#?(mirrorlist|baseurl)\b|enabled', line)]


def point_to_the_archive(directory, *options, hosts=({},)):
    """Run the task file against this machine, as each of these hosts; gives how many tasks changed something."""
    given = [{'ansible_facts': {**facts_of('CentOS 7'), **host.pop('facts', {})}, 'source_build_centos_vault': True,
              '__source_build_yum_repos': str(directory), **host} for host in map(dict, hosts)]
    play = {'hosts': 'localhost', 'connection': 'local', 'gather_facts': False, 'vars': {'ansible_python_interpreter': sys.executable},
            'tasks': [{'ansible.builtin.include_role': {'name': 'vipkit.ha.source_build', 'tasks_from': 'vault'}, 'vars': given}
                      for given in given]}
    playbook = directory.with_name(f'{directory.name}.yml')
    playbook.write_text(json.dumps([play]), encoding='utf-8')
    done = subprocess.run([str(Path(sys.executable).with_name('ansible-playbook')), str(playbook), '-i', 'localhost,', *options],
                          cwd=ROOT, env={**os.environ, 'ANSIBLE_NOCOLOR': '1', 'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg')},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.search(r'changed=(\d+)', done.stdout).group(1))


def test_closed_mirrors_of_centos_7_are_replaced(repos):
    before = texts(repos)
    assert point_to_the_archive(repos, '--check') == 1
    assert texts(repos) == before

    assert point_to_the_archive(repos) == 1
    after = texts(repos)
    backups = {name.partition('.repo.')[0] + '.repo': text for name, text in after.items() if '.repo.' in name}
    assert {name: lines_that_count(after[name]) for name in ARCHIVED} == ARCHIVED
    assert backups == {name: before[name] for name in ARCHIVED}
    assert {name: after[name] for name in before if name not in ARCHIVED} == {name: before[name] for name in before if name not in ARCHIVED}
    assert 'É' in after['CentOS-altarch.repo'] and not after['CentOS-altarch.repo'].endswith('\n')

    assert point_to_the_archive(repos) == 0
    assert texts(repos) == after


def test_other_repositories_are_left_alone(repos):
    before = texts(repos)
    assert point_to_the_archive(repos, hosts=[
        {'source_build_centos_vault': False}, {'facts': {'distribution': 'RedHat'}}, {'facts': {'distribution_major_version': '8'}}]) == 0
    assert texts(repos) == before
