"""What instances say of themselves: it is shown for as long as they live, and disturbs no election.

Of lock files it is shown by `tests.e2e.test_roster`, too: there an entry lives with its process.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.store import registry
from coordsidecar.store.directory import Board
from coordsidecar.store.protocol import (
    Election,
    Held,
    RefusedError,
    SessionLostError,
    UnreachableError,
)
from coordsidecar.store.roster import LONGEST_ENTRY, Roster
from coordsidecar_adapters.local.roster import LocalRoster
from tests.contract.candidate import CALL_S, Candidate, NewCandidate
from tests.contract.harness import ConsulHarness, EtcdHarness, Harness, LocalHarness
from tests.servers import EtcdServer
from tests.servers.etcd import etcd_put

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

    _let_go(told)

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
        _let_go(told)

    tell(roster(), alive, entry(alive))

    assert len(_stored(harness, election)) == 1


@pytest.mark.parametrize(
    "raw", [b"", b"\x00\xff", b"[", b'"text"', b"[" * 5000, b'{"id":"' + b"x" * LONGEST_ENTRY]
)
def test_what_anybody_wrote_is_no_entry(
    raw: bytes, candidate: NewCandidate, harness: Harness, election: Election, look: Look
) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads()
    standby.campaign()
    before = look()

    with _written(harness, election, leader, raw), _written(harness, election, standby, raw):
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

    with _written(harness, election, leader, lie):
        board = look()

    assert leading(board) == json.loads(leader.record) | {"token": token, "job": "runs"}
    assert "zz" not in [who["id"] for who in others(board)]


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


@pytest.mark.stores("etcd", "etcd+grpc")
def test_nothing_of_it_hangs_on_the_lease(
    candidate: NewCandidate, roster: NewRoster, harness: EtcdHarness, election: Election
) -> None:
    """Since 3.5.28 nobody may keep a lease alive who may not write all that does."""
    leader = candidate()
    tell(roster(), leader, entry(leader, token=leader.leads()))

    hangs = harness.server.etcdctl("lease", "timetolive", leader.session.handle, "--keys")

    assert f"attached keys([{election.prefix}/{leader.session.handle}])" in hangs


@pytest.mark.stores("local")
def test_no_link_is_followed_and_no_file_of_others_is_touched(
    candidate: NewCandidate,
    roster: NewRoster,
    harness: LocalHarness,
    election: Election,
    tmp_path: Path,
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "0123456789abcdef.json").write_text("{}")
    below = _folder(harness) / election.namespace / ".instances"
    below.mkdir(parents=True)
    (below / election.name).symlink_to(theirs)
    leader = candidate()
    said = entry(leader, token=leader.leads())

    with pytest.raises(RefusedError, match="local store: "):
        tell(roster(), leader, said)
    (below / election.name).unlink()
    (below / election.name).mkdir()
    for name in ("package.json", "0123456789ABCDEF.json"):
        (below / election.name / name).write_text("{}")
    (below / election.name / "fedcba9876543210.json").symlink_to(theirs / "0123456789abcdef.json")
    tell(roster(), leader, said)

    assert [path.name for path in theirs.iterdir()] == ["0123456789abcdef.json"]
    left = {path.name for path in (below / election.name).iterdir()}
    assert {"package.json", "0123456789ABCDEF.json"} < left


def test_no_election_is_listed_for_it(
    candidate: NewCandidate, roster: NewRoster, harness: Harness, election: Election
) -> None:
    leader = candidate()
    tell(roster(), leader, entry(leader, token=leader.leads()))

    directory = registry.directory(harness.url, namespace=election.namespace, environ={})

    names = directory.names(timeout_s=CALL_S)
    assert election.name in names
    assert not [name for name in names if name.startswith(".") or "instances" in name]


@pytest.mark.stores("etcd", "etcd+grpc")
def test_who_may_not_write_it_leads_all_the_same(
    harness: EtcdHarness, etcd_server: Callable[..., EtcdServer], election: Election
) -> None:
    server = etcd_server(auth=True, extra_args=["--bcrypt-cost=4"])
    server.etcdctl("role", "add", "elector")
    for right in (
        ["--prefix", "readwrite", f"{election.prefix}/"],
        ["readwrite", f"{election.prefix}.office"],
    ):
        server.etcdctl("role", "grant-permission", "elector", *right)
    server.etcdctl("user", "add", "elector:secret")
    server.etcdctl("user", "grant-role", "elector", "elector")
    environ = {"ETCDCTL_USER": "elector", "ETCDCTL_PASSWORD": "secret"}
    url = f"{harness.scheme}://{server.endpoint}"
    told = registry.roster(url, election=election, node_id="a", environ=environ)
    store = registry.connect(url, election=election, environ=environ)
    session = store.open(ttl_s=60, takeover_delay_s=1, record='{"id": "a"}', timeout_s=CALL_S)
    ours = Candidate(store, session, '{"id": "a"}')
    token = ours.leads()

    assert told is not None
    needs = f"readwrite on the prefix {election.namespace}/.instances/{election.name}/ "
    with pytest.raises(RefusedError, match=f"permission denied; grant its role {needs}"):
        tell(told, ours, entry(ours))

    assert isinstance(ours.renews_and_looks(), Held)
    directory = registry.directory(url, namespace=election.namespace, environ=environ)
    before = _logins(server)
    for _ in range(5):
        board = directory.board(election.name, in_full=True, timeout_s=CALL_S)
        assert board.leader is not None
        assert (board.leader.token, board.leader.record) == (token, ours.record)
    # Whoever is refused logs in anew, in case it is that; and not each time it looks.
    assert _logins(server) - before == 2
    ours.end()


# ── what is stored, past the adapter ───────────────────────────────────────────────────────────


def _let_go(told: Roster) -> None:
    """As the death of its process does."""
    assert isinstance(told, LocalRoster)
    os.close(told._fd)


def _stored(harness: Harness, election: Election) -> list[str]:
    below = _below(election)
    if isinstance(harness, EtcdHarness):
        found = harness.server.etcdctl("get", "--prefix", below, "--keys-only")
    elif isinstance(harness, ConsulHarness):
        found = harness.server.consul("kv", "get", "-keys", below)
    else:
        assert isinstance(harness, LocalHarness)
        return [path.name for path in (_folder(harness) / below).iterdir()]
    return [line for line in found.splitlines() if line.strip()]


def _logins(server: EtcdServer) -> int:
    """How many there were, by its own count."""
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        said = answer.read().decode()
    counts = re.findall(r'^grpc_server_started_total\{.*"Authenticate".*\} (\d+)$', said, re.M)
    return sum(map(int, counts))


def _below(election: Election) -> str:
    return f"{election.namespace}/.instances/{election.name}/"


def _folder(harness: LocalHarness) -> Path:
    return Path(harness.url.removeprefix("local:"))


@contextmanager
def _written(
    harness: Harness, election: Election, candidate: Candidate, raw: bytes
) -> Iterator[None]:
    """``raw`` stands where the entry of that candidate would."""
    below, handle = _below(election), candidate.session.handle
    if isinstance(harness, EtcdHarness):
        etcd_put(harness.server, below + handle, raw)
        yield
    elif isinstance(harness, ConsulHarness):
        harness.server.http("PUT", f"/v1/kv/{below}{handle}?acquire={handle}", raw)
        yield
    else:
        assert isinstance(harness, LocalHarness)
        path = _folder(harness) / below / f"{uuid.uuid4().hex[:16]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
