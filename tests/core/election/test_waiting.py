"""The elector's core: waiting behind somebody, in vain, or for a store that refuses."""

from __future__ import annotations

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Aims,
    Call,
    Campaign,
    Exit,
    Open,
    Refused,
    Renew,
    Resign,
    TakeOffice,
    TellGuard,
    Tick,
)
from coordsidecar.core.election.phases import (
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
    Waiting,
)
from coordsidecar.value import replace
from tests.core.election.electors import (
    AIMS,
    BEHIND,
    CLEAN,
    SESSION,
    adopting,
    answer,
    elector,
    take,
    told,
)


@pytest.mark.parametrize(
    ("waiting", "why"),
    [
        (elector(Waiting(BEHIND), following="blue"), "blue leads"),
        (elector(Joining()), "somebody else leads"),
        (elector(Opening(), session=None, connected=False), "the store does not answer"),
    ],
    ids=["behind", "joining", "unreachable"],
)
def test_waiting_ends_when_its_time_is_up(waiting: Elector, why: str) -> None:
    aims = replace(AIMS, wait_until_s=110.0)

    state, effects = take(waiting, Tick(), 110.0, aims)

    assert effects[0] == TellGuard(msg.Failed(124, f"{why}, and --wait is over"))
    assert effects[1:2] == ([TellGuard(msg.Released(0))] if waiting.session else [])
    assert isinstance(state.phase, Resigning)


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ('{"id": "blue"}', "blue"),
        ("etcdctl's proposal", "etcdctl's proposal"),
        ('{"id": ["x"]}', "['x']"),
        ("", "somebody"),
        ("9" * 5000, "9" * 200),
        ("[" * 5000, "[" * 200),
    ],
)
def test_whoever_wrote_the_leaders_record_gets_a_name(record: str, name: str) -> None:
    state = elector(Waiting(BEHIND), call=Campaign(SESSION))

    _, effects = answer(state, replace(BEHIND, leader=record), 101.0)

    assert TellGuard(msg.Following(name, 5, floor=0)) in effects


def test_who_has_waited_in_vain_and_has_no_session_goes_at_once() -> None:
    aims = replace(AIMS, wait_until_s=101.0)
    state, _ = take(elector(Opening(), session=None, call=Open()), Tick(), 101.0, aims)

    due_s = core.next_wake_s(state, aims)
    state, effects = take(state, Tick(), 101.0, aims)

    assert due_s <= 101.0
    assert effects == [Exit()]


# ── waits and rests ────────────────────────────────────────────────────────────────────────────


def test_a_rest_ends_with_a_new_session() -> None:
    state = elector(Resting(105.0), session=None, retry_at_s=1e9)

    state, early = take(state, Tick(), 104.9)
    state, due = take(state, Tick(), 105.0)

    assert early == []
    assert due == [Call(Open())]
    assert state.phase == Opening()


@pytest.mark.parametrize("phase", [Opening(), Joining(), Waiting(BEHIND)])
def test_waiting_ends_when_its_time_is_up_and_not_before(phase: object) -> None:
    aims = replace(AIMS, wait_until_s=110.0)
    state = elector(phase, retry_at_s=1e9)

    early, _ = take(state, Tick(), 109.9, aims)
    over, _ = take(state, Tick(), 110.0, aims)
    patient, _ = take(state, Tick(), 110.0)

    assert early.phase == patient.phase == phase
    assert isinstance(over.phase, Resigning)
    assert over.phase.leave


@pytest.mark.parametrize("phase", [Leading(CLEAN), Claiming(CLEAN, 1e9), Losing(7, 1e9)])
def test_who_was_elected_in_time_has_waited_enough(phase: object) -> None:
    state, effects = take(elector(phase), Tick(), 110.0, replace(AIMS, wait_until_s=110.0))

    assert state.phase == phase
    assert Exit() not in effects


# ── a store that refuses ───────────────────────────────────────────────────────────────────────


def test_at_the_start_a_refusal_ends_us_and_later_it_is_waited_out() -> None:
    starting, _ = take(replace(core.begin(100.0, AIMS), ready=True), Tick(), 100.0)
    later = elector(Opening(), session=None, call=Open())

    ended, effects = answer(starting, Refused("wrong password"), 100.1)
    waiting, _ = answer(later, Refused("wrong password"), 100.1)

    assert effects == [TellGuard(msg.Failed(125, "wrong password")), Exit()]
    assert ended.phase == Ended()
    assert waiting.phase == Opening()


@pytest.mark.parametrize(
    "standby",
    [
        elector(Opening(), session=None, call=Open()),
        elector(Joining(), call=Campaign(SESSION)),
        elector(Waiting(BEHIND), call=Campaign(SESSION)),
        elector(Waiting(BEHIND), call=Renew(SESSION)),
    ],
    ids=["opening", "joining", "waiting", "renewing"],
)
def test_a_final_refusal_ends_a_standby_with_125(standby: Elector) -> None:
    """What we were started with will not do, however often we ask."""
    state, effects = answer(standby, Refused("password expired", final=True), 101.0)

    assert effects[0] == TellGuard(msg.Failed(125, "password expired"))
    if standby.session is not None:
        assert effects[1] == TellGuard(msg.Released(0))  # Nobody may adopt the session.
    assert isinstance(state.phase, Resigning | Ended)
    assert not isinstance(state.phase, Resigning) or state.phase.leave


@pytest.mark.parametrize(
    "term",
    [
        elector(Claiming(CLEAN, 100.0, swept=True), call=TakeOffice(SESSION, 7)),
        elector(Leading(CLEAN), call=Renew(SESSION, look=True)),
        elector(Losing(7, kill_at_s=105.0), call=Renew(SESSION)),
        elector(Killing(7), call=Renew(SESSION)),
        replace(adopting(), call=Renew(SESSION, look=True)),
        elector(Resigning(7, 0.0, leave=False, give_up_at_s=110.0), call=Resign(SESSION, 7)),
    ],
    ids=["claiming", "leading", "losing", "killing", "adopting", "resigning"],
)
def test_a_final_refusal_never_touches_a_term(term: Elector) -> None:
    """Its deadline decides: whoever runs a job may still be believed to lead."""
    state, effects = answer(term, Refused("password expired", final=True), 101.0)

    assert told(effects) == []
    assert state.phase == term.phase


@pytest.mark.parametrize(
    "aims",
    [replace(AIMS, try_once=True), replace(AIMS, wait_until_s=105.0)],
    ids=["tries once", "waits"],
)
def test_who_was_elected_in_vain_and_rests_waits_no_longer_than_it_may(aims: Aims) -> None:
    """Its gate has failed, say: it would be elected again, and again in vain."""
    resting = elector(Resting(130.0), session=None)
    asleep = replace(resting, step_at_s=1e9, guard_due_s=1e9, last_step_s=104.0)

    due_s = core.next_wake_s(asleep, aims)
    state, effects = take(resting, Tick(), 105.0, aims)

    assert due_s <= 105.0
    why = "the lead was given up here, and --wait is over"
    assert effects == [TellGuard(msg.Failed(124, why))]
    assert take(state, Tick(), 105.0, aims)[1] == [Exit()]


def test_who_tries_once_and_has_no_rest_to_keep_tries_again() -> None:
    """It lost the lead: another may have it by now, or nobody."""
    aims = replace(AIMS, try_once=True)

    state, effects = take(elector(Resting(100.0), session=None), Tick(), 100.0, aims)

    assert effects == [Call(Open())]
    assert isinstance(state.phase, Opening)
