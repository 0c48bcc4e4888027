# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each keepalived says of itself, beside the plan: who is fit to take over, and by what numbers. PRIVATE to this collection.

`told` has the result of keepalived_status of each node that was asked. Without it (None), and of a node that cannot be asked (skipped), the plan is
what there is.
"""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import number
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_timing import best, checks_of

LIVING = ('BACKUP', 'MASTER')
LEAST = 1  # the priority of a node that is drained or yields: what it would have is not to be seen then
IN_FORCE = ('version', 'advert_int', 'down_timer_adverts', 'priority')


def _instances(told, node):
    """What a node says of its instances, by name."""
    return {instance['name']: instance for instance in (told.get(node) or {}).get('instances') or []}


def has_loaded(told, node, name):
    """Whether a node may have an instance: one that does not answer may."""
    return not ((told or {}).get(node) or {}).get('answers') or name in _instances(told, node)


def why_unable(told, node, names):
    """One clause for each reason for which a node cannot take these instances."""
    if told is None or (told.get(node) or {}).get('skipped'):
        return []
    if not (told.get(node) or {}).get('answers'):
        return ['its keepalived does not answer']
    known = _instances(told, node)
    return [f"{name} is not loaded" if name not in known else f"{name} is in state {known[name]['state']}"
            for name in names if name not in known or known[name]['state'] not in LIVING]


def why_unfit(plan, told, node, names):
    """The same, and why it should not: it could, but a check of its own fails."""
    if told is None:
        return []
    conf = plan['hosts'][node]['conf']
    known = _instances(told, node)
    followed = dict.fromkeys(script for block in conf['vrrp_instance'] if block['name'] in names
                             for script in [*(known.get(block['name'], {}).get('scripts') or []),
                                            *(check.name for check in checks_of(conf, block))])
    reversed_ones = {check.name for block in conf['vrrp_instance'] for check in checks_of(conf, block) if check.weight is None}
    failing = {script['name'] for script in (told.get(node) or {}).get('scripts') or [] if script['success'] is False}
    return why_unable(told, node, names) + [f'{name} fails' for name in followed if name in failing - reversed_ones]


def in_force(told, node, block):
    """A block of the plan with the numbers that the node's keepalived goes by."""
    instance = _instances(told or {}, node).get(block['name'])
    if not instance:
        return block
    return {**block, **{key: instance[key] for key in IN_FORCE if instance[key] is not None}, 'preempt_delay': instance['preempt_delay']}


def priority_of(told, node, conf, block):
    """The priority that an instance has on a node, or will have once nothing lowers it any more."""
    now = number(_instances(told or {}, node).get(block['name'], {}).get('effective_priority'))
    return int(now) if now and now > LEAST else best(conf, in_force(told, node, block))
