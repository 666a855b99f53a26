"""What an option is."""

from __future__ import annotations

from collections.abc import Callable

from coordsidecar.hints import Any
from coordsidecar.value import Value

__all__ = ["Option"]


class Option(Value):
    """One option. ``read`` turns its text into a value, or raises `ValueError` with a sentence.

    ``join`` makes one text of a list of values, for options that take several.
    """

    name: str
    group: str
    metavar: str
    read: Callable[[str], Any]
    help: str
    join: Callable[[list[str]], str] | None = None
    repeats: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name

    @property
    def variable(self) -> str:
        return "COORDSIDECAR_" + self.name.replace("-", "_").upper()
