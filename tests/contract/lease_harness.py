"""The contract's way into Kubernetes, and its operator's hand: see `harness`."""

from __future__ import annotations

from pathlib import Path

from coordsidecar.store.protocol import Election, Session, Store
from tests.contract.harness import adapter
from tests.servers import KubernetesServer, Proxy
from tests.servers.leases import OperatedLease, store_url

__all__ = ["KubernetesHarness"]

# What the API server keeps in the annotations of one object, and it refuses more.
_MOST_ANNOTATED = 250_000


class KubernetesHarness:
    """A Lease of Kubernetes; a session is whoever is named in it as its holder.

    The Lease is there before the first candidate: who makes it does not know whether there was
    another, and waits.
    """

    least_ttl_s = 2.0

    def __init__(self, server: KubernetesServer, folder: Path) -> None:
        self.server = server
        self._folder = folder

    @property
    def url(self) -> str:
        return store_url(self.server, self._folder)

    def connect(self, election: Election) -> Store:
        OperatedLease(self.server, election).make()
        return self.connect_to_what_is_there(election)

    def connect_to_what_is_there(self, election: Election) -> Store:
        """As `connect`, and the Lease may be missing."""
        return self._connect_to(store_url(self.server, self._folder), election)

    def connect_by(self, way: Proxy, election: Election) -> Store:
        OperatedLease(self.server, election).make()
        return self._connect_to(store_url(self.server, self._folder, by=way.endpoint), election)

    def end_session(self, session: Session) -> None:
        found = self.server.http("GET", "/apis/coordination.k8s.io/v1/leases").body["items"]
        for lease in found:
            if lease.get("spec", {}).get("holderIdentity") == session.handle:
                names = lease["metadata"]
                its = Election(names["namespace"], names["name"])
                OperatedLease(self.server, its).clear_holder()

    def delete_key(self, election: Election, session: Session) -> None:
        assert OperatedLease(self.server, election).holder() == session.handle
        self.end_session(session)

    def write_office(self, election: Election, raw: bytes) -> None:
        self._annotate(election, "office", raw[:_MOST_ANNOTATED])

    def write_order(self, election: Election, raw: bytes) -> None:
        self._annotate(election, "order", raw)

    def write_leader(self, election: Election, session: Session, raw: bytes) -> None:
        self._annotate(election, "leader", raw)

    def foreign_leader(self, election: Election) -> list[str]:
        return self.server.leader_election_argv(
            election.name, namespace=election.namespace, identity="somebody else"
        )

    def _connect_to(self, url: str, election: Election) -> Store:
        return adapter("kubernetes.store")(url, election=election, environ={})

    def _annotate(self, election: Election, name: str, raw: bytes) -> None:
        OperatedLease(self.server, election).annotate(name, raw.decode("latin-1"))
