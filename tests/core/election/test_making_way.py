"""The elector's core: a candidate who is never told where it stands does not stand in the way."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Call,
    Campaign,
    Look,
    Open,
    Refused,
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
    Opening,
    Resigning,
    Waiting,
)
from coordsidecar.store.protocol import Absent, Standing, Vacant
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    SESSION,
    UNCLEAN,
    answer,
    elector,
    take,
)

CLAIMING = Claiming(CLEAN, 100.0, swept=True)
IN_VAIN = [
    (Joining(), Campaign(SESSION)),
    (Waiting(BEHIND), Campaign(SESSION)),
    (CLAIMING, Look(SESSION)),
    (CLAIMING, TakeOffice(SESSION, 7)),
]


@pytest.mark.parametrize("nothing", [Silent("timed out"), Refused("denied")])
@pytest.mark.parametrize(("phase", "op"), IN_VAIN)
def test_a_candidate_who_is_not_told_where_it_stands_makes_way_when_a_session_would_be_over(
    phase: object, op: object, nothing: object
) -> None:
    """However well its session is renewed: others wait behind it."""
    state, _ = answer(elector(phase, call=op), nothing, 101.5, sent_at_s=101.0)
    state, _ = answer(replace(state, call=op, renewed_at_s=101.0), nothing, 111.0, sent_at_s=110.0)
    state = replace(state, call=None, look_at_s=1e9, retry_at_s=1e9, watching=True)

    due_s = core.next_wake_s(state, AIMS)
    early, _ = take(state, Tick(), 115.9)
    state, effects = take(state, Tick(), 116.0)

    assert due_s == 116.0  # From the sending of the first question, for the TTL that was granted.
    assert early.phase == phase
    token = 7 if phase == CLAIMING else None
    assert state.phase == Resigning(token, 15.0, leave=False, give_up_at_s=120.0, why=ANY)
    assert effects == [TellGuard(msg.Released(0)), Call(Resign(SESSION, token, ANY))]


@pytest.mark.parametrize(
    ("state", "result"),
    [
        (elector(Waiting(BEHIND), call=Campaign(SESSION)), BEHIND),
        (elector(Claiming(CLEAN, 200.0), call=Look(SESSION)), CLEAN),
        (elector(CLAIMING, call=TakeOffice(SESSION, 7)), Took(7)),
    ],
)
def test_a_word_on_where_it_stands_is_enough(state: Elector, result: object) -> None:
    waited, _ = answer(replace(state, in_vain_since_s=90.0), result, 101.0)

    assert waited.in_vain_since_s == float("inf")
    assert not isinstance(waited.phase, Resigning)


@pytest.mark.parametrize(
    ("phase", "op", "told"),
    [
        (Waiting(BEHIND), Campaign(SESSION), BEHIND),
        (Claiming(CLEAN, 200.0), Look(SESSION), CLEAN),
    ],
)
def test_who_is_told_all_but_of_its_renewals_makes_way_when_its_session_would_be_over(
    phase: object, op: object, told: object
) -> None:
    """The store carries them out, so that its place lasts for ever; but it can never lead."""
    state = elector(phase, call=op, told_since_s=90.0)  # Renewed at 100, for 15 s.

    early, _ = answer(state, told, 115.0, sent_at_s=114.9)
    state, effects = answer(state, told, 115.5, sent_at_s=115.0)

    assert isinstance(early.phase, type(phase))
    assert isinstance(state.phase, Resigning)
    assert TellGuard(msg.Released(0)) in effects


def test_in_an_outage_a_place_ends_with_its_session_and_nobody_has_to_make_way() -> None:
    """Who rested then would be missing when the store is back."""
    state = elector(Waiting(BEHIND), in_vain_since_s=101.0, look_at_s=1e9)

    state, effects = take(state, Tick(), 500.0)

    assert effects == []
    assert state.phase == Waiting(BEHIND)


def test_whatever_is_answered_first_after_an_outage_nobody_has_to_make_way() -> None:
    """Where sessions do not end by themselves, such as on Kubernetes, one goes on as before."""
    away = elector(Waiting(BEHIND), in_vain_since_s=101.0, look_at_s=1e9, retry_at_s=1e9)
    renewing, looking = replace(away, call=Renew(SESSION)), replace(away, call=Look(SESSION))

    renewed, _ = answer(renewing, Renewed(15.0), 200.0, sent_at_s=199.0)
    told, _ = answer(looking, BEHIND, 200.0, sent_at_s=199.0)

    assert isinstance(renewed.phase, Waiting)
    assert isinstance(told.phase, Waiting)
    in_vain, _ = take(replace(renewed, renewed_at_s=210.0), Tick(), 214.0)
    assert isinstance(in_vain.phase, Resigning)  # Renewed for 15 s, and told nothing.


def test_a_leader_is_not_in_the_way() -> None:
    """Its own proofs bound its lead (S17)."""
    state, _ = take(elector(Leading(CLEAN), in_vain_since_s=0.0, look_at_s=1e9), Tick(), 101.0)

    assert state.phase == Leading(CLEAN)


def test_who_is_elected_again_and_again_but_never_leads_makes_way() -> None:
    """Of a lock that it gave us, the store says that there is none: so the delay began anew."""
    state = elector(Joining(), call=Campaign(SESSION))
    for now_s in (101.0, 108.0, 115.0, 122.0, 129.0):
        state, _ = answer(replace(state, call=Campaign(SESSION)), UNCLEAN, now_s)
        assert isinstance(state.phase, Claiming)
        assert state.phase.start_at_s == now_s + AIMS.timing.takeover_delay_s
        state = replace(state, call=Look(SESSION), renewed_at_s=now_s)
        state, _ = answer(state, Absent(), now_s + 1.0)
        assert state.phase == Joining()
    state = replace(state, call=None, renewed_at_s=130.0, retry_at_s=1e9, renew_at_s=1e9)

    due_s = core.next_wake_s(replace(state, step_at_s=1e9), AIMS)
    early, _ = take(state, Tick(), 130.9)
    state, effects = core.step(state, Tick(), 131.0, AIMS)

    assert due_s == 131.0  # First elected at 101, then the delay, and the TTL that was granted.
    assert early.phase == Joining()
    assert state.phase == Resigning(None, 15.0, leave=False, give_up_at_s=145.0, why=ANY)
    assert any(isinstance(one, Report) and "elected, but" in one.message for one in effects)


@pytest.mark.parametrize("standing", [BEHIND, Vacant(0.5, cursor=1)])
def test_who_stands_behind_somebody_else_was_not_elected_in_vain(standing: Standing) -> None:
    state = elector(Joining(), call=Campaign(SESSION), elected_at_s=90.0)

    state, _ = answer(state, standing, 101.0)

    assert state.elected_at_s == float("inf")


def test_another_session_is_elected_anew() -> None:
    state = elector(Opening(), call=Open(), session=None, elected_at_s=90.0)

    state, _ = answer(state, SESSION, 101.0)

    assert state.elected_at_s == float("inf")
