"""Answers of an HTTP server, bounded in time and in size, for requests and urllib3.

Their time-outs begin anew with each byte, so that a server which drips can outlast any of them; and
they read, and unpack, whatever comes. Here an answer has one deadline for the whole of it, and a
size; a packed one, which was not asked for, is refused.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

from coordsidecar_adapters.consul_library import requests, urllib3

__all__ = ["bound_answers"]

# Consul's values are 512 KiB at most, and a transaction reads two of them.
_LONGEST_ANSWER_BYTES = 16 * 1024 * 1024


def bound_answers(session: requests.Session) -> None:
    """Let this session read no answer for longer than its time-out, nor more than so much of it."""
    session.headers["Accept-Encoding"] = "identity"
    pools = {"http": _HttpPool, "https": _HttpsPool}
    for adapter in session.adapters.values():
        assert isinstance(adapter, requests.adapters.HTTPAdapter)
        adapter.poolmanager.pool_classes_by_scheme = pools


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(_Bounded(sock), *arguments, **options)  # type: ignore[arg-type]

    def begin(self) -> None:
        super().begin()
        if self.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise http.client.HTTPException("the answer is packed, which was not asked for")


class _Bounded:
    """All that an answer wants of its socket: a file."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedFile(self._sock))


class _BoundedFile(io.RawIOBase):
    """What comes from the socket until its present time-out is over, counted from now."""

    def __init__(self, sock: socket.socket) -> None:
        timeout_s = sock.gettimeout()
        assert timeout_s is not None, "each call is given a time-out"
        self._deadline_s = time.monotonic() + timeout_s
        self._left_bytes = _LONGEST_ANSWER_BYTES
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)  # It keeps the socket open.

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left_s)
        count = self._file.readinto(buffer)
        self._left_bytes -= count or 0
        if self._left_bytes < 0:
            raise http.client.HTTPException("the answer is far too long")
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _HttpConnection(urllib3.connection.HTTPConnection):
    response_class = _Answer


class _HttpsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Answer


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection
