"""A guard for tests of its core, with the times of a TTL of 15 s: D 8, grace 4, K 1, margin 2."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from unittest.mock import ANY

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import step as core
from coordsidecar.core.guard.moves import (
    Effect,
    Event,
    Plan,
    Report,
    ShowRole,
    Tell,
)
from coordsidecar.core.guard.phases import (
    Guard,
    Idle,
)
from coordsidecar.core.timing import Timing
from coordsidecar.value import replace

TIMING = Timing.for_ttl(15)
PLAN = Plan(timing=TIMING, stop_signal=signal.SIGTERM, stop_timeout_s=25.0)
LEASE = msg.Leased(token=7, step_down_at_s=108.0, run_until_s=113.0)  # Renewed at 100.
LONGER = msg.Leased(token=7, step_down_at_s=111.0, run_until_s=116.0)
ENDING = Tell(msg.Ending(7))
RELEASE = Tell(msg.TreeGone(token=7, rest_s=0.0, leave=False, why=ANY))
RELEASE_AND_LEAVE = Tell(msg.TreeGone(token=7, rest_s=0.0, leave=True, why=ANY))


def at(phase: object, now_s: float = 100.0) -> Guard:
    guard = Guard(phase=Idle(), elector_due_s=now_s, last_step_s=now_s, token_floor=7)
    return replace(guard, phase=phase)


def take(guard: Guard, event: Event, now_s: float, plan: Plan = PLAN) -> tuple[Guard, list[Effect]]:
    """One step of a guard that was awake all the while; less what is only for people."""
    guard, effects = take_aloud(guard, event, now_s, plan)
    return guard, essential(effects)


def take_aloud(
    guard: Guard, event: Event, now_s: float, plan: Plan = PLAN
) -> tuple[Guard, list[Effect]]:
    """The same, with what it tells people: the log and the role file."""
    guard = replace(guard, last_step_s=now_s - 0.1, elector_due_s=now_s - 0.1)
    return core.step(guard, event, now_s, plan)


def essential(effects: Iterable[Effect]) -> list[Effect]:
    return [effect for effect in effects if not isinstance(effect, Report | ShowRole)]
