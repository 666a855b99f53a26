"""Signs of life: when guard and elector last stepped, in memory that both share.

Each writes its own whenever it wakes, and looks at the other's then: to show that one lives costs
nobody else a wake-up.
"""

from __future__ import annotations

import mmap

from coordsidecar.refusals import asking_for

__all__ = ["Signs"]

_GUARD, _ELECTOR = 0, 1


class Signs:
    """To be made before any fork. Times are on the clock that counts suspend, in seconds."""

    def __init__(self) -> None:
        """Raises `OSError` if the kernel gives no memory."""
        # An aligned word is written whole.
        with asking_for("mmap"):
            self._at_s = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")

    @property
    def guard_s(self) -> float:
        return self._at_s[_GUARD]

    @guard_s.setter
    def guard_s(self, now_s: float) -> None:
        self._at_s[_GUARD] = now_s

    @property
    def elector_s(self) -> float:
        return self._at_s[_ELECTOR]

    @elector_s.setter
    def elector_s(self, now_s: float) -> None:
        self._at_s[_ELECTOR] = now_s
