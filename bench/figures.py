"""What was measured: collected, summed up, and shown as one table."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Figures"]

# Name, heading, unit, decimals.
_HEADINGS = (
    ("start-up", "start-up: launch to job running", "ms", 1),
    ("start-up-script", "start-up by the console script", "ms", 1),
    ("hand-over", "hand-over: SIGTERM, old job's last stamp to next job's first", "ms", 1),
    ("child-kill", "job killed: its last stamp to next job's first", "ms", 1),
    ("kill-9", "wrapper killed: SIGKILL to next job's first stamp", "ms", 1),
    ("host-death", "host dead: all processes killed at once, to next job's first stamp", "s", 2),
    ("leader-pss", "memory of a leader without its job, PSS", "MB", 1),
    ("leader-rss", "memory of a leader without its job, RSS", "MB", 1),
    ("standby-pss", "memory of a standby, PSS", "MB", 1),
    ("standby-rss", "memory of a standby, RSS", "MB", 1),
    ("leader-cpu", "CPU of an idle leader, in an hour", "s", 1),
    ("standby-cpu", "CPU of an idle standby, in an hour", "s", 1),
    ("leader-wakeups", "wake-ups of an idle leader", "1/s", 1),
    ("standby-wakeups", "wake-ups of an idle standby", "1/s", 1),
)
# What takes so long, or never comes, is not measured more often than this.
_SLOW_MS = 10_000.0
_SLOW_ROUNDS = 2
_NUMBER_WIDTH = 10


@dataclass(slots=True)
class _Cell:
    values: list[float] = field(default_factory=list)
    nones: int = 0
    notes: list[str] = field(default_factory=list)


class Figures:
    """Every figure of every contender, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], _Cell] = {}

    def add(self, title: str, figure: str, value: float) -> None:
        self._cell(title, figure).values.append(value)

    def add_none(self, title: str, figure: str, note: str) -> None:
        """Nothing came of it, for as long as ``note`` says."""
        self._cell(title, figure).nones += 1
        self.note(title, figure, note)

    def note(self, title: str, figure: str, note: str) -> None:
        """Have the table say this beside the figure."""
        notes = self._cell(title, figure).notes
        if note not in notes:
            notes.append(note)

    def is_known_slow(self, title: str, figure: str) -> bool:
        """Say whether this takes long and has been measured often enough."""
        cell = self._cells.get((title, figure), _Cell())
        slow = cell.nones + sum(value > _SLOW_MS for value in cell.values)
        return slow >= _SLOW_ROUNDS

    def table(self) -> str:
        """All figures: a block for each, with a line for each contender."""
        titles = list(dict.fromkeys(title for title, _ in self._cells))
        width = max(map(len, titles), default=0)
        lines = []
        for figure, heading, unit, decimals in _HEADINGS:
            rows = [
                _row(title.ljust(width), self._cells[title, figure], decimals)
                for title in titles
                if (title, figure) in self._cells
            ]
            if rows:
                columns = ("min", "median", "max")
                lines += ["", f"{heading}, {unit}"]
                head = "".join(column.rjust(_NUMBER_WIDTH) for column in columns)
                lines += [f"  {'':{width}}{head}    n", *rows]
        return "\n".join(lines[1:])

    def as_json(self) -> list[dict[str, Any]]:
        """Every measured value, for other programs."""
        units = {figure: unit for figure, _, unit, _ in _HEADINGS}
        return [
            {
                "contender": title,
                "figure": figure,
                "unit": units[figure],
                "values": [round(value, 3) for value in cell.values],
                "none": cell.nones,
                "notes": cell.notes,
            }
            for (title, figure), cell in self._cells.items()
        ]

    def _cell(self, title: str, figure: str) -> _Cell:
        return self._cells.setdefault((title, figure), _Cell())


def _row(title: str, cell: _Cell, decimals: int) -> str:
    values = cell.values
    numbers = [min(values), statistics.median(values), max(values)] if values else []
    texts = [f"{number:.{decimals}f}" for number in numbers] or ["-"] * 3
    columns = "".join(text.rjust(_NUMBER_WIDTH) for text in texts)
    notes = "  " + ", ".join(cell.notes) if cell.notes else ""
    return f"  {title}{columns}{len(values) + cell.nones:5d}{notes}"
