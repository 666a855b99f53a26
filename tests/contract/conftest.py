"""The stores that the contract is tried on, and candidates in a fresh election each.

A claim that cannot be made of some kind of store names those it is made of:
``@pytest.mark.stores("etcd", "consul")``; "etcd" stands for both of its transports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, cast

import pytest

from coordsidecar.store.protocol import Election, Store
from tests.contract.candidate import CALL_S, LONG_TTL_S, Candidate, NewCandidate, stand_for
from tests.contract.harness import (
    ConsulHarness,
    EtcdGrpcHarness,
    EtcdHarness,
    Harness,
    LocalHarness,
    ServerHarness,
)
from tests.contract.lease_harness import KubernetesHarness
from tests.contract.lock_files import store as lock_file_store
from tests.servers import ConsulServer, EtcdServer

_STORES = ("etcd", "etcd+grpc", "consul", "local", "kubernetes")
_SERVER_STORES = ("etcd", "etcd+grpc", "consul", "kubernetes")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stores(*names): the stores of which this claim is made")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_name" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("stores")
    wanted = set(marker.args) if marker else set(_STORES)
    if "own" in metafunc.fixturenames or "server_harness" in metafunc.fixturenames:
        wanted &= set(_SERVER_STORES)
    if "etcd" in wanted:
        wanted.add("etcd+grpc")
    if not metafunc.config.getoption("--kubernetes"):
        wanted.discard("kubernetes")
    metafunc.parametrize("store_name", [name for name in _STORES if name in wanted])


@pytest.fixture(scope="session")
def quick_consul(
    need_server: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConsulServer]:
    """A shared Consul that grants TTLs of a second."""
    need_server("consul")
    server = ConsulServer(tmp_path_factory.mktemp("quick-consul"), session_ttl_min="1s")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def harness(store_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    """The store under test, on a server that other tests use too: do not harm it."""
    if store_name == "local":
        return LocalHarness(tmp_path)
    if store_name == "consul":
        return ConsulHarness(request.getfixturevalue("quick_consul"))
    if store_name == "kubernetes":
        return KubernetesHarness(request.getfixturevalue("kubernetes"), tmp_path)
    server: EtcdServer = request.getfixturevalue("etcd")
    return EtcdHarness(server) if store_name == "etcd" else EtcdGrpcHarness(server)


@pytest.fixture
def server_harness(harness: Harness) -> ServerHarness:
    """As `harness`, for claims about the network to a server."""
    return cast(ServerHarness, harness)


@pytest.fixture
def own(store_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> ServerHarness:
    """The store under test, on a server of the test's own, to be killed and frozen at will."""
    if store_name == "consul":
        return ConsulHarness(request.getfixturevalue("consul_server")(session_ttl_min="1s"))
    if store_name == "kubernetes":
        return KubernetesHarness(request.getfixturevalue("kubernetes_server")(), tmp_path)
    server: EtcdServer = request.getfixturevalue("etcd_server")()
    return EtcdHarness(server) if store_name == "etcd" else EtcdGrpcHarness(server)


class CandidateFactory(Protocol):
    def __call__(
        self,
        store: Store,
        *,
        ttl_s: float = LONG_TTL_S,
        takeover_delay_s: float = 1.0,
        call_s: float = CALL_S,
    ) -> Candidate: ...


@pytest.fixture
def stand() -> Iterator[CandidateFactory]:
    """Open sessions with a store, and end them with the test."""
    with ExitStack() as stack:

        def make(
            store: Store,
            *,
            ttl_s: float = LONG_TTL_S,
            takeover_delay_s: float = 1.0,
            call_s: float = CALL_S,
        ) -> Candidate:
            candidate = stand_for(
                store, ttl_s=ttl_s, takeover_delay_s=takeover_delay_s, call_s=call_s
            )
            stack.callback(candidate.end)
            return candidate

        yield make


@pytest.fixture
def candidate(
    harness: Harness, election: Election, stand: CandidateFactory
) -> Callable[[], Candidate]:
    """Make another candidate in the test's election, with a store object of its own."""
    return lambda: stand(harness.connect(election))


@pytest.fixture
def local(tmp_path: Path, stand: CandidateFactory) -> NewCandidate:
    """Make another candidate for the lock file in the test's own folder."""
    return lambda: stand(lock_file_store(tmp_path))


@pytest.fixture
def lock_path(tmp_path: Path) -> Path:
    """Where the candidates that ``local`` makes have their lock file."""
    return tmp_path / "team" / "job.lock"
