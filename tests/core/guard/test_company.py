"""The guard's core: electors that die, hang, and come up."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    AbandonElector,
    ElectorExited,
    ElectorStopped,
    Finish,
    Heard,
    KillElector,
    Report,
    StartElector,
    Tick,
)
from coordsidecar.core.guard.phases import Done, Idle, Leaving, Quit, Rejoin, Running, Stopping
from coordsidecar.value import replace
from tests.core.guard.guards import LEASE, PLAN, RELEASE_AND_LEAVE, at, take, take_aloud


def test_a_dead_elector_is_replaced_and_the_job_goes_on() -> None:
    guard, effects = take(at(Running(LEASE)), ElectorExited(), 101.0)

    assert effects == [StartElector(7, 113.0, 7)]
    assert guard.phase == Running(LEASE)


def test_a_silent_elector_is_killed_at_the_second_look() -> None:
    """The first comes after a sleep, through which this host may have been suspended."""
    guard = replace(at(Running(LEASE)), elector_new=False)

    first_s = core.next_wake_s(guard, PLAN)
    guard, first = core.step(guard, Tick(), first_s, PLAN)
    second_s = core.next_wake_s(guard, PLAN)
    _, second = core.step(guard, Tick(), second_s, PLAN)

    assert (first_s, second_s) == (101.5, 102.0)
    assert KillElector() not in first
    assert KillElector() in second


def test_an_elector_that_is_stopped_is_silent_from_then_on() -> None:
    """What it has said that it would do at 103 it will not."""
    guard = replace(at(Running(LEASE)), elector_new=False, elector_due_s=103.0)

    guard, _ = core.step(guard, ElectorStopped(), 100.2, PLAN)
    guard, first = core.step(guard, Tick(elector_due_s=100.2), core.next_wake_s(guard, PLAN), PLAN)
    second_s = core.next_wake_s(guard, PLAN)
    _, second = core.step(guard, Tick(elector_due_s=100.2), second_s, PLAN)

    assert first == []
    assert second_s == pytest.approx(102.2)
    assert KillElector() in second


def test_an_elector_that_was_killed_and_does_not_end_is_no_longer_waited_for() -> None:
    """A debugger keeps it from being reaped, or it is in state D: it acts no more in any case."""
    guard = replace(at(Running(LEASE)), elector_new=False, elector_due_s=99.0)
    first_s = core.next_wake_s(guard, PLAN)
    guard, _ = core.step(guard, Tick(), first_s, PLAN)
    guard, killed = core.step(guard, Tick(), core.next_wake_s(guard, PLAN), PLAN)
    killed_s = guard.last_step_s

    guard, between = core.step(guard, Tick(), killed_s + 0.1, PLAN)
    guard, abandoned = core.step(guard, Tick(), core.next_wake_s(guard, PLAN), PLAN)
    abandoned_s = guard.last_step_s
    guard, exited = core.step(guard, ElectorExited(), abandoned_s, PLAN)

    assert KillElector() in killed
    assert between == []
    assert AbandonElector() in abandoned
    assert any("going on without it" in e.message for e in abandoned if isinstance(e, Report))
    assert KillElector() not in abandoned
    assert abandoned_s == killed_s + PLAN.timing.look_again_s
    assert any(isinstance(effect, StartElector) for effect in exited)
    assert not guard.elector_killed


def test_an_elector_that_shows_that_it_lives_is_looked_at_in_vain() -> None:
    guard = replace(at(Running(LEASE)), elector_new=False)

    guard, first = core.step(guard, Tick(elector_due_s=101.0), 101.5, PLAN)
    guard, older = core.step(guard, Tick(elector_due_s=100.5), 102.5, PLAN)
    guard, second = core.step(guard, Tick(elector_due_s=102.8), 102.9, PLAN)

    assert first == older == second == []
    assert guard.elector_due_s == 102.8
    assert core.next_wake_s(guard, PLAN) == pytest.approx(104.3)


def test_an_elector_that_still_starts_is_not_taken_for_one_that_hangs() -> None:
    """On a busy host its imports take seconds; killed for that, it would never come up."""
    guard = replace(at(Idle()), elector_due_s=100.0, last_step_s=104.9)

    _, effects = core.step(guard, Tick(), 105.0, PLAN)

    assert KillElector() not in effects


def test_silence_that_we_slept_through_is_not_blamed_on_the_elector() -> None:
    guard = replace(at(Running(LEASE)), elector_due_s=100.0, last_step_s=100.0)

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


@pytest.mark.parametrize("phase", [Running(LEASE), Leaving(0, 500.0)])
def test_where_time_counts_electors_follow_each_other_within_a_tenth_of_a_second(
    phase: object,
) -> None:
    """Their start takes long enough; and a lease runs, or somebody waits for us to be gone."""
    guard = replace(at(phase), elector_deaths=9, unreleased=7)

    guard, effects = take(guard, ElectorExited(), 101.0)

    assert effects == []
    assert guard.elector_start_at_s == pytest.approx(101.1)


def test_a_standby_waits_twice_as_long_each_time_up_to_five_seconds() -> None:
    waits_s = []
    for deaths in (0, 1, 2, 3, 4, 5, 6, 7, 8, 5000):
        guard, _ = take(replace(at(Idle()), elector_deaths=deaths), ElectorExited(), 100.0)
        waits_s.append(0.0 if guard.elector_start_at_s is None else guard.elector_start_at_s - 100)

    expected = [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert waits_s == pytest.approx(expected)


def test_an_elector_that_speaks_ends_the_wait_for_the_next() -> None:
    guard = replace(at(Idle()), elector_deaths=9, elector_new=True)

    guard, _ = take(guard, Heard(msg.Ready()), 100.5)

    assert (guard.elector_deaths, guard.elector_new, guard.elector_due_s) == (0, False, 100.5)


def test_an_elector_that_only_says_that_it_failed_is_not_followed_at_once() -> None:
    guard = replace(at(Running(LEASE)), elector_deaths=1, elector_new=True)

    guard, _ = take(guard, Heard(msg.Failed(125, "no such module")), 100.5)

    assert (guard.elector_deaths, guard.elector_new) == (1, True)


def test_an_elector_that_is_due_starts_and_is_new_again() -> None:
    guard = replace(at(Running(LEASE)), elector_start_at_s=101.0, elector_new=False)

    waiting, early = take(guard, Tick(), 100.9)
    started, effects = core.step(waiting, Tick(), 101.0, PLAN)

    assert early == []
    assert effects == [
        StartElector(7, 113.0, 7),
        Report("elector-replaced", "started a new elector", 7),
    ]
    assert (started.elector_start_at_s, started.elector_due_s) == (None, 101.0)
    assert started.elector_new


@pytest.mark.parametrize("unreleased", [None, 7])
def test_who_leaves_needs_another_elector_only_to_release(unreleased: int | None) -> None:
    leaving = replace(at(Leaving(3, 500.0)), unreleased=unreleased)

    guard, effects = take(leaving, ElectorExited(), 101.0)

    if unreleased is None:
        assert (guard.phase, effects) == (Done(3), [Finish(3)])
    else:
        assert effects == [StartElector(7, 0.0, 7), RELEASE_AND_LEAVE]


@pytest.mark.parametrize(
    ("phase", "unreleased", "replaced"),
    [
        (Stopping(None, 500.0, Quit()), None, False),
        (Stopping(None, 500.0, Quit()), 7, True),
        (Stopping(None, 500.0, Rejoin()), None, True),
        (Stopping(LEASE, 500.0, Quit()), None, True),
    ],
)
def test_who_is_about_to_leave_is_elected_for_nothing_more(
    phase: Stopping, unreleased: int | None, replaced: bool
) -> None:
    guard = replace(at(phase), unreleased=unreleased)

    guard, effects = take(guard, ElectorExited(), 101.0)

    assert any(isinstance(effect, StartElector) for effect in effects) == replaced
    assert (guard.elector_start_at_s == math.inf) != replaced


@pytest.mark.parametrize(
    ("new", "heard_s", "killed"),
    [(False, 98.1, False), (False, 98.0, True), (True, 70.1, False), (True, 70.0, True)],
)
def test_an_elector_has_two_seconds_to_speak_and_thirty_to_come_up(
    new: bool, heard_s: float, killed: bool
) -> None:
    guard = replace(at(Idle()), elector_due_s=heard_s, last_step_s=99.9, elector_new=new)

    guard, effects = core.step(guard, Tick(), 100.0, PLAN)

    report = Report("elector-silent", "the elector hangs; replacing it")
    assert effects == ([KillElector(), report] if killed else [])
    assert guard.elector_due_s == (100.0 if killed else heard_s)


@pytest.mark.parametrize(
    ("slept_s", "awake_s", "blamed"), [(1.0, 0.5, True), (1.0, 0.4, False), (1.1, 9.0, False)]
)
def test_who_has_only_just_woken_up_blames_nobody(
    slept_s: float, awake_s: float, blamed: bool
) -> None:
    last_s = 100.0 - slept_s
    guard = replace(
        at(Idle()),
        elector_due_s=90.0,
        last_step_s=last_s,
        woke_at_s=100.0 - awake_s,
        elector_new=False,
    )

    _, effects = core.step(guard, Tick(), 100.0, PLAN)

    assert (KillElector() in effects) == blamed


def test_an_elector_that_does_not_release_is_named_for_it() -> None:
    guard = replace(at(Idle()), unreleased=7, release_due_s=100.0, elector_new=False)

    guard, effects = take_aloud(guard, Tick(), 100.0)

    why = "the elector does not give the lead up; replacing it"
    assert effects == [KillElector(), Report("elector-silent", why)]
    assert guard.release_due_s == math.inf
