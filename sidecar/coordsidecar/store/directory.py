"""What an operator asks: which elections there are, how each stands; and what one may order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coordsidecar.hints import Protocol
from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.history import History
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Election, Leader, RefusedError, Store
from coordsidecar.value import Value

__all__ = ["Board", "Directory", "DirectoryFactory", "LeaderOnly"]


class Board(Value):
    """How an election stands.

    ``waiting`` are the records of those who stand by, in the order in which they would lead where
    the store keeps one (``in_order``); None: the store does not know them. Records were written by
    anybody. ``led`` is the highest token under which anybody took office; 0 if nobody ever did.
    ``curbs``: what operators have ordered to hold. ``history``: the last terms. ``others``: what
    instances that do not lead say of themselves, where the store does not know who stands by; more
    may do so.
    """

    leader: Leader | None
    waiting: tuple[str, ...] | None
    in_order: bool = False
    led: int = 0
    curbs: Curbs = NO_CURBS
    history: History = ()
    others: tuple[str, ...] = ()

    @property
    def led_now(self) -> int:
        """The token under which somebody is in office; 0: nobody is."""
        return self.led if self.leader is not None and self.leader.token == self.led else 0


class Directory(Protocol):
    """The elections of one namespace. Every method may raise any `StoreError`."""

    def names(self, *, timeout_s: float) -> list[str]:
        """The names of all that were ever led, or have a candidate; sorted."""

    def board(self, name: str, *, in_full: bool = False, timeout_s: float) -> Board:
        """How one stands. Of who leads, by a linearizable read. One that never was is empty.

        ``in_full``: with what the instances say that they do, as far as that can be read in time:
        to know who leads is worth more than nothing.
        """

    def order(self, name: str, order: Order, *, timeout_s: float) -> None:
        """Leave an order for whoever leads; it replaces the last one."""

    def curb(self, name: str, change: Callable[[Curbs], Curbs], *, timeout_s: float) -> Curbs:
        """Replace what operators have ordered to hold by what ``change`` makes of it, which is
        returned; it may be asked again, should somebody else be quicker. `RefusedError` where
        nobody has ever led."""


class DirectoryFactory(Protocol):
    """Does no I/O but to read files; `ValueError` as `StoreFactory`."""

    def __call__(self, url: str, *, namespace: str, environ: Mapping[str, str]) -> Directory: ...


class Connect(Protocol):
    def __call__(self, election: Election) -> Store: ...


class LeaderOnly:
    """A directory of a store that has none of its own."""

    def __init__(self, connect: Connect, *, namespace: str) -> None:
        self._connect, self._namespace = connect, namespace

    def names(self, *, timeout_s: float) -> list[str]:
        raise RefusedError("this store cannot list its elections; ask for one by its name")

    def board(self, name: str, *, in_full: bool = False, timeout_s: float) -> Board:
        store = self._connect(Election(namespace=self._namespace, name=name))
        return Board(store.leader(timeout_s=timeout_s), None)

    def order(self, name: str, order: Order, *, timeout_s: float) -> None:
        raise RefusedError("this store takes no orders; stop the leader's sidecar instead")

    def curb(self, name: str, change: Callable[[Curbs], Curbs], *, timeout_s: float) -> Curbs:
        raise RefusedError("this store takes no orders; stop the sidecars instead")
