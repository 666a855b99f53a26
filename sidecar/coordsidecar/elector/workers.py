"""The elector's two threads: one makes the calls to the store, one watches. They decide nothing.

Each has a store object, and so a connection, of its own. What comes of a call is put into the
loop's queue as an event; nothing else is shared.

Threads that are never joined, and queues with one reader each, need neither `threading` nor
`queue`: 0.4 MB of the elector, and 2 ms of each start.
"""

from __future__ import annotations

import _thread
import os
import time
from collections import deque
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
from coordsidecar.core.timing import Timing
from coordsidecar.hints import Generic, TypeVar, assert_never
from coordsidecar.linux import boottime_s
from coordsidecar.store.protocol import (
    Held,
    RefusedError,
    SessionLostError,
    Store,
    StoreError,
    UnreachableError,
)

__all__ = ["Inbox", "Workers"]

_T = TypeVar("_T")

_WATCH_AT_MOST_S = 3.0
_LONGEST_REASON = 2000
# To open a watch takes the store and us a millisecond of a processor that the job's start needs.
_JOB_FIRST_S = 0.05


class Inbox:
    """Events from other threads; ``fd`` is readable while there are some."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._events: deque[Event] = deque()

    def put(self, event: Event) -> None:
        self._events.append(event)
        os.eventfd_write(self.fd, 1)

    def take(self) -> list[Event]:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return []
        events: list[Event] = []
        while self._events:
            events.append(self._events.popleft())
        return events


class _Orders(Generic[_T]):
    """What the loop wants of a thread, which waits for it."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_CLOEXEC)
        self._orders: deque[_T] = deque()

    def put(self, order: _T) -> None:
        self._orders.append(order)
        os.eventfd_write(self._fd, 1)

    def get(self) -> _T:
        os.read(self._fd, 8)  # Unlike `os.eventfd_read`, it goes on after a signal.
        return self._orders.popleft()


class Workers:
    """Hand a call or a watch to its thread."""

    def __init__(
        self, connect: Callable[[], Store], inbox: Inbox, *, timing: Timing, run: str, record: str
    ) -> None:
        self._inbox = inbox
        self._timing = timing
        self._run = run
        self._record = record
        self._calls = _Orders[Op]()
        self._watches = _Orders[Watch]()
        for work in (self._make_calls, self._keep_watch):
            _thread.start_new_thread(work, (connect(),))

    def call(self, op: Op) -> None:
        self._calls.put(op)

    def watch(self, watch: Watch) -> None:
        self._watches.put(watch)

    def _make_calls(self, store: Store) -> None:
        while True:
            op = self._calls.get()
            sent_at_s = boottime_s()  # Before it is sent (rule S1).
            result: Result
            try:
                result = self._make(store, op)
            except SessionLostError as error:
                result = Gone(_reason(error))
            except RefusedError as error:
                result = Refused(_reason(error))
            except UnreachableError as error:
                result = Silent(_reason(error))
            except Exception as error:  # noqa: BLE001  # An adapter's bug is no answer either.
                why = f"the store adapter failed: {type(error).__name__}: {_reason(error)}"
                result = Silent(why)
            self._inbox.put(Answered(op, sent_at_s, result, _draw()))

    def _make(self, store: Store, op: Op) -> Result:
        timeout_s = self._timing.rpc_timeout_s
        match op:
            case Open():
                return store.open(
                    ttl_s=self._timing.ttl_s,
                    takeover_delay_s=self._timing.takeover_delay_s,
                    record=self._record,
                    timeout_s=timeout_s,
                )
            case Renew(session):
                return Renewed(store.renew(session, timeout_s=timeout_s))
            case Campaign(session):
                return store.campaign(
                    session, record=self._record, run=self._run, timeout_s=timeout_s
                )
            case Look(session):
                return store.standing(session, timeout_s=timeout_s)
            case TakeOffice(session, token):
                took = store.take_office(session, token, run=self._run, timeout_s=timeout_s)
                return Took(took)
            case Resign(session, token):
                store.resign(session, token, timeout_s=timeout_s)
                return Done()
            case Close(session):
                store.close(session, timeout_s=timeout_s)
                return Done()
            case _:
                assert_never(op)

    def _keep_watch(self, store: Store) -> None:
        # Bounded, and begun anew: a server that was stopped is silent for ever.
        at_most_s = min(_WATCH_AT_MOST_S, self._timing.renew_every_s)
        while True:
            watch = self._watches.get()
            if isinstance(watch.standing, Held):
                time.sleep(_JOB_FIRST_S)  # Nothing is missed: the watch begins at ``standing``.
            try:
                changed = store.watch(watch.session, watch.standing, timeout_s=at_most_s)
                event = Watched(changed)
            except StoreError:
                event = Watched(changed=False, failed=True)  # The calls will report the outage.
            except Exception:  # noqa: BLE001  # An adapter's bug: looking again is always safe.
                event = Watched(changed=True, failed=True)
            self._inbox.put(event)


def _reason(error: Exception) -> str:
    """What happened, in a length that fits into a message to the guard, whoever worded it."""
    return str(error)[:_LONGEST_REASON]


def _draw() -> float:
    """A number in [0, 1). (`random` would import half a library of hashes at every start.)"""
    return int.from_bytes(os.urandom(4), "big") / 2**32
