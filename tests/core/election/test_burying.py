"""The elector's core: a guard that is dead, comes back, or cannot be killed, and its tree (S4)."""

from __future__ import annotations

import math
from unittest.mock import ANY

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import (
    Call,
    Exit,
    GuardDied,
    HeardGuard,
    KillTree,
    Renew,
    Resign,
    Spare,
    TellGuard,
    Tick,
    TreeKilled,
)
from coordsidecar.core.election.phases import (
    Killing,
    Leading,
    Opening,
    Resigning,
    Waiting,
)
from tests.core.election.electors import (
    BEHIND,
    CLEAN,
    LEASED,
    SESSION,
    burying,
    elector,
    take,
    told,
)


def test_a_dead_guard_is_buried_before_anything_is_released() -> None:
    state, first = take(elector(Leading(CLEAN)), GuardDied(), 101.0)
    state, then = take(state, TreeKilled(), 101.1)

    assert first == burying("the guard is dead")
    assert then == [Call(Resign(SESSION, 7, ANY))]
    assert isinstance(state.phase, Resigning)
    assert state.phase.leave


def test_a_guard_that_dies_while_it_is_buried_is_buried_once() -> None:
    state, effects = take(elector(Killing(7, until_s=113.0)), GuardDied(), 101.0)

    assert effects == []
    assert state.phase == Killing(7, until_s=113.0)


def test_a_tree_that_cannot_be_killed_keeps_the_session() -> None:
    state = elector(Killing(7, until_s=100.0), renew_at_s=103.0)

    state, effects = take(state, Tick(), 103.0)

    assert effects == [Call(Renew(SESSION, look=True))]
    assert state.phase == Killing(7, until_s=100.0)


def test_an_unkillable_guard_holds_the_lead_until_its_lease_is_over_and_no_longer() -> None:
    """PID 1 of a container outlives SIGKILL; until then it might wake up, and start its job."""
    state = elector(Killing(7, until_s=113.0))

    state, early = take(state, TreeKilled(guard_lives=True), 112.9)
    ended, over = take(state, TreeKilled(guard_lives=True), 113.0)
    _, dead = take(state, TreeKilled(guard_lives=False), 112.9)

    assert early == []
    assert state.phase == Killing(7, until_s=113.0)
    assert over == dead == [Call(Resign(SESSION, 7, ANY))]
    assert isinstance(ended.phase, Resigning)


def test_a_guard_that_dies_after_its_burial_is_not_buried_again() -> None:
    """PID 1 ends with its container, at some time after we have given up its lead."""
    buried, _ = take(elector(Killing(7, until_s=100.0)), TreeKilled(guard_lives=True), 101.0)

    state, effects = take(buried, GuardDied(), 101.1)

    assert effects == []
    assert state.phase == buried.phase


def test_a_buried_guard_that_comes_back_is_believed_and_spared() -> None:
    """It was not dead but slow, and of its own tree it knows more than we do."""
    gone = msg.TreeGone(7, rest_s=2.0, leave=False)

    state, effects = take(elector(Killing(7, until_s=113.0)), HeardGuard(gone), 101.0)

    assert effects == [Spare(), Call(Resign(SESSION, 7, ANY))]
    assert isinstance(state.phase, Resigning)
    assert (state.phase.token, state.phase.rest_s, state.phase.leave) == (7, 2.0, False)


def test_a_buried_guard_is_not_believed_about_another_term() -> None:
    gone = msg.TreeGone(6, rest_s=0.0, leave=False)

    state, effects = take(elector(Killing(7, until_s=113.0)), HeardGuard(gone), 101.0)

    assert effects == [TellGuard(msg.Released(6))]
    assert state.phase == Killing(7, until_s=113.0)


def test_a_tree_that_nobody_had_to_kill_changes_nothing() -> None:
    state, effects = take(elector(Leading(CLEAN)), TreeKilled(), 101.0)

    assert effects == []
    assert state.phase == Leading(CLEAN)


def test_a_guard_that_is_suspended_while_it_is_buried_releases_nothing() -> None:
    state, effects = take(elector(Killing(7)), HeardGuard(msg.Suspended()), 101.0)

    assert state.phase == Killing(7)
    assert effects == []


def test_a_standby_whose_guard_died_ends_without_a_word_of_a_term() -> None:
    state, first = take(elector(Waiting(BEHIND)), GuardDied(), 101.0)
    state, then = take(state, TreeKilled(), 101.1)

    assert first == [KillTree()]
    assert told(then) == []
    assert then == [Call(Resign(SESSION, None, ANY))]
    assert Exit() not in then
    assert math.isfinite(state.phase.give_up_at_s)  # type: ignore[union-attr]


def test_a_guard_that_dies_before_there_is_a_session_left_no_lease() -> None:
    state, effects = take(elector(Opening(), session=None, retry_at_s=1e9), GuardDied(), 101.0)

    assert effects == [KillTree()]
    assert state.phase == Killing(None, until_s=-math.inf)


def test_the_lease_of_a_dead_guard_is_what_it_was_told_of() -> None:
    assert LEASED.run_until_s == 113.0

    state, _ = take(elector(Leading(CLEAN)), GuardDied(), 101.0)

    assert state.phase == Killing(7, until_s=LEASED.run_until_s)
