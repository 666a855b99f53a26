"""systemd, if it started us with ``Type=notify``: it hears that we are ready, what we do, and that
we live (sd_notify(3)). The guard's own loop says so: one that hangs is started again. It waits for
nobody: what cannot be said at once is said later, if it is still so.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping

from coordsidecar.linux import boottime_s
from coordsidecar.log import Log, one_line

__all__ = ["Service"]

_LEAST_WATCHDOG_S = 0.02  # Who wants to hear of us more often would hear of nothing else.
_MOST_DIGITS = 19
_AGAIN_S, _AGAIN_MAX_S = 0.5, 60.0


class Service:
    """Whoever wants to be told; nobody, without NOTIFY_SOCKET."""

    def __init__(self, environ: Mapping[str, str], log: Log) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._log = log
        self._every_s = _watchdog_s(environ) / 2 if path else math.inf
        self._ready = False
        self._status = ""
        self._alive_due_s = boottime_s() if math.isfinite(self._every_s) else math.inf
        self._unsaid: dict[str, str] = {}
        self._again_s, self._pause_s = math.inf, _AGAIN_S

    @property
    def due_s(self) -> float:
        """When `lives` must be called next, at the latest."""
        return min(self._alive_due_s, self._again_s)

    def is_ready(self) -> None:
        """We have reached the store: a candidate, who may lead at any time."""
        if not self._ready:
            self._ready = True
            self._say_once("READY", "1")

    def plays(self, role: str, leader: str | None, token: int | None) -> None:
        """For ``systemctl status``."""
        status = role
        if token is not None:
            status += f", token {token}"
        elif leader:
            status += f": {one_line(leader)} leads"
        if status != self._status:  # A renewal is no news.
            self._status = status
            self._say_once("STATUS", status)

    def lives(self) -> None:
        """Called in each turn of the loop; says so as often as the watchdog wants it."""
        if boottime_s() >= self._alive_due_s:
            self._say("WATCHDOG=1")
            self._alive_due_s = boottime_s() + self._every_s
        if boottime_s() >= self._again_s:
            self._say_what_is_unsaid()

    def _say_once(self, name: str, value: str) -> None:
        """Though it may take more than one try: who never hears READY kills us."""
        self._unsaid[name] = value
        self._say_what_is_unsaid()

    def _say_what_is_unsaid(self) -> None:
        unsaid = self._unsaid.items()
        self._unsaid = {name: value for name, value in unsaid if not self._say(f"{name}={value}")}
        self._pause_s = min(2 * self._pause_s, _AGAIN_MAX_S) if self._unsaid else _AGAIN_S
        self._again_s = boottime_s() + self._pause_s if self._unsaid else math.inf

    def _say(self, what: str) -> bool:
        """False: it could not be said now."""
        if not self._address:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(what.encode("utf-8", "backslashreplace"), self._address)
        except (OSError, ValueError) as error:
            self._log.once("service", f"NOTIFY_SOCKET: cannot tell systemd: {error}")
            return False
        return True


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """Without a word for so long, systemd takes us for dead; `math.inf`: never."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return math.inf
    text = environ.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text)):
        return math.inf
    return max(int(text) / 1e6, _LEAST_WATCHDOG_S)
