"""The guard's core: a verdict on the health of its job."""

from __future__ import annotations

import signal

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import (
    Effect,
    Health,
    Heard,
    JobExited,
    KillTree,
    Report,
    Signalled,
    StartHook,
    StartJob,
    StopTree,
    Tell,
    Tick,
    TreeEmpty,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Done,
    Guard,
    Hook,
    Idle,
    Lead,
    Leaving,
    Phase,
    Rejoin,
    Rerun,
    Running,
    Stopping,
    Yielding,
)
from coordsidecar.value import replace
from tests.core.guard.guards import ENDING, LEASE, LONGER, PLAN, at, take, take_aloud

RESTARTING = replace(PLAN, unhealthy="restart", max_restarts=2)
WHY = "the job is unhealthy: no answer"
SICK = Health(run=1, healthy=False, why="no answer")
WELL = Health(run=1, healthy=True, why="the job is well")
IS_SICK = Tell(msg.Condition("sick", "no answer"))
IS_WELL = Tell(msg.Condition("well", "the job is well"))


def running() -> Guard:
    """A guard whose first job has just been started under `LEASE`."""
    guard, effects = take(at(Stopping(LEASE, 125.0, Lead())), TreeEmpty(), 100.0)
    assert effects == [StartJob("leader", 7)]
    assert guard.runs == 1
    return guard


def test_a_sick_job_is_stopped_in_order_and_another_instance_gets_the_lead() -> None:
    stopping, first = take(running(), SICK, 101.0)
    dead, _ = take(stopping, JobExited(143), 102.0)
    guard, then = take(dead, TreeEmpty(), 102.1)

    assert first == [IS_SICK, StopTree(PLAN.stop_signal), ENDING]
    assert stopping.phase == Stopping(LEASE, 126.0, Rejoin(30.0))
    assert then == [Tell(msg.TreeGone(token=7, rest_s=30.0, leave=False, why=WHY))]
    assert guard.phase == Idle()


def test_nothing_is_released_while_any_of_a_sick_job_lives() -> None:
    stopping, _ = take(running(), SICK, 101.0)

    for event in (JobExited(143), Tick(), SICK, WELL):
        stopping, effects = take(stopping, event, 102.0)
        assert effects == []


def test_a_sick_job_has_no_more_time_than_the_lease_leaves() -> None:
    stopping, _ = take(running(), SICK, 107.9)

    _, early = take(stopping, Tick(), 111.9)
    _, due = take(stopping, Tick(), 112.0)

    assert (early, due) == ([], [KillTree()])


def test_a_verdict_gives_no_job_more_time() -> None:
    for verdict in (SICK, WELL):
        late, effects = take(running(), verdict, 108.0)
        assert effects == [StopTree(PLAN.stop_signal)], "lost, as without it"
        assert late.phase == Stopping(LEASE, 112.0, Rejoin())


def test_a_verdict_on_an_earlier_job_is_none_on_this_one() -> None:
    plan = replace(PLAN, restart="always")
    over, _ = take(running(), JobExited(1), 101.0, plan)
    backoff, _ = take(over, TreeEmpty(), 101.0, plan)
    again, effects = take(backoff, Tick(), 101.1, plan)
    assert effects == [StartJob("leader", 7)]

    same, late = take(again, SICK, 101.2, plan)
    _, now = take(again, replace(SICK, run=2), 101.2, plan)

    assert (same.phase, late) == (Running(LEASE), [])
    assert now == [IS_SICK, StopTree(PLAN.stop_signal), ENDING]


def test_a_renewal_begins_no_other_job() -> None:
    renewed, _ = take(running(), Heard(LONGER), 103.0)

    assert renewed.runs == 1


@pytest.mark.parametrize(
    "phase",
    [
        Idle(),
        Idle("held"),
        Hook(LEASE, "pre-start", 105.0, Lead(gated=True)),
        Hook(LEASE, "post-stop", 105.0, Rejoin()),
        Stopping(LEASE, 105.0, Rerun(0.1)),
        Stopping(LEASE, 105.0, Rejoin(), killing=True),
        Yielding(LEASE, 105.0),
        Backoff(LEASE, 105.0),
        Leaving(0, 105.0),
        Done(0),
    ],
    ids=str,
)
@pytest.mark.parametrize("verdict", [SICK, WELL], ids=["sick", "well"])
def test_where_no_job_runs_a_verdict_changes_nothing(phase: Phase, verdict: Health) -> None:
    guard = replace(at(phase), runs=1)

    after, effects = take_aloud(guard, verdict, 101.0, RESTARTING)

    assert (after.phase, effects) == (phase, [])


def test_with_restart_the_job_starts_again_under_the_same_term_and_later_each_time() -> None:
    guard, now_s, waits_s = running(), 101.0, []
    for run in (1, 2):
        stopping, first = take(guard, replace(SICK, run=run), now_s, RESTARTING)
        dead, _ = take(stopping, JobExited(143), now_s, RESTARTING)
        backoff, none = take(dead, TreeEmpty(), now_s, RESTARTING)
        assert first[-1] == StopTree(PLAN.stop_signal), "the lead is not about to end"
        assert none == []
        assert isinstance(backoff.phase, Backoff)
        waits_s.append(round(backoff.phase.restart_at_s - now_s, 3))
        now_s = backoff.phase.restart_at_s
        guard, again = take(backoff, Tick(), now_s, RESTARTING)
        assert again == [StartJob("leader", 7)]

    stopping, last = take(guard, replace(SICK, run=3), now_s, RESTARTING)
    _, gone = take(stopping, TreeEmpty(), now_s, RESTARTING)

    assert waits_s == [0.1, 0.2]
    assert last == [StopTree(PLAN.stop_signal), ENDING]
    assert gone == [Tell(msg.TreeGone(token=7, rest_s=60.0, leave=False, why=WHY))]


def test_with_restart_a_job_that_ends_by_itself_meanwhile_does_not_end_the_sidecar() -> None:
    """`--restart never` is about a job that was not asked to end."""
    stopping, _ = take(running(), SICK, 101.0, RESTARTING)

    dead, _ = take(stopping, JobExited(1), 101.1, RESTARTING)
    guard, _ = take(dead, TreeEmpty(), 101.1, RESTARTING)

    assert isinstance(guard.phase, Backoff)


@pytest.mark.parametrize("mode", ["freeze", "signal"])
def test_a_sick_job_is_ended_even_where_one_that_is_well_would_be_kept(mode: str) -> None:
    plan = replace(
        PLAN,
        while_standby=mode,
        lead_signal=signal.SIGUSR1,
        standby_signal=signal.SIGUSR2,
    )

    stopping, first = take(running(), SICK, 101.0, plan)
    guard, then = take(stopping, TreeEmpty(), 101.1, plan)

    anew: list[Effect] = [StartJob("standby", None)] if mode == "signal" else []
    assert first == [IS_SICK, StopTree(PLAN.stop_signal), ENDING]
    assert then[1:] == anew
    assert guard.phase == Idle("held" if mode == "signal" else "none")


def test_post_stop_runs_after_a_sick_job() -> None:
    plan = replace(PLAN, has_post_stop=True)
    guard, _ = take(at(Stopping(LEASE, 125.0, Lead())), TreeEmpty(), 100.0, plan)
    stopping, _ = take(guard, SICK, 101.0, plan)

    _, effects = take(stopping, TreeEmpty(), 101.1, plan)

    assert effects == [StartHook("post-stop", 7)]


def test_a_stop_while_a_sick_job_ends_is_a_stop() -> None:
    for plan in (PLAN, RESTARTING):
        stopping, _ = take(running(), SICK, 101.0, plan)
        asked, _ = take(stopping, Signalled(signal.SIGTERM), 101.1, plan)
        guard, _ = take(asked, TreeEmpty(), 101.2, plan)
        assert isinstance(guard.phase, Leaving)


def test_the_log_says_that_a_job_is_sick_or_well_and_the_reason_of_the_end_is_the_first() -> None:
    _, well = take_aloud(running(), WELL, 101.0)
    stopping, sick = take_aloud(running(), SICK, 101.0)
    lost, _ = take(stopping, Heard(msg.Lost(7, "the key is gone")), 101.1)

    assert well == [IS_WELL, Report("healthy", "the job is well", 7)]
    (report,) = [e for e in sick if isinstance(e, Report)]
    assert report.event == "unhealthy"
    assert report.message.startswith(WHY)
    assert lost.why == WHY
