"""The two keys of an election as one read found them, and what follows from both together."""

from __future__ import annotations

from collections.abc import Mapping

from coordsidecar.hints import Any
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Limits, Office, UnreachableError
from coordsidecar.value import Value

__all__ = ["NOT_CONSUL", "Lock", "State"]

# What is raised by an entry that has not the shape of Consul's.
NOT_CONSUL = (TypeError, KeyError, ValueError, AttributeError)

# In a record that took office together with the lock: its own index is the token.
_LED_SINCE_WRITTEN = 0
_MOST_LEADER_CHARACTERS = 4096


class Lock(Value):
    """The lock key as it was read; ``session`` is "" while nobody holds it."""

    session: str
    modify_index: int
    value: str


class State(Value):
    """Both keys as one read found them; ``office_index`` is 0 if there is no record.

    ``order``: an operator's last one, if there is.
    """

    lock: Lock | None
    office: Office
    office_index: int
    order: Order | None = None

    @classmethod
    def read(
        cls,
        lock: Mapping[str, Any] | None,
        office: Mapping[str, Any] | None,
        order: Mapping[str, Any] | None = None,
    ) -> State:
        """Read Consul's entries, None where there is none. `UnreachableError`: they are not."""
        try:
            return cls(
                lock=None if lock is None else _lock(lock),
                office=Office() if office is None else _office(office),
                office_index=0 if office is None else _index(office),
                order=None if order is None else Order.decode(order["Value"]),
            )
        except NOT_CONSUL as e:
            raise UnreachableError(f"Consul answered what it never does: {e!r}") from e

    @property
    def held(self) -> bool:
        """Whether anybody holds the lock."""
        return self.lock is not None and self.lock.session != ""

    def held_by(self, session: str) -> bool:
        return self.lock is not None and self.lock.session == session

    @property
    def lock_index(self) -> int | None:
        return None if self.lock is None else self.lock.modify_index

    @property
    def in_office(self) -> bool:
        """Whether whoever holds the lock has taken office under it, as only ours do."""
        return self.lock is not None and self.held and self.office.led_under(self.lock.modify_index)

    @property
    def beat(self) -> int | None:
        """What each renewal of who is in office changes: the index of the record."""
        return self.office_index if self.in_office else None

    def may_be_succeeded(self, floor: int) -> bool:
        """Whether office may be taken with the lock: by an index that must turn out high enough.

        It will be above that of the record, which is still the same where it is replaced.
        """
        return self.office.may_be_succeeded(floor) and self.office.led <= self.office_index

    def succeeded(self, *, run: str, limits: Limits | None, record: str) -> Office:
        """The record of who takes office together with the lock, and says ``record`` of itself."""
        return self.office.taken_by_its_write(
            _LED_SINCE_WRITTEN, run=run, limits=limits, record=record
        )


def _index(entry: Mapping[str, Any]) -> int:
    index = entry["ModifyIndex"]
    # bool is an int to Python, but no index.
    if type(index) is not int or not 0 < index < 2**63:
        raise ValueError("ModifyIndex is no index")
    return index


def _lock(entry: Mapping[str, Any]) -> Lock:
    session = entry.get("Session", "")
    if not isinstance(session, str):
        raise TypeError("Session is no id")
    return Lock(
        session=session,
        modify_index=_index(entry),
        value=(entry["Value"] or b"").decode(errors="replace")[:_MOST_LEADER_CHARACTERS],
    )


def _office(entry: Mapping[str, Any]) -> Office:
    # An empty value comes as None, and is a record that cannot be read.
    office, index = Office.decode(entry["Value"] or b""), _index(entry)
    if office.led != _LED_SINCE_WRITTEN:
        return office
    return office.numbered(index)
