"""py-consul's endpoints over one kept-alive connection to one Consul agent.

What py-consul does not do by itself: send the token with transactions; ignore its own reading of
CONSUL_* variables, which would override what we were given; ignore proxies of the environment;
refuse redirects, which would carry the token to wherever they point; bound a whole call.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence

from coordsidecar.hints import TypeVar
from coordsidecar.value import Value
from coordsidecar_adapters.consul.library import KV, Session, Txn
from coordsidecar_adapters.consul.settings import CONSUL, ConsulSettings
from coordsidecar_adapters.http_connection import (
    MOST_BODY_BYTES,
    HttpConnection,
    Resolver,
    TlsSide,
)
from coordsidecar_adapters.link import LinkError

__all__ = ["Agent"]

_T = TypeVar("_T")
_PLAIN = re.compile(r"[A-Za-z0-9/:._-]*")
_Parameters = Sequence[tuple[str, object]] | None


class Answer(Value):
    """An answer as py-consul's callbacks read it."""

    code: int
    headers: Mapping[str, str]
    body: str


class Agent:
    """One agent, as py-consul's endpoints see a client. Calls raise `LinkError` besides its errors.

    ``deadline_s`` (on `time.monotonic`) bounds the calls that come; ``token`` goes with each.
    """

    dc = None
    consistency = "default"

    def __init__(
        self,
        address: str,
        settings: ConsulSettings,
        *,
        resolver: Resolver,
        tls: TlsSide | None,
        most_bytes: int = MOST_BODY_BYTES,
    ) -> None:
        self.deadline_s = 0.0
        self.token = ""
        self.http = self
        self.kv, self.session, self.txn = KV(self), Session(self), Txn(self)
        self._dial: Callable[[], HttpConnection] = lambda: HttpConnection(
            address, server=CONSUL, resolver=resolver, tls=tls, most_bytes=most_bytes
        )
        self._connection: HttpConnection | None = None
        self._headers = {}
        if settings.auth:
            login = ":".join(settings.auth).encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        if settings.namespace:
            self._headers["X-Consul-Namespace"] = settings.namespace

    def prepare_headers(self, token: None = None) -> None:
        """What py-consul would send besides: nothing."""

    def get(
        self,
        read: Callable[[Answer], _T],
        path: str,
        params: _Parameters = None,
        headers: None = None,
    ) -> _T:
        return read(self._ask(f"GET {_target(path, params)}", b""))

    def put(
        self,
        read: Callable[[Answer], _T],
        path: str,
        params: _Parameters = None,
        data: str = "",
        headers: None = None,
    ) -> _T:
        return read(self._ask(f"PUT {_target(path, params)}", data.encode()))

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _ask(self, request: str, body: bytes) -> Answer:
        reused = self._connection is not None
        try:
            return self._ask_once(request, body)
        except LinkError as e:
            # A kept-alive connection may have been closed by the server while it was idle.
            if not reused or e.timed_out:
                raise
        return self._ask_once(request, body)

    def _ask_once(self, request: str, body: bytes) -> Answer:
        self._connection = connection = self._connection or self._dial()
        headers = self._headers | ({"X-Consul-Token": self.token} if self.token else {})
        try:
            code = connection.ask(request, body, headers=headers, deadline_s=self.deadline_s)
            text = connection.read(deadline_s=self.deadline_s).decode(errors="replace")
        except BaseException:
            self.close()
            raise
        if 300 <= code < 400:
            raise LinkError(f"it sends us elsewhere (HTTP status {code})", sent=True)
        index = connection.headers.get("x-consul-index")
        return Answer(code, {} if index is None else {"X-Consul-Index": index}, text)


def _target(path: str, params: _Parameters) -> str:
    # Names of elections and ids of sessions are so, and py-consul's parameters.
    assert _PLAIN.fullmatch(path), path
    query = "&".join(f"{name}={value}" for name, value in params or ())
    return f"{path}?{query}" if query else path
