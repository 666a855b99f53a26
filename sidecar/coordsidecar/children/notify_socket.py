"""The socket at which the job says how it is: sd_notify(3), as systemd reads it.

Part of the process ``health-prober``. Anybody may send anything here: what is too long, no text, of
no meaning to us, or from nobody of the job's is dropped. Each datagram is taken only once it has
been heard, so that of a prober that is killed meanwhile none is lost that matters.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from coordsidecar.children.notify_sender import Senders
from coordsidecar.hints import Literal
from coordsidecar.trees.process import NotSeenError

__all__ = ["Said", "read", "what_is_said"]

Said = Mapping[str, str]
"""By name: what was assigned in a datagram; only names that have a meaning to us."""

_NAMES = frozenset({"READY", "STOPPING", "WATCHDOG", "STATUS", "EXTEND_TIMEOUT_USEC"})
_MESSAGE_BYTES_MAX = 4096  # As systemd.
_MOST_A_TURN = 256
_CREDENTIALS_BYTES = 12  # A ucred: pid, user and group.
# Room for who it is and nothing else: then no descriptor that is sent comes in here. The kernel
# drops it, and so closes it, when the datagram is taken: all that BARRIER=1 asks for, and FDSTORE=1
# can neither fill our table nor hand us what would have to be looked at.
_ANCILLARY_BYTES = socket.CMSG_SPACE(_CREDENTIALS_BYTES)


def what_is_said(data: bytes) -> dict[str, str]:
    """Of a name that is assigned twice, the first counts, as with systemd."""
    data = data.removesuffix(b"\0")
    said: dict[str, str] = {}
    if b"\0" in data:
        return said
    for line in data.splitlines():
        name, equals, value = line.partition(b"=")
        key = name.decode("ascii", "replace")
        if equals and key in _NAMES:
            said.setdefault(key, value.decode("utf-8", "backslashreplace"))
    return said


def read(
    sock: socket.socket, senders: Senders, hear: Callable[[Said], None]
) -> Literal["all", "more", "nobody"]:
    """``hear`` what the job's processes have said, a bounded part of it.

    Whether that was ``all``; or there is ``more``; or ``nobody`` can be known just now, and it is
    to be read later. Never waits.
    """
    senders.forget()
    for _ in range(_MOST_A_TURN):
        try:
            data, ancillary, flags, _ = sock.recvmsg(
                _MESSAGE_BYTES_MAX, _ANCILLARY_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT
            )
            said = {} if flags & socket.MSG_TRUNC else what_is_said(data)
            if said and senders.is_the_jobs(*_sender(ancillary)):
                hear(said)
            sock.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return "all"
        except (NotSeenError, OSError):
            return "nobody"
    return "more"


def _sender(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    """Its pid and real user id; pid 0: it is not known."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            pid = memoryview(data).cast("i")[0]
            return pid, memoryview(data).cast("I")[1]
    return 0, 0
