"""The elector's core: a term that went without an answered renewal for D is over (S16)."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import (
    Call,
    Campaign,
    Look,
    Renew,
    Renewed,
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
    Losing,
    Resigning,
    limits_of,
)
from coordsidecar.store.protocol import Limits, Session
from coordsidecar.value import replace
from tests.core.election.electors import (
    CLEAN,
    LEASED,
    SESSION,
    TIMING,
    UNCLEAN,
    adopting,
    answer,
    elector,
    take,
    told,
)

PROVING = Renew(SESSION, look=True)


@pytest.mark.parametrize("state", [elector(Leading(CLEAN)), adopting()])
def test_a_renewal_that_is_answered_after_d_revives_nothing(state: Elector) -> None:
    state = replace(state, call=PROVING, guard_due_s=1e9, guard_lost_s=1e9)

    over, effects = answer(state, Renewed(15.0, CLEAN), 108.0, sent_at_s=107.0)

    assert isinstance(over.phase, Losing)
    assert over.renewed_at_s == 100.0
    assert isinstance(told(effects)[0], msg.Lost)


@pytest.mark.parametrize("state", [elector(Leading(CLEAN)), adopting()])
def test_one_that_is_answered_before_does(state: Elector) -> None:
    state = replace(state, call=PROVING, guard_due_s=1e9, guard_lost_s=1e9)

    led, effects = answer(state, Renewed(15.0, CLEAN), 107.9, sent_at_s=101.0)

    assert led.phase == Leading(CLEAN)
    assert TellGuard(replace(LEASED, step_down_at_s=109.0, run_until_s=114.0)) in effects


def test_no_renewal_counts_that_came_after_office_was_asked_for() -> None:
    """Others may have seen us in office from then on, but no renewal without its proof."""
    state = elector(Claiming(CLEAN, 100.0, swept=True), retry_at_s=101.0)
    state, asked = take(state, Tick(), 101.0)
    late = replace(state, renewed_at_s=106.0)

    led, effects = answer(late, Took(7), 107.0)

    assert asked == [Call(TakeOffice(SESSION, 7))]
    assert TellGuard(LEASED) in effects
    assert led.renew_at_s == 103.0


def test_only_to_ask_for_office_begins_a_lease() -> None:
    state = elector(Claiming(UNCLEAN, 120.0, swept=True), look_at_s=101.0)

    state, asked = take(state, Tick(), 101.0)

    assert asked == [Call(Look(SESSION))]
    assert isinstance(state.phase, Claiming)
    assert state.phase.lease_from_s == math.inf


def test_office_that_was_taken_without_our_knowing_is_given_back() -> None:
    """Since when we have it, and by which renewal, nothing tells."""
    state = elector(Joining(), call=Campaign(SESSION))

    state, effects = answer(state, replace(CLEAN, last_led=7), 101.0)

    assert isinstance(state.phase, Resigning)
    assert state.phase.token == 7
    assert not any(isinstance(message, msg.Leased) for message in told(effects))


def test_a_claim_that_was_carried_out_unheard_goes_on() -> None:
    state = elector(Claiming(CLEAN, 100.0, swept=True), call=Look(SESSION))

    state, _ = answer(state, replace(CLEAN, last_led=7), 101.0)

    assert isinstance(state.phase, Claiming)


def test_the_limits_of_a_term_are_its_own_and_cover_two_clocks() -> None:
    granted = limits_of(Session("s1", 30.0), TIMING)

    assert granted.ttl_s == 30.0
    assert granted.quiet_s == pytest.approx(23.0 * 1.05 / 0.95)


def test_nothing_follows_from_the_silence_of_a_kernel_lock() -> None:
    assert limits_of(Session("file", math.inf), TIMING) == Limits(15.0)
