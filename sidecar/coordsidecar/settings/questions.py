"""The options of an operator's questions, beside those that a run has as well."""

from __future__ import annotations

from coordsidecar.duration import parse_duration
from coordsidecar.settings.options import CHECK_OPTIONS, Option

__all__ = ["LIST_OPTIONS", "WAIT_OPTIONS"]

_GROUP = "Options"

LIST_OPTIONS = tuple(option for option in CHECK_OPTIONS if option.name != "name")
WAIT_OPTIONS = (
    *LIST_OPTIONS,
    Option(
        "for", _GROUP, "STATE", str,
        "What to wait for: leader, no-leader, leader=ID or not=ID. Default: leader",
    ),
    Option("timeout", _GROUP, "TIME", parse_duration, "For how long at most. Default: for ever"),
)  # fmt: skip
