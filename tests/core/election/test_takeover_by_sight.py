"""Leadership by sight: when a candidate looks at the leader, and when it starts by what it saw."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core.election import sight
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Answered,
    Call,
    Campaign,
    Look,
    Open,
    Report,
    Silent,
    TakeOffice,
    Tick,
)
from coordsidecar.core.election.phases import Claiming, Joining, Opening, Waiting
from coordsidecar.core.election.sight import Sight
from coordsidecar.store.protocol import Absent, Behind, Held, Limits, Vacant
from coordsidecar.value import replace
from tests.core.election.electors import AIMS, BEHIND, SESSION, TIMING, answer, elector, take
from tests.core.election.sights import LED, VACATED, seen

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
