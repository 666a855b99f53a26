"""Cores that take a hook in the job's place for less than a job."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core.guard import hooks as guard_hooks
from coordsidecar.core.guard.company import release_effects
from coordsidecar.core.guard.moves import KillTree
from coordsidecar.core.guard.phases import Hook, Lead, Running
from coordsidecar.core.guard.rules import run_again
from tests.sim.breaking import patched

__all__ = ["a_hook_is_not_waited_for", "a_job_starts_beside_what_its_gate_left"]


def a_hook_is_not_waited_for() -> AbstractContextManager[None]:
    """S4: the lead is given up as soon as the job's tree is gone, whatever still cleans up."""

    def make(clear: Any) -> Any:
        def hasty(guard: Any, lease: Any, *rest: Any, **more: Any) -> Any:
            guard, effects = clear(guard, lease, *rest, **more)
            return guard, [*effects, *release_effects(guard, lease.token, 0.0, leave=False)]

        return hasty

    return patched(guard_hooks, "clear", make)


def a_job_starts_beside_what_its_gate_left() -> AbstractContextManager[None]:
    """S4: the main process of a gate is taken for all of it."""

    def make(kill_rest: Any) -> Any:
        def hasty(guard: Any, hook: Hook, now_s: float) -> Any:
            if hook.name == "pre-start" and isinstance(hook.after, Lead):
                guard, effects = run_again(guard, hook.lease, _NOTHING_TO_CLEAR)
                assert isinstance(guard.phase, Running)
                return guard, [e for e in effects if not isinstance(e, KillTree)]
            return kill_rest(guard, hook, now_s)

        return hasty

    return patched(guard_hooks, "_kill_rest", make)


class _Plan:
    has_post_stop = False


_NOTHING_TO_CLEAR: Any = _Plan()
