"""What an option is, and what more than one kind of them needs."""

from __future__ import annotations

from collections.abc import Callable

from coordsidecar.hints import Any
from coordsidecar.value import Value

__all__ = ["Choice", "Option", "quoted"]


def quoted(text: str) -> str:
    """What was given, to be named in a sentence about it."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


class Choice:
    """Reads one of a few words."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed

    def __call__(self, text: str) -> str:
        if text not in self.allowed:
            raise ValueError(f"{quoted(text)} is not one of {', '.join(self.allowed)}")
        return text


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
