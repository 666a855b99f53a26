"""The fuse: a third, tiny process that ends the job if guard and elector are both out of action.

Guard and elector watch each other, and each can end the job alone. But both may be frozen at once
(``pkill -STOP coordsidecar``), or one frozen and the other killed, with the job running on, and the
store would give the election away. So each job gets a fuse: it burns at the deadline, unless the
guard moves that forward, as it does with every renewal. It also burns if the guard is dead and no
elector lives to sweep up. It sleeps until then, and has nothing to import.
"""

from __future__ import annotations

import os
import select
import time

from coordsidecar.children.forking import detach
from coordsidecar.linux import BootTimer, boottime_s, name_process
from coordsidecar.log import Log
from coordsidecar.refusals import refusal
from coordsidecar.trees.process import NotSeenError, is_dead
from coordsidecar.trees.remains import Remains, has_ended

__all__ = ["BURNS_AT", "ELECTOR_PID", "JobFuse"]

# What the guard tells its fuse, as numbers in the memory that both share.
BURNS_AT, ELECTOR_PID = 0, 1
_LATE_S = 0.25
_LOOK_EVERY_S = 0.003
_ELECTOR_AT_MOST_S = 5.0


class JobFuse:
    """One fuse, for one job."""

    def __init__(
        self,
        log: Log,
        told: memoryview[float],
        *,
        guard: int,
        guard_pidfd: int,
        run_mark: str,
        reserve_s: float,
    ) -> None:
        """``told``: see `BURNS_AT`. ``reserve_s``: how much grace a guard gets that has just been
        woken up together with us."""
        self._log = log
        self._told = told
        self._guard = guard
        self._guard_pidfd = guard_pidfd
        self._run_mark = run_mark
        self._reserve_s = reserve_s

    def burn_down(self, job_pid: int) -> None:
        """Sleep until it is time, then end the job's tree; in a fork, with every signal blocked."""
        detach()
        name_process("job-fuse")  # No `pkill -STOP coordsidecar` shall hit it too.
        try:
            job_pidfd = os.pidfd_open(job_pid)
        except OSError:
            job_pidfd = None  # It has ended already, and its guard was quick.
        why = self._sleep()
        self._log.event("fuse", f"{why}; ending the job")
        remains = Remains(
            guard_pid=self._guard,
            guard_pidfd=self._guard_pidfd,
            run=self._run_mark,
            leave_out=(os.getpid(), self._elector_pid()),
        )
        if job_pidfd is None:
            remains.group_is(job_pid)
        else:
            remains.job_is(job_pid, job_pidfd)
        while not self._pass(remains):
            time.sleep(remains.pause_s)

    def _pass(self, remains: Remains) -> bool:
        """One pass; nobody but us is left to end the job, so no refusal may end us."""
        try:
            return remains.kill_pass()
        except OSError as error:
            self._log.once("fuse", f"cannot look for what is left of the job: {refusal(error)}")
            return False

    def _sleep(self) -> str:
        """Return, with the reason, when it is time to burn."""
        timer = BootTimer()
        poll = select.poll()
        poll.register(timer.fd, select.POLLIN)
        poll.register(self._guard_pidfd, select.POLLIN)
        while True:
            deadline_s = self._told[BURNS_AT]
            late_s = boottime_s() - deadline_s
            if late_s > _LATE_S:
                # The whole host slept. The guard has woken up with us, and is the gentler one.
                time.sleep(max(self._reserve_s, _LATE_S))
                if self._told[BURNS_AT] == deadline_s:
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
        while self._has_elector() and boottime_s() < until_s:
            time.sleep(_LOOK_EVERY_S)

    def _has_elector(self) -> bool:
        try:
            return not is_dead(self._elector_pid())
        except NotSeenError:
            return True  # For all we know.

    def _elector_pid(self) -> int:
        return int(self._told[ELECTOR_PID])
