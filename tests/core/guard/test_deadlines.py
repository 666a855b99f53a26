"""The guard's core: it starts the job on time, and stops it in time (S1, S2, S5, S6)."""

from __future__ import annotations

import signal

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    Finish,
    Heard,
    KillTree,
    Report,
    ShowRole,
    Signalled,
    StartJob,
    StopTree,
    Tick,
    TreeEmpty,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Done,
    Idle,
    Lead,
    Leaving,
    Quit,
    Rejoin,
    Running,
    Stopping,
    Yielding,
)
from coordsidecar.value import replace
from tests.core.guard.guards import (
    LEASE,
    LONGER,
    PLAN,
    RELEASE,
    at,
    take,
    take_aloud,
)

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


# ── what is told of it ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("now_s", "why"),
    [
        (108.0, "the lease could not be renewed in time"),
        (112.0, "the lease could not be renewed in time"),
        (120.0, "this host was frozen or overloaded for 12.0s past the deadline"),
    ],
)
def test_a_deadline_that_passed_is_explained(now_s: float, why: str) -> None:
    _, effects = take_aloud(at(Running(LEASE)), Tick(), now_s)

    assert Report("lost", why, 7, 113.0 - now_s) in effects
    assert ShowRole("stopping", 7, 113.0, None) in effects


def test_a_job_that_does_not_stop_is_killed_once_and_that_is_told() -> None:
    stopping = at(Stopping(LEASE, 105.0, Rejoin()))

    _, early = take_aloud(stopping, Tick(), 104.9)
    killed, effects = take_aloud(stopping, Tick(), 105.0)
    _, again = take_aloud(killed, Tick(), 106.0)

    assert early == again == []
    assert effects == [KillTree(), Report("killing", "the job did not stop in time", 7)]


def test_what_stood_by_is_killed_in_its_own_time() -> None:
    stopping = at(Stopping(None, 500.0, Quit(0)))

    _, early = take_aloud(stopping, Tick(), 499.9)
    _, effects = take_aloud(stopping, Tick(), 500.0)

    assert early == []
    assert effects == [KillTree(), Report("killing", "the job did not stop in time", None)]


@pytest.mark.parametrize(("now_s", "killed"), [(111.9, False), (112.0, True)])
def test_a_job_gets_a_stop_signal_only_if_time_is_left_to_act_on_it(
    now_s: float, killed: bool
) -> None:
    guard, effects = take_aloud(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), now_s)

    assert (KillTree() in effects) == killed
    assert (StopTree(signal.SIGTERM) in effects) != killed
    assert isinstance(guard.phase, Stopping)
    assert guard.phase.killing == killed


@pytest.mark.parametrize(
    ("phase", "role"),
    [
        (Running(LEASE), "leader"),
        (Stopping(LEASE, 500.0, Quit()), "stopping"),
        (Yielding(LEASE, 500.0), "stopping"),
        (Backoff(LEASE, 500.0), "stopping"),
    ],
)
def test_a_renewal_shows_the_new_deadline_and_changes_no_course(phase: object, role: str) -> None:
    guard, effects = take_aloud(at(phase), Heard(LONGER), 101.0)

    assert effects == [ShowRole(role, 7, 116.0, None)]  # type: ignore[arg-type]
    assert guard.phase == replace(phase, lease=LONGER)


@pytest.mark.parametrize("phase", [Running(LEASE), Stopping(LEASE, 500.0, Rejoin())])
def test_an_election_that_went_on_without_us_is_lost(phase: object) -> None:
    later = Heard(msg.Leased(8, 208.0, 213.0))

    guard, effects = take_aloud(at(phase), later, 101.0)

    assert Report("lost", "the election went on without us", 7, 12.0) in effects
    assert isinstance(guard.phase, Stopping)
    assert guard.phase.lease == LEASE


@pytest.mark.parametrize(
    "phase", [Running(LEASE), Leaving(0, 500.0), Stopping(None, 500.0, Quit())]
)
def test_a_lease_of_a_term_that_is_over_is_not_begun(phase: object) -> None:
    older = Heard(msg.Leased(6, 208.0, 213.0))

    guard, effects = take_aloud(at(phase), older, 101.0)

    assert effects == []
    assert guard.phase == phase


def test_what_stood_by_has_the_time_of_a_stop_to_make_way() -> None:
    guard, _ = take(replace(at(Idle("standby")), token_floor=6, leader="blue"), Heard(LEASE), 101.0)

    assert guard.phase == Stopping(LEASE, 126.0, Lead())
    assert guard.leader is None


@pytest.mark.parametrize("exit_on_lost", [True, False])
def test_a_loss_ends_in_a_standby_or_an_exit(exit_on_lost: bool) -> None:
    plan = replace(PLAN, exit_on_lost=exit_on_lost)

    running, effects = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0, plan)
    asked = at(Stopping(LEASE, 103.0, Quit(), asked=True))
    leaving, _ = take(asked, Heard(msg.Lost(7, "revoked")), 101.0, plan)

    assert effects == [StopTree(signal.SIGTERM)]
    assert running.phase == Stopping(LEASE, 105.0, Quit(123) if exit_on_lost else Rejoin())
    assert leaving.phase == Stopping(LEASE, 103.0, Quit(), asked=True)


# ── being awake for it ─────────────────────────────────────────────────────────────────────────

# So often it steps in any case; and half a second before an elector is silent it looks.
STEP_S, LOOK_S = 104.0, 101.5


@pytest.mark.parametrize(
    ("phase", "changes", "wake_s"),
    [
        (Idle(), {}, STEP_S),
        (Idle(), {"elector_new": False}, LOOK_S),
        (Idle(), {"elector_new": False, "elector_due_s": 101.0}, 102.5),
        (Idle(), {"elector_new": True, "last_step_s": 128.0, "woke_at_s": 128.0}, 129.5),
        (Idle(), {"elector_new": False, "last_step_s": 101.9, "woke_at_s": 101.8}, 102.3),
        (Idle(), {"elector_start_at_s": 100.3}, 100.3),
        (Idle(), {"release_due_s": 100.3, "elector_new": False}, 100.3),
        (Idle(), {"release_due_s": 100.3, "elector_new": True}, STEP_S),
        (Running(msg.Leased(7, 100.3, 105.3)), {}, 100.3),
        (Stopping(None, 100.3, Quit()), {}, 100.3),
        (Stopping(msg.Leased(7, 90.0, 101.3), 500.0, Quit()), {}, 100.3),
        (Stopping(None, 100.3, Quit(), killing=True), {}, STEP_S),
        (Yielding(LEASE, 100.3), {}, 100.3),
        (Yielding(msg.Leased(7, 90.0, 101.3), 500.0), {}, 100.3),
        (Backoff(None, 100.3), {}, 100.3),
        (Backoff(LEASE, 100.3), {}, 100.3),
        (Backoff(msg.Leased(7, 100.3, 105.3), 500.0), {}, 100.3),
        (Leaving(0, 100.3), {}, 100.3),
    ],
)
def test_a_guard_wakes_for_whatever_is_due_next(
    phase: object, changes: dict[str, object], wake_s: float
) -> None:
    assert core.next_wake_s(replace(at(phase), **changes), PLAN) == wake_s


def test_leaving_ends_when_its_time_is_up_and_not_before() -> None:
    early, nothing = take(at(Leaving(3, 105.0)), Tick(), 104.9)
    over, effects = take(at(Leaving(3, 105.0)), Tick(), 105.0)

    assert nothing == []
    assert effects == [Finish(3)]
    assert (early.phase, over.phase) == (Leaving(3, 105.0), Done(3))
