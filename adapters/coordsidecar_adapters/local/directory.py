"""The elections of a namespace on this host, as their lock files tell of them.

A lock file tells of its holder alone: who else waits for it, it does not know.

For what an operator asks and orders: no sidecar imports it before one orders by its `--http`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from coordsidecar.store.curbs import Curbs
from coordsidecar.store.directory import Board, Directory
from coordsidecar.store.history import id_of
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Election, Leader, RefusedError, UnreachableError
from coordsidecar.store.roster import in_full as with_entry
from coordsidecar_adapters.local.folder import lock_folder
from coordsidecar_adapters.local.orders import OrderFiles
from coordsidecar_adapters.local.record import read_record
from coordsidecar_adapters.local.roster import entries
from coordsidecar_adapters.local.store import connect

__all__ = ["LocalDirectory", "directory"]

_LOCK, _RECORD = ".lock", ".json"


def directory(url: str, *, namespace: str, environ: Mapping[str, str]) -> Directory:
    """For ``local:`` URLs."""
    return LocalDirectory(url, namespace, environ)


class LocalDirectory:
    """A `Directory`. What was never locked is an election that never was."""

    def __init__(self, url: str, namespace: str, environ: Mapping[str, str]) -> None:
        self._url, self._namespace, self._environ = url, namespace, environ
        self._folder = os.path.join(lock_folder(url, environ), namespace)

    def names(self, *, timeout_s: float) -> list[str]:
        try:
            files = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as e:
            raise RefusedError(f"cannot list {self._folder}: {e.strerror}") from e
        return sorted(file.removesuffix(_LOCK) for file in files if file.endswith(_LOCK))

    def board(self, name: str, *, in_full: bool = False, timeout_s: float) -> Board:
        stem = os.path.join(self._folder, name)
        if not os.path.exists(stem + _LOCK):
            return Board(None, None)
        election = Election(namespace=self._namespace, name=name)
        store = connect(self._url, election=election, environ=self._environ)
        leader = store.leader(timeout_s=timeout_s)
        try:
            office = read_record(stem + _RECORD, existed=False).office
        except OSError as e:
            raise RefusedError(f"cannot read {stem}{_RECORD}: {e.strerror}") from e
        curbs = OrderFiles(stem).curbs()
        leader, others = self._with_roster(election, leader) if in_full else (leader, ())
        return Board(
            leader,
            None,
            led=max(office.led, 0),
            curbs=curbs,
            history=office.history,
            others=others,
        )

    def _with_roster(
        self, election: Election, leader: Leader | None
    ) -> tuple[Leader | None, tuple[str, ...]]:
        """The leader as it tells of itself by now, and the others who tell of themselves."""
        try:
            said = entries(lock_folder(self._url, self._environ), election)
        except OSError:
            return leader, ()
        if leader is None:
            return None, tuple(sorted(said, key=id_of))
        # Once it has said under which token it leads, and before; a new elector is another record.
        by_record = [entry for entry in said if _is_of(leader.record, entry)]
        by_token = [entry for entry in said if _token(entry) == leader.token]
        for entry in [*by_record, *by_token][:1]:
            leader = Leader(leader.token, with_entry(leader.record, entry))
        others = set(said).difference(by_record, by_token)
        return leader, tuple(sorted(others, key=id_of))

    def order(self, name: str, order: Order, *, timeout_s: float) -> None:
        files = OrderFiles(os.path.join(self._folder, name))
        with _writing(files.order_path):
            files.write_order(order)

    def curb(self, name: str, change: Callable[[Curbs], Curbs], *, timeout_s: float) -> Curbs:
        stem = os.path.join(self._folder, name)
        if not os.path.exists(stem + _RECORD):
            raise RefusedError(f"there is no {stem}{_RECORD}: nobody has ever led")
        files = OrderFiles(stem)
        with _writing(files.curbs_path), files.turn(timeout_s) as is_ours:
            if not is_ours:
                raise UnreachableError(f"somebody else has locked {self._folder}")
            curbs = change(files.curbs())
            files.write_curbs(curbs)
        return curbs


def _is_of(record: str, entry: str) -> bool:
    """Whether whoever wrote ``record``, which may be anybody, says that."""
    try:
        known = json.loads(record)
    except (ValueError, RecursionError):
        return False
    return isinstance(known, dict) and known.items() <= json.loads(entry).items()


def _token(entry: str) -> int | None:
    token = json.loads(entry).get("token")
    # A bool is an int to Python, but no number.
    return token if type(token) is int else None


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise RefusedError(f"cannot write {path}: {e.strerror}") from e
