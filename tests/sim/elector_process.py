"""The elector's process: its core, driven as `coordsidecar.elector.loop` drives it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import assert_never

from coordsidecar.core import messages as msg
from coordsidecar.core.election import moves
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import Aims, Effect, Event
from coordsidecar.core.election.phases import Claiming, token_of
from coordsidecar.store.protocol import Session
from tests.sim.around import Surroundings
from tests.sim.tree import Tree
from tests.sim.world import Host, Process

__all__ = ["ElectorProcess"]

_CHORE_EVERY_S = 0.01
_PASSES_BEFORE_GUARD = 30


class ElectorProcess(Process):
    """One elector, from its start to its exit."""

    def __init__(
        self,
        host: Host,
        name: str,
        around: Surroundings,
        aims: Aims,
        *,
        adopt: Session | None,
        token: int | None,
        run_until_s: float,
        floor: int,
        floor_ttl_s: float,
    ) -> None:
        super().__init__(host, name)
        self.process = self
        self.caller = around
        self.aims = aims
        self.adopt = adopt
        self.holding: set[str] = {adopt.handle} if adopt else set()
        self._around = around
        self._token, self._run_until_s = token, run_until_s
        self._floor, self._floor_ttl_s = floor, floor_ttl_s
        self._heard: list[msg.FromGuard] = []
        self._events: list[Event] = []
        self._timer_s = -math.inf
        self._chore: moves.KillTree | None = None
        self._sweep: moves.Sweep | None = None
        self._passes = 0
        self._tree_is_gone = False
        self._guard_died = False
        self.guard_heard_s = -math.inf
        self.guard_was_stopped = False
        self.begun = self._over = self.held = self._killed = False

    def begin(self) -> None:
        """It takes a while to fork and to import what it needs."""
        self.world.after(self.world.between(0.02, 0.12), self.poke)

    def hear(self, message: msg.FromGuard) -> None:
        if self.alive:
            self._heard.append(message)
            if self.begun:
                self.poke()

    def receive(self, event: Event) -> None:
        self._events.append(event)
        self.poke()

    def renewed(self, handle: str, sent_at_s: float, ttl_s: float) -> None:
        self._around.renewed(handle, sent_at_s, ttl_s)

    def pause(self) -> None:
        super().pause()
        if self.world.chance(0.5):  # Stopped, of which its parent hears by SIGCHLD; else frozen.
            self._around.signs.elector_halted = True
            self._around.guard.poke()

    def hold(self) -> None:
        """By a debugger, or the kernel: nobody hears of a stop, and it does not end if killed."""
        self.held = True
        super().pause()

    def let_go(self) -> None:
        self.held = False
        if self._killed:
            self.kill()
        else:
            self.resume()

    def kill(self) -> None:
        self._killed = True
        if not self.held:
            super().kill()

    def crash(self) -> None:
        self.held = False
        self.kill()

    def ended(self) -> None:
        self._around.elector_ended(self)

    def turn(self) -> Iterator[None]:
        if not self.begun:
            self.begun = True
            self._begin_core()
        self._around.signs.elector_due_s = self.host.clock_s()
        for event in self._incoming():
            for effect in self._decide(event):
                yield
                self._do(effect)
        if self._over:
            self.kill()

    def next_timer_s(self) -> float:
        self._timer_s = core.next_wake_s(self.state, self.aims)
        if self._chore is None:
            self._around.signs.elector_due_s = self._timer_s
        if self._chore is None and self._sweep is None:
            return self._timer_s
        return min(self._timer_s, self.host.clock_s() + _CHORE_EVERY_S)

    def _begin_core(self) -> None:
        self.guard_heard_s = self.host.clock_s()
        self.state = core.begin(
            self.host.clock_s(),
            self.aims,
            adopt=self.adopt,
            token=self._token,
            run_until_s=self._run_until_s,
            floor=self._floor,
            floor_ttl_s=self._floor_ttl_s,
        )

    def _decide(self, event: Event) -> list[Effect]:
        was = self.state.phase
        if isinstance(event, moves.HeardGuard):
            self.guard_heard_s, self.guard_was_stopped = self.host.clock_s(), False
        if isinstance(event, moves.Tick):
            heard_s = max(event.guard_seen_s, event.guard_due_s)
            if heard_s > self.guard_heard_s:
                self.guard_heard_s, self.guard_was_stopped = heard_s, False
        self.state, effects = core.step(self.state, event, self.host.clock_s(), self.aims)
        if self.state.phase is not was:
            self._around.changed(self, was)
        told = any(isinstance(effect, moves.TellGuard) for effect in effects)
        if told and self._chore is None and token_of(self.state.phase) == token_of(was):
            self._around.signs.elector_due_s = core.next_wake_s(self.state, self.aims)
        if self.world.trace:
            self._trace(event, effects)
        return effects

    def _trace(self, event: Event, effects: list[Effect]) -> None:
        if effects or isinstance(event, moves.Answered | moves.GuardDied):
            self.world.say(self.name, f"{event} -> {self.state.phase} {effects}")

    def _incoming(self) -> Iterator[Event]:
        # As in the loop, one that is not due is left out: it changes nothing
        # (`test_an_early_tick_changes_nothing`).
        if self.host.clock_s() >= self._timer_s or not (self._heard or self._events):
            signs = self._around.signs
            yield moves.Tick(signs.guard_stepped_s, signs.guard_due_s)
        if self._heard:
            heard, self._heard = self._heard, []
            for message in heard:
                yield moves.HeardGuard(message)
        if not self._guard_died and not self._around.guard.alive:
            self._guard_died = True
            yield moves.GuardDied()
        if self._events:
            events, self._events = self._events, []
            yield from events
        if self._chore is not None:
            yield from self._bury()
        if self._sweep is not None:
            yield from self._sweep_on(self._sweep)

    def _bury(self) -> Iterator[Event]:
        if self._kill_pass():
            self._chore = None
            yield moves.TreeKilled()
        elif self._tree_is_gone:
            yield moves.TreeKilled(guard_lives=True)

    def _sweep_on(self, order: moves.Sweep) -> Iterator[Event]:
        """Until that run has left nothing, or the claim is over."""
        left: list[Tree] = []
        match self.state.phase:
            case Claiming(held, sweeping=True) if held.token == order.token:
                left = self._around.trees_of_run(order.run)
        for tree in left:
            tree.kill()
        if not left:
            self._sweep = None
            yield moves.Swept(order.token)

    def _kill_pass(self) -> bool:
        """Kill the tree, then the guard; True when both are confirmed dead."""
        self._passes += 1
        living = self._around.living_trees()
        self._tree_is_gone = not living
        for tree in living:
            tree.kill()
        guard = self._around.guard
        if guard.alive:
            if not living or self._passes >= _PASSES_BEFORE_GUARD:
                self.world.after(0.001, self._around.kill_guard)
            return False
        return not living

    def _do(self, effect: Effect) -> None:
        match effect:
            case moves.Call(op):
                self._around.call(self, op)
            case moves.Watch():
                self._around.watch(self, effect)
            case moves.TellGuard(message, _):
                if isinstance(message, msg.Holding):
                    self.holding.add(message.handle)
                self._around.tell_guard(self, message)
            case moves.KillTree():
                self._chore = effect
            case moves.Spare():
                self._chore = None
            case moves.LookAtGuard():
                self.guard_was_stopped = self._around.guard.paused
                self.receive(moves.GuardIs(self.guard_was_stopped))
            case moves.Sweep():
                self._sweep = effect
            case moves.Report():
                pass
            case moves.Exit():
                self._over = True
            case _:
                assert_never(effect)
