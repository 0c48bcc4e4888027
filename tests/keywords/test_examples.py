# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What docs/model.md describes, given to the real keepalived of every release that there is, with the interfaces and scripts that it names."""

from __future__ import annotations

import runpy
import stat
from pathlib import Path

import pytest
import samples
from test_keywords import Run, build, ip, keepalived, namespace  # pylint: disable=unused-import

MODEL = runpy.run_path(str(Path(__file__).parents[1] / 'unit/test_model_page.py'))
SCRIPTS = Path(samples.PLACE) / 'scripts'
# root is a user that every machine has; the scripts are where this test can write, and so is the configuration, beside which the tracked
# file of a drain stands: 2.3 crashes while it tests a file that tracks one in a directory that is not there
HERE = {'keepalived_script_user': 'root', 'keepalived_scripts_dir': str(SCRIPTS), 'keepalived_config_file': f'{samples.PLACE}/keepalived.conf'}


@pytest.fixture(scope='module')
def interfaces(namespace):
    """The namespace with the interfaces of all hosts of the examples."""
    groups = MODEL['INVENTORY']['children'].values()
    found = {name: addresses for group in groups for host in group['hosts'].values() for name, addresses in host['interfaces'].items()}
    for name in set(found) - set(samples.ADDRESSES):
        ip('-n', namespace, 'link', 'add', name, 'type', 'veth', 'peer', 'name', f'{name}-peer')
        ip('-n', namespace, 'address', 'add', found[name][0], 'dev', name)
        ip('-n', namespace, 'link', 'set', name, 'up')


def put_scripts(cluster):
    """What the role would have put into the directory of scripts."""
    SCRIPTS.mkdir(exist_ok=True)
    for script in [*cluster.value('keepalived_scripts'), *cluster.value('keepalived_vrrp_scripts')]:
        path = SCRIPTS / script['name']
        path.write_text(script.get('content', '#!/bin/sh\n'), encoding='utf-8')
        path.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)


@pytest.mark.usefixtures('interfaces')
@pytest.mark.parametrize('snippet', MODEL['GOOD'], ids=MODEL['label'])
def test_keepalived_accepts_every_host_of_an_example(build, keepalived, snippet):
    cluster = MODEL['cluster_of'](snippet, keepalived_version=build.version, **HERE)
    put_scripts(cluster)
    assert {host: keepalived(cluster.conf(host)) for host in cluster.hosts} == dict.fromkeys(cluster.hosts, Run(0, []))
