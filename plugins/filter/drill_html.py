# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_html
short_description: Lay out what came of a failover drill as one HTML page
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives one page that needs nothing else, no other file, no network and no script. It can be mailed, printed, and kept for an audit.
  - On top is the verdict. Below it come all faults, what each did to each virtual IP, with a picture of who answered when, what the
    cluster was made of, and how to read all that.
  - It can be read in light and dark, on a phone, on paper and with a screen reader.
  - Names of hosts and texts of errors are shown as text, whatever they hold.
positional: _input
options:
  _input:
    description:
      - What came of a drill, as P(vipkit.ha.drill_junit#filter) takes it too. Times are seconds since the epoch, durations are seconds.
      - C(began), C(ended), C(witness), C(interval) (between two probes of an address), C(protocol) (of the probes), C(sla) (what no outage may
        exceed, or null), C(profile), C(passed), C(failures) (a sentence for all that did not pass).
      - C(nodes) is a dictionary of each node to its C(keepalived) and its C(nginx), which are versions.
      - C(settings) is a dictionary of each instance to its C(version) of VRRP, C(advert_int) (seconds) and C(priorities), a dictionary of
        each node to its priority.
      - C(results) is a list with an entry for each fault on a node.
      - Of a result C(fault), C(node), C(injected), C(healed) (null if it could not be healed), C(problems) (sentences about the
        cluster), C(passed), and C(vips).
      - Of each of C(vips) C(address), C(instance), C(owner_before), C(taken_over_by) (null if nobody did), C(outage) (null if it has not
        ended), C(lost), C(late), C(fail_back_outage) (the same of the way back), C(fail_back_lost), C(limit) and C(ratio) (null where there
        is none), C(passed), C(why) (a sentence, or empty), C(owners) (who answered from C(at) on, as C(owner), null for nobody) and
        C(outages) (each C(began), C(ended)).
    type: dict
    required: true
seealso:
  - plugin: vipkit.ha.drill_junit
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write the page of a drill
  ansible.builtin.copy:
    content: "{{ drill | vipkit.ha.drill_html }}"
    dest: report/drill.html
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

from ansible_collections.vipkit.ha.plugins.plugin_utils._drill import fault_of, outage, seconds, worst
from ansible_collections.vipkit.ha.plugins.plugin_utils._report_page import badge, described, element, listed, moment, owner_bar, page, table, verdict
from ansible_collections.vipkit.ha.plugins.plugin_utils._report_timeline import Timeline


def _counted(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


def _top(drill):
    outcomes = [(result, vip) for result in drill['results'] for vip in result['vips']]
    failed = [result for result in drill['results'] if not result['passed']]
    asked = (f"{_counted(len(drill['results']), 'fault')} on {_counted(len(drill['nodes']), 'node')} and {_counted(len(drill['vips']), 'virtual IP')}, probed "
             f"from {drill['witness']} over {drill['protocol']} every {drill['interval'] * 1000:g} ms. Began {moment(drill['began'])}, "
             f"took {drill['ended'] - drill['began']:.0f} s.")
    vip = worst([vip for dummy, vip in outcomes])
    if vip and vip['outage'] != 0:
        result = next(result for result, other in outcomes if other is vip)
        asked += f" The longest outage: {outage(vip)}, {vip['address']} ({vip['instance']}), {fault_of(result)}."
    elif vip:
        asked += ' No virtual IP was without a good answer.'
    heading = 'Failover drill passed' if drill['passed'] else 'Failover drill failed'
    told = f"{len(failed)} of {_counted(len(drill['results']), 'fault')} did not pass." if failed else 'Every fault passed.'
    return verdict(drill['passed'], heading, asked, told if drill['results'] else 'No fault was made, so nothing is proven.')


def _overview(drill):
    rows = []
    for number, result in enumerate(drill['results']):
        longest, back = worst(result['vips']), worst(result['vips'], 'fail_back_outage')
        limits = [vip['ratio'] for vip in result['vips'] if vip['ratio'] is not None]
        rows.append((element('a', fault_of(result), href=f'#fault{number}'), badge(result['passed']),
                     f"{outage(longest)}, {longest['address']}" if longest and longest['outage'] != 0 else 'none',
                     f'{max(limits):.2f}' if limits else '–', f"{sum(vip['lost'] for vip in result['vips'])}, {sum(vip['late'] for vip in result['vips'])}",
                     outage(back, 'fail_back_outage') if back else '–'))
    return table(('Fault', 'Verdict', 'Longest outage', 'Of its limit', 'Lost, late', 'Fail-back outage'), rows, 'Each fault, over all virtual IPs')


def _row(vip):
    owners = f"{vip['owner_before'] or 'nobody'}, {'then' if vip['taken_over_by'] else 'taken over by'} {vip['taken_over_by'] or 'nobody'}"
    ratio = '–' if vip['ratio'] is None else f"{vip['ratio']:.2f}"
    return (f"{vip['address']} ({vip['instance']})", badge(vip['passed']), owners, outage(vip), seconds(vip['limit'], 'none'), ratio,
            f"{vip['lost']}, {vip['late']}", f"{outage(vip, 'fail_back_outage')}, {vip['fail_back_lost']} lost")


def _fault(number, result, nodes):
    wrong = [*result['problems'], *(f"{vip['address']}: {vip['why']}" for vip in result['vips'] if vip['why'])]
    headings = ('Virtual IP', 'Verdict', 'Owner', 'Outage', 'Limit', 'Of the limit', 'Lost, late', 'Fail-back')
    return element('section', element('h3', fault_of(result), ' ', badge(result['passed']), id=f'fault{number}'),
                   element('p', f"Fault made {moment(result['injected'])}.", class_='faint'), listed(wrong),
                   table(headings, [_row(vip) for vip in result['vips']]) if result['vips'] else None,
                   [Timeline(result, vip, nodes).figure() for vip in result['vips']])


def _tile(place, name):
    return element('li', element('svg', owner_bar(place, x=1, y=1, width=26, height=14), width=28, height=16, aria_hidden='true'), name)


def _configuration(drill, nodes):
    programs = [(node, drill['nodes'][node].get('keepalived') or '–', drill['nodes'][node].get('nginx') or '–') for node in nodes]
    instances = [(name, f"VRRP version {one['version']}", f"{one['advert_int']:g} s",
                  ', '.join(f'{node} {number}' for node, number in one['priorities'].items())) for name, one in drill['settings'].items()]
    vips = [(vip['address'], vip['instance'], vip.get('owner') or 'any', ', '.join(vip.get('nodes', []))) for vip in drill['vips']]
    sla = 'No SLA was given, so the limits of the protocol decide.' if drill['sla'] is None else f"No outage may be longer than {seconds(drill['sla'])} (SLA)."
    return [table(('Node', 'keepalived', 'nginx'), programs, 'Nodes'),
            table(('Instance', 'Version', 'advert_int', 'Priorities'), instances, f"Instances, profile {drill['profile']}"),
            table(('Virtual IP', 'Instance', 'Planned owner', 'Nodes in order'), vips, 'Virtual IPs'), element('p', sla)]


def _help(nodes):
    return [described(
        ('Outage', 'From the first probe after the fault that got no good answer to the first one after it that did; several such runs are added up. '
                   'A probe that is refused, reset, or not answered in time is lost; one that is answered slowly is late. Neither is good.'),
        ('Fail-back', 'The same, after the fault was healed, while the planned owner takes its address back.'),
        ('Limit', 'What the protocol allows for this configuration (RFC 5798, 6.1: skew time and master down interval), with what the check takes '
                  'to notice. "none" means that no such limit is known for this fault.'),
        ('Of the limit', 'Outage divided by limit: 1.00 is what the protocol promises, less is better.'),
        ('Picture', 'A row for each node, with a bar for as long as it answered for the address; a row with a solid red bar for as long as nobody '
                    'gave a good answer; a solid upright line where the fault was made and a dashed one where it was healed. Bars of a fraction of a '
                    'second are drawn wider than they are; the words below have the numbers.')),
        element('p', 'Nodes have these colours and patterns:'), element('ul', [_tile(*one) for one in enumerate(nodes)], class_='tiles')]


def drill_html(drill):
    """A page about a drill."""
    nodes = list(drill['nodes'])
    wrong = drill['failures']
    return page(
        f"Failover drill {'passed' if drill['passed'] else 'failed'}, {moment(drill['began'])}", _top(drill),
        [element('h2', 'What did not pass'), listed(wrong)] if wrong else None,
        [element('h2', 'Faults'), _overview(drill)] if drill['results'] else None,
        [element('h2', 'Each fault'), [_fault(number, result, nodes) for number, result in enumerate(drill['results'])]] if drill['results'] else None,
        element('h2', 'What was drilled'), _configuration(drill, nodes), element('h2', 'How to read this'), _help(nodes))


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'drill_html': drill_html}
