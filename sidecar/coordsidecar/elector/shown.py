"""What the status page shows of an elector and its guard."""

from __future__ import annotations

import json
import math
import os
import socket
import time

from coordsidecar import __version__
from coordsidecar.core.election.phases import Claiming, Elector, Leading, Resting, token_of
from coordsidecar.core.timing import Timing
from coordsidecar.hints import Any
from coordsidecar.linux import boottime_s
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs
from coordsidecar.store import registry as stores
from coordsidecar.utc import utc

__all__ = ["entry", "health", "leads_by", "record", "snapshot", "where"]

_REASONS = {
    "Opening": "connecting to the store",
    "Adopting": "taking over from an elector that died",
    "Joining": "joining the election",
    "Waiting": "somebody else leads",
    Claiming.__name__: "elected; the takeover delay is not over",
    "Leading": "elected",
    "Losing": "leadership is lost; the job is being stopped",
    "Killing": "the guard is dead or frozen; ending its job",
    "Resigning": "resigning",
    "Resting": "resting before the next campaign",
}


def snapshot(settings: Settings, state: Elector, *, since_unix_s: float) -> dict[str, Any]:
    """Who leads, and what we make of it. ``since_unix_s``: when our token last changed.

    ``name`` is the leader as well: clients of Kubernetes' old leader-elector sidecar read that, and
    "" while nobody is known to lead.
    """
    leads = isinstance(state.phase, Leading)
    left_s = state.lease_until_s(settings.timing) - boottime_s()
    leader = settings.id if leads else state.following
    reason, condition = _REASONS.get(type(state.phase).__name__, ""), state.condition
    if isinstance(state.phase, Resting) and not condition.stands:
        reason = f"unhealthy, so it does not stand: {condition.why}"
    elif isinstance(state.phase, Claiming) and state.phase.barred:
        reason = f"elected, but {state.phase.barred}; the job waits for that to be over"
    elif (
        isinstance(state.phase, Claiming) and (waits_s := state.phase.start_at_s - boottime_s()) > 0
    ):
        reason += f"; the job waits until {utc(time.time() + waits_s)}"
    return {
        "name": leader,
        "role": "leader" if leads else "standby",
        "token": token_of(state.phase),
        "leader": leader or None,
        "election": settings.election.prefix,
        "id": settings.id,
        "since_unix_s": since_unix_s,
        "deadline_left_s": left_s if leads and math.isfinite(left_s) else None,
        "reason": reason,
        "paused": state.curbs.pause.why if state.curbs.pause else None,
        "cordoned": state.curbs.cordon_of(settings.id) is not None,
        "health": condition.health if settings.health is not None else None,
        "health_why": condition.why or None,
    }


def leads_by(state: Elector) -> int | None:
    """The token under which we lead; None: we do not, or not any more."""
    return token_of(state.phase) if isinstance(state.phase, Leading) else None


def health(
    state: Elector, timing: Timing, *, guard_stepped_s: float, guard_is_stopped: bool
) -> dict[str, Any]:
    """Whether guard and elector both work: each has taken a step not long ago.

    Each steps at least as often as we renew. An outage of the store is no fault of ours.
    """
    now_s, most_age_s = boottime_s(), timing.healthy_age_s
    guard_age_s = now_s - max(guard_stepped_s, state.started_at_s)  # It may be about to start.
    elector_age_s = now_s - state.last_step_s
    return {
        "healthy": max(guard_age_s, elector_age_s) <= most_age_s and not guard_is_stopped,
        "guard_age_s": guard_age_s,
        "guard_is_stopped": guard_is_stopped,
        "elector_age_s": elector_age_s,
        "most_age_s": most_age_s,
    }


def record(settings: Settings) -> str:
    """What others are shown of us in the store."""
    told = {
        "id": settings.id,
        "host": socket.gethostname(),
        "pid": os.getppid(),
        "since": utc(),
        "version": __version__,
    }
    if settings.http is not None:
        from coordsidecar.settings import serving  # Late: it was loaded to read that.

        told["http"] = serving.shown(settings.http)
    if settings.priority:
        told["priority"] = settings.priority
    return json.dumps(told)


def entry(
    settings: Settings, record: str, state: Elector, signs: Signs, *, since_unix_s: float
) -> str:
    """What others are shown of us in the roster: ``record``, and what we do."""
    told = snapshot(settings, state, since_unix_s=since_unix_s)
    job, pid = signs.job
    entry: dict[str, Any] = json.loads(record)
    role = "resting" if isinstance(state.phase, Resting) else told["role"]
    entry |= {"role": role, "token": told["token"], "role_since": utc(since_unix_s)}
    entry["said_at"] = utc()
    entry |= {"job": {"state": job, "pid": pid or None}, "reason": told["reason"]}
    if told["health"] is not None:
        entry["health"] = told["health"]
    if settings.label:
        entry["labels"] = dict(settings.label)
    return json.dumps(entry)


def where(settings: Settings) -> str:
    """Which store it is, for the log."""
    where = stores.public_url(settings.store)
    if settings.name_was_derived:
        where += "; the election is named after the command, --name sets another"
    return where
