"""The guard's core: jobs that end, and start again."""

from __future__ import annotations

import math
import signal
from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import (
    Finish,
    Heard,
    JobExited,
    JobNotStarted,
    KillTree,
    Report,
    ShowRole,
    StartJob,
    StopTree,
    Tell,
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
    Rerun,
    Running,
    Stopping,
    Yielding,
)
from coordsidecar.value import replace
from tests.core.guard.guards import (
    ENDING,
    LEASE,
    PLAN,
    RELEASE,
    RELEASE_AND_LEAVE,
    at,
    take,
    take_aloud,
)


def test_a_lead_does_not_wait_until_what_stood_by_would_be_started_again() -> None:
    """A standby command that cannot be run is tried ever later; the job need not wait for it."""
    waiting = replace(at(Backoff(None, restart_at_s=1e9)), token_floor=6)

    guard, effects = take(waiting, Heard(LEASE), 100.0)

    assert guard.phase == Stopping(LEASE, kill_at_s=100.0 + PLAN.stop_timeout_s, after=Lead())
    assert effects == [StopTree(PLAN.stop_signal)]


def test_a_lead_that_is_too_old_is_given_back_while_nothing_stands_by() -> None:
    waiting, idle = at(Backoff(None, restart_at_s=1e9)), at(Idle())

    guard, effects = take(waiting, Heard(LEASE), 100.0)
    same, as_idle = take(idle, Heard(LEASE), 100.0)

    assert effects == as_idle
    assert replace(guard, phase=same.phase) == same
    assert guard.phase == waiting.phase


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

    assert effects == [Tell(msg.TreeGone(7, rest_s=60.0, leave=False, why=ANY))]
    assert guard.phase == Idle()


@pytest.mark.parametrize(
    ("restart", "exit_code", "after"),
    [
        ("never", 0, Quit()),
        ("never", 1, Quit()),
        ("on-failure", 0, Quit()),
        ("on-failure", 1, Rerun(0.1)),
        ("always", 0, Rerun(0.1)),
        ("always", 1, Rerun(0.1)),
    ],
)
def test_the_restart_option_decides(restart: str, exit_code: int, after: object) -> None:
    plan = replace(PLAN, restart=restart)

    guard, effects = take(at(Running(LEASE)), JobExited(exit_code), 101.0, plan)

    # What it takes to resign is to be found out, unless the job starts again.
    told = [] if isinstance(after, Rerun) else [ENDING]
    assert effects == [*told, StopTree(signal.SIGTERM)]
    assert guard.phase == Stopping(LEASE, 126.0, after, job_code=exit_code)  # type: ignore[arg-type]


def test_each_restart_waits_twice_as_long_and_only_recent_ones_count() -> None:
    plan = replace(PLAN, restart="always", max_restarts=100, max_restarts_window_s=60.0)
    ended = {100.0: 0.1, 110.0: 0.2, 159.9: 0.4, 160.0: 0.4, 300.0: 0.1}
    guard, delays_s = at(Running(msg.Leased(7, 900.0, 905.0))), []
    for at_s in ended:
        guard, _ = take(guard, JobExited(1), at_s, plan)
        assert isinstance(guard.phase, Stopping)
        assert isinstance(guard.phase.after, Rerun)
        delays_s.append(guard.phase.after.delay_s)
        guard = guard.to(Running(msg.Leased(7, 900.0, 905.0)))

    assert delays_s == list(ended.values())


def test_a_wait_between_restarts_stops_growing() -> None:
    plan = replace(PLAN, restart="always", max_restarts=10_000)
    guard = replace(at(Running(LEASE)), restarts_s=(100.5,) * 2000)

    guard, _ = take(guard, JobExited(1), 101.0, plan)

    assert guard.phase == Stopping(LEASE, 126.0, Rerun(102.4), job_code=1)


@pytest.mark.parametrize(
    ("phase", "after"), [(Running(LEASE), Rejoin(60.0)), (Idle("held"), Rerun(60.0))]
)
def test_who_failed_too_often_sits_out_and_begins_anew(phase: object, after: object) -> None:
    plan = replace(PLAN, restart="always", max_restarts=2, while_standby="signal")
    guard = replace(at(phase), restarts_s=(100.1, 100.2))

    guard, _ = take(guard, JobExited(1), 101.0, plan)

    assert isinstance(guard.phase, Stopping)
    assert guard.phase.after == after
    assert guard.restarts_s == ()


def test_a_restart_waits_its_time_and_shows_that_it_comes() -> None:
    ended = at(Stopping(LEASE, 126.0, Rerun(0.4), job_code=1))

    guard, first = take_aloud(ended, TreeEmpty(), 101.0)
    guard, early = take_aloud(guard, Tick(), 101.3)
    guard, due = take_aloud(guard, Tick(), 101.4)

    assert first == [Report("restarting", "the job starts again in 0.4s")]
    assert early == []
    assert due == [ShowRole("leader", 7, 113.0, None), StartJob("leader", 7)]
    assert guard.phase == Running(LEASE)


def test_a_restart_without_a_lease_stands_by_again() -> None:
    plan = replace(PLAN, has_standby_command=True)

    guard, effects = take(at(Backoff(None, 101.0)), Tick(), 101.0, plan)

    assert effects == [StartJob("standby", None)]
    assert guard.phase == Idle("standby")


def test_a_restart_that_outlasts_its_lease_gives_the_lead_back() -> None:
    guard, effects = take_aloud(at(Backoff(LEASE, 500.0)), Tick(), 108.0)

    assert effects == [
        Report("lost", "the lease could not be renewed in time", 7, 5.0),
        RELEASE,
        ShowRole("standby", None, None, None),
    ]
    assert guard.phase == Idle()


@pytest.mark.parametrize("after", [Rerun(0.4), Lead()])
def test_a_job_is_not_started_again_past_the_deadline(after: object) -> None:
    ended = at(Stopping(LEASE, 126.0, after, killing=True))  # type: ignore[arg-type]

    in_time, _ = take(ended, TreeEmpty(), 107.9)
    late, effects = take(ended, TreeEmpty(), 108.0)

    assert isinstance(in_time.phase, Running | Backoff)
    assert effects == [RELEASE]
    assert late.phase == Idle()


def test_the_end_of_a_job_is_told_with_its_code_and_what_is_left_of_the_lease() -> None:
    _, ended = take_aloud(at(Running(LEASE)), JobExited(3), 101.0)
    _, missing = take_aloud(at(Running(LEASE)), JobNotStarted(127, "no such command"), 101.0)
    endless = msg.Leased(7, math.inf, math.inf)
    _, locked = take_aloud(at(Running(endless)), JobExited(3), 101.0)

    show, stop = ShowRole("stopping", 7, 113.0, None), StopTree(signal.SIGTERM)
    assert ended == [ENDING, Report("job-ended", "the job ended; exit code 3", 7, 12.0), show, stop]
    assert missing[1] == Report("job-ended", "no such command; exit code 127", 7, 12.0)
    assert locked[1] == Report("job-ended", "the job ended; exit code 3", 7, None)


@pytest.mark.parametrize(
    ("phase", "then", "effects"),
    [
        (Idle("standby"), Idle(), [KillTree()]),
        (Idle("held"), Stopping(None, 126.0, Quit(), job_code=3), [StopTree(signal.SIGTERM)]),
        (Idle("frozen"), Stopping(None, 101.0, Quit(), killing=True, job_code=3), [KillTree()]),
        (
            Yielding(LEASE, 105.0),
            Stopping(LEASE, 105.0, Quit(), job_code=3),
            [ENDING, StopTree(signal.SIGTERM)],
        ),
        (Stopping(LEASE, 105.0, Lead()), Stopping(LEASE, 105.0, Lead(), job_code=3), []),
        (Backoff(LEASE, 500.0), Backoff(LEASE, 500.0), []),
        (Leaving(0, 500.0), Leaving(0, 500.0), []),
    ],
)
def test_what_is_left_of_a_tree_goes_after_its_job(
    phase: object, then: object, effects: list[object]
) -> None:
    guard, done = take(at(phase), JobExited(3), 101.0)

    assert guard.phase == then
    assert done == effects


@pytest.mark.parametrize(("asked", "told", "code"), [(None, 3, 3), (None, None, 0), (123, 3, 123)])
def test_we_exit_as_the_job_did_unless_we_end_for_a_reason_of_our_own(
    asked: int | None, told: int | None, code: int
) -> None:
    stopping = at(Stopping(LEASE, 105.0, Quit(asked), job_code=told))

    guard, effects = take(stopping, TreeEmpty(), 101.0)

    assert effects == [RELEASE_AND_LEAVE]
    assert guard.phase == Leaving(code, 106.0)


def test_who_leaves_and_has_no_elector_and_nothing_to_release_is_done() -> None:
    alone = replace(at(Stopping(None, 105.0, Quit(3))), elector_start_at_s=math.inf)

    guard, effects = take(alone, TreeEmpty(), 101.0)

    assert effects == [Finish(3)]
    assert guard.phase == Done(3)


@pytest.mark.parametrize("kept", ["standby", "frozen"])
def test_the_end_of_a_standby_is_told_as_well(kept: str) -> None:
    _, effects = take_aloud(at(Idle(kept)), JobExited(3), 101.0)  # type: ignore[arg-type]

    assert effects == [Report("job-ended", "the job ended; exit code 3"), KillTree()]


def test_an_empty_tree_is_no_news_where_none_was_to_end() -> None:
    for phase in (Idle(), Running(LEASE), Yielding(LEASE, 105.0), Backoff(LEASE, 500.0)):
        guard, effects = take_aloud(at(phase), TreeEmpty(), 101.0)

        assert effects == []
        assert guard.phase == phase
