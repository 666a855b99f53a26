"""``coordsidecar watch``: a line for each change of an election, as it is seen from the store.

It looks five times a second, and keeps no connection open that it would have to notice the end of.
What began and ended between two looks is not shown, but not hidden either: each line has the tokens
before and after.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from coordsidecar.cli import boards
from coordsidecar.cli.operate import about, as_json_text, directory_of
from coordsidecar.hints import Any
from coordsidecar.settings.questions import WATCH_OPTIONS
from coordsidecar.store.directory import Board
from coordsidecar.store.protocol import StoreError
from coordsidecar.utc import utc

__all__ = ["watch"]

_LOOK_EVERY_S = 0.2


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
    yield tell(prefix, "now", None, was, "")
    for event, before, board, why in _events(
        lambda: directory.board(name, timeout_s=asked.timeout_s), was, until_s
    ):
        yield tell(prefix, event, before, board, why)


def _events(
    look: Callable[[], Board], was: Board, until_s: float
) -> Iterator[tuple[str, Board, Board, str]]:
    away = ""
    while time.monotonic() < until_s:
        time.sleep(min(_LOOK_EVERY_S, max(until_s - time.monotonic(), 0.0)))
        try:
            board = look()
        except StoreError as error:
            if not away:
                away = str(error)
                yield "away", was, was, away
            continue
        if away:
            away = ""
            yield "back", was, board, "what happened meanwhile was not seen"
        if _token(board) != _token(was) or (board.leader is None and board.led != was.led):
            yield ("leads" if board.leader else "nobody-leads"), was, board, ""
        elif board.waiting != was.waiting:
            yield "standing-by", was, board, ""
        if board.curbs != was.curbs:
            yield "ordered", was, board, ""
        was = board


def _token(board: Board) -> int | None:
    return board.leader.token if board.leader else None


def _as_json(prefix: str, event: str, before: Board | None, board: Board, why: str) -> str:
    fields: dict[str, Any] = {"event": event, "at": utc(digits=3)}
    fields |= boards.as_fields(prefix, board)
    fields["last_token_before"] = None if before is None else _last(before)
    fields["reason"] = why or None
    return as_json_text(fields)


def _last(board: Board) -> int:
    return max(board.led, _token(board) or 0)


def _in_words(prefix: str, event: str, before: Board | None, board: Board, why: str) -> str:
    at, (first, *rest) = utc(digits=3), boards.sentences(prefix, board).splitlines()
    match event:
        case "away":
            return f"{at} {prefix}: the store cannot be asked: {why}\n"
        case "back":
            return f"{at} {prefix}: the store can be asked again; {why}\n"
        case "ordered":
            told = boards.ordered(board.curbs) or ["nothing is ordered any more"]
            return f"{at} {prefix}: {'; '.join(line.strip() for line in told)}\n"
        case "standing-by":
            return f"{at} {prefix}: {'; '.join(line.strip() for line in rest)}\n"
        case "leads" if before is not None:
            return f"{at} {first}; the last token before was {_last(before)}\n"
        case _:
            return f"{at} {first}\n"
