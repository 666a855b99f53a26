"""Where sidecars compete: one election in one real store, an operator's hand, and cut wires."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coordsidecar.store.protocol import Election
from tests.e2e.sidecars import Sidecar, Stamps, wait_for
from tests.servers import ConsulServer, EtcdServer, KubernetesServer, Proxy
from tests.servers.leases import OperatedLease, store_url

__all__ = ["PATIENT_TTL", "Arena"]

PATIENT_TTL = "15s"
"""For who keeps the lead while another elector starts: on a busy host gRPC alone takes seconds."""


Server = EtcdServer | ConsulServer | KubernetesServer


class Arena:
    """One election. ``has_network`` is False for lock files: there is nothing to cut."""

    ttl = "4s"

    def __init__(
        self,
        scheme: str,
        server: Server | None,
        *,
        election: Election,
        folder: Path,
        start: Callable[..., Sidecar],
        proxy: Callable[[str], Proxy],
    ) -> None:
        self.scheme = scheme
        self.server = server
        self.election = election
        self.folder = folder
        self.stamps = Stamps(folder / "stamps")
        self._start = start
        self._proxy = proxy
        if isinstance(server, KubernetesServer):
            OperatedLease(server, election).make()

    @property
    def has_network(self) -> bool:
        return self.server is not None

    def options(self, *, by: Proxy | None = None) -> list[str]:
        if self.server is None:
            store = f"local:{self.folder / 'locks'}"
        elif isinstance(self.server, KubernetesServer):
            store = store_url(self.server, self.folder, by=by.endpoint if by else "")
        else:
            store = f"{self.scheme}://{by.endpoint if by else self.server.endpoint}"
        election = ["--namespace", self.election.namespace, "--name", self.election.name]
        return ["--store", store, *election, "--ttl", self.ttl]

    def start(
        self,
        *options: str,
        command: list[str] | None = None,
        by: Proxy | None = None,
        env: dict[str, str] | None = None,
        **how: Any,
    ) -> Sidecar:
        """Start an instance; its command is the stamping job unless another is given.

        For ``how`` see `Sidecar`.
        """
        command = command if command is not None else self.stamps.command()
        return self._start(*self.options(by=by), *options, "--", *command, env=env, **how)

    def start_words(self, *words: str, **how: Any) -> Sidecar:
        """Start `coordsidecar` with these words alone. For ``how`` see `Sidecar`."""
        return self._start(*words, **how)

    def proxy(self) -> Proxy:
        assert self.server is not None
        return self._proxy(self.server.endpoint)

    def pair(self, *options: str, command: list[str] | None = None) -> tuple[Sidecar, Sidecar]:
        """A leader whose job runs, and a standby that waits behind it."""
        leader = self.start(*options, command=command)
        self.stamps.wait_for_stints(1)
        standby = self.start(*options, command=command)
        wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
        return leader, standby

    def revoke(self) -> None:
        """What an operator can do: end the leader's session, or its being named, or its file."""
        if isinstance(self.server, EtcdServer):
            key = self.server.leader_key(self.election.prefix)
            self.server.etcdctl("lease", "revoke", key.rpartition("/")[2])
        elif isinstance(self.server, ConsulServer):
            key = f"/v1/kv/{self.election.prefix}/.lock"
            session = self.server.http("GET", key).json()[0]["Session"]
            self.server.http("PUT", f"/v1/session/destroy/{session}")
        elif isinstance(self.server, KubernetesServer):
            OperatedLease(self.server, self.election).clear_holder()
        else:
            (self.folder / "locks" / f"{self.election.prefix}.lock").unlink()

    def delete_key(self) -> None:
        """Delete the key by which the leader holds the election, and leave its session alone."""
        if isinstance(self.server, EtcdServer):
            self.server.etcdctl("del", self.server.leader_key(self.election.prefix))
        elif isinstance(self.server, ConsulServer):
            self.server.consul("kv", "delete", f"{self.election.prefix}/.lock")
        else:
            self.revoke()

    def check(self, token: str, *, by: Proxy | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``coordsidecar check TOKEN``."""
        options = self.options(by=by)[:-2]  # Without --ttl.
        return subprocess.run(
            [sys.executable, "-m", "coordsidecar", "check", *options, token],
            capture_output=True,
            text=True,
            timeout=60,
            env=dict(os.environ),
            check=False,
        )
