"""The roster of an election in etcd: a key for each instance, named as its candidate's key.

It counts only while there is that candidate, and others remove what is left without one
(`Tidying`). It is not on the candidate's lease: since 3.5.28 etcd lets nobody keep a lease alive
who may not write all that hangs on it, so that to lose the right to this key would be to lose the
lead. Nor is it the candidate's own key: that one is what others watch, and what is compared when
office passes on; to write into it would wake and disturb them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from coordsidecar.store.protocol import (
    Election,
    RefusedError,
    Session,
    SessionLostError,
    StoreError,
)
from coordsidecar.store.roster import ROSTER, Roster, Tidying, is_entry
from coordsidecar_adapters.etcd.client import EtcdClient
from coordsidecar_adapters.etcd.errors import is_denied
from coordsidecar_adapters.etcd.lease import lease_of
from coordsidecar_adapters.etcd.snapshot import Snapshot
from coordsidecar_adapters.etcd.txn import (
    Json,
    b64,
    created_at,
    put,
    range_end,
    read_answer,
)
from coordsidecar_adapters.etcd.url import parse

__all__ = ["EtcdRoster", "below", "by_gateway", "by_grpc", "entries"]

# etcd's own limit of the operations of a transaction is 128.
_MOST_AT_ONCE = 60


def by_gateway(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Roster | None:
    """For ``etcd://`` and ``etcds://`` URLs."""
    from coordsidecar_adapters.etcd.gateway import clients

    settings = parse(url, environ=environ)
    return EtcdRoster(clients(settings)(settings.endpoints), election)


def by_grpc(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Roster | None:
    """For ``etcd+grpc://`` and ``etcds+grpc://`` URLs."""
    from coordsidecar_adapters.etcd.grpc import clients

    settings = parse(url, environ=environ)
    return EtcdRoster(clients(settings)(settings.endpoints), election)


def entries(snapshot: Snapshot, election: Election) -> dict[str, str]:
    """What each instance says of itself, by the name of its candidate's key. Raises `StoreError`:
    `RefusedError` where we may not see it."""
    prefix = below(election)
    asked: Json = {"key": b64(prefix), "range_end": range_end(prefix)}
    found = snapshot.read({"request_range": asked})
    queue = f"{election.prefix}/"
    return {queue + key.name.removeprefix(prefix): key.text for key in found if is_entry(key.value)}


def below(election: Election) -> str:
    """What all its keys begin with."""
    return f"{election.namespace}/{ROSTER}/{election.name}/"


class EtcdRoster:
    """A `Roster`."""

    def __init__(self, calls: EtcdClient, election: Election) -> None:
        self._calls = calls
        self._below, self._queue = below(election), f"{election.prefix}/"
        self._tidying = Tidying()

    def tell(self, session: Session | None, entry: str, *, timeout_s: float) -> None:
        if session is None:
            return
        deadline_s = time.monotonic() + timeout_s
        name = f"{lease_of(session):x}"
        try:
            if not self._change(
                [_exists(self._queue + name)], [put(self._below + name, entry)], deadline_s
            ):
                raise SessionLostError(f"etcd: there is no {self._queue}{name} any more")
            # If it fails, whoever comes next tidies up.
            if self._tidying.is_due(name):
                with suppress(StoreError):
                    self._remove_what_the_dead_left(deadline_s)
        finally:
            self._calls.close()  # The next change may be days away.

    def _remove_what_the_dead_left(self, deadline_s: float) -> None:
        snapshot = Snapshot(self._calls, deadline_s=deadline_s)
        said, standing = (
            {key.name.removeprefix(prefix) for key in snapshot.read(_names(prefix))}
            for prefix in (self._below, self._queue)
        )
        # No lease comes twice; and who is a candidate again under the same one says so again.
        if left := sorted(said - standing)[:_MOST_AT_ONCE]:
            gone = [created_at(self._queue + name, 0) for name in left]
            change = [{"request_delete_range": {"key": b64(self._below + name)}} for name in left]
            self._change(gone, change, deadline_s)

    def _change(self, compare: list[Json], change: list[Json], deadline_s: float) -> bool:
        body: Json = {"compare": compare, "success": change, "failure": []}
        left_s = deadline_s - time.monotonic()
        try:
            answer = self._calls.call("/v3/kv/txn", body, timeout_s=left_s)
        except RefusedError as error:
            if is_denied(error):
                raise RefusedError(
                    f"etcd: permission denied; grant its role readwrite on the prefix "
                    f"{self._below} (docs/stores.md)"
                ) from error
            raise
        return read_answer(answer, success=change, failure=[]).succeeded


def _exists(name: str) -> Json:
    """Compare: there is such a key."""
    return {"key": b64(name), "target": "CREATE", "result": "GREATER", "create_revision": "0"}


def _names(prefix: str) -> Json:
    asked = {"key": b64(prefix), "range_end": range_end(prefix), "keys_only": True}
    return {"request_range": asked}
