"""The elector and its guard: who is awake, who is stopped, and who ends the job if need be."""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.election import rules
from coordsidecar.core.election.moves import (
    Aims,
    Effect,
    Event,
    KillTree,
    LookAtGuard,
    Report,
    Spare,
    TellGuard,
    Tick,
)
from coordsidecar.core.election.phases import (
    Adopting,
    Claiming,
    Elector,
    Ended,
    Joining,
    Killing,
    Leading,
    Losing,
    Opening,
    Phase,
    Resigning,
    Waiting,
    token_of,
)
from coordsidecar.value import replace

Step = tuple[Elector, list[Effect]]


def may_run(phase: Phase) -> bool:
    """Whether the guard may have the job running: then nothing may be released on our own."""
    return isinstance(phase, Leading | Losing | Adopting) and token_of(phase) is not None


def due_s(elector: Elector, aims: Aims, *, early: bool = False) -> float:
    """When the elector must act by itself, or look at the guard, because it has not been heard.

    ``early``: it is awake anyway; but whether the guard is *still* stopped is asked in time.
    """
    if isinstance(elector.phase, Killing | Resigning | Ended):
        return math.inf
    timing, look_s = aims.timing, elector.guard_due_s
    if not math.isfinite(elector.guard_stopped_s):
        if isinstance(elector.phase, Waiting):
            # No job is in its hands: a look with each renewal will do.
            look_s += timing.renew_every_s - timing.look_at_guard_s
        if early:
            look_s -= timing.look_at_guard_s / 4
    return min(look_s, bury_at_s(elector, aims))


def bury_at_s(elector: Elector, aims: Aims) -> float:
    """When the guard is given up, whatever is the matter with it."""
    reserve_s = aims.timing.kill_reserve_s
    awake_since_s = max(elector.woke_at_s, elector.started_at_s)
    match elector.phase:
        case Leading() | Adopting(token=int()):
            # The guard kills at `run_until - K`; half of K later nobody may trust that it will.
            lease_due_s = elector.lease_until_s(aims.timing) - reserve_s / 2
            if lease_due_s < elector.started_at_s:
                # It was over when the guard started us, to release what it had led.
                reserve_s = aims.timing.guard_silence_s
            return min(elector.guard_lost_s, max(lease_due_s, awake_since_s + reserve_s))
        case Losing(kill_at_s=kill_at_s):
            return min(elector.guard_lost_s, max(kill_at_s, awake_since_s + reserve_s))
        case _:
            return elector.guard_lost_s


def heard_guard(elector: Elector, heard_s: float, due_s: float, aims: Aims) -> Elector:
    """It said something at ``heard_s``, or stepped; and it is to step again by ``due_s``."""
    lost_s = max(heard_s, due_s) + aims.timing.guard_patience_s
    if elector.guard_new:
        lost_s = max(lost_s, elector.started_at_s + aims.timing.guard_patience_s)
    else:
        lost_s = max(lost_s, elector.guard_lost_s)
    elector = replace(elector, guard_lost_s=lost_s, guard_new=False)
    return not_stopped(elector, heard_s, aims)


def not_stopped(elector: Elector, at_s: float, aims: Aims) -> Elector:
    """It was not at ``at_s``, as far as we know."""
    due_s = max(elector.guard_due_s, at_s + aims.timing.look_at_guard_s)
    alive_s = max(elector.guard_alive_s, at_s)
    stopped_s = math.inf if at_s > elector.guard_stopped_s else elector.guard_stopped_s
    return replace(elector, guard_due_s=due_s, guard_alive_s=alive_s, guard_stopped_s=stopped_s)


def enforce(elector: Elector, event: Event, now_s: float, aims: Aims) -> Step:
    """What time alone decides, before any event is looked at."""
    early = not isinstance(event, Tick)
    if now_s < due_s(elector, aims, early=early):
        return elector, []
    if now_s >= bury_at_s(elector, aims):
        return _give_up_guard(elector, "the guard does not react", now_s, aims)
    # While we renew, a guard that sleeps or is slow endangers nothing.
    again_s = aims.timing.look_at_guard_s if early else aims.timing.look_again_s
    return replace(elector, guard_due_s=now_s + again_s), [LookAtGuard()]


def guard_is(elector: Elector, stopped: bool, now_s: float, aims: Aims) -> Step:
    """It was looked at; if it is stopped, it may have been since it was last known not to be.

    But we may have been slow to look, so it is found stopped twice before anything comes of it.
    """
    if isinstance(elector.phase, Killing | Resigning | Ended):
        return elector, []
    if not stopped:
        return not_stopped(elector, now_s, aims), []
    since_s = min(elector.guard_stopped_s, now_s)
    buried_s = max(
        elector.guard_alive_s + aims.timing.guard_silence_s, since_s + aims.timing.guard_spared_s
    )
    elector = replace(elector, guard_stopped_s=since_s)
    if now_s < buried_s:
        return replace(elector, guard_due_s=max(elector.guard_due_s, buried_s)), []
    return _give_up_guard(elector, "the guard was stopped", now_s, aims)


def _give_up_guard(elector: Elector, why: str, now_s: float, aims: Aims) -> Step:
    if may_run(elector.phase):
        return kill_tree(elector, f"{why}; ending the job ourselves", aims)
    # A guard that hangs cannot run a job: make way. Should it wake up, it starts a new elector.
    elector, effects = rules.resign(elector, None, 0.0, leave=True, now_s=now_s, aims=aims)
    return elector, [Report("withdrawing", why), *effects]


def kill_tree(elector: Elector, why: str, aims: Aims) -> Step:
    """The guard is dead or frozen: whatever is left of the tree, and the guard, must die."""
    match elector.phase:
        case Killing() | Ended() | Resigning(buried=True):
            return elector, []
        case _:
            pass
    token = token_of(elector.phase)
    killing = Killing(token, elector.lease_until_s(aims.timing))
    effects: list[Effect] = [KillTree(), Report("killing", why, token)]
    if token is not None:
        # Should it wake up in time, it sees to the rest itself.
        effects.append(TellGuard(msg.Lost(token, why)))
    return elector.to(killing), effects


def tree_killed(elector: Elector, guard_lives: bool, now_s: float, aims: Aims) -> Step:
    if not isinstance(elector.phase, Killing):
        return elector, []
    if guard_lives and now_s < elector.phase.until_s:
        return elector, []  # It might wake up, and start its job again: we look again.
    report = Report("released", "the job is confirmed dead; releasing", elector.phase.token)
    why = "its guard was dead, or stood still"
    elector, effects = rules.resign(
        elector, elector.phase.token, 0.0, leave=True, now_s=now_s, aims=aims, why=why
    )
    assert isinstance(elector.phase, Resigning)
    return elector.to(replace(elector.phase, buried=True)), [report, *effects]


def tree_gone(elector: Elector, gone: msg.TreeGone, now_s: float, aims: Aims) -> Step:
    """The guard confirms that nothing of the job is left: only now may we release (rule S4)."""
    token, rest_s, leave, why = gone.token, gone.rest_s, gone.leave, gone.why
    match elector.phase:
        case Killing() if token_of(elector.phase) == token:
            # It was not dead but slow; and of its own tree it knows more than we do.
            elector, _ = rules.resign(
                elector, token, rest_s, leave=leave, now_s=now_s, aims=aims, why=why
            )
            return elector, [Spare()]
        case Leading() | Losing() | Claiming() | Adopting() if token_of(elector.phase) == token:
            # The guard knows what is to be released, so our successor may adopt the session for it.
            elector, _ = rules.resign(
                elector, token, rest_s, leave=leave, now_s=now_s, aims=aims, why=why
            )
            return elector, []
        case _:
            # That term is long over, or has no session any more that we could end.
            released: list[Effect] = [TellGuard(msg.Released(token))]
            # An elector that died may have been told to rest; its successor is told again.
            rests = rest_s > 0 and isinstance(elector.phase, Opening | Joining | Waiting)
            if not (leave or rests):
                return elector, released
            elector, effects = rules.resign(
                elector, None, rest_s, leave=leave, now_s=now_s, aims=aims
            )
            return elector, released + effects


def guard_suspended(elector: Elector, now_s: float, aims: Aims) -> Step:
    """Ctrl-Z. A leader may pause for as long as its lease lasts; a standby withdraws."""
    if isinstance(elector.phase, Killing):
        return elector, []  # Nothing may be released before the tree is dead (rule S4).
    if not may_run(elector.phase):
        return rules.resign(elector, None, 0.0, leave=True, now_s=now_s, aims=aims)
    timing = aims.timing
    soonest_s = elector.guard_alive_s + timing.guard_silence_s
    stop_at_s = max(soonest_s, elector.lease_until_s(timing) - timing.kill_reserve_s)
    return replace(elector, guard_due_s=stop_at_s, guard_lost_s=stop_at_s), []
