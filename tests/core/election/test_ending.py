"""The elector's core: releasing last, adopting with care, waiting in vain."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import (
    Call,
    Campaign,
    Close,
    Done,
    Exit,
    HeardGuard,
    Resign,
    TellGuard,
    Tick,
)
from coordsidecar.core.election.phases import (
    Losing,
    Resigning,
    Waiting,
)
from coordsidecar.value import replace
from tests.core.election.electors import AIMS, BEHIND, CLEAN, SESSION, answer, elector, take

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


def test_the_end_is_told_before_the_session_is_closed() -> None:
    resigning = Resigning(7, 0.0, leave=True, give_up_at_s=110.0)
    state = elector(resigning, call=Resign(SESSION, 7))

    state, first = answer(state, Done(), 101.0)
    state, last = answer(state, Done(), 101.1)

    assert first == [TellGuard(msg.Released(7)), Call(Close(SESSION))]
    assert last == [Exit()]
