"""The elector's core: what operators have ordered to hold keeps it from office, and no longer."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Aims,
    Answered,
    Call,
    Campaign,
    Close,
    Done,
    Effect,
    Look,
    Renew,
    Renewed,
    Report,
    Resign,
    Silent,
    TakeOffice,
    TellGuard,
    Tick,
    Took,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Joining,
    Leading,
    Resigning,
    Resting,
    Rival,
    Waiting,
)
from coordsidecar.store.curbs import Cordon, Curbs, Pause, Transfer
from coordsidecar.value import replace
from tests.core.election.electors import AIMS, BEHIND, CLEAN, SESSION, TIMING, answer, elector, take

ME = replace(AIMS, node_id="me")
FOR_EVER = Curbs(Pause("m", None, "ann", reason="a migration"))
FOR_10_S = Curbs(Pause("m", 10.0, "ann"))
CORDONED = Curbs(cordons=(Cordon("other", "bob"), Cordon("me", "bob", reason="a reboot")))
ELECTED = replace(CLEAN, last_led=6)
TO_OTHER = Curbs(transfer=Transfer(6, "other", 10.0, "ann"))
CAMPAIGNING = Campaign(SESSION)


def elected(curbs: Curbs) -> tuple[Elector, list[Effect]]:
    """Somebody led under 6, and resigned; then this is what we are told."""
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)
    return answer(state, replace(ELECTED, curbs=curbs), 100.0, aims=ME)


def calls(effects: list[Effect]) -> list[object]:
    return [effect.op for effect in effects if isinstance(effect, Call)]


def told(effects: list[Effect]) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, TellGuard)]


def test_by_nothing_office_is_taken_at_once() -> None:
    _, effects = elected(Curbs())

    assert calls(effects) == [TakeOffice(SESSION, 7, 0, Curbs())]


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


@pytest.mark.parametrize("curbs", [CORDONED, TO_OTHER], ids=["cordoned", "transfer"])
def test_who_may_not_lead_gives_its_place_back_and_rests(curbs: Curbs) -> None:
    state, effects = elected(curbs)
    assert calls(effects) == [Resign(SESSION, 7)]

    state, effects = answer(state, Done(), 100.1, aims=ME)
    assert calls(effects) == [Close(SESSION)]
    state, _ = answer(state, Done(), 100.2, aims=ME)

    assert isinstance(state.phase, Resting)
    assert state.phase.until_s == pytest.approx(100.2 + TIMING.renew_every_s)


@pytest.mark.parametrize(
    "curbs",
    [
        Curbs(cordons=(Cordon("other", "bob"),)),
        Curbs(transfer=Transfer(6, "me", 10.0, "ann")),
        Curbs(transfer=Transfer(5, "other", 10.0, "ann")),
    ],
    ids=["another cordoned", "to me", "of an earlier term"],
)
def test_what_is_not_about_us_keeps_us_from_nothing(curbs: Curbs) -> None:
    _, effects = elected(curbs)

    assert calls(effects) == [TakeOffice(SESSION, 7, 0, curbs)]


def test_a_transfer_in_vain_is_over_in_its_time_once_the_lead_is_free() -> None:
    state = elector(Waiting(BEHIND), call=Look(SESSION))
    state, _ = answer(state, replace(BEHIND, curbs=TO_OTHER), 50.0, aims=ME)  # It still leads.
    joining = {"phase": Joining(), "call": CAMPAIGNING, "retry_at_s": 1e9}

    first, effects = answer(
        replace(state, **joining), replace(ELECTED, curbs=TO_OTHER), 100.0, aims=ME
    )
    again = replace(first, **joining)
    _, early = answer(again, replace(ELECTED, curbs=TO_OTHER), 109.9, aims=ME)
    _, late = answer(again, replace(ELECTED, curbs=TO_OTHER), 110.1, aims=ME)

    assert calls(effects) == calls(early) == [Resign(SESSION, 7)]
    assert calls(late) == [TakeOffice(SESSION, 7, 0, TO_OTHER)]


@pytest.mark.parametrize(
    ("curbs", "why"),
    [
        (CORDONED, "cordoned by bob: a reboot"),
        (Curbs(transfer=Transfer(7, "other", 10.0, "ann")), "ann ordered a transfer to other"),
    ],
    ids=["cordoned", "transfer"],
)
def test_a_leader_hands_over_when_its_proof_says_so(curbs: Curbs, why: str) -> None:
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True))

    state, effects = answer(state, Renewed(15.0, replace(CLEAN, curbs=curbs)), 100.0, aims=ME)

    assert msg.StepDown(7, TIMING.renew_every_s, why) in told(effects)
    assert isinstance(state.phase, Leading)


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


def test_who_gave_its_place_back_to_an_orderly_end_need_not_doubt_it_in_another_session() -> None:
    known = Rival(6, "", None)
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9, rival=known, floor=6)

    orderly, _ = answer(state, replace(ELECTED, curbs=CORDONED), 100.0, aims=ME)
    sudden = replace(ELECTED, clean=False, last_run="election-theirs", curbs=CORDONED)
    sudden_end, _ = answer(state, sudden, 100.0, aims=ME)
    doubted = replace(state, forgotten_until_s=110.0)
    in_doubt, _ = answer(doubted, replace(ELECTED, curbs=CORDONED), 100.0, aims=ME)

    assert orderly.rival is None
    assert sudden_end.rival == in_doubt.rival == known


def renewed(curbs: Curbs, now_s: float, state: Elector) -> tuple[Elector, list[Effect]]:
    """A leader's proof comes back with that."""
    state = replace(state, call=Renew(SESSION, look=True), renewed_at_s=now_s - 1.0)
    return answer(state, Renewed(15.0, replace(CLEAN, curbs=curbs)), now_s, aims=ME)


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


def test_who_tries_once_and_is_cordoned_gives_up() -> None:
    aims = replace(ME, try_once=True)
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)

    state, effects = answer(state, replace(ELECTED, curbs=CORDONED), 100.0, aims=aims)

    assert msg.Failed(124, "it is cordoned by bob: a reboot, and --wait is over") in told(effects)
    assert isinstance(state.phase, Resigning)
    assert state.phase.leave


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
    assert Resign(SESSION, 7) in calls([*effects, *more])


def test_no_takeover_delay_is_cut_short_by_that() -> None:
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)
    aims = replace(ME, wait_until_s=105.0)
    state, _ = answer(state, replace(ELECTED, clean=False, last_run="x"), 100.0, aims=aims)

    _, effects = take(state, Tick(), 105.1, aims)

    assert not told(effects)


def reports(state: Elector, curbs: Curbs, now_s: float) -> tuple[Elector, list[str]]:
    """What is said when a look finds that."""
    state = replace(state, call=Look(SESSION), last_step_s=now_s - 0.1)
    event = Answered(Look(SESSION), now_s, replace(ELECTED, curbs=curbs), draw=0.5)
    state, effects = core.step(state, event, now_s, ME)
    return state, [effect.event for effect in effects if isinstance(effect, Report)]


def test_a_pause_is_told_once_and_so_is_its_end() -> None:
    state = elector(Claiming(ELECTED, 0.0, swept=True), retry_at_s=1e9)

    state, first = reports(state, FOR_EVER, 100.0)
    state, again = reports(state, FOR_EVER, 101.0)
    state, another = reports(state, FOR_10_S, 102.0)
    state, lifted = reports(state, Curbs(), 103.0)
    state, after = reports(state, Curbs(), 104.0)

    assert (first, again, another) == (["paused"], [], ["paused"])
    assert (lifted, after) == (["resumed"], [])
