"""The guard's handle on what listens to the job: what one that is killed knew, the next knows."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator

import pytest

from coordsidecar.children.forking import Dispositions
from coordsidecar.core.guard.moves import Health
from coordsidecar.guard import health
from coordsidecar.guard.notify_watch import NotifyWatch
from coordsidecar.log import Log
from coordsidecar.settings.health_options import HealthCheck
from coordsidecar.value import replace
from tests.guard.test_health_watch import _IDLE, _RUNNING, _SETTINGS, FakeHelper


class FakeLink(FakeHelper):
    """What is not read before the link is closed is lost."""

    def close_link(self) -> None:
        self.says.clear()


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(health, "boottime_s", lambda: self.now_s)
        monkeypatch.setattr(health, "Helper", FakeLink)
        log = Log(fmt="text", election="e", node_id="one")
        untouched = Dispositions(ignored=frozenset(), blocked=frozenset())
        settings = replace(_SETTINGS, health=HealthCheck(kind="notify", watchdog_s=2.5))
        self.watch = NotifyWatch(settings, log, untouched, guard_pidfd=-1)
        helper = self.watch._prober
        assert isinstance(helper, FakeLink)
        self.helper = helper

    def says(self, *packet: object) -> None:
        self.helper.says.append(json.dumps(packet).encode())

    def is_replaced(self) -> None:
        assert self.helper.pid is not None
        self.watch.was_reaped(self.helper.pid)
        self.heard = list(self.watch.verdicts())
        self.now_s = self.watch.due_s
        self.watch.sees(_RUNNING)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(monkeypatch)
    yield bench
    bench.watch._close()


def test_the_next_is_told_how_far_the_job_is(bench: Bench) -> None:
    bench.watch.variables()
    bench.watch.sees(_RUNNING)
    bench.says(1, True, "", 1, "ready")
    list(bench.watch.verdicts())

    bench.is_replaced()

    assert bench.helper.told[-2:] == [[1, 7, 100.0, 1, ""], [1, 7, 100.0, 1, "ready"]]


def test_the_last_words_of_one_that_was_killed_are_heard(bench: Bench) -> None:
    """Its end may be seen first: but what it took from the socket, the next will not find there."""
    bench.watch.variables()
    bench.watch.sees(_RUNNING)
    bench.says(1, True, "", 1, "ready")

    bench.is_replaced()

    nobody = Health(1, healthy=None, why="nobody looks at the moment")
    assert bench.heard == [Health(1, healthy=True, why="the job is well"), nobody]
    assert bench.helper.told[-1] == [1, 7, 100.0, 1, "ready"]


def test_what_was_said_by_an_earlier_start_is_forgotten_though_it_comes_late(bench: Bench) -> None:
    bench.watch.variables()
    bench.watch.variables()
    bench.watch.sees(_RUNNING)
    bench.says(1, True, "", 1, "ready")
    list(bench.watch.verdicts())

    bench.is_replaced()

    assert bench.helper.told[-1] == [1, 7, 100.0, 2, ""]


def test_why_it_is_sick_is_what_is_said(bench: Bench) -> None:
    bench.watch.sees(_RUNNING)
    bench.says(1, False, "no WATCHDOG=1 for 3s", 1, "ready")

    assert list(bench.watch.verdicts()) == [Health(1, healthy=False, why="no WATCHDOG=1 for 3s")]


def test_who_has_nothing_to_judge_may_be_silent_whatever_it_has_said(bench: Bench) -> None:
    bench.watch.sees(_RUNNING)
    bench.watch.sees(_IDLE)
    bench.says(0, None, "", 1, "ready")
    list(bench.watch.verdicts())

    assert bench.watch.due_s == math.inf


def test_each_start_has_an_address_of_its_own_and_the_one_before_is_refused(bench: Bench) -> None:
    first, second = bench.watch.variables(), bench.watch.variables()

    assert first["WATCHDOG_USEC"] == "2500000"
    assert first["NOTIFY_SOCKET"] != second["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"READY=1", "\0" + second["NOTIFY_SOCKET"][1:])
        with pytest.raises(ConnectionRefusedError):
            sender.sendto(b"READY=1", "\0" + first["NOTIFY_SOCKET"][1:])


def test_the_one_before_is_refused_though_somebody_still_has_a_share_of_it(bench: Bench) -> None:
    """An elector that was forked while it was open, say."""
    first = bench.watch.variables()
    assert bench.watch._socket is not None
    share = bench.watch._socket.dup()

    bench.watch.variables()

    address = "\0" + first["NOTIFY_SOCKET"][1:]
    with (
        share,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        pytest.raises(BrokenPipeError),
    ):
        sender.sendto(b"READY=1", address)
