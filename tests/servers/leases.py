"""A Lease of a real API server, as an operator gets at it: past the adapter."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from coordsidecar.store.protocol import Election
from tests.servers.kubernetes import KubernetesServer
from tests.servers.process import ServerError

__all__ = ["OperatedLease", "store_url"]

_MERGE = "application/merge-patch+json"
_STEPS = "application/json-patch+json"


class OperatedLease:
    """The Lease of an election: ``namespace`` is its namespace, and ``name`` its name."""

    def __init__(self, server: KubernetesServer, election: Election) -> None:
        self._server = server
        self._election = election
        self._all = f"/apis/coordination.k8s.io/v1/namespaces/{election.namespace}/leases"
        self.path = f"{self._all}/{election.name}"

    def make(self) -> None:
        """Make it, and its namespace, unless they are there: held by nobody.

        Whoever has to make it does not know whether there was another, and waits.
        """
        self._create("/api/v1/namespaces", self._election.namespace)
        self._create(self._all, self._election.name)

    def read(self) -> dict[str, Any]:
        """The object as it is now."""
        return dict(self._answered("GET"))

    def spec(self) -> dict[str, Any]:
        """What of it all holders understand."""
        return dict(self.read().get("spec") or {})

    def holder(self) -> str:
        """Who is named as its holder; "" is nobody."""
        return str(self.spec().get("holderIdentity") or "")

    def patch_spec(self, **fields: object) -> None:
        """Change it, whoever holds it and whatever else was written meanwhile."""
        self.patch(spec=fields)

    def patch(self, **patch: object) -> None:
        """Change any of it, by a merge patch."""
        self._answered("PATCH", patch)

    def annotate(self, name: str, text: str) -> None:
        """Overwrite what ours keep there under this name."""
        annotations = {f"coordsidecar/{name}": text}
        self._answered("PATCH", {"metadata": {"annotations": annotations}})

    def clear_holder(self) -> None:
        """Let it be held by nobody: all that an operator can do to its holder."""
        self.patch_spec(holderIdentity="")

    def clear_holder_if(self, holder: str) -> None:
        """Let it be held by nobody, unless another than ``holder`` holds it by now."""
        where = {"path": "/spec/holderIdentity"}
        steps = [{"op": "test", "value": holder} | where, {"op": "replace", "value": ""} | where]
        answer = self._server.http("PATCH", self.path, steps, content_type=_STEPS)
        if answer.status not in (200, 422):
            raise ServerError(f"Kubernetes: {self.path} keeps its holder: {answer}")

    def delete(self) -> None:
        """Delete it, and all that it told."""
        self._answered("DELETE")

    def _create(self, path: str, name: str) -> None:
        made = self._server.http("POST", path, {"metadata": {"name": name}})
        if made.status not in (201, 409):
            raise ServerError(f"Kubernetes made no {name} at {path}: {made}")

    def _answered(self, method: str, body: Any = None) -> Any:
        answer = self._server.http(method, self.path, body, content_type=_MERGE)
        if answer.status != 200:
            raise ServerError(f"Kubernetes: {method} {self.path}: {answer}")
        return answer.body


def store_url(server: KubernetesServer, folder: Path, *, by: str = "", plain: bool = False) -> str:
    """The URL of the store, by way of the ``host:port`` of a proxy if one is given; one to which
    one speaks without TLS, if ``plain``.

    The admin's kubeconfig for that way is written to ``folder``.
    """
    way = by or server.endpoint
    config = folder / f"kubeconfig-{way.rpartition(':')[2]}.json"
    if not config.exists():
        written = config.with_suffix(f".{uuid.uuid4().hex}")  # Threads may be about it at once.
        server.kubeconfig(written)
        was, new = (
            (f"https://{server.endpoint}", f"http://{way}") if plain else (server.endpoint, way)
        )
        written.write_text(written.read_text().replace(was, new))
        written.rename(config)
    return f"kubernetes:?kubeconfig={config}"
