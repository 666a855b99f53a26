"""The part of a sweep that its test plays: cells, listed by their names for each lane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.chaos.lane import Named

__all__ = ["parametrize"]


def parametrize(
    metafunc: pytest.Metafunc, played: Mapping[str, str], cells: Iterable[Named]
) -> None:
    """Parameters ``lane`` and ``cell`` for who has them; a Lease's where one was asked for.
    ``played``: by lane, the names, one a line.

    Raises `KeyError` if the sweep has no such cell.
    """
    if "lane" not in metafunc.fixturenames:
        return
    has_kubernetes = metafunc.config.getoption("--kubernetes")
    played = {
        lane: names
        for lane, names in played.items()
        if has_kubernetes or not lane.startswith("kubernetes")
    }
    by_name = {cell.name: cell for cell in cells}
    parameters: list[Any] = [
        pytest.param(lane, by_name[name], id=f"{lane}-{name}")
        for lane, lines in played.items()
        for name in map(str.strip, lines.splitlines())
        if name
    ]
    metafunc.parametrize(("lane", "cell"), parameters)
