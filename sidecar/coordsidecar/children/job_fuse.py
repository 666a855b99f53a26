"""The fuse: a third, tiny process that ends the job if guard and elector are both out of action.

Guard and elector watch each other, and each can end the job alone. But both may be frozen at once
(``pkill -STOP coordsidecar``), or one frozen and the other killed, with the job running on, and the
store would give the election away. So each job gets a fuse: it burns at the deadline, unless the
guard moves that forward, as it does with every renewal. It also burns if the guard is dead and no
elector lives to sweep up. It sleeps until then, and has nothing to import.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import select
import time
from collections.abc import Callable

from coordsidecar.children.forking import detach
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.linux import BootTimer, boottime_s, run_first
from coordsidecar.log import Log
from coordsidecar.refusals import asking_for, refusal
from coordsidecar.trees.process import NotSeenError, is_dead
from coordsidecar.trees.remains import Remains, has_ended

if TYPE_CHECKING:
    from coordsidecar.trees.app import App

__all__ = [
    "BURNS_AT",
    "DEADLINE_PASSED",
    "ELECTOR_PID",
    "GUARD_IS_DEAD",
    "JOB_PID",
    "JobFuse",
    "told_by_the_guard",
]

# What the guard tells its fuse, as numbers in the memory that both share.
BURNS_AT, ELECTOR_PID, JOB_PID = 0, 1, 2
DEADLINE_PASSED = "guard and elector let the deadline pass"
GUARD_IS_DEAD = "the guard is dead"
# A guard that was slow, or slept with the whole host, is the gentler one, once its job is dead.
_GUARD_IS_SPARED_S = 1.0
_LOOK_EVERY_S = 0.003
# What else it does at first takes a millisecond of a processor, and the job is just being started.
_JOB_FIRST_S = 0.01
_ELECTOR_AT_MOST_S = 5.0
# Who is killed takes some milliseconds to end, and may leave an orphan to the guard.
_PASSES_BEFORE_A_WORD = 5


def told_by_the_guard() -> tuple[memoryview[float], int]:
    """Memory to share with forks, nothing runs yet; and the descriptor (an eventfd) that says: what
    is told is not what was waited for. Raises `OSError`."""
    # An aligned word is written whole.
    with asking_for("mmap"):
        told = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
    told[BURNS_AT] = math.inf
    with asking_for("eventfd"):
        return told, os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)


class JobFuse:
    """Whoever is the fuse of a job: a process for each, or process 1 of a container for all."""

    def __init__(
        self,
        log: Log,
        told: memoryview[float],
        news_fd: int,
        *,
        guard: int,
        guard_pidfd: int,
        run_mark: str,
        app: App | None = None,
    ) -> None:
        """``told``, ``news_fd``: see `told_by_the_guard`."""
        self._log = log
        self._told = told
        self._news_fd = news_fd
        self._guard = guard
        self._guard_pidfd = guard_pidfd
        self._run_mark = run_mark
        self._app = app
        self._job_pid = 0
        self._job_pidfd: int | None = None

    def burn_down(self, job_pid: int) -> None:
        """Sleep until it is time, then end the job's tree; in a fork, with every signal blocked.

        ``job_pid`` is a child of our parent's that has not been reaped yet.
        """
        self.guards(job_pid)
        time.sleep(_JOB_FIRST_S)
        detach()
        run_first()
        timer = BootTimer()
        poll = select.poll()
        poll.register(timer.fd, select.POLLIN)
        poll.register(self._guard_pidfd, select.POLLIN)
        poll.register(self._news_fd, select.POLLIN)
        burnt = False
        while not burnt:
            if has_ended(self._guard_pidfd):
                self._leave_it_to_the_elector()
                burnt = self.burn(GUARD_IS_DEAD, time.sleep)
            elif self.is_due():
                burnt = self.burn(DEADLINE_PASSED, time.sleep)
            else:
                timer.arm(self._told[BURNS_AT])
                poll.poll()
                self.hear()

    def hear(self) -> bool:
        """Whether there is news; what is told is read when it is needed."""
        try:
            return os.eventfd_read(self._news_fd) > 0
        except BlockingIOError:
            return False

    def guards(self, job_pid: int) -> None:
        """From now on this is the job; 0: none."""
        if job_pid == self._job_pid:
            return  # It may be reaped by now, and its number somebody else's.
        if self._job_pidfd is not None:
            os.close(self._job_pidfd)
        self._job_pid, self._job_pidfd = job_pid, None
        if job_pid:
            with contextlib.suppress(OSError):  # It has ended already, and its guard was quick.
                self._job_pidfd = os.pidfd_open(job_pid)

    def is_due(self) -> bool:
        """Whether the deadline has passed."""
        return boottime_s() >= self._told[BURNS_AT]

    def burn(self, why: str, sleep: Callable[[float], None]) -> bool:
        """End the job's tree at once, and then its guard, unless that reacts; False if it did, and
        the rest is its own. ``sleep``: how to wait, in seconds."""
        spare_until_s = boottime_s() + (_GUARD_IS_SPARED_S if why == DEADLINE_PASSED else 0.0)
        deadline_s = self._told[BURNS_AT]
        remains = self._remains()
        for _ in range(_PASSES_BEFORE_A_WORD):  # We may be late already.
            if self._pass(remains.kill_tree):
                break
            sleep(remains.pause_s)
        self._log.event("fuse", f"{why}; ending the job")
        while (left_s := spare_until_s - boottime_s()) > 0:
            sleep(min(remains.pause_s, left_s))
            if self._told[BURNS_AT] != deadline_s:
                return False
            self._pass(remains.kill_tree)
        while not self._pass(remains.kill_pass):
            sleep(remains.pause_s)
        return True

    def _remains(self) -> Remains:
        remains = Remains(
            guard_pid=self._guard,
            guard_pidfd=self._guard_pidfd,
            run=self._run_mark,
            leave_out=(os.getpid(), self._elector_pid()),
            app=self._app,
        )
        if self._job_pidfd is not None:
            remains.job_is(self._job_pid, os.dup(self._job_pidfd))
        elif self._job_pid:
            remains.group_is(self._job_pid)
        return remains

    def _pass(self, kill: Callable[[], bool]) -> bool:
        """One pass; nobody but us is left to end the job, so no refusal may end us."""
        try:
            return kill()
        except OSError as error:
            self._log.once("fuse", f"cannot look for what is left of the job: {refusal(error)}")
            return False

    def _leave_it_to_the_elector(self) -> None:
        """It sweeps up after a dead guard, and then it exits; if it cannot, we go on."""
        until_s = boottime_s() + _ELECTOR_AT_MOST_S
        while self._has_elector() and boottime_s() < until_s and not self.is_due():
            time.sleep(_LOOK_EVERY_S)

    def _has_elector(self) -> bool:
        try:
            return not is_dead(self._elector_pid())
        except NotSeenError:
            return True  # For all we know.

    def _elector_pid(self) -> int:
        return int(self._told[ELECTOR_PID])
