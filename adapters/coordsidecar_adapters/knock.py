"""To look at one server before anything is asked of it: is it there, does its TLS hold, what time
has it? For examinations alone; no sidecar imports it."""

from __future__ import annotations

import time

from coordsidecar.store.examiner import Certificate
from coordsidecar.store.protocol import UnreachableError
from coordsidecar_adapters.endpoints import host_port
from coordsidecar_adapters.http_connection import HttpConnection, Resolver, TlsSide
from coordsidecar_adapters.link import EndpointRefusedError, LinkError, Server

__all__ = ["knock", "server_clock_s"]


def knock(
    address: str, *, server: Server, tls: TlsSide | None, timeout_s: float
) -> Certificate | None:
    """Open a connection and close it. The server's certificate; None: without TLS there is none.

    Raises `UnreachableError`, or `EndpointRefusedError` if it is there but TLS is not agreed upon.
    """
    try:
        sock = Resolver().connect(address, deadline_s=time.monotonic() + timeout_s)
    except OSError as e:
        where = f"{server.name} at {address} cannot be reached"
        raise UnreachableError(f"{where}: {e.strerror or e}") from e
    try:
        if tls is None:
            return None
        from coordsidecar_adapters.tls import certificate_until_s  # Late: it imports ssl.

        host, _ = host_port(address, default_port=0)
        sock = tls.wrap(sock, host.strip("[]"))
        return Certificate(certificate_until_s(sock))
    except OSError as e:
        why = tls.refusal(e, address) if tls else None
        hint = server.early_close_hint(tls=True)
        said = f"{server.name} at {address} speaks no TLS with us: {e.strerror or e}; {hint}"
        raise EndpointRefusedError(why or said) from e
    finally:
        sock.close()


def server_clock_s(
    address: str, path: str, *, server: Server, tls: TlsSide | None, timeout_s: float
) -> float | None:
    """The time that any answer to ``path`` is dated with; None: it has no date."""
    deadline_s = time.monotonic() + timeout_s
    connection = HttpConnection(address, server=server, resolver=Resolver(), tls=tls)
    try:
        connection.ask(f"GET {path}", b"", headers={}, deadline_s=deadline_s)
        connection.read(deadline_s=deadline_s)
    except LinkError as e:
        raise UnreachableError(f"{server.name} at {address}: {e}") from e
    finally:
        connection.close()
    from email.utils import parsedate_to_datetime  # Late: it is large.

    try:
        return parsedate_to_datetime(connection.headers.get("date", "")).timestamp()
    except ValueError:
        return None
