"""The phases of the elector's core, and the state around them."""

from __future__ import annotations

import math

from coordsidecar.core.election.moves import Op
from coordsidecar.core.election.sight import Sight
from coordsidecar.core.messages import UNKNOWN, Condition
from coordsidecar.core.timing import Timing
from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.protocol import Behind, Held, Limits, Session, Vacant
from coordsidecar.value import Value, replace

__all__ = [
    "Adopting",
    "Claiming",
    "Elector",
    "Ended",
    "Joining",
    "Killing",
    "Leading",
    "Losing",
    "Opening",
    "Phase",
    "Resigning",
    "Resting",
    "Rival",
    "Waiting",
    "lasting_s",
    "limits_of",
    "token_of",
]


_CLOCK_RATES = 1.05 / 0.95
"""Of two clocks, by which a lease is measured: one 5 % fast, the other as slow."""


class Opening(Value):
    """We have no session yet.

    Ends when the store answers; it is asked every 5 s at the least.
    """


class Adopting(Value):
    """An earlier elector died; its session is ours once renewed with its proof (rules S6, S17).

    Ends when the store answers, or with a token when the lease that the guard knows of is over.
    """

    token: int | None


class Joining(Value):
    """We have a session and are about to be a candidate.

    Ends when the store answers, with our session, or once nobody answered for as long as that lasts
    (`making_way`).
    """


class Waiting(Value):
    """Somebody is before us.

    Ends with their key or session; looked at once a TTL, whatever the watch says. If no look is
    answered for as long as our session lasts, we make way.
    """

    standing: Behind | Vacant


class Claiming(Value):
    """The election is ours; the job may start at ``start_at_s`` (rule S9), once office is taken.

    ``lease_from_s``: the last renewal before we first asked for office. Only by that one the job
    may start: others may have seen us in office since then, and none of the later ones. ``barred``:
    why we have to wait for an operator, if we do.

    Ends when the store answers after ``start_at_s``: a takeover delay, a sweep of this host, and a
    pause. If it does not, or refuses us office, for as long as our session lasts, we make way.
    """

    held: Held
    start_at_s: float
    sweeping: bool = False
    swept: bool = False
    lease_from_s: float = math.inf
    barred: str = ""


class Leading(Value):
    """The guard was told that the job may run.

    Ends with the job; without a proof of ownership, K/2 before the lease at the latest.
    """

    held: Held


class Losing(Value):
    """The store said no; the guard was told, and must confirm until ``kill_at_s``.

    Ends then: we kill the tree ourselves.
    """

    token: int
    kill_at_s: float


class Killing(Value):
    """The guard is dead or frozen: we kill what is left ourselves. ``None``: nothing was led.

    Ends when tree and guard are dead; or when the guard, awake again, says that its tree is gone;
    or, if it cannot be killed, when its tree is dead and the lease that it was told of is over
    (``until_s``): then it starts nothing any more. A tree that cannot be killed keeps it (rule S4).
    """

    token: int | None
    until_s: float = -math.inf


class Resigning(Value):
    """The tree is confirmed dead: give the election up, close the session, then rest or leave.

    ``buried``: we have killed what the guard left, so its death is no news. ``why`` the term ended.

    Ends at ``give_up_at_s``, whether or not the store answers: two calls, or the session's end.
    """

    token: int | None
    rest_s: float
    leave: bool
    give_up_at_s: float
    resigned: bool = False
    buried: bool = False
    why: str = ""


class Resting(Value):
    """Not a candidate until ``until_s``, when it ends; or, if we are unhealthy and so do not stand,
    when we are well again, or nobody can tell any more."""

    until_s: float


class Ended(Value):
    pass


Phase = (
    Opening
    | Adopting
    | Joining
    | Waiting
    | Claiming
    | Leading
    | Losing
    | Killing
    | Resigning
    | Resting
    | Ended
)


class Rival(Value):
    """Who else was in office, as far as we know: by token, and record if we have read it."""

    token: int
    record: str
    limits: Limits | None = None


class Elector(Value, kw_only=True):
    """The whole state. Times are absolute, in seconds; `math.inf` means never.

    ``renewed_at_s``: when the last successful renewal was SENT (rule S1). ``vacant_since_s``: when
    we first heard that nobody before us holds the election; ``vacant_led``: who led last (`Held`).
    ``look_at_s``: when to look again where we stand, and ``see_at_s``, at the leader meanwhile.
    ``guard_due_s``: when to look at a guard of whom nothing was heard meanwhile. ``guard_alive_s``:
    until when we know that it was not stopped, and ``guard_stopped_s`` when we first found that it
    was; from ``guard_lost_s`` on it is given up in any case.
    ``guard_new``: it has not stepped yet, as far as we know, and still starts.
    ``called_at_s``: when ``call`` was made.
    ``lost_in_a_row``: sessions and terms that the store ended since it last renewed one.
    ``ready``: our first word was said. ``step_at_s``: when to step, if nothing else is due.
    ``woke_at_s``: when we last found that we had been frozen ourselves. ``in_vain_since_s``: since
    when we were not told where we stand, though we asked; ``told_at_s``: when we last asked, and
    were; ``told_since_s``: since when each time. ``elected_at_s``: since when this session has been
    elected, though it never led.
    ``floor``: the highest token that we, or our guard, have ever seen in office. ``rival``: who
    else was in office since we last led;
    ``forgotten_until_s``: how long that one's job may live on, should the store have lost its data
    and know nothing of it any more. ``sight``: since when the leader has not renewed, as far as
    this session has seen. ``watch_refused``: it was reported that the store refuses our watch.
    ``prepare_at_s``: when to find out what it takes to resign.
    ``curbs``: what operators have ordered, as we last heard; ``curbed``: since when we know of what
    ends by itself (`curbing`); ``lifting``: it is to be taken out of the record. ``barred``: why we
    gave our place back when we were elected last.
    ``condition``: of our health, as the guard said last.
    ``behind_from_s``: the last renewal before we last asked, and were told that somebody leads: no
    earlier than that we can have come into office without being told.
    """

    phase: Phase
    started_at_s: float
    last_step_s: float
    guard_due_s: float
    guard_alive_s: float
    guard_lost_s: float
    guard_stopped_s: float = math.inf
    guard_new: bool = False
    call: Op | None = None
    called_at_s: float = math.inf
    watching: bool = False
    watch_at_s: float = 0.0
    watch_refused: bool = False
    session: Session | None = None
    renewed_at_s: float = -math.inf
    renew_at_s: float = 0.0
    look_at_s: float = math.inf
    see_at_s: float = math.inf
    retry_at_s: float = 0.0
    prepare_at_s: float = math.inf
    in_vain_since_s: float = math.inf
    told_at_s: float = -math.inf
    told_since_s: float = math.inf
    elected_at_s: float = math.inf
    failures: int = 0
    lost_in_a_row: int = 0
    connected: bool = False
    vacant_since_s: float | None = None
    vacant_led: int = 0
    ready: bool = False
    step_at_s: float = -math.inf
    woke_at_s: float = -math.inf
    following: str = ""
    floor: int = 0
    rival: Rival | None = None
    forgotten_until_s: float = -math.inf
    sight: Sight | None = None
    behind_from_s: float = -math.inf
    curbs: Curbs = NO_CURBS
    curbed: tuple[tuple[str, float], ...] = ()
    lifting: bool = False
    barred: str = ""
    condition: Condition = UNKNOWN

    def to(self, phase: Phase) -> Elector:
        return replace(self, phase=phase)

    def lease_until_s(self, timing: Timing) -> float:
        """Rule S1: from the sending of the last renewal, with the TTL that was granted."""
        if self.session is None:
            return -math.inf
        return self.renewed_at_s + lasting_s(self.session, timing) - timing.margin_s

    def term_until_s(self, timing: Timing) -> float:
        """Rule S16: D later a term is over for good; what is answered then revives nothing."""
        return self.lease_until_s(timing) - timing.yield_s


def lasting_s(session: Session, timing: Timing) -> float:
    """The TTL granted; for a kernel lock, which never runs out, the TTL that was asked for.

    Its file may be deleted, and made anew by a candidate who then waits for the takeover delay.
    Whoever has not looked at it for so long may not run a job any more.
    """
    return session.ttl_s if math.isfinite(session.ttl_s) else timing.ttl_s


def limits_of(session: Session, timing: Timing) -> Limits:
    """Of our term, for whoever comes after us.

    A silence of D proves that it is over; by whatever clock it is measured, which may run faster
    than ours. Of a kernel lock, which has no renewals, none can be seen.
    """
    ttl_s = lasting_s(session, timing)
    if math.isinf(session.ttl_s):
        return Limits(ttl_s)
    return Limits(ttl_s, (ttl_s - timing.margin_s - timing.yield_s) * _CLOCK_RATES)


def token_of(phase: Phase) -> int | None:
    """The token under which a job may be running, or could have been about to."""
    match phase:
        case Claiming(held) | Leading(held):
            return held.token
        case Losing(token) | Killing(token) | Resigning(token) | Adopting(token):
            return token
        case _:
            return None
