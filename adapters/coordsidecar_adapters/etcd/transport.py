"""A way to etcd, as the recipe needs it."""

from __future__ import annotations

from collections.abc import Sequence

from coordsidecar.hints import Protocol
from coordsidecar_adapters.etcd.txn import Json

__all__ = ["Transport"]


class Transport(Protocol):
    """Requests in the shape of etcd's JSON gateway; errors are already `StoreError`."""

    def call(self, path: str, body: Json, *, timeout_s: float) -> Json:
        """Put a request. A renewal's answer has a header only if a server itself renewed then."""
        ...

    def changed(
        self, creates: Sequence[Json], *, timeout_s: float, lasts_s: float, gather_s: float
    ) -> list[Json] | None:
        """See `EtcdClient.changed`."""
        ...

    def meets_server(self, *, timeout_s: float) -> bool:
        """Whether a server answers, and no proxy that renews leases in its own time."""
        ...
