"""Leases: what is asked about them, and what etcd says to that.

What it never says is no answer: `UnreachableError`.
"""

from __future__ import annotations

import math
from contextlib import suppress

from coordsidecar.store.protocol import (
    Limits,
    RefusedError,
    Session,
    SessionLostError,
    StoreError,
    UnreachableError,
)
from coordsidecar.value import Value
from coordsidecar_adapters.etcd.transport import Transport
from coordsidecar_adapters.etcd.txn import Json, Witness, number, witness_of

__all__ = ["Kept", "Leases", "Told", "lease_of"]

# The longest that etcd grants, 285 years (its lease.maxLeaseTTL): what claims more is not etcd.
_LONGEST_TTL_S = 9_000_000_000
# How often not to ask again what was refused; a TTL or so.
_SKIPS = 6


class Kept(Value):
    """A lease was renewed, by that witness."""

    ttl_s: float
    witness: Witness | None


class Told(Value):
    """The lease on which ``key`` hangs had not been renewed for ``quiet_s``, or longer."""

    key: str
    quiet_s: float
    witness: Witness | None


class Leases:
    """Requests about leases."""

    def __init__(self, calls: Transport) -> None:
        self._calls = calls
        # Of this one we were refused to be told: to ask each time would only take time.
        self._untold = self._skips = 0
        # Whether a server answers us, and no proxy; None: we have had no answer to that.
        self._meets_server: bool | None = None

    def grant(self, ttl_s: float, *, timeout_s: float) -> Session:
        """Grant a lease. etcd counts whole seconds: the TTL is rounded up."""
        asked_s = math.ceil(ttl_s)
        answer = self._calls.call("/v3/lease/grant", {"TTL": str(asked_s)}, timeout_s=timeout_s)
        lease, granted_s = _number(answer, "ID"), _ttl_s(answer)
        if lease <= 0:
            # Lease 0 would mean "no lease": a key that never goes away.
            raise UnreachableError("etcd answered, but granted no lease")
        if granted_s < asked_s:
            raise RefusedError(
                f"etcd granted a TTL of {granted_s}s where {asked_s}s were asked for; "
                f"use --ttl {granted_s}s"
            )
        return Session(handle=f"{lease:x}", ttl_s=float(granted_s))

    def find_server(self, *, timeout_s: float) -> None:
        """Find out whether a server answers us; if that is not to be had, it stays open."""
        self._meets_server = None
        with suppress(StoreError):
            self._meets_server = self._calls.meets_server(timeout_s=timeout_s)

    def judgeable(self, limits: Limits | None, *, timeout_s: float) -> Limits | None:
        """What of ``limits`` holds: through a proxy, others do not see when we renew."""
        if limits is None or limits.quiet_s is None:
            return limits
        if self._meets_server is None:
            self.find_server(timeout_s=timeout_s)
        return limits if self._meets_server else Limits(limits.ttl_s)

    def keep_alive(self, session: Session, *, timeout_s: float) -> Kept:
        """Renew the session's lease. It asks for no right to any key, and says nothing of ours."""
        body = {"ID": str(lease_of(session))}
        answer = self._calls.call("/v3/lease/keepalive", body, timeout_s=timeout_s)
        if answer.get("ID") != body["ID"]:
            raise UnreachableError("what answered the renewal is not etcd, or not about our lease")
        ttl_s = _ttl_s(answer)
        if ttl_s <= 0:
            raise SessionLostError(f"etcd's lease {session.handle} has expired or was revoked")
        return Kept(float(ttl_s), witness_of(answer))

    def told(self, lease: int, key: str, *, timeout_s: float) -> Told | None:
        """Ask since when ``lease``, on which ``key`` hangs, was not renewed. Changes nothing.

        None: there is no telling, for whatever reason.
        """
        if lease == self._untold and self._skips > 0:
            self._skips -= 1
            return None
        body = {"ID": str(lease)}
        try:
            answer = self._calls.call("/v3/lease/timetolive", body, timeout_s=timeout_s)
            left_s, granted_s = _ttl_s(answer), _number(answer, "grantedTTL")
        except RefusedError:
            # A right is missing, or the server does not know the call.
            self._untold, self._skips = lease, _SKIPS
            return None
        except StoreError:
            return None
        if answer.get("ID") != body["ID"] or left_s < 0:
            return None  # Of a lease that is gone, -1 s are left.
        # What is left is told in whole seconds, rounded down.
        return Told(key, max(float(granted_s - left_s - 1), 0.0), witness_of(answer))

    def revoke(self, session: Session, *, timeout_s: float) -> None:
        body = {"ID": str(lease_of(session))}
        self._calls.call("/v3/lease/revoke", body, timeout_s=timeout_s)


def lease_of(session: Session) -> int:
    """The id of the session's lease."""
    return int(session.handle, 16)


def _ttl_s(answer: Json) -> int:
    """The TTL, in whole seconds, as etcd counts."""
    ttl_s = _number(answer, "TTL")
    if ttl_s > _LONGEST_TTL_S:
        raise UnreachableError("what answered about a lease is not etcd: no TTL is so long")
    return ttl_s


def _number(answer: Json, field: str) -> int:
    try:
        return number(answer, field)
    except ValueError as e:
        raise UnreachableError(f"what answered about a lease is not etcd: {e}") from e
