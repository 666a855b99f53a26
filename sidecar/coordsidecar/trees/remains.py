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
from collections.abc import Collection

from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.linux import uninterrupted
from coordsidecar.trees.backoff import Backoff
from coordsidecar.trees.hunt import Hunt
from coordsidecar.trees.process import NotSeenError, group_of, is_dead, pids
from coordsidecar.trees.tree import below, kill_pass

if TYPE_CHECKING:
    from coordsidecar.trees.app import App

__all__ = ["Remains", "has_ended"]

_PASSES_BELOW_THE_GUARD = 100
_UNSEEN_PASSES = 5
_WHOLE_GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP, since Linux 6.9.


class Remains:
    """A guard and its job's tree, to be killed and confirmed dead.

    ``leave_out``: helpers below the guard that are not part of the job's tree. ``app``: what an
    attached sidecar leads; it is not killed with the rest, but held.
    """

    def __init__(
        self,
        *,
        guard_pid: int,
        guard_pidfd: int,
        run: str,
        leave_out: Collection[int],
        app: App | None = None,
    ) -> None:
        self._guard_pid = guard_pid
        self._guard_pidfd = guard_pidfd
        self._hunt = Hunt(run)
        self._leave_out = leave_out
        self._app = app
        self._job_pid: int | None = None
        self._job_pidfd: int | None = None
        self._passes = self._unseen_passes = 0
        self._backoff = Backoff()
        self.tree_is_gone = False
        """Whether the last pass found nobody but the guard itself, who was sent SIGKILL."""

    @property
    def pause_s(self) -> float:
        """How long to wait until the next pass."""
        return self._backoff.pause_s

    def job_is(self, pid: int, pidfd: int) -> None:
        """The job's main process; we keep ``pidfd``, which cannot be confused by a reused pid."""
        if self._job_pidfd is not None:
            os.close(self._job_pidfd)
        self._job_pid, self._job_pidfd = pid, pidfd

    def group_is(self, pid: int) -> None:
        """The job's process group, for those who have no pidfd of it."""
        self._job_pid = pid

    def kill_tree(self) -> bool:
        """Kill the job and what else is below the guard, but not the guard; True if none is left.

        The guard may wake up and reap meanwhile, so that no number of the job's is to be trusted.
        """
        if self._job_pidfd is not None:
            _kill_by(self._job_pidfd)
            self._kill_group_by_pidfd(self._job_pidfd)
        left: list[int] = []
        try:
            left = self._kill_below_the_guard()
            return self._app_is_held() and not left
        except NotSeenError:
            return False
        finally:
            self._backoff.found(left)

    def kill_pass(self) -> bool:
        """Kill all that can be found; True if guard and tree are confirmed dead.

        Where /proc cannot be read, they are not. A frozen guard still has its tree below it, so the
        tree goes first: once the guard is dead, nothing but the mark leads to those who called
        setsid.
        """
        self._passes += 1
        self.tree_is_gone = False
        left: list[int] = []
        try:
            self._app_is_held()
            left = self._kill_below_the_guard()
            if left and self._passes < _PASSES_BELOW_THE_GUARD:
                return False  # Whoever forks faster than we look is caught by the passes to come.
            _kill_by(self._guard_pidfd)
            if self._job_pidfd is not None:
                _kill_by(self._job_pidfd)
            left = self._kill_group() + self._hunt.kill_pass()
            job_ended = self._job_pidfd is None or has_ended(self._job_pidfd)
            # Last of all: as long as anybody of ours lived, it may have let the app go on.
            is_held = self._app_is_held()
        except NotSeenError:
            return False
        finally:
            self._backoff.found(left)
        self.tree_is_gone = job_ended and not left and self._hunt.over and is_held
        return self.tree_is_gone and has_ended(self._guard_pidfd)

    def _app_is_held(self) -> bool:
        return self._app is None or self._app.hold_pass()

    def _kill_group_by_pidfd(self, pidfd: int) -> bool:
        """False if it has nobody left, not even a zombie."""
        try:
            uninterrupted(signal.pidfd_send_signal, pidfd, signal.SIGKILL, None, _WHOLE_GROUP)
        except ProcessLookupError:
            return False
        except OSError:
            pass  # An older kernel, or a setuid program.
        return True

    def _kill_below_the_guard(self) -> list[int]:
        """Its tree, while there is a guard; those who live on are returned."""
        if has_ended(self._guard_pidfd):
            return []
        try:
            listed = kill_pass(self._guard_pid, leave_out=self._leave_out, groups=(self._job_pid,))
            left = [pid for pid in listed if not is_dead(pid)]
            if not left:
                # Who died after they were listed have left their children to the guard only then.
                again = below(self._guard_pid, leave_out=self._leave_out)
                left = [pid for pid in again if pid not in listed or not is_dead(pid)]
            return left
        except NotSeenError:
            if has_ended(self._guard_pidfd):
                return []
            raise

    def _kill_group(self) -> list[int]:
        """Whoever is left of the job's process group; while it has members, its number is its own.

        The kernel signals a group as a whole, so nobody can fork away from under it.
        """
        if self._job_pid is None:
            return []
        if self._job_pidfd is not None and not self._kill_group_by_pidfd(self._job_pidfd):
            return []
        listed = pids()
        members = [pid for pid in reversed(listed) if group_of(pid) == self._job_pid]
        if members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                uninterrupted(os.killpg, self._job_pid, signal.SIGKILL)
            self._unseen_passes = 0
            return members
        # Who forks on may have ended when we looked, whenever we did; but so may all the others of
        # a busy host, while what has the number is a zombie that nobody reaps.
        self._unseen_passes += 1
        if self._unseen_passes > _UNSEEN_PASSES or _is_empty(self._job_pid):
            return []
        are_there = all(os.path.exists(f"/proc/{pid}") for pid in listed)
        return [] if are_there else [self._job_pid]


def has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _is_empty(group: int) -> bool:
    """Whether not even a zombie is left of it, or of somebody else's of that number."""
    try:
        uninterrupted(os.killpg, group, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _kill_by(pidfd: int) -> None:
    # It was quicker; or it is a setuid program's, which keeps us from none of the others.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        uninterrupted(signal.pidfd_send_signal, pidfd, signal.SIGKILL)
