# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What drills come to, made by hand: each has what the other ones lack. `python drills.py FOLDER` writes a page of each, to look at."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == '__main__':  # else pytest has done so
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import conftest  # noqa: F401  pylint: disable=unused-import

from ansible_collections.vipkit.ha.plugins.plugin_utils._drill import failures

NOON = 1795600800.0
HOSTILE = '<script>alert("1")</script>&amp;\x1b[31m\x00\u202egnp'


def vip(address='192.168.100.100', instance='vrrp_instance_1', **more):
    """A virtual IP that was taken over in 0.81 s and came back without a gap; times of owners and outages are since the fault."""
    return {'address': address, 'instance': instance, 'owner_before': 'node128', 'taken_over_by': 'node129', 'outage': 0.812, 'lost': 81, 'late': 0,
            'fail_back_outage': 0.0, 'fail_back_lost': 0, 'limit': 0.805, 'ratio': 1.01, 'passed': True, 'why': '',
            'owners': [(-2, 'node128'), (0.812, 'node129'), (12.4, 'node128')], 'outages': [(0.001, 0.813)], **more}


def quiet(address='192.168.100.101', instance='vrrp_instance_2', **more):
    """A virtual IP that stayed where it was."""
    return vip(address, instance, **{'owner_before': 'node129', 'taken_over_by': None, 'outage': 0.0, 'lost': 0, 'limit': None, 'ratio': None,
                                     'owners': [(-2, 'node129')], 'outages': [], **more})


def result(fault, *vips, node='node128', at=0.0, lasted=8.8, problems=()):
    """A fault."""
    injected = NOON + 5 + at
    absolute = [{**one, 'owners': [{'at': injected + time, 'owner': owner} for time, owner in one['owners']],
                 'outages': [{'began': injected + began, 'ended': None if ended is None else injected + ended} for began, ended in one['outages']]}
                for one in vips]
    return {'fault': fault, 'node': node, 'injected': injected, 'healed': None if lasted is None else injected + lasted, 'problems': [*problems],
            'vips': absolute, 'passed': not problems and all(one['passed'] for one in vips)}


def drill(*results, nodes=('node128', 'node129'), **more):
    """A drill."""
    vips = list({one['address']: {'address': one['address'], 'instance': one['instance'], 'owner': one['owner_before'], 'nodes': [*nodes]}
                 for each in results for one in each['vips']}.values())
    settings = {one['instance']: {'version': 2, 'advert_int': 1, 'priorities': {node: 254 - place for place, node in enumerate(nodes)}} for one in vips}
    return {'failures': failures({'results': results}), 'began': NOON, 'ended': NOON + 20 * len(results) + 5, 'witness': 'client',
            'interval': 0.01, 'protocol': 'http', 'sla': 5.0,
            'nodes': {node: {'keepalived': '2.0.7', 'nginx': '1.9.9'} for node in nodes}, 'vips': vips, 'profile': 'classic', 'settings': settings,
            'results': [*results], 'passed': all(one['passed'] for one in results), **more}


ALL = {
    'classic': drill(
        result('stop_keepalived', vip(), quiet()),
        result('kill_nginx', vip(outage=2.611, lost=255, late=6, limit=2.805, ratio=0.93, owners=[(-2, 'node128'), (2.61, 'node129'), (13, 'node128')],
                                 outages=[(0, 2.611)]), quiet(), at=20),
        result('freeze', vip(outage=3.702, lost=370, limit=3.805, ratio=0.97, fail_back_outage=0.031, fail_back_lost=3,
                             owners=[(-2, 'node128'), (3.7, 'node129'), (12.4, 'node128')], outages=[(0, 3.702), (12.4, 12.431)]), quiet(), at=40),
        result('drain', vip(outage=0.0, lost=0, limit=0.0, ratio=None, outages=[], owners=[(-2, 'node128'), (3.5, 'node129'), (12.4, 'node128')]),
               quiet(), at=60)),
    'failed': drill(
        result('stop_nginx', vip(taken_over_by=None, outage=9.13, lost=913, limit=2.805, ratio=3.25, passed=False, owners=[(-2, 'node128')],
                                 why='nobody took it over: the check of node128 does not fail while nginx is stopped', outages=[(0.01, 9.14)]), quiet()),
        result('block_vrrp', vip(outage=0.42, lost=39, late=3, limit=None, ratio=None, passed=False, why='2 hardware addresses answered for it in turn',
                                 owners=[(-2, 'node128'), (3.1, 'node129'), (3.9, 'node128'), (4.1, 'node129'), (5.3, 'node128'), (5.6, 'node129'),
                                         (9.0, 'node128')], outages=[(3.1, 3.2), (3.9, 4.32), (5.3, 5.33)]), quiet(), at=20,
               problems=['192.168.100.100 (vrrp_instance_1): expected on node128, 2 hosts hold it (node128, node129): split brain.']),
        result('link_down', vip(taken_over_by=None, outage=None, limit=3.805, ratio=None, passed=False, why='it was never well again', lost=1500,
                                owners=[(-2, 'node128'), (0.1, None)], outages=[(0.1, None)]), at=40, lasted=None,
               problems=['node128 could not be healed: ssh: connect to host node128 port 22: No route to host.'])),
    'many': drill(
        result('kill_keepalived', *[vip(f'2001:db8:cafe:f00d:0:100:ffff:{number}', f'web_frontend_{number}', outage=0.171 + number / 100, lost=17 + number,
                                        limit=0.306, ratio=round((0.171 + number / 100) / 0.306, 2), owner_before='lb-1.rack-17.example.net',
                                        taken_over_by=f'lb-{2 + number % 3}.rack-17.example.net',
                                        owners=[(-1, 'lb-1.rack-17.example.net'), (0.171 + number / 100, f'lb-{2 + number % 3}.rack-17.example.net'),
                                                (4, 'lb-1.rack-17.example.net')], outages=[(0, 0.171 + number / 100)]) for number in range(6)],
               node='lb-1.rack-17.example.net', lasted=3), nodes=[f'lb-{number}.rack-17.example.net' for number in range(1, 8)], profile='fast', sla=None),
    'nothing': drill(),
    'hostile': drill(result(HOSTILE, vip(HOSTILE, instance=HOSTILE, owner_before=HOSTILE, why=HOSTILE, passed=False, owners=[(-1, HOSTILE)]), node=HOSTILE,
                            problems=[HOSTILE]), nodes=[HOSTILE, 'b'], witness=HOSTILE, protocol=HOSTILE, profile=HOSTILE),
}

if __name__ == '__main__':
    from ansible_collections.vipkit.ha.plugins.filter.drill_html import drill_html
    for name, one in ALL.items():
        Path(sys.argv[1], f'{name}.html').write_text(drill_html(one), encoding='utf-8')
