"""How long whoever kills, stops or hunts waits before it looks again."""

from __future__ import annotations

__all__ = ["Backoff"]

_LEAST_S = 0.002
_MOST_S = 0.25


class Backoff:
    """While what is found changes, look at once; what cannot be killed (state D, a setuid program)
    may stay for days, and to read /proc on and on takes a processor."""

    def __init__(self) -> None:
        self.pause_s = _LEAST_S
        self._found: object = None

    def found(self, what: object) -> None:
        """Note what a look has found; `pause_s` is the pause from now to the next."""
        self.pause_s = min(2 * self.pause_s, _MOST_S) if what == self._found else _LEAST_S
        self._found = what
