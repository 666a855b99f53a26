"""Whom an attached sidecar leads, in place of a command."""

from __future__ import annotations

from coordsidecar.hints import Literal
from coordsidecar.value import Value

__all__ = ["Whom"]


class Whom(Value, kw_only=True):
    """How the app is found, one or the other; and how it is held: stopped, or ended."""

    pid_file: str | None = None
    match_cmdline: str | None = None
    how: Literal["freeze", "end"] = "freeze"
