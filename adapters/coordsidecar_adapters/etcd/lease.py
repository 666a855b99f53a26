"""What etcd says about leases. What it never says is no answer: `UnreachableError`."""

from __future__ import annotations

from coordsidecar.store.protocol import Session, UnreachableError
from coordsidecar_adapters.etcd.txn import Json, number

__all__ = ["lease_number", "lease_of", "lease_ttl_s"]

# The longest that etcd grants, 285 years (its lease.maxLeaseTTL): what claims more is not etcd.
_LONGEST_TTL_S = 9_000_000_000


def lease_of(session: Session) -> int:
    """The id of the session's lease."""
    return int(session.handle, 16)


def lease_ttl_s(answer: Json) -> int:
    """The TTL, in whole seconds, as etcd counts."""
    ttl_s = lease_number(answer, "TTL")
    if ttl_s > _LONGEST_TTL_S:
        raise UnreachableError("what answered about a lease is not etcd: no TTL is so long")
    return ttl_s


def lease_number(answer: Json, field: str) -> int:
    try:
        return number(answer, field)
    except ValueError as e:
        raise UnreachableError(f"what answered about a lease is not etcd: {e}") from e
