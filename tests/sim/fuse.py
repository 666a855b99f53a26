"""A model, in simulated time, of the fuse of a sidecar's job: `coordsidecar.children.job_fuse`.

It must draw nothing, so that a story in which it has nothing to do is the same with and without it.
Half of them are starved; none is stopped or killed here.
"""

from __future__ import annotations

import math
from typing import Protocol

from tests.sim.around import Surroundings

__all__ = ["Fuse"]

_GUARD_IS_SPARED_S = 1.0
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

    def __init__(self, sidecar: _Sidecar, *, there: bool, starved: bool) -> None:
        """``starved``: it waits for a processor, for as long as there is time for that."""
        self._sidecar, self._host, self._world = sidecar, sidecar.host, sidecar.host.world
        self._there, self._reserve_s = there, sidecar.timing.kill_reserve_s / 2
        self._burns_at_s = math.inf
        self._late_s = self._reserve_s if starved else 0.0
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
        has_time = self._world.now_s < until_s and self._host.clock_s() < self._burns_at_s
        if self._lit and self._sidecar.has_elector and has_time:
            self._world.after(_LOOK_EVERY_S, lambda: self._wait_for_elector(until_s))
        elif self._lit:
            self._say()
            self._kill_pass()

    def _arm(self) -> None:
        if self._lit and not self._armed and self._burns_at_s < math.inf:
            self._armed = True
            due_s = max(self._host.true_s(self._burns_at_s), self._world.now_s)
            self._world.at(due_s + _PRESENT_S, self._look)

    def _look(self, *, has_waited: bool = False) -> None:
        """``has_waited``: for a processor."""
        if self._host.suspended:
            self._world.after(_LOOK_EVERY_S, lambda: self._look(has_waited=has_waited))
        elif not self._lit or self._host.clock_s() < self._burns_at_s:
            self._armed = False
            self._arm()
        elif not has_waited:
            self._world.after(self._late_s, lambda: self._look(has_waited=True))
        else:
            self._say()
            self._spare_guard(self._burns_at_s, self._world.now_s + _GUARD_IS_SPARED_S)

    def _say(self) -> None:
        if self._sidecar.living_trees():
            self._world.say(self._sidecar.name, "the fuse burns")
            self._world.counts["a fuse burns"] += 1

    def _spare_guard(self, deadline_s: float, until_s: float) -> None:
        """The job ends at once; its guard may only have been slow, or have slept with the host."""
        if not self._lit or self._burns_at_s != deadline_s:
            self._armed = False
            self._arm()
        elif self._world.now_s >= until_s:
            self._kill_pass()
        else:
            if not self._host.suspended:
                self._kill_trees()
            self._world.after(_LOOK_EVERY_S, lambda: self._spare_guard(deadline_s, until_s))

    def _kill_trees(self) -> bool:
        """Whether there were any."""
        living = self._sidecar.living_trees()
        for tree in living:
            tree.kill()
        return bool(living)

    def _kill_pass(self) -> None:
        self._lit = self._armed = False
        if not self._host.suspended and not self._kill_trees():
            self._sidecar.kill_guard()
        else:
            self._world.after(_LOOK_EVERY_S, self._kill_pass)
