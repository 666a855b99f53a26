"""The roster of an election in etcd: a key for each instance, bound to its lease, so that it goes
with it.

It is not the candidate's own key: that one is what others watch, and what is compared when office
passes on; to write into it would wake and disturb them.
"""

from __future__ import annotations

from collections.abc import Mapping

from coordsidecar.store.protocol import Election, Session
from coordsidecar.store.roster import ROSTER, Roster, is_entry
from coordsidecar_adapters.etcd.client import EtcdClient
from coordsidecar_adapters.etcd.lease import lease_of
from coordsidecar_adapters.etcd.snapshot import Snapshot
from coordsidecar_adapters.etcd.txn import Json, b64, range_end
from coordsidecar_adapters.etcd.url import parse

__all__ = ["EtcdRoster", "by_gateway", "by_grpc", "entries"]


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
    below = _below(election)
    asked: Json = {"key": b64(below), "range_end": range_end(below)}
    found = snapshot.read({"request_range": asked})
    queue = f"{election.prefix}/"
    return {queue + key.name.removeprefix(below): key.text for key in found if is_entry(key.value)}


def _below(election: Election) -> str:
    return f"{election.namespace}/{ROSTER}/{election.name}/"


class EtcdRoster:
    """A `Roster`."""

    def __init__(self, calls: EtcdClient, election: Election) -> None:
        self._calls = calls
        self._below = _below(election)

    def tell(self, session: Session, entry: str, *, timeout_s: float) -> None:
        """Whatever the lease's end left, etcd has removed."""
        lease = lease_of(session)
        put: Json = {
            "key": b64(f"{self._below}{lease:x}"),
            "value": b64(entry),
            "lease": str(lease),
        }
        body: Json = {"compare": [], "success": [{"request_put": put}], "failure": []}
        try:
            self._calls.call("/v3/kv/txn", body, timeout_s=timeout_s)
        finally:
            self._calls.close()  # The next change may be days away.
