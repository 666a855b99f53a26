"""The process ``hook-runner``: runs the hooks that are only told, so that nobody waits for them.

It is there if any is configured, forked before there is a session, and holds nothing of the
guard's: no lock, no wire. The guard hands it what happened, by a packet that is lost rather than
waited for, and forgets it. Here one hook at a time runs; of what happens meanwhile the newest of
each kind is kept. A hook may hang, flood its output, or fork on and on: see `one_command`.

When the guard has ended, or is about to, hooks get `LAST_S` more; then this process ends, too.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import socket
from collections.abc import Mapping

from coordsidecar.children.forking import Dispositions, detach
from coordsidecar.children.one_command import OneCommand
from coordsidecar.duration import format_duration
from coordsidecar.linux import become_subreaper, boottime_s, die_with_parent
from coordsidecar.log import Log
from coordsidecar.refusals import refusal

__all__ = ["LAST_S", "NEWS_BYTES_MAX", "HookRunner"]

LAST_S = 2.0
NEWS_BYTES_MAX = 16384


class HookRunner:
    """Serves one guard, in a fork of it."""

    def __init__(
        self,
        log: Log,
        dispositions: Dispositions,
        commands: Mapping[str, str],
        environ: Mapping[str, str],
        *,
        link: socket.socket,
        guard_pidfd: int,
        timeout_s: float,
    ) -> None:
        """``commands``: for ``/bin/sh -c``, by the hook's name. ``environ``: what all of them have
        in common; the rest comes with the news. All descriptors but these are closed before."""
        self._log = log
        self._commands = commands
        self._environ = environ
        self._link, self._guard_pidfd = link, guard_pidfd
        self._timeout_s = timeout_s
        self._queue: dict[str, dict[str, str]] = {}
        self._name = ""
        self._over_s = math.inf
        self._command = OneCommand(dispositions)

    def serve(self) -> None:
        """Until the guard has ended, and for `LAST_S` after that if need be."""
        detach()
        become_subreaper()
        die_with_parent(signal.SIGCONT)  # If a hook has stopped it, it wakes up for that.
        while True:
            if not self._command.runs and self._queue and boottime_s() < self._over_s:
                self._start()
            if not self._command.runs and math.isfinite(self._over_s):
                return
            ready = self._wait()
            if self._link.fileno() in ready or self._guard_pidfd in ready:
                self._hear()
            self._command.look(ready)
            if (code := self._command.exit_code) is not None:
                self._close(f"the hook ended; exit code {code}")
            elif boottime_s() >= min(self._command.until_s, self._over_s):
                self._overdue()

    def _wait(self) -> set[int]:
        poll = select.poll()
        if math.isinf(self._over_s):
            poll.register(self._link, select.POLLIN)
            poll.register(self._guard_pidfd, select.POLLIN)
        wake_s = min(self._command.watch(poll), self._over_s)
        left_s = max(wake_s - boottime_s(), 0.0)
        timeout_ms = math.ceil(left_s * 1000) if math.isfinite(left_s) else None
        return {fd for fd, _ in poll.poll(timeout_ms)}

    def _hear(self) -> None:
        """All that the guard has said; a later word about the same replaces an earlier one."""
        while True:
            try:
                packet = self._link.recv(NEWS_BYTES_MAX, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self._over_s = min(self._over_s, boottime_s() + LAST_S)
                return
            name, variables = json.loads(packet)
            self._queue.pop(name, None)
            self._queue[name] = variables
        poll = select.poll()
        poll.register(self._guard_pidfd, select.POLLIN)
        if poll.poll(0):
            self._over_s = min(self._over_s, boottime_s() + LAST_S)

    def _start(self) -> None:
        self._name = next(iter(self._queue))
        environ = {**self._environ, **self._queue.pop(self._name)}
        words = ["/bin/sh", "-c", self._commands[self._name]]
        try:
            self._command.start(
                lambda: os.execve(words[0], words, environ), self._say, timeout_s=self._timeout_s
            )
        except OSError as error:
            self._say(f"the hook was not run: {refusal(error)}")

    def _say(self, line: str) -> None:
        self._log.event(self._name, line)

    def _overdue(self) -> None:
        if not self._command.runs:
            return
        why = f"the hook did not end within {format_duration(self._timeout_s)}: killed"
        if self._over_s < self._command.until_s:
            why = "the sidecar ends: the hook was killed"
        self._close(why)

    def _close(self, what: str) -> None:
        """Whatever is left of it goes, before the next one starts."""
        left, dropped = self._command.close()
        self._log.event(self._name, what + left, output_lines_dropped=dropped or None)
