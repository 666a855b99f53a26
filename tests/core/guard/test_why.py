"""Why a lead ended, as the guard tells its elector with the word that the tree is gone."""

from __future__ import annotations

import signal

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import (
    Effect,
    ElectorExited,
    Event,
    Heard,
    JobExited,
    Plan,
    Signalled,
    Tell,
    Tick,
    TreeEmpty,
    TreeHeld,
)
from coordsidecar.core.guard.phases import Backoff, Guard, Hook, Idle, Lead, Running, Stopping
from coordsidecar.store.history import LONGEST_WHY
from coordsidecar.value import replace
from tests.core.guard.guards import LEASE, PLAN, at, take

ORDER = Heard(msg.StepDown(token=7, rest_s=30.0, why="ann ordered to step down: a reboot"))
LOST = Heard(msg.Lost(7, "the session is gone"))
TERM = Signalled(signal.SIGTERM)
ENDED = JobExited(3)
RESTARTING = replace(PLAN, restart="always")
GATE = Hook(LEASE, "pre-start", 110.0, Lead(gated=True))


def gone(effects: list[Effect]) -> list[str]:
    return [
        e.message.why
        for e in effects
        if isinstance(e, Tell) and isinstance(e.message, msg.TreeGone)
    ]


def whys(guard: Guard, *events: Event, plan: Plan = PLAN) -> list[str]:
    """What was said by the end of these."""
    told: list[str] = []
    for n, event in enumerate(events):
        guard, effects = take(guard, event, 101.0 + n / 10, plan)
        told += gone(effects)
    return told


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((TERM, ENDED, TreeEmpty()), "SIGTERM: stopping the job"),
        ((ENDED, TreeEmpty()), "the job ended; exit code 3"),
        ((ORDER, ENDED, TreeEmpty()), "ann ordered to step down: a reboot"),
        ((LOST, TreeEmpty()), "the session is gone"),
        # What came first.
        ((ENDED, TERM, TreeEmpty()), "the job ended; exit code 3"),
        ((ORDER, LOST, TERM, TreeEmpty()), "ann ordered to step down: a reboot"),
    ],
)
def test_the_first_reason_is_told(events: tuple[Event, ...], why: str) -> None:
    assert whys(at(Running(LEASE)), *events) == [why]


def test_time_is_a_reason() -> None:
    guard, _ = take(at(Running(LEASE)), Tick(), 108.1)

    _, effects = take(guard, TreeEmpty(), 108.2)

    assert gone(effects) == ["the lease could not be renewed in time"]


def test_a_restart_of_the_job_is_none() -> None:
    guard, _ = take(at(Running(LEASE)), ENDED, 101.0, RESTARTING)
    guard, _ = take(guard, TreeEmpty(), 101.1, RESTARTING)
    assert isinstance(guard.phase, Backoff)

    assert whys(guard, TERM, plan=RESTARTING) == ["SIGTERM"]
    assert whys(guard, ORDER, plan=RESTARTING) == ["ann ordered to step down: a reboot"]


def test_but_that_it_failed_too_often_is() -> None:
    plan = replace(RESTARTING, max_restarts=0)

    assert whys(at(Running(LEASE)), ENDED, TreeEmpty(), plan=plan) == ["the job ended; exit code 3"]


def test_a_gate_that_fails_is_one() -> None:
    plan = replace(PLAN, has_pre_start=True)

    assert whys(at(GATE), ENDED, TreeEmpty(), plan=plan) == ["pre-start: it ended; exit code 3"]


def test_a_job_that_is_kept_is_handed_over_for_the_same_reasons() -> None:
    plan = replace(PLAN, while_standby="freeze")

    assert whys(at(Running(LEASE)), ORDER, TreeHeld(), plan=plan) == [
        "ann ordered to step down: a reboot"
    ]


def test_who_follows_a_dead_elector_is_told_as_well() -> None:
    guard = at(Running(LEASE))
    for event in (TERM, TreeEmpty(), ElectorExited()):
        guard, effects = take(guard, event, 101.0)

    assert gone(effects) == ["SIGTERM: stopping the job"]


def test_the_next_lead_has_reasons_of_its_own() -> None:
    before = replace(at(Idle()), why="SIGTERM: stopping the job", token_floor=6)

    guard, _ = take(before, Heard(LEASE), 101.0)

    assert isinstance(guard.phase, Stopping)
    assert guard.why == ""


def test_what_cannot_be_begun_has_one() -> None:
    before = replace(at(Idle()), why="of the one before")

    assert whys(replace(before, token_floor=9), Heard(LEASE)) == ["its token was seen before"]
    assert whys(replace(before, token_floor=6), Heard(replace(LEASE, step_down_at_s=100.0))) == [
        "the lead came too late to be safe"
    ]


def test_it_is_cut_to_what_is_kept() -> None:
    order = Heard(msg.StepDown(token=7, rest_s=30.0, why="w" * 999))

    assert whys(at(Running(LEASE)), order, TreeEmpty()) == ["w" * LONGEST_WHY]
