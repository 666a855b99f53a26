"""Durations as people write them: ``15s``, ``500ms``, ``2m``, ``1h``, ``1m30s``.

A bare number is refused, because half of its readers take it for milliseconds; only ``0`` needs no
unit.
"""

from __future__ import annotations

import math
import re

__all__ = ["LONGEST_S", "format_duration", "parse_duration"]

LONGEST_S = 365 * 86400.0
"""Nothing here has a use for more than a year; a limit keeps clocks and timers from overflowing."""

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
# Each unit at most once, the largest first, as in Go and systemd.
# (Compiled when the first is read: most starts read none.)
_DURATION = (
    rf"(?:(?P<h>{_NUMBER})h)?(?:(?P<m>{_NUMBER})m)?(?:(?P<s>{_NUMBER})s)?(?:(?P<ms>{_NUMBER})ms)?"
)
_FORMS = "write it as 15s, 500ms, 2m, 1h or 1m30s"


def parse_duration(text: str) -> float:
    """Return ``text`` in seconds. `ValueError` says in one sentence what is wrong with it."""
    given = text.strip()
    if given == "0":
        return 0.0
    match = re.fullmatch(_DURATION, given)
    if match is None or not given:
        raise ValueError(_complaint(given))
    seconds = sum(
        float(number) * _UNIT_S[unit] for unit, number in match.groupdict().items() if number
    )
    # A number of four hundred digits is infinite by now, so this compares safely.
    if seconds > LONGEST_S:
        raise ValueError(f"{_quoted(given)} is too long; the longest is 8760h, a year")
    return seconds


def format_duration(seconds: float) -> str:
    """Write ``seconds`` for people, to three figures or so: ``12.9s``, ``500ms``, ``1m30s``."""
    if math.isnan(seconds):
        return "unknown"
    if math.isinf(seconds):
        return "unlimited" if seconds > 0 else "-unlimited"
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms" if seconds >= 0.0005 else "0s"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest_s, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def _complaint(given: str) -> str:
    if not given:
        return f"the duration is empty; {_FORMS}"
    if re.fullmatch(_NUMBER, given):
        return f"{_quoted(given)} has no unit; did you mean {given[:20]}s?"
    if given.startswith("-"):
        return f"{_quoted(given)} is negative; {_FORMS}"
    if given.lower().removeprefix("+") in {"nan", "inf", "infinity"}:
        return f"{_quoted(given)} is no length of time; {_FORMS}"
    plainer = "".join(given.split()).lower()
    if plainer != given and re.fullmatch(_DURATION, plainer):
        return f"{_quoted(given)} is not a duration; did you mean {plainer[:20]}?"
    return f"{_quoted(given)} is not a duration; {_FORMS}"


def _quoted(given: str) -> str:
    return repr(given if len(given) <= 40 else given[:37] + "...")
