"""Stores that are folders of lock files, and the election that is held in them."""

from __future__ import annotations

from pathlib import Path

from coordsidecar.store.protocol import Election, Store
from tests.contract.harness import adapter

__all__ = ["ELECTION", "store"]

ELECTION = Election(namespace="team", name="job")


def store(folder: Path) -> Store:
    return adapter("local.store")(f"local:{folder}", election=ELECTION, environ={})
