"""Colour: at a terminal, in what is not to be overlooked, and nowhere else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from coordsidecar.cli import boards
from coordsidecar.cli.paint import painted
from coordsidecar.store.curbs import Cordon, Curbs, Pause
from coordsidecar.store.directory import Board
from coordsidecar.store.protocol import Leader
from tests.cli.command import at_terminal, coordsidecar

PAINT = re.compile(r"\x1b\[(\d*)m")
CURBS = Curbs(Pause("m", None, "ann", reason="nobody leads"), (Cordon("web-2", "bob"),))
LED = Board(Leader(7, json.dumps({"id": "web (1), token", "host": "h"})), (), curbs=CURBS, led=7)


def bare(text: str) -> str:
    return PAINT.sub("", text)


@pytest.mark.parametrize(
    "text",
    [
        boards.sentences("a/b", LED),
        boards.sentences("a/b", Board(None, None)),
        boards.rows({"b": LED, "c": Board(None, None)}),
        "TOKEN  LEADER\n7      PAUSED, nobody leads\n",
    ],
)
def test_it_changes_no_letter_and_none_is_painted_twice(text: str) -> None:
    shown = painted(text)

    assert bare(shown) == text
    codes = PAINT.findall(shown)
    assert codes
    assert [code == "0" for code in codes] == [False, True] * (len(codes) // 2)
    assert all(len(PAINT.findall(line)) % 2 == 0 for line in shown.splitlines())


def test_who_leads_is_bold_and_what_is_ordered_is_not_overlooked() -> None:
    first, *rest = painted(boards.sentences("a/b", LED)).splitlines()

    assert first == "a/b: led by \x1b[1mweb (1), token\x1b[0m (host h), token 7"
    assert [line for line in rest if "PAUSED" in line or "CORDONED" in line] == [
        line for line in rest if line.startswith("\x1b[33m  ")
    ]
    assert "\x1b[31mnobody leads\x1b[0m" in painted("a/b: nobody leads; the last token was 7\n")


def test_a_terminal_gets_it_and_nobody_else(tmp_path: Path) -> None:
    words = ("status", "--store", f"local:{tmp_path}", "nightly")

    assert at_terminal(*words, environ={"NO_COLOR": ""}).startswith(
        "default/nightly: \x1b[31mnobody leads\x1b[0m"
    )
    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in at_terminal(*words, environ=environ)
    assert json.loads(at_terminal(*words, "--json", environ={"NO_COLOR": ""}))["leader"] is None
    assert "\x1b" not in coordsidecar(*words).out
