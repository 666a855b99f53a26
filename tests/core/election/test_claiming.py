"""The elector's core: from the store's yes to the job's start: the sweep, and office (S5)."""

from __future__ import annotations

import math
from unittest.mock import ANY

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
    Waiting,
)
from coordsidecar.store.protocol import Absent, Held
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
    assert due == ([Sweep(last_run, 7)] if swept else [Call(TakeOffice(SESSION, 7))])
    assert Sweep(last_run, 7) not in again


def test_a_sweep_that_ends_after_the_claim_did_starts_nothing() -> None:
    state, effects = take(elector(Joining(), retry_at_s=1e9), Swept(7), 101.0)

    assert effects == []
    assert state.phase == Joining()


def test_a_sweep_that_ends_is_over() -> None:
    state, _ = take(
        elector(Claiming(UNCLEAN, 100.0, sweeping=True), call=Renew(SESSION)), Swept(7), 101.0
    )

    assert state.phase == Claiming(UNCLEAN, 100.0, sweeping=False, swept=True)


@pytest.mark.parametrize(
    "phase",
    [
        Claiming(UNCLEAN, 200.0),
        Claiming(replace(UNCLEAN, token=8, last_run="election-later"), 100.0, sweeping=True),
    ],
)
def test_the_sweep_of_an_earlier_claim_says_nothing_of_this_one(phase: Claiming) -> None:
    """Somebody else may have led meanwhile, and left something."""
    state, effects = take(elector(phase), Swept(7), 101.0)

    assert state.phase == phase
    assert effects == []


def test_who_sweeps_without_an_end_makes_way_for_others() -> None:
    state = elector(Claiming(UNCLEAN, 116.0, sweeping=True), elected_at_s=101.0, renewed_at_s=130.0)

    due_s = core.next_wake_s(state, AIMS)
    early, _ = take(state, Tick(), 130.9)
    state, effects = core.step(replace(state, last_step_s=130.9), Tick(), 131.0, AIMS)

    assert due_s == 131.0  # First elected at 101, then the delay, and the TTL that was granted.
    assert early.phase == Claiming(UNCLEAN, 116.0, sweeping=True)
    assert isinstance(state.phase, Resigning)
    assert any(
        isinstance(one, Report) and "the sweep of this host" in one.message for one in effects
    )


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
    assert effects[1:] == [TellGuard(msg.Released(0)), Call(Resign(SESSION, 7, ANY))]
    assert isinstance(late.phase, Resigning)
    assert not late.phase.leave
    assert late.phase.rest_s == AIMS.timing.renew_every_s, "others have to hear of it"


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

    assert effects == [TellGuard(msg.Released(0)), Call(Resign(SESSION, 7, ANY))]
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

    assert effects == [Call(Resign(SESSION, None, ANY))]
    assert state.phase == leaving


def test_who_leaves_releases_its_own_token_and_no_later_one() -> None:
    leaving = Resigning(6, 0.0, leave=True, give_up_at_s=110.0)

    state, _ = answer(elector(leaving, call=Look(SESSION)), replace(CLEAN, in_office=True), 101.0)

    assert state.phase == leaving
