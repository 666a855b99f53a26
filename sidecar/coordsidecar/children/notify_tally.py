"""From what the job says of itself to a verdict. Pure; runs in the process ``health-prober``.

What it says stands for as long as its process does: that it is ready, and that it is stopping.
Verdicts are on one run of it: a job that is kept while standing by may have been ready long before.
"""

from __future__ import annotations

import math

from coordsidecar.children.notify_socket import Said
from coordsidecar.duration import format_duration
from coordsidecar.hints import Literal

__all__ = ["NotifyTally", "Stage"]

Stage = Literal["", "ready", "stopping"]
"""What it has said last of where it is; nothing yet."""

# It may ask for more time to get ready (EXTEND_TIMEOUT_USEC), but not again and again for ever.
_START_AT_MOST_S = 3600.0
_MOST_DIGITS = 19


class NotifyTally:
    """Of one process of the job, in one of its runs."""

    def __init__(
        self, *, stage: Stage, began_s: float, watchdog_s: float, start_period_s: float
    ) -> None:
        """``stage``: as far as it was known ``began_s``, from where on its time is counted.
        ``watchdog_s`` 0: it need not say that it lives."""
        self.stage: Stage = stage
        self.verdict: bool | None = True if stage == "ready" else None
        """Whether it is well; None: nobody knows. Once it is sick it stays so."""
        self.why = ""
        self._watchdog_s = watchdog_s or math.inf
        self._start_period_s = start_period_s
        self._last_ready_s = began_s + max(start_period_s, _START_AT_MOST_S)
        self._late_at_s = self._from_s = -math.inf
        self.begins_anew(began_s)

    @property
    def due_s(self) -> float:
        """When the job is late, if it says nothing until then; never, once that is settled."""
        settled = self.stage == "stopping" or self.verdict is False
        return math.inf if settled else self._late_at_s

    def hear(self, said: Said, now_s: float) -> None:
        """What it has just said."""
        if self.stage == "stopping" or self.verdict is False:
            return
        if said.get("STOPPING") == "1":
            # It ends by itself. That nobody knows how it is, is no reason to hurry it.
            self.stage, self.verdict = "stopping", None
        elif said.get("WATCHDOG") == "trigger":
            self._is_sick("it has said WATCHDOG=trigger")
        elif self.stage == "" and said.get("READY") == "1":
            self.stage, self.verdict = "ready", True
            self._late_at_s = now_s + self._watchdog_s
        elif self.stage == "" and "EXTEND_TIMEOUT_USEC" in said:
            more_s = _microseconds(said["EXTEND_TIMEOUT_USEC"]) / 1e6
            extended_s = min(now_s + more_s, self._last_ready_s)
            self._late_at_s = max(self._late_at_s, extended_s)
        elif self.stage == "ready" and said.get("WATCHDOG") == "1":
            self._late_at_s = now_s + self._watchdog_s

    def judge(self, now_s: float) -> None:
        """Once all is heard that has been said by now."""
        if now_s < self.due_s:
            return
        if self.stage == "ready":
            self._is_sick(f"no WATCHDOG=1 for {format_duration(self._watchdog_s)}")
        else:
            # As it may have asked for more time.
            within_s = round(self._late_at_s - self._from_s, 1)
            self._is_sick(f"no READY=1 within {format_duration(within_s)}")

    def begins_anew(self, now_s: float) -> None:
        """Until now nobody may have listened, or the job not have run either: all that it is given
        is given to it once more."""
        left_s = self._watchdog_s if self.stage == "ready" else self._start_period_s
        self._late_at_s, self._from_s = max(self._late_at_s, now_s + left_s), now_s

    def _is_sick(self, why: str) -> None:
        self.verdict, self.why = False, why


def _microseconds(text: str) -> int:
    known = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if known else 0
