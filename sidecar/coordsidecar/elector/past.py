"""``/v1/history``: who led last, and why each term ended, as ``coordsidecar history`` tells it.

The elector does not keep it, so the store is asked, in the thread of the request and by a
connection of its own. Whoever asks at about the same time gets the same answer: however many
clients there are, the store hears of one at a time.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from coordsidecar.elector.status import Answer
from coordsidecar.store.directory import Board
from coordsidecar.store.history import as_fields
from coordsidecar.store.protocol import StoreError

__all__ = ["Past"]

_FRESH_S = 1.0


class Past:
    """The page."""

    def __init__(self, election: str, look: Callable[[], Board]) -> None:
        """``election``: its full name. ``look``: as `Directory.board`."""
        self._election, self._look = election, look
        self._lock = threading.Lock()
        self._said, self._said_at_s = Answer(503, "application/json", b""), -math.inf

    def page(self) -> Answer:
        with self._lock:
            if time.monotonic() - self._said_at_s > _FRESH_S:
                self._said = self._ask()
                self._said_at_s = time.monotonic()
            return self._said

    def _ask(self) -> Answer:
        told: dict[str, object] = {"version": 1, "election": self._election}
        try:
            board = self._look()
        except StoreError as error:
            return Answer.of_json(told | {"refused": str(error)}, status=503)
        return Answer.of_json(told | {"terms": as_fields(board.history, board.led_now)})
