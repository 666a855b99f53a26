"""Telling others who leads, in a thread of its own: nothing waits for it, or depends on it."""

from __future__ import annotations

import os
from collections.abc import Callable

from coordsidecar.core.election.phases import Elector
from coordsidecar.elector.beside import without_an_end
from coordsidecar.elector.shown import leads_by
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.store import registry as stores
from coordsidecar.store.protocol import StoreError

if TYPE_CHECKING:
    from coordsidecar.store.announcer import Announcer

__all__ = ["Announcing", "start"]


def start(settings: Settings, log: Log, look: Callable[[], Elector]) -> Announcing | None:
    """If the store's URL asks for it. ``look``: at the elector's state.

    Raises `RuntimeError` if there is no thread to be had, and `ValueError` as the store does.
    """
    announcer = stores.announcer(
        settings.store, election=settings.election, node_id=settings.id, environ=os.environ
    )
    if announcer is None:
        return None
    timing = settings.timing
    started = Announcing(
        announcer,
        log,
        lambda: leads_by(look()),
        again_s=timing.ttl_s,
        timeout_s=timing.rpc_timeout_s,
    )
    started.start()
    return started


class Announcing:
    """What was announced is announced again every so often while we lead, and after a failure."""

    def __init__(
        self,
        announcer: Announcer,
        log: Log,
        token: Callable[[], int | None],
        *,
        again_s: float,
        timeout_s: float,
    ) -> None:
        """``token``: under which we lead now, if we do; it is called from another thread."""
        self._announcer = announcer
        self._log = log
        self._token = token
        self._again_s, self._timeout_s = again_s, timeout_s
        import threading  # Late: few ask for this.

        self._may_differ = threading.Event()
        self._thread = threading.Thread(
            target=lambda: without_an_end(self._run), name="announcing", daemon=True
        )

    def start(self) -> None:
        """Raises `RuntimeError` if there is no thread to be had."""
        self._thread.start()

    def stepped(self, was: Elector, state: Elector) -> None:
        """Called by the loop after each step of the core."""
        if leads_by(was) != leads_by(state):
            self._may_differ.set()

    def _run(self) -> None:
        while True:
            self._may_differ.clear()
            token = self._token()
            again_s = self._again_s if token is not None else None
            try:
                self._announcer.announce(token, timeout_s=self._timeout_s)
                self._log.may_repeat("announcing")
            except StoreError as error:
                self._log.once("announcing", f"cannot say who leads: {error}; trying again")
                again_s = self._again_s
            except Exception as error:  # noqa: BLE001  # It must not end the elector.
                self._log.once("announcing", f"cannot say who leads: {error!r}")
                again_s = self._again_s
            self._may_differ.wait(again_s)
