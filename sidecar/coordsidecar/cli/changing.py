"""What all commands that change something have in common: they ask, refuse, and show how it was
before and is now."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from coordsidecar.cli import boards
from coordsidecar.cli.operate import Said, as_json_text
from coordsidecar.settings.sources import UsageError
from coordsidecar.store.directory import Board

__all__ = ["REFUSED", "agreed", "alone", "reason_of", "refused", "shown", "who_we_are"]

REFUSED = 1
_ANSWER_BYTES = 64


def refused(
    prefix: str, before: Board, why: str, *, as_json: bool, exit_code: int = REFUSED
) -> Said:
    """Nothing was changed, and why."""
    if as_json:
        fields = boards.as_fields(prefix, before)
        return Said(as_json_text(fields | {"before": fields, "refused": why}), exit_code)
    return Said(f"{boards.sentences(prefix, before)}{why}; nothing was changed\n", exit_code)


def shown(
    prefix: str, before: Board, after: Board, *, as_json: bool, exit_code: int = 0, remark: str = ""
) -> Said:
    """How it was and is. ``remark``: a line for people."""
    if as_json:
        fields = boards.as_fields(prefix, after) | {"before": boards.as_fields(prefix, before)}
        return Said(as_json_text(fields), exit_code)
    told = f"before: {boards.sentences(prefix, before)}now: {boards.sentences(prefix, after)}"
    return Said(told + remark, exit_code)


def agreed(question: str, *, word: str, sure: bool) -> bool:
    """Whether whoever sits there says yes; ``sure``: they have, with ``word``. Raises `UsageError`
    where nobody sits."""
    if sure:
        return True
    if not os.isatty(0):
        raise UsageError(f"without a terminal to ask on, {word} takes --yes")
    os.write(2, f"{question} [y/N] ".encode("utf-8", "backslashreplace"))
    return os.read(0, _ANSWER_BYTES).strip().lower() in (b"y", b"yes")


def alone(board: Board) -> bool:
    """Whether the leader is known to be the only one who could lead."""
    return board.leader is not None and board.waiting == ()


def reason_of(values: Mapping[str, str], longest: int) -> str:
    """Why, as the operator says. Raises `UsageError`."""
    reason = values.get("reason", "")
    if len(reason) > longest:
        raise UsageError(f"--reason may have {longest} characters, and has {len(reason)}")
    return reason


def who_we_are(environ: Mapping[str, str]) -> str:
    """For the record: nobody checks it."""
    user = environ.get("SUDO_USER") or environ.get("USER") or f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
