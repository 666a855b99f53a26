"""The part of a sweep that its test plays: cells, listed by their names for each lane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.chaos.lane import Named

__all__ = ["listed"]


def listed(played: Mapping[str, str], cells: Iterable[Named]) -> list[Any]:
    """Parameters ``lane`` and ``cell``. ``played``: by lane, the names, one a line.

    Raises `KeyError` if the sweep has no such cell.
    """
    by_name = {cell.name: cell for cell in cells}
    return [
        pytest.param(lane, by_name[name], id=f"{lane}-{name}")
        for lane, lines in played.items()
        for name in map(str.strip, lines.splitlines())
        if name
    ]
