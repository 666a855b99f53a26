"""The two keys of an election in Consul: how they are read, and how they change together.

``<prefix>/.lock`` is used as ``consul lock <prefix>`` and Go's ``api.Lock`` use it, so that all of
these exclude each other. ``<prefix>/.office`` holds our record (see `Office`).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping

from coordsidecar.hints import Any
from coordsidecar.store.curbs import Curbs
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import (
    Election,
    Limits,
    Office,
    Session,
    UnreachableError,
)
from coordsidecar.value import replace
from coordsidecar_adapters.consul.agent import Agent
from coordsidecar_adapters.consul.client import ConsulClient
from coordsidecar_adapters.consul.errors import denied, is_denied
from coordsidecar_adapters.consul.library import exceptions
from coordsidecar_adapters.consul.state import NOT_CONSUL, Lock, State

__all__ = ["ElectionKeys"]

# What Go's api.Lock sets, and insists on: github.com/hashicorp/consul/api/lock.go, LockFlagValue.
_LOCK_FLAGS = 0x2DDCCBC058A50C18
_DELETE = "delete-cas"
# How often to start over when keys that were just missing turn out to be there.
_LOOKS = 3


class ElectionKeys:
    """Reads and changes both keys, each time at once. Raises nothing but `StoreError`.

    ``deadline_s`` is on `time.monotonic`. What changes something returns "", or why it did not.
    """

    def __init__(self, client: ConsulClient, *, election: Election) -> None:
        self._client = client
        # Of what else is found there, all is dropped. ("/." would be narrower, but no path of a URL
        # can end so.)
        self._below = f"{election.prefix}/"
        self._lock_key = f"{election.prefix}/.lock"
        self._office_key = f"{election.prefix}/.office"
        self._order_key = f"{election.prefix}/.order"

    @property
    def lock_key(self) -> str:
        return self._lock_key

    @property
    def office_key(self) -> str:
        return self._office_key

    def read(self, deadline_s: float) -> State:
        """Both keys, by one linearizable read."""
        return self.look(deadline_s)[1]

    def guess(self, deadline_s: float) -> State:
        """Both keys, by a quick read: they may be out of date, and one that is missing be there."""
        return self._indexed(self._get(self._below, deadline_s, consistency="default"))[1]

    def look(self, deadline_s: float) -> tuple[int, State]:
        """As `read`, with the index from which to `wait` for a change of either."""
        for _ in range(_LOOKS):
            index, state = self._indexed(self._get(self._below, deadline_s))
            # What a token may not read, Consul leaves out without a word. Of a single key it says
            # so: only then is one that was not found known to be missing.
            missing = [self._lock_key] * (state.lock is None)
            missing += [self._office_key] * (state.office_index == 0)
            if not any(self._get(key, deadline_s)[1] for key in missing):
                return index, state
        raise UnreachableError(f"Consul: the keys below {self._below} keep coming and going")

    def _get(self, key: str, deadline_s: float, *, consistency: str = "consistent") -> Any:
        """The index, and the entries that were found; below ``key`` if it ends with a slash."""
        return self._client.call(
            lambda agent: agent.kv.get(key, recurse=key.endswith("/"), consistency=consistency),
            needs=f"key_prefix:read on {self._below}",
            timeout_s=deadline_s - time.monotonic(),
        )

    def wait(self, *, index: int, wait_s: float, timeout_s: float) -> tuple[int, State]:
        """Wait for either key to change after ``index``; as `look`. The same index: none did."""
        answer = self._client.call_last(
            lambda agent: agent.kv.get(
                self._below, recurse=True, index=index, wait=f"{wait_s * 1000:.0f}ms"
            ),
            needs=f"key_prefix:read on {self._below}",
            timeout_s=timeout_s,
        )
        return self._indexed(answer)

    def acquire(
        self,
        session: Session,
        record: str,
        state: State,
        deadline_s: float,
        *,
        run: str,
        limits: Limits | None = None,
    ) -> tuple[str, State | None]:
        """Take the lock. Call it only while we do not hold it.

        With a ``run``, that takes office, too, if the record in ``state`` is still the same. Which
        token that is for is known only when it is done: it is the index of both keys.

        "" and both keys as they are now, or why not and None.
        """
        operations = [self._lock(session, record)]
        if run:
            office = state.succeeded(run=run, limits=limits, record=record)
            operations.append(self._replace_office(state, office))
        return self._transact_and_read(operations, deadline_s)

    def order(self, order: Order, deadline_s: float) -> None:
        """Leave it for whoever leads; it replaces the last one."""
        self._transact(
            [_operation("set", self._order_key, Value=_encoded(order.encode()))], deadline_s
        )

    def take_office(
        self, session: Session, state: State, office: Office, deadline_s: float
    ) -> State | None:
        """Write the record if the lock is still ours, and both keys are as in ``state``.

        Both keys as they are now; None: they were not so.
        """
        assert state.lock is not None
        operations = [
            *self._check_ours(session, state.lock),
            self._replace_office(state, office),
        ]
        return self._transact_and_read(operations, deadline_s)[1]

    def curb(self, state: State, curbs: Curbs, deadline_s: float) -> bool:
        """Put them into the record, which says in full then what else is in it; False: it is no
        longer as in ``state``."""
        office = replace(state.office, curbs=curbs)
        return not self._transact([self._replace_office(state, office)], deadline_s)[0]

    def beat(self, session: Session, state: State, deadline_s: float) -> State | None:
        """Write the record of our term anew, if the lock is still ours, and both as in ``state``.

        Both keys as they are now; None: they were not so. Consul skips a write that changes
        nothing, so the record counts.
        """
        assert state.lock is not None
        office = replace(state.office, beat=state.office.beat + 1)
        operations = [
            *self._check_ours(session, state.lock),
            self._replace_office(state, office),
        ]
        return self._transact_and_read(operations, deadline_s)[1]

    def depose(
        self, session: Session, record: str, state: State, deadline_s: float
    ) -> tuple[str, State | None]:
        """Take the lock from its holder, if both keys are still as in ``state``.

        "" and both keys as they are now, or why not and None.
        """
        assert state.lock is not None
        operations = [
            _operation("check-index", self._office_key, Index=state.office_index),
            # A held key that is deleted brings no lock-delay, and the session that held it, when
            # it ends, finds nothing of its own.
            _operation(_DELETE, self._lock_key, Index=state.lock.modify_index),
            self._lock(session, record),
        ]
        return self._transact_and_read(operations, deadline_s)

    def give_up(
        self, session: Session, state: State, office: Office | None, deadline_s: float
    ) -> str:
        """Unlock, if the lock is ours in ``state``, and replace the record, if it still is that.

        Changes nothing unless all is as ``state`` has it.
        """
        operations = []
        if state.lock is not None and state.lock.session == session.handle:
            operations.append(
                _operation("unlock", self._lock_key, Session=session.handle, Flags=_LOCK_FLAGS)
            )
        if office is not None:
            operations.append(self._replace_office(state, office))
        return self._transact(operations, deadline_s)[0] if operations else ""

    def _lock(self, session: Session, record: str) -> dict[str, Any]:
        return _operation(
            "lock",
            self._lock_key,
            Session=session.handle,
            Flags=_LOCK_FLAGS,
            Value=_encoded(record),
        )

    def _check_ours(self, session: Session, lock: Lock) -> list[dict[str, Any]]:
        return [
            _operation("check-session", self._lock_key, Session=session.handle),
            _operation("check-index", self._lock_key, Index=lock.modify_index),
        ]

    def _replace_office(self, state: State, office: Office) -> dict[str, Any]:
        return _operation(
            "cas", self._office_key, Index=state.office_index, Value=_encoded(office.encode())
        )

    def _indexed(self, answer: tuple[str, Any]) -> tuple[int, State]:
        index, found = answer
        # To wait from no index, or from 0, would be to ask again and again.
        if not index.isdecimal() or int(index) == 0:
            raise UnreachableError(f"Consul answered what it never does: index {index[:40]!r}")
        return int(index), self._state(found or ())

    def _state(self, found: Iterable[Mapping[str, Any]]) -> State:
        try:
            entries = {entry["Key"]: entry for entry in found}
        except NOT_CONSUL as e:
            raise UnreachableError(f"Consul answered what it never does: {e!r}") from e
        keys = (self._lock_key, self._office_key, self._order_key)
        return State.read(*map(entries.get, keys))

    def _transact_and_read(
        self, operations: list[dict[str, Any]], deadline_s: float
    ) -> tuple[str, State | None]:
        """Apply all of ``operations`` or none: "" and both keys thereafter, or why not and None.

        What the token may not read is left out here as well. So what is missing is looked for.
        """
        read = _operation("get-tree", f"{self._below}.")
        refusal, results = self._transact([*operations, read], deadline_s)
        if refusal:
            return refusal, None
        try:
            # Before what was read comes one result for each of the others, without its value; but
            # a deletion has none.
            before = sum(operation["KV"]["Verb"] != _DELETE for operation in operations)
            found = [result["KV"] for result in results[before:]]
            for entry in found:
                entry["Value"] = base64.b64decode(entry["Value"] or "")
        except NOT_CONSUL as e:
            raise UnreachableError(f"Consul answered what it never does: {e!r}") from e
        state = self._state(found)
        return "", self.read(deadline_s) if state.lock is None or not state.office_index else state

    def _transact(self, operations: list[dict[str, Any]], deadline_s: float) -> tuple[str, Any]:
        """Apply all of ``operations`` or none: "" and the results, or why not and None."""
        needs = f"key_prefix:write on {self._below}"

        def put(agent: Agent) -> tuple[str, Any]:
            try:
                return "", agent.txn.put(operations)["Results"]
            except exceptions.ClientError as e:
                if str(e).startswith("409 "):
                    return str(e), None
                raise
            except NOT_CONSUL as e:
                raise UnreachableError(f"Consul answered what it never does: {e!r}") from e

        refusal, results = self._client.call(
            put, needs=needs, timeout_s=deadline_s - time.monotonic()
        )
        if is_denied(refusal):
            raise denied("", needs)
        return refusal, results


def _operation(verb: str, key: str, **fields: object) -> dict[str, Any]:
    return {"KV": {"Verb": verb, "Key": key, **fields}}


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
