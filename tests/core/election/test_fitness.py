"""The elector's core: who is sick, and is not to stand then, is no candidate."""

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
    Effect,
    HeardGuard,
    Open,
    Renew,
    Resign,
    TakeOffice,
    TellGuard,
    Tick,
    Took,
)
from coordsidecar.core.election.phases import (
    Adopting,
    Claiming,
    Elector,
    Joining,
    Leading,
    Opening,
    Resigning,
    Resting,
    Waiting,
)
from coordsidecar.store.protocol import Held
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    LEASED,
    SESSION,
    answer,
    elector,
    take,
)

SICK = HeardGuard(msg.Condition("sick", "no disk", stands=False))
WELL = HeardGuard(msg.Condition("well", "the check is passed"))
WHY = "it is unhealthy: no disk"
LEFT = [TellGuard(msg.Released(0)), Call(Resign(SESSION, None, WHY))]


@pytest.mark.parametrize("phase", [Joining(), Waiting(BEHIND)])
def test_a_candidate_gives_up_its_place(phase: object) -> None:
    state, effects = take(elector(phase), SICK, 101.0)

    assert effects == LEFT
    assert isinstance(state.phase, Resigning)


def test_who_is_elected_gives_that_up() -> None:
    state, effects = take(elector(Claiming(CLEAN, 100.0, swept=True)), SICK, 101.0)

    assert effects == [TellGuard(msg.Released(0)), Call(Resign(SESSION, 7, WHY))]
    assert isinstance(state.phase, Resigning)


def rested(state: Elector) -> tuple[Elector, list[Effect]]:
    """It has resigned and closed its session."""
    state, _ = answer(state, Done(), 101.1)
    assert state.call == Close(SESSION)
    return answer(state, Done(), 101.2)


def test_and_rests_until_it_is_well_however_long_that_takes() -> None:
    state, _ = take(elector(Waiting(BEHIND)), SICK, 101.0)
    state, _ = rested(state)
    state = replace(state, step_at_s=math.inf, guard_due_s=math.inf, guard_lost_s=math.inf)

    due_s = core.next_wake_s(state, AIMS)
    later, nothing = take(state, Tick(), 5000.0)
    again, effects = take(later, WELL, 5001.0)

    assert due_s == math.inf, "it does not turn in a loop"
    assert (type(later.phase), nothing) == (Resting, [])
    assert (again.phase, effects) == (Opening(), [Call(Open())])


def test_who_has_no_session_yet_opens_none() -> None:
    state, effects = take(elector(Opening(), session=None, retry_at_s=200.0), SICK, 101.0)
    state, later = take(state, Tick(), 300.0)

    assert (effects, later) == ([], [])
    assert isinstance(state.phase, Resting)


def test_one_that_was_just_being_opened_is_closed_again() -> None:
    state, _ = take(elector(Opening(), session=None, call=Open()), SICK, 101.0)
    state, _ = take(state, Tick(), 101.1)

    state, effects = answer(state, SESSION, 101.2)

    assert Call(Resign(SESSION, None, ANY)) in effects
    assert not isinstance(state.phase, Joining)


def test_who_was_elected_in_the_same_instant_gives_it_back() -> None:
    state, _ = take(elector(Joining(), call=Campaign(SESSION)), SICK, 101.0)
    held = Held(7, clean=True, last_run="", cursor=1, in_office=True)

    _, effects = answer(state, held, 101.1)

    assert Call(Resign(SESSION, 7, WHY)) in effects


def test_an_answer_that_office_is_taken_comes_too_late() -> None:
    claiming = Claiming(CLEAN, 100.0, swept=True)
    state, _ = take(elector(claiming, call=TakeOffice(SESSION, 7)), SICK, 101.0)

    _, effects = answer(state, Took(7), 101.1)

    assert not any(e.message == LEASED for e in effects if isinstance(e, TellGuard))
    assert Call(Resign(SESSION, 7, WHY)) in effects


def test_a_leader_leads_on_its_guard_knows_what_to_do() -> None:
    state, effects = take(elector(Leading(CLEAN)), SICK, 101.0)

    assert (state.phase, effects) == (Leading(CLEAN), [])


def test_a_leader_that_was_sick_does_not_stand_after_its_rest() -> None:
    state, _ = take(elector(Leading(CLEAN)), SICK, 101.0)
    gone = HeardGuard(msg.TreeGone(7, 30.0, leave=False, why="the job is unhealthy"))
    state, _ = take(state, gone, 102.0)
    state, _ = rested(state)

    state, effects = take(state, Tick(), 140.0)

    assert (type(state.phase), effects) == (Resting, [])


def test_a_rest_is_kept_to_by_who_is_well_again_before_it_is_over() -> None:
    state = elector(Resting(130.0), session=None, condition=SICK.message)

    early, nothing = take(state, WELL, 101.0)
    _, effects = take(early, Tick(), 130.0)

    assert (early.phase, nothing) == (Resting(130.0), [])
    assert effects == [Call(Open())]


def test_whoever_adopts_a_session_gives_it_back_if_it_leads_nothing() -> None:
    """An elector that replaces another hears of it with its first word."""
    state, effects = take(elector(Adopting(None), call=None, retry_at_s=200.0), SICK, 101.0)
    assert (state.phase, effects) == (Adopting(None), [])

    _, effects = take(replace(state, phase=Joining()), Tick(), 102.0)

    assert effects == LEFT


def test_wait_runs_out_meanwhile() -> None:
    aims = replace(AIMS, wait_until_s=110.0)
    state = elector(Resting(101.0), session=None, condition=SICK.message)

    due_s = core.next_wake_s(replace(state, step_at_s=math.inf), aims)
    _, effects = take(state, Tick(), 110.0, aims)

    why = "this instance is unhealthy: no disk, and --wait is over"
    assert due_s == 110.0
    assert TellGuard(msg.Failed(124, why)) in effects


def test_who_was_not_looked_at_yet_asks_the_store_for_nothing() -> None:
    aims = replace(AIMS, only_well_stand=True)
    state, first = take(core.begin(100.0, aims), Tick(), 100.1, aims)
    state, nothing = take(state, Tick(), 110.0, aims)

    _, effects = take(state, WELL, 111.0, aims)

    assert first == [TellGuard(msg.Ready())]
    assert nothing == []
    assert effects == [Call(Open())]


def test_who_follows_an_elector_that_led_leads_on_before_it_is_told_anything() -> None:
    aims = replace(AIMS, only_well_stand=True)
    state = core.begin(100.0, aims, adopt=SESSION, token=7, run_until_s=113.0)

    _, effects = take(state, Tick(), 100.1, aims)

    assert Call(Renew(SESSION, look=True)) in effects


def test_who_tries_once_waits_for_the_first_check_and_gives_up_if_it_is_sick() -> None:
    aims = replace(AIMS, only_well_stand=True, try_once=True)
    state, _ = take(core.begin(100.0, aims), Tick(), 100.1, aims)
    state, nothing = take(state, Tick(), 110.0, aims)

    _, sick = take(state, SICK, 111.0, aims)
    _, well = take(state, WELL, 111.0, aims)

    assert nothing == []
    why = "this instance is unhealthy: no disk, and --wait is over"
    assert sick[0] == TellGuard(msg.Failed(124, why))
    assert well == [Call(Open())]
