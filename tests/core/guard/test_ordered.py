"""The guard's core: an operator's order is a stop that we outlive."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import (
    ElectorExited,
    FreezeTree,
    Heard,
    KillTree,
    SignalJob,
    StartElector,
    StopTree,
    Tell,
    Tick,
    TreeEmpty,
    TreeHeld,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Idle,
    Lead,
    Leaving,
    Phase,
    Quit,
    Rejoin,
    Rerun,
    Running,
    Stopping,
    Yielding,
)
from coordsidecar.value import replace
from tests.core.guard.guards import ENDING, LEASE, LONGER, PLAN, at, take, take_aloud

ORDER = Heard(msg.StepDown(token=7, rest_s=30.0, why="ann ordered to step down"))
RESTING = Tell(msg.TreeGone(token=7, rest_s=30.0, leave=False, why=ANY))


def test_the_job_is_stopped_and_the_lead_given_up_once_its_tree_is_empty() -> None:
    stopping, first = take(at(Running(LEASE)), ORDER, 101.0)
    guard, then = take(stopping, TreeEmpty(), 101.5)

    assert first == [StopTree(PLAN.stop_signal), ENDING]
    assert stopping.phase == Stopping(LEASE, 126.0, Rejoin(30.0))
    assert then == [RESTING]
    assert guard.phase == Idle()


def test_it_has_the_time_of_a_stop_and_no_more_than_its_lease() -> None:
    stopping, _ = take(at(Running(LEASE)), ORDER, 101.0)
    renewed, _ = take(stopping, Heard(LONGER), 103.0)

    _, early = take(renewed, Tick(), 114.9)
    _, due = take(renewed, Tick(), 115.0)

    assert (early, due) == ([], [KillTree()])


def test_who_ordered_it_and_why_stands_in_the_log() -> None:
    _, effects = take_aloud(at(Running(LEASE)), ORDER, 101.0)

    assert any("ann ordered to step down; SIGKILL follows in" in str(e) for e in effects)


def test_it_comes_with_every_renewal_and_is_heeded_once() -> None:
    stopping, _ = take(at(Running(LEASE)), ORDER, 101.0)

    guard, again = take(stopping, ORDER, 102.0)

    assert (guard.phase, again) == (stopping.phase, [])


@pytest.mark.parametrize(
    "phase",
    [
        Idle(),
        Idle("frozen"),
        Leaving(0, 200.0),
        Stopping(LEASE, 120.0, Quit(0)),
        Stopping(LEASE, 120.0, Rejoin()),
        Stopping(None, 120.0, Quit(0)),
        Yielding(LEASE, 120.0),
        Running(replace(LEASE, token=8)),
        Backoff(None, 120.0),
    ],
    ids=str,
)
def test_of_another_term_or_on_the_way_out_it_changes_nothing(phase: Phase) -> None:
    guard, effects = take(at(phase), ORDER, 101.0)

    assert (guard.phase, effects) == (phase, [])


def test_an_elector_that_follows_one_that_died_is_told_how_long_to_rest() -> None:
    stopping, _ = take(at(Running(LEASE)), ORDER, 101.0)
    idle, _ = take(stopping, TreeEmpty(), 101.5)
    resting, _ = take(idle, Heard(msg.Released(7)), 101.6)

    _, before = take(idle, ElectorExited(), 111.5)
    _, during = take(resting, ElectorExited(), 111.5)
    _, after = take(resting, ElectorExited(), 131.6)

    left = Tell(msg.TreeGone(token=7, rest_s=20.0, leave=False, why=ANY))
    assert before == [StartElector(7, 0.0, 7), left]
    assert during == [StartElector(None, 0.0, 7), left]
    assert after == [StartElector(None, 0.0, 7)]


@pytest.mark.parametrize("after", [Lead(), Rerun(5.0)], ids=str)
def test_what_is_about_to_start_does_not(after: Lead | Rerun) -> None:
    ordered, first = take(at(Stopping(LEASE, 120.0, after)), ORDER, 101.0)
    guard, then = take(ordered, TreeEmpty(), 101.5)

    assert (first, then) == ([], [RESTING])
    assert guard.phase == Idle()


def test_between_two_starts_of_the_job_the_lead_is_given_up_at_once() -> None:
    guard, effects = take(at(Backoff(LEASE, 105.0)), ORDER, 101.0)

    assert effects == [RESTING]
    assert guard.phase == Idle()


def test_a_job_that_is_kept_is_frozen_for_it() -> None:
    plan = replace(PLAN, while_standby="freeze")
    yielding, first = take(at(Running(LEASE)), ORDER, 101.0, plan)
    guard, then = take(yielding, TreeHeld(), 101.1, plan)

    assert yielding.phase == Yielding(LEASE, 126.0, rest_s=30.0)
    assert (first, then) == ([FreezeTree()], [RESTING])
    assert guard.phase == Idle("frozen")


def test_or_told_to_stand_by() -> None:
    plan = replace(PLAN, while_standby="signal", standby_signal=12)
    guard, effects = take(at(Running(LEASE)), ORDER, 101.0, plan)

    assert effects == [SignalJob(12), RESTING]
    assert guard.phase == Idle("held")


def test_one_that_cannot_be_frozen_in_time_is_killed_and_rests_as_well() -> None:
    plan = replace(PLAN, while_standby="freeze", stop_timeout_s=2.0)
    yielding, _ = take(at(Running(LEASE)), ORDER, 101.0, plan)
    killing, first = take(yielding, Tick(), 103.0, plan)
    _, then = take(killing, TreeEmpty(), 103.1, plan)

    assert (first, then) == ([KillTree()], [RESTING])
