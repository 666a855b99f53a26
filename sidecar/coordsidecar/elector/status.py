"""The status server: it reads, and hands orders on; whoever connects can hold up nobody.

Connections are few and never waited for. What there is to read is in `pages`, what may be ordered
in `ordering`.
"""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from coordsidecar.elector.posted import Post
from coordsidecar.linux import LEAST_OPEN_FILES, RLIMIT_NOFILE, soft_limit
from coordsidecar.log import json_safe

__all__ = ["Answer", "Orders", "Pages", "Stream", "serve"]

_MOST_CONNECTIONS, _LEAST_CONNECTIONS = 16, 2
_SILENCE_S = 5.0
_REFUSED_PAUSE_S = 0.1
# How much of a body that is refused is still read, lest the kernel take the answer back.
_LINGER_BYTES, _LINGER_S = 1 << 20, 2.0

_READ, _ORDER = "GET, HEAD, OPTIONS", "POST, OPTIONS"
_UCRED = struct.Struct("3i")


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes

    @classmethod
    def of_json(cls, shows: dict[str, Any], *, status: int = 200) -> Answer:
        """What it ``shows`` may have been written by anybody."""
        text = json.dumps(json_safe(shows), ensure_ascii=False)
        body = text.encode("utf-8", "backslashreplace") + b"\n"
        return cls(status, "application/json", body)


class Stream(NamedTuple):
    """An answer without an end: ``feed`` writes it until the connection ends, or raises."""

    content_type: str
    feed: Callable[[socket.socket], None]


Pages = Mapping[str, Callable[[], Answer | Stream]]
"""By path. Each is called once a request, in a thread of the request's own."""

Orders = Mapping[str, Callable[[Post], Answer]]
"""What is posted to each path, likewise."""


def serve(listener: socket.socket, pages: Pages, orders: Orders) -> None:
    """Answer who connects to ``listener``, which listens, from a daemon thread.

    Raises `RuntimeError` if it gets no thread.
    """
    server = _Server(listener, pages, orders)
    threading.Thread(target=server.serve_on, name="status", daemon=True).start()


class _Server(socketserver.ThreadingTCPServer):
    """A TCP server rather than an HTTPServer: that one asks DNS for its own name, and may hang."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, pages: Pages, orders: Orders) -> None:
        self.pages = pages
        self.orders = orders
        self.at_port = listener.family != socket.AF_UNIX
        self._most = _most_connections()
        self._open: dict[int, socket.socket] = {}  # By age, the oldest first.
        self._lock = threading.Lock()
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

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
            if len(self._open) >= self._most:
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
        if (page := self.server.pages.get(self._path)) is not None:
            self._say(page())
        else:
            self._say_no()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        if (order := self.server.orders.get(self._path)) is not None:
            self._say(order(Post(self.headers, self.rfile, self._who_asks(), self.server.at_port)))
        else:
            self._say_no()
        self._linger()

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self.send_header("Allow", self._allowed)
        self.end_headers()

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    @property
    def _allowed(self) -> str:
        return _ORDER if self._path in self.server.orders else _READ

    def _who_asks(self) -> str:
        """In words, for the log."""
        if self.server.at_port:
            return f"HTTP client {self.client_address[0]}:{self.client_address[1]}"
        raw = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, uid, _ = _UCRED.unpack(raw)
        return f"HTTP client of uid {uid} (pid {pid})"

    def _say_no(self) -> None:
        """There is no such page, or no such method for it."""
        paths = [*self.server.pages, *self.server.orders]
        if self._path in paths:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
        else:
            self._say(Answer(404, "text/plain", f"there are {' '.join(paths)}\n".encode()))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses: a method that we do not have, or what is no request at all."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, f"there are {self._allowed}"
        self.close_connection = True
        text = (message or HTTPStatus(code).phrase).encode("ascii", "backslashreplace")
        self._say(Answer(code, "text/plain", text + b"\n"))

    def _say(self, answer: Answer | Stream) -> None:
        status = answer.status if isinstance(answer, Answer) else HTTPStatus.OK
        self.send_response(status)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", self._allowed)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", answer.content_type)
        if isinstance(answer, Answer):
            self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(answer, Answer):
            self.wfile.write(answer.body)
        else:
            answer.feed(self.connection)

    def _linger(self) -> None:
        """Read what is left of a body that was refused: a close would reset the connection, and
        the client might never see why."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_LINGER_S / 4)
        give_up_s, left = time.monotonic() + _LINGER_S, _LINGER_BYTES
        while left > 0 and time.monotonic() < give_up_s:
            if not (piece := self.connection.recv(65536)):
                return
            left -= len(piece)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every second; the log is for what happens."""


def _most_connections() -> int:
    """One takes two descriptors at most: of few, those for the store and the guard come first."""
    limit = soft_limit(RLIMIT_NOFILE)
    spare = (limit - LEAST_OPEN_FILES) // 2 if limit is not None else _MOST_CONNECTIONS
    return max(_LEAST_CONNECTIONS, min(spare, _MOST_CONNECTIONS))


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # It may have gone of itself.
        connection.shutdown(socket.SHUT_RDWR)
