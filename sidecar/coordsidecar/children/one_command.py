"""One command of the user's at a time, in a helper of ours that must not come to harm by it.

Part of the processes ``hook-runner`` and ``health-prober``. A command may hang, flood its output,
or fork on and on: it has a group of its own and a time limit, a bounded part of what it prints is
read, and when it is closed all is killed that is left of it. For that the helper is a subreaper:
whatever a command leaves stays below it, and never becomes the guard's to be taken for the job's.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from coordsidecar.children.command_output import CommandOutput
from coordsidecar.children.forking import Dispositions, all_signals_blocked
from coordsidecar.linux import boottime_s, die_with_parent, run_first, uninterrupted
from coordsidecar.refusals import asking_for
from coordsidecar.trees import tree
from coordsidecar.trees.process import NotSeenError

__all__ = ["KILLS_AT_MOST_S", "OneCommand"]

KILLS_AT_MOST_S = 5.0
_KILL_EVERY_S = 0.005
# A command may fork on, and whoever ends must be reaped, lest no process be left to be had.
_REAP_EVERY_S = 0.1
_REAPS_A_TURN = 5000


class OneCommand:
    """`start` it, then `watch` what it waits for and `look` when that has come, then `close` it."""

    def __init__(self, dispositions: Dispositions) -> None:
        self.until_s = math.inf
        self._dispositions = dispositions
        self._pid = self._pidfd = -1
        self._status: int | None = None
        self._output: CommandOutput | None = None

    @property
    def runs(self) -> bool:
        """Until it is closed, even though its main process has ended."""
        return self._pid >= 0

    @property
    def exit_code(self) -> int | None:
        """Once its main process has ended; 128+n if a signal did it."""
        if self._status is None:
            return None
        code = os.waitstatus_to_exitcode(self._status)
        return code if code >= 0 else 128 - code

    def start(
        self, become: Callable[[], None], say: Callable[[str], None], *, timeout_s: float
    ) -> None:
        """``become``, in the fork, should not return. ``say`` gets what is printed, by lines.

        Raises `OSError`; then nothing of it is left.
        """
        assert not self.runs
        us = os.getpid()
        try:
            self._output = CommandOutput(say)
            with all_signals_blocked():
                with asking_for("fork"):
                    pid = os.fork()
                if pid == 0:
                    self._become(become, helper=us)
            with suppress(OSError):  # It does it, too: whichever is first.
                os.setpgid(pid, pid)
            self._output.is_theirs()
            with asking_for("pidfd_open"):
                self._pidfd = os.pidfd_open(pid)
        except OSError:
            self._kill_all()
            self._forget()
            raise
        self._pid = pid
        self.until_s = boottime_s() + timeout_s

    def _become(self, become: Callable[[], None], *, helper: int) -> None:
        """In the fork, with every signal blocked: be the command."""
        try:
            os.setpgid(0, 0)
            die_with_parent(signal.SIGKILL)
            if os.getppid() != helper:
                os._exit(128 + signal.SIGKILL)  # It died before we asked to die with it.
            assert self._output is not None
            self._output.become_ours()
            self._dispositions.restore()
            become()
        except OSError as error:
            with suppress(OSError):
                os.write(2, f"cannot run /bin/sh: {error.strerror}\n".encode())
        finally:
            os._exit(127)

    def watch(self, poll: select.poll) -> float:
        """Add what to wait for; return when `look` is due all the same."""
        if not self.runs:
            return math.inf
        assert self._output is not None
        poll.register(self._pidfd, select.POLLIN)
        wake_s = min(self.until_s, boottime_s() + _REAP_EVERY_S)
        if not self._output.may_be_read:
            return min(wake_s, self._output.muted_until_s)
        poll.register(self._output.fd, select.POLLIN)
        return wake_s

    def look(self, ready: set[int]) -> None:
        """Read, and reap."""
        if self._output is not None and self._output.fd in ready:
            self._output.read()
        self._reap()

    def close(self) -> tuple[str, int]:
        """Whatever is left of it goes. Return what there is to add to how it ended, and how many
        lines of it were not said."""
        assert self._output is not None
        self._output.read()
        left = "" if self._kill_all() else "; a part of it survives SIGKILL"
        dropped = self._output.dropped
        self._forget()
        return left, dropped

    def _forget(self) -> None:
        if self._output is not None:
            self._output.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._output = self._status = None
        self._pid = self._pidfd = -1
        self.until_s = math.inf

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            for _ in range(_REAPS_A_TURN):
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._pid:
                    self._status = status

    def _kill_all(self) -> bool:
        """SIGKILL to all below us, until nobody is left; False if that takes too long."""
        give_up_s = boottime_s() + KILLS_AT_MOST_S
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
