"""Cores that take a verdict on a job's health for more than it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core import messages as msg
from coordsidecar.core.election import making_way
from coordsidecar.core.guard import health, rules
from coordsidecar.core.guard.company import release_effects
from coordsidecar.core.guard.phases import Running, lease_of
from coordsidecar.value import replace
from tests.sim.breaking import both, patched

__all__ = [
    "a_late_verdict_is_believed",
    "a_lead_that_comes_late_is_taken_by_the_sick",
    "a_sick_job_is_not_waited_for",
    "the_sick_stand",
]


def a_sick_job_is_not_waited_for() -> AbstractContextManager[None]:
    """S4: the lead is given up when a sick job has only been told to stop."""

    def make(judged: Any) -> Any:
        def hasty(guard: Any, *rest: Any) -> Any:
            lease = lease_of(guard.phase)
            guard, effects = judged(guard, *rest)
            if effects and lease and not isinstance(guard.phase, Running):
                effects = [*effects, *release_effects(guard, lease.token, 0.0, leave=False)]
            return guard, effects

        return hasty

    return patched(health, "judged", make)


def a_late_verdict_is_believed() -> AbstractContextManager[None]:
    """A verdict on an earlier job is taken for one on the job that runs now."""

    def make(judged: Any) -> Any:
        def hasty(guard: Any, verdict: Any, *rest: Any) -> Any:
            return judged(guard, replace(verdict, run=guard.runs), *rest)

        return hasty

    return patched(health, "judged", make)


def the_sick_stand() -> AbstractContextManager[None]:
    """Who is sick keeps its place in the queue."""
    return patched(making_way, "_must_not_stand", lambda _: lambda _elector: False)


def a_lead_that_comes_late_is_taken_by_the_sick() -> AbstractContextManager[None]:
    """A lead is taken that was on its way when the elector heard that we do not stand."""

    def make(rule: Any) -> Any:
        def hasty(guard: Any, *rest: Any, **more: Any) -> Any:
            condition = guard.condition
            guard, effects = rule(replace(guard, condition=msg.UNKNOWN), *rest, **more)
            return replace(guard, condition=condition), effects

        return hasty

    return both(patched(rules, "begin_leading", make), patched(rules, "over", make))
