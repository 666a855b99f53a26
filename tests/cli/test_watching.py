"""`coordsidecar watch`: what it makes of two looks at an election."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from coordsidecar.cli import watching
from coordsidecar.store.directory import Board
from coordsidecar.store.history import MOST_TERMS, Term
from coordsidecar.store.protocol import Leader, StoreError, UnreachableError


def term(token: int, *, ended: str = "12:00") -> Term:
    return Term(token, f"web-{token}", "11:00", ended, "a stop" if ended else "")


def board(*terms: Term, leads: bool = True) -> Board:
    """Of these terms the last is under way, if it ``leads``."""
    led = terms[-1].token if terms else 0
    return Board(Leader(led, "{}") if leads else None, (), led=led, history=terms)


def changes(
    monkeypatch: pytest.MonkeyPatch, was: Board, *looks: Board | StoreError
) -> list[tuple[str, int]]:
    """The events, each with the token of the term that it is about, or of who leads."""
    monkeypatch.setattr(watching, "_LOOK_EVERY_S", 0.0)
    left: Iterator[Board | StoreError] = iter(looks)
    found: list[tuple[str, int]] = []

    def look() -> Board:
        found_next = next(left, None)
        if found_next is None:
            raise EOFError
        if isinstance(found_next, StoreError):
            raise found_next
        return found_next

    try:
        for change in watching._changes(look, was, math.inf):
            token = change.term.token if change.term else change.board.led
            found.append((change.event + (f": {change.why}" if change.why else ""), token))
    except EOFError:
        return found
    raise AssertionError("it ends with the looks")


def test_a_term_that_came_and_went_between_two_looks_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = board(term(1), term(2, ended=""))
    after = board(term(1), term(2), term(5), term(9), term(12, ended=""))

    told = changes(monkeypatch, before, after, after, board(*after.history, leads=False))

    assert told == [("led", 5), ("led", 9), ("leads", 12), ("nobody-leads", 12)]


def test_so_is_one_of_which_nobody_could_say_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = board(term(2, ended="")), board(term(2, ended=""), term(5, ended=""), term(9))

    assert changes(monkeypatch, before, after) == [("led", 5), ("leads", 9)]


def test_one_that_is_over_before_anybody_looked_is_told_where_nobody_leads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, after = board(term(2), leads=False), board(term(2), term(5), leads=False)

    assert changes(monkeypatch, before, after) == [("led", 5), ("nobody-leads", 5)]


def test_what_happened_while_the_store_was_away_is_told_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, gone = board(term(2, ended="")), UnreachableError("cut off")
    after = board(term(2), term(5), term(9, ended=""))

    told = changes(monkeypatch, before, gone, gone, after, after)

    back = "back: what happened meanwhile is read anew"
    assert told == [("away: cut off", 2), (back, 9), ("led", 5), ("leads", 9)]


def test_if_more_went_by_than_the_history_holds_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = board(term(2, ended=""))
    all_new = [term(token) for token in range(10, 10 + MOST_TERMS)]
    some_new = [term(2), *all_new[1:]]

    told = changes(monkeypatch, before, board(*all_new))
    reached = changes(monkeypatch, before, board(*some_new))

    too_many = "more terms went by than the history holds; those before this one were not seen"
    assert told[:2] == [(f"led: {too_many}", 10), ("led", 11)]
    assert len(told) == MOST_TERMS
    assert reached[0] == ("led", 11)


def test_a_store_without_a_history_is_told_of_as_it_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, after = Board(Leader(2, "{}"), None), Board(Leader(7, "{}"), None)

    assert changes(monkeypatch, before, after) == [("leads", 0)]
