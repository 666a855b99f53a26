"""What carrying out a decision brought: news for the next one, which is made once all is done.

Rule S18: a decision is carried out as a whole before the next is made. Else what remains of the
first is done after the second, which knows nothing of it: a job was started when its term was over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coordsidecar.core.guard.moves import (
    AwaitObedience,
    Effect,
    Event,
    FreezeTree,
    KillTree,
    StartHook,
    StartJob,
    StopTree,
    ThawTree,
    TreeEmpty,
    TreeHeld,
)

__all__ = ["Brought"]

_FOUND_OF_TREE = (TreeEmpty, TreeHeld)
_HANDLING_TREE = (
    *(StartJob, StartHook, StopTree, KillTree, FreezeTree, ThawTree),
    AwaitObedience,
)


class Brought:
    """Events in the order in which they came about."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def outdate(self, effect: Effect) -> None:
        """``effect`` is about to be done: what was found of the tree before says no more of it."""
        if self._events and isinstance(effect, _HANDLING_TREE):
            self._events = [e for e in self._events if not isinstance(e, _FOUND_OF_TREE)]

    def add(self, events: Iterable[Event]) -> None:
        self._events += events

    def take(self) -> Iterator[Event]:
        """One after the other; what may be added, and be outdated, in between."""
        while self._events:
            yield self._events.pop(0)
