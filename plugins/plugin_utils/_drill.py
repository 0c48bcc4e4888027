# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several filters of a drill say in the same words."""

from __future__ import annotations

import math


def seconds(value, otherwise='–'):
    """A time as it is shown: to the millisecond, since a probe is sent every few of them."""
    return otherwise if value is None else f'{value:.3f} s'


def fault_of(result):
    """What was done, and where."""
    return f"{result['fault']} on {result['node']}"


def outage(vip, which='outage'):
    """How long a virtual IP was away: because of the fault, or of the way back (fail_back_outage)."""
    return seconds(vip[which], 'not ended')


def why_not(vip):
    """Why a virtual IP did not pass."""
    return vip['why'] or f'outage: {outage(vip)}'


def failures(drill):
    """One sentence for all that did not pass."""
    return [f'{fault_of(result)}: {sentence}' for result in drill['results']
            for sentence in [*result['problems'], *(f"{vip['address']} ({vip['instance']}): {why_not(vip)}" for vip in result['vips'] if not vip['passed'])]]


def faulty(told):
    """A sentence for each instance that would take nothing over, by what keepalived_status returned on each host."""
    for name, one in told.items():
        failed = [script['name'] for script in one.get('scripts') or [] if script['success'] is False]
        for instance in one.get('instances') or []:
            if instance['state'] not in ('BACKUP', 'MASTER'):
                own = [script for script in failed if script in instance['scripts']]
                yield (f"{name}: {instance['name']} is in state {instance['state']}, so it would take nothing over: look at "
                       + (f"its check {' and '.join(own)}, which fails." if own else "keepalived's log, and whether its interfaces are up."))


def worst(vips, which='outage'):
    """The virtual IP with the longest outage; None without any."""
    return max(vips, key=lambda vip: math.inf if vip[which] is None else vip[which], default=None)
