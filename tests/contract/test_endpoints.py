"""Several endpoints are one store: whichever answers will do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election, Held, UnreachableError
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import adapter
from tests.servers import ConsulServer, EtcdCluster, EtcdServer, Proxy

_ETCD = {"etcd": "etcd.gateway", "etcd+grpc": "etcd.grpc"}


@pytest.fixture
def cluster(need_server: Callable[[str], None], tmp_path: Path) -> Iterator[EtcdCluster]:
    """Three etcd members."""
    need_server("etcd")
    made = EtcdCluster(tmp_path / "cluster")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def dead_ends(proxy: Callable[[str], Proxy], etcd: EtcdServer) -> list[str]:
    """An endpoint that refuses connections, and one that is a black hole."""
    refusing, silent = proxy(etcd.endpoint), proxy(etcd.endpoint)
    refusing.cut()
    silent.black_hole()
    return [refusing.endpoint, silent.endpoint]


@pytest.mark.parametrize("scheme", sorted(_ETCD))
@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_a_leader_keeps_its_office_when_etcds_own_leader_fails(
    cluster: EtcdCluster, election: Election, stand: CandidateFactory, scheme: str, fault: str
) -> None:
    store = adapter(_ETCD[scheme])(f"{scheme}://{cluster.endpoints}", election=election, environ={})
    ours = stand(store)
    token = ours.leads()

    getattr(cluster.leader(), fault)()

    _renew_once_answered(ours)
    standing = ours.standing()
    assert isinstance(standing, Held)
    assert standing.token == token
    ours.resign(token)


@pytest.mark.parametrize("scheme", sorted(_ETCD))
def test_etcd_endpoints_that_do_not_answer_are_passed_over(
    dead_ends: list[str], etcd: EtcdServer, election: Election, stand: CandidateFactory, scheme: str
) -> None:
    hosts = ",".join([*dead_ends, etcd.endpoint])
    store = adapter(_ETCD[scheme])(f"{scheme}://{hosts}", election=election, environ={})

    leader = stand(store, call_s=6.0)

    assert leader.leads() > 0


def test_consul_endpoints_that_do_not_answer_are_passed_over(
    dead_ends: list[str], consul: ConsulServer, election: Election, stand: CandidateFactory
) -> None:
    hosts = ",".join([*dead_ends, consul.endpoint])
    store = adapter("consul.store")(f"consul://{hosts}", election=election, environ={})

    leader = stand(store, call_s=6.0)

    assert leader.leads() > 0


def _renew_once_answered(candidate: Candidate) -> None:
    """Renew as soon as the cluster has a leader again; pytest's time-out bounds it."""
    candidate.call_s = 3.0
    while True:
        with suppress(UnreachableError):
            assert candidate.renew() > 0
            candidate.call_s = CALL_S
            return
