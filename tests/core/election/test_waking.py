"""The elector's core: when it must be awake, and that it sees it when it was not."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import Call, Exit, Renew, Renewed, TellGuard, Tick
from coordsidecar.core.election.phases import (
    Adopting,
    Claiming,
    Ended,
    Joining,
    Killing,
    Leading,
    Losing,
    Opening,
    Resigning,
    Resting,
    Waiting,
)
from coordsidecar.value import replace
from tests.core.election.electors import AIMS, BEHIND, CLEAN, NEVER, SESSION, answer, elector, take

RESIGNING = Resigning(7, 0.0, leave=False, give_up_at_s=109.0)
CALLED = {"call": Renew(SESSION)}
ANSWERED = 100.5
"""When we step while a call is under way, should it not be answered before."""


@pytest.mark.parametrize(
    ("phase", "changes", "wake_s"),
    [
        (Waiting(BEHIND), {}, NEVER),
        (Waiting(BEHIND), {"step_at_s": 101.0}, 101.0),
        (Waiting(BEHIND), {"guard_due_s": 101.0}, 102.5),  # No job is in its hands.
        (Waiting(BEHIND), {"guard_due_s": 101.0, "guard_stopped_s": 99.0}, 101.0),
        (Leading(CLEAN), {"guard_due_s": 101.0}, 101.0),
        (Waiting(BEHIND), {"guard_lost_s": 101.0}, 101.0),
        (Waiting(BEHIND), {"renew_at_s": 101.0}, 101.0),
        (Waiting(BEHIND), {"look_at_s": 101.0}, 101.0),
        (Waiting(BEHIND), {"look_at_s": 101.0, **CALLED}, ANSWERED),
        (Waiting(BEHIND), {"watching": False, "watch_at_s": 101.0}, 101.0),
        (Waiting(BEHIND), {"watching": True, "watch_at_s": 101.0}, NEVER),
        (Leading(CLEAN), {"watching": False, "watch_at_s": 101.0}, 101.0),
        (Leading(CLEAN), {}, 112.5),  # The guard is not trusted any longer.
        (Leading(CLEAN), {"look_at_s": 101.0}, 112.5),
        (Leading(CLEAN), {"guard_lost_s": 105.0}, 105.0),
        (Adopting(7), {"retry_at_s": 101.0}, 101.0),
        (Opening(), {"retry_at_s": 101.0, "session": None}, 101.0),
        (Joining(), {"retry_at_s": 101.0}, 101.0),
        (Claiming(CLEAN, 103.0), {}, 103.0),
        (Claiming(CLEAN, 103.0, sweeping=True), {}, NEVER),
        (Claiming(CLEAN, 103.0, swept=True), {"retry_at_s": 104.0}, 104.0),
        (Claiming(CLEAN, 103.0, swept=True), CALLED, ANSWERED),
        (Losing(7, kill_at_s=105.0), {}, 105.0),
        (Killing(7), {"guard_due_s": 101.0, "renew_at_s": 104.0}, 104.0),
        (RESIGNING, {**CALLED, "guard_due_s": 101.0}, ANSWERED),
        (RESIGNING, {"retry_at_s": NEVER}, 109.0),
        (RESIGNING, {"session": None}, 100.0),  # There is nothing to give up.
        (Resting(107.0), {}, 107.0),
        (Ended(), {"guard_due_s": 101.0}, NEVER),
    ],
)
def test_an_elector_wakes_for_whatever_is_due_next(
    phase: object, changes: dict[str, object], wake_s: float
) -> None:
    state = replace(elector(phase), **changes)

    assert core.next_wake_s(state, AIMS) == wake_s


@pytest.mark.parametrize("phase", [Opening(), Joining(), Waiting(BEHIND)])
def test_an_elector_wakes_when_its_wait_is_over(phase: object) -> None:
    state = elector(phase, retry_at_s=NEVER)

    assert core.next_wake_s(state, replace(AIMS, wait_until_s=108.0)) == 108.0
    assert core.next_wake_s(state, AIMS) == NEVER


def test_an_elector_says_once_that_it_is_ready() -> None:
    state, first = take(elector(Waiting(BEHIND), ready=False), Tick(), 100.0)
    state, second = take(state, Tick(), 101.0)

    assert first == [TellGuard(msg.Ready())]
    assert second == []


def test_an_elector_steps_as_often_as_it_renews() -> None:
    state, effects = core.step(elector(Waiting(BEHIND)), Tick(), 100.0, AIMS)

    assert effects == []
    assert core.next_wake_s(state, AIMS) == 103.0


@pytest.mark.parametrize(("slept_s", "asleep"), [(3.5, False), (3.6, True)])
def test_who_did_not_step_for_longer_than_a_nap_was_frozen(slept_s: float, asleep: bool) -> None:
    state, _ = core.step(elector(Waiting(BEHIND)), Tick(), 100.0 + slept_s, AIMS)

    assert state.woke_at_s == (100.0 + slept_s if asleep else -math.inf)
    assert state.last_step_s == 100.0 + slept_s


def test_an_elector_begins_awake_and_gives_its_guard_the_usual_time() -> None:
    fresh = core.begin(100.0, AIMS)
    heir = core.begin(100.0, AIMS, adopt=SESSION, token=7)

    assert (fresh.phase, fresh.connected, fresh.session) == (Opening(), False, None)
    assert (heir.phase, heir.connected, heir.session) == (Adopting(7), True, SESSION)
    assert (fresh.guard_new, fresh.guard_lost_s) == (True, 130.0)
    assert (heir.guard_new, heir.guard_lost_s) == (False, 108.0)
    for state in (fresh, heir):
        assert (state.call, state.watching) == (None, False)
        assert (state.guard_due_s, state.guard_alive_s) == (101.5, 100.0)
        assert (state.started_at_s, state.last_step_s, state.ready) == (100.0, 100.0, False)


@pytest.mark.parametrize("phase", [Opening(), Waiting(BEHIND), Leading(CLEAN), Resting(1e9)])
def test_who_has_a_call_that_never_returns_makes_way_for_another_elector(phase: object) -> None:
    """For a renewal that nobody answers, a deadline is enough; but no other call could follow."""
    state = elector(phase, call=Renew(SESSION), called_at_s=101.0, renewed_at_s=1e6)

    due_s = core.next_wake_s(state, AIMS)
    early, _ = take(state, Tick(), 134.9)
    state, effects = take(state, Tick(), 135.0)

    assert due_s <= 135.0  # No look-up of a name takes longer than 30 s, no call than 2 s.
    assert early.phase == phase
    assert (state.phase, effects) == (Ended(), [Exit()])


@pytest.mark.parametrize("phase", [Killing(7), Resigning(7, 0.0, True, 1e9)])
def test_who_buries_a_guard_is_not_ended_by_a_call_that_hangs(phase: object) -> None:
    state, effects = take(elector(phase, call=Renew(SESSION), called_at_s=0.0), Tick(), 1e6)

    assert state.phase == phase
    assert effects == []


def test_a_call_hangs_from_when_it_was_made_and_no_longer_than_until_it_is_answered() -> None:
    state, effects = take(elector(Leading(CLEAN), renew_at_s=101.0), Tick(), 101.0)
    answered, _ = answer(state, Renewed(15.0, CLEAN), 101.5)

    assert Call(Renew(SESSION, look=True)) in effects
    assert state.called_at_s == 101.0
    assert answered.called_at_s == float("inf")


def test_an_heir_counts_the_lease_as_its_guard_was_promised() -> None:
    """From when the renewal must have been sent: for a kernel lock, as if it lasted for a TTL."""
    lock = replace(SESSION, ttl_s=math.inf)

    heirs = [core.begin(100.0, AIMS, adopt=adopt, run_until_s=110.0) for adopt in (SESSION, lock)]

    assert [heir.renewed_at_s for heir in heirs] == [97.0, 97.0]
    assert [heir.lease_until_s(AIMS.timing) for heir in heirs] == [110.0, 110.0]


def test_an_heir_to_whose_guard_nothing_was_promised_has_no_lease() -> None:
    heir = core.begin(100.0, AIMS, adopt=SESSION, token=7)
    fresh = core.begin(100.0, AIMS, run_until_s=110.0)

    assert heir.renewed_at_s == fresh.renewed_at_s == -math.inf
