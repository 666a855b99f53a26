"""The packet socket between guard and elector, and the descriptors that travel with a packet."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence

from coordsidecar.core.messages import MESSAGE_BYTES_MAX, Message, decode, encode

__all__ = ["Wire", "wire_pair"]

_MOST_FDS = 8


class Wire:
    """One end. Neither sending nor receiving ever blocks."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self.fd = end.fileno()

    def send(self, message: Message, fds: Sequence[int] = ()) -> bool:
        """Send one packet; False if the other end is gone, or has stopped reading."""
        try:
            if fds:
                socket.send_fds(self._socket, [encode(message)], list(fds))
            else:
                self._socket.send(encode(message))
        except (BlockingIOError, BrokenPipeError, ConnectionError):
            return False
        return True

    def receive(self) -> Iterator[tuple[Message, tuple[int, ...]]]:
        """All packets that are waiting. Raises `MessageError` for one that is not ours."""
        while True:
            try:
                packet, fds, _, _ = socket.recv_fds(self._socket, MESSAGE_BYTES_MAX, _MOST_FDS)
            except (BlockingIOError, ConnectionError):
                return
            if not packet:
                return
            for fd in fds:
                os.set_inheritable(fd, False)
            yield decode(packet), tuple(fds)

    def close(self) -> None:
        self._socket.close()


def wire_pair() -> tuple[Wire, Wire]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Wire(ours), Wire(theirs)
