"""Candidates for one Lease of a real API server, an operator's hand on it, and whole sidecars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.store.protocol import Election
from tests.contract.candidate import Candidate
from tests.contract.conftest import CandidateFactory, stand
from tests.contract.harness import KubernetesHarness
from tests.e2e.sidecars import Sidecar, sidecars
from tests.servers import KubernetesServer

__all__ = ["Lease", "stand"]


class Lease:
    """The Lease of one election, past all adapters."""

    def __init__(self, harness: KubernetesHarness, election: Election) -> None:
        self._server = harness.server
        self.path = harness.path(election)

    def read(self) -> Any:
        """All of it; None: there is none."""
        found = self._server.http("GET", self.path)
        return found.body if found.status == 200 else None

    def patch(self, **patch: Any) -> Any:
        """A merge patch."""
        merge = "application/merge-patch+json"
        changed = self._server.http("PATCH", self.path, patch, content_type=merge)
        assert changed.status == 200, changed
        return changed.body

    def delete(self) -> None:
        assert self._server.http("DELETE", self.path).status == 200


@pytest.fixture
def harness(kubernetes: KubernetesServer, tmp_path: Path) -> KubernetesHarness:
    return KubernetesHarness(kubernetes, tmp_path)


@pytest.fixture
def lease(harness: KubernetesHarness, election: Election) -> Lease:
    return Lease(harness, election)


@pytest.fixture
def candidate(
    harness: KubernetesHarness, election: Election, stand: CandidateFactory
) -> Callable[[], Candidate]:
    """Make another candidate for an empty Lease, with a store object of its own."""
    return lambda: stand(harness.connect(election))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sidecar]]:
    """Start `coordsidecar` with these arguments; ended with the test."""
    with sidecars(tmp_path) as start_sidecar:
        yield start_sidecar
