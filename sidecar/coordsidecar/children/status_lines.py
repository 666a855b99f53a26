"""What the job says of its state (STATUS=), for our log: the newest, once a second."""

from __future__ import annotations

import math

from coordsidecar.log import Log

__all__ = ["StatusLines"]

_LONGEST = 200
_EVERY_S = 1.0


class StatusLines:
    """The same is not said twice in a row; of what comes too fast, the last is said in the end."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._said = self._latest = ""
        self._next_s = -math.inf

    @property
    def due_s(self) -> float:
        """When `flush` is to be called."""
        return self._next_s if self._latest != self._said else math.inf

    def say(self, text: str, now_s: float) -> None:
        self._latest = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
        self.flush(now_s)

    def flush(self, now_s: float) -> None:
        """Say what there is to say, if it is time."""
        if self._latest == self._said or now_s < self._next_s:
            return
        self._said, self._next_s = self._latest, now_s + _EVERY_S
        if self._said:
            self._log.event("job-status", self._said)
