"""How often a job is started again where it was, and what then."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.company import because
from coordsidecar.core.guard.moves import Plan
from coordsidecar.core.guard.phases import Guard, Quit, Rejoin, Rerun
from coordsidecar.value import replace

__all__ = ["after_end", "once_more"]

_FIRST_S = 0.1


def after_end(
    guard: Guard, exit_code: int, lease: msg.Leased | None, now_s: float, plan: Plan
) -> tuple[Guard, Quit | Rerun | Rejoin]:
    """What `--restart` says about a job that ended by itself."""
    why = f"the job ended; exit code {exit_code}"
    if plan.restart == "never" or (plan.restart == "on-failure" and exit_code == 0):
        return because(guard, why), Quit()
    return once_more(guard, why, lease, now_s, plan)


def once_more(
    guard: Guard, why: str, lease: msg.Leased | None, now_s: float, plan: Plan
) -> tuple[Guard, Rerun | Rejoin]:
    """Each later than the one before; after too many another gets its turn, if we led."""
    since_s = now_s - plan.max_restarts_window_s
    recent = tuple(at_s for at_s in guard.restarts_s if at_s > since_s)
    if len(recent) >= plan.max_restarts:
        guard = replace(because(guard, why) if lease else guard, restarts_s=())
        rest_s = plan.max_restarts_window_s
        return guard, Rejoin(rest_s) if lease else Rerun(rest_s)
    guard = replace(guard, restarts_s=(*recent, now_s))
    return guard, Rerun(_FIRST_S * 2 ** min(len(recent), 10))
