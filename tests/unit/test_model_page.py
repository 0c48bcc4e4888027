# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/model.md cannot drift: what it shows is worked out again from docs/examples, as the role does it.

In the page, a block of ``yaml <example>`` is that example, or goes on top of it. A block of ``text <host>`` below it is what then
stands in that host's keepalived.conf: all of it when it begins as a file does. ``text refused`` is a finding that comes instead.
"""

from __future__ import annotations

import collections
import functools
import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.vipkit.ha.plugins.filter.keepalived_conf import keepalived_conf
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan
from ansible_collections.vipkit.ha.plugins.filter.vrrp_secrets import vrrp_secrets
from ansible_collections.vipkit.ha.plugins.plugin_utils import _vrrp_lint
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_keywords import VERSIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs/model.md').read_text(encoding='utf-8')
FENCE = re.compile(r'^```(yaml|text)(?: (\S+))?\n(.*?)^```$', re.M | re.S)
FILE_HEAD = '! Written by'

Snippet = collections.namedtuple('Snippet', 'number example text shown refused')


@functools.cache
def load(path):
    return yaml.safe_load((ROOT / path).read_text(encoding='utf-8'))


INVENTORY = load('docs/examples/hosts.yml')['all']
EXAMPLES = {name: load(f'docs/examples/group_vars/{name}.yml') for name in INVENTORY['children']}


def facts(interfaces):
    """What Ansible would find on a host with these interfaces."""
    found = {'interfaces': list(interfaces)}
    for name, addresses in interfaces.items():
        four, six = ([dict(zip(('address', 'prefix'), entry.split('/'))) for entry in addresses if (':' in entry) is is_six]
                     for is_six in (False, True))
        found[name] = {'device': name, 'ipv4': four[0], 'ipv4_secondaries': four[1:], 'ipv6': six}
    return found


class Cluster:
    """An example on its hosts, as the role has it in its variables."""

    def __init__(self, example, **variables):
        groups = {name: list(group['hosts']) for name, group in INVENTORY['children'].items()}
        self.hosts = groups[example]
        self.hostvars = {name: {'ansible_facts': facts(host['interfaces'])} for name, host in INVENTORY['children'][example]['hosts'].items()}
        self.variables = {**load('roles/keepalived/defaults/main.yml'), **load('roles/keepalived/vars/main.yml'), **INVENTORY['vars'],
                          '__keepalived_fixes': [],  # no lookup of the collection is found here
                          'groups': groups, **EXAMPLES[example], **variables}
        self.descriptions = dict.fromkeys(self.hosts, self.value('__keepalived_own_description'))

    def value(self, name):
        """A variable as a task would see it."""
        return Templar(loader=DataLoader(), variables=self.variables).template('{{ %s }}' % name)

    @functools.cached_property
    def plan(self):
        return vrrp_plan(self.descriptions, self.hostvars)

    def conf(self, host):
        """The text of a host's keepalived.conf."""
        secrets = vrrp_secrets(self.value('keepalived_vrrp_instances'), self.value('keepalived_auth_pass'))
        names = [script['name'] for script in self.value('keepalived_scripts')]
        return keepalived_conf(self.plan['hosts'][host]['conf'], secrets, self.value('keepalived_scripts_dir'), self.value('keepalived_version'), names)


def snippets():
    """What the page gives to keepalived."""
    found = []
    for language, name, text in FENCE.findall(PAGE):
        if language == 'yaml':
            found.append(Snippet(len(found), name, text, [], []))
        elif name:
            (found[-1].refused if name == 'refused' else found[-1].shown).append((name, text))
    return found


def cluster_of(snippet, **variables):
    return Cluster(snippet.example, **yaml.safe_load(snippet.text), **variables)


SNIPPETS = snippets()
GOOD = [snippet for snippet in SNIPPETS if not snippet.refused]
BAD = [snippet for snippet in SNIPPETS if snippet.refused]


def label(value):
    return f'{value.number}-{value.example}' if isinstance(value, Snippet) else None


def flowing(text):
    return ' '.join(text.split())


def test_every_example_stands_in_the_page_as_it_is():
    texts = [snippet.text for snippet in SNIPPETS]
    for name in EXAMPLES:
        assert (ROOT / f'docs/examples/group_vars/{name}.yml').read_text(encoding='utf-8').removeprefix('---\n') in texts, name


@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('snippet', GOOD, ids=label)
def test_what_the_page_describes_is_sound_in_every_version(snippet, version):
    cluster = cluster_of(snippet, keepalived_version=version)
    assert cluster.plan['findings'] == []
    for host in cluster.hosts:
        cluster.conf(host)


@pytest.mark.parametrize('snippet', SNIPPETS, ids=label)
def test_the_role_takes_the_variables_of_the_page(snippet):
    cluster, options = cluster_of(snippet), load('roles/keepalived/meta/argument_specs.yml')['argument_specs']['main']['options']
    assert ArgumentSpecValidator(options).validate({name: cluster.value(name) for name in options}).error_messages == []


@pytest.mark.parametrize('snippet', GOOD, ids=label)
def test_what_the_page_shows_is_what_is_written(snippet):
    for host, text in snippet.shown:
        whole = cluster_of(snippet).conf(host)
        if text.startswith(FILE_HEAD):
            assert text == whole
        else:
            assert f'\n{text}' in whole


@pytest.mark.parametrize('snippet', BAD, ids=label)
def test_what_the_page_calls_refused_is_refused_so(snippet):
    findings = cluster_of(snippet).plan['findings']
    assert [flowing(text) for dummy, text in snippet.refused] == findings


def test_the_examples_are_clusters_of_one_inventory():
    clusters = [Cluster(name) for name in EXAMPLES]
    plan = vrrp_plan({name: found for cluster in clusters for name, found in cluster.descriptions.items()},
                     {name: found for cluster in clusters for name, found in cluster.hostvars.items()})
    assert plan['findings'] == []
    assert plan['members'] == [host for cluster in clusters for host in cluster.hosts]


def table(head):
    """The cells of the rows of a table of the page."""
    rows = PAGE[PAGE.index(head):].partition('\n\n')[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip('| ').split(' | ')] for row in rows]


def test_the_table_of_the_three_nodes_is_their_plan():
    cluster = Cluster('three')
    blocks = {host: {block['name']: block for block in cluster.plan['hosts'][host]['conf']['vrrp_instance']} for host in cluster.hosts}
    wanted = [[name, *(f"{blocks[host][name]['state']} {blocks[host][name]['priority']}" for host in cluster.hosts)] for name in blocks['web1']]
    assert table('| instance | web1 |') == wanted


def test_the_table_of_the_lint_has_every_rule():
    wanted = [f'`{rule.__name__}`' for rule in (*_vrrp_lint.RULES, *_vrrp_lint.RULES_BETWEEN)]
    assert [row[0] for row in table('| rule |')] == wanted
