"""etcd over its JSON gateway: no dependency, little memory. The default for ``etcd://`` URLs.

See `etcd.url` for the URL, `etcd.election` for the recipe, `etcd.client` for what happens when an
endpoint does not answer. Servers whose gateway is switched off, or that take the user from the
client certificate's CommonName, are for `etcd.grpc`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

from coordsidecar.store.protocol import Election, Store
from coordsidecar_adapters.etcd.client import EtcdClient, Json
from coordsidecar_adapters.etcd.election import EtcdElection
from coordsidecar_adapters.etcd.errors import StatusError
from coordsidecar_adapters.etcd.url import ETCD, parse
from coordsidecar_adapters.http_connection import HttpConnection, Resolver, TlsSide, tls_side
from coordsidecar_adapters.link import EndpointRefusedError, LinkError

__all__ = ["client", "connect"]

_INVALID_ARGUMENT = 3
_UNAVAILABLE = 14


def connect(url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
    """Build the store for an ``etcd://`` or ``etcds://`` URL; `ValueError` if it is wrong."""
    calls, watches = (client(url, environ=environ) for _ in range(2))
    return EtcdElection(calls=calls, watches=watches, election=election)


def client(url: str, *, environ: Mapping[str, str]) -> EtcdClient:
    """One client of what such a URL names."""
    settings = parse(url, environ=environ)
    tls, resolver = tls_side(settings.tls, ETCD), Resolver()
    return EtcdClient(
        endpoints=settings.endpoints,
        dial=lambda address: GatewayConnection(address, resolver=resolver, tls=tls),
        user=settings.user,
        password=settings.password,
    )


class GatewayConnection:
    """A `Connection`: one kept-alive HTTP connection, and one more for each watch."""

    def __init__(self, address: str, *, resolver: Resolver, tls: TlsSide | None) -> None:
        self._address = address
        self._resolver = resolver
        self._tls = tls
        self._http = self._new()

    def call(self, path: str, body: Json, *, token: str, timeout_s: float) -> Json:
        deadline_s = time.monotonic() + timeout_s
        headers = {"Authorization": token} if token else {}
        raw = json.dumps(body).encode()
        status = self._http.ask(f"POST {path}", raw, headers=headers, deadline_s=deadline_s)
        return _answer(self._address, status, self._http.read(deadline_s=deadline_s))

    def watch(self, creates: Sequence[Json], *, token: str, timeout_s: float) -> GatewayWatch:
        deadline_s = time.monotonic() + timeout_s
        # A member without a leader would otherwise keep the watch open and say nothing.
        headers = {"Grpc-Metadata-hasleader": "true"}
        if token:
            headers["Authorization"] = token
        body = "\n".join(json.dumps({"create_request": create}) for create in creates).encode()
        http = self._new()
        try:
            status = http.ask("POST /v3/watch", body, headers=headers, deadline_s=deadline_s)
            if status != 200:
                _answer(self._address, status, http.read(deadline_s=deadline_s))
                raise LinkError(f"HTTP status {status} for a watch", sent=True)
        except BaseException:
            http.close()
            raise
        return GatewayWatch(http, self._address)

    def meets_server(self, *, timeout_s: float) -> bool:
        return True  # ``etcd grpc-proxy`` has no gateway.

    def close(self) -> None:
        self._http.close()

    def _new(self) -> HttpConnection:
        return HttpConnection(self._address, server=ETCD, resolver=self._resolver, tls=self._tls)


class GatewayWatch:
    """A `WatchStream`: one JSON message a line, however the chunks fall."""

    stays_open = True

    def __init__(self, http: HttpConnection, address: str) -> None:
        self._http = http
        self._address = address

    def next(self, *, timeout_s: float) -> Json | None:
        line = self._http.read_line(deadline_s=time.monotonic() + timeout_s)
        return None if line is None else _answer(self._address, 200, line)

    def close(self) -> None:
        self._http.close()


def _answer(address: str, status: int, body: bytes) -> Json:
    """Read an answer, which may be an error: of a call or in a stream, as old gateways word it
    (``error`` and ``grpc_code``) or new ones (``message`` and ``code``: etcd 3.5.30)."""
    try:
        # Streams, keep-alive among them, answer one object a line.
        answer = json.loads(body.partition(b"\n")[0])
    except (ValueError, RecursionError) as e:
        raise _no_json(address, status, body) from e
    if not isinstance(answer, dict):
        raise _no_json(address, status, body)
    error = answer.get("error")
    if isinstance(error, dict):
        raise _status_error(error.get("grpc_code", error.get("code")), error.get("message"))
    if error is not None or status != 200:
        raise _status_error(answer.get("code"), answer.get("message") if error is None else error)
    result = answer.get("result", answer)
    return result if isinstance(result, dict) else {}


def _status_error(code: object, message: object) -> StatusError:
    """What is no code or no message says no more than that there was an error."""
    return StatusError(
        code if type(code) is int else _UNAVAILABLE,
        message if isinstance(message, str) else "an error without a message",
    )


def _no_json(address: str, status: int, body: bytes) -> Exception:
    if b"CommonName" in body:
        return StatusError(_INVALID_ARGUMENT, body[:200].decode(errors="replace").strip())
    if status == 404:
        return EndpointRefusedError(
            f"etcd at {address} has no JSON gateway: it is switched off, or older than etcd 3.4; "
            f"use an etcd+grpc:// URL (pip install 'coordsidecar[grpc]')"
        )
    return LinkError(f"what answered is not etcd (HTTP status {status})", sent=True)
