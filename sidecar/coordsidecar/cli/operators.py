"""What an operator types: which question it is, about which election, and what it is answered."""

from __future__ import annotations

import os
from collections.abc import Callable

from coordsidecar.cli import operate
from coordsidecar.cli.operate import Said
from coordsidecar.cli.words import split
from coordsidecar.settings.questions import (
    LIST_OPTIONS,
    STEP_DOWN_OPTIONS,
    WAIT_OPTIONS,
    WATCH_OPTIONS,
)
from coordsidecar.settings.sources import UsageError

__all__ = ["ask"]

_OPTIONS = {"wait": WAIT_OPTIONS, "step-down": STEP_DOWN_OPTIONS, "watch": WATCH_OPTIONS}


def ask(question: str, words: list[str], *, show: Callable[[str], bool]) -> Said | str:
    """Answer it; or the name of the page that is asked for. Raises `UsageError`, `StoreError`.

    ``show``: for what has more to say than one answer; False: nobody reads on.
    """
    as_json, sure = "--json" in words, question == "step-down" and "--yes" in words
    words = [word for word in words if word not in ("--json", *["--yes"] * sure)]
    flags, arguments = split(words, _OPTIONS.get(question, LIST_OPTIONS), interspersed=True)
    if "help" in flags or "version" in flags:
        return question if "help" in flags else "version"
    if len(arguments) != (0 if question == "list" else 1):
        takes = "no argument" if question == "list" else "the NAME of one election"
        raise UsageError(f"{question} takes {takes}: see coordsidecar {question} --help")
    environ = os.environ
    match question:
        case "list":
            return operate.list_all(flags=flags, environ=environ, as_json=as_json)
        case "status":
            return operate.status(arguments[0], flags=flags, environ=environ, as_json=as_json)
        case "wait":
            return operate.wait(arguments[0], flags=flags, environ=environ, as_json=as_json)
        case "step-down":
            from coordsidecar.cli.order import step_down

            return step_down(arguments[0], flags=flags, environ=environ, as_json=as_json, sure=sure)
        case _:
            from coordsidecar.cli.watching import watch

            for line in watch(arguments[0], flags=flags, environ=environ, as_json=as_json):
                if not show(line):
                    break
            return Said("", 0)
