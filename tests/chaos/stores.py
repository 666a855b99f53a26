"""Where the sidecars compete: etcd members, Consul servers, an API server, or a folder of files.

Each has the same few handles: which of its members leads, and what an operator can do to a session,
a key, the users' tokens, and the disk.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from coordsidecar.store.protocol import Election
from tests.servers import (
    ConsulCluster,
    ConsulServer,
    EtcdCluster,
    EtcdServer,
    KubernetesServer,
)
from tests.servers.leases import OperatedLease, store_url

__all__ = [
    "NAMESPACE",
    "STORES",
    "ConsulStore",
    "EtcdStore",
    "KubernetesStore",
    "LocalStore",
    "Member",
    "Store",
    "open_store",
]

Member = EtcdServer | ConsulServer | KubernetesServer
_CALL_S = 30.0
# Of all elections; on Kubernetes it has to be there.
NAMESPACE = "chaos"


class Store:
    """What they have in common. ``scheme`` begins the URL that the sidecars get."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        self.environ: dict[str, str] = {}
        self.members: list[Any] = []
        self.tls: ssl.SSLContext | None = None
        """How a gate has to speak to a member that speaks nothing but TLS."""

    def url(self, endpoints: list[str], *, plain: bool = False) -> str:
        """``plain``: to these one speaks without TLS, whatever the members speak."""
        return f"{self.scheme}://{','.join(endpoints)}"

    def leader(self) -> Member:
        """The member that leads the others."""
        raise NotImplementedError

    def candidates(self, election: Election) -> list[str]:
        """The sidecars' names, whoever leads first, as far as the store has them in an order."""
        return []

    def revoke(self, election: Election) -> int:
        """End the session of whoever leads; return when, on CLOCK_MONOTONIC in ns."""
        return self.revocation(election)()

    def revocation(self, election: Election) -> Callable[[], int]:
        """What ends the session of whoever leads now, should it not have ended; returns when."""
        raise NotImplementedError

    def delete_key(self, election: Election) -> int:
        """Delete the key by which the leader holds the election, and not its session; likewise."""
        raise NotImplementedError

    def stop(self) -> None:
        """End all servers."""


class EtcdStore(Store):
    """Members with users, so that every call carries a token that can expire."""

    def __init__(self, scheme: str, folder: Path, *, alone: bool) -> None:
        super().__init__(scheme)
        # bcrypt at its least: to log in shall not be what keeps two cores busy.
        kind: Callable[..., EtcdServer | EtcdCluster] = EtcdServer if alone else EtcdCluster
        self._servers = kind(folder, auth=True, extra_args=["--bcrypt-cost", "4"])
        self._servers.start()
        self.members = _members(self._servers)
        self.environ = {"ETCDCTL_USER": EtcdServer.user, "ETCDCTL_PASSWORD": EtcdServer.password}

    def leader(self) -> EtcdServer:
        servers = self._servers
        return servers if isinstance(servers, EtcdServer) else servers.leader()

    def candidates(self, election: Election) -> list[str]:
        prefix = f"{election.prefix}/"
        sort = ("--sort-by=CREATE", "--order=ASCEND", "--print-value-only")
        records = self.leader().etcdctl("get", "--prefix", prefix, *sort).splitlines()
        return [json.loads(record)["id"] for record in records if record]

    def revocation(self, election: Election) -> Callable[[], int]:
        lease = int(self.leader().leader_key(election.prefix).rpartition("/")[2], 16)
        return lambda: self._post("/v3/lease/revoke", {"ID": str(lease)}, fine=(200, 404))

    def delete_key(self, election: Election) -> int:
        key = base64.b64encode(self.leader().leader_key(election.prefix).encode()).decode()
        return self._post("/v3/kv/deleterange", {"key": key})

    def forget_tokens(self) -> None:
        """Make every login unknown, as its expiry does."""
        leader = self.leader()
        leader.etcdctl("auth", "disable")
        leader.etcdctl("auth", "enable")

    @contextlib.contextmanager
    def out_of_space(self) -> Iterator[None]:
        """Raise the alarm that a full disk or quota raises: reads, renewals, and no other write."""
        self._alarm("ACTIVATE")
        try:
            yield
        finally:
            self._alarm("DEACTIVATE")

    def stop(self) -> None:
        self._servers.stop()

    def _alarm(self, action: str) -> None:
        alarm = {"action": action, "memberID": "0", "alarm": "NOSPACE"}
        self._post("/v3/maintenance/alarm", alarm)

    def _post(self, path: str, body: dict[str, str], *, fine: Sequence[int] = (200,)) -> int:
        """Ask the leader's gateway; return when, once it has answered."""
        connection = HTTPConnection(self.leader().endpoint, timeout=_CALL_S)
        with contextlib.closing(connection):
            login = {"name": EtcdServer.user, "password": EtcdServer.password}
            token = _answer(connection, "/v3/auth/authenticate", login, {})["token"]
            at_ns = time.monotonic_ns()
            _answer(connection, path, body, {"Authorization": token}, fine=fine)
        return at_ns


class ConsulStore(Store):
    """Servers that grant short session TTLs, lest every expiry take 10 to 20 s."""

    def __init__(self, scheme: str, folder: Path, *, alone: bool) -> None:
        super().__init__(scheme)
        kind: Callable[..., ConsulServer | ConsulCluster]
        kind = ConsulServer if alone else ConsulCluster
        self._servers = kind(folder, session_ttl_min="1s")
        self._servers.start()
        self.members = _members(self._servers)

    def leader(self) -> ConsulServer:
        servers = self._servers
        return servers if isinstance(servers, ConsulServer) else servers.leader()

    def revocation(self, election: Election) -> Callable[[], int]:
        key = self.leader().http("GET", f"/v1/kv/{election.prefix}/.lock").json()[0]
        return lambda: self._do("PUT", f"/v1/session/destroy/{key['Session']}")

    def delete_key(self, election: Election) -> int:
        return self._do("DELETE", f"/v1/kv/{election.prefix}/.lock")

    def _do(self, method: str, path: str) -> int:
        leader, at_ns = self.leader(), time.monotonic_ns()
        assert leader.http(method, path).status == 200
        return at_ns

    def stop(self) -> None:
        self._servers.stop()


class KubernetesStore(Store):
    """One API server, since a kubeconfig names one; the sidecars make the Lease themselves."""

    def __init__(self, scheme: str, folder: Path, *, alone: bool) -> None:
        super().__init__(scheme)
        self._folder = folder
        self._server = KubernetesServer(folder)
        self.members = [self._server]
        try:
            self._server.start()
            self._server.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            self.tls = ssl.create_default_context(cafile=str(self._server.pki.ca_cert))
            self.tls.check_hostname = False  # It is reached by a wire.
        except BaseException:
            self.stop()
            raise

    def url(self, endpoints: list[str], *, plain: bool = False) -> str:
        [endpoint] = endpoints
        return store_url(self._server, self._folder, by=endpoint, plain=plain)

    def leader(self) -> KubernetesServer:
        return self._server

    def revocation(self, election: Election) -> Callable[[], int]:
        lease = OperatedLease(self._server, election)
        holder = lease.holder()
        return lambda: _timed(lambda: lease.clear_holder_if(holder))

    def delete_key(self, election: Election) -> int:
        return _timed(OperatedLease(self._server, election).delete)

    def stop(self) -> None:
        self._server.stop()


class LocalStore(Store):
    """A folder: an operator can only delete the lock file."""

    def __init__(self, scheme: str, folder: Path, *, alone: bool) -> None:
        super().__init__(scheme)
        self._folder = folder

    def url(self, endpoints: list[str], *, plain: bool = False) -> str:
        return f"local:{self._folder}"

    def delete_key(self, election: Election) -> int:
        at_ns = time.monotonic_ns()
        (self._folder / f"{election.prefix}.lock").unlink()
        return at_ns

    def revocation(self, election: Election) -> Callable[[], int]:
        return lambda: self.delete_key(election)


STORES: dict[str, Callable[..., Store]] = {
    "local": LocalStore,
    "etcd": EtcdStore,
    "etcd+grpc": EtcdStore,
    "consul": ConsulStore,
    "kubernetes": KubernetesStore,
}


def _timed(what: Callable[[], None]) -> int:
    at_ns = time.monotonic_ns()
    what()
    return at_ns


def _members(servers: Any) -> list[Any]:
    return list(getattr(servers, "members", [servers]))


def _answer(
    connection: HTTPConnection,
    path: str,
    body: dict[str, str],
    headers: dict[str, str],
    *,
    fine: Sequence[int] = (200,),
) -> Any:
    connection.request("POST", path, body=json.dumps(body), headers=headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status in fine, text
    return json.loads(text)


@contextlib.contextmanager
def open_store(name: str, folder: Path, *, alone: bool = False) -> Iterator[Store]:
    """Start what the store of this name needs; ended at the end, from the same thread.

    ``alone``: one server, not three.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store: Store | None = None
    try:
        store = STORES[name](name, folder, alone=alone)
        yield store
    finally:
        if store is not None:
            store.stop()
