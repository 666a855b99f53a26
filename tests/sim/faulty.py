"""What every fault needs: whom it hits, for how long, and a line in the transcript."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.sim.node import Node
from tests.sim.store_model import ModelStore
from tests.sim.world import World

__all__ = ["Fault", "Faulty"]

Fault = Callable[[], bool]
"""Strikes, and says whether it did: not every fault can strike at any time."""


class Faulty:
    """A world in which things go wrong until ``end_s``."""

    def __init__(
        self,
        world: World,
        nodes: Sequence[Node],
        store: ModelStore,
        *,
        ttl_s: float,
        end_s: float,
    ) -> None:
        self.world, self.nodes, self.store = world, nodes, store
        self.ttl_s, self.end_s = ttl_s, end_s
        self.over = False

    def node(self) -> Node:
        """Any node; rather one that leads."""
        leading = [n for n in self.nodes if any(tree.able for tree in n.sidecar.living_trees())]
        if leading and self.world.chance(0.6):
            return leading[0]
        return self.world.rng.choice(self.nodes)

    def a_while_s(self) -> float:
        """Long or short, as measured by the TTL; over when the faults are."""
        longest_s = self.ttl_s * self.world.rng.choice((0.1, 0.5, 1.0, 2.0))
        wanted_s = longest_s * self.world.rng.random()
        return min(wanted_s, max(self.end_s - self.world.now_s, 0.0))

    def say(self, node: Node | None, what: str) -> bool:
        self.world.say("fault", f"{node.name + ': ' if node else ''}{what}")
        return True

    def guard_is_well(self, node: Node) -> bool:
        guard = node.sidecar.guard
        return guard.running and not guard.late_s and not node.host.suspended

    def elector_is_well(self, node: Node) -> bool:
        elector = node.sidecar.elector
        if elector is None or not elector.running or not elector.begun:
            return False
        return not (elector.late_s or node.sidecar.guard.late_s)
