"""What operators order to hold for a while: a pause, a cordon, a transfer."""

from __future__ import annotations

from random import Random

from coordsidecar.store.curbs import Cordon, Curbs, Pause, Transfer
from coordsidecar.value import replace
from tests.sim.faulty import Fault, Faulty
from tests.sim.store_model import ModelStore

__all__ = ["CurbFaults", "curbs_by_chance", "lift"]

_STORIES = 0.125
_EVERY_S = 6.0
_TIMED = 0.5
_LONGEST_S = 8.0
_STALE = 0.1


class CurbFaults:
    """They mean well; but what they order may be forgotten, late, or for somebody who is dead."""

    def __init__(self, faulty: Faulty, dice: Random) -> None:
        self._faulty, self._dice = faulty, dice
        self.kinds: list[tuple[Fault, float]] = [
            (self.pause_election, 2),
            (self.resume_election, 2),
            (self.cordon_node, 2),
            (self.uncordon_node, 2),
            (self.transfer_lead, 3),
        ]

    def pause_election(self) -> bool:
        for_s = self._dice.random() * _LONGEST_S if self._dice.random() < _TIMED else None
        pause = Pause(f"{self._faulty.world.number()}", for_s, "an operator")
        return self._curb(replace(self._curbs, pause=pause), f"pauses it for {for_s}")

    def resume_election(self) -> bool:
        return self._curb(replace(self._curbs, pause=None), "resumes it")

    def cordon_node(self) -> bool:
        node = self._dice.choice(self._faulty.nodes).name
        cordons = (*self._curbs.without(node).cordons, Cordon(node, "an operator"))
        return self._curb(replace(self._curbs, cordons=cordons), f"cordons {node}")

    def uncordon_node(self) -> bool:
        node = self._dice.choice(self._faulty.nodes).name
        return self._curb(self._curbs.without(node), f"uncordons {node}")

    def transfer_lead(self) -> bool:
        token = self._faulty.store.office.led - (self._dice.random() < _STALE)
        to = self._dice.choice(self._faulty.nodes).name
        if token <= 0:
            return False
        transfer = Transfer(token, to, self._dice.random() * _LONGEST_S, "an operator")
        told = f"orders a transfer from {token} to {to}"
        return self._curb(replace(self._curbs, transfer=transfer), told)

    @property
    def _curbs(self) -> Curbs:
        return self._faulty.store.office.curbs

    def _curb(self, curbs: Curbs, told: str) -> bool:
        store = self._faulty.store
        if store.office.led <= 0 or curbs == self._curbs:
            return False  # As the command line refuses it.
        store.curb(curbs)
        return self._faulty.say(None, f"an operator {told}")


def lift(store: ModelStore) -> None:
    """What does not end by itself."""
    curbs = replace(store.office.curbs, cordons=())
    if curbs.pause is not None and curbs.pause.for_s is None:
        curbs = replace(curbs, pause=None)
    if curbs != store.office.curbs:
        store.curb(curbs)


def curbs_by_chance(faulty: Faulty) -> list[tuple[float, Fault]]:
    """When they do, in some of the stories; by dice of their own, so that all others stay."""
    dice = Random(f"curbs {faulty.world.seed}")
    orders: list[tuple[float, Fault]] = []
    if dice.random() < _STORIES:
        kinds = CurbFaults(faulty, dice).kinds
        faults, weights = [kind for kind, _ in kinds], [weight for _, weight in kinds]
        at_s = faulty.world.now_s
        while (at_s := at_s + dice.expovariate(1 / _EVERY_S)) < faulty.end_s:
            orders.append((at_s, dice.choices(faults, weights)[0]))
    return orders
