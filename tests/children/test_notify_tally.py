"""From what the job says of itself to a verdict."""

from __future__ import annotations

import math

import pytest

from coordsidecar.children.notify_tally import NotifyTally, Stage

READY, BEAT = {"READY": "1"}, {"WATCHDOG": "1"}
STOPPING, TRIGGER = {"STOPPING": "1"}, {"WATCHDOG": "trigger"}


def tally(*, stage: Stage = "", watchdog_s: float = 10.0) -> NotifyTally:
    return NotifyTally(stage=stage, began_s=100.0, watchdog_s=watchdog_s, start_period_s=90.0)


def judged(of: NotifyTally, now_s: float) -> tuple[bool | None, str]:
    of.judge(now_s)
    return of.verdict, of.why


def test_who_is_not_ready_in_time_is_sick() -> None:
    late = tally()
    late.hear(BEAT, 150.0)

    assert late.due_s == 190.0
    assert judged(late, 189.9) == (None, "")
    assert judged(late, 190.0) == (False, "no READY=1 within 1m30s")


def test_who_is_ready_is_well_for_as_long_as_it_says_that_it_lives() -> None:
    well = tally()
    well.hear(READY, 150.0)
    assert judged(well, 159.9) == (True, "")

    well.hear(BEAT, 159.9)

    assert judged(well, 169.8) == (True, "")
    assert judged(well, 169.9) == (False, "no WATCHDOG=1 for 10s")


def test_to_be_ready_will_do_where_there_is_no_watchdog() -> None:
    well = tally(watchdog_s=0.0)

    well.hear(READY, 150.0)

    assert well.due_s == math.inf
    assert judged(well, 1e9) == (True, "")


def test_to_say_ready_twice_is_no_sign_of_life() -> None:
    again = tally()
    again.hear(READY, 150.0)
    again.hear(READY, 155.0)

    assert judged(again, 160.0) == (False, "no WATCHDOG=1 for 10s")


@pytest.mark.parametrize("stage", ["", "ready"])
@pytest.mark.parametrize("watchdog_s", [0.0, 10.0])
def test_who_says_that_it_is_sick_is(stage: Stage, watchdog_s: float) -> None:
    sick = tally(stage=stage, watchdog_s=watchdog_s)

    sick.hear(TRIGGER, 101.0)

    assert (sick.verdict, sick.why) == (False, "it has said WATCHDOG=trigger")
    assert sick.due_s == math.inf


@pytest.mark.parametrize(("stage", "said"), [("ready", BEAT), ("", READY)])
def test_who_is_sick_stays_so_until_the_guard_has_heard_of_it(
    stage: Stage, said: dict[str, str]
) -> None:
    sick = tally(stage=stage)
    sick.judge(190.0)

    sick.hear(said, 190.1)

    assert sick.verdict is False


@pytest.mark.parametrize("before", [[], [READY]])
def test_who_is_stopping_is_not_judged_any_more(before: list[dict[str, str]]) -> None:
    stopping = tally()
    for said in (*before, STOPPING, TRIGGER, READY):
        stopping.hear(said, 101.0)

    assert (stopping.stage, stopping.due_s) == ("stopping", math.inf)
    assert judged(stopping, 1e9) == (None, "")


def test_it_may_ask_for_more_time_to_get_ready_but_not_for_ever() -> None:
    slow = tally()
    slow.hear({"EXTEND_TIMEOUT_USEC": "20000000"}, 101.0)
    assert slow.due_s == 190.0, "what is asked for is over before what it has anyway"

    slow.hear({"EXTEND_TIMEOUT_USEC": "20000000"}, 189.0)
    assert slow.due_s == 209.0

    slow.hear({"EXTEND_TIMEOUT_USEC": "9" * 19}, 209.0)
    assert slow.due_s == 3700.0
    slow.hear({"EXTEND_TIMEOUT_USEC": "9" * 4000}, 209.0)
    slow.hear({"EXTEND_TIMEOUT_USEC": "-1"}, 209.0)
    assert slow.due_s == 3700.0


def test_the_time_that_it_was_given_is_what_is_said() -> None:
    slow = tally()
    slow.hear({"EXTEND_TIMEOUT_USEC": "20500000"}, 189.0)

    assert judged(slow, 209.6) == (False, "no READY=1 within 1m50s")


def test_what_was_known_of_it_is_known_to_a_successor_and_its_time_begins_anew() -> None:
    assert (tally(stage="ready").verdict, tally(stage="ready").due_s) == (True, 110.0)
    assert (tally(stage="").verdict, tally(stage="").due_s) == (None, 190.0)
    assert (tally(stage="stopping").verdict, tally(stage="stopping").due_s) == (None, math.inf)


@pytest.mark.parametrize(("stage", "due_s"), [("ready", 510.0), ("", 590.0)])
def test_after_a_time_in_which_nobody_listened_all_is_given_once_more(
    stage: Stage, due_s: float
) -> None:
    unheard = tally(stage=stage)

    unheard.begins_anew(500.0)

    assert unheard.due_s == due_s


def test_to_begin_anew_takes_nothing_away() -> None:
    slow = tally()
    slow.hear({"EXTEND_TIMEOUT_USEC": "1000000000"}, 101.0)

    slow.begins_anew(102.0)

    assert slow.due_s == 1101.0
