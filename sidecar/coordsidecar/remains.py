"""Finding and killing what a dead guard has left behind (rule S3, second half).

While the guard lives, its tree is what descends from it. Once it is dead, its orphans have gone to
init or to some other subreaper; they are found by the mark that every process of the run carries in
its environment, and by the job's process group. A process that has wiped its environment, called
setsid and lost its guard is not found: the README says so.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator

from coordsidecar.job_env import RUN_VARIABLE
from coordsidecar.tree import descendants, signal_all, state_of

__all__ = ["Remains", "marked"]

_DEAD = ("Z", "X")


def marked(run: str) -> Iterator[int]:
    """The pids of all living processes, but ours, that carry the mark of ``run``."""
    import psutil  # Late: 25 ms and 3 MB that only an emergency has to spend.

    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            marks = process.environ().get(RUN_VARIABLE, "")
        except (psutil.Error, OSError):
            continue  # Another user's, or gone.
        if run in marks.split(":") and state_of(process.pid) not in _DEAD:
            yield process.pid


class Remains:
    """A guard and its job's tree, to be killed and confirmed dead."""

    def __init__(self, *, guard_pid: int, guard_pidfd: int, run: str) -> None:
        self._guard_pid = guard_pid
        self._guard_pidfd = guard_pidfd
        self._run = run
        self._job_pid: int | None = None
        self._job_pidfd: int | None = None
        self._passes = 0

    def job_is(self, pid: int, pidfd: int) -> None:
        """The job's main process; we keep ``pidfd``, which cannot be confused by a reused pid."""
        if self._job_pidfd is not None:
            os.close(self._job_pidfd)
        self._job_pid, self._job_pidfd = pid, pidfd

    def kill_pass(self) -> bool:
        """Kill all that can be found; True if guard and tree are confirmed dead.

        A frozen guard still has its tree below it, so the tree goes first: once the guard is dead,
        nothing but the mark leads to those who called setsid.
        """
        self._passes += 1
        if not _ended(self._guard_pidfd):
            below = descendants(self._guard_pid, leave_out=os.getpid())
            living = [pid for pid in below if state_of(pid) not in _DEAD]
            signal_all(living, signal.SIGKILL)
            if living and self._passes < 100:
                return False  # Whoever forks faster than we look is caught by the passes to come.
            _kill(self._guard_pidfd)
        if self._job_pidfd is not None and not _ended(self._job_pidfd):
            _kill(self._job_pidfd)
        left = {*marked(self._run), *self._group()}
        signal_all(list(left), signal.SIGKILL)
        job_ended = self._job_pidfd is None or _ended(self._job_pidfd)
        return not left and job_ended and _ended(self._guard_pidfd)

    def _group(self) -> list[int]:
        """Who is left of the job's process group; such a group's number cannot be a new one's."""
        if self._job_pid is None:
            return []
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
        return [pid for pid in pids if _group_of(pid) == self._job_pid]


def _group_of(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0].decode() in _DEAD else int(fields[2])


def _ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _kill(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # It was quicker.
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
