"""The elector's core: becoming the leader, and what it makes of the store's answers."""

from __future__ import annotations

import math
from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Call,
    Campaign,
    Done,
    Gone,
    HeardGuard,
    Look,
    Open,
    Prepare,
    Refused,
    Renew,
    Resign,
    Silent,
    Sweep,
    Swept,
    TakeOffice,
    TellGuard,
    Tick,
    Took,
    Watch,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Leading,
    Losing,
    Resigning,
    Waiting,
)
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    DOWN,
    LEASED,
    SESSION,
    UNCLEAN,
    answer,
    calls,
    elector,
    take,
)

# ── becoming the leader ────────────────────────────────────────────────────────────────────────


def test_a_candidate_opens_campaigns_takes_office_and_then_tells_the_guard() -> None:
    state, first = take(replace(core.begin(100.0, AIMS), ready=True), Tick(), 100.0)
    state, second = answer(state, SESSION, 100.1, sent_at_s=100.0)
    state, third = answer(state, CLEAN, 100.2)
    state, last = answer(state, Took(7), 100.3)

    assert first == [Call(Open())]
    assert second == [TellGuard(msg.Holding("s1", 15.0)), Call(Campaign(SESSION))]
    assert third == [Call(TakeOffice(SESSION, 7))]
    assert last == [TellGuard(LEASED), Watch(SESSION, CLEAN)]
    assert state.phase == Leading(CLEAN)


def test_who_is_elected_into_office_leads_at_once() -> None:
    elected = replace(CLEAN, in_office=True)

    state, effects = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), elected, 100.3)

    assert effects == [TellGuard(LEASED)]
    assert state.phase == Leading(elected)


def test_an_election_into_office_with_too_little_of_the_lease_left_is_given_back() -> None:
    elected = replace(CLEAN, in_office=True)

    _, effects = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), elected, 108.0)

    assert effects[-1] == Call(Resign(SESSION, 7, ANY))


def test_an_election_won_with_too_little_of_the_lease_left_is_given_back() -> None:
    state = elector(Claiming(CLEAN, 100.0, swept=True), call=TakeOffice(SESSION, 7))

    state, effects = answer(state, Took(7), 108.0)

    assert effects[-1] == Call(Resign(SESSION, 7, ANY))
    assert not any(isinstance(effect, TellGuard) and effect.message == LEASED for effect in effects)
    assert isinstance(state.phase, Resigning)


def test_after_a_sudden_end_the_job_waits_for_the_takeover_delay() -> None:
    state, first = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), UNCLEAN, 100.0)
    state, early = take(state, Tick(), 114.9)
    state, due = take(replace(state, call=None), Tick(), 115.0)

    assert TakeOffice(SESSION, 7) not in [call.op for call in calls(first + early)]
    assert Sweep("election-theirs", 7) in due


def test_no_run_of_another_election_is_swept() -> None:
    """Whoever can write our record could have any run's processes killed."""
    foreign = replace(UNCLEAN, last_run="another-healthy")
    state, _ = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), foreign, 100.0)

    state, due = take(replace(state, call=None, renewed_at_s=110.0), Tick(), 115.0)
    state, then = answer(state, foreign, 115.1)

    assert Sweep("another-healthy", 7) not in due + then
    assert calls(then) == [Call(TakeOffice(SESSION, 7))]


def test_what_is_left_of_the_last_run_is_swept_before_office_is_taken() -> None:
    state = elector(Claiming(UNCLEAN, 100.0, sweeping=True))

    state, effects = take(state, Swept(7), 115.0)

    assert effects == [Call(TakeOffice(SESSION, 7))]


def test_a_leader_that_confirms_its_end_meanwhile_shortens_the_wait() -> None:
    state = elector(Claiming(UNCLEAN, 115.0), call=Look(SESSION), vacant_since_s=100.0)

    state, effects = answer(state, CLEAN, 101.0)

    assert effects == [Call(TakeOffice(SESSION, 7))]


def test_our_own_earlier_term_is_not_waited_for() -> None:
    """Its guard is the one that stands by now, and knows that the tree is gone."""
    ours = replace(UNCLEAN, last_run="election-ours")

    _, effects = answer(elector(Waiting(BEHIND), call=Campaign(SESSION)), ours, 100.0)

    assert effects == [Call(TakeOffice(SESSION, 7))]


# ── yes, no, or not at all (S7) ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nothing", [Silent("cut off"), Refused("token expired")])
def test_silence_changes_no_deadline_and_is_asked_again(nothing: object) -> None:
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True))

    state, effects = answer(state, nothing, 102.0)
    state, later = take(state, Tick(), 103.0)

    assert effects == []
    assert state.phase == Leading(CLEAN)
    assert state.renewed_at_s == 100.0
    assert later == [Call(Renew(SESSION, look=True))]


def test_a_lost_session_stops_the_job() -> None:
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True))

    state, effects = answer(state, Gone("expired"), 102.0)

    assert effects == [TellGuard(msg.Lost(7, "expired"))]
    assert isinstance(state.phase, Losing)


# ── before it resigns ──────────────────────────────────────────────────────────────────────────


def ending(token: int = 7) -> HeardGuard:
    return HeardGuard(msg.Ending(token))


def test_once_its_job_is_to_end_it_asks_what_it_takes_to_resign() -> None:
    state = elector(Leading(CLEAN))

    state, first = take(state, ending(), 101.0)
    due_s = core.next_wake_s(state, AIMS)
    state, due = take(state, Tick(), due_s)
    state, answered = answer(state, Done(), 101.1)
    _, later = take(state, Tick(), 101.2)

    assert due_s == pytest.approx(101.001)
    assert due == [Call(Prepare(SESSION))]
    assert first == answered == later == []


def test_of_a_job_that_ends_at_once_nothing_is_asked_beforehand() -> None:
    state, _ = take(elector(Leading(CLEAN)), ending(), 101.0)

    _, effects = take(state, HeardGuard(msg.TreeGone(7, 0.0, leave=True)), 101.0005)

    assert effects == [Call(Resign(SESSION, 7, ANY))]


@pytest.mark.parametrize("result", [DOWN, Refused("no right to ask")])
def test_what_cannot_be_found_out_beforehand_is_no_failure(result: Silent | Refused) -> None:
    state, _ = take(elector(Leading(CLEAN), prepare_at_s=101.0), Tick(), 101.0)

    state, effects = answer(state, result, 101.1)
    _, released = take(state, HeardGuard(msg.TreeGone(7, 0.0, leave=True)), 101.2)

    assert effects == []
    assert state.failures == 0
    assert Call(Resign(SESSION, 7, ANY)) in released


def test_a_renewal_comes_before_what_it_takes_to_resign() -> None:
    state = elector(Leading(CLEAN), renew_at_s=101.0, prepare_at_s=101.0)

    _, effects = take(state, Tick(), 101.0)

    assert effects == [Call(Renew(SESSION, look=True))]


@pytest.mark.parametrize(
    ("phase", "token"), [(Leading(CLEAN), 6), (Waiting(BEHIND), 7), (Losing(7, 105.0), 7)]
)
def test_who_does_not_lead_asks_nothing_of_the_kind(phase: object, token: int) -> None:
    state, effects = take(elector(phase), ending(token), 101.0)

    assert effects == []
    assert state.prepare_at_s == math.inf


def test_what_was_to_be_found_out_is_not_asked_in_the_next_term() -> None:
    state, _ = take(elector(Leading(CLEAN), call=Renew(SESSION, look=True)), ending(), 101.0)
    assert state.prepare_at_s == pytest.approx(101.001)

    state = elector(Claiming(CLEAN, 101.0), call=TakeOffice(SESSION, 7), prepare_at_s=101.0)
    state, effects = answer(state, Took(7), 101.1)

    assert isinstance(state.phase, Leading)
    assert Call(Prepare(SESSION)) not in effects
