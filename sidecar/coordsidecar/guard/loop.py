"""The guard: the process whose pid the user knows. It owns the job's tree and keeps its deadline.

One thread, light imports, one loop: wait for {signals, the elector's messages, the timer}; look at
the clock; only then read. All decisions are the core's (`coordsidecar.core.guard.step`).
"""

from __future__ import annotations

import math
import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress

from coordsidecar.children.forking import Dispositions
from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.brought import Brought
from coordsidecar.core.guard.moves import (
    Effect,
    ElectorExited,
    ElectorStopped,
    Event,
    Heard,
    JobExited,
    JobNotStarted,
    KillTree,
    Plan,
    Report,
    ShowRole,
    Signalled,
    SuspendSelf,
    TerminalStop,
    Tick,
)
from coordsidecar.core.guard.phases import Leaving
from coordsidecar.guard.beside import Beside
from coordsidecar.guard.elector_process import ElectorProcess
from coordsidecar.guard.fuse import Fuse
from coordsidecar.guard.hands import Hands
from coordsidecar.guard.job_shown import count, show
from coordsidecar.guard.service import Service
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.linux import BootTimer, boottime_s
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs

if TYPE_CHECKING:
    from coordsidecar.guard.health import HealthWatch
    from coordsidecar.guard.hooks import Hooks
    from coordsidecar.trees.app import App

__all__ = ["Guard"]

# A job that forks on ends faster than we reap: the clock must be looked at all the same.
_REAPS_A_TURN = 200


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
        has_pre_start=settings.pre_start is not None,
        has_post_stop=settings.post_stop is not None,
        hook_timeout_s=settings.hook_timeout_s,
        unhealthy=settings.health.unhealthy if settings.health else "step-down",
        only_well_stand=settings.only_well_stand,
    )


def hooks_of(
    settings: Settings, log: Log, dispositions: Dispositions, elector: ElectorProcess
) -> Hooks | None:
    """A run without hooks loads nothing of them."""
    if not (settings.told or settings.pre_start or settings.post_stop):
        return None
    from coordsidecar.guard.hooks import Hooks

    return Hooks(settings, log, dispositions, guard_pidfd=elector.guard_pidfd)


def health_of(
    settings: Settings, log: Log, dispositions: Dispositions, elector: ElectorProcess
) -> HealthWatch | None:
    """Nor of health checks."""
    if settings.health is None:
        return None
    if settings.health.kind == "notify":
        from coordsidecar.guard.notify_watch import NotifyWatch

        return NotifyWatch(settings, log, dispositions, guard_pidfd=elector.guard_pidfd)
    from coordsidecar.guard.health import HealthWatch

    return HealthWatch(settings, log, dispositions, guard_pidfd=elector.guard_pidfd)


class Guard:
    """The loop: events in, the core's effects out."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        dispositions: Dispositions,
        elector: ElectorProcess,
        fuse: Fuse,
        app: App | None = None,
        *,
        signals_fd: int,
        signs: Signs,
    ) -> None:
        """``app``: what is led in place of a command. ``signals_fd``: a pipe on which every signal
        arrives as a byte."""
        self._plan, self._leads_an_app = plan_of(settings), app is not None
        self._signals_fd, self._signs = signals_fd, signs
        self._timer = BootTimer()
        self._hooks = hooks_of(settings, log, dispositions, elector)
        self._health = health_of(settings, log, dispositions, elector)
        self._beside = Beside(self._hooks, self._health)
        self._hands = Hands(settings, log, dispositions, elector, fuse, app, self._beside)
        self._service = Service(os.environ, log)
        self._reports: list[Report] = []
        self._brought = Brought()
        self._must_reap = False

    def run(self) -> int:
        try:
            return self._run()
        except Exception:
            # Said by the caller, who exits: then the kernel ends the job, and the elector buries
            # what is left. But it may be gone as well.
            with suppress(OSError):
                self._hands.do(KillTree())
            raise

    def _run(self) -> int:
        self._state, effects = core.begin(boottime_s(), self._plan)
        self._carry_out(effects)
        self._signs.guard_steps(boottime_s())
        self._step(Tick(self._signs.elector_due_s))
        while (exit_code := self._hands.exit_code) is None:
            # The clock first (rule S2): nothing read late revives a lease. Each step looks at it; a
            # tick of its own that is not due yet would change nothing.
            ready = self._wait()
            self._signs.guard_steps(boottime_s())
            if self._timer.fd in ready or not ready:
                self._step(Tick(self._signs.elector_due_s))
            for event in self._incoming():
                self._step(event)
        self._write_reports()
        self._beside.tidy()
        return exit_code

    def _wait(self) -> list[int]:
        """Return the descriptors that there is something to read from."""
        self._write_reports()
        if not self._leads_an_app:  # Whose processes are none of ours to name.
            show(self._state.phase, self._hands.job.pid, self._signs)
        self._service.lives()
        wake_s = min(core.next_wake_s(self._state, self._plan), self._service.due_s)
        if self._health is not None:
            self._health.sees(self._state)
            wake_s = min(wake_s, self._health.due_s)
        self._timer.arm(wake_s)
        poll = select.poll()
        health_fd = self._health.fd if self._health is not None else None
        for fd in (self._signals_fd, self._timer.fd, health_fd, *self._hands.fds):
            if fd is not None:
                poll.register(fd, select.POLLIN)
        timeout_s = 0.0 if self._must_reap else self._hands.chore_every_s
        if math.isinf(timeout_s):
            self._signs.guard_due_s = wake_s
            ready = poll.poll()
        else:
            ready = poll.poll(math.ceil(timeout_s * 1000))
        return [fd for fd, _ in ready]

    def _step(self, event: Event) -> None:
        self._brought.add([event])
        for happened in self._brought.take():
            self._state, effects = core.step(self._state, happened, boottime_s(), self._plan)
            self._carry_out(effects)

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if self._hooks is not None:
                self._hooks.saw(effect)
            if isinstance(effect, Report):
                self._reports.append(effect)
                continue
            if isinstance(effect, ShowRole):
                self._service.plays(effect.role, effect.leader, effect.token)
            if isinstance(effect, SuspendSelf):
                self._write_reports()
                if self._health is not None:
                    self._health.looks_away()
            self._brought.outdate(effect)
            brought = self._hands.do(effect)
            self._brought.add(brought)
            if not brought:  # Else it was refused.
                count(effect, self._signs)

    def _write_reports(self) -> None:
        """The log comes last: whoever takes over shall not wait for it."""
        for report in self._reports:
            self._hands.do(report)
        self._reports.clear()
        if self._hooks is not None:
            self._hooks.tell()

    def _incoming(self) -> Iterator[Event]:
        yield from self._messages()
        yield from self._signals()
        yield from self._hands.chores()
        if self._health is not None:
            yield from self._health.verdicts()

    def _messages(self) -> Iterator[Event]:
        for message in self._hands.messages():
            if isinstance(message, msg.Holding):
                self._service.is_ready()
            yield Heard(message)

    def _signals(self) -> Iterator[Event]:
        try:
            numbers = os.read(self._signals_fd, 4096)
        except BlockingIOError:
            numbers = b""
        for number in numbers:
            if number == signal.SIGCHLD:
                self._must_reap = True
            elif number == signal.SIGTSTP:
                yield TerminalStop()
            elif number != signal.SIGCONT:
                yield Signalled(number)
        if self._must_reap:
            yield from self._reap()

    def _reap(self) -> Iterator[Event]:
        """Collect every child that ended: the job, the elector, and orphans of the tree."""
        for _ in range(_REAPS_A_TURN):
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                pid = 0
            if pid == 0:
                self._must_reap = False
                return
            if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                yield from self._halted(pid, stopped=os.WIFSTOPPED(status))
            elif pid == self._hands.elector.pid:
                self._hands.elector.was_reaped()
                yield from self._messages()  # Its last words.
                self._hands.elector.is_gone()
                yield ElectorExited()
            elif pid == self._hands.job.pid:
                code = os.waitstatus_to_exitcode(status)
                by_key = code == -signal.SIGINT and self._hands.job.terminal.takes_keys_for_job
                if (failure := self._hands.job.is_gone()) is not None:
                    yield JobNotStarted(failure.exit_code, str(failure))
                    continue
                yield JobExited(code if code >= 0 else 128 - code)
                if by_key and not isinstance(self._state.phase, Leaving):
                    # Ctrl-C was for the job alone; if that ends of it, so do we, as a shell would.
                    yield Signalled(signal.SIGINT)
            else:
                self._hands.other_is_gone(pid)

    def _halted(self, pid: int, *, stopped: bool) -> Iterator[Event]:
        """Somebody stopped a child of ours, or let it go on."""
        if pid == self._hands.elector.pid and stopped:
            self._signs.elector_is_stopped(boottime_s())
            yield ElectorStopped()
        elif pid == self._hands.elector.pid:
            self._signs.elector_goes_on()
        elif pid == self._hands.job.pid and stopped and self._hands.job.terminal.given:
            yield TerminalStop()
        elif stopped:
            self._beside.was_stopped(pid)
