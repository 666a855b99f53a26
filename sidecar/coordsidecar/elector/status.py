"""The status page: who leads, since when, and why, for probes, load balancers and people.

``GET /`` is JSON; ``GET /leader`` answers 200 while this instance leads and 503 otherwise, which is
what a load balancer asks; ``GET /healthz`` answers 200 while guard and elector both work, and 503
if one has not stepped for a while, with their ages as JSON. It only reads, and whoever connects can
hold up nobody: connections are few, short and never waited for.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

from coordsidecar.log import json_safe

__all__ = ["serve"]

_MOST_CONNECTIONS = 16
_SILENCE_S = 5.0
_REFUSED_PAUSE_S = 0.1

_Shown = Callable[[], dict[str, Any]]


def serve(address: str, port: int, snapshot: _Shown, health: _Shown) -> int:
    """Serve the status from a daemon thread and return the port; 0 asks for a free one.

    Both are called from other threads, once a request. ``snapshot`` returns what ``GET /`` shows;
    its ``role`` decides what ``/leader`` answers. ``health`` is for ``/healthz``; ``healthy`` in it
    decides. Raises `OSError` where it cannot listen, and `RuntimeError` if it gets no thread.
    """
    server = _Server(address, port, snapshot, health)
    threading.Thread(target=server.serve_on, name="status", daemon=True).start()
    return int(server.server_address[1])


class _Server(socketserver.ThreadingTCPServer):
    """A TCP server rather than an HTTPServer: that one asks DNS for its own name, and may hang."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, port: int, snapshot: _Shown, health: _Shown) -> None:
        self.snapshot = snapshot
        self.health = health
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._open: dict[int, socket.socket] = {}  # By age, the oldest first.
        self._lock = threading.Lock()
        super().__init__((address, port), _Handler)

    def serve_on(self) -> None:
        """Serve for ever, whatever is refused; `serve_forever` ends with the first refusal."""
        while True:
            with suppress(OSError, MemoryError):
                self.serve_forever()
            time.sleep(_REFUSED_PAUSE_S)

    def get_request(self) -> tuple[Any, Any]:
        """Accept. Where that is refused (no descriptor is left), who connects waits on, and would
        wake us again at once, for ever."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(_REFUSED_PAUSE_S)
            raise

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
            health = self.server.health()
            self._show(200 if health.get("healthy") is True else 503, health)
        elif path == "/leader":
            leads = self.server.snapshot().get("role") == "leader"
            self._answer(*(200, "text/plain", b"leader\n") if leads else _NOT_LEADING)
        elif path == "/":
            self._show(200, self.server.snapshot())
        else:
            self._answer(404, "text/plain", b"there are /, /leader and /healthz\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _show(self, status: int, shown: dict[str, Any]) -> None:
        text = json.dumps(json_safe(shown), ensure_ascii=False)
        self._answer(status, "application/json", text.encode("utf-8", "backslashreplace") + b"\n")

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
