"""Who is to follow a leader that resigns: whether that is us, or may be."""

from __future__ import annotations

from contextlib import suppress

from coordsidecar.store.heir import Heir
from coordsidecar.store.protocol import Limits, Session, StoreError
from coordsidecar_adapters.consul.keys import ElectionKeys
from coordsidecar_adapters.consul.state import State

__all__ = ["Heirdom"]


class Heirdom:
    """What one candidate does to be the one who stands next, as the calls of a store come by.

    It tries for that when it comes; after a change of leader, when it renews next: not all of them
    at the same time. Nothing else needs it: it fails without a word, and is tried again.
    """

    def __init__(self, keys: ElectionKeys) -> None:
        self._keys = keys
        self._record = self._run = ""
        self._heir: Heir | None = None
        # The session under which we have tried.
        self._came = ""
        self._is_free = False

    def campaigns(self, record: str, run: str, limits: Limits | None) -> None:
        """By this we would lead; without a run, or limits, we are not to be appointed."""
        self._record, self._run = record, run
        self._heir = Heir(run, limits) if run and limits is not None else None

    def stands_behind(self, state: State) -> None:
        """Somebody leads."""
        self._is_free = state.in_office and state.following is None

    def comes(self, session: Session, state: State, deadline_s: float) -> None:
        """Under this session for the first time: we try at once, for few come at the same time."""
        if self._came == session.handle:
            return
        self._came = session.handle
        self.stands_behind(state)
        self._try(session, deadline_s)

    def renewed(self, session: Session, deadline_s: float) -> None:
        """After a change of leader all others hear of it at once, but do not renew at once."""
        if self._came == session.handle:
            self._try(session, deadline_s)

    def appointed(self, session: Session, state: State) -> bool:
        """Whether we are in office, by these keys."""
        ours = state.in_office and state.held_by(session.handle)
        return ours and state.office.run == self._run != ""

    def _try(self, session: Session, deadline_s: float) -> None:
        if self._heir is None or not self._is_free:
            return
        self._is_free = False
        with suppress(StoreError):
            self._keys.stand_next(session, self._record, self._heir, deadline_s)
