"""Colour, for who sits at a terminal: who leads, and what is not to be overlooked."""

from __future__ import annotations

import re

__all__ = ["painted"]

_BOLD, _RED, _YELLOW = "1", "31", "33"

# One after the other, each begins behind the last: nothing is painted twice. Whatever others have
# written was made one printable line before, so no colour of theirs is in it.
_PAINTS = re.compile(
    r"(?P<heading>^(?:NAME|TOKEN)  .*$)"
    r"|(?P<ordered>^ *(?:PAUSED|CORDONED|TRANSFER) .*$|\bPAUSED\b)"
    r"|(?P<bad>\bnobody leads\b|\bnobody stands by\b|\bhealth sick\b|\bthe store cannot be asked\b)"
    r"|(?P<leads>(?<=: led by ).+?(?= \(host |, token \d))",
    re.MULTILINE,
)
_COLOURS = {"heading": _BOLD, "ordered": _YELLOW, "bad": _RED, "leads": _BOLD}


def painted(text: str) -> str:
    """What ``status``, ``list``, ``history``, ``watch`` and orders print, with colour in it."""

    def paint(found: re.Match[str]) -> str:
        return f"\x1b[{_COLOURS[found.lastgroup or 'bad']}m{found[0]}\x1b[0m"

    return _PAINTS.sub(paint, text)
