"""Everything that goes wrong, and when: drawn from the world's generator."""

from __future__ import annotations

from tests.sim.fault_others import JobFaults, StoreFaults
from tests.sim.fault_processes import ProcessFaults
from tests.sim.faulty import Faulty

__all__ = ["Faults"]


class Faults:
    """Until the end of the faulty time something goes wrong every ``every_s`` or so."""

    def __init__(self, faulty: Faulty, *, every_s: float) -> None:
        self._faulty, self._world = faulty, faulty.world
        self._every_s = every_s
        groups = (ProcessFaults(faulty), JobFaults(faulty), StoreFaults(faulty))
        kinds = [kind for group in groups for kind in group.kinds]
        # Each seed has its favourites, so that faults which need each other meet.
        self._kinds = [fault for fault, _ in kinds]
        self._weights = [weight * self._world.rng.random() ** 2 for _, weight in kinds]
        self._later()

    def _later(self) -> None:
        world, end_s = self._world, self._faulty.end_s
        delay_s = world.rng.expovariate(1 / self._every_s)
        if world.now_s + delay_s < end_s:
            world.after(delay_s, self._strike)
        else:
            world.at(end_s, self._heal)

    def _strike(self) -> None:
        if all(node.sidecars for node in self._faulty.nodes):  # Else they are not all there yet.
            (fault,) = self._world.rng.choices(self._kinds, self._weights)
            if fault():
                name = fault.__name__.replace("_", " ")
                self._world.counts[f"fault: {name}"] += 1
        self._later()

    def _heal(self) -> None:
        """No more faults: everything is whole, and whoever is down starts again soon."""
        faulty = self._faulty
        faulty.over = True
        self._world.say("faults", "are over")
        if not faulty.store.up:
            faulty.store.start()
        for node in faulty.nodes:
            node.link.heal()
            node.command_missing = False
            node.wait_s = None
            node.restart_within_s = 1.0
            node.temper.settle()
            node.sidecar.guard.stop_after = None
