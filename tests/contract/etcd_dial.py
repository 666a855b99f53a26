"""Stores for etcd, by either of the two transports."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import pytest

from coordsidecar.store.protocol import Election, Store, StoreFactory

__all__ = ["Dialer", "on_both_transports"]


@dataclass(frozen=True)
class Dialer:
    """Builds stores from what follows ``etcd://`` or ``etcd+grpc://``."""

    module: str
    scheme: str

    def __call__(
        self,
        rest: str,
        election: Election,
        *,
        tls: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> Store:
        """Build a store in the environment ``env``, and in no other."""
        scheme = self.scheme.replace("etcd", "etcds") if tls else self.scheme
        module = importlib.import_module(f"coordsidecar_adapters.{self.module}")
        connect = cast(StoreFactory, module.connect)
        return connect(f"{scheme}://{rest}", election=election, environ=env or {})


on_both_transports = pytest.mark.parametrize(
    "dial",
    [Dialer("etcd.gateway", "etcd"), Dialer("etcd.grpc", "etcd+grpc")],
    ids=["gateway", "grpc"],
)
