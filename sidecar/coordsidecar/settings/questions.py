"""The options of an operator's questions, beside those that a run has as well."""

from __future__ import annotations

from coordsidecar.duration import parse_duration
from coordsidecar.settings.options import CHECK_OPTIONS, Option, read_id, read_name

__all__ = [
    "CORDON_OPTIONS",
    "HISTORY_OPTIONS",
    "LIST_OPTIONS",
    "OPTIONS_OF",
    "PAUSE_OPTIONS",
    "STEP_DOWN_OPTIONS",
    "TRANSFER_OPTIONS",
    "UNCORDON_OPTIONS",
    "WAIT_OPTIONS",
    "WATCH_OPTIONS",
]

_GROUP = "Options"


def _read_token(text: str) -> int:
    if not (text.isdecimal() and len(text) <= 20):
        raise ValueError(f"{text[:40]!r} is no token, such as 42")
    return int(text)


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text)):
        raise ValueError(f"{text[:40]!r} is no number of terms, such as 5")
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
HISTORY_OPTIONS = (
    *LIST_OPTIONS,
    Option("limit", _GROUP, "N", _read_count, "The last N terms only. Default: all that are kept"),
    Option("since", _GROUP, "TIME", parse_duration, "Of the last TIME only, such as 24h."),
)
WATCH_OPTIONS = (
    *LIST_OPTIONS,
    Option("timeout", _GROUP, "TIME", parse_duration, "For how long. Default: until it is ended"),
)
_REASON = Option("reason", _GROUP, "TEXT", str, "Why: it is shown, and logged.")
_TOKEN = Option(
    "token", _GROUP, "N", _read_token, "Refuse, if it is no longer led under this token."
)
_TIMEOUT = Option("timeout", _GROUP, "TIME", parse_duration, "For how long to wait. Default: 1m")
STEP_DOWN_OPTIONS = (
    *LIST_OPTIONS,
    _REASON,
    Option(
        "sit-out", _GROUP, "TIME", parse_duration,
        "For how long it does not stand again, so that another leads. Default: 30s",
    ),
    _TOKEN,
    _TIMEOUT,
)  # fmt: skip
TRANSFER_OPTIONS = (
    *LIST_OPTIONS,
    Option("to", _GROUP, "ID", read_id, "Who is to lead, as status shows it."),
    Option(
        "within", _GROUP, "TIME", parse_duration,
        "For how long nobody else takes over, should that one not. Default: 10s",
    ),
    _REASON,
    _TOKEN,
    _TIMEOUT,
)  # fmt: skip
PAUSE_OPTIONS = (
    *LIST_OPTIONS,
    Option(
        "for", _GROUP, "TIME", parse_duration,
        "It ends by itself then. Default: not before it is resumed",
    ),
    _REASON,
)  # fmt: skip
UNCORDON_OPTIONS = (
    *LIST_OPTIONS,
    Option("name", _GROUP, "NAME", read_name, "In one election. Default: in all of the namespace"),
)
CORDON_OPTIONS = (*UNCORDON_OPTIONS, _REASON, _TIMEOUT)
OPTIONS_OF: dict[str, tuple[Option, ...]] = {
    "list": LIST_OPTIONS,
    "status": LIST_OPTIONS,
    "wait": WAIT_OPTIONS,
    "watch": WATCH_OPTIONS,
    "history": HISTORY_OPTIONS,
    "step-down": STEP_DOWN_OPTIONS,
    "transfer": TRANSFER_OPTIONS,
    "pause": PAUSE_OPTIONS,
    "resume": LIST_OPTIONS,
    "cordon": CORDON_OPTIONS,
    "uncordon": UNCORDON_OPTIONS,
}
"""By the word with which an operator asks, or orders."""
