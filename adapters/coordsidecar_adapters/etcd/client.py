"""A client of etcd: endpoints in turn, log-in, and what every failure means.

It serves both transports; a transport only knows how to make one connection and put one request to
it. Requests and answers have the shape of etcd's JSON gateway, which is protobuf's JSON mapping:
keys and values in base64, 64-bit integers as strings, and whatever is zero or empty left out.

Every request of the recipe (see `etcd.election`) is written so that doing it twice is harmless:
that is why a request that got no answer may be put to the next endpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from coordsidecar.hints import Any, Protocol, TypeVar
from coordsidecar.store.protocol import UnreachableError
from coordsidecar.value import Value
from coordsidecar_adapters.endpoints import Endpoints
from coordsidecar_adapters.etcd.errors import StatusError, translate
from coordsidecar_adapters.link import EndpointRefusedError, LinkError

__all__ = ["Connection", "EtcdClient", "Json", "WatchStream"]

Json = dict[str, Any]
_T = TypeVar("_T")

_LOGIN = "/v3/auth/authenticate"


class WatchStream(Protocol):
    """One open watch; whether it still is, once time was up."""

    stays_open: bool

    def next(self, *, timeout_s: float) -> Json | None:
        """Return the next message, or None when time is up; `LinkError`, `StatusError`."""
        ...

    def close(self) -> None: ...


class Connection(Protocol):
    """A connection to one endpoint, opened when first used and thrown away after a `LinkError`."""

    def call(self, path: str, body: Json, *, token: str, timeout_s: float) -> Json:
        """Put one request; `LinkError`, `StatusError` or `EndpointRefusedError`."""
        ...

    def watch(self, creates: Sequence[Json], *, token: str, timeout_s: float) -> WatchStream:
        """Open a watch, within ``timeout_s``; the same errors."""
        ...

    def meets_server(self, *, timeout_s: float) -> bool:
        """Ask once whether a server answers, or a proxy that renews leases in its own time.

        Raises `LinkError` or `EndpointRefusedError`. Until it is known that a server does, answers
        to renewals have no header.
        """
        ...

    def close(self) -> None: ...


class _Kept(Value):
    """A watch that is still open."""

    stream: WatchStream
    keys: list[str]
    until_s: float


class EtcdClient:
    """Calls to whichever endpoint answers, over one connection; fit for one thread at a time."""

    def __init__(
        self,
        *,
        endpoints: Sequence[str],
        dial: Callable[[str], Connection],
        user: str | None,
        password: str | None,
    ) -> None:
        """``dial`` makes a connection object and does no I/O yet."""
        self._endpoints = Endpoints(endpoints)
        self._dial = dial
        self._user = user
        self._password = password
        # None: not logged in. Empty: there is nothing to log in to.
        self._token: str | None = None if user else ""
        self._connection: Connection | None = None
        self._kept: _Kept | None = None
        self._connected_to = ""

    def call(self, path: str, body: Json, *, timeout_s: float) -> Json:
        """Put a request to each endpoint in turn until one answers."""

        def put(connection: Connection, token: str, left_s: float) -> Json:
            return connection.call(path, body, token=token, timeout_s=left_s)

        return self._first_answer(put, timeout_s=timeout_s)

    def meets_server(self, *, timeout_s: float) -> bool:
        """Whether a server is at the end of the connection; see `Connection`."""
        return self._first_answer(
            lambda connection, _token, left_s: connection.meets_server(timeout_s=left_s),
            timeout_s=timeout_s,
        )

    def changed(
        self, creates: Sequence[Json], *, timeout_s: float, lasts_s: float, gather_s: float
    ) -> list[Json] | None:
        """Watch until something happens, and return the events; None: time was up.

        ``creates`` are etcd's WatchCreateRequests. No event stands for a watch that cannot go on
        because its start was compacted away: read again. If nothing happens, the next call for the
        same keys goes on with it, for ``lasts_s`` at the most: a server that was stopped is silent.
        ``gather_s``: for how long to wait for what happened together with the first.
        """
        deadline_s = time.monotonic() + timeout_s
        opened: list[WatchStream] = []
        keys = [create["key"] for create in creates]

        def begin(connection: Connection, token: str, left_s: float) -> list[Json] | None:
            until_s = time.monotonic() + left_s
            stream = connection.watch(creates, token=token, timeout_s=left_s)
            opened.append(stream)
            message = stream.next(timeout_s=until_s - time.monotonic())
            if message is None:
                # A stopped member accepts connections, and is silent for ever.
                raise LinkError("the watch was not confirmed in time", sent=True)
            return _events(message)

        kept, self._kept = self._kept, None
        try:
            if kept is not None:
                opened.append(kept.stream)
            if kept is None or kept.keys != keys or time.monotonic() >= kept.until_s:
                kept, until_s = None, time.monotonic() + lasts_s
                events = self._first_answer(begin, timeout_s=timeout_s)
            else:
                events, until_s = None, kept.until_s
            while events is None:
                message = opened[-1].next(timeout_s=deadline_s - time.monotonic())
                if message is None:
                    if opened[-1].stays_open:
                        self._kept = _Kept(opened.pop(), keys, until_s)
                    return None
                events = _events(message)
            if events and gather_s and (more := opened[-1].next(timeout_s=gather_s)) is not None:
                events += _events(more) or ()
            return events
        except LinkError as e:
            self.close()
            raise UnreachableError(f"the watch on etcd at {self._connected_to} broke: {e}") from e
        except StatusError as e:
            raise translate(e, endpoint=self._connected_to, user=self._user) from e
        finally:
            for stream in opened:
                stream.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _first_answer(self, put: Callable[[Connection, str, float], _T], *, timeout_s: float) -> _T:
        return self._endpoints.first_answer(
            lambda endpoint, share_s: self._ask(endpoint, put, until_s=time.monotonic() + share_s),
            timeout_s=timeout_s,
        )

    def _ask(
        self, endpoint: str, put: Callable[[Connection, str, float], _T], *, until_s: float
    ) -> _T:
        """Ask one endpoint; log in, log in again, and redial an old connection once if need be."""
        reused = self._connection is not None and self._connected_to == endpoint
        fresh_login = False
        while True:
            connection = self._connect(endpoint)
            try:
                if self._token is None:
                    fresh_login = True
                    self._token = self._log_in(connection, until_s - time.monotonic())
                return put(connection, self._token, until_s - time.monotonic())
            except LinkError as e:
                self.close()
                # A kept-alive connection may have been closed by the server while it was idle.
                if reused and not e.timed_out:
                    reused = False
                    continue
                raise UnreachableError(f"etcd at {endpoint}: {e}") from e
            except EndpointRefusedError:
                self.close()
                raise
            except StatusError as e:
                # "Denied" may also be what a watch with an expired token is told.
                if self._user and not fresh_login and (e.wants_login or e.denied):
                    self._token = None
                    continue
                raise translate(e, endpoint=endpoint, user=self._user) from e

    def _connect(self, endpoint: str) -> Connection:
        if self._connection is None or self._connected_to != endpoint:
            self.close()
            self._connection, self._connected_to = self._dial(endpoint), endpoint
        return self._connection

    def _log_in(self, connection: Connection, timeout_s: float) -> str:
        body = {"name": self._user, "password": self._password}
        try:
            answer = connection.call(_LOGIN, body, token="", timeout_s=timeout_s)
        except StatusError as e:
            if "authentication is not enabled" in e.message:
                return ""  # As etcd's own clients do: the password is not needed yet.
            raise
        login = answer.get("token", "")
        # It goes into a header, where a line break would begin another.
        if not isinstance(login, str) or not login.isascii() or (login and not login.isprintable()):
            raise LinkError("what answered the log-in is not etcd", sent=True)
        return login


def _events(message: Json) -> list[Json] | None:
    """Read a WatchResponse; None: nothing has happened.

    A denied watch says "created" and "canceled" in one breath.
    """
    if message.get("compact_revision", "0") not in ("0", 0):
        return []
    if message.get("canceled"):
        raise StatusError(0, str(message.get("cancel_reason", "the watch was canceled")))
    events = message.get("events")
    return events if isinstance(events, list) and events else None
