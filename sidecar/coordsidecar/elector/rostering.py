"""Says in the store what this instance does, for whoever asks: role, job, health, and why.

In a thread of its own, by a connection of its own, both for as long as that takes: nothing waits
for it, and no rule knows of it. It is said when something has changed, at the first step of the
loop half a second later: whoever takes over shall have the store and the processor to itself, and
what is over by then need not be said. After a while it is said again, in case that somebody has
changed or removed it. No step is made for any of this.
"""

from __future__ import annotations

import _thread
import math
import os
from collections.abc import Callable

from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Leading,
    Phase,
    Resting,
    Waiting,
    token_of,
)
from coordsidecar.elector import shown
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs
from coordsidecar.store.protocol import RefusedError, SessionLostError, StoreError

if TYPE_CHECKING:
    from coordsidecar.store.roster import Roster

__all__ = ["Rostering"]

_SETTLES_S = 0.5
_WORTH_SAYING_S = 2.0
# Where it is refused, each try may cost the store a log-in.
_LONGEST_PAUSE_S = 30.0
_LONGEST_REFUSED_S = 600.0
# And up to twice as long, each time another: of a thousand that began at once, few write at once.
_SAID_FOR_S = 600.0


class Rostering:
    """Keeps our entry of the roster."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        record: str,
        signs: Signs,
        now: Callable[[], tuple[Elector, float]],
    ) -> None:
        """``record``: who we are. ``now``: the elector's state, and since when it has its token;
        it is called from another thread."""
        self._settings, self._log, self._record = settings, log, record
        self._signs, self._now = signs, now
        self._term: tuple[object, ...] = ()
        self._does: tuple[object, ...] = ()
        self._due_s = math.inf
        # Of these a thread that tells is the only writer; what it needs is loaded by the first.
        # A pause: it was not taken.
        self._again_s, self._pause_s = math.inf, 0.0
        self._roster: Roster | None = None
        self._is_busy = False

    def stepped(self, was: Elector, state: Elector) -> None:
        """Called by the loop after each step of the core."""
        now_s = boottime_s()
        if not _lasts(state.phase, now_s):
            return
        term = (type(state.phase), state.session, token_of(state.phase))
        does = (state.condition.health, self._signs.job)
        if term != self._term or (does != self._does and math.isinf(self._due_s)):
            self._due_s = now_s + _SETTLES_S
        self._term, self._does = term, does
        # What was not taken is not tried sooner for having changed.
        due_s = self._again_s if self._pause_s else min(self._due_s, self._again_s)
        if now_s >= due_s and not self._is_busy:
            self._begin()

    def _begin(self) -> None:
        self._due_s, self._is_busy = math.inf, True
        try:
            _thread.start_new_thread(self._run, ())
        except (RuntimeError, MemoryError) as error:  # No thread.
            self._is_busy = False
            self._failed(str(error) or repr(error), _LONGEST_PAUSE_S)

    def _run(self) -> None:
        """What ended this thread by an error would end the elector, so nothing does."""
        try:
            self._try()
        except Exception:  # noqa: BLE001  # Without memory, not even that can be said.
            self._again_s = boottime_s() + _LONGEST_PAUSE_S
        finally:
            self._is_busy = False

    def _try(self) -> None:
        try:
            self._tell()
            self._log.may_repeat("roster")
            share = os.urandom(1)[0] / 256
            self._again_s, self._pause_s = boottime_s() + _SAID_FOR_S * (1 + share), 0.0
        except SessionLostError:  # The elector will hear of it, if it is so.
            self._again_s, self._pause_s = boottime_s() + self._settings.timing.ttl_s, 0.0
        except RefusedError as error:
            self._failed(str(error), _LONGEST_REFUSED_S)
        except Exception as error:  # noqa: BLE001  # An adapter's bug is no reason either.
            is_told = isinstance(error, StoreError | ValueError)
            self._failed(str(error) if is_told else repr(error), _LONGEST_PAUSE_S)

    def _failed(self, why: str, longest_s: float) -> None:
        self._log.once("roster", f"others cannot see what this instance does: {why}")
        self._pause_s = min(max(2 * self._pause_s, self._settings.timing.ttl_s), longest_s)
        self._again_s = boottime_s() + self._pause_s

    def _tell(self) -> None:
        settings, (state, since_unix_s) = self._settings, self._now()
        if self._roster is None:
            from coordsidecar.store import registry as stores  # Late: it loads the adapter's.

            self._roster = stores.roster(
                settings.store, election=settings.election, node_id=settings.id, environ=os.environ
            )
        if self._roster is None:
            return
        if state.session is None and not isinstance(state.phase, Resting):
            return  # It passes.
        entry = shown.entry(settings, self._record, state, self._signs, since_unix_s=since_unix_s)
        self._roster.tell(state.session, entry, timeout_s=settings.timing.rpc_timeout_s)


def _lasts(phase: Phase, now_s: float) -> bool:
    """Whether it is worth saying; or passes. In a pause, who is elected waits for its end; after a
    sudden death, for the takeover delay."""
    if isinstance(phase, Claiming):
        return bool(phase.barred) or phase.start_at_s > now_s + _WORTH_SAYING_S
    return isinstance(phase, Leading | Waiting | Resting)
