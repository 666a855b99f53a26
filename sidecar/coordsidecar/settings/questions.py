"""The options of an operator's questions, beside those that a run has as well."""

from __future__ import annotations

from coordsidecar.duration import parse_duration
from coordsidecar.settings.options import CHECK_OPTIONS, Option

__all__ = ["LIST_OPTIONS", "STEP_DOWN_OPTIONS", "WAIT_OPTIONS", "WATCH_OPTIONS"]

_GROUP = "Options"


def _read_token(text: str) -> int:
    if not (text.isdecimal() and len(text) <= 20):
        raise ValueError(f"{text[:40]!r} is no token, such as 42")
    return int(text)


LIST_OPTIONS = tuple(option for option in CHECK_OPTIONS if option.name != "name")
WAIT_OPTIONS = (
    *LIST_OPTIONS,
    Option(
        "for", _GROUP, "STATE", str,
        "What to wait for: leader, no-leader, leader=ID or not=ID. Default: leader",
    ),
    Option("timeout", _GROUP, "TIME", parse_duration, "For how long at most. Default: for ever"),
)  # fmt: skip
WATCH_OPTIONS = (
    *LIST_OPTIONS,
    Option("timeout", _GROUP, "TIME", parse_duration, "For how long. Default: until it is ended"),
)
STEP_DOWN_OPTIONS = (
    *LIST_OPTIONS,
    Option("reason", _GROUP, "TEXT", str, "Why, for the leader's log."),
    Option(
        "sit-out", _GROUP, "TIME", parse_duration,
        "For how long it does not stand again, so that another leads. Default: 30s",
    ),
    Option("token", _GROUP, "N", _read_token, "Refuse, if it is no longer led under this token."),
    Option("timeout", _GROUP, "TIME", parse_duration, "For how long to wait. Default: 1m"),
)  # fmt: skip
