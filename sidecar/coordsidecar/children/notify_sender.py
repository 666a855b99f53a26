"""Who said it: is it a process of the job's? Part of the process ``health-prober``.

The kernel says the pid and the user of each sender (SCM_CREDENTIALS), and only root can say others.
The address is no secret: /proc/net/unix shows every user of the host all names, those of files too.
So it is the sender who is looked at:

- One that is there is the job's if it is below the guard, as all of the job is: the guard is a
  subreaper. Its user must be the sender's, or the number has passed to somebody else meanwhile.
- The guard itself never speaks there. As root, `systemd-notify` says its parent's pid, and the
  parent of what the job left behind is the guard.
- One that is gone, or another by now, cannot be looked at any more, and to have ended soon is no
  fault: a shell's `systemd-notify --no-block` does. It is heard if its user is the guard's, or that
  of a process that is below the guard now. Whoever is that user may kill or trace the job anyway,
  and so gains nothing by speaking for it. By accident nobody does: to anyone but this run of the
  job the address has never been told.
- One that is not to be seen from here (pid 0) is in no PID namespace below ours, as any process of
  the job's would be.
"""

from __future__ import annotations

import os

from coordsidecar.trees import tree
from coordsidecar.trees.process import GONE, NotSeenError, Process

__all__ = ["Senders"]

# A parent that ends while we climb has given its child to the guard: then we begin anew.
_CLIMBS = 3
_HIGHEST = 1000


class Senders:
    """Of one guard."""

    def __init__(self, guard: int) -> None:
        """``guard``: its pid. It must live as long as this is used, so that it is no other's."""
        self._guard = guard
        self._known: dict[tuple[int, int], bool] = {}

    def forget(self) -> None:
        """Numbers pass on to others: what was found holds for an instant, in which many may come
        from one."""
        self._known.clear()

    def is_the_jobs(self, pid: int, uid: int) -> bool:
        """Whether who had this pid and real user id when it spoke may be heard. `NotSeenError`."""
        if (known := self._known.get((pid, uid))) is None:
            known = self._known[pid, uid] = pid > 0 and self._look(pid, uid)
        return known

    def _look(self, pid: int, uid: int) -> bool:
        try:
            found = _parent_and_users(pid)
        except (*GONE, PermissionError):
            found = None
        if found is not None and uid in found[1]:
            return pid == self._guard or self._is_below_guard(pid)
        return uid == os.getuid() or self._runs_as(uid)

    def _is_below_guard(self, pid: int) -> bool:
        for _ in range(_CLIMBS):
            at = pid
            try:
                for _ in range(_HIGHEST):
                    at, _ = _parent_and_users(at)
                    if at == self._guard:
                        return True
                    if at <= 1:
                        return False
            except GONE:
                continue
            except PermissionError:  # Not even its parent may be looked at.
                return False
        return False

    def _runs_as(self, uid: int) -> bool:
        for pid in tree.descendants(self._guard, leave_out=(os.getpid(),)):
            try:
                if uid in _parent_and_users(pid)[1]:
                    return True
            except (*GONE, PermissionError):
                continue
        return False


def _parent_and_users(pid: int) -> tuple[int, set[int]]:
    """Its parent's pid, and its user ids: real, effective, saved and of files.

    Raises `FileNotFoundError` or `ProcessLookupError` if it is gone, `PermissionError` if it is
    hidden, `NotSeenError`.
    """
    with Process(pid) as process:
        parent, users = -1, set[int]()
        for line in process.status():
            name, _, value = line.partition(b":")
            if name == b"PPid":
                parent = int(value)
            elif name == b"Uid":
                users = set(map(int, value.split()))
                break
    if parent < 0:
        raise NotSeenError(f"/proc/{pid}/status", OSError(5, "it names no parent"))
    return parent, users
