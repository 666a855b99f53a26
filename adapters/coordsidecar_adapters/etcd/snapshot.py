"""Reads of one instant, each a request of its own.

One transaction could do them all. But etcd before 3.5.7 ends, and all that it serves with it, if
the client of a transaction that only reads hangs up in the wrong moment (its issues 14110 and
14891), and we hang up whenever we have waited long enough, or are killed. So the first read decides
the revision, and those that follow ask for what was so then.
"""

from __future__ import annotations

import time

from coordsidecar_adapters.etcd.keys import ElectionKeys
from coordsidecar_adapters.etcd.transport import Transport
from coordsidecar_adapters.etcd.txn import Answer, Json, Key, Witness, get, read_range

__all__ = ["Snapshot", "look"]


class Snapshot:
    """``revision``: of the first read, and so of all. ``witness``: of all of them; None: they had
    not the same."""

    def __init__(self, calls: Transport, *, deadline_s: float) -> None:
        self._calls = calls
        self._deadline_s = deadline_s
        self.revision = 0
        self.witness: Witness | None = None

    def read(self, asked: Json) -> list[Key]:
        """The keys that the operation ``asked`` finds, a read as in a transaction. It is
        linearizable. Raises `StoreError`."""
        body: Json = asked["request_range"]
        if is_first := self.revision == 0:
            at: Json = {}
        else:
            at = {"revision": str(self.revision)}
        left_s = self._deadline_s - time.monotonic()
        found = read_range(self._calls.call("/v3/kv/range", body | at, timeout_s=left_s))
        if is_first:
            self.revision, self.witness = found.revision, found.witness
        elif found.witness != self.witness:
            self.witness = None
        return found.keys

    def one(self, asked: Json) -> Key | None:
        """The first key that it finds."""
        return next(iter(self.read(asked)), None)


def look(
    calls: Transport, keys: ElectionKeys, name: str, created: int, *, deadline_s: float
) -> Answer:
    """Where the candidate ``name`` stands: what `ElectionKeys.reads` asks for, and, if it leads,
    the candidate that stands next behind it.

    ``created``: when its key was, as far as we know. If that is wrong, so may be the key before it.
    Who leads, and who is next, need two requests; the others three.
    """
    snapshot = Snapshot(calls, deadline_s=deadline_s)
    ahead: Key | None
    ours: Key | None
    heir: Key | None = None
    first, second = _two(snapshot.read(keys.queue("ASCEND", limit=2)))
    if first is not None and first.name == name:
        ahead, ours, heir = None, first, second
    elif second is not None and second.name == name:
        ahead, ours = first, second
    else:
        ours, ahead = _two(
            snapshot.read(keys.queue("DESCEND", limit=2, max_create_revision=created))
        )
        if ours is None or ours.name != name:
            ours, ahead = snapshot.one(get(name)), None
    record = snapshot.one(get(keys.office))
    found = [ahead, ours, first, record, heir]
    return Answer(succeeded=True, keys=found, revision=snapshot.revision, witness=snapshot.witness)


def _two(found: list[Key]) -> tuple[Key | None, Key | None]:
    first, second, *_ = *found, None, None
    return first, second
