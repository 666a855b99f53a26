"""By when what runs must be gone (rule S2)."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import Plan
from coordsidecar.core.guard.phases import Hook, Idle, Phase, Yielding

__all__ = ["kill_at_latest_s", "kill_due_s", "must_not_run"]


def kill_due_s(kill_at_s: float, lease: msg.Leased | None, plan: Plan) -> float:
    """When SIGKILL is due: the grace is over, or the lease leaves no more."""
    if lease is None:
        return kill_at_s
    return min(kill_at_s, lease.run_until_s - plan.timing.kill_reserve_s)


def kill_at_latest_s(phase: Phase, now_s: float, grace_s: float) -> float:
    """When a grace that begins now is over; but who had to end already gains no time by it."""
    stop_by_s = now_s + grace_s
    return min(phase.kill_at_s, stop_by_s) if isinstance(phase, Yielding | Hook) else stop_by_s


def must_not_run(phase: Phase, plan: Plan) -> bool:
    """Whether the job is stopped, or about to be, because another may lead any moment now.

    No stop signal to it: to act on that it would have to run.
    """
    freezing = isinstance(phase, Yielding) and plan.while_standby == "freeze"
    return freezing or phase == Idle("frozen")
