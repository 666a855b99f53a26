"""Fixtures for the end-to-end tests: sidecars as real processes, on every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from tests.e2e.arena import Arena, Server
from tests.e2e.sidecars import Sidecar, sidecars
from tests.servers import ConsulServer, Proxy

STORES = ("local", "etcd", "etcd+grpc", "consul", "kubernetes")
# By name, whether the arena is also one on lock files.
_ARENAS = {"arena": True, "network_arena": False, "arena_of_own": False}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for arena_name, on_files in _ARENAS.items():
        if arena_name in metafunc.fixturenames:
            stores = [store for store in STORES if on_files or store != "local"]
            if not metafunc.config.getoption("--kubernetes"):
                stores.remove("kubernetes")
            metafunc.parametrize(arena_name, stores, indirect=True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sidecar]]:
    """Start `coordsidecar` with these arguments; ended with the test."""
    with sidecars(tmp_path) as start_sidecar:
        yield start_sidecar


@pytest.fixture(scope="session")
def quick_consul(
    need_server: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConsulServer]:
    """A Consul that grants short session TTLs, lest every expiry take 10 to 20 s."""
    need_server("consul")
    server = ConsulServer(tmp_path_factory.mktemp("consul"), session_ttl_min="1s")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def arena_of(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    election: Election,
    start: Callable[..., Sidecar],
    proxy: Callable[[str], Proxy],
) -> Callable[[str], Arena]:
    """An arena on the store of this name."""

    def make(store: str) -> Arena:
        server: Server | None = None
        if store.startswith("etcd"):
            server = request.getfixturevalue("etcd")
        elif store == "consul":
            server = request.getfixturevalue("quick_consul")
        elif store == "kubernetes":
            server = request.getfixturevalue("kubernetes")
        return Arena(store, server, election=election, folder=tmp_path, start=start, proxy=proxy)

    return make


@pytest.fixture
def arena(request: pytest.FixtureRequest, arena_of: Callable[[str], Arena]) -> Arena:
    """An arena on each store in turn."""
    return arena_of(request.param)


@pytest.fixture
def network_arena(request: pytest.FixtureRequest, arena_of: Callable[[str], Arena]) -> Arena:
    """An arena on each store that is reached over a network."""
    return arena_of(request.param)


@pytest.fixture
def arena_of_own(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    election: Election,
    start: Callable[..., Sidecar],
    proxy: Callable[[str], Proxy],
) -> Arena:
    """An arena with a server of its own, which the test may kill or freeze."""
    server: Server
    if request.param == "consul":
        server = request.getfixturevalue("consul_server")(session_ttl_min="1s")
    elif request.param == "kubernetes":
        server = request.getfixturevalue("kubernetes_server")()
    else:
        server = request.getfixturevalue("etcd_server")()
    return Arena(
        request.param, server, election=election, folder=tmp_path, start=start, proxy=proxy
    )
