"""What `status` and `list` make of what instances say of themselves."""

from __future__ import annotations

import json

from coordsidecar.cli import boards
from coordsidecar.store.directory import Board
from coordsidecar.store.protocol import Leader


def says(**fields: object) -> str:
    return json.dumps({"id": "a"} | fields)


def shown(record: str) -> str:
    """As `status` shows whoever says that."""
    return boards.sentences("x/y", Board(None, None, others=(record,))).splitlines()[1].strip()


def test_who_rests_is_shown_as_such_and_not_counted() -> None:
    rests = says(role="resting", health="sick", job={"state": "none", "pid": None})
    board = Board(Leader(7, says()), None, others=(says(role="standby"), rests))

    assert shown(rests) == "a (resting, health sick)"
    assert boards.rows({"y": board}).splitlines()[1].split() == ["y", "a", "7", "1?"]
