"""`coordsidecar watch`: a line for each change of a real election."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cli.command import coordsidecar, refusal
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for
from tests.servers import EtcdServer
from tests.servers.process import free_ports

Start = Callable[..., Sidecar]


class Watching:
    """`coordsidecar watch --json`, as a process whose lines are read one by one."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coordsidecar", "watch", "--json", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        fields: dict[str, Any] = json.loads(self.process.stdout.readline())
        return fields

    def until(self, event: str) -> dict[str, Any]:
        """The next of this kind; those before are of who stands by."""
        while (fields := self.next())["event"] != event:
            assert fields["event"] == "standing-by", fields
        return fields

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()
        return self.process.returncode


@pytest.fixture
def space(own_etcd: EtcdServer) -> list[str]:
    return ["--store", f"etcd://{own_etcd.endpoint}", "--rpc-timeout", "1s"]


@pytest.fixture
def own_etcd(etcd_server: Callable[..., EtcdServer]) -> EtcdServer:
    return etcd_server()


@pytest.fixture
def watching(space: list[str]) -> Iterator[Watching]:
    watching = Watching(*space, "nightly")
    yield watching
    watching.process.kill()
    watching.process.communicate()


def test_who_leads_and_who_comes_and_goes_are_told_in_turn(
    start: Start, space: list[str], watching: Watching
) -> None:
    stands = [*space, "--name", "nightly", "--ttl", "30s"]
    first = watching.next()
    one = start(*stands, "--id", "one", "--", "sleep", "600")
    led = watching.until("leads")
    two = start(*stands, "--id", "two", "--", "sleep", "600")
    stood = watching.next()
    one.signal(signal.SIGTERM)
    moved = watching.until("leads")
    two.signal(signal.SIGTERM)
    over = watching.until("nobody-leads")

    assert (first["event"], first["version"], first["leader"]) == ("now", 1, None)
    assert (led["leader"]["id"], led["last_token_before"]) == ("one", 0)
    assert [who["id"] for who in stood["waiting"]] == ["two"]
    assert moved["leader"]["id"] == "two"
    assert moved["last_token_before"] == led["leader"]["token"] < moved["leader"]["token"]
    assert over["last_token"] == moved["leader"]["token"]
    assert watching.end() == -signal.SIGINT


def test_a_store_that_is_away_is_a_line_and_so_is_its_return(
    own_etcd: EtcdServer, watching: Watching
) -> None:
    watching.next()
    own_etcd.kill()
    away = watching.next()
    own_etcd.restart()
    back = watching.next()

    assert (away["event"], away["reason"].startswith("etcd at ")) == ("away", True)
    assert (back["event"], back["reason"]) == ("back", "what happened meanwhile is read anew")


def test_whoever_led_while_the_watcher_was_cut_off_is_told_once_when_it_is_back(
    arena: Arena,
) -> None:
    """All terms, in their order, though nobody saw them."""
    by = arena.proxy() if arena.has_network else None
    store, url = arena.options(by=by)[:2]
    namespace = ("--namespace", arena.election.namespace)
    watching = Watching(store, url, *namespace, "--rpc-timeout", "1s", arena.election.name)
    try:
        watching.next()
        first = arena.start("--id", "one")
        led = watching.until("leads")
        if by is not None:
            by.cut()
            assert watching.until("away")["reason"]
        else:
            watching.process.send_signal(signal.SIGSTOP)
        later = []
        for name in ("two", "three"):
            later.append(arena.start("--id", name))
            standby = later[-1]
            wait_for(lambda one=standby: "standing-by" in one.log(), "it to stand by")  # type: ignore[misc]
            first.signal(signal.SIGTERM)
            first.wait()
            first = standby
            wait_for(standby.leads, "it to lead")
        if by is not None:
            by.heal()
            watching.until("back")
        watching.process.send_signal(signal.SIGCONT)

        missed, now = watching.until("led"), watching.until("leads")

        assert (led["leader"]["id"], missed["term"]["id"], now["leader"]["id"]) == (
            "one",
            "two",
            "three",
        )
        assert missed["term"]["state"] == "over"
        assert missed["term"]["why"]
        assert led["last_token"] < missed["term"]["token"] < now["last_token"]
    finally:
        watching.process.kill()
        watching.process.communicate()


def test_it_ends_in_time_or_when_nobody_reads_on(start: Start, space: list[str]) -> None:
    in_time = coordsidecar("watch", *space, "nightly", "--timeout", "300ms")
    unread = Watching(*space, "nightly")
    unread.next()
    assert unread.process.stdout is not None
    unread.process.stdout.close()
    start(*space, "--name", "nightly", "--", "sleep", "600")

    assert in_time.status == 0
    assert in_time.out.splitlines()[0].endswith("Z default/nightly: nobody leads")
    assert unread.process.wait(timeout=60) == 0
    assert unread.process.stderr is not None
    assert unread.process.stderr.read() == ""
    unread.process.stderr.close()


def test_at_first_the_store_has_to_answer() -> None:
    (nobody,) = free_ports(1)

    sentence = refusal("watch", "x", "--store", f"etcd://127.0.0.1:{nobody}", status=125)

    assert sentence.startswith(f"the store cannot be asked: etcd at 127.0.0.1:{nobody}")
