"""Rosters as they are stored, past the adapters that are under test."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coordsidecar.store.protocol import Election
from coordsidecar.store.roster import Roster
from coordsidecar_adapters.local.roster import LocalRoster
from tests.contract.candidate import Candidate
from tests.contract.harness import ConsulHarness, EtcdHarness, Harness, LocalHarness
from tests.servers import EtcdServer
from tests.servers.etcd import etcd_put

__all__ = ["below", "connected_to", "folder_of", "let_go", "logins", "stored", "written"]


def let_go(told: Roster) -> None:
    """As the death of its process does."""
    assert isinstance(told, LocalRoster)
    os.close(told._fd)


def stored(harness: Harness, election: Election) -> list[str]:
    prefix = below(election)
    if isinstance(harness, EtcdHarness):
        found = harness.server.etcdctl("get", "--prefix", prefix, "--keys-only")
    elif isinstance(harness, ConsulHarness):
        found = harness.server.consul("kv", "get", "-keys", prefix)
    else:
        assert isinstance(harness, LocalHarness)
        return [path.name for path in (folder_of(harness) / prefix).iterdir()]
    return [line for line in found.splitlines() if line.strip()]


def logins(server: EtcdServer) -> int:
    """How many there were, by its own count."""
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        said = answer.read().decode()
    counts = re.findall(r'^grpc_server_started_total\{.*"Authenticate".*\} (\d+)$', said, re.M)
    return sum(map(int, counts))


def connected_to(endpoint: str) -> int:
    """How many connections this process has to whoever listens there."""
    found, port = 0, int(endpoint.rpartition(":")[2])
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # It is closed by now, or not connected.
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(fd))) as ours:
                    found += ours.family != socket.AF_UNIX and ours.getpeername()[1] == port
    return found


def below(election: Election) -> str:
    return f"{election.namespace}/.instances/{election.name}/"


def folder_of(harness: LocalHarness) -> Path:
    return Path(harness.url.removeprefix("local:"))


@contextmanager
def written(
    harness: Harness, election: Election, candidate: Candidate, raw: bytes
) -> Iterator[None]:
    """``raw`` stands where the entry of that candidate would."""
    prefix, handle = below(election), candidate.session.handle
    if isinstance(harness, EtcdHarness):
        etcd_put(harness.server, prefix + handle, raw)
        yield
    elif isinstance(harness, ConsulHarness):
        harness.server.http("PUT", f"/v1/kv/{prefix}{handle}?acquire={handle}", raw)
        yield
    else:
        assert isinstance(harness, LocalHarness)
        path = folder_of(harness) / prefix / f"{uuid.uuid4().hex[:16]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
