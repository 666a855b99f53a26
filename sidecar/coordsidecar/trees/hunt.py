"""Ending all processes of a run by the mark in their environment, and knowing when none is left.

A job that forks on and on, each parent ending at once, is a process of a millisecond or two: what
was listed is gone when we look at it, and its child was not listed yet. But one of them always is
in the list, for it is made in the order of pids. So if anybody goes, or is found at its end, before
we have looked at them, they may have left a child: we list again, and look at who is new. Only a
list of which everybody has been judged proves that none is left.
"""

from __future__ import annotations

import os
import signal
from enum import Enum, auto

from coordsidecar.trees.mark import RUN_VARIABLE
from coordsidecar.trees.tree import DEAD_STATES, living_thread, signal_all, stat_fields, state_of

__all__ = ["Hunt"]

_LISTS_A_PASS = 200
# On a host where something ends whenever we look, no pass may ever be sure; but one of ours cannot
# have been overlooked in a thousand lists.
_EMPTY_PASSES = 5
_KERNEL_THREAD = 0x00200000


class _Is(Enum):
    MARKED = auto()
    ANOTHER = auto()
    DEAD = auto()
    CHANGING = auto()


class Hunt:
    """The hunt for all processes, but ours, that carry the mark of one run."""

    def __init__(self, run: str) -> None:
        self._mark = run.encode()
        self._empty_passes = 0
        self.over = False
        """Whether the last pass proved that none is left."""

    def kill_pass(self) -> list[int]:
        """SIGKILL each as soon as it is seen, the newest first; return whom we met."""
        met: dict[int, None] = {}  # In order, and each once.
        judged, dead = {os.getpid()}, set[int]()
        for _ in range(_LISTS_A_PASS):
            sure = True
            listed = {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
            for pid in sorted(listed - judged, reverse=True):
                what = self._look_at(pid)
                if what is _Is.MARKED:
                    met[pid] = None
                    signal_all([pid], signal.SIGKILL)
                # It may have died since it was listed, and left a child that was not listed yet.
                if what is _Is.ANOTHER or (what is _Is.DEAD and pid in dead):
                    judged.add(pid)
                    continue
                if what is _Is.DEAD:
                    dead.add(pid)
                sure = False
            if sure:
                break
        self._empty_passes = 0 if met else self._empty_passes + 1
        self.over = not met and (sure or self._empty_passes >= _EMPTY_PASSES)
        return list(met)

    def _look_at(self, pid: int) -> _Is:
        try:
            environ = _environ(f"/proc/{pid}")
            return self._judge(pid, environ) if environ else self._look_closer(pid)
        except PermissionError:
            return _Is.ANOTHER  # Another user's.
        except (FileNotFoundError, ProcessLookupError):
            return _Is.CHANGING

    def _judge(self, pid: int, environ: bytes) -> _Is:
        name = RUN_VARIABLE.encode() + b"="
        for variable in environ.split(b"\0"):
            if variable.startswith(name) and self._mark in variable[len(name) :].split(b":"):
                return _Is.DEAD if state_of(pid) in DEAD_STATES else _Is.MARKED
        return _Is.ANOTHER

    def _look_closer(self, pid: int) -> _Is:
        """A zombie, one of the kernel's own threads, who wiped it, or is in the midst of exec."""
        fields = stat_fields(f"/proc/{pid}")
        if fields[0].decode() in DEAD_STATES:
            thread = living_thread(pid)  # Only the first thread may have ended.
            return _Is.DEAD if thread is None else self._judge(pid, _environ(thread))
        is_another = int(fields[6]) & _KERNEL_THREAD or int(fields[48]) != 0  # Environment's end.
        return _Is.ANOTHER if is_another else _Is.CHANGING


def _environ(folder: str) -> bytes:
    try:
        with open(f"{folder}/environ", "rb", buffering=0) as file:
            return file.read()
    except ProcessLookupError:
        return b""  # A zombie.
