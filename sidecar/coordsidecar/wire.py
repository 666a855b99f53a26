"""The packet socket between guard and elector, and the descriptors that travel with a packet."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence

from coordsidecar.core.messages import MESSAGE_BYTES_MAX, Message, decode, encode
from coordsidecar.refusals import asking_for

__all__ = ["Wire", "wire_pair"]

_MOST_FDS = 8


class Wire:
    """One end. Neither sending nor receiving ever blocks.

    ``lost_descriptors``: some that came with a packet could not be taken in (RLIMIT_NOFILE).
    ``has_sent``: anything at all.
    """

    lost_descriptors = has_sent = False

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
        except OSError:  # Memory, or descriptors in flight, may have run out as well.
            return False
        self.has_sent = True
        return True

    def receive(self) -> Iterator[tuple[Message, tuple[int, ...]]]:
        """All packets that are waiting, each with its descriptors or, if any was lost, none.

        Raises `MessageError` for one that is not ours.
        """
        while True:
            try:
                packet, fds, flags, _ = socket.recv_fds(self._socket, MESSAGE_BYTES_MAX, _MOST_FDS)
            except OSError:  # Nothing waits, the other is gone, or memory ran out: it waits on.
                return
            if not packet:
                return
            if flags & socket.MSG_CTRUNC:
                self.lost_descriptors = True
                while fds:
                    os.close(fds.pop())
            for fd in fds:
                os.set_inheritable(fd, False)
            yield decode(packet), tuple(fds)

    def close(self) -> None:
        self._socket.close()


def wire_pair() -> tuple[Wire, Wire]:
    with asking_for("socketpair"):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Wire(ours), Wire(theirs)
