"""What operators order."""

from __future__ import annotations

from random import Random

from coordsidecar.store.orders import Order
from tests.sim.faulty import Fault, Faulty

__all__ = ["OrderFaults", "orders_by_chance"]

_STORIES = 0.125
_EVERY_S = 6.0
_LONGEST_REST_S = 5.0
_STALE = 0.2


class OrderFaults:
    """They mean well; but the lead may have moved since they looked."""

    def __init__(self, faulty: Faulty, dice: Random) -> None:
        self._faulty, self._dice = faulty, dice
        self.kinds: list[tuple[Fault, float]] = [(self.order_step_down, 1)]

    def order_step_down(self) -> bool:
        store, dice = self._faulty.store, self._dice
        token = store.office.led - (dice.random() < _STALE)
        if token <= 0:
            return False
        store.order = Order(token, dice.random() * _LONGEST_REST_S, "an operator")
        return self._faulty.say(None, f"an operator orders {token} to step down")


def orders_by_chance(faulty: Faulty) -> list[tuple[float, Fault]]:
    """When they do, in some of the stories; by dice of their own, so that all others stay."""
    dice = Random(f"orders {faulty.world.seed}")
    orders: list[tuple[float, Fault]] = []
    if dice.random() < _STORIES:
        ((order, _),) = OrderFaults(faulty, dice).kinds
        at_s = faulty.world.now_s
        while (at_s := at_s + dice.expovariate(1 / _EVERY_S)) < faulty.end_s:
            orders.append((at_s, order))
    return orders
