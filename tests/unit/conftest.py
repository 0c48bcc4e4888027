# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the collection importable under every Python from 2.7 on, without installing it.

Python 2.7 knows no namespace packages, and ansible-core itself does not import under 2.7 or 3.6: only its
module_utils does. So the packages are registered by hand, each as an empty module with a search path.
ANSIBLE_LIB names the directory that holds ansible-core's ``ansible`` package (tools/unit sets it).
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import sys
import types

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _package(name, path):
    module = types.ModuleType(name)
    module.__path__ = [path]
    module.__file__ = os.path.join(path, '__init__.py')  # newer ansible-core looks for its own
    sys.modules[name] = module
    parent, dot, child = name.rpartition('.')
    if dot:
        setattr(sys.modules[parent], child, module)


def _register():
    _package('ansible_collections', os.path.join(ROOT, 'no-such-directory'))
    _package('ansible_collections.vipkit', os.path.join(ROOT, 'no-such-directory'))
    _package('ansible_collections.vipkit.ha', ROOT)
    _package('ansible_collections.vipkit.ha.plugins', os.path.join(ROOT, 'plugins'))
    for kind in ('filter', 'module_utils', 'modules', 'plugin_utils'):
        _package('ansible_collections.vipkit.ha.plugins.' + kind, os.path.join(ROOT, 'plugins', kind))
    library = os.environ.get('ANSIBLE_LIB')
    if library:
        _package('ansible', os.path.join(library, 'ansible'))


_register()
