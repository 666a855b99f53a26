"""The memory in which guard and elector show each other that they live."""

from __future__ import annotations

import math
from itertools import count

import pytest

from coordsidecar.signs import Signs


def test_nobody_has_promised_anything_at_first() -> None:
    signs = Signs()

    assert (signs.guard_stepped_s, signs.guard_due_s, signs.elector_due_s) == (-math.inf,) * 3


def test_the_silence_of_a_stopped_elector_counts_from_then_until_it_goes_on() -> None:
    signs = Signs()
    signs.elector_due_s = 107.0

    signs.elector_is_stopped(103.0)
    stopped_s = signs.elector_due_s
    signs.elector_goes_on()

    assert (stopped_s, signs.elector_due_s) == (103.0, 107.0)


def test_an_elector_that_is_stopped_twice_before_it_steps_keeps_its_word() -> None:
    """Of its going on between the two the guard may not have heard."""
    signs = Signs()
    signs.elector_due_s = 107.0

    signs.elector_is_stopped(103.0)
    signs.elector_is_stopped(104.0)
    signs.elector_goes_on()

    assert signs.elector_due_s == 107.0


def test_what_an_elector_says_once_it_goes_on_is_not_undone() -> None:
    signs = Signs()
    signs.elector_due_s = 107.0

    signs.elector_is_stopped(103.0)
    signs.elector_due_s = 110.0
    signs.elector_goes_on()

    assert signs.elector_due_s == 110.0


def test_an_elector_that_was_overdue_when_it_was_stopped_stays_so() -> None:
    signs = Signs()
    signs.elector_due_s = 101.0

    signs.elector_is_stopped(103.0)

    assert signs.elector_due_s == 101.0


def test_the_next_elector_knows_since_when_there_is_its_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signs, clock = Signs(), count(100)
    monkeypatch.setattr("time.time", lambda: float(next(clock)))

    since = [signs.has_token(token) for token in (None, None, 7, 7, 8, None, None)]

    assert since == [100.0, 100.0, 101.0, 101.0, 102.0, 103.0, 103.0]
