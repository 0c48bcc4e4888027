# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the pages of reports have in common: their elements and their one style.

A page is a tree of elements, which the standard library writes. So whatever a host has said stands there as text, never as markup.
"""

from __future__ import annotations

import datetime
import re
from xml.etree import ElementTree

# Text has a contrast of at least 4.5 to what is behind it, bars of at least 3 (WCAG 2.1, 1.4.3 and 1.4.11), in both schemes.
_STYLE = """
:root { color-scheme: light dark; --page: #fff; --panel: #f5f6f8; --text: #1a1d21; --faint: #535b66; --line: #d3d8df;
  --good: #0a6330; --good-panel: #e3f3e8; --bad: #9c1418; --bad-panel: #fbe7e7; --mark: #1a1d21;
  --node0: #1f5fa8; --node1: #a04f00; --node2: #006b56; --node3: #74298f; --node4: #565900; --node5: #861e50; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --panel: #1d2126; --text: #e8ebef; --faint: #a9b1bb; --line: #3a4149;
  --good: #86dba8; --good-panel: #14301f; --bad: #ffa19c; --bad-panel: #3d191b; --mark: #e8ebef;
  --node0: #74b3ff; --node1: #ffb45f; --node2: #55d3b4; --node3: #dba3f3; --node4: #d0d46e; --node5: #ff96c0; } }
@media print { :root { color-scheme: light; --page: #fff; --panel: #fff; --text: #000; --faint: #444; --line: #bbb; --good: #0a6330;
  --good-panel: #fff; --bad: #9c1418; --bad-panel: #fff; --mark: #000; --node0: #1f5fa8; --node1: #a04f00; --node2: #006b56;
  --node3: #74298f; --node4: #565900; --node5: #861e50; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, ul, dl { margin: .5rem 0; max-width: 52rem; }
ul { padding-left: 1.25rem; }
a { color: inherit; }
.verdict { padding: 1rem; border-left: .4rem solid; }
.verdict p { color: var(--text); margin-bottom: 0; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.verdict.good { background: var(--good-panel); }
.verdict.bad { background: var(--bad-panel); }
span.good, span.bad { font-weight: 600; white-space: nowrap; }
.faint { color: var(--faint); }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding-bottom: .25rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
td { overflow-wrap: break-word; }
.long { overflow-wrap: anywhere; }
thead th { color: var(--faint); font-weight: 600; vertical-align: bottom; overflow-wrap: normal; }
.number { white-space: nowrap; }
tbody th { font-weight: 600; min-width: 9rem; }
dt { font-weight: 600; }
dd { margin: 0 0 .5rem; }
figure { margin: 1rem 0; padding: .75rem; background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; }
figcaption, figure p { font-size: .9rem; margin: 0; max-width: none; }
svg { display: block; }
svg text { fill: var(--text); font-size: 12px; paint-order: stroke; stroke: var(--panel); stroke-width: 4px; }
svg .axis { fill: var(--faint); }
svg line { stroke: var(--line); }
svg line.mark { stroke: var(--mark); stroke-width: 1.5; }
svg line.healed { stroke-dasharray: 4 3; }
.patterns { position: absolute; }
.tiles { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
.tiles svg { display: inline-block; vertical-align: -2px; margin-right: .4rem; }
@media screen and (max-width: 44rem) {
  table, tbody, tr, th, td, caption { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody tr { border: 1px solid var(--line); border-radius: .4rem; margin: 0 0 .6rem; padding: .35rem .6rem; }
  tbody th, tbody td { overflow-wrap: anywhere; border: 0; padding: .1rem 0; display: grid; grid-template-columns: 8.5rem minmax(0, 1fr); gap: .5rem; }
  span.good, span.bad { white-space: normal; }
  tbody th::before, tbody td::before { content: attr(data-heading); color: var(--faint); font-weight: 400; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  table { font-size: 8.5pt; }
  th, td { padding: 2pt 4pt; }
  svg, .verdict { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  figure, tr, .verdict { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
}
"""

# What tells the bars of nodes apart besides their colour, drawn into a tile of 8 by 8 on a paler ground
_TILES = ('M0 0H8V8H0Z', 'M-2 2L2 -2M0 8L8 0M6 10L10 6', 'M2 2H5V5H2Z', 'M0 2H8M0 6H8', 'M2 0V8M6 0V8', 'M0 0L8 8M8 0L0 8')
PATTERNS = len(_TILES)
_LONGEST_WORD = 24
_NUMBER = re.compile(r'[\d., s–-]*(lost)?')


def clean(text):
    """A text that XML may hold and that cannot pretend to be another one: what does not print is shown as such."""
    return ''.join(one if one.isprintable() or one == '\n' else '\ufffd' for one in str(text))


def _put(node, child):
    if child is None:
        return
    if isinstance(child, (list, tuple)):
        for one in child:
            _put(node, one)
    elif ElementTree.iselement(child):
        node.append(child)
    elif len(node):
        node[-1].tail = (node[-1].tail or '') + clean(child)
    else:
        node.text = (node.text or '') + clean(child)


def element(tag, *children, **attributes):
    """An element; `class_` stands for class, `_` for the hyphen of an attribute; what is None is left out, lists are taken apart."""
    node = ElementTree.Element(tag, {name.rstrip('_').replace('_', '-'): clean(value) for name, value in attributes.items() if value is not None})
    _put(node, children)
    return node


def badge(passed, good='passed', bad='failed'):
    """A verdict in a word and a sign, since colour alone says nothing to many."""
    return element('span', f'✓ {good}' if passed else f'✗ {bad}', class_='good' if passed else 'bad')


def verdict(passed, heading, *sentences):
    """What stands on top of a page."""
    return element('header', element('h1', '✓ ' if passed else '✗ ', heading), *[element('p', sentence) for sentence in sentences],
                   class_='verdict ' + ('good' if passed else 'bad'))


def _kind(content):
    """How a cell breaks into lines: a number never, an address of a page anywhere, the rest between words."""
    text = str(content) if isinstance(content, (int, float, str)) else ''
    return 'number' if _NUMBER.fullmatch(text) else 'long' if max(map(len, text.split()), default=0) > _LONGEST_WORD else None


def table(headings, rows, caption=None):
    """A table whose first column names the row; on a phone each row is a card, and the roles keep it a table for screen readers."""
    def cell(place, content):
        return element('td' if place else 'th', element('span', content), data_heading=headings[place], class_=_kind(content),
                       role='cell' if place else 'rowheader', scope=None if place else 'row')

    return element(
        'table', element('caption', caption) if caption else None,
        element('thead', element('tr', [element('th', heading, scope='col', role='columnheader') for heading in headings], role='row'), role='rowgroup'),
        element('tbody', [element('tr', [cell(*one) for one in enumerate(row)], role='row') for row in rows], role='rowgroup'), role='table')


def listed(sentences):
    """A list of sentences; nothing without any."""
    return element('ul', [element('li', sentence) for sentence in sentences]) if sentences else None


def described(*pairs):
    """Terms and what they mean."""
    return element('dl', [(element('dt', term), element('dd', meaning)) for term, meaning in pairs])


def patterns():
    """What the bars of all timelines of a page are filled with; place it once."""
    def tile(place, path):
        colour = f'var(--node{place})'
        return element('pattern', element('path', d=_TILES[0], style=f'fill: {colour}; fill-opacity: .3'),
                       element('path', d=path, style=f'fill: {colour if place in (0, 2) else "none"}; stroke: {colour if place else "none"}; stroke-width: 2'),
                       id=f'node{place}', width=8, height=8, patternUnits='userSpaceOnUse')

    return element('svg', element('defs', [tile(*one) for one in enumerate(_TILES)]), width=0, height=0, class_='patterns', aria_hidden='true')


def owner_bar(owner, **place):
    """A bar in the colour and pattern of a node, by its place among the nodes."""
    number = owner % PATTERNS
    return element('rect', fill=f'url(#node{number})', style=f'stroke: var(--node{number}); stroke-width: 1.5', **place)


def moment(seconds):
    """A time since the epoch as people read it."""
    return f'{datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc):%Y-%m-%d %H:%M:%S} UTC'


def page(title, *content):
    """A whole page. It loads nothing, and says so, in case that a browser sees something in it after all."""
    head = element('head', element('meta', charset='utf-8'), element('title', title),
                   element('meta', http_equiv='Content-Security-Policy', content="default-src 'none'; style-src 'unsafe-inline'"),
                   element('meta', name='viewport', content='width=device-width, initial-scale=1'))
    ElementTree.SubElement(head, 'style').text = _STYLE
    tree = element('html', head, element('body', patterns(), element('main', *content)), lang='en')
    return '<!doctype html>\n' + ElementTree.tostring(tree, encoding='unicode', method='html') + '\n'
