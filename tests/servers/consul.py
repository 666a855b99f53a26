"""A real Consul on loopback ports: one server that keeps its data, or a cluster of three."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.consul_config import server_config
from tests.servers.pki import Pki
from tests.servers.process import (
    START_TIMEOUT_S,
    ServerError,
    ServerProcess,
    find_program,
    free_ports,
    listens,
)

__all__ = ["ConsulCluster", "ConsulServer", "HttpAnswer", "require_consul"]

_REMEDY = "run ./check, which fetches Consul, or put a `consul` program on PATH"
_CALL_TIMEOUT_S = 10.0
_CLI_TIMEOUT_S = 60.0


def require_consul() -> None:
    """Raise `MissingServerError` unless consul can be run here."""
    find_program("consul", remedy=_REMEDY)


class HttpAnswer(NamedTuple):
    """What Consul's HTTP API answered."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ConsulServer:
    """One Consul server.

    ``acl`` denies everything without a token; `master_token` may do everything. To list keys is a
    right of its own with ``key_list_policy``. ``tls`` serves HTTPS only. ``session_ttl_min`` is a
    Consul duration; its own default is ``10s``. ``connections_max``: so many from one address.
    ``ports`` are those of HTTP, of the servers among themselves, and of gossip; ``peers``, the
    gossip ports of all servers of a cluster.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        acl: bool = False,
        tls: bool = False,
        client_cert_auth: bool = False,
        pki: Pki | None = None,
        session_ttl_min: str | None = None,
        connections_max: int | None = None,
        key_list_policy: bool = False,
        ports: tuple[int, int, int] | None = None,
        peers: Sequence[int] = (),
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        tls = tls or client_cert_auth
        self.pki = (pki or Pki(data_dir / "pki")) if tls else None
        self.master_token = str(uuid.uuid4()) if acl else None
        self.node_name = f"node-{uuid.uuid4().hex[:8]}"
        http_port, rpc_port, serf_port = ports or free_ports(3)
        self._port, self.rpc_port = http_port, rpc_port
        config = server_config(
            data_dir / "data",
            node_name=self.node_name,
            ports=(http_port, rpc_port, serf_port),
            peers=peers,
            pki=self.pki,
            master_token=self.master_token,
        )
        if client_cert_auth:
            config["verify_incoming_https"] = True
        if session_ttl_min is not None:
            config["session_ttl_min"] = session_ttl_min
        if connections_max is not None:
            config["limits"] = {"http_max_conns_per_client": connections_max}
        if key_list_policy:
            config["acl"]["enable_key_list_policy"] = True
        config_path = data_dir / "consul.json"
        config_path.write_text(json.dumps(config))
        environ = {k: v for k, v in os.environ.items() if not k.startswith("CONSUL_")}
        self._environ = environ
        program = find_program("consul", remedy=_REMEDY)
        self._data = data_dir / "data"
        self.process = ServerProcess(
            [program, "agent", "-config-file", str(config_path)],
            log_path=data_dir / "consul.log",
            environ=environ,
        )

    @property
    def endpoint(self) -> str:
        """Host and port, as in ``127.0.0.1:8500``."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        scheme = "http" if self.pki is None else "https"
        return f"{scheme}://{self.endpoint}"

    def start(self) -> None:
        """Start Consul and return once sessions can be opened."""
        self.process.start(ready=self._answers)

    def launch(self) -> None:
        """Start Consul without waiting for answers, which take a quorum."""
        self.process.start(ready=lambda: listens(self._port))

    def kill(self) -> None:
        """SIGKILL and reap."""
        self.process.kill()

    def wait_until_ready(self) -> None:
        """Return once sessions can be opened, after `launch`; `ServerError` if that takes long."""
        give_up_at_s = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if time.monotonic() > give_up_at_s:
                raise ServerError(f"consul at {self.url} does not get ready")
            time.sleep(0.05)  # Another process's readiness gives no event to wait for.

    def restart(self) -> None:
        """Kill it if it still runs and start it on the same ports with the same data."""
        self.kill()
        self.start()

    def lose_data(self) -> None:
        """Start it on the same ports with none of its data: it counts from the beginning."""
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

    def consul(self, *args: str) -> str:
        """Run the consul program against this server and return its output."""
        done = subprocess.run(
            [self.process.argv[0], *args],
            capture_output=True,
            text=True,
            env=self.client_environ(),
            timeout=_CLI_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise ServerError(f"consul {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def new_policy(self, name: str, rules: str) -> str:
        """Create an ACL policy, and return its id."""
        made = self.http("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules})
        if made.status != 200:
            raise ServerError(f"Consul made no policy: {made}")
        return str(made.json()["ID"])

    def change_policy(self, policy_id: str, name: str, rules: str) -> None:
        body = {"ID": policy_id, "Name": name, "Rules": rules}
        changed = self.http("PUT", f"/v1/acl/policy/{policy_id}", body)
        if changed.status != 200:
            raise ServerError(f"Consul changed no policy: {changed}")

    def new_token(self, policy: str) -> str:
        """Create an ACL token with this policy, and return its secret."""
        made = self.http("PUT", "/v1/acl/token", {"Policies": [{"Name": policy}]})
        if made.status != 200:
            raise ServerError(f"Consul made no token: {made}")
        return str(made.json()["SecretID"])

    def client_environ(self) -> dict[str, str]:
        """The environment in which the consul program finds this server, and may do everything."""
        environ = self._environ | {"CONSUL_HTTP_ADDR": self.url}
        if self.master_token is not None:
            environ["CONSUL_HTTP_TOKEN"] = self.master_token
        if self.pki is not None:
            environ["CONSUL_CACERT"] = str(self.pki.ca_cert)
            environ["CONSUL_CLIENT_CERT"] = str(self.pki.client_cert)
            environ["CONSUL_CLIENT_KEY"] = str(self.pki.client_key)
        return environ

    def http(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> HttpAnswer:
        """Call the HTTP API; ``path`` starts with ``/v1/``.

        A body of `bytes` is sent as it is and anything else as JSON. Without ``token`` the call
        is made with `master_token`. Raises `OSError` or `HTTPException`.
        """
        token = token if token is not None else self.master_token
        headers = {} if token is None else {"X-Consul-Token": token}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return HttpAnswer(answer.status, answer.read())
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        if self.pki is None:
            return HTTPConnection("127.0.0.1", self._port, timeout=_CALL_TIMEOUT_S)
        context = ssl.create_default_context(cafile=str(self.pki.ca_cert))
        context.check_hostname = False  # Its certificate may be for another name.
        context.load_cert_chain(self.pki.client_cert, self.pki.client_key)
        return HTTPSConnection("127.0.0.1", self._port, timeout=_CALL_TIMEOUT_S, context=context)

    def _answers(self) -> bool:
        """A session needs a leader, and our node in the catalog: only opening one proves both."""
        if not listens(self._port):
            return False
        try:
            opened = self.http("PUT", "/v1/session/create", {"Checks": []})
            if opened.status != 200:
                return False
            return self.http("PUT", f"/v1/session/destroy/{opened.json()['ID']}").status == 200
        except (OSError, HTTPException):
            return False


class ConsulCluster:
    """Three servers that elect a leader among themselves. For the options see `ConsulServer`."""

    def __init__(self, data_dir: Path, **options: Any) -> None:
        ports = [(http, rpc, serf) for http, rpc, serf in (free_ports(3) for _ in range(3))]
        self.members = [
            ConsulServer(data_dir / name, ports=own, peers=[port[2] for port in ports], **options)
            for name, own in zip("abc", ports, strict=True)
        ]

    def start(self) -> None:
        """Start all servers and return once sessions can be opened by each of them."""
        for member in self.members:
            member.launch()
        for member in self.members:
            member.wait_until_ready()

    def leader(self) -> ConsulServer:
        """The running server that leads the others."""
        for asked in self.members:
            if not asked.process.running:
                continue
            leader = asked.http("GET", "/v1/status/leader").json()
            for member in self.members:
                if leader == f"127.0.0.1:{member.rpc_port}":
                    return member
        raise ServerError("no server of the cluster leads")

    def stop(self) -> None:
        """End all servers for good."""
        for member in self.members:
            member.stop()
