"""The elector's core: a guard that is silent, and may be stopped or only slow."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Call,
    Event,
    GuardIs,
    HeardGuard,
    KillTree,
    LookAtGuard,
    Renew,
    TellGuard,
    Tick,
    Watched,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Killing,
    Leading,
    Losing,
    Resigning,
    Waiting,
)
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    SESSION,
    adopting,
    burying,
    elector,
    take,
)

# Heard last at 100: looked at from 104 on, and given up at 108.
SILENT = {"guard_due_s": 104.0, "guard_alive_s": 100.0, "guard_lost_s": 108.0}
LOOKED_AT = {"guard_due_s": 104.5, "guard_alive_s": 100.0, "guard_lost_s": 108.0}


def test_a_guard_that_is_silent_is_looked_at_again_and_again() -> None:
    state = elector(Leading(CLEAN), **SILENT)

    state, early = take(state, Tick(), 103.9)
    state, first = take(state, Tick(), 104.0)
    state, between = take(state, Tick(), 104.4)
    state, second = take(state, Tick(), 104.5)

    assert early == between == []
    assert first == second == [LookAtGuard()]
    assert state.phase == Leading(CLEAN)


def test_who_is_awake_looks_at_a_guard_that_is_soon_to_be_looked_at() -> None:
    """And need not wake up for it. But whether it is still stopped is asked in time, not before."""
    state = elector(Leading(CLEAN), **SILENT)

    _, soon = take(state, Watched(changed=False), 103.7)
    _, still = take(replace(state, guard_stopped_s=102.0), Watched(changed=False), 103.7)

    assert LookAtGuard() in soon
    assert LookAtGuard() not in still


def test_a_silent_guard_that_is_stopped_is_buried_early() -> None:
    state = elector(Leading(CLEAN), **LOOKED_AT)

    state, first = take(state, GuardIs(stopped=True), 101.5)
    state, effects = take(state, GuardIs(stopped=True), 104.0)

    assert first == []
    assert effects == burying("the guard was stopped; ending the job ourselves")
    assert state.phase == Killing(7, until_s=113.0)


def test_a_guard_that_is_seen_to_be_stopped_is_looked_at_once_more() -> None:
    """It may have been stopped since it was last known not to be; but perhaps only just now, and we
    were slow to look."""
    state = elector(Leading(CLEAN), guard_alive_s=100.0, guard_due_s=103.0)

    state, _ = take(state, GuardIs(stopped=True), 103.0)
    goes_on, _ = take(state, GuardIs(stopped=False), 105.5)
    too_soon, _ = take(state, GuardIs(stopped=True), 105.4)
    still, _ = take(state, GuardIs(stopped=True), 105.5)

    assert (state.phase, state.guard_due_s) == (Leading(CLEAN), 105.5)
    assert (goes_on.phase, goes_on.guard_due_s) == (Leading(CLEAN), 107.0)
    assert goes_on.guard_stopped_s == math.inf
    assert too_soon.phase == Leading(CLEAN)
    assert isinstance(still.phase, Killing)


def test_a_silent_guard_that_is_not_stopped_has_until_d() -> None:
    """It may only get no processor, and while we renew it endangers nothing."""
    state = elector(Leading(CLEAN), renewed_at_s=107.0, **LOOKED_AT)

    state, looked = take(state, GuardIs(stopped=False), 104.1)
    state, slow = take(state, Tick(), 107.1)
    state, over = take(state, Tick(), 108.0)

    assert looked == []
    assert slow == [LookAtGuard()]
    assert over == burying("the guard does not react; ending the job ourselves")
    assert state.phase == Killing(7, until_s=120.0)


def test_a_guard_that_was_heard_meanwhile_is_not_buried_for_what_was_seen_before() -> None:
    state = elector(Leading(CLEAN), **SILENT)

    state, _ = take(state, Tick(guard_seen_s=104.1), 104.1)
    state, effects = take(state, GuardIs(stopped=True), 104.2)

    assert effects == []
    assert state.phase == Leading(CLEAN)
    assert (state.guard_due_s, state.guard_lost_s) == (108.1, 112.1)


@pytest.mark.parametrize("phase", [Killing(7), Resigning(7, 0.0, leave=True, give_up_at_s=120.0)])
def test_who_buries_its_guard_or_leaves_it_does_not_look_at_it_any_more(phase: object) -> None:
    state = replace(elector(phase, call=Renew(SESSION)), **SILENT)

    state, ticked = take(state, Tick(), 109.0)
    state, seen = take(state, GuardIs(stopped=True), 109.0)

    assert ticked == seen == []
    assert state.phase == phase


def test_a_guard_that_still_starts_is_not_taken_for_one_that_hangs() -> None:
    """On a busy host its imports take seconds; until then it has no job that is to be ended."""
    state = elector(Leading(CLEAN), renewed_at_s=107.0, guard_lost_s=130.0, guard_new=True)

    state, _ = take(state, Tick(), 108.0)
    over, _ = take(replace(state, renewed_at_s=129.0), Tick(), 130.0)
    soon, _ = take(state, Tick(guard_seen_s=100.5), 108.5)
    later, _ = take(state, Tick(guard_seen_s=109.0), 109.0)

    assert state.phase == Leading(CLEAN)
    assert isinstance(over.phase, Killing)
    assert isinstance(soon.phase, Killing)
    assert (later.guard_new, later.guard_lost_s) == (False, 117.0)


def test_a_guard_that_lets_the_lease_run_out_is_not_trusted_further() -> None:
    state, early = take(elector(Leading(CLEAN)), Tick(), 112.4)
    state, effects = take(state, Tick(), 112.5)

    assert early == []
    assert effects[0] == KillTree()
    assert state.phase == Killing(7, until_s=113.0)


def test_a_guard_that_does_not_confirm_a_loss_in_time_is_not_trusted_further() -> None:
    state, early = take(elector(Losing(7, kill_at_s=105.0)), Tick(), 104.9)
    state, effects = take(state, Tick(), 105.0)

    assert early == []
    assert effects[0] == KillTree()
    assert isinstance(state.phase, Killing)


@pytest.mark.parametrize("phase", [Leading(CLEAN), Losing(7, kill_at_s=105.0)])
def test_an_elector_that_wakes_late_gives_its_guard_a_moment_first(phase: object) -> None:
    state, effects = core.step(elector(phase), Tick(), 500.0, AIMS)
    state, moment = take(state, Tick(), 500.9)
    state, later = take(state, Tick(), 501.0)

    assert KillTree() not in effects + moment
    assert KillTree() in later


def test_an_elector_that_slept_does_not_blame_its_guard_for_the_silence() -> None:
    """It has the time of a look, and if it had more left, that."""
    state, _ = core.step(elector(Waiting(BEHIND), **SILENT), Tick(), 500.0, AIMS)

    assert (state.guard_due_s, state.guard_alive_s, state.guard_lost_s) == (501.5, 500.0, 504.0)
    awake = elector(Waiting(BEHIND), guard_due_s=1000.0, guard_lost_s=1004.0)
    state, _ = core.step(awake, Tick(), 500.0, AIMS)
    assert (state.guard_due_s, state.guard_lost_s) == (1000.0, 1004.0)


def test_a_guard_that_freezes_while_we_adopt_is_buried_for_its_job_may_run() -> None:
    state, effects = take(adopting(guard_due_s=1e9, guard_lost_s=101.0), Tick(), 101.0)

    assert effects[0] == KillTree()
    assert state.phase == Killing(7, until_s=113.0)


def test_an_elector_that_adopts_a_lease_that_is_over_gives_its_guard_a_moment_first() -> None:
    begun = replace(core.begin(200.0, AIMS, adopt=SESSION, token=7), ready=True)

    state, early = take(begun, Tick(), 203.9)
    state, later = take(state, Tick(), 204.0)

    assert Call(Renew(SESSION, look=True)) in early
    assert KillTree() not in early
    assert later[0] == KillTree()


@pytest.mark.parametrize(
    "state",
    [elector(Waiting(BEHIND)), elector(Claiming(CLEAN, 1e9)), replace(adopting(), phase=None)],
    ids=["waiting", "claiming", "adopting nothing"],
)
def test_a_frozen_guard_that_runs_no_job_only_makes_way(state: Elector) -> None:
    if state.phase is None:
        state = replace(adopting(), phase=type(adopting().phase)(None))
    state = replace(state, **SILENT)

    state, effects = take(state, Tick(), 108.0)

    assert KillTree() not in effects
    assert effects[0] == TellGuard(msg.Released(0))  # Our request to resign may arrive late.
    assert isinstance(state.phase, Resigning)
    assert state.phase.leave


@pytest.mark.parametrize("event", [Tick(guard_seen_s=108.0), HeardGuard(msg.JobIs(1))])
def test_a_guard_is_heard_before_its_silence_is_judged(event: Event) -> None:
    """Between our look at the clock and its word some time may pass, on a host under load."""
    state = elector(Leading(CLEAN), **SILENT)

    state, effects = take(state, event, 108.0)

    assert effects == []
    assert state.phase == Leading(CLEAN)
    assert (state.guard_due_s, state.guard_alive_s, state.guard_lost_s) == (109.5, 108.0, 116.0)
