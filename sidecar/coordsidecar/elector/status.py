"""The status page: who leads, since when, and why, for probes, load balancers and people.

``GET /`` is JSON; ``GET /leader`` answers 200 while this instance leads and 503 otherwise, which is
what a load balancer asks; ``GET /healthz`` answers 200 while the process works. It only reads, and
whoever connects can hold up nobody: connections are few, short and never waited for.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

from coordsidecar.log import json_safe

__all__ = ["serve"]

_MOST_CONNECTIONS = 16
_SILENCE_S = 5.0


def serve(address: str, port: int, snapshot: Callable[[], dict[str, Any]]) -> int:
    """Serve the status from a daemon thread and return the port; 0 asks for a free one.

    ``snapshot`` is called from other threads, once a request, and returns what ``GET /`` shows; its
    ``role`` decides what ``/leader`` answers. Raises `OSError` where it cannot listen.
    """
    server = _Server(address, port, snapshot)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    return int(server.server_address[1])


class _Server(socketserver.ThreadingTCPServer):
    """A TCP server rather than an HTTPServer: that one asks DNS for its own name, and may hang."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, port: int, snapshot: Callable[[], dict[str, Any]]) -> None:
        self.snapshot = snapshot
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._open: dict[int, socket.socket] = {}  # By age, the oldest first.
        self._lock = threading.Lock()
        super().__init__((address, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._open) >= _MOST_CONNECTIONS:
                # The oldest goes, not the newest: whoever dawdles must not lock out a probe.
                oldest = self._open.pop(next(iter(self._open)))
                _hang_up(oldest)
            self._open[id(request)] = request
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was sent away, is no news, and standard error is for news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENCE_S
    server_version = "coordsidecar"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._answer(200, "text/plain", b"ok\n")
        elif path == "/leader":
            leads = self.server.snapshot().get("role") == "leader"
            self._answer(*(200, "text/plain", b"leader\n") if leads else _NOT_LEADING)
        elif path == "/":
            text = json.dumps(json_safe(self.server.snapshot()), ensure_ascii=False)
            body = text.encode("utf-8", "backslashreplace") + b"\n"
            self._answer(200, "application/json", body)
        else:
            self._answer(404, "text/plain", b"there are /, /leader and /healthz\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every second; the log is for what happens."""


_NOT_LEADING = (503, "text/plain", b"not the leader\n")


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # It may have gone of itself.
        connection.shutdown(socket.SHUT_RDWR)
