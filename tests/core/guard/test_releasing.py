"""The guard's core: it releases last, insists on it, and begins no token twice (S4, S8)."""

from __future__ import annotations

import math
import signal
from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    ElectorExited,
    Finish,
    Heard,
    JobExited,
    KillElector,
    Report,
    Signalled,
    StartElector,
    StartJob,
    StopTree,
    Tell,
    Tick,
    TreeEmpty,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Guard,
    Idle,
    Leaving,
    Running,
)
from coordsidecar.value import replace
from tests.core.guard.guards import (
    ENDING,
    LEASE,
    LONGER,
    PLAN,
    RELEASE,
    RELEASE_AND_LEAVE,
    at,
    take,
)

# ── releasing last (S4) ────────────────────────────────────────────────────────────────────────


def test_nothing_is_released_before_the_tree_is_confirmed_dead() -> None:
    guard, effects = take(at(Running(LEASE)), Signalled(signal.SIGTERM), 101.0)
    dying, more = take(guard, JobExited(143), 101.5)

    _, last = take(dying, TreeEmpty(), 101.6)

    assert RELEASE_AND_LEAVE not in effects + more
    assert last == [RELEASE_AND_LEAVE]


def test_a_job_that_ends_takes_the_rest_of_its_tree_along() -> None:
    guard, first = take(at(Running(LEASE)), JobExited(3), 101.0)
    guard, then = take(guard, TreeEmpty(), 101.1)

    assert first == [ENDING, StopTree(signal.SIGTERM)]
    assert then == [RELEASE_AND_LEAVE]
    assert isinstance(guard.phase, Leaving)
    assert guard.phase.exit_code == 3


def test_who_leaves_starts_another_elector_to_resign_if_the_last_one_died() -> None:
    running, _ = take(at(Running(LEASE)), JobExited(0), 101.0)
    leaving, told = take(running, TreeEmpty(), 101.1)

    dead, effects = take(leaving, ElectorExited(), 101.2)
    resigned, _ = take(dead, Heard(msg.Released(7)), 101.3)
    _, last = take(resigned, ElectorExited(), 101.4)

    assert told == [RELEASE_AND_LEAVE]
    assert effects == [StartElector(7, 0.0, 7), RELEASE_AND_LEAVE]
    assert last == [Finish(0)]


def test_who_leaves_while_there_is_no_elector_waits_for_one_to_resign() -> None:
    alone = replace(at(Running(LEASE)), elector_start_at_s=101.5, elector_deaths=3)
    ended, _ = take(alone, JobExited(0), 101.0)
    leaving, _ = take(ended, TreeEmpty(), 101.1)

    guard, effects = take(leaving, Tick(), 101.1)

    assert effects == [StartElector(7, 0.0, 7), RELEASE_AND_LEAVE]
    assert isinstance(guard.phase, Leaving)


def test_the_release_is_repeated_to_an_elector_that_takes_over() -> None:
    lost, _ = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0)
    idle, _ = take(lost, TreeEmpty(), 101.1)

    _, effects = take(idle, ElectorExited(), 101.2)

    assert effects == [StartElector(7, 0.0, 7), RELEASE]


# ── insisting on it ────────────────────────────────────────────────────────────────────────────

# By when an elector must have released: the session is over at 115, two calls, and its silence.
DUE_S = 113.0 + 2.0 + 2 * 2.0 + 2.0


def given_back() -> Guard:
    lost, _ = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0)
    idle, _ = take(lost, TreeEmpty(), 101.1)
    return idle


def test_an_elector_that_does_not_release_by_the_bound_is_replaced() -> None:
    """It shows that it lives; but the lead may stay with us, and without a job, for ever."""
    pinged, early = take(given_back(), Heard(msg.Ready()), DUE_S - 0.1)

    guard, effects = take(pinged, Heard(msg.Ready()), DUE_S)

    assert early == []
    assert effects == [KillElector()]
    assert guard.unreleased == 7


def test_the_elector_that_replaces_it_has_a_time_of_its_own_from_its_first_word() -> None:
    at_work, _ = take(given_back(), Heard(msg.Ready()), 102.0)
    killed, _ = take(at_work, Tick(), DUE_S)

    replaced, effects = take(killed, ElectorExited(), 122.0)
    spoken, _ = take(replaced, Heard(msg.Ready()), 140.0)
    _, early = take(spoken, Heard(msg.Ready()), 147.9)
    _, late = take(spoken, Heard(msg.Ready()), 148.0)

    assert effects == [StartElector(7, 0.0, 7), RELEASE]
    assert KillElector() not in early
    assert KillElector() in late


def test_an_elector_that_is_still_starting_is_not_killed_for_what_it_cannot_have_released() -> None:
    """On a busy host each would be killed before its first word, one after the other."""
    guard = replace(given_back(), elector_new=True)

    starting, effects = take(guard, Tick(), DUE_S + 5.0)

    assert effects == []
    assert core.next_wake_s(starting, PLAN) > DUE_S + 5.0
    assert take(replace(guard, elector_new=False), Tick(), DUE_S)[1] == [KillElector()]


def test_an_elector_that_has_released_is_left_alone() -> None:
    other, _ = take(given_back(), Heard(msg.Released(6)), 102.0)
    released, _ = take(given_back(), Heard(msg.Released(7)), 102.0)

    _, quiet = take(replace(released, elector_new=False), Tick(), 500.0)
    _, killed = take(other, Tick(), 500.0)

    assert (released.unreleased, released.release_due_s) == (None, math.inf)
    assert quiet == []
    assert killed == [KillElector()]


def test_a_guard_wakes_when_the_release_is_due() -> None:
    guard = replace(given_back(), release_due_s=101.5, elector_new=False)

    assert core.next_wake_s(guard, PLAN) == 101.5


# ── no token twice (S8) ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("token", [6, 7])
def test_a_token_at_or_below_what_was_seen_is_refused_aloud_and_released(token: int) -> None:
    """Not to say a word of it would be worse: the elector would lead without a job, for ever."""
    offer = replace(LEASE, token=token)

    guard, effects = core.step(at(Idle()), Heard(offer), 100.1, PLAN)

    why = f"token {token} is not above 7, which was seen here; releasing it"
    assert effects == [
        Report("token-refused", why, token),
        Tell(msg.TreeGone(token, 0.0, leave=False, why=ANY)),
    ]
    assert guard.phase == Idle()


def test_a_term_that_is_unreleased_is_dropped_without_a_word() -> None:
    """The lease was on its way, and the job was never started: the host slept meanwhile."""
    idle = replace(at(Idle("standby")), token_floor=6)
    clearing, _ = take(idle, Heard(LEASE), 101.0)
    given_back, effects = take(clearing, TreeEmpty(), 109.0)

    guard, late = take(given_back, Heard(LONGER), 109.1)

    assert effects == [RELEASE]
    assert late == []
    assert isinstance(guard.phase, Idle)


def test_a_token_that_was_given_back_is_never_begun_again() -> None:
    released, _ = take(given_back(), Heard(msg.Released(7)), 102.0)

    guard, effects = take(released, Heard(LONGER), 102.1)

    assert guard.token_floor == 7
    assert effects == [RELEASE]
    assert guard.phase == Idle()


def test_a_token_that_begins_is_seen() -> None:
    begun, _ = take(replace(at(Idle()), token_floor=0), Heard(LEASE), 100.1)
    running, effects = take(begun, TreeEmpty(), 100.2)

    assert effects == [StartJob("leader", 7)]
    assert running.token_floor == 7


def test_what_the_elector_saw_in_office_raises_the_floor_and_nothing_lowers_it() -> None:
    risen, _ = take(at(Idle()), Heard(msg.Following("blue", 40, floor=40)), 100.1)
    kept, _ = take(risen, Heard(msg.Following("red", 50, floor=3)), 100.2)

    _, effects = take(kept, Heard(replace(LEASE, token=40)), 100.3)

    assert risen.token_floor == kept.token_floor == 40
    assert effects == [Tell(msg.TreeGone(40, 0.0, leave=False, why=ANY))]


@pytest.mark.parametrize("phase", [Idle(), Running(LEASE), Backoff(LEASE, 500.0)])
def test_every_elector_starts_with_the_floor_and_the_ttl_of_whoever_had_it(phase: object) -> None:
    guard = replace(at(phase), token_floor=40, floor_ttl_s=60.0)

    _, effects = take(guard, ElectorExited(), 101.0)

    started = [effect for effect in effects if isinstance(effect, StartElector)]
    assert [(effect.floor, effect.floor_ttl_s) for effect in started] == [(40, 60.0)]


def test_the_ttl_is_kept_of_whoever_had_the_highest_token() -> None:
    risen, _ = take(at(Idle()), Heard(msg.Following("blue", 40, 40, 60.0)), 100.1)
    kept, _ = take(risen, Heard(msg.Following("red", 50, 3, 5.0)), 100.2)
    higher, _ = take(kept, Heard(msg.Following("red", 50, 50, 5.0)), 100.3)

    assert [guard.floor_ttl_s for guard in (risen, kept, higher)] == [60.0, 60.0, 5.0]
