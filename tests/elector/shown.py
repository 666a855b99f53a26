"""A status server without a sidecar behind it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from coordsidecar.core.timing import Timing
from coordsidecar.elector.counts import Counts
from coordsidecar.elector.events import News
from coordsidecar.elector.listening import Listening
from coordsidecar.elector.pages import pages
from coordsidecar.elector.status import Orders, serve
from coordsidecar.settings.serving import UnixSocket, Where
from coordsidecar.signs import Signs

__all__ = ["ask", "connected", "get", "healthy", "post", "serve_at", "serve_shown"]


def healthy() -> dict[str, Any]:
    return {"healthy": True, "guard_age_s": 0.25, "elector_age_s": 0.5}


def serve_shown(
    snapshot: Callable[[], dict[str, Any]],
    health: Callable[[], dict[str, Any]] = healthy,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    counts: Counts | None = None,
    store: str = "local:",
) -> int:
    """Serve what these return, and return the port."""
    where = address, port
    listening = serve_at(where, snapshot, health, counts=counts, store=store)
    return int(listening.socket.getsockname()[1])


def serve_at(
    where: Where,
    snapshot: Callable[[], dict[str, Any]],
    health: Callable[[], dict[str, Any]] = healthy,
    *,
    counts: Counts | None = None,
    news: News | None = None,
    orders: Orders | None = None,
    store: str = "local:",
) -> Listening:
    """The same at any place, with events of ``news``, and ``orders``."""
    counts = counts or Counts(Signs(), Timing.for_ttl(15.0))
    listening = Listening(where)
    shows = pages(snapshot, health, counts, news or News(), store=store)
    serve(listening.socket, shows, {} if orders is None else orders)
    return listening


def get(
    port: int, path: str, *, method: str = "GET", host: str = "127.0.0.1"
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def connected(where: Where | int) -> socket.socket:
    """A client at a port of this host, an address, or a unix socket."""
    if isinstance(where, UnixSocket):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(60)
        client.connect(where.path)
        return client
    return socket.create_connection(
        ("127.0.0.1", where) if isinstance(where, int) else where, timeout=60
    )


def ask(where: Where | int, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to these very bytes."""
    with connected(where) as client:
        client.sendall(request)
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


def post(
    where: Where | int,
    path: str,
    fields: object = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer; ``headers``: in place of those that there are."""
    body = b"" if fields is None else json.dumps(fields).encode()
    given = {"Host": "localhost", "Content-Length": str(len(body))}
    given |= {"Content-Type": "application/json"} if body else {}
    lines = [f"{name}: {value}" for name, value in (given | dict(headers or {})).items()]
    head = "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")
    status, raw = ask(where, head + body)
    found = json.loads(raw)
    assert isinstance(found, dict)
    return status, found
