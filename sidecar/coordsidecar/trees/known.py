"""Who is known to be of the attached app: one table, in memory that all of our processes share.

What one of them has found, the others must hold: the hand may be killed, and the elector and the
fuse look for the first time when they have to. A process stays known until it is dead, whatever
becomes of its command line, its parents, or the file that named it.
"""

from __future__ import annotations

import mmap

from coordsidecar.value import Value

__all__ = ["Identity", "Known"]

_MOST = 2048
_PID_BITS = 22  # As many as the kernel uses.


class Identity(Value):
    """A process that can be mistaken for no other: its number, and when it started, in ticks."""

    pid: int
    started: int


class Known:
    """To be made before any fork. If it is full, who comes later is found by being looked for."""

    def __init__(self) -> None:
        """Raises `OSError` if the kernel gives no memory."""
        self._words = memoryview(mmap.mmap(-1, 8 * _MOST)).cast("Q")

    def note(self, identity: Identity, *, is_main: bool) -> None:
        """An aligned word is written whole. Should two of us write the same one at once, one is
        lost, and noted again by the next look."""
        words = self._words.tolist()
        word, main_word = _word(identity, False), _word(identity, True)
        if main_word in words or (word in words and not is_main):
            return
        at = words.index(word) if word in words else words.index(0) if 0 in words else None
        if at is not None:
            self._words[at] = main_word if is_main else word

    def forget(self, identity: Identity) -> None:
        """It is dead."""
        for at, word in enumerate(self._words.tolist()):
            if word in (_word(identity, False), _word(identity, True)):
                self._words[at] = 0

    def everybody(self) -> dict[Identity, bool]:
        """And whether each is a main process."""
        return {
            Identity(word & (1 << _PID_BITS) - 1, word >> _PID_BITS + 1): bool(
                word >> _PID_BITS & 1
            )
            for word in self._words.tolist()
            if word
        }


def _word(identity: Identity, is_main: bool) -> int:
    return identity.started << _PID_BITS + 1 | is_main << _PID_BITS | identity.pid
