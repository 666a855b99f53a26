"""The roster of an election in Consul: a key for each instance, held by its session.

When a session ends, its key stays, but nobody holds it: it no longer counts, and others remove it
(`Tidying`). The keys are not below the election's: all of those are read with each
renewal.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Mapping
from contextlib import suppress

from coordsidecar.hints import Any
from coordsidecar.store.protocol import (
    Election,
    Session,
    SessionLostError,
    StoreError,
    UnreachableError,
)
from coordsidecar.store.roster import ROSTER, Roster, Tidying, is_entry
from coordsidecar.value import Value
from coordsidecar_adapters.consul.agent import Agent
from coordsidecar_adapters.consul.client import ConsulClient
from coordsidecar_adapters.consul.errors import denied, is_denied
from coordsidecar_adapters.consul.library import exceptions
from coordsidecar_adapters.consul.settings import CONSUL, ConsulSettings
from coordsidecar_adapters.consul.state import NOT_CONSUL
from coordsidecar_adapters.http_connection import tls_side

__all__ = ["ConsulRoster", "Entries", "roster"]

# Of what others left, looked at by one: each is a request.
_MOST_LOOKS = 60
# What an instance reads at once: whoever may write there shall not fill its memory. It has room for
# the longest value that there may be, or for the names of some ten thousand keys.
_MOST_BYTES = 1024 * 1024


def roster(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Roster | None:
    """For ``consul://`` and ``consuls://`` URLs."""
    settings = ConsulSettings.read(url, environ)
    tls = tls_side(settings.tls, CONSUL)
    return ConsulRoster(ConsulClient(settings, tls=tls, most_bytes=_MOST_BYTES), election)


class Entry(Value):
    """A key; ``session``: who holds it, "": nobody."""

    key: str
    session: str
    value: bytes


class Entries:
    """The keys of a roster, by the session that holds each."""

    def __init__(self, client: ConsulClient, election: Election) -> None:
        self._client = client
        self.below = f"{election.namespace}/{ROSTER}/{election.name}/"

    def read(self, deadline_s: float) -> list[Entry]:
        """All of them, held or not."""
        _, found = self._client.call(
            lambda agent: agent.kv.get(self.below, recurse=True, consistency="consistent"),
            needs=f"key_prefix:read on {self.below}",
            timeout_s=deadline_s - time.monotonic(),
        )
        try:
            return [
                Entry(
                    str(entry["Key"]),
                    str(entry.get("Session", "")),
                    bytes(entry.get("Value") or b""),
                )
                for entry in found or ()
            ]
        except NOT_CONSUL as e:
            raise UnreachableError(f"Consul answered what it never does: {e!r}") from e

    def names(self, deadline_s: float) -> list[str]:
        """Of all of them. Raises `StoreError`."""
        _, found = self._client.call(
            lambda agent: agent.kv.get(self.below, keys=True, consistency="consistent"),
            needs=f"key_prefix:list on {self.below}",
            timeout_s=deadline_s - time.monotonic(),
        )
        return [str(name) for name in found or ()]

    def of_sessions(self, deadline_s: float) -> dict[str, str]:
        """What those say whose sessions live; by session."""
        return {
            entry.session: entry.value.decode(errors="replace")
            for entry in self.read(deadline_s)
            # Anybody may hold a key of any name; each speaks for itself.
            if entry.session and entry.key == self.below + entry.session and is_entry(entry.value)
        }


class ConsulRoster:
    """A `Roster`."""

    def __init__(self, client: ConsulClient, election: Election) -> None:
        self._client = client
        self._entries = Entries(client, election)
        self._tidying = Tidying()

    def tell(self, session: Session | None, entry: str, *, timeout_s: float) -> None:
        if session is None:
            return
        deadline_s = time.monotonic() + timeout_s
        try:
            self._write(session, entry, deadline_s)
            # If it fails, whoever comes next tidies up.
            if self._tidying.is_due(session.handle):
                with suppress(StoreError):
                    self._remove_what_nobody_holds(deadline_s)
        finally:
            self._client.close()  # The next change may be days away.

    def _write(self, session: Session, entry: str, deadline_s: float) -> None:
        write = {
            "Verb": "lock",
            "Key": f"{self._entries.below}{session.handle}",
            "Session": session.handle,
            "Value": base64.b64encode(entry.encode()).decode(),
        }
        _, refusal = self._transact([write], deadline_s)
        # Nobody but this session ever locks its key: it held it, and was ended.
        if "invalid session" in refusal or "lock delay" in refusal:
            raise SessionLostError(f"Consul: session {session.handle} is gone")
        if refusal:
            raise UnreachableError(f"Consul did not take {write['Key']}: {refusal[:200]}")

    def _remove_what_nobody_holds(self, deadline_s: float) -> None:
        """One by one: all of them with their values may be more than we read."""
        names = self._entries.names(deadline_s)
        # Where they are more, others tidy up others.
        for name in sorted(names, key=lambda _: os.urandom(8))[:_MOST_LOOKS]:
            found, _ = self._transact([{"Verb": "get", "Key": name}], deadline_s)
            try:
                left = [int(entry["ModifyIndex"]) for entry in found if not entry.get("Session")]
            except NOT_CONSUL as e:
                raise UnreachableError(f"Consul answered what it never does: {e!r}") from e
            for index in left:
                gone = {"Verb": "delete-cas", "Key": name, "Index": index}
                self._transact([gone], deadline_s)

    def _transact(
        self, operations: list[dict[str, Any]], deadline_s: float
    ) -> tuple[list[dict[str, Any]], str]:
        """Apply all of them or none: what they found, and "", or why not."""
        needs = f"key_prefix:write on {self._entries.below}"

        def put(agent: Agent) -> tuple[list[dict[str, Any]], str]:
            try:
                answer = agent.txn.put([{"KV": operation} for operation in operations])
            except exceptions.ClientError as e:
                if str(e).startswith("409 "):
                    return [], str(e)
                raise
            return [result["KV"] for result in answer["Results"] or ()], ""

        found, refusal = self._client.call(
            put, needs=needs, timeout_s=deadline_s - time.monotonic()
        )
        if is_denied(refusal):
            raise denied("", needs)
        return found, refusal
