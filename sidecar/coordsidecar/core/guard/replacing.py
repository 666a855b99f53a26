"""The guard and its electors, one after the other: the job does not notice.

::

    starting ──its first word──▶ at work ──dead, or silent, or it does not release: killed──┐
        ▲                                                                                   │
        └───────────────── after a while, unless there is nothing left to be elected for ◀──┘
"""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import company, leaving
from coordsidecar.core.guard.moves import (
    AbandonElector,
    Effect,
    ElectorExited,
    ElectorStopped,
    Event,
    Heard,
    KillElector,
    Plan,
    Report,
    StartElector,
    Tell,
)
from coordsidecar.core.guard.phases import Guard, Leaving, Quit, Stopping, lease_of
from coordsidecar.value import replace

Step = tuple[Guard, list[Effect]]

_RESTART_FIRST_S = 0.05
_RESTART_MAX_S = 5.0
_HASTE_S = 0.1


def look_after_elector(guard: Guard, event: Event, now_s: float, plan: Plan) -> Step:
    """Notice that the elector died or went silent, and replace it."""
    match event:
        case ElectorExited():
            if isinstance(guard.phase, Leaving) and guard.unreleased is None:
                return leaving.finish(guard, guard.phase.exit_code)
            guard = _exited(guard, now_s)
        case ElectorStopped():
            guard = replace(guard, elector_due_s=min(guard.elector_due_s, now_s))
        case Heard(msg.Failed()):
            pass  # It ends, and the next may fail, too: not at once, then.
        case Heard():
            guard = _heard(guard, now_s, plan)
        case _:
            pass
    if guard.elector_start_at_s is None:
        return _kill_if_it_hangs(guard, now_s, plan)
    if now_s < guard.elector_start_at_s:
        return guard, []
    return _start(guard, now_s, plan)


def _heard(guard: Guard, now_s: float, plan: Plan) -> Guard:
    if guard.elector_new and guard.unreleased is not None:
        # Only now it can begin to release: until its first word it has `start_patience_s`.
        due_s = max(guard.release_due_s, company.release_due_s(guard, now_s, plan))
        guard = replace(guard, release_due_s=due_s)
    due_s = max(guard.elector_due_s, now_s)
    return replace(guard, elector_due_s=due_s, elector_deaths=0, elector_new=False)


def _exited(guard: Guard, now_s: float) -> Guard:
    """The next one, the later the more have died in a row."""
    # Under a lease there is no time to lose; the time that a start takes is pause enough.
    hasty = lease_of(guard.phase) is not None or isinstance(guard.phase, Leaving)
    wait_s = 0.0
    if guard.elector_deaths:
        longest_s = _HASTE_S if hasty else _RESTART_MAX_S
        wait_s = min(_RESTART_FIRST_S * 2.0 ** min(guard.elector_deaths, 10), longest_s)
    match guard.phase:
        case Stopping(lease=None, after=Quit()) if guard.unreleased is None:
            wait_s = math.inf  # We leave; there is nothing to be elected for.
        case _:
            pass
    deaths = guard.elector_deaths + 1
    return replace(
        guard,
        elector_start_at_s=now_s + wait_s,
        elector_deaths=deaths,
        elector_killed=False,
    )


def wake_s(guard: Guard, plan: Plan) -> float:
    """When to look at the elector, if there is one; or to show it that we live."""
    if guard.elector_start_at_s is not None:
        return math.inf
    return min(_look_at_s(guard, plan), guard.last_step_s + plan.timing.guard_step_every_s)


def _look_at_s(guard: Guard, plan: Plan) -> float:
    again_s = plan.timing.look_again_s
    silent_at_s = _silent_at_s(guard, plan)
    first_s = silent_at_s - again_s
    if guard.last_step_s < first_s:
        return first_s
    return max(silent_at_s, guard.woke_at_s + again_s)


def _silent_at_s(guard: Guard, plan: Plan) -> float:
    timing = plan.timing
    if guard.elector_killed:
        return guard.elector_due_s + timing.look_again_s
    patience_s = timing.start_patience_s if guard.elector_new else timing.elector_silence_s
    return guard.elector_due_s + patience_s


def _kill_if_it_hangs(guard: Guard, now_s: float, plan: Plan) -> Step:
    why = "the elector hangs; replacing it"
    if not guard.elector_new and now_s >= guard.release_due_s:
        why = "the elector does not give the lead up; replacing it"
    elif now_s < max(_silent_at_s(guard, plan), guard.woke_at_s + plan.timing.look_again_s):
        return guard, []
    # Its death will be reported as `ElectorExited`.
    killed = replace(guard, elector_due_s=now_s, release_due_s=math.inf, elector_killed=True)
    if guard.elector_killed:
        why = "the elector was killed, and does not end; going on without it"
        return killed, [AbandonElector(), Report("elector-silent", why)]
    return killed, [KillElector(), Report("elector-silent", why)]


def _start(guard: Guard, now_s: float, plan: Plan) -> Step:
    lease, seen = lease_of(guard.phase), (guard.token_floor, guard.floor_ttl_s)
    token = lease.token if lease else None
    guard = replace(guard, elector_start_at_s=None, elector_due_s=now_s, elector_new=True)
    effects: list[Effect] = [StartElector(token, lease.run_until_s if lease else 0.0, *seen)]
    rest_s = max(guard.rest_until_s - now_s, 0.0)
    if guard.unreleased is None and rest_s:
        effects.append(Tell(msg.TreeGone(guard.token_floor, rest_s, leave=False)))
    if (unreleased := guard.unreleased) is not None:
        guard = replace(guard, release_due_s=company.release_due_s(guard, now_s, plan))
        effects = [
            StartElector(unreleased, 0.0, *seen),
            *company.release_effects(
                guard, unreleased, rest_s, leave=isinstance(guard.phase, Leaving)
            ),
        ]
    return guard, [*effects, Report("elector-replaced", "started a new elector", token)]
