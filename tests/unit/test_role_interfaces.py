# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a role takes stands in its defaults, its argument specs and its README; what it uses stands in the role. They have to agree."""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from pathlib import Path

import pytest
import yaml

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.vipkit.ha.plugins.filter.keepalived_conf import keepalived_conf
from ansible_collections.vipkit.ha.plugins.filter.vrrp_plan import vrrp_plan
from ansible_collections.vipkit.ha.plugins.filter.vrrp_secrets import vrrp_secrets
from ansible_collections.vipkit.ha.plugins.modules import script_directory
from ansible_collections.vipkit.ha.plugins.plugin_utils._checks import COMMON_KEYS, KINDS
from ansible_collections.vipkit.ha.plugins.plugin_utils._keepalived_conf import known
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import OWN_KEYS

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / 'roles').iterdir() if path.is_dir())
PLAYBOOKS = [ROOT / 'site.yml', *sorted((ROOT / 'playbooks').rglob('*.yml'))]
README_HEAD = '| variable | default | meaning |'
# a public name in quotes is a mere text, such as a type of SELinux
NAME = re.compile(rf"(?<![\w.])(?:__|(?<!'))({'|'.join(ROLES)})_\w+(?!\w|\.py)")
INCLUDE_ROLE = ('ansible.builtin.include_role', 'ansible.builtin.import_role')
INCLUDE_TASKS = ('ansible.builtin.include_tasks', 'ansible.builtin.import_tasks')
TYPES = {'str': str, 'bool': bool, 'int': int, 'float': (int, float), 'list': list, 'dict': dict}
KINDS_HEAD = '| `kind` | keys | good when |'
FENCE = re.compile(r'^```yaml\n(.*?)^```$', re.M | re.S)

of_each_role = pytest.mark.parametrize('role', ROLES)


# --- reading a role ---

@functools.cache
def load(path):
    return yaml.safe_load(path.read_text(encoding='utf-8')) if path.exists() else None


def files(role, *parts):
    return [path for part in parts for path in sorted((ROOT / 'roles' / role / part).rglob('*')) if path.is_file()]


def text(paths):
    return '\n'.join(path.read_text(encoding='utf-8') for path in paths)


def defaults(role):
    return load(ROOT / 'roles' / role / 'defaults' / 'main.yml') or {}


def specs(role):
    return load(ROOT / 'roles' / role / 'meta' / 'argument_specs.yml')['argument_specs']


def options(role):
    return specs(role)['main']['options']


def readme(role):
    return (ROOT / 'roles' / role / 'README.md').read_text(encoding='utf-8')


def readme_rows(role, head=README_HEAD):
    """The cells of each row of the table with this head, by default that of the variables, in order."""
    lines = iter(readme(role).splitlines())
    for line in lines:
        if line == head:
            next(lines)
            break
    rows = []
    for line in lines:
        if not line.startswith('|'):
            break
        rows.append([cell.strip() for cell in line.strip('|').split(' | ')])
    return rows


def exact(value):
    """A value in a form that tells 1 from 1.0, true and "1"."""
    return json.dumps(value, sort_keys=True)


def mappings(data):
    """Every dictionary inside of data."""
    if isinstance(data, dict):
        yield data
        data = list(data.values())
    if isinstance(data, list):
        for part in data:
            yield from mappings(part)


def tasks(paths):
    """Every dictionary of these files, so every task among them."""
    return [mapping for path in paths for mapping in mappings(load(path))]


def role_calls(paths):
    """(role of this collection, entry point, vars) of each use in these files."""
    for task in tasks(paths):
        for module in INCLUDE_ROLE:
            if module in task:
                yield task[module]['name'].removeprefix('vipkit.ha.'), task[module].get('tasks_from', 'main'), task.get('vars', {})


def assigned(role):
    """Every name that the role itself gives a value, but what it hands to another role."""
    names = set(load(ROOT / 'roles' / role / 'vars' / 'main.yml') or {})
    for task in tasks(files(role, 'tasks', 'handlers')):
        names |= {task['register']} if 'register' in task else set()
        names |= set(task.get('ansible.builtin.set_fact', {})) - {'cacheable'}
        if not any(module in task for module in INCLUDE_ROLE):
            names |= {name for name in task.get('vars', {}) if not name.startswith('ansible_')}
    return names


def included(paths):
    """Names of the task files that tasks in these files include."""
    return {name for task in tasks(paths) for module in INCLUDE_TASKS if module in task
            for name in re.findall(r'[\w-]+\.yml', str(task[module]))}


def nested(options_, path=''):
    """(path, option) of every option at every depth."""
    for name, option in options_.items():
        yield path + name, option
        yield from nested(option.get('options', {}), f'{path}{name}.')


# --- defaults, argument specs and README ---

@of_each_role
def test_defaults_specs_and_readme_name_the_same_variables(role):
    names = sorted(defaults(role))
    assert sorted(options(role)) == names
    assert sorted(row[0] for row in readme_rows(role)) == names


@of_each_role
def test_specs_have_the_defaults(role):
    assert {name: exact(option['default']) for name, option in options(role).items()} == \
        {name: exact(value) for name, value in defaults(role).items()}


@of_each_role
def test_readme_shows_the_defaults(role):
    shown = {}
    for name, default, meaning in readme_rows(role):
        assert re.fullmatch('`[^`]+`', default), f'{name}: the default is not in backticks'
        assert meaning, f'{name}: it has no meaning'
        shown[name] = exact(yaml.safe_load(default.strip('`').replace('\\|', '|')))  # a table wants it so
    assert shown == {name: exact(value) for name, value in defaults(role).items()}


@of_each_role
def test_every_option_is_described_and_typed(role):
    for name, option in nested(options(role)):
        assert option.get('description'), name
        assert option.get('type') in {*TYPES, 'raw'}, name
        assert ('elements' in option) == (option['type'] == 'list'), f'{name}: a list has elements, and nothing else has'


@of_each_role
def test_descriptions_hold_no_template(role):
    # Ansible fills them in when the role runs, and fails where a variable is not there
    for name, option in nested(options(role)):
        assert '{{' not in str(option['description']), name


@of_each_role
def test_defaults_have_the_type_of_their_option(role):
    for name, value in defaults(role).items():
        if '{{' not in str(value):
            assert isinstance(value, TYPES[options(role)[name]['type']]), name
            assert options(role)[name]['type'] == 'bool' or not isinstance(value, bool), name


@of_each_role
def test_every_entry_point_is_a_task_file_with_the_same_options(role):
    for entry_point, spec in specs(role).items():
        assert (ROOT / 'roles' / role / 'tasks' / f'{entry_point}.yml').exists(), entry_point
        assert exact(spec['options']) == exact(options(role)), entry_point
        assert spec['short_description'] and spec['description'] and spec['author'], entry_point


@of_each_role
def test_passwords_are_kept_out_of_the_output(role):
    for name, option in nested(options(role)):
        if name.endswith('pass'):
            assert option.get('no_log') is True, name


# --- names ---

@of_each_role
def test_public_variables_begin_with_the_role(role):
    assert [name for name in defaults(role) if not name.startswith(f'{role}_')] == []


@of_each_role
def test_internal_variables_begin_with_two_underscores_and_the_role(role):
    assert [name for name in sorted(assigned(role)) if not name.startswith(f'__{role}_')] == []


@of_each_role
def test_another_role_is_handed_only_what_it_takes(role):
    for called, entry_point, given in role_calls(files(role, 'tasks', 'handlers')):
        assert set(given) <= set(defaults(called)), f'{called}, {entry_point}'


def used():
    """(where, role, name) of every mention of a role's variable in the roles and the playbooks."""
    sources = [(role, text(files(role, 'tasks', 'handlers', 'templates', 'vars'))) for role in ROLES]
    sources += [(f'defaults of {role}', ' '.join(re.findall(r'{{.*?}}', text(files(role, 'defaults'))))) for role in ROLES]
    sources += [(path.name, text([path])) for path in PLAYBOOKS]
    return [(where, found.group(1), found.group(0)) for where, source in sources for found in NAME.finditer(source)]


def test_every_filter_of_the_collection_that_is_used_exists():
    places = [path for role in ROLES for path in files(role, 'tasks', 'templates', 'vars', 'defaults')] + PLAYBOOKS
    used_filters = set(re.findall(r'\|\s*vipkit\.ha\.(\w+)', text(places)))
    assert used_filters and used_filters - {path.stem for path in (ROOT / 'plugins/filter').glob('*.py')} == set()


def test_every_variable_that_is_used_exists():
    known = {role: {*defaults(role), *assigned(role)} for role in ROLES}
    assert [f'{where}: {name}' for where, role, name in used() if name not in known[role]] == []


@of_each_role
def test_every_public_variable_is_used(role):
    own = {name for where, dummy, name in used() if where in (role, f'defaults of {role}')}
    assert set(defaults(role)) - own == set()


@of_each_role
def test_every_internal_variable_is_used(role):
    mentions = [name for dummy, dummy, name in used()]
    assert [name for name in sorted(assigned(role)) if mentions.count(name) < 2] == []


# --- files ---

@of_each_role
def test_every_task_file_is_reached(role):
    callers = [path for name in ROLES for path in files(name, 'tasks', 'handlers')] + PLAYBOOKS
    reached = {'main.yml', *included(files(role, 'handlers'))}
    reached |= {f'{entry_point}.yml' for called, entry_point, dummy in role_calls(callers) if called == role}
    folder = ROOT / 'roles' / role / 'tasks'
    new = reached
    while new:
        new = included([folder / name for name in new]) - reached
        reached |= new
    assert reached == {path.name for path in files(role, 'tasks')}


@of_each_role
def test_every_template_is_used(role):
    source = text(files(role, 'tasks', 'handlers', 'vars'))
    named = {re.sub('{{.*?}}', '*', name) for name in re.findall(r"(?:src: *|ansible\.builtin\.template', ')(.+?\.j2)", source)}
    there = [path.name for path in files(role, 'templates')]
    assert [name for name in there if not any(fnmatch.fnmatchcase(name, pattern) for pattern in named)] == []
    assert [pattern for pattern in named if not fnmatch.filter(there, pattern)] == []


# --- nested options ---

def test_nested_options_are_what_templates_read():
    source = re.sub(r'\S+\.j2', '', text(files('rsyslog', 'tasks', 'templates')))
    assert set(options('rsyslog')['rsyslog_rules']['options']) == set(re.findall(r'\brule\.(\w+)', source))


def test_scripts_are_what_the_module_takes():
    taken = yaml.safe_load(script_directory.DOCUMENTATION)['options']['scripts']['suboptions']
    given = options('keepalived')['keepalived_scripts']['options']
    assert {name: (option['type'], option.get('required'), option.get('default')) for name, option in given.items()} == \
        {name: (option['type'], option.get('required'), option.get('default')) for name, option in taken.items()}


def test_checks_of_upstreams_are_what_the_readme_shows():
    given = options('nginx')['nginx_upstream_health']['options']
    shown = {key: default for keys, default, dummy in readme_rows('nginx', '| key | default | meaning |') for key in re.findall(r'`(\w+)`', keys)}
    assert [*shown] == [*given]
    assert {key: default.strip('`') for key, default in shown.items() if 'default' in given[key]} == \
        {key: str(option['default']) for key, option in given.items() if 'default' in option}


# --- keys that no list of options has, since they are keepalived's keywords and every version has others ---

OWN_OF = {'keepalived_vrrp_instances': OWN_KEYS, 'keepalived_vrrp_scripts': ('name', 'check'), 'keepalived_vrrp_sync_groups': ('name',),
          'keepalived_global_defs': (), 'keepalived_blocks': ()}


def described_words(variable):
    """What the description of a variable names as a word of the inventory."""
    return set(re.findall(r'C\((\w+)\)', str(options('keepalived')[variable]['description']))) - set('_')


@pytest.mark.parametrize('variable', OWN_OF)
def test_keywords_are_free(variable):
    assert 'options' not in options('keepalived')[variable]


@pytest.mark.parametrize('variable', OWN_OF)
def test_own_keys_are_described(variable):
    assert set(OWN_OF[variable]) - described_words(variable) == set()


@pytest.mark.parametrize('variable', OWN_OF)
def test_words_of_a_description_are_keywords(variable):
    allowed = {keyword for path, dummy in known() for keyword in path} | {key for keys in OWN_OF.values() for key in keys} | {'raw'}
    if variable == 'keepalived_vrrp_scripts':
        allowed |= {*COMMON_KEYS, *(key for needed, possible in KINDS.values() for key in (*needed, *possible))}
    assert described_words(variable) - allowed == set()


def test_kinds_of_checks_are_described_with_their_keys():
    shown = {kind: set(re.findall('`(\\w+)`', keys)) for kind, keys, dummy in readme_rows('keepalived', KINDS_HEAD)}
    assert shown == {kind: {*needed, *possible} for kind, (needed, possible) in KINDS.items()}
    assert {*COMMON_KEYS, *(key for keys in shown.values() for key in keys)} <= described_words('keepalived_vrrp_scripts')
    assert {*COMMON_KEYS} <= set(re.findall(r'`(\w+)(?:: \w+)?`', readme('keepalived')))


# --- examples ---

def role_variables(data):
    """What an example of YAML gives the role keepalived, None when it is about something else."""
    found = next((mapping for mapping in mappings(data) if any(str(key).startswith('keepalived_') for key in mapping)), None)
    if not found and isinstance(data, dict) and 'nodes' in data:
        found = {'keepalived_vrrp_instances': [{'name': 'one', 'virtual_router_id': 1, 'virtual_ipaddress': ['192.0.2.1/24'], **data}]}
    return found


def examples():
    for page in (ROOT / 'README.md', ROOT / 'roles/keepalived/README.md', ROOT / 'roles/nginx/README.md'):
        for number, source in enumerate(FENCE.findall(page.read_text(encoding='utf-8')), 1):
            given = role_variables(yaml.safe_load(source))
            if given:
                yield pytest.param(given, id=f'{page.relative_to(ROOT)}, {number}')


@pytest.mark.parametrize('given', [*examples()])
def test_examples_make_a_plan_without_a_finding(given):
    start = {'keepalived_vrrp_instances': [{'name': 'one', 'virtual_router_id': 1, 'virtual_ipaddress': ['192.0.2.1/24'], 'nodes': ['node1']}]}
    variables = {**defaults('keepalived'), **load(ROOT / 'roles/keepalived/vars/main.yml'), 'vault_keepalived_auth_pass': 'secret',
                 '__keepalived_fixes': [], **start, **given}  # no lookup of the collection is found here
    own, names, directory = Templar(loader=DataLoader(), variables=variables).template(
        ['{{ __keepalived_own_description }}', "{{ keepalived_scripts | map(attribute='name') | list }}", '{{ keepalived_scripts_dir }}'])
    hosts = {str(node.get('name') if isinstance(node, dict) else node): {} for instance in own['cluster']['vrrp_instances']
             for node in instance['nodes']}
    plan = vrrp_plan(dict.fromkeys(hosts, own), hosts)
    assert plan['findings'] == []
    secrets = vrrp_secrets(own['cluster']['vrrp_instances'], own['cluster']['auth_pass'])
    for host in hosts:
        assert keepalived_conf(plan['hosts'][host]['conf'], secrets, directory, own['version'], names)
