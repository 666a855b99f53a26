"""What the elector makes of the store's answers: yes, no, or none at all (rule S7)."""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.election import candidate, curbing, making_way, rules
from coordsidecar.core.election.candidate import RETRY_FIRST_S
from coordsidecar.core.election.moves import (
    Aims,
    Answered,
    Campaign,
    Close,
    Effect,
    Gone,
    Look,
    Open,
    Prepare,
    Refused,
    Renew,
    Renewed,
    Report,
    Resign,
    Silent,
    TakeOffice,
    TellGuard,
    Took,
)
from coordsidecar.core.election.phases import (
    Adopting,
    Claiming,
    Elector,
    Joining,
    Leading,
    Opening,
    Resigning,
    Resting,
    Waiting,
    token_of,
)
from coordsidecar.hints import assert_never
from coordsidecar.store.history import id_of
from coordsidecar.store.protocol import Absent, Behind, Held, Session, Standing, Vacant
from coordsidecar.value import replace

Step = tuple[Elector, list[Effect]]

_RETRY_MAX_S = 5.0
_ROUNDING_S = 0.001  # Of the store's way to write a TTL.


def answered(elector: Elector, answer: Answered, now_s: float, aims: Aims) -> Step:
    """Take the answer to the one call that was under way."""
    op = answer.op
    if not isinstance(op, Open) and (
        elector.session is None or elector.session.handle != op.session.handle
    ):
        return elector, []  # Of a session that we have left behind.
    if isinstance(op, Prepare):
        return elector, []  # If it was in vain, resigning takes longer.
    elector = making_way.answered(elector, answer)
    if (nonsense := _nonsense(answer)) is not None:
        answer = replace(answer, result=nonsense)
    if isinstance(answer.result, Silent | Refused):
        return _unanswered(elector, answer, answer.result, now_s, aims)
    elector = replace(elector, failures=0)
    match op:
        case Open():
            return _opened(elector, answer, now_s, aims)
        case Renew():
            return _renewed(elector, answer, now_s, aims)
        case Campaign() | Look():
            return _found(elector, answer, now_s, aims)
        case TakeOffice():
            return _took_office(elector, answer, now_s, aims)
        case Resign():
            return _released(elector)
        case Close():
            return rules.resigned(elector, now_s)
        case _:
            assert_never(op)


def _nonsense(answer: Answered) -> Silent | None:
    """A renewal that is none: it counts as no answer, so that we do not ask again at once."""
    match answer:
        case Answered(op=Renew(look=True), result=Renewed(standing=None)):
            return Silent("the store renewed our session, but did not say where we stand")
        case Answered(op=Renew(session), result=Renewed(ttl_s)) if (
            ttl_s < session.ttl_s - _ROUNDING_S
        ):
            # No store takes back what it granted; and of a shorter lease the guard, whose deadlines
            # only move forward, would hear nothing.
            why = f"the store renewed our session for {ttl_s:g}s, and granted {session.ttl_s:g}s"
            return Silent(why)
        case _:
            return None


def _unanswered(
    elector: Elector, answer: Answered, result: Silent | Refused, now_s: float, aims: Aims
) -> Step:
    """Nothing is known: keep every deadline, and try again with back-off and jitter."""
    if isinstance(answer.op, Close):
        return rules.resigned(elector, now_s)
    failures = elector.failures + 1
    longest_s = _RETRY_MAX_S if isinstance(answer.op, Open) else aims.timing.renew_every_s / 2
    backoff_s = min(RETRY_FIRST_S * 2.0 ** min(failures - 1, 10), longest_s)
    again_s = now_s + backoff_s * (0.5 + answer.draw)
    elector = replace(elector, failures=failures)
    match answer.op:
        case Renew() if not isinstance(elector.phase, Adopting):
            # Its own time alone: it comes first, and would keep all others from ever being asked.
            elector = replace(elector, renew_at_s=again_s)
        case Look() | Campaign():
            elector = replace(elector, look_at_s=again_s, see_at_s=math.inf, retry_at_s=again_s)
        case _:
            elector = replace(elector, retry_at_s=again_s)
    if not elector.connected and isinstance(elector.phase, Opening):
        return _not_yet_connected(elector, result, now_s, aims)
    if isinstance(result, Refused) and result.final and _runs_no_job(elector):
        return _give_up(elector, result.reason, now_s, aims)
    if failures > 1:
        return elector, []
    kind = "refused" if isinstance(result, Refused) else "unreachable"
    return elector, [Report(kind, result.reason, token_of(elector.phase))]


def _not_yet_connected(
    elector: Elector, result: Silent | Refused, now_s: float, aims: Aims
) -> Step:
    """At the start a mistake is likelier than an outage: say so, rather than wait for ever."""
    give_up_at_s = elector.started_at_s + aims.timing.ttl_s
    if isinstance(result, Silent) and now_s < give_up_at_s:
        elector = replace(elector, retry_at_s=min(elector.retry_at_s, give_up_at_s))
        left = f"; trying for another {give_up_at_s - now_s:.0f}s"
        return elector, [
            Report("connecting", result.reason + left)
        ] if elector.failures == 1 else []
    return _give_up(elector, result.reason, now_s, aims)


def _runs_no_job(elector: Elector) -> bool:
    return isinstance(elector.phase, Opening | Joining | Waiting)


def _give_up(elector: Elector, reason: str, now_s: float, aims: Aims) -> Step:
    """For a reason that only people can mend, and not while we run."""
    tell = TellGuard(msg.Failed(rules.SIDECAR_EXIT_CODE, reason))
    elector, effects = rules.resign(elector, None, 0.0, leave=True, now_s=now_s, aims=aims)
    return elector, [tell, *effects]


def _opened(elector: Elector, answer: Answered, now_s: float, aims: Aims) -> Step:
    session = answer.result
    if not isinstance(session, Session):
        return replace(elector, retry_at_s=now_s + RETRY_FIRST_S), []
    elector = replace(
        elector,
        session=session,
        in_vain_since_s=math.inf,
        elected_at_s=math.inf,
        behind_from_s=-math.inf,
        sight=None,
        connected=True,
        renewed_at_s=answer.sent_at_s,
        renew_at_s=answer.sent_at_s + aims.timing.renew_every_s,
        retry_at_s=now_s,
    )
    if elector.rival is not None:
        # Under one session we would be told that the store lost its data; now it may have, since.
        until_s = now_s + rules.takeover_delay_s(elector, aims)
        elector = replace(elector, forgotten_until_s=until_s)
    if isinstance(elector.phase, Resting):  # We were told to while we asked.
        rest_s = elector.phase.until_s - now_s
        return rules.resign(elector, None, rest_s, leave=False, now_s=now_s, aims=aims)
    if isinstance(elector.phase, Opening):
        elector = elector.to(Joining())
    holding = msg.Holding(session.handle, session.ttl_s, elector.forgotten_until_s)
    tell = TellGuard(holding, session.fds)
    report = Report("campaigning", f"connected to {aims.where}")
    return elector, [tell] if elector.barred else [tell, report]


def _renewed(elector: Elector, answer: Answered, now_s: float, aims: Aims) -> Step:
    if isinstance(answer.result, Gone):
        elector = replace(elector, renew_at_s=math.inf)
        return rules.session_lost(elector, answer.result.reason, now_s, aims)
    assert isinstance(answer.result, Renewed)
    assert elector.session is not None
    standing = answer.result.standing
    match elector.phase:
        case Leading(Held(token)) | Adopting(int(token)):
            if not _proves(standing, token):
                # Rule S17: without it, however well the session is, no deadline moves.
                return _not_ours(elector, token, standing, now_s, aims)
            if now_s >= elector.term_until_s(aims.timing):
                # Rule S16: whoever has seen no renewal for so long counts on it.
                why = "the renewal came too late: the term was over by then"
                return rules.lose(elector, token, why, now_s, aims)
        case _:
            pass
    elector = replace(
        elector,
        lost_in_a_row=0,
        renewed_at_s=max(elector.renewed_at_s, answer.sent_at_s),
        renew_at_s=answer.sent_at_s + aims.timing.renew_every_s * (1 - 0.1 * answer.draw),
    )
    match elector.phase:
        case Leading(Held(token)) | Adopting(int(token)):
            assert isinstance(standing, Held)
            elector = curbing.note(elector, standing.curbs, now_s)
            elector = candidate.watching(elector, Leading(standing), now_s, aims)
            # Now there is time for that: it holds up no renewal.
            elector = replace(elector, lifting=curbing.is_over(elector, token, now_s))
            orders = curbing.orders(elector, answer.result.order, token, now_s, aims)
            return elector, [rules.tell_lease(elector, token, aims), *orders]
        case Adopting():
            assert standing is not None, "it asks for nothing else"
            return candidate.stand(elector, standing, answer.sent_at_s, now_s, aims)
        case Waiting(standing) if _looks_now(elector, standing, aims):
            return replace(elector, see_at_s=now_s), []
        case _:
            return elector, []


def _looks_now(elector: Elector, behind: Behind | Vacant, aims: Aims) -> bool:
    """We have renewed. What is to be looked at soon is looked at while we are awake.

    Should we be appointed before we renew next, that is to be one to lead by (rule S19).
    """
    if elector.see_at_s < elector.renew_at_s:
        return True
    if not isinstance(behind, Behind) or not behind.may_follow:
        return False
    age_s = elector.renew_at_s - elector.behind_from_s
    return age_s > aims.timing.step_down_after_s - aims.timing.rpc_timeout_s + _ROUNDING_S


def _proves(standing: Standing | None, token: int) -> bool:
    """Whether the election is still ours, under this token (rule S6)."""
    return isinstance(standing, Held) and standing.token == token


def _found(elector: Elector, answer: Answered, now_s: float, aims: Aims) -> Step:
    if isinstance(answer.result, Gone):
        return rules.session_lost(elector, answer.result.reason, now_s, aims)
    standing = answer.result
    assert isinstance(standing, Held | Behind | Vacant | Absent)
    match elector.phase:
        case Joining() | Waiting() | Claiming():
            return candidate.stand(elector, standing, answer.sent_at_s, now_s, aims)
        case Resigning(token=None) as phase if isinstance(standing, Held) and standing.in_office:
            # We were leaving, and were elected: what was taken is to be released.
            return elector.to(replace(phase, token=standing.token)), []
        case _:
            return elector, []


def _not_ours(
    elector: Elector, token: int, standing: Standing | None, now_s: float, aims: Aims
) -> Step:
    match standing:
        case None:
            return replace(elector, renew_at_s=now_s), []  # Asked before we led: ask again.
        case Behind(leader=record):
            why = f"{id_of(record)} holds the election now"
        case Held():
            why = "our key was written anew by somebody else"
        case _:
            why = "our key was deleted"
    return rules.lose(elector, token, why, now_s, aims)


def _took_office(elector: Elector, answer: Answered, now_s: float, aims: Aims) -> Step:
    match elector.phase, answer.result:
        case _, Gone(reason):
            return rules.session_lost(elector, reason, now_s, aims)
        case Claiming(held), Took(int(token)):
            return rules.lead(elector, replace(held, token=token), now_s, aims)
        case Leading(Held(token)), Took(taken) if token == taken:
            return curbing.note(elector, elector.curbs.of_next_term, now_s), []
        case Claiming(), Took(None):
            elector = replace(elector.to(Joining()), retry_at_s=now_s, vacant_since_s=None)
            return elector, []
        case _:
            return elector, []


def _released(elector: Elector) -> Step:
    match elector.phase:
        case Resigning(token, resigned=False) as phase:
            elector = elector.to(replace(phase, resigned=True))
            return elector, [TellGuard(msg.Released(token))] if token is not None else []
        case _:
            return elector, []
