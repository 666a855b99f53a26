"""Rows of text in columns, for people: what ``list`` and ``history`` show.

Cells may be what anybody has written: what would move a cursor is shown as elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from coordsidecar.log import one_line

__all__ = ["table"]


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Each column as wide as its widest cell; a line for each row."""
    rows = [tuple(map(one_line, row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"
