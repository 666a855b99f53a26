"""The guard's handle on a helper: a fork of ours that serves us beside the job, by a link.

What runs hooks, and what looks at the job's health. Such a one may hang, or be killed; the guard
never waits for it, but for a moment when all else is over.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from coordsidecar.children.forking import all_signals_blocked, close_all_but
from coordsidecar.linux import forking_as, uninterrupted
from coordsidecar.log import Log
from coordsidecar.refusals import asking_for, refusal

__all__ = ["Helper"]

_INT_BYTES = 4
_DIES_WITHIN_S = 0.5


class Helper:
    """At most one process at a time."""

    def __init__(self, name: str, *, guard_pidfd: int) -> None:
        """``name``: as `ps` shows it. ``guard_pidfd``: all that it has of us but the link."""
        self.pid: int | None = None
        self._abandoned = set[int]()
        self._name, self._guard_pidfd = name, guard_pidfd
        self._link: socket.socket | None = None

    @property
    def pids(self) -> tuple[int | None, ...]:
        """Those, too, who were killed and have not ended yet."""
        return (self.pid, *self._abandoned)

    @property
    def fd(self) -> int | None:
        """What it says comes here."""
        return None if self._link is None else self._link.fileno()

    def start(self, be: Callable[[socket.socket], None], log: Callable[[], Log]) -> None:
        """Fork one that is to ``be``; ``log``, in the fork, is where it says why it could not.

        Raises `OSError`.
        """
        assert self.pid is None
        self.close_link()
        with asking_for("socketpair"):
            self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, all_signals_blocked(), forking_as(self._name):
            with asking_for("fork"):
                pid = os.fork()
            if pid == 0:
                try:
                    close_all_but(theirs.fileno(), self._guard_pidfd)
                    be(theirs)
                except Exception as error:  # noqa: BLE001  # Said; then there will be another.
                    why = refusal(error) if isinstance(error, OSError) else ""
                    why = why or f"{type(error).__name__}: {error}"
                    log().event(self._name, f"it ends: {why}")
                finally:
                    os._exit(0)
        self.pid = pid

    def send(self, packet: bytes, *, fd: int | None = None) -> bool:
        """Whether it could be said at once. It gets a share of ``fd``."""
        passed: list[tuple[int, int, bytes]] = []
        if fd is not None:
            number = fd.to_bytes(_INT_BYTES, sys.byteorder)
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, number)]
        if self._link is not None:
            with suppress(OSError):
                flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
                return self._link.sendmsg([packet], passed, flags) > 0
        return False

    def receive(self, bytes_max: int) -> bytes | None:
        """The next packet; ``None``: there is none now; empty: nothing comes any more."""
        if self._link is None:
            return None
        try:
            return self._link.recv(bytes_max, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def kill(self) -> None:
        if self.pid is not None:  # Not reaped yet, so the pid is still its own.
            uninterrupted(os.kill, self.pid, signal.SIGKILL)

    def abandon(self) -> None:
        """It was killed; whenever it ends, it is none of the job's."""
        if self.pid is not None:
            self._abandoned.add(self.pid)
        self.pid = None
        self.close_link()

    def was_reaped(self, pid: int) -> bool:
        """Whether it was ours; from now on the pid may be anybody's."""
        self._abandoned.discard(pid)
        if pid != self.pid:
            return False
        self.pid = None
        return True

    def end(self, *, within_s: float) -> None:
        """We end: it is told, gets a last moment, and then is there no more."""
        if self._link is not None:
            with suppress(OSError):
                # A fork of ours may have the link as well, so that to close it would say nothing.
                self._link.shutdown(socket.SHUT_RDWR)
        if self.pid is None:
            return
        with suppress(OSError):
            pidfd = os.pidfd_open(self.pid)
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            if not poll.poll(within_s * 1000):
                self.kill()
                # As it dies, whoever was below it is to be found neither there nor below us.
                poll.poll(_DIES_WITHIN_S * 1000)
        self.kill()

    def close_link(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
