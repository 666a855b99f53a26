"""``coordsidecar step-down`` and ``transfer``: the lead is to move, and somebody waits for that.

By way of the store: whoever leads finds it with its next renewal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from coordsidecar.cli import boards, changing
from coordsidecar.cli.changing import REFUSED
from coordsidecar.cli.operate import (
    LED,
    NOT_LED,
    TOO_LATE,
    Said,
    about,
    directory_of,
    look_until,
)
from coordsidecar.settings.questions import STEP_DOWN_OPTIONS, TRANSFER_OPTIONS
from coordsidecar.settings.sources import UsageError
from coordsidecar.store import curbs, orders
from coordsidecar.store.curbs import Curbs, Transfer
from coordsidecar.store.directory import Board
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Leader
from coordsidecar.value import replace

__all__ = ["step_down", "transfer"]

_SIT_OUT_S, _LONGEST_S = 30.0, 3600.0
_WITHIN_S = 10.0
_WAIT_S = 60.0
_LOOK_EVERY_S = 0.1


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
    reason = changing.reason_of(asked.values, orders.LONGEST_REASON)
    directory = directory_of(asked, environ)
    before = directory.board(name, timeout_s=asked.timeout_s)
    if (leader := before.leader) is None:
        return _nobody(prefix, before, as_json=as_json)
    why = _why_not(before, leader, asked.values.get("token"))
    if why is None and not _agreed(prefix, before, sit_out_s, "step-down", sure):
        why = "you said no"
    if why is not None:
        return changing.refused(prefix, before, why, as_json=as_json)
    order = Order(leader.token, sit_out_s, changing.who_we_are(environ), reason)
    directory.order(name, order, timeout_s=asked.timeout_s)

    def has_moved(board: Board) -> bool:
        return board.leader is not None and board.leader.token != leader.token

    after = look_until(
        has_moved,
        lambda: directory.board(name, timeout_s=asked.timeout_s),
        give_up_s=time.monotonic() + asked.values.get("timeout", _WAIT_S),
        every_s=_LOOK_EVERY_S,
    )
    moved = has_moved(after)
    late = "" if moved else "nobody else leads in time; until the lead moves, the order stands\n"
    exit_code = LED if moved else TOO_LATE
    return changing.shown(prefix, before, after, as_json=as_json, exit_code=exit_code, remark=late)


def transfer(
    name: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool, sure: bool
) -> Said:
    """Have whoever leads hand over to one instance, and wait until that leads. As `step_down`."""
    asked, prefix = about(name, flags, environ, TRANSFER_OPTIONS)
    if not (to := asked.values.get("to", "")):
        raise UsageError("transfer takes --to ID, as status shows it")
    within_s = asked.values.get("within", _WITHIN_S)
    if not 0 < within_s <= curbs.LONGEST_TRANSFER_S:
        raise UsageError("--within must be more than 0s, and 10m at most")
    reason = changing.reason_of(asked.values, curbs.LONGEST_REASON)
    directory = directory_of(asked, environ)
    before = directory.board(name, timeout_s=asked.timeout_s)
    if (leader := before.leader) is None:
        return _nobody(prefix, before, as_json=as_json)
    why = _why_not(before, leader, asked.values.get("token"))
    if why is None and boards.leader_id(before) == to:
        return changing.shown(prefix, before, before, as_json=as_json, remark=f"{to} leads\n")
    why = why or _why_not_to(before, to)
    if why is None and not _agreed(prefix, before, 0.0, "transfer", sure):
        why = "you said no"
    if why is not None:
        return changing.refused(prefix, before, why, as_json=as_json)
    order = Transfer(leader.token, to, within_s, changing.who_we_are(environ), reason)

    def ordered(found: Curbs) -> Curbs:
        return replace(found, transfer=order)

    directory.curb(name, ordered, timeout_s=asked.timeout_s)

    def is_over(board: Board) -> bool:
        """Somebody has taken office since."""
        return board.led > leader.token and board.leader is not None

    after = look_until(
        is_over,
        lambda: directory.board(name, timeout_s=asked.timeout_s),
        give_up_s=time.monotonic() + asked.values.get("timeout", _WAIT_S),
        every_s=_LOOK_EVERY_S,
    )
    if not is_over(after):
        exit_code, remark = TOO_LATE, f"{to} does not lead in time; the order stands for a while\n"
    elif boards.leader_id(after) != to:
        exit_code, remark = REFUSED, f"{to} did not take it within {within_s:g}s, so another did\n"
    else:
        exit_code, remark = LED, ""
    return changing.shown(
        prefix, before, after, as_json=as_json, exit_code=exit_code, remark=remark
    )


def _nobody(prefix: str, before: Board, *, as_json: bool) -> Said:
    why = "there is nobody to step down"
    return changing.refused(prefix, before, why, as_json=as_json, exit_code=NOT_LED)


def _why_not(board: Board, leader: Leader, token: int | None) -> str | None:
    if board.curbs.pause is not None:
        return "it is paused, so nobody would take over; resume it first"
    if board.led != leader.token:
        return "it is about to take office, or is another program's, which takes no orders"
    if token is not None and token != leader.token:
        return f"the lead has moved: it is led under token {leader.token}, not {token}"
    return None


def _why_not_to(board: Board, to: str) -> str | None:
    if board.curbs.cordon_of(to) is not None:
        return f"{to} is cordoned; uncordon it first"
    if board.waiting is None:
        return None  # Who stands by, this store does not tell; the order has a time.
    named = {boards.id_of(record): record for record in board.waiting}
    if to not in named:
        return f"nobody stands by as {to}" + (f", but {', '.join(named)}" if named else "")
    if not _is_ours(named[to]):
        return f"{to} is another program's candidate, which takes no orders"
    return None


def _is_ours(record: str) -> bool:
    """Whether it was written as our candidates do; who lies keeps others waiting for a while."""
    try:
        fields = json.loads(record)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and isinstance(fields.get("id"), str)


def _agreed(prefix: str, before: Board, sit_out_s: float, word: str, sure: bool) -> bool:
    alone = f"NOBODY would lead for {sit_out_s:g}s. " if changing.alone(before) else ""
    question = f"{boards.sentences(prefix, before)}{alone}Hand over?"
    return changing.agreed(question, word=word, sure=sure)
