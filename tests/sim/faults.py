"""Everything that goes wrong, and when: by chance, or as a schedule says."""

from __future__ import annotations

from random import Random

from tests.sim.fault_curbs import CurbFaults, curbs_by_chance, lift
from tests.sim.fault_health import all_are_well, verdicts_by_chance
from tests.sim.fault_orders import OrderFaults, orders_by_chance
from tests.sim.fault_others import JobFaults, StoreFaults
from tests.sim.fault_processes import ProcessFaults
from tests.sim.faulty import Fault, Faulty
from tests.sim.schedule import ScheduledFaulty, Strike

__all__ = ["FAULT_NAMES", "FaultsByChance", "FaultsBySchedule"]

_GROUPS = (ProcessFaults, JobFaults, StoreFaults)
FAULT_NAMES = {
    name
    for group in (*_GROUPS, OrderFaults, CurbFaults)
    for name in vars(group)
    if not name.startswith("_")
}


class _Faults:
    """Things go wrong until ``faulty.end_s``; then everything is made whole."""

    def __init__(self, faulty: Faulty) -> None:
        self._faulty, self._world = faulty, faulty.world
        self._kinds = [kind for group in _GROUPS for kind in group(faulty).kinds]

    @property
    def _all_are_there(self) -> bool:
        return all(node.sidecars for node in self._faulty.nodes)

    def _strike(self, fault: Fault) -> None:
        if fault():
            name = fault.__name__.replace("_", " ")
            self._world.counts[f"fault: {name}"] += 1

    def _heal(self) -> None:
        """No more faults: everything is whole, and whoever is down starts again soon."""
        faulty = self._faulty
        faulty.over = True
        self._world.say("faults", "are over")
        if not faulty.store.up:
            faulty.store.start()
        lift(faulty.store)
        for node in faulty.nodes:
            node.link.heal()
            node.command_missing = node.no_processes = False
            node.wait_s = None
            node.restart_within_s = 1.0
            node.temper.settle()
            node.sidecar.guard.stop_after = None
            for process in (node.sidecar.guard, *node.sidecar.electors):
                process.recover()
        all_are_well(faulty)


class FaultsByChance(_Faults):
    """Something goes wrong every ``every_s`` or so."""

    def __init__(self, faulty: Faulty, *, every_s: float) -> None:
        super().__init__(faulty)
        self._every_s = every_s
        self._faults = [fault for fault, _ in self._kinds]
        # Each seed has its favourites, so that faults which need each other meet.
        self._weights = [weight * self._world.rng.random() ** 2 for _, weight in self._kinds]
        by_chance = (orders_by_chance, curbs_by_chance, verdicts_by_chance)
        for at_s, order in (each for some in by_chance for each in some(faulty)):
            self._world.at(at_s, lambda order=order: self._strike(order))  # type: ignore[misc]
        self._later()

    def _later(self) -> None:
        world, end_s = self._world, self._faulty.end_s
        delay_s = world.rng.expovariate(1 / self._every_s)
        if world.now_s + delay_s < end_s:
            world.after(delay_s, self._next)
        else:
            world.at(end_s, self._heal)

    def _next(self) -> None:
        if self._all_are_there:
            (fault,) = self._world.rng.choices(self._faults, self._weights)
            self._strike(fault)
        self._later()


class FaultsBySchedule(_Faults):
    """What the schedule says, at the time it says."""

    def __init__(self, faulty: ScheduledFaulty) -> None:
        super().__init__(faulty)
        self._scheduled = faulty
        dice = Random(faulty.world.seed)
        kinds = (*self._kinds, *OrderFaults(faulty, dice).kinds, *CurbFaults(faulty, dice).kinds)
        self._by_name = {fault.__name__: fault for fault, _ in kinds}
        for at_s, strike in faulty.strikes_at_s():
            self._world.at(at_s, lambda strike=strike: self._carry_out(strike))  # type: ignore[misc]
        self._world.at(faulty.end_s, self._heal)

    def _carry_out(self, strike: Strike) -> None:
        self._scheduled.strike = strike
        fault = self._by_name.get(strike.fault)  # A lock file knows fewer faults than a server.
        if fault is not None and self._all_are_there:
            self._strike(fault)
