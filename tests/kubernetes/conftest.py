"""Fixtures for the tests on a real API server: candidates, whole sidecars, and client-go's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from tests.contract.candidate import Candidate
from tests.contract.conftest import CandidateFactory, stand
from tests.contract.lease_harness import KubernetesHarness
from tests.e2e.arena import Arena
from tests.e2e.conftest import start
from tests.e2e.sidecars import Sidecar
from tests.kubernetes.client_go import ClientGo
from tests.servers import KubernetesServer, Proxy
from tests.servers.leases import OperatedLease

__all__ = ["stand", "start"]


@pytest.fixture
def harness(kubernetes: KubernetesServer, tmp_path: Path) -> KubernetesHarness:
    return KubernetesHarness(kubernetes, tmp_path)


@pytest.fixture
def candidate(
    harness: KubernetesHarness, election: Election, stand: CandidateFactory
) -> Callable[[], Candidate]:
    """Make another candidate for an empty Lease, with a store object of its own."""
    return lambda: stand(harness.connect(election))


@pytest.fixture
def arena(
    kubernetes: KubernetesServer,
    tmp_path: Path,
    election: Election,
    start: Callable[..., Sidecar],
    proxy: Callable[[str], Proxy],
) -> Arena:
    """An arena on the shared API server."""
    return Arena(
        "kubernetes", kubernetes, election=election, folder=tmp_path, start=start, proxy=proxy
    )


@pytest.fixture
def lease(kubernetes: KubernetesServer, election: Election) -> OperatedLease:
    """The Lease of the test's election."""
    return OperatedLease(kubernetes, election)


@pytest.fixture
def client_go(
    kubernetes: KubernetesServer, election: Election, tmp_path: Path
) -> Iterator[Callable[[], ClientGo]]:
    """Start another of client-go's candidates for the arena's election; ended with the test."""
    with ExitStack() as stack:
        started: list[ClientGo] = []

        def candidate() -> ClientGo:
            name = f"client-go-{len(started)}"
            argv = kubernetes.leader_election_argv(
                election.name, namespace=election.namespace, identity=name
            )
            started.append(ClientGo(argv, name=name, log_path=tmp_path / f"{name}.log"))
            stack.callback(started[-1].end)
            return started[-1]

        yield candidate
