# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on the hosts runs under Python 2.7."""

from __future__ import annotations

import re


def test_every_module_of_a_run_is_started_by_python_2_7(cluster):
    code, output = cluster.play('site.yml', '-vvv')
    assert code == 0, output
    assert set(re.findall(r"'debian11-\w+', .*?(/usr/bin/python[\d.]*) ", output)) == {'/usr/bin/python2.7'}
