"""``coordsidecar watch``: a line for each change of an election, as it is seen from the store.

It looks five times a second, and keeps no connection open that it would have to notice the end of.
A term that began and ended between two looks, or while the store could not be asked, is told of
when it is over, from the history that the election keeps: so none is lost, and none told twice. If
more went by than that holds, it says so; each line has the tokens before and after besides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from coordsidecar.cli import boards
from coordsidecar.cli.operate import about, as_json_text, directory_of
from coordsidecar.hints import Any
from coordsidecar.log import json_safe, one_line
from coordsidecar.settings.questions import WATCH_OPTIONS
from coordsidecar.store.directory import Board
from coordsidecar.store.history import MOST_TERMS, Term, as_fields
from coordsidecar.store.protocol import StoreError
from coordsidecar.utc import utc
from coordsidecar.value import Value

__all__ = ["watch"]

_LOOK_EVERY_S = 0.2
_TOO_MANY = "more terms went by than the history holds; those before this one were not seen"
_READ_ANEW = "what happened meanwhile is read anew"


class _Change(Value):
    """``term``: one that is over, and was not seen while it lasted."""

    event: str
    before: Board | None
    board: Board
    why: str = ""
    term: Term | None = None


def watch(
    name: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool
) -> Iterator[str]:
    """Lines to print, until time is up; the first says how it stands. Raises `UsageError`, and
    `StoreError` if the store cannot be asked at first: later that is a line."""
    asked, prefix = about(name, flags, environ, WATCH_OPTIONS)
    directory = directory_of(asked, environ)
    until_s = time.monotonic() + asked.values.get("timeout", float("inf"))
    tell = _as_json if as_json else _in_words
    was = directory.board(name, timeout_s=asked.timeout_s)
    yield tell(prefix, _Change("now", None, was))
    for change in _changes(lambda: directory.board(name, timeout_s=asked.timeout_s), was, until_s):
        yield tell(prefix, change)


def _changes(look: Callable[[], Board], was: Board, until_s: float) -> Iterator[_Change]:
    away = ""
    while time.monotonic() < until_s:
        time.sleep(min(_LOOK_EVERY_S, max(until_s - time.monotonic(), 0.0)))
        try:
            board = look()
        except StoreError as error:
            if not away:
                away = str(error)
                yield _Change("away", was, was, away)
            continue
        if away:
            away = ""
            yield _Change("back", was, board, _READ_ANEW)
        yield from _unseen(was, board)
        if _token(board) != _token(was) or (board.leader is None and board.led != was.led):
            yield _Change("leads" if board.leader else "nobody-leads", was, board)
        elif board.waiting != was.waiting:
            yield _Change("standing-by", was, board)
        if board.curbs != was.curbs:
            yield _Change("ordered", was, board)
        was = board


def _unseen(was: Board, board: Board) -> Iterator[_Change]:
    """The terms that began since the last look, and are over by now."""
    known = _last(was)
    terms = [term for term in board.history if term.token > known]
    too_many = len(terms) == len(board.history) == MOST_TERMS
    for place, term in enumerate(terms):
        if term.token != _token(board):
            why = _TOO_MANY if too_many and place == 0 else ""
            yield _Change("led", was, board, why, term)


def _token(board: Board) -> int | None:
    return board.leader.token if board.leader else None


def _as_json(prefix: str, change: _Change) -> str:
    fields: dict[str, Any] = {"event": change.event, "at": utc(digits=3)}
    fields |= boards.as_fields(prefix, change.board)
    fields["last_token_before"] = None if change.before is None else _last(change.before)
    fields["reason"] = change.why or None
    if change.term is not None:
        fields["term"] = json_safe(as_fields((change.term,), change.board.led_now)[0])
    return as_json_text(fields)


def _last(board: Board) -> int:
    return max(board.led, _token(board) or 0)


def _in_words(prefix: str, change: _Change) -> str:
    at, before, board, why = utc(digits=3), change.before, change.board, change.why
    first, *rest = boards.sentences(prefix, board).splitlines()
    match change.event:
        case "away":
            return f"{at} {prefix}: the store cannot be asked: {why}\n"
        case "back":
            return f"{at} {prefix}: the store can be asked again; {why}\n"
        case "led":
            assert change.term is not None
            term = f"{boards.in_words(change.term)}; it began {change.term.began}"
            return f"{at} {prefix}: was led meanwhile by {one_line(term + (why and f'; {why}'))}\n"
        case "ordered":
            told = boards.ordered(board.curbs) or ["nothing is ordered any more"]
            return f"{at} {prefix}: {'; '.join(line.strip() for line in told)}\n"
        case "standing-by":
            return f"{at} {prefix}: {'; '.join(line.strip() for line in rest)}\n"
        case "leads" if before is not None:
            return f"{at} {first}; the last token before was {_last(before)}\n"
        case _:
            return f"{at} {first}\n"
