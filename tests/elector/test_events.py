"""`/v1/events`: the state at once, then each change; nobody who listens is waited for."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import pytest

from coordsidecar.core.election.phases import Leading, Waiting
from coordsidecar.elector.events import News, feed
from coordsidecar.value import replace
from tests.core.election.electors import BEHIND, CLEAN, elector
from tests.elector.shown import ask, connected, serve_at

STATE = {"role": "standby", "token": None, "leader": "b", "reason": "x", "since_unix_s": 0.0}
REQUEST = b"GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n"


class Page:
    """A server, and what it shows."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = dict(STATE)
        self.looks = 0
        self.news = News()
        listening = serve_at(("127.0.0.1", 0), self.look, news=self.news)
        self.port: int = listening.socket.getsockname()[1]

    def look(self) -> dict[str, Any]:
        self.looks += 1
        return dict(self.state)

    def becomes(self, **changes: Any) -> None:
        self.state |= changes
        self.news.tell()

    def listen(self) -> Listener:
        return Listener(connected(self.port))


class Listener:
    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        client.sendall(REQUEST)
        self._file: IO[bytes] = client.makefile("rb")
        self.head = b"".join(iter(self._file.readline, b"\r\n"))

    def chunk(self) -> list[str]:
        """The lines up to the next empty one; none at the end."""
        lines = []
        while (line := self._file.readline()) not in (b"", b"\n"):
            lines.append(line.decode().rstrip("\n"))
        return lines

    def event(self) -> dict[str, Any]:
        """The next event's state, with its id."""
        while True:
            fields = dict(line.split(": ", 1) for line in self.chunk() if not line.startswith(":"))
            if "data" in fields:
                found = json.loads(fields["data"])
                assert isinstance(found, dict)
                return found | {"event_id": int(fields["id"])}

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def listener(page: Page) -> Iterator[Listener]:
    made = page.listen()
    yield made
    made.close()


def test_who_connects_is_told_how_it_stands_at_once(page: Page, listener: Listener) -> None:
    first = listener.event()

    assert b" 200 " in listener.head
    assert b"Content-Type: text/event-stream\r\n" in listener.head
    assert b"Content-Length" not in listener.head
    assert (first["version"], first["role"], first["store"]) == (1, "standby", "local:")
    assert (
        first.keys() - {"event_id"}
        == json.loads(ask(page.port, b"GET /v1/status HTTP/1.0\r\n\r\n")[1]).keys()
    )


def test_each_change_is_an_event_in_order_and_numbered_upwards(
    page: Page, listener: Listener
) -> None:
    seen = [listener.event()]
    for changes in ({"role": "leader", "token": 7}, {"reason": "y"}, {"leader": None}):
        page.becomes(**changes)
        seen.append(listener.event())

    assert [(e["role"], e["token"], e["reason"], e["leader"]) for e in seen] == [
        ("standby", None, "x", "b"),
        ("leader", 7, "x", "b"),
        ("leader", 7, "y", "b"),
        ("leader", 7, "y", None),
    ]
    ids = [event["event_id"] for event in seen]
    assert ids == sorted(set(ids))


def test_what_is_no_change_is_no_event_and_nobody_looks_without_a_cause(
    page: Page, listener: Listener
) -> None:
    listener.event()
    looked = page.looks
    page.becomes(guard_age_s=5.0)
    page.becomes(role="leader")

    assert listener.event()["role"] == "leader"
    for _ in range(3):
        ask(page.port, b"GET /v1/status HTTP/1.0\r\n\r\n")
    assert page.looks - looked <= 2 + 3


def test_who_connects_again_is_told_how_it_stands_now(page: Page, listener: Listener) -> None:
    before = listener.event()
    listener.close()
    page.becomes(role="leader", token=9)
    again = page.listen()

    after = again.event()

    assert (after["role"], after["token"]) == ("leader", 9)
    assert after["event_id"] > before["event_id"]
    again.close()


def test_head_has_no_events() -> None:
    page = Page()

    assert ask(page.port, b"HEAD /v1/events HTTP/1.0\r\n\r\n") == (200, b"")
    assert page.looks == 0


def test_while_nothing_changes_there_is_a_heartbeat() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, theirs.makefile("rb") as file:
        feeding = threading.Thread(
            target=feed, args=(ours, News(), lambda: STATE), kwargs={"heartbeat_s": 0.01}
        )
        feeding.start()

        lines = [file.readline() for _ in range(7)]

        theirs.shutdown(socket.SHUT_RDWR)
        feeding.join(timeout=60)
    assert lines[:2] == [b"retry: 1000\n", b"\n"]
    assert lines[3].startswith(b"data: ")
    assert lines[5:] == [b": nothing new\n", b"\n"]
    assert not feeding.is_alive()


def test_who_hangs_up_leaves_nothing_behind(page: Page) -> None:
    for _ in range(50):
        listener = page.listen()
        listener.event()
        listener.close()
        while page.news._ears:
            page.news.tell()

    assert 1 <= len(page.news._spare) <= 2  # Used again, and no more of them made.


def test_who_talks_on_is_hung_up_on(listener: Listener) -> None:
    listener.event()

    listener.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)

    with suppress(ConnectionError):
        assert listener.chunk() == []


def test_who_reads_nothing_is_dropped_and_nothing_is_kept_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel's buffers take some events; from then on its thread waits, and nobody else."""
    monkeypatch.setattr("coordsidecar.elector.status._Handler.timeout", 0.3)
    page, deaf = Page(), socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    deaf.connect(("127.0.0.1", page.port))
    deaf.sendall(REQUEST)
    while not page.news._ears:
        select.select([deaf], [], [])
    hears = page.listen()
    hears.event()

    told = 0
    while len(page.news._ears) > 1:
        told += 1
        page.becomes(reason="y" * 2000 + str(told))
        assert hears.event()["reason"].endswith(str(told))

    assert told > 1
    hears.close()
    deaf.close()


def test_seventeen_who_listen_are_one_too_many_and_the_oldest_is_told_so(page: Page) -> None:
    listeners = [page.listen() for _ in range(16)]
    for listener in listeners:
        listener.event()

    last = page.listen()

    assert last.event()["role"] == "standby"
    assert listeners[0].chunk() == []
    page.becomes(role="leader")
    assert [listener.event()["role"] for listener in (*listeners[1:], last)] == ["leader"] * 16
    for listener in (*listeners, last):
        listener.close()


def test_the_loop_wakes_those_who_listen_when_what_is_shown_changed_and_else_nobody() -> None:
    news = News()
    leading, waiting = elector(Leading(CLEAN)), elector(Waiting(BEHIND))

    def wakes(was: Any, state: Any) -> bool:
        with news.ear() as ear:
            news.stepped(was, state)
            return bool(select.select([ear], [], [], 0)[0]) and bool(os.eventfd_read(ear))

    news.stepped(waiting, leading)  # Nobody listens yet.
    assert wakes(waiting, leading)
    assert wakes(leading, replace(leading, phase=Leading(replace(CLEAN, token=8))))
    assert wakes(waiting, replace(waiting, following="c"))
    assert not wakes(leading, replace(leading, renewed_at_s=101.0, last_step_s=101.0))
    assert not wakes(waiting, waiting)
