"""One seed, one story: what is set up, what goes wrong, and whether somebody leads in the end."""

from __future__ import annotations

import math
import signal
import traceback
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Literal

from coordsidecar.core.guard.moves import Plan
from coordsidecar.core.timing import Timing
from coordsidecar.value import replace
from tests.sim.fault_health import watched
from tests.sim.faults import FaultsByChance, FaultsBySchedule
from tests.sim.faulty import Faulty
from tests.sim.network import Network
from tests.sim.node import Node
from tests.sim.referee import Referee
from tests.sim.schedule import Schedule, ScheduledFaulty
from tests.sim.store_consul import ConsulLike
from tests.sim.store_etcd import EtcdLike
from tests.sim.store_file import FileLike
from tests.sim.store_lease import LeaseLike
from tests.sim.store_model import ModelStore
from tests.sim.tree import Temper
from tests.sim.world import Host, SafetyError, World

__all__ = ["Report", "run"]

_DRIFT = 0.05
_TTLS_S = (3.0, 5.0, 10.0, 15.0)
_MIXED = 0.15
_HOOKED = 0.2
# Drawn for each seed: how many nodes, how long things go wrong and how often, and how long all is
# watched after that. What is dear is rare: four nodes take twice as long as two, and find half as
# many of the bugs in `tests.sim.found` in the same time.
_NODES = (2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 4)
_FAULTY_TTLS = (1, 1, 1, 3)
_FAULT_EVERY_TTLS = (0.05, 0.1, 0.1, 0.3)
_CALM_TTLS = (0.1, 0.1, 0.1, 0.1, 0.1, 1.5)


@dataclass(frozen=True)
class Report:
    """How a seed went. ``failure`` is empty if every property held.

    ``longest_idle_s``: for how long nobody led, between two who did. ``ttl_s``: as it was granted,
    where nodes do not differ; `math.inf` of a kernel lock.
    """

    seed: int
    failure: str
    counts: Counter[str]
    leaderships: int
    longest_idle_s: float
    ttl_s: float
    simulated_s: float
    lines: list[str]
    schedule: Schedule | None = None


def run(seed: int, *, schedule: Schedule | None = None, trace: bool = False) -> Report:
    """Play the seed to its end, or to the first property that does not hold.

    With a ``schedule`` it says what goes wrong, and the seed all the rest.
    """
    world = World(seed, trace=trace)
    story = _Story(world, schedule)
    failure = ""
    try:
        story.play()
    except SafetyError as error:
        failure = str(error)
    except Exception as error:  # noqa: BLE001  # A core that crashes has failed as well.
        where = traceback.extract_tb(error.__traceback__)[-1]
        failure = f"{type(error).__name__} at {where.filename}:{where.lineno}: {error}"
        world.lines += traceback.format_exception(error)
    referee = story.referee
    return Report(
        seed,
        failure,
        world.counts,
        referee.leaderships,
        referee.longest_idle_s,
        story.timing.ttl_s * story.store.grants,
        world.now_s,
        world.lines,
        schedule,
    )


class _Story:
    def __init__(self, world: World, schedule: Schedule | None) -> None:
        rng = world.rng
        self.world, self.schedule = world, schedule
        self.kind = rng.choice(("etcd", "etcd", "consul", "file", "lease"))
        self.timing = _timing(rng)
        ttl_s = self.timing.ttl_s
        # By dice of its own, so that all other chance is the same, mixed or not.
        dice = Random(f"mixed {world.seed}")
        mixed = dice.random() < _MIXED if schedule is None else schedule.mixed
        longest_ttl_s = max(_TTLS_S) if mixed else ttl_s
        self.referee = Referee(world, longest_ttl_s=longest_ttl_s)
        self.store = self._store()
        self.network = Network(world, self.store)
        self.plan = _plan(world, self.timing)
        if schedule is None:
            self.plan = _hooked(self.plan, Random(f"hooked {world.seed}"))
        plan = watched(self.plan, world.seed) if schedule is None else None
        self.watched, self.plan = plan is not None, plan or self.plan
        temper = Temper(
            life_s=rng.choice((math.inf, math.inf, ttl_s / 2, 2 * ttl_s)),
            stop_timeout_s=self.plan.stop_timeout_s,
            kill_reserve_s=_least_kill_reserve_s() if mixed else self.timing.kill_reserve_s,
        )
        self.nodes: list[Node] = []
        in_containers = rng.random() < 0.25
        host = Host(world, rate=_rate(world))
        for number in range(rng.choice(_NODES)):
            if number and not self.store.local:
                host = Host(world, rate=_rate(world))
            node = Node(
                world,
                host,
                "ABCD"[number],
                plan=replace(self.plan, timing=_timing(dice)) if mixed else self.plan,
                temper=temper,
                network=self.network,
                referee=self.referee,
                wait_s=rng.choice((0.0, ttl_s)) if rng.random() < 0.08 else None,
            )
            node.in_container = in_containers
            self.nodes.append(node)
        if isinstance(self.store, FileLike):
            for node in self.nodes:
                node.neighbours = self.nodes
                node.descriptors_closed = self.store.descriptors_closed

    def play(self) -> None:
        world = self.world
        ttl_s = self._lasting_s()
        faulty_s = self._let_things_go_wrong(ttl_s)
        for node in self.nodes:
            world.after(world.rng.random() * world.rng.choice((0.01, ttl_s / 4)), node.start)
        world.run(faulty_s)
        bound_s = max(self._bound_s(node.plan.timing) for node in self.nodes)
        world.run(world.now_s + bound_s, done=lambda: self.referee.leads)
        if not self.referee.leads:
            raise SafetyError(f"nobody leads {bound_s:.0f}s after the last fault")
        world.run(world.now_s + ttl_s * world.rng.choice(_CALM_TTLS))

    def _let_things_go_wrong(self, ttl_s: float) -> float:
        """Until when they will."""
        world = self.world
        if self.schedule is not None:
            scheduled = ScheduledFaulty(
                world, self.nodes, self.store, ttl_s=ttl_s, schedule=self.schedule
            )
            FaultsBySchedule(scheduled)
            return scheduled.end_s
        end_s = ttl_s * world.rng.choice(_FAULTY_TTLS)
        faulty = Faulty(world, self.nodes, self.store, ttl_s=ttl_s, end_s=end_s)
        FaultsByChance(faulty, every_s=ttl_s * world.rng.choice(_FAULT_EVERY_TTLS))
        return end_s

    def _lasting_s(self) -> float:
        """The longest TTL, as long as leases really last where they expire at all."""
        longest_s = max(node.plan.timing.ttl_s for node in self.nodes)
        grants = self.store.grants
        return longest_s * max(1.0, grants) if grants < math.inf else longest_s

    def _bound_s(self, timing: Timing) -> float:
        """By then somebody must lead, once all that lives answers again.

        The longest of what may lie before it, one after the other: a guard and elector that are
        silent are replaced; a job is stopped, or rests; the session of the dead ends, by the
        store's clock; a takeover delay passes; and whatever is asked is asked again. What operators
        have ordered for a time counts from when it is seen, by who was started last.
        """
        plan, lasting_s = self.plan, self._lasting_s()
        overstay_s = lasting_s if self.kind == "consul" else 0.5
        silence_s = timing.guard_step_every_s + timing.guard_patience_s + timing.healthy_age_s
        job_s = max(plan.stop_timeout_s, plan.max_restarts_window_s) + timing.kill_reserve_s
        # A gate that hangs, a rest, another gate; and what cleans up after the job.
        hooks_s = 3 * (plan.hook_timeout_s + timing.kill_reserve_s) + plan.gate_rest_s
        job_s += hooks_s if plan.has_pre_start or plan.has_post_stop else 0.0
        job_s += plan.gate_rest_s if self.watched else 0.0
        again_s = 5.0 * 1.5 + 4 * timing.rpc_timeout_s
        curbs = self.store.office.curbs
        if curbs.pause is not None and curbs.pause.for_s is not None:
            again_s += curbs.pause.for_s
        if curbs.transfer is not None:
            again_s += curbs.transfer.within_s + timing.renew_every_s + 2 * lasting_s
        return (silence_s + job_s + 2 * lasting_s + overstay_s + again_s) * (1 + 2 * _DRIFT)

    def _store(self) -> ModelStore:
        world = self.world
        if self.kind == "etcd":
            grants = world.rng.choice((1.0, 1.0, 0.95, 1.3, 2.0))
            return EtcdLike(world, self.referee, grants=grants)
        if self.kind == "consul":
            return ConsulLike(world, self.referee)
        if self.kind == "lease":
            return LeaseLike(world, self.referee)
        return FileLike(world, self.referee, in_use=self._in_use)

    def _in_use(self, handle: str) -> bool:
        sidecars = [sidecar for node in self.nodes for sidecar in node.sidecars]
        return any(sidecar.holds_descriptors(handle) for sidecar in sidecars)


def _rate(world: World) -> float:
    return world.rng.choice((1 - _DRIFT, 1.0, 1 + _DRIFT, world.between(1 - _DRIFT, 1 + _DRIFT)))


def _timing(dice: Random) -> Timing:
    ttl_s = dice.choice(_TTLS_S)
    margin_s = dice.choice((None, max(1.0, ttl_s / 10)))
    derived = Timing.for_ttl(ttl_s, margin_s=margin_s)
    if dice.random() < 0.1:
        return derived
    # Patient calls and frequent renewals, as far as they may go: fewer pings to simulate.
    rest_s = ttl_s - derived.margin_s
    return Timing.for_ttl(
        ttl_s,
        margin_s=margin_s,
        renew_every_s=rest_s * 1.6 / 13,
        rpc_timeout_s=rest_s * 4.2 / 13,
        lost_grace_s=rest_s * 2 / 13,
    )


def _least_kill_reserve_s() -> float:
    return min(Timing.for_ttl(ttl_s).kill_reserve_s for ttl_s in _TTLS_S)


def _hooked(plan: Plan, dice: Random) -> Plan:
    """By dice of its own, so that all other chance is the same, with hooks or without."""
    if dice.random() >= _HOOKED or plan.while_standby != "stop":
        return plan
    has_pre_start, has_post_stop = dice.choice(((True, False), (False, True), (True, True)))
    ttl_s = plan.timing.ttl_s
    return replace(
        plan,
        has_pre_start=has_pre_start,
        has_post_stop=has_post_stop,
        hook_timeout_s=dice.choice((0.1, 1.0, 3.0)) * ttl_s,
        gate_rest_s=dice.choice((0.2, 1.0)) * ttl_s,
    )


def _plan(world: World, timing: Timing) -> Plan:
    rng, ttl_s = world.rng, timing.ttl_s
    standby_command = rng.random() < 0.15
    ways: tuple[Literal["stop", "signal", "freeze"], ...] = ("stop", "stop", "signal", "freeze")
    return Plan(
        timing=timing,
        stop_signal=signal.SIGTERM,
        stop_timeout_s=rng.choice((0.1, 0.5, 2.0)) * ttl_s,
        while_standby="stop" if standby_command else rng.choice(ways),
        has_standby_command=standby_command,
        lead_signal=signal.SIGUSR1,
        standby_signal=signal.SIGUSR2,
        standby_timeout_s=rng.choice((None, ttl_s / 10)),
        restart=rng.choice(("never", "on-failure", "always")),
        max_restarts=rng.choice((1, 3)),
        max_restarts_window_s=rng.choice((0.5, 4.0)) * ttl_s,
        exit_on_lost=rng.random() < 0.2,
    )
