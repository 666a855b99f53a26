"""Who tells others who leads, by other means than the lock: a label on a pod, for a Service."""

from __future__ import annotations

from collections.abc import Mapping

from coordsidecar.hints import Protocol
from coordsidecar.store.protocol import Election

__all__ = ["Announcer", "AnnouncerFactory"]


class Announcer(Protocol):
    """Tells others who leads by other means than the lock: best effort, and never waited for."""

    def announce(self, token: int | None, *, timeout_s: float) -> None:
        """Say that we lead under ``token``, or that we stand by. Raises `StoreError`."""


class AnnouncerFactory(Protocol):
    """Builds the announcer that a URL asks for; None: it asks for none. Talks to nobody yet."""

    def __call__(
        self, url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
    ) -> Announcer | None:
        """Raises `ValueError`, as the `StoreFactory` does."""
