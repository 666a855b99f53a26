"""What the processes of one sidecar see of each other, and of the world."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import Op, Watch
from coordsidecar.core.guard.moves import Effect, Health, Plan
from coordsidecar.core.guard.phases import Guard
from coordsidecar.core.timing import Timing
from coordsidecar.store.protocol import Session
from tests.sim.tree import Tree
from tests.sim.world import Host, Process

if TYPE_CHECKING:
    from tests.sim.elector_process import ElectorProcess
    from tests.sim.fuse import Fuse

__all__ = ["Sidecar", "Signs", "Surroundings"]


class Signs:
    """The memory that guard and elector share: when the one stepped, and by when both will.

    ``elector_halted``: its parent has a SIGCHLD to read, which says that it was stopped.
    """

    guard_stepped_s = guard_due_s = elector_due_s = -math.inf
    elector_halted = False


class Surroundings(Protocol):
    """The sidecar this elector belongs to, and the world beyond it."""

    signs: Signs
    run: str
    name: str
    host: Host

    @property
    def timing(self) -> Timing: ...

    @property
    def guard(self) -> Process: ...

    def tell_guard(self, elector: ElectorProcess, message: msg.FromElector) -> None: ...

    def call(self, elector: ElectorProcess, op: Op) -> None: ...

    def watch(self, elector: ElectorProcess, watch: Watch) -> None: ...

    def renewed(self, handle: str, sent_at_s: float, ttl_s: float) -> None: ...

    def living_trees(self) -> list[Tree]: ...

    def kill_guard(self) -> None:
        """Send it SIGKILL; PID 1 does not mind."""

    def trees_of_run(self, run: str) -> list[Tree]:
        """What lives of an earlier run on this host."""

    def elector_ended(self, elector: ElectorProcess) -> None: ...

    def changed(self, elector: ElectorProcess, was: object) -> None:
        """Its phase is another one now: for the statistics, and the referee."""


class Sidecar(Protocol):
    """What the guard's hands reach out to."""

    plan: Plan
    signs: Signs
    elector: ElectorProcess | None
    fuse: Fuse

    def start_tree(self, token: int | None, hook: str = "") -> Tree | None: ...

    def start_elector(
        self,
        adopt: Session | None,
        token: int | None,
        run_until_s: float,
        floor: int,
        floor_ttl_s: float,
    ) -> bool:
        """Fork it; False: there is no process to be had."""

    def living_trees(self) -> list[Tree]: ...

    def guard_ended(self) -> None: ...

    def descriptors_closed(self) -> None:
        """A kernel lock lasts for as long as somebody has a descriptor of it."""

    def revived(self, lease: msg.Leased) -> None:
        """For the referee: the job runs on, though its lease had lapsed."""

    def judged(self, verdict: Health, before: Guard, now_s: float) -> None:
        """For the referee: the guard, as it was before, has heard of a job's health."""

    def decided(self, effects: list[Effect]) -> None:
        """For the referee."""
