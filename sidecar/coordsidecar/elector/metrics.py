"""The text that Prometheus reads (format 0.0.4), written by hand: it is lines.

All is computed when it is asked for. The names are stable; docs/operations.md explains them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from coordsidecar import __version__
from coordsidecar.elector.counts import BOUNDS_S, Counts
from coordsidecar.linux import boottime_s
from coordsidecar.log import one_line

__all__ = ["CONTENT_TYPE", "metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(
    snapshot: Mapping[str, Any], health: Mapping[str, Any], counts: Counts, *, store: str
) -> str:
    """``snapshot``, ``health``: as `coordsidecar.elector.shown` makes them. ``store``: its URL,
    without secrets."""
    families = (
        *_of_the_lead(snapshot, counts),
        *_of_the_store(counts),
        *_of_the_processes(health, counts),
        _family(
            "info",
            "gauge",
            "Who this is; always 1.",
            {
                _labels(
                    version=__version__,
                    id=str(snapshot["id"]),
                    election=str(snapshot["election"]),
                    store=store,
                ): 1
            },
        ),
    )
    return "".join(families)


def _of_the_lead(snapshot: Mapping[str, Any], counts: Counts) -> tuple[str, ...]:
    return (
        _gauge("leader", "1 while this instance leads, else 0.", snapshot["role"] == "leader"),
        _gauge(
            "token",
            "The token under which this instance leads, or is about to or still ends its job; "
            "0 if there is none.",
            snapshot["token"] or 0,
        ),
        _gauge(
            "paused",
            "1 while nobody new may take over, as far as this instance has heard.",
            snapshot["paused"] is not None,
        ),
        _gauge(
            "cordoned",
            "1 while this instance may not lead, as far as it has heard.",
            snapshot["cordoned"],
        ),
        _gauge(
            "healthy",
            "1 if this instance is well by its health check, 0 if it is sick; absent while nobody "
            "knows.",
            {"well": 1, "sick": 0}.get(str(snapshot["health"])),
        ),
        _gauge(
            "deadline_left_seconds",
            "How long the job may run on without another renewal; absent while not leading.",
            snapshot["deadline_left_s"],
        ),
        _family(
            "transitions_total",
            "counter",
            "How often this instance came to lead (elected), or ceased to, and why.",
            {_labels(reason=reason): count for reason, count in counts.transitions.items()},
        ),
        _gauge(
            "takeover_seconds",
            "The last time that this instance came to lead: from the store's word that nobody else "
            "does until the guard was told to start the job; absent before.",
            counts.takeover_s,
        ),
    )


def _of_the_store(counts: Counts) -> tuple[str, ...]:
    heard_s = counts.store_heard_s
    return (
        _renewals(counts),
        _counter(
            "renewal_failures_total", "Renewals that brought no yes.", counts.renewal_failures
        ),
        _gauge(
            "store_heard_seconds",
            "How long ago the store last answered; absent before the first time.",
            None if heard_s is None else max(boottime_s() - heard_s, 0.0),
        ),
    )


def _of_the_processes(health: Mapping[str, Any], counts: Counts) -> tuple[str, ...]:
    signs = counts.signs
    return (
        _gauge("guard_age_seconds", "How long ago the guard last stepped.", health["guard_age_s"]),
        _gauge(
            "elector_age_seconds", "How long ago the elector last stepped.", health["elector_age_s"]
        ),
        _counter("elector_restarts_total", "Electors that were replaced.", signs.elector_restarts),
        _counter(
            "job_starts_total",
            "How often the job, or the standby command, was started.",
            signs.job_starts,
        ),
    )


def _renewals(counts: Counts) -> str:
    """Prometheus wants each bucket to count all that took no longer than its bound."""
    buckets, sum_s = counts.renewals
    bounds = [*map(_number, BOUNDS_S), "+Inf"]
    up_to = list(accumulate(buckets))
    samples = {
        f"_bucket{_labels(le=bound)}": count for bound, count in zip(bounds, up_to, strict=True)
    }
    help_text = "How long successful renewals took, from when they were sent."
    totals = {"_sum": sum_s, "_count": up_to[-1]}
    return _family("renewal_seconds", "histogram", help_text, samples | totals)


def _gauge(name: str, help_text: str, value: float | None) -> str:
    return "" if value is None else _family(name, "gauge", help_text, {"": value})


def _counter(name: str, help_text: str, value: int) -> str:
    return _family(name, "counter", help_text, {"": value})


def _family(name: str, kind: str, help_text: str, samples: Mapping[str, float]) -> str:
    """``samples``: values by what follows the name."""
    name = f"coordsidecar_{name}"
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{rest} {_number(value)}" for rest, value in samples.items()]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    """A token has more digits than a float."""
    return str(int(value)) if isinstance(value, int) else repr(value)


def _labels(**values: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items()) + "}"


def _escaped(value: str) -> str:
    """As the format demands. What would move a cursor, or is no Unicode, is shown as elsewhere."""
    printable = "\n".join(map(one_line, value.split("\n")))
    return printable.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
