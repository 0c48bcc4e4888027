# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of the filters share."""

from __future__ import annotations

import crossplane
import pytest


def _plain(statements):
    """Statements of crossplane as lists: a directive, its arguments, and what stands inside of a block."""
    return [[one['directive'], *one['args'], *([_plain(one['block'])] if 'block' in one else [])]
            for one in statements if one['directive'] != '#']


@pytest.fixture(scope='session')
def parsed(tmp_path_factory):
    """Read a configuration back with crossplane, nginx's own parser in Python; what that knows it checks for context and arguments."""
    path = tmp_path_factory.mktemp('crossplane') / 'nginx.conf'

    def parse(text, is_checked=True):
        path.write_text(text, encoding='utf-8')
        found = crossplane.parse(str(path), single=True, check_ctx=is_checked, check_args=is_checked)
        assert found['errors'] == []
        return _plain(found['config'][0]['parsed'])
    return parse
