"""The guard's process: its core, driven as `coordsidecar.guard.loop` does, with modelled hands."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from typing import assert_never

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import moves
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.brought import Brought
from coordsidecar.core.guard.moves import Effect, Event
from coordsidecar.core.guard.phases import Running, lease_of
from coordsidecar.store.protocol import Session
from tests.sim.around import Sidecar
from tests.sim.tree import Tree
from tests.sim.world import Host, Process

__all__ = ["GuardProcess"]


class GuardProcess(Process):
    """One guard, from its start to its exit."""

    def __init__(self, host: Host, name: str, sidecar: Sidecar) -> None:
        super().__init__(host, name)
        self.sidecar = sidecar
        self.plan = sidecar.plan
        self.signals: list[int] = []
        self.verdicts: list[moves.Health] = []
        self.exit_code: int | None = None
        self.session: Session | None = None
        self.job: Tree | None = None
        self.inbox: list[msg.FromElector] = []
        self._chore: Effect | None = None
        self._frozen = self._to_thaw = False
        self._begun = False
        self._timer_s = -math.inf
        self._brought = Brought()

    def begin(self) -> None:
        # The elector is forked first, so that it connects while we make ready.
        self.sidecar.start_elector(None, None, 0.0, 0, 0.0)
        self.poke()
        if self.plan.only_well_stand:
            well = moves.Health(0, healthy=True, why="its first check is passed")
            self.world.after(self.world.rng.random() * 0.5, lambda: self.hear(well))

    def send(self, signum: int) -> None:
        self.signals.append(signum)
        self.poke()

    def hear(self, verdict: moves.Health) -> None:
        self.verdicts.append(verdict)
        self.poke()

    def turn(self) -> Iterator[None]:
        if not self._begun:
            self._begun = True
            self.state, effects = core.begin(self.host.clock_s(), self.plan)
            yield from self._carry_out(effects)
            yield from self._step(self._tick())
        lapsed = self._lapsed_lease()
        for event in self._incoming():
            yield from self._step(event)
        match self.state.phase:
            case Running(lease) if lapsed is not None and lease.token == lapsed.token:
                self.sidecar.revived(lease)
            case _:
                pass

    def _lapsed_lease(self) -> msg.Leased | None:
        """The lease that is over as we wake up, whatever may be read then."""
        match self.state.phase:
            case Running(lease) if self.host.clock_s() >= lease.step_down_at_s:
                return lease
            case _:
                return None

    def next_timer_s(self) -> float:
        self._timer_s = core.next_wake_s(self.state, self.plan)
        if self._chore is None:
            self.sidecar.signs.guard_due_s = self._timer_s
        return self._timer_s

    def ended(self) -> None:
        self.sidecar.guard_ended()

    def _step(self, event: Event) -> Iterator[None]:
        self._brought.add([event])
        for happened in self._brought.take():
            if effects := self._decide(happened):
                yield from self._carry_out(effects)

    def _decide(self, event: Event) -> list[Effect]:
        if self.exit_code is not None:
            return []
        before, now_s = self.state, self.host.clock_s()
        self.state, effects = core.step(self.state, event, now_s, self.plan)
        if isinstance(event, moves.Health):
            self.sidecar.judged(event, before, now_s)
        if self.world.trace and (effects or not isinstance(event, moves.Tick)):
            shown = [e for e in effects if not isinstance(e, moves.ShowRole)]
            self.world.say(self.name, f"{event} -> {self.state.phase} {shown}")
        self.sidecar.decided(effects)
        return effects

    def _carry_out(self, effects: list[Effect]) -> Iterator[None]:
        for effect in effects:
            if not isinstance(effect, moves.Report | moves.ShowRole):
                yield
            self._brought.outdate(effect)
            self._brought.add(self._do(effect))
            if isinstance(effect, moves.SuspendSelf):
                yield  # What comes after is decided once we go on, by the clock of then.
        if self.exit_code is not None:
            self.kill()

    def _tick(self) -> Event:
        signs = self.sidecar.signs
        signs.guard_stepped_s = signs.guard_due_s = self.host.clock_s()
        return moves.Tick(signs.elector_due_s)

    def _incoming(self) -> Iterator[Event]:
        # As in the loop, one that is not due is left out: it changes nothing
        # (`test_an_early_tick_changes_nothing`).
        tick = self._tick()
        has_more = self.inbox or self.signals or self.verdicts
        if self.host.clock_s() >= self._timer_s or not has_more:
            yield tick
        if self.inbox:
            yield from self._messages()
        if self.signals:
            signals, self.signals = self.signals, []
            for signum in signals:
                yield moves.TerminalStop() if signum == signal.SIGTSTP else moves.Signalled(signum)
        yield from self._reap()
        if self._chore is not None or self._to_thaw:
            yield from self._chores()
        if self.verdicts:
            verdicts, self.verdicts = self.verdicts, []
            yield from verdicts

    def _messages(self) -> Iterator[Event]:
        inbox, self.inbox = self.inbox, []
        for message in inbox:
            # All of a batch is received before the first is acted on.
            match message:
                case msg.Holding(handle, ttl_s, doubted_until_s):
                    fds = (1,) if ttl_s == float("inf") else ()
                    self.session = Session(handle, ttl_s, fds, doubted_until_s)
                case msg.Released():
                    self.session = None
                case _:
                    pass
        # What we closed may have been the last of a lock whose elector ended before.
        self.sidecar.descriptors_closed()
        for message in inbox:
            yield moves.Heard(message)

    def _reap(self) -> Iterator[Event]:
        elector, signs = self.sidecar.elector, self.sidecar.signs
        if signs.elector_halted:
            signs.elector_halted = False
            if elector is not None and elector.alive and elector.paused:
                signs.elector_due_s = min(signs.elector_due_s, self.host.clock_s())
                yield moves.ElectorStopped()
        if elector is not None and not elector.alive:
            yield from self._messages()  # Its last words.
            self.sidecar.elector = None
            yield moves.ElectorExited()
        job = self.job
        if job is not None and job.exited:
            self.job = None
            yield moves.JobExited(job.exit_code)

    def _chores(self) -> Iterator[Event]:
        living = self.sidecar.living_trees()
        if self._to_thaw and not isinstance(self._chore, moves.KillTree | moves.FreezeTree):
            for tree in living:
                tree.thaw()
        self._to_thaw = False
        match self._chore:
            case moves.StopTree() | moves.KillTree() if not living:
                self._chore = None
                self.sidecar.fuse.remove()
                yield moves.TreeEmpty()
            case moves.KillTree():
                for tree in living:
                    tree.kill()
            case moves.FreezeTree() if all(tree.stopped for tree in living):
                self._chore, self._frozen = None, True
                yield moves.TreeHeld()
            case moves.AwaitObedience() if all(not tree.acting for tree in living):
                self._chore = None
                yield moves.TreeHeld()
            case _:
                pass

    def _do(self, effect: Effect) -> list[Event]:
        match effect:
            case moves.Tell(message):
                if self.sidecar.elector is not None:
                    self.sidecar.elector.hear(message)
            case moves.ShowRole():
                self.sidecar.fuse.lasts_until(effect.run_until_s)
            case moves.Report():
                pass
            case moves.StartJob(_, token) | moves.StartHook(_, token):
                self._chore, self._frozen = None, False
                hook = effect.hook if isinstance(effect, moves.StartHook) else ""
                late = self._is_too_late(token)
                self.job = None if late else self.sidecar.start_tree(token, hook)
                if self.job is None:
                    return [moves.JobNotStarted(127, "no such file")]
                self.sidecar.fuse.start()
            case moves.StopTree():
                self._chore = effect
                for tree in self.sidecar.living_trees():
                    tree.stop()
                return list(self._chores())
            case moves.KillTree():
                self._chore = effect
                return list(self._chores())
            case moves.FreezeTree():
                self._chore = effect
                self.world.after(self.world.rng.random() * 0.005, self._freeze)
            case moves.ThawTree():
                self._chore, self._frozen = None, False
                self._lead()
                for tree in self.sidecar.living_trees():
                    tree.thaw()
            case moves.SignalJob(signum):
                self._signal_job(signum)
            case moves.AwaitObedience():
                self._chore = effect
            case moves.StartElector(token, run_until_s, floor, floor_ttl_s):
                if not self.sidecar.start_elector(
                    self.session, token, run_until_s, floor, floor_ttl_s
                ):
                    return [moves.ElectorExited()]
            case moves.KillElector():
                if self.sidecar.elector is not None:
                    self.sidecar.elector.kill()
            case moves.AbandonElector():
                self.sidecar.elector = None
                return [moves.ElectorExited()]
            case moves.SuspendSelf():
                return self._suspend()
            case moves.Finish(exit_code):
                self.exit_code = exit_code
            case _:
                assert_never(effect)
        return []

    def _is_too_late(self, token: int | None) -> bool:
        """Asked just before the exec, up to which the guard may have been stopped."""
        lease = lease_of(self.state.phase)
        kill_due_s = lease.run_until_s - self.plan.timing.kill_reserve_s if lease else math.inf
        return token is not None and self.host.clock_s() >= kill_due_s

    def _freeze(self) -> None:
        if isinstance(self._chore, moves.FreezeTree):
            for tree in self.sidecar.living_trees():
                tree.freeze()

    def _signal_job(self, signum: int) -> None:
        job = self.job
        if job is None:
            return
        if signum == self.plan.lead_signal:
            self._lead()
        elif signum == self.plan.standby_signal:
            trusted = self.plan.standby_timeout_s is None
            if trusted:
                job.stand_by()
            elif self.world.chance(0.8):  # Else it ignores the signal.
                self.world.after(self.world.rng.random() * 0.2, job.stand_by)
        elif self.world.chance(0.5):
            job.kill_main()  # By a signal whose default is to end the process.

    def _lead(self) -> None:
        """The job that was kept reads its new token and leads."""
        lease = lease_of(self.state.phase)
        if self.job is not None and lease is not None:
            self.job.lead(lease.token)

    def _suspend(self) -> list[Event]:
        """Ctrl-Z: the tree is frozen, and we are stopped until somebody says `fg`."""
        if isinstance(self._chore, moves.FreezeTree):
            self._chore = None
        self._to_thaw = not self._frozen
        for tree in self.sidecar.living_trees():
            tree.freeze()
        self.pause()
        self.world.after(self.world.rng.expovariate(1 / 3.0), self.resume)
        return [moves.Continued()]
