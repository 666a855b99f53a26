"""What operators have ordered, and what an elector makes of it: for the tests of both kinds."""

from __future__ import annotations

from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Answered,
    Call,
    Campaign,
    Effect,
    Look,
    Renew,
    Renewed,
    Report,
    TellGuard,
)
from coordsidecar.core.election.phases import (
    Elector,
    Joining,
)
from coordsidecar.store.curbs import Cordon, Curbs, Pause, Transfer
from coordsidecar.value import replace
from tests.core.election.electors import AIMS, CLEAN, SESSION, answer, elector

ME = replace(AIMS, node_id="me")
FOR_EVER = Curbs(Pause("m", None, "ann", reason="a migration"))
FOR_10_S = Curbs(Pause("m", 10.0, "ann"))
CORDONED = Curbs(cordons=(Cordon("other", "bob"), Cordon("me", "bob", reason="a reboot")))
ELECTED = replace(CLEAN, last_led=6)
TO_OTHER = Curbs(transfer=Transfer(6, "other", 10.0, "ann"))
CAMPAIGNING = Campaign(SESSION)


def elected(curbs: Curbs) -> tuple[Elector, list[Effect]]:
    """Somebody led under 6, and resigned; then this is what we are told."""
    state = elector(Joining(), call=CAMPAIGNING, retry_at_s=1e9)
    return answer(state, replace(ELECTED, curbs=curbs), 100.0, aims=ME)


def calls(effects: list[Effect]) -> list[object]:
    return [effect.op for effect in effects if isinstance(effect, Call)]


def told(effects: list[Effect]) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, TellGuard)]


def renewed(curbs: Curbs, now_s: float, state: Elector) -> tuple[Elector, list[Effect]]:
    """A leader's proof comes back with that."""
    state = replace(state, call=Renew(SESSION, look=True), renewed_at_s=now_s - 1.0)
    return answer(state, Renewed(15.0, replace(CLEAN, curbs=curbs)), now_s, aims=ME)


def reports(state: Elector, curbs: Curbs, now_s: float) -> tuple[Elector, list[str]]:
    """What is said when a look finds that."""
    state = replace(state, call=Look(SESSION), last_step_s=now_s - 0.1)
    event = Answered(Look(SESSION), now_s, replace(ELECTED, curbs=curbs), draw=0.5)
    state, effects = core.step(state, event, now_s, ME)
    return state, [effect.event for effect in effects if isinstance(effect, Report)]
