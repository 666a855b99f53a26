"""The two keys of an election in Consul: how they are read, and how they change together.

``<prefix>/.lock`` is used as ``consul lock <prefix>`` and Go's ``api.Lock`` use it, so that all of
these exclude each other. ``<prefix>/.office`` holds our record (see `Office`).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping

from coordsidecar.hints import Any
from coordsidecar.store.protocol import (
    Election,
    Limits,
    Office,
    Session,
    UnreachableError,
)
from coordsidecar.value import Value, replace
from coordsidecar_adapters.consul.agent import Agent
from coordsidecar_adapters.consul.client import ConsulClient
from coordsidecar_adapters.consul.errors import denied, is_denied
from coordsidecar_adapters.consul.library import exceptions

__all__ = ["ElectionKeys", "Lock", "State"]

# What Go's api.Lock sets, and insists on: github.com/hashicorp/consul/api/lock.go, LockFlagValue.
_LOCK_FLAGS = 0x2DDCCBC058A50C18
# In a record that took office together with the lock: its own index is the token.
_LED_SINCE_WRITTEN = 0
_MOST_LEADER_CHARACTERS = 4096
# How often to start over when keys that were just missing turn out to be there.
_LOOKS = 3
# What is raised by an entry that has not the shape of Consul's.
_NOT_CONSUL = (TypeError, KeyError, ValueError, AttributeError)


class Lock(Value):
    """The lock key as it was read; ``session`` is "" while nobody holds it."""

    session: str
    modify_index: int
    value: str


class State(Value):
    """Both keys as one read found them; ``office_index`` is 0 if there is no record."""

    lock: Lock | None
    office: Office
    office_index: int

    @property
    def held(self) -> bool:
        """Whether anybody holds the lock."""
        return self.lock is not None and self.lock.session != ""

    def may_be_succeeded(self, floor: int) -> bool:
        """Whether office may be taken with the lock: by an index that must turn out high enough.

        It will be above that of the record, which is still the same where it is replaced.
        """
        return self.office.clean and floor <= self.office.led <= self.office_index

    @property
    def lock_index(self) -> int | None:
        return None if self.lock is None else self.lock.modify_index


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

    @property
    def lock_key(self) -> str:
        return self._lock_key

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

    def wait(self, *, index: int, wait_s: float, timeout_s: float) -> State:
        """Wait for either key to change after ``index``; as they are then."""
        answer = self._client.call_last(
            lambda agent: agent.kv.get(
                self._below, recurse=True, index=index, wait=f"{wait_s * 1000:.0f}ms"
            ),
            needs=f"key_prefix:read on {self._below}",
            timeout_s=timeout_s,
        )
        return self._indexed(answer)[1]

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
        operations = [
            _operation(
                "lock",
                self._lock_key,
                Session=session.handle,
                Flags=_LOCK_FLAGS,
                Value=_encoded(record),
            ),
        ]
        if run:
            released = state.office.released
            office = Office(led=_LED_SINCE_WRITTEN, released=released, run=run, limits=limits)
            operations.append(self._replace_office(state, office))
        return self._transact_and_read(operations, deadline_s)

    def take_office(
        self, session: Session, lock: Lock, office: Office, deadline_s: float
    ) -> State | None:
        """Write the record if the lock is still ours, and still as in ``lock``.

        Both keys as they are now; None: it is not ours.
        """
        operations = [
            _operation("check-session", self._lock_key, Session=session.handle),
            _operation("check-index", self._lock_key, Index=lock.modify_index),
            _operation("set", self._office_key, Value=_encoded(office.encode())),
        ]
        return self._transact_and_read(operations, deadline_s)[1]

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
            lock, office = entries.get(self._lock_key), entries.get(self._office_key)
            return State(
                lock=None if lock is None else _lock(lock),
                office=Office() if office is None else _office(office),
                office_index=0 if office is None else _index(office),
            )
        except _NOT_CONSUL as e:
            raise UnreachableError(f"Consul answered what it never does: {e!r}") from e

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
            # Before what was read comes one result for each of the others, without its value.
            found = [result["KV"] for result in results[len(operations) :]]
            for entry in found:
                entry["Value"] = base64.b64decode(entry["Value"] or "")
        except _NOT_CONSUL as e:
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
            except _NOT_CONSUL as e:
                raise UnreachableError(f"Consul answered what it never does: {e!r}") from e

        refusal, results = self._client.call(
            put, needs=needs, timeout_s=deadline_s - time.monotonic()
        )
        if is_denied(refusal):
            raise denied("", needs)
        return refusal, results


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
    return replace(office, led=index, lock=str(index))


def _operation(verb: str, key: str, **fields: object) -> dict[str, Any]:
    return {"KV": {"Verb": verb, "Key": key, **fields}}


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
