"""Model stores that are servers: like etcd, and like Consul. Their sessions expire."""

from __future__ import annotations

import math

from coordsidecar.core.election.moves import Gone, Renewed, Result
from coordsidecar.store.protocol import Absent, Session, Vacant
from tests.sim.store_model import ModelStore, Referee
from tests.sim.world import World

__all__ = ["ConsulLike", "EtcdLike"]

_LONGEST_LOCK_DELAY_S = 60.0


class _Expiring(ModelStore):
    """Sessions that end some time after their last renewal was received."""

    def __init__(self, world: World, referee: Referee, *, grants: float = 1.0) -> None:
        super().__init__(world, referee, grants=grants)
        self._ends_s: dict[str, float] = {}

    def _open(self, handle: str) -> Session:
        self._extend(handle)
        return Session(handle, self._granted_s(handle))

    def _renew(self, handle: str) -> Result:
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


class EtcdLike(_Expiring):
    """A queue of candidates; the one whose key was created first leads."""

    def __init__(self, world: World, referee: Referee, *, grants: float = 1.0) -> None:
        super().__init__(world, referee, grants=grants)
        self._created: dict[str, int] = {}
        self._revision = 0

    def _changed(self) -> None:
        self._revision += 1
        super()._changed()

    def _overstay_s(self, ttl_s: float) -> float:
        return self.world.rng.random() * 0.5

    def holder(self) -> str | None:
        return min(self._created, key=self._created.__getitem__, default=None)

    def token_held(self, handle: str) -> int | None:
        return self._token(handle, self._created[handle]) if self.holder() == handle else None

    def _forget(self) -> None:
        self._ends_s.clear()
        self._created.clear()
        self._revision = 0

    def _campaign(self, handle: str) -> Result:
        if handle not in self._ends_s:
            return Gone("lease not found")
        if handle not in self._created:
            self._created[handle] = self._revision + 1
            self._changed()
        return self._standing(handle)

    def _standing(self, handle: str) -> Result:
        if handle not in self._created:
            return Absent()
        first = self.holder()
        assert first is not None
        token = self._token(first, self._created[first])
        if first == handle:
            return self._held(token)
        return self._behind(first, token, first)

    def _give_up(self, handle: str) -> None:
        if handle in self._created:
            token = self.token_held(handle)
            if token is not None:
                self.referee.released(token, self.owners[handle])
            del self._created[handle]
            self._changed()

    def _session_ended(self, handle: str) -> None:
        del self._ends_s[handle]
        if self._created.pop(handle, None) is not None:
            self._changed()

    def delete_key(self) -> None:
        holder = self.holder()
        if holder is not None:
            del self._created[holder]
            self._in_office.pop(holder, None)
            self._changed()


class ConsulLike(_Expiring):
    """A lock that a session holds; after a session's sudden end nobody gets it for a while."""

    def __init__(self, world: World, referee: Referee) -> None:
        super().__init__(world, referee)
        self._index = 0
        self._holder: str | None = None
        self._delayed_until_s = -math.inf

    def _overstay_s(self, ttl_s: float) -> float:
        return self.world.rng.random() * ttl_s

    def holder(self) -> str | None:
        return self._holder

    def token_held(self, handle: str) -> int | None:
        return self._token(handle, self._index) if self._holder == handle else None

    def _forget(self) -> None:
        self._ends_s.clear()
        self._holder, self._index = None, 0
        self._delayed_until_s = -math.inf

    def _campaign(self, handle: str) -> Result:
        if self._holder is not None:
            return self._standing(handle)
        if self.world.now_s < self._delayed_until_s:
            if handle not in self._ends_s:
                return Gone("the session is gone")
            self._extend(handle)
            return Vacant(0.5, cursor=self.version, last_led=self.office.led)
        if handle not in self._ends_s:
            return Gone("invalid session")
        self._holder = handle
        self._bump()
        return self._standing(handle)

    def _standing(self, handle: str) -> Result:
        if self._holder is None:
            return Absent()
        token = self._token(self._holder, self._index)
        if self._holder == handle:
            return self._held(token)
        return self._behind(self._holder, token, ".lock")

    def _bump(self) -> None:
        self._changed()
        self._index += 1

    def _give_up(self, handle: str) -> None:
        if self._holder == handle:
            self.referee.released(self._token(handle, self._index), self.owners[handle])
            self._holder = None
            self._in_office.pop(handle, None)
            self._bump()

    def _session_ended(self, handle: str) -> None:
        del self._ends_s[handle]
        if self._holder == handle:
            self._holder = None
            delay_s = min(self._asked[handle].takeover_delay_s, _LONGEST_LOCK_DELAY_S)
            self._delayed_until_s = self.world.now_s + delay_s
            self._bump()

    def delete_key(self) -> None:
        if self._holder is not None:
            self._in_office.pop(self._holder, None)
            self._holder = None
            self._bump()

    def start(self) -> None:
        """Lock-delays are kept in memory only."""
        super().start()
        self._delayed_until_s = -math.inf
