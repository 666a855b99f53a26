"""Kubernetes, examined: the API server, and what RBAC lets us do with the Lease.

It is asked by SelfSubjectAccessReviews, which each account may make, and which nothing remembers:
https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from coordsidecar.hints import Any
from coordsidecar.store.examiner import Certificate, Endpoint, Examiner, Need
from coordsidecar.store.protocol import Election, UnreachableError
from coordsidecar_adapters.http_connection import TlsSide, tls_side
from coordsidecar_adapters.knock import knock, server_clock_s
from coordsidecar_adapters.kubernetes.client import KubernetesClient
from coordsidecar_adapters.kubernetes.errors import Resource, translate
from coordsidecar_adapters.kubernetes.settings import KUBERNETES, KubernetesSettings

__all__ = ["examine"]

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_REVIEW = Resource(
    "selfsubjectaccessreviews (authorization.k8s.io)",
    "selfsubjectaccessreviews.authorization.k8s.io",
)
_JSON = "application/json"
_CREATED = 201
_OF_THE_LEASE = ("get", "patch", "watch")


def examine(url: str, *, election: Election, environ: Mapping[str, str]) -> Examiner:
    """An examiner for ``kubernetes:`` URLs; `ValueError` if it is wrong."""
    settings = KubernetesSettings.read(url, election, environ)
    return KubernetesExaminer(settings, tls=tls_side(settings.access.tls, KUBERNETES))


class KubernetesExaminer:
    """An `Examiner`, and its only `Endpoint`."""

    def __init__(self, settings: KubernetesSettings, *, tls: TlsSide | None) -> None:
        self.endpoints: Sequence[Endpoint] = [self]
        self.name = settings.access.address
        self._settings = settings
        self._client = KubernetesClient(settings, tls=tls)
        self._tls = tls
        self._may_get = False

    def knock(self, *, timeout_s: float) -> Certificate | None:
        return knock(self.name, server=KUBERNETES, tls=self._tls, timeout_s=timeout_s)

    def log_in(self, *, timeout_s: float) -> str:
        self._may("get", timeout_s)
        return f"known by {self._settings.access.source}"

    def ask(self, *, timeout_s: float) -> bool:
        if not self._may_get:
            self._may_get = self._may("get", timeout_s)
        if self._may_get:
            self._client.get(time.monotonic() + timeout_s)
        return self._may_get

    def clock_s(self, *, timeout_s: float) -> float | None:
        path = f"{self._settings.access.path}/version"
        return server_clock_s(
            self.name, path, server=KUBERNETES, tls=self._tls, timeout_s=timeout_s
        )

    def grant(self, ttl_s: float, *, takeover_delay_s: float, timeout_s: float) -> float | None:
        return None  # A Lease has no sessions; whoever holds it writes its duration into it.

    def needs(self, *, timeout_s: float) -> Sequence[Need]:
        found = [self._need(verb, timeout_s) for verb in _OF_THE_LEASE]
        if found[0].lacks or self._client.get(time.monotonic() + timeout_s) is None:
            found.append(self._need("create", timeout_s))
        return found

    def _need(self, verb: str, timeout_s: float) -> Need:
        namespace = self._settings.namespace
        name = "" if verb == "create" else f" --resource-name={self._settings.name}"
        right = f"--verb={verb} --resource=leases.coordination.k8s.io{name}"
        remedy = (
            f"kubectl -n {namespace} create role coordsidecar-{verb} {right}, and bind that "
            "(docs/stores.md)"
        )
        if verb == "create":
            remedy += "; or make the Lease beforehand"
        lacks = "" if self._may(verb, timeout_s) else f"the verb {verb!r} is missing"
        return Need(right, lacks, remedy)

    def _may(self, verb: str, timeout_s: float) -> bool:
        settings = self._settings
        asked: dict[str, Any] = {"group": "coordination.k8s.io", "resource": "leases", "verb": verb}
        asked["namespace"] = settings.namespace
        if verb != "create":  # Which cannot be limited to a name.
            asked["name"] = settings.name
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        request = f"POST {settings.access.path}{_REVIEWS}"
        answer = self._client.ask(request, review, _JSON, time.monotonic() + timeout_s)
        if answer.status != _CREATED:
            raise translate(answer, verb="create", settings=settings, about=_REVIEW)
        status = answer.body.get("status")
        allowed = status.get("allowed") if isinstance(status, dict) else None
        if not isinstance(allowed, bool):
            raise UnreachableError(f"Kubernetes at {self.name} answered what it never does")
        return allowed
