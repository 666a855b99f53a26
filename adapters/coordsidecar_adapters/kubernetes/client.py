"""Requests to the API server, over one kept-alive connection: about one Lease above all.

Every write compares the version of what it replaces, so that doing it twice is harmless: that is
why a request that got no answer may be put again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from coordsidecar.hints import Any
from coordsidecar.store.protocol import UnreachableError
from coordsidecar_adapters.http_connection import HttpConnection, Resolver, TlsSide
from coordsidecar_adapters.kubernetes.errors import Answer, cannot_log_in, translate
from coordsidecar_adapters.kubernetes.settings import KUBERNETES, KubernetesSettings
from coordsidecar_adapters.link import LinkError

__all__ = ["KubernetesClient", "LeaseWatch"]

Json = dict[str, Any]

_MERGE = "application/merge-patch+json"
_JSON = "application/json"
_READ_TOKEN_EVERY_S = 60.0
_OK, _CREATED = 200, 201
_UNAUTHORIZED, _NOT_FOUND, _CONFLICT, _GONE, _TOO_MANY = 401, 404, 409, 410, 429


class KubernetesClient:
    """Raises nothing but `StoreError`, and to who watches `LinkError`.

    ``deadline_s`` is on `time.monotonic`.
    """

    def __init__(self, settings: KubernetesSettings, *, tls: TlsSide | None) -> None:
        self._settings = settings
        access, namespace = settings.access, settings.namespace
        self._leases = f"{access.path}/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._lease = f"{self._leases}/{settings.name}"
        resolver = Resolver()
        self._dial: Callable[[], HttpConnection] = lambda: HttpConnection(
            access.address, server=KUBERNETES, resolver=resolver, tls=tls
        )
        self._connection: HttpConnection | None = None
        self._token = ""
        self._token_read_s = -_READ_TOKEN_EVERY_S

    def get(self, deadline_s: float) -> Json | None:
        """The Lease, by a linearizable read; None: there is none."""
        answer = self._call("get", f"GET {self._lease}", None, _JSON, deadline_s)
        return None if answer.status == _NOT_FOUND else answer.body

    def create(self, lease: Json, deadline_s: float) -> Json | None:
        """Create it, and return it as it is then; None: it is there already."""
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._settings.name} | lease["metadata"],
            "spec": lease["spec"],
        }
        answer = self._call("create", f"POST {self._leases}", lease, _JSON, deadline_s)
        return None if answer.status == _CONFLICT else answer.body

    def patch(self, patch: Json, deadline_s: float) -> Json | None:
        """Change it, and return it as it is then; None: it has changed since, or is gone."""
        answer = self._call("patch", f"PATCH {self._lease}", patch, _MERGE, deadline_s)
        return None if answer.status in (_CONFLICT, _NOT_FOUND) else answer.body

    def watch(self, version: int, *, for_s: int, deadline_s: float) -> LeaseWatch | None:
        """Watch it from ``version`` on, for at most ``for_s``; None: that was too long ago."""
        query = f"watch=1&fieldSelector=metadata.name={self._settings.name}"
        request = f"GET {self._leases}?{query}&resourceVersion={version}&timeoutSeconds={for_s}"
        opened = self._open_watch(request, deadline_s)
        if isinstance(opened, LeaseWatch):
            return opened
        if opened.status == _UNAUTHORIZED and self._token_was_replaced():
            opened = self._open_watch(request, deadline_s)
            if isinstance(opened, LeaseWatch):
                return opened
        if opened.status == _GONE:
            return None
        raise translate(opened, verb="watch", settings=self._settings)

    def _open_watch(self, request: str, deadline_s: float) -> LeaseWatch | Answer:
        http = self._dial()
        try:
            status = http.ask(request, b"", headers=self._headers(), deadline_s=deadline_s)
            if status == _OK:
                return LeaseWatch(http)
            answer = Answer.read(status, http.read(deadline_s=deadline_s))
        except BaseException:
            http.close()
            raise
        http.close()
        return answer

    def _call(
        self, verb: str, request: str, body: Json | None, content_type: str, deadline_s: float
    ) -> Answer:
        answer = self.ask(request, body, content_type, deadline_s)
        if answer.status in (_OK, _CREATED) or (answer.is_status and answer.status == _CONFLICT):
            return answer
        if answer.status == _NOT_FOUND and answer.is_about_lease and verb != "create":
            return answer
        raise translate(answer, verb=verb, settings=self._settings)

    def ask(self, request: str, body: Json | None, content_type: str, deadline_s: float) -> Answer:
        """Any request that may be put twice; whatever the API server says of it.

        It is put again with a new token, and after a while if the API server asks for that.
        """
        answer = self._ask(request, body, content_type, deadline_s)
        if answer.status == _UNAUTHORIZED and self._token_was_replaced():
            answer = self._ask(request, body, content_type, deadline_s)
        if answer.status == _TOO_MANY and time.monotonic() + answer.retry_after_s < deadline_s:
            time.sleep(answer.retry_after_s)
            answer = self._ask(request, body, content_type, deadline_s)
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _ask(self, request: str, body: Json | None, content_type: str, deadline_s: float) -> Answer:
        reused = self._connection is not None
        try:
            return self._ask_once(request, body, content_type, deadline_s)
        except LinkError as e:
            # A kept-alive connection may have been closed by the server while it was idle.
            if not reused or e.timed_out:
                raise self._unreachable(e) from e
        try:
            return self._ask_once(request, body, content_type, deadline_s)
        except LinkError as e:
            raise self._unreachable(e) from e

    def _ask_once(
        self, request: str, body: Json | None, content_type: str, deadline_s: float
    ) -> Answer:
        headers = self._headers()
        self._connection = http = self._connection or self._dial()
        raw = b"" if body is None else json.dumps(body).encode()
        try:
            status = http.ask(
                request, raw, headers=headers, deadline_s=deadline_s, content_type=content_type
            )
            raw = http.read(deadline_s=deadline_s)
            answer = Answer.read(status, raw, http.headers.get("retry-after", ""))
        except BaseException:
            self._connection = None
            http.close()
            raise
        if http.headers.get("connection", "").lower() == "close":
            self._connection = None
            http.close()
        return answer

    def _headers(self) -> dict[str, str]:
        if time.monotonic() - self._token_read_s >= _READ_TOKEN_EVERY_S:
            self._read_token()
        headers = {"User-Agent": "coordsidecar", "Accept": _JSON}
        return headers | {"Authorization": f"Bearer {self._token}"} if self._token else headers

    def _read_token(self) -> None:
        try:
            self._token = self._settings.access.read_token()
        except (OSError, ValueError) as e:
            if not self._token:
                raise cannot_log_in(e, self._settings) from e
        self._token_read_s = time.monotonic()

    def _token_was_replaced(self) -> bool:
        was = self._token
        self._read_token()
        return self._token != was

    def _unreachable(self, error: LinkError) -> UnreachableError:
        return UnreachableError(f"Kubernetes at {self._settings.access.address}: {error}")


class LeaseWatch:
    """An open watch: one event a line."""

    def __init__(self, http: HttpConnection) -> None:
        self._http = http

    def next(self, deadline_s: float) -> Json | None:
        """The next event; None: time is up, and reading may go on later. `LinkError`: it ended."""
        line = self._http.read_line(deadline_s=deadline_s)
        if line is None:
            return None
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise LinkError("what answered is not Kubernetes", sent=True) from e
        return event if isinstance(event, dict) else {}

    def close(self) -> None:
        self._http.close()
