"""What an elector may do beside its election, each in a thread of its own that nothing waits for:
say in the store what this instance does, tell others who leads, and take the lead over from a lower
priority."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress

from coordsidecar.core.election.phases import Elector
from coordsidecar.elector.rostering import Rostering
from coordsidecar.hints import Protocol
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs

__all__ = ["Beside", "begin", "without_an_end"]

_REFUSED_PAUSE_S = 0.05
_TRY_AGAIN_S = 30.0


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

    Where one cannot begin, since there is no thread, or a file is being changed just now, it begins
    later; which is said once.
    """
    from coordsidecar.elector import announcing

    def look() -> Elector:
        return now()[0]

    makers: list[Callable[[], Beside | None]] = [
        lambda: Rostering(settings, log, record, signs, now),
        lambda: announcing.start(settings, log, look),
    ]
    if settings.preempt_s is not None:
        makers.append(lambda: _preempting(settings, log, look))
    made = [_made(make, log) for make in makers]
    return [one for one in made if one is not None]


def _made(make: Callable[[], Beside | None], log: Log) -> Beside | None:
    try:
        return make()
    except (RuntimeError, ValueError) as error:
        log.once("beside", f"what is done beside the election does not begin: {error}; trying on")
        return _Later(make)


class _Later:
    """One that could not begin: from time to time, at a step, it is tried again."""

    def __init__(self, make: Callable[[], Beside | None]) -> None:
        self._make = make
        self._one: Beside | None = None
        self._try_at_s = boottime_s() + _TRY_AGAIN_S

    def stepped(self, was: Elector, state: Elector) -> None:
        if boottime_s() >= self._try_at_s:
            self._try_at_s += _TRY_AGAIN_S
            with suppress(RuntimeError, ValueError):
                self._one, self._try_at_s = self._make(), math.inf
        if self._one is not None:
            self._one.stepped(was, state)


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
