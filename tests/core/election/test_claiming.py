"""The elector's core: from the store's yes to the job's start (S5, S9)."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Answered,
    Call,
    Campaign,
    Gone,
    Look,
    Renew,
    Report,
    Resign,
    Sweep,
    Swept,
    TakeOffice,
    TellGuard,
    Tick,
    Took,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Joining,
    Killing,
    Leading,
    Resigning,
    Rival,
    Waiting,
)
from coordsidecar.store.protocol import Absent, Held, Limits, Session, Vacant
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    SESSION,
    UNCLEAN,
    answer,
    calls,
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


# ── the sweep ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("last_run", "swept"),
    [("election-theirs", True), ("election-ours", False), ("another-run", False), ("", False)],
)
def test_only_an_earlier_run_of_this_election_is_swept_and_once(last_run: str, swept: bool) -> None:
    state = elector(Claiming(replace(CLEAN, last_run=last_run), 105.0))

    state, early = take(state, Tick(), 104.9)
    state, due = take(state, Tick(), 105.0)
    _, again = take(replace(state, call=None), Tick(), 105.1)

    assert early == []
    assert due == ([Sweep(last_run)] if swept else [Call(TakeOffice(SESSION, 7))])
    assert Sweep(last_run) not in again


def test_a_sweep_that_ends_after_the_claim_did_starts_nothing() -> None:
    state, effects = take(elector(Joining(), retry_at_s=1e9), Swept(), 101.0)

    assert effects == []
    assert state.phase == Joining()


def test_a_sweep_that_ends_is_over() -> None:
    state, _ = take(
        elector(Claiming(UNCLEAN, 100.0, sweeping=True), call=Renew(SESSION)), Swept(), 101.0
    )

    assert state.phase == Claiming(UNCLEAN, 100.0, sweeping=False, swept=True)


def test_a_claim_renews_before_it_does_anything_else() -> None:
    due = {"renew_at_s": 100.0, "look_at_s": 100.0, "retry_at_s": 100.0}

    for phase in (
        Joining(),
        Waiting(BEHIND),
        Claiming(CLEAN, 100.0),
        Claiming(CLEAN, 1.0, swept=True),
    ):
        _, effects = take(elector(phase, **due), Tick(), 100.0)
        assert calls(effects) == [Call(Renew(SESSION))]


# ── office ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "answered",
    [
        (Campaign(SESSION), replace(CLEAN, in_office=True)),
        (TakeOffice(SESSION, 7), Took(7)),
    ],
)
def test_office_with_no_more_left_than_grace_and_k_is_given_back(
    answered: tuple[object, Held | Took],
) -> None:
    """Rule S5. The session was renewed at 100, and is led under until 113."""
    call, result = answered
    state = elector(Claiming(CLEAN, 100.0, swept=True), call=call)

    good, _ = answer(state, result, 107.9)
    late, effects = core.step(state, Answered(call, 107.0, result, 0.5), 108.0, AIMS)  # type: ignore[arg-type]

    assert isinstance(good.phase, Leading)
    assert effects[0] == Report("too-late", "elected, but too little of the lease is left", 7)
    assert effects[1:] == [TellGuard(msg.Released(0)), Call(Resign(SESSION, 7))]
    assert isinstance(late.phase, Resigning)
    assert not late.phase.leave


def test_a_leader_begins_with_nothing_left_of_its_wait() -> None:
    state = elector(
        Claiming(CLEAN, 100.0, swept=True),
        call=TakeOffice(SESSION, 7),
        vacant_since_s=90.0,
        following="blue",
        watching=False,
        watch_at_s=math.inf,
    )

    state, effects = answer(state, Took(7), 101.0)

    assert (state.vacant_since_s, state.following) == (None, "")
    assert len(effects) == 2  # The lease, and a watch.


@pytest.mark.parametrize(("renew_at_s", "then_s"), [(102.0, 102.0), (200.0, 103.0)])
def test_a_new_leader_renews_soon(renew_at_s: float, then_s: float) -> None:
    state = elector(Claiming(CLEAN, 100.0, swept=True), call=TakeOffice(SESSION, 7))

    state, _ = answer(replace(state, renew_at_s=renew_at_s), Took(7), 101.0)

    assert state.renew_at_s == then_s


@pytest.mark.parametrize("call", [Renew(SESSION), Look(SESSION), TakeOffice(SESSION, 7)])
def test_a_claim_whose_session_is_lost_mends_the_record(call: object) -> None:
    """Office may have been recorded, though no job ran."""
    state = elector(Claiming(CLEAN, 100.0, swept=True), call=call)

    state, effects = answer(state, Gone("expired"), 101.0)

    assert effects == [TellGuard(msg.Released(0)), Call(Resign(SESSION, 7))]
    assert isinstance(state.phase, Resigning)
    assert not state.phase.leave


def test_office_that_is_won_while_a_guard_is_buried_begins_nothing() -> None:
    state = elector(Killing(7), call=TakeOffice(SESSION, 7))

    state, effects = answer(state, Took(7), 101.0)

    assert effects == []
    assert state.phase == Killing(7)


@pytest.mark.parametrize("found", [replace(CLEAN, in_office=False), BEHIND, Absent()])
def test_who_leaves_and_took_no_office_has_none_to_release(found: object) -> None:
    leaving = Resigning(None, 0.0, leave=True, give_up_at_s=110.0)

    state, effects = answer(elector(leaving, call=Campaign(SESSION)), found, 101.0)

    assert effects == [Call(Resign(SESSION, None))]
    assert state.phase == leaving


def test_who_leaves_releases_its_own_token_and_no_later_one() -> None:
    leaving = Resigning(6, 0.0, leave=True, give_up_at_s=110.0)

    state, _ = answer(elector(leaving, call=Look(SESSION)), replace(CLEAN, in_office=True), 101.0)

    assert state.phase == leaving


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
