"""Durations have a unit, an end, and only one meaning."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.duration import LONGEST_S, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("15s", 15), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1m30s", 90), ("1.5s", 1.5)],
        *[("1h0m1s1ms", 3601.001), ("0", 0), ("0s", 0), (" 3s ", 3), ("8760h", LONGEST_S)],
    ],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("15", "did you mean 15s?"),
        ("1.5", "did you mean 1.5s?"),
        ("15 s", "did you mean 15s?"),
        ("15S", "did you mean 15s?"),
        ("-5s", "negative"),
        ("nan", "no length"),
        ("inf", "no length"),
        ("", "empty"),
        ("5sec", "1m30s"),
        ("5s1m", "1m30s"),
        ("1s1s", "1m30s"),
        ("1e3s", "1m30s"),
        (".5s", "1m30s"),
        ("\u0663s", "1m30s"),
        ("8761h", "too long"),
        ("9" * 5000 + "s", "too long"),
    ],
)
def test_anything_else_is_refused_with_a_hint(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=re.escape(part)) as caught:
        parse_duration(text)

    assert len(str(caught.value)) < 150


@given(st.text())
def test_no_text_is_read_as_a_length_of_time_that_is_none(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds <= LONGEST_S


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(12.94, "12.9s"), (15, "15s"), (0.5, "500ms"), (0, "0s"), (0.0001, "0s"), (90, "1m30s")],
        *[(59.99, "1m"), (3600, "1h"), (3725.4, "1h2m5s"), (-0.25, "-250ms"), (0.9999, "1s")],
        *[(math.inf, "unlimited"), (math.nan, "unknown")],
    ],
)
def test_a_length_of_time_is_shown_short(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=int(LONGEST_S)))
def test_whole_seconds_survive_being_shown_and_read(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
