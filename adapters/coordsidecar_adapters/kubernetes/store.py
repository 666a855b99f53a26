"""Elections by a Lease of Kubernetes (``kubernetes:``), as client-go and all controllers hold them.

A Lease has no sessions, and nothing ends one that is not renewed: whoever wants it watches it, and
takes it once nobody has written it for its duration. That is leadership by sight, and each renewal
is a beat. The fencing token is the version of the object that the acquiring write made
(resourceVersion): etcd's revision, so it only ever grows, unless etcd is restored from a backup;
then the office record counts. (leaseTransitions is no token: it stands still when the same holder
takes it again.) All writes compare the version that they replace. A candidate has no queue to stand
in: of those who watch, the first to write gets it.
"""

from __future__ import annotations

import json
import os
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
    RefusedError,
    Renewal,
    Session,
    Standing,
    Store,
    UnreachableError,
    Vacant,
)
from coordsidecar.value import replace
from coordsidecar_adapters.http_connection import tls_side
from coordsidecar_adapters.kubernetes import lease as leases
from coordsidecar_adapters.kubernetes.client import KubernetesClient
from coordsidecar_adapters.kubernetes.lease import NO_LEASE, Lease
from coordsidecar_adapters.kubernetes.settings import KUBERNETES, KubernetesSettings
from coordsidecar_adapters.kubernetes.watcher import Watcher

__all__ = ["KubernetesStore", "connect"]

_TRIES = 3
_LOST_RACE_RETRY_S = 0.05
_LONGEST_NAME = 100


def connect(url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
    """Build a store for ``kubernetes:[NAMESPACE][?kubeconfig=FILE]``; no I/O but to read files."""
    settings = KubernetesSettings.read(url, election, environ)
    tls = tls_side(settings.access.tls, KUBERNETES)
    clients = (KubernetesClient(settings, tls=tls) for _ in range(2))
    return KubernetesStore(*clients, name=settings.name)


class KubernetesStore(NothingToPrepare):
    """One Lease; a session's handle is the identity under which it is held."""

    def __init__(self, calls: KubernetesClient, watches: KubernetesClient, *, name: str) -> None:
        """Two clients, since one thread watches while another calls."""
        self._client = calls
        self._watcher = Watcher(watches)
        self._name = name
        # As last found. A guess, which saves a request: only what is still so is written over.
        self._known: Lease | None = None
        # The holder and version by which we acquired it last: that stands in it only from the first
        # renewal on, and somebody may write it before.
        self._acquired = ("", 0)
        # The holder and version under which we took office, and the token: whoever writes into the
        # record cannot change what it is, as long as the Lease has both.
        self._term = ("", 0, 0)

    def open(
        self, *, ttl_s: float, takeover_delay_s: float, record: str, timeout_s: float
    ) -> Session:
        # Of what cannot be had one hears now: no such namespace, no such name, no such right.
        self._found(time.monotonic() + timeout_s)
        return Session(handle=_identity(record), ttl_s=ttl_s)

    def renew(self, session: Session, *, look: bool, timeout_s: float) -> Renewal:
        standing = self._renewed(session, time.monotonic() + timeout_s)
        order = self._known.order if self._known else None
        return Renewal(session.ttl_s, standing if look else None, order)

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
        # To be sure that it is held takes a read; that it is free, a write will tell.
        seen = self._watcher.last
        is_free = seen is not None and seen.version and not seen.holder
        guess = seen if is_free and depose is None else None
        for _ in range(_TRIES):
            lease, guess = guess or self._found(deadline_s), None
            if lease.holder == session.handle and lease.lock:
                break
            if lease.holder not in ("", session.handle) and lease.beat != depose:
                break
            # A term that did not end in order is followed by no office in the same write.
            run = run if lease.may_be_succeeded(floor) else ""
            won = self._acquire(lease, session, record, run, limits, deadline_s)
            if won is not None:
                return self._won(session, won, run)
        if lease.holder:
            return self._standing(session, lease)
        return Vacant(_LOST_RACE_RETRY_S, cursor=lease.version, last_led=lease.office.led)

    def standing(self, session: Session, *, timeout_s: float) -> Standing:
        return self._standing(session, self._read(time.monotonic() + timeout_s))

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
        lease = self._held_by(session) or self._read(deadline_s)
        for _ in range(_TRIES):
            if lease.holder != session.handle or not lease.lock or lease.office.curbs != curbs:
                return None
            office = lease.office.taken(
                token, lock=lease.lock, run=run, floor=floor, limits=limits, record=record
            )
            if office is None:
                return None
            written = self._write(lease, leases.in_office(lease, office, session.ttl_s), deadline_s)
            if written is not None:
                self._term = (session.handle, lease.lock, office.led)
                return office.led
            lease = self._read(deadline_s)
        raise self._kept_changing("we took office")

    def resign(
        self, session: Session, token: int | None, *, run: str, why: str = "", timeout_s: float
    ) -> None:
        deadline_s = time.monotonic() + timeout_s
        known, self._known = self._held_by(session), None
        for _ in range(_TRIES):
            lease, known = known or self._read(deadline_s), None
            ours = lease.holder == session.handle
            office = lease.office.resigned(token, run=run, why=why)
            if not ours and office == lease.office:
                return
            if self._write(lease, leases.release(lease, office, ours=ours), deadline_s) is not None:
                self._known = None
                return
        raise self._kept_changing("we resigned")

    def close(self, session: Session, *, timeout_s: float) -> None:
        """End nothing: of a session there is only what `resign` gives up."""

    def watch(
        self, session: Session, standing: Held | Behind | Vacant, *, timeout_s: float
    ) -> bool:
        deadline_s = time.monotonic() + timeout_s

        def differs(lease: Lease) -> bool:
            if isinstance(standing, Held):  # A leader need not hear of its own beats.
                return (lease.holder, lease.lock) != (session.handle, standing.cursor)
            return lease.version != standing.cursor

        known = self._known if isinstance(standing, Held) else None
        since = known.version if known else standing.cursor
        return self._watcher.changed(differs, since=since, deadline_s=deadline_s)

    def leader(self, *, timeout_s: float) -> Leader | None:
        lease = self._read(time.monotonic() + timeout_s)
        return Leader(token=lease.leader_token, record=lease.leader) if lease.holder else None

    def _renewed(self, session: Session, deadline_s: float) -> Standing:
        """How we stand, having written the Lease, if it is ours."""
        lease = self._held_by(session) or self._read(deadline_s)
        for _ in range(_TRIES):
            if lease.holder != session.handle or not lease.lock:
                return self._standing(session, lease)
            written = self._write(lease, leases.renewal(lease, session.ttl_s), deadline_s)
            if written is not None:
                return self._standing(session, written)
            lease = self._read(deadline_s)
        raise self._kept_changing("we renewed")

    def _read(self, deadline_s: float) -> Lease:
        found = self._client.get(deadline_s)
        self._known = NO_LEASE if found is None else self._told(found)
        return self._known

    def _found(self, deadline_s: float) -> Lease:
        """As `_read`, and there is one: if there was none, it is made, and nobody holds it yet."""
        for _ in range(_TRIES):
            lease = self._read(deadline_s)
            if lease.version:
                return lease
            made = self._client.create(leases.unheld(), deadline_s)
            if made is not None:
                return Lease.read(made)
        raise self._kept_changing("we looked for it")

    def _acquire(
        self,
        lease: Lease,
        session: Session,
        record: str,
        run: str,
        limits: Limits | None,
        deadline_s: float,
    ) -> Lease | None:
        """Take it from how it was in ``lease``; None: it no longer is so."""
        taken = leases.acquisition(
            lease, session.handle, record, session.ttl_s, run=run, limits=limits
        )
        self._acquired = ("", 0)
        won = self._write(lease, taken, deadline_s)
        if won is None:
            return None
        if (won.holder, won.lock) != (session.handle, won.version):
            raise RefusedError(
                f"Kubernetes: what we write into Lease {self._name} is not what comes of it; is "
                "there an admission webhook that matches Leases?"
            )
        self._acquired = (won.holder, won.version)
        return won

    def _write(self, lease: Lease, patch: leases.Json, deadline_s: float) -> Lease | None:
        """Change it from how it was in ``lease``; None: it no longer is so."""
        self._known = None  # If no answer comes, nothing is known of it.
        answer = self._client.patch(patch, deadline_s)
        if answer is None:
            return None
        written = self._told(answer)
        if written.version <= lease.version:
            raise UnreachableError("Kubernetes answered to an earlier write, not to ours")
        self._known = written
        return written

    def _told(self, found: leases.Json) -> Lease:
        lease, (holder, version) = Lease.read(found), self._acquired
        is_ours = lease.holder == holder and not lease.lock_written
        return lease.acquired_by(version) if is_ours else lease

    def _held_by(self, session: Session) -> Lease | None:
        """The Lease as we last found it, if ``session`` held it then."""
        return self._known if self._known and self._known.holder == session.handle else None

    def _kept_changing(self, meanwhile: str) -> UnreachableError:
        return UnreachableError(f"Kubernetes: Lease {self._name} kept changing while {meanwhile}")

    def _won(self, session: Session, lease: Lease, run: str) -> Standing:
        """How we stand, having taken the Lease, and with a ``run`` office as well."""
        standing = self._standing(session, lease)
        if not run or not isinstance(standing, Held) or lease.office.led != standing.token:
            return standing
        self._term = (session.handle, standing.cursor, standing.token)
        return replace(standing, in_office=True)

    def _standing(self, session: Session, lease: Lease) -> Standing:
        if not lease.holder:
            return Absent()
        if lease.holder != session.handle:
            return Behind(
                *(lease.leader, lease.leader_token, self._name),
                cursor=lease.version,
                in_office=lease.in_office,
                limits=lease.limits,
                beat=lease.beat,
                curbs=lease.office.curbs,
            )
        if not lease.lock:
            # Our name, put there by somebody who does not say since when.
            return Absent()
        self._known = lease
        *term, token = self._term
        if term != [lease.holder, lease.lock]:
            token = lease.office.token_under(lease.lock)
        # What the last leader wrote last, as far as anybody knew, is what we replaced.
        return replace(lease.office.held(token, cursor=lease.lock), beat=lease.replaced or None)


def _identity(record: str) -> str:
    """Unique for each session, and telling: ``kubectl get lease`` shows it."""
    name = str(json.loads(record).get("id", "coordsidecar"))
    return f"{name[:_LONGEST_NAME]}_{os.urandom(8).hex()}"
