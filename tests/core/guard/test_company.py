"""The guard's core: electors that die, signals, restarts, and jobs that are kept."""

from __future__ import annotations

import signal

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    Continued,
    ElectorExited,
    Finish,
    FreezeTree,
    Heard,
    JobExited,
    KillElector,
    KillTree,
    Signalled,
    StartElector,
    StartJob,
    SuspendSelf,
    Tell,
    TerminalStop,
    ThawTree,
    Tick,
    TreeEmpty,
    TreeHeld,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Done,
    Idle,
    Leaving,
    Running,
    Stopping,
    Yielding,
)
from coordsidecar.value import replace
from tests.core.guard.guards import LEASE, PLAN, RELEASE, RELEASE_AND_LEAVE, at, take

# ── the elector ────────────────────────────────────────────────────────────────────────────────


def test_a_dead_elector_is_replaced_and_the_job_goes_on() -> None:
    guard, effects = take(at(Running(LEASE)), ElectorExited(), 101.0)

    assert effects == [StartElector(7, 113.0)]
    assert guard.phase == Running(LEASE)


def test_a_silent_elector_is_killed() -> None:
    guard = replace(at(Running(LEASE)), elector_heard_s=100.0, last_step_s=101.9, elector_new=False)

    _, effects = core.step(guard, Tick(), 102.0, PLAN)

    assert KillElector() in effects


def test_an_elector_that_still_starts_is_not_taken_for_one_that_hangs() -> None:
    """On a busy host its imports take seconds; killed for that, it would never come up."""
    guard = replace(at(Idle()), elector_heard_s=100.0, last_step_s=104.9)

    _, effects = core.step(guard, Tick(), 105.0, PLAN)

    assert KillElector() not in effects


def test_silence_that_we_slept_through_is_not_blamed_on_the_elector() -> None:
    guard = replace(at(Running(LEASE)), elector_heard_s=100.0, last_step_s=100.0)

    _, effects = core.step(guard, Tick(), 105.0, PLAN)

    assert KillElector() not in effects


def test_electors_that_keep_dying_are_started_ever_more_slowly() -> None:
    guard = at(Idle())
    starts_s = []
    now_s = 100.0
    for _ in range(400):
        now_s += 0.1
        dead = guard.elector_start_at_s is None
        guard, effects = take(guard, ElectorExited() if dead else Tick(), now_s)
        if any(isinstance(effect, StartElector) for effect in effects):
            starts_s.append(now_s)

    assert 5 <= len(starts_s) <= 20


# ── signals (S12) ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT]
)
def test_a_signal_without_a_job_ends_us(signum: int) -> None:
    guard, effects = take(at(Idle()), Signalled(signum), 100.1)

    assert effects == [Tell(msg.Leave())]
    assert isinstance(guard.phase, Leaving)
    assert guard.phase.exit_code == 128 + signum


def test_a_second_term_kills_at_once() -> None:
    stopping, _ = take(at(Running(LEASE)), Signalled(signal.SIGTERM), 101.0)

    _, effects = take(stopping, Signalled(signal.SIGTERM), 101.1)

    assert effects == [KillTree()]


def test_a_term_during_a_loss_ends_us_instead_of_rejoining() -> None:
    lost, _ = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0)
    asked, _ = take(lost, Signalled(signal.SIGTERM), 101.1)

    guard, effects = take(asked, TreeEmpty(), 101.2)

    assert effects == [RELEASE_AND_LEAVE]
    assert isinstance(guard.phase, Leaving)


def test_leaving_is_bounded() -> None:
    leaving, _ = take(at(Idle()), Signalled(signal.SIGTERM), 100.0)

    guard, effects = take(leaving, Tick(), 105.0)

    assert guard.phase == Done(143)
    assert effects == [Finish(143)]


def test_ctrl_z_freezes_the_tree_before_us_and_thaws_it_after_the_deadline_was_checked() -> None:
    paused, first = take(at(Running(LEASE)), TerminalStop(), 101.0)
    resumed, in_time = take(paused, Continued(), 102.0)
    _, too_late = core.step(paused, Continued(), 109.0, PLAN)

    assert first == [FreezeTree(), Tell(msg.Suspended()), SuspendSelf()]
    assert in_time == [Tell(msg.Resumed()), ThawTree()]
    assert resumed.phase == Running(LEASE)
    assert ThawTree() not in too_late


# ── restarts ───────────────────────────────────────────────────────────────────────────────────


def test_a_job_that_fails_too_often_steps_down_and_sits_out() -> None:
    plan = replace(PLAN, restart="on-failure", max_restarts=2)
    guard, now_s = at(Running(msg.Leased(7, 900.0, 905.0))), 100.0
    for _ in range(2):
        guard, _ = take(guard, JobExited(1), now_s, plan)
        guard, _ = take(guard, TreeEmpty(), now_s, plan)
        assert isinstance(guard.phase, Backoff)
        now_s += 1.0
        guard, effects = take(guard, Tick(), now_s, plan)
        assert effects == [StartJob("leader", 7)]

    guard, _ = take(guard, JobExited(1), now_s, plan)
    guard, effects = take(guard, TreeEmpty(), now_s, plan)

    assert effects == [Tell(msg.TreeGone(7, rest_s=60.0, leave=False))]
    assert guard.phase == Idle()


# ── keeping the job while standing by ──────────────────────────────────────────────────────────


def test_a_job_that_is_kept_is_frozen_before_the_release() -> None:
    plan = replace(PLAN, while_standby="freeze")
    yielding, first = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0, plan)

    guard, then = take(yielding, TreeHeld(), 101.1, plan)

    assert first == [FreezeTree()]
    assert then == [RELEASE]
    assert guard.phase == Idle("frozen")


def test_a_job_that_cannot_be_frozen_in_time_is_killed() -> None:
    plan = replace(PLAN, while_standby="freeze")
    yielding, _ = take(at(Running(LEASE)), Tick(), 108.0, plan)
    assert isinstance(yielding.phase, Yielding)

    guard, effects = take(yielding, Tick(), 112.0, plan)

    assert effects == [KillTree()]
    assert isinstance(guard.phase, Stopping)


def test_a_frozen_job_is_thawed_by_the_next_term() -> None:
    plan = replace(PLAN, while_standby="freeze")
    lease = msg.Leased(9, 208.0, 213.0)

    guard, effects = take(at(Idle("frozen"), 200.0), Heard(lease), 200.1, plan)

    assert effects == [ThawTree()]
    assert guard.phase == Running(lease)


def test_a_frozen_job_is_killed_not_asked_to_stop() -> None:
    """To act on a stop signal it would have to run, and it must not."""
    plan = replace(PLAN, while_standby="freeze")

    _, effects = take(at(Idle("frozen")), Signalled(signal.SIGTERM), 100.1, plan)

    assert effects == [KillTree()]


def test_a_job_that_does_not_say_that_it_stands_by_is_killed_in_time() -> None:
    plan = replace(
        PLAN, while_standby="signal", lead_signal=10, standby_signal=12, standby_timeout_s=2.0
    )
    yielding, _ = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0, plan)

    _, effects = take(yielding, Tick(), 103.0, plan)

    assert effects == [KillTree()]


def test_a_stop_gains_no_time_for_a_job_that_has_to_yield() -> None:
    plan = replace(PLAN, while_standby="freeze")
    endless = msg.Leased(7, float("inf"), float("inf"))
    yielding, _ = take(at(Running(endless)), Heard(msg.Lost(7, "deleted")), 101.0, plan)

    asked, _ = take(yielding, Signalled(signal.SIGTERM), 102.0, plan)
    _, effects = take(asked, Tick(), 105.0, plan)

    assert effects == [KillTree()]
