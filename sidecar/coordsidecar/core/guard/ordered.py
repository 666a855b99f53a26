"""What the guard makes of an operator's order: a hand-over such as a stop brings, but we stay."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import rules
from coordsidecar.core.guard.company import because
from coordsidecar.core.guard.deadlines import kill_at_latest_s
from coordsidecar.core.guard.moves import Effect, Plan
from coordsidecar.core.guard.phases import (
    Backoff,
    Guard,
    Hook,
    Lead,
    Rejoin,
    Rerun,
    Running,
    Stopping,
    lease_of,
)
from coordsidecar.value import replace

__all__ = ["step_down"]

Step = tuple[Guard, list[Effect]]

_EVENT = "stepping-down"


def step_down(guard: Guard, order: msg.StepDown, now_s: float, plan: Plan) -> Step:
    """Hand over. Of another term, or where the lead is on its way out already: nothing."""
    lease = lease_of(guard.phase)
    if lease is None or lease.token != order.token:
        return guard, []
    kill_at_s = kill_at_latest_s(guard.phase, now_s, plan.stop_timeout_s)
    after = Rejoin(order.rest_s)
    match guard.phase:
        case Running() if plan.while_standby != "stop":
            report = rules.transition(_EVENT, order.why, lease, now_s)
            return rules.give_way(guard, lease, kill_at_s, report, now_s, plan, rest_s=order.rest_s)
        case Running() | Hook(name="pre-start"):
            is_hook = isinstance(guard.phase, Hook)
            stopping = Stopping(lease, kill_at_s, after, of_hook=is_hook)
            return rules.stop(
                guard, lease, stopping, plan.stop_signal, _EVENT, order.why, now_s, plan
            )
        case Stopping(after=Lead() | Rerun()) as phase:
            return because(guard, order.why).to(replace(phase, after=after)), []
        case Backoff():
            guard = because(guard, order.why)
            guard, effects = rules.over(guard, lease, after, None, now_s, plan)
            report = rules.transition(_EVENT, order.why, lease, now_s)
            return guard, [report, *effects]
        case _:
            return guard, []
