"""What the guard makes of an operator's order: a hand-over such as a stop brings, but we stay."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import rules
from coordsidecar.core.guard.moves import Effect, Plan, StopTree, Tell
from coordsidecar.core.guard.phases import (
    Backoff,
    Guard,
    Lead,
    Rejoin,
    Rerun,
    Running,
    Stopping,
    lease_of,
)
from coordsidecar.duration import format_duration
from coordsidecar.value import replace

__all__ = ["step_down"]

Step = tuple[Guard, list[Effect]]


def step_down(guard: Guard, order: msg.StepDown, now_s: float, plan: Plan) -> Step:
    """Hand over. Of another term, or where the lead is on its way out already: nothing."""
    lease = lease_of(guard.phase)
    if lease is None or lease.token != order.token:
        return guard, []
    kill_at_s = now_s + plan.stop_timeout_s
    after = Rejoin(order.rest_s)
    match guard.phase:
        case Running() if plan.while_standby != "stop":
            report = rules.transition("stepping-down", order.why, lease, now_s)
            return rules.give_way(guard, lease, kill_at_s, report, now_s, plan, rest_s=order.rest_s)
        case Running():
            left = format_duration(max(rules.kill_due_s(kill_at_s, lease, plan) - now_s, 0.0))
            why = f"{order.why}; SIGKILL follows in {left}"
            report = rules.transition("stepping-down", why, lease, now_s)
            guard = guard.to(Stopping(lease, kill_at_s, after))
            ending = Tell(msg.Ending(lease.token))
            show = rules.show("stopping", lease, guard)
            return guard, [show, StopTree(plan.stop_signal), ending, report]
        case Stopping(after=Lead() | Rerun()) as phase:
            return guard.to(replace(phase, after=after)), []
        case Backoff():
            guard, effects = rules.over(guard, lease, after, None, now_s, plan)
            report = rules.transition("stepping-down", order.why, lease, now_s)
            return guard, [report, *effects]
        case _:
            return guard, []
