"""What is one store's own about what instances say of themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coordsidecar.store import registry
from coordsidecar.store.protocol import Election, Held, RefusedError, UnreachableError
from coordsidecar_adapters.consul.store import connect
from tests.contract.candidate import CALL_S, LONG_TTL_S, Candidate, NewCandidate
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import ConsulHarness, EtcdHarness, LocalHarness
from tests.contract.rosters import below, connected_to, folder_of, logins, stored
from tests.contract.test_roster import Look, NewRoster, entry, leading, look, others, roster, tell
from tests.servers import ConsulServer, EtcdServer

__all__ = ["look", "roster"]


@pytest.mark.stores("etcd", "etcd+grpc")
def test_nothing_of_it_hangs_on_the_lease(
    candidate: NewCandidate, roster: NewRoster, harness: EtcdHarness, election: Election
) -> None:
    """Since 3.5.28 nobody may keep a lease alive who may not write all that does."""
    leader = candidate()
    tell(roster(), leader, entry(leader, token=leader.leads()))

    hangs = harness.server.etcdctl("lease", "timetolive", leader.session.handle, "--keys")

    assert f"attached keys([{election.prefix}/{leader.session.handle}])" in hangs


@pytest.mark.stores("consul")
def test_no_connection_is_kept_for_the_next_time(
    candidate: NewCandidate, roster: NewRoster, harness: ConsulHarness
) -> None:
    leader, told = candidate(), roster()
    said = entry(leader, token=leader.leads())
    before = connected_to(harness.server.endpoint)

    tell(told, leader, said)

    assert connected_to(harness.server.endpoint) == before > 0


@pytest.mark.stores("etcd", "etcd+grpc", "consul")
def test_it_tidies_up_once_a_session(
    candidate: NewCandidate,
    roster: NewRoster,
    harness: ConsulHarness | EtcdHarness,
    election: Election,
) -> None:
    told, us, anew = roster(), candidate(), candidate()
    us.leads()
    anew.campaign()
    tell(told, us, entry(us))
    if isinstance(harness, EtcdHarness):
        harness.server.etcdctl("put", f"{below(election)}left", "{}")
    else:
        harness.server.http("PUT", f"/v1/kv/{below(election)}left", b"{}")

    tell(told, us, entry(us, job="runs"))

    assert len(stored(harness, election)) == 2
    tell(told, anew, entry(anew))
    assert len(stored(harness, election)) == 2
    assert f"{below(election)}left" not in stored(harness, election)


@pytest.mark.stores("consul")
def test_what_is_left_is_removed_though_it_is_more_than_we_read_at_once(
    candidate: NewCandidate, roster: NewRoster, harness: ConsulHarness, election: Election
) -> None:
    us, other = candidate(), candidate()
    us.leads()
    other.campaign()
    tell(roster(), other, entry(other))
    for name in ("x", "y"):  # As long as values may be, and by a third longer as base64.
        harness.server.http("PUT", f"/v1/kv/{below(election)}{name}", b"x" * 500_000)

    tell(roster(), us, entry(us))

    assert set(stored(harness, election)) == {
        f"{below(election)}{one.session.handle}" for one in (us, other)
    }


def test_who_may_not_read_sessions_is_shown_those_who_say_something(
    consul_server: Callable[..., ConsulServer], election: Election, stand: CandidateFactory
) -> None:
    server = consul_server(acl=True)
    url = f"consul://{server.endpoint}"
    root = {"CONSUL_HTTP_TOKEN": str(server.master_token)}
    leader, standby = (stand(connect(url, election=election, environ=root)) for _ in range(2))
    token = leader.leads()
    standby.campaign()
    for one in (leader, standby):
        told = registry.roster(url, election=election, node_id="a", environ=root)
        assert told is not None
        tell(told, one, entry(one, job="none"))
    server.new_policy("viewer", f'key_prefix "{election.namespace}/" {{ policy = "read" }}')
    viewer = {"CONSUL_HTTP_TOKEN": server.new_token("viewer")}

    directory = registry.directory(url, namespace=election.namespace, environ=viewer)
    board = directory.board(election.name, in_full=True, timeout_s=CALL_S)

    assert board.leader is not None
    assert (board.leader.token, board.waiting) == (token, None)
    assert others(board) == [json.loads(entry(standby, job="none"))]


@pytest.mark.stores("consul")
def test_each_instance_is_shown_once_though_it_has_several_sessions(
    stand_as: Callable[[str], Candidate], roster: NewRoster, look: Look
) -> None:
    """As after a stall: Consul opened some whose answer came too late, and keeps the lost one."""
    one, two = (f'{{"id": "{name}", "host": "h", "pid": 7, "since": "s"}}' for name in ("a", "b"))
    lost_lead, lead, _ = (stand_as(one) for _ in range(3))
    lost_place, _, place = (stand_as(two) for _ in range(3))
    stand_as('{"id": "c"}')
    token = lead.leads()
    for candidate, role, since in (
        (lost_lead, "leader", "2026-11-30T05:00:01Z"),
        (lead, "leader", "2026-11-30T05:00:02Z"),
        (place, "standby", "2026-11-30T05:00:02Z"),
        (lost_place, "standby", "2026-11-30T05:00:01Z"),
    ):
        tell(roster(), candidate, entry(candidate, role=role, role_since=since))

    board = look()

    assert board.leader is not None
    assert board.leader.token == token
    assert [(who["id"], who.get("role_since")) for who in others(board)] == [
        ("b", "2026-11-30T05:00:02Z"),
        ("c", None),
    ]


@pytest.fixture
def stand_as(harness: ConsulHarness, election: Election) -> Iterator[Callable[[str], Candidate]]:
    """Open a session in the name of an instance that says that record."""
    with ExitStack() as stack:

        def make(record: str) -> Candidate:
            store = harness.connect(election)
            session = store.open(
                ttl_s=LONG_TTL_S, takeover_delay_s=1, record=record, timeout_s=CALL_S
            )
            made = Candidate(store, session, record)
            stack.callback(made.end)
            return made

        yield make


@pytest.mark.stores("local")
def test_who_may_not_write_there_is_told_where(
    candidate: NewCandidate, roster: NewRoster, harness: LocalHarness, election: Election
) -> None:
    leader = candidate()
    said = entry(leader, token=leader.leads())
    there = folder_of(harness) / election.namespace / ".instances"
    there.write_text("")

    with pytest.raises(
        RefusedError, match=f"{there}/{election.name}: .*; let this user write there$"
    ):
        tell(roster(), leader, said)


@pytest.mark.stores("local")
def test_who_leads_by_now_is_shown_once_before_it_has_said_so(
    candidate: NewCandidate, roster: NewRoster, look: Look
) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads()
    of_leader, of_standby = roster(), roster()
    tell(of_leader, leader, entry(leader, token=token))
    tell(of_standby, standby, entry(standby, token=None, role="standby"))
    leader.resign(token)

    following = standby.leads()

    board = look()
    assert board.leader is not None
    assert board.leader.token == following
    assert leading(board)["id"] == json.loads(standby.record)["id"]
    assert [who["id"] for who in others(board)] == [json.loads(leader.record)["id"]]


@pytest.mark.stores("local")
@pytest.mark.parametrize("token", [True, 1.0])
def test_what_is_no_token_is_not_taken_for_the_leaders(
    token: object, candidate: NewCandidate, roster: NewRoster, look: Look
) -> None:
    leader, other = candidate(), candidate()
    assert leader.leads() == 1

    tell(roster(), other, entry(other, token=token, job="runs"))

    assert "job" not in leading(look())
    assert len(others(look())) == 1


@pytest.mark.stores("local")
def test_what_has_not_all_found_room_is_not_said(
    candidate: NewCandidate, roster: NewRoster, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, told, write = candidate(), roster(), os.pwrite
    said = entry(leader, token=leader.leads(), job="runs")

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", lambda fd, data, at: write(fd, data[:10], at))
        with pytest.raises(UnreachableError, match="No space left"):
            tell(told, leader, said)

    assert "job" not in leading(look())
    tell(told, leader, said)
    assert leading(look()) == json.loads(said)


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
    below = folder_of(harness) / election.namespace / ".instances"
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
    before = logins(server)
    for _ in range(5):
        board = directory.board(election.name, in_full=True, timeout_s=CALL_S)
        assert board.leader is not None
        assert (board.leader.token, board.leader.record) == (token, ours.record)
    # Whoever is refused logs in anew, in case it is that; and not each time it looks.
    assert logins(server) - before == 2
    with pytest.raises(RefusedError, match=f"takes read on the prefix {election.namespace}/$"):
        directory.names(timeout_s=CALL_S)
    ours.end()
