"""Ending all processes of a run by the mark in their environment, and knowing when none is left.

A job that forks on and on, each parent ending at once, is a process of a millisecond or two: what
was listed is gone when we look at it, and its child was not listed yet. But one of them is in the
list, for it is made in the order of pids; only where these begin anew may a child be overlooked,
and that does not happen twice in a row. So if anybody goes, or is found at its end, before we have
looked at them, they may have left a child: we list again, and look at who is new. Only two lists of
which everybody has been judged prove that none is left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum, auto

from coordsidecar.trees.backoff import Backoff
from coordsidecar.trees.mark import RUN_VARIABLE
from coordsidecar.trees.process import DEAD_STATES, NotSeenError, Process, pids

__all__ = ["Hunt"]

_LISTS_A_PASS = 200
_SURE_LISTS = 2
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

    def __init__(self, run: str, *, wanted: Callable[[], bool] = lambda: True) -> None:
        """``wanted``: whether they are still to be killed. A look at a process may hang; that run
        may lead again when it goes on."""
        self._mark, self._wanted = run.encode(), wanted
        self._empty_passes = 0
        self._backoff = Backoff()
        self.over = False
        """Whether the last pass proved that none is left."""

    @property
    def pause_s(self) -> float:
        """How long to wait until the next pass."""
        return self._backoff.pause_s

    def kill_pass(self) -> list[int]:
        """SIGKILL each as soon as it is seen, the newest first; return whom we met.

        If /proc cannot be read, it is not over.
        """
        met: dict[int, None] = {}  # In order, and each once.
        try:
            sure = self._kill_into(met)
        except NotSeenError:
            self.over = False
        else:
            self._empty_passes = 0 if met else self._empty_passes + 1
            self.over = not met and (sure or self._empty_passes >= _EMPTY_PASSES)
        self._backoff.found(list(met))
        return list(met)

    def _kill_into(self, met: dict[int, None]) -> bool:
        """Kill, noting whom in ``met``; True if nobody can have been overlooked."""
        judged, dead = {os.getpid()}, set[int]()
        sure_lists = 0
        for _ in range(_LISTS_A_PASS):
            if not self._wanted():
                break
            sure = True
            for pid in sorted(set(pids()) - judged, reverse=True):
                what = self._look_at(pid)
                if what is _Is.MARKED:
                    met[pid] = None
                # It may have died since it was listed, and left a child that was not listed yet.
                if what is _Is.ANOTHER or (what is _Is.DEAD and pid in dead):
                    judged.add(pid)
                    continue
                if what is _Is.DEAD:
                    dead.add(pid)
                sure = False
            sure_lists = sure_lists + 1 if sure else 0
            if sure_lists >= _SURE_LISTS:
                return True
        return False

    def _look_at(self, pid: int) -> _Is:
        """Judge it, and kill it if it is marked; it is held meanwhile, so that no stranger who gets
        its number is hit."""
        try:
            with Process(pid) as process:
                environ = process.environ()
                what = self._judge(process, environ) if environ else self._look_closer(process)
                if what is _Is.MARKED and self._wanted():
                    process.kill()
                return what
        except PermissionError:
            return _Is.ANOTHER  # Another user's.
        except (FileNotFoundError, ProcessLookupError):
            return _Is.CHANGING

    def _judge(self, process: Process, environ: bytes) -> _Is:
        name = RUN_VARIABLE.encode() + b"="
        if name not in environ:
            return _Is.ANOTHER
        for variable in environ.split(b"\0"):
            if variable.startswith(name) and self._mark in variable[len(name) :].split(b":"):
                dead = process.stat()[0].decode() in DEAD_STATES and not process.living_thread()
                return _Is.DEAD if dead else _Is.MARKED
        return _Is.ANOTHER

    def _look_closer(self, process: Process) -> _Is:
        """A zombie, one of the kernel's own threads, who wiped it, or is in the midst of exec."""
        fields = process.stat()
        if fields[0].decode() in DEAD_STATES:
            thread = process.living_thread()  # Only the first thread may have ended.
            if thread is None:
                return _Is.DEAD
            if environ := process.environ(thread):
                return self._judge(process, environ)
            fields = process.stat(thread)
        begins, ends = int(fields[47]), int(fields[48])  # Its environment, in its memory.
        # If that has a length, it executed another program after we read that it is empty.
        is_another = int(fields[6]) & _KERNEL_THREAD or begins == ends != 0
        return _Is.ANOTHER if is_another else _Is.CHANGING
