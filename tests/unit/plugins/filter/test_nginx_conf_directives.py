# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every directive of the table, in each of its contexts."""

from __future__ import annotations

import functools
import operator

import crossplane
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.filter.nginx_conf import nginx_conf
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives import CONTEXTS, DIRECTIVES, NEWEST
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_directives_kinds import ENTRIES as LOOKUP, Directive, release

OLDEST = '1.9.9'

# A description that has a body in a context, and the blocks in which it is then found.
PLACES = {
    'main': (lambda body: {'main': body}, ()),
    'events': (lambda body: {'events': body}, ('events',)),
    'http': (lambda body: {'http': body}, ('http',)),
    'server': (lambda body: {'servers': [body]}, ('http', 'server')),
    'location': (lambda body: {'servers': [{'location': [{'path': '/', **body}]}]}, ('http', 'server', 'location')),
    'upstream': (lambda body: {'upstreams': [{'name': 'u', **body}]}, ('http', 'upstream')),
    'if_server': (lambda body: {'servers': [{'if': [{'condition': '$a', **body}]}]}, ('http', 'server', 'if')),
    'if_location': (lambda body: {'servers': [{'location': [{'path': '/', 'if': [{'condition': '$a', **body}]}]}]},
                    ('http', 'server', 'location', 'if')),
    'limit_except': (lambda body: {'servers': [{'location': [{'path': '/', 'limit_except': [{'method': 'GET', **body}]}]}]},
                     ('http', 'server', 'location', 'limit_except')),
    'stream': (lambda body: {'stream': body}, ('stream',)),
    'stream_server': (lambda body: {'streams': [body]}, ('stream', 'server')),
    'stream_upstream': (lambda body: {'streams': [{'name': 'u', 'server': 'a:1', **body}]}, ('stream', 'upstream')),
}

# What a part of the description stands for, and what goes to the server where an upstream could have it as well.
APART = {('main', 'events'), ('main', 'http'), ('main', 'stream'), ('http', 'server'), ('http', 'upstream'), ('stream', 'server'),
         ('stream', 'upstream'), ('stream_upstream', 'include'), ('stream_upstream', 'resolver'), ('stream_upstream', 'resolver_timeout')}

MASKS = {
    'main': crossplane.analyzer.NGX_MAIN_CONF,
    'events': crossplane.analyzer.NGX_EVENT_CONF,
    'http': crossplane.analyzer.NGX_HTTP_MAIN_CONF,
    'server': crossplane.analyzer.NGX_HTTP_SRV_CONF,
    'location': crossplane.analyzer.NGX_HTTP_LOC_CONF,
    'upstream': crossplane.analyzer.NGX_HTTP_UPS_CONF,
    'if_server': crossplane.analyzer.NGX_HTTP_SIF_CONF,
    'if_location': crossplane.analyzer.NGX_HTTP_LIF_CONF,
    'limit_except': crossplane.analyzer.NGX_HTTP_LMT_CONF,
    'stream': crossplane.analyzer.NGX_STREAM_MAIN_CONF,
    'stream_server': crossplane.analyzer.NGX_STREAM_SRV_CONF,
    'stream_upstream': crossplane.analyzer.NGX_STREAM_UPS_CONF,
}
# Commercial in an upstream when its tables were made, and free since.
LATER_FREE = ('least_time', 'resolver', 'sticky')

CASES = [(name, entry, context) for name, entries in DIRECTIVES.items() for entry in entries for context in entry.contexts
         if (context, name) not in APART]
ENTRIES = [(name, entry) for name, entries in DIRECTIVES.items() for entry in entries]
IN_CONTEXT = pytest.mark.parametrize('context', CONTEXTS)


def label(value):
    return f'{value.takes}-{value.since or OLDEST}' if isinstance(value, Directive) else value


def in_context(context):
    """Each directive that a description can have in a context."""
    return [(name, entry) for name, entry, place in CASES if place == context]


def words(name, entry, count=None):
    """Arguments that a directive takes."""
    if entry.takes == 'flag':
        return ['on']
    first = 'error' if name.endswith('next_upstream') else 'TLSv1.2' if name.endswith('ssl_protocols') else '/one'
    rest = ['deferred' if name == 'listen' and 'server' in entry.contexts else 'backlog=5' if name == 'listen' else
            'backup' if name == 'server' else first] * 9
    return [first, *rest][:int(entry.takes[0]) if count is None else count]


def head(name):
    return {'location': 'path', 'if': 'condition', 'limit_except': 'method', 'upstream': 'name'}.get(name, 'args')


def value_of(name, entry, given):
    """What a description holds for these arguments."""
    if not entry.block:
        return ' '.join(given) if given else True
    return {head(name): ' '.join(given)} if given else {}


def version_of(entry):
    return max(entry.since, OLDEST, key=release)


def is_known_to_crossplane(name, entry):
    """Whether its tables, which end before 1.19, have it; they lack that include may stand everywhere."""
    return release(entry.since) < (1, 19) and (name != 'include' or not entry.since)


def found(statements, path):
    for name in path:
        statements = next(one[-1] for one in statements if one[0] == name)
    return statements


def refused(description, version='', flags=None):
    with pytest.raises(AnsibleFilterError) as error:
        nginx_conf(description, version, flags)
    lines = str(error.value).splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize('name, entry, context', CASES, ids=label)
def test_a_directive_is_written_where_it_may_stand(name, entry, context, parsed):
    place, path = PLACES[context]
    given = words(name, entry)
    text = nginx_conf(place({name: value_of(name, entry, given)}), version_of(entry))
    wanted = [name, *given, *([[]] if entry.block else [])]
    assert wanted in found(parsed(text, is_known_to_crossplane(name, entry)), path)


@IN_CONTEXT
def test_a_directive_is_refused_where_it_may_not_stand(context):
    for name, entries in DIRECTIVES.items():
        allowed = {one for entry in entries for one in entry.contexts}
        if context in allowed or (context, name) in APART or context == 'stream_upstream' and 'stream_server' in allowed:
            continue
        if (context, name) == ('stream_server', 'server'):
            continue  # makes an upstream of it
        message = refused(PLACES[context][0]({name: value_of(name, entries[0], words(name, entries[0]))}))
        assert f': {name} may not stand here, only in ' in message
        assert all(CONTEXTS[one] in message for one in allowed)


@IN_CONTEXT
def test_a_directive_is_refused_with_what_it_does_not_take(context):
    place = PLACES[context][0]
    for name, entry in in_context(context):
        if entry.takes == 'flag':
            assert f': {name}: it is neither true nor false' in refused(place({name: 'maybe'}), version_of(entry))
        elif entry.block and entry.takes == '0':
            assert f': {name}: it is a block' in refused(place({name: 'x'}), version_of(entry))
        else:
            low, high = int(entry.takes[0]), 99 if '+' in entry.takes else int(entry.takes[-1])
            for count in {low - 1, high + 1} & set(range(1, 9)):
                message = refused(place({name: value_of(name, entry, words(name, entry, count))}), version_of(entry))
                assert f': {name}: it takes ' in message and f', and {count} ' in message


@IN_CONTEXT
def test_a_directive_may_stand_as_often_as_the_table_says(context, parsed):
    place, path = PLACES[context]
    for name, entry in in_context(context):
        one = value_of(name, entry, words(name, entry))
        twice = place({name: [one, one]})
        if entry.many:
            statements = found(parsed(nginx_conf(twice, version_of(entry)), is_known_to_crossplane(name, entry)), path)
            assert [statement[0] for statement in statements].count(name) == 2
        else:
            assert f': {name} may stand only once here, and 2 are given' in refused(twice, version_of(entry))


@pytest.mark.parametrize('name, entry, context', [case for case in CASES if case[1].since or case[1].until], ids=label)
def test_a_directive_is_refused_by_a_release_that_lacks_it(name, entry, context):
    if any(context in one.contexts for one in DIRECTIVES[name] if one is not entry):
        return  # another variant takes its place
    description = PLACES[context][0]({name: value_of(name, entry, words(name, entry))})
    if entry.since:
        assert f': nginx {OLDEST} has no {name}: it came with {entry.since}; use that version or ' in refused(description, OLDEST)
    if entry.until:
        assert f': nginx {entry.until} has no {name} any more: it went with {entry.until}; ' in refused(description, entry.until)


@IN_CONTEXT
def test_a_directive_is_refused_by_a_build_that_lacks_it(context):
    for name, entry in in_context(context):
        description = PLACES[context][0]({name: value_of(name, entry, words(name, entry))})
        switches = {'--with-stream=dynamic', *(switch for switch in entry.needs if switch.startswith('--with-'))}
        nginx_conf(description, version_of(entry), [*switches, '--with-cc=gcc'])
        for switch in entry.needs:
            message = refused(description, version_of(entry), list(switches ^ {switch}))
            assert (f'{name} needs {switch} in nginx_configure_flags' if switch in switches else f'not in a build with {switch}') in message


@pytest.mark.parametrize('name', [name for name in crossplane.analyzer.DIRECTIVES if name in DIRECTIVES])
def test_a_directive_may_stand_wherever_crossplane_knows_it(name):
    theirs = functools.reduce(operator.or_, crossplane.analyzer.DIRECTIVES[name])
    ours = {context for entry in DIRECTIVES[name] if is_known_to_crossplane(name, entry) for context in entry.contexts}
    if name in LATER_FREE:
        assert ours <= {context for context, mask in MASKS.items() if theirs & mask}
    else:
        assert ours == {context for context, mask in MASKS.items() if theirs & mask}


def test_variants_of_a_directive_in_a_context_follow_each_other():
    for name, entries in DIRECTIVES.items():
        for context in CONTEXTS:
            here = [entry for entry in entries if context in entry.contexts]
            assert all(one.until == other.since != '' for one, other in zip(here, here[1:])), (name, context)


def test_what_the_table_says_can_be_understood():
    for dummy, entry in ENTRIES:
        assert set(entry.contexts) <= set(CONTEXTS) and entry.contexts
        assert entry.takes == 'flag' or entry.takes[0] in '0123'
        assert entry.block in (*CONTEXTS, LOOKUP, '')
        assert all(switch.startswith(('--with-', '--without-')) for switch in entry.needs)


@pytest.mark.parametrize('version, number', [('1.9.9', 490), ('1.18.0', 555), ('1.22.1', 569), ('1.26.3', 579), (NEWEST, 619)])
def test_every_catalogued_release_is_known(version, number):
    now = release(version)
    there = {name for name, entry in ENTRIES if release(entry.since) <= now and not (entry.until and release(entry.until) <= now)}
    assert len(there) == number
