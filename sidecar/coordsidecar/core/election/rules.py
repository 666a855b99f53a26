"""The elector's moves between its phases; `election.step` says which one is due."""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.election import curbing, sight
from coordsidecar.core.election.moves import (
    Aims,
    Campaign,
    Effect,
    Event,
    Exit,
    Report,
    TellGuard,
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
    Rival,
    Waiting,
    lasting_s,
    token_of,
)
from coordsidecar.store.protocol import Held, Limits, Session
from coordsidecar.value import replace

Step = tuple[Elector, list[Effect]]

SIDECAR_EXIT_CODE = 125

_REOPEN_FIRST_S = 0.1
_REOPEN_MAX_S = 5.0
# Who was appointed renews at once; but that takes the store and us a millisecond of a processor
# that the job's start needs.
_JOB_FIRST_S = 0.05


def pass_time(elector: Elector, event: Event, now_s: float, aims: Aims) -> Step:
    """Rests, and resignations, that are over."""
    match elector.phase:
        case Resting(until_s) if now_s >= until_s and elector.condition.stands:
            return reopen(elector, now_s), []
        case Resigning(give_up_at_s=give_up_at_s) if (
            elector.session is None or now_s >= give_up_at_s
        ):
            return resigned(elector, now_s)
        case _:
            return elector, []


def reopen(elector: Elector, now_s: float) -> Elector:
    """Ask for another session: at once, unless those before it were lost before any was renewed.

    A store that grants sessions and then knows nothing of them would have jobs begin and end
    without a pause.
    """
    pause_s = 0.0
    if elector.lost_in_a_row > 1:
        pause_s = min(_REOPEN_FIRST_S * 2.0 ** min(elector.lost_in_a_row - 2, 10), _REOPEN_MAX_S)
    return replace(elector.to(Opening()), retry_at_s=now_s + pause_s)


def needs_sweep(held: Held, aims: Aims) -> bool:
    """Whether an earlier run, of this election as its mark tells, may have left processes here."""
    of_ours = held.last_run.partition("-")[0] == aims.run.partition("-")[0]
    return of_ours and held.last_run != aims.run


def campaign(elector: Elector, session: Session) -> Campaign:
    """Office is taken with it where all is clean, unless we know better than the store; and a
    leader is deposed that has not renewed for a TTL."""
    now_s = elector.last_step_s
    floor = None if now_s < elector.forgotten_until_s else elector.floor
    seen = elector.sight
    beat = seen.beat if seen and sight.may_depose(seen, now_s) else None
    return Campaign(session, floor, depose=beat)


def claim(elector: Elector, held: Held, now_s: float, aims: Aims) -> Step:
    """The election is ours. The job may start at once only after an orderly end (rule S9)."""
    if held.in_office:
        return lead(elector, held, now_s, aims)  # Such an end it was, or there would be no office.
    phase = elector.phase
    going_on = isinstance(phase, Claiming) and phase.held.token == held.token
    if held.last_led == held.token and not going_on:
        # Whoever was before us has appointed us; or a request took it that we had no answer to.
        return appointed(elector, held, now_s, aims)
    # Our own run ended under the guard that now stands by, so we know that its tree is gone. And
    # where the store has lost its data, who led then may not have heard of it yet.
    orderly = (held.clean or held.last_run == aims.run) and held.last_led >= elector.floor
    elector, barred = curbing.bar(elector, held.last_led, now_s, aims)
    if barred is not None and not barred.waits:
        if orderly and now_s >= elector.forgotten_until_s:
            elector = replace(elector, rival=None)  # By another session we need not doubt it.
        elector, said = curbing.say(elector, barred, held.token)
        rest_s = barred.rest_s
        elector, more = resign(elector, held.token, rest_s, leave=False, now_s=now_s, aims=aims)
        return elector, said + more
    if isinstance(phase, Claiming) and not going_on:
        elector = replace(elector, vacant_since_s=None)  # Somebody else may have led meanwhile.
    elector, since_s = vacant_since(elector, held.last_led, now_s)
    elected_at_s = min(elector.elected_at_s, now_s)
    elector = replace(elector, look_at_s=math.inf, elected_at_s=elected_at_s)
    start_at_s, unseen = now_s, ""
    if not orderly:
        start_at_s = since_s + takeover_delay_s(elector, aims, held.last_limits)
        over_s = sight.over_at_s(elector.sight, held, elector.floor)
        # Who asks for more than the default gets it in any case.
        over_s += max(aims.timing.takeover_delay_s - aims.timing.ttl_s, 0.0)
        unseen = "" if math.isfinite(over_s) else ", and nothing tells when it last renewed"
        start_at_s = max(min(start_at_s, over_s), now_s)
        rival = elector.rival or Rival(held.last_led, "", held.last_limits)
        elector = replace(elector, rival=rival)
    # Whoever resigned may have begun when the store had lost its data, and know of nobody else.
    start_at_s = max(start_at_s, elector.forgotten_until_s)
    effects: list[Effect] = []
    if not (orderly or unseen or going_on) and start_at_s <= now_s:
        why = "elected; the last leader did not resign; for want of renewals, its job is dead"
        effects.append(Report("elected", why, held.token))
    if start_at_s > now_s:
        # The leader before us may still confirm that its job is over: look again.
        elector = replace(elector, look_at_s=now_s + aims.timing.look_again_s)
        because = f"the last leader did not resign{unseen}"
        if held.last_led < 0:
            because = "nothing tells who led before"
        if orderly:
            because = "a leader that the store may have forgotten may still run"
        why = f"elected; {because}, so the job waits {start_at_s - now_s:.1f}s"
        if not isinstance(elector.phase, Claiming):
            effects.append(Report("elected", why, held.token))
    was = elector.phase if isinstance(elector.phase, Claiming) and going_on else None
    phase = replace(was or Claiming(held, start_at_s), held=held, start_at_s=start_at_s)
    elector, more = curbing.wait(elector.to(phase), barred, now_s)
    return (elector if was else replace(elector, retry_at_s=now_s)), effects + more


def appointed(elector: Elector, held: Held, now_s: float, aims: Aims) -> Step:
    """We are in office, nobody knows since when: who sees us may have judged our renewals since.

    But it was later than we were last told that somebody else is, so by what we had renewed before
    that we may lead (rules S1, S16, S17). What is too old, or not what we know, is given back.
    """
    known = held.token > elector.floor and now_s >= elector.forgotten_until_s
    if known:
        elector = replace(elector, rival=None)  # It has left in order, as the record says.
    if known and math.isfinite(elector.behind_from_s) and isinstance(elector.phase, Waiting):
        return lead(replace(elector, renewed_at_s=elector.behind_from_s), held, now_s, aims)
    why = "elected, but nothing tells since when"
    elector, more = resign(elector, held.token, 0.0, leave=False, now_s=now_s, aims=aims, why=why)
    return elector, [Report("resigning", why, held.token), *more]


def vacant_since(elector: Elector, last_led: int, now_s: float) -> tuple[Elector, float]:
    """From when on the takeover delay counts: since then nobody else has led, as far as we know.

    We may have been cut off between two looks; who led meanwhile has left its token.
    """
    if elector.vacant_since_s is None or elector.vacant_led != last_led:
        return replace(elector, vacant_since_s=now_s, vacant_led=last_led), now_s
    return elector, elector.vacant_since_s


def takeover_delay_s(elector: Elector, aims: Aims, last: Limits | None = None) -> float:
    """It covers the TTL of whoever may still lead, the ``last`` leader's too: longer than ours?

    A server that grants a longer TTL than was asked for grants it to every leader.
    """
    timing = aims.timing
    assert elector.session is not None
    ttls_s = [timing.ttl_s, lasting_s(elector.session, timing)]
    ttls_s += [limits.ttl_s for limits in (last, elector.rival and elector.rival.limits) if limits]
    return timing.takeover_delay_s * max(ttls_s) / timing.ttl_s


def lead(elector: Elector, held: Held, now_s: float, aims: Aims) -> Step:
    """Office is taken: tell the guard, if there is still time enough (rule S5)."""
    timing = aims.timing
    if isinstance(elector.phase, Claiming):
        from_s = min(elector.renewed_at_s, elector.phase.lease_from_s)
        elector = replace(elector, renewed_at_s=from_s)
    elector = replace(elector, floor=max(elector.floor, held.token))
    if now_s >= elector.term_until_s(timing):
        why = "elected, but too little of the lease is left"
        report = Report("too-late", why, held.token)
        # Where there is no queue we would be elected again before anybody else has heard of it, and
        # for ever, if it is our renewals that fail.
        rest_s = timing.renew_every_s
        elector, effects = resign(
            elector, held.token, rest_s, leave=False, now_s=now_s, aims=aims, why=why
        )
        return elector, [report, *effects]
    renew_at_s = min(elector.renew_at_s, elector.renewed_at_s + timing.renew_every_s)
    if now_s + _JOB_FIRST_S + 2 * timing.rpc_timeout_s < elector.term_until_s(timing):
        renew_at_s = max(renew_at_s, now_s + _JOB_FIRST_S)
    elector = replace(
        elector.to(Leading(held)),
        watch_at_s=now_s,
        renew_at_s=renew_at_s,
        vacant_since_s=None,
        following="",
        rival=None,
        prepare_at_s=math.inf,
    )
    return elector, [tell_lease(elector, held.token, aims)]


def tell_lease(elector: Elector, token: int, aims: Aims) -> Effect:
    """The deadlines that follow from the last renewal (rules S1, S2)."""
    timing = aims.timing
    run_until_s = elector.lease_until_s(timing)
    return TellGuard(msg.Leased(token, elector.term_until_s(timing), run_until_s))


def lose(elector: Elector, token: int, why: str, now_s: float, aims: Aims) -> Step:
    """The store said no: the guard must stop the job, with what grace the lease leaves (S6)."""
    timing = aims.timing
    elector = replace(elector, lost_in_a_row=elector.lost_in_a_row + 1)
    latest_s = elector.lease_until_s(timing) - timing.kill_reserve_s / 2
    kill_at_s = min(now_s + timing.yield_s, latest_s)
    return elector.to(Losing(token, kill_at_s)), [TellGuard(msg.Lost(token, why))]


def session_lost(elector: Elector, why: str, now_s: float, aims: Aims) -> Step:
    """The session is gone, and our candidacy with it."""
    match elector.phase:
        case Leading(held):
            return lose(elector, held.token, why, now_s, aims)
        case Adopting(int(token)):
            return lose(elector, token, why, now_s, aims)
        case Claiming(held):
            elector = replace(elector, lost_in_a_row=elector.lost_in_a_row + 1)
            # Office may have been recorded, though no job ran: mend the record.
            return resign(elector, held.token, 0.0, leave=False, now_s=now_s, aims=aims, why=why)
        case Adopting() | Joining() | Waiting():
            lost_in_a_row = elector.lost_in_a_row + 1
            elector = replace(
                elector, session=None, vacant_since_s=None, lost_in_a_row=lost_in_a_row
            )
            elector = reopen(elector, now_s)
            return elector, [Report("session-lost", why)]
        case _:
            return elector, []


def resign(
    elector: Elector,
    token: int | None,
    rest_s: float,
    *,
    leave: bool,
    now_s: float,
    aims: Aims,
    why: str = "it left before its job started",
) -> Step:
    """Give up the election, or our place in the queue. ``why``: for the history."""
    timing = aims.timing
    give_up_at_s = now_s + 2 * timing.rpc_timeout_s
    if elector.session is not None and not leave:
        # It ends by itself then; but a kernel lock lasts for as long as we do.
        give_up_at_s = max(give_up_at_s, elector.renewed_at_s + elector.session.ttl_s)
    match elector.phase:
        case Resigning() as phase:
            at_s = min(give_up_at_s, phase.give_up_at_s)
            return elector.to(replace(phase, leave=phase.leave or leave, give_up_at_s=at_s)), []
        case Ended():
            return elector, []
        case _ as phase:
            token = token if token is not None else token_of(phase)
            elector = elector.to(Resigning(token, rest_s, leave, give_up_at_s, why=why))
            # Nobody may go on with this session: our request to end it may arrive late.
            effects: list[Effect] = []
            if elector.session is not None and not isinstance(phase, Killing):
                effects = [TellGuard(msg.Released(0))]
            return replace(elector, retry_at_s=now_s, failures=0), effects


def resigned(elector: Elector, now_s: float) -> Step:
    """Released and closed, or given up: a session that was not closed dies of itself."""
    phase = elector.phase
    if not isinstance(phase, Resigning):
        return elector, []  # The guard died meanwhile: first things first.
    effects: list[Effect] = []
    if phase.token is not None and not phase.resigned:
        effects.append(TellGuard(msg.Released(phase.token)))
    elector = replace(elector, session=None, following="", vacant_since_s=None)
    if phase.leave:
        return elector.to(Ended()), [*effects, Exit()]
    return elector.to(Resting(now_s + phase.rest_s)), effects
