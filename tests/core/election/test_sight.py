"""Leadership by sight: what a candidate makes of a leader's silence."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core.election import sight
from coordsidecar.core.election.moves import Call, Campaign, Tick
from coordsidecar.core.election.phases import Waiting
from coordsidecar.store.protocol import Behind, Limits
from coordsidecar.value import replace
from tests.core.election.electors import SESSION, elector, take
from tests.core.election.sights import LED, VACATED, look, seen, watched

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
