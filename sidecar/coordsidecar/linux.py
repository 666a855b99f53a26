"""The few Linux calls that Python before 3.13 does not wrap. Importing ctypes takes 2 ms."""

from __future__ import annotations

import ctypes
import errno
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from coordsidecar.hints import Any

__all__ = [
    "LEAST_OPEN_FILES",
    "RLIMIT_AS",
    "RLIMIT_FSIZE",
    "RLIMIT_NOFILE",
    "RLIMIT_NPROC",
    "SENT_BY_KERNEL",
    "BootTimer",
    "SignalFd",
    "become_subreaper",
    "boottime_s",
    "die_with_parent",
    "forking_as",
    "name_process",
    "run_first",
    "soft_limit",
    "uninterrupted",
]

RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_AS = 1, 6, 7, 9
LEAST_OPEN_FILES = 32
"""Guard and elector need some 20 each, the rest is for a store's connections and a job's start."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_GET_NAME = 16
_NAME_BYTES = 16
_PR_SET_CHILD_SUBREAPER = 36
_TFD_TIMER_ABSTIME = 1
# Centuries: a later time would not fit into the kernel's, and nobody is there to see it.
_NEVER_S = 9e9
SENT_BY_KERNEL = 0x80
"""As a signal's code: not by a process, but because of a key of the terminal, say (SI_KERNEL)."""
_SIGNALFD_RECORD = 128

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


def uninterrupted(call: Callable[..., Any], *arguments: Any) -> Any:
    """What ``call`` returns; it is made again where a signal interrupts it.

    The kernel alone lets none interrupt the sending of another, so Python does not try again. But
    any call can be that is looked at by somebody's supervisor first (seccomp).
    """
    while True:
        with suppress(InterruptedError):
            return call(*arguments)


def boottime_s() -> float:
    """Seconds since the host booted, suspend included; every deadline is on this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def become_subreaper() -> None:
    """Orphaned descendants become our children, not init's, so that none is lost sight of."""
    _ask("prctl(PR_SET_CHILD_SUBREAPER)", _libc.prctl, _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(signum: int) -> None:
    """The kernel sends us ``signum`` when the thread that forked us ends."""
    _ask("prctl(PR_SET_PDEATHSIG)", _libc.prctl, _PR_SET_PDEATHSIG, signum, 0, 0, 0)


def name_process(name: str) -> None:
    """What `ps` and `pkill` call this process, where that is allowed; 15 characters at most."""
    with suppress(OSError):
        raw = name.encode(errors="surrogateescape")
        _ask("prctl(PR_SET_NAME)", _libc.prctl, _PR_SET_NAME, raw, 0, 0, 0)


@contextmanager
def forking_as(name: str) -> Iterator[None]:
    """Who is forked here has this name from its first instant, before it has run at all."""
    was = ctypes.create_string_buffer(_NAME_BYTES)
    try:
        _ask("prctl(PR_GET_NAME)", _libc.prctl, _PR_GET_NAME, was, 0, 0, 0)
    except OSError:
        yield  # What could not be put back is left as it is.
        return
    name_process(name)
    try:
        yield
    finally:
        name_process(was.value.decode(errors="surrogateescape"))


def run_first() -> Callable[[], None]:
    """Before all who only share the processors, where that is allowed: as root, or with
    CAP_SYS_NICE. For who sleeps until it must act at once, or ends those who fork as fast as they
    can. What is forked meanwhile does not inherit it. Call what is returned to be as before."""
    try:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    except OSError:
        return lambda: None  # What we could not undo, we do not do.

    def be_as_before() -> None:
        with suppress(OSError):
            os.sched_setscheduler(0, policy, param)
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, nice)

    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    return be_as_before


def soft_limit(which: int) -> int | None:
    """A limit of this process; None: there is none.

    `resource` would have to be read from a file, and the limit may be that of open files.
    """
    limits = (ctypes.c_ulong * 2)()
    _ask("getrlimit", _libc.getrlimit, which, limits)
    return None if limits[0] == ctypes.c_ulong(-1).value else int(limits[0])


class BootTimer:
    """A timer with an absolute deadline that goes on counting while the host is suspended.

    The time-out of `poll` does not: after an hour's sleep it would wait its rest and let a job run
    past its deadline.
    """

    def __init__(self) -> None:
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        self.fd: int = _ask("timerfd_create", _libc.timerfd_create, time.CLOCK_BOOTTIME, flags)

    def arm(self, at_s: float) -> None:
        """Make ``fd`` readable at ``at_s``; `math.inf`: never."""
        spec = _Itimerspec()
        if at_s < _NEVER_S:
            # Zero would disarm the timer, so a deadline in the past becomes the first instant.
            nanoseconds = math.ceil(max(at_s, 1e-9) * 1e9)
            spec.it_value = _Timespec(*divmod(nanoseconds, 1_000_000_000))
        new = ctypes.byref(spec)
        _ask("timerfd_settime", _libc.timerfd_settime, self.fd, _TFD_TIMER_ABSTIME, new, None)

    def close(self) -> None:
        os.close(self.fd)


class SignalFd:
    """Signals that are blocked, all of them, as they come."""

    def __init__(self) -> None:
        every = (ctypes.c_ubyte * 128)(*[0xFF] * 128)  # A sigset_t.
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        self.fd: int = _ask("signalfd", _libc.signalfd, -1, ctypes.byref(every), flags)

    def read(self) -> list[tuple[int, int]]:
        """The number of each that has come, and its code: who sent it."""
        try:
            records = os.read(self.fd, 64 * _SIGNALFD_RECORD)
        except BlockingIOError:
            return []
        numbers = memoryview(records).cast("i")
        width = _SIGNALFD_RECORD // numbers.itemsize
        # signalfd_siginfo begins with: number, errno, code.
        return [(numbers[at], numbers[at + 2]) for at in range(0, len(numbers), width)]

    def close(self) -> None:
        os.close(self.fd)


def _ask(what: str, function: Any, *arguments: Any) -> int:
    """Raises `OSError`, which names ``what`` was asked for.

    As Python's own calls do, it goes on where a signal interrupts: see `uninterrupted`.
    """
    while (result := int(function(*arguments))) < 0:
        error = ctypes.get_errno()
        if error != errno.EINTR:
            raise OSError(error, os.strerror(error), what)
    return result
