"""The last terms, as anybody may have written them into a record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.store.history import (
    LONGEST_WHY,
    MOST_TERMS,
    Term,
    as_fields,
    as_list,
    begun,
    ended,
    id_of,
    read,
)
from coordsidecar.store.office import Office

AT, LATER = "2026-11-30T05:00:00Z", "2026-11-30T05:01:00Z"
ONE = Term(7, "web-1", AT, LATER, "SIGTERM: stopping the job")
LAST = Term(9, "web-2", LATER)
RECORD = json.dumps({"id": "web-3", "host": "h"})


def test_what_was_written_is_read() -> None:
    assert read(json.loads(json.dumps(as_list((ONE, LAST))))) == (ONE, LAST)


@pytest.mark.parametrize(
    "row",
    [
        None,
        "a word",
        {},
        [],
        [7, "a", AT, "", ""][:4],
        [7, "a", AT, "", "", ""],
        [True, "a", AT, "", ""],
        [7.0, "a", AT, "", ""],
        [-1, "a", AT, "", ""],
        [2**62, "a", AT, "", ""],
        [7, None, AT, "", ""],
        [7, "a", AT, 5, ""],
    ],
)
def test_what_is_no_term_is_left_out(row: object) -> None:
    assert read([row, as_list((ONE,))[0]]) == (ONE,)


@pytest.mark.parametrize("listed", [None, "a word", 7, {"0": []}])
def test_what_is_no_list_is_no_history(listed: object) -> None:
    assert read(listed) == ()


def test_no_text_is_too_long_and_there_are_no_more_than_are_kept() -> None:
    rows: list[Any] = [[token, "i" * 999, "b" * 999, "e" * 999, "w" * 999] for token in range(99)]

    terms = read(rows)

    assert [term.token for term in terms] == list(range(99 - MOST_TERMS, 99))
    assert max(len(text) for text in (terms[0].id, terms[0].began, terms[0].ended)) <= 80
    assert len(terms[0].why) == LONGEST_WHY


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_nothing_that_can_be_written_is_too_much(listed: object) -> None:
    assert len(read(listed)) <= MOST_TERMS


def test_a_term_begins_once() -> None:
    once = begun((ONE,), 9, RECORD, LATER)

    assert once == (ONE, Term(9, "web-3", LATER))
    assert begun(once, 9, RECORD, "2026-11-30T06:00:00Z") == once


def test_the_oldest_goes() -> None:
    terms = tuple(Term(token, "a", AT) for token in range(1, MOST_TERMS + 1))

    assert begun(terms, 99, RECORD, LATER) == (*terms[1:], Term(99, "web-3", LATER))


def test_what_ended_more_than_a_year_ago_goes_but_not_the_last_of_all() -> None:
    old = Term(1, "a", "2024-02-28T00:00:00Z", "2025-11-30T05:00:59Z", "why")
    year = Term(2, "b", "2024-02-28T00:00:00Z", "2025-11-30T05:01:00Z", "why")
    unknown, stranger = Term(3, "c", "2025-11-01T00:00:00Z"), Term(4, "d", "soon")
    last = Term(5, "e", "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "why")

    begins = begun((old, year, unknown, stranger, last), 9, RECORD, LATER)

    assert begins == (year, stranger, last, Term(9, "web-3", LATER))
    assert begun((ONE, LAST), 10, RECORD, "2028-02-29T00:00:00Z")[0] == LAST


def test_only_the_last_term_ends_and_once() -> None:
    assert ended((), 9, "why", AT) == ()
    assert ended((ONE, LAST), 7, "why", AT) == (ONE, LAST)
    assert ended((ONE,), 7, "why", "2026-11-30T06:00:00Z") == (ONE,)
    (_, last) = ended((ONE, LAST), 9, "w" * 999, "2026-11-30T06:00:00Z")
    assert (last.ended, last.why) == ("2026-11-30T06:00:00Z", "w" * LONGEST_WHY)


def test_a_term_lasts_only_while_its_leader_is_in_office() -> None:
    states = [[term["state"] for term in as_fields((ONE, LAST), led)] for led in (9, 0)]

    assert states == [["over", "lasts"], ["over", "unknown"]]


def test_the_longest_history_there_may_be_can_be_read_in_its_record() -> None:
    # Twelve bytes for each character, as JSON writes what is beyond Unicode's first plane.
    far = "\U0001f600"
    terms = tuple(Term(n, far * 80, AT, LATER, far * LONGEST_WHY) for n in range(1, MOST_TERMS + 1))

    office = Office(led=MOST_TERMS, history=terms)

    assert len(office.encode()) < 64 * 1024
    assert Office.decode(office.encode()) == office


def test_a_write_that_numbers_its_term_does_so_in_the_history() -> None:
    left = Office(7, 7, "a-run", "7", history=(ONE,))

    taken = left.taken_by_its_write(0, run="b-run", limits=None, record=RECORD)
    numbered = taken.numbered(12)

    assert (taken.led, taken.released, taken.history[0]) == (0, 7, ONE)
    assert (numbered.led, numbered.lock) == (12, "12")
    assert [(term.token, term.id) for term in numbered.history] == [(7, "web-1"), (12, "web-3")]


def test_of_whom_the_record_does_not_tell_nothing_is_told() -> None:
    left = Office(7, 7, "a-run", "7", history=(ONE,))

    taken = left.taken(9, lock=9, run="b-run", floor=0)

    assert taken is not None
    assert taken.history == (ONE,)


def test_an_end_is_told_by_who_led_alone() -> None:
    office = Office(9, 7, "b-run", "9", history=(ONE, LAST))

    theirs = office.resigned(9, run="a-run", why="not ours")
    silent = office.resigned(9, run="b-run")
    ours = office.resigned(9, run="b-run", why="SIGTERM")

    assert theirs == office
    assert (silent.clean, silent.history) == (True, office.history)
    assert (ours.clean, ours.history[-1].why) == (True, "SIGTERM")


@pytest.mark.parametrize(
    ("record", "name"),
    [('{"id": "web-1"}', "web-1"), ("a word", "a word"), ("", "somebody"), ("[", "[")],
)
def test_everybody_has_a_name(record: str, name: str) -> None:
    assert id_of(record) == name
