# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long VRRP takes, in seconds, from the blocks of a plan. PRIVATE to this collection.

RFC 5798 section 6.1 has the formulas. For version 2 keepalived takes them from RFC 3768: its skew does not depend on the interval.
"""

from __future__ import annotations

from ansible_collections.vipkit.ha.plugins.plugin_utils._checks import LIMIT
from ansible_collections.vipkit.ha.plugins.plugin_utils._vrrp_model import entries, integer, interface_of, number, tracked

ADVERTS = 3  # that are missed until a master is taken for dead; down_timer_adverts of keepalived 2.2.3 and newer


def version_of(conf, block):
    """VRRP version of an instance: IPv6 needs 3."""
    first = interface_of((entries(block.get('virtual_ipaddress')) or [''])[0])
    default = 3 if first and first.version == 6 else (conf.get('global_defs') or {}).get('vrrp_version', 2)
    return integer(block.get('version', default)) or 2


def advert_int(conf, block):
    """Seconds between two adverts: version 2 has whole ones."""
    given = number(block.get('advert_int')) or 1.0
    return given if version_of(conf, block) == 3 else float(max(1, int(given + 0.5)))


def skew(conf, block, priority):
    """What a node of this priority waits when the master says that it goes."""
    return (256 - priority) / 256 * (advert_int(conf, block) if version_of(conf, block) == 3 else 1)


def master_down(conf, block, priority):
    """What it waits, from the last advert on, when the master says nothing."""
    return (integer(block.get('down_timer_adverts')) or ADVERTS) * advert_int(conf, block) + skew(conf, block, priority)


class Check:
    """A script that an instance tracks, with the weight that it has there."""

    def __init__(self, script, weight, check):
        self.name = script['name']
        self.weight = weight
        self.check = check or {}
        self.interval = number(script.get('interval')) or 1.0
        self.fall = integer(script.get('fall')) or 1
        self.rise = integer(script.get('rise')) or 1
        # one that the collection writes brings its limit; for another one keepalived's is its interval, unless it says so
        self.limit = number(self.check.get('limit')) or LIMIT if check else number(script.get('timeout')) or self.interval

    @property
    def fails_in(self):
        """The longest that passes until it counts as failed."""
        return self.interval * self.fall + self.limit

    @property
    def recovers_in(self):
        """And until it counts as good again."""
        return self.interval * self.rise + self.limit


def checks_of(conf, block, described=()):
    """The scripts that decide about an instance, its own and those of its sync group."""
    scripts = {script['name']: script for script in conf.get('vrrp_script') or []}
    given = {script.get('name'): script.get('check') for script in described or ()}
    found = {}
    for line in _followed(conf, block, 'track_script'):
        name = tracked(line)[0]
        if name in scripts:
            found[name] = Check(scripts[name], tracked(line, scripts[name].get('weight', 0))[1], given.get(name))
    return list(found.values())


def _followed(conf, block, keyword):
    """The lines of a block, and of its sync group, that name what it follows."""
    return entries(block.get(keyword)) + [line for group in conf.get('vrrp_sync_group') or [] if block['name'] in entries(group.get('group'))
                                          for line in entries(group.get(keyword))]


def best(conf, block):
    """Priority of an instance while all that it tracks is good. What an own file holds is not known."""
    weights = {process['name']: process.get('weight', 0) for process in conf.get('vrrp_track_process') or []}
    others = [tracked(line, weights.get(tracked(line)[0], 0))[1] or 0 for keyword in ('track_interface', 'track_process', 'track_bfd')
              for line in _followed(conf, block, keyword)]
    return effective(integer(block.get('priority')) or 1, checks_of(conf, block), gain=sum(weight for weight in others if weight > 0))


def effective(priority, checks, failed=(), gain=0):
    """Priority with what checks add while they are good, and take while they are not (keepalived.conf(5), weight)."""
    if priority == 255:
        return priority  # the owner of the address always has it (RFC 5798 section 5.2.4)
    change = sum(min(0, check.weight or 0) if check.name in failed else max(0, check.weight or 0) for check in checks)
    return min(254, max(1, priority + change + gain))
