"""The fuse: a third, tiny process that ends the job if guard and elector are both out of action.

Guard and elector watch each other, and each can end the job alone. But both may be frozen at once
(``pkill -STOP coordsidecar``), or one frozen and the other killed, with the job running on, and the
store would give the election away. So each job gets a fuse: it burns at the deadline, unless the
guard moves that forward, as it does with every renewal. It also burns if the guard is dead and no
elector lives to sweep up. It sleeps until then, and has nothing to import.
"""

from __future__ import annotations

import math
import mmap
import os
import select
import signal
import time

from coordsidecar.children.spawn import all_signals_blocked, detach
from coordsidecar.linux import BootTimer, boottime_s, name_process
from coordsidecar.log import Log
from coordsidecar.trees.remains import Remains, has_ended
from coordsidecar.trees.tree import DEAD_STATES, state_of

__all__ = ["Fuse"]

_NEVER_S = math.inf
_LATE_S = 0.25
_PASS_EVERY_S = 0.003
_ELECTOR_AT_MOST_S = 5.0


class Fuse:
    """The guard's handle on the fuse of its job."""

    def __init__(self, log: Log, *, run_mark: str, guard_pidfd: int, reserve_s: float) -> None:
        """``reserve_s``: how long before ``run_until`` it burns, and how much grace a guard gets
        that has just been woken up together with it."""
        self.pid: int | None = None
        self._log = log
        self._run_mark = run_mark
        self._guard_pidfd = guard_pidfd
        self._reserve_s = reserve_s
        # Shared with the fuse: the deadline, the elector's pid. An aligned word is written whole.
        self._shared = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self._shared[0] = _NEVER_S

    def lasts_until(self, run_until_s: float | None) -> None:
        """Move the deadline; ``None``: nothing runs that has one."""
        self._shared[0] = _NEVER_S if run_until_s is None else run_until_s - self._reserve_s

    def elector_is(self, pid: int) -> None:
        self._shared[1] = pid

    def start(self, job_pid: int) -> None:
        """Give the job of ``job_pid`` its fuse; the one before is removed."""
        self.remove()
        guard = os.getpid()
        with all_signals_blocked():
            pid = os.fork()
            if pid == 0:
                try:
                    detach()
                    name_process("job-fuse")  # No `pkill -STOP coordsidecar` shall hit it too.
                    self._burn_down(guard, job_pid)
                finally:
                    os._exit(0)
        self.pid = pid

    def remove(self) -> None:
        """The job's tree is confirmed dead, or gets another fuse."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)  # Not reaped yet, so the pid is still its own.
            self.pid = None

    # ── in the fuse ────────────────────────────────────────────────────────────────────────────

    def _burn_down(self, guard: int, job_pid: int) -> None:
        why = self._sleep()
        self._log.event("fuse", f"{why}; ending the job")
        remains = Remains(
            guard_pid=guard,
            guard_pidfd=self._guard_pidfd,
            run=self._run_mark,
            leave_out=(os.getpid(), self._elector_pid()),
        )
        remains.group_is(job_pid)
        while not remains.kill_pass():
            time.sleep(_PASS_EVERY_S)

    def _sleep(self) -> str:
        """Return, with the reason, when it is time to burn."""
        timer = BootTimer()
        poll = select.poll()
        poll.register(timer.fd, select.POLLIN)
        poll.register(self._guard_pidfd, select.POLLIN)
        while True:
            deadline_s = self._shared[0]
            late_s = boottime_s() - deadline_s
            if late_s > _LATE_S:
                # The whole host slept. The guard has woken up with us, and is the gentler one.
                time.sleep(max(self._reserve_s, _LATE_S))
                if self._shared[0] == deadline_s:
                    return "guard and elector let the deadline pass"
            elif late_s >= 0:
                return "guard and elector let the deadline pass"
            timer.arm(deadline_s)
            poll.poll()
            if has_ended(self._guard_pidfd):
                self._leave_it_to_the_elector()
                return "the guard is dead"

    def _leave_it_to_the_elector(self) -> None:
        """It sweeps up after a dead guard, and then it exits; if it cannot, we go on."""
        until_s = boottime_s() + _ELECTOR_AT_MOST_S
        while state_of(self._elector_pid()) not in DEAD_STATES and boottime_s() < until_s:
            time.sleep(_PASS_EVERY_S)

    def _elector_pid(self) -> int:
        return int(self._shared[1])
