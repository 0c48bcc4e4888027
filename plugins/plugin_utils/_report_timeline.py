# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who answered for a virtual IP while a fault was made and healed, as a picture and in words.

The picture has no scale of its own: places are percentages of whatever width there is, and text keeps its size on a phone.
"""

from __future__ import annotations

import math

from ansible_collections.vipkit.ha.plugins.plugin_utils._report_page import element, owner_bar

_LANE, _BAR, _MARKS = 36, 14, 32  # pixels: of a lane with its name, of the bar in it, of the two rows for marks above
_MOST_TICKS = 6                   # that have room on a phone


def _window(fault):
    """From when to when there is something to see, the same for all virtual IPs of a fault so that they can be compared."""
    changes = [time for vip in fault['vips'] for one in vip['outages'] + vip['owners'][1:] for time in (one.get('at'), one.get('began'), one.get('ended'))]
    times = [time for time in (fault['injected'], fault['healed'], *changes) if time is not None]
    margin = max((max(times) - min(times)) * 0.06, 0.1)
    return min(times) - margin, max(times) + margin


class Timeline:
    """The times of one fault and one virtual IP; `nodes` decides on colours and patterns."""

    def __init__(self, fault, vip, nodes):
        self.injected, self.healed = fault['injected'], fault['healed']
        self.vip = vip
        self.began, self.ended = _window(fault)
        self.spans = [(one['owner'], max(one['at'], self.began), following['at']) for one, following in
                      zip(vip['owners'], [*vip['owners'][1:], {'at': self.ended}]) if one['owner']]
        self.owners = list(dict.fromkeys(owner for owner, dummy, dummy in self.spans))
        known = [*nodes, *(owner for owner in self.owners if owner not in nodes)]
        self.number = {owner: known.index(owner) for owner in self.owners}

    def since(self, time):
        """A time as it is told: since the fault was made."""
        return f'{time - self.injected:+.3f} s'

    def words(self):
        """The same as the picture."""
        owners = [f"{self.since(one['at']) if place else 'first'}: {one['owner'] or 'nobody'}" for place, one in enumerate(self.vip['owners'])]
        outages = [f"{'to the end' if one['ended'] is None else format(one['ended'] - one['began'], '.3f') + ' s'} from {self.since(one['began'])}"
                   for one in self.vip['outages']]
        healed = 'It was never healed.' if self.healed is None else f'It was healed at {self.since(self.healed)}.'
        return (f"Who answered: {', '.join(owners) or 'not known'}. Without a good answer: {', '.join(outages) or 'never'}. "
                f'Times count from the moment when the fault was made. {healed}')

    def _place(self, time):
        return round((time - self.began) / (self.ended - self.began) * 100, 3)

    def _bar_of(self, began, ended, y):
        left = self._place(began)
        return {'x': f'{left}%', 'y': y, 'width': f'{round(self._place(ended) - left, 3)}%', 'height': _BAR}

    def _text(self, time, y, content, **more):
        """A text at a time, turned to where there is room."""
        place = self._place(time)
        side = next(side for side, limit in (('start', 12), ('middle', 88), ('end', math.inf)) if place <= limit)
        return element('text', content, x=f'{place}%', y=y, text_anchor=side, **more)

    def _step(self):
        rough = (self.ended - self.began) / _MOST_TICKS
        unit = 10 ** math.floor(math.log10(rough))
        return next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)

    def _ticks(self):
        step = self._step()
        for number in range(math.ceil((self.began - self.injected) / step), math.floor((self.ended - self.injected) / step) + 1):
            yield self.injected + number * step, f'{number * step:+.3g} s' if number else '0 s'

    def picture(self):
        """The picture: a lane for each owner, one for the time without a good answer, the marks of the fault, and the time."""
        lanes, content, names = [*self.owners, None], [], []
        top, bottom = _MARKS, _MARKS + _LANE * len(lanes)
        for time, label in self._ticks():
            x = f'{self._place(time)}%'
            content += [element('line', x1=x, x2=x, y1=top, y2=bottom + 4), self._text(time, bottom + 18, label, class_='axis')]
        for number, lane in enumerate(lanes):
            y = top + number * _LANE
            names.append(element('text', lane or 'no good answer', x=0, y=y + 14))
            content.append(element('line', x1='0%', x2='100%', y1=y + _LANE, y2=y + _LANE))
            if lane:
                content += [owner_bar(self.number[lane], **self._bar_of(began, ended, y + 19)) for owner, began, ended in self.spans if owner == lane]
        gaps = [(one['began'], self.ended if one['ended'] is None else one['ended']) for one in self.vip['outages']]
        content += [element('rect', style='fill: var(--bad); stroke: var(--bad); stroke-width: 2', **self._bar_of(*gap, bottom - _LANE + 19)) for gap in gaps]
        for time, label, row, kind in ((self.injected, 'fault made', 12, 'mark'), (self.healed, 'healed', 26, 'mark healed')):
            if time is not None:
                x = f'{self._place(time)}%'
                content += [element('line', x1=x, x2=x, y1=row + 3, y2=bottom, class_=kind), self._text(time, row, label)]
        return element('svg', content, names, role='img', aria_label=self.words(), width='100%', height=bottom + 24)

    def figure(self):
        """The picture with its words."""
        return element('figure', element('figcaption', element('strong', self.vip['address']), f" ({self.vip['instance']})"), self.picture(),
                       element('p', self.words(), class_='faint'))
