"""Tokens only go up, whatever has become of the store; while it keeps its data they are its own.

Who has seen a token hands it on as the floor. "Raised" is one that the store would have given out
below it.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from coordsidecar.store.protocol import Behind, Election, Held, Leader, StoreError
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import Harness, ServerHarness

NewCandidate = Callable[[], Candidate]

_SEEN = 10**12


def _leads_raised(candidate: Candidate, *, run: str = "a-run") -> int:
    """Lead with a token above `_SEEN`."""
    held = candidate.wins(floor=_SEEN)
    token = candidate.take_office(held.token, run=run, floor=_SEEN)
    assert token == _SEEN + 1
    return token


def test_a_floor_below_the_stores_own_number_changes_nothing(candidate: NewCandidate) -> None:
    first = candidate()
    held = first.wins(floor=0)

    token = first.take_office(held.token, floor=held.token - 1)

    assert token == held.token


def test_a_token_is_above_what_anybody_has_seen_and_stays_as_it_was_taken(
    candidate: NewCandidate,
) -> None:
    first = candidate()
    held = first.wins()

    taken = [first.take_office(held.token, floor=_SEEN) for _ in range(2)]
    again = first.standing()

    assert taken == [_SEEN + 1] * 2
    assert isinstance(again, Held)
    assert (again.token, again.clean) == (_SEEN + 1, True)
    assert first.take_office(again.token, floor=_SEEN) == _SEEN + 1


def test_office_taken_with_a_campaign_is_above_the_floor(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign(run="run-of-the-second", floor=_SEEN)
    first.resign(token)

    held = second.wins(run="run-of-the-second", floor=_SEEN)

    taken = held.token if held.in_office else second.take_office(held.token, floor=_SEEN)
    assert taken == _SEEN + 1
    assert second.renews_and_looks() == second.standing()
    second.resign(taken)
    assert first.wins().clean


def test_who_comes_after_a_raised_token_goes_on_from_it(candidate: NewCandidate) -> None:
    first, second, third = candidate(), candidate(), candidate()
    token = _leads_raised(first)
    second.campaign(run="run-of-the-second")
    first.resign(token)

    held = second.wins(run="run-of-the-second")

    taken = held.token if held.in_office else second.take_office(held.token)
    assert taken is not None
    assert taken > token
    second.resign(taken)
    assert third.wins().token > taken


def test_a_raised_token_is_what_others_are_told(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()

    token = _leads_raised(first)

    behind = second.campaign()
    assert isinstance(behind, Behind)
    assert behind.leader_token == token
    assert harness.connect(election).leader(timeout_s=CALL_S) == Leader(token, first.record)


def test_a_sudden_end_with_a_raised_token_names_it(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = _leads_raised(first, run="run-of-the-first")

    harness.end_session(first.session)
    held = second.wins()

    assert held.token > token
    assert (held.last_run, held.last_led) == ("run-of-the-first", token)


def test_who_adopted_a_session_resigns_from_a_raised_token(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = _leads_raised(first)
    heir = first.adopted_by(harness.connect(election))

    heir.resign(token)
    heir.end()

    held = second.wins()
    assert held.clean
    assert held.token > token


def test_who_adopted_a_session_keeps_a_raised_token(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first = candidate()
    token = _leads_raised(first)
    heir = first.adopted_by(harness.connect(election))

    standing = heir.renews_and_looks()
    taken = heir.take_office(token, floor=_SEEN)
    heir.end()

    assert isinstance(standing, Held)
    assert (standing.token, taken) == (token, token)


def test_a_raised_token_of_an_earlier_term_takes_no_office(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = _leads_raised(first)
    first.resign(token)
    second_token = second.leads()
    second.resign(second_token)

    first.wins()

    assert first.take_office(token) is None


def test_a_record_without_a_lock_is_read_as_it_was_meant(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    """A leader of the version before, whose record named no lock, since its token did."""
    first, second = candidate(), candidate()
    token = first.leads()
    if harness.least_ttl_s > 1:  # The local store has always named it.
        office = {"led": token, "released": 0, "run": first.run}
        harness.write_office(election, json.dumps(office).encode())

    standing = first.standing()
    behind = second.campaign()
    first.resign(token)

    assert isinstance(standing, Held)
    assert (standing.token, standing.clean) == (token, True)
    assert isinstance(behind, Behind)
    assert behind.leader_token == token
    assert second.wins().clean


def test_a_store_that_lost_its_data_gives_out_no_token_again(
    own: ServerHarness, election: Election, stand: CandidateFactory
) -> None:
    first, second = stand(own.connect(election)), stand(own.connect(election))
    for leader in (first, second) * 4:  # Its log grows.
        token = leader.leads()
        leader.resign(token)

    own.server.lose_data()

    after = _stands_again(own, election, stand)
    held = after.wins(floor=token)
    taken = after.take_office(held.token, floor=token)
    assert taken is not None
    assert taken > token
    standing = after.standing()
    assert isinstance(standing, Held)
    assert standing.token == taken
    after.resign(taken)
    assert first.store.leader(timeout_s=CALL_S) is None


def _stands_again(own: ServerHarness, election: Election, stand: CandidateFactory) -> Candidate:
    while True:
        try:
            return stand(own.connect(election))
        except StoreError:
            pass  # A server that has just started may not be ready.
