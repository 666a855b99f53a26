"""The guard: the process whose pid the user knows. It owns the job's tree and keeps its deadline.

One thread, light imports, one loop: wait for {signals, the elector's messages, the timer}; look at
the clock; only then read. All decisions are the core's (`coordsidecar.core.guard`).
"""

from __future__ import annotations

import math
import os
import secrets
import select
import signal
from collections.abc import Iterator

from coordsidecar.core import guard as core
from coordsidecar.core.guard_moves import (
    Effect,
    ElectorExited,
    Event,
    Heard,
    JobExited,
    Plan,
    Signalled,
    TerminalStop,
    Tick,
)
from coordsidecar.guard_hands import Hands
from coordsidecar.linux import BootTimer, become_subreaper, boottime_s
from coordsidecar.log import Log
from coordsidecar.settings import Settings
from coordsidecar.spawn import Dispositions

__all__ = ["run"]

# Synchronous faults end the guard (and by PDEATHSIG the job), as they should.
_NOT_HANDLED = {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE),
    *(signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS, signal.SIGPIPE),
}
_TERMINAL_OUTPUT = (signal.SIGTTOU, signal.SIGTTIN)


def run(settings: Settings) -> int:
    """Run the command while this instance leads; return the exit code."""
    dispositions = Dispositions.inherited()
    signals_fd = _catch_signals(dispositions)
    become_subreaper()
    log = Log(fmt=settings.log_format, election=settings.election.prefix, node_id=settings.id)
    guard = Guard(settings, log, dispositions, signals_fd)
    return guard.run()


def plan_of(settings: Settings) -> Plan:
    """The part of the settings that the core decides by."""
    return Plan(
        timing=settings.timing,
        stop_signal=settings.stop_signal,
        stop_timeout_s=settings.stop_timeout_s,
        while_standby=settings.while_standby,
        has_standby_command=bool(settings.standby),
        lead_signal=settings.lead_signal or 0,
        standby_signal=settings.standby_signal or 0,
        standby_timeout_s=settings.standby_timeout_s,
        restart=settings.restart,
        max_restarts=settings.max_restarts,
        max_restarts_window_s=settings.max_restarts_window_s,
        exit_on_lost=settings.on_lost == "exit",
    )


class Guard:
    """The loop: events in, the core's effects out."""

    def __init__(
        self, settings: Settings, log: Log, dispositions: Dispositions, signals_fd: int
    ) -> None:
        self._plan = plan_of(settings)
        self._signals_fd = signals_fd
        self._timer = BootTimer()
        run_mark = secrets.token_hex(8)  # Rule S10: unique per start, whatever --id says.
        self._hands = Hands(settings, log, dispositions, run_mark=run_mark)

    def run(self) -> int:
        self._state, effects = core.begin(boottime_s(), self._plan)
        self._act(effects)
        while (exit_code := self._hands.exit_code) is None:
            self._wait()
            self._step(Tick())  # The clock first (rule S2): nothing read late revives a lease.
            for event in self._incoming():
                self._step(event)
        return exit_code

    def _wait(self) -> None:
        self._timer.arm(core.next_wake_s(self._state, self._plan))
        poll = select.poll()
        for fd in (self._signals_fd, self._timer.fd, self._hands.wire_fd):
            if fd is not None:
                poll.register(fd, select.POLLIN)
        timeout_s = self._hands.chore_every_s
        poll.poll(None if math.isinf(timeout_s) else math.ceil(timeout_s * 1000))

    def _step(self, event: Event) -> None:
        self._state, effects = core.step(self._state, event, boottime_s(), self._plan)
        self._act(effects)

    def _act(self, effects: list[Effect]) -> None:
        for effect in effects:
            for event in self._hands.do(effect):
                self._step(event)

    def _incoming(self) -> Iterator[Event]:
        yield from self._messages()
        yield from self._signals()
        yield from self._hands.chores()

    def _messages(self) -> Iterator[Event]:
        for message in self._hands.messages():
            yield Heard(message)

    def _signals(self) -> Iterator[Event]:
        try:
            numbers = os.read(self._signals_fd, 4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number == signal.SIGCHLD:
                yield from self._reap()
            elif number == signal.SIGTSTP:
                yield TerminalStop()
            elif number != signal.SIGCONT:
                yield Signalled(number)

    def _reap(self) -> Iterator[Event]:
        """Collect every child that ended: the job, the elector, and orphans of the tree."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                if pid == self._hands.job_pid and self._hands.terminal.given:
                    yield TerminalStop()
            elif pid == self._hands.elector_pid:
                yield from self._messages()  # Its last words.
                self._hands.elector_is_gone()
                yield ElectorExited()
            elif pid == self._hands.job_pid:
                self._hands.job_is_gone()
                code = os.waitstatus_to_exitcode(status)
                yield JobExited(code if code >= 0 else 128 - code)


def _catch_signals(dispositions: Dispositions) -> int:
    """Turn every signal into a byte on a pipe; return the end to read."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    os.set_blocking(write_fd, False)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    for signum in signal.valid_signals() - _NOT_HANDLED:
        if signum in _TERMINAL_OUTPUT:
            signal.signal(signum, signal.SIG_IGN)  # We hand the terminal over from the background.
        elif signum not in dispositions.ignored or signum == signal.SIGTERM:
            signal.signal(signum, _noted)
    signal.signal(signal.SIGCHLD, _noted)  # Whatever the shell said: we live by it.
    return read_fd


def _noted(signum: int, frame: object) -> None:
    """The wake-up descriptor has it."""
