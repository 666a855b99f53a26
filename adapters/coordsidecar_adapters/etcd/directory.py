"""The elections of a namespace in etcd, as their keys tell of them.

Candidates stand in the queue by the order in which their keys were created; the first leads. Other
programs' candidates stand there, too.

For what an operator asks and orders: no sidecar imports it before one orders by its `--http`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from coordsidecar.store.curbs import Curbs
from coordsidecar.store.directory import Board, Directory
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import (
    Election,
    Leader,
    Office,
    RefusedError,
    StoreError,
    UnreachableError,
)
from coordsidecar.store.roster import ROSTER
from coordsidecar.store.roster import in_full as with_entry
from coordsidecar_adapters.etcd.errors import is_denied
from coordsidecar_adapters.etcd.keys import ElectionKeys
from coordsidecar_adapters.etcd.roster import entries
from coordsidecar_adapters.etcd.snapshot import Snapshot
from coordsidecar_adapters.etcd.transport import Transport
from coordsidecar_adapters.etcd.txn import (
    Json,
    b64,
    get,
    put,
    range_end,
    read_answer,
    value_is,
)
from coordsidecar_adapters.etcd.url import parse

__all__ = ["EtcdDirectory", "by_gateway", "by_grpc"]

_OFFICE = ".office"
_TRIES = 5


def by_gateway(url: str, *, namespace: str, environ: Mapping[str, str]) -> Directory:
    """For ``etcd://`` and ``etcds://`` URLs."""
    from coordsidecar_adapters.etcd.gateway import clients

    settings = parse(url, environ=environ)
    return EtcdDirectory(clients(settings)(settings.endpoints), namespace)


def by_grpc(url: str, *, namespace: str, environ: Mapping[str, str]) -> Directory:
    """For ``etcd+grpc://`` and ``etcds+grpc://`` URLs."""
    from coordsidecar_adapters.etcd.grpc import clients

    settings = parse(url, environ=environ)
    return EtcdDirectory(clients(settings)(settings.endpoints), namespace)


class EtcdDirectory:
    """A `Directory`."""

    def __init__(self, calls: Transport, namespace: str) -> None:
        self._calls = calls
        self._namespace = namespace
        self._sees_rosters = True

    def names(self, *, timeout_s: float) -> list[str]:
        below = f"{self._namespace}/"
        every: Json = {"key": b64(below), "range_end": range_end(below), "keys_only": True}
        try:
            keys = self._snapshot(timeout_s).read({"request_range": every})
        except RefusedError as error:
            if is_denied(error):
                raise RefusedError(
                    f"etcd: permission denied; to list elections takes read on the prefix {below}"
                ) from error
            raise
        names = (_election(key.name.removeprefix(below)) for key in keys)
        return sorted({name for name in names if name})

    def board(self, name: str, *, in_full: bool = False, timeout_s: float) -> Board:
        election = Election(namespace=self._namespace, name=name)
        keys = ElectionKeys(election)
        snapshot = self._snapshot(timeout_s)
        candidates = snapshot.read(keys.queue("ASCEND", limit=0))
        record = snapshot.one(get(keys.office))
        office = Office.decode(None if record is None else record.value)
        said = self._said(snapshot, election) if in_full else {}
        records = [with_entry(key.text, said.get(key.name)) for key in candidates]
        leader, waiting = None, tuple(records[1:])
        if candidates:
            token = office.leader_token(candidates[0].created)
            leader = Leader(token=token, record=records[0])
        return Board(
            leader,
            waiting,
            in_order=True,
            led=max(office.led, 0),
            curbs=office.curbs,
            history=office.history,
        )

    def _said(self, snapshot: Snapshot, election: Election) -> dict[str, str]:
        """What the candidates say of themselves, by key. What failed is not asked again: whoever
        is refused logs in anew, which costs etcd as much as a thousand reads."""
        if not self._sees_rosters:
            return {}
        try:
            return entries(snapshot, election)
        except StoreError:
            self._sees_rosters = False
            return {}

    def order(self, name: str, order: Order, *, timeout_s: float) -> None:
        self._change(name, order.put_into, time.monotonic() + timeout_s)

    def curb(self, name: str, change: Callable[[Curbs], Curbs], *, timeout_s: float) -> Curbs:
        curbs = Curbs()

        def curbed(record: bytes) -> str | None:
            nonlocal curbs
            curbs = change(Office.decode(record or b"-").curbs)
            return Office.put_into(record, curbs)

        self._change(name, curbed, time.monotonic() + timeout_s)
        return curbs

    def _change(self, name: str, change: Callable[[bytes], str | None], deadline_s: float) -> None:
        """Replace the office record by what ``change`` makes of it; None: it is none."""
        office = ElectionKeys(Election(namespace=self._namespace, name=name)).office
        for _ in range(_TRIES):
            found = Snapshot(self._calls, deadline_s=deadline_s).one(get(office))
            record = b"" if found is None else found.value
            if (changed := change(record)) is None:
                raise RefusedError(f"etcd: {office} is no record of who is in office")
            write = [put(office, changed)]
            body: Json = {"compare": [value_is(office, record)], "success": write, "failure": []}
            left_s = deadline_s - time.monotonic()
            answer = self._calls.call("/v3/kv/txn", body, timeout_s=left_s)
            if read_answer(answer, success=write, failure=[]).succeeded:
                return
        raise UnreachableError(f"etcd: {office} kept changing")

    def _snapshot(self, timeout_s: float) -> Snapshot:
        return Snapshot(self._calls, deadline_s=time.monotonic() + timeout_s)


def _election(key: str) -> str:
    """Whose key it is: an office record, or a candidate; "": neither."""
    name, slash, _ = key.partition("/")
    if name == ROSTER:
        return ""
    return name if slash else name.removesuffix(_OFFICE) if name.endswith(_OFFICE) else ""
