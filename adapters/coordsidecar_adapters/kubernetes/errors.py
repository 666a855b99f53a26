"""What the API server's refusals mean for us, and who has to do what about them.

It tells them by an HTTP status, a ``Status`` object with a reason, and a sentence:
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status. Whatever else stands
between us and it may answer as well, with pages that are not for people to read in a log.
"""

from __future__ import annotations

import json

from coordsidecar.hints import Any
from coordsidecar.store.protocol import (
    RefusedError,
    StoreError,
    UnreachableError,
)
from coordsidecar.value import Value
from coordsidecar_adapters.kubernetes.settings import KubernetesSettings

__all__ = ["LEASES", "Answer", "Resource", "cannot_log_in", "translate"]

_LONGEST_TEXT = 500
_DEFAULT_RETRY_S = 1.0
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _INVALID = 400, 401, 403, 404, 422
_RESOURCE = "leases"


class Resource(Value):
    """What a right is about, in words and as kubectl calls it."""

    words: str
    resource: str


LEASES = Resource("leases (coordination.k8s.io)", "leases.coordination.k8s.io")


class Answer(Value):
    """``body``: the object that was answered, empty if it was none."""

    status: int
    body: dict[str, Any]
    retry_after_s: float = _DEFAULT_RETRY_S

    @classmethod
    def read(cls, status: int, raw: bytes, retry_after: str = "") -> Answer:
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            body = {}
        # As a date it may come as well, but not from the API server.
        wait_s = float(retry_after) if retry_after.isdecimal() else _DEFAULT_RETRY_S
        return cls(status, body if isinstance(body, dict) else {}, wait_s)

    @property
    def is_status(self) -> bool:
        """Whether it is the API server's own refusal."""
        return self.body.get("kind") == "Status"

    @property
    def is_about_lease(self) -> bool:
        """Whether it is that, and about a Lease: not about its namespace, or the whole API."""
        details = self.body.get("details")
        return self.is_status and isinstance(details, dict) and details.get("kind") == _RESOURCE

    @property
    def words(self) -> str:
        """What of it is meant for people."""
        message = self.body.get("message") if self.is_status else None
        words = " ".join(message.split()) if isinstance(message, str) else "no word of Kubernetes'"
        return f"{words[:_LONGEST_TEXT]} (HTTP status {self.status})"


def cannot_log_in(error: OSError | ValueError, settings: KubernetesSettings) -> RefusedError:
    """What to say where there is no token to be had; a file may be there by the next call."""
    why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
    return RefusedError(f"Kubernetes: no token to log in with: {why}; see {settings.access.source}")


def translate(
    answer: Answer, *, verb: str, settings: KubernetesSettings, about: Resource = LEASES
) -> StoreError:
    """Say what a refusal of ``verb`` means: unreachable, or refused until somebody mends it."""
    access, namespace = settings.access, settings.namespace
    where = f"Kubernetes at {access.address}"
    if answer.status == _UNAUTHORIZED:
        # Not for good, even where the token cannot change: an API server says so, too, while what
        # it asks about tokens is away.
        return RefusedError(f"{where} does not know who we are; check {access.source}")
    if answer.status == _FORBIDDEN and answer.is_status:
        return _forbidden(answer, where, verb, settings, about)
    if answer.status == _NOT_FOUND and answer.is_status:
        return RefusedError(
            f"{where}: {answer.words}; is there a namespace {namespace!r}, and is it Kubernetes "
            "1.14 or newer?"
        )
    if answer.status in (_BAD_REQUEST, _INVALID) and answer.is_status:
        return RefusedError(f"{where}: {answer.words}")
    # 410, 429, 500, 503, 504, or no answer of the API server's at all.
    return UnreachableError(f"{where}: {answer.words}")


def _forbidden(
    answer: Answer, where: str, verb: str, settings: KubernetesSettings, about: Resource
) -> RefusedError:
    """Name the rule that is missing. Quotas, admission and ends of namespaces are refusals, too."""
    message = answer.body.get("message")
    if not isinstance(message, str) or "cannot" not in message:
        return RefusedError(f"{where}: {answer.words}")
    # A name cannot be asked for before it is there.
    has_name = about is LEASES and verb != "create"
    names = f" --resource-name={settings.name}" if has_name else ""
    return RefusedError(
        f"{where} forbids it: the role of {settings.access.source} lacks the verb {verb!r} on "
        f"{about.words} in namespace {settings.namespace}; to grant it: "
        f"kubectl -n {settings.namespace} create role coordsidecar-{verb} --verb={verb} "
        f"--resource={about.resource}{names}, and bind that (docs/kubernetes.md)"
    )
