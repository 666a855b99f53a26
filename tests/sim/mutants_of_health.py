"""Cores that take a verdict on a job's health for more than it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core.guard import health
from coordsidecar.core.guard.company import release_effects
from coordsidecar.core.guard.phases import Running, lease_of
from coordsidecar.value import replace
from tests.sim.breaking import patched

__all__ = ["a_late_verdict_is_believed", "a_sick_job_is_not_waited_for"]


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
