"""What was found: one line each, and the remedy where there is something to be mended."""

from __future__ import annotations

from collections.abc import Iterable

from coordsidecar.hints import Literal
from coordsidecar.value import Value

__all__ = ["Finding", "State", "fail", "ok", "split_remedy", "warn", "worst"]

State = Literal["ok", "warn", "fail"]
_ORDER: tuple[State, ...] = ("ok", "warn", "fail")


class Finding(Value):
    """``state``: "ok"; "warn": a sidecar works, but something may surprise; "fail": it would not.

    ``check`` is the same in each run, for programs to tell them by. ``remedy`` is empty if all is
    well.
    """

    check: str
    subject: str
    state: State
    said: str
    remedy: str = ""


def ok(check: str, subject: str, said: str) -> Finding:
    return Finding(check, subject, "ok", said)


def warn(check: str, subject: str, said: str, remedy: str) -> Finding:
    return Finding(check, subject, "warn", said, remedy)


def fail(check: str, subject: str, said: str, remedy: str) -> Finding:
    return Finding(check, subject, "fail", said, remedy)


def worst(findings: Iterable[Finding]) -> State:
    return max((finding.state for finding in findings), key=_ORDER.index, default="ok")


def split_remedy(error: Exception, otherwise: str) -> tuple[str, str]:
    """What an error says and, after its first semicolon, what to do about it."""
    said, semicolon, remedy = str(error).partition("; ")
    return said, remedy if semicolon else otherwise
