"""The guard's core: keeping the job, frozen or told to stand by, between two terms."""

from __future__ import annotations

import math
import signal

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    AwaitObedience,
    Event,
    FreezeTree,
    Heard,
    JobExited,
    JobNotStarted,
    KillTree,
    Report,
    ShowRole,
    SignalJob,
    Signalled,
    StartJob,
    StopTree,
    ThawTree,
    Tick,
    TreeEmpty,
    TreeHeld,
)
from coordsidecar.core.guard.phases import (
    Idle,
    Lead,
    Quit,
    Rejoin,
    Running,
    Stopping,
    Yielding,
)
from coordsidecar.value import replace
from tests.core.guard.guards import (
    LEASE,
    PLAN,
    RELEASE,
    at,
    take,
    take_aloud,
)


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
    plan = replace(PLAN, while_standby="signal", standby_timeout_s=500.0)
    endless = msg.Leased(7, float("inf"), float("inf"))
    yielding, _ = take(at(Running(endless)), Heard(msg.Lost(7, "deleted")), 101.0, plan)

    asked, _ = take(yielding, Signalled(signal.SIGTERM), 102.0, plan)
    _, effects = take(asked, Tick(), 105.0, plan)

    assert effects == [KillTree()]


@pytest.mark.parametrize("event", [JobExited(3), Signalled(signal.SIGTERM)])
def test_who_is_being_frozen_is_killed_and_not_told_to_stop(event: Event) -> None:
    """To hear of it, it would have to run, and another may lead any moment now."""
    plan = replace(PLAN, while_standby="freeze")
    yielding, _ = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0, plan)

    guard, effects = take(yielding, event, 101.1, plan)

    assert effects == [KillTree()]
    assert isinstance(guard.phase, Stopping)
    assert (guard.phase.lease, guard.phase.killing) == (LEASE, True)


FREEZE = replace(PLAN, while_standby="freeze")
SIGNAL = replace(PLAN, while_standby="signal", lead_signal=10, standby_signal=12)
REVOKED = Heard(msg.Lost(7, "revoked"))
LOST = Report("lost", "revoked", 7, 12.0)


def test_a_job_that_is_frozen_or_asked_to_stand_by_is_shown_to_be_on_its_way_out() -> None:
    asked = replace(SIGNAL, standby_timeout_s=2.0)

    _, freezing = take_aloud(at(Running(LEASE)), REVOKED, 101.0, FREEZE)
    _, asking = take_aloud(at(Running(LEASE)), REVOKED, 101.0, asked)

    shown = ShowRole("stopping", 7, 113.0, None)
    assert freezing == [shown, FreezeTree(), LOST]
    assert asking == [AwaitObedience(), SignalJob(12), shown, LOST]


def test_a_job_that_is_trusted_to_obey_is_released_at_once() -> None:
    guard, effects = take_aloud(at(Running(LEASE)), REVOKED, 101.0, SIGNAL)

    assert effects == [SignalJob(12), LOST, RELEASE, ShowRole("standby", None, None, None)]
    assert guard.phase == Idle("held")


@pytest.mark.parametrize(("timeout_s", "kill_at_s"), [(2.0, 103.0), (60.0, 105.0)])
def test_who_is_to_obey_has_its_timeout_but_no_more_than_the_grace(
    timeout_s: float, kill_at_s: float
) -> None:
    plan = replace(SIGNAL, standby_timeout_s=timeout_s)

    guard, _ = take(at(Running(LEASE)), REVOKED, 101.0, plan)

    assert guard.phase == Yielding(LEASE, kill_at_s)


@pytest.mark.parametrize("standby_timeout_s", [None, 5.0])
@pytest.mark.parametrize("ended", [JobExited(137), JobNotStarted(126, "may not")], ids=str)
def test_of_a_job_whose_main_process_ended_nothing_is_trusted_to_stand_by(
    ended: JobExited | JobNotStarted, standby_timeout_s: float | None
) -> None:
    """The guard was stopped past D, and reads of the end first: what is left must be confirmed."""
    plan = replace(
        PLAN, while_standby="signal", standby_signal=12, standby_timeout_s=standby_timeout_s
    )

    guard, effects = take(at(Running(LEASE)), ended, 108.0, plan)
    gone, then = take(guard, TreeEmpty(), 108.5, plan)

    assert effects == [StopTree(signal.SIGTERM)]
    assert isinstance(guard.phase, Stopping)
    assert guard.phase.after == Rejoin()
    assert then == [RELEASE, StartJob("standby", None)]
    assert isinstance(gone.phase, Idle)


@pytest.mark.parametrize(
    ("plan", "wake", "tree"), [(FREEZE, ThawTree(), "frozen"), (SIGNAL, SignalJob(10), "held")]
)
def test_the_next_term_wakes_the_job_that_was_kept(plan: object, wake: object, tree: str) -> None:
    lease = msg.Leased(9, 208.0, 213.0)
    idle = replace(at(Idle(tree), 200.0), leader="blue")  # type: ignore[arg-type]

    guard, effects = take_aloud(idle, Heard(lease), 200.0, plan)  # type: ignore[arg-type]

    report = Report("leading", "the job goes on", 9, 13.0)
    assert effects == [ShowRole("leader", 9, 213.0, None), wake, report]
    assert (guard.phase, guard.token_floor, guard.leader) == (Running(lease), 9, None)


@pytest.mark.parametrize("exit_on_lost", [True, False])
def test_a_job_that_was_not_held_in_time_is_killed_for_good_and_said_to_be(
    exit_on_lost: bool,
) -> None:
    plan = replace(FREEZE, exit_on_lost=exit_on_lost)

    guard, effects = take_aloud(at(Yielding(LEASE, 105.0)), Tick(), 105.0, plan)

    why = "the job could not be made to stand by in time"
    after = Quit(123) if exit_on_lost else Rejoin()
    assert effects == [KillTree(), Report("killing", why, 7)]
    assert guard.phase == Stopping(LEASE, -math.inf, after, killing=True)


def test_who_exits_on_a_loss_keeps_no_job() -> None:
    plan = replace(FREEZE, exit_on_lost=True)

    guard, effects = take(at(Running(LEASE)), REVOKED, 101.0, plan)

    assert effects == [StopTree(signal.SIGTERM)]
    assert guard.phase == Stopping(LEASE, 105.0, Quit(123))


def test_a_job_that_is_held_is_no_news_where_none_was_to_be() -> None:
    for phase in (Idle("held"), Running(LEASE), Stopping(LEASE, 105.0, Rejoin())):
        guard, effects = take_aloud(at(phase), TreeHeld(), 101.0)

        assert effects == []
        assert guard.phase == phase


@pytest.mark.parametrize(
    ("plan", "tree", "effects"),
    [
        (PLAN, "none", []),
        (FREEZE, "none", []),
        (SIGNAL, "held", [StartJob("standby", None)]),
        (replace(PLAN, has_standby_command=True), "standby", [StartJob("standby", None)]),
    ],
)
def test_a_standby_begins_with_what_the_user_wants_to_run(
    plan: object, tree: str, effects: list[object]
) -> None:
    guard, done = core.begin(100.0, plan)  # type: ignore[arg-type]

    assert done == [ShowRole("standby", None, None, None), *effects]
    assert guard.phase == Idle(tree)  # type: ignore[arg-type]
    assert (guard.elector_due_s, guard.last_step_s) == (100.0, 100.0)


def test_a_lead_that_is_lost_again_while_the_tree_is_cleared_ends_in_a_standby() -> None:
    clearing = at(Stopping(LEASE, 126.0, Lead()))

    guard, effects = take_aloud(clearing, REVOKED, 101.0)

    assert effects == [LOST]
    assert guard.phase == Stopping(LEASE, 105.0, Rejoin())


def test_a_loss_while_the_job_yields_changes_nothing() -> None:
    guard, effects = take_aloud(at(Yielding(LEASE, 105.0)), REVOKED, 101.0, FREEZE)

    assert effects == []
    assert guard.phase == Yielding(LEASE, 105.0)
