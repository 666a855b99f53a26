"""The keys of an election in etcd: a queue of candidates, and the office record beside it."""

from __future__ import annotations

from coordsidecar.store.protocol import Election, Session
from coordsidecar_adapters.etcd.lease import lease_of
from coordsidecar_adapters.etcd.txn import Json, b64, created_at, get, none_older, range_end

__all__ = ["ElectionKeys"]


class ElectionKeys:
    """Their names, and what is asked about them. ``office`` is outside of the candidates' range."""

    def __init__(self, election: Election) -> None:
        self._queue = f"{election.prefix}/"
        self.office = f"{election.prefix}.office"

    def candidate(self, session: Session) -> str:
        return f"{self._queue}{lease_of(session):x}"

    def lease(self, name: str) -> int | None:
        """The lease of the candidate whose key that is; None: no candidate of ours names it so."""
        try:
            lease = int(name.removeprefix(self._queue), 16)
        except ValueError:
            return None
        return lease if 0 < lease < 2**63 and name == f"{self._queue}{lease:x}" else None

    def queue(self, order: str, *, limit: int = 1, **bounds: int) -> Json:
        """Ask for the candidates that were created first, or (``DESCEND``) last; 0: for all.

        ``bounds``: on when they were created, as etcd names them.
        """
        asked: Json = {
            "key": b64(self._queue),
            "range_end": range_end(self._queue),
            "limit": str(limit),
            "sort_target": "CREATE",
            "sort_order": order,
        }
        return {"request_range": asked | {name: str(bound) for name, bound in bounds.items()}}

    def ahead_of(self, created: int) -> Json:
        """Ask for the candidate that stands next before the key that was created then."""
        return self.queue("DESCEND", max_create_revision=created - 1)

    def reads(self, name: str, created: int) -> list[Json]:
        """Ask for the key before ours, ours, the first, and the office record.

        ``created``: when ours was, as far as we know. If that is wrong, so is the key before it.
        """
        return [self.ahead_of(created), get(name), self.queue("ASCEND"), get(self.office)]

    def with_next(self, name: str, created: int) -> list[Json]:
        """The same, and ask for the candidate that stands next behind us."""
        behind = self.queue("ASCEND", min_create_revision=created + 1)
        return [*self.reads(name, created), behind]

    def leads(self, name: str, created: int) -> list[Json]:
        """Compare: ours is still the key that was created then, and the first in the queue."""
        return [created_at(name, created), none_older(self._queue, created)]
