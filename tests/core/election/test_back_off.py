"""The elector's core: what is asked again after silence, and when (S7)."""

from __future__ import annotations

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Answered,
    Call,
    Campaign,
    Close,
    Exit,
    Gone,
    Look,
    Open,
    Refused,
    Renew,
    Renewed,
    Report,
    Resign,
    TakeOffice,
    TellGuard,
    Tick,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Ended,
    Joining,
    Killing,
    Leading,
    Opening,
    Resigning,
    Waiting,
)
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    DOWN,
    NEVER,
    SESSION,
    UNCLEAN,
    adopting,
    answer,
    elector,
    take,
)


def waits_s(state: Elector, call: object, count: int) -> list[float]:
    """How long it waits before each next try, while nothing is answered."""
    waited_s, now_s = [], 100.0
    for _ in range(count):
        state, _ = answer(replace(state, call=call), DOWN, now_s)
        assert state.call is None
        due_s = core.next_wake_s(state, AIMS)
        waited_s.append(round(due_s - now_s, 3))
        now_s = due_s
    return waited_s


# ── when ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("state", "call"),
    [
        (elector(Leading(CLEAN), renewed_at_s=900.0), Renew(SESSION, look=True)),
        (elector(Joining(), retry_at_s=NEVER), Campaign(SESSION)),
        (elector(Waiting(BEHIND)), Campaign(SESSION)),
        (elector(Waiting(BEHIND)), Renew(SESSION)),
        (elector(Claiming(UNCLEAN, NEVER)), Look(SESSION)),
        (elector(Claiming(CLEAN, 90.0, swept=True)), TakeOffice(SESSION, 7)),
        (elector(Killing(7)), Renew(SESSION)),
        (elector(Resigning(7, 0.0, leave=False, give_up_at_s=NEVER)), Resign(SESSION, 7)),
        (adopting(renewed_at_s=900.0, guard_due_s=NEVER, guard_lost_s=NEVER), Renew(SESSION, True)),
    ],
    ids=lambda given: type(given.phase if isinstance(given, Elector) else given).__name__,
)
def test_the_wait_doubles_from_a_tenth_of_a_second_to_half_a_renewal(
    state: Elector, call: object
) -> None:
    assert waits_s(state, call, 6) == [0.1, 0.2, 0.4, 0.8, 1.5, 1.5]


def test_a_store_that_is_down_is_tried_every_five_seconds() -> None:
    state = elector(Opening(), session=None)

    assert waits_s(state, Open(), 8) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_an_outage_of_weeks_does_not_overflow_the_wait() -> None:
    state = elector(Opening(), session=None, failures=100_000)

    assert waits_s(state, Open(), 1) == [5.0]


@pytest.mark.parametrize(("draw", "at_s"), [(0.0, 100.05), (0.5, 100.1), (0.9, 100.14)])
def test_the_wait_is_spread_by_chance_for_all_fail_at_once(draw: float, at_s: float) -> None:
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True))

    state, _ = take(state, Answered(Renew(SESSION, look=True), 100.0, DOWN, draw), 100.0)

    assert state.renew_at_s == pytest.approx(at_s)


def test_renewals_are_spread_by_chance_and_never_late() -> None:
    renewed = Answered(Renew(SESSION), 100.0, Renewed(15.0), draw=0.5)

    state, _ = take(elector(Joining(), call=Renew(SESSION), retry_at_s=NEVER), renewed, 101.0)

    assert state.renew_at_s == pytest.approx(102.85)


def test_an_answer_ends_the_back_off() -> None:
    state = elector(Waiting(BEHIND), call=Renew(SESSION), failures=5)

    state, _ = answer(state, Renewed(15.0), 101.0)

    assert state.failures == 0
    assert waits_s(state, Renew(SESSION), 1) == [0.1]


def test_a_call_that_ends_a_session_is_not_repeated() -> None:
    """It dies of itself."""
    leaving = Resigning(None, 0.0, leave=True, give_up_at_s=NEVER, resigned=True)

    state, effects = answer(elector(leaving, call=Close(SESSION)), DOWN, 101.0)

    assert effects == [Exit()]
    assert state.phase == Ended()


# ── what people hear of it ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("nothing", "kind"), [(DOWN, "unreachable"), (Refused("cut off"), "refused")]
)
def test_an_outage_is_reported_once(nothing: object, kind: str) -> None:
    call = Renew(SESSION, look=True)
    state = elector(Leading(CLEAN), call=call)

    state, first = core.step(state, Answered(call, 100.0, nothing, 0.5), 100.1, AIMS)  # type: ignore[arg-type]
    again = replace(state, call=call)
    _, second = core.step(again, Answered(call, 100.2, nothing, 0.5), 100.2, AIMS)  # type: ignore[arg-type]

    assert first == [Report(kind, "cut off", 7)]
    assert second == []


# ── before the store has ever answered ─────────────────────────────────────────────────────────


def starting() -> Elector:
    begun = replace(core.begin(100.0, AIMS), ready=True, guard_due_s=NEVER, guard_lost_s=NEVER)
    return replace(begun, call=Open())


def test_at_the_start_an_outage_is_told_at_once_with_the_patience_that_is_left() -> None:
    state, first = core.step(starting(), Answered(Open(), 100.0, DOWN, 0.5), 100.5, AIMS)
    again = replace(state, call=Open())

    state, second = core.step(again, Answered(Open(), 100.6, DOWN, 0.5), 100.7, AIMS)

    assert first == [Report("connecting", "cut off; trying for another 14s")]
    assert second == []
    assert state.phase == Opening()


def test_at_the_start_a_store_that_does_not_answer_for_a_ttl_ends_us() -> None:
    state, early = answer(starting(), DOWN, 114.95)
    state, due = take(state, Tick(), 115.0)

    ended, effects = answer(state, DOWN, 115.0)

    assert early == []
    assert due == [Call(Open())]  # The last try comes when the patience is over, not after it.
    assert effects == [TellGuard(msg.Failed(125, "cut off")), Exit()]
    assert ended.phase == Ended()


def test_a_store_that_answered_once_is_waited_for_for_ever() -> None:
    state = elector(Opening(), session=None, call=Open(), started_at_s=-1000.0)

    state, effects = answer(state, DOWN, 100.0)

    assert effects == []
    assert state.phase == Opening()


def test_a_session_that_is_lost_while_it_opens_is_opened_again_shortly() -> None:
    state = elector(Opening(), session=None, call=Open())

    state, effects = answer(state, Gone("expired"), 101.0)

    assert effects == []
    assert (state.phase, state.retry_at_s) == (Opening(), 101.1)
