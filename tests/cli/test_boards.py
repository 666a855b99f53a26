"""What `status` and `list` make of what instances say of themselves."""

from __future__ import annotations

import json

import pytest

from coordsidecar.cli import boards
from coordsidecar.store.directory import Board
from coordsidecar.store.protocol import Leader


def says(**fields: object) -> str:
    return json.dumps({"id": "a"} | fields)


def shown(record: str) -> str:
    """As `status` shows whoever says that."""
    return boards.sentences("x/y", Board(None, None, others=(record,))).splitlines()[1].strip()


@pytest.mark.parametrize("pid", [2**63, -(2**63) - 1, 10**30])
def test_a_number_that_no_other_program_could_read_is_none(pid: int) -> None:
    record = says(pid=pid, job={"state": "running", "pid": pid})

    (who,) = boards.as_fields("x/y", Board(None, None, others=(record,)))["others"]

    assert (who["pid"], who["job"]) == (None, {"state": "running", "pid": None})
    assert shown(record) == "a (job running)"


@pytest.mark.parametrize("lie", ["x, health well", "x), token 7", "x; before it b", 'x"'])
def test_what_could_be_taken_for_words_of_ours_is_quoted(lie: str) -> None:
    quoted = json.dumps(lie)

    assert shown(says(labels={"k": lie, lie: "v", "zone": "a"})) == (
        f"a (k={quoted}, {quoted}=v, zone=a)"
    )
    assert shown(says(health=lie, job={"state": lie})) == f"a (job {quoted}, health {quoted})"
    assert shown(says(host=lie, since=lie)) == f"a (host {quoted}, a candidate since {quoted})"
    assert shown(says(pid=lie, priority=lie)) == f"a (pid {quoted}, priority {quoted})"


@pytest.mark.parametrize(
    ("who", "led", "led_by"),
    [
        ({"host": "h", "pid": 7, "version": "1"}, 6, None),
        ({"host": "h", "pid": 7, "version": "1"}, 7, "a"),
        ({}, 6, "a"),
        ({"host": "h", "pid": 7, "version": "1", "role": "leader"}, 0, "a"),
    ],
    ids=["only elected", "in office", "another program's, which takes no office", "overwritten"],
)
def test_who_is_elected_leads_once_it_is_in_office(
    who: dict[str, object], led: int, led_by: str | None
) -> None:
    board = Board(Leader(7, says(**who)), None, led=led)

    assert boards.leads(board) == (led_by is not None)
    assert boards.leader_id(board) == led_by
    assert ("is elected, and waits" in boards.sentences("x/y", board)) == (led_by is None)


def test_who_rests_is_shown_as_such_and_not_counted() -> None:
    rests = says(role="resting", health="sick", job={"state": "none", "pid": None})
    board = Board(Leader(7, says()), None, others=(says(role="standby"), rests))

    assert shown(rests) == "a (resting, health sick)"
    assert boards.rows({"y": board}).splitlines()[1].split() == ["y", "a", "7", "1?"]
