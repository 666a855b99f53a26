"""The elector's core: releasing last, adopting with care, waiting in vain."""

from __future__ import annotations

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
    KillTree,
    Look,
    Open,
    Renew,
    Renewed,
    Resign,
    TellGuard,
    Tick,
    TreeKilled,
    Watch,
)
from coordsidecar.core.election.phases import (
    Elector,
    Joining,
    Killing,
    Leading,
    Losing,
    Opening,
    Resigning,
    Waiting,
)
from coordsidecar.value import replace
from tests.core.election.electors import AIMS, BEHIND, CLEAN, LEASED, SESSION, answer, elector, take

# ── releasing (S4) ─────────────────────────────────────────────────────────────────────────────


def test_a_lost_leader_releases_only_when_the_guard_confirms_and_mends_the_record() -> None:
    state = elector(Losing(7, kill_at_s=105.0))

    state, quiet = take(state, Tick(), 104.0)
    state, effects = take(state, HeardGuard(msg.TreeGone(7, 0.0, leave=False)), 104.1)

    assert quiet == []
    assert effects == [Call(Resign(SESSION, 7))]


def test_who_is_elected_into_office_while_leaving_releases_it() -> None:
    state, _ = take(
        elector(Waiting(BEHIND), call=Campaign(SESSION)), HeardGuard(msg.Leave()), 100.0
    )

    state, effects = answer(state, replace(CLEAN, in_office=True), 100.1)

    assert effects == [Call(Resign(SESSION, 7))]


def test_who_can_release_nothing_any_more_says_so_and_leaves() -> None:
    """Its predecessor died while it resigned, and the session was nobody's to adopt."""
    gone = msg.TreeGone(7, 0.0, leave=True)

    _, effects = take(replace(core.begin(100.0, AIMS), ping_at_s=1e9), HeardGuard(gone), 100.0)

    assert effects[0] == TellGuard(msg.Released(7))
    assert effects[-1] == Exit()


def test_a_dead_guard_is_buried_before_anything_is_released() -> None:
    state, first = take(elector(Leading(CLEAN)), GuardDied(), 101.0)
    state, then = take(state, TreeKilled(), 101.1)

    assert first == [KillTree()]
    assert then == [Call(Resign(SESSION, 7))]


def test_a_tree_that_cannot_be_killed_keeps_the_lease() -> None:
    state = elector(Killing(7), renew_at_s=103.0)

    state, effects = take(state, Tick(), 103.0)

    assert effects == [Call(Renew(SESSION))]


def test_a_frozen_guard_is_killed_with_its_tree() -> None:
    state, effects = take(elector(Leading(CLEAN), guard_due_s=104.0), Tick(), 104.0)

    assert effects == [KillTree()]
    assert state.phase == Killing(7)


def test_a_guard_that_lets_the_deadline_pass_is_not_trusted_further() -> None:
    state, effects = take(elector(Leading(CLEAN)), Tick(), 112.5)

    assert effects == [KillTree()]
    assert state.phase == Killing(7)


def test_an_elector_that_wakes_late_gives_its_guard_a_moment_first() -> None:
    state, effects = core.step(elector(Leading(CLEAN)), Tick(), 500.0, AIMS)

    assert KillTree() not in effects
    _, later = take(state, Tick(), 501.0)
    assert later == [KillTree()]


def test_a_frozen_guard_that_stands_by_makes_way() -> None:
    _, effects = take(elector(Waiting(BEHIND), guard_due_s=104.0), Tick(), 104.0)

    forget_it = TellGuard(msg.Released(0))  # Our request to resign may arrive late.
    assert effects == [forget_it, Call(Resign(SESSION, None))]


def test_the_end_is_told_before_the_session_is_closed() -> None:
    resigning = Resigning(7, 0.0, leave=True, give_up_at_s=110.0)
    state = elector(resigning, call=Resign(SESSION, 7))

    state, first = answer(state, Done(), 101.0)
    state, last = answer(state, Done(), 101.1)

    assert first == [TellGuard(msg.Released(7)), Call(Close(SESSION))]
    assert last == [Exit()]


# ── adopting (S6) ──────────────────────────────────────────────────────────────────────────────


def test_an_adopted_election_is_renewed_and_looked_at_before_it_counts() -> None:
    state = replace(core.begin(100.0, AIMS, adopt=SESSION, token=7), ping_at_s=1e9)

    state, first = take(state, Tick(), 100.0)
    state, second = answer(state, Renewed(15.0), 100.1, sent_at_s=100.0)
    state, third = answer(state, CLEAN, 100.2)

    assert first == [Call(Renew(SESSION))]
    assert second == [Call(Look(SESSION))]
    assert third == [TellGuard(LEASED), Watch(SESSION, CLEAN)]


def test_an_adopted_election_that_is_no_longer_ours_is_lost() -> None:
    state = replace(core.begin(100.0, AIMS, adopt=SESSION, token=7), ping_at_s=1e9)
    state, _ = take(state, Tick(), 100.0)
    state, _ = answer(state, Renewed(15.0), 100.1)

    state, effects = answer(state, BEHIND, 100.2)

    assert effects == [TellGuard(msg.Lost(7, "blue holds the election now"))]


def test_a_guard_that_freezes_while_we_adopt_is_killed_for_its_job_may_run() -> None:
    begun = core.begin(100.0, AIMS, adopt=SESSION, token=7)
    state = replace(begun, ping_at_s=1e9, guard_due_s=101.0)

    _, effects = take(state, Tick(), 101.0)

    assert KillTree() in effects


# ── waiting ────────────────────────────────────────────────────────────────────────────────────


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

    assert TellGuard(msg.Following(name, 5)) in effects


def test_who_has_waited_in_vain_and_has_no_session_goes_at_once() -> None:
    aims = replace(AIMS, wait_until_s=101.0)
    state, _ = take(elector(Opening(), session=None, call=Open()), Tick(), 101.0, aims)

    due_s = core.next_wake_s(state, aims)
    state, effects = take(state, Tick(), 101.0, aims)

    assert due_s <= 101.0
    assert effects == [Exit()]


def test_a_guard_that_is_suspended_while_it_is_buried_releases_nothing() -> None:
    state, effects = take(elector(Killing(7)), HeardGuard(msg.Suspended()), 101.0)

    assert state.phase == Killing(7)
    assert effects == []
