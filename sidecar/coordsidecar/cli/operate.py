"""``coordsidecar list``, ``status`` and ``wait``: who leads, and who would next.

They ask the store alone, and change nothing: no sidecar hears of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from coordsidecar.cli import boards
from coordsidecar.cli.asked import Asked, naming_the_store
from coordsidecar.settings.options import Option, read_name
from coordsidecar.settings.questions import LIST_OPTIONS, WAIT_OPTIONS
from coordsidecar.settings.sources import UsageError
from coordsidecar.store import registry
from coordsidecar.store.directory import Board, Directory
from coordsidecar.store.protocol import StoreError
from coordsidecar.value import Value

__all__ = [
    "Said",
    "about",
    "as_json_text",
    "directory_of",
    "list_all",
    "look_until",
    "status",
    "wait",
]

LED, NOT_LED, PAUSED, TOO_LATE = 0, 3, 4, 124
_VERSION = 1  # Of what --json prints.
_LOOK_EVERY_S = 0.2


class Said(Value):
    """What to print, and the exit code."""

    text: str
    exit_code: int


def list_all(*, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool) -> Said:
    """All elections of a namespace. Raises `UsageError`, or `StoreError`."""
    asked = Asked.gather(flags, environ, LIST_OPTIONS)
    directory = directory_of(asked, environ)
    names = directory.names(timeout_s=asked.timeout_s)
    found = {name: directory.board(name, in_full=True, timeout_s=asked.timeout_s) for name in names}
    if as_json:
        elections = [boards.as_fields(f"{asked.namespace}/{name}", b) for name, b in found.items()]
        return Said(as_json_text({"elections": elections}), 0)
    if not found:
        return Said(f"no elections in the namespace {asked.namespace}\n", 0)
    return Said(boards.rows(found), 0)


def status(
    name: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool
) -> Said:
    """How one stands; exit code 4 if it is paused, else 3 if nobody leads. Raises `UsageError`, or
    `StoreError`."""
    asked, prefix = about(name, flags, environ, WAIT_OPTIONS)
    directory = directory_of(asked, environ)
    board = directory.board(name, in_full=True, timeout_s=asked.timeout_s)
    exit_code = PAUSED if board.curbs.pause else LED if boards.leads(board) else NOT_LED
    return _said(prefix, board, exit_code, as_json=as_json)


def wait(name: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool) -> Said:
    """Wait until it stands as asked, and say how; exit code 124 if it does not in time.

    While the store cannot be asked, it is asked again. Raises `UsageError`, or the last
    `StoreError` if it could not at the end.
    """
    asked, prefix = about(name, flags, environ, WAIT_OPTIONS)
    holds = _condition(asked.values.get("for", "leader"))
    timeout_s = asked.values.get("timeout")
    give_up_s = None if timeout_s is None else time.monotonic() + timeout_s
    directory = directory_of(asked, environ)
    board = look_until(
        holds,
        lambda: directory.board(name, timeout_s=asked.timeout_s),
        give_up_s=give_up_s,
        every_s=_LOOK_EVERY_S,
    )
    return _said(prefix, board, LED if holds(board) else TOO_LATE, as_json=as_json)


def look_until(
    holds: Callable[[Board], bool],
    look: Callable[[], Board],
    *,
    give_up_s: float | None,
    every_s: float,
) -> Board:
    """As it stands once that ``holds``, or by ``give_up_s`` (`time.monotonic`; None: never).

    While the store is away, it is asked again; raises its last `StoreError` at the end.
    """
    while True:
        over = give_up_s is not None and time.monotonic() >= give_up_s
        try:
            board = look()
        except StoreError:
            if over:
                raise
        else:
            if over or holds(board):
                return board
        time.sleep(every_s)


def _condition(text: str) -> Callable[[Board], bool]:
    kind, equals, node_id = text.partition("=")
    if kind == "leader" and not equals:
        return boards.leads
    if kind == "no-leader" and not equals:
        return lambda board: not boards.leads(board)
    if kind == "leader" and node_id:
        return lambda board: boards.leader_id(board) == node_id
    if kind == "not" and node_id:
        return lambda board: boards.leads(board) and boards.leader_id(board) != node_id
    raise UsageError(f"--for: {text!r} is none of leader, no-leader, leader=ID and not=ID")


def about(
    name: str, flags: Mapping[str, str], environ: Mapping[str, str], options: tuple[Option, ...]
) -> tuple[Asked, str]:
    """What is asked, and the election's full name. Raises `UsageError`."""
    try:
        read_name(name)
    except ValueError as error:
        raise UsageError(f"NAME: {error}") from error
    asked = Asked.gather(flags, environ, options)
    return asked, f"{asked.namespace}/{name}"


def directory_of(asked: Asked, environ: Mapping[str, str]) -> Directory:
    with naming_the_store():
        return registry.directory(asked.url, namespace=asked.namespace, environ=environ)


def _said(prefix: str, board: Board, exit_code: int, *, as_json: bool) -> Said:
    if as_json:
        return Said(as_json_text(boards.as_fields(prefix, board)), exit_code)
    return Said(boards.sentences(prefix, board), exit_code)


def as_json_text(fields: dict[str, object]) -> str:
    return json.dumps({"version": _VERSION, **fields}, ensure_ascii=False) + "\n"
