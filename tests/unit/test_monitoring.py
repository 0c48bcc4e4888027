# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules and dashboard ask for what the programs of the roles write, and the page describes it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from test_platforms import fill_in, variables_of

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'docs' / 'monitoring'
sys.path[:0] = [str(ROOT / 'roles' / role / 'files') for role in ('keepalived', 'nginx')]

import keepalived_metrics  # noqa: E402
import nginx_metrics  # noqa: E402

METRICS = {name: (kind, what) for program in (keepalived_metrics, nginx_metrics) for name, kind, what in program.METRICS}
NAME = re.compile(r'\b(?:keepalived|nginx)_\w+')
LABELS = {'vrrp_instance', 'virtual_router_id', 'interface', 'virtual_ipaddress', 'vrrp_script', 'error', 'version', 'fingerprint', 'check', 'server',
          'instance', 'cluster'}  # the last two are of the scrape
RULES = [rule for group in yaml.safe_load((FOLDER / 'vipkit.rules.yml').read_text(encoding='utf-8'))['groups'] for rule in group['rules']]
DASHBOARD = json.loads((FOLDER / 'vipkit.dashboard.json').read_text(encoding='utf-8'))
QUERIES = [target['expr'] for panel in DASHBOARD['panels'] for target in panel['targets']]


def test_rules_and_dashboard_ask_for_what_is_written():
    asked = NAME.findall(' '.join([*QUERIES, *(rule['expr'] for rule in RULES)]))
    assert len(set(asked)) > 20
    assert sorted({*asked} - {*METRICS}) == []


def test_what_can_be_wrong_has_an_alert():
    asked = {*NAME.findall(' '.join(rule['expr'] for rule in RULES))}
    assert {name for name in METRICS if re.search(r'_up$|_failed$|_success$|_held$|_state$|_timestamp_seconds$|_build_info$|_in_force$', name)} - asked == {
        'keepalived_vrrp_last_transition_timestamp_seconds'}


def test_counters_are_never_taken_as_they_are():
    counters = [name for name, (kind, dummy) in METRICS.items() if kind == 'counter']
    for expr in [*QUERIES, *(rule['expr'] for rule in RULES)]:
        for name in {*NAME.findall(expr)} & {*counters}:
            assert re.findall(rf'(?:rate|increase)\({name}\b', expr) == re.findall(rf'\w+\({name}\b', expr) != [], expr


def test_labels_are_those_that_are_written():
    texts = [rule['expr'] + ' '.join(rule['annotations'].values()) for rule in RULES]
    texts += [target['legendFormat'] for panel in DASHBOARD['panels'] for target in panel['targets']]
    used = {name for text in texts for name in re.findall(r'\$labels\.(\w+)', text) + re.findall(r'{{(\w+)}}', text)}
    used |= {name.strip() for text in texts for names in re.findall(r'\b(?:by|on) \((.+?)\)', text) for name in names.split(',')}
    assert used and used - LABELS == set()


@pytest.mark.parametrize('rule', RULES, ids=[rule['alert'] for rule in RULES])
def test_every_alert_says_what_to_do(rule):
    assert rule['labels']['severity'] in ('critical', 'warning')
    assert {*rule['annotations']} == {'summary', 'description'} and len(rule['annotations']['description']) > 40
    assert 'for' in rule or 'increase' in rule['expr'], 'a single sample is no reason to wake anybody'


def test_names_of_alerts_differ():
    assert len({rule['alert'] for rule in RULES}) == len(RULES)


def test_the_page_describes_all_of_it():
    page = (FOLDER.parent / 'monitoring.md').read_text(encoding='utf-8')
    rows = dict(re.findall(r'^\| `((?:keepalived|nginx)_\w+)` \| (.+?) \|', page, re.M))
    assert sorted(rows) == sorted(METRICS)
    assert {*re.findall(r'`(Vipkit\w+)`', page)} == {rule['alert'] for rule in RULES}


@pytest.mark.skipif(not shutil.which('promtool'), reason='promtool of Prometheus is not here')
@pytest.mark.parametrize('arguments', [['check', 'rules', 'vipkit.rules.yml'], ['test', 'rules', 'vipkit.rules.test.yml']], ids=' '.join)
def test_prometheus_takes_the_rules(arguments):
    done = subprocess.run(['promtool', *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and 'SUCCESS' in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize('role', ['keepalived', 'nginx'])
def test_everything_that_is_written_goes_again(role):
    variables = variables_of(role)
    written = {fill_in(one['path'], variables) for one in variables[f'__{role}_metrics_files']}
    gone = {*fill_in(f'{{{{ __{role}_metrics_absent }}}}', variables)}
    assert written < gone and f'/var/lib/prometheus/node-exporter/vipkit_{role}.prom' in gone


def test_stub_status_is_there_where_it_is_built_and_answers_the_host_alone():
    def locations(**given):
        return {one['path']: one for one in fill_in('{{ __nginx_health_server }}', variables_of('nginx', **given))['location']}

    assert '= /stub_status' not in locations()
    found = locations(nginx_configure_flags=['--with-http_stub_status_module'])['= /stub_status']
    assert (found['allow'], found['deny'], found['stub_status']) == (['127.0.0.1'], 'all', True)  # and no IPv6, which builds of 1.9.9 may not know
    for listen, allowed in (('[::1]:8081', ['::1']), ('192.0.2.1:8081', ['127.0.0.1', '192.0.2.1']), ('[2001:db8::1]:81', ['::1', '2001:db8::1']),
                            ('0.0.0.0:81', ['127.0.0.1']), ('[::]:81', ['::1']), ('localhost:81', ['127.0.0.1'])):
        found = locations(nginx_configure_flags=['--with-http_stub_status_module'], nginx_health_listen=listen)['= /stub_status']
        assert found['allow'] == allowed


@pytest.mark.parametrize('flags', [[], ['--with-http_stub_status_module']])
def test_the_program_asks_for_stub_status_only_where_it_is(flags):
    arguments = fill_in('{{ __nginx_metrics_arguments }}', variables_of('nginx', nginx_configure_flags=flags))
    assert ('--stub-status' in arguments) == bool(flags) and '--upstreams' not in arguments
