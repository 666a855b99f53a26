"""etcd's election recipe, over any transport.

Each candidate holds one key, ``<prefix>/<lease id in hex>``, bound to its lease. The key that was
created first leads; the others each wait for the one just before them, so that a change of leader
wakes one of them and not all. This is the recipe of Go's ``concurrency.Election`` and of ``etcdctl
elect <prefix>``, which see and respect our candidates, and we theirs.

Beside it, at ``<prefix>.office`` and without a lease, stands the record that tells an orderly end
from a sudden one (`Office`); programs that know nothing of it do not disturb it. The key's create
revision is the fencing token, unless the record says that it was given out before.

Every request may be repeated: it does nothing the second time, or reads back what the first did.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress

from coordsidecar.hints import Protocol
from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Election,
    Held,
    Leader,
    Limits,
    Office,
    RefusedError,
    Renewal,
    Session,
    SessionLostError,
    Standing,
    UnreachableError,
    Vacant,
)
from coordsidecar_adapters.etcd.keys import ElectionKeys
from coordsidecar_adapters.etcd.lease import lease_number, lease_of, lease_ttl_s
from coordsidecar_adapters.etcd.picture import Picture
from coordsidecar_adapters.etcd.txn import (
    Answer,
    Json,
    b64,
    created_at,
    get,
    put,
    read_answer,
    value_is,
)

__all__ = ["EtcdElection", "Transport"]

# How often to start over when somebody else keeps changing our keys between two requests.
_LOOKS = 4


class Transport(Protocol):
    """Requests in the shape of etcd's JSON gateway; errors are already `StoreError`."""

    def call(self, path: str, body: Json, *, timeout_s: float) -> Json: ...

    def changed(self, creates: Sequence[Json], *, timeout_s: float) -> bool: ...


class EtcdElection:
    """A `Store`: one election in one etcd."""

    def __init__(self, *, calls: Transport, watches: Transport, election: Election) -> None:
        """Two transports, since one thread watches while another calls."""
        self._calls = calls
        self._watches = watches
        self._keys = ElectionKeys(election)
        self._seen = Picture()

    def open(
        self, *, ttl_s: float, takeover_delay_s: float, record: str, timeout_s: float
    ) -> Session:
        """Grant a lease. etcd counts whole seconds: the TTL is rounded up."""
        asked_s = math.ceil(ttl_s)
        answer = self._calls.call("/v3/lease/grant", {"TTL": str(asked_s)}, timeout_s=timeout_s)
        lease, granted_s = lease_number(answer, "ID"), lease_ttl_s(answer)
        if lease <= 0:
            # Lease 0 would mean "no lease": a key that never goes away.
            raise UnreachableError("etcd answered, but granted no lease")
        if granted_s < asked_s:
            raise RefusedError(
                f"etcd granted a TTL of {granted_s}s where {asked_s}s were asked for; "
                f"use --ttl {granted_s}s"
            )
        return Session(handle=f"{lease:x}", ttl_s=float(granted_s))

    def renew(self, session: Session, *, look: bool, timeout_s: float) -> Renewal:
        deadline_s = time.monotonic() + timeout_s
        body = {"ID": str(lease_of(session))}
        answer = self._calls.call("/v3/lease/keepalive", body, timeout_s=timeout_s)
        if answer.get("ID") != body["ID"]:
            raise UnreachableError("what answered the renewal is not etcd, or not about our lease")
        ttl_s = lease_ttl_s(answer)
        if ttl_s <= 0:
            raise SessionLostError(f"etcd's lease {session.handle} has expired or was revoked")
        # The keepalive asks for no right to any key, and says nothing of ours.
        left_s = deadline_s - time.monotonic()
        standing = self.standing(session, timeout_s=left_s) if look else None
        return Renewal(float(ttl_s), standing)

    def campaign(
        self,
        session: Session,
        *,
        record: str,
        run: str = "",
        floor: int = 0,
        limits: Limits | None = None,
        timeout_s: float,
    ) -> Standing:
        deadline_s = time.monotonic() + timeout_s
        name = self._keys.candidate(session)
        if run and self._seen.created and self._seen.office.led >= floor:
            standing = self._succeed(name, run, limits, timeout_s=timeout_s)
            if standing != Absent():
                return standing or self.standing(session, timeout_s=deadline_s - time.monotonic())
        reads = self._keys.reads(name, self._seen.created)
        # Before our key is put, the last candidate of all is the one before us.
        last = {"request_range": self._keys.first_of("DESCEND")}
        put = {"key": b64(name), "value": b64(record), "lease": str(lease_of(session))}
        answer = self._txn(
            compare=[created_at(name, 0)],
            success=[last, {"request_put": put}, *reads[1:]],
            failure=reads,
            timeout_s=timeout_s,
        )
        if answer.succeeded:
            self._seen.created = answer.revision
        standing = self._seen.judge(answer)
        return standing or self.standing(session, timeout_s=deadline_s - time.monotonic())

    def _succeed(
        self, name: str, run: str, limits: Limits | None, *, timeout_s: float
    ) -> Standing | None:
        """We were in the queue: take office, if we are first and our predecessor left in order.

        How the office record looks then is known beforehand. Else say where we stand.
        """
        last = self._seen.office.resigned(self._seen.office.led, run=self._seen.office.run)
        released, token = last.encode().encode(), last.token_under(self._seen.created)
        ours = last.taken(token, lock=self._seen.created, run=run, floor=0, limits=limits)
        assert ours is not None
        answer = self._txn(
            compare=[
                *self._keys.leads(name, self._seen.created),
                value_is(self._keys.office, None if self._seen.record is None else released),
            ],
            success=[put(self._keys.office, ours.encode())],
            failure=self._keys.reads(name, self._seen.created),
            timeout_s=timeout_s,
        )
        if not answer.succeeded:
            return self._seen.judge(answer)
        self._seen.took(name, ours)
        return Held(ours.led, clean=True, last_run="", cursor=answer.revision, in_office=True)

    def standing(self, session: Session, *, timeout_s: float) -> Standing:
        deadline_s = time.monotonic() + timeout_s
        for _ in range(_LOOKS):
            left_s = deadline_s - time.monotonic()
            reads = self._keys.reads(self._keys.candidate(session), self._seen.created)
            standing = self._seen.judge(self._txn(success=reads, timeout_s=left_s))
            if standing is not None:
                return standing
        raise UnreachableError(f"somebody keeps replacing our key {self._keys.candidate(session)}")

    def take_office(
        self,
        session: Session,
        token: int,
        *,
        run: str,
        floor: int = 0,
        limits: Limits | None = None,
        timeout_s: float,
    ) -> int | None:
        deadline_s = time.monotonic() + timeout_s
        name = self._keys.candidate(session)
        if self._seen.created == 0:
            self.standing(session, timeout_s=timeout_s)
        # The record as we last saw it will do: while we hold the election, nobody else changes in
        # it more than how the one before us left.
        office = self._seen.office.taken(
            token, lock=self._seen.created, run=run, floor=floor, limits=limits
        )
        if office is None or self._seen.created == 0:
            return None
        answer = self._txn(
            compare=self._keys.leads(name, self._seen.created),
            success=[put(self._keys.office, office.encode())],
            timeout_s=deadline_s - time.monotonic(),
        )
        if not answer.succeeded:
            return None
        self._seen.took(name, office)
        return office.led

    def resign(self, session: Session, token: int | None, *, run: str, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        name = self._keys.candidate(session)
        give_up: Json = {"request_delete_range": {"key": b64(name)}}
        if token is None:
            self._txn(success=[give_up], timeout_s=timeout_s)
            return
        for _ in range(_LOOKS):
            office = self._seen.office
            released = office.resigned(token, run=run)
            change = [give_up] if self._seen.token(name) == token else []
            if released != office:
                change.append(put(self._keys.office, released.encode()))
            compare = [
                created_at(name, self._seen.created),
                value_is(self._keys.office, self._seen.record),
            ]
            reads = [get(name), get(self._keys.office)]
            left_s = deadline_s - time.monotonic()
            answer = self._txn(compare=compare, success=change, failure=reads, timeout_s=left_s)
            if answer.succeeded:
                return
            key, record = answer.keys
            self._seen.created = 0 if key is None else key.created
            self._seen.record = None if record is None else record.value
        raise UnreachableError(f"somebody keeps changing {self._keys.office}")

    def close(self, session: Session, *, timeout_s: float) -> None:
        # That the lease is gone already is as good.
        with suppress(SessionLostError):
            body = {"ID": str(lease_of(session))}
            self._calls.call("/v3/lease/revoke", body, timeout_s=timeout_s)

    def watch(
        self, session: Session, standing: Held | Behind | Vacant, *, timeout_s: float
    ) -> bool:
        assert not isinstance(standing, Vacant), "etcd gives an election away at once"
        gone = [self._keys.candidate(session)]
        if isinstance(standing, Behind):
            gone.append(standing.ahead)
        # Only deletions matter: what its owner writes into a key changes no standing.
        start = {"start_revision": str(standing.cursor + 1), "filters": ["NOPUT"]}
        creates: list[Json] = [{"key": b64(name)} | start for name in gone]
        return self._watches.changed(creates, timeout_s=timeout_s)

    def leader(self, *, timeout_s: float) -> Leader | None:
        reads = [{"request_range": self._keys.first_of("ASCEND")}, get(self._keys.office)]
        key, record = self._txn(success=reads, timeout_s=timeout_s).keys
        if key is None:
            return None
        office = Office.decode(None if record is None else record.value)
        return Leader(token=office.leader_token(key.created), record=key.text)

    def _txn(
        self,
        *,
        compare: Sequence[Json] = (),
        success: Sequence[Json],
        failure: Sequence[Json] = (),
        timeout_s: float,
    ) -> Answer:
        body = {"compare": list(compare), "success": list(success), "failure": list(failure)}
        answer = self._calls.call("/v3/kv/txn", body, timeout_s=timeout_s)
        return read_answer(answer, success=success, failure=failure)
