"""What the status page counts: only with ``--http``, and without a look at the clock of its own
but where a store answered or a leader began.

All of it is in memory that outlives an elector (`coordsidecar.signs`), so that a count never goes
back while a sidecar lives. Of each word there is one writer: the thread for calls, or the loop.
Whoever reads does it from other threads, and finds each word whole.
"""

from __future__ import annotations

from bisect import bisect_left

from coordsidecar.core.election.moves import (
    Answered,
    Event,
    Op,
    Renew,
    Renewed,
    Result,
    Silent,
    Watched,
)
from coordsidecar.core.election.phases import (
    Adopting,
    Elector,
    Ended,
    Killing,
    Leading,
    Losing,
    Phase,
    token_of,
)
from coordsidecar.core.timing import Timing
from coordsidecar.linux import boottime_s
from coordsidecar.signs import Signs
from coordsidecar.store.protocol import Behind, Held, Vacant

__all__ = ["BOUNDS_S", "REASONS", "Counts"]

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Of the histogram of renewals; longer ones are counted behind the last."""

REASONS = ("elected", "resigned", "expired", "lost", "guard-failed")
"""Why we came to lead, or ceased to: we were elected; the job was over, or was told to end; no
proof came in time; the store said no; the guard died or froze."""

_HEARD, _FAILURES, _TAKEOVER, _SUM = range(4)
_BUCKETS = 4
_REASONS = _BUCKETS + len(BOUNDS_S) + 1


class Counts:
    """Told of each answer and each step; read by the pages."""

    def __init__(self, signs: Signs, timing: Timing) -> None:
        self.signs = signs
        self._timing = timing
        self._words = signs.electors_own
        self._free_since_s: float | None = None

    # ── what is told ───────────────────────────────────────────────────────────────────────────

    def heard(self, op: Op, sent_at_s: float, result: Result) -> None:
        """What came of a call, just now; from the thread for calls."""
        now_s, words = boottime_s(), self._words
        if not isinstance(result, Silent):
            words[_HEARD] = now_s
        if not isinstance(op, Renew):
            return
        if isinstance(result, Renewed):
            words[_BUCKETS + bisect_left(BOUNDS_S, now_s - sent_at_s)] += 1
            words[_SUM] += now_s - sent_at_s
        else:
            words[_FAILURES] += 1

    def stepped(self, event: Event, was: Elector, state: Elector) -> None:
        """A step of the core, and all that it asked for was done; from the loop."""
        led, leads = _leads(was.phase), _leads(state.phase)
        if not led:
            self._look_whether_free(event, state)
        if isinstance(state.phase, Ended):
            return  # Who ends while it leads hangs, and has a successor.
        if leads and not led:
            self._count("elected")
            if self._free_since_s is not None:
                self._words[_TAKEOVER] = boottime_s() - self._free_since_s
            self._free_since_s = None
        elif led and not leads:
            self._count(self._why(was, state))

    def _look_whether_free(self, event: Event, state: Elector) -> None:
        """A takeover begins with the first word that nobody else leads, unless it was not so."""
        match event:
            case Answered(result=Behind()):
                self._free_since_s = None
            case Answered(result=Held() | Vacant()) | Watched(changed=True, failed=False):
                if self._free_since_s is None:
                    self._free_since_s = state.last_step_s
            case _:
                pass

    def _why(self, was: Elector, state: Elector) -> str:
        match state.phase:
            case Losing():
                return "lost"
            case Killing():
                return "guard-failed"
            case _ if state.last_step_s >= was.term_until_s(self._timing):
                return "expired"
            case _:
                return "resigned"

    def _count(self, reason: str) -> None:
        self._words[_REASONS + REASONS.index(reason)] += 1

    # ── what is read ───────────────────────────────────────────────────────────────────────────

    @property
    def store_heard_s(self) -> float | None:
        """When the store last answered, be it no; None if it never did."""
        return self._words[_HEARD] or None

    @property
    def renewal_failures(self) -> int:
        """Renewals that brought no yes."""
        return int(self._words[_FAILURES])

    @property
    def takeover_s(self) -> float | None:
        """How long the last took: from the word that nobody else leads until the guard was told to
        start the job. None if we never led."""
        return self._words[_TAKEOVER] or None

    @property
    def renewals(self) -> tuple[list[int], float]:
        """How many took no longer than each bound and longer than the one before, the last without
        a bound; and the seconds that all of them took."""
        buckets = self._words[_BUCKETS:_REASONS].tolist()
        return [int(count) for count in buckets], self._words[_SUM]

    @property
    def transitions(self) -> dict[str, int]:
        return {why: int(self._words[_REASONS + at]) for at, why in enumerate(REASONS)}


def _leads(phase: Phase) -> bool:
    """Whether a job runs by our lead; one that a dead elector began goes on."""
    return isinstance(phase, Leading) or (
        isinstance(phase, Adopting) and token_of(phase) is not None
    )
