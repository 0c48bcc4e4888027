# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written about a drill. How the page looks is for eyes: drills.py writes the pages of its samples."""

from __future__ import annotations

import html.parser
import re
from xml.etree import ElementTree

import pytest
from ansible_collections.vipkit.ha.plugins.filter.drill_html import drill_html
from ansible_collections.vipkit.ha.plugins.filter.drill_junit import drill_junit
from ansible_collections.vipkit.ha.plugins.plugin_utils import _report_page
from ansible_collections.vipkit.ha.plugins.plugin_utils._report_timeline import Timeline

import drills

TAGS = {'html', 'head', 'meta', 'title', 'style', 'body', 'main', 'header', 'section', 'h1', 'h2', 'h3', 'p', 'ul', 'li', 'dl', 'dt', 'dd', 'a', 'span',
        'strong', 'table', 'caption', 'thead', 'tbody', 'tr', 'th', 'td', 'figure', 'figcaption', 'svg', 'defs', 'pattern', 'path', 'rect', 'line', 'text'}
LOADS = {'src', 'srcset', 'data', 'action', 'poster', 'background', 'xlink:href'}
each_drill = pytest.mark.parametrize('name', drills.ALL)


class Page(html.parser.HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = set(), [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag != 'meta':
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != 'style':
            self.texts.append(data)

    @property
    def text(self):
        """All that is to be read."""
        return ' '.join(' '.join(self.texts).split())


@each_drill
def test_a_page_needs_nothing_and_has_nothing_of_others_in_it(name):
    text = drill_html(drills.ALL[name])
    page = Page(text)
    assert page.tags <= TAGS and not page.open
    assert not [(key, value) for key, value in page.attributes
                if key in LOADS or key.startswith('on') or (key == 'href' and not re.fullmatch(r'#fault\d+', value))]
    assert 'url(' not in re.sub(r'url\(#node\d\)', '', text) and '@import' not in text
    assert not re.findall('[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]', text)


def test_what_hosts_say_is_shown_as_they_say_it():
    shown = drills.HOSTILE.replace('\x1b', '\ufffd').replace('\x00', '\ufffd').replace('\u202e', '\ufffd')
    page = Page(drill_html(drills.ALL['hostile']))
    assert page.text.count(shown) > 10
    assert shown in ElementTree.fromstring(drill_junit(drills.ALL['hostile']).encode()).find('testsuite/testcase/failure').text


@pytest.mark.parametrize('name, told', [
    ('classic', ['✓ Failover drill passed', '4 faults on 2 nodes and 2 virtual IPs, probed from client over http every 10 ms. Began 2026-11-25 10:00:00 UTC',
                 'The longest outage: 3.702 s, 192.168.100.100 (vrrp_instance_1), freeze on node128.', 'stop_keepalived on node128',
                 '0.812 s 0.805 s 1.01 81, 0', 'node128, then node129', 'No outage may be longer than 5.000 s', 'node128 254, node129 253', '2.0.7 1.9.9',
                 'Who answered: first: node128, +0.812 s: node129, +12.400 s: node128. Without a good answer: 0.812 s from +0.001 s.']),
    ('failed', ['✗ Failover drill failed', '3 of 3 faults did not pass.', 'link_down on node128: node128 could not be healed: ssh',
                'to the end from +0.100 s', 'stop_nginx on node128: 192.168.100.100 (vrrp_instance_1): nobody took it over',
                'node128, taken over by nobody', 'It was never healed.',
                '+0.100 s: nobody']),
    ('many', ['kill_keepalived on lb-1.rack-17.example.net', '2001:db8:cafe:f00d:0:100:ffff:5 (web_frontend_5)', 'profile fast', 'No SLA was given']),
    ('nothing', ['No fault was made, so nothing is proven.']),
])
def test_what_a_page_tells(name, told):
    text = Page(drill_html(drills.ALL[name])).text
    assert [one for one in told if one not in text] == []


def bars(fault, vip, nodes=('node128', 'node129')):
    """Fill, left and right of each bar, in hundredths of the width."""
    picture = Timeline(fault, vip, [*nodes]).picture()
    return [(one.get('fill') or 'gap', left, round(left + float(one.get('width')[:-1]), 3)) for one in picture.iter('rect')
            for left in [float(one.get('x')[:-1])]]


def test_bars_stand_where_their_times_are():
    fault = drills.result('stop_keepalived', drills.vip(owners=[(-2, 'node128'), (1, 'node129'), (9, 'node128')], outages=[(0, 1)]), lasted=10)
    assert bars(fault, fault['vips'][0]) == [  # 10 s and 0.6 s more on both sides
        ('url(#node0)', 0, pytest.approx(160 / 11.2, abs=0.01)), ('url(#node0)', pytest.approx(960 / 11.2, abs=0.01), pytest.approx(100)),
        ('url(#node1)', pytest.approx(160 / 11.2, abs=0.01), pytest.approx(960 / 11.2, abs=0.01)),
        ('gap', pytest.approx(60 / 11.2, abs=0.01), pytest.approx(160 / 11.2, abs=0.01))]


@each_drill
def test_nothing_is_drawn_outside_of_a_picture(name):
    for fault in drills.ALL[name]['results']:
        for vip in fault['vips']:
            assert all(0 <= left <= right <= 100.01 for dummy, left, right in bars(fault, vip, drills.ALL[name]['nodes']))


def luminance(colour):
    """WCAG 2.1: relative luminance."""
    digits = ''.join(one * 2 for one in colour) if len(colour) == 3 else colour
    parts = [int(digits[place:place + 2], 16) / 255 for place in (0, 2, 4)]
    return sum(weight * (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4) for weight, part in zip((0.2126, 0.7152, 0.0722), parts))


def contrast(one, other):
    """WCAG 2.1: contrast ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize('scheme', [0, 1, 2])
def test_text_and_bars_stand_out_in_each_scheme(scheme):
    block = re.findall(r':root \{(.*?)\}', _report_page._STYLE, re.S)[scheme]  # pylint: disable=protected-access
    colour = dict(re.findall(r'--([\w-]+): #(\w+);', block))
    assert len(colour) == 16
    for ground in ('page', 'panel', 'good-panel', 'bad-panel'):
        assert min(contrast(colour[ground], colour[name]) for name in ('text', 'good', 'bad')) >= 4.5
    for ground in ('page', 'panel'):
        assert contrast(colour[ground], colour['faint']) >= 4.5
        assert min(contrast(colour[ground], colour[f'node{place}']) for place in range(_report_page.PATTERNS)) >= 3


def test_a_way_back_that_has_not_ended_is_not_short():
    back = drills.drill(drills.result('stop_keepalived', drills.vip(fail_back_outage=None, passed=False), drills.quiet(fail_back_outage=0.2)))
    assert Page(drill_html(back)).text.count('not ended') == 2  # of all addresses, and of this one
    assert 'fail-back outage: not ended' in drill_junit(back)


# --- JUnit ---

@pytest.mark.parametrize('name, tests, failures', [('classic', 8, 0), ('failed', 7, 5), ('many', 6, 0), ('nothing', 0, 0), ('hostile', 2, 2)])
def test_junit_counts_what_it_holds(name, tests, failures):
    tree = ElementTree.fromstring(drill_junit(drills.ALL[name]).encode())
    assert (int(tree.get('tests')), int(tree.get('failures'))) == (len(tree.findall('.//testcase')), len(tree.findall('.//failure'))) == (tests, failures)


def test_a_test_case_has_the_outage_as_its_time_and_says_why_it_failed():
    suite = ElementTree.fromstring(drill_junit(drills.ALL['failed']).encode())[0]
    assert {key: suite.get(key) for key in ('name', 'time', 'timestamp')} == {
        'name': 'stop_nginx on node128', 'time': '8.800', 'timestamp': '2026-11-25T10:00:05'}
    assert suite[0].attrib == {'classname': 'node128.stop_nginx', 'name': '192.168.100.100 (vrrp_instance_1)', 'time': '9.130'}
    assert suite[0].find('failure').get('message') == 'nobody took it over: the check of node128 does not fail while nginx is stopped'
    assert suite[1].find('failure') is None


def test_a_cluster_that_did_not_pass_fails_though_each_address_did():
    suite = ElementTree.fromstring(drill_junit(drills.drill(drills.result('freeze', drills.quiet(), problems=['node128 is frozen.']))).encode())[0]
    assert [(case.get('name'), case.findtext('failure')) for case in suite] == [('192.168.100.101 (vrrp_instance_2)', None), ('cluster', 'node128 is frozen.')]
