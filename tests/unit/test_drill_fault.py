# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The script that makes a fault of a drill and heals it, on real interfaces in a network namespace; with systemd it runs in molecule/operate."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).parent
SCRIPT = HERE.parents[1] / 'playbooks/failover_drill/fault.sh'
sys.path.insert(0, str(HERE / 'plugins/modules'))

import namespaces  # noqa: E402  pylint: disable=wrong-import-position,import-error

# d0.7 stands for a VLAN, which not every kernel has; a test has to take it down as the kernel does with a real one
LINKS = """
link add dev d0 type veth peer name p0
link add dev d1 type veth peer name p1
link set d0 up
link set p0 up
link set d1 up
link set p1 up
address add 192.0.2.1/24 dev d0
-6 address add 2001:db8::1/64 dev d0 nodad
-6 address add 2001:db8::100/64 dev d0 nodad
address add 203.0.113.1/24 dev d1
link add link d0 name d0.7 type macvlan
link set d0.7 up
-6 address add 2001:db8:7::1/64 dev d0.7 nodad
route add 198.51.100.0/25 via 192.0.2.9 proto static
route add 198.51.100.128/25 via 192.0.2.9 proto 18
route add 198.18.0.0/16 via 192.0.2.9 table 100
route add 198.19.0.0/16 via 203.0.113.9
-6 route add 2001:db8:a::/48 via 2001:db8::9 src 2001:db8::1
-6 route add 2001:db8:b::/48 via 2001:db8:7::9 metric 77
route add 198.51.101.0/24 nexthop via 192.0.2.9 dev d0 nexthop via 192.0.2.8 dev d0 weight 3
route add 198.51.102.0/24 nexthop via 192.0.2.9 dev d0 nexthop via 203.0.113.9 dev d1
-6 route add 2001:db8:c::/48 nexthop via 2001:db8::9 dev d0 nexthop via 2001:db8::8 dev d0
-6 route add 2001:db8:d::/48 nexthop via 2001:db8::9 dev d0 nexthop via 2001:db8:7::9 dev d0.7
"""
ROUTES = 'ip -o route show table all; ip -o -6 route show table all'


@pytest.fixture(name='host')
def the_host():
    """A namespace with two links, one of them with a VLAN on it."""
    host = namespaces.Namespace()
    if not host.ready:
        pytest.skip('network namespaces need root')
    for line in LINKS.strip().splitlines():
        host.ip(line)
    yield host
    host.close()


@pytest.fixture(name='fault')
def the_fault(tmp_path):
    """Its script and what it is told, as `begin` leaves them."""
    shutil.copy(SCRIPT, tmp_path / 'fault')

    def told(*arguments):
        (tmp_path / 'arguments').write_text(''.join(f'{argument}\n' for argument in arguments))
        return tmp_path

    return told


def routes(host):
    """All that are not the kernel's own."""
    return sorted(line.strip() for line in host.run('sh', '-c', ROUTES).splitlines() if 'proto kernel' not in line and 'table local' not in line)


def make(host, place):
    """The fault, to its end."""
    host.run('bash', f'{place}/fault', 'make')
    if 'state DOWN' in host.ip('link show d0'):
        host.ip('link set d0.7 down')
        host.ip('link set d0.7 up')


def wait_until(holds):
    """Wait until a condition holds."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)  # between two looks


def words(place):
    """What was noted, without times."""
    return [line.split()[0] for line in (place / 'notes').read_text().splitlines()]


def test_a_link_that_went_down_comes_back_with_all_that_went_with_it(host, fault):
    place = fault('link_down', '0', '0', 'interface=d0', 'vip=2001:db8::100')
    before = routes(host)
    make(host, place)
    assert not [line for line in routes(host) if ' d0' in line and 'dead' not in line]
    host.run('bash', f'{place}/fault', 'heal')
    # keepalived's own (18) may have gone to the peer with their address, and so has the virtual IP
    assert routes(host) == [line for line in before if not line.startswith('198.51.100.128/25')]
    assert '2001:db8:7::1' in host.ip('-6 address show dev d0.7') and '2001:db8::100' not in host.ip('-6 address show dev d0')
    assert words(place) == ['injected', 'healed', 'healed']


def test_a_route_that_cannot_come_back_is_told(host, fault):
    place = fault('link_down', '0', '0', 'interface=d0')
    make(host, place)
    host.ip('address del 192.0.2.1/24 dev d0')
    script = (place / 'fault').read_text()
    (place / 'fault').write_text(script.replace('turn < 50', 'turn < 2'))  # so that nobody waits 10 s for it
    host.run('bash', f'{place}/fault', 'heal')
    assert sorted(line.partition(':')[0] for line in (place / 'notes').read_text().splitlines() if '192.0.2.9' in line) == [
        "problem the route '198.18.0.0/16 via 192.0.2.9 dev d0 table 100' has not come back",
        "problem the route '198.51.100.0/25 via 192.0.2.9 dev d0 proto static' has not come back",
        "problem the route '198.51.101.0/24 nexthop via 192.0.2.9 dev d0 weight 1 nexthop via 192.0.2.8 dev d0 weight 3' has not come back"]


def test_a_route_over_nexthop_objects_comes_back_without_them(host, fault):
    host.ip('nexthop add id 7 via 192.0.2.9 dev d0')
    host.ip('route add 198.51.103.0/24 nhid 7')
    place = fault('link_down', '0', '0', 'interface=d0')
    make(host, place)
    host.run('bash', f'{place}/fault', 'heal')
    assert '198.51.103.0/24 via 192.0.2.9 dev d0 ' in host.ip('route show 198.51.103.0/24') and words(place) == ['injected', 'healed', 'healed']


def test_what_was_killed_is_healed_by_the_next_process(host, fault):
    place = fault('link_down', '0', '60', 'interface=d0')
    before = routes(host)
    making = host.start('bash', f'{place}/fault', 'make', start_new_session=True)
    try:
        wait_until(lambda: 'state DOWN' in host.ip('link show d0'))
    finally:
        os.killpg(making.pid, signal.SIGKILL)
        making.communicate()
    host.run('bash', f'{place}/fault', 'heal')
    assert len(routes(host)) == len(before) - 1
    assert words(place)[:2] == ['injected', 'healed']


def test_what_is_healed_is_not_broken_any_more(host, fault):
    place = fault('link_down', '0', '0', 'interface=d0')
    make(host, place)
    assert (place / 'broken').exists()
    host.run('bash', f'{place}/fault', 'heal')
    assert not (place / 'broken').exists()


def test_nothing_is_healed_before_anything_is_broken(host, fault):
    place = fault('link_down', '60', '0', 'interface=d0')
    host.ip('link set d0 down')
    host.run('bash', f'{place}/fault', 'heal')
    assert 'state DOWN' in host.ip('link show d0') and (place / 'notes').read_text() == ''


def given(place, *words, script=None):
    """Exit code, and what the script says before it is on the host."""
    done = subprocess.run(['bash', '-c', script or SCRIPT.read_text(), place / 'fault', *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_one_drill_has_a_host_until_it_lets_go(tmp_path):
    place = tmp_path / 'run'
    assert given(place, 'claim', 'one', '60') == (0, '')
    assert given(place, 'claim', 'one', '60') == (0, '')
    code, said = given(place, 'claim', 'two', '60')
    assert code == 1 and said.startswith('another drill is under way, and has claimed this host')
    assert 'finding another drill is under way' in given(place, 'look', '-')[1]
    assert given(place, 'release', 'two') == (0, '') and given(place, 'claim', 'two', '60')[0] == 1
    assert given(place, 'release', 'one') == (0, '') and given(place, 'claim', 'two', '60') == (0, '')


def test_a_claim_ends_by_itself(tmp_path):
    place = tmp_path / 'run'
    assert given(place, 'claim', 'one', '0') == (0, '')
    assert given(place, 'claim', 'two', '60') == (0, '')


@pytest.mark.parametrize('state', ['broken', 'under way'])
def test_a_fault_does_not_take_the_place_of_another_one(tmp_path, state):
    place = tmp_path / 'run'
    place.mkdir()
    (place / 'arguments').write_text('freeze\n')
    (place / 'broken').write_text('')
    # systemd is not here
    script = SCRIPT.read_text().replace('\nclaim()', f"\nunder_way() {{ {'true' if state == 'under way' else 'false'}; }}\nclaim()")
    code, said = given(place, 'begin', 'drain', '0', '0', script=script)
    assert code == 3 and ('another drill' in said if state == 'under way' else 'was not healed' in said)
    assert (place / 'arguments').read_text() == 'freeze\n' and (place / 'broken').exists()


def test_the_script_puts_itself_on_the_host(tmp_path):
    place = tmp_path / 'run'
    script = SCRIPT.read_text().replace('\nclaim()', '\nunder_way() { false; }\nclaim()').replace('/run/systemd/system', str(tmp_path)) \
        .replace('\nclaim()', '\nsystemctl() { true; }\nclaim()')
    assert given(place, 'begin', 'drain', '0', '0', script=script) == (0, '')
    assert (place / 'fault').read_text() == script + '\n' and (place / 'arguments').read_text() == 'drain\n0\n0\n'
    assert (place / 'fault').stat().st_mode & 0o077 == 0


@pytest.fixture(name='public')
def the_public_folder():
    """One that others may go through, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason='to run as another user needs root')
def test_checks_are_asked_as_their_users(public, fault):
    for name, mode in (('good', 0o755), ('bad', 0o755), ('secret', 0o700)):
        (public / name).write_text(f'#!/bin/sh\n[ "$(id -un) $1" = "nobody a  b" ] && exit {3 if name == "bad" else 0}; exit 9\n')
        (public / name).chmod(mode)
    names = ('good', 'bad', 'secret', 'none')
    checks = [*(f"nobody of_{name} {public}/{name} 'a  b'" for name in names), 'nobody of_path false', 'root of_root true']
    place = fault('drain', '0', '0', *(f'check={one}' for one in checks))
    subprocess.run(['bash', place / 'fault', 'make'], check=True)
    assert [line for line in (place / 'notes').read_text().splitlines() if line.startswith('check')] == [
        'check of_good 0', 'check of_bad 3', 'check of_secret forbidden', 'check of_none forbidden', 'check of_path 1', 'check of_root 0']


def test_notes_of_others_are_kept(tmp_path, fault):
    file = tmp_path / 'drain'
    place = fault('drain', '0', '0', f'file={file}')
    file.write_text('253\n')
    (place / 'notes').write_text('healed 1\n')  # as drain.yml does while the unit waits
    for mode in ('make', 'heal'):
        subprocess.run(['bash', place / 'fault', mode], check=True)
    assert words(place) == ['healed', 'injected', 'healed'] and file.read_text() == '0\n'


def test_a_fault_lasts_from_the_break_on(fault):
    place = fault('slow', '0', '1')
    script = (place / 'fault').read_text()
    (place / 'fault').write_text(script.replace('\nbreak_drain()', '\nbreak_slow() { sleep 1; say "broken $(now)"; }\nbreak_drain()')
                                 .replace('look_at_checks\n}', 'look_at_checks\n  say "over $(now)"\n}'))
    subprocess.run(['bash', place / 'fault', 'make'], check=True)
    times = dict(line.split() for line in (place / 'notes').read_text().splitlines())
    assert float(times['over']) - float(times['broken']) >= 1
