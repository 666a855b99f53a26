"""A server on loopback that answers every request with whatever bytes a test wants it to."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress

__all__ = ["Stranger"]


class Stranger:
    """Answers each request with `answer`, and hangs up; with `endless`, that again and again.

    ``pause_s`` lies between two times.
    """

    def __init__(self) -> None:
        self.answer = b""
        self.endless = b""
        self.pause_s = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, suppress(OSError):  # The client may have had enough.
                client.settimeout(60)
                _take_request(client)
                client.sendall(self.answer)
                while self.endless:
                    client.sendall(self.endless)
                    time.sleep(self.pause_s)
                # Nothing is left unread here, or a reset could overtake the answer.


def _take_request(client: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(client)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(_more(client))


def _more(client: socket.socket) -> bytes:
    piece = client.recv(65536)
    if not piece:
        raise ConnectionError("the client hung up")
    return piece
