"""A standby forks its job's process beforehand; whatever befalls it, the takeover goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, named, status_of, wait_for


def prefork(standby: Sidecar) -> psutil.Process:
    def found() -> list[psutil.Process]:
        return named(standby.children(), "job-to-be")

    wait_for(found, "the job's process to be forked")
    return found()[0]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_a_standby_takes_over_whatever_befell_the_fork(arena: Arena, signum: int) -> None:
    leader, standby = arena.pair()
    waiting = prefork(standby)

    waiting.send_signal(signum)
    if signum == signal.SIGSTOP:
        wait_for(lambda: status_of(waiting) == psutil.STATUS_STOPPED, "the fork to stop")
    else:
        wait_for(lambda: not waiting.is_running(), "the fork to end, and be reaped")
    leader.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_the_fork_becomes_the_job(arena: Arena) -> None:
    leader, standby = arena.pair()
    waiting = prefork(standby)

    leader.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(2)
    assert standby.job() == waiting
    assert prefork_count(standby) == 0


def prefork_count(sidecar: Sidecar) -> int:
    return len(named(sidecar.children(), "job-to-be"))


def test_the_fork_holds_nothing_of_ours(arena: Arena) -> None:
    """Above all no lock, which would last as long as it does."""
    _, standby = arena.pair()

    fds = Path(f"/proc/{prefork(standby).pid}/fd")

    # Standard input, output and error, and the way by which it hears what to become. It has its
    # name a moment before it has closed the others.
    wait_for(lambda: len(list(fds.iterdir())) == 4, "the fork to close what is ours")
    held = [str(fd.readlink()) for fd in fds.iterdir()]
    assert not [name for name in held if name.endswith(".lock")]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_the_fork_ends_with_its_guard(arena: Arena, signum: int) -> None:
    _, standby = arena.pair()
    waiting = prefork(standby)

    standby.signal(signum)

    standby.wait()
    wait_for(lambda: not waiting.is_running(), "the fork to end")


def test_a_fork_that_was_to_lead_does_not_stand_by(arena: Arena) -> None:
    arena.start()
    arena.stamps.wait_for_stints(1)
    signals = ("--lead-signal", "USR1", "--standby-signal", "USR2")
    options = ("--while-standby", "signal", *signals, "--restart", "always")
    standby = arena.start(*options, command=["sleep", "600"])
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
    first = standby.job()

    first.kill()

    wait_for(lambda: standby.log().count("started the job") == 2, "the job to be started again")
    environ = standby.job().environ()
    assert environ["COORDSIDECAR_ROLE"] == "standby"
    assert "COORDSIDECAR_TOKEN" not in environ
