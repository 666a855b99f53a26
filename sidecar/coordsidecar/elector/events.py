"""``/v1/events``: each change of what is shown, as it happens (server-sent events).

Who listens has an eventfd, which the elector's loop writes to after a step that changed something:
it takes no lock, and waits for nobody. Then the listener's own thread looks at the state as it is
by then. So nothing is queued: who reads slowly misses what was between, and gets the newest.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from coordsidecar.core.election.phases import Elector, token_of
from coordsidecar.log import json_safe

__all__ = ["News", "feed"]

_HEARTBEAT_S = 15.0
_HEARTBEAT = b": nothing new\n\n"
_RETRY_MS = 1000
# A few events: a client that reads nothing shall be noticed soon.
_SEND_BUFFER_BYTES = 16_384
_TOLD = ("role", "token", "leader", "reason", "paused", "cordoned", "health")


class News:
    """Wakes those who listen. While nobody does, it costs a look at an empty tuple."""

    def __init__(self) -> None:
        self._ears: tuple[int, ...] = ()  # Replaced as a whole: whoever tells takes no lock.
        self._spare: list[int] = []
        self._lock = threading.Lock()

    def stepped(self, was: Elector, state: Elector) -> None:
        """The loop has done a step, and all that followed from it."""
        if self._ears and _shown_of(was) != _shown_of(state):
            self.tell()

    def tell(self) -> None:
        """Something may have changed."""
        for ear in self._ears:
            os.eventfd_write(ear, 1)

    @contextmanager
    def ear(self) -> Iterator[int]:
        """A descriptor that is readable once something may have changed. Raises `OSError`.

        It is kept for the next one and never closed: whoever tells may be about to write to it,
        and by then its number could be that of another file.
        """
        with self._lock:
            ear = self._spare.pop() if self._spare else _eventfd()
            self._ears = (*self._ears, ear)
        try:
            yield ear
        finally:
            with self._lock:
                self._ears = tuple(other for other in self._ears if other != ear)
                self._spare.append(ear)


def _eventfd() -> int:
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)


def _shown_of(state: Elector) -> tuple[object, ...]:
    """What decides of the fields that an event is sent for."""
    phase = state.phase
    return type(phase), token_of(phase), state.following, state.curbs, state.condition


_count = itertools.count(1)


def feed(
    connection: socket.socket,
    news: News,
    look: Callable[[], dict[str, Any]],
    *,
    heartbeat_s: float = _HEARTBEAT_S,
) -> None:
    """Send what ``look`` shows, now and whenever it differs, until the client goes.

    Raises `OSError`, `TimeoutError` among them, if it is gone, or does not read.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    connection.sendall(b"retry: %d\n\n" % _RETRY_MS)
    told: tuple[object, ...] | None = None
    with news.ear() as ear:
        poll = select.poll()
        poll.register(ear, select.POLLIN)
        poll.register(connection, select.POLLIN)
        while True:
            shows = look()
            differs = tuple(shows.get(name) for name in _TOLD)
            if differs != told:
                connection.sendall(_event(shows))
                told = differs
            ready = dict(poll.poll(heartbeat_s * 1000))
            if connection.fileno() in ready:
                return  # It has hung up, or was hung up on; and there is nothing for it to say.
            if not ready:
                connection.sendall(_HEARTBEAT)
            with suppress(BlockingIOError):
                os.eventfd_read(ear)


def _event(shows: dict[str, Any]) -> bytes:
    data = json.dumps(json_safe(shows), ensure_ascii=False)  # Of one line: it escapes the others.
    return f"id: {next(_count)}\ndata: {data}\n\n".encode("utf-8", "backslashreplace")
