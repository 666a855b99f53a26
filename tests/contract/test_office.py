"""Office is taken and resigned by whoever holds the key; who resigns leaves a clean record."""

from __future__ import annotations

from coordsidecar.store.protocol import Behind, Election, Held, Limits
from tests.contract.candidate import NewCandidate
from tests.contract.harness import Harness


def test_office_is_taken_as_often_as_one_asks_while_the_key_is_ours(
    candidate: NewCandidate,
) -> None:
    first = candidate()
    held = first.wins()

    taken = [first.take_office(held.token), first.take_office(held.token)]

    assert taken == [held.token, held.token]


def test_our_own_office_is_not_held_against_us(candidate: NewCandidate) -> None:
    first = candidate()
    token = first.leads()

    again = first.standing(), first.campaign()

    assert all(isinstance(standing, Held) for standing in again)
    assert [(held.token, held.clean) for held in again if isinstance(held, Held)] == (
        [(token, True)] * 2
    )


def test_office_is_refused_to_who_does_not_hold_the_key(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = first.wins().token
    second.campaign()

    not_ours = second.take_office(token)
    wrong_token = first.take_office(token + 1)
    harness.delete_key(election, first.session)
    deleted = first.take_office(token)

    assert (not_ours, wrong_token, deleted) == (None, None, None)


def test_who_resigns_leaves_a_clean_office(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()

    first.resign(token)

    assert not isinstance(first.standing(), Held)
    assert second.wins().clean


def test_who_waited_for_an_orderly_end_is_in_office_as_soon_as_elected(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = first.leads(run="run-of-the-first")
    second.campaign(run="run-of-the-second")

    first.resign(token)
    held = second.wins(run="run-of-the-second")

    assert held.in_office
    harness.end_session(second.session)
    assert candidate().wins(run="run-of-the-third").last_run == "run-of-the-second"


def test_the_limits_of_a_term_are_told_to_whoever_comes_after_it(
    harness: Harness, candidate: NewCandidate
) -> None:
    """Also by a term into which the campaign led, and while it lasts."""
    first, second = candidate(), candidate()
    assert first.take_office(first.wins().token, limits=Limits(61.0))
    behind = second.campaign()
    harness.end_session(first.session)
    held = second.wins()
    assert second.take_office(held.token)
    third, fourth = candidate(), candidate()
    third.campaign(run="a-run")
    second.resign(held.token)
    in_office = third.wins(run="a-run", limits=Limits(62.0))
    harness.end_session(third.session)
    last = fourth.wins()

    assert isinstance(behind, Behind)
    told = (behind.limits, held.last_limits, last.last_limits)
    assert [limits and limits.ttl_s for limits in told] == [61.0, 61.0, 62.0]
    assert in_office.in_office


def test_who_was_elected_into_office_keeps_it_and_resigns_from_it(
    candidate: NewCandidate,
) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign(run="run-of-the-second")
    first.resign(token)
    held = second.wins(run="run-of-the-second")
    assert held.in_office

    again = second.standing()
    second.resign(held.token)

    assert isinstance(again, Held)
    assert (again.token, again.clean) == (held.token, True)
    assert first.wins().clean


def test_no_office_is_taken_with_a_campaign_after_a_sudden_end(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    first.leads(run="run-of-the-first")
    second.campaign(run="run-of-the-second")

    harness.end_session(first.session)
    held = second.wins(run="run-of-the-second")

    assert (held.in_office, held.last_run) == (False, "run-of-the-first")


def test_no_office_is_taken_unasked(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign()
    first.resign(token)

    assert not second.wins().in_office

    second.resign(None)
    assert first.wins().clean


def test_no_office_is_taken_before_ones_turn(candidate: NewCandidate) -> None:
    first, second, third = candidate(), candidate(), candidate()
    token = first.leads()
    second.campaign()
    third.campaign(run="run-of-the-third")
    first.resign(token)
    second.wins()

    standing = third.campaign(run="run-of-the-third")

    assert isinstance(standing, Behind)
    second.resign(None)
    assert third.wins(run="run-of-the-third").clean


def test_to_resign_again_harms_nobody(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    first.resign(token)
    second_token = second.leads(run="second")

    first.resign(token)
    first.resign(None)

    standing = second.standing()
    assert isinstance(standing, Held)
    assert standing.token == second_token
    assert second.take_office(second_token, run="second")


def test_who_is_behind_may_leave_the_queue(candidate: NewCandidate) -> None:
    first, second, third = candidate(), candidate(), candidate()
    token = first.wins().token
    second.campaign()
    third.campaign()

    second.resign(None)

    standing = first.standing()
    assert isinstance(standing, Held)
    assert standing.token == token
    first.resign(None)
    assert third.wins().token > token
