"""The guard's core: what it knows of its health while it does not lead, and who may stand."""

from __future__ import annotations

import signal

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    ElectorExited,
    Health,
    Heard,
    JobExited,
    Report,
    StartElector,
    StartHook,
    StartJob,
    Tell,
    TreeEmpty,
)
from coordsidecar.core.guard.phases import Hook, Idle, Lead, Rejoin, Running, Stopping
from coordsidecar.value import replace
from tests.core.guard.guards import LEASE, PLAN, at, take, take_aloud

ALWAYS = replace(PLAN, only_well_stand=True)
SICK = Health(run=0, healthy=False, why="no disk")
WELL = Health(run=0, healthy=True, why="the check is passed")
NOBODY_KNOWS = Health(run=0, healthy=None, why="nobody looks at the moment")
STANDS_ASIDE = msg.Condition("sick", "no disk", stands=False)
IDLE = replace(at(Idle()), token_floor=6)
UNFIT = replace(IDLE, condition=STANDS_ASIDE)
GIVEN_BACK = Tell(msg.TreeGone(token=7, rest_s=0.0, leave=False, why="it is unhealthy: no disk"))


def test_who_is_sick_does_not_stand_until_it_is_well_again() -> None:
    sick, first = take_aloud(IDLE, SICK, 101.0, ALWAYS)
    still, again = take_aloud(sick, replace(SICK, why="no disk, still"), 102.0, ALWAYS)
    _, then = take_aloud(still, WELL, 103.0, ALWAYS)

    assert first == [
        Tell(STANDS_ASIDE),
        Report("unhealthy", "no disk; not standing until that is over"),
    ]
    assert again == [], "it is said once"
    assert then == [
        Tell(msg.Condition("well", "the check is passed")),
        Report("healthy", "the check is passed; standing for election"),
    ]


def test_who_cannot_be_looked_at_any_more_stands() -> None:
    """To know nothing is no reason: else what looks would be one more thing that must not fail."""
    _, effects = take_aloud(UNFIT, NOBODY_KNOWS, 101.0, ALWAYS)

    assert effects == [Tell(msg.Condition("unknown", "nobody looks at the moment"))]


def test_without_always_a_sick_job_leaves_its_instance_a_candidate() -> None:
    running = replace(at(Running(LEASE)), runs=1)

    _, effects = take(running, replace(SICK, run=1), 101.0)

    assert effects[0] == Tell(msg.Condition("sick", "no disk", stands=True))


@pytest.mark.parametrize("tree", ["none", "standby", "held", "frozen"])
def test_a_lead_that_was_on_its_way_is_given_back_and_nothing_starts(tree: str) -> None:
    plan = replace(ALWAYS, while_standby="signal", lead_signal=signal.SIGUSR1)
    guard, effects = take(replace(UNFIT, phase=Idle(tree)), Heard(LEASE), 101.0, plan)  # type: ignore[arg-type]

    assert effects == [GIVEN_BACK]
    assert guard.phase == Idle(tree)  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [Lead(), Lead(gated=True)])
def test_nor_does_a_job_start_that_only_waited_for_what_stood_by_or_for_its_gate(
    after: Lead,
) -> None:
    sick, _ = take(at(Stopping(LEASE, 125.0, after)), SICK, 100.5, ALWAYS)

    guard, effects = take(sick, TreeEmpty(), 101.0, ALWAYS)

    assert effects == [GIVEN_BACK]
    assert guard.phase == Idle()


def test_a_gate_that_lets_it_in_is_no_remedy() -> None:
    plan = replace(ALWAYS, has_pre_start=True, has_post_stop=True)
    gate = Hook(LEASE, "pre-start", 105.0, Lead(gated=True))
    sick, _ = take(replace(at(gate), to_clear=7), SICK, 100.5, plan)
    ended, _ = take(sick, JobExited(0), 101.0, plan)

    guard, effects = take(ended, TreeEmpty(), 101.1, plan)

    assert effects == [StartHook("post-stop", 7)], "what the gate began is cleaned up"
    assert isinstance(guard.phase, Hook)
    assert guard.phase.after == Rejoin()


def test_a_job_that_runs_goes_on_whatever_is_found_of_who_stands_by() -> None:
    """It comes late: by now it is led here."""
    guard, effects = take(replace(at(Running(LEASE)), runs=1), SICK, 101.0, ALWAYS)

    assert (guard.phase, guard.condition, effects) == (Running(LEASE), msg.Condition("unknown"), [])


def test_a_job_that_is_sick_is_stopped_and_this_instance_does_not_stand() -> None:
    guard = replace(at(Running(LEASE)), runs=1)

    guard, effects = take(guard, replace(SICK, run=1), 101.0, ALWAYS)

    assert effects[0] == Tell(STANDS_ASIDE)
    assert isinstance(guard.phase, Stopping)


def test_with_restart_a_sick_job_starts_again_under_its_term() -> None:
    plan = replace(ALWAYS, unhealthy="restart")
    guard, _ = take(replace(at(Running(LEASE)), runs=1), replace(SICK, run=1), 101.0, plan)
    backoff, _ = take(guard, TreeEmpty(), 101.1, plan)

    _, effects = take(backoff, Heard(LEASE), 101.3, plan)

    assert effects == [StartJob("leader", 7)]


def test_the_next_elector_is_told_as_soon_as_it_works() -> None:
    started, effects = take(UNFIT, ElectorExited(), 101.0, ALWAYS)
    assert any(isinstance(effect, StartElector) for effect in effects)

    _, told = take(started, Heard(msg.Ready()), 101.2, ALWAYS)
    unknown = replace(started, condition=msg.UNKNOWN)
    _, may_stand = take(unknown, Heard(msg.Ready()), 101.2, ALWAYS)
    not_yet = replace(started, condition=msg.NOT_LOOKED_AT)

    assert told == [Tell(STANDS_ASIDE)]
    assert may_stand == [Tell(msg.UNKNOWN)], "it begins as one that does not stand"
    assert take(not_yet, Heard(msg.Ready()), 101.2, ALWAYS)[1] == []
    assert take(unknown, Heard(msg.Ready()), 101.2)[1] == []


def test_nobody_stands_before_a_first_check_is_passed() -> None:
    guard, effects = core.begin(100.0, ALWAYS)
    anybody, _ = core.begin(100.0, PLAN)

    assert guard.condition == msg.NOT_LOOKED_AT
    assert effects[-1] == Report(
        "not-standing", "not standing for election before a check is passed"
    )
    assert anybody.condition == msg.UNKNOWN
