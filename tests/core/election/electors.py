"""An elector for tests of its core, with the times of a TTL of 15 s: D 8, grace 4, K 1."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Aims,
    Answered,
    Call,
    Effect,
    Event,
    KillTree,
    Report,
    Silent,
    TellGuard,
)
from coordsidecar.core.election.phases import (
    Elector,
)
from coordsidecar.core.timing import Timing
from coordsidecar.store.protocol import Behind, Held, Session
from coordsidecar.value import replace

TIMING = Timing.for_ttl(15)
AIMS = Aims(timing=TIMING, run="election-ours")
SESSION = Session("s1", 15.0)
CLEAN = Held(token=7, clean=True, last_run="", cursor=1)
UNCLEAN = Held(token=7, clean=False, last_run="election-theirs", cursor=1)
BEHIND = Behind(leader='{"id": "blue"}', leader_token=5, ahead="k", cursor=1)
LEASED = msg.Leased(7, step_down_at_s=108.0, run_until_s=113.0)  # Renewed at 100.
NEVER = 1e9
DOWN = Silent("cut off")


def elector(phase: object, **changes: object) -> Elector:
    """An elector with a session that was renewed at 100, and nothing else to do for a while."""
    begun = core.begin(100.0, AIMS)
    quiet = replace(
        begun,
        session=SESSION,
        connected=True,
        renewed_at_s=100.0,
        renew_at_s=1e9,
        ready=True,
        step_at_s=1e9,
        guard_due_s=1e9,
        guard_lost_s=1e9,
        guard_new=False,
        watching=True,
        phase=phase,
    )
    return replace(quiet, **changes)


def take(
    state: Elector, event: Event, now_s: float, aims: Aims = AIMS
) -> tuple[Elector, list[Effect]]:
    """One step of an elector that was awake all the while, and need not show it; less what is only
    for people."""
    step_at_s = state.step_at_s
    state, effects = core.step(replace(state, last_step_s=now_s - 0.1), event, now_s, aims)
    return replace(state, step_at_s=step_at_s), [
        effect for effect in effects if not isinstance(effect, Report)
    ]


def answer(
    state: Elector,
    result: object,
    now_s: float,
    *,
    sent_at_s: float | None = None,
    aims: Aims = AIMS,
) -> tuple[Elector, list[Effect]]:
    """The call that is under way is answered."""
    assert state.call is not None
    sent_at_s = now_s if sent_at_s is None else sent_at_s
    event = Answered(state.call, sent_at_s, result, draw=0.5)  # type: ignore[arg-type]
    return take(state, event, now_s, aims)


def adopting(now_s: float = 100.0, **changes: object) -> Elector:
    """An elector that follows one that died in office, as its driver begins it."""
    begun = core.begin(now_s, AIMS, adopt=SESSION, token=7, run_until_s=LEASED.run_until_s)
    return replace(replace(begun, ready=True, step_at_s=1e9), **changes)


def told(effects: list[Effect]) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, TellGuard)]


def calls(effects: list[Effect]) -> list[Call]:
    return [effect for effect in effects if isinstance(effect, Call)]


def burying(why: str) -> list[object]:
    """What is done about a guard that led under token 7."""
    return [KillTree(), TellGuard(msg.Lost(7, why))]
