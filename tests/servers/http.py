"""HTTP/1.1 as a proxy reads it: one message at a time, and every byte of it as it came."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["ClosedError", "Request", "Wire", "answer"]

_RECV_BYTES = 65536


class ClosedError(ConnectionError):
    """The other end has closed the connection, or the proxy has."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    """The path, and after a question mark the parameters."""
    body: bytes
    raw: bytes
    """All of it, as it came."""


class Wire:
    """One end of a connection: reads whole requests, or an answer piece by piece."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = b""

    @property
    def pending(self) -> bool:
        """Whether something has come that was not read yet."""
        held_by_tls = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0
        return bool(self._received) or held_by_tls

    def request(self) -> Request:
        """The next request; `ClosedError` if none follows."""
        head = self._until(b"\r\n\r\n")
        first, headers = _head(head)
        method, target, _ = first.split(" ", 2)
        body = b"".join(self._exactly(int(headers.get("content-length", "0"))))
        return Request(method, target, body, head + body)

    def answer(self) -> Iterator[bytes]:
        """The next answer, in the pieces in which it arrives. A watch's has no end."""
        head = self._until(b"\r\n\r\n")
        _, headers = _head(head)
        yield head
        if headers.get("transfer-encoding") != "chunked":
            yield from self._exactly(int(headers.get("content-length", "0")))
            return
        size = -1
        while size:
            line = self._until(b"\r\n")
            size = int(line.partition(b";")[0], 16)
            yield line + b"".join(self._exactly(size + len(b"\r\n")))

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._receive()
        found, end, self._received = self._received.partition(end)
        return found + end

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count:
            if not self._received:
                self._receive()
            piece, self._received = self._received[:count], self._received[count:]
            count -= len(piece)
            yield piece

    def _receive(self) -> None:
        piece = self.sock.recv(_RECV_BYTES)
        if not piece:
            raise ClosedError("it was closed")
        self._received += piece


def answer(status: str, body: bytes, **headers: str) -> bytes:
    """An answer that a server might have given: ``answer("403 Forbidden", b"…")``."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return first, headers
