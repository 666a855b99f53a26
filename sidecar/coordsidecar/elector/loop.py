"""The elector: the process that talks to the store. It may crash, hang and be replaced.

One loop: wait for {the guard's messages and death, answers of the store, the timer}; all decisions
are the core's (`coordsidecar.core.election.step`). The threads that may block are in `workers`.
"""

from __future__ import annotations

import math
import os
import select
import sys
import time
from collections.abc import Iterator, Sequence

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Aims,
    Call,
    Effect,
    Event,
    Exit,
    GuardDied,
    GuardIs,
    HeardGuard,
    KillTree,
    LookAtGuard,
    Op,
    Report,
    Spare,
    Sweep,
    TellGuard,
    Tick,
    Watch,
)
from coordsidecar.core.election.phases import Elector as State
from coordsidecar.core.election.phases import token_of
from coordsidecar.elector import beside, shown
from coordsidecar.elector.chores import Chores
from coordsidecar.elector.mailbox import Mailbox
from coordsidecar.elector.sweeping import Sweeping
from coordsidecar.elector.workers import Workers
from coordsidecar.hints import TYPE_CHECKING, assert_never
from coordsidecar.linux import BootTimer, boottime_s
from coordsidecar.log import Log
from coordsidecar.refusals import refusal
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs
from coordsidecar.store import registry as stores
from coordsidecar.store.protocol import Session
from coordsidecar.trees.process import is_stopped
from coordsidecar.trees.remains import has_ended
from coordsidecar.wire import Wire

if TYPE_CHECKING:
    from coordsidecar.elector.pages import Served
    from coordsidecar.trees.app import App

__all__ = ["run"]

_REFUSED_PAUSE_S = 0.05


def run(
    settings: Settings,
    wire: Wire,
    *,
    guard_pidfd: int,
    adopt: Session | None,
    token: int | None,
    run_until_s: float,
    floor: int,
    floor_ttl_s: float,
    failures: Sequence[sys.UnraisableHookArgs],
    run_mark: str,
    signs: Signs,
    app: App | None = None,
) -> None:
    """Serve one guard until it, or the election, is over. Raises what ended one of our threads.

    ``adopt`` is the session a dead elector held, ``token`` the election it led with it; the job may
    be running until ``run_until_s``. ``floor``: the highest token that the guard has seen;
    ``floor_ttl_s``: the TTL of whoever else had it. ``failures``: what has ended threads of ours.
    ``app``: what is led in place of a command.
    """
    log = Log(fmt=settings.log_format, election=settings.election.prefix, node_id=settings.id)
    try:
        elector = Elector(
            settings, wire, log, guard_pidfd=guard_pidfd, run_mark=run_mark, signs=signs, app=app
        )
    except ValueError as error:  # What the store's URL or its settings say cannot be.
        wire.send(msg.Failed(2, str(error)[:2000]))
        return
    elector.begin(adopt, token, run_until_s, floor=floor, floor_ttl_s=floor_ttl_s)
    try:
        elector.serve_status()
    except RuntimeError as error:  # The address is taken; or it gets no thread.
        if adopt is None:
            wire.send(msg.Failed(125, f"{error}; choose another address"))
            return
        log.event("status", f"{error}; going on without the status page")
    elector.begin_beside()
    elector.run(failures)


class Elector:
    """The loop: events in, the core's effects out."""

    def __init__(
        self,
        settings: Settings,
        wire: Wire,
        log: Log,
        *,
        guard_pidfd: int,
        run_mark: str,
        signs: Signs,
        app: App | None,
    ) -> None:
        self._settings, self._wire, self._log, self._signs = settings, wire, log, signs
        self._record = shown.record(settings)
        self._guard_pid, self._guard_pidfd = os.getppid(), guard_pidfd
        self._chores = Chores(
            guard_pid=self._guard_pid, guard_pidfd=guard_pidfd, run_mark=run_mark, app=app
        )
        self._inbox = Mailbox[Event]()
        self._timer = BootTimer()
        self._over = self._guard_died = False
        self._orders: list[Op | Watch] = []
        self._ready: set[int] | None = None  # None: whatever there is may be.
        self._beside: list[beside.Beside] = []
        self._served: Served | None = None
        self._since_unix_s = 0.0
        self._aims = Aims(
            timing=settings.timing,
            run=run_mark,
            wait_until_s=boottime_s() + settings.wait_s if settings.wait_s else None,
            try_once=settings.wait_s == 0,
            where=shown.where(settings),
            node_id=settings.id,
            only_well_stand=settings.only_well_stand,
        )
        self._sweeping = Sweeping(log, self._inbox, lambda: self._state)
        self._workers = Workers(
            stores.connect(settings.store, election=settings.election, environ=os.environ),
            self._inbox,
            timing=settings.timing,
            run=run_mark,
            record=self._record,
        )

    def begin(
        self,
        adopt: Session | None,
        token: int | None,
        run_until_s: float,
        *,
        floor: int,
        floor_ttl_s: float,
    ) -> None:
        """Begin afresh, or with what a dead elector left."""
        # Only now: what the store's client took to import is not the store's fault.
        self._state = core.begin(
            boottime_s(),
            self._aims,
            adopt=adopt,
            token=token,
            run_until_s=run_until_s,
            floor=floor,
            floor_ttl_s=floor_ttl_s,
        )
        self._since_unix_s = self._signs.has_token(token_of(self._state.phase))

    def serve_status(self) -> None:
        """Answer on ``--http``, from threads of its own. Raises `RuntimeError` with a sentence."""
        if self._settings.http is not None:
            from coordsidecar.elector.pages import serve_pages  # Late: it imports an HTTP server.

            told = self._settings, self._signs, self._log, self._inbox
            self._served = serve_pages(*told, guard_pid=self._guard_pid, now=self._now)
            self._workers.heard = self._served.heard

    def begin_beside(self) -> None:
        """All that is done beside."""
        self._beside = beside.begin(self._settings, self._log, self._record, self._signs, self._now)

    def _now(self) -> tuple[State, float]:
        """For other threads: an immutable object, and since when it has its token."""
        return self._state, self._since_unix_s

    def run(self, failures: Sequence[sys.UnraisableHookArgs]) -> None:
        while not self._over:
            if failures and isinstance(error := failures[0].exc_value, Exception):
                # A thread that ended alone would leave an elector that never asks the store
                # again, and shows that it lives: nobody for ever.
                raise error
            try:
                self._turn()
            except OSError as refused:
                if os.getppid() == self._guard_pid:
                    raise  # Then it starts another.
                # Nobody else will bury it, and release.
                self._log.once("elector-failed", f"{refusal(refused)}; trying again")
                time.sleep(_REFUSED_PAUSE_S)
        if self._served is not None:
            self._served.tidy_up()

    def _turn(self) -> None:
        self._signs.elector_due_s = boottime_s()
        # One that is not due yet would change nothing before another event.
        if not self._ready or self._timer.fd in self._ready:
            self._step(Tick(self._signs.guard_stepped_s, self._signs.guard_due_s))
        for event in self._incoming():
            self._step(event)
        if not self._over:
            self._wait()

    def _wait(self) -> None:
        self._ready = None
        wake_s = core.next_wake_s(self._state, self._aims)
        self._timer.arm(wake_s)
        poll = select.poll()
        for fd in (self._wire.fd, self._timer.fd, self._inbox.fd, self._guard_pidfd):
            if not (self._guard_died and fd in (self._guard_pidfd, self._wire.fd)):
                poll.register(fd, select.POLLIN)
        timeout_s = self._chores.every_s
        if timeout_s is None:
            self._signs.elector_due_s = wake_s
        # Last: a thread that wakes while we still run would only wait for us to let it.
        while self._orders:
            self._workers.take(self._orders.pop(0))
        ready = poll.poll(None if timeout_s is None else math.ceil(timeout_s * 1000))
        self._ready = {fd for fd, _ in ready}

    def _step(self, event: Event) -> None:
        brought = [event]
        for happened in brought:
            brought += self._decide(happened)

    def _decide(self, event: Event) -> list[Event]:
        """Carry out what follows; return what that brought about."""
        was = self._state
        self._state, effects = core.step(self._state, event, boottime_s(), self._aims)
        if token_of(self._state.phase) != token_of(was.phase):
            self._since_unix_s = self._signs.has_token(token_of(self._state.phase))
        elif self._chores.every_s is None and any(isinstance(e, TellGuard) for e in effects):
            # Whom a message wakes looks by when we are to step: it shall not wake again for that.
            self._signs.elector_due_s = core.next_wake_s(self._state, self._aims)
        for one in self._beside:
            one.stepped(was, self._state)
        brought = [found for effect in effects if (found := self._do(effect)) is not None]
        if self._served is not None:
            self._served.stepped(event, was, self._state)
        return brought

    def _incoming(self) -> Iterator[Event]:
        if self._has(self._wire.fd):
            yield from self._messages()
        if not self._guard_died and self._has(self._guard_pidfd) and has_ended(self._guard_pidfd):
            self._guard_died = True
            yield GuardDied()
        if self._has(self._inbox.fd):
            yield from self._inbox.take()
        yield from self._chores.go_on()

    def _has(self, fd: int) -> bool:
        return self._ready is None or fd in self._ready

    def _messages(self) -> Iterator[Event]:
        for message, fds in self._wire.receive():
            if isinstance(message, msg.JobIs):
                self._chores.job_is(message.pid, fds[0] if fds else None)
            assert isinstance(message, msg.FromGuard)
            yield HeardGuard(message)

    def _do(self, effect: Effect) -> Event | None:
        match effect:
            case Call() | Watch():
                self._orders.append(effect.op if isinstance(effect, Call) else effect)
            case TellGuard(message, fds):
                self._wire.send(message, fds)
            case KillTree() | Spare():
                self._chores.take(effect)
            case Sweep():
                self._sweeping.take(effect)
            case LookAtGuard():
                return GuardIs(is_stopped(self._guard_pid))
            case Report(event, message, token):
                fields = {} if token is None else {"token": token}
                self._log.event(event, message, **fields)
            case Exit():
                self._over = True
            case _:
                assert_never(effect)
        return None
