"""The guard's core: it starts the job on time, stops it in time, and releases last."""

from __future__ import annotations

import signal

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    Heard,
    KillTree,
    Signalled,
    StartJob,
    StopTree,
    Tick,
    TreeEmpty,
)
from coordsidecar.core.guard.phases import (
    Idle,
    Running,
    Stopping,
)
from coordsidecar.value import replace
from tests.core.guard.guards import LEASE, LONGER, PLAN, RELEASE, at, take

# ── leading ────────────────────────────────────────────────────────────────────────────────────


def test_a_job_starts_only_once_nothing_is_left_of_what_stood_by() -> None:
    guard = replace(at(Idle("standby")), token_floor=0)

    guard, first = take(guard, Heard(LEASE), 100.1)
    guard, then = take(guard, TreeEmpty(), 100.2)

    assert first == [StopTree(signal.SIGTERM)]
    assert then == [StartJob("leader", 7)]
    assert guard.phase == Running(LEASE)


def test_a_yes_that_comes_too_late_starts_nothing() -> None:
    guard = replace(at(Idle()), token_floor=0)

    guard, effects = take(guard, Heard(LEASE), 108.0)

    assert effects == [RELEASE]
    assert guard.phase == Idle()


def test_a_yes_that_grew_old_while_the_tree_was_cleared_starts_nothing() -> None:
    clearing, _ = take(replace(at(Idle("standby")), token_floor=0), Heard(LEASE), 100.1)

    _, effects = take(clearing, TreeEmpty(), 108.0)

    assert RELEASE in effects
    assert not any(isinstance(effect, StartJob) for effect in effects)


def test_a_renewal_moves_the_deadline_forward_and_never_back() -> None:
    later, _ = take(at(Running(LEASE)), Heard(LONGER), 103.0)
    again, _ = take(later, Heard(LEASE), 103.1)

    assert later.phase == again.phase == Running(LONGER)


# ── stopping in time (S1, S2, S6) ──────────────────────────────────────────────────────────────


def test_without_a_renewal_the_job_is_stopped_at_d_and_killed_before_run_until() -> None:
    stopping, first = take(at(Running(LEASE)), Tick(), 108.0)
    waiting, then = take(stopping, Tick(), 111.9)
    _, last = take(waiting, Tick(), 112.0)

    assert first == [StopTree(signal.SIGTERM)]
    assert then == []
    assert last == [KillTree()]


def test_a_renewal_read_after_the_deadline_does_not_revive_the_job() -> None:
    """The clock comes first: the guard was frozen, and the message waited for it."""
    guard, effects = core.step(at(Running(LEASE)), Heard(LONGER), 108.5, PLAN)

    assert StopTree(signal.SIGTERM) in effects
    assert isinstance(guard.phase, Stopping)


def test_a_guard_that_wakes_past_all_grace_kills_at_once() -> None:
    """A stop signal would only let the job act once more."""
    guard, effects = core.step(at(Running(LEASE)), Tick(), 700.0, PLAN)

    assert KillTree() in effects
    assert not any(isinstance(effect, StopTree) for effect in effects)
    assert isinstance(guard.phase, Stopping)


def test_a_lost_election_stops_the_job_with_no_more_grace_than_the_lease_leaves() -> None:
    early, _ = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0)
    late, _ = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 107.9)

    _, after_grace = take(early, Tick(), 105.0)
    _, before_run_until = take(late, Tick(), 112.0)
    assert after_grace == [KillTree()]
    assert before_run_until == [KillTree()]


def test_news_of_another_term_does_not_stop_this_one() -> None:
    guard, effects = take(at(Running(LEASE)), Heard(msg.Lost(6, "revoked")), 101.0)

    assert guard.phase == Running(LEASE)
    assert effects == []


def test_a_voluntary_stop_may_outlast_the_ttl_while_renewals_come() -> None:
    guard, _ = take(at(Running(LEASE)), Signalled(signal.SIGTERM), 101.0)
    guard, _ = take(guard, Heard(msg.Leased(7, 120.0, 125.0)), 111.0)

    guard, effects = take(guard, Tick(), 114.0)

    assert effects == []
    assert isinstance(guard.phase, Stopping)
