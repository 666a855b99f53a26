"""What an elector may do beside its election, each in a thread of its own that nothing waits for:
say in the store what this instance does, tell others who leads, and take the lead over from a lower
priority."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from coordsidecar.core.election.phases import Elector
from coordsidecar.elector.rostering import Rostering
from coordsidecar.hints import Protocol
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs

__all__ = ["Beside", "begin", "without_an_end"]

_REFUSED_PAUSE_S = 0.05


class Beside(Protocol):
    """Has begun; does what it does when the election moves."""

    def stepped(self, was: Elector, state: Elector) -> None:
        """Called by the loop after each step of the core: it must return at once."""


def begin(
    settings: Settings,
    log: Log,
    record: str,
    signs: Signs,
    now: Callable[[], tuple[Elector, float]],
) -> list[Beside]:
    """Begin what was asked for. ``record``: who we are. ``now``: the elector's state, an immutable
    object, and since when it has its token.

    Raises `RuntimeError` if there is no thread to be had, and `ValueError` as the store does.
    """
    from coordsidecar.elector import announcing

    def look() -> Elector:
        return now()[0]

    found: list[Beside] = [Rostering(settings, log, record, signs, now)]
    if (announcer := announcing.start(settings, log, look)) is not None:
        found.append(announcer)
    if settings.preempt_s is not None:
        found.append(_preempting(settings, log, look))
    return found


def without_an_end(work: Callable[[], None]) -> None:
    """``work``, again and again; though memory runs out even as it says that it has.

    Else its thread would end, and nobody would hear of it.
    """
    while True:
        with suppress(MemoryError):
            work()
        with suppress(MemoryError):
            time.sleep(_REFUSED_PAUSE_S)


def _preempting(settings: Settings, log: Log, look: Callable[[], Elector]) -> Beside:
    from coordsidecar.elector.as_operator import AsOperator  # Late: few ask for this.
    from coordsidecar.elector.preempting import Preempting

    preempting = Preempting(settings, log, look, AsOperator(settings).curb)
    preempting.start()
    return preempting
