"""What the guard makes of a verdict on its job's health: only a job that runs can be sick.

A sick job is stopped in order, under the deadlines that it has anyway; no verdict moves one. It is
not kept, whatever `--while-standby` says: neither can it be trusted to stand by, nor is it any use.
"""

from __future__ import annotations

from coordsidecar.core.guard import restarting, rules
from coordsidecar.core.guard.moves import Effect, Health, Plan, Report, StopTree
from coordsidecar.core.guard.phases import Guard, Rejoin, Rerun, Running, Stopping

__all__ = ["judged"]

Step = tuple[Guard, list[Effect]]


def judged(guard: Guard, verdict: Health, now_s: float, plan: Plan) -> Step:
    """On another job than the one that runs now, or where none does any more: nothing."""
    phase = guard.phase
    if not isinstance(phase, Running) or verdict.run != guard.runs:
        return guard, []
    lease = phase.lease
    if verdict.healthy:
        return guard, [Report("healthy", verdict.why, lease.token)]
    why = f"the job is unhealthy: {verdict.why}"
    # Or the same one would be elected, again and again, while another stands by.
    after: Rerun | Rejoin = Rejoin(plan.gate_rest_s)
    if plan.unhealthy == "restart":
        guard, after = restarting.once_more(guard, why, lease, now_s, plan)
    stopping = Stopping(lease, now_s + plan.stop_timeout_s, after)
    if isinstance(after, Rejoin):
        return rules.stop(guard, lease, stopping, plan.stop_signal, "unhealthy", why, now_s, plan)
    report = rules.transition("unhealthy", f"{why}; it is stopped, and starts again", lease, now_s)
    show = rules.show("stopping", lease, guard)
    return guard.to(stopping), [show, StopTree(plan.stop_signal), report]
