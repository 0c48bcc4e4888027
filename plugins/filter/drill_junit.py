# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_junit
short_description: Give what came of a failover drill as JUnit XML
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives the text of a file that the test reports of Jenkins (C(junit)) and GitLab (C(artifacts:reports:junit)) read.
  - A fault on a node is a test suite, and each virtual IP a test case of it. What is wrong with the cluster as a whole is one more.
  - The C(time) of a test case is the outage in seconds, so that a trend of the durations of tests is one of outages. The C(time) of a suite is
    how long the fault lasted.
positional: _input
options:
  _input:
    description: What came of a drill, as P(vipkit.ha.drill_html#filter) describes it.
    type: dict
    required: true
notes:
  - There is no standard of JUnit's XML. What is written is what both of those read, see the source below.
  - Source is the schema of Jenkins' xUnit plugin, C(junit-10.xsd).
seealso:
  - plugin: vipkit.ha.drill_html
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write what a continuous integration reads
  ansible.builtin.copy:
    content: "{{ drill | vipkit.ha.drill_junit }}"
    dest: report/drill.xml
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The XML.
  type: str
"""

import datetime
from xml.etree import ElementTree

from ansible_collections.vipkit.ha.plugins.plugin_utils._drill import fault_of, outage, seconds, why_not
from ansible_collections.vipkit.ha.plugins.plugin_utils._report_page import element


def _case(result, name, time, failure, told=None):
    return element('testcase', element('failure', failure, message=failure, type='drill') if failure else None,
                   element('system-out', told) if told else None, classname=f"{result['node']}.{result['fault']}", name=name, time=f'{time:.3f}')


def _told(vip):
    return (f"owner before: {vip['owner_before'] or 'nobody'}, taken over by: {vip['taken_over_by'] or 'nobody'}, outage: {outage(vip)}, "
            f"limit: {seconds(vip['limit'], 'none')}, lost: {vip['lost']}, late: {vip['late']}, fail-back outage: {outage(vip, 'fail_back_outage')}, "
            f"fail-back lost: {vip['fail_back_lost']}")


def _suite(result):
    cases = [_case(result, f"{vip['address']} ({vip['instance']})", vip['outage'] or 0, None if vip['passed'] else why_not(vip), _told(vip))
             for vip in result['vips']]
    if result['problems'] or not cases or (not result['passed'] and all(vip['passed'] for vip in result['vips'])):
        cases.append(_case(result, 'cluster', 0, None if result['passed'] else '\n'.join(result['problems']) or 'the cluster did not pass'))
    return element('testsuite', cases, name=fault_of(result), tests=len(cases), failures=sum(case.find('failure') is not None for case in cases),
                   errors=0, skipped=0, time=f"{(result['healed'] or result['injected']) - result['injected']:.3f}",
                   timestamp=f"{datetime.datetime.fromtimestamp(result['injected'], datetime.timezone.utc):%Y-%m-%dT%H:%M:%S}")


def drill_junit(drill):
    """A drill as JUnit XML."""
    suites = [_suite(result) for result in drill['results']]
    tree = element('testsuites', suites, name='failover drill', tests=sum(int(suite.get('tests')) for suite in suites),
                   failures=sum(int(suite.get('failures')) for suite in suites), time=f"{drill['ended'] - drill['began']:.3f}")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(tree, encoding='unicode') + '\n'


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'drill_junit': drill_junit}
