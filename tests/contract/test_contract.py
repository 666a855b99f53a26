"""What every store promises while its server and the network are well."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Election,
    Held,
    Leader,
    SessionLostError,
    Vacant,
)
from tests.contract.candidate import CALL_S, Candidate, close_fds
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import Harness

NewCandidate = Callable[[], Candidate]


# ── who holds the election ─────────────────────────────────────────────────────────────────────


def test_the_first_candidate_holds_and_the_second_is_behind_it(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    held = first.wins()

    standing = second.campaign()

    assert isinstance(standing, Behind)
    assert (standing.leader_token, standing.leader) == (held.token, first.record)
    assert held.clean, "nobody ever led before"
    assert isinstance(first.standing(), Held)


def test_to_campaign_again_changes_nothing(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    held, behind = first.campaign(), second.campaign()

    again = first.campaign(), second.campaign()

    assert isinstance(held, Held)
    assert isinstance(behind, Behind)
    assert isinstance(again[0], Held)
    assert isinstance(again[1], Behind)
    assert again[0].token == held.token
    assert again[1].leader_token == behind.leader_token


def test_who_never_campaigned_holds_nothing(candidate: NewCandidate) -> None:
    bystander = candidate()

    before = bystander.standing()

    assert isinstance(before, Absent)
    candidate().wins()
    assert not isinstance(bystander.standing(), Held)


def test_elections_with_like_names_know_nothing_of_each_other(
    harness: Harness, election: Election, stand: CandidateFactory
) -> None:
    like = Election(namespace=election.namespace, name=f"{election.name}2")
    other = Election(namespace=f"{election.namespace}2", name=election.name)

    standings = [stand(harness.connect(each)).campaign() for each in (election, like, other)]

    assert [type(standing) for standing in standings] == [Held, Held, Held]


def test_leader_agrees_with_standing(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    outsider = harness.connect(election)
    first, second = candidate(), candidate()
    assert outsider.leader(timeout_s=CALL_S) is None

    token = first.leads()
    second.campaign()

    assert outsider.leader(timeout_s=CALL_S) == Leader(token=token, record=first.record)
    first.resign(token)
    second_token = second.wins().token
    assert outsider.leader(timeout_s=CALL_S) == Leader(token=second_token, record=second.record)
    second.resign(None)
    assert outsider.leader(timeout_s=CALL_S) is None


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff\xfe\x00", b"\x1b[2J", b"x" * 3000], ids=lambda raw: repr(raw[:4])
)
def test_rubbish_in_the_leaders_record_is_harmless(
    harness: Harness, election: Election, candidate: NewCandidate, rubbish: bytes
) -> None:
    first, second = candidate(), candidate()
    token = first.leads()

    harness.write_leader(election, first.session, rubbish)

    held, behind = first.standing(), second.campaign()
    assert isinstance(held, Held)
    assert held.token >= token
    assert isinstance(behind, Behind)
    assert second.store.leader(timeout_s=CALL_S) == Leader(behind.leader_token, behind.leader)
    first.resign(token)
    assert second.wins().token > token


def test_the_ttl_granted_is_told(candidate: NewCandidate) -> None:
    first = candidate()

    granted_s = first.renew()

    assert granted_s > 0
    assert granted_s == pytest.approx(first.session.ttl_s)


# ── tokens ─────────────────────────────────────────────────────────────────────────────────────


def test_tokens_increase_over_many_hand_overs_of_candidates_who_race(
    candidate: NewCandidate, harness: Harness, election: Election, stand: CandidateFactory
) -> None:
    tokens: list[int] = []
    both: list[str] = []
    leading = threading.Lock()

    def race() -> None:
        for _ in range(5):
            racer = stand(harness.connect(election))
            held = racer.wins()
            if not leading.acquire(blocking=False):
                both.append(racer.record)
                return
            tokens.append(held.token)
            assert racer.take_office(held.token) == held.token
            assert held.clean
            leading.release()
            racer.resign(held.token)
            racer.close()

    racers = [threading.Thread(target=race) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert both == []
    assert len(tokens) == 15
    assert tokens == sorted(set(tokens))


def test_a_token_is_never_given_again_though_the_key_was_deleted(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first = candidate()
    token = first.leads()

    harness.delete_key(election, first.session)

    assert candidate().wins().token > token


# ── sessions ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.stores("etcd", "consul", "local")
def test_a_session_that_was_ended_is_lost_for_good(
    harness: Harness, candidate: NewCandidate
) -> None:
    first = candidate()
    token = first.leads()

    harness.end_session(first.session)

    with pytest.raises(SessionLostError):
        first.renew()
    with pytest.raises(SessionLostError):
        first.campaign()
    assert not _holds(first)
    assert not _takes_office(first, token)
    first.resign(token)
    first.close()


@pytest.mark.stores("etcd", "consul")
def test_a_session_that_is_not_renewed_dies_and_its_candidacy_with_it(
    harness: Harness, election: Election, stand: CandidateFactory
) -> None:
    short = stand(harness.connect(election), ttl_s=harness.least_ttl_s)
    second = stand(harness.connect(election))
    token = short.leads(run="run-of-the-first")

    held = second.wins()

    assert (held.clean, held.last_run) == (False, "run-of-the-first")
    assert held.token > token
    with pytest.raises(SessionLostError):
        short.renew()


@pytest.mark.stores("etcd", "consul", "local")
def test_a_closed_session_is_over(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    first.resign(token)

    first.close()
    first.close()

    with pytest.raises(SessionLostError):
        first.renew()
    assert second.wins().clean


def test_another_process_adopts_the_session_by_its_handle(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign()

    heir = first.adopted_by(harness.connect(election))
    close_fds(first.session)

    assert heir.renew() > 0
    standing = heir.standing()
    assert isinstance(standing, Held)
    assert standing.token == token
    assert heir.take_office(token) == token
    assert isinstance(second.campaign(), Behind)
    heir.resign(token)
    heir.end()
    assert second.wins().clean


@pytest.mark.stores("consul")
def test_a_lock_that_was_lost_suddenly_is_vacant_for_its_delay(
    harness: Harness, election: Election, stand: CandidateFactory
) -> None:
    first = stand(harness.connect(election), takeover_delay_s=2.0)
    second = stand(harness.connect(election), takeover_delay_s=2.0)
    first.leads()

    harness.end_session(first.session)

    standing = second.campaign()
    assert isinstance(standing, Vacant)
    assert standing.retry_after_s > 0
    assert not second.wins().clean


def _holds(candidate: Candidate) -> bool:
    try:
        return isinstance(candidate.standing(), Held)
    except SessionLostError:
        return False


def _takes_office(candidate: Candidate, token: int) -> bool:
    try:
        return candidate.take_office(token) is not None
    except SessionLostError:
        return False
