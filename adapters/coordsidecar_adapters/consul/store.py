"""Elections in Consul: a lock key held by a session with a TTL (``consul://``, ``consuls://``).

The fencing token is the lock key's ModifyIndex while we hold it: an index of Consul's log, so it
only ever grows, unless the log is lost; then the office record counts. (LockIndex starts again when
the key was deleted, as ``consul lock`` does.) To acquire once more what we hold could change it, so
we read before we acquire. All that one transaction writes gets the same index: so it takes office
as well.

No health check hangs on the session: a gossip flap must not free the lock. What ends it is the TTL,
which Consul may overstay by as much again. When a session dies while it holds the lock, Consul
itself refuses the lock to everybody for the session's lock-delay: that keeps other programs out for
as long as a takeover delay lasts (or for 60 s, the most that Consul grants), and candidates of ours
see `Vacant` meanwhile. After an operator deleted the lock key there is no lock-delay, so the office
record counts all the same.

A session's renewal leaves no trace that others could see. So who is in office proves that the lock
is its own by writing the record anew: a beat. (Consul keeps no history: nothing grows.) Whoever has
seen no beat for a TTL deposes it in one transaction, if there was none until then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Election,
    Held,
    Leader,
    Limits,
    NothingToPrepare,
    Renewal,
    Session,
    SessionLostError,
    Standing,
    Store,
    UnreachableError,
    Vacant,
)
from coordsidecar.value import replace
from coordsidecar_adapters.consul.client import ConsulClient, split_wait
from coordsidecar_adapters.consul.keys import ElectionKeys
from coordsidecar_adapters.consul.sessions import Sessions
from coordsidecar_adapters.consul.settings import CONSUL, ConsulSettings
from coordsidecar_adapters.consul.state import State
from coordsidecar_adapters.http_connection import tls_side

__all__ = ["ConsulStore", "connect"]

_LOCK_DELAY_RETRY_S = 0.5
_LOST_RACE_RETRY_S = 0.05
_NEXT_FIRST_S = 0.03
_RESIGN_TRIES = 3
_OFFICE_TRIES = 3
_BEAT_TRIES = 2


def connect(url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
    """Build a store for ``consul://host:8500,…`` or ``consuls://…``; no I/O but to read files."""
    if "" in election.prefix.split("/"):
        raise ValueError(f"Consul store cannot make a key of {election.prefix!r}")
    settings = ConsulSettings.read(url, environ)
    tls = tls_side(settings.tls, CONSUL)
    return ConsulStore(*(ConsulClient(settings, tls=tls) for _ in range(2)), election=election)


class ConsulStore(NothingToPrepare):
    """One election in Consul; a session's handle is its id."""

    def __init__(self, calls: ConsulClient, watches: ConsulClient, *, election: Election) -> None:
        """Two clients, since one thread watches while another calls."""
        self._sessions = Sessions(calls, election=election)
        self._keys = ElectionKeys(calls, election=election)
        self._watched = ElectionKeys(watches, election=election)
        # As we found both keys when we last held the lock. A guess, which saves a request: what is
        # done by it changes nothing unless all is still so.
        self._state: State | None = None
        # The session and the index of the lock under which we took office, and the token: whoever
        # writes into the record cannot change what it is, as long as the lock has both.
        self._term = ("", 0, 0)
        # As a watch last found them: a campaign need not read that again. A guess like any other.
        self._seen: State | None = None

    def open(
        self, *, ttl_s: float, takeover_delay_s: float, record: str, timeout_s: float
    ) -> Session:
        return self._sessions.open(
            record, ttl_s=ttl_s, takeover_delay_s=takeover_delay_s, timeout_s=timeout_s
        )

    def renew(self, session: Session, *, look: bool, timeout_s: float) -> Renewal:
        deadline_s = time.monotonic() + timeout_s
        ttl_s = self._sessions.renew(session, timeout_s=timeout_s)
        standing = self._proof(session, deadline_s) if look else None
        return Renewal(ttl_s, standing, self._state.order if self._state else None)

    def campaign(
        self,
        session: Session,
        *,
        record: str,
        run: str = "",
        floor: int = 0,
        limits: Limits | None = None,
        depose: int | None = None,
        timeout_s: float,
    ) -> Standing:
        deadline_s = time.monotonic() + timeout_s
        if run and depose is None:
            standing = self._succeed(session, record, run, floor, limits, deadline_s)
            if standing is not None:
                return standing
        state = self._keys.read(deadline_s)
        if depose is not None and depose == state.beat and not state.held_by(session.handle):
            run = ""  # Its term did not end in order.
            refusal, won = self._keys.depose(session, record, state, deadline_s)
        elif state.held:
            return self._standing(session, state)
        else:
            run = run if state.may_be_succeeded(floor) else ""
            refusal, won = self._keys.acquire(
                session, record, state, deadline_s, run=run, limits=limits
            )
        if won is not None:
            return self._won(session, won, run)
        if "invalid session" in refusal:
            raise SessionLostError(f"Consul: session {session.handle} is gone")
        state = self._keys.read(deadline_s)
        if "lock delay" not in refusal:
            return self._standing(session, state, retry_after_s=_LOST_RACE_RETRY_S)
        # Consul looks at the delay first, and at whether our session exists only after it.
        self._sessions.renew(session, timeout_s=deadline_s - time.monotonic())
        return self._standing(session, state, retry_after_s=_LOCK_DELAY_RETRY_S)

    def _succeed(
        self,
        session: Session,
        record: str,
        run: str,
        floor: int,
        limits: Limits | None,
        deadline_s: float,
    ) -> Standing | None:
        """Take lock and office, if both are free by what was last seen, and still are."""
        guess, self._seen = self._seen, None
        guess = guess or self._keys.guess(deadline_s)
        if guess.held or not guess.may_be_succeeded(floor):
            return None
        _, won = self._keys.acquire(session, record, guess, deadline_s, run=run, limits=limits)
        return None if won is None else self._won(session, won, run)

    def standing(self, session: Session, *, timeout_s: float) -> Standing:
        return self._standing(session, self._keys.read(time.monotonic() + timeout_s))

    def take_office(
        self,
        session: Session,
        token: int,
        *,
        run: str,
        record: str = "",
        floor: int = 0,
        limits: Limits | None = None,
        curbs: Curbs = NO_CURBS,
        timeout_s: float,
    ) -> int | None:
        deadline_s = time.monotonic() + timeout_s
        known = self._held_by(session) or self._keys.read(deadline_s)
        for _ in range(_OFFICE_TRIES):
            lock = known.lock
            if lock is None or lock.session != session.handle or known.office.curbs != curbs:
                return None
            office = known.office.taken(
                token, lock=lock.modify_index, run=run, floor=floor, limits=limits, record=record
            )
            if office is None:
                return None
            self._state = None  # If no answer comes, nothing is known of it.
            self._state = self._keys.take_office(session, known, office, deadline_s)
            if self._state is not None:
                self._term = (session.handle, lock.modify_index, office.led)
                return office.led
            known = self._keys.read(deadline_s)
        raise UnreachableError(f"Consul: {self._keys.office_key} kept changing")

    def resign(
        self, session: Session, token: int | None, *, run: str, why: str = "", timeout_s: float
    ) -> None:
        deadline_s = time.monotonic() + timeout_s
        known, self._state = self._held_by(session), None
        for _ in range(_RESIGN_TRIES):
            state, known = known or self._keys.read(deadline_s), None
            released = state.office.resigned(token, run=run, why=why)
            office = None if released == state.office else released
            if not self._keys.give_up(session, state, office, deadline_s):
                return
        raise UnreachableError(f"Consul: {self._keys.lock_key} kept changing while we resigned")

    def close(self, session: Session, *, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        # It is one more commit of Consul's log. Whoever follows us shall not have to wait for it.
        time.sleep(min(_NEXT_FIRST_S, timeout_s / 2))
        self._sessions.destroy(session, timeout_s=deadline_s - time.monotonic())

    def watch(
        self, session: Session, standing: Held | Behind | Vacant, *, timeout_s: float
    ) -> bool:
        deadline_s = until_s = time.monotonic() + timeout_s
        if isinstance(standing, Vacant):
            until_s = min(until_s, time.monotonic() + standing.retry_after_s)
        # Without an index first: one that is too high, from before Consul lost or restored its
        # data, would leave us deaf for the whole wait.
        index, state = self._watched.look(deadline_s)
        while not (changed := _differs(state, standing)):
            wait_s, slack_s = split_wait(until_s - time.monotonic())
            if wait_s <= 0:
                break
            waited_from = index
            index, state = self._watched.wait(
                index=index, wait_s=wait_s, timeout_s=wait_s * 17 / 16 + slack_s
            )
            if index == waited_from:
                break
        self._seen = state
        return changed or isinstance(standing, Vacant)

    def leader(self, *, timeout_s: float) -> Leader | None:
        state = self._keys.read(time.monotonic() + timeout_s)
        lock = state.lock
        if lock is None or not lock.session:
            return None
        return Leader(token=state.office.leader_token(lock.modify_index), record=lock.value)

    def _held_by(self, session: Session) -> State | None:
        """Both keys as we last found them, if ``session`` held the lock then."""
        return self._state if self._state and self._state.held_by(session.handle) else None

    def _proof(self, session: Session, deadline_s: float) -> Standing:
        """How we stand, by a linearizable answer; one that others can tell, if we are in office."""
        state = self._held_by(session)
        if state is None or not state.in_office:
            state = self._keys.read(deadline_s)
        for _ in range(_BEAT_TRIES):
            if not state.in_office or not state.held_by(session.handle):
                return self._standing(session, state)
            self._state = None  # If no answer comes, nothing is known of it.
            beaten = self._keys.beat(session, state, deadline_s)
            if beaten is not None:
                return self._standing(session, beaten)
            state = self._keys.read(deadline_s)
        raise UnreachableError(f"Consul: {self._keys.lock_key} kept changing while we renewed")

    def _won(self, session: Session, state: State, run: str) -> Standing:
        """How we stand, having taken the lock, and with a ``run`` office as well."""
        standing = self._standing(session, state)
        if not run or not isinstance(standing, Held) or state.office.led != standing.token:
            return standing
        self._term = (session.handle, standing.cursor, standing.token)
        return replace(standing, in_office=True)

    def _standing(
        self, session: Session, state: State, *, retry_after_s: float | None = None
    ) -> Standing:
        """``retry_after_s``: we have just campaigned in vain. None: to get it takes a campaign."""
        lock, office = state.lock, state.office
        if lock is None or (not lock.session and retry_after_s is None):
            return Absent()
        if lock.session == session.handle:
            self._state = state
            *term, token = self._term
            if term != [lock.session, lock.modify_index]:
                token = office.token_under(lock.modify_index)
            held = office.held(token, cursor=lock.modify_index)
            return replace(held, beat=state.office_index or None)
        if lock.session:
            return Behind(
                leader=lock.value,
                leader_token=office.leader_token(lock.modify_index),
                ahead=self._keys.lock_key,
                cursor=lock.modify_index,
                in_office=state.in_office,
                limits=office.limits if state.in_office else None,
                beat=state.beat,
                curbs=office.curbs,
            )
        assert retry_after_s is not None
        return Vacant(retry_after_s, cursor=lock.modify_index, last_led=office.led)


def _differs(state: State, standing: Held | Behind | Vacant) -> bool:
    """Whether one who stands so has to hear of it; a leader need not hear of its own beats."""
    if state.lock_index != standing.cursor:
        return True
    return isinstance(standing, Behind) and state.beat != standing.beat
