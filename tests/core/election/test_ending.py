"""The elector's core: releasing last, resting, leaving (S4)."""

from __future__ import annotations

import math
from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Call,
    Campaign,
    Close,
    Done,
    Exit,
    GuardDied,
    HeardGuard,
    Open,
    Report,
    Resign,
    TellGuard,
    Tick,
    TreeKilled,
)
from coordsidecar.core.election.phases import (
    Claiming,
    Elector,
    Ended,
    Killing,
    Leading,
    Losing,
    Resigning,
    Resting,
    Waiting,
)
from coordsidecar.store.protocol import Session
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    NEVER,
    SESSION,
    adopting,
    answer,
    elector,
    take,
)

FORGET_IT = TellGuard(msg.Released(0))  # Nobody may adopt the session.

# ── releasing last ─────────────────────────────────────────────────────────────────────────────


def test_a_lost_leader_releases_only_when_the_guard_confirms_and_mends_the_record() -> None:
    state = elector(Losing(7, kill_at_s=105.0))

    state, quiet = take(state, Tick(), 104.0)
    state, effects = take(state, HeardGuard(msg.TreeGone(7, 0.0, leave=False)), 104.1)

    assert quiet == []
    assert effects == [Call(Resign(SESSION, 7, ANY))]


def test_who_is_elected_into_office_while_leaving_releases_it() -> None:
    state, _ = take(
        elector(Waiting(BEHIND), call=Campaign(SESSION)), HeardGuard(msg.Leave()), 100.0
    )

    state, effects = answer(state, replace(CLEAN, in_office=True), 100.1)

    assert effects == [Call(Resign(SESSION, 7, ANY))]


def test_who_can_release_nothing_any_more_says_so_and_leaves() -> None:
    """Its predecessor died while it resigned, and the session was nobody's to adopt."""
    gone = msg.TreeGone(7, 0.0, leave=True)

    _, effects = take(replace(core.begin(100.0, AIMS), ready=True), HeardGuard(gone), 100.0)

    assert effects[0] == TellGuard(msg.Released(7))
    assert effects[-1] == Exit()


def test_the_end_is_told_before_the_session_is_closed() -> None:
    resigning = Resigning(7, 0.0, leave=True, give_up_at_s=110.0)
    state = elector(resigning, call=Resign(SESSION, 7))

    state, first = answer(state, Done(), 101.0)
    state, last = answer(state, Done(), 101.1)

    assert first == [TellGuard(msg.Released(7)), Call(Close(SESSION))]
    assert last == [Exit()]


@pytest.mark.parametrize(
    "state",
    [
        elector(Leading(CLEAN)),
        elector(Losing(7, NEVER)),
        elector(Claiming(CLEAN, NEVER)),
        adopting(guard_due_s=NEVER, guard_lost_s=NEVER),
    ],
    ids=["leading", "losing", "claiming", "adopting"],
)
def test_the_guard_says_what_becomes_of_us_after_the_release(state: Elector) -> None:
    """It knows what is to be released, so a successor of ours may adopt the session for it."""
    gone = HeardGuard(msg.TreeGone(7, rest_s=60.0, leave=False))

    state, effects = take(state, gone, 101.0)

    assert effects == [Call(Resign(SESSION, 7, ANY))]
    assert state.phase == Resigning(7, 60.0, leave=False, give_up_at_s=115.0, why=ANY)


@pytest.mark.parametrize("phase", [Leading(CLEAN), Losing(7, NEVER), Claiming(CLEAN, NEVER)])
def test_an_end_of_another_term_does_not_end_this_one(phase: object) -> None:
    gone = HeardGuard(msg.TreeGone(6, rest_s=60.0, leave=False))

    state, effects = take(elector(phase), gone, 101.0)

    assert effects == [TellGuard(msg.Released(6))]
    assert state.phase == phase


def test_who_is_told_twice_answers_twice() -> None:
    gone = HeardGuard(msg.TreeGone(7, rest_s=0.0, leave=True))

    state, effects = take(elector(Waiting(BEHIND)), gone, 101.0)

    assert effects == [TellGuard(msg.Released(7)), FORGET_IT, Call(Resign(SESSION, None, ANY))]
    assert isinstance(state.phase, Resigning)
    assert state.phase.leave


def test_the_end_of_a_buried_guard_is_reported() -> None:
    state = elector(Killing(7, until_s=113.0))

    _, effects = core.step(state, TreeKilled(), 100.5, AIMS)

    assert effects[0] == Report("released", "the job is confirmed dead; releasing", 7)


def test_a_guard_that_is_given_up_is_reported() -> None:
    state = elector(Waiting(BEHIND), guard_lost_s=100.5)

    withdrawn, effects = core.step(state, Tick(), 100.5, AIMS)
    burying, killing = core.step(elector(Leading(CLEAN)), GuardDied(), 100.5, AIMS)

    assert effects[:2] == [Report("withdrawing", "the guard does not react"), FORGET_IT]
    assert killing[1] == Report("killing", "the guard is dead", 7)
    assert isinstance(withdrawn.phase, Resigning)
    assert isinstance(burying.phase, Killing)


# ── how long it may take ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("leave", "session", "give_up_at_s"),
    [
        (True, SESSION, 105.0),  # Two calls; then it dies of itself, and we are gone.
        (False, SESSION, 115.0),  # By then it is dead of itself.
        (False, Session("s1", 3.0), 105.0),
        (False, None, 105.0),
        (False, Session("s1", math.inf), math.inf),  # A kernel lock lasts for as long as we do.
    ],
)
def test_resigning_is_bounded(leave: bool, session: Session | None, give_up_at_s: float) -> None:
    state = elector(Leading(CLEAN), session=session)

    state, _ = take(state, HeardGuard(msg.TreeGone(7, 0.0, leave)), 101.0)

    if session is None:
        assert state.phase == Resting(101.0)  # There is nothing to give up.
    else:
        assert state.phase == Resigning(7, 0.0, leave, give_up_at_s, why=ANY)


def test_who_resigns_already_can_be_made_to_leave_and_gains_no_time_by_it() -> None:
    resting = elector(Resigning(7, 60.0, leave=False, give_up_at_s=115.0), call=Resign(SESSION, 7))
    leaving = elector(Resigning(7, 0.0, leave=True, give_up_at_s=102.0), call=Resign(SESSION, 7))
    again = HeardGuard(msg.TreeGone(6, 0.0, leave=True))

    asked, effects = take(resting, HeardGuard(msg.Leave()), 101.0)
    still, _ = take(leaving, again, 101.0)

    assert asked.phase == Resigning(7, 60.0, leave=True, give_up_at_s=105.0, why=ANY)
    assert effects == []
    assert still.phase == leaving.phase


def test_a_resignation_that_is_not_answered_is_given_up_in_time() -> None:
    """The guard goes on: a session that was not closed dies of itself."""
    state = elector(Resigning(7, 60.0, leave=False, give_up_at_s=105.0), call=Resign(SESSION, 7))

    state, early = take(state, Tick(), 104.9)
    state, effects = take(state, Tick(), 105.0)

    assert early == []
    assert effects == [TellGuard(msg.Released(7))]
    assert state.phase == Resting(165.0)
    assert (state.session, state.following, state.vacant_since_s) == (None, "", None)


def test_who_leaves_unanswered_says_first_that_its_term_is_over() -> None:
    state = elector(Resigning(7, 0.0, leave=True, give_up_at_s=105.0), call=Resign(SESSION, 7))

    state, effects = take(state, Tick(), 105.0)

    assert effects == [TellGuard(msg.Released(7)), Exit()]
    assert state.phase == Ended()


def test_what_was_told_once_is_not_told_again_when_the_session_is_closed() -> None:
    state = elector(
        Resigning(7, 60.0, leave=False, give_up_at_s=NEVER, resigned=True), call=Close(SESSION)
    )

    state, effects = answer(state, Done(), 101.0)

    assert effects == []
    assert state.phase == Resting(161.0)


@pytest.mark.parametrize("leave", [True, False])
def test_who_led_nothing_has_nothing_to_tell_of_its_end(leave: bool) -> None:
    state = elector(Resigning(None, 0.0, leave, give_up_at_s=NEVER), call=Resign(SESSION, None))

    state, first = answer(state, Done(), 101.0)
    state, last = answer(state, Done(), 101.1)

    assert first == [Call(Close(SESSION))]
    assert last == [Exit() if leave else Call(Open())]


def test_a_resignation_is_sent_at_once_whatever_failed_before() -> None:
    state = elector(Leading(CLEAN), retry_at_s=NEVER, failures=9)

    state, effects = take(state, HeardGuard(msg.TreeGone(7, 0.0, leave=False)), 101.0)

    assert effects == [Call(Resign(SESSION, 7, ANY))]
    assert state.failures == 0


def test_a_guard_that_dies_while_we_resign_is_buried_first() -> None:
    state = elector(Resigning(7, 0.0, leave=False, give_up_at_s=NEVER), call=Resign(SESSION, 7))

    state, _ = take(state, GuardDied(), 101.0)
    state, resigned = answer(state, Done(), 101.1)
    state, closed = answer(replace(state, call=Close(SESSION)), Done(), 101.2)

    assert resigned == closed == []
    assert state.phase == Killing(7, until_s=113.0)
