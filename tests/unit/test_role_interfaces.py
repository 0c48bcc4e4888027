# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a role takes stands in its defaults, its argument specs and its README; what it uses stands in the role. They have to agree."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.vipkit.ha.plugins.plugin_utils import _keepalived_keywords as keywords

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / 'roles').iterdir() if path.is_dir())
PLAYBOOKS = [ROOT / 'site.yml', *sorted((ROOT / 'playbooks').rglob('*.yml'))]
README_HEAD = '| variable | default | meaning |'
NAME = re.compile(rf"(?<![\w.])(?:__)?({'|'.join(ROLES)})_\w+")
INCLUDE_ROLE = ('ansible.builtin.include_role', 'ansible.builtin.import_role')
INCLUDE_TASKS = ('ansible.builtin.include_tasks', 'ansible.builtin.import_tasks')
TYPES = {'str': str, 'bool': bool, 'int': int, 'float': (int, float), 'list': list, 'dict': dict}
KINDS = {
    'word': ('str', None),
    'words': ('str', None),
    'quoted': ('str', None),
    'flag': ('bool', None),
    'truth': ('bool', None),
    'lines': ('list', 'str'),
    'integer': ('int', None),
    'number': ('float', None),
}

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


def readme_rows(role):
    """The cells of each row of the table of variables, in order."""
    lines = iter((ROOT / 'roles' / role / 'README.md').read_text(encoding='utf-8').splitlines())
    for line in lines:
        if line == README_HEAD:
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
            names |= set(task.get('vars', {}))
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
        shown[name] = exact(yaml.safe_load(default.strip('`')))
    assert shown == {name: exact(value) for name, value in defaults(role).items()}


@of_each_role
def test_every_option_is_described_and_typed(role):
    for name, option in nested(options(role)):
        assert option.get('description'), name
        assert option.get('type') in {*TYPES, 'raw'}, name
        assert ('elements' in option) == (option['type'] == 'list'), f'{name}: a list has elements, and nothing else has'


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
    named = re.findall(r'src: *(\S+\.j2)', text(files(role, 'tasks', 'handlers')))
    assert set(named) == {path.name for path in files(role, 'templates')}


# --- nested options ---

def check_block(where, given, table, own):
    """A block's options are the keywords of its table, each with the type of its kind, and those of our own."""
    assert set(given) == {*table, *own}, where
    for keyword, kind in table.items():
        option, place = given[keyword], f'{where}, {keyword}'
        if isinstance(kind, dict):
            assert option['type'] == 'dict', place
            check_block(place, option['options'], kind, {'raw'})
            continue
        name, *limits = kind if isinstance(kind, tuple) else (kind,)
        assert (option['type'], option.get('elements')) == KINDS[name], place
        if limits:
            assert '{0} to {1}'.format(*limits) in str(option['description']), f'{place}: the description has another range'


@pytest.mark.parametrize('variable, table, own', [
    ('keepalived_vrrp_instances', keywords.VRRP_INSTANCE, {'name', 'nodes', 'raw'}),
    ('keepalived_vrrp_scripts', keywords.VRRP_SCRIPT, {'name', 'check', 'raw'}),
])
def test_options_of_a_block_are_the_keywords_of_its_table(variable, table, own):
    check_block(variable, options('keepalived')[variable]['options'], table, own)


@pytest.mark.parametrize('role, path, variable', [
    ('keepalived', 'keepalived_vrrp_scripts.check', 'check'),
    ('rsyslog', 'rsyslog_rules', 'rule'),
])
def test_nested_options_are_what_tasks_and_templates_read(role, path, variable):
    source = re.sub(r'\S+\.j2', '', text(files(role, 'tasks', 'templates')))
    read = set(re.findall(rf'\b{variable}\.(\w+)', source))
    assert set(dict(nested(options(role)))[path]['options']) == read
