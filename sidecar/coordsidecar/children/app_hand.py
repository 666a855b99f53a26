"""The process ``app-hand`` of an attached sidecar: in the job's place, it lets the app act.

It is started, stopped, killed and waited for as a job is. It finds the app and lets it go on, hands
on the signals that a job would get, and ends when the app does. Told to stop, it holds the app, or
ends it gently. Whoever kills it holds the app himself: nothing depends on its last moments.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
from collections.abc import Callable

from coordsidecar.duration import format_duration
from coordsidecar.linux import SignalFd, boottime_s, name_process
from coordsidecar.log import Log
from coordsidecar.trees.app import App
from coordsidecar.trees.known import Identity
from coordsidecar.trees.process import NotSeenError

__all__ = ["AppHand"]

_LOOK_EVERY_S = 0.020
_LOOK_AGAIN_S = 0.5
_FIND_WITHIN_S = 5.0
_NOT_FOUND = 127
_STOPS = (signal.SIGTERM, signal.SIGINT)
_APP_ENDED = 1


class AppHand:
    """What runs in the place of a job's program."""

    def __init__(self, app: App, make_log: Callable[[], Log], *, stop_signal: int) -> None:
        """``make_log``: once what the guard has open is closed here."""
        self._app = app
        self._make_log = make_log
        self._stop_signal = stop_signal
        self._is_told_to_stop = False
        self._mains: list[Identity] = []

    def run(self) -> int:
        """Return the exit code. Every signal is held back until it is read."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        name_process("app-hand")
        self._signals = SignalFd()
        self._log = self._make_log()
        if (status := self._find()) is None:
            self._says_it_goes_on(self._mains)
            status = self._stay()
        return self._stop() if self._is_told_to_stop else status

    def _find(self) -> int | None:
        """None once it was found, and goes on; else the exit code."""
        until_s = boottime_s() + _FIND_WITHIN_S
        while not self._is_told_to_stop and boottime_s() < until_s:
            with contextlib.suppress(NotSeenError):
                self._mains = self._app.mains()
                if self._mains:
                    self._app.thaw()
                    return None
            self._wait(_LOOK_EVERY_S)
        if not self._is_told_to_stop:
            why = f": {self._app.remark}" if self._app.remark else ""
            within = format_duration(_FIND_WITHIN_S)
            self._log.event("app", f"{self._app} was not found within {within}{why}")
        return _NOT_FOUND

    def _stay(self) -> int:
        """While any of its main processes lives."""
        while not self._is_told_to_stop:
            with contextlib.suppress(NotSeenError):
                self._app.thaw()  # Who is new may be held: by the guard, in its last look before.
                living = self._app.mains()
                if new := [main for main in living if main not in self._mains]:
                    self._says_it_goes_on(new)
                self._mains = living
                if not living:
                    self._log.event("app", "the app has ended; ending what is left of it")
                    self._app.end_what_is_left()
                    break
            self._wait(_LOOK_AGAIN_S, until_one_ends=True)
        return _APP_ENDED

    def _says_it_goes_on(self, mains: list[Identity]) -> None:
        self._log.event("app", "the app goes on", pids=[main.pid for main in mains[:20]])

    def _stop(self) -> int:
        """Hold it; or ask it to end, and wait until it has, or until SIGKILL comes for us."""
        if self._app.how == "end":
            with contextlib.suppress(PermissionError, NotSeenError):
                self._app.signal(self._mains, self._stop_signal, signal.SIGCONT)
            while self._living():
                self._wait(_LOOK_EVERY_S)
            self._app.end_what_is_left()
            return 128 + self._stop_signal
        while True:
            with contextlib.suppress(NotSeenError):
                if self._app.hold_pass():
                    self._log.event("app", "the app is stopped", how="SIGSTOP")
                    return 128 + self._stop_signal
            self._wait(0.002)

    def _living(self) -> bool:
        try:
            return bool(self._app.mains())
        except NotSeenError:
            return True

    def _wait(self, most_s: float, *, until_one_ends: bool = False) -> None:
        """Until a signal comes, or for so long."""
        poll = select.poll()
        poll.register(self._signals.fd, select.POLLIN)
        with contextlib.ExitStack() as held:
            for main in self._mains if until_one_ends else ():
                with contextlib.suppress(OSError):  # It has ended, and the next look sees that.
                    pidfd = os.pidfd_open(main.pid)
                    held.callback(os.close, pidfd)
                    poll.register(pidfd, select.POLLIN)
            poll.poll(math.ceil(most_s * 1000))
        for signum, _ in self._signals.read():
            if signum in (self._stop_signal, *_STOPS):  # A key of the terminal is one, too.
                self._is_told_to_stop = True
            elif signum not in (signal.SIGCONT, signal.SIGCHLD):
                with contextlib.suppress(PermissionError):
                    self._app.signal(self._mains, signum)
