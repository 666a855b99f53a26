"""The options that say which of several instances is to lead rather."""

from __future__ import annotations

import re

from coordsidecar.duration import parse_duration
from coordsidecar.settings.one_option import Option, quoted

__all__ = ["PRIORITY_OPTIONS", "check_preemption"]

_GROUP = "Priority"


def _read_priority(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text.strip(), re.ASCII):
        raise ValueError(f"{quoted(text)} is no priority; write a number such as 10")
    return int(text)


PRIORITY_OPTIONS = (
    Option(
        "priority", _GROUP, "N", _read_priority,
        "Which instance is to lead rather, the higher the rather; with --preempt. Default: 0",
    ),
    Option(
        "preempt", _GROUP, "TIME", parse_duration,
        "Have an instance of lower priority hand over to this one, once it has led for that long. "
        "Default: never",
    ),
)  # fmt: skip


def check_preemption(priority: int, preempt_s: float | None, *, ttl_s: float) -> None:
    """Raises `ValueError` if it could only be meant otherwise."""
    if preempt_s is None:
        return
    if priority == 0:
        raise ValueError("--preempt takes the lead from a lower priority: give --priority, too")
    if preempt_s < ttl_s:
        raise ValueError(f"--preempt must be at least the --ttl, {ttl_s:g}s")
