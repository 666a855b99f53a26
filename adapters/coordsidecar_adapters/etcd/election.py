"""etcd's election recipe, over any transport.

Each candidate holds one key, ``<prefix>/<lease id in hex>``, bound to its lease. The key that was
created first leads; the others each wait for the one just before them, so that a change of leader
wakes one of them and not all. This is the recipe of Go's ``concurrency.Election`` and of ``etcdctl
elect <prefix>``, which see and respect our candidates, and we theirs.

Beside it, at ``<prefix>.office`` and without a lease, stands the record that tells an orderly end
from a sudden one (`Office`); programs that know nothing of it do not disturb it. The key's create
revision is the fencing token, unless the record says that it was given out before.

Every request may be repeated: it does nothing the second time, or reads back what the first did.

Who stands behind a leader asks since when its lease was not renewed, which etcd tells; nothing is
written for that. It counts only if it lies between two transactions with the same `Witness`, and so
does the leader's own renewal. A leader that cannot have it so says in the record that its silence
means nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.heir import Heir
from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Election,
    Held,
    Leader,
    Limits,
    Office,
    Renewal,
    Session,
    SessionLostError,
    Standing,
    UnreachableError,
    Vacant,
)
from coordsidecar.value import replace
from coordsidecar_adapters.etcd.keys import ElectionKeys
from coordsidecar_adapters.etcd.lease import Leases, Told, lease_of
from coordsidecar_adapters.etcd.picture import Picture
from coordsidecar_adapters.etcd.snapshot import Snapshot, look
from coordsidecar_adapters.etcd.succession import Succession, appointment, watched
from coordsidecar_adapters.etcd.transport import Transport
from coordsidecar_adapters.etcd.txn import (
    Answer,
    Json,
    b64,
    created_at,
    get,
    put,
    read_answer,
    touch,
    value_is,
)

__all__ = ["EtcdElection"]

# How often to start over when somebody else keeps changing our keys between two requests.
_LOOKS = 4
# How often to renew until it is certain that all others can tell.
_RENEWALS = 2


class EtcdElection:
    """A `Store`: one election in one etcd."""

    def __init__(self, *, calls: Transport, watches: Transport, election: Election) -> None:
        """Two transports, since one thread watches while another calls."""
        self._calls = calls
        self._watches = watches
        self._keys, self._leases, self._seen = ElectionKeys(election), Leases(calls), Picture()

    def open(
        self, *, ttl_s: float, takeover_delay_s: float, record: str, timeout_s: float
    ) -> Session:
        deadline_s = time.monotonic() + timeout_s
        session = self._leases.grant(ttl_s, timeout_s=timeout_s)
        # Now there is time for it.
        self._leases.find_server(timeout_s=(deadline_s - time.monotonic()) / 2)
        return session

    def renew(self, session: Session, *, look: bool, timeout_s: float) -> Renewal:
        if not look:
            return Renewal(self._leases.keep_alive(session, timeout_s=timeout_s).ttl_s)
        deadline_s = time.monotonic() + timeout_s
        for _ in range(_RENEWALS):
            before = self._seen.witness
            kept = self._leases.keep_alive(session, timeout_s=deadline_s - time.monotonic())
            standing = self._standing(session, deadline_s)
            renewal = Renewal(kept.ttl_s, standing, self._seen.order)
            if not isinstance(standing, Held) or not self._seen.is_judged(self._seen.created):
                return renewal
            if kept.witness is not None and before == kept.witness == self._seen.witness:
                return renewal
            # A member may have renewed it that was deposed before; or the connection is new.
            self._leases.find_server(timeout_s=(deadline_s - time.monotonic()) / 2)
        self._take_quiet_out(session, deadline_s)
        return renewal

    def _take_quiet_out(self, session: Session, deadline_s: float) -> None:
        """Others may not see us renew: put into the record that our silence means nothing."""
        limits = self._seen.office.limits
        assert limits is not None
        office = replace(self._seen.office, limits=Limits(limits.ttl_s)).encode()
        name = self._keys.candidate(session)
        answer = self._txn(
            compare=[
                *self._keys.leads(name, self._seen.created),
                value_is(self._keys.office, self._seen.record),
            ],
            success=[put(self._keys.office, office)],
            timeout_s=deadline_s - time.monotonic(),
        )
        if not answer.succeeded:
            raise UnreachableError(
                f"it is not certain which of etcd's members renewed our lease, and "
                f"{self._keys.office} was changed before it could say so"
            )

    def _told(self, deadline_s: float) -> Told | None:
        """Since when was the leader before us not renewed, if anything follows from that?"""
        before, lease = self._seen.witness, self._keys.lease(self._seen.judged)
        if before is None or lease is None:
            return None
        half_s = (deadline_s - time.monotonic()) / 2
        told = self._leases.told(lease, self._seen.judged, timeout_s=half_s)
        return told if told is not None and told.witness == before else None

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
        # Nobody has to be deposed: etcd gives the election away when a lease runs out.
        deadline_s = time.monotonic() + timeout_s
        name = self._keys.candidate(session)
        self._seen.run = run
        seen = self._seen.office
        if run and self._seen.created and seen.led >= floor and not seen.curbs:
            standing = self._succeed(name, record, run, floor, limits, deadline_s)
            if standing != Absent():
                return standing or self.standing(session, timeout_s=deadline_s - time.monotonic())
        reads = self._keys.reads(name, self._seen.created)
        # Before our key is put, the last candidate of all is the one before us.
        last = self._keys.queue("DESCEND")
        half_s = (deadline_s - time.monotonic()) / 2
        if run and (ours := self._leases.judgeable(limits, timeout_s=half_s)) is not None:
            record = Heir(run, ours).described_in(record)
        put = {"key": b64(name), "value": b64(record), "lease": str(lease_of(session))}
        answer = self._txn(
            compare=[created_at(name, 0)],
            success=[last, {"request_put": put}, *reads[1:]],
            failure=reads,
            timeout_s=deadline_s - time.monotonic(),
        )
        if answer.succeeded:
            self._seen.created = answer.revision
        standing = self._seen.judge(answer)
        return standing or self.standing(session, timeout_s=deadline_s - time.monotonic())

    def _succeed(
        self, name: str, record: str, run: str, floor: int, limits: Limits | None, deadline_s: float
    ) -> Standing | None:
        """We were in the queue: take office, if we are first and our predecessor left in order.

        Else say where we stand.
        """
        limits = self._leases.judgeable(limits, timeout_s=(deadline_s - time.monotonic()) / 2)
        seen, lock = self._seen, self._seen.created
        reads = self._keys.reads(name, lock)
        if not seen.office.may_be_succeeded(floor):
            # When it was seen last, its leader had not left.
            standing = seen.judge(self._look(name, deadline_s))
            if not isinstance(standing, Held) or not seen.office.may_be_succeeded(floor):
                return standing
        token, known = seen.office.token_under(lock), seen.record
        ours = seen.office.taken(token, lock=lock, run=run, floor=0, limits=limits, record=record)
        assert ours is not None
        answer = self._txn(
            compare=[*self._keys.leads(name, lock), value_is(self._keys.office, known)],
            success=[put(self._keys.office, ours.encode()), touch(name)],
            failure=reads,
            timeout_s=deadline_s - time.monotonic(),
        )
        if not answer.succeeded:
            return seen.judge(answer)
        seen.took(name, ours)
        return Held(ours.led, clean=True, last_run="", cursor=answer.revision, in_office=True)

    def standing(self, session: Session, *, timeout_s: float) -> Standing:
        return self._standing(session, time.monotonic() + timeout_s)

    def _standing(self, session: Session, deadline_s: float) -> Standing:
        told, name = self._told(deadline_s), self._keys.candidate(session)
        for _ in range(_LOOKS):
            standing = self._seen.judge(self._look(name, deadline_s), told)
            if standing is not None:
                return standing
        raise UnreachableError(f"somebody keeps replacing our key {name}")

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
        name, seen = self._keys.candidate(session), self._seen
        if seen.created == 0:
            self.standing(session, timeout_s=timeout_s)
        limits = self._leases.judgeable(limits, timeout_s=(deadline_s - time.monotonic()) / 2)

        def record_of(office: Office) -> Office | None:
            if office.curbs != curbs:
                return None
            return office.taken(
                token, lock=seen.created, run=run, floor=floor, limits=limits, record=record
            )

        return self._succession().take_office(name, record_of, deadline_s=deadline_s)

    def prepare(self, session: Session, *, timeout_s: float) -> None:
        self._succession().find_heir(
            self._keys.candidate(session), deadline_s=time.monotonic() + timeout_s
        )

    def resign(
        self, session: Session, token: int | None, *, run: str, why: str = "", timeout_s: float
    ) -> None:
        deadline_s = time.monotonic() + timeout_s
        name = self._keys.candidate(session)
        self._succession().resign(name, token, run=run, why=why, deadline_s=deadline_s)

    def _succession(self) -> Succession:
        """Made anew: one that we kept would keep us, and our connections, for a while after our
        end."""
        return Succession(self._keys, self._seen, self._leases, self._txn, self._look)

    def close(self, session: Session, *, timeout_s: float) -> None:
        # That the lease is gone already is as good.
        with suppress(SessionLostError):
            self._leases.revoke(session, timeout_s=timeout_s)

    def watch(
        self, session: Session, standing: Held | Behind | Vacant, *, timeout_s: float
    ) -> bool | Held:
        assert not isinstance(standing, Vacant), "etcd gives an election away at once"
        creates, gather_s = watched(self._keys, self._keys.candidate(session), standing)
        events = self._watches.changed(
            creates, timeout_s=timeout_s, lasts_s=session.ttl_s, gather_s=gather_s
        )
        return events is not None and (appointment(self._keys, self._seen, events) or True)

    def leader(self, *, timeout_s: float) -> Leader | None:
        snapshot = Snapshot(self._calls, deadline_s=time.monotonic() + timeout_s)
        key = snapshot.one(self._keys.queue("ASCEND"))
        record = snapshot.one(get(self._keys.office))
        if key is None:
            return None
        office = Office.decode(None if record is None else record.value)
        return Leader(token=office.leader_token(key.created), record=key.text)

    def _look(self, name: str, deadline_s: float) -> Answer:
        created = self._seen.created
        answer = look(self._calls, self._keys, name, created, deadline_s=deadline_s)
        self._seen.witness = answer.witness
        return answer

    def _txn(
        self,
        *,
        compare: Sequence[Json] = (),
        success: Sequence[Json],
        failure: Sequence[Json] = (),
        timeout_s: float,
    ) -> Answer:
        body = {"compare": list(compare), "success": list(success), "failure": list(failure)}
        raw = self._calls.call("/v3/kv/txn", body, timeout_s=timeout_s)
        answer = read_answer(raw, success=success, failure=failure)
        self._seen.witness = answer.witness
        return answer
