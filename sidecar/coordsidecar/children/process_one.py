"""Process 1 of a container: parent of the guard, and the fuse of every job. It only reaps, hands
signals on, and exits as the guard did.

The kernel shields process 1 from signals of its own container, SIGKILL and SIGSTOP included, and
ends all others together with it. A guard in its place could not be buried if it hung; and if it
died, the elector would go with it, so that nobody gave up the lead. Hence this parent. It is the
fuse as well, which sleeps beside each job anyway, so that a container holds no process more.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal

from coordsidecar.children.job_fuse import (
    BURNS_AT,
    DEADLINE_PASSED,
    GUARD_IS_DEAD,
    JOB_PID,
    JobFuse,
    told_by_the_guard,
)
from coordsidecar.linux import (
    SENT_BY_KERNEL,
    BootTimer,
    SignalFd,
    boottime_s,
    name_process,
    run_first,
    uninterrupted,
)
from coordsidecar.log import Log
from coordsidecar.refusals import asking_for
from coordsidecar.trees.process import GONE, NotSeenError, Process, children

__all__ = ["stand_above"]

_LOOK_EVERY_S = 1.0
_PATIENCE_S = 5.0


def stand_above(log: Log, *, run_mark: str) -> tuple[memoryview[float], int]:
    """As process 1: return in a fork, which is to be the guard. Process 1 itself never returns.

    Returns what the guard tells of its jobs, as `told_by_the_guard`. Raises `OSError` for whatever
    the kernel refuses.
    """
    told, news_fd = told_by_the_guard()
    # Asked for before there are two who would complain.
    signals, timer = SignalFd(), BootTimer()
    with asking_for("pidfd_open"):
        os.close(os.pidfd_open(os.getpid()))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    # Where it is ignored, the kernel reaps, and nobody would hear of the guard's end.
    as_given = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with asking_for("fork"):
        guard = os.fork()
    if guard == 0:
        signal.signal(signal.SIGCHLD, as_given)
        signals.close()
        timer.close()
        _take_over_from_process_one()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return told, news_fd
    name_process("process-one")
    run_first()
    with asking_for("pidfd_open"):
        guard_pidfd = os.pidfd_open(guard)
    fuse = JobFuse(log, told, news_fd, guard=guard, guard_pidfd=guard_pidfd, run_mark=run_mark)
    os._exit(_ProcessOne(guard, fuse, told, news_fd, signals, timer).serve())


def _take_over_from_process_one() -> None:
    """What systemd and its kin say to process 1 is meant for the guard."""
    for name in ("LISTEN_PID", "WATCHDOG_PID"):
        if os.environ.get(name) == "1":
            os.environ[name] = str(os.getpid())


class _ProcessOne:
    """Every signal is blocked: so it waits until it is read, even one that the kernel would not let
    process 1 have."""

    def __init__(
        self,
        guard: int,
        fuse: JobFuse,
        told: memoryview[float],
        news_fd: int,
        signals: SignalFd,
        timer: BootTimer,
    ) -> None:
        self._guard = guard
        self._fuse = fuse
        self._told = told
        self._news_fd = news_fd
        self._signals = signals
        self._timer = timer
        self._exit_code: int | None = None

    def serve(self) -> int:
        """Until guard and elector have ended; the exit code of the guard."""
        poll = select.poll()
        for fd in (self._signals.fd, self._timer.fd, self._news_fd):
            poll.register(fd, select.POLLIN)
        while True:
            self._reap()
            if self._exit_code is not None:
                self._wait_for_burial()
                return self._exit_code
            has_job = self._told[JOB_PID] != 0
            if has_job and self._fuse.is_due():
                self._burn(DEADLINE_PASSED)
                continue
            self._timer.arm(self._told[BURNS_AT] if has_job else math.inf)
            poll.poll()
            if self._fuse.hear():
                self._fuse.guards(int(self._told[JOB_PID]))
            self._hand_on_signals()

    def _reap(self) -> None:
        """Collect all that ended, orphans too."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if pid == self._guard:
                    code = os.waitstatus_to_exitcode(status)
                    self._exit_code = code if code >= 0 else 128 - code

    def _hand_on_signals(self) -> None:
        for signum, code in self._signals.read():
            if signum == signal.SIGCHLD or self._exit_code is not None:
                continue
            if code == SENT_BY_KERNEL and signum != signal.SIGHUP:
                continue  # From the terminal, to our whole group: the guard has it already.
            # Not reaped yet, so the pid is still its own.
            uninterrupted(os.kill, self._guard, signum)

    def _burn(self, why: str) -> None:
        if self._fuse.burn(why, self._reap_and_sleep):
            self._told[JOB_PID] = 0  # Once is enough.

    def _reap_and_sleep(self, most_s: float) -> None:
        self._reap()
        self._sleep(most_s)

    def _wait_for_burial(self) -> None:
        """The elector buries a dead guard, gives up its lead, and ends; if it cannot, we go on.

        What somebody else started in this container ends with it.
        """
        patient_until_s = blind_until_s = boottime_s() + _PATIENCE_S
        while True:
            try:
                if not _forks_of_ours():
                    return
                blind_until_s = boottime_s() + _PATIENCE_S
            except NotSeenError:  # Then they may well be there.
                if boottime_s() >= blind_until_s:
                    return
            self._sleep(_LOOK_EVERY_S)
            self._reap()
            if boottime_s() >= patient_until_s:
                patient_until_s = boottime_s() + _PATIENCE_S
                if self._told[JOB_PID]:
                    self._burn(GUARD_IS_DEAD)
                with contextlib.suppress(ProcessLookupError):  # Or it has just ended.
                    # Somebody may have stopped the elector, too.
                    uninterrupted(os.kill, -1, signal.SIGCONT)

    def _sleep(self, most_s: float) -> None:
        """Until a signal comes, such as somebody's end, or for so long."""
        poll = select.poll()
        poll.register(self._signals.fd, select.POLLIN)
        poll.poll(math.ceil(most_s * 1000))
        self._hand_on_signals()


def _forks_of_ours() -> list[int]:
    """Our children that never executed another program. Raises `NotSeenError`."""
    ours = _command_line(os.getpid())
    # Without /proc the guard did not see its job, and refused.
    with contextlib.suppress(FileNotFoundError):
        return [pid for pid in children(os.getpid()) if _command_line(pid) == ours]
    return []


def _command_line(pid: int) -> bytes:
    """Empty if it has ended. Raises `NotSeenError`."""
    with contextlib.suppress(*GONE, PermissionError), Process(pid) as process:
        return process.command_line()
    return b""
