"""What operators have ordered to hold: whether it keeps us from leading, and until when.

A pause keeps whoever is elected where it is: it holds its place, so that nobody else comes into
office either, and looks on until the pause is over. Who is cordoned, or is not the one that a
transfer is for, gives its place back and rests, so that another is elected. A leader hears of a
cordon, or a transfer, with its proof of ownership, and hands over; but not in a pause, in which
nobody could follow: it leads on, and hands over when that is over.

For how long a pause holds is counted from when we first saw it; a transfer, from when we were first
elected in spite of it, as the job before may take its time to end. A leader takes a pause that is
over out of the record, lest it hold anew for who comes later.
"""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import Aims, Effect, Report, TellGuard
from coordsidecar.core.election.phases import Claiming, Elector
from coordsidecar.store.curbs import Curbs, Pause, Transfer
from coordsidecar.store.orders import Order
from coordsidecar.value import Value, replace

__all__ = ["Bar", "bar", "is_over", "note", "orders", "say", "wait"]

_LOOK_EVERY_S = 1.0


class Bar(Value):
    """We may not take office before ``until_s`` (`math.inf`: until somebody says so). ``waits``: in
    our place; else to rest for ``rest_s``."""

    why: str
    until_s: float
    waits: bool
    rest_s: float = 0.0


def note(elector: Elector, curbs: Curbs, now_s: float) -> Elector:
    """What was heard last; and since when it is known."""
    if curbs == elector.curbs:
        return elector
    known = dict(elector.curbed)
    if curbs.pause is not None:
        known.setdefault(_mark(curbs.pause), now_s)
    marks = {_mark(curb) for curb in (curbs.pause, curbs.transfer) if curb is not None}
    curbed = tuple((mark, since_s) for mark, since_s in known.items() if mark in marks)
    return replace(elector, curbs=curbs, curbed=curbed, barred="")


def bar(elector: Elector, last_led: int, now_s: float, aims: Aims) -> tuple[Elector, Bar | None]:
    """What keeps us, elected, from taking office after the term of ``last_led``, if anything."""
    pause, rest_s = elector.curbs.pause, aims.timing.renew_every_s
    # Before the pause: once that is over, office is taken, and nothing is asked again.
    if (cordon := elector.curbs.cordon_of(aims.node_id)) is not None:
        return elector, Bar(cordon.why, math.inf, waits=False, rest_s=rest_s)
    if (transfer := _for_another(elector.curbs, last_led, aims)) is not None:
        known = dict(elector.curbed)
        until_s = known.setdefault(_mark(transfer), now_s) + transfer.within_s
        elector = replace(elector, curbed=tuple(known.items()))
        if now_s < until_s:
            return elector, Bar(transfer.why, until_s, waits=False, rest_s=rest_s)
    if pause is not None and _is_paused(elector, now_s):
        return elector, Bar(pause.why, _pause_ends_s(elector), waits=True)
    return elector, None


def _is_paused(elector: Elector, now_s: float) -> bool:
    """Whether a pause holds, as far as we know."""
    return elector.curbs.pause is not None and now_s < _pause_ends_s(elector)


def is_over(elector: Elector, token: int, now_s: float) -> bool:
    """Whether we, who lead under ``token``, are to take a pause out of the record."""
    transfer = elector.curbs.transfer
    if transfer is not None and transfer.token == token:
        return False  # It would be taken out as well.
    return elector.curbs.pause is not None and not _is_paused(elector, now_s)


def say(elector: Elector, barred: Bar, token: int) -> tuple[Elector, list[Effect]]:
    """Why we give our place back. Who is alone is elected again and again, and says it once."""
    if barred.why == elector.barred:
        return elector, []
    report = Report("resigning", f"elected, but {barred.why}", token)
    return replace(elector, barred=barred.why), [report]


def wait(elector: Elector, barred: Bar | None, now_s: float) -> tuple[Elector, list[Effect]]:
    """In our place, elected, until no `Bar` is left; and say so."""
    phase, why = elector.phase, "" if barred is None else barred.why
    assert isinstance(phase, Claiming)
    effects: list[Effect] = []
    if why != phase.barred:
        report = Report("paused", f"elected, but {why}; the job waits for that to be over")
        effects = [report if why else Report("resumed", "the pause is over")]
    if barred is not None:
        phase = replace(phase, start_at_s=max(phase.start_at_s, barred.until_s))
        # It is not the store that keeps us from office: it may take its time from then on.
        elector = replace(elector, elected_at_s=now_s, look_at_s=now_s + _LOOK_EVERY_S)
    return elector.to(replace(phase, barred=why)), effects


def orders(
    elector: Elector, order: Order | None, token: int, now_s: float, aims: Aims
) -> list[Effect]:
    """What a leader under ``token`` has the guard do; what is told twice, it heeds once."""
    if _is_paused(elector, now_s):
        return []
    curbs, rest_s = elector.curbs, aims.timing.renew_every_s
    # What is meant for another term is past.
    if order is not None and order.token == token:
        return [TellGuard(msg.StepDown(token, order.sit_out_s, order.why))]
    if (cordon := curbs.cordon_of(aims.node_id)) is not None:
        return [TellGuard(msg.StepDown(token, rest_s, cordon.why))]
    if (transfer := _for_another(curbs, token, aims)) is not None:
        return [TellGuard(msg.StepDown(token, rest_s, transfer.why))]
    return []


def _for_another(curbs: Curbs, token: int, aims: Aims) -> Transfer | None:
    """The transfer after the term of ``token``, if it is not for us."""
    transfer = curbs.transfer
    if transfer is None or transfer.token != token or transfer.to == aims.node_id:
        return None
    return transfer


def _pause_ends_s(elector: Elector) -> float:
    pause = elector.curbs.pause
    assert pause is not None
    for_s = math.inf if pause.for_s is None else pause.for_s
    return dict(elector.curbed).get(_mark(pause), math.inf) + for_s


def _mark(curb: Pause | Transfer) -> str:
    """What tells it from any other."""
    return curb.mark if isinstance(curb, Pause) else repr(curb)
