"""From checks to a verdict: so many in a row. Pure; runs in the process ``health-prober``."""

from __future__ import annotations

__all__ = ["Tally"]


class Tally:
    """Of one run of the job."""

    def __init__(self, *, began_s: float, rise: int, fall: int, start_period_s: float) -> None:
        """A failure within ``start_period_s`` of ``began_s`` does not count, until the first
        success."""
        self.verdict: bool | None = None
        """Whether the job is well; None while nobody knows."""
        self._rise, self._fall = rise, fall
        self._lenient_until_s = began_s + start_period_s
        self._good = self._bad = 0

    def count(self, *, well: bool, now_s: float) -> None:
        """One more check."""
        if well:
            self._good, self._bad = self._good + 1, 0
            self._lenient_until_s = now_s
        elif now_s >= self._lenient_until_s:
            self._good, self._bad = 0, self._bad + 1
        if self._good >= self._rise:
            self.verdict = True
        elif self._bad >= self._fall:
            self.verdict = False
