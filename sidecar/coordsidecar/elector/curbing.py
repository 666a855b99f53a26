"""What may be ordered by HTTP by way of the store, of any instance: ``/v1/pause``, ``/v1/resume``,
``/v1/cordon`` and ``/v1/uncordon``, as by the commands of these names. 200: it stands there.

Runs in the thread of the request, by a connection of its own: the elector's loop waits for none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from coordsidecar.elector.ordering import know_all_of, taking
from coordsidecar.elector.posted import Doorkeeper, NotTakenError
from coordsidecar.elector.status import Orders
from coordsidecar.store.curbs import LONGEST_REASON, MOST_CORDONS, Curbs
from coordsidecar.store.protocol import RefusedError, StoreError
from coordsidecar.utc import utc
from coordsidecar.value import replace

__all__ = ["Curbing"]

_Fields = dict[str, Any]
Change = Callable[[Curbs], Curbs]


class Curbing:
    """Takes orders that hold until somebody says otherwise."""

    def __init__(
        self,
        look: Callable[[], _Fields],
        curb: Callable[[Change], Curbs],
        doorkeeper: Doorkeeper,
    ) -> None:
        """``look``: as ``/v1/status`` shows it. ``curb``: as `Directory.curb`, in the thread of the
        request."""
        self._look = look
        self._curb = curb
        self._doorkeeper = doorkeeper

    def orders(self) -> Orders:
        by_path = {
            "/v1/pause": self._pause,
            "/v1/resume": self._resume,
            "/v1/cordon": self._cordon,
            "/v1/uncordon": self._uncordon,
        }
        return {path: taking(self._doorkeeper, order) for path, order in by_path.items()}

    def _pause(self, fields: _Fields, by: str) -> tuple[int, _Fields]:
        know_all_of(fields, {"for_s", "reason", "token"})
        told = {"mark": f"{time.time_ns():x}", "for_s": fields.get("for_s"), "by": by}
        pause = Curbs.read({"pause": told | _at_and_why(fields)}).pause
        if pause is None:
            raise NotTakenError(400, "for_s is a number of seconds, 30 days at most, or null")
        if pause.for_s == 0:
            raise NotTakenError(400, "a pause of 0 seconds is none")
        return self._order("pause", by, fields, lambda curbs: replace(curbs, pause=pause))

    def _resume(self, fields: _Fields, by: str) -> tuple[int, _Fields]:
        know_all_of(fields, {"token"})
        return self._order("resume", by, fields, lambda curbs: replace(curbs, pause=None))

    def _cordon(self, fields: _Fields, by: str) -> tuple[int, _Fields]:
        know_all_of(fields, {"id", "reason", "token"})
        node_id = self._whom(fields)
        told = {"id": node_id, "by": by} | _at_and_why(fields)
        (cordon,) = Curbs.read({"cordons": [told]}).cordons

        def cordoned(curbs: Curbs) -> Curbs:
            if (made := curbs.having(cordon)) is None:
                raise RefusedError(f"{MOST_CORDONS} instances are cordoned already")
            return made

        return self._order("cordon", by, fields, cordoned, whom=node_id)

    def _uncordon(self, fields: _Fields, by: str) -> tuple[int, _Fields]:
        know_all_of(fields, {"id", "token"})
        node_id = self._whom(fields)
        return self._order(
            "uncordon", by, fields, lambda curbs: curbs.without(node_id), whom=node_id
        )

    def _whom(self, fields: _Fields) -> str:
        """The instance that is meant: this one, unless another is named."""
        node_id = fields.get("id", self._look()["id"])
        if not isinstance(node_id, str) or not 1 <= len(node_id) <= 200:
            raise NotTakenError(400, "id is the name of an instance, of 200 characters at most")
        return node_id

    def _order(
        self, word: str, by: str, fields: _Fields, change: Change, *, whom: str = ""
    ) -> tuple[int, _Fields]:
        before, token = self._look(), fields.get("token")
        if type(token) not in (int, type(None)):
            raise NotTakenError(400, "token is a whole number")
        if token is not None and token != before["token"]:
            why = f"this instance does not lead under token {token}"
            return 412, {"refused": why, "before": before}
        try:
            curbs = self._curb(change)
        except RefusedError as error:
            return 409, {"refused": str(error), "before": before}
        except StoreError as error:
            return 503, {"refused": str(error), "before": before}
        self._doorkeeper.note(by, f"{word}{whom and f' {whom}'}")
        return 200, {"ordered": word, "holds": curbs.as_fields(), "before": before}


def _at_and_why(fields: _Fields) -> _Fields:
    reason = fields.get("reason", "")
    if not isinstance(reason, str) or len(reason) > LONGEST_REASON:
        raise NotTakenError(400, f"reason is a text of at most {LONGEST_REASON} characters")
    return {"at": utc(), "reason": reason}
