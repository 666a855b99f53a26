"""Who is known to be of the attached app: one table, in memory that all of our processes share.

What one of them has found, the others must hold: the hand may be killed, and the elector and the
fuse look for the first time when they have to. A process stays known until it is dead, whatever
becomes of its command line, its parents, or the file that named it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable

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

    def note(self, identities: Iterable[Identity], *, is_main: bool) -> None:
        """An aligned word is written whole. Should two of us write the same one at once, one is
        lost, and noted again by the next look."""
        words = self._words.tolist()
        at_of = {word: at for at, word in enumerate(words) if word}
        free = iter([at for at, word in enumerate(words) if not word])
        for identity in identities:
            word, main_word = _word(identity, False), _word(identity, True)
            if main_word in at_of or (word in at_of and not is_main):
                continue
            at = at_of[word] if word in at_of else next(free, None)
            if at is not None:
                self._words[at] = main_word if is_main else word

    def forget(self, identities: Iterable[Identity]) -> None:
        """They are dead."""
        dead = {_word(identity, is_main) for identity in identities for is_main in (False, True)}
        for at, word in enumerate(self._words.tolist()) if dead else ():
            if word in dead:
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
