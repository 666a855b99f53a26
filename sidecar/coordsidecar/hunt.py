"""Ending all processes of a run by the mark in their environment, and knowing when none is left.

A job that forks on and on, each parent ending at once, is a process of a millisecond or two: what
was listed is gone when we look at it, and its child was not listed yet. But one of them always is
in the list, for it is made in the order of pids. So if anybody goes, or changes, before we have
looked at them, we list again, and look at who is new; only a list of which everybody has been
judged proves that none is left.
"""

from __future__ import annotations

import os
import signal

from coordsidecar.job_env import RUN_VARIABLE
from coordsidecar.tree import DEAD_STATES, state_of

__all__ = ["Hunt"]

_LISTS_A_PASS = 200
# On a host where something ends whenever we look, no pass may ever be sure.
_EMPTY_PASSES = 20
_KERNEL_THREAD = 0x00200000


class Hunt:
    """The hunt for all processes, but ours, that carry the mark of one run."""

    def __init__(self, run: str) -> None:
        self._mark = run.encode()
        self._empty_passes = 0
        self.over = False
        """Whether the last pass proved that none is left."""

    def kill_pass(self) -> list[int]:
        """SIGKILL each as soon as it is seen, the newest first; return whom we met."""
        met: list[int] = []
        judged = {os.getpid()}
        for _ in range(_LISTS_A_PASS):
            sure = True
            listed = {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
            for pid in sorted(listed - judged, reverse=True):
                marked = self._is_marked(pid)
                if marked:
                    met.append(pid)
                    _kill(pid)
                if marked is False:
                    judged.add(pid)
                else:
                    sure = False
            if sure:
                break
        self._empty_passes = 0 if met else self._empty_passes + 1
        self.over = not met and (sure or self._empty_passes >= _EMPTY_PASSES)
        return met

    def _is_marked(self, pid: int) -> bool | None:
        """Whether a living process has the mark; None if it ended, or changed, as we looked."""
        try:
            with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
                environ = file.read()
        except PermissionError:
            return False  # Another user's.
        except (FileNotFoundError, ProcessLookupError):
            environ = b""
        if not environ:
            return _is_without_environment(pid)
        name = RUN_VARIABLE.encode() + b"="
        for variable in environ.split(b"\0"):
            if variable.startswith(name) and self._mark in variable[len(name) :].split(b":"):
                return state_of(pid) not in DEAD_STATES
        return False


def _is_without_environment(pid: int) -> bool | None:
    """False for a zombie, the kernel's own threads, and who wiped it; None in the midst of exec."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # From the third on: the state.
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0].decode() in DEAD_STATES or int(fields[6]) & _KERNEL_THREAD:
        return False
    return None if int(fields[48]) == 0 else False  # Where the environment ends.


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # It ended by itself; it may have left a child.
    except PermissionError:
        pass  # A setuid program; it stays, and so is met again.
