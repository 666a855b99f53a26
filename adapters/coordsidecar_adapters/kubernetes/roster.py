"""The roster of an election in Kubernetes: an annotation of each instance's own pod.

So it is gone with the pod, by whose name an instance is known. It is written where pods are
labelled (``?label-pods=yes``), for that takes the same right. What the sidecar of a pod that still
runs left is written anew when that is started again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from urllib.parse import quote

from coordsidecar.store.protocol import (
    Election,
    RefusedError,
    Session,
    UnreachableError,
)
from coordsidecar.store.roster import Roster, is_entry, named
from coordsidecar_adapters.http_connection import tls_side
from coordsidecar_adapters.kubernetes.client import KubernetesClient
from coordsidecar_adapters.kubernetes.errors import Resource, translate
from coordsidecar_adapters.kubernetes.settings import KUBERNETES, KubernetesSettings

__all__ = ["PodRoster", "entries", "roster"]

_ENTRY, _ELECTION = "coordsidecar/instance", "coordsidecar/election"
_PODS = Resource("pods", "pods")
_MERGE, _JSON = "application/merge-patch+json", "application/json"
_OK = 200


def roster(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Roster | None:
    """For ``kubernetes:`` URLs by which pods are labelled."""
    settings = KubernetesSettings.read(url, election, environ)
    if not settings.label_pods:
        return None
    client = KubernetesClient(settings, tls=tls_side(settings.access.tls, KUBERNETES))
    return PodRoster(client, settings, pod=node_id)


def entries(
    client: KubernetesClient, settings: KubernetesSettings, deadline_s: float
) -> dict[str, str]:
    """What the pods that run say of themselves, by their names. Raises `StoreError`.

    A pod of two elections says what its sidecar of one of them does.
    """
    selector = quote(f"{_ELECTION}={settings.name}")
    request = f"GET {_pods(settings)}?labelSelector={selector}"
    answer = client.ask(request, None, _JSON, deadline_s)
    if answer.status != _OK:
        raise translate(answer, verb="list", settings=settings, about=_PODS)
    found: dict[str, str] = {}
    try:
        for pod in answer.body.get("items") or ():
            name = pod["metadata"]["name"]
            said = (pod["metadata"].get("annotations") or {}).get(_ENTRY, "")
            if pod["status"].get("phase") in ("Failed", "Succeeded") or not is_entry(said):
                continue
            if json.loads(said).get("election") == settings.name:
                found[name] = named(said, name)
    except (KeyError, TypeError, AttributeError) as e:
        raise UnreachableError(f"what answered about pods is not Kubernetes: {e!r}") from e
    return found


class PodRoster:
    """A `Roster`."""

    def __init__(self, client: KubernetesClient, settings: KubernetesSettings, *, pod: str) -> None:
        self._client, self._settings, self._pod = client, settings, pod

    def tell(self, session: Session | None, entry: str, *, timeout_s: float) -> None:
        election = self._settings.name
        said = json.dumps(json.loads(entry) | {"election": election})
        meta = {"labels": {_ELECTION: election}, "annotations": {_ENTRY: said}}
        request = f"PATCH {_pods(self._settings)}/{quote(self._pod, safe='')}"
        deadline_s = time.monotonic() + timeout_s
        try:
            answer = self._client.ask(request, {"metadata": meta}, _MERGE, deadline_s)
        finally:
            self._client.close()  # The next change may be days away.
        if answer.status == 404 and answer.is_status:
            raise RefusedError(f"Kubernetes: there is no pod {self._pod!r}; --id must be its name")
        if answer.status != _OK:
            raise translate(answer, verb="patch", settings=self._settings, about=_PODS)


def _pods(settings: KubernetesSettings) -> str:
    return f"{settings.access.path}/api/v1/namespaces/{settings.namespace}/pods"
