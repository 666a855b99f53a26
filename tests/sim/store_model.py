"""What the model stores have in common: linearizable, one request at a time, with watches.

They speak in the answers of `coordsidecar.core.election.moves`, as the elector's worker would after
it has called a real adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, assert_never

from coordsidecar.core.election import moves
from coordsidecar.core.election.moves import Op, Result
from coordsidecar.core.election.phases import limits_of
from coordsidecar.core.timing import Timing
from coordsidecar.store.curbs import Curbs
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Absent, Behind, Held, Office, Session, Vacant
from coordsidecar.value import replace
from tests.sim.world import Host, World

__all__ = ["Caller", "ModelStore", "Referee"]


class Caller(Protocol):
    """The sidecar that asks."""

    name: str
    run: str
    host: Host

    @property
    def timing(self) -> Timing: ...


class Referee(Protocol):
    """Whoever must be told when leadership is given up."""

    def took_office(self, handle: str, token: int, owner: str) -> None: ...

    def curbs_written(self, curbs: Curbs) -> None: ...

    def curbed(self, last_led: int, curbs: Curbs, owner: str) -> None: ...

    def released(self, token: int, owner: str) -> None: ...


class ModelStore:
    """One election in one store."""

    latency_s = (0.0003, 0.004)
    local = False

    def __init__(self, world: World, referee: Referee, *, grants: float) -> None:
        """``grants``: what of the TTL that was asked for."""
        self.world = world
        self.referee = referee
        self.grants = grants
        self.up = True
        self.version = 0
        self.office = Office()
        self.order: Order | None = None
        # Under which token a session has taken office, once it has.
        self._in_office: dict[str, int] = {}
        # Whose term the office record tells of.
        self._in_charge = ""
        self.owners: dict[str, str] = {}
        self._asked: dict[str, Timing] = {}
        self._watches: list[tuple[Held | Behind | Vacant, Callable[[], None]]] = []

    # ── the requests ───────────────────────────────────────────────────────────────────────────

    def apply(self, op: Op, caller: Caller) -> Result:
        """Carry out a request at this instant, and say what the answer is."""
        match op:
            case moves.Open():
                handle = f"s{self.world.number()}"
                self.owners[handle] = caller.name
                self._asked[handle] = caller.timing
                return self._open(handle)
            case moves.Renew(session, look=False):
                return self._renew(session.handle, caller)
            case moves.Renew(session):
                return self._renew_and_look(session.handle, caller)
            case moves.Campaign(session, floor, depose):
                self._comes(session.handle, caller, appointable=floor is not None)
                if depose is not None:
                    self._depose(session.handle, depose)
                found = self._seen(self._campaign(session.handle), session.handle, None)
                if floor is None:
                    return found
                return self._take_if_clean(found, session.handle, caller, floor)
            case moves.Look(session):
                told = self._ask_of_leader(session.handle, caller)
                return self._seen(self._standing(session.handle), session.handle, told)
            case moves.TakeOffice(session, token, floor, curbs):
                if self.token_held(session.handle) != token or self.office.curbs != curbs:
                    return moves.Took(None)
                return moves.Took(self._take_office(session.handle, token, caller, floor))
            case moves.Prepare():
                return moves.Done()
            case moves.Resign(session, token):
                self._resign(session.handle, token, caller)
                return moves.Done()
            case moves.Close(session):
                self.end_session(session.handle)
                return moves.Done()
            case _:
                assert_never(op)

    def _renew_and_look(self, handle: str, caller: Caller) -> Result:
        renewed = self._renew(handle, caller)
        if not isinstance(renewed, moves.Renewed):
            return renewed
        standing = self._seen(self._standing(handle), handle, None)
        assert isinstance(standing, Held | Behind | Vacant | Absent)
        return replace(renewed, standing=standing, order=self.order)

    def _take_if_clean(self, standing: Result, handle: str, caller: Caller, floor: int) -> Result:
        if not isinstance(standing, Held) or not self.office.may_be_succeeded(floor):
            return standing
        token = self._take_office(handle, standing.token, caller, floor)
        return replace(standing, token=token, in_office=True, curbs=self.office.curbs)

    def _take_office(self, handle: str, token: int, caller: Caller, floor: int) -> int:
        """Under ``token``, or one above ``floor``."""
        token = max(token, floor + 1) if token <= floor else token
        self.referee.took_office(handle, token, self.owners[handle])
        if self._in_office.get(handle) != token:
            self.referee.curbed(self.office.led, self.office.curbs, caller.name)
        self._in_office[handle] = token
        self._in_charge = caller.name
        limits = limits_of(Session("", self._granted_s(handle)), caller.timing)
        self.office = replace(
            self.office, led=token, run=caller.run, lock=self._lock_id(), limits=limits
        )
        self.office = replace(self.office, curbs=self.office.curbs.of_next_term)
        self._changed()
        return token

    def _behind(self, holder: str, token: int, ahead: str) -> Behind:
        """How all others stand while ``holder`` has the lock by ``token``."""
        leads = self._leads(token)
        return Behind(
            self.owners[holder],
            token,
            ahead,
            cursor=self.version,
            in_office=leads,
            limits=self.office.limits if leads else None,
            curbs=self.office.curbs,
        )

    def _granted_s(self, handle: str) -> float:
        """The TTL of a session."""
        return self._asked[handle].ttl_s * self.grants

    def _leads(self, token: int) -> bool:
        """Whether who holds the election under ``token`` has taken office."""
        return self.office.led == token

    def _token(self, handle: str, revision: int) -> int:
        """The token of who holds the lock since ``revision``: counted by the office record."""
        return self._in_office.get(handle) or max(revision, self.office.led + 1)

    def _resign(self, handle: str, token: int | None, caller: Caller) -> None:
        held = self.token_held(handle)
        if token is None or held is None or held == token:
            self._give_up(handle)
        office = self.office.resigned(token, run=caller.run)
        if office != self.office:
            self.referee.released(office.led, self._in_charge)
            self.office = office
            if held == token and not self.office.curbs:
                self._appoint(handle)
            self._changed()

    def _held(self, token: int) -> Held:
        proven = self._lock_id() != "" and self.office.lock == self._lock_id()
        return self.office.held(token, cursor=self.version, proven=proven)

    # ── what each kind of store does its own way ───────────────────────────────────────────────

    def _open(self, handle: str) -> Session:
        raise NotImplementedError

    def _renew(self, handle: str, caller: Caller) -> Result:
        raise NotImplementedError

    def _ask_of_leader(self, handle: str, caller: Caller) -> object:
        """What is asked of the leader's session before one's own standing."""

    def _seen(self, standing: Result, handle: str, told: object) -> Result:
        """What tells of the leader's last renewal is added; ``told``: by `_ask_of_leader`."""
        return standing

    def _depose(self, handle: str, beat: int) -> None:
        """Take the lock from the leader whose beat that still is."""

    def _comes(self, handle: str, caller: Caller, *, appointable: bool) -> None:
        """Somebody is about to become a candidate, unless it is one."""

    def _appoint(self, handle: str) -> None:
        """Whoever held the lock by ``handle`` has just resigned: take office for the next."""

    def appointed(self, handle: str, standing: Held | Behind | Vacant) -> Held | None:
        """What a watch from ``standing`` on says of an appointment."""
        return None

    def _campaign(self, handle: str) -> Result:
        raise NotImplementedError

    def _standing(self, handle: str) -> Result:
        raise NotImplementedError

    def _give_up(self, handle: str) -> None:
        """Withdraw this candidacy, and tell the referee if it held the election."""
        raise NotImplementedError

    def _lock_id(self) -> str:
        """What proves, as only a lock file can, that the holder before has ended."""
        return ""

    def token_held(self, handle: str) -> int | None:
        """The token under which this session holds the election, if it does."""
        raise NotImplementedError

    def end_session(self, handle: str) -> None:
        """Closed by its owner."""
        raise NotImplementedError

    def curb(self, curbs: Curbs) -> None:
        """What operators have ordered to hold from now on. Not every watch is told of it."""
        self.referee.curbs_written(curbs)
        self.office = replace(self.office, curbs=curbs)

    # ── operators and outages ──────────────────────────────────────────────────────────────────

    def revoke_holder(self) -> None:
        """An operator ends the session that holds the election."""
        raise NotImplementedError

    def delete_key(self) -> None:
        """An operator deletes the key under which the election is held."""
        raise NotImplementedError

    def holder(self) -> str | None:
        """The session that holds the election."""
        raise NotImplementedError

    def lose_data(self) -> None:
        """All is forgotten, as after a restart without its data: numbers begin anew."""
        self.office = Office()
        self.order = None
        self._in_office.clear()
        self._forget()
        self._changed()

    def _forget(self) -> None:
        """All sessions and keys."""
        raise NotImplementedError

    def stop(self) -> None:
        self.up = False

    def start(self) -> None:
        """After a restart, or an election among the servers."""
        self.up = True

    # ── watches ────────────────────────────────────────────────────────────────────────────────

    def watch(self, standing: Held | Behind | Vacant, fire: Callable[[], None]) -> None:
        """Call ``fire`` once something has changed since ``standing`` was read."""
        if standing.cursor != self.version or self._has_beaten(standing):
            fire()
        else:
            self._watches.append((standing, fire))

    def _has_beaten(self, standing: Held | Behind | Vacant) -> bool:
        return False

    def _changed(self) -> None:
        self.version += 1
        watches, self._watches = self._watches, []
        for _, fire in watches:
            fire()

    def _beaten(self) -> None:
        """Whoever watches the leader is told of its beat."""
        watches, self._watches = self._watches, []
        for standing, fire in watches:
            if self._has_beaten(standing):
                fire()
            else:
                self._watches.append((standing, fire))
