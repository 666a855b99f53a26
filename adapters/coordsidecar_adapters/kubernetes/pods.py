"""Which pod leads, as a label of it, for Services to select by: ``coordsidecar/role=leader``.

A label is a hint, not a lock: who leads stands in the Lease. What makes it a good hint is the token
beside it, in an annotation. Each leader takes the label off all pods of its election that have a
lower token, those of owners who died or were cut off among them, and looks again every so often: a
write of an earlier leader may have been under way for long. Who finds a higher token than his own
is not the leader any more, and takes his own label off.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import quote

from coordsidecar.hints import Any
from coordsidecar.store.announcer import Announcer
from coordsidecar.store.protocol import Election, RefusedError
from coordsidecar_adapters.http_connection import tls_side
from coordsidecar_adapters.kubernetes.client import KubernetesClient
from coordsidecar_adapters.kubernetes.errors import Resource, translate
from coordsidecar_adapters.kubernetes.settings import KUBERNETES, KubernetesSettings

__all__ = ["announcer"]

_ROLE, _ELECTION, _TOKEN = "coordsidecar/role", "coordsidecar/election", "coordsidecar/token"
_PODS = Resource("pods", "pods")
_MERGE, _JSON = "application/merge-patch+json", "application/json"
_OK, _NOT_FOUND, _CONFLICT = 200, 404, 409
_MOST_DIGITS = 20


def announcer(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Announcer | None:
    """Who labels the pod that is named as our ``node_id``; None: nobody asked for that.

    Raises `ValueError` as the store does.
    """
    settings = KubernetesSettings.read(url, election, environ)
    if not settings.label_pods:
        return None
    client = KubernetesClient(settings, tls=tls_side(settings.access.tls, KUBERNETES))
    return _PodLabel(client, settings, pod=node_id)


class _PodLabel:
    def __init__(self, client: KubernetesClient, settings: KubernetesSettings, *, pod: str) -> None:
        self._client = client
        self._settings = settings
        self._pod = pod
        self._pods = f"{settings.access.path}/api/v1/namespaces/{settings.namespace}/pods"

    def announce(self, token: int | None, *, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        if not self._label(self._pod, token, deadline_s):
            raise RefusedError(
                f"Kubernetes: there is no pod {self._pod!r} in namespace "
                f"{self._settings.namespace} to label; --id must be the pod's name"
            )
        if token is not None and self._take_off_others(token, deadline_s):
            self._label(self._pod, None, deadline_s)

    def _take_off_others(self, token: int, deadline_s: float) -> bool:
        """Whether one of them has a higher token than ours."""
        selector = quote(f"{_ROLE}=leader,{_ELECTION}={self._settings.name}")
        request = f"GET {self._pods}?labelSelector={selector}"
        answer = self._client.ask(request, None, _JSON, deadline_s)
        if answer.status != _OK:
            raise translate(answer, verb="list", settings=self._settings, about=_PODS)
        is_outdated = False
        for pod in answer.body.get("items") or ():
            meta = pod["metadata"]
            if meta["name"] == self._pod:
                continue
            theirs = (meta.get("annotations") or {}).get(_TOKEN, "")
            # Anybody may have written it; no token of ours has more digits.
            if theirs.isdecimal() and len(theirs) <= _MOST_DIGITS and int(theirs) > token:
                is_outdated = True
            else:
                self._label(meta["name"], None, deadline_s, version=meta["resourceVersion"])
        return is_outdated

    def _label(
        self, pod: str, token: int | None, deadline_s: float, *, version: str | None = None
    ) -> bool:
        """Say that it leads under this token, or none; only if it is still of this ``version``, if
        one is given. False: it is not there."""
        meta: dict[str, Any] = {
            "labels": {_ROLE: "standby" if token is None else "leader"},
            "annotations": {_TOKEN: None if token is None else str(token)},
        }
        meta["labels"][_ELECTION] = self._settings.name
        if version is not None:
            meta["resourceVersion"] = version
        request = f"PATCH {self._pods}/{quote(pod, safe='')}"
        answer = self._client.ask(request, {"metadata": meta}, _MERGE, deadline_s)
        if answer.status in (_OK, _CONFLICT):
            return True
        if answer.status == _NOT_FOUND and answer.is_status:
            return False
        raise translate(answer, verb="patch", settings=self._settings, about=_PODS)
