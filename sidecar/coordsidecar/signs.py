"""Signs of life of guard and elector, in memory that both share.

Each writes its own whenever it wakes, and looks at the other's then: to show that one lives costs
nobody else a wake-up. Each says by when it will step: it has a time for whatever it does, and as
long as that has not come, its silence means nothing.

What is counted for the status page is here as well, since it is to outlive an elector. Of each word
there is one writer, and nothing is ever decided by a count.
"""

from __future__ import annotations

import math
import mmap
import time

from coordsidecar.refusals import asking_for

__all__ = ["JOB_STATES", "Signs"]

_GUARD_STEPPED, _GUARD_DUE, _ELECTOR_DUE, _JOB_STARTS, _ELECTOR_RESTARTS = range(5)
_JOB_PID, _JOB_STATE, _TOKEN, _TOKEN_SINCE, _ELECTORS_OWN = range(5, 10)

JOB_STATES = (
    "none",
    "running",
    "stopping",
    "restarting",
    "standby command",
    "standing by",
    "frozen",
    "pre-start",
    "post-stop",
)
"""What there is of the job, for people."""


class Signs:
    """To be made before any fork. Times are on the clock that counts suspend, in seconds."""

    def __init__(self) -> None:
        """Raises `OSError` if the kernel gives no memory."""
        # An aligned word is written whole.
        with asking_for("mmap"):
            self._told = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self._was_due_s = self._stopped_s = -math.inf
        for word in (_GUARD_STEPPED, _GUARD_DUE, _ELECTOR_DUE):
            self._told[word] = -math.inf

    @property
    def guard_stepped_s(self) -> float:
        """When the guard last began to step."""
        return self._told[_GUARD_STEPPED]

    @property
    def guard_due_s(self) -> float:
        """By when the guard is to begin its next step; while it steps, when it began."""
        return self._told[_GUARD_DUE]

    @guard_due_s.setter
    def guard_due_s(self, at_s: float) -> None:
        self._told[_GUARD_DUE] = at_s

    def guard_steps(self, now_s: float) -> None:
        """The guard begins a step."""
        self._told[_GUARD_STEPPED] = self._told[_GUARD_DUE] = now_s

    @property
    def elector_due_s(self) -> float:
        """By when the elector is to begin its next step; while it steps, when it began."""
        return self._told[_ELECTOR_DUE]

    @elector_due_s.setter
    def elector_due_s(self, at_s: float) -> None:
        self._told[_ELECTOR_DUE] = at_s

    def elector_is_stopped(self, now_s: float) -> None:
        """Somebody stopped it: from now on its silence counts, whatever it meant to do later."""
        if self.elector_due_s != self._stopped_s:  # Else it has not stepped since the last time.
            self._was_due_s = self.elector_due_s
        self._stopped_s = min(self._was_due_s, now_s)
        self.elector_due_s = self._stopped_s

    def elector_goes_on(self) -> None:
        """It will do what it meant to do, unless it has said something else already."""
        if self.elector_due_s == self._stopped_s:
            self.elector_due_s = self._was_due_s

    @property
    def job_starts(self) -> int:
        """How often the guard has started the job, or the standby command."""
        return int(self._told[_JOB_STARTS])

    def job_starts_again(self) -> None:
        """The guard has started one."""
        self._told[_JOB_STARTS] += 1

    @property
    def job(self) -> tuple[str, int]:
        """What there is of the job (`JOB_STATES`), and its process; 0: there is none."""
        return JOB_STATES[int(self._told[_JOB_STATE])], int(self._told[_JOB_PID])

    def job_is(self, state: str, pid: int) -> None:
        """The guard shows what there is of it."""
        self._told[_JOB_STATE], self._told[_JOB_PID] = JOB_STATES.index(state), pid

    @property
    def elector_restarts(self) -> int:
        """How many electors the guard has started after the first."""
        return int(self._told[_ELECTOR_RESTARTS])

    def elector_starts_again(self) -> None:
        """The guard has started one more."""
        self._told[_ELECTOR_RESTARTS] += 1

    def has_token(self, token: int | None) -> float:
        """The elector has it; return since when it, or the one before it, has had it, in seconds
        since 1970."""
        if self._told[_TOKEN_SINCE] == 0.0 or self._told[_TOKEN] != (token or 0):
            self._told[_TOKEN], self._told[_TOKEN_SINCE] = token or 0, time.time()
        return self._told[_TOKEN_SINCE]

    @property
    def electors_own(self) -> memoryview[float]:
        """What one elector counts and the next goes on counting; zeros at first."""
        return self._told[_ELECTORS_OWN:]
