"""etcd behind its own gRPC proxy.

It drops a stream once the client's side of it has ended, and renews leases in its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Behind, Election, Held, Limits
from tests.contract.candidate import Candidate
from tests.contract.etcd_dial import Dialer
from tests.servers import EtcdServer
from tests.servers.process import ServerProcess, free_ports, listens

Stand = Callable[..., Candidate]

_GRPC = Dialer("etcd.grpc", "etcd+grpc")
_LIMITS = Limits(15.0, 10.0)
_UNJUDGED = Limits(15.0)

_SHORT_S = 1.0
# A busy proxy may have etcd's answer before it has counted who asks, and drops it: the next one
# comes a third of a TTL later, which has to be within a test's call.
_TTL_S = 60.0


@pytest.fixture
def proxied(etcd: EtcdServer, tmp_path: Path) -> Iterator[str]:
    """Host and port of an ``etcd grpc-proxy``. It serves gRPC only, no JSON gateway."""
    (port,) = free_ports(1)
    program = etcd.process.argv[0]
    argv = [program, "grpc-proxy", "start", f"--endpoints={etcd.endpoint}"]
    # It calls itself, and ends after a while if it cannot.
    argv += [f"--listen-addr=127.0.0.1:{port}", f"--advertise-client-url=127.0.0.1:{port}"]
    process = ServerProcess(
        [*argv, f"--data-dir={tmp_path / 'proxy'}"],
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
    first, second = (stand(_GRPC(proxied, election), ttl_s=_TTL_S) for _ in range(2))
    token = first.leads()
    behind = second.campaign()

    held = [first.renews_and_looks() for _ in range(20)]

    assert all(isinstance(standing, Held) for standing in held)
    assert isinstance(behind, Behind)
    assert not second.watch(behind, timeout_s=_SHORT_S)
    first.resign(token)
    assert second.watch(behind)
    assert second.wins().clean


def test_who_renews_through_it_is_not_judged_by_its_silence(
    proxied: str, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    """However it came into office: by the proxy, or before it went that way."""
    first, second = (stand(_GRPC(proxied, election), ttl_s=_TTL_S) for _ in range(2))
    third, fourth = (stand(_GRPC(etcd.endpoint, election), ttl_s=_TTL_S) for _ in range(2))
    token = first.wins().token
    for candidate in (second, third, fourth):
        candidate.campaign()

    assert first.take_office(token, limits=_LIMITS) == token
    taken = fourth.campaign()
    first.resign(token)
    second.campaign()
    held = second.wins(run="a-run", limits=_LIMITS)
    elected = fourth.campaign()
    second.resign(held.token)
    assert third.take_office(third.wins().token, limits=_LIMITS)
    before = fourth.campaign()
    assert isinstance(third.adopted_by(_GRPC(proxied, election)).renews_and_looks(), Held)
    adopted = fourth.campaign()

    assert held.in_office
    limits = [
        behind.limits for behind in (taken, elected, before, adopted) if isinstance(behind, Behind)
    ]
    assert limits == [_UNJUDGED, _UNJUDGED, _LIMITS, _UNJUDGED]
