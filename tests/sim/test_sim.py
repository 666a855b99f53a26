"""Both cores through thousands of bad days, and proof that the simulator would notice."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from tests.sim.found import SEEDS
from tests.sim.many import play
from tests.sim.mutants import MUTANTS
from tests.sim.scenario import run

# Other amounts for a quick look, or for a weekend: COORDSIDECAR_SIM_SEEDS=1000000.
_SEEDS = int(os.environ.get("COORDSIDECAR_SIM_SEEDS", "3000"))
_SEEDS_AT_ONCE = 50
_SEEDS_FOR_A_MUTANT = 1500


def _failures(seeds: range) -> list[str]:
    reports = (run(seed) for seed in seeds)
    return [
        f"python -m tests.sim --seed {report.seed} --trace  # {report.failure}"
        for report in reports
        if report.failure
    ]


@pytest.mark.timeout(0)  # As many as were asked for; each ends.
def test_every_property_holds_whatever_happens() -> None:
    starts = range(0, _SEEDS, _SEEDS_AT_ONCE)
    portions = [range(start, min(start + _SEEDS_AT_ONCE, _SEEDS)) for start in starts]

    with multiprocessing.get_context("spawn").Pool() as pool:
        failures = [line for lines in pool.imap_unordered(_failures, portions) for line in lines]

    assert not failures, "\n".join(failures[:20])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_core_without_one_of_its_rules_is_caught(name: str) -> None:
    with MUTANTS[name]():
        caught = next((seed for seed in range(_SEEDS_FOR_A_MUTANT) if run(seed).failure), None)

    assert caught is not None, f"{name} survived {_SEEDS_FOR_A_MUTANT} seeds"


@pytest.mark.parametrize("name", SEEDS)
def test_a_bug_that_was_found_shows_again_when_it_is_put_back(name: str) -> None:
    sound = play((SEEDS[name], None))

    broken = play((SEEDS[name], name))

    assert not sound.failure
    assert broken.failure, f"python -m tests.sim --mutant {name} --seeds 0:9999 finds another seed"


def test_a_seed_tells_the_same_story_each_time() -> None:
    first = run(7, trace=True)

    again = run(7, trace=True)

    assert again.lines == first.lines
    assert first.lines


def test_the_stories_are_eventful() -> None:
    """A simulator in which nobody leads would never complain."""
    reports = [run(seed) for seed in range(100)]

    assert sum(report.leaderships for report in reports) > len(reports)
    for fault in ("kill guard", "kill elector", "suspend host", "cut", "revoke", "signal guard"):
        assert sum(report.counts[f"fault: {fault}"] for report in reports), fault
