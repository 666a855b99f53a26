"""A proxy that reads what is asked, and gives trouble to one kind of operation alone.

`Proxy` fails whole connections. What fails in life is often less: a role that may renew and not
read, a member that commits and does not answer, a load balancer's page instead of JSON.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from enum import Enum

from tests.servers.http import ClosedError, Request, Wire, answer
from tests.servers.operations import DIALECTS, Operation

__all__ = ["Gate", "Trouble"]

_PAGE = b"<html><body><h1>Something went wrong</h1></body></html>"


class Trouble(Enum):
    """What becomes of a request."""

    REFUSED = "refused"
    SILENT = "silent"
    """It is swallowed; the connection stays open."""
    LOST = "answer lost"
    """The server does it, and its answer is swallowed."""
    CUT = "answer cut"
    """The server does it, and the connection is closed instead of an answer."""
    LATE = "late"
    """It reaches the server when whoever asked has given up."""
    RUBBISH = "200 with rubbish"
    FAILED = "500 with a page"


class Gate:
    """Forwards ``endpoint`` to ``target`` (both ``host:port``) until told otherwise.

    ``dialect`` says what is spoken: ``etcd``, ``consul`` or ``kubernetes``. ``late_s`` is how late
    `Trouble.LATE` is; let it be more than the client's time-out. ``tls``: how to speak to a target
    that speaks nothing else; with the gate one speaks plainly.
    """

    def __init__(
        self, target: str, *, dialect: str, late_s: float, tls: ssl.SSLContext | None = None
    ) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.dialect = dialect
        self._dialect = DIALECTS[dialect]
        self._late_s = late_s
        self._tls = tls
        self._lock = threading.Lock()
        self._trouble: tuple[Operation, Trouble] | None = None
        self._once = False
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        self.hits = 0
        """How many requests the trouble has befallen since it was given."""
        self.seen: list[Operation] = []
        """All that was asked, in order."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def endpoint(self) -> str:
        """Host and port to connect to."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def trouble(self, operation: Operation, trouble: Trouble, *, once: bool = False) -> None:
        """Let this befall each such request from now on, or the next alone.

        A watch that is open already is not told of changes any more.
        """
        with self._lock:
            self._trouble, self._once, self.hits = (operation, trouble), once, 0

    def heal(self) -> None:
        """End the trouble."""
        with self._lock:
            self._trouble = None

    def close(self) -> None:
        """End the proxy, its connections and its threads."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), self._held(client):
            server = socket.create_connection(self._target, timeout=10.0)
            server.settimeout(None)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                server = self._tls.wrap_socket(server)
            with self._held(server):
                asks, answers = Wire(client), Wire(server)
                while True:
                    self._handle(asks.request(), asks, answers)

    @contextlib.contextmanager
    def _held(self, sock: socket.socket) -> Iterator[None]:
        """Close it at the end, or shut it down when the proxy ends."""
        with sock:
            with self._lock:
                if self._closing.is_set():
                    raise ClosedError("the proxy ends")
                self._open.add(sock)
            try:
                yield
            finally:
                with self._lock:
                    self._open.discard(sock)

    def _handle(self, request: Request, client: Wire, server: Wire) -> None:
        operation = self._dialect.read(request)
        self.seen.append(operation)
        match self._take_trouble(operation):
            case None:
                server.send(request.raw)
                self._relay(operation, client, server)
            case Trouble.REFUSED:
                client.send(self._dialect.refuse(operation, request))
            case Trouble.RUBBISH:
                client.send(answer("200 OK", _PAGE, Content_Type="text/html"))
            case Trouble.FAILED:
                client.send(answer("500 Internal Server Error", _PAGE, Content_Type="text/html"))
            case Trouble.SILENT:
                _await_end(client)
            case Trouble.LOST | Trouble.CUT as trouble:
                server.send(request.raw)
                next(server.answer())
                if trouble is Trouble.LOST:
                    _await_end(client)
                raise ClosedError("the answer was kept back")
            case Trouble.LATE:
                self._closing.wait(self._late_s)
                server.send(request.raw)
                self._relay(operation, client, server)

    def _take_trouble(self, operation: Operation) -> Trouble | None:
        """What befalls this request."""
        with self._lock:
            if self._trouble is None or self._trouble[0] is not operation:
                return None
            trouble = self._trouble[1]
            self.hits += 1
            if self._once:
                self._trouble = None
            return trouble

    def _relay(self, operation: Operation, client: Wire, server: Wire) -> None:
        """Pass an answer on, while both ends are there."""
        pieces = server.answer()
        while True:
            if operation is Operation.WATCH and not server.pending:
                _await_any(client, server)
            piece = next(pieces, None)
            if piece is None:
                return
            if operation is Operation.WATCH and self._is_troubled(operation):
                continue  # It says nothing more; its end is for whoever asked to notice.
            client.send(piece)

    def _is_troubled(self, operation: Operation) -> bool:
        with self._lock:
            return self._trouble is not None and self._trouble[0] is operation


def _await_any(client: Wire, server: Wire) -> None:
    """Wait until the server says something; `ClosedError` if the client hangs up before."""
    poll = select.poll()
    poll.register(client.sock, select.POLLRDHUP)
    poll.register(server.sock, select.POLLIN)
    if any(fd == client.sock.fileno() for fd, _ in poll.poll()):
        raise ClosedError("whoever asked has hung up")


def _await_end(client: Wire) -> None:
    """Say nothing until the client hangs up."""
    poll = select.poll()
    poll.register(client.sock, select.POLLRDHUP)
    poll.poll()
    raise ClosedError("whoever asked has hung up")
