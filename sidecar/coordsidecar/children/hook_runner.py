"""The process ``hook-runner``: runs the hooks that are only told, so that nobody waits for them.

It is there if any is configured, forked before there is a session, and holds nothing of the
guard's: no lock, no wire. The guard hands it what happened, by a packet that is lost rather than
waited for, and forgets it. Here one hook at a time runs; of what happens meanwhile the newest of
each kind is kept. A hook may hang, flood its output, or fork on and on: its time is bounded, and so
are the lines of it that are logged. This process is a subreaper, so that whatever a hook leaves
stays below it, and never becomes the guard's to be taken for the job's.

When the guard has ended, or is about to, hooks get `LAST_S` more; then this process ends, too.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from coordsidecar.children.forking import Dispositions, all_signals_blocked, detach
from coordsidecar.children.hook_output import HookOutput
from coordsidecar.duration import format_duration
from coordsidecar.linux import (
    become_subreaper,
    boottime_s,
    die_with_parent,
    run_first,
    uninterrupted,
)
from coordsidecar.log import Log
from coordsidecar.refusals import asking_for, refusal
from coordsidecar.trees import tree
from coordsidecar.trees.process import NotSeenError

__all__ = ["LAST_S", "NEWS_BYTES_MAX", "HookRunner", "close_all_but"]

LAST_S = 2.0
NEWS_BYTES_MAX = 16384
_KILLS_AT_MOST_S = 5.0
_KILL_EVERY_S = 0.005
# A hook may fork on, and whoever ends must be reaped, lest no process be left to be had.
_REAP_EVERY_S = 0.1
_REAPS_A_TURN = 5000


def close_all_but(*kept: int) -> None:
    """In a fork: close what is not its business, a lock above all."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd not in kept:
            with suppress(OSError):  # The folder itself was among them.
                os.close(fd)


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
        self._dispositions = dispositions
        self._commands = commands
        self._environ = environ
        self._link, self._guard_pidfd = link, guard_pidfd
        self._timeout_s = timeout_s
        self._queue: dict[str, dict[str, str]] = {}
        self._name = ""
        self._pid = self._pidfd = -1
        self._status: int | None = None
        self._until_s = self._over_s = math.inf
        self._output: HookOutput | None = None

    def serve(self) -> None:
        """Until the guard has ended, and for `LAST_S` after that if need be."""
        detach()
        become_subreaper()
        while True:
            if self._pid < 0 and self._queue and boottime_s() < self._over_s:
                self._start()
            if self._pid < 0 and math.isfinite(self._over_s):
                return
            ready = self._wait()
            if self._link.fileno() in ready or self._guard_pidfd in ready:
                self._hear()
            if self._output is not None and self._output.fd in ready:
                self._output.read()
            self._reap()
            if self._status is not None:
                self._ended(os.waitstatus_to_exitcode(self._status))
            elif self._pid >= 0 and boottime_s() >= min(self._until_s, self._over_s):
                self._overdue()

    def _wait(self) -> set[int]:
        poll = select.poll()
        if math.isinf(self._over_s):
            poll.register(self._link, select.POLLIN)
            poll.register(self._guard_pidfd, select.POLLIN)
        wake_s = math.inf
        if self._pid >= 0:
            assert self._output is not None
            poll.register(self._pidfd, select.POLLIN)
            wake_s = min(self._until_s, self._over_s, boottime_s() + _REAP_EVERY_S)
            if self._output.may_be_read:
                poll.register(self._output.fd, select.POLLIN)
            else:
                wake_s = min(wake_s, self._output.muted_until_s)
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
        name = next(iter(self._queue))
        variables, us = self._queue.pop(name), os.getpid()
        try:
            self._output = HookOutput(self._log, name)
            with all_signals_blocked():
                with asking_for("fork"):
                    pid = os.fork()
                if pid == 0:
                    self._become(name, variables, runner=us)
            with suppress(OSError):  # It does it, too: whichever is first.
                os.setpgid(pid, pid)
            self._output.is_theirs()
            with asking_for("pidfd_open"):
                self._pidfd = os.pidfd_open(pid)
        except OSError as error:
            self._log.event(name, f"the hook was not run: {refusal(error)}")
            self._kill_all()
            self._forget()
            return
        self._name, self._pid = name, pid
        self._until_s = boottime_s() + self._timeout_s

    def _become(self, name: str, variables: Mapping[str, str], *, runner: int) -> None:
        """In the fork, with every signal blocked: be the command."""
        try:
            os.setpgid(0, 0)
            die_with_parent(signal.SIGKILL)
            if os.getppid() != runner:
                os._exit(128 + signal.SIGKILL)  # It died before we asked to die with it.
            assert self._output is not None
            self._output.become_ours()
            self._dispositions.restore()
            environ = {**self._environ, **variables}
            os.execve("/bin/sh", ["/bin/sh", "-c", self._commands[name]], environ)
        except OSError as error:
            with suppress(OSError):
                os.write(2, f"cannot run /bin/sh: {error.strerror}\n".encode())
        finally:
            os._exit(127)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            for _ in range(_REAPS_A_TURN):
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._pid:
                    self._status = status

    def _ended(self, code: int) -> None:
        self._close(f"the hook ended; exit code {code if code >= 0 else 128 - code}")

    def _overdue(self) -> None:
        why = f"the hook did not end within {format_duration(self._timeout_s)}: killed"
        if self._over_s < self._until_s:
            why = "the sidecar ends: the hook was killed"
        self._close(why)

    def _close(self, what: str) -> None:
        """Whatever is left of it goes, before the next one starts."""
        assert self._output is not None
        self._output.read()
        is_gone = self._kill_all()
        if not is_gone:
            what += "; a part of it survives SIGKILL"
        dropped = self._output.dropped
        self._log.event(self._name, what, output_lines_dropped=dropped or None)
        self._forget()

    def _forget(self) -> None:
        if self._output is not None:
            self._output.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._output = self._status = None
        self._pid = self._pidfd = -1

    def _kill_all(self) -> bool:
        """SIGKILL to all below us, until nobody is left; False if that takes too long."""
        give_up_s = boottime_s() + _KILLS_AT_MOST_S
        be_as_before = run_first()
        try:
            while not self._kill_pass():
                if boottime_s() >= give_up_s:
                    return False
                time.sleep(_KILL_EVERY_S)
            return True
        finally:
            be_as_before()

    def _kill_pass(self) -> bool:
        try:
            left = tree.kill_pass(os.getpid(), leave_out=(), groups=(self._pid,))
        except (NotSeenError, OSError):  # Who cannot be seen is reached by the group.
            left = [self._pid]
            with suppress(OSError):
                if self._pid > 0:
                    uninterrupted(os.killpg, self._pid, signal.SIGKILL)
        self._reap()
        return not left
