"""Just enough HTTP/1.1 for the stores' servers, over one kept-alive connection.

Why not `http.client`: it always imports ssl and the e-mail parser, 17 ms and 5.5 MB in a process
that mostly waits (requests: 60 ms and 12 MB); and its time-out counts from byte to byte, so that a
server which drips can outlast any of them. Here each step has a deadline for the whole of it.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Mapping

from coordsidecar.hints import Protocol
from coordsidecar_adapters.endpoints import host_port
from coordsidecar_adapters.link import EndpointRefusedError, LinkError, Server, Tls

__all__ = ["MOST_BODY_BYTES", "HttpConnection", "Resolver", "TlsSide", "tls_side"]

_MAX_LINE_BYTES = 16 * 1024
_MAX_HEADERS = 100
MOST_BODY_BYTES = 16 * 1024 * 1024
_RECV_BYTES = 64 * 1024


class TlsSide(Protocol):
    """TLS for a connection; apart, so that only who uses it imports ssl."""

    def wrap(self, sock: socket.socket, host: str) -> socket.socket: ...

    def refusal(self, error: OSError, address: str) -> str | None:
        """Say what has to be mended; None: the error is about something else."""
        ...


def tls_side(tls: Tls | None, server: Server) -> TlsSide | None:
    """Read the certificates; `ValueError` if one of them cannot be used. None: in the clear."""
    if tls is None:
        return None
    from coordsidecar_adapters.tls import SslSide  # Late: it imports ssl.

    return SslSide(tls, server)


class Resolver:
    """Looks names up, and remembers what worked.

    A resolver has time-outs of its own, longer than ours: as long as the address that was used
    last can be reached, no call waits for a name server that is down.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[socket.AddressFamily, tuple[object, ...]]] = {}

    def connect(self, address: str, *, deadline_s: float) -> socket.socket:
        """Open a TCP connection; raises `OSError`."""
        host, port = host_port(address, default_port=0)
        known = self._known.pop(address, None)
        candidates = [known] if known else _look_up(host.strip("[]"), port)
        failure = OSError(f"no address for {host}")
        for tried, (family, where) in enumerate(candidates):
            left_s = (deadline_s - time.monotonic()) / (len(candidates) - tried)
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(max(left_s, 0.001))
                sock.connect(where)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as e:
                sock.close()
                failure = e
                continue
            self._known[address] = (family, where)
            return sock
        raise failure


class HttpConnection:
    """One connection to ``host:port``, opened by the first request.

    Unusable after any exception: close it and make another.
    """

    def __init__(
        self,
        address: str,
        *,
        server: Server,
        resolver: Resolver,
        tls: TlsSide | None,
        most_bytes: int = MOST_BODY_BYTES,
    ) -> None:
        """``most_bytes``: no longer answer is read."""
        self._address = address
        self._most_bytes = most_bytes
        self._server = server
        self._resolver = resolver
        self._tls = tls
        self._sock: socket.socket | None = None
        self._received = bytearray()
        self._answered = False
        self._answers = 0
        # Of the last answer, by their names in small letters.
        self.headers: dict[str, str] = {}
        # Of the answer's body: bytes left in this chunk, or in all if it is not chunked; None:
        # all that comes until the server closes the connection.
        self._left: int | None = 0
        self._chunked = False
        self._line = bytearray()

    def ask(
        self,
        request: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        deadline_s: float,
        content_type: str = "application/json",
    ) -> int:
        """Send a request (``POST /path``) and return the answer's status; then read its body."""
        self._open(deadline_s)
        if self._received or self._answered_unasked():
            # It would be taken for the answer to what we are about to ask.
            raise LinkError("the server answered more than it was asked", sent=False)
        lines = [
            f"{request} HTTP/1.1",
            f"Host: {self._address}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = "\r\n".join(lines) + "\r\n\r\n"
        try:
            self._limit(deadline_s).sendall(head.encode("latin-1") + body)
        except OSError as e:
            raise self._failed(e, sent=True) from e
        return self._read_head(deadline_s)

    def read(self, *, deadline_s: float) -> bytes:
        """Read the whole body."""
        body = bytearray()
        while piece := self._read_piece(deadline_s):
            body += piece
            if len(body) > self._most_bytes:
                raise LinkError("the answer is far too long", sent=True)
        return bytes(body)

    def read_line(self, *, deadline_s: float) -> bytes | None:
        """Read the body up to the next newline. None: time is up; reading may go on later."""
        while b"\n" not in self._line:
            try:
                piece = self._read_piece(deadline_s)
            except LinkError as e:
                if e.timed_out:
                    return None
                raise
            if not piece:
                raise LinkError("the server ended the stream", sent=True)
            self._line += piece
            if len(self._line) > self._most_bytes:
                raise LinkError("the answer is far too long", sent=True)
        line, _, rest = bytes(self._line).partition(b"\n")
        self._line[:] = rest
        return line

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    def __del__(self) -> None:
        # A store that is of no more use is dropped: the server has to be told nothing but this.
        self.close()

    def _open(self, deadline_s: float) -> None:
        if self._sock is not None:
            return
        try:
            self._sock = self._resolver.connect(self._address, deadline_s=deadline_s)
            if self._tls is not None:
                host, _ = host_port(self._address, default_port=0)
                self._sock = self._tls.wrap(self._limit(deadline_s), host.strip("[]"))
                self._answered = True  # By its side of the handshake.
        except OSError as e:
            raise self._failed(e, sent=False) from e

    def _answered_unasked(self) -> bool:
        """Whether there is something to read of a server that has answered all; or its end."""
        if not self._answers or self._sock is None:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    def _limit(self, deadline_s: float) -> socket.socket:
        """Return the socket with the time-out that is left."""
        assert self._sock is not None
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left_s)
        return self._sock

    def _failed(self, error: OSError, *, sent: bool) -> LinkError | EndpointRefusedError:
        why = self._tls and self._tls.refusal(error, self._address)
        if why:
            return EndpointRefusedError(why)
        timed_out = isinstance(error, TimeoutError)
        # Closed by the server; where it has not answered yet, not even to a handshake.
        closed = self._sock is not None and not self._answered and not timed_out
        message = f"{error.strerror or error}{self._early_close_hint() if closed else ''}"
        return LinkError(message, sent=sent, timed_out=timed_out)

    def _early_close_hint(self) -> str:
        return f"; {self._server.early_close_hint(tls=self._tls is not None)}"

    def _receive(self, deadline_s: float) -> None:
        if not self._receive_or_end(deadline_s):
            hint = "" if self._answered else self._early_close_hint()
            raise LinkError(f"the server closed the connection{hint}", sent=True)

    def _receive_or_end(self, deadline_s: float) -> bool:
        try:
            received = self._limit(deadline_s).recv(_RECV_BYTES)
        except OSError as e:
            raise self._failed(e, sent=True) from e
        self._answered = self._answered or bool(received)
        self._received += received
        return bool(received)

    def _take_line(self, deadline_s: float) -> bytes:
        """Take a line of the protocol itself, without its end."""
        while (end := self._received.find(b"\r\n")) < 0:
            if len(self._received) > _MAX_LINE_BYTES:
                raise LinkError("what answered does not speak HTTP", sent=True)
            self._receive(deadline_s)
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        return line

    def _read_head(self, deadline_s: float) -> int:
        status_line = self._take_line(deadline_s).split(b" ", 2)
        if not status_line[0].startswith(b"HTTP/1.") or not status_line[1:]:
            raise LinkError("what answered does not speak HTTP", sent=True)
        self._answers += 1
        self.headers = {}
        for _ in range(_MAX_HEADERS):
            name, _, value = self._take_line(deadline_s).decode("latin-1").partition(":")
            if not name:
                break
            self.headers[name.lower()] = value.strip()
        else:
            raise LinkError("the answer has too many headers", sent=True)
        if self.headers.get("content-encoding", "identity") != "identity":
            raise LinkError("the answer is packed, which was not asked for", sent=True)
        length = self.headers.get("content-length")
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        self._left = 0 if self._chunked else None if length is None else _number(length, base=10)
        return _number(status_line[1], base=10)

    def _read_piece(self, deadline_s: float) -> bytes:
        """Read more of the body; empty at its end. Keeps its place when time is up."""
        if self._chunked and self._left == 0:
            # Each chunk but the first is preceded by the empty line that ends the one before.
            line = self._take_line(deadline_s) or self._take_line(deadline_s)
            self._left = _number(line.partition(b";")[0], base=16)
            if self._left == 0:
                self._chunked = False
                while self._take_line(deadline_s):  # Trailers.
                    pass
        if self._left == 0:
            return b""
        if self._left is None and not self._received:
            self._receive_or_end(deadline_s)
        elif not self._received:
            self._receive(deadline_s)
        piece = bytes(self._received[: self._left])
        del self._received[: len(piece)]
        if self._left is not None:
            self._left -= len(piece)
        return piece


def _number(digits: bytes | str, *, base: int) -> int:
    try:
        number = int(digits, base)
    except ValueError:
        number = -1
    if number < 0:
        raise LinkError("what answered does not speak HTTP", sent=True)
    return number


def _look_up(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    # A name given as bytes spares the import of the IDNA codec.
    name = host.encode("ascii") if host.isascii() else host
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [(family, where) for family, _, _, _, where in found]
