"""The guard's core: what runs in the job's place, before it starts and after it is gone."""

from __future__ import annotations

import signal
from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    Effect,
    ElectorExited,
    Heard,
    JobExited,
    JobNotStarted,
    KillTree,
    Plan,
    Report,
    ShowRole,
    Signalled,
    StartElector,
    StartHook,
    StartJob,
    StopTree,
    Tell,
    Tick,
    TreeEmpty,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Guard,
    Hook,
    Idle,
    Lead,
    Leaving,
    Quit,
    Rejoin,
    Running,
    Stopping,
)
from coordsidecar.value import replace
from tests.core.guard.guards import ENDING, LEASE, LONGER, PLAN, RELEASE, at, take, take_aloud

GATED = replace(PLAN, has_pre_start=True, hook_timeout_s=5.0)
CLEARED = replace(PLAN, has_post_stop=True, hook_timeout_s=5.0)
BOTH = replace(GATED, has_post_stop=True)
GATE = Hook(LEASE, "pre-start", 105.0, Lead(gated=True))
CLEAR = Hook(LEASE, "post-stop", 105.0, Rejoin())
RESTING = Tell(msg.TreeGone(token=7, rest_s=30.0, leave=False, why=ANY))
TERM = Signalled(signal.SIGTERM)


def running(plan: Plan) -> Guard:
    """A guard whose job has just been started under `LEASE`."""
    stopping = at(Stopping(LEASE, 125.0, Lead(gated=True)))
    guard, effects = take(stopping, TreeEmpty(), 100.0, plan)
    assert effects == [StartJob("leader", 7)]
    return guard


def test_the_gate_runs_once_what_stood_by_is_gone_and_the_job_once_that_is() -> None:
    waiting = at(Stopping(LEASE, 125.0, Lead()))

    gate, first = take(waiting, TreeEmpty(), 100.0, GATED)
    over, then = take(gate, JobExited(0), 101.0, GATED)
    guard, last = take(over, TreeEmpty(), 101.1, GATED)

    assert gate.phase == GATE
    assert first == [StartHook("pre-start", 7)]
    assert then == [KillTree()]
    assert last == [StartJob("leader", 7)]
    assert guard.phase == Running(LEASE)


def test_while_the_gate_runs_we_are_no_leader_yet_but_have_a_deadline() -> None:
    waiting = at(Stopping(LEASE, 125.0, Lead()))

    gate, first = take_aloud(waiting, TreeEmpty(), 100.0, GATED)
    _, then = take_aloud(gate, Heard(LONGER), 103.0, GATED)

    assert ShowRole("standby", 7, 113.0, None) in first
    assert ShowRole("standby", 7, 116.0, None) in then


def test_the_gate_is_asked_once_a_term_and_not_before_a_restart() -> None:
    plan = replace(GATED, restart="always")
    guard, _ = take(running(plan), JobExited(1), 101.0, plan)
    guard, _ = take(guard, TreeEmpty(), 101.1, plan)
    assert isinstance(guard.phase, Backoff)

    _, effects = take(guard, Tick(), guard.phase.restart_at_s, plan)

    assert effects == [StartJob("leader", 7)]


@pytest.mark.parametrize("event", [JobExited(1), JobNotStarted(127, "no shell")], ids=str)
def test_a_gate_that_fails_gives_the_lead_to_another(event: JobExited | JobNotStarted) -> None:
    over, first = take_aloud(at(GATE), event, 101.0, GATED)
    guard, then = take(over, TreeEmpty(), 101.1, GATED)

    assert [e for e in first if not isinstance(e, Report)] == [ENDING, KillTree()]
    assert any(isinstance(e, Report) and e.event == "pre-start-failed" for e in first)
    assert then == [RESTING]
    assert guard.phase == Idle()


def test_a_gate_that_hangs_is_killed_in_time_and_the_lead_kept_until_it_is_gone() -> None:
    due_s = core.next_wake_s(replace(at(GATE), elector_due_s=200.0, last_step_s=200.0), GATED)
    _, early = take(at(GATE), Tick(), 104.9, GATED)
    over, due = take(at(GATE), Tick(), 105.0, GATED)
    dead, told = take(over, JobExited(137), 105.1, GATED)
    _, gone = take(dead, TreeEmpty(), 105.2, GATED)

    assert due_s == 105.0
    assert (early, due) == ([], [ENDING, KillTree()])
    assert told == []
    assert gone == [RESTING]


def test_a_gate_has_no_more_time_than_the_lease_leaves() -> None:
    """At D it is asked to stop, as a job is; by `run_until` - K it is killed."""
    long = replace(GATED, hook_timeout_s=60.0)
    gate = at(replace(GATE, kill_at_s=160.0))

    stopping, at_d = take(gate, Tick(), 108.0, long)
    _, at_kill = take(stopping, Tick(), 112.0, long)

    assert at_d == [StopTree(long.stop_signal)]
    assert stopping.phase == Stopping(LEASE, 112.0, Rejoin(), of_hook=True)
    assert at_kill == [KillTree()]


def test_a_gate_that_opens_after_the_deadline_opens_for_nobody() -> None:
    late = at(Stopping(LEASE, 105.0, Lead(gated=True), killing=True, of_hook=True))

    guard, effects = take(late, TreeEmpty(), 108.0, GATED)

    assert effects == [RELEASE]
    assert guard.phase == Idle()


def test_a_lead_that_is_lost_ends_the_gate() -> None:
    lost, first = take(at(GATE), Heard(msg.Lost(7, "the key is gone")), 101.0, GATED)
    guard, then = take(lost, TreeEmpty(), 101.1, GATED)

    assert first == [StopTree(GATED.stop_signal)]
    assert then == [RELEASE]
    assert guard.phase == Idle()


def test_a_stop_ends_the_gate_and_the_sidecar_says_by_which_signal() -> None:
    stopping, first = take(at(GATE), TERM, 101.0, GATED)
    dead, _ = take(stopping, JobExited(0), 101.1, GATED)
    guard, _ = take(dead, TreeEmpty(), 101.2, GATED)
    killing, again = take(stopping, TERM, 101.1, GATED)

    assert first == [StopTree(GATED.stop_signal), ENDING]
    assert isinstance(stopping.phase, Stopping)
    assert stopping.phase.kill_at_s == 105.0, "no more time than it had"
    assert isinstance(guard.phase, Leaving)
    assert guard.phase.exit_code == 143
    assert again == [KillTree()]
    assert isinstance(killing.phase, Stopping)


@pytest.mark.parametrize(
    "phase", [GATE, CLEAR, Stopping(LEASE, 105.0, Rejoin(), of_hook=True)], ids=str
)
def test_a_signal_for_the_job_is_none_of_a_hooks_business(phase: Hook | Stopping) -> None:
    guard, effects = take(at(phase), Signalled(signal.SIGUSR1), 101.0, BOTH)

    assert (guard.phase, effects) == (phase, [])


def test_an_order_to_step_down_ends_the_gate() -> None:
    order = Heard(msg.StepDown(token=7, rest_s=30.0, why="ann"))

    stopping, first = take(at(GATE), order, 101.0, GATED)
    _, then = take(stopping, TreeEmpty(), 101.1, GATED)

    assert first == [StopTree(GATED.stop_signal), ENDING]
    assert then == [RESTING]


def test_after_the_job_is_gone_and_before_the_lead_is_comes_post_stop() -> None:
    stopping, _ = take(running(CLEARED), TERM, 101.0, CLEARED)
    dead, _ = take(stopping, JobExited(3), 101.1, CLEARED)
    clear, first = take(dead, TreeEmpty(), 101.2, CLEARED)
    over, then = take(clear, JobExited(9), 101.3, CLEARED)
    guard, last = take(over, TreeEmpty(), 101.4, CLEARED)

    assert first == [StartHook("post-stop", 7)]
    assert then == [KillTree()]
    assert last == [Tell(msg.TreeGone(7, 0.0, leave=True, why=ANY))]
    assert isinstance(guard.phase, Leaving)
    assert guard.phase.exit_code == 3, "the job's, whatever became of the hook"


def test_post_stop_runs_after_a_gate_that_failed_too() -> None:
    waiting = at(Stopping(LEASE, 125.0, Lead()))
    gate, _ = take(waiting, TreeEmpty(), 100.0, BOTH)
    over, _ = take(gate, JobExited(1), 101.0, BOTH)

    clear, effects = take(over, TreeEmpty(), 101.1, BOTH)

    assert effects == [StartHook("post-stop", 7)]
    assert isinstance(clear.phase, Hook)
    assert clear.phase.after == Rejoin(30.0)


def test_post_stop_does_not_run_where_nothing_ran() -> None:
    waiting, _ = take(at(Stopping(LEASE, 125.0, Lead())), TERM, 101.0, CLEARED)

    _, effects = take(waiting, TreeEmpty(), 101.1, CLEARED)

    assert effects == [Tell(msg.TreeGone(7, 0.0, leave=True, why=ANY))]


def test_nor_between_two_starts_of_the_job() -> None:
    plan = replace(CLEARED, restart="always")
    stopping, _ = take(running(plan), JobExited(1), 101.0, plan)

    guard, effects = take(stopping, TreeEmpty(), 101.1, plan)

    assert effects == []
    assert isinstance(guard.phase, Backoff)


def test_but_when_the_lead_is_given_up_between_them() -> None:
    plan = replace(CLEARED, restart="always")
    stopping, _ = take(running(plan), JobExited(1), 101.0, plan)
    backoff, _ = take(stopping, TreeEmpty(), 101.1, plan)

    for event in (TERM, Heard(msg.StepDown(token=7, rest_s=30.0, why="ann"))):
        _, effects = take(backoff, event, 101.15, plan)
        assert effects == [StartHook("post-stop", 7)]


@pytest.mark.parametrize("event", [Heard(msg.Lost(7, "the key is gone")), Tick()], ids=str)
def test_post_stop_does_not_run_where_the_lead_was_lost(event: Heard | Tick) -> None:
    stopping, _ = take(running(CLEARED), event, 108.0, CLEARED)

    _, effects = take(stopping, TreeEmpty(), 108.1, CLEARED)

    assert effects == [RELEASE]


def test_nor_where_the_job_took_all_the_time_there_was() -> None:
    stopping, _ = take(running(CLEARED), TERM, 101.0, CLEARED)

    _, effects = take(stopping, TreeEmpty(), 108.0, CLEARED)

    assert effects == [Tell(msg.TreeGone(7, 0.0, leave=True, why=ANY))]


def test_a_post_stop_that_hangs_is_killed_in_time() -> None:
    _, early = take(at(CLEAR), Tick(), 104.9, CLEARED)
    _, due = take(at(CLEAR), Tick(), 105.0, CLEARED)
    _, by_lease = take(at(replace(CLEAR, kill_at_s=500.0)), Tick(), 112.0, CLEARED)

    assert (early, due, by_lease) == ([], [KillTree()], [KillTree()])


def test_a_lead_that_is_lost_leaves_post_stop_the_grace_of_a_job() -> None:
    plan = replace(CLEARED, hook_timeout_s=60.0)
    hook = replace(CLEAR, kill_at_s=160.0)

    guard, effects = take(at(hook), Heard(msg.Lost(7, "the key is gone")), 101.0, plan)

    assert effects == []
    assert guard.phase == replace(hook, kill_at_s=105.0)


def test_a_stop_lets_post_stop_end_and_a_second_one_does_not() -> None:
    asked, first = take(at(CLEAR), TERM, 101.0, CLEARED)
    _, again = take(asked, TERM, 101.1, CLEARED)

    assert first == []
    assert asked.phase == replace(CLEAR, asked=True, after=Quit(143))
    assert again == [KillTree()]


def test_a_stop_that_was_asked_for_before_counts() -> None:
    stopping, _ = take(running(CLEARED), TERM, 101.0, CLEARED)
    clear, _ = take(stopping, TreeEmpty(), 101.2, CLEARED)

    _, effects = take(clear, TERM, 101.3, CLEARED)

    assert effects == [KillTree()]


def test_an_elector_that_dies_meanwhile_is_replaced_and_the_hook_goes_on() -> None:
    expected: list[Effect] = [StartElector(7, 113.0, 7)]
    for phase in (GATE, CLEAR):
        guard, effects = take(at(phase), ElectorExited(), 101.0, BOTH)
        assert (guard.phase, effects) == (phase, expected)
