"""An election of Kubernetes, as its Lease tells of it. Who else wants it, a Lease does not know.

For what an operator asks and orders: no sidecar imports it before one orders by its `--http`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

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
from coordsidecar_adapters.http_connection import tls_side
from coordsidecar_adapters.kubernetes import lease as leases
from coordsidecar_adapters.kubernetes.client import KubernetesClient
from coordsidecar_adapters.kubernetes.lease import Lease
from coordsidecar_adapters.kubernetes.roster import entries
from coordsidecar_adapters.kubernetes.settings import KUBERNETES, KubernetesSettings

__all__ = ["KubernetesDirectory", "directory"]

_TRIES = 5


def directory(url: str, *, namespace: str, environ: Mapping[str, str]) -> Directory:
    """For ``kubernetes:`` URLs."""
    return KubernetesDirectory(url, namespace, environ)


class KubernetesDirectory:
    """A `Directory`."""

    def __init__(self, url: str, namespace: str, environ: Mapping[str, str]) -> None:
        self._url, self._namespace, self._environ = url, namespace, environ

    def names(self, *, timeout_s: float) -> list[str]:
        raise RefusedError(
            "kubectl get lease lists the elections of Kubernetes; ask for one by its name"
        )

    def board(self, name: str, *, in_full: bool = False, timeout_s: float) -> Board:
        deadline_s = time.monotonic() + timeout_s
        _, found = self._find(name, deadline_s)
        if found is None:
            return Board(None, None)
        leader = Leader(found.leader_token, found.leader) if found.holder else None
        said = self._said(name, deadline_s) if in_full else {}
        if leader is not None:
            entry = said.pop(id_of(leader.record), None)  # By which an instance names its pod.
            leader = Leader(leader.token, with_entry(leader.record, entry))
        office = found.office
        return Board(
            leader,
            None,
            led=max(office.led, 0),
            curbs=office.curbs,
            history=office.history,
            others=tuple(said[pod] for pod in sorted(said)),
        )

    def _said(self, name: str, deadline_s: float) -> dict[str, str]:
        """What the pods of an election say of themselves, by their names; if they do, and it can
        be read."""
        election = Election(namespace=self._namespace, name=name)
        settings = KubernetesSettings.read(self._url, election, self._environ)
        client = KubernetesClient(settings, tls=tls_side(settings.access.tls, KUBERNETES))
        try:
            return entries(client, settings, deadline_s)
        except StoreError:
            return {}

    def order(self, name: str, order: Order, *, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        self._change(name, lambda lease: leases.ordered(lease, order), deadline_s)

    def curb(self, name: str, change: Callable[[Curbs], Curbs], *, timeout_s: float) -> Curbs:
        curbs = Curbs()

        def curbed(lease: Lease) -> leases.Json:
            nonlocal curbs
            if lease.office.led <= 0:
                raise RefusedError(f"Kubernetes: nobody has ever led by the Lease for {name}")
            curbs = change(lease.office.curbs)
            return leases.curbed(lease, curbs)

        self._change(name, curbed, time.monotonic() + timeout_s)
        return curbs

    def _change(self, name: str, change: Callable[[Lease], leases.Json], deadline_s: float) -> None:
        for _ in range(_TRIES):
            client, found = self._find(name, deadline_s)
            if found is None:
                raise RefusedError(f"Kubernetes: there is no Lease for {name}")
            if client.patch(change(found), deadline_s) is not None:
                return
        raise UnreachableError(f"Kubernetes: the Lease for {name} kept changing")

    def _find(self, name: str, deadline_s: float) -> tuple[KubernetesClient, Lease | None]:
        election = Election(namespace=self._namespace, name=name)
        settings = KubernetesSettings.read(self._url, election, self._environ)
        client = KubernetesClient(settings, tls=tls_side(settings.access.tls, KUBERNETES))
        found = client.get(deadline_s)
        return client, None if found is None else Lease.read(found)
