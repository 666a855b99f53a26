"""What an operator types: which question or order it is, about what, and what it is answered."""

from __future__ import annotations

import os
from collections.abc import Callable

from coordsidecar.cli import operate
from coordsidecar.cli.operate import Said
from coordsidecar.cli.words import split
from coordsidecar.log import wants_colour
from coordsidecar.settings.questions import OPTIONS_OF
from coordsidecar.settings.sources import UsageError

__all__ = ["ask"]

_ORDERS = {"step-down", "transfer", "pause", "resume", "cordon", "uncordon"}
_TAKES = {"list": "no argument", "cordon": "the ID of one instance"}
_TAKES["uncordon"] = _TAKES["cordon"]


def ask(question: str, words: list[str], *, show: Callable[[str], bool]) -> Said | str:
    """Answer it; or the name of the page that is asked for. Raises `UsageError`, `StoreError`.

    ``show``: for what has more to say than one answer; False: nobody reads on.
    """
    ours = {"--json"} | ({"--yes"} if question in _ORDERS else set())
    ours |= {"--wait"} if question == "cordon" else set()
    said = ours & set(words)
    words = [word for word in words if word not in ours]
    flags, arguments = split(words, OPTIONS_OF[question], interspersed=True)
    if "help" in flags or "version" in flags:
        return question if "help" in flags else "version"
    if len(arguments) != (0 if question == "list" else 1):
        takes = _TAKES.get(question, "the NAME of one election")
        raise UsageError(f"{question} takes {takes}: see coordsidecar {question} --help")
    if "--json" in said or not wants_colour(1, os.environ):
        return _answer(question, arguments, flags, said, show)
    from coordsidecar.cli.paint import painted

    answer = _answer(question, arguments, flags, said, lambda line: show(painted(line)))
    return Said(painted(answer.text), answer.exit_code)


def _answer(
    question: str,
    arguments: tuple[str, ...],
    flags: dict[str, str],
    said: set[str],
    show: Callable[[str], bool],
) -> Said:
    as_json, environ = "--json" in said, os.environ
    if question == "list":
        return operate.list_all(flags=flags, environ=environ, as_json=as_json)
    if question in _ORDERS:
        return _order(question, arguments[0], flags, said)
    match question:
        case "status":
            return operate.status(arguments[0], flags=flags, environ=environ, as_json=as_json)
        case "wait":
            return operate.wait(arguments[0], flags=flags, environ=environ, as_json=as_json)
        case "history":
            from coordsidecar.cli.history import history

            return history(arguments[0], flags=flags, environ=environ, as_json=as_json)
        case _:
            from coordsidecar.cli.watching import watch

            for line in watch(arguments[0], flags=flags, environ=environ, as_json=as_json):
                if not show(line):
                    break
            return Said("", 0)


def _order(word: str, about: str, flags: dict[str, str], said: set[str]) -> Said:
    from coordsidecar.cli import curb, order

    orders: dict[str, Callable[..., Said]] = {
        "step-down": order.step_down,
        "transfer": order.transfer,
        "pause": curb.pause,
        "resume": curb.resume,
        "cordon": curb.cordon,
        "uncordon": curb.uncordon,
    }
    more = {"waits": "--wait" in said} if word == "cordon" else {}
    as_json, sure = "--json" in said, "--yes" in said
    return orders[word](about, flags=flags, environ=os.environ, as_json=as_json, sure=sure, **more)
