"""A model store like Consul: a lock that a session holds."""

from __future__ import annotations

import math

from coordsidecar.core.election.moves import Gone, Renewed, Result
from coordsidecar.store.curbs import Curbs
from coordsidecar.store.protocol import Absent, Behind, Held, Vacant
from coordsidecar.value import replace
from tests.sim.store_model import Caller, Referee
from tests.sim.store_servers import Expiring
from tests.sim.world import World

__all__ = ["ConsulLike"]

_LONGEST_LOCK_DELAY_S = 60.0
_LEAST_TTL_S = 10.0


class ConsulLike(Expiring):
    """A lock that a session holds; after a session's sudden end nobody gets it for a while."""

    def __init__(self, world: World, referee: Referee) -> None:
        super().__init__(world, referee)
        self._index = 0
        self._holder: str | None = None
        self._delayed_until_s = -math.inf
        self._beats = 0

    def _overstay_s(self, ttl_s: float) -> float:
        """Consul has a least TTL of its own."""
        return max(_LEAST_TTL_S - ttl_s, 0.0) + self.world.rng.random() * max(ttl_s, _LEAST_TTL_S)

    def _renew_and_look(self, handle: str, caller: Caller) -> Result:
        renewed = super()._renew_and_look(handle, caller)
        token = self.token_held(handle)
        if isinstance(renewed, Renewed) and token is not None and self._leads(token):
            self._beats += 1
            self._beaten()
        return renewed

    def _take_office(self, handle: str, token: int, caller: Caller, floor: int) -> int:
        self._beats += 1
        return super()._take_office(handle, token, caller, floor)

    def _resign(self, handle: str, token: int | None, caller: Caller) -> None:
        was = self.office
        super()._resign(handle, token, caller)
        self._beats += self.office != was

    def _seen(self, standing: Result, handle: str, told: object) -> Result:
        match standing:
            case Behind(in_office=True) | Held():
                return replace(standing, beat=self._beats)
            case _:
                return standing

    def _has_beaten(self, standing: Held | Behind | Vacant) -> bool:
        return isinstance(standing, Behind) and standing.beat not in (None, self._beats)

    def _depose(self, handle: str, beat: int) -> None:
        holder = self._holder
        if holder in (None, handle) or handle not in self._ends_s:
            return
        assert holder is not None
        if self._beats == beat and self._leads(self._token(holder, self._index)):
            self.world.say("store", f"{handle} deposes {holder}")
            self.world.counts["depositions"] += 1
            self._holder = handle
            self._bump()

    def curb(self, curbs: Curbs) -> None:
        """It is a write like a beat."""
        super().curb(curbs)
        self._beats += 1
        self._beaten()

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
