"""What the status server shows: who leads, since when, and why, for probes, load balancers,
Prometheus and people.

=============  ===================================================================================
``/``          JSON. ``name`` is the leader, as Kubernetes' old leader-elector sidecar told it
``/leader``    200 while this instance leads, else 503: what a load balancer asks
``/standby``   200 while it stands by, else 503
``/healthz``   200 while guard and elector both work, 503 if one has not stepped for a while; JSON
``/v1/status`` JSON: all that there is to say; its keys stay as long as ``version`` does
``/metrics``   for Prometheus
=============  ===================================================================================
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from coordsidecar.core.election.phases import Elector
from coordsidecar.elector import metrics, shown
from coordsidecar.elector.counts import Counts
from coordsidecar.elector.status import Answer, Pages, serve
from coordsidecar.log import json_safe
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs
from coordsidecar.store import registry as stores
from coordsidecar.trees.process import is_stopped

__all__ = ["pages", "serve_pages"]

_Shown = Callable[[], dict[str, Any]]


def serve_pages(
    settings: Settings,
    signs: Signs,
    *,
    guard_pid: int,
    now: Callable[[], tuple[Elector, float]],
) -> Counts:
    """Show others, from threads of their own, the elector whose state ``now`` returns, and since
    when it has its token. The elector is to tell what is returned what it does.

    Raises as `status.serve` does.
    """
    assert settings.http is not None
    counts = Counts(signs, settings.timing)

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

    store = stores.public_url(settings.store)
    serve(*settings.http, pages(snapshot, health, counts, store=store))
    return counts


def pages(snapshot: _Shown, health: _Shown, counts: Counts, *, store: str) -> Pages:
    """``snapshot``: its ``role`` decides what ``/leader`` and ``/standby`` answer; ``health``: its
    ``healthy`` decides ``/healthz``. ``store``: its URL, without secrets."""

    def healthz() -> Answer:
        found = health()
        return _json(found, status=200 if found.get("healthy") is True else 503)

    def in_full() -> Answer:
        return _json({"version": 1} | _in_full(snapshot(), health()) | {"store": store})

    def measured() -> Answer:
        text = metrics.metrics(snapshot(), health(), counts, store=store)
        return Answer(200, metrics.CONTENT_TYPE, text.encode("utf-8", "backslashreplace"))

    return {
        "/": lambda: _json(snapshot()),
        "/leader": lambda: _yes_or_no(snapshot(), "leader", b"not the leader\n"),
        "/standby": lambda: _yes_or_no(snapshot(), "standby", b"not standing by\n"),
        "/healthz": healthz,
        "/v1/status": in_full,
        "/metrics": measured,
    }


def _in_full(snapshot: dict[str, Any], health: dict[str, Any]) -> dict[str, Any]:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(snapshot["since_unix_s"]))
    return snapshot | {"since": since} | health


def _yes_or_no(snapshot: dict[str, Any], role: str, no: bytes) -> Answer:
    if snapshot.get("role") == role:
        return Answer(200, "text/plain", f"{role}\n".encode())
    return Answer(503, "text/plain", no)


def _json(shows: dict[str, Any], *, status: int = 200) -> Answer:
    text = json.dumps(json_safe(shows), ensure_ascii=False)
    body = text.encode("utf-8", "backslashreplace") + b"\n"
    return Answer(status, "application/json", body)
