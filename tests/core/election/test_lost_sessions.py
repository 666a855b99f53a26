"""The elector's core: sessions that are lost in a row, and answers that come too late."""

from __future__ import annotations

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Answered,
    Call,
    Campaign,
    Done,
    Gone,
    HeardGuard,
    Look,
    Open,
    Renew,
    Renewed,
    Silent,
    TakeOffice,
    Tick,
)
from coordsidecar.core.election.phases import Claiming, Joining, Leading, Losing, Opening, Waiting
from coordsidecar.store.protocol import Absent
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    DOWN,
    NEVER,
    SESSION,
    UNCLEAN,
    answer,
    calls,
    elector,
    take,
)

# ── sessions that are lost before they were ever renewed ───────────────────────────────────────


def test_a_session_that_is_lost_is_followed_by_another_at_once() -> None:
    state = elector(Waiting(BEHIND), call=Renew(SESSION))

    _, effects = answer(state, Gone("expired"), 101.0)

    assert effects == [Call(Open())]


@pytest.mark.parametrize(
    ("lost", "pause_s"), [(1, 0.1), (2, 0.2), (4, 0.8), (7, 5.0), (10**6, 5.0)]
)
def test_the_more_sessions_are_lost_in_a_row_the_later_the_next_is_opened(
    lost: int, pause_s: float
) -> None:
    """A store that grants sessions, and then says of each that it is gone."""
    state = elector(Joining(), call=Campaign(SESSION), lost_in_a_row=lost)

    state, effects = answer(state, Gone("expired"), 101.0)
    _, early = take(state, Tick(), 101.0 + pause_s - 0.01)
    _, due = take(state, Tick(), 101.0 + pause_s)

    assert (effects, early, due) == ([], [], [Call(Open())])
    assert core.next_wake_s(state, AIMS) == pytest.approx(101.0 + pause_s)


@pytest.mark.parametrize("held", [Gone("expired"), Renewed(15.0, Absent())])
def test_terms_that_end_before_they_are_renewed_count_as_well(held: object) -> None:
    """Else jobs would begin and end without a pause."""
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True), lost_in_a_row=3)

    state, _ = answer(state, held, 101.0)
    assert isinstance(state.phase, Losing)
    state, _ = take(state, HeardGuard(msg.TreeGone(7, 0.0, leave=False)), 101.1)
    state, _ = answer(state, Done(), 101.2)
    state, ended = answer(state, Done(), 101.2)

    assert ended == []
    assert state.retry_at_s == pytest.approx(101.2 + 0.4)


def test_who_is_elected_and_loses_the_session_counts_it_as_well() -> None:
    state = elector(Claiming(UNCLEAN, NEVER), call=Renew(SESSION), lost_in_a_row=3)

    state, _ = answer(state, Gone("expired"), 101.0)

    assert state.lost_in_a_row == 4


@pytest.mark.parametrize("phase", [Joining(), Leading(CLEAN)])
def test_a_renewal_forgets_what_was_lost(phase: object) -> None:
    state = elector(phase, call=Renew(SESSION, look=True), retry_at_s=NEVER, lost_in_a_row=9)

    state, _ = answer(state, Renewed(15.0, CLEAN), 101.0)

    assert state.lost_in_a_row == 0


# ── answers that come too late to matter ───────────────────────────────────────────────────────


@pytest.mark.parametrize("session", [None, replace(SESSION, handle="s2")])
@pytest.mark.parametrize("result", [Gone("expired"), DOWN, Renewed(60.0)])
def test_an_answer_of_a_session_that_was_left_behind_says_nothing(
    session: object, result: object
) -> None:
    state = elector(Opening(), session=session, call=Renew(SESSION), retry_at_s=NEVER)
    state = replace(state, phase=Waiting(BEHIND)) if session else state

    after, effects = answer(state, result, 101.0)

    assert effects == []
    assert after == replace(state, call=None, last_step_s=101.0)


def test_an_answer_that_nobody_waits_for_says_nothing() -> None:
    state = elector(Leading(CLEAN), call=Renew(SESSION, look=True))

    after, effects = take(state, Answered(Look(SESSION), 100.0, Gone("expired"), 0.5), 101.0)

    assert effects == []
    assert after == replace(state, last_step_s=101.0)


@pytest.mark.parametrize(
    ("phase", "wanted"),
    [
        (Joining(), Campaign(SESSION)),
        (Claiming(CLEAN, 101.0, swept=True), TakeOffice(SESSION, 7)),
    ],
)
def test_renewals_that_are_never_answered_keep_nothing_else_from_being_asked(
    phase: object, wanted: object
) -> None:
    """Else a candidate whose renewals are carried out all the same stood before all for ever."""
    state = elector(phase, call=Renew(SESSION), retry_at_s=101.0)

    _, effects = answer(state, Silent("timed out"), 103.0, sent_at_s=101.0)

    assert calls(effects) == [Call(wanted)]  # type: ignore[arg-type]
