"""The elector's core: who is cordoned, or not the one that a transfer is for, makes way."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Answered,
    Close,
    Done,
    Look,
    Op,
    Open,
    Ordered,
    Renew,
    Renewed,
    Report,
    Resign,
    Result,
    TakeOffice,
    Tick,
)
from coordsidecar.core.election.phases import (
    Elector,
    Joining,
    Leading,
    Opening,
    Phase,
    Resigning,
    Resting,
    Rival,
    Waiting,
)
from coordsidecar.store.curbs import Cordon, Curbs, Pause, Transfer
from coordsidecar.store.orders import Order
from coordsidecar.value import replace
from tests.core.election.curbed import (
    CAMPAIGNING,
    CORDONED,
    ELECTED,
    FOR_10_S,
    ME,
    TO_OTHER,
    calls,
    elected,
    told,
)
from tests.core.election.electors import BEHIND, CLEAN, SESSION, TIMING, answer, elector, take


def test_by_nothing_office_is_taken_at_once() -> None:
    _, effects = elected(Curbs())

    assert calls(effects) == [TakeOffice(SESSION, 7, 0, Curbs())]


@pytest.mark.parametrize("curbs", [CORDONED, TO_OTHER], ids=["cordoned", "transfer"])
def test_who_may_not_lead_gives_its_place_back_and_rests(curbs: Curbs) -> None:
    state, effects = elected(curbs)
    assert calls(effects) == [Resign(SESSION, 7, ANY)]

    state, effects = answer(state, Done(), 100.1, aims=ME)
    assert calls(effects) == [Close(SESSION)]
    state, _ = answer(state, Done(), 100.2, aims=ME)

    assert isinstance(state.phase, Resting)
    assert state.phase.until_s == pytest.approx(100.2 + TIMING.renew_every_s)


def test_who_is_alone_says_once_why_it_rests() -> None:
    """It is elected again after each rest, for as long as a forgotten cordon holds."""
    state = elector(Opening(), session=None, connected=True)

    state, first = elected_again(state, CORDONED)
    state, again = elected_again(state, CORDONED)
    state, another = elected_again(state, Curbs(cordons=CORDONED.cordons[1:]))
    state, _ = heard(state, Joining(), CAMPAIGNING, replace(BEHIND, curbs=state.curbs))
    _, later = elected_again(state, state.curbs)

    assert first == ["campaigning", "resigning"]
    assert again == []
    assert another == ["resigning"], "it is another order"
    assert later == ["campaigning", "resigning"], "somebody else led meanwhile"


def elected_again(state: Elector, curbs: Curbs) -> tuple[Elector, list[str]]:
    """It opens a session, and is elected: what it says of both."""
    state, opened = heard(replace(state, session=None), Opening(), Open(), SESSION)
    state, found = heard(state, Joining(), CAMPAIGNING, replace(ELECTED, curbs=curbs))
    return state, opened + found


def heard(state: Elector, phase: Phase, op: Op, result: Result) -> tuple[Elector, list[str]]:
    """What it says when ``op`` is answered."""
    state = replace(state, phase=phase, call=op, last_step_s=99.9)
    state, effects = core.step(state, Answered(op, 100.0, result, draw=0.5), 100.0, ME)
    return state, [effect.event for effect in effects if isinstance(effect, Report)]


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

    assert calls(effects) == calls(early) == [Resign(SESSION, 7, ANY)]
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


def test_who_tries_once_and_is_cordoned_gives_up() -> None:
    aims = replace(ME, try_once=True)
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)

    state, effects = answer(state, replace(ELECTED, curbs=CORDONED), 100.0, aims=aims)

    assert msg.Failed(124, "it is cordoned by bob: a reboot, and --wait is over") in told(effects)
    assert isinstance(state.phase, Resigning)
    assert state.phase.leave


def test_no_takeover_delay_is_cut_short_by_that() -> None:
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)
    aims = replace(ME, wait_until_s=105.0)
    state, _ = answer(state, replace(ELECTED, clean=False, last_run="x"), 100.0, aims=aims)

    _, effects = take(state, Tick(), 105.1, aims)

    assert not told(effects)


@pytest.mark.parametrize("curbs", [CORDONED, TO_OTHER], ids=["cordoned", "transfer"])
def test_in_a_pause_too_it_gives_its_place_back_lest_it_lead_once_that_is_over(
    curbs: Curbs,
) -> None:
    _, effects = elected(replace(curbs, pause=FOR_10_S.pause))

    assert calls(effects) == [Resign(SESSION, 7, ANY)]


IN_A_PAUSE = Curbs(Pause("m", 10.0, "ann"), (Cordon("me", "bob"),), Transfer(7, "other", 9.0, "x"))


def test_in_a_pause_a_leader_leads_on_whatever_else_is_ordered() -> None:
    """Nobody could follow it: it would be one outage for as long as the pause lasts."""
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True), renewed_at_s=99.0)
    proof = replace(CLEAN, curbs=IN_A_PAUSE)
    order = Order(7, 30.0, "ann")

    state, paused = answer(state, Renewed(15.0, proof, order), 100.0, aims=ME)
    state, asked = take(state, Ordered(order), 101.0, ME)
    state = replace(state, call=Renew(SESSION, look=True), renewed_at_s=109.0)
    _, over = answer(state, Renewed(15.0, proof), 110.1, aims=ME)

    assert [m for m in told(paused + asked) if isinstance(m, msg.StepDown)] == []
    assert [m for m in told(over) if isinstance(m, msg.StepDown)] != [], "once it is over"
