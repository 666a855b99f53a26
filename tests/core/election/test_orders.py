"""The elector's core: what an operator ordered comes with a renewal, and goes to the guard."""

from __future__ import annotations

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import Renew, Renewed
from coordsidecar.core.election.phases import Claiming, Leading, Losing, Phase, Waiting
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


@pytest.mark.parametrize("phase", [Waiting(BEHIND), Claiming(CLEAN, 110.0)], ids=str)
def test_who_does_not_lead_is_ordered_nothing(phase: Phase) -> None:
    _, effects = answer(elector(phase, call=PROVING), Renewed(15.0, CLEAN, ORDER), 100.0)

    assert STEP_DOWN not in told(effects)
