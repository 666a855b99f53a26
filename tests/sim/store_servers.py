"""What model stores that are servers have in common: their sessions expire."""

from __future__ import annotations

from coordsidecar.core.election.moves import Gone, Renewed, Result
from coordsidecar.store.protocol import Behind, Held, Session, Vacant
from coordsidecar.value import replace
from tests.sim.store_model import Caller, ModelStore, Referee
from tests.sim.world import World

__all__ = ["Expiring"]


class Expiring(ModelStore):
    """Sessions that end some time after their last renewal was received."""

    def __init__(self, world: World, referee: Referee, *, grants: float = 1.0) -> None:
        super().__init__(world, referee, grants=grants)
        self._ends_s: dict[str, float] = {}
        # By session: who would lead by it, if that may be appointed; and what it was appointed to.
        self._heirs: dict[str, Caller] = {}
        self._appointed: dict[str, Held] = {}

    def _open(self, handle: str) -> Session:
        self._extend(handle)
        return Session(handle, self._granted_s(handle))

    def _renew(self, handle: str, caller: Caller) -> Result:
        if handle not in self._ends_s:
            return Gone("the session is gone")
        self._extend(handle)
        return Renewed(self._granted_s(handle))

    def _overstay_s(self, ttl_s: float) -> float:
        """How much longer than its TTL the server lets a session live."""
        raise NotImplementedError

    def _extend(self, handle: str) -> None:
        granted_s = self._granted_s(handle)
        end_s = self.world.now_s + granted_s + self._overstay_s(granted_s)
        self._ends_s[handle] = end_s
        self.world.at(end_s, lambda: self._expire(handle, end_s))

    def _expire(self, handle: str, end_s: float) -> None:
        if self.up and self._ends_s.get(handle) == end_s:
            self.world.say("store", f"session {handle} expires")
            self.world.counts["sessions expired"] += 1
            self._session_ended(handle)

    def _resign(self, handle: str, token: int | None, caller: Caller) -> None:
        appointed = self._in_office.get(handle)
        if token is None and appointed is not None and self.token_held(handle) == appointed:
            token = appointed  # In the same instant.
        super()._resign(handle, token, caller)

    def _put_in_office(self, heir: str, token: int) -> None:
        """It holds the lock by now; so that it is appointed."""
        self.world.say("store", f"{heir} is appointed")
        self.world.counts["appointments"] += 1
        token = self._take_office(heir, token, self._heirs[heir], 0)
        held = Held(token, clean=True, last_run="", cursor=self.version, last_led=token)
        self._appointed[heir] = replace(held, in_office=True)

    def appointed(self, handle: str, standing: Held | Behind | Vacant) -> Held | None:
        held = self._appointed.get(handle)
        return held if held is not None and held.cursor > standing.cursor else None

    def _session_ended(self, handle: str) -> None:
        raise NotImplementedError

    def end_session(self, handle: str) -> None:
        if handle in self._ends_s:
            token = self.token_held(handle)
            if token is not None:
                self.referee.released(token, self.owners[handle])
            self._session_ended(handle)

    def revoke_holder(self) -> None:
        holder = self.holder()
        if holder is not None:
            self._session_ended(holder)

    def start(self) -> None:
        """All sessions live for another TTL at least: the new server knows no better."""
        super().start()
        for handle in self._ends_s:
            self._extend(handle)
