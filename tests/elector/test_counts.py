"""What is counted of the elector's steps and of the store's answers, and what is not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from coordsidecar.core.election.moves import (
    Answered,
    Campaign,
    Gone,
    Look,
    Refused,
    Renew,
    Renewed,
    Result,
    Silent,
    Tick,
    Watched,
)
from coordsidecar.core.election.phases import (
    Adopting,
    Claiming,
    Elector,
    Ended,
    Joining,
    Killing,
    Leading,
    Losing,
    Resigning,
    Waiting,
)
from coordsidecar.elector.counts import BOUNDS_S, REASONS, Counts
from coordsidecar.linux import boottime_s
from coordsidecar.signs import Signs
from tests.core.election.electors import BEHIND, CLEAN, SESSION, TIMING, elector

LEADING = Leading(CLEAN)
RESIGNING = Resigning(7, 0.0, leave=False, give_up_at_s=200.0)


def count(*phases: Any, at_s: float = 101.0) -> Counts:
    """What is counted of an elector that goes through these."""
    counts = Counts(Signs(), TIMING)
    step_through(counts, *phases, at_s=at_s)
    return counts


def step_through(counts: Counts, *phases: Any, at_s: float = 101.0) -> None:
    states = [elector(phase, last_step_s=at_s) for phase in phases]
    for was, state in itertools.pairwise(states):
        counts.stepped(Tick(), was, state)


def found(counts: Counts) -> dict[str, int]:
    return {why: n for why, n in counts.transitions.items() if n}


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ((Joining(), LEADING), {"elected": 1}),
        ((Joining(), Claiming(CLEAN, 110.0), LEADING), {"elected": 1}),
        ((LEADING, LEADING), {}),
        ((LEADING, Losing(7, 110.0), RESIGNING), {"lost": 1}),
        ((LEADING, Killing(7), RESIGNING), {"guard-failed": 1}),
        ((LEADING, RESIGNING), {"resigned": 1}),
        ((Adopting(7), LEADING), {}),
        ((Adopting(7), Losing(7, 110.0)), {"lost": 1}),
        ((Adopting(None), LEADING), {"elected": 1}),
        ((LEADING, Ended()), {}),
        ((Joining(), LEADING, RESIGNING, Joining(), LEADING), {"elected": 2, "resigned": 1}),
    ],
)
def test_each_change_of_the_lead_is_counted_once(
    phases: tuple[Any, ...], expected: dict[str, int]
) -> None:
    assert found(count(*phases)) == expected


def test_a_lead_that_ends_after_its_term_has_expired() -> None:
    """The guard stopped the job at D, 108, for want of renewals."""
    assert found(count(LEADING, RESIGNING, at_s=107.9)) == {"resigned": 1}
    assert found(count(LEADING, RESIGNING, at_s=108.0)) == {"expired": 1}


def test_what_one_elector_counted_the_next_goes_on_counting() -> None:
    signs = Signs()
    step_through(Counts(signs, TIMING), Joining(), LEADING)
    Counts(signs, TIMING).heard(Renew(SESSION), boottime_s(), Silent("x"))

    successor = Counts(signs, TIMING)
    step_through(successor, LEADING, RESIGNING)

    assert found(successor) == {"elected": 1, "resigned": 1}
    assert successor.renewal_failures == 1


def test_nothing_is_known_at_first() -> None:
    counts = Counts(Signs(), TIMING)

    assert counts.store_heard_s is None
    assert counts.takeover_s is None
    assert counts.renewals == ([0] * (len(BOUNDS_S) + 1), 0.0)
    assert counts.transitions == dict.fromkeys(REASONS, 0)


@pytest.mark.parametrize(
    ("result", "failures", "is_heard"),
    [
        (Renewed(15.0), 0, True),
        (Silent("cut off"), 1, False),
        (Refused("no right"), 1, True),
        (Gone("revoked"), 1, True),
    ],
)
def test_a_renewal_that_brings_no_yes_has_failed_and_a_no_is_an_answer(
    result: Result, failures: int, is_heard: bool
) -> None:
    counts = Counts(Signs(), TIMING)

    counts.heard(Renew(SESSION), boottime_s(), result)

    assert counts.renewal_failures == failures
    assert sum(counts.renewals[0]) == 1 - failures
    assert (counts.store_heard_s is not None) == is_heard


def test_other_calls_are_no_renewals_but_answers() -> None:
    counts = Counts(Signs(), TIMING)

    counts.heard(Look(SESSION), boottime_s(), BEHIND)
    counts.heard(Campaign(SESSION), boottime_s(), Silent("cut off"))

    assert (counts.renewal_failures, sum(counts.renewals[0])) == (0, 0)
    assert counts.store_heard_s is not None


def test_a_renewal_is_counted_by_how_long_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Counts(Signs(), TIMING)
    took_s = [0.0, *BOUNDS_S, 99.0]

    for each_s in took_s:
        monkeypatch.setattr("coordsidecar.elector.counts.boottime_s", lambda each_s=each_s: each_s)
        counts.heard(Renew(SESSION), 0.0, Renewed(15.0))

    assert counts.renewals == ([2, *[1] * len(BOUNDS_S)], sum(took_s))


def take_over(monkeypatch: pytest.MonkeyPatch, *steps: tuple[Any, Elector]) -> float | None:
    """How long the takeover took, if the guard was told at 150."""
    monkeypatch.setattr("coordsidecar.elector.counts.boottime_s", lambda: 150.0)
    counts = Counts(Signs(), TIMING)
    was = elector(Waiting(BEHIND))
    for event, state in steps:
        counts.stepped(event, was, state)
        was = state
    return counts.takeover_s


def waiting(at_s: float) -> Elector:
    return elector(Waiting(BEHIND), last_step_s=at_s)


def leading(at_s: float) -> Elector:
    return elector(LEADING, last_step_s=at_s)


TOLD_BEHIND = Answered(Campaign(SESSION), 0.0, BEHIND, 0.5)
TOLD_ELECTED = Answered(Campaign(SESSION), 0.0, CLEAN, 0.5)


def test_a_takeover_begins_with_the_first_word_that_nobody_else_leads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = (Watched(True), waiting(140.0)), (TOLD_ELECTED, leading(149.0))

    assert take_over(monkeypatch, *steps) == 10.0


def test_a_takeover_begins_anew_if_somebody_else_was_quicker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quicker = (Watched(True), waiting(110.0)), (TOLD_BEHIND, waiting(111.0))
    steps = *quicker, (Watched(False), waiting(120.0)), (TOLD_ELECTED, leading(149.0))

    assert take_over(monkeypatch, *steps) == 1.0


def test_what_a_leader_sees_of_its_own_key_begins_no_takeover(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the next would seem to have taken as long as this one led."""
    led = (TOLD_ELECTED, leading(101.0)), (Watched(True), leading(110.0))
    ended = (Tick(), elector(RESIGNING, last_step_s=120.0)), (Tick(), waiting(121.0))

    assert take_over(monkeypatch, *led, *ended, (TOLD_ELECTED, leading(149.0))) == 1.0
