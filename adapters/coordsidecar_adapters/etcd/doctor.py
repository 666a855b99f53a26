"""etcd, examined: each endpoint on its own, and the rights that a candidate needs.

Rights are found out by transactions without a condition: these do what stands in their first
branch, and of the second, which is never done, the rights are checked all the same (etcd's
checkTxnAuth). So whatever a candidate writes stands in the second, and the first is empty. Should a
server ever do it, a key of ours would die with a lease that is not there, and no other be changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from coordsidecar.store.examiner import Certificate, Endpoint, Examiner, Need
from coordsidecar.store.protocol import Election, RefusedError, Session
from coordsidecar_adapters.etcd.client import EtcdClient
from coordsidecar_adapters.etcd.errors import is_denied
from coordsidecar_adapters.etcd.keys import ElectionKeys
from coordsidecar_adapters.etcd.lease import Leases
from coordsidecar_adapters.etcd.roster import below
from coordsidecar_adapters.etcd.snapshot import Snapshot
from coordsidecar_adapters.etcd.transport import Transport
from coordsidecar_adapters.etcd.txn import Json, b64, get, range_end, touch
from coordsidecar_adapters.etcd.url import ETCD, EtcdSettings, parse
from coordsidecar_adapters.http_connection import TlsSide, tls_side
from coordsidecar_adapters.knock import knock, server_clock_s

__all__ = ["examine"]


def examine(url: str, *, election: Election, environ: Mapping[str, str]) -> Examiner:
    """An examiner for any of etcd's URLs; `ValueError` if it is wrong."""
    settings = parse(url, environ=environ)
    tls = tls_side(settings.tls, ETCD)
    is_grpc = "+grpc" in url.partition(":")[0].lower()
    if is_grpc:
        from coordsidecar_adapters.etcd.grpc import clients  # Late: it imports gRPC.
    else:
        from coordsidecar_adapters.etcd.gateway import clients

    make = clients(settings)
    return EtcdExaminer(settings, election=election, tls=tls, make=make, has_http=not is_grpc)


class EtcdExaminer:
    """An `Examiner`."""

    def __init__(
        self,
        settings: EtcdSettings,
        *,
        election: Election,
        tls: TlsSide | None,
        make: Callable[[Sequence[str]], EtcdClient],
        has_http: bool,
    ) -> None:
        """``make`` builds a client for some endpoints. ``has_http``: a listener for gRPC alone
        would not answer HTTP."""
        self.endpoints: Sequence[Endpoint] = [
            EtcdEndpoint(
                name, make([name]), election=election, tls=tls, user=settings.user, http=has_http
            )
            for name in settings.endpoints
        ]
        self._calls: Transport = make(settings.endpoints)
        self._election = election

    def grant(self, ttl_s: float, *, takeover_delay_s: float, timeout_s: float) -> float | None:
        leases = Leases(self._calls)
        session = leases.grant(ttl_s, timeout_s=timeout_s)
        try:
            return leases.keep_alive(session, timeout_s=timeout_s).ttl_s
        finally:
            leases.revoke(session, timeout_s=timeout_s)

    def needs(self, *, timeout_s: float) -> Sequence[Need]:
        keys = ElectionKeys(self._election)
        queue = f"{self._election.prefix}/"
        # As a candidate's is named, after its lease; this is the last one that etcd would give out.
        ours = keys.candidate(Session(handle=f"{2**63 - 1:x}", ttl_s=0.0))
        put = {"key": b64(ours), "value": b64("{}"), "lease": str(2**63 - 1)}
        read_all: Json = {"request_range": {"key": b64(queue), "range_end": range_end(queue)}}
        delete: Json = {"request_delete_range": {"key": b64(ours)}}
        said = below(self._election)
        wanted: list[tuple[str, bool, list[tuple[str, Json]]]] = [
            (
                f"--prefix readwrite {queue}",
                True,
                [("read", read_all), ("write", {"request_put": put}), ("write", delete)],
            ),
            (
                f"readwrite {keys.office}",
                True,
                [("read", get(keys.office)), ("write", touch(keys.office))],
            ),
            (
                f"--prefix readwrite {said}",
                False,  # Who lacks it cannot say what it does, and leads all the same.
                [("read", get(said)), ("write", touch(said))],
            ),
        ]
        return [
            _need(right, [way for way, asked in ways if not self._may(asked, timeout_s)], vital)
            for right, vital, ways in wanted
        ]

    def _may(self, operation: Json, timeout_s: float) -> bool:
        """Whether we would be let do this; nothing is done."""
        body: Json = {"compare": [], "success": [], "failure": [operation]}
        return _is_permitted(lambda: self._calls.call("/v3/kv/txn", body, timeout_s=timeout_s))


class EtcdEndpoint:
    """An `Endpoint`: one member."""

    def __init__(
        self,
        name: str,
        client: EtcdClient,
        *,
        election: Election,
        tls: TlsSide | None,
        user: str | None,
        http: bool,
    ) -> None:
        self.name = name
        self._client = client
        self._keys = ElectionKeys(election)
        self._tls = tls
        self._user = user
        self._http = http

    def knock(self, *, timeout_s: float) -> Certificate | None:
        return knock(self.name, server=ETCD, tls=self._tls, timeout_s=timeout_s)

    def log_in(self, *, timeout_s: float) -> str:
        deadline_s = time.monotonic() + timeout_s
        self._client.meets_server(timeout_s=timeout_s)
        # Whether nobody's name is good enough only a question tells.
        self.ask(timeout_s=deadline_s - time.monotonic())
        return f"as user {self._user!r}" if self._user else "no user is set, and none is needed"

    def ask(self, *, timeout_s: float) -> bool:
        snapshot = Snapshot(self._client, deadline_s=time.monotonic() + timeout_s)

        def ask() -> None:
            snapshot.read(self._keys.queue("ASCEND"))
            snapshot.read(get(self._keys.office))

        return _is_permitted(ask)

    def clock_s(self, *, timeout_s: float) -> float | None:
        if not self._http:
            return None
        return server_clock_s(
            self.name, "/version", server=ETCD, tls=self._tls, timeout_s=timeout_s
        )


def _is_permitted(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except RefusedError as e:
        if is_denied(e):
            return False
        raise
    return True


def _need(right: str, missing: list[str], vital: bool) -> Need:
    lacks = " and to ".join(dict.fromkeys(missing))
    remedy = f"etcdctl role grant-permission ROLE {right} (docs/stores.md)"
    return Need(right, f"the right to {lacks} is missing" if lacks else "", remedy, vital)
