"""Candidates who must not stand in the way of others: `--wait` is over, nobody answers them, or
they are sick.

A candidate keeps its place in the queue, or even the lock, by renewing its session. If the store
goes on to renew, but refuses it office, or never says where it stands, all others would wait behind
it for ever. So for a candidate, too, a session alone is not enough: without a word on its standing
for as long as the session lasts, it gives up its place, and rests, so that somebody else has time
to lead. So it does where the store answers all else, but none of its renewals for so long: they may
be carried out all the same, while it can never lead. And so it does where it was elected, but did
not lead for so long after the takeover delay, whatever it was told meanwhile.

Who is sick, and is not to stand then, gives up its place as well, and rests for as long as it is.
"""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.election import rules
from coordsidecar.core.election.moves import (
    Aims,
    Answered,
    Campaign,
    Effect,
    Event,
    Look,
    Refused,
    Renew,
    Report,
    Silent,
    TakeOffice,
    TellGuard,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Joining,
    Opening,
    Resting,
    Waiting,
    lasting_s,
    token_of,
)
from coordsidecar.value import replace

Step = tuple[Elector, list[Effect]]

WAIT_EXIT_CODE = 124


def due_s(elector: Elector, aims: Aims) -> float:
    """When a candidate must make way."""
    if _must_not_stand(elector):
        return -math.inf
    match elector.phase:
        case Opening():
            return _wait_until_s(aims)
        case Joining() | Waiting():
            return min(_wait_until_s(aims), _hopeless_s(elector, aims))
        case Claiming(barred=barred):
            return min(_hopeless_s(elector, aims), _wait_until_s(aims) if barred else math.inf)
        case Resting(until_s):
            in_vain = elector.last_step_s < until_s or elector.condition.health == "sick"
            return -math.inf if aims.try_once and in_vain else _wait_until_s(aims)
        case _:
            return math.inf


def enforce(elector: Elector, event: Event, now_s: float, aims: Aims) -> Step:
    """What time alone decides for a candidate."""
    if now_s < due_s(elector, aims):
        return elector, []
    if _must_not_stand(elector):
        why = f"it is unhealthy: {elector.condition.why}"
        return rules.resign(elector, None, 0.0, leave=False, now_s=now_s, aims=aims, why=why)
    if now_s < _hopeless_s(elector, aims):
        return give_up_waiting(elector, now_s, aims)
    why = "the store renews our session, but does not say where we stand; making way for others"
    if isinstance(elector.phase, Claiming) or now_s >= _elected_in_vain_s(elector, aims):
        why = "elected, but the store does not let us take office; making way for others"
    if isinstance(elector.phase, Claiming) and elector.phase.sweeping:
        why = "elected, but the sweep of this host does not end; making way for others"
    if now_s >= _unrenewed_s(elector, aims):
        why = "the store answers, but none of our renewals; making way for others"
    report = Report("making-way", why, token_of(elector.phase))
    rest_s = aims.timing.ttl_s
    elector, effects = rules.resign(
        elector, None, rest_s, leave=False, now_s=now_s, aims=aims, why=why
    )
    return elector, [report, *effects]


def answered(elector: Elector, answer: Answered) -> Elector:
    """Note since when we were not told where we stand, though we asked.

    Where nothing was answered at all, such as in an outage, it counts from when something is.
    """
    unanswered = isinstance(answer.result, Silent | Refused)
    if isinstance(answer.op, Renew):
        if unanswered or not elector.renewed_at_s < elector.in_vain_since_s < math.inf:
            return elector
        return replace(elector, in_vain_since_s=answer.sent_at_s)
    if not isinstance(answer.op, Campaign | Look | TakeOffice):
        return elector
    if unanswered:
        since_s = min(elector.in_vain_since_s, answer.sent_at_s)
        return replace(elector, in_vain_since_s=since_s, told_since_s=math.inf)
    return replace(
        elector,
        in_vain_since_s=math.inf,
        told_since_s=min(elector.told_since_s, answer.sent_at_s),
        told_at_s=answer.sent_at_s,
    )


def give_up_waiting(elector: Elector, now_s: float, aims: Aims) -> Step:
    """`--wait` ran out."""
    why, cordon = f"{elector.following or 'somebody else'} leads", None
    if not elector.following:
        cordon = elector.curbs.pause or elector.curbs.cordon_of(aims.node_id)
    if cordon is not None:
        why = f"it is {cordon.why}"
    if isinstance(elector.phase, Resting):
        why = "the lead was given up here"
    if not elector.condition.stands:
        why = f"this instance is unhealthy: {elector.condition.why}"
    elif not elector.connected:
        why = "the store does not answer"
    tell = TellGuard(msg.Failed(WAIT_EXIT_CODE, f"{why}, and --wait is over"))
    elector, effects = rules.resign(elector, None, 0.0, leave=True, now_s=now_s, aims=aims)
    return elector, [tell, *effects]


def _must_not_stand(elector: Elector) -> bool:
    """Is a candidate, or about to be one, and shall not."""
    is_candidate = isinstance(elector.phase, Opening | Joining | Waiting | Claiming)
    return is_candidate and not elector.condition.stands


def _wait_until_s(aims: Aims) -> float:
    return math.inf if aims.wait_until_s is None else aims.wait_until_s


def _hopeless_s(elector: Elector, aims: Aims) -> float:
    return min(
        _in_vain_s(elector, aims),
        _unrenewed_s(elector, aims),
        _elected_in_vain_s(elector, aims),
    )


def _elected_in_vain_s(elector: Elector, aims: Aims) -> float:
    """A store that contradicts itself may elect us for ever, and never let us lead."""
    if elector.session is None or math.isinf(elector.elected_at_s):
        return math.inf
    last = elector.phase.held.last_limits if isinstance(elector.phase, Claiming) else None
    delay_s = rules.takeover_delay_s(elector, aims, last)
    return elector.elected_at_s + delay_s + lasting_s(elector.session, aims.timing)


def _unrenewed_s(elector: Elector, aims: Aims) -> float:
    """When our session was over by our own clock, if we were told all the while where we stand."""
    if elector.session is None:
        return math.inf
    from_s = max(elector.renewed_at_s, elector.told_since_s)
    over_s = from_s + lasting_s(elector.session, aims.timing)
    return over_s if elector.told_at_s >= over_s else math.inf


def _in_vain_s(elector: Elector, aims: Aims) -> float:
    """If nothing is answered at all, our place ends with our session: nobody waits behind us."""
    if elector.session is None or elector.renewed_at_s < elector.in_vain_since_s:
        return math.inf
    return elector.in_vain_since_s + lasting_s(elector.session, aims.timing)
