"""The elector's core: a pause keeps it from office, and no longer; and keeps nothing alive."""

from __future__ import annotations

import math
from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import (
    Aims,
    Look,
    Renew,
    Renewed,
    Resign,
    Silent,
    TakeOffice,
    Tick,
    Took,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Joining,
    Leading,
    Waiting,
)
from coordsidecar.store.curbs import Cordon, Curbs, Pause, Transfer
from coordsidecar.value import replace
from tests.core.election.curbed import (
    CAMPAIGNING,
    ELECTED,
    FOR_10_S,
    FOR_EVER,
    ME,
    calls,
    elected,
    renewed,
    reports,
    told,
)
from tests.core.election.electors import BEHIND, CLEAN, SESSION, answer, elector, take


def test_who_is_elected_in_a_pause_waits_in_its_place_and_looks_on() -> None:
    state, effects = elected(FOR_EVER)

    assert calls(effects) == []
    assert isinstance(state.phase, Claiming)
    assert state.phase.start_at_s == math.inf
    state, effects = take(state, Tick(), 101.1, ME)
    assert calls(effects) == [Look(SESSION)]


def test_it_waits_for_ever_and_keeps_its_place() -> None:
    state, _ = elected(FOR_EVER)
    for now_s in range(101, 1000, 2):
        state, effects = take(replace(state, renewed_at_s=float(now_s)), Tick(), now_s, ME)
        assert calls(effects) == [Look(SESSION)]
        state, effects = answer(state, replace(ELECTED, curbs=FOR_EVER), now_s + 0.1, aims=ME)
        assert calls(effects) == []

    assert isinstance(state.phase, Claiming)


def test_once_it_is_lifted_office_is_taken() -> None:
    state, _ = elected(FOR_EVER)
    state, _ = take(state, Tick(), 101.1, ME)

    _, effects = answer(state, ELECTED, 101.2, aims=ME)

    assert calls(effects) == [TakeOffice(SESSION, 7, 0, Curbs())]


def test_it_ends_by_itself_for_who_has_seen_it_long_enough() -> None:
    state = elector(Waiting(BEHIND), call=Look(SESSION))
    state, _ = answer(state, replace(BEHIND, curbs=FOR_10_S), 100.0, aims=ME)
    state = replace(state, phase=Joining(), call=CAMPAIGNING, retry_at_s=1e9)

    state, effects = answer(state, replace(ELECTED, curbs=FOR_10_S), 104.0, aims=ME)
    early, _ = take(replace(state, look_at_s=1e9), Tick(), 109.9, ME)
    late, effects = take(replace(state, look_at_s=1e9), Tick(), 110.1, ME)

    assert early.call is None
    assert calls(effects) == [TakeOffice(SESSION, 7, 0, FOR_10_S)]
    assert isinstance(late.phase, Claiming)


def test_another_pause_is_counted_anew() -> None:
    state, _ = elected(FOR_10_S)
    again = Curbs(Pause("another", 10.0, "ann"))
    state = replace(state, call=Look(SESSION))

    state, _ = answer(state, replace(ELECTED, curbs=again), 108.0, aims=ME)

    assert isinstance(state.phase, Claiming)
    assert state.phase.start_at_s == 118.0


def test_a_pause_during_the_takeover_delay_does_not_shorten_it() -> None:
    state, _ = elected(FOR_EVER)
    unclean = replace(ELECTED, clean=False, last_run="election-theirs")
    state = replace(state, call=Look(SESSION))
    state, _ = answer(state, replace(unclean, curbs=FOR_EVER), 101.0, aims=ME)
    state = replace(state, call=Look(SESSION))

    state, effects = answer(state, unclean, 102.0, aims=ME)

    assert isinstance(state.phase, Claiming)
    assert state.phase.start_at_s > 110.0
    assert not any(isinstance(call, TakeOffice) for call in calls(effects))


def test_office_that_was_refused_for_what_was_ordered_meanwhile_is_asked_for_again() -> None:
    state, effects = elected(Curbs())
    state, effects = answer(state, Took(None), 100.1, aims=ME)
    assert calls(effects) == [CAMPAIGNING]

    state, _ = answer(state, replace(ELECTED, curbs=FOR_EVER), 100.2, aims=ME)

    assert isinstance(state.phase, Claiming)
    assert state.phase.start_at_s == math.inf


@pytest.mark.parametrize(
    "curbs",
    [
        FOR_EVER,
        Curbs(cordons=(Cordon("other", "bob"),)),
        Curbs(transfer=Transfer(7, "me", 10.0, "ann")),
        Curbs(transfer=Transfer(6, "other", 10.0, "ann")),
    ],
    ids=["paused", "another cordoned", "to me", "of an earlier term"],
)
def test_a_leader_leads_on_through_all_else(curbs: Curbs) -> None:
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True))

    _, effects = answer(state, Renewed(15.0, replace(CLEAN, curbs=curbs)), 100.0, aims=ME)

    assert [type(message) for message in told(effects)] == [msg.Leased]


def test_no_pause_keeps_a_lost_lead_alive() -> None:
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True))

    _, effects = answer(state, Renewed(15.0, replace(BEHIND, curbs=FOR_EVER)), 100.0, aims=ME)

    assert [type(message) for message in told(effects)] == [msg.Lost]


def test_who_came_into_office_before_the_pause_leads() -> None:
    in_office = replace(CLEAN, in_office=True, curbs=FOR_EVER)
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)

    state, effects = answer(state, in_office, 100.0, aims=ME)

    assert isinstance(state.phase, Leading)
    assert [type(message) for message in told(effects)] == [msg.Leased]


def test_a_leader_takes_a_pause_that_is_over_out_of_the_record_once() -> None:
    state = elector(Leading(CLEAN))

    state, _ = renewed(FOR_10_S, 100.0, state)
    early, effects_early = renewed(FOR_10_S, 109.0, state)
    state, effects = renewed(FOR_10_S, 110.1, early)
    assert calls(effects_early) == []
    assert calls(effects) == [TakeOffice(SESSION, 7, 0, FOR_10_S)]

    failed, effects = answer(state, Silent("cut off"), 110.2, aims=ME)
    assert calls(effects) == []
    _, effects = renewed(FOR_10_S, 113.0, failed)
    assert calls(effects) == [TakeOffice(SESSION, 7, 0, FOR_10_S)]

    state, effects = answer(state, Took(7), 110.2, aims=ME)
    assert (state.curbs, state.phase, told(effects), calls(effects)) == (
        Curbs(),
        Leading(replace(CLEAN, curbs=FOR_10_S)),
        [],
        [],
    )


@pytest.mark.parametrize(
    "curbs", [FOR_EVER, replace(FOR_10_S, transfer=Transfer(7, "other", 10.0, "ann"))]
)
def test_nothing_else_is_taken_out_of_it(curbs: Curbs) -> None:
    state, _ = renewed(curbs, 100.0, elector(Leading(CLEAN)))

    _, effects = renewed(curbs, 10_000.0, state)

    assert calls(effects) == []


def test_who_tries_once_and_is_in_office_leads() -> None:
    aims = replace(ME, try_once=True)
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)

    state, effects = answer(state, replace(CLEAN, in_office=True, curbs=FOR_EVER), 100.0, aims=aims)

    assert isinstance(state.phase, Leading)
    assert [type(message) for message in told(effects)] == [msg.Leased]


@pytest.mark.parametrize("aims", [replace(ME, try_once=True), replace(ME, wait_until_s=105.0)])
def test_who_would_wait_no_longer_gives_its_place_back_in_a_pause_too(aims: Aims) -> None:
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)

    state, effects = answer(state, replace(ELECTED, curbs=FOR_EVER), 100.0, aims=aims)
    state, more = take(state, Tick(), 105.1, aims)

    why = "it is paused by ann: a migration, and --wait is over"
    assert msg.Failed(124, why) in told([*effects, *more])
    assert Resign(SESSION, 7, ANY) in calls([*effects, *more])


def test_a_pause_is_told_once_and_so_is_its_end() -> None:
    state = elector(Claiming(ELECTED, 0.0, swept=True), retry_at_s=1e9)

    state, first = reports(state, FOR_EVER, 100.0)
    state, again = reports(state, FOR_EVER, 101.0)
    state, another = reports(state, FOR_10_S, 102.0)
    state, lifted = reports(state, Curbs(), 103.0)
    state, after = reports(state, Curbs(), 104.0)

    assert (first, again, another) == (["paused"], [], ["paused"])
    assert (lifted, after) == (["resumed"], [])
