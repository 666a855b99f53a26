"""The threads that an elector has beside its own go on, whatever happens in them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from coordsidecar.core.election.phases import Elector, Joining
from coordsidecar.elector import announcing as announcing_module
from coordsidecar.elector import beside
from coordsidecar.elector.announcing import Announcing
from coordsidecar.elector.preempting import Preempting
from coordsidecar.log import Log
from coordsidecar.settings.settings import build_settings
from coordsidecar.signs import Signs
from tests.core.election.electors import elector


class Refused:
    """A log, an announcer, a store: there is no memory for any of it, until there is."""

    def __init__(self) -> None:
        self.went_on = threading.Event()
        self._tries = 0

    def once(self, _name: str, _message: str) -> None:
        raise MemoryError

    def may_repeat(self, _name: str) -> None:
        pass

    def announce(self, _token: int | None, *, timeout_s: float) -> None:
        self._tries += 1
        if self._tries == 1:
            raise MemoryError
        self.went_on.set()


def announcing(refused: Refused) -> Announcing:
    log = cast("Log", refused)
    return Announcing(refused, log, lambda: None, again_s=60.0, timeout_s=1.0)


def preempting(refused: Refused) -> Preempting:
    flags = {"id": "us", "priority": "10", "preempt": "60s", "store": "local:/tmp"}
    settings = build_settings(flags=flags, command=("true",), environ={})

    def look() -> Elector:
        refused.announce(None, timeout_s=1.0)
        return elector(Joining())

    return Preempting(settings, cast("Log", refused), look, lambda _: None)


@pytest.mark.parametrize("made", [announcing, preempting])
def test_a_thread_that_has_no_memory_even_to_say_so_goes_on_once_it_has(
    made: Callable[[Refused], Announcing | Preempting],
) -> None:
    refused = Refused()

    made(refused).start()

    assert refused.went_on.wait(timeout=60)


def test_what_could_not_begin_begins_later_and_keeps_nothing_else_from_beginning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flags = {"id": "us", "priority": "10", "preempt": "60s", "store": f"local:{tmp_path}"}
    settings = build_settings(flags=flags, command=("true",), environ={})
    joining = elector(Joining())
    log = Log(fmt="text", election="e", node_id="us", stream=None)
    steps: list[str] = []

    class Announcer:
        def stepped(self, _was: Elector, _state: Elector) -> None:
            steps.append("announced")

    answers: Iterator[ValueError | Announcer] = iter(
        [ValueError("no certificate in it"), ValueError("no"), Announcer()]
    )

    def start(*_: object) -> Announcer:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    clock = [100.0]
    monkeypatch.setattr(announcing_module, "start", start)
    monkeypatch.setattr(beside, "boottime_s", lambda: clock[0])
    monkeypatch.setattr(Preempting, "start", lambda _: steps.append("preempts"))
    begun = beside.begin(settings, log, "{}", cast("Signs", None), lambda: (joining, 0.0))
    later = begun[1]

    for clock[0] in (101.0, 131.0, 132.0, 161.0, 162.0):
        later.stepped(joining, joining)

    assert len(begun) == 3
    assert steps == ["preempts", "announced", "announced"]
