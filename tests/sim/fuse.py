"""A model, in simulated time, of the fuse of a sidecar's job: `coordsidecar.children.job_fuse`.

It must draw nothing, so that a story in which it has nothing to do is the same with and without it.
Nothing ever happens to it here: it is not stopped, starved or killed.
"""

from __future__ import annotations

import math
from typing import Protocol

from tests.sim.elector_process import Surroundings

__all__ = ["Fuse"]

_LATE_S = 0.25
_ELECTOR_AT_MOST_S = 5.0
_LOOK_EVERY_S = 0.01
_PRESENT_S = 1e-6


class _Sidecar(Surroundings, Protocol):
    """What it watches over."""

    @property
    def has_elector(self) -> bool: ...


class Fuse:
    """Lit with each job, removed when its tree is confirmed dead; not at all unless it is
    ``there``."""

    def __init__(self, sidecar: _Sidecar, *, there: bool) -> None:
        self._sidecar, self._host, self._world = sidecar, sidecar.host, sidecar.host.world
        self._there, self._reserve_s = there, sidecar.timing.kill_reserve_s
        self._burns_at_s = math.inf
        self._lit = self._armed = False

    def lasts_until(self, run_until_s: float | None) -> None:
        """The guard moves the deadline; ``None``: nothing runs that has one."""
        self._burns_at_s = math.inf if run_until_s is None else run_until_s - self._reserve_s
        self._arm()

    def start(self) -> None:
        self._lit = self._there
        self._arm()

    def remove(self) -> None:
        self._lit = False

    def guard_died(self) -> None:
        """The elector sweeps up, if it lives and is not stopped."""
        if self._lit:
            self._wait_for_elector(self._world.now_s + _ELECTOR_AT_MOST_S)

    def _wait_for_elector(self, until_s: float) -> None:
        if self._lit and self._sidecar.has_elector and self._world.now_s < until_s:
            self._world.after(_LOOK_EVERY_S, lambda: self._wait_for_elector(until_s))
        elif self._lit:
            self._burn()

    def _arm(self) -> None:
        if self._lit and not self._armed and self._burns_at_s < math.inf:
            self._armed = True
            due_s = max(self._host.true_s(self._burns_at_s), self._world.now_s)
            self._world.at(due_s + _PRESENT_S, self._look)

    def _look(self, waited_for_s: float | None = None) -> None:
        """``waited_for_s``: the deadline that had passed when the guard was given time."""
        if self._host.suspended:
            self._world.after(_LOOK_EVERY_S, lambda: self._look(waited_for_s))
            return
        self._armed = False
        deadline_s = self._burns_at_s
        late_s = self._host.clock_s() - deadline_s
        if not self._lit or late_s < 0:
            self._arm()
        elif late_s <= _LATE_S or deadline_s == waited_for_s:
            self._burn()
        else:
            # The whole host slept, and the guard may have woken up with us.
            self._armed = True
            grace_s = max(self._reserve_s, _LATE_S)
            self._world.after(grace_s, lambda: self._look(deadline_s))

    def _burn(self) -> None:
        self._lit = False
        if not self._sidecar.living_trees():
            return
        self._world.say(self._sidecar.name, "the fuse burns")
        self._world.counts["a fuse burns"] += 1
        self._kill_pass()

    def _kill_pass(self) -> None:
        if not self._host.suspended:
            living = self._sidecar.living_trees()
            for tree in living:
                tree.kill()
            if not living:
                self._sidecar.kill_guard()
                return
        self._world.after(_LOOK_EVERY_S, self._kill_pass)
