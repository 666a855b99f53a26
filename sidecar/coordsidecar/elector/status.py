"""The status server: it only reads, and whoever connects can hold up nobody.

Connections are few, short and never waited for. What there is to read is in `pages`.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

__all__ = ["Answer", "Pages", "serve"]

_MOST_CONNECTIONS = 16
_SILENCE_S = 5.0
_REFUSED_PAUSE_S = 0.1

_ALLOWED = "GET, HEAD, OPTIONS"


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


Pages = Mapping[str, Callable[[], Answer]]
"""By path. Each is called once a request, in a thread of the request's own."""


def serve(address: str, port: int, pages: Pages) -> int:
    """Serve these from a daemon thread and return the port; 0 asks for a free one.

    Raises `OSError` where it cannot listen, and `RuntimeError` if it gets no thread.
    """
    server = _Server(address, port, pages)
    threading.Thread(target=server.serve_on, name="status", daemon=True).start()
    return int(server.server_address[1])


class _Server(socketserver.ThreadingTCPServer):
    """A TCP server rather than an HTTPServer: that one asks DNS for its own name, and may hang."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    # Of those who connect at once nobody is to knock again a second later, as the kernel does where
    # no more fit: a probe would have given up by then.
    request_queue_size = 128

    def __init__(self, address: str, port: int, pages: Pages) -> None:
        self.pages = pages
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
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            there_are = f"there are {' '.join(self.server.pages)}\n"
            self._say(Answer(404, "text/plain", there_are.encode()))
        else:
            self._say(page())

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self.send_header("Allow", _ALLOWED)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses: a method that we do not have, or what is no request at all."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, f"there are {_ALLOWED}"
        self.close_connection = True
        text = (message or HTTPStatus(code).phrase).encode("ascii", "backslashreplace")
        self._say(Answer(code, "text/plain", text + b"\n"))

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", _ALLOWED)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every second; the log is for what happens."""


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # It may have gone of itself.
        connection.shutdown(socket.SHUT_RDWR)
