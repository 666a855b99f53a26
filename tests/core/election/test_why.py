"""Why a lead ended goes to the store with the request that gives it up."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import (
    Answered,
    Call,
    Effect,
    Gone,
    GuardDied,
    HeardGuard,
    Renew,
    Resign,
    TreeKilled,
)
from coordsidecar.core.election.phases import Claiming, Leading, Losing
from tests.core.election.electors import CLEAN, SESSION, elector, take

GONE = HeardGuard(msg.TreeGone(7, 0.0, leave=False, why="SIGTERM: stopping the job"))


def resigns(effects: list[Effect]) -> list[tuple[int | None, str]]:
    ops = [effect.op for effect in effects if isinstance(effect, Call)]
    return [(op.token, op.why) for op in ops if isinstance(op, Resign)]


def test_the_guards_reason_is_handed_on() -> None:
    leading = take(elector(Leading(CLEAN)), GONE, 101.0)
    losing = take(elector(Losing(7, 104.0)), GONE, 101.0)

    assert resigns(leading[1]) == resigns(losing[1]) == [(7, "SIGTERM: stopping the job")]


def test_of_a_guard_that_died_the_elector_says_it() -> None:
    killing, _ = take(elector(Leading(CLEAN)), GuardDied(), 101.0)

    _, effects = take(killing, TreeKilled(), 101.1)

    assert resigns(effects) == [(7, "its guard was dead, or stood still")]


def test_of_a_session_that_was_lost_before_the_job_started_the_store_does() -> None:
    renew = Renew(SESSION, look=True)
    claiming = elector(Claiming(CLEAN, 200.0), call=renew)

    _, effects = take(claiming, Answered(renew, 101.0, Gone("the lease is gone"), 0.0), 101.0)

    assert resigns(effects) == [(7, "the lease is gone")]
