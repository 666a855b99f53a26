"""What the elector does in many passes: it buries its guard's tree, or sweeps an earlier run's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from coordsidecar.core.election.moves import Event, KillTree, Spare, Sweep, Swept, TreeKilled
from coordsidecar.hints import TYPE_CHECKING, assert_never
from coordsidecar.linux import run_first
from coordsidecar.log import Log
from coordsidecar.trees.hunt import Hunt
from coordsidecar.trees.remains import Remains

if TYPE_CHECKING:
    from coordsidecar.trees.app import App

__all__ = ["Chores"]


class Chores:
    """One at a time, pass by pass, between the events of the loop."""

    def __init__(
        self, log: Log, *, guard_pid: int, guard_pidfd: int, run_mark: str, app: App | None
    ) -> None:
        self._log = log
        self._remains = Remains(
            guard_pid=guard_pid,
            guard_pidfd=guard_pidfd,
            run=run_mark,
            leave_out=(os.getpid(),),
            app=app,
        )
        self._hunt: Hunt | None = None
        self._chore: KillTree | Sweep | None = None
        self._slow_down: Callable[[], None] | None = None

    def job_is(self, pid: int, pidfd: int) -> None:
        """The main process of the tree that must die if the guard does."""
        self._remains.job_is(pid, pidfd)

    def group_is(self, pid: int) -> None:
        """The same, where no descriptor of it was to be had."""
        self._remains.group_is(pid)

    def take(self, order: KillTree | Sweep | Spare) -> None:
        match order:
            case KillTree():
                self._chore = order
                # What is left may fork as fast as it can, on the processors that we share with it.
                self._slow_down = self._slow_down or run_first()
            case Spare():
                self._burial_is_over()
            case Sweep(run) if not isinstance(self._chore, KillTree):
                self._chore, self._hunt = order, Hunt(run)
            case Sweep():
                pass  # Never in the way of burying our own guard.
            case _:
                assert_never(order)

    def _burial_is_over(self) -> None:
        self._chore = None
        if self._slow_down is not None:
            self._slow_down()
            self._slow_down = None

    @property
    def every_s(self) -> float | None:
        """How soon there is to be a pass, whatever happens; None if there is nothing to do."""
        if self._chore is None:
            return None
        hunt = self._hunt if isinstance(self._chore, Sweep) else None
        return (hunt or self._remains).pause_s

    def go_on(self) -> Iterator[Event]:
        """One pass, and what came of it."""
        match self._chore:
            case KillTree():
                if self._remains.kill_pass():
                    self._burial_is_over()
                    yield TreeKilled()
                elif self._remains.tree_is_gone:
                    yield TreeKilled(guard_lives=True)
            case Sweep():
                assert self._hunt is not None
                if killed := self._hunt.kill_pass():
                    self._log.event("sweeping", "killed what an earlier run left", pids=killed[:20])
                elif self._hunt.over:
                    self._chore = None
                    yield Swept()
            case None:
                pass
            case _:
                assert_never(self._chore)
