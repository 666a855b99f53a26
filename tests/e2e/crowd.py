"""Many who connect to a page at once, and are in no hurry."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

__all__ = ["crowd"]

_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Patience: " + b"x" * 100_000
_ASKED = b"GET %s HTTP/1.1\r\n\r\n"
_ENDLESS = b"/v1/events"
_PAUSE_S = 1.0


class _Dawdler:
    """Sends a byte a second, or asks at once and never reads; connects again when hung up on."""

    def __init__(self, port: int, path: str, *, reads_nothing: bool) -> None:
        self._port, self._path, self._reads_nothing = port, path.encode(), reads_nothing
        self._said = 0
        self._socket: socket.socket | None = None

    def go_on(self) -> None:
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
                self._said = 0
                if self._reads_nothing:
                    self._socket.sendall(_ASKED % self._path)
            if self._reads_nothing and self._path == _ENDLESS:
                self._look_whether_hung_up(self._socket)
                return
            self._socket.sendall(_REQUEST[self._said : self._said + 1])
            self._said += 1
        except OSError:
            self.leave()  # We were hung up on: again the next time.

    def _look_whether_hung_up(self, connection: socket.socket) -> None:
        """Without reading; to say more would end it."""
        poll = select.poll()
        poll.register(connection, select.POLLRDHUP)
        if poll.poll(0):
            raise ConnectionResetError

    def leave(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


@contextlib.contextmanager
def crowd(port: int, size: int, *, path: str = "/metrics") -> Iterator[None]:
    """Half of them dawdle with their question, half with the answer, all the while."""
    dawdlers = [_Dawdler(port, path, reads_nothing=n % 2 == 0) for n in range(size)]
    over, all_there = threading.Event(), threading.Event()

    def dawdle() -> None:
        while not over.is_set():
            for dawdler in dawdlers:
                dawdler.go_on()
            all_there.set()
            over.wait(_PAUSE_S)

    thread = threading.Thread(target=dawdle)
    thread.start()
    try:
        assert all_there.wait(timeout=60)
        yield
    finally:
        over.set()
        thread.join()
        for dawdler in dawdlers:
            dawdler.leave()
