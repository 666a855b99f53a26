"""The guard's core: owns the job's process tree, and ends it in time. Decides only; does nothing.

::

             Leased                    tree empty (and the gate is open: `hooks`)
    Idle ──────────────▶ Stopping ────────────────▶ Running ◀─┐
     ▲                   (what stood by)             │  └─────┘ Leased: extend
     │                                               │
     │                                               │ D passed, Lost, a signal, the job ended
     │   tree empty: TreeGone                        ▼
     ├◀────────────────────────────────────────── Stopping ───▶ Backoff ───▶ Running (--restart)
     │   tree frozen, or standing by                 │ │
     ├◀─────────────────── Yielding ◀────────────────┘ │
     │                                                 ▼
     └── a signal ─────────────────────────────────▶ Leaving ───▶ Done

Two things come before any event is looked at: a job past its deadline is stopped (rules S1, S2:
what was read late must not revive it), and what the guard missed while it slept, or was itself
frozen, is not blamed on the elector before another look.
"""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import (
    company,
    deadlines,
    health,
    hooks,
    leaving,
    ordered,
    replacing,
    rules,
    signals,
)
from coordsidecar.core.guard.moves import (
    Continued,
    Effect,
    ElectorExited,
    ElectorStopped,
    Event,
    Health,
    Heard,
    JobExited,
    JobNotStarted,
    KillTree,
    Plan,
    Report,
    Role,
    Signalled,
    TerminalStop,
    Tick,
    TreeEmpty,
    TreeHeld,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Done,
    Guard,
    Hook,
    Idle,
    Leaving,
    Running,
    Stopping,
    Yielding,
    lease_of,
)
from coordsidecar.hints import assert_never
from coordsidecar.value import replace

__all__ = ["begin", "next_wake_s", "step"]

Step = tuple[Guard, list[Effect]]


def begin(now_s: float, plan: Plan) -> Step:
    """The guard as it starts, beside its first elector; and the first things to do."""
    guard = Guard(phase=Idle(), elector_due_s=now_s, last_step_s=now_s)
    if not plan.only_well_stand:
        return rules.enter_idle(guard, plan)
    guard, effects = rules.enter_idle(replace(guard, condition=msg.NOT_LOOKED_AT), plan)
    why = "not standing for election before a check is passed"
    return guard, [*effects, Report("not-standing", why)]


def step(guard: Guard, event: Event, now_s: float, plan: Plan) -> Step:
    """Take one event at ``now_s``; return the new state and what to do, in this order."""
    if isinstance(guard.phase, Done):
        return guard, []
    if now_s - guard.last_step_s > plan.timing.elector_silence_s / 2:
        # We slept, or were frozen, perhaps with all of this host.
        guard = replace(guard, woke_at_s=now_s)
    guard = replace(guard, last_step_s=now_s)
    if isinstance(event, Tick) and event.elector_due_s > guard.elector_due_s:
        guard = replace(guard, elector_due_s=event.elector_due_s)
    ended = isinstance(event, JobExited | JobNotStarted)
    guard, effects = _enforce_deadlines(guard, now_s, plan, job_ended=ended)
    for rule in (replacing.look_after_elector, _take):
        guard, more = rule(guard, event, now_s, plan)
        effects += more
    return guard, effects


def next_wake_s(guard: Guard, plan: Plan) -> float:
    """When `step` must be called with a `Tick`, at the latest."""
    wakes_s = [replacing.wake_s(guard, plan)]
    if not guard.elector_new:
        wakes_s.append(guard.release_due_s)
    if guard.elector_start_at_s is not None:
        wakes_s.append(guard.elector_start_at_s)
    lease = lease_of(guard.phase)
    match guard.phase:
        case Running():
            wakes_s.append(guard.phase.lease.step_down_at_s)
        case Hook():
            wakes_s.append(deadlines.kill_due_s(guard.phase.kill_at_s, lease, plan))
            if guard.phase.name == "pre-start":
                wakes_s.append(guard.phase.lease.step_down_at_s)
        case Stopping(killing=False) | Yielding():
            wakes_s.append(deadlines.kill_due_s(guard.phase.kill_at_s, lease, plan))
        case Backoff(restart_at_s=restart_at_s):
            wakes_s.append(min(restart_at_s, lease.step_down_at_s if lease else math.inf))
        case Leaving(give_up_at_s=give_up_at_s):
            wakes_s.append(give_up_at_s)
        case _:
            pass
    return min(wakes_s)


def _enforce_deadlines(guard: Guard, now_s: float, plan: Plan, *, job_ended: bool) -> Step:
    """What time alone decides (rule S2: before any message is read)."""
    phase = guard.phase
    lease = lease_of(phase)
    match phase:
        case Running(lease) | Hook(lease, "pre-start") if now_s >= lease.step_down_at_s:
            late_s = now_s - lease.step_down_at_s
            why = "the lease could not be renewed in time"
            if late_s > plan.timing.lost_grace_s:
                why = f"this host was frozen or overloaded for {late_s:.1f}s past the deadline"
            return rules.lose(guard, lease, why, now_s, plan, job_ended=job_ended)
        case Hook() if now_s >= deadlines.kill_due_s(phase.kill_at_s, lease, plan):
            return hooks.overdue(guard, phase, now_s, plan)
        case Stopping(killing=False) if now_s >= deadlines.kill_due_s(phase.kill_at_s, lease, plan):
            report = Report(
                "killing", "the job did not stop in time", lease.token if lease else None
            )
            return guard.to(replace(phase, killing=True)), [KillTree(), report]
        case Yielding(lease) if now_s >= deadlines.kill_due_s(phase.kill_at_s, lease, plan):
            return rules.kill_instead_of_yielding(guard, phase, plan)
        case Backoff(lease=lease) if lease and now_s >= lease.step_down_at_s:
            return rules.lose(guard, lease, "the lease could not be renewed in time", now_s, plan)
        case Backoff(restart_at_s=restart_at_s) if now_s >= restart_at_s:
            return rules.run_again(guard, phase.lease, plan)
        case Leaving(exit_code, give_up_at_s) if now_s >= give_up_at_s:
            return leaving.finish(guard, exit_code)
        case _:
            return guard, []


def _take(guard: Guard, event: Event, now_s: float, plan: Plan) -> Step:
    """What the event itself asks for."""
    match event:
        case Heard(message):
            return _hear(guard, message, now_s, plan)
        case JobExited(exit_code) if isinstance(guard.phase, Hook):
            return hooks.ended(guard, exit_code, "it ended", now_s, plan)
        case JobNotStarted(exit_code, reason) if isinstance(guard.phase, Hook):
            return hooks.ended(guard, exit_code, reason, now_s, plan)
        case JobExited(exit_code):
            return rules.job_ended(guard, exit_code, now_s, plan)
        case JobNotStarted(exit_code, reason):
            return rules.job_ended(guard, exit_code, now_s, plan, why=reason)
        case TreeEmpty():
            return rules.tree_empty(guard, now_s, plan)
        case TreeHeld():
            return rules.tree_held(guard, plan)
        case Health():
            return health.judged(guard, event, now_s, plan)
        case Signalled(signum):
            return signals.signalled(guard, signum, now_s, plan)
        case TerminalStop():
            return signals.suspend(guard)
        case Continued():
            return signals.resume(guard)
        case Tick() | ElectorExited() | ElectorStopped():
            return guard, []
        case _:
            assert_never(event)


def _hear(guard: Guard, message: msg.FromElector, now_s: float, plan: Plan) -> Step:
    """A message from the elector."""
    match message:
        case msg.Leased():
            return _extend_or_begin(guard, message, now_s, plan)
        case msg.Lost(token, reason):
            lease = lease_of(guard.phase)
            if lease is None or lease.token != token:
                return guard, []
            return rules.lose(guard, lease, reason, now_s, plan)
        case msg.StepDown():
            return ordered.step_down(guard, message, now_s, plan)
        case msg.Released(token):
            if guard.unreleased == token:
                guard = replace(guard, unreleased=None, release_due_s=math.inf)
            return guard, []
        case msg.Following(leader, token, floor, floor_ttl_s):
            if floor >= guard.token_floor:
                guard = replace(guard, token_floor=floor, floor_ttl_s=floor_ttl_s)
            guard = replace(guard, leader=leader)
            # Whoever is none of ours may lead without a token.
            report = Report("standing-by", f"{leader} leads", token or None)
            if not isinstance(guard.phase, Idle):
                return guard, []
            return guard, [report, rules.show("standby", None, guard)]
        case msg.Failed(exit_code, reason):
            return leaving.give_up(guard, exit_code, reason, now_s, plan)
        case msg.Ready():
            return guard, health.again(guard, plan)  # That it has spoken at all is the news.
        case msg.Holding():
            return guard, []  # The driver keeps it, with its descriptors, for `StartElector`.
        case _:
            assert_never(message)


def _extend_or_begin(guard: Guard, offer: msg.Leased, now_s: float, plan: Plan) -> Step:
    phase, lease = guard.phase, lease_of(guard.phase)
    if lease is not None and lease.token == offer.token:
        # Deadlines only move forward; and a tree that is being stopped stays on its way out.
        longer = msg.Leased(
            offer.token,
            max(lease.step_down_at_s, offer.step_down_at_s),
            max(lease.run_until_s, offer.run_until_s),
        )
        assert isinstance(phase, Running | Hook | Stopping | Yielding | Backoff)
        guard = guard.to(replace(phase, lease=longer))
        role: Role = "leader" if isinstance(phase, Running) else "stopping"
        if isinstance(phase, Hook) and phase.name == "pre-start":
            role = "standby"
        return guard, [rules.show(role, longer, guard)]
    if lease is not None and offer.token > lease.token:
        return rules.lose(guard, lease, "the election went on without us", now_s, plan)
    if isinstance(phase, Backoff) and lease is None:
        phase = Idle()  # What stood by has failed, and nothing runs; the lead does not wait for it.
    if isinstance(phase, Idle) and offer.token > guard.token_floor:
        return rules.begin_leading(guard, phase, offer, now_s, plan)
    if isinstance(phase, Idle):
        return company.refuse_term(guard, offer)
    return guard, []  # Of a term that is over; or it is offered again, once nothing is in its way.
