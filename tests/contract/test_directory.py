"""What an operator is told of elections: which there are, who leads, and who stands by."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable

import pytest

from coordsidecar.store import registry
from coordsidecar.store.directory import Board, Directory
from coordsidecar.store.protocol import Election
from tests.contract.candidate import CALL_S, Candidate, NewCandidate
from tests.contract.harness import Harness

pytestmark = pytest.mark.stores("etcd", "consul", "local")


@pytest.fixture
def directory(harness: Harness, election: Election) -> Directory:
    """Of the namespace of the test's election."""
    return directory_of(harness, election.namespace)


def directory_of(harness: Harness, namespace: str) -> Directory:
    return registry.directory(harness.url, namespace=namespace, environ={})


@pytest.fixture
def look(directory: Directory, election: Election) -> Callable[[], Board]:
    return lambda: directory.board(election.name, timeout_s=CALL_S)


def ids(records: tuple[str, ...] | None) -> list[str]:
    return [json.loads(record)["id"] for record in records or ()]


def id_of(candidate: Candidate) -> str:
    return str(json.loads(candidate.record)["id"])


def test_an_election_that_never_was_has_nobody(look: Callable[[], Board]) -> None:
    board = look()

    assert (board.leader, board.led) == (None, 0)
    assert not board.waiting


def test_who_leads_is_told_with_its_token(
    candidate: NewCandidate, look: Callable[[], Board]
) -> None:
    leader = candidate()
    token = leader.leads()

    board = look()

    assert board.leader is not None
    assert board.leader.token == board.led == token
    assert ids((board.leader.record,)) == [id_of(leader)]


@pytest.mark.stores("etcd", "consul")
def test_who_stands_by_is_told_as_well_for_as_long_as_its_session_lives(
    harness: Harness, candidate: NewCandidate, look: Callable[[], Board]
) -> None:
    leader, second, third = (candidate() for _ in range(3))
    leader.leads()
    for one in (second, third):
        one.campaign()

    both = look()
    harness.end_session(second.session)
    rest = look()

    in_turn = [id_of(second), id_of(third)]
    assert ids(both.waiting) == (in_turn if both.in_order else sorted(in_turn))
    assert ids(rest.waiting) == [id_of(third)]


@pytest.mark.stores("local")
def test_a_lock_file_does_not_tell_who_waits_for_it(
    candidate: NewCandidate, look: Callable[[], Board]
) -> None:
    candidate().leads()
    candidate().campaign()

    assert look().waiting is None


def test_once_it_has_resigned_nobody_leads_and_the_token_is_remembered(
    candidate: NewCandidate, look: Callable[[], Board]
) -> None:
    leader = candidate()
    token = leader.leads()

    leader.resign(token)
    board = look()

    assert (board.leader, board.led) == (None, token)


def test_another_programs_lead_is_told_as_it_says_it(
    harness: Harness, election: Election, look: Callable[[], Board]
) -> None:
    with subprocess.Popen(harness.foreign_leader(election), stdout=subprocess.DEVNULL) as other:
        try:
            while (board := look()).leader is None:
                assert other.poll() is None
        finally:
            other.terminate()

    assert board.leader is not None
    assert board.led == 0


@pytest.mark.parametrize("raw", [b"", b"\x00\xff", b"[", b'{"led": "x"}', b'{"led": true}'])
def test_a_record_that_anybody_wrote_is_shown_and_no_more(
    harness: Harness, candidate: NewCandidate, election: Election, look: Callable[[], Board],
    raw: bytes,
) -> None:  # fmt: skip
    leader = candidate()
    leader.leads()
    harness.write_office(election, raw)

    assert look().led >= 0


def test_all_elections_of_a_namespace_are_listed_and_none_of_another(harness: Harness) -> None:
    namespace = f"ns-{uuid.uuid4().hex[:8]}"
    names = ["b", "a.office", "a"]
    for space in (namespace, f"{namespace}-other"):
        for name in names if space == namespace else ["c"]:
            store = harness.connect(Election(namespace=space, name=name))
            session = store.open(
                ttl_s=60.0, takeover_delay_s=1.0, record='{"id": "x"}', timeout_s=CALL_S
            )
            one = Candidate(store, session, '{"id": "x"}')
            token = one.leads()
            if name == "a":
                one.resign(token)
            one.close()

    found = directory_of(harness, namespace).names(timeout_s=CALL_S)
    empty = directory_of(harness, f"{namespace}-empty").names(timeout_s=CALL_S)

    assert found == sorted(names)
    assert empty == []
