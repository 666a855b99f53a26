"""The guard's handle on the fuse of its job: the deadline at which it burns, moved ever forward."""

from __future__ import annotations

import math
import os
import signal
from contextlib import suppress

from coordsidecar.children.forking import all_signals_blocked
from coordsidecar.children.job_fuse import BURNS_AT, ELECTOR_PID, JOB_PID, JobFuse
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.linux import boottime_s, forking_as, uninterrupted
from coordsidecar.log import Log
from coordsidecar.refusals import asking_for, refusal

if TYPE_CHECKING:
    from coordsidecar.trees.app import App

__all__ = ["Fuse", "FuseInProcessOne"]

_NEVER_S = math.inf
# One that did not even last so long was refused something; the next would be, too.
_FAILED_WITHIN_S = 1.0


class Fuse:
    """Starts and removes it, and tells it what it must know.

    If the kernel refuses it a process, the job runs on without: guard and elector still watch each
    other. It is tried again with each renewal.
    """

    def __init__(
        self,
        log: Log,
        told: memoryview[float],
        news_fd: int,
        *,
        run_mark: str,
        guard_pidfd: int,
        reserve_s: float,
        app: App | None = None,
    ) -> None:
        """``told``, ``news_fd``: see `told_by_the_guard`. ``reserve_s``: how long before
        ``run_until`` it burns."""
        self.pid: int | None = None
        self._dying: int | None = None
        self._job_pid: int | None = None
        self._lit_at_s = 0.0
        self._log = log
        self._run_mark = run_mark
        self._app = app
        self._guard_pidfd = guard_pidfd
        self._reserve_s = reserve_s
        self._told, self._news_fd = told, news_fd

    def lasts_until(self, run_until_s: float | None) -> None:
        """Move the deadline; ``None``: nothing runs that has one."""
        was_s = self._told[BURNS_AT]
        self._told[BURNS_AT] = _NEVER_S if run_until_s is None else run_until_s - self._reserve_s
        if self._told[BURNS_AT] < was_s:  # It sleeps until then: for ever, beside a standby's job.
            self._wake()
        if self.pid is None and self._job_pid is not None:
            self._light(self._job_pid)

    def _wake(self) -> None:
        os.eventfd_write(self._news_fd, 1)

    def has_burnt(self) -> bool:
        """Whether its time is over; also in a fork of ours, which sees the deadline move."""
        return boottime_s() >= self._told[BURNS_AT]

    def elector_is(self, pid: int) -> None:
        self._told[ELECTOR_PID] = pid

    def start(self, job_pid: int) -> None:
        """Give the job of ``job_pid`` its fuse; the one before is removed."""
        self.remove()
        self._job_pid = job_pid
        self._light(job_pid)

    def is_gone(self) -> None:
        """Somebody killed it, or it was refused something; the job gets another."""
        self.pid = None
        if self._job_pid is not None and boottime_s() - self._lit_at_s > _FAILED_WITHIN_S:
            self._light(self._job_pid)

    def _light(self, job_pid: int) -> None:
        fuse = JobFuse(
            self._log,
            self._told,
            self._news_fd,
            guard=os.getpid(),
            guard_pidfd=self._guard_pidfd,
            run_mark=self._run_mark,
            app=self._app,
        )
        # Whoever stops all that are called as we are, or are in our group, stops the fuse with us
        # only if it begins as one of those.
        with all_signals_blocked(), forking_as("job-fuse"):
            try:
                with asking_for("fork"):
                    pid = os.fork()
            except OSError as error:
                self._complain(error)
                return
            if pid == 0:
                try:
                    fuse.burn_down(job_pid)
                except Exception as error:  # noqa: BLE001  # Said; then there will be another.
                    self._complain(error)
                finally:
                    os._exit(0)
        with suppress(OSError):  # It does it, too; but who knows when it gets a processor.
            os.setpgid(pid, pid)
        self.pid, self._lit_at_s = pid, boottime_s()

    def _complain(self, error: Exception) -> None:
        why = refusal(error) or f"{type(error).__name__}: {error}"
        self._log.once("fuse", f"the job runs without its fuse for now: {why}")

    def remove(self) -> None:
        """The job's tree is confirmed dead, or gets another fuse."""
        self._job_pid = None
        if self.pid is not None:
            # Not reaped yet, so the pid is still its own.
            uninterrupted(os.kill, self.pid, signal.SIGKILL)
            self.pid, self._dying = None, self.pid

    def was_reaped(self, pid: int) -> None:
        """From now on the pid may be anybody's."""
        if pid == self._dying:
            self._dying = None

    def tidy(self) -> None:
        """Leave no process behind, not even one that is dying: on a busy host that takes time."""
        if self._dying is not None:
            os.waitpid(self._dying, 0)
            self._dying = None


class FuseInProcessOne(Fuse):
    """In a container, where process 1 is the fuse of each job: there is nothing to start."""

    def _light(self, job_pid: int) -> None:
        if int(self._told[JOB_PID]) != job_pid:
            self._told[JOB_PID] = job_pid
            self._wake()

    def remove(self) -> None:
        super().remove()
        self._told[JOB_PID] = 0
