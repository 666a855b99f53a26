"""The guard's handle on what listens to the job, where that says itself how it is (sd_notify).

It owns the socket, and never reads it: see `children.health_listener`.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress

from coordsidecar.children.health_listener import BEAT_S, HealthListener
from coordsidecar.guard.health import HealthWatch
from coordsidecar.refusals import asking_for

__all__ = ["NotifyWatch"]

_SECRET_BYTES = 16


class NotifyWatch(HealthWatch):
    """As `HealthWatch`, which it tells of each verdict by the same way."""

    _start_number = 0
    _socket: socket.socket | None = None
    _stage: object = ""

    def variables(self) -> dict[str, str]:
        """Another socket for each start of the job: who belongs to an earlier one has no address
        any more. Raises `OSError`.

        Its name is abstract: that takes no folder that can be written, every user of the job's can
        reach it, and nothing is left of it if all of us are killed. Nobody guesses it, so that none
        hits upon it by accident; it is no secret (`children.notify_sender` says who is heard).
        """
        name = f"coordsidecar-{os.urandom(_SECRET_BYTES).hex()}"
        with asking_for("a socket for the job's health"):
            fresh = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            try:
                # Before it has a name: of what comes earlier the sender is not known.
                fresh.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                fresh.bind("\0" + name)
            except OSError:
                fresh.close()
                raise
        self._close()
        self._socket, self._stage = fresh, ""
        self._start_number += 1
        variables = {"NOTIFY_SOCKET": "@" + name}
        if self._check.watchdog_s:
            variables["WATCHDOG_USEC"] = str(round(self._check.watchdog_s * 1e6))
        return variables

    def _close(self) -> None:
        if self._socket is None:
            return
        with suppress(OSError):
            # For whoever has a share of it, too: the prober, and an elector that was forked since.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._socket = None

    @property
    def _silence_s(self) -> float:
        return BEAT_S

    def _about(self, run: tuple[int, int, float]) -> tuple[float, ...]:
        return (*run, self._start_number)

    def _say(self, wanted: tuple[float, ...]) -> bool:
        fd = None if self._socket is None else self._socket.fileno()
        return self._prober.send(json.dumps((*wanted, self._stage)).encode(), fd=fd)

    def _is_known(self, more: list[object]) -> None:
        start, stage = more
        if start == self._start_number:
            self._stage = stage

    def _reason(self, why: str) -> str:
        return why

    def _be_the_prober(self, link: socket.socket) -> None:
        HealthListener(
            self._own_log(),
            link=link,
            guard=os.getppid(),
            guard_pidfd=self._guard_pidfd,
            watchdog_s=self._check.watchdog_s,
            start_period_s=self._check.start_period_s,
        ).serve()
