"""The guard's core: signals work in every phase (S12)."""

from __future__ import annotations

import signal

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    Continued,
    ElectorExited,
    Finish,
    FreezeTree,
    Heard,
    KillTree,
    Report,
    ShowRole,
    SignalJob,
    Signalled,
    StopTree,
    SuspendSelf,
    Tell,
    TerminalStop,
    ThawTree,
    Tick,
    TreeEmpty,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Done,
    Idle,
    Leaving,
    Quit,
    Rejoin,
    Running,
    Stopping,
    Yielding,
)
from tests.core.guard.guards import (
    ENDING,
    LEASE,
    PLAN,
    RELEASE_AND_LEAVE,
    at,
    take,
    take_aloud,
)


@pytest.mark.parametrize(
    "signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT]
)
def test_a_signal_without_a_job_ends_us(signum: int) -> None:
    guard, effects = take(at(Idle()), Signalled(signum), 100.1)

    assert effects == [Tell(msg.Leave())]
    assert isinstance(guard.phase, Leaving)
    assert guard.phase.exit_code == 128 + signum


def test_a_second_term_kills_at_once() -> None:
    stopping, _ = take(at(Running(LEASE)), Signalled(signal.SIGTERM), 101.0)

    _, effects = take(stopping, Signalled(signal.SIGTERM), 101.1)

    assert effects == [KillTree()]


def test_a_term_during_a_loss_ends_us_instead_of_rejoining() -> None:
    lost, _ = take(at(Running(LEASE)), Heard(msg.Lost(7, "revoked")), 101.0)
    asked, _ = take(lost, Signalled(signal.SIGTERM), 101.1)

    guard, effects = take(asked, TreeEmpty(), 101.2)

    assert effects == [RELEASE_AND_LEAVE]
    assert isinstance(guard.phase, Leaving)


def test_leaving_is_bounded() -> None:
    leaving, _ = take(at(Idle()), Signalled(signal.SIGTERM), 100.0)

    guard, effects = take(leaving, Tick(), 105.0)

    assert guard.phase == Done(143)
    assert effects == [Finish(143)]


def test_ctrl_z_freezes_the_tree_before_us_and_thaws_it_after_the_deadline_was_checked() -> None:
    paused, first = take(at(Running(LEASE)), TerminalStop(), 101.0)
    resumed, in_time = take(paused, Continued(), 102.0)
    _, too_late = core.step(paused, Continued(), 109.0, PLAN)

    assert first == [FreezeTree(), Tell(msg.Suspended()), SuspendSelf()]
    assert in_time == [Tell(msg.Resumed()), ThawTree()]
    assert resumed.phase == Running(LEASE)
    assert ThawTree() not in too_late


def test_who_has_ended_takes_no_event_any_more() -> None:
    for event in (Signalled(signal.SIGTERM), ElectorExited(), Heard(LEASE), Tick(), TreeEmpty()):
        guard, effects = core.step(at(Done(3)), event, 500.0, PLAN)

        assert effects == []
        assert guard.phase == Done(3)


TERM, INT, HUP, USR1 = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1
ASKED = {"asked": True}


@pytest.mark.parametrize(
    ("phase", "signum", "then", "effects"),
    [
        (Idle(), USR1, Idle(), []),
        (Idle("frozen"), USR1, Idle("frozen"), []),
        (Idle("frozen"), HUP, Stopping(None, 101.0, Quit(129), True, True), [KillTree()]),
        (Idle("held"), TERM, Stopping(None, 126.0, Quit(143), **ASKED), [StopTree(TERM)]),
        (Idle("standby"), INT, Stopping(None, 126.0, Quit(130), **ASKED), [StopTree(TERM)]),
        (Idle("held"), HUP, Idle("held"), [SignalJob(HUP)]),
        (Idle("standby"), USR1, Idle("standby"), [SignalJob(USR1)]),
        (Running(LEASE), TERM, Stopping(LEASE, 126.0, Quit(), **ASKED), [StopTree(TERM), ENDING]),
        (Running(LEASE), INT, Stopping(LEASE, 126.0, Quit(), **ASKED), [StopTree(INT), ENDING]),
        (Running(LEASE), HUP, Running(LEASE), [SignalJob(HUP)]),
        (
            Yielding(LEASE, 105.0),
            TERM,
            Stopping(LEASE, 105.0, Quit(), **ASKED),
            [StopTree(TERM), ENDING],
        ),
        (Yielding(LEASE, 105.0), USR1, Yielding(LEASE, 105.0), [SignalJob(USR1)]),
        (Backoff(None, 500.0), USR1, Backoff(None, 500.0), []),
        (Backoff(None, 500.0), TERM, Leaving(143, 106.0), [Tell(msg.Leave())]),
        (Backoff(LEASE, 500.0), TERM, Leaving(143, 106.0), [RELEASE_AND_LEAVE]),
        (Leaving(3, 500.0), TERM, Done(3), [Finish(3)]),
        (Leaving(3, 500.0), HUP, Leaving(3, 500.0), []),
        (
            Stopping(LEASE, 105.0, Rejoin()),
            TERM,
            Stopping(LEASE, 105.0, Quit(143), **ASKED),
            [],
        ),
        (
            Stopping(LEASE, 105.0, Quit(123)),
            TERM,
            Stopping(LEASE, 105.0, Quit(123), **ASKED),
            [],
        ),
        (
            Stopping(LEASE, 105.0, Quit(), **ASKED),
            INT,
            Stopping(LEASE, 105.0, Quit(), killing=True, asked=True),
            [KillTree()],
        ),
        (Stopping(LEASE, 105.0, Quit()), USR1, Stopping(LEASE, 105.0, Quit()), [SignalJob(USR1)]),
    ],
)
def test_every_signal_means_something_in_every_phase(
    phase: object, signum: int, then: object, effects: list[object]
) -> None:
    guard, done = take(at(phase), Signalled(signum), 101.0)

    assert guard.phase == then
    assert done == effects


PATIENCE = "SIGKILL follows in 25s, or sooner if the lead is not renewed meanwhile"


def test_who_is_asked_to_stop_says_so() -> None:
    _, effects = take_aloud(at(Running(LEASE)), Signalled(signal.SIGINT), 101.0)

    assert effects == [
        ShowRole("stopping", 7, 113.0, None),
        StopTree(signal.SIGINT),
        ENDING,
        Report("stopping", f"SIGINT: stopping the job; {PATIENCE}", 7, 12.0),
    ]


@pytest.mark.parametrize("phase", [Idle("standby"), Stopping(LEASE, 105.0, Quit())])
def test_ctrl_z_pauses_no_tree_but_a_leaders(phase: object) -> None:
    paused, first = take_aloud(at(phase), TerminalStop(), 101.0)
    _, then = take_aloud(paused, Continued(), 101.5)

    report = Report("suspended", "suspended; the job is paused with us")
    assert first == [report, Tell(msg.Suspended()), SuspendSelf()]
    assert then == [Tell(msg.Resumed())]
