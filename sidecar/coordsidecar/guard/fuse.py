"""The guard's handle on the fuse of its job: the deadline at which it burns, moved ever forward."""

from __future__ import annotations

import math
import mmap
import os
import signal

from coordsidecar.children.forking import all_signals_blocked
from coordsidecar.children.job_fuse import BURNS_AT, ELECTOR_PID, JobFuse
from coordsidecar.log import Log

__all__ = ["Fuse"]

_NEVER_S = math.inf


class Fuse:
    """Starts and removes it, and tells it what it must know."""

    def __init__(self, log: Log, *, run_mark: str, guard_pidfd: int, reserve_s: float) -> None:
        """``reserve_s``: how long before ``run_until`` it burns, and how much grace a guard gets
        that has just been woken up together with it."""
        self.pid: int | None = None
        self._log = log
        self._run_mark = run_mark
        self._guard_pidfd = guard_pidfd
        self._reserve_s = reserve_s
        # An aligned word is written whole.
        self._told = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self._told[BURNS_AT] = _NEVER_S

    def lasts_until(self, run_until_s: float | None) -> None:
        """Move the deadline; ``None``: nothing runs that has one."""
        self._told[BURNS_AT] = _NEVER_S if run_until_s is None else run_until_s - self._reserve_s

    def elector_is(self, pid: int) -> None:
        self._told[ELECTOR_PID] = pid

    def start(self, job_pid: int) -> None:
        """Give the job of ``job_pid`` its fuse; the one before is removed."""
        self.remove()
        fuse = JobFuse(
            self._log,
            self._told,
            guard=os.getpid(),
            guard_pidfd=self._guard_pidfd,
            run_mark=self._run_mark,
            reserve_s=self._reserve_s,
        )
        with all_signals_blocked():
            pid = os.fork()
            if pid == 0:
                try:
                    fuse.burn_down(job_pid)
                finally:
                    os._exit(0)
        self.pid = pid

    def remove(self) -> None:
        """The job's tree is confirmed dead, or gets another fuse."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)  # Not reaped yet, so the pid is still its own.
            self.pid = None
