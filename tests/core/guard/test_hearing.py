"""The guard's core: what electors say, and what comes of it."""

from __future__ import annotations

import signal

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import Heard, KillTree, Report, ShowRole, StopTree, Tell
from coordsidecar.core.guard.phases import Backoff, Idle, Leaving, Quit, Running, Stopping
from tests.core.guard.guards import LEASE, at, take_aloud


def test_whoever_leads_is_shown_while_we_stand_by() -> None:
    following = Heard(msg.Following("blue", 5, floor=5))

    idle, aloud = take_aloud(at(Idle()), following, 100.1)
    running, quiet = take_aloud(at(Running(LEASE)), following, 100.1)

    assert aloud == [
        Report("standing-by", "blue leads", 5),
        ShowRole("standby", None, None, "blue"),
    ]
    assert quiet == []
    assert idle.leader == running.leader == "blue"


def test_no_token_is_shown_of_a_leader_that_is_none_of_ours_and_has_none() -> None:
    _, effects = take_aloud(at(Idle()), Heard(msg.Following("theirs", 0, floor=0)), 100.1)

    assert effects[0] == Report("standing-by", "theirs leads", None)


def test_a_session_is_kept_by_the_driver_and_is_no_news() -> None:
    guard, effects = take_aloud(at(Idle()), Heard(msg.Holding("s1", 15.0)), 100.1)

    assert effects == []
    assert guard.phase == Idle()


@pytest.mark.parametrize(
    "phase", [Running(LEASE), Stopping(LEASE, 500.0, Quit()), Backoff(LEASE, 500.0)]
)
def test_a_failed_elector_never_ends_a_job(phase: object) -> None:
    """Its deadline decides."""
    guard, effects = take_aloud(at(phase), Heard(msg.Failed(125, "wrong password")), 101.0)

    assert effects == [Report("failed", "wrong password")]
    assert guard.phase == phase


@pytest.mark.parametrize(
    ("tree", "phase", "effect"),
    [
        ("none", Leaving(125, 106.0), Tell(msg.Leave())),
        ("standby", Stopping(None, 126.0, Quit(125)), StopTree(signal.SIGTERM)),
        ("held", Stopping(None, 126.0, Quit(125)), StopTree(signal.SIGTERM)),
        ("frozen", Stopping(None, 126.0, Quit(125), killing=True), KillTree()),
    ],
)
def test_a_failed_elector_ends_a_standby(tree: str, phase: object, effect: object) -> None:
    failed = Heard(msg.Failed(125, "wrong password"))

    guard, effects = take_aloud(at(Idle(tree)), failed, 101.0)  # type: ignore[arg-type]

    assert guard.phase == phase
    assert effects == [Report("failed", "wrong password"), effect]
