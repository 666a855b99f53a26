"""Leadership by sight: since when has the leader not renewed, and when is its job dead?

A store does not tell whether a lease ran out or was revoked, and a leader that was revoked and is
cut off may rightly run for almost a TTL more. But no term lives on without a renewal for D (rule
S16). So whoever has seen that there was none for so long knows by when the job is dead, whatever
happens later; where nobody has, the takeover delay counts.
"""

from __future__ import annotations

import math

from coordsidecar.store.protocol import Behind, Held
from coordsidecar.value import Value, replace

__all__ = ["Sight", "depose_at_s", "may_depose", "over_at_s", "see_again_s", "seen"]

_ROUNDING_S = 1.0  # etcd tells whole seconds.
_LEAST_PAUSE_S = 0.2
_LEAST_PAUSE_SHARE = 1 / 30  # Of the leader's TTL.
_RETRY_S = 0.5
_LOOK_SHARE = 1 / 4  # Of the leader's TTL: how often it is looked at while it does not beat, and
_LONGEST_GAP_SHARE = 5 / 4  # for how long nobody may have: a store may be electing meanwhile.


class Sight(Value):
    """What this session has seen of one term, that of ``token``.

    ``known_s``: when we were first told of it; what was before then counts for nothing, for a
    candidate may be elected under a session that was long silent. ``quiet_since_s``: its last
    renewal was then, or earlier. ``over_at_s``: its job is dead by then; `math.inf`: not known.
    ``beat``: see `Behind`; ``heard_s``: when we were last told of it.
    """

    token: int
    ttl_s: float
    quiet_s: float
    known_s: float
    quiet_since_s: float
    over_at_s: float = math.inf
    beat: int | None = None
    heard_s: float = -math.inf


def seen(
    was: Sight | None, standing: Behind | Held, sent_at_s: float, now_s: float
) -> Sight | None:
    """What an answer adds, to a question that was sent at ``sent_at_s``.

    A silence counts from the receipt of an answer, until when the leader may have renewed, and only
    up to the sending of the next question.
    """
    match standing:
        case Behind(leader_token=token, limits=limits, quiet_s=told_s) if (
            standing.in_office or limits is not None
        ):
            pass
        case Held(last_led=token, last_limits=limits):
            told_s = None
        case _:
            return was  # Whoever is ahead of us now: that term is over, and stays so.
    if limits is None or limits.quiet_s is None:
        return None
    sight = was
    of_this = (token, limits.ttl_s, limits.quiet_s)
    if sight is None or (sight.token, sight.ttl_s, sight.quiet_s) != of_this:
        sight = Sight(token, limits.ttl_s, limits.quiet_s, known_s=now_s, quiet_since_s=now_s)
    if standing.beat is not None:
        # A silence must be watched: a store that is restored from a backup repeats its numbers.
        watched = sent_at_s - sight.heard_s <= sight.ttl_s * _LONGEST_GAP_SHARE
        sight = replace(sight, heard_s=now_s)
        if standing.beat != sight.beat or not watched:
            return replace(sight, beat=standing.beat, quiet_since_s=now_s, over_at_s=math.inf)
        silent_s = sent_at_s - sight.quiet_since_s
    elif told_s is not None:
        silent_s = min(told_s, sent_at_s - sight.known_s)
        sight = replace(sight, quiet_since_s=max(now_s - told_s, sight.known_s))
        if told_s < sight.quiet_s:
            sight = replace(sight, over_at_s=math.inf)  # It has renewed.
    else:
        return sight
    if silent_s < sight.quiet_s:
        return sight
    return replace(sight, over_at_s=min(sight.over_at_s, sight.quiet_since_s + sight.ttl_s))


def over_at_s(sight: Sight | None, held: Held, floor: int) -> float:
    """When the job of the last leader is dead, if that has been seen; else `math.inf`."""
    if sight is None or not sight.token == held.last_led >= floor:
        return math.inf
    return sight.over_at_s


def depose_at_s(sight: Sight | None, now_s: float) -> float:
    """When a leader that does not beat any more has to give its lock to us."""
    if sight is None or sight.beat is None:
        return math.inf
    # Not without a pause, should it not be given to us.
    due_s = sight.quiet_since_s + sight.ttl_s
    return due_s if now_s < due_s else now_s + _RETRY_S


def may_depose(sight: Sight, now_s: float) -> bool:
    """Whether the leader has not beaten for its TTL, and we have watched it all the while."""
    if sight.beat is None or now_s - sight.heard_s > sight.ttl_s * _LONGEST_GAP_SHARE:
        return False
    return now_s >= sight.quiet_since_s + sight.ttl_s


def see_again_s(sight: Sight | None, standing: Behind, now_s: float) -> float:
    """When the leader is to be looked at next, so that its silence will not be missed."""
    if sight is None:
        return math.inf
    if sight.beat is not None:
        # The watch tells of each beat, so a leader that is well costs no look.
        return now_s + sight.ttl_s * _LOOK_SHARE
    # Between the proof and the end of its lease, twice; from further behind, once.
    between_s = sight.ttl_s - sight.quiet_s - _ROUNDING_S
    if between_s <= 0:
        return math.inf  # There is nothing to be seen in time.
    pause_s = between_s * (0.4 if standing.next_in_line else 0.8)
    again_s = now_s + max(pause_s, sight.ttl_s * _LEAST_PAUSE_SHARE, _LEAST_PAUSE_S)
    # Of a leader that has just renewed there is nothing to be proved for a while.
    return max(again_s, sight.quiet_since_s + sight.quiet_s)
