# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to this collection: seconds on a clock that nobody sets, under every Python."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import ctypes
import time

CLOCK_MONOTONIC = 1


class Timespec(ctypes.Structure):
    """struct timespec."""

    _fields_ = [('seconds', ctypes.c_long), ('nanoseconds', ctypes.c_long)]


def from_libc():
    """Python 2.7 has such a clock only in steps of 10 ms (os.times()), which is too coarse; libc has it in nanoseconds."""
    now = Timespec()
    ctypes.CDLL(None).clock_gettime(CLOCK_MONOTONIC, ctypes.byref(now))
    return now.seconds + now.nanoseconds / 1e9


monotonic = getattr(time, 'monotonic', from_libc)
