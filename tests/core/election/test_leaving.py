"""The elector's core: leaving, and being suspended with the guard."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import (
    Call,
    Event,
    Exit,
    GuardDied,
    HeardGuard,
    Open,
    Resign,
    TellGuard,
    Tick,
    TreeKilled,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Ended,
    Joining,
    Leading,
    Opening,
    Resigning,
    Waiting,
)
from tests.core.election.electors import (
    BEHIND,
    CLEAN,
    NEVER,
    SESSION,
    elector,
    take,
)

FORGET_IT = TellGuard(msg.Released(0))  # Nobody may adopt the session.

# ── when it is over ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "event",
    [
        Tick(),
        GuardDied(),
        TreeKilled(),
        HeardGuard(msg.Leave()),
        HeardGuard(msg.Suspended()),
        HeardGuard(msg.TreeGone(7, 0.0, leave=False)),
    ],
    ids=lambda event: type(getattr(event, "message", event)).__name__,
)
def test_who_has_ended_asks_nothing_of_a_store_any_more(event: object) -> None:
    state, effects = take(elector(Ended(), session=None), event, 1e6)  # type: ignore[arg-type]

    assert state.phase == Ended()
    assert [type(effect) for effect in effects if not isinstance(effect, TellGuard)] == []


def test_a_standby_that_is_told_to_leave_gives_its_place_up() -> None:
    state, effects = take(elector(Waiting(BEHIND)), HeardGuard(msg.Leave()), 101.0)

    assert effects == [FORGET_IT, Call(Resign(SESSION, None, ANY))]
    assert state.phase == Resigning(None, 0.0, leave=True, give_up_at_s=105.0, why=ANY)


def test_who_has_no_session_and_is_told_to_leave_goes_at_once() -> None:
    state = elector(Opening(), session=None, call=Open())

    _, effects = take(state, HeardGuard(msg.Leave()), 101.0)

    assert effects == [Exit()]


# ── Ctrl-Z ─────────────────────────────────────────────────────────────────────────────────────


def test_a_leader_may_pause_for_as_long_as_its_lease_lasts() -> None:
    state = elector(Leading(CLEAN), guard_due_s=104.0, guard_lost_s=108.0)

    state, effects = take(state, HeardGuard(msg.Suspended()), 101.0)

    assert effects == []
    assert state.phase == Leading(CLEAN)
    assert (state.guard_due_s, state.guard_lost_s) == (112.0, 112.0)


def test_a_pause_takes_no_time_away_from_a_guard() -> None:
    state = elector(Leading(CLEAN), renewed_at_s=91.0, guard_due_s=103.0, guard_lost_s=107.0)

    state, _ = take(state, HeardGuard(msg.Suspended()), 102.0)

    assert state.guard_due_s == 106.0  # Its silence counts from now, not from the lease's end.


def test_a_guard_that_goes_on_is_waited_for_as_any_other() -> None:
    state = elector(Leading(CLEAN), guard_due_s=112.0, guard_lost_s=112.0)

    state, effects = take(state, HeardGuard(msg.Resumed()), 101.0)

    assert effects == []
    assert (state.guard_due_s, state.guard_lost_s) == (102.5, 109.0)


@pytest.mark.parametrize("event", [Tick(guard_seen_s=101.0), HeardGuard(msg.JobIs(1))])
def test_a_sign_of_the_guard_never_shortens_its_time(event: Event) -> None:
    state = elector(Leading(CLEAN), guard_due_s=112.0, guard_lost_s=112.0)

    state, effects = take(state, event, 101.0)

    assert effects == []
    assert (state.guard_due_s, state.guard_lost_s) == (112.0, 112.0)


@pytest.mark.parametrize("phase", [Joining(), Waiting(BEHIND), Claiming(CLEAN, NEVER)])
def test_a_standby_that_is_suspended_withdraws(phase: object) -> None:
    state, effects = take(elector(phase), HeardGuard(msg.Suspended()), 101.0)

    assert effects[0] == FORGET_IT
    assert isinstance(state.phase, Resigning)
    assert state.phase.leave
