"""A schedule: what goes wrong, when, to whom and for how long, instead of what chance brings.

It has a text, which `python -m tests.sim --schedule TEXT` plays::

    0.4 kill_guard leader 0; 0.1 cut standby 1.5

is read: 0.4 TTLs after the start the leader's guard is killed; 0.1 TTLs later a standby is cut off,
for 1.5 TTLs. Before all that may stand ``mixed;``: each node has a TTL of its own. What a fault
does not need (a kill lasts for no time) is not looked at. All other chance, such as latencies,
still comes from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.sim.faulty import Faulty
from tests.sim.node import Node
from tests.sim.store_model import ModelStore
from tests.sim.world import World

__all__ = ["WHOM", "Schedule", "ScheduledFaulty", "Strike"]

WHOM = ("leader", "standby")

_STARTED_TTLS = 0.25
"""By then every node has started once."""


@dataclass(frozen=True)
class Strike:
    """One fault, so many TTLs after the one before."""

    after_ttls: float
    fault: str
    whom: str
    for_ttls: float

    def __str__(self) -> str:
        return f"{self.after_ttls:g} {self.fault} {self.whom} {self.for_ttls:g}"

    @classmethod
    def parse(cls, text: str) -> Strike:
        """What ``str`` has made; raises `ValueError` if it is nothing of the kind."""
        after, fault, whom, lasting = text.split()
        if whom not in WHOM:
            raise ValueError(f"{whom!r} is none of {', '.join(WHOM)}")
        return cls(float(after), fault, whom, float(lasting))


@dataclass(frozen=True)
class Schedule:
    strikes: tuple[Strike, ...]
    mixed: bool = False

    def __str__(self) -> str:
        return "; ".join([*["mixed"] * self.mixed, *map(str, self.strikes)])

    @classmethod
    def parse(cls, text: str) -> Schedule:
        parts = [part.strip() for part in text.split(";") if part.strip()]
        mixed = parts[:1] == ["mixed"]
        return cls(tuple(Strike.parse(part) for part in parts[mixed:]), mixed)

    @property
    def ttls(self) -> float:
        """How long it takes."""
        at_ttls, ends_ttls = 0.0, _STARTED_TTLS
        for strike in self.strikes:
            at_ttls += strike.after_ttls
            ends_ttls = max(ends_ttls, at_ttls + strike.for_ttls)
        return ends_ttls


class ScheduledFaulty(Faulty):
    """Whom a fault hits, and for how long, is what the present ``strike`` says."""

    def __init__(
        self,
        world: World,
        nodes: Sequence[Node],
        store: ModelStore,
        *,
        ttl_s: float,
        schedule: Schedule,
    ) -> None:
        super().__init__(world, nodes, store, ttl_s=ttl_s, end_s=ttl_s * schedule.ttls)
        self._schedule = schedule
        self.strike = Strike(0.0, "", WHOM[0], 0.0)

    def strikes_at_s(self) -> Iterator[tuple[float, Strike]]:
        at_s = 0.0
        for strike in self._schedule.strikes:
            at_s += strike.after_ttls * self.ttl_s
            yield at_s, strike

    def node(self) -> Node:
        """If nobody leads, the first node stands for the leader, the last for a standby."""
        leading = [n for n in self.nodes if any(tree.able for tree in n.sidecar.living_trees())]
        if self.strike.whom == WHOM[0]:
            return (leading or self.nodes)[0]
        return [n for n in self.nodes if n not in leading][-1]

    def a_while_s(self) -> float:
        return self.strike.for_ttls * self.ttl_s
