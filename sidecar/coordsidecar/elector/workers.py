"""The elector's two threads: one makes the calls to the store, one watches. They decide nothing.

They share the store object, which has a connection for each of them. What comes of a call is put
into the loop's mailbox as an event.

Threads that are never joined need no `threading`: with `queue`, 0.4 MB of the elector, and 2 ms of
each start.
"""

from __future__ import annotations

import _thread
import math
import os
import time
from collections.abc import Callable

from coordsidecar.core.election.moves import (
    Answered,
    Campaign,
    Close,
    Done,
    Event,
    Gone,
    Look,
    Op,
    Open,
    Prepare,
    Refused,
    Renew,
    Renewed,
    Resign,
    Result,
    Silent,
    TakeOffice,
    Took,
    Watch,
    Watched,
)
from coordsidecar.core.election.phases import limits_of
from coordsidecar.core.timing import Timing
from coordsidecar.elector.mailbox import Mailbox
from coordsidecar.hints import assert_never
from coordsidecar.linux import boottime_s
from coordsidecar.store.protocol import (
    Held,
    LoginRefusedError,
    RefusedError,
    SessionLostError,
    Store,
    StoreError,
    UnreachableError,
)

__all__ = ["Workers", "start_thread"]

# Bounded, and begun anew: a server that was stopped is silent for ever. Whoever stands by looks
# from time to time as well; a leader finds with each renewal what its watch would have told.
_WATCH_AT_MOST_S = 10.0
_LEADER_WATCH_AT_MOST_S = 60.0
_LONGEST_REASON = 2000
_START_AT_MOST_S = 5.0
# To open a watch, or end a session, takes the store and us a millisecond of a processor that the
# job's start needs, here or of whoever comes next.
_JOB_FIRST_S = 0.05
_NEXT_JOB_FIRST_S = 0.02


class Workers:
    """Hand a call or a watch to its thread."""

    def __init__(
        self, store: Store, inbox: Mailbox[Event], *, timing: Timing, run: str, record: str
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._timing = timing
        self._run = run
        self._record = record
        self.heard: Callable[[Op, float, Result], None] | None = None
        """Told at once, in the thread for calls, what came of a call, and when it was sent."""
        self._calls = Mailbox[Op]()
        self._watches = Mailbox[Watch]()
        for work in (self._make_calls, self._keep_watch):
            start_thread(work)

    def take(self, order: Op | Watch) -> None:
        if isinstance(order, Watch):
            self._watches.put(order)
        else:
            self._calls.put(order)

    def _make_calls(self) -> None:
        while True:
            op = self._calls.wait()
            sent_at_s = boottime_s()  # Before it is sent (rule S1).
            result: Result
            try:
                result = self._make(op)
            except SessionLostError as error:
                result = Gone(_reason(error))
            except RefusedError as error:
                result = Refused(_reason(error), final=isinstance(error, LoginRefusedError))
            except UnreachableError as error:
                result = Silent(_reason(error))
            except Exception as error:  # noqa: BLE001  # An adapter's bug is no answer either.
                why = f"the store adapter failed: {type(error).__name__}: {_reason(error)}"
                result = Silent(why)
            if self.heard is not None:
                self.heard(op, sent_at_s, result)
            self._inbox.put(Answered(op, sent_at_s, result, _draw()))

    def _make(self, op: Op) -> Result:
        store, timeout_s = self._store, self._timing.rpc_timeout_s
        match op:
            case Open():
                return store.open(
                    ttl_s=self._timing.ttl_s,
                    takeover_delay_s=self._timing.takeover_delay_s,
                    record=self._record,
                    timeout_s=timeout_s,
                )
            case Renew(session, look):
                renewal = store.renew(session, look=look, timeout_s=timeout_s)
                return Renewed(renewal.ttl_s, renewal.standing, renewal.order)
            case Campaign(session, floor, depose):
                return store.campaign(
                    session,
                    record=self._record,
                    run=self._run if floor is not None else "",
                    floor=floor or 0,
                    limits=limits_of(session, self._timing),
                    depose=depose,
                    timeout_s=timeout_s,
                )
            case Look(session):
                return store.standing(session, timeout_s=timeout_s)
            case TakeOffice(session, token, floor, curbs):
                token_or_none = store.take_office(
                    session,
                    token,
                    record=self._record,
                    run=self._run,
                    floor=floor,
                    limits=limits_of(session, self._timing),
                    curbs=curbs,
                    timeout_s=timeout_s,
                )
                return Took(token_or_none)
            case Prepare(session):
                # A renewal that comes due meanwhile shall not have to wait.
                store.prepare(session, timeout_s=timeout_s / 4)
                return Done()
            case Resign(session, token, why):
                store.resign(session, token, run=self._run, why=why, timeout_s=timeout_s)
                return Done()
            case Close(session):
                if math.isfinite(session.ttl_s):  # Else it is by this that the next gets the lock.
                    time.sleep(_NEXT_JOB_FIRST_S)
                store.close(session, timeout_s=timeout_s)
                return Done()
            case _:
                assert_never(op)

    def _keep_watch(self) -> None:
        while True:
            watch = self._watches.wait()
            at_most_s = _WATCH_AT_MOST_S
            if isinstance(watch.standing, Held):
                time.sleep(_JOB_FIRST_S)  # Nothing is missed: the watch begins at ``standing``.
                at_most_s = _LEADER_WATCH_AT_MOST_S
            try:
                changed = self._store.watch(watch.session, watch.standing, timeout_s=at_most_s)
                event = Watched(bool(changed))
                if isinstance(changed, Held):
                    event = Watched(True, appointed=changed, handle=watch.session.handle)
            except RefusedError as error:  # To watch may be a right of its own.
                event = Watched(changed=False, failed=True, refused=_reason(error))
            except StoreError:
                event = Watched(changed=False, failed=True)  # The calls will report the outage.
            except Exception:  # noqa: BLE001  # An adapter's bug: looking again is always safe.
                event = Watched(changed=True, failed=True)
            self._inbox.put(event)


def start_thread(work: Callable[[], None]) -> None:
    """Start a thread, and see that it runs. Raises `RuntimeError` and `MemoryError`.

    For one that gets no memory for its first frame ends before it can say so.
    """
    runs = _thread.allocate_lock()
    runs.acquire()
    _thread.start_new_thread(_run, (runs, work))
    if not runs.acquire(timeout=_START_AT_MOST_S):
        raise MemoryError


def _run(runs: _thread.LockType, work: Callable[[], None]) -> None:
    runs.release()
    work()


def _reason(error: Exception) -> str:
    """What happened, in a length that fits into a message to the guard, whoever worded it."""
    return str(error)[:_LONGEST_REASON]


def _draw() -> float:
    """A number in [0, 1). (`random` would import half a library of hashes at every start.)"""
    return int.from_bytes(os.urandom(4), "big") / 2**32
