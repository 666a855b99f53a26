"""A model store like etcd: a queue of candidates, and members of which one may be out of date."""

from __future__ import annotations

import math
from random import Random

from coordsidecar.core.election.moves import Gone, Renewed, Result
from coordsidecar.store.protocol import Absent, Behind, Held, Limits
from coordsidecar.value import Value, replace
from tests.sim.store_model import Caller, Referee
from tests.sim.store_servers import Expiring
from tests.sim.world import Host, World

__all__ = ["EtcdLike"]


class _Told(Value):
    """What some member says of a lease, in its raft term; ``before``: that of the answer before."""

    before: int | None
    era: int
    lease: str
    quiet_s: float


class _Deposed:
    """A member that led until ``era`` was over, and has not heard of that.

    It goes on to take renewals, and to tell of leases, from what it remembers.
    """

    def __init__(self, era: int, renewed_s: dict[str, float], clients: set[Host]) -> None:
        self.era, self.renewed_s, self.clients = era, renewed_s, clients


class EtcdLike(Expiring):
    """A queue of candidates; the one whose key was created first leads."""

    def __init__(self, world: World, referee: Referee, *, grants: float = 1.0) -> None:
        super().__init__(world, referee, grants=grants)
        self._created: dict[str, int] = {}
        self._revision = 0
        self._renewed_s: dict[str, float] = {}
        self._era = 1
        self._hosts: list[Host] = []
        self._deposed: _Deposed | None = None
        # By dice of its own, so that all other chance is the same with it or without.
        self._dice = Random(f"members {world.seed}")
        # By session: in which term its last linearizable answer was given, and who led by it.
        self._era_of: dict[str, int] = {}
        self._leader_of: dict[str, str] = {}

    def _changed(self) -> None:
        self._revision += 1
        super()._changed()

    def _overstay_s(self, ttl_s: float) -> float:
        return self.world.rng.random() * 0.5

    def holder(self) -> str | None:
        return min(self._created, key=self._created.__getitem__, default=None)

    def token_held(self, handle: str) -> int | None:
        return self._token(handle, self._created[handle]) if self.holder() == handle else None

    # ── members ────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        super().start()
        self._era += 1

    def depose_member(self, for_s: float) -> None:
        """The member that leads is cut off from the others, and does not know for a while; half of
        the clients ask it first."""
        hosts = {host for host in self._hosts if self._dice.random() < 0.5}
        deposed = self._deposed = _Deposed(self._era, dict(self._renewed_s), hosts)
        self._era += 1
        for handle in self._ends_s:
            self._extend(handle)  # As a new leader does.

        def rejoin() -> None:
            if self._deposed is deposed:
                self._deposed = None

        self.world.after(for_s, rejoin)

    def _extend(self, handle: str) -> None:
        super()._extend(handle)
        self._renewed_s[handle] = self.world.now_s

    def _asked_first(self, caller: Caller) -> _Deposed | None:
        if caller.host not in self._hosts:
            self._hosts.append(caller.host)
        deposed = self._deposed
        return deposed if deposed is not None and caller.host in deposed.clients else None

    def _renew(self, handle: str, caller: Caller) -> Result:
        return self._keep_alive(handle, self._asked_first(caller))[0]

    def _keep_alive(self, handle: str, deposed: _Deposed | None) -> tuple[Result, int]:
        """And in which term."""
        if deposed is not None and handle in deposed.renewed_s:
            deposed.renewed_s[handle] = self.world.now_s
            return Renewed(self._granted_s(handle)), deposed.era
        if handle not in self._ends_s:
            return Gone("the session is gone"), self._era
        self._extend(handle)
        return Renewed(self._granted_s(handle)), self._era

    def _renew_and_look(self, handle: str, caller: Caller) -> Result:
        """As the adapter: between two answers of one member in one term, or unseen by others."""
        deposed = self._asked_first(caller)
        for _ in range(2):
            before = self._era_of.get(handle)
            renewed, kept = self._keep_alive(handle, deposed)
            if not isinstance(renewed, Renewed):
                return renewed
            standing = self._seen(self._standing(handle), handle, None)
            if self._between(before, kept, handle):
                break
            # Whoever answered last is asked first; unless a load balancer spreads what is asked.
            deposed = deposed if self._dice.random() < 0.3 else None
        else:
            if isinstance(standing, Held) and self._leads(standing.token):
                limits = self.office.limits and Limits(self.office.limits.ttl_s)
                self.office = replace(self.office, limits=limits)
        assert isinstance(standing, Held | Behind | Absent)
        return replace(renewed, standing=standing, order=self.order)

    def _between(self, before: int | None, told: int, handle: str) -> bool:
        """Whether what was told lies between two linearizable answers of its own term."""
        return before == told == self._era_of[handle]

    def _ask_of_leader(self, handle: str, caller: Caller) -> object:
        lease = self._leader_of.get(handle, "")
        deposed, era, renewed_s = self._asked_first(caller), self._era, self._renewed_s
        if deposed is not None:
            era, renewed_s = deposed.era, deposed.renewed_s
        if lease not in renewed_s or handle not in self._created:
            return None
        granted_s = self._granted_s(lease)
        left_s = math.floor(renewed_s[lease] + granted_s - self.world.now_s)
        if left_s < 0:
            return None
        return _Told(self._era_of.get(handle), era, lease, granted_s - left_s - 1.0)

    def _seen(self, standing: Result, handle: str, told: object) -> Result:
        self._era_of[handle] = self._era
        self._leader_of.pop(handle, None)
        if not isinstance(standing, Behind):
            return standing
        first = self.holder()
        assert first is not None
        ahead = [h for h in self._created if self._created[h] < self._created[handle]]
        standing = replace(standing, next_in_line=len(ahead) == 1)
        if standing.limits is None or standing.limits.quiet_s is None:
            return standing
        self._leader_of[handle] = first
        match told:
            case _Told(before, era, lease, quiet_s) if lease == first and self._between(
                before, era, handle
            ):
                return replace(standing, quiet_s=max(quiet_s, 0.0))
            case _:
                return standing

    def _forget(self) -> None:
        self._renewed_s.clear()
        self._deposed = None
        self._ends_s.clear()
        self._created.clear()
        self._revision = 0

    def _comes(self, handle: str, caller: Caller, *, appointable: bool) -> None:
        if handle not in self._created:
            self._heirs.pop(handle, None)
            if appointable:
                self._heirs[handle] = caller

    def _appoint(self, handle: str) -> None:
        heir = self.holder() or ""
        if heir in self._heirs:
            self._put_in_office(heir, self._token(heir, self._created[heir]))

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
        del self._ends_s[handle], self._renewed_s[handle]
        if self._created.pop(handle, None) is not None:
            self._changed()

    def delete_key(self) -> None:
        holder = self.holder()
        if holder is not None:
            del self._created[holder]
            self._in_office.pop(holder, None)
            self._changed()
