"""What may be ordered by HTTP of a leader itself: ``/v1/step-down``, as by the command of this
name, but not by way of the store. 202: before it is done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from typing import Any

from coordsidecar.elector.posted import Doorkeeper, NotTakenError, Post, fields_of
from coordsidecar.elector.status import Answer, Orders
from coordsidecar.store.orders import LONGEST_REASON, STEP_DOWN, Order

__all__ = ["Ordering", "know_all_of", "taking"]

_SIT_OUT_S = 30.0
# What is told twice is heeded once; so who tells it all the time need not be heard all the time.
_AGAIN_S = 1.0

_Fields = dict[str, Any]


class Ordering:
    """Takes orders for the elector whose state ``look`` shows."""

    def __init__(
        self,
        look: Callable[[], _Fields],
        hand_over: Callable[[Order], None],
        doorkeeper: Doorkeeper,
    ) -> None:
        """``look``: as ``/v1/status`` shows it. ``hand_over``: to the loop, and without waiting."""
        self._look = look
        self._hand_over = hand_over
        self._doorkeeper = doorkeeper
        self._last: tuple[int, float] = (0, 0.0)

    def orders(self) -> Orders:
        return {"/v1/step-down": taking(self._doorkeeper, self._step_down)}

    def _step_down(self, fields: _Fields, by: str) -> tuple[int, _Fields]:
        know_all_of(fields, {"reason", "sit_out_s", "token"})
        wanted = fields.get("token")
        before = self._look()
        order = _read(fields, by, before["token"] or 1)
        if before["role"] != "leader":
            return 409, {"refused": "this instance does not lead", "before": before}
        if wanted is not None and wanted != before["token"]:
            why = f"the lead has moved: it is led under token {before['token']}, not {wanted}"
            return 412, {"refused": why, "before": before}
        if before["paused"]:
            why = f"it is {before['paused']}, so nobody would take over; resume it first"
            return 409, {"refused": why, "before": before}
        token, at_s = self._last
        now_s = time.monotonic()
        if token != order.token or now_s - at_s >= _AGAIN_S:
            self._last = order.token, now_s
            self._hand_over(order)
        return 202, {"ordered": STEP_DOWN, "sit_out_s": order.sit_out_s, "before": before}


def taking(
    doorkeeper: Doorkeeper, carry_out: Callable[[_Fields, str], tuple[int, _Fields]]
) -> Callable[[Post], Answer]:
    """``carry_out`` is told what the body says, and who asks; what it raises is `NotTakenError`."""

    def take(post: Post) -> Answer:
        try:
            doorkeeper.admit(post)
            status, shows = carry_out(fields_of(post), post.by)
        except NotTakenError as refused:
            status, shows = refused.status, {"refused": refused.why}
        return Answer.of_json({"version": 1} | shows, status=status)

    return take


def know_all_of(fields: _Fields, known: Collection[str]) -> None:
    """A field that nobody knows is refused, not passed over. Raises `NotTakenError`."""
    if unknown := fields.keys() - known:
        there_are = ", ".join(sorted(known))
        raise NotTakenError(400, f"unknown field {min(unknown)[:40]!r}; there are {there_are}")


def _read(fields: _Fields, by: str, token: int) -> Order:
    """As one that stands in the store: what that would not mean anything to, is refused here."""
    wanted = fields.get("token")
    reason = fields.get("reason", "")
    told = {"order": STEP_DOWN, "token": token, "by": by, "reason": reason}
    order = Order.decode(json.dumps(told | {"sit_out_s": fields.get("sit_out_s", _SIT_OUT_S)}))
    if order is None or order.reason != reason or type(wanted) not in (int, type(None)):
        why = "sit_out_s is a number of seconds from 0 to 3600, token a whole number, and reason a "
        raise NotTakenError(400, f"{why}text of at most {LONGEST_REASON} characters")
    return order
