"""Says in the store what this instance does, for whoever asks: role, job, health, and why.

In a thread of its own, by a connection of its own: nothing waits for it, and no rule knows of it.
It writes when something has changed, and a little later: whoever takes over shall have the store,
and the processor, to itself, and what is over by then need not be said.
"""

from __future__ import annotations

import _thread
import os
import time
from collections.abc import Callable
from contextlib import suppress

from coordsidecar.core.election.phases import Elector, Leading, Waiting, token_of
from coordsidecar.elector import shown
from coordsidecar.elector.mailbox import Mailbox
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs
from coordsidecar.store.protocol import SessionLostError, StoreError

if TYPE_CHECKING:
    from coordsidecar.store.roster import Roster

__all__ = ["Rostering"]

_SETTLES_S = 0.5
_LONGEST_PAUSE_S = 600.0


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
        self._changes = Mailbox[None]()
        self._known: tuple[object, ...] = ()

    def start(self) -> None:
        """Raises `RuntimeError` if there is no thread to be had."""
        _thread.start_new_thread(self._run, ())

    def stepped(self, was: Elector, state: Elector) -> None:
        """Called by the loop after each step of the core."""
        if not isinstance(state.phase, Leading | Waiting):
            return  # It passes, or has no session to say it by.
        known = (
            state.session,
            token_of(state.phase),
            state.condition,
            self._signs.job,
        )
        if known != self._known:
            self._known = known
            self._changes.put(None)

    def _run(self) -> None:
        """What ends this thread would end the elector, so nothing does."""
        roster: Roster | None = None
        pause_s = 0.0
        while True:
            try:
                self._wait(pause_s)
                roster = roster or self._find_roster()
                if roster is None:
                    return
                self._tell(roster)
            except Exception as error:  # noqa: BLE001  # An adapter's bug is no reason either.
                why = str(error) if isinstance(error, StoreError | ValueError) else repr(error)
                self._log.once("roster", f"others cannot see what this instance does: {why}")
                pause_s = min(max(2 * pause_s, self._settings.timing.ttl_s), _LONGEST_PAUSE_S)
            else:
                self._log.may_repeat("roster")
                pause_s = 0.0

    def _wait(self, pause_s: float) -> None:
        """Until something has changed; or, after a failure, for so long."""
        if pause_s:
            time.sleep(pause_s)
        else:
            self._changes.wait()
            time.sleep(_SETTLES_S)
        self._changes.take()

    def _find_roster(self) -> Roster | None:
        from coordsidecar.store import registry as stores  # Late: it loads the adapter's.

        settings = self._settings
        return stores.roster(
            settings.store, election=settings.election, node_id=settings.id, environ=os.environ
        )

    def _tell(self, roster: Roster) -> None:
        state, since_unix_s = self._now()
        if state.session is None:
            return  # With the next one, it will have changed.
        entry = shown.entry(
            self._settings, self._record, state, self._signs, since_unix_s=since_unix_s
        )
        with suppress(SessionLostError):  # The elector will hear of it.
            roster.tell(state.session, entry, timeout_s=self._settings.timing.rpc_timeout_s)
