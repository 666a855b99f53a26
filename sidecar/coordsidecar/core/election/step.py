"""The elector's core: campaigns, leads, resigns. Decides only; does nothing.

::

    Opening ─▶ Joining ─▶ Waiting ─▶ Claiming ─▶ Leading ──────────▶ Resigning ─▶ Resting
       ▲                     ▲  somebody   │ takeover    │ the store says   ▲  TreeGone     │
       │                     └─ before us ─┘ delay, then │ no: Losing ──────┤               │
       │                                     take office │                  │               │
       │                       the guard is dead or frozen: Killing ────────┘               │
       └────────────────────────────────────────────────────────────────────────────────────┘

One call to the store is under way at a time, and the phase says which one is wanted next
(`calls`); a watch runs beside it and is only ever a hint to look again. Silence changes
nothing but the time of the next try (rule S7); only a yes extends a deadline, from the moment its
question was sent (S1).
"""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.election import answers, calls, company, curbing, making_way, rules
from coordsidecar.core.election.moves import (
    Aims,
    Answered,
    Call,
    Effect,
    Event,
    Exit,
    GuardDied,
    GuardIs,
    HeardGuard,
    Ordered,
    Report,
    Sweep,
    Swept,
    TellGuard,
    Tick,
    TreeKilled,
    Watch,
    Watched,
)
from coordsidecar.core.election.phases import (
    Adopting,
    Claiming,
    Elector,
    Ended,
    Killing,
    Leading,
    Opening,
    Resigning,
    Resting,
    Rival,
    Waiting,
    lasting_s,
    token_of,
)
from coordsidecar.hints import assert_never
from coordsidecar.store.protocol import Behind, Held, Limits, Session
from coordsidecar.value import replace

__all__ = ["begin", "next_wake_s", "step"]

Step = tuple[Elector, list[Effect]]

# Of a job that ends at once nothing has to be found out beforehand: it would take as long.
_SOON_OVER_S = 0.001


def begin(
    now_s: float,
    aims: Aims,
    *,
    adopt: Session | None = None,
    token: int | None = None,
    run_until_s: float = -math.inf,
    floor: int = 0,
    floor_ttl_s: float = 0.0,
) -> Elector:
    """An elector as it starts: afresh, or with the session that a dead elector left behind.

    The job of ``token`` may run until ``run_until_s``, as the guard was promised.
    """
    timing, is_new = aims.timing, token is None
    rival = Rival(floor, "", Limits(floor_ttl_s) if floor_ttl_s else None)
    renewed_at_s = -math.inf
    if adopt is not None and math.isfinite(run_until_s):
        renewed_at_s = run_until_s + aims.timing.margin_s - lasting_s(adopt, aims.timing)
    return Elector(
        phase=Opening() if adopt is None else Adopting(token),
        session=adopt,
        renewed_at_s=renewed_at_s,
        connected=adopt is not None,
        started_at_s=now_s,
        last_step_s=now_s,
        guard_due_s=now_s + aims.timing.look_at_guard_s,
        guard_alive_s=now_s,
        guard_lost_s=now_s + (timing.start_patience_s if is_new else timing.guard_patience_s),
        guard_new=is_new,
        floor=floor,
        rival=rival if floor > (token or 0) else None,
        forgotten_until_s=adopt.doubted_until_s if adopt is not None else -math.inf,
        condition=msg.NOT_LOOKED_AT if aims.only_well_stand else msg.UNKNOWN,
    )


def step(elector: Elector, event: Event, now_s: float, aims: Aims) -> Step:
    """Take one event at ``now_s``; return the new state and what to do, in this order."""
    timing = aims.timing
    if now_s - elector.last_step_s > timing.elector_step_every_s + timing.look_again_s:
        # We were not running ourselves: the guard's silence proves nothing.
        elector = company.not_stopped(elector, now_s, aims)
        lost_s = max(elector.guard_lost_s, now_s + timing.guard_silence_s)
        elector = replace(elector, woke_at_s=now_s, guard_lost_s=lost_s)
    elector = replace(elector, last_step_s=now_s, step_at_s=now_s + timing.elector_step_every_s)
    # Before its silence is judged.
    if isinstance(event, HeardGuard):
        elector = company.heard_guard(elector, now_s, now_s, aims)
    elif isinstance(event, Tick) and event.guard_seen_s > -math.inf:
        elector = company.heard_guard(elector, event.guard_seen_s, event.guard_due_s, aims)
    effects: list[Effect] = []
    for rule in (
        company.enforce,
        _take,
        rules.pass_time,
        making_way.enforce,
        _end_if_call_hangs,
        _start_calls,
    ):
        elector, more = rule(elector, event, now_s, aims)
        effects += more
    return elector, effects


def next_wake_s(elector: Elector, aims: Aims) -> float:
    """When `step` must be called with a `Tick`, at the latest."""
    wakes_s = [elector.step_at_s, company.due_s(elector, aims), making_way.due_s(elector, aims)]
    wakes_s.append(_hangs_at_s(elector, aims))
    if elector.call is None:
        wakes_s += [at_s for _, at_s in calls.wanted(elector)]
    else:
        # As a rule it is answered long before. If not, whoever hangs now is not to be missed only
        # when the next renewal is due: too little of the lease would be left for a successor.
        wakes_s.append(elector.last_step_s + aims.timing.look_again_s)
    match elector.phase:
        case Resting(until_s) if elector.condition.stands:
            wakes_s.append(until_s)
        case Claiming(start_at_s=start_at_s, sweeping=False, swept=False):
            wakes_s.append(start_at_s)
        case Resigning(give_up_at_s=give_up_at_s):
            # Without a session there is nothing to give up.
            wakes_s.append(give_up_at_s if elector.session else elector.last_step_s)
        case Waiting() | Leading() if not elector.watching:
            wakes_s.append(elector.watch_at_s)
        case _:
            pass
    return min(wakes_s)


def _take(elector: Elector, event: Event, now_s: float, aims: Aims) -> Step:
    """What the event itself asks for."""
    match event:
        case Answered():
            if elector.call != event.op:
                return elector, []
            elector = replace(elector, call=None, called_at_s=math.inf)
            return answers.answered(elector, event, now_s, aims)
        case Watched():
            return _watched(replace(elector, watching=False), event, now_s, aims)
        case HeardGuard(message):
            return _hear(elector, message, now_s, aims)
        case GuardDied():
            return company.kill_tree(elector, "the guard is dead", aims)
        case GuardIs(stopped):
            return company.guard_is(elector, stopped, now_s, aims)
        case Ordered(order):
            if isinstance(elector.phase, Leading):
                token = elector.phase.held.token
                return elector, curbing.orders(elector, order, token, now_s, aims)
            return elector, []
        case TreeKilled(guard_lives):
            return company.tree_killed(elector, guard_lives, now_s, aims)
        case Swept(token):
            match elector.phase:
                case Claiming(held, sweeping=True) as phase if held.token == token:
                    elector = elector.to(replace(phase, sweeping=False, swept=True))
                case _:
                    pass  # The claim that it was for is over.
            return elector, []
        case Tick():
            return elector, []
        case _:
            assert_never(event)


def _watched(elector: Elector, event: Watched, now_s: float, aims: Aims) -> Step:
    if event.failed:
        elector = replace(elector, watch_at_s=now_s + aims.timing.renew_every_s / 4)
        if not event.refused or elector.watch_refused or elector.failures:
            return elector, []  # The calls report an outage, and what they are refused as well.
        elector = replace(elector, watch_refused=True)
        return elector, [Report("refused", event.refused, token_of(elector.phase))]
    elector = replace(elector, watch_refused=False)
    if event.appointed is not None and _is_news(elector, event.handle, event.appointed):
        return rules.appointed(elector, event.appointed, now_s, aims)
    if event.changed:
        # Look first: a watch from the same place would only fire again.
        elector = replace(elector, watch_at_s=math.inf)
        if isinstance(elector.phase, Leading):
            return replace(elector, renew_at_s=now_s), []  # With its proof.
        return replace(elector, look_at_s=now_s), []
    return replace(elector, watch_at_s=now_s), []


def _is_news(elector: Elector, handle: str, appointed: Held) -> bool:
    """Whether it came about since we last asked; and to us, who would still have it."""
    match elector.phase, elector.session:
        case Waiting(Behind(cursor=cursor)), Session():
            return handle == elector.session.handle and appointed.cursor > cursor
        case _:
            return False


def _hear(elector: Elector, message: msg.FromGuard, now_s: float, aims: Aims) -> Step:
    """A message from the guard."""
    match message:
        case msg.TreeGone():
            return company.tree_gone(elector, message, now_s, aims)
        case msg.Ending(token):
            if isinstance(elector.phase, Leading) and token_of(elector.phase) == token:
                elector = replace(elector, prepare_at_s=now_s + _SOON_OVER_S)
            return elector, []
        case msg.Leave():
            return rules.resign(elector, None, 0.0, leave=True, now_s=now_s, aims=aims)
        case msg.Suspended():
            return company.guard_suspended(elector, now_s, aims)
        case msg.Resumed():
            resumed = replace(elector, guard_due_s=now_s, guard_lost_s=now_s)
            return company.heard_guard(resumed, now_s, now_s, aims), []
        case msg.Condition():
            return replace(elector, condition=message), []
        case msg.JobIs():
            return elector, []
        case _:
            assert_never(message)


def _start_calls(elector: Elector, event: Event, now_s: float, aims: Aims) -> Step:
    """Whatever the phase now wants from the store; and our first word."""
    effects: list[Effect] = []
    if not elector.ready:
        elector = replace(elector, ready=True)
        effects.append(TellGuard(msg.Ready()))
    if elector.call is None:
        due = next((call for call, at_s in calls.wanted(elector) if now_s >= at_s), None)
        if due is not None:
            op = due()
            elector = replace(calls.asking(elector, op), call=op, called_at_s=now_s)
            effects.append(Call(op))
    phase, session = elector.phase, elector.session
    match phase:
        case Waiting(standing) | Leading(standing) if session and not elector.watching:
            if now_s >= elector.watch_at_s:
                elector = replace(elector, watching=True)
                effects.append(Watch(session, standing))
        case Claiming(held, start_at_s, sweeping=False, swept=False):
            if now_s >= start_at_s and rules.needs_sweep(held, aims):
                elector = elector.to(replace(phase, sweeping=True))
                effects.append(Sweep(held.last_run, held.token))
            elif now_s >= start_at_s:
                elector = elector.to(replace(phase, swept=True))
                return _again(elector, event, now_s, aims, effects)
        case _:
            pass
    return elector, effects


def _again(elector: Elector, event: Event, now_s: float, aims: Aims, effects: list[Effect]) -> Step:
    elector, more = _start_calls(elector, event, now_s, aims)
    return elector, effects + more


def _hangs_at_s(elector: Elector, aims: Aims) -> float:
    """When the call that is under way is given up, and we with it: one is made at a time."""
    if isinstance(elector.phase, Killing | Resigning | Ended):
        return math.inf  # Not before what we do for a dead guard is done.
    return elector.called_at_s + aims.timing.call_patience_s


def _end_if_call_hangs(elector: Elector, _event: Event, now_s: float, aims: Aims) -> Step:
    """Nobody can end a thread; but another elector has a thread of its own."""
    if now_s < _hangs_at_s(elector, aims):
        return elector, []
    why = "a call to the store does not return; making way for another elector"
    return elector.to(Ended()), [Report("hanging", why, token_of(elector.phase)), Exit()]
