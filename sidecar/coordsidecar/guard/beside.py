"""The helpers that serve beside the job, as one: who they are, and that nothing is left of them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.linux import boottime_s, uninterrupted
from coordsidecar.trees.process import NotSeenError

if TYPE_CHECKING:
    from coordsidecar.guard.health import HealthWatch
    from coordsidecar.guard.hooks import Hooks

__all__ = ["Beside"]

_TIDY_WITHIN_S = 1.0
# Who shows no environment for so long has wiped it; an exec takes no time, but on a busy host.
_LOOKS_FOR_S = 5.0
_AGAIN_S = 0.005


class Beside:
    """Either may be there, or none."""

    def __init__(self, hooks: Hooks | None, health: HealthWatch | None) -> None:
        self.hooks, self.health = hooks, health
        self.has_strays = False
        """Whether something may be left of one that died: `kill_strays` is to be called again."""
        self._look_until_s = 0.0

    @property
    def pids(self) -> tuple[int | None, ...]:
        """Our children that are not part of the job's tree."""
        helpers = [helper for helper in (self.hooks, self.health) if helper is not None]
        return tuple(pid for helper in helpers for pid in helper.pids)

    def was_reaped(self, pid: int, ours: tuple[int | None, ...]) -> None:
        """If it was one of them, what it left goes at once. ``ours``: as for `kill_strays`."""
        for helper in (self.hooks, self.health):
            if helper is not None and pid in helper.pids:
                helper.was_reaped(pid)
                self.has_strays, self._look_until_s = True, boottime_s() + _LOOKS_FOR_S
        self.kill_strays(ours)

    def was_stopped(self, pid: int) -> None:
        """By a hook, say. Nobody has a use for that; a prober that is silent is replaced."""
        if self.hooks is not None and self.hooks.pid == pid:
            uninterrupted(os.kill, pid, signal.SIGCONT)

    def kill_strays(self, ours: tuple[int | None, ...]) -> None:
        """``ours``: our children that are to live, and what is below them."""
        if not self.has_strays:
            return
        from coordsidecar.trees.strays import kill_strays  # Late: as a rule nothing is left.

        none_left = False
        with suppress(NotSeenError):  # Then the next turn may see.
            none_left = kill_strays(os.getpid(), leave_out=ours)
        self.has_strays = not none_left and boottime_s() < self._look_until_s

    def tidy(self) -> None:
        """We end: hooks get a last moment, and then nothing is left of any of them."""
        for helper in (self.hooks, self.health):
            if helper is not None:
                helper.tidy()
                self.has_strays, self._look_until_s = True, boottime_s() + _TIDY_WITHIN_S
        while self.has_strays:
            self.kill_strays(())
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if self.has_strays:
                time.sleep(_AGAIN_S)
