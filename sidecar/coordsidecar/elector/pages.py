"""What the status server shows: who leads, since when, and why, for probes, load balancers,
Prometheus and people.

==============  ==================================================================================
``/``           JSON. ``name`` is the leader, as Kubernetes' old leader-elector sidecar told it
``/leader``     200 while this instance leads, else 503: what a load balancer asks
``/standby``    200 while it stands by, else 503
``/healthz``    200 while guard and elector both work, 503 if one has not stepped for a while; JSON
``/v1/status``  JSON: all that there is to say; its keys stay as long as ``version`` does
``/v1/events``  the same JSON at once, and again at each change (`coordsidecar.elector.events`)
``/v1/history`` JSON: who led last, and why each term ended (`coordsidecar.elector.past`)
``/metrics``    for Prometheus
==============  ==================================================================================
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from coordsidecar.core.election.moves import Event, Ordered
from coordsidecar.core.election.phases import Elector
from coordsidecar.elector import metrics, shown
from coordsidecar.elector.as_operator import AsOperator
from coordsidecar.elector.counts import Counts
from coordsidecar.elector.curbing import Curbing
from coordsidecar.elector.events import News, feed
from coordsidecar.elector.listening import Listening
from coordsidecar.elector.mailbox import Mailbox
from coordsidecar.elector.ordering import Ordering
from coordsidecar.elector.past import Past
from coordsidecar.elector.posted import Doorkeeper
from coordsidecar.elector.status import Answer, Pages, Stream, serve
from coordsidecar.log import Log
from coordsidecar.settings import serving
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs
from coordsidecar.store import registry as stores
from coordsidecar.trees.process import is_stopped
from coordsidecar.utc import utc

__all__ = ["Served", "in_full", "pages", "serve_pages"]

_Shown = Callable[[], dict[str, Any]]


class Served:
    """What the elector is to tell of what it does, and to tidy up in the end."""

    def __init__(self, counts: Counts, news: News, listening: Listening) -> None:
        self.heard = counts.heard
        self._counts, self._news = counts, news
        self.tidy_up = listening.tidy_up

    def stepped(self, event: Event, was: Elector, state: Elector) -> None:
        """As `Counts.stepped`."""
        self._counts.stepped(event, was, state)
        self._news.stepped(was, state)


def serve_pages(
    settings: Settings,
    signs: Signs,
    log: Log,
    inbox: Mailbox[Event],
    *,
    guard_pid: int,
    now: Callable[[], tuple[Elector, float]],
) -> Served:
    """Show others, from threads of their own, the elector whose state ``now`` returns, and since
    when it has its token. What they order is put into ``inbox``.

    Raises `OSError` where it cannot listen, and `RuntimeError` if it gets no thread: a sentence.
    """
    assert settings.http is not None
    counts, news = Counts(signs, settings.timing), News()
    store = stores.public_url(settings.store)

    def snapshot() -> dict[str, Any]:
        state, since_unix_s = now()
        return shown.snapshot(settings, state, since_unix_s=since_unix_s)

    def health() -> dict[str, Any]:
        state, _ = now()
        return shown.health(
            state,
            settings.timing,
            guard_stepped_s=signs.guard_stepped_s,
            guard_is_stopped=is_stopped(guard_pid),
        )

    names = {socket.gethostname()} | (
        {settings.http[0]} if isinstance(settings.http, tuple) else set()
    )
    doorkeeper = Doorkeeper(settings.http_token_file, names, log)

    def all_of_it() -> dict[str, Any]:
        return in_full(snapshot(), health(), store=store)

    there = AsOperator(settings)
    ordering = Ordering(all_of_it, lambda order: inbox.put(Ordered(order)), doorkeeper)
    orders = {**ordering.orders(), **Curbing(all_of_it, there.curb, doorkeeper).orders()}
    history = Past(settings.election.prefix, there.board)
    shows = {**pages(snapshot, health, counts, news, store=store), "/v1/history": history.page}
    try:
        listening = Listening(settings.http)
        try:
            serve(listening.socket, shows, orders)
        except BaseException:
            listening.close()
            raise
    except (OSError, RuntimeError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise RuntimeError(f"--http {serving.shown(settings.http)}: {what}") from error
    return Served(counts, news, listening)


def pages(snapshot: _Shown, health: _Shown, counts: Counts, news: News, *, store: str) -> Pages:
    """``snapshot``: its ``role`` decides what ``/leader`` and ``/standby`` answer; ``health``: its
    ``healthy`` decides ``/healthz``. ``store``: its URL, without secrets."""

    def healthz() -> Answer:
        found = health()
        return Answer.of_json(found, status=200 if found.get("healthy") is True else 503)

    def all_of_it() -> dict[str, Any]:
        return in_full(snapshot(), health(), store=store)

    def measured() -> Answer:
        text = metrics.metrics(snapshot(), health(), counts, store=store)
        return Answer(200, metrics.CONTENT_TYPE, text.encode("utf-8", "backslashreplace"))

    return {
        "/": lambda: Answer.of_json(snapshot()),
        "/leader": lambda: _yes_or_no(snapshot(), "leader", b"not the leader\n"),
        "/standby": lambda: _yes_or_no(snapshot(), "standby", b"not standing by\n"),
        "/healthz": healthz,
        "/v1/status": lambda: Answer.of_json(all_of_it()),
        "/v1/events": lambda: Stream(
            "text/event-stream", lambda connection: feed(connection, news, all_of_it)
        ),
        "/metrics": measured,
    }


def in_full(snapshot: dict[str, Any], health: dict[str, Any], *, store: str) -> dict[str, Any]:
    """As ``/v1/status`` shows it."""
    since = utc(snapshot["since_unix_s"])
    return {"version": 1} | snapshot | {"since": since} | health | {"store": store}


def _yes_or_no(snapshot: dict[str, Any], role: str, no: bytes) -> Answer:
    if snapshot.get("role") == role:
        return Answer(200, "text/plain", f"{role}\n".encode())
    return Answer(503, "text/plain", no)
