"""What the guard makes of a verdict on its job's health, or on its own while it does not lead.

A sick job is stopped in order, under the deadlines that it has anyway; no verdict moves one. It is
not kept, whatever `--while-standby` says: neither can it be trusted to stand by, nor is it any use.

What is known is told to the elector, and to each that follows it: with `--health-when always`, who
is sick is no candidate, nor who was not looked at yet; but who cannot be looked at is one.
"""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import restarting, rules
from coordsidecar.core.guard.moves import Effect, Health, Plan, Report, StopTree, Tell
from coordsidecar.core.guard.phases import Guard, Rejoin, Rerun, Running, Stopping
from coordsidecar.value import replace

__all__ = ["again", "judged"]

Step = tuple[Guard, list[Effect]]

_WORDS = {True: "well", False: "sick", None: "unknown"}


def judged(guard: Guard, verdict: Health, now_s: float, plan: Plan) -> Step:
    """On another job than the one that runs now, or where none does any more: nothing."""
    phase = guard.phase
    if verdict.run != (guard.runs if isinstance(phase, Running) else 0):
        return guard, []
    stood = guard.condition.stands
    guard, told = _noted(guard, verdict, plan)
    match phase:
        case Running(lease) if verdict.healthy is False:
            guard, effects = _end_sick_job(guard, lease, verdict, now_s, plan)
            return guard, [*told, *effects]
        case Running(lease) if verdict.healthy:
            return guard, [*told, Report("healthy", verdict.why, lease.token)]
        case _ if told and verdict.healthy is not None:
            return guard, [*told, _of_standby(verdict, stood=stood)]
        case _:
            return guard, told


def _of_standby(verdict: Health, *, stood: bool) -> Report:
    if verdict.healthy:
        return Report("healthy", verdict.why + ("" if stood else "; standing for election"))
    return Report("unhealthy", f"{verdict.why}; not standing until that is over")


def again(guard: Guard, plan: Plan) -> list[Effect]:
    """For an elector that has just begun."""
    begins = msg.NOT_LOOKED_AT if plan.only_well_stand else msg.UNKNOWN
    return [] if guard.condition == begins else [Tell(guard.condition)]


def _noted(guard: Guard, verdict: Health, plan: Plan) -> Step:
    stands = verdict.healthy is not False or not plan.only_well_stand
    condition = msg.Condition(_WORDS[verdict.healthy], verdict.why, stands)
    known = guard.condition
    if (condition.health, condition.stands) == (known.health, known.stands):
        return guard, []
    return replace(guard, condition=condition), [Tell(condition)]


def _end_sick_job(
    guard: Guard, lease: msg.Leased, verdict: Health, now_s: float, plan: Plan
) -> Step:
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
