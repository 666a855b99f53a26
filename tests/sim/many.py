"""Play a seed with sound cores or with broken ones; importable by the processes of a pool."""

from __future__ import annotations

from contextlib import nullcontext

from tests.sim.found import BUGS
from tests.sim.mutants import MUTANTS
from tests.sim.scenario import Report, run

__all__ = ["BROKEN", "play"]

BROKEN = MUTANTS | BUGS


def play(task: tuple[int, str | None], *, trace: bool = False) -> Report:
    """``task``: the seed, and what to break first, if anything."""
    seed, broken = task
    with BROKEN[broken]() if broken else nullcontext():
        return run(seed, trace=trace)
