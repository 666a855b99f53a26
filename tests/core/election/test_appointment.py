"""The elector's core: whoever resigned has appointed us, and we hear of it sooner or later."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import Call, Campaign, Look, Renew, Renewed, Resign, Watched
from coordsidecar.core.election.phases import Elector, Leading, Resigning, Rival, Waiting
from coordsidecar.store.protocol import Held, Session
from coordsidecar.value import replace
from tests.core.election.electors import BEHIND, SESSION, answer, elector, take, told

OURS = Held(token=9, clean=True, last_run="", cursor=4, in_office=True, last_led=9)
APPOINTED = Watched(changed=True, appointed=OURS, handle=SESSION.handle)
LED = replace(BEHIND, in_office=True, cursor=3)


def standing_by(**changes: Any) -> Elector:
    """Told at 102 that somebody leads, by a question of 101.5; it had renewed at 101."""
    state = elector(Waiting(BEHIND), call=Look(SESSION), renewed_at_s=101.0)
    state, _ = answer(state, LED, 102.0, sent_at_s=101.5)
    return replace(state, **{"watching": True, "look_at_s": 1e9, "see_at_s": 1e9} | changes)


def test_who_is_appointed_leads_by_the_renewal_before_it_last_stood_behind() -> None:
    """Later ones may have been judged by others already, who saw it in office by then."""
    state = standing_by(renewed_at_s=104.0, renew_at_s=107.0)

    state, effects = take(state, APPOINTED, 105.0)

    assert state.phase == Leading(OURS)
    assert told(effects) == [msg.Leased(9, step_down_at_s=109.0, run_until_s=114.0)]
    assert Call(Renew(SESSION, look=True)) in effects


def test_an_appointment_that_is_seen_too_late_is_given_back() -> None:
    state = standing_by(renewed_at_s=108.0)

    state, effects = take(state, APPOINTED, 109.0)

    assert isinstance(state.phase, Resigning)
    assert Call(Resign(SESSION, 9, ANY)) in effects
    assert not any(isinstance(message, msg.Leased) for message in told(effects))


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({}, replace(APPOINTED, handle="another")),
        ({}, replace(APPOINTED, appointed=replace(OURS, cursor=3))),
        ({"phase": Leading(replace(OURS, token=8))}, APPOINTED),
        ({"session": Session("new", 15.0)}, APPOINTED),
    ],
    ids=["of another session", "before we last looked", "while we lead", "of a session before"],
)
def test_what_a_watch_tells_of_another_time_is_a_hint_and_no_more(
    changes: dict[str, Any], event: Watched
) -> None:
    state = standing_by(**changes)

    after, effects = take(state, event, 103.0)

    assert after.phase == state.phase
    assert not any(isinstance(message, msg.Leased) for message in told(effects))
    assert any(isinstance(effect, Call) for effect in effects), "it looks"


@pytest.mark.parametrize(
    "changes", [{"floor": 9}, {"forgotten_until_s": 104.0}], ids=["a token", "a leader"]
)
def test_who_knows_what_the_one_before_did_not_gives_the_office_back(
    changes: dict[str, Any],
) -> None:
    state, effects = take(standing_by(**changes), APPOINTED, 103.0)

    assert isinstance(state.phase, Resigning)
    assert Call(Resign(SESSION, 9, ANY)) in effects


@pytest.mark.parametrize("asked", [Look(SESSION), Campaign(SESSION)], ids=["look", "campaign"])
def test_who_finds_itself_in_office_leads_as_if_its_watch_had_told(asked: Any) -> None:
    state = standing_by(renewed_at_s=104.0, renew_at_s=107.0, call=asked)

    state, effects = answer(state, replace(OURS, in_office=False), 105.0, sent_at_s=104.9)

    assert isinstance(state.phase, Leading)
    assert told(effects) == [msg.Leased(9, step_down_at_s=109.0, run_until_s=114.0)]


def test_a_new_session_has_never_stood_behind_anybody() -> None:
    """What was renewed under the one before says nothing of this one."""
    state = standing_by(call=Campaign(SESSION), behind_from_s=-1e9)

    state, _ = answer(state, replace(OURS, in_office=False), 103.0)

    assert isinstance(state.phase, Resigning)


@pytest.mark.parametrize(
    ("may_follow", "told_s", "looks"),
    [(True, 97.0, True), (True, 99.85, False), (False, 97.0, False)],
    ids=["its last is too old by the next", "it is just not", "nobody would appoint it"],
)
def test_who_may_be_appointed_looks_as_often_as_it_takes_to_have_time_left(
    may_follow: bool, told_s: float, looks: bool
) -> None:
    """A leader would resign, and who follows give it back at once: nobody for a while."""
    standing = replace(LED, may_follow=may_follow)
    state = standing_by(phase=Waiting(standing), call=Renew(SESSION), behind_from_s=told_s)

    _, effects = answer(state, Renewed(15.0), 103.1, sent_at_s=103.0)

    assert (Call(Look(SESSION)) in effects) == looks


def test_who_gives_an_appointment_back_doubts_nobody() -> None:
    """The one before has left in order: it waits for no takeover delay when it comes again."""
    known = Rival(5, '{"id": "blue"}', None)

    state, _ = take(standing_by(rival=known), APPOINTED, 109.5)

    assert isinstance(state.phase, Resigning)
    assert state.rival is None


def test_a_standby_looks_when_it_has_renewed_if_it_is_soon_to_look_anyway() -> None:
    """One wake-up for both, and a renewal to lead by that is as young as can be."""
    soon = standing_by(call=Renew(SESSION), see_at_s=105.0)
    later = replace(soon, see_at_s=107.0)

    _, effects = answer(soon, Renewed(15.0), 103.1, sent_at_s=103.0)
    _, none = answer(later, Renewed(15.0), 103.1, sent_at_s=103.0)

    assert effects == [Call(Look(SESSION))]
    assert none == []


@pytest.mark.parametrize(("behind_s", "renews_s"), [(104.0, 105.05), (101.0, 105.0)])
def test_who_is_appointed_starts_its_job_before_it_renews(behind_s: float, renews_s: float) -> None:
    """Both take a processor; unless so little of its lease is left that it must renew at once."""
    state = standing_by(behind_from_s=behind_s, renewed_at_s=104.5, renew_at_s=105.0)

    state, effects = take(state, APPOINTED, 105.0)

    asks = Call(Renew(SESSION, look=True)) in effects
    assert state.phase == Leading(OURS)
    assert (105.0 if asks else state.renew_at_s) == pytest.approx(renews_s)
