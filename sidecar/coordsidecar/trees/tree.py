"""The job's process tree: everything that descends from the guard, but for the elector.

The guard is a child subreaper, so that what daemonises, double-forks or calls setsid stays below
it. Whoever forks faster than we look is still caught: each pass kills or stops what it finds, and
the passes go on until one finds nothing (measured: 2 to 16 ms for a job that forks without end).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from contextlib import suppress

__all__ = [
    "DEAD_STATES",
    "descendants",
    "freeze_pass",
    "group_of",
    "kill_pass",
    "living_thread",
    "signal_all",
    "stat_fields",
    "state_of",
]

DEAD_STATES = ("Z", "X")


def descendants(root: int, *, leave_out: Collection[int | None]) -> list[int]:
    """The pids of all processes below ``root``, but for ``leave_out`` and what is below those."""
    found: list[int] = []
    queue = [root]
    while queue:
        for child in _children(queue.pop()):
            if child not in leave_out:
                found.append(child)
                queue.append(child)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []  # It ended; the second, if it did so between the open and the read.
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += map(int, file.read().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # The thread ended while we looked.
    return children


def state_of(pid: int) -> str:
    """The state letter from /proc (R, S, D, T, Z, …); ``X`` if there is no such process.

    Of a process whose first thread has ended, that of a thread which has not.
    """
    return _stat(pid)[0]


def group_of(pid: int) -> int | None:
    """The process group of a living process."""
    state, fields = _stat(pid)
    return None if state in DEAD_STATES else int(fields[2])


def living_thread(pid: int) -> str | None:
    """The folder in /proc of a thread that lives on in a process whose first thread has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            folder = f"/proc/{pid}/task/{thread}"
            if stat_fields(folder)[0].decode() not in DEAD_STATES:
                return folder
    return None


def _stat(pid: int) -> tuple[str, list[bytes]]:
    """The state, and all of `stat_fields`."""
    try:
        fields = stat_fields(f"/proc/{pid}")
        if fields[0] == b"Z" and (thread := living_thread(pid)) is not None:
            fields = stat_fields(thread)
    except (FileNotFoundError, ProcessLookupError):
        return "X", []
    return fields[0].decode(), fields


def stat_fields(folder: str) -> list[bytes]:
    """The fields of ``stat`` in a process's folder in /proc, from the third on, the state.

    Raises `FileNotFoundError` or `ProcessLookupError` if it is gone.
    """
    with open(f"{folder}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def signal_all(pids: list[int], *signals: int) -> None:
    """Send each of ``signals`` to each process that is still there."""
    for signum in signals:
        for pid in pids:
            try:
                os.kill(pid, signum)
            except ProcessLookupError:
                pass  # It ended by itself, which is what was wanted.
            except PermissionError:
                pass  # A setuid program; it stays in the tree, and so is reported.


def kill_pass(root: int, *, leave_out: Collection[int | None]) -> int:
    """SIGKILL all there is; return how many there were. Zero is the proof that none is left."""
    pids = descendants(root, leave_out=leave_out)
    signal_all(pids, signal.SIGKILL)
    return len(pids)


def freeze_pass(root: int, *, leave_out: Collection[int | None]) -> bool:
    """SIGSTOP whatever still runs; True if, on this pass, everything was found stopped already."""
    seen = descendants(root, leave_out=leave_out)
    running = [pid for pid in seen if state_of(pid) not in ("T", "t", *DEAD_STATES)]
    signal_all(running, signal.SIGSTOP)
    # Who ended while we looked may have left a child that we have not seen: look again.
    return not running and descendants(root, leave_out=leave_out) == seen
