"""The elector's core: only a proof of ownership moves a deadline (S1, S6, S17)."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import (
    Call,
    Refused,
    Renew,
    Renewed,
    Silent,
    TellGuard,
    Tick,
    Watch,
    Watched,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Joining,
    Leading,
    Losing,
    Waiting,
)
from coordsidecar.store.protocol import Absent, Session, Standing, Vacant
from coordsidecar.value import replace
from tests.core.election.electors import (
    BEHIND,
    CLEAN,
    LEASED,
    SESSION,
    adopting,
    answer,
    elector,
    take,
)

PROVING = Renew(SESSION, look=True)
NO_PROOF = [
    (Absent(), "our key was deleted"),
    (Vacant(0.0, cursor=1), "our key was deleted"),
    (BEHIND, "blue holds the election now"),
    (replace(CLEAN, token=8), "our key was written anew by somebody else"),
]


def owning() -> list[Elector]:
    """Who leads, and who takes over from an elector that did; each has asked for the proof."""
    return [
        elector(Leading(CLEAN), call=PROVING),
        adopting(call=PROVING, guard_due_s=1e9, guard_lost_s=1e9),
    ]


# ── a yes ──────────────────────────────────────────────────────────────────────────────────────


def test_the_deadline_counts_from_the_sending_and_by_the_ttl_that_was_granted() -> None:
    granted = replace(SESSION, ttl_s=20.0)
    state = elector(Leading(CLEAN), session=granted, call=Renew(granted, look=True))

    state, effects = answer(state, Renewed(20.0, CLEAN), 104.0, sent_at_s=102.5)

    assert effects == [TellGuard(msg.Leased(7, step_down_at_s=115.5, run_until_s=120.5))]


def test_a_renewal_gives_no_more_than_was_granted() -> None:
    """Whoever answers for the store: what it granted is what it keeps."""
    state = elector(Leading(CLEAN), call=PROVING)

    state, effects = answer(state, Renewed(1e6, CLEAN), 104.0, sent_at_s=102.5)

    assert effects == [TellGuard(msg.Leased(7, step_down_at_s=110.5, run_until_s=115.5))]


@pytest.mark.parametrize("ttl_s", [4.0, 0.0, -1.0])
def test_a_renewal_for_less_than_was_granted_is_none(ttl_s: float) -> None:
    """The guard, whose deadlines only move forward, would be buried for it in good health."""
    state = elector(Leading(CLEAN), call=PROVING, renew_at_s=0.0)

    state, effects = answer(state, Renewed(ttl_s, CLEAN), 104.0, sent_at_s=102.5)
    soon, later = take(state, Tick(), 104.0)

    assert effects == later == []
    assert soon.phase == Leading(CLEAN)
    assert soon.renewed_at_s == 100.0
    assert soon.renew_at_s > 104.0  # Not at once.


def test_a_late_answer_never_moves_the_deadline_back() -> None:
    state = elector(Leading(CLEAN), call=PROVING, renewed_at_s=103.0)

    state, effects = answer(state, Renewed(15.0, CLEAN), 104.0, sent_at_s=100.0)

    assert effects[0] == TellGuard(msg.Leased(7, step_down_at_s=111.0, run_until_s=116.0))


def test_a_kernel_lock_is_led_under_for_no_longer_than_the_ttl_asked_for() -> None:
    """Its file may be deleted, and whoever makes it anew waits for the takeover delay only."""
    lock = Session("s1", math.inf, fds=(3,))
    state = elector(Leading(CLEAN), session=lock, call=Renew(lock, look=True))

    state, effects = answer(state, Renewed(math.inf, CLEAN), 104.0, sent_at_s=103.0)

    assert effects[0] == TellGuard(msg.Leased(7, step_down_at_s=111.0, run_until_s=116.0))


def test_a_leader_asks_for_its_proof_with_every_renewal() -> None:
    _, effects = take(elector(Leading(CLEAN), renew_at_s=103.0), Tick(), 103.0)

    assert effects == [Call(PROVING)]


def test_who_does_not_lead_needs_no_proof() -> None:
    for phase in (Joining(), Waiting(BEHIND), Claiming(CLEAN, 1e9)):
        _, effects = take(elector(phase, renew_at_s=103.0), Tick(), 103.0)

        assert effects[0] == Call(Renew(SESSION, look=False))


def test_the_watch_of_a_leader_starts_anew_from_its_last_proof() -> None:
    later = replace(CLEAN, cursor=9)
    state = elector(Leading(CLEAN), call=PROVING, watching=False, watch_at_s=math.inf)

    state, effects = answer(state, Renewed(15.0, later), 104.0)

    assert effects[1:] == [Watch(SESSION, later)]


def test_an_adopted_election_counts_once_its_renewal_proves_it() -> None:
    state, first = take(adopting(), Tick(), 100.0)

    state, second = answer(state, Renewed(15.0, CLEAN), 100.2, sent_at_s=100.0)

    assert first == [Call(PROVING)]
    assert second == [TellGuard(LEASED), Watch(SESSION, CLEAN)]
    assert state.phase == Leading(CLEAN)


# ── a no ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("standing", "why"), NO_PROOF)
@pytest.mark.parametrize("state", owning(), ids=["leading", "adopting"])
def test_a_session_that_lives_is_not_ownership(
    state: Elector, standing: Standing, why: str
) -> None:
    state, effects = answer(state, Renewed(15.0, standing), 102.0)

    assert effects == [TellGuard(msg.Lost(7, why))]
    assert isinstance(state.phase, Losing)
    assert state.renewed_at_s == 100.0


def test_a_loss_kills_no_later_than_half_of_k_before_what_was_last_proven() -> None:
    state = elector(Leading(CLEAN), call=PROVING)

    late, _ = answer(state, Renewed(15.0, BEHIND), 110.0)
    early, _ = answer(state, Renewed(15.0, BEHIND), 101.0)

    assert late.phase == Losing(7, kill_at_s=112.5)
    assert early.phase == Losing(7, kill_at_s=106.0)


# ── neither ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", owning(), ids=["leading", "adopting"])
def test_a_proof_that_was_asked_for_and_is_missing_is_no_answer(state: Elector) -> None:
    """The store is of an older make: it moves nothing, and is not asked again at once."""
    again, effects = answer(state, Renewed(15.0, None), 101.0, sent_at_s=100.5)
    again, early = take(again, Tick(), 101.09)
    _, later = take(again, Tick(), 101.1)

    assert effects == early == []
    assert again.renewed_at_s == 100.0
    assert again.phase == state.phase
    assert later == [Call(PROVING)]


def test_a_renewal_that_was_sent_before_we_led_extends_nothing() -> None:
    state = elector(Leading(CLEAN), call=Renew(SESSION))

    state, effects = answer(state, Renewed(15.0), 104.0, sent_at_s=103.0)

    assert effects == [Call(PROVING)]
    assert state.renewed_at_s == 100.0


@pytest.mark.parametrize("nothing", [Silent("cut off"), Refused("may not look"), Refused("", True)])
@pytest.mark.parametrize("state", owning(), ids=["leading", "adopting"])
def test_a_look_that_fails_fails_the_whole_renewal(state: Elector, nothing: object) -> None:
    """Whatever became of the session: without the proof no deadline moves, and none is cut."""
    again, effects = answer(state, nothing, 102.0)
    _, later = take(again, Tick(), 103.0)

    assert effects == []
    assert again.renewed_at_s == 100.0
    assert again.phase == state.phase
    assert later == [Call(PROVING)]


def test_a_watch_is_only_a_hint_to_ask_for_the_proof() -> None:
    state, effects = take(elector(Leading(CLEAN)), Watched(changed=True), 101.0)

    assert effects == [Call(PROVING)]
    assert state.phase == Leading(CLEAN)


def test_nothing_waits_for_a_watch_that_saw_nothing() -> None:
    state, effects = take(elector(Leading(CLEAN)), Watched(changed=False), 101.0)

    assert effects == [Watch(SESSION, CLEAN)]
    assert state.renew_at_s == 1e9


@pytest.mark.parametrize(("alarmed", "pause_s"), [(True, 0.75), (False, 0.0)])
def test_a_proof_after_a_false_alarm_is_followed_by_a_pause_of_the_watch(
    alarmed: bool, pause_s: float
) -> None:
    watch_at_s = math.inf if alarmed else 101.0
    state = elector(Leading(CLEAN), call=PROVING, watching=False, watch_at_s=watch_at_s)

    state, _ = answer(state, Renewed(15.0, CLEAN), 102.0)

    assert state.watch_at_s == 102.0 + pause_s
