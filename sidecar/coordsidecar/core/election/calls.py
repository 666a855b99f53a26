"""Which call to the store each phase of the elector wants next, and from when on."""

from __future__ import annotations

import math
from collections.abc import Callable

from coordsidecar.core.election import rules
from coordsidecar.core.election.moves import (
    Close,
    Look,
    Op,
    Open,
    Prepare,
    Renew,
    Resign,
    TakeOffice,
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
    Resigning,
    Resting,
    Waiting,
)
from coordsidecar.hints import assert_never
from coordsidecar.value import replace

__all__ = ["asking", "wanted"]


def wanted(elector: Elector) -> list[tuple[Callable[[], Op], float]]:
    """The calls to the store that the phase wants, the most urgent first, and from when on."""
    phase, session = elector.phase, elector.session
    if isinstance(phase, Opening):
        return [(Open, elector.retry_at_s)]
    if session is None:
        return []
    renew = (lambda: Renew(session), elector.renew_at_s)
    look = (lambda: Look(session), elector.look_at_s)
    match phase:
        case Adopting():
            return [(lambda: Renew(session, look=True), elector.retry_at_s)]
        case Joining():
            return [renew, (lambda: rules.campaign(elector, session), elector.retry_at_s)]
        case Claiming(held, start_at_s, swept=True):
            take_at_s = max(start_at_s, elector.retry_at_s)
            take = lambda: TakeOffice(  # noqa: E731
                session, held.token, elector.floor, held.curbs
            )
            return [renew, (take, take_at_s), look]
        case Waiting():
            # Looking again is campaigning again: a lock that is free has to be taken.
            see = (lambda: Look(session), elector.see_at_s)
            return [renew, (lambda: rules.campaign(elector, session), elector.look_at_s), see]
        case Claiming():
            return [renew, look]
        case Leading(held):
            prepare = (lambda: Prepare(session), elector.prepare_at_s)
            lift = lambda: TakeOffice(session, held.token, curbs=elector.curbs)  # noqa: E731
            return [
                (lambda: Renew(session, look=True), elector.renew_at_s),
                prepare,
                (lift, -math.inf if elector.lifting else math.inf),
            ]
        case Killing():
            # With its proof, so that it is seen: who cannot be killed keeps the lead.
            return [(lambda: Renew(session, look=True), elector.renew_at_s)]
        case Resigning(token, resigned=False, why=why):
            return [(lambda: Resign(session, token, why), elector.retry_at_s)]
        case Resigning():
            return [(lambda: Close(session), -math.inf)]
        case Losing() | Resting() | Ended():
            return []
        case _:
            assert_never(phase)


def asking(elector: Elector, op: Op) -> Elector:
    """What follows from the mere asking."""
    if isinstance(op, Prepare):
        return replace(elector, prepare_at_s=math.inf)  # Once is enough, whatever comes of it.
    if isinstance(op, TakeOffice) and isinstance(elector.phase, Leading):
        return replace(elector, lifting=False)  # If it fails, the next renewal comes back to it.
    if isinstance(op, TakeOffice) and isinstance(elector.phase, Claiming):
        # From now on others may see us in office, whatever we are told.
        from_s = min(elector.phase.lease_from_s, elector.renewed_at_s)
        return elector.to(replace(elector.phase, lease_from_s=from_s))
    return elector
