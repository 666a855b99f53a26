"""etcd behind its own gRPC proxy, which drops a stream once the client's side of it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Behind, Election, Held
from tests.contract.candidate import Candidate
from tests.contract.etcd_dial import Dialer
from tests.servers import EtcdServer
from tests.servers.process import ServerProcess, free_ports, listens

Stand = Callable[..., Candidate]

_SHORT_S = 1.0


@pytest.fixture
def proxied(etcd: EtcdServer, tmp_path: Path) -> Iterator[str]:
    """Host and port of an ``etcd grpc-proxy``. It serves gRPC only, no JSON gateway."""
    (port,) = free_ports(1)
    program = etcd.process.argv[0]
    argv = [program, "grpc-proxy", "start", f"--endpoints={etcd.endpoint}"]
    process = ServerProcess(
        [*argv, f"--listen-addr=127.0.0.1:{port}", f"--data-dir={tmp_path / 'proxy'}"],
        log_path=tmp_path / "proxy.log",
    )
    try:
        process.start(ready=lambda: listens(port))
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()


def test_a_whole_life_goes_through_etcds_grpc_proxy(
    proxied: str, election: Election, stand: Stand
) -> None:
    dial = Dialer("etcd.grpc", "etcd+grpc")
    first, second = stand(dial(proxied, election)), stand(dial(proxied, election))
    token = first.leads()
    behind = second.campaign()

    held = [first.renews_and_looks() for _ in range(20)]

    assert all(isinstance(standing, Held) for standing in held)
    assert isinstance(behind, Behind)
    assert not second.watch(behind, timeout_s=_SHORT_S)
    first.resign(token)
    assert second.watch(behind)
    assert second.wins().clean
