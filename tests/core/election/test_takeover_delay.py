"""The elector's core: for how long the job waits after a leader that did not resign (S9)."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Answered,
    Call,
    Campaign,
    Look,
    Report,
    TakeOffice,
    Tick,
)
from coordsidecar.core.election.phases import Claiming, Joining, Rival, Waiting
from coordsidecar.store.protocol import Absent, Held, Limits, Session, Vacant
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    SESSION,
    UNCLEAN,
    answer,
    elector,
    take,
)

# ── the takeover delay (S9) ────────────────────────────────────────────────────────────────────


def test_people_are_told_once_for_how_long_the_job_waits() -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), vacant_since_s=90.0)

    state, first = core.step(state, Answered(Campaign(SESSION), 99.0, UNCLEAN, 0.5), 99.0, AIMS)
    again = replace(state, call=Look(SESSION))
    _, second = core.step(again, Answered(Look(SESSION), 99.0, UNCLEAN, 0.5), 99.5, AIMS)

    unseen = "the last leader did not resign, and nothing tells when it last renewed"
    why = f"elected; {unseen}, so the job waits 6.0s"
    assert first == [Report("elected", why, 7)]
    assert second == []


def test_people_are_told_if_the_record_cannot_be_read() -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), vacant_since_s=90.0)
    unreadable = replace(UNCLEAN, last_led=-1)

    _, effects = core.step(state, Answered(Campaign(SESSION), 99.0, unreadable, 0.5), 99.0, AIMS)

    why = "elected; nothing tells who led before, so the job waits 15.0s"
    assert effects == [Report("elected", why, 7)]


def test_a_claim_is_looked_at_now_and_then_for_the_leader_before_may_still_confirm() -> None:
    state, effects = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), UNCLEAN, 100.0)
    state, early = take(state, Tick(), 100.4)
    _, due = take(state, Tick(), 100.5)

    assert effects == early == []
    assert due == [Call(Look(SESSION))]


def test_a_claim_that_may_start_is_not_looked_at_but_made_good() -> None:
    state = elector(Joining(), call=Campaign(SESSION), look_at_s=90.0)

    state, effects = answer(state, CLEAN, 100.0)

    assert effects == [Call(TakeOffice(SESSION, 7))]
    assert state.look_at_s == math.inf


def test_the_delay_counts_from_when_the_leader_was_first_found_gone() -> None:
    state = elector(Waiting(Vacant(1.0, cursor=1)), call=Campaign(SESSION))
    state, _ = answer(state, Vacant(1.0, cursor=1), 100.0)
    state, _ = answer(replace(state, call=Campaign(SESSION)), Vacant(1.0, cursor=1), 104.0)

    state, _ = answer(replace(state, call=Campaign(SESSION)), UNCLEAN, 110.0)

    assert state.phase == Claiming(UNCLEAN, start_at_s=115.0)


def test_the_delay_counts_anew_if_another_led_while_we_were_cut_off() -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), vacant_since_s=90.0, vacant_led=5)

    state, _ = answer(state, replace(UNCLEAN, last_led=6), 100.0)

    assert state.phase == Claiming(replace(UNCLEAN, last_led=6), start_at_s=115.0)


@pytest.mark.parametrize("between", [BEHIND, Absent()])
def test_the_delay_counts_anew_after_we_were_not_the_first(between: object) -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), vacant_since_s=90.0)

    state, _ = answer(state, between, 100.0)
    state, _ = answer(replace(state, call=Campaign(SESSION)), UNCLEAN, 101.0)

    assert state.phase == Claiming(UNCLEAN, start_at_s=116.0)


def test_a_claim_that_was_lost_and_won_again_counts_anew() -> None:
    state = elector(Claiming(UNCLEAN, 105.0), call=Look(SESSION), vacant_since_s=90.0)

    state, _ = answer(state, replace(UNCLEAN, token=8), 101.0)

    assert state.phase == Claiming(replace(UNCLEAN, token=8), start_at_s=116.0)


def test_a_claim_that_is_confirmed_keeps_its_delay_and_its_sweep() -> None:
    swept = Claiming(UNCLEAN, 105.0, swept=True)
    state = elector(swept, call=Look(SESSION), vacant_since_s=90.0)

    state, _ = answer(state, UNCLEAN, 101.0)

    assert state.phase == swept


@pytest.mark.parametrize(
    ("granted_s", "delay_s"), [(15.0, 15.0), (10.0, 15.0), (30.0, 30.0), (math.inf, 15.0)]
)
def test_a_store_that_grants_more_grants_it_to_every_leader(
    granted_s: float, delay_s: float
) -> None:
    session = Session("s1", granted_s)
    state = elector(Waiting(BEHIND), session=session, call=Campaign(session))

    state, _ = answer(state, UNCLEAN, 100.0)

    assert state.phase == Claiming(UNCLEAN, start_at_s=100.0 + delay_s)


@pytest.mark.parametrize(
    ("held", "changes"),
    [
        (replace(UNCLEAN, last_limits=Limits(60.0)), {}),
        (UNCLEAN, {"rival": Rival(3, "", Limits(60.0))}),
        (replace(UNCLEAN, last_limits=Limits(20.0)), {"rival": Rival(3, "", Limits(60.0))}),
    ],
    ids=["the last", "one before", "both"],
)
def test_the_delay_covers_the_ttl_of_a_leader_that_was_given_a_longer_one(
    held: Held, changes: dict[str, object]
) -> None:
    """It may be cut off, and run for as long."""
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), **changes)

    state, _ = answer(state, held, 100.0)

    assert state.phase == Claiming(held, start_at_s=160.0)
    waiting = replace(state, renewed_at_s=159.0, renew_at_s=1e9, look_at_s=1e9)
    late, _ = take(waiting, Tick(), 159.9)
    assert isinstance(late.phase, Claiming)  # Nor has it been elected in vain.


def test_a_shorter_ttl_of_the_last_leader_shortens_nothing() -> None:
    held = replace(UNCLEAN, last_limits=Limits(3.0))
    state, _ = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), held, 100.0)

    assert state.phase == Claiming(held, start_at_s=115.0)


@pytest.mark.parametrize(
    ("start_at_s", "retry_at_s"), [(105.0, 100.0), (100.0, 105.0)], ids=["delay", "back-off"]
)
def test_office_is_taken_neither_before_the_delay_nor_before_the_next_try(
    start_at_s: float, retry_at_s: float
) -> None:
    state = elector(Claiming(CLEAN, start_at_s, swept=True), retry_at_s=retry_at_s)

    state, early = take(state, Tick(), 104.9)
    _, due = take(state, Tick(), 105.0)

    assert early == []
    assert due == [Call(TakeOffice(SESSION, 7))]


# ── a store that lost its data, and somebody who knew of nobody (S9) ───────────────────────────


def test_a_clean_end_vouches_for_nobody_whom_we_found_not_to_have_resigned() -> None:
    """Another session may be of a store that has forgotten that one: see test_floors.py."""
    state, _ = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), UNCLEAN, 100.0)

    assert state.rival == Rival(0, "")


def test_under_one_session_nothing_is_forgotten() -> None:
    """So who has resigned since has."""
    state, _ = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), UNCLEAN, 100.0)
    state = replace(state.to(Joining()), call=Campaign(SESSION), vacant_since_s=None)

    state, _ = answer(state, replace(CLEAN, last_led=6), 101.0)

    assert isinstance(state.phase, Claiming)
    assert state.phase.start_at_s == 101.0


def test_whoever_resigns_while_we_hold_the_election_has_resigned() -> None:
    state, _ = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), UNCLEAN, 100.0)

    state, _ = answer(replace(state, call=Look(SESSION)), CLEAN, 103.0)

    assert isinstance(state.phase, Claiming)
    assert state.phase.start_at_s == 103.0
