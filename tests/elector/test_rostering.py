"""When an instance says what it does; no store, no thread, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Joining,
    Leading,
    Opening,
    Resigning,
    Resting,
    Waiting,
)
from coordsidecar.core.messages import Condition
from coordsidecar.elector import rostering
from coordsidecar.elector.rostering import Rostering
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings, build_settings
from coordsidecar.signs import Signs
from coordsidecar.store import registry
from coordsidecar.store.protocol import (
    Behind,
    Held,
    Session,
)
from coordsidecar.value import replace
from tests.core.election.electors import elector

SESSION, OTHER = Session("a", 15.0), Session("b", 15.0)
LEADING = elector(Leading(Held(7, True, "", 1)), session=SESSION)
WAITING = elector(Waiting(Behind('{"id": "them"}', 6, ahead="k", cursor=1)), session=SESSION)
RESTING = elector(Resting(50.0), session=None)
SINCE_S = 1_700_000_000.0


def settings(**flags: str) -> Settings:
    given = {"id": "us", "store": "local:/tmp", **flags}
    return build_settings(flags=given, command=("true",), environ={})


class Roster:
    """What it was told, and what it refuses."""

    def __init__(self) -> None:
        self.entries: list[dict[str, object]] = []
        self.refusals: list[Exception] = []

    def tell(self, session: Session | None, entry: str, *, timeout_s: float) -> None:
        self.entries.append({"session": session and session.handle, **json.loads(entry)})
        if self.refusals:
            raise self.refusals.pop(0)


class Us:
    """An instance, and what it has said; its clock, and its threads, are the test's."""

    def __init__(self, state: Elector, roster: Roster, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.signs, self.lines = state, Signs(), list[tuple[str, str]]()
        self.roster, self.now_s = roster, 100.0
        self.threads: list[Callable[[], None]] = []
        monkeypatch.setattr(registry, "roster", lambda *_, **__: roster)
        monkeypatch.setattr(rostering, "boottime_s", lambda: self.now_s)
        monkeypatch.setattr(
            "_thread.start_new_thread", lambda run, _arguments: self.threads.append(run)
        )
        self.log = log = Log(fmt="text", election="default/n", node_id="us")
        log.event = lambda name, message, /, **_: self.lines.append((name, message))  # type: ignore[method-assign]
        record = json.dumps({"id": "us", "host": "h"})
        self.rostering = Rostering(
            settings(), log, record, self.signs, lambda: (self.state, SINCE_S)
        )

    def steps(self, state: Elector | None = None, *, after_s: float = 0.0) -> int:
        """The loop takes a step, and what begins ends at once. Returns how often it has told."""
        self.now_s += after_s
        was, self.state = self.state, state or self.state
        self.rostering.stepped(was, self.state)
        self.end()
        return len(self.roster.entries)

    def end(self) -> None:
        while self.threads:
            self.threads.pop(0)()


@pytest.fixture
def us(monkeypatch: pytest.MonkeyPatch) -> Us:
    return Us(elector(Joining()), Roster(), monkeypatch)


def test_what_is_new_is_said_once_with_the_first_step_that_is_late_enough(us: Us) -> None:
    told = [us.steps(WAITING), us.steps(after_s=0.4), us.steps(after_s=0.2)]
    told += [us.steps(after_s=3.0), us.steps(after_s=3.0)]

    assert told == [0, 0, 1, 1, 1]


def test_all_that_comes_with_a_takeover_is_said_once(us: Us) -> None:
    us.steps(WAITING)
    us.steps(LEADING, after_s=0.1)
    us.signs.job_is("running", 99)

    assert us.steps(after_s=0.01) == us.steps(after_s=0.3) == 0
    assert us.steps(after_s=0.2) == 1
    assert us.roster.entries[0]["role"] == "leader"
    assert us.roster.entries[0]["job"] == {"state": "running", "pid": 99}
    assert us.steps(after_s=9.0) == 1


def test_what_passes_is_not_said(us: Us) -> None:
    for phase in (Opening(), Joining(), Resigning(7, 0.0, False, 999.0)):
        us.steps(elector(phase))
        us.steps(after_s=9.0)

    assert us.roster.entries == []


def test_what_was_said_is_said_again_after_ten_minutes_and_a_share_of_ten_more(
    us: Us, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.urandom", lambda count: b"\x80" * count)
    us.steps(WAITING)
    us.steps(after_s=0.6)

    told = [us.steps(after_s=after_s) for after_s in (899.0, 2.0, 899.0, 2.0)]

    assert told == [1, 2, 2, 3]


def test_who_has_led_and_rests_says_so_once(us: Us) -> None:
    us.steps(LEADING)
    us.signs.job_is("running", 99)
    us.steps(after_s=0.6)
    us.steps(RESTING)
    us.signs.job_is("none", 0)

    assert us.steps(after_s=0.4) == 1
    assert us.steps(after_s=0.2) == us.steps(after_s=9.0) == us.steps(RESTING, after_s=9.0) == 2
    said = us.roster.entries[1]
    assert (said["session"], said["role"], said["token"]) == (None, "resting", None)
    assert said["job"] == {"state": "none", "pid": None}
    assert said["reason"] == "resting before the next campaign"


def test_who_is_elected_in_a_pause_says_that_it_waits_and_then_that_it_leads(us: Us) -> None:
    claiming = Claiming(Held(7, True, "", 1), 0.0)
    us.steps(WAITING)
    us.steps(elector(claiming, session=SESSION), after_s=0.1)
    paused = elector(replace(claiming, barred="paused by ann"), session=SESSION)

    told = [us.steps(after_s=9.0), us.steps(paused), us.steps(after_s=0.6)]
    told += [us.steps(LEADING), us.steps(after_s=0.6)]

    assert told == [0, 0, 1, 1, 2]
    waits, leads = us.roster.entries
    assert (waits["role"], waits["token"]) == ("standby", 7)
    assert waits["reason"] == "elected, but paused by ann; the job waits for that to be over"
    assert (leads["role"], leads["token"], leads["reason"]) == ("leader", 7, "elected")


def test_who_is_elected_says_that_it_waits_for_the_takeover_delay(
    us: Us, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordsidecar.elector.shown.boottime_s", lambda: us.now_s)
    us.steps(WAITING)
    us.steps(after_s=0.6)
    held = Held(7, False, "", 1)
    soon = elector(Claiming(held, us.now_s + 1.5), session=SESSION)
    late = elector(Claiming(held, us.now_s + 15.0), session=SESSION)

    told = [us.steps(soon), us.steps(after_s=1.0), us.steps(late), us.steps(after_s=0.6)]

    assert told == [1, 1, 1, 2]
    waits = us.roster.entries[1]
    assert (waits["role"], waits["token"]) == ("standby", 7)
    why = "elected; the takeover delay is not over; the job waits until 20"
    assert str(waits["reason"]).startswith(why)


def test_what_passes_when_it_is_to_be_said_is_not_said(us: Us) -> None:
    us.steps(RESTING)
    us.now_s += 0.6
    us.rostering.stepped(RESTING, RESTING)
    us.state = elector(Opening(), session=None)

    us.end()

    assert us.roster.entries == []


@pytest.mark.parametrize(
    "change",
    [
        lambda us: replace(us.state, session=OTHER),
        lambda us: elector(Leading(Held(8, True, "", 1)), session=SESSION),
        lambda us: replace(us.state, condition=Condition("sick", "no answer")),
        lambda us: us.signs.job_is("restarting", 0) or us.state,
    ],
    ids=["session", "token", "health", "job"],
)
def test_each_of_what_is_said_is_said_anew(us: Us, change: Callable[[Us], Elector]) -> None:
    us.steps(LEADING)
    us.steps(after_s=0.6)
    assert us.steps(after_s=9.0) == 1

    us.steps(change(us))

    assert us.steps(after_s=0.6) == 2


def test_another_sentence_about_the_same_health_is_not_worth_a_write(us: Us) -> None:
    us.steps(replace(LEADING, condition=Condition("sick", "no answer")))
    us.steps(after_s=0.6)
    us.steps(replace(LEADING, condition=Condition("sick", "exit code 1")), after_s=3.0)

    assert us.steps(after_s=3.0) == 1


def test_a_job_that_is_found_changed_is_not_told_of_at_once(us: Us) -> None:
    """It may be about to hand over."""
    us.steps(LEADING)
    us.steps(after_s=0.6)
    us.signs.job_is("stopping", 0)

    assert us.steps(after_s=3.0) == us.steps(after_s=0.4) == 1
    assert us.steps(after_s=0.2) == 2


def test_a_job_that_restarts_all_the_time_is_told_of_now_and_then(us: Us) -> None:
    us.steps(LEADING)
    for pid in range(1, 1001):
        us.signs.job_is("running", pid)
        told = us.steps(after_s=0.01)

    assert 15 <= told <= 21  # In ten seconds.


def test_there_is_one_thread_at_a_time(us: Us) -> None:
    us.steps(LEADING)
    us.now_s += 0.6
    us.rostering.stepped(us.state, us.state)
    us.signs.job_is("running", 7)
    for _ in range(5):
        us.now_s += 3.0
        us.rostering.stepped(us.state, us.state)
    running = len(us.threads)
    us.end()

    assert running == 1
    assert us.steps(after_s=3.0) == 2
