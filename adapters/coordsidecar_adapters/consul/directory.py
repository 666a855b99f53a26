"""The elections of a namespace in Consul, as their keys tell of them, and their sessions.

Consul keeps no queue: whoever is told first that the lock is free may get it.

For what an operator asks and orders: no sidecar imports it before one orders by its `--http`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from coordsidecar.store.curbs import Curbs
from coordsidecar.store.directory import Board, Directory
from coordsidecar.store.history import id_of
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import (
    Election,
    Leader,
    RefusedError,
    StoreError,
    UnreachableError,
)
from coordsidecar.store.roster import in_full as with_entry
from coordsidecar.store.roster import is_entry, named
from coordsidecar_adapters.consul.client import ConsulClient
from coordsidecar_adapters.consul.keys import ElectionKeys
from coordsidecar_adapters.consul.roster import Entries
from coordsidecar_adapters.consul.sessions import Sessions
from coordsidecar_adapters.consul.settings import CONSUL, ConsulSettings
from coordsidecar_adapters.http_connection import tls_side

__all__ = ["ConsulDirectory", "directory"]

_TRIES = 5


def directory(url: str, *, namespace: str, environ: Mapping[str, str]) -> Directory:
    """For ``consul://`` and ``consuls://`` URLs."""
    settings = ConsulSettings.read(url, environ)
    client = ConsulClient(settings, tls=tls_side(settings.tls, CONSUL))
    return ConsulDirectory(client, namespace)


class ConsulDirectory:
    """A `Directory`."""

    def __init__(self, client: ConsulClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._sees_rosters = True

    def names(self, *, timeout_s: float) -> list[str]:
        below = f"{self._namespace}/"
        _, keys = self._client.call(
            lambda agent: agent.kv.get(below, keys=True, consistency="consistent"),
            needs=f"key_prefix:read on {below}",
            timeout_s=timeout_s,
        )
        parts = (str(key).removeprefix(below).split("/") for key in keys or ())
        return sorted({name for name, *rest in parts if rest in ([".lock"], [".office"])})

    def order(self, name: str, order: Order, *, timeout_s: float) -> None:
        election = Election(namespace=self._namespace, name=name)
        ElectionKeys(self._client, election=election).order(order, time.monotonic() + timeout_s)

    def curb(self, name: str, change: Callable[[Curbs], Curbs], *, timeout_s: float) -> Curbs:
        deadline_s = time.monotonic() + timeout_s
        keys = ElectionKeys(self._client, election=Election(namespace=self._namespace, name=name))
        for _ in range(_TRIES):
            state = keys.read(deadline_s)
            if state.office_index == 0 or state.office.led < 0:
                raise RefusedError(f"Consul: {keys.office_key} is no record of who is in office")
            curbs = change(state.office.curbs)
            if keys.curb(state, curbs, deadline_s):
                return curbs
        raise UnreachableError(f"Consul: {keys.office_key} kept changing")

    def board(self, name: str, *, in_full: bool = False, timeout_s: float) -> Board:
        deadline_s = time.monotonic() + timeout_s
        election = Election(namespace=self._namespace, name=name)
        state = ElectionKeys(self._client, election=election).read(deadline_s)
        leader, holder = None, ""
        if state.lock is not None and state.lock.session:
            token, holder = state.office.leader_token(state.lock.modify_index), state.lock.session
            leader = Leader(token=token, record=state.lock.value)
        listed: dict[str, str | None] | None = None
        with suppress(RefusedError):  # To know who leads is worth more than nothing.
            sessions = Sessions(self._client, election=election)
            listed = sessions.of_whom(timeout_s=deadline_s - time.monotonic())
        said = self._said(election, deadline_s) if in_full else {}
        if leader is not None:
            leader = Leader(leader.token, with_entry(leader.record, said.get(holder)))
        # Who holds a key lives: a list without it is one of those alone that we may read.
        holders = {*said, *([holder] if holder else ())}
        is_whole = listed is not None and holders <= listed.keys()
        known = listed or {}
        others = {session: entry for session, entry in said.items() if session not in known}
        for session, own in known.items():
            if own is not None:
                others[session] = named(said.get(session, "{}"), own)
        others.pop(holder, None)
        records = tuple(sorted(_each_once(others, said, leader), key=id_of))
        office = state.office
        return Board(
            leader,
            records if is_whole else None,
            led=max(office.led, 0),
            curbs=office.curbs,
            history=office.history,
            others=() if is_whole else records,
        )

    def _said(self, election: Election, deadline_s: float) -> dict[str, str]:
        """The entries of the roster, by session."""
        if not self._sees_rosters:
            return {}
        try:
            return Entries(self._client, election).of_sessions(deadline_s)
        except StoreError:
            self._sees_rosters = False
            return {}


def _each_once(
    others: Mapping[str, str], said: Mapping[str, str], leader: Leader | None
) -> list[str]:
    """What each instance says, of its sessions by the latest.

    After a stall Consul may have some that it opened for nobody, since its answer was not waited
    for, and the one that was lost.
    """
    spoken = {id_of(entry) for entry in said.values()}
    silent = [entry for session, entry in others.items() if session not in said]
    spoke = sorted((entry for session, entry in others.items() if session in said), key=_since)
    latest = {_process(entry): entry for entry in spoke}
    if leader is not None:
        latest.pop(_process(leader.record), None)
    return [*latest.values(), *(entry for entry in silent if id_of(entry) not in spoken)]


def _process(record: str) -> str:
    """Which process of which instance says it; anything, if it says nothing of that."""
    said = json.loads(record) if is_entry(record) else {}
    if "pid" not in said:
        return record
    return repr([said.get(name) for name in ("id", "host", "pid", "since")])


def _since(entry: str) -> str:
    return str(json.loads(entry).get("role_since", ""))
