"""Three members of one etcd, and candidates that reach them by detours.

The members are real, and so are their answers. What a test decides is who is asked what, and when
they elect another leader among themselves: so comes about here what a load balancer does, or a
member that was deposed and has not heard of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coordsidecar.store.protocol import Election
from coordsidecar_adapters.etcd.client import EtcdClient, Json
from coordsidecar_adapters.etcd.election import EtcdElection
from coordsidecar_adapters.etcd.gateway import GatewayConnection
from coordsidecar_adapters.http_connection import Resolver
from tests.contract.candidate import Candidate
from tests.contract.conftest import CandidateFactory
from tests.servers.etcd import EtcdCluster

__all__ = ["WHO_ARE_YOU", "Detour", "Members"]

WHO_ARE_YOU = "a server?"


class Detour:
    """The way to etcd; but some requests take another, and something happens after some.

    ``asked`` is what was, in order.
    """

    def __init__(self, way: EtcdClient) -> None:
        self._way = way
        self.by: dict[str, EtcdClient] = {}
        self.after: dict[str, Callable[[], object]] = {}
        self.asked: list[str] = []

    def call(self, path: str, body: Json, *, timeout_s: float) -> Json:
        self.asked.append(path)
        answer = self.by.get(path, self._way).call(path, body, timeout_s=timeout_s)
        if happens := self.after.pop(path, None):
            happens()
        return answer

    def changed(
        self, creates: Sequence[Json], *, timeout_s: float, lasts_s: float, gather_s: float
    ) -> list[Json] | None:
        return self._way.changed(creates, timeout_s=timeout_s, lasts_s=lasts_s, gather_s=gather_s)

    def meets_server(self, *, timeout_s: float) -> bool:
        self.asked.append(WHO_ARE_YOU)
        return self._way.meets_server(timeout_s=timeout_s)


def _client(*endpoints: str) -> EtcdClient:
    resolver = Resolver()
    return EtcdClient(
        endpoints=endpoints,
        dial=lambda address: GatewayConnection(address, resolver=resolver, tls=None),
        user=None,
        password=None,
    )


class Members:
    """Three members, and candidates that reach them by detours."""

    def __init__(self, cluster: EtcdCluster, election: Election, stand: CandidateFactory) -> None:
        self.cluster = cluster
        self._election = election
        self._stand = stand

    def client(self, number: int) -> EtcdClient:
        return _client(self.cluster.members[number].endpoint)

    @property
    def endpoint(self) -> str:
        """Of the first."""
        return self.cluster.members[0].endpoint

    def candidate(self, *, by: str = "") -> tuple[Candidate, Detour]:
        """A candidate that asks the first member, or ``by`` an endpoint of the test's."""
        way = Detour(_client(by or self.endpoint))
        store = EtcdElection(calls=way, watches=self.client(0), election=self._election)
        return self._stand(store), way

    def delete_key_of(self, candidate: Candidate) -> None:
        key = f"{self._election.prefix}/{candidate.session.handle}"
        assert self.cluster.members[0].etcdctl("del", key).strip() == "1"

    def elect_another(self) -> None:
        """The members elect another leader among themselves, and the first has heard of it."""
        leader = self.cluster.leader()
        other = next(each for each in self.cluster.members if each is not leader)
        status = other.etcdctl("endpoint", "status", "-w", "fields")
        (line,) = (line for line in status.splitlines() if "MemberID" in line)
        leader.etcdctl("move-leader", f"{int(line.rpartition(' : ')[2]):x}")
        self.cluster.members[0].etcdctl("get", "anything")
