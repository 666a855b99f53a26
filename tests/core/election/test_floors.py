"""The elector's core: tokens only rise, though the store may lose its data (S8, S9)."""

from __future__ import annotations

import math
from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Call,
    Campaign,
    HeardGuard,
    Look,
    Open,
    Renewed,
    Resign,
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
    Opening,
    Rival,
    Waiting,
)
from coordsidecar.store.protocol import Held, Limits, Session
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    SESSION,
    UNCLEAN,
    answer,
    calls,
    elector,
    take,
    told,
)

IN_OFFICE = replace(BEHIND, leader_token=40, in_office=True)
FORGETFUL = Held(token=3, clean=True, last_run="", cursor=1, last_led=2)  # It was 40 once.


# ── where a floor comes from ───────────────────────────────────────────────────────────────────


def test_a_leader_in_office_raises_the_floor_and_the_guard_hears_of_it() -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), following="blue")

    state, effects = answer(state, IN_OFFICE, 101.0)

    assert state.floor == 40
    assert effects == [TellGuard(msg.Following("blue", 40, floor=40))]


def test_a_foreign_holder_raises_no_floor() -> None:
    """Whoever can write to the store could shut every election that we know of with one number."""
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), floor=3)

    state, effects = answer(state, replace(IN_OFFICE, in_office=False), 101.0)

    assert state.floor == 3
    assert effects == [TellGuard(msg.Following("blue", 40, floor=3))]


def test_a_floor_never_sinks() -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), floor=50, following="blue")

    state, effects = answer(state, IN_OFFICE, 101.0)

    assert state.floor == 50
    assert effects == []


def test_our_own_office_raises_the_floor() -> None:
    state = elector(Claiming(CLEAN, 100.0, swept=True), call=TakeOffice(SESSION, 7))
    known = replace(state, floor=50)

    risen, _ = answer(state, Took(7), 100.1)
    kept, _ = answer(known, Took(7), 100.1)

    assert risen.floor == 7
    assert kept.floor == 50


def test_an_elector_begins_with_the_floor_of_its_guard() -> None:
    assert core.begin(100.0, AIMS, floor=40).floor == 40


# ── where it goes to ───────────────────────────────────────────────────────────────────────────


def test_the_store_is_told_of_the_floor_whenever_office_may_be_taken() -> None:
    joining = elector(Joining(), floor=40)
    waiting = elector(Waiting(BEHIND), floor=40, look_at_s=100.0)
    claiming = elector(Claiming(FORGETFUL, 100.0, swept=True), floor=40)

    asked = [take(state, Tick(), 100.0)[1] for state in (joining, waiting, claiming)]

    assert asked == [
        [Call(Campaign(SESSION, 40))],
        [Call(Campaign(SESSION, 40))],
        [Call(TakeOffice(SESSION, 3, 40))],
    ]


def test_we_lead_under_the_token_that_office_gave_us_not_the_one_of_the_lock() -> None:
    state = elector(
        Claiming(FORGETFUL, 100.0, swept=True), call=TakeOffice(SESSION, 3, 40), floor=40
    )

    state, effects = answer(state, Took(41), 100.1)

    assert effects == [TellGuard(msg.Leased(41, step_down_at_s=108.0, run_until_s=113.0))]
    assert state.phase == Leading(replace(FORGETFUL, token=41))
    assert state.floor == 41


def test_office_that_is_not_ours_is_campaigned_for_again() -> None:
    state = elector(
        Claiming(CLEAN, 100.0, swept=True), call=TakeOffice(SESSION, 7), vacant_since_s=90.0
    )

    state, effects = answer(state, Took(None), 100.1)

    assert effects == [Call(Campaign(SESSION))]
    assert state.phase == Joining()
    assert state.vacant_since_s is None  # Somebody else may have led meanwhile.


# ── after a loss of data ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("held", [FORGETFUL, replace(FORGETFUL, last_run="election-ours")])
def test_after_a_loss_of_data_no_record_makes_up_for_the_takeover_delay(held: Held) -> None:
    """Who led by the data that are lost may not have heard of it yet."""
    state = elector(Waiting(BEHIND), call=Campaign(SESSION, 40), floor=40)

    state, effects = answer(state, held, 101.0)
    early, before = take(state, Tick(), 115.9)
    _, due = take(replace(early, call=None, look_at_s=1e9), Tick(), 116.0)

    assert TakeOffice(SESSION, 3, 40) not in [call.op for call in calls(effects + before)]
    assert state.phase == Claiming(held, start_at_s=116.0)
    assert calls(due)[-1:] == [Call(TakeOffice(SESSION, 3, 40))]


def test_a_record_that_knows_our_floor_is_believed() -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION, 40), floor=40)
    held = Held(token=41, clean=True, last_run="", cursor=1, last_led=40)

    _, effects = answer(state, held, 101.0)

    assert effects == [Call(TakeOffice(SESSION, 41, 40))]


def test_a_term_that_was_refused_is_released_though_it_was_never_begun() -> None:
    """The guard had seen a higher token."""
    refused = msg.TreeGone(7, rest_s=0.0, leave=False)

    _, effects = take(elector(Leading(CLEAN)), HeardGuard(refused), 101.0)

    assert effects == [Call(Resign(SESSION, 7, ANY))]


# ── a store that may have lost its data between two sessions ───────────────────────────────────


def reopened(**changes: object) -> Elector:
    """An elector whose session was lost, and that has just been granted another, at 101."""
    state = elector(Opening(), call=Open(), session=None, **changes)
    state, _ = answer(state, SESSION, 101.0)
    return state


def test_who_saw_somebody_in_office_trusts_no_clean_end_that_another_session_finds() -> None:
    """Another run may have led and resigned since, in a store that knew of nobody."""
    state = elector(Joining(), call=Campaign(SESSION))
    state, _ = answer(state, replace(BEHIND, in_office=True), 100.0)
    state = reopened(rival=state.rival)

    asked = state.call
    state, _ = answer(state, CLEAN, 102.0)

    assert asked == Campaign(SESSION, None)  # Not to take office at once.
    assert isinstance(state.phase, Claiming)
    assert state.phase.start_at_s == 116.0  # A takeover delay after the session was opened.


def test_for_as_long_as_a_leader_of_a_longer_ttl_may_live() -> None:
    state = elector(Joining(), call=Campaign(SESSION))
    behind = replace(BEHIND, in_office=True, limits=Limits(60.0))
    state, effects = answer(state, behind, 100.0)
    another = core.begin(100.0, AIMS, floor=5, floor_ttl_s=60.0)

    assert TellGuard(msg.Following("blue", 5, 5, 60.0)) in effects
    assert reopened(rival=state.rival).forgotten_until_s == 161.0
    assert reopened(rival=another.rival).forgotten_until_s == 161.0


def test_nor_one_that_comes_while_it_waits() -> None:
    state = reopened(rival=Rival(5, ""))
    state, _ = answer(state, UNCLEAN, 102.0)
    state = replace(state, call=Look(SESSION))

    state, _ = answer(state, CLEAN, 103.0)

    assert isinstance(state.phase, Claiming)
    assert state.phase.start_at_s == 116.0


@pytest.mark.parametrize("at_s", [116.0, 130.0])
def test_once_that_ones_time_is_over_it_does(at_s: float) -> None:
    state = reopened(rival=Rival(5, ""))
    state = replace(state, call=None, renewed_at_s=at_s, renew_at_s=1e9, retry_at_s=at_s)

    _, effects = take(state, Tick(), at_s + 0.1)

    assert effects == [Call(Campaign(SESSION, 0))]


def test_who_knows_of_nobody_waits_for_nobody() -> None:
    assert reopened().call == Campaign(SESSION, 0)


def test_who_has_led_since_is_the_last_that_it_knows_of() -> None:
    state = elector(Joining(), call=Campaign(SESSION), rival=Rival(5, ""))

    state, _ = answer(state, replace(CLEAN, in_office=True), 101.0)

    assert isinstance(state.phase, Leading)
    assert state.rival is None


def behind_40(state: Elector, now_s: float) -> Elector:
    return answer(replace(state, call=Campaign(SESSION), renewed_at_s=now_s), IN_OFFICE, now_s)[0]


def test_a_store_that_still_knows_whom_we_knew_has_forgotten_nothing() -> None:
    """So a standby whose session was revoked takes over as fast as any other."""
    before = behind_40(elector(Joining()), 100.0)

    state = behind_40(reopened(rival=before.rival), 101.5)

    assert before.rival == Rival(40, IN_OFFICE.leader)
    assert state.forgotten_until_s == -math.inf


def test_another_leader_proves_nothing_of_the_one_whom_we_knew_however_often_we_come() -> None:
    state = behind_40(reopened(rival=Rival(39, "somebody")), 101.5)

    assert state.rival == Rival(39, "somebody")
    assert state.forgotten_until_s == 116.0
    later = behind_40(state, 116.0)
    assert later.rival == Rival(40, IN_OFFICE.leader)


def test_a_new_elector_doubts_as_long_as_the_one_would_have_that_opened_its_session() -> None:
    opening = elector(Opening(), session=None, call=Open(), rival=Rival(39, "somebody"))
    _, effects = answer(opening, SESSION, 101.0)
    (holding,) = [m for m in told(effects) if isinstance(m, msg.Holding)]
    session = Session(holding.handle, holding.ttl_s, (), holding.doubted_until_s)

    heir = core.begin(102.0, AIMS, adopt=session, floor=39)
    heir, _ = take(replace(heir, ready=True), Tick(), 102.0)
    heir, _ = answer(heir, Renewed(15.0, replace(CLEAN, last_led=39)), 102.0)

    assert heir.phase == Claiming(replace(CLEAN, last_led=39), start_at_s=116.0)


@pytest.mark.parametrize(
    ("token", "floor", "rival"),
    [(None, 0, None), (None, 7, Rival(7, "")), (7, 7, None), (7, 9, Rival(9, ""))],
)
def test_a_new_elector_takes_the_highest_token_for_anothers_unless_it_is_its_guards(
    token: int | None, floor: int, rival: Rival | None
) -> None:
    begun = core.begin(100.0, AIMS, adopt=SESSION, token=token, floor=floor)

    assert begun.rival == rival
