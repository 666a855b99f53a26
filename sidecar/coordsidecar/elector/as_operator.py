"""Our election as an operator finds and orders it: for what the elector does beside its campaign.

Used in threads that nothing waits for. Each time by a connection of its own, which ends with it:
those of the election's own calls are of one thread each.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from coordsidecar.settings.settings import Settings
from coordsidecar.store import registry as stores
from coordsidecar.store.curbs import Curbs
from coordsidecar.store.directory import Board, Directory

__all__ = ["AsOperator"]


class AsOperator:
    """Both raise `StoreError`."""

    def __init__(self, settings: Settings) -> None:
        self._url, self._election = settings.store, settings.election
        self._timeout_s = settings.timing.rpc_timeout_s

    def board(self) -> Board:
        """As `Directory.board`."""
        return self._directory().board(self._election.name, timeout_s=self._timeout_s)

    def curb(self, change: Callable[[Curbs], Curbs]) -> Curbs:
        """As `Directory.curb`."""
        return self._directory().curb(self._election.name, change, timeout_s=self._timeout_s)

    def _directory(self) -> Directory:
        namespace = self._election.namespace
        return stores.directory(self._url, namespace=namespace, environ=os.environ)
