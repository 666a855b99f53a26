"""Play seeds with sound cores or with broken ones: one, or a range of them on all cores."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from tests.sim.breaking import Mutant, both, patched
from tests.sim.found import BUGS
from tests.sim.mutants import MUTANTS, OF_THE_FUSE
from tests.sim.mutants_of_sight import OF_SIGHT
from tests.sim.mutants_of_succession import OF_SUCCESSION
from tests.sim.node import Node
from tests.sim.scenario import Report, run
from tests.sim.schedule import Schedule

__all__ = ["BROKEN", "play", "play_range"]


def _without_fuses(mutant: Mutant) -> Mutant:
    """Each rule has to show by itself: the fuse would cover for some of them."""

    def broken() -> AbstractContextManager[None]:
        return both(patched(Node, "has_fuses", lambda _: False), mutant())

    return broken


BROKEN = OF_THE_FUSE | {
    name: _without_fuses(mutant)
    for name, mutant in (MUTANTS | OF_SIGHT | OF_SUCCESSION | BUGS).items()
}

_AT_ONCE = 25
"""Seeds that a process takes at a time: few enough that none is left with much at the end."""


def play(
    seed: int, broken: str | None, *, schedule: Schedule | None = None, trace: bool = False
) -> Report:
    """``broken``: what to break first, if anything."""
    with BROKEN[broken]() if broken else nullcontext():
        return run(seed, schedule=schedule, trace=trace)


def play_range(
    seeds: range, broken: str | None = None, *, processes: int | None = None
) -> Iterator[Report]:
    """As they come, in no order; in ``processes`` of them, or as many as there are cores."""
    tasks = ((seed, broken) for seed in seeds)
    with multiprocessing.get_context("spawn").Pool(processes, _make_ready) as pool:
        yield from pool.imap_unordered(_play, tasks, _AT_ONCE)


def _play(task: tuple[int, str | None]) -> Report:
    return play(*task)


def _make_ready() -> None:
    """What was imported stays, and a world is soon gone as a whole: look for garbage seldom."""
    gc.freeze()
    gc.set_threshold(100_000)
