"""The few Linux calls that Python before 3.13 does not wrap. Importing ctypes takes 2 ms."""

from __future__ import annotations

import ctypes
import math
import os
import time

__all__ = ["BootTimer", "become_subreaper", "boottime_s", "die_with_parent", "name_process"]

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_TFD_TIMER_ABSTIME = 1
# Centuries: a later time would not fit into the kernel's, and nobody is there to see it.
_NEVER_S = 9e9

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


def boottime_s() -> float:
    """Seconds since the host booted, suspend included; every deadline is on this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def become_subreaper() -> None:
    """Orphaned descendants become our children, not init's, so that none is lost sight of."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def die_with_parent(signum: int) -> None:
    """The kernel sends us ``signum`` when the thread that forked us ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0))


def name_process(name: str) -> None:
    """What `ps` and `pkill` call this process; 15 characters at most."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0))


class BootTimer:
    """A timer with an absolute deadline that goes on counting while the host is suspended.

    The time-out of `poll` does not: after an hour's sleep it would wait its rest and let a job run
    past its deadline.
    """

    def __init__(self) -> None:
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        self.fd: int = _check(_libc.timerfd_create(time.CLOCK_BOOTTIME, flags))

    def arm(self, at_s: float) -> None:
        """Make ``fd`` readable at ``at_s``; `math.inf`: never."""
        spec = _Itimerspec()
        if at_s < _NEVER_S:
            # Zero would disarm the timer, so a deadline in the past becomes the first instant.
            nanoseconds = math.ceil(max(at_s, 1e-9) * 1e9)
            spec.it_value = _Timespec(*divmod(nanoseconds, 1_000_000_000))
        _check(_libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None))

    def close(self) -> None:
        os.close(self.fd)


def _check(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
