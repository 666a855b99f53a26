"""What instances say of themselves: it is shown for as long as they live, and disturbs no election.

Of lock files it is shown by `tests.e2e.test_roster`, too: there an entry lives with its process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from coordsidecar.store import registry
from coordsidecar.store.directory import Board
from coordsidecar.store.protocol import (
    Election,
    Held,
    SessionLostError,
    UnreachableError,
)
from coordsidecar.store.roster import LONGEST_ENTRY, Roster
from coordsidecar_adapters.local.roster import LocalRoster
from tests.contract.candidate import CALL_S, Candidate, NewCandidate
from tests.contract.harness import EtcdHarness, Harness
from tests.contract.rosters import let_go, stored, written

pytestmark = pytest.mark.stores("etcd", "etcd+grpc", "consul", "local")

NewRoster = Callable[[], Roster]
Look = Callable[[], Board]


@pytest.fixture
def roster(harness: Harness, election: Election) -> NewRoster:
    """One for each instance."""

    def make() -> Roster:
        made = registry.roster(harness.url, election=election, node_id="a", environ={})
        assert made is not None
        return made

    return make


@pytest.fixture
def look(harness: Harness, election: Election) -> Look:
    directory = registry.directory(harness.url, namespace=election.namespace, environ={})
    return lambda: directory.board(election.name, in_full=True, timeout_s=CALL_S)


def entry(candidate: Candidate, **says: object) -> str:
    """What it says of itself; by its token an instance on one host is known to lead."""
    return json.dumps(json.loads(candidate.record) | says)


def tell(roster: Roster, candidate: Candidate, said: str) -> None:
    roster.tell(candidate.session, said, timeout_s=CALL_S)


def others(board: Board) -> list[dict[str, Any]]:
    return [json.loads(record) for record in (*(board.waiting or ()), *board.others)]


def leading(board: Board) -> dict[str, Any]:
    assert board.leader is not None
    record: dict[str, Any] = json.loads(board.leader.record)
    return record


def test_leader_and_standby_are_shown_as_they_say_by_now(
    candidate: NewCandidate, roster: NewRoster, look: Look
) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads()
    standby.campaign()
    of_leader, of_standby = roster(), roster()
    tell(of_leader, leader, entry(leader, token=token, role="leader", job="starting"))
    tell(of_standby, standby, entry(standby, token=None, role="standby", reason="x" * 200))

    tell(of_leader, leader, leads := entry(leader, token=token, job="runs"))
    tell(of_standby, standby, stands := entry(standby, token=None, reason="y"))

    board = look()
    assert board.leader is not None
    assert board.leader.token == token
    assert leading(board) == json.loads(leads)
    assert others(board) == [json.loads(stands)]


def test_who_has_not_said_anything_is_shown_as_ever(
    candidate: NewCandidate, roster: NewRoster, look: Look
) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads()
    standby.campaign()
    before = look()

    tell(roster(), standby, entry(standby, token=None))

    board = look()
    assert board.leader == before.leader
    assert board.leader is not None
    assert board.leader.token == token


@pytest.mark.stores("etcd", "etcd+grpc", "consul")
def test_who_rests_is_gone_with_its_session(
    candidate: NewCandidate, roster: NewRoster, look: Look
) -> None:
    us, told = candidate(), roster()
    tell(told, us, entry(us, token=us.leads()))
    us.end()

    told.tell(None, entry(us, role="resting"), timeout_s=CALL_S)

    assert others(look()) == []


@pytest.mark.stores("local")
def test_who_rests_says_no_longer_that_it_leads(
    candidate: NewCandidate, roster: NewRoster, look: Look
) -> None:
    us, told = candidate(), roster()
    tell(told, us, entry(us, token=us.leads(), job="runs"))
    us.end()

    told.tell(None, rests := entry(us, token=None, role="resting"), timeout_s=CALL_S)

    assert look().leader is None
    assert others(look()) == [json.loads(rests)]


def test_it_changes_nothing_of_the_election(candidate: NewCandidate, roster: NewRoster) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads()
    behind = standby.campaign()
    proven = leader.renews_and_looks()

    tell(roster(), leader, entry(leader, token=token))
    tell(roster(), standby, entry(standby, token=None))

    after = leader.renews_and_looks()
    assert isinstance(proven, Held)
    assert isinstance(after, Held)
    assert after.token == proven.token
    assert standby.standing().__class__ is behind.__class__
    leader.resign(token)
    assert isinstance(standby.campaign(), Held)


@pytest.mark.stores("etcd", "etcd+grpc", "consul")
def test_it_is_gone_with_the_session(
    candidate: NewCandidate, roster: NewRoster, look: Look, harness: Harness
) -> None:
    leader, standby = candidate(), candidate()
    leader.leads()
    standby.campaign()
    told = roster()
    tell(told, standby, said := entry(standby, job="none"))
    assert others(look()) == [json.loads(said)]

    harness.end_session(standby.session)

    assert others(look()) == []
    with pytest.raises(SessionLostError):
        tell(told, standby, said)


@pytest.mark.stores("local")
def test_on_one_host_it_is_gone_with_its_lock(
    candidate: NewCandidate, roster: NewRoster, look: Look
) -> None:
    standby, told = candidate(), roster()
    candidate().leads()
    tell(told, standby, said := entry(standby))
    assert others(look()) == [json.loads(said)]

    let_go(told)

    assert others(look()) == []


def test_what_the_dead_left_the_next_removes(
    candidate: NewCandidate, roster: NewRoster, harness: Harness, election: Election
) -> None:
    dead, alive, told = candidate(), candidate(), roster()
    dead.campaign()
    alive.campaign()
    tell(told, dead, entry(dead))
    harness.end_session(dead.session)
    if isinstance(told, LocalRoster):
        let_go(told)

    tell(roster(), alive, entry(alive))

    assert len(stored(harness, election)) == 1


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"\x00\xff", b"[", b'"text"', b"[" * 5000, b'{"id":"' + b"x" * LONGEST_ENTRY),
        *('{"id": "a"}'.encode(encoding) for encoding in ("utf-8-sig", "utf-16", "utf-32")),
    ],
)
def test_what_anybody_wrote_is_no_entry(
    raw: bytes, candidate: NewCandidate, harness: Harness, election: Election, look: Look
) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads()
    standby.campaign()
    before = look()

    with written(harness, election, leader, raw), written(harness, election, standby, raw):
        assert look() == before
        assert isinstance(leader.renews_and_looks(), Held)
    assert before.leader is not None
    assert before.leader.token == token


def test_nobody_is_taken_for_another_by_what_an_entry_says(
    candidate: NewCandidate, harness: Harness, election: Election, look: Look
) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads()
    standby.campaign()
    lie = json.dumps({"id": "zz", "token": token, "job": "runs"}).encode()

    with written(harness, election, leader, lie):
        board = look()

    assert leading(board) == json.loads(leader.record) | {"token": token, "job": "runs"}
    assert "zz" not in [who["id"] for who in others(board)]


def test_an_entry_adds_nothing_to_what_an_election_tells_of_its_leader(
    candidate: NewCandidate, harness: Harness, election: Election, look: Look
) -> None:
    leader = candidate()
    token = leader.leads()
    lie = json.dumps({"token": token, "http": "evil:1", "priority": 9, "pid": 1, "job": "runs"})

    with written(harness, election, leader, lie.encode()):
        board = look()

    assert leading(board) == json.loads(leader.record) | {"token": token, "job": "runs"}


@pytest.mark.stores("etcd", "etcd+grpc", "consul")
def test_what_cannot_be_read_is_left_out(
    candidate: NewCandidate, harness: Harness, election: Election, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> dict[str, str]:
        raise UnreachableError("the answer is far too long")

    leader = candidate()
    leader.leads()
    directory = registry.directory(harness.url, namespace=election.namespace, environ={})
    if isinstance(harness, EtcdHarness):
        monkeypatch.setattr("coordsidecar_adapters.etcd.directory.entries", fail)
    else:
        monkeypatch.setattr("coordsidecar_adapters.consul.roster.Entries.of_sessions", fail)

    board = directory.board(election.name, in_full=True, timeout_s=CALL_S)

    assert leading(board) == json.loads(leader.record)


def test_no_election_is_listed_for_it(
    candidate: NewCandidate, roster: NewRoster, harness: Harness, election: Election
) -> None:
    leader = candidate()
    tell(roster(), leader, entry(leader, token=leader.leads()))

    directory = registry.directory(harness.url, namespace=election.namespace, environ={})

    names = directory.names(timeout_s=CALL_S)
    assert election.name in names
    assert not [name for name in names if name.startswith(".") or "instances" in name]
