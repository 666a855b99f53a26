"""Messages between the elector's threads."""

from __future__ import annotations

import os
import select
import time
from collections import deque

from coordsidecar.hints import Generic, TypeVar
from coordsidecar.refusals import asking_for

__all__ = ["Mailbox"]

_REFUSED_PAUSE_S = 0.05

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """Anybody may put, one thread takes; ``fd`` is readable while there is something."""

    def __init__(self) -> None:
        with asking_for("eventfd"):
            self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._letters: deque[_T] = deque()

    def put(self, letter: _T) -> None:
        self._letters.append(letter)
        os.eventfd_write(self.fd, 1)

    def take(self) -> list[_T]:
        """All that is there; does not wait."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return []
        letters: list[_T] = []
        while self._letters:
            letters.append(self._letters.popleft())
        return letters

    def wait(self) -> _T:
        """The first, once there is one."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        while not self._letters:
            try:
                poll.poll()
                os.eventfd_read(self.fd)
            except BlockingIOError:
                continue
            except OSError:
                time.sleep(_REFUSED_PAUSE_S)  # Memory has run out; what is put comes all the same.
        return self._letters.popleft()
