"""The elector's core: what an operator ordered comes with a renewal, and goes to the guard."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import HeardGuard, Open, Ordered, Renew, Renewed, TellGuard
from coordsidecar.core.election.phases import (
    Adopting,
    Claiming,
    Joining,
    Leading,
    Losing,
    Opening,
    Phase,
    Resigning,
    Resting,
    Waiting,
)
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Absent
from tests.core.election.electors import (
    BEHIND,
    CLEAN,
    LEASED,
    SESSION,
    adopting,
    answer,
    elector,
    take,
    told,
)

PROVING = Renew(SESSION, look=True)
ORDER = Order(7, 30.0, "ann", "a reboot")
STEP_DOWN = msg.StepDown(7, 30.0, "ann ordered to step down: a reboot")


def test_who_leads_is_told_after_the_lease_that_it_has_for_it() -> None:
    _, effects = answer(elector(Leading(CLEAN), call=PROVING), Renewed(15.0, CLEAN, ORDER), 100.0)

    assert told(effects) == [LEASED, STEP_DOWN]


def test_an_elector_that_follows_another_tells_it_as_well() -> None:
    state = adopting(call=PROVING, guard_due_s=1e9, guard_lost_s=1e9)
    _, effects = answer(state, Renewed(15.0, CLEAN, ORDER), 100.0)

    assert told(effects) == [LEASED, STEP_DOWN]


@pytest.mark.parametrize("token", [6, 8])
def test_an_order_to_another_term_is_not_ours(token: int) -> None:
    order = Order(token, 30.0, "ann")
    _, effects = answer(elector(Leading(CLEAN), call=PROVING), Renewed(15.0, CLEAN, order), 100.0)

    assert told(effects) == [LEASED]


def test_a_lost_lead_is_lost_whatever_is_ordered() -> None:
    state = elector(Leading(CLEAN), call=PROVING)
    state, effects = answer(state, Renewed(15.0, Absent(), ORDER), 100.0)

    assert isinstance(state.phase, Losing)
    assert STEP_DOWN not in told(effects)


REST = HeardGuard(msg.TreeGone(token=7, rest_s=20.0, leave=False))


@pytest.mark.parametrize("phase", [Joining(), Waiting(BEHIND)], ids=str)
def test_one_that_follows_an_elector_that_rested_rests_too(phase: Phase) -> None:
    state, effects = take(elector(phase), REST, 100.0)

    assert state.phase == Resigning(None, 20.0, leave=False, give_up_at_s=115.0, why=ANY)
    assert told(effects) == [msg.Released(7), msg.Released(0)]


def test_one_that_has_no_session_yet_rests_and_gives_up_what_it_had_asked_for() -> None:
    opening = elector(Opening(), session=None, call=Open())
    resting, _ = take(opening, REST, 100.0)
    giving_up, effects = answer(resting, SESSION, 101.0)

    assert resting.phase == Resting(120.0)
    assert giving_up.phase == Resigning(None, 19.0, leave=False, give_up_at_s=116.0, why=ANY)
    assert msg.Holding not in [type(message) for message in told(effects)]


@pytest.mark.parametrize("phase", [Leading(CLEAN), Claiming(CLEAN, 110.0)], ids=str)
def test_a_rest_of_long_ago_ends_no_later_term(phase: Phase) -> None:
    old = HeardGuard(msg.TreeGone(token=6, rest_s=20.0, leave=False))
    state, _ = take(elector(phase), old, 100.0)

    assert type(state.phase) is type(phase)


@pytest.mark.parametrize("phase", [Waiting(BEHIND), Claiming(CLEAN, 110.0)], ids=str)
def test_who_does_not_lead_is_ordered_nothing(phase: Phase) -> None:
    _, effects = answer(elector(phase, call=PROVING), Renewed(15.0, CLEAN, ORDER), 100.0)

    assert STEP_DOWN not in told(effects)


def test_an_order_that_comes_to_the_leader_itself_is_told_at_once() -> None:
    state, effects = take(elector(Leading(CLEAN)), Ordered(ORDER), 100.0)

    assert effects == [TellGuard(STEP_DOWN)]
    assert state.phase == Leading(CLEAN)


@pytest.mark.parametrize("token", [6, 8])
def test_one_to_another_term_is_none_whatever_its_sender_was_shown(token: int) -> None:
    _, effects = take(elector(Leading(CLEAN)), Ordered(Order(token, 30.0, "ann")), 100.0)

    assert told(effects) == []


@pytest.mark.parametrize(
    "phase",
    [Joining(), Waiting(BEHIND), Claiming(CLEAN, 110.0), Losing(7, 108.0), Adopting(7)],
    ids=str,
)
def test_one_to_who_does_not_lead_is_none(phase: Phase) -> None:
    _, effects = take(elector(phase), Ordered(ORDER), 100.0)

    assert STEP_DOWN not in told(effects)
