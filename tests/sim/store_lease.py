"""A model store like a Lease of Kubernetes: one object, whose every write compares its version."""

from __future__ import annotations

import math

from coordsidecar.core.election.moves import Renewed, Result
from coordsidecar.store.protocol import Absent, Behind, Held, Limits, Office, Session, Vacant
from coordsidecar.value import replace
from tests.sim.store_model import Caller, ModelStore, Referee
from tests.sim.world import World

__all__ = ["LeaseLike"]

_UNKNOWN = Office(led=-1)
"""Of an object that is made anew: who led under the one before, if any, it does not tell."""


class LeaseLike(ModelStore):
    """Whoever holds it holds it until somebody else writes it: nothing ever expires by itself."""

    def __init__(self, world: World, referee: Referee) -> None:
        super().__init__(world, referee, grants=1.0)
        self._holder: str | None = None
        # Versions of the object: now, by which its holder got it, and which that replaced.
        self._beats = 0
        self._acquired = self._replaced = 0

    def _open(self, handle: str) -> Session:
        return Session(handle, self._granted_s(handle))

    def _renew(self, handle: str, caller: Caller) -> Result:
        if self._holder == handle:
            self._beats += 1
            self._beaten()
        return Renewed(self._granted_s(handle))

    def _take_office(self, handle: str, token: int, caller: Caller, floor: int) -> int:
        self._beats += 1
        return super()._take_office(handle, token, caller, floor)

    def _resign(self, handle: str, token: int | None, caller: Caller) -> None:
        was = self.office
        super()._resign(handle, token, caller)
        self._beats += self.office != was

    def _seen(self, standing: Result, handle: str, told: object) -> Result:
        match standing:
            case Behind(limits=limits):
                assert self._holder is not None
                lasting_s = float(math.ceil(self._granted_s(self._holder)))
                limits = limits or Limits(lasting_s, lasting_s)
                return replace(standing, beat=self._beats, limits=limits)
            case Held():
                return replace(standing, beat=self._replaced or None)
            case _:
                return standing

    def _has_beaten(self, standing: Held | Behind | Vacant) -> bool:
        return isinstance(standing, Behind) and standing.beat not in (None, self._beats)

    def _depose(self, handle: str, beat: int) -> None:
        if self._holder in (None, handle) or self._beats != beat:
            return
        self.world.say("store", f"{handle} deposes {self._holder}")
        self.world.counts["depositions"] += 1
        self._in_office.pop(self._holder or "", None)
        self._acquire(handle)

    def holder(self) -> str | None:
        return self._holder

    def token_held(self, handle: str) -> int | None:
        return self._token(handle, self._acquired) if self._holder == handle else None

    def _forget(self) -> None:
        self._beats = self._acquired = 0
        self._holder, self.office = None, _UNKNOWN

    def _campaign(self, handle: str) -> Result:
        if self._holder is None:
            self._acquire(handle)
        return self._standing(handle)

    def _standing(self, handle: str) -> Result:
        if self._holder is None:
            return Absent()
        token = self._token(self._holder, self._acquired)
        if self._holder == handle:
            return self._held(token)
        return self._behind(self._holder, token, "lease")

    def _acquire(self, handle: str | None) -> None:
        self._changed()
        self._replaced = self._beats
        self._beats += 1
        self._holder, self._acquired = handle, self._beats

    def _give_up(self, handle: str) -> None:
        if self._holder == handle:
            self.referee.released(self._token(handle, self._acquired), self.owners[handle])
            self._in_office.pop(handle, None)
            self._acquire(None)

    def end_session(self, handle: str) -> None:
        """There is nothing of it in the store."""

    def revoke_holder(self) -> None:
        """An operator writes that nobody holds it."""
        if self._holder is not None:
            self._in_office.pop(self._holder, None)
            self._acquire(None)

    def delete_key(self) -> None:
        """The object is gone, and all that it told; versions only grow.

        Not while instances have different TTLs: whoever makes the next one waits by its own, so
        that is what docs/guarantees.md asks an operator not to do.
        """
        if len({timing.ttl_s for timing in self._asked.values()}) > 1:
            self.revoke_holder()
        elif self._holder is not None:
            self._in_office.clear()
            self._acquire(None)
            self.office = _UNKNOWN
