"""Who raises a floor, and what a floor keeps from happening in one step.

A floor is the highest token that anybody here has seen in office. Only a leader that took office
under the lock that it holds raises it, lest a number in somebody's record shut out everybody. And
where the office record is below a floor, the store has lost its data: who led then may not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from coordsidecar.store.protocol import Behind, Election, Held, Standing
from tests.contract.candidate import Candidate
from tests.contract.harness import Harness

NewCandidate = Callable[[], Candidate]

_SEEN = 10**12


def _sees_in_office(standing: Standing) -> bool:
    assert isinstance(standing, Behind)
    return standing.in_office


def test_a_leader_is_in_office_once_it_has_taken_it(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    held = first.wins()
    before = _sees_in_office(second.campaign()), _sees_in_office(second.standing())

    token = first.take_office(held.token)

    standings = second.campaign(), second.standing(), second.renews_and_looks()
    assert before == (False, False)
    assert all(_sees_in_office(standing) for standing in standings)
    assert [s.leader_token for s in standings if isinstance(s, Behind)] == [token] * 3


def test_who_was_elected_into_office_is_seen_in_it(candidate: NewCandidate) -> None:
    first, second, third = candidate(), candidate(), candidate()
    token = first.leads()
    second.campaign(run="run-of-the-second")
    first.resign(token)

    held = second.wins(run="run-of-the-second")

    assert held.in_office
    assert _sees_in_office(third.campaign())


def test_the_office_of_the_one_before_is_not_that_of_the_holder(candidate: NewCandidate) -> None:
    first, second, third = candidate(), candidate(), candidate()
    first.resign(first.leads())
    second.wins()

    assert not _sees_in_office(third.campaign())


def test_a_sudden_end_leaves_nobody_in_office(harness: Harness, candidate: NewCandidate) -> None:
    first, second, third = candidate(), candidate(), candidate()
    first.leads()
    harness.end_session(first.session)
    second.wins()

    assert not _sees_in_office(third.campaign())


def test_a_record_about_another_lock_puts_nobody_in_office(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    first.leads()

    office = {"led": _SEEN, "released": 0, "run": "stranger", "lock": "1"}
    harness.write_office(election, json.dumps(office).encode())

    behind = second.campaign()
    assert isinstance(behind, Behind)
    assert not behind.in_office
    assert behind.leader_token < _SEEN


def test_office_that_was_led_by_the_floor_is_taken_in_one_step(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign(run="run-of-the-second", floor=token)
    first.resign(token)

    held = second.wins(run="run-of-the-second", floor=token)

    assert held.in_office
    assert held.token > token


def test_no_office_is_taken_in_one_step_where_the_record_is_below_the_floor(
    candidate: NewCandidate,
) -> None:
    """What was led since is lost: whoever led it has not heard of it, and may do so still."""
    first, second, third = candidate(), candidate(), candidate()
    token = first.leads()
    second.campaign(run="run-of-the-second", floor=token + 1)
    first.resign(token)

    held = second.wins(run="run-of-the-second", floor=token + 1)

    assert (held.in_office, held.last_led) == (False, token)
    assert not _sees_in_office(third.campaign())


def test_nor_where_there_is_no_record_at_all(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    first.wins()
    second.campaign(run="run-of-the-second", floor=_SEEN)
    first.resign(None)

    held = second.wins(run="run-of-the-second", floor=_SEEN)

    assert (held.in_office, held.last_led) == (False, 0)


def test_a_record_below_the_floor_is_met_in_the_first_campaign_too(
    candidate: NewCandidate,
) -> None:
    first, second = candidate(), candidate()
    first.resign(first.leads())

    held = second.wins(run="run-of-the-second", floor=_SEEN)

    assert not held.in_office


# ── what strangers write ───────────────────────────────────────────────────────────────────────


def test_a_record_that_somebody_overwrites_does_not_change_the_token_of_who_is_in_office(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign(run="run-of-the-second")

    for led, released in ((_SEEN, 0), (_SEEN, _SEEN), (1, 1)):
        office = {"led": led, "released": released, "run": "stranger", "lock": ""}
        harness.write_office(election, json.dumps(office).encode())
        for standing in (first.renews_and_looks(), first.standing()):
            assert isinstance(standing, Held)
            assert standing.token == token

    first.resign(token)
    held = second.wins(run="run-of-the-second")
    assert held.in_office or second.take_office(held.token) == held.token


def test_nor_of_who_was_elected_into_it(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign(run="run-of-the-second")
    first.resign(token)
    held = second.wins(run="run-of-the-second")
    assert held.in_office

    office = {"led": _SEEN, "released": _SEEN, "run": "", "lock": ""}
    harness.write_office(election, json.dumps(office).encode())

    standing = second.renews_and_looks()
    assert isinstance(standing, Held)
    assert standing.token == held.token
