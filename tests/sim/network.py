"""The way between an elector and the store: calls that are slow, lost, late, or answered twice.

A call ends within the rpc time-out with an answer or with `Silent`, as the elector's worker thread
makes it end. What became of the request is another matter: it may arrive long after that.
"""

from __future__ import annotations

from typing import Protocol

from coordsidecar.core.election.moves import (
    Answered,
    Campaign,
    Close,
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
    Watch,
    Watched,
)
from coordsidecar.store.protocol import Held, Session
from tests.sim.store_model import Caller, ModelStore
from tests.sim.world import Process, World

__all__ = ["OPERATIONS", "TROUBLES", "Client", "Link", "Network"]

OPERATIONS: tuple[type[Op], ...] = (
    *(Open, Renew, Campaign, Look, TakeOffice, Resign, Close),
    *(Renew, Renew),  # What a leader lives by.
)
TROUBLES = ("refused", "silent", "unanswered", "late", "unproven")
"""Refused; lost on the way there; lost on the way back; answered too late; done by halves: the
session is renewed, but the look that goes with it is refused."""


class Client(Protocol):
    """An elector, as far as the network knows it."""

    @property
    def process(self) -> Process: ...

    @property
    def caller(self) -> Caller: ...

    def receive(self, event: Event) -> None: ...

    def renewed(self, handle: str, sent_at_s: float, ttl_s: float) -> None:
        """A yes has reached the host: for the referee, who judges deadlines by it."""


class Link:
    """The state of one node's way to the store."""

    def __init__(self) -> None:
        self.requests_pass = True
        self.answers_pass = True
        self.lost_share = 0.0
        self.slow_s = self.watches_late_s = 0.0
        self.late_share = 0.0
        self.refused = False
        self.troubles: dict[type[Op], tuple[str, bool]] = {}

    @property
    def whole(self) -> bool:
        return self.requests_pass and self.answers_pass and not self.lost_share

    def heal(self) -> None:
        self.__init__()  # type: ignore[misc]  # Everything as it was at first.


class Network:
    def __init__(self, world: World, store: ModelStore) -> None:
        self._world, self._store = world, store

    def call(self, client: Client, link: Link, op: Op) -> None:
        """Hand a call to the client's thread."""
        thread_starts_s = self._world.rng.random() * 0.0005
        call = _Call(self._world, self._store, client, link, op)
        timeout_s = client.caller.timing.rpc_timeout_s
        self._world.after(
            thread_starts_s, lambda: client.process.when_running(lambda: call.begin(timeout_s))
        )

    def watch(self, client: Client, link: Link, watch: Watch) -> None:
        """Hand a watch to the client's other thread."""
        world, store = self._world, self._store
        late_s = world.rng.random() * link.watches_late_s if link.watches_late_s else 0.0
        at_most_s = min(3.0, client.caller.timing.renew_every_s) + late_s
        handle, ended = watch.session.handle, False

        def end(changed: bool, failed: bool, appointed: Held | None = None) -> None:
            nonlocal ended
            if not ended:
                ended = True
                event = Watched(changed, failed, appointed=appointed, handle=handle)
                client.process.when_running(lambda: client.receive(event))

        def fire() -> None:
            if store.up and link.answers_pass and not world.chance(link.lost_share):
                delay_s = world.between(*store.latency_s) + late_s

                def tell() -> None:
                    end(True, False, store.appointed(handle, watch.standing))

                world.after(delay_s, tell)

        def begin() -> None:
            if link.requests_pass and store.up:
                store.watch(watch.standing, fire)
            failed = not (store.up and link.requests_pass and link.answers_pass)
            world.after(at_most_s, lambda: end(False, failed))

        world.after(world.between(*store.latency_s), lambda: client.process.when_running(begin))


class _Call:
    """One call on its way."""

    def __init__(self, world: World, store: ModelStore, client: Client, link: Link, op: Op) -> None:
        self._world, self._store = world, store
        self._client, self._link, self._op = client, link, op
        self._ended = False
        self._sent_at_s = 0.0
        self._trouble = ""

    def begin(self, timeout_s: float) -> None:
        """In the thread: note the time, send, and wait no longer than the time-out."""
        world, link, process = self._world, self._link, self._client.process
        self._sent_at_s = process.host.clock_s()
        world.after(timeout_s, lambda: process.when_running(self._time_out))
        delay_s = self._delay_s()
        kind = type(self._op)
        self._trouble, once = link.troubles.get(kind, ("", False))
        if once:
            link.troubles.pop(kind)
        if self._trouble:
            world.counts[f"operation {self._trouble}"] += 1
        if self._trouble == "silent":
            return
        if self._trouble == "late":
            delay_s += timeout_s * (1 + 2 * world.rng.random())
        if world.chance(link.late_share):
            delay_s += world.rng.random() * 4 * timeout_s
            world.counts["requests late"] += 1
        if world.chance(link.lost_share) or not link.requests_pass:
            return
        world.after(delay_s, self._arrive)
        if world.chance(link.late_share):
            # Sent again on another connection, since the first seemed broken.
            world.counts["requests doubled"] += 1
            world.after(delay_s + world.rng.random() * 4 * timeout_s, self._arrive)

    def _delay_s(self) -> float:
        low, high = self._store.latency_s
        return self._world.between(low, high) + self._link.slow_s * self._world.rng.random()

    def _arrive(self) -> None:
        world, link, store = self._world, self._link, self._store
        result: Result
        if not store.up:
            result = Silent("connection refused")
        elif link.refused or self._trouble == "refused":
            result = Refused("permission denied")
        else:
            result = store.apply(self._op, self._client.caller)
        if self._trouble == "unproven" and getattr(self._op, "look", False):
            result = Refused("permission denied, but for the session")
        if self._trouble == "unanswered":
            return
        if world.trace:
            world.say("store", f"{self._client.process.name}: {_short(self._op)} -> {result}")
        if link.answers_pass and not world.chance(link.lost_share):
            process = self._client.process
            world.after(self._delay_s(), lambda: process.when_running(lambda: self._end(result)))

    def _time_out(self) -> None:
        if not self._ended:
            self._end(Silent("time-out"))

    def _end(self, result: Result) -> None:
        if self._ended:
            return
        self._ended = True
        match self._op, result:
            case Open(), Session(handle=handle, ttl_s=ttl_s):
                self._client.renewed(handle, self._sent_at_s, ttl_s)
            case Renew(session), Renewed(ttl_s=ttl_s):
                self._client.renewed(session.handle, self._sent_at_s, ttl_s)
            case _, Gone() | Silent():
                self._world.counts[f"answers {type(result).__name__}"] += 1
            case _:
                pass
        draw = self._world.rng.random()
        self._client.receive(Answered(self._op, self._sent_at_s, result, draw))


def _short(op: Op) -> str:
    session = getattr(op, "session", None)
    token = getattr(op, "token", None)
    return f"{type(op).__name__} {session.handle if session else ''} {token or ''}".strip()
