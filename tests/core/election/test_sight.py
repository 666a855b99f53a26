"""Leadership by sight: what a candidate makes of a leader's silence, and when it starts by it."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import sight
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Answered,
    Call,
    Campaign,
    Look,
    Open,
    Renew,
    Renewed,
    Report,
    Silent,
    TakeOffice,
    TellGuard,
    Tick,
    Took,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Joining,
    Leading,
    Losing,
    Opening,
    Resigning,
    Waiting,
    limits_of,
)
from coordsidecar.core.election.sight import Sight
from coordsidecar.store.protocol import Absent, Behind, Held, Limits, Session, Vacant
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    LEASED,
    SESSION,
    TIMING,
    UNCLEAN,
    adopting,
    answer,
    elector,
    take,
    told,
)

LIMITS = Limits(15.0, 9.0)
LED = replace(BEHIND, in_office=True, limits=LIMITS)
VACATED = replace(UNCLEAN, last_led=5, last_limits=LIMITS)
PROVING = Renew(SESSION, look=True)


def look(was: Sight | None, behind: Behind | Held, now_s: float) -> Sight | None:
    """An answer that came a second after its question."""
    return sight.seen(was, behind, now_s - 1.0, now_s)


def seen(was: Sight | None, behind: Behind | Held, now_s: float) -> Sight:
    found = look(was, behind, now_s)
    assert found is not None
    return found


def watched(behind: Behind, from_s: float, until_s: float) -> Sight:
    """Who looks every two seconds, and sees the same each time."""
    found = seen(None, behind, from_s)
    while (from_s := from_s + 2.0) <= until_s:
        found = seen(found, behind, from_s)
    return found


# ── the store tells for how long (etcd) ────────────────────────────────────────────────────────


def test_a_silence_of_d_tells_when_the_job_is_dead() -> None:
    first = seen(None, replace(LED, quiet_s=0.0), 100.0)

    then = seen(first, replace(LED, quiet_s=9.0), 112.0)

    assert first.over_at_s == math.inf
    assert then.over_at_s == 103.0 + 15.0


def test_a_shorter_silence_tells_nothing() -> None:
    first = seen(None, replace(LED, quiet_s=0.0), 100.0)

    assert seen(first, replace(LED, quiet_s=8.0), 112.0).over_at_s == math.inf


def test_what_was_before_we_first_saw_the_term_counts_for_nothing() -> None:
    first = seen(None, replace(LED, quiet_s=12.0), 100.0)
    soon = seen(first, replace(LED, quiet_s=14.0), 109.0)  # Asked at 108.

    late = seen(soon, replace(LED, quiet_s=14.0), 110.0)

    assert (first.over_at_s, soon.over_at_s) == (math.inf, math.inf)
    assert late.over_at_s == 100.0 + 15.0


def test_the_earliest_end_that_was_seen_counts() -> None:
    first = seen(None, replace(LED, quiet_s=0.0), 100.0)
    rounded = seen(first, replace(LED, quiet_s=10.0), 111.0)

    assert seen(rounded, replace(LED, quiet_s=10.0), 111.9).over_at_s == 101.0 + 15.0


def test_a_renewal_that_is_seen_later_wipes_it() -> None:
    first = seen(None, replace(LED, quiet_s=0.0), 100.0)
    silent = seen(first, replace(LED, quiet_s=10.0), 111.0)

    assert seen(silent, replace(LED, quiet_s=1.0), 113.0).over_at_s == math.inf


def test_an_answer_without_evidence_leaves_what_was_seen() -> None:
    first = seen(None, replace(LED, quiet_s=0.0), 100.0)
    silent = seen(first, replace(LED, quiet_s=10.0), 111.0)

    assert seen(silent, LED, 113.0) == silent


@pytest.mark.parametrize(
    "behind",
    [
        replace(LED, limits=None),
        replace(LED, limits=Limits(15.0)),
    ],
)
def test_terms_without_limits_are_not_judged(behind: Behind) -> None:
    silent = seen(None, replace(LED, quiet_s=12.0), 100.0)

    assert look(None, replace(behind, quiet_s=12.0), 100.0) is None
    assert look(silent, replace(behind, quiet_s=14.0), 120.0) is None


def test_foreign_holders_are_not_judged_and_change_nothing_of_what_was_seen() -> None:
    """That term is over, and stays so, whoever is ahead of us by now."""
    foreign = replace(LED, in_office=False, limits=None, quiet_s=14.0)
    first = seen(None, replace(LED, quiet_s=0.0), 100.0)
    silent = seen(first, replace(LED, quiet_s=10.0), 111.0)

    assert look(None, foreign, 100.0) is None
    assert look(silent, foreign, 112.0) == silent


def test_a_holder_that_tells_its_limits_is_judged_though_it_is_not_in_office() -> None:
    """Where nothing else ends a holder's time: a Lease of Kubernetes, whoever holds it."""
    holder = replace(LED, in_office=False, leader_token=0, limits=Limits(4.0, 4.0), beat=7)

    silent = watched(holder, 100.0, 106.0)

    assert sight.depose_at_s(silent, 101.0) == 104.0
    assert sight.may_depose(silent, 104.0)
    assert not sight.may_depose(silent, 103.9)


@pytest.mark.parametrize("limits", [Limits(60.0, 9.0), Limits(15.0, 14.0)])
def test_other_limits_begin_anew(limits: Limits) -> None:
    """Two holders that have no token are told apart by nothing else; nor does a leader that
    changes its mind about them leave anything to go by."""
    silent = watched(replace(LED, beat=7), 100.0, 112.0)

    other = seen(silent, replace(LED, beat=7, limits=limits), 113.0)

    assert (other.ttl_s, other.quiet_s) == (limits.ttl_s, limits.quiet_s)
    assert (other.quiet_since_s, other.over_at_s) == (113.0, math.inf)


def test_another_term_begins_anew() -> None:
    silent = seen(None, replace(LED, quiet_s=12.0), 100.0)
    silent = seen(silent, replace(LED, quiet_s=14.0), 112.0)

    other = seen(silent, replace(LED, leader_token=6, quiet_s=14.0), 113.0)

    assert math.isfinite(silent.over_at_s)
    assert (other.known_s, other.over_at_s) == (113.0, math.inf)


def test_the_leaders_own_limits_count() -> None:
    patient = replace(LED, limits=Limits(60.0, 40.0))
    first = seen(None, replace(patient, quiet_s=0.0), 100.0)

    assert seen(first, replace(patient, quiet_s=39.0), 141.0).over_at_s == math.inf
    assert seen(first, replace(patient, quiet_s=40.0), 141.0).over_at_s == 101.0 + 60.0


# ── each renewal changes a number (Consul) ─────────────────────────────────────────────────────


def test_a_beat_that_does_not_change_for_d_tells_when_the_job_is_dead() -> None:
    soon = seen(watched(replace(LED, beat=3), 100.0, 108.0), replace(LED, beat=3), 109.9)

    late = seen(soon, replace(LED, beat=3), 110.0)

    assert soon.over_at_s == math.inf  # Asked at 108.9.
    assert late.over_at_s == 100.0 + 15.0


def test_a_silence_that_nobody_watched_is_none() -> None:
    """A store that is restored from a backup repeats its numbers."""
    first = seen(None, replace(LED, beat=3), 100.0)

    woken = seen(first, replace(LED, beat=3), 130.0)

    assert (woken.quiet_since_s, woken.over_at_s) == (130.0, math.inf)
    assert not sight.may_depose(first, 130.0)


def test_another_beat_begins_anew() -> None:
    silent = watched(replace(LED, beat=3), 100.0, 110.0)

    other = seen(silent, replace(LED, beat=4), 111.0)

    assert (other.quiet_since_s, other.over_at_s) == (111.0, math.inf)


def test_who_finds_the_lock_free_and_the_last_beat_unchanged_has_seen_it_as_well() -> None:
    silent = watched(replace(LED, beat=3), 100.0, 108.0)

    assert silent.over_at_s == math.inf
    assert seen(silent, replace(VACATED, beat=3), 110.0).over_at_s == 115.0
    assert seen(silent, replace(VACATED, beat=4), 110.0).over_at_s == math.inf


def test_a_leader_that_is_silent_for_its_ttl_is_deposed() -> None:
    state = elector(Waiting(LED), sight=watched(replace(LED, beat=3), 100.0, 114.0))

    _, early = take(replace(state, look_at_s=114.9), Tick(), 114.9)
    _, due = take(replace(state, look_at_s=115.0), Tick(), 115.0)

    assert early == [Call(Campaign(SESSION))]
    assert due == [Call(Campaign(SESSION, depose=3))]


def test_nobody_is_deposed_of_whom_the_store_tells_itself() -> None:
    silent = seen(None, replace(LED, quiet_s=12.0), 100.0)
    state = elector(Waiting(LED), sight=silent, look_at_s=200.0)

    assert take(state, Tick(), 200.0)[1] == [Call(Campaign(SESSION))]


# ── when to look ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("behind", "see_at_s", "look_at_s"),
    [
        (replace(LED, beat=3), 103.75, 115.0),
        (replace(LED, quiet_s=0.0), 109.0, 115.0),
        (replace(LED, quiet_s=0.0, next_in_line=False), 109.0, 115.0),
        (replace(LED, limits=Limits(9.0, 5.0), beat=3), 102.25, 109.0),
        (replace(LED, limits=Limits(15.0, 13.9), quiet_s=0.0), 113.9, 115.0),
        (replace(LED, limits=Limits(15.0, 14.0), quiet_s=0.0), math.inf, 115.0),
        (replace(LED, limits=Limits(1.001, 0.0001), quiet_s=0.0), 100.2, 115.0),
        (BEHIND, 103.0, 115.0),
    ],
)
def test_a_leader_is_looked_at_before_its_lease_ends(
    behind: Behind, see_at_s: float, look_at_s: float
) -> None:
    state, _ = answer(elector(Joining(), call=Campaign(SESSION)), behind, 100.0)

    assert (state.see_at_s, state.look_at_s) == pytest.approx((see_at_s, look_at_s))


@pytest.mark.parametrize(
    ("next_in_line", "quiet_s", "see_at_s"),
    [(True, 5.0, 113.0), (True, 8.0, 112.0), (False, 8.0, 114.0), (True, 9.0, 112.0)],
)
def test_a_silence_that_may_prove_something_soon_is_looked_at_twice_before_its_lease_ends(
    next_in_line: bool, quiet_s: float, see_at_s: float
) -> None:
    first = seen(None, replace(LED, quiet_s=0.0), 100.0)
    state = elector(Waiting(LED), call=Look(SESSION), sight=first)
    behind = replace(LED, quiet_s=quiet_s, next_in_line=next_in_line)

    state, _ = answer(state, behind, 110.0 if quiet_s > 5.0 else 109.0)

    assert state.see_at_s == pytest.approx(see_at_s)


def test_to_look_at_the_leader_is_no_campaign() -> None:
    _, effects = take(elector(Waiting(LED), see_at_s=102.0), Tick(), 102.0)

    assert effects == [Call(Look(SESSION))]


def test_a_look_that_was_not_answered_is_made_good_by_a_campaign() -> None:
    state = elector(Waiting(LED), see_at_s=102.0)
    state, _ = take(state, Tick(), 102.0)

    state, _ = answer(state, Silent("time-out"), 104.0)
    _, effects = take(state, Tick(), state.look_at_s)

    assert (state.see_at_s, effects) == (math.inf, [Call(Campaign(SESSION))])


def test_a_lock_that_is_not_given_is_not_asked_for_without_pause() -> None:
    silent = seen(None, replace(LED, beat=3), 100.0)

    assert sight.depose_at_s(silent, 109.0) == 115.0
    assert sight.depose_at_s(silent, 115.0) > 115.0


# ── the takeover ───────────────────────────────────────────────────────────────────────────────


def judged(over_at_s: float = 108.0, **changes: object) -> Sight:
    silent = Sight(5, 15.0, 9.0, known_s=80.0, quiet_since_s=93.0, over_at_s=over_at_s)
    return replace(silent, **changes)


def test_a_silent_leaders_successor_starts_a_ttl_after_the_last_renewal() -> None:
    state = elector(Waiting(LED), call=Campaign(SESSION), sight=judged(), floor=5)

    state, _ = answer(state, VACATED, 107.0)

    assert state.phase == Claiming(VACATED, start_at_s=108.0)


def test_people_are_told_that_a_silent_leader_is_followed() -> None:
    state = elector(Waiting(LED), call=Campaign(SESSION), sight=judged(100.0), floor=5)

    _, effects = core.step(state, Answered(Campaign(SESSION), 107.0, VACATED, 0.5), 107.0, AIMS)

    (report,) = [effect for effect in effects if isinstance(effect, Report)]
    assert "did not resign; for want of renewals, its job is dead" in report.message


def test_a_takeover_delay_beyond_the_ttl_is_waited_in_any_case() -> None:
    aims = replace(AIMS, timing=replace(TIMING, takeover_delay_s=20.0))
    state = elector(Waiting(LED), call=Campaign(SESSION), sight=judged(), floor=5)

    state, _ = answer(state, VACATED, 107.0, aims=aims)

    assert state.phase == Claiming(VACATED, start_at_s=113.0)


def test_and_at_once_if_that_is_past() -> None:
    state = elector(Waiting(LED), call=Campaign(SESSION), sight=judged(100.0), floor=5)

    _, effects = answer(state, replace(VACATED, last_run="election-ours"), 107.0)

    assert effects == [Call(TakeOffice(SESSION, 7, 5))]


@pytest.mark.parametrize(
    ("known", "held"),
    [
        (None, VACATED),
        (judged(math.inf), VACATED),
        (judged(token=4), VACATED),  # Somebody else has led since.
        (judged(), replace(VACATED, last_limits=Limits(15.0))),  # It asked not to be judged.
    ],
)
def test_who_has_not_seen_it_waits_for_the_takeover_delay(known: Sight | None, held: Held) -> None:
    state = elector(Waiting(LED), call=Campaign(SESSION), sight=known)

    state, _ = answer(state, held, 107.0)

    assert state.phase == Claiming(held, start_at_s=122.0)


def test_who_knows_of_a_later_term_than_the_store_waits_for_the_takeover_delay() -> None:
    state = elector(Waiting(LED), call=Campaign(SESSION), sight=judged(), floor=6)

    state, _ = answer(state, VACATED, 107.0)

    assert state.phase == Claiming(VACATED, start_at_s=122.0)


def test_what_another_session_saw_counts_for_nothing() -> None:
    state = elector(Opening(), session=None, call=Open(), sight=judged())

    state, _ = answer(state, SESSION, 107.0)

    assert state.sight is None


@pytest.mark.parametrize("between", [Absent(), Vacant(1.0, cursor=1, last_led=5)])
def test_what_this_session_saw_stays_whatever_it_is_told_meanwhile(between: object) -> None:
    state = elector(Waiting(LED), call=Campaign(SESSION), sight=judged())

    state, _ = answer(state, between, 101.0)

    assert state.sight == judged()


# ── rule S16: whoever has not renewed for D has led ────────────────────────────────────────────


@pytest.mark.parametrize("state", [elector(Leading(CLEAN)), adopting()])
def test_a_renewal_that_is_answered_after_d_revives_nothing(state: Elector) -> None:
    state = replace(state, call=PROVING, guard_due_s=1e9, guard_lost_s=1e9)

    over, effects = answer(state, Renewed(15.0, CLEAN), 108.0, sent_at_s=107.0)

    assert isinstance(over.phase, Losing)
    assert over.renewed_at_s == 100.0
    assert isinstance(told(effects)[0], msg.Lost)


@pytest.mark.parametrize("state", [elector(Leading(CLEAN)), adopting()])
def test_one_that_is_answered_before_does(state: Elector) -> None:
    state = replace(state, call=PROVING, guard_due_s=1e9, guard_lost_s=1e9)

    led, effects = answer(state, Renewed(15.0, CLEAN), 107.9, sent_at_s=101.0)

    assert led.phase == Leading(CLEAN)
    assert TellGuard(replace(LEASED, step_down_at_s=109.0, run_until_s=114.0)) in effects


def test_no_renewal_counts_that_came_after_office_was_asked_for() -> None:
    """Others may have seen us in office from then on, but no renewal without its proof."""
    state = elector(Claiming(CLEAN, 100.0, swept=True), retry_at_s=101.0)
    state, asked = take(state, Tick(), 101.0)
    late = replace(state, renewed_at_s=106.0)

    led, effects = answer(late, Took(7), 107.0)

    assert asked == [Call(TakeOffice(SESSION, 7))]
    assert TellGuard(LEASED) in effects
    assert led.renew_at_s == 103.0


def test_only_to_ask_for_office_begins_a_lease() -> None:
    state = elector(Claiming(UNCLEAN, 120.0, swept=True), look_at_s=101.0)

    state, asked = take(state, Tick(), 101.0)

    assert asked == [Call(Look(SESSION))]
    assert isinstance(state.phase, Claiming)
    assert state.phase.lease_from_s == math.inf


def test_office_that_was_taken_without_our_knowing_is_given_back() -> None:
    """Since when we have it, and by which renewal, nothing tells."""
    state = elector(Joining(), call=Campaign(SESSION))

    state, effects = answer(state, replace(CLEAN, last_led=7), 101.0)

    assert isinstance(state.phase, Resigning)
    assert state.phase.token == 7
    assert not any(isinstance(message, msg.Leased) for message in told(effects))


def test_a_claim_that_was_carried_out_unheard_goes_on() -> None:
    state = elector(Claiming(CLEAN, 100.0, swept=True), call=Look(SESSION))

    state, _ = answer(state, replace(CLEAN, last_led=7), 101.0)

    assert isinstance(state.phase, Claiming)


def test_the_limits_of_a_term_are_its_own_and_cover_two_clocks() -> None:
    granted = limits_of(Session("s1", 30.0), TIMING)

    assert granted.ttl_s == 30.0
    assert granted.quiet_s == pytest.approx(23.0 * 1.05 / 0.95)


def test_nothing_follows_from_the_silence_of_a_kernel_lock() -> None:
    assert limits_of(Session("file", math.inf), TIMING) == Limits(15.0)
