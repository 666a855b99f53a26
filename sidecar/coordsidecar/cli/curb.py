"""``coordsidecar pause``, ``resume``, ``cordon`` and ``uncordon``: who may not lead until somebody
says otherwise. It stands in the store, with by whom, when, and why."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from coordsidecar.cli import boards, changing
from coordsidecar.cli.asked import Asked
from coordsidecar.cli.operate import TOO_LATE, Said, about, as_json_text, directory_of
from coordsidecar.settings.options import read_id
from coordsidecar.settings.questions import (
    CORDON_OPTIONS,
    LIST_OPTIONS,
    PAUSE_OPTIONS,
    UNCORDON_OPTIONS,
)
from coordsidecar.settings.sources import UsageError, read_at
from coordsidecar.store.curbs import (
    LONGEST_PAUSE_S,
    LONGEST_REASON,
    MOST_CORDONS,
    Cordon,
    Curbs,
    Pause,
)
from coordsidecar.store.directory import Board, Directory
from coordsidecar.store.protocol import RefusedError, StoreError
from coordsidecar.utc import utc
from coordsidecar.value import replace

__all__ = ["cordon", "pause", "resume", "uncordon"]

_NOBODY_EVER_LED = "nobody has ever led an election here"
_TOO_MANY = f"{MOST_CORDONS} instances are cordoned already; uncordon some"
_WAIT_S = 60.0
_LOOK_EVERY_S = 0.2

Change = Callable[[Curbs], Curbs]


def pause(
    name: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool, sure: bool
) -> Said:
    """Let nobody new take over. Raises as `operate.status`."""
    asked, prefix = about(name, flags, environ, PAUSE_OPTIONS)
    for_s = asked.values.get("for")
    if for_s is not None and not 0 < for_s <= LONGEST_PAUSE_S:
        raise UsageError("--for must be more than 0s, and 720h at most")
    reason = changing.reason_of(asked.values, LONGEST_REASON)
    by, at = changing.who_we_are(environ), utc()
    ordered = Pause(os.urandom(8).hex(), for_s, by, at, reason)

    def paused(curbs: Curbs) -> Curbs:
        return replace(curbs, pause=ordered)

    directory, question = directory_of(asked, environ), "Let nobody new take over?"
    before = directory.board(name, timeout_s=asked.timeout_s)
    why = _why_not_changed(prefix, before, question, word="pause", sure=sure)
    return _changed(name, prefix, directory, asked, before, paused, why, as_json=as_json)


def resume(
    name: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool, sure: bool
) -> Said:
    """End a pause, if there is one. Raises as `operate.status`."""
    asked, prefix = about(name, flags, environ, LIST_OPTIONS)
    directory = directory_of(asked, environ)
    before = directory.board(name, timeout_s=asked.timeout_s)
    sure = sure or before.curbs.pause is None  # Then there is nothing to ask.
    why = _why_not_changed(prefix, before, "End the pause?", word="resume", sure=sure)

    def resumed(curbs: Curbs) -> Curbs:
        return replace(curbs, pause=None)

    return _changed(name, prefix, directory, asked, before, resumed, why, as_json=as_json)


def _why_not_changed(
    prefix: str, before: Board, question: str, *, word: str, sure: bool
) -> str | None:
    if before.led == 0:
        return "nobody has ever led it, or nothing can be read of that"
    told = f"{boards.sentences(prefix, before)}{question}"
    return None if changing.agreed(told, word=word, sure=sure) else "you said no"


def _changed(
    name: str,
    prefix: str,
    directory: Directory,
    asked: Asked,
    before: Board,
    change: Change,
    why_not: str | None,
    *,
    as_json: bool,
) -> Said:
    if why_not is not None:
        return changing.refused(prefix, before, why_not, as_json=as_json)
    if change(before.curbs) == before.curbs:
        return changing.shown(prefix, before, before, as_json=as_json)
    curbs = directory.curb(name, change, timeout_s=asked.timeout_s)
    after = replace(directory.board(name, timeout_s=asked.timeout_s), curbs=curbs)
    return changing.shown(prefix, before, after, as_json=as_json)


def cordon(
    node_id: str,
    *,
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    as_json: bool,
    sure: bool,
    waits: bool,
) -> Said:
    """Let one instance lead none of a namespace's elections, or one of them. ``waits``: until it
    does not. Raises as `operate.status`."""
    asked = Asked.gather(flags, environ, CORDON_OPTIONS)
    reason = changing.reason_of(asked.values, LONGEST_REASON)
    ordered = Cordon(read_at("ID", node_id, read_id), changing.who_we_are(environ), utc())
    ordered = replace(ordered, reason=reason)

    def cordoned(curbs: Curbs) -> Curbs:
        if (made := curbs.having(ordered)) is None:
            raise RefusedError(_TOO_MANY)
        return made

    directory = directory_of(asked, environ)
    before = _boards_of(directory, asked)
    if (why := _why_not(before, ordered)) is None and not changing.agreed(
        f"{_told(asked, before)}Let {node_id} lead none of these?", word="cordon", sure=sure
    ):
        why = "you said no"
    if why is None:
        _change_all(directory, before, cordoned, asked)
    late = waits and why is None and not _is_safe(directory, asked, before, node_id)
    exit_code = TOO_LATE if late else changing.REFUSED if why else 0
    return _said(directory, asked, before, as_json=as_json, exit_code=exit_code, why=why)


def uncordon(
    node_id: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool, sure: bool
) -> Said:
    """Let it lead again. Raises as `operate.status`."""
    asked = Asked.gather(flags, environ, UNCORDON_OPTIONS)
    directory = directory_of(asked, environ)
    before = _boards_of(directory, asked)
    why = None if before else _NOBODY_EVER_LED
    question = f"{_told(asked, before)}Let {node_id} lead again?"
    if why is None and not changing.agreed(question, word="uncordon", sure=sure):
        why = "you said no"
    if why is None:
        _change_all(directory, before, lambda curbs: curbs.without(node_id), asked)
    exit_code = changing.REFUSED if why else 0
    return _said(directory, asked, before, as_json=as_json, exit_code=exit_code, why=why)


def _boards_of(directory: Directory, asked: Asked) -> dict[str, Board]:
    """All elections that were ever led; or the one that is asked for."""
    names = [asked.values["name"]] if "name" in asked.values else None
    try:
        names = names or directory.names(timeout_s=asked.timeout_s)
    except RefusedError as error:
        raise UsageError(f"{error}: --name NAME") from error
    found = {name: directory.board(name, timeout_s=asked.timeout_s) for name in names}
    return {name: board for name, board in found.items() if board.led > 0}


def _why_not(boards_now: dict[str, Board], cordon: Cordon) -> str | None:
    if not boards_now:
        return _NOBODY_EVER_LED
    for name, board in boards_now.items():
        if board.curbs.having(cordon) is None:
            return f"{name}: {_TOO_MANY}"
        if board.curbs.pause is not None and boards.leader_id(board) == cordon.id:
            return f"{name} is paused, so nobody would take over; resume it first"
    return None


def _change_all(
    directory: Directory, before: dict[str, Board], change: Change, asked: Asked
) -> None:
    for name, board in before.items():
        if change(board.curbs) != board.curbs:
            directory.curb(name, change, timeout_s=asked.timeout_s)


def _is_safe(directory: Directory, asked: Asked, before: dict[str, Board], node_id: str) -> bool:
    """Whether it leads none of these, in time."""
    give_up_s = time.monotonic() + asked.values.get("timeout", _WAIT_S)
    led = list(before)
    while led and time.monotonic() < give_up_s:
        try:
            found = directory.board(led[0], timeout_s=asked.timeout_s)
        except StoreError:
            time.sleep(_LOOK_EVERY_S)
            continue
        if boards.leader_id(found) == node_id:
            time.sleep(_LOOK_EVERY_S)
        else:
            led.pop(0)
    return not led


def _told(asked: Asked, found: dict[str, Board]) -> str:
    return "".join(
        boards.sentences(f"{asked.namespace}/{name}", board) for name, board in found.items()
    )


def _said(
    directory: Directory,
    asked: Asked,
    before: dict[str, Board],
    *,
    as_json: bool,
    exit_code: int,
    why: str | None,
) -> Said:
    after = {name: directory.board(name, timeout_s=asked.timeout_s) for name in before}
    if as_json:
        elections = [
            boards.as_fields(f"{asked.namespace}/{name}", board)
            | {"before": boards.as_fields(f"{asked.namespace}/{name}", before[name])}
            for name, board in after.items()
        ]
        return Said(as_json_text({"elections": elections, "refused": why}), exit_code)
    late = "it still leads; the order stands\n" if exit_code == TOO_LATE else ""
    refused = f"{why}; nothing was changed\n" if why else ""
    return Said(_told(asked, after) + late + refused, exit_code)
