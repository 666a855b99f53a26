"""``coordsidecar step-down``: an operator's order, by way of the store. Shows how it was and is."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from coordsidecar.cli import boards
from coordsidecar.cli.operate import (
    LED,
    NOT_LED,
    TOO_LATE,
    Said,
    about,
    as_json_text,
    directory_of,
    look_until,
)
from coordsidecar.settings.questions import STEP_DOWN_OPTIONS
from coordsidecar.settings.sources import UsageError
from coordsidecar.store.directory import Board
from coordsidecar.store.orders import LONGEST_REASON, Order
from coordsidecar.store.protocol import Leader

__all__ = ["step_down"]

REFUSED = 1
_SIT_OUT_S, _LONGEST_S = 30.0, 3600.0
_WAIT_S = 60.0
_LOOK_EVERY_S = 0.1
_ANSWER_BYTES = 64


def step_down(
    name: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool, sure: bool
) -> Said:
    """Have whoever leads hand over, and wait until another leads. Raises as `operate.status`.

    ``sure``: without being asked again.
    """
    asked, prefix = about(name, flags, environ, STEP_DOWN_OPTIONS)
    sit_out_s = asked.values.get("sit-out", _SIT_OUT_S)
    if not 0 <= sit_out_s <= _LONGEST_S:
        raise UsageError("--sit-out must be between 0s and 1h")
    reason = asked.values.get("reason", "")
    if len(reason) > LONGEST_REASON:
        raise UsageError(f"--reason may have {LONGEST_REASON} characters, and has {len(reason)}")
    directory = directory_of(asked, environ)
    before = directory.board(name, timeout_s=asked.timeout_s)

    def nothing(why: str, exit_code: int) -> Said:
        if as_json:
            fields = boards.as_fields(prefix, before)
            return Said(as_json_text(fields | {"before": fields, "refused": why}), exit_code)
        return Said(f"{boards.sentences(prefix, before)}{why}; nothing was changed\n", exit_code)

    if (leader := before.leader) is None:
        return nothing("there is nobody to step down", NOT_LED)
    if (why := _why_not(before, leader, asked.values.get("token"))) is not None:
        return nothing(why, REFUSED)
    if not sure and not _agreed(prefix, before, sit_out_s):
        return nothing("you said no", REFUSED)
    order = Order(leader.token, sit_out_s, _who_we_are(environ), reason)
    directory.order(name, order, timeout_s=asked.timeout_s)
    give_up_s = time.monotonic() + asked.values.get("timeout", _WAIT_S)

    def has_moved(board: Board) -> bool:
        return board.leader is not None and board.leader.token != leader.token

    after = look_until(
        has_moved,
        lambda: directory.board(name, timeout_s=asked.timeout_s),
        give_up_s=give_up_s,
        every_s=_LOOK_EVERY_S,
    )
    moved = has_moved(after)
    exit_code = LED if moved else TOO_LATE
    if as_json:
        fields = boards.as_fields(prefix, after) | {"before": boards.as_fields(prefix, before)}
        return Said(as_json_text(fields), exit_code)
    late = "" if moved else "nobody else leads in time; until the lead moves, the order stands\n"
    told = f"before: {boards.sentences(prefix, before)}now: {boards.sentences(prefix, after)}"
    return Said(told + late, exit_code)


def _why_not(board: Board, leader: Leader, token: int | None) -> str | None:
    if board.led != leader.token:
        return "it is about to take office, or is another program's, which takes no orders"
    if token is not None and token != leader.token:
        return f"the lead has moved: it is led under token {leader.token}, not {token}"
    return None


def _agreed(prefix: str, before: Board, sit_out_s: float) -> bool:
    if not os.isatty(0):
        raise UsageError("without a terminal to ask on, step-down takes --yes")
    alone = f"NOBODY would lead for {sit_out_s:g}s. " if before.waiting == () else ""
    question = f"{boards.sentences(prefix, before)}{alone}Hand over? [y/N] "
    os.write(2, question.encode("utf-8", "backslashreplace"))
    return os.read(0, _ANSWER_BYTES).strip().lower() in (b"y", b"yes")


def _who_we_are(environ: Mapping[str, str]) -> str:
    """For the record: nobody checks it."""
    user = environ.get("SUDO_USER") or environ.get("USER") or f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
