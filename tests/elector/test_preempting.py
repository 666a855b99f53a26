"""When the lead is taken over from a lower priority, and when it is not; no clock, no thread."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from coordsidecar.core.election.phases import Elector, Joining, Leading, Waiting
from coordsidecar.elector.preempting import Change, Preempting, priority_of
from coordsidecar.log import Log
from coordsidecar.settings.settings import build_settings
from coordsidecar.store.curbs import NO_CURBS, Cordon, Curbs, Pause, Transfer
from coordsidecar.store.protocol import Behind, Held, RefusedError, UnreachableError
from coordsidecar.value import replace
from tests.core.election.electors import elector

PAUSE, CORDON = Curbs(Pause("m", None, "ann")), Curbs(cordons=(Cordon("us", "bob"),))


def led_by(priority: object, *, token: int = 7, in_office: bool = True) -> Elector:
    record = json.dumps({"id": "them", "priority": priority})
    return elector(Waiting(Behind(record, token, ahead="k", cursor=1, in_office=in_office)))


@dataclass
class Us:
    """An instance of priority 10 that preempts after 60 s, and what it has ordered."""

    state: Elector
    there: Curbs = NO_CURBS
    refusal: Exception | None = None
    ordered: list[Transfer] = field(default_factory=list)

    def __post_init__(self) -> None:
        flags = {"id": "us", "priority": "10", "preempt": "60s", "store": "local:/tmp"}
        settings = build_settings(flags=flags, command=("true",), environ={})
        log = Log(fmt="text", election="default/n", node_id="us")
        self.preempting = Preempting(settings, log, lambda: self.state, self._curb)

    def _curb(self, change: Change) -> None:
        if self.refusal is not None:
            raise self.refusal
        curbs = change(self.there)
        if curbs != self.there and curbs.transfer is not None:
            self.ordered.append(curbs.transfer)
        self.there = curbs

    def turn(self, now_s: float) -> float | None:
        return self.preempting._turn(now_s)


def test_a_lower_priority_is_left_alone_for_the_time_and_hands_over_then() -> None:
    us = Us(led_by(9))

    waits = [us.turn(now_s) for now_s in (100.0, 130.0, 159.9)]
    early = list(us.ordered)
    again_s = us.turn(160.0)

    assert waits == [pytest.approx(left) for left in (60.0, 30.0, 0.1)]
    assert early == []
    assert us.ordered == [Transfer(7, "us", 10.0, "us (priority 10 over 9)")]
    assert again_s == 60.0


@pytest.mark.parametrize("priority", [10, 11, 2**30])
def test_an_equal_or_a_higher_one_is_left_alone_for_ever(priority: int) -> None:
    us = Us(led_by(priority))

    assert [us.turn(100.0), us.turn(1e6)] == [None, None]
    assert us.ordered == []


@pytest.mark.parametrize(
    "state",
    [
        led_by(0, in_office=False),  # It is only elected, or none of ours.
        led_by(0, token=0),
        elector(Joining()),
        elector(Leading(Held(7, clean=True, last_run="", cursor=1))),
    ],
)
def test_where_nobody_is_in_office_before_us_there_is_nothing_to_take(state: Elector) -> None:
    us = Us(state)

    assert [us.turn(100.0), us.turn(1e6)] == [None, None]
    assert us.ordered == []


def test_each_leader_has_the_time_for_itself() -> None:
    us = Us(led_by(0))
    us.turn(100.0)

    us.state = led_by(0, token=9)
    left_s = us.turn(150.0)

    assert left_s == 60.0
    assert (us.turn(209.0), us.ordered) == (1.0, [])
    us.turn(210.0)
    assert [transfer.token for transfer in us.ordered] == [9]


def test_that_we_did_not_stand_for_a_while_changes_nothing() -> None:
    us = Us(led_by(0))
    us.turn(100.0)
    us.state = elector(Joining())
    us.turn(130.0)

    us.state = led_by(0)

    assert us.turn(140.0) == 20.0


@pytest.mark.parametrize("curbs", [PAUSE, CORDON])
def test_what_an_operator_has_ordered_comes_first(curbs: Curbs) -> None:
    us = Us(replace(led_by(0), curbs=curbs))
    us.turn(100.0)

    again_s = us.turn(160.0)

    assert (again_s, us.ordered) == (60.0, [])


@pytest.mark.parametrize("curbs", [PAUSE, CORDON])
def test_and_if_it_was_ordered_just_now(curbs: Curbs) -> None:
    us = Us(led_by(0), there=curbs)
    us.turn(100.0)

    us.turn(160.0)

    assert (us.there, us.ordered) == (curbs, [])


def test_a_transfer_to_another_stays() -> None:
    theirs = Curbs(transfer=Transfer(7, "another", 10.0, "ann"))
    us = Us(led_by(0), there=theirs)
    us.turn(100.0)

    us.turn(160.0)

    assert us.there == theirs


def test_one_of_a_term_that_is_over_does_not() -> None:
    us = Us(led_by(0), there=Curbs(transfer=Transfer(6, "another", 10.0, "ann")))
    us.turn(100.0)

    us.turn(160.0)

    assert [transfer.to for transfer in us.ordered] == ["us"]


@pytest.mark.parametrize(
    "refusal", [UnreachableError("no answer"), RefusedError("no right"), OSError("a bug")]
)
def test_what_is_refused_is_said_and_tried_again_after_the_time(
    refusal: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    us = Us(led_by(0), refusal=refusal)
    us.turn(100.0)

    again_s = us.turn(160.0)
    us.refusal = None
    early_s = us.turn(219.0)
    us.turn(220.0)

    assert (again_s, early_s, len(us.ordered)) == (60.0, 1.0, 1)
    assert "cannot take the lead over from them" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("fields", "priority"),
    [
        ({"priority": 7}, 7),
        ({"priority": 0}, 0),
        ({"priority": True}, 0),
        ({"priority": -1}, 0),
        ({"priority": 2**31}, 0),
        ({"priority": 7.0}, 0),
        ({"priority": "7"}, 0),
        ({}, 0),
        ([7], 0),
        ("a word", 0),
    ],
)
def test_what_anybody_says_of_itself_is_a_priority_or_none(fields: Any, priority: int) -> None:
    assert priority_of(json.dumps(fields)) == priority


@pytest.mark.parametrize("record", ["", "{", "[" * 100_000])
def test_and_so_is_what_cannot_be_read(record: str) -> None:
    assert priority_of(record) == 0
