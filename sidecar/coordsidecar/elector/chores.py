"""What the elector does in many passes: it buries its guard's tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from coordsidecar.core.election.moves import Event, KillTree, Spare, TreeKilled
from coordsidecar.hints import TYPE_CHECKING, assert_never
from coordsidecar.linux import run_first
from coordsidecar.trees.remains import Remains

if TYPE_CHECKING:
    from coordsidecar.trees.app import App

__all__ = ["Chores"]


class Chores:
    """Pass by pass, between the events of the loop."""

    def __init__(self, *, guard_pid: int, guard_pidfd: int, run_mark: str, app: App | None) -> None:
        self._remains = Remains(
            guard_pid=guard_pid,
            guard_pidfd=guard_pidfd,
            run=run_mark,
            leave_out=(os.getpid(),),
            app=app,
        )
        self._buries = False
        self._slow_down: Callable[[], None] | None = None

    def job_is(self, pid: int, pidfd: int | None) -> None:
        """The main process of the tree that must die if the guard does; ``None``: no descriptor of
        it was to be had."""
        if pidfd is None:
            self._remains.group_is(pid)
        else:
            self._remains.job_is(pid, pidfd)

    def take(self, order: KillTree | Spare) -> None:
        match order:
            case KillTree():
                self._buries = True
                # What is left may fork as fast as it can, on the processors that we share with it.
                self._slow_down = self._slow_down or run_first()
            case Spare():
                self._burial_is_over()
            case _:
                assert_never(order)

    def _burial_is_over(self) -> None:
        self._buries = False
        if self._slow_down is not None:
            self._slow_down()
            self._slow_down = None

    @property
    def every_s(self) -> float | None:
        """How soon there is to be a pass, whatever happens; None if there is nothing to do."""
        return self._remains.pause_s if self._buries else None

    def go_on(self) -> Iterator[Event]:
        """One pass, and what came of it."""
        if not self._buries:
            return
        if self._remains.kill_pass():
            self._burial_is_over()
            yield TreeKilled()
        elif self._remains.tree_is_gone:
            yield TreeKilled(guard_lives=True)
