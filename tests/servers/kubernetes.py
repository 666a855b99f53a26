"""A real Kubernetes API server on loopback ports, with an etcd of its own.

There is no kubelet, no scheduler and no controller: what is written is kept, read, watched, and
refused to whom RBAC does not allow it, and nothing comes of it. A pod is an object; a namespace
that is deleted stays.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.etcd import EtcdServer
from tests.servers.kubernetes_config import client_config, server_flags
from tests.servers.pki import Pki
from tests.servers.process import ServerError, ServerProcess, find_program, free_ports, listens

__all__ = ["ApiAnswer", "KubernetesServer", "require_kubernetes"]

_REMEDY = "run ./check --kubernetes, which builds it into .cache, and has it on PATH"
# It computes for 15 s before it answers, on a machine that does nothing else.
_START_TIMEOUT_S = 300.0
_CALL_TIMEOUT_S = 60.0
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def require_kubernetes() -> None:
    """Raise `MissingServerError` unless an API server, its etcd and its clients can be run here."""
    for program in ("kube-apiserver", "leader-election", "kubectl", "etcd", "etcdctl"):
        find_program(program, remedy=_REMEDY)


class ApiAnswer(NamedTuple):
    """What the API server answered: an object, or the text of what is not JSON."""

    status: int
    body: Any


class KubernetesServer:
    """One API server, with TLS and RBAC, and its etcd.

    `admin_token` may do everything. ``extra_args`` are for kube-apiserver. To do something to the
    data's server, and not to this one, use `etcd`.
    """

    def __init__(
        self, data_dir: Path, *, pki: Pki | None = None, extra_args: Sequence[str] = ()
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.pki = pki or Pki(data_dir / "pki")
        self.etcd = EtcdServer(data_dir / "etcd")
        self.admin_token = secrets.token_hex(16)
        [self._port] = free_ports(1)
        self.url = f"https://{self.endpoint}"
        flags = server_flags(
            data_dir,
            etcd_url=self.etcd.url,
            port=self._port,
            pki=self.pki,
            admin_token=self.admin_token,
        )
        # kubectl keeps what it learns of a server below HOME.
        environ = {k: v for k, v in os.environ.items() if not k.startswith("KUBE")}
        self._environ = environ | {"HOME": str(data_dir)}
        self._admins_config = data_dir / "admin.json"
        self.kubeconfig(self._admins_config)
        self.process = ServerProcess(
            [find_program("kube-apiserver", remedy=_REMEDY), *flags, *extra_args],
            log_path=data_dir / "kube-apiserver.log",
            environ=self._environ,
            start_timeout_s=_START_TIMEOUT_S,
        )

    @property
    def endpoint(self) -> str:
        """Host and port, as in ``127.0.0.1:6443``."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start what does not run, and return once the server is ready and has its namespaces."""
        if not self.etcd.process.running:
            self.etcd.start()
        self.process.start(ready=self._answers)

    def launch(self) -> None:
        """Start it without waiting until it is ready, which takes its time."""
        self.process.start(ready=lambda: listens(self._port))

    def kill(self) -> None:
        """SIGKILL the API server and reap it. Its etcd runs on."""
        self.process.kill()

    def restart(self) -> None:
        """Kill it if it still runs and start it on the same port with the same data."""
        self.kill()
        self.start()

    def lose_data(self) -> None:
        """Start both on the same ports with no data: names are free, and versions count anew."""
        self.kill()
        self.etcd.lose_data()
        self.start()

    def pause(self) -> None:
        """SIGSTOP the API server: connections stay up, nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()

    def stop(self) -> None:
        """End both for good."""
        self.kill()
        self.etcd.stop()

    def http(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        content_type: str = "application/json",
    ) -> ApiAnswer:
        """Call the API; ``path`` starts with ``/api/`` or ``/apis/``.

        A body of `bytes` is sent as it is and anything else as JSON. Without ``token`` the call is
        made with `admin_token`; with an empty one, by nobody. Raises `OSError` or `HTTPException`.
        """
        token = self.admin_token if token is None else token
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = content_type
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        context = ssl.create_default_context(cafile=str(self.pki.ca_cert))
        context.check_hostname = False  # Its certificate may be for another name.
        connection = HTTPSConnection(
            "127.0.0.1", self._port, timeout=_CALL_TIMEOUT_S, context=context
        )
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            raw = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return ApiAnswer(answer.status, json.loads(raw) if is_json else raw.decode())
        finally:
            connection.close()

    def create(self, path: str, body: dict[str, Any]) -> Any:
        """Create an object as the admin, and return it as it is kept; or raise `ServerError`."""
        made = self.http("POST", path, body)
        if made.status != 201:
            raise ServerError(f"Kubernetes made nothing at {path}: {made}")
        return made.body

    def kubectl(self, *args: str) -> str:
        """Run kubectl against this server, as the admin, and return its output."""
        done = subprocess.run(
            self.kubectl_argv(*args),
            capture_output=True,
            text=True,
            env=self._environ,
            timeout=_CALL_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise ServerError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def kubectl_argv(self, *args: str) -> list[str]:
        """The command line that runs kubectl as the admin, for a test's own process."""
        kubectl = find_program("kubectl", remedy=_REMEDY)
        return [kubectl, "--kubeconfig", str(self._admins_config), *args]

    def leader_election_argv(self, lease: str, *, namespace: str, identity: str) -> list[str]:
        """The command line of client-go's example: it holds the Lease until it gets SIGTERM."""
        argv = [find_program("leader-election", remedy=_REMEDY)]
        argv += ["-kubeconfig", str(self._admins_config), "-id", identity]
        return [*argv, "-lease-lock-name", lease, "-lease-lock-namespace", namespace]

    def kubeconfig(
        self, path: Path, *, token: str | None = None, namespace: str = "default"
    ) -> None:
        """Write a file in the form of ``kubectl config view --raw --flatten -o json``."""
        token = self.admin_token if token is None else token
        config = client_config(self.url, pki=self.pki, token=token, namespace=namespace)
        path.write_text(json.dumps(config, indent=4) + "\n")

    def namespace(self) -> str:
        """Create a namespace that no other test knows, and return its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.create("/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def service_account(
        self,
        name: str,
        namespace: str = "default",
        *,
        rules: list[dict[str, Any]],
        seconds: int = 3600,
    ) -> str:
        """Create an account with these rights in its namespace, and return a token of it.

        ``rules`` are those of a Role. Returns once they are in force. ``seconds``: see `token`.
        """
        named = {"metadata": {"name": name}}
        self.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", named)
        self.create(f"{_RBAC}/namespaces/{namespace}/roles", named | {"rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        binding = named | {"roleRef": role, "subjects": [subject]}
        self.create(f"{_RBAC}/namespaces/{namespace}/rolebindings", binding)
        _wait(lambda: all(self._allows(name, namespace, rule) for rule in rules), what=f"{rules}")
        return self.token(name, namespace, seconds=seconds)

    def token(self, name: str, namespace: str = "default", *, seconds: int = 3600) -> str:
        """Ask for one more token of a service account; the API gives none for less than 600 s."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        made = self.create(path, {"spec": {"expirationSeconds": seconds}})
        return str(made["status"]["token"])

    def _allows(self, name: str, namespace: str, rule: dict[str, Any]) -> bool:
        """RBAC hears of a new binding by a watch, some time after it was made."""
        resource, _, subresource = rule["resources"][0].partition("/")
        attributes = {
            "namespace": namespace,
            "verb": rule["verbs"][0],
            "group": rule["apiGroups"][0],
            "resource": resource,
            "subresource": subresource,
            "name": (rule.get("resourceNames") or [""])[0],
        }
        user = f"system:serviceaccount:{namespace}:{name}"
        review = {"spec": {"user": user, "resourceAttributes": attributes}}
        return bool(self.create(_REVIEWS, review)["status"]["allowed"])

    def _answers(self) -> bool:
        if not listens(self._port):
            return False
        try:
            ready = self.http("GET", "/readyz")
            default = self.http("GET", "/api/v1/namespaces/default")
        except (OSError, HTTPException):
            return False
        return (ready.status, default.status) == (200, 200)


def _wait(true: Callable[[], bool], *, what: str) -> None:
    give_up_at_s = time.monotonic() + _CALL_TIMEOUT_S
    while not true():
        if time.monotonic() > give_up_at_s:
            raise ServerError(f"Kubernetes does not get to {what}")
        time.sleep(0.02)  # What another process has learnt gives no event to wait for.
