"""Under systemd: ready once the store is reached, a status, and signs of life from the loop itself.

systemd is a datagram socket here; that is all of it that a service sees.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for


class Manager:
    """What it was told, in order."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(60)
        self.address = address.replace("\0", "@")
        self.heard: list[str] = []

    def wait_for(self, what: str) -> None:
        while what not in self.heard:
            self.heard.append(self._socket.recv(4096).decode())

    def forget(self) -> None:
        """Also what is under way."""
        self._socket.setblocking(False)
        try:
            while True:
                self._socket.recv(4096)
        except BlockingIOError:
            self._socket.settimeout(60)
        self.heard.clear()

    def fill(self) -> None:
        """Until it hears no more, as one that has to catch up."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.connect(self._socket.getsockname())
            with suppress(BlockingIOError):
                while True:
                    sender.send(b"STATUS=somebody else's")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    named = {"path": str(tmp_path / "notify"), "abstract": f"\0coordsidecar-{os.getpid()}"}
    manager = Manager(named[request.param])
    yield manager
    manager.close()


def start(arena: Arena, manager: Manager, **environ: str) -> Sidecar:
    return arena.start(env={**os.environ, "NOTIFY_SOCKET": manager.address, **environ})


def test_it_is_ready_as_a_candidate_and_says_what_it_plays(arena: Arena, manager: Manager) -> None:
    leader = arena.start("--id", "blue")
    arena.stamps.wait_for_stints(1)

    standby = start(arena, manager)
    manager.wait_for("READY=1")
    manager.wait_for("STATUS=standby: blue leads")
    manager.forget()
    leader.signal(signal.SIGTERM)
    wait_for(lambda: standby.leads(), "the second instance to lead")

    manager.wait_for("STATUS=leader, token 2")
    assert not [said for said in manager.heard if said.startswith("WATCHDOG")]
    assert "NOTIFY_SOCKET" not in standby.job().environ()


def test_the_loop_tells_the_watchdog_that_it_lives(arena: Arena, manager: Manager) -> None:
    sidecar = start(arena, manager, WATCHDOG_USEC="200000")
    manager.wait_for("WATCHDOG=1")
    manager.forget()
    manager.wait_for("WATCHDOG=1")  # Again and again.
    manager.forget()
    manager.wait_for("WATCHDOG=1")
    wait_for(sidecar.leads, "the job to start")  # It may be late, and is none of the watchdog's.


def test_a_watchdog_that_waits_for_another_process_is_told_nothing(
    arena: Arena, manager: Manager
) -> None:
    sidecar = start(arena, manager, WATCHDOG_USEC="1000", WATCHDOG_PID="1")
    manager.wait_for("STATUS=leader, token 1")

    sidecar.signal(signal.SIGTERM)

    sidecar.wait()
    manager.wait_for("STATUS=stopping, token 1")
    assert "WATCHDOG=1" not in manager.heard


def test_who_cannot_be_told_is_complained_of_once(arena: Arena, tmp_path: Path) -> None:
    sidecar = arena.start(env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "nobody")})
    arena.stamps.wait_for_stints(1)

    sidecar.signal(signal.SIGTERM)

    assert sidecar.wait() == 128 + signal.SIGTERM
    assert sidecar.log().count("cannot tell systemd") == 1


def test_what_could_not_be_said_is_said_later(arena: Arena, manager: Manager) -> None:
    """It kills whoever never says that it is ready."""
    manager.fill()
    sidecar = start(arena, manager)
    wait_for(sidecar.leads, "the job to start")
    wait_for(lambda: "cannot tell systemd" in sidecar.log(), "it to be refused")

    manager.forget()

    manager.wait_for("READY=1")
    manager.wait_for("STATUS=leader, token 1")


@pytest.mark.parametrize("usec", ["9" * 400, "9" * 5000, "-1", "²", "0", "soon"])
def test_a_watchdog_that_cannot_be_meant_is_told_nothing(
    arena: Arena, manager: Manager, usec: str
) -> None:
    sidecar = start(arena, manager, WATCHDOG_USEC=usec)
    manager.wait_for("STATUS=leader, token 1")

    assert not [said for said in manager.heard if said.startswith("WATCHDOG")]
    assert "internal error" not in sidecar.log()
