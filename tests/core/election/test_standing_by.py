"""The elector's core: a candidate's session, and its place."""

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
    Effect,
    Gone,
    Open,
    Renew,
    Renewed,
    Report,
    Resign,
    TellGuard,
    Tick,
    Watch,
)
from coordsidecar.core.election.phases import (
    Adopting,
    Claiming,
    Elector,
    Joining,
    Killing,
    Losing,
    Opening,
    Resigning,
    Resting,
    Waiting,
)
from coordsidecar.store.protocol import Absent, Session, Vacant
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    NEVER,
    SESSION,
    UNCLEAN,
    adopting,
    answer,
    calls,
    elector,
    take,
)


def full_step(state: Elector, result: object, now_s: float) -> tuple[Elector, list[Effect]]:
    """With what is for people only."""
    assert state.call is not None
    return core.step(state, Answered(state.call, now_s, result, 0.5), now_s, AIMS)  # type: ignore[arg-type]


# ── the session ────────────────────────────────────────────────────────────────────────────────


def test_a_session_that_opens_is_shown_to_guard_and_people_with_its_descriptors() -> None:
    lock = Session("s1", math.inf, fds=(3, 4))
    state = elector(Opening(), session=None, connected=False, call=Open())

    state, effects = full_step(state, lock, 100.0)

    assert state.connected
    assert effects[:2] == [
        TellGuard(msg.Holding("s1", math.inf), fds=(3, 4)),
        Report("campaigning", "connected to the store"),
    ]


def test_a_session_lasts_from_the_sending_of_its_request() -> None:
    state = elector(Opening(), session=None, call=Open(), retry_at_s=NEVER, renewed_at_s=0.0)
    opened = Answered(Open(), 99.0, SESSION, 0.5)

    state, effects = take(state, opened, 101.0)

    assert (state.renewed_at_s, state.renew_at_s) == (99.0, 102.0)
    assert effects[-1] == Call(Campaign(SESSION))


def test_a_session_that_opens_while_we_leave_is_closed() -> None:
    leaving = Resigning(None, 0.0, leave=True, give_up_at_s=110.0)
    state = elector(leaving, session=None, call=Open())

    state, effects = answer(state, SESSION, 100.0)

    assert effects[-1] == Call(Resign(SESSION, None, ANY))
    assert state.phase == leaving


@pytest.mark.parametrize(
    "phase", [Joining(), Waiting(BEHIND), Claiming(UNCLEAN, NEVER), Killing(7)]
)
def test_a_renewal_keeps_the_session_of_who_does_not_lead_and_no_more(phase: object) -> None:
    state = elector(phase, call=Renew(SESSION), retry_at_s=NEVER)

    state, effects = answer(state, Renewed(20.0), 103.0, sent_at_s=102.0)

    assert effects == []
    assert state.phase == phase
    assert (state.renewed_at_s, state.session) == (102.0, SESSION)


@pytest.mark.parametrize("call", [Renew(SESSION), Campaign(SESSION)])
@pytest.mark.parametrize("phase", [Joining(), Waiting(BEHIND), Adopting(None)])
def test_a_candidate_whose_session_is_lost_opens_another(phase: object, call: object) -> None:
    state = elector(phase, call=call, vacant_since_s=90.0, retry_at_s=NEVER)

    state, effects = full_step(state, Gone("expired"), 100.5)

    assert effects == [Report("session-lost", "expired"), Call(Open())]
    assert state.phase == Opening()
    assert (state.session, state.vacant_since_s) == (None, None)


@pytest.mark.parametrize("phase", [Killing(7), Losing(7, 150.0), Resting(NEVER)])
def test_a_session_that_is_lost_changes_nothing_for_who_is_on_the_way_out(phase: object) -> None:
    state = elector(phase, call=Renew(SESSION), renew_at_s=100.0)

    state, effects = answer(state, Gone("expired"), 100.5)

    assert effects == []
    assert (state.phase, state.renew_at_s) == (phase, math.inf)


def test_an_adopted_election_whose_session_is_lost_is_lost() -> None:
    state = replace(adopting(), call=Renew(SESSION, look=True))

    state, effects = answer(state, Gone("expired"), 101.0)

    assert effects == [TellGuard(msg.Lost(7, "expired"))]
    assert state.phase == Losing(7, kill_at_s=106.0)


def test_an_adopted_candidacy_is_stood_for_where_it_was() -> None:
    state = replace(adopting(), phase=Adopting(None), call=Renew(SESSION, look=True))

    state, effects = answer(state, Renewed(15.0, BEHIND), 101.0)

    assert state.phase == Waiting(BEHIND)
    assert effects == [TellGuard(msg.Following("blue", 5, 0)), Watch(SESSION, BEHIND)]


def test_an_adopted_candidacy_whose_place_nobody_told_is_asked_for_again() -> None:
    asked = Renew(SESSION, look=True)
    state = replace(
        adopting(guard_due_s=NEVER, guard_lost_s=NEVER), phase=Adopting(None), call=asked
    )

    state, effects = answer(state, Renewed(15.0, None), 101.0)
    _, later = take(state, Tick(), 101.1)

    assert state.phase == Adopting(None)
    assert effects == []  # Else a store that never tells would be asked without a pause.
    assert later == [Call(asked)]


# ── our place ──────────────────────────────────────────────────────────────────────────────────


def test_whoever_leads_is_told_to_the_guard_once() -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), watching=False)

    state, first = answer(state, BEHIND, 101.0)
    state, second = answer(replace(state, call=Campaign(SESSION)), BEHIND, 102.0)

    assert first == [TellGuard(msg.Following("blue", 5, 0)), Watch(SESSION, BEHIND)]
    assert second == []
    assert state.following == "blue"


def test_a_place_is_looked_at_once_a_ttl_whatever_the_watch_says() -> None:
    state, _ = answer(elector(Joining(), call=Campaign(SESSION)), BEHIND, 101.0)
    state, early = take(replace(state, see_at_s=1e9), Tick(), 115.9)
    _, due = take(state, Tick(), 116.0)

    assert calls(early) == []
    assert due == [Call(Campaign(SESSION))]


@pytest.mark.parametrize(("retry_after_s", "look_at_s"), [(3.0, 103.0), (0.0, 100.05)])
def test_an_election_that_is_vacant_is_asked_for_when_the_store_says(
    retry_after_s: float, look_at_s: float
) -> None:
    vacant = Vacant(retry_after_s, cursor=1)

    state, _ = answer(elector(Joining(), call=Campaign(SESSION)), vacant, 100.0)

    assert state.phase == Waiting(vacant)
    assert state.look_at_s == look_at_s
    assert state.vacant_since_s == 100.0


@pytest.mark.parametrize("phase", [Joining(), Waiting(BEHIND), Claiming(UNCLEAN, NEVER)])
def test_who_is_no_candidate_any_more_becomes_one_again_shortly(phase: object) -> None:
    state = elector(phase, call=Campaign(SESSION), vacant_since_s=90.0)

    state, effects = answer(state, Absent(), 100.0)
    _, later = take(state, Tick(), 100.1)

    assert effects == []
    assert (state.phase, state.vacant_since_s) == (Joining(), None)
    assert later == [Call(Campaign(SESSION))]


def test_news_of_the_election_say_nothing_to_who_is_out_of_it() -> None:
    state = elector(Losing(7, 150.0), call=Campaign(SESSION))

    after, effects = answer(state, BEHIND, 100.0)

    assert effects == []
    assert after.phase == Losing(7, 150.0)


@pytest.mark.parametrize("standing", [BEHIND, Vacant(1.0, cursor=1)])
def test_who_tries_once_gives_up_behind_anybody(standing: object) -> None:
    aims = replace(AIMS, try_once=True)
    state = elector(Joining(), call=Campaign(SESSION), watching=False)

    state, effects = answer(state, standing, 100.0, aims=aims)

    leader = "blue" if standing == BEHIND else "somebody else"
    assert TellGuard(msg.Failed(124, f"{leader} leads, and --wait is over")) in effects
    assert isinstance(state.phase, Resigning)
    assert state.phase.leave
