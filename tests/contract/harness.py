"""What the contract needs of each kind of store: a way in, and an operator's hand.

Everything that an operator does goes past the adapter, through the server's own tools, so that no
adapter vouches for itself.
"""

from __future__ import annotations

import importlib
import json
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Protocol, cast

from coordsidecar.store.protocol import Election, Session, Store, StoreFactory
from tests.contract.candidate import close_fds
from tests.servers import ConsulServer, EtcdServer, KubernetesServer, Proxy
from tests.servers.etcd import etcd_put

__all__ = [
    "ConsulHarness",
    "EtcdGrpcHarness",
    "EtcdHarness",
    "Harness",
    "LocalHarness",
    "ServerHarness",
    "adapter",
]


class Harness(Protocol):
    """One kind of store, and its operator.

    ``least_ttl_s`` is the least TTL that the server grants as asked.
    """

    least_ttl_s: float

    @property
    def url(self) -> str:
        """As an operator names the store."""
        ...

    def connect(self, election: Election) -> Store:
        """Build a store of its own; two of them share nothing but the server."""
        ...

    def end_session(self, session: Session) -> None:
        """Revoke the session, as an operator does, or as its process's death does."""
        ...

    def delete_key(self, election: Election, session: Session) -> None:
        """Delete the key (or file) by which ``session`` holds the election."""
        ...

    def write_office(self, election: Election, raw: bytes) -> None:
        """Overwrite the office record with anything."""
        ...

    def write_order(self, election: Election, raw: bytes) -> None:
        """Leave anything where an operator's order would stand."""
        ...

    def write_leader(self, election: Election, session: Session, raw: bytes) -> None:
        """Overwrite with anything what the holder says of itself; its key stays its own."""
        ...

    def foreign_leader(self, election: Election) -> list[str]:
        """The command line of another program that holds the election until it gets SIGTERM."""
        ...


class ServerHarness(Harness, Protocol):
    """A store with a server on the network, which can be killed, frozen and cut off."""

    @property
    def server(self) -> EtcdServer | ConsulServer | KubernetesServer: ...

    def connect_by(self, way: Proxy, election: Election) -> Store:
        """Build a store that reaches the server through ``way`` only."""
        ...


def adapter(module: str) -> StoreFactory:
    """Load one adapter, and none that is not under test."""
    return cast(StoreFactory, importlib.import_module(f"coordsidecar_adapters.{module}").connect)


class EtcdHarness:
    """etcd by its JSON gateway."""

    least_ttl_s = 2.0
    scheme = "etcd"
    module = "etcd.gateway"

    def __init__(self, server: EtcdServer) -> None:
        self.server = server

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.server.endpoint}"

    def connect(self, election: Election) -> Store:
        return self._connect_to(self.server.endpoint, election)

    def connect_by(self, way: Proxy, election: Election) -> Store:
        return self._connect_to(way.endpoint, election)

    def _connect_to(self, endpoint: str, election: Election) -> Store:
        url = f"{self.scheme}://{endpoint}"
        return adapter(self.module)(url, election=election, environ={})

    def end_session(self, session: Session) -> None:
        self.server.etcdctl("lease", "revoke", session.handle)

    def delete_key(self, election: Election, session: Session) -> None:
        deleted = self.server.etcdctl("del", f"{election.prefix}/{session.handle}")
        assert deleted.strip() == "1", "the candidate key is not where `etcdctl elect` keeps it"

    def write_office(self, election: Election, raw: bytes) -> None:
        etcd_put(self.server, f"{election.prefix}.office", raw)

    def write_order(self, election: Election, raw: bytes) -> None:
        record = self.server.etcdctl("get", "--print-value-only", f"{election.prefix}.office")
        etcd_put(self.server, f"{election.prefix}.office", _with_order(record, raw))

    def write_leader(self, election: Election, session: Session, raw: bytes) -> None:
        etcd_put(self.server, f"{election.prefix}/{session.handle}", raw, keep_lease=True)

    def foreign_leader(self, election: Election) -> list[str]:
        return self.server.etcdctl_argv("elect", election.prefix, "somebody else")


class EtcdGrpcHarness(EtcdHarness):
    """etcd by gRPC."""

    scheme = "etcd+grpc"
    module = "etcd.grpc"


class ConsulHarness:
    """Consul. The server's least session TTL is lowered, lest every expiry take 10 to 20 s."""

    least_ttl_s = 2.0

    def __init__(self, server: ConsulServer) -> None:
        self.server = server

    @property
    def url(self) -> str:
        return f"consul://{self.server.endpoint}"

    def connect(self, election: Election) -> Store:
        return self._connect_to(self.server.endpoint, election)

    def connect_by(self, way: Proxy, election: Election) -> Store:
        return self._connect_to(way.endpoint, election)

    def _connect_to(self, endpoint: str, election: Election) -> Store:
        url = f"consul://{endpoint}"
        return adapter("consul.store")(url, election=election, environ={})

    def end_session(self, session: Session) -> None:
        answer = self.server.http("PUT", f"/v1/session/destroy/{session.handle}")
        assert answer.status == 200, answer

    def delete_key(self, election: Election, session: Session) -> None:
        key = self.server.http("GET", f"/v1/kv/{election.prefix}/.lock").json()[0]
        assert key["Session"] == session.handle
        self.server.consul("kv", "delete", f"{election.prefix}/.lock")

    def write_office(self, election: Election, raw: bytes) -> None:
        self._put(f"{election.prefix}/.office", raw)

    def write_order(self, election: Election, raw: bytes) -> None:
        self._put(f"{election.prefix}/.order", raw)

    def write_leader(self, election: Election, session: Session, raw: bytes) -> None:
        self._put(f"{election.prefix}/.lock", raw)

    def _put(self, key: str, raw: bytes) -> None:
        answer = self.server.http("PUT", f"/v1/kv/{key}", raw)
        assert answer.body.strip() == b"true", answer

    def foreign_leader(self, election: Election) -> list[str]:
        program = self.server.process.argv[0]
        address = f"-http-addr={self.server.url}"
        return [program, "lock", address, "-shell=false", election.prefix, "sleep", "600"]


class LocalHarness:
    """Lock files in a folder of the test's own."""

    least_ttl_s = 1.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder / uuid.uuid4().hex[:8]
        self._folder.mkdir()

    @property
    def url(self) -> str:
        return f"local:{self._folder}"

    def connect(self, election: Election) -> Store:
        return adapter("local.store")(self.url, election=election, environ={})

    def end_session(self, session: Session) -> None:
        close_fds(session)

    def delete_key(self, election: Election, session: Session) -> None:
        path = self._path(election, "lock")
        assert os.path.samestat(path.stat(), os.fstat(session.fds[0]))
        path.unlink()

    def write_office(self, election: Election, raw: bytes) -> None:
        with suppress(FileExistsError):
            self._path(election, "json").parent.mkdir(parents=True)
        self._path(election, "json").write_bytes(raw)

    def write_order(self, election: Election, raw: bytes) -> None:
        self._path(election, "order").write_bytes(raw)

    def write_leader(self, election: Election, session: Session, raw: bytes) -> None:
        path = self._path(election, "json")
        fields = json.loads(path.read_bytes())
        path.write_text(json.dumps(fields | {"leader": raw.decode("latin-1")}))

    def foreign_leader(self, election: Election) -> list[str]:
        path = self._path(election, "lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        return ["flock", "--no-fork", str(path), "sleep", "600"]

    def _path(self, election: Election, suffix: str) -> Path:
        return self._folder / f"{election.prefix}.{suffix}"


def _with_order(record: str, raw: bytes) -> bytes:
    """etcd's office record has the order in it; what is no JSON is text there."""
    try:
        order = json.loads(raw)
    except ValueError:
        order = raw.decode("latin-1")
    return json.dumps(json.loads(record) | {"ordered": order}).encode()
