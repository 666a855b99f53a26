"""When an instance says what it does, and what it says; without a store."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from coordsidecar.core.election.phases import Elector, Joining, Leading, Resting, Waiting
from coordsidecar.core.messages import Condition
from coordsidecar.elector import rostering, shown
from coordsidecar.elector.rostering import Rostering
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings, build_settings
from coordsidecar.signs import Signs
from coordsidecar.store import registry
from coordsidecar.store.protocol import (
    Behind,
    Held,
    RefusedError,
    Session,
    SessionLostError,
    UnreachableError,
)
from coordsidecar.value import replace
from tests.core.election.electors import elector

SESSION, OTHER = Session("a", 15.0), Session("b", 15.0)
LEADING = elector(Leading(Held(7, True, "", 1)), session=SESSION)
WAITING = elector(Waiting(Behind('{"id": "them"}', 6, ahead="k", cursor=1)), session=SESSION)
SINCE_S = 1_700_000_000.0


def settings(**flags: str) -> Settings:
    given = {"id": "us", "store": "local:/tmp", **flags}
    return build_settings(flags=given, command=("true",), environ={})


class Roster:
    """What it was told, and what it refuses."""

    def __init__(self) -> None:
        self.entries: list[dict[str, object]] = []
        self.refusals: list[Exception] = []
        self.told = threading.Semaphore(0)

    def tell(self, session: Session, entry: str, *, timeout_s: float) -> None:
        self.entries.append({"session": session.handle, **json.loads(entry)})
        self.told.release()
        if self.refusals:
            raise self.refusals.pop(0)

    def wait_for_one(self) -> dict[str, object]:
        self.told.acquire()  # pytest's time-out bounds it.
        return self.entries[-1]


class Us:
    def __init__(self, state: Elector, **flags: str) -> None:
        self.state, self.signs, self.lines = state, Signs(), list[tuple[str, str]]()
        log = Log(fmt="text", election="default/n", node_id="us")
        log.event = lambda name, message, /, **_: self.lines.append((name, message))  # type: ignore[method-assign]
        record = json.dumps({"id": "us", "host": "h"})
        self.rostering = Rostering(
            settings(**flags), log, record, self.signs, lambda: (self.state, SINCE_S)
        )

    def becomes(self, state: Elector) -> None:
        was, self.state = self.state, state
        self.rostering.stepped(was, state)

    @property
    def has_news(self) -> bool:
        return self.rostering._changes.take() != []


@pytest.fixture
def roster(monkeypatch: pytest.MonkeyPatch) -> Roster:
    """What is found in the store, by a thread that does not wait for things to settle."""
    found = Roster()
    monkeypatch.setattr(rostering, "_SETTLES_S", 0.0)
    monkeypatch.setattr(registry, "roster", lambda *_, **__: found)
    return found


# ── what is news ───────────────────────────────────────────────────────────────────────────────


def test_to_stand_by_and_to_lead_is_news_and_to_go_on_is_not() -> None:
    us = Us(elector(Joining()))
    told = []

    for state in (WAITING, replace(WAITING, renewed_at_s=50.0), LEADING, LEADING):
        us.becomes(state)
        told.append(us.has_news)

    assert told == [True, False, True, False]


def test_what_passes_is_no_news_nor_what_there_is_no_session_for() -> None:
    us = Us(LEADING)

    for phase in (Joining(), Resting(50.0)):
        us.becomes(elector(phase))

    assert not us.has_news


@pytest.mark.parametrize(
    "change",
    [
        lambda us: replace(us.state, session=OTHER),
        lambda us: replace(us.state, condition=Condition("sick", "no answer")),
        lambda us: elector(Leading(Held(8, True, "", 1)), session=SESSION),
        lambda us: us.signs.job_is("running", 99) or us.state,
    ],
    ids=["session", "health", "token", "job"],
)
def test_each_of_what_is_said_is_news(change: Callable[[Us], Elector]) -> None:
    us = Us(LEADING)
    us.becomes(LEADING)
    assert us.has_news

    us.becomes(change(us))

    assert us.has_news


# ── what is said ───────────────────────────────────────────────────────────────────────────────


def test_it_says_who_it_is_and_what_it_does() -> None:
    us, signs = settings(label="zone=a,rack=3"), Signs()
    signs.job_is("running", 4711)

    said = json.loads(shown.entry(us, '{"id": "us"}', LEADING, signs, since_unix_s=SINCE_S))

    assert said == {
        "id": "us",
        "role": "leader",
        "token": 7,
        "role_since": "2023-11-14T22:13:20Z",
        "job": {"state": "running", "pid": 4711},
        "reason": "elected",
        "labels": {"zone": "a", "rack": "3"},
    }


def test_who_stands_by_says_so_and_how_it_is() -> None:
    us = settings(**{"health-cmd": "true"})
    sick = replace(WAITING, condition=Condition("sick", "no answer"))

    said = json.loads(shown.entry(us, "{}", sick, Signs(), since_unix_s=SINCE_S))

    assert (said["role"], said["token"], said["health"]) == ("standby", None, "sick")
    assert said["job"] == {"state": "none", "pid": None}


# ── the thread ─────────────────────────────────────────────────────────────────────────────────


def test_it_is_told_once_for_all_that_came_together(roster: Roster) -> None:
    us = Us(WAITING)
    us.becomes(LEADING)
    us.becomes(WAITING)
    us.becomes(LEADING)

    us.rostering.start()
    first = roster.wait_for_one()
    us.becomes(replace(LEADING, session=OTHER))
    second = roster.wait_for_one()

    assert (first["session"], first["role"]) == ("a", "leader")
    assert second["session"] == "b"
    assert len(roster.entries) == 2


@pytest.mark.parametrize("error", [RefusedError("no"), UnreachableError("no"), KeyError("a bug")])
def test_what_was_not_taken_is_said_once_and_tried_again(
    error: Exception, roster: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    us = Us(WAITING)
    roster.refusals = [error] * 9
    us.becomes(LEADING)

    us.rostering.start()
    for _ in range(10):
        roster.wait_for_one()
    us.becomes(WAITING)
    roster.wait_for_one()

    # Twice as long each time, and some minutes at most.
    assert [s for s in pauses if s] == [15, 30, 60, 120, 240, 480, 600, 600, 600]
    said = [message for name, message in us.lines if name == "roster"]
    assert len(said) == 1
    assert str(error) in said[0]


def test_a_session_that_is_over_is_no_news(roster: Roster) -> None:
    us = Us(WAITING)
    roster.refusals = [SessionLostError("gone")]
    us.becomes(LEADING)

    us.rostering.start()
    roster.wait_for_one()
    us.becomes(replace(LEADING, session=OTHER))
    roster.wait_for_one()

    assert us.lines == []


def test_a_store_without_a_roster_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def none(*_: object, **__: object) -> None:
        asked.set()

    monkeypatch.setattr(rostering, "_SETTLES_S", 0.0)
    monkeypatch.setattr(registry, "roster", none)
    us = Us(WAITING)
    us.rostering.start()

    us.becomes(LEADING)

    assert asked.wait(30)
    assert us.lines == []
