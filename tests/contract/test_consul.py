"""What Consul elections promise beyond the contract: what is on the wire, and its odd moments."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from coordsidecar.store.protocol import (
    Behind,
    Election,
    Held,
    RefusedError,
    SessionLostError,
    Store,
    UnreachableError,
    Vacant,
)
from coordsidecar_adapters.consul.store import connect
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.servers import ConsulServer, Proxy
from tests.servers.process import listens

NewCandidate = Callable[[], Candidate]


@pytest.fixture
def store(consul: ConsulServer, election: Election) -> Callable[[], Store]:
    return lambda: connect(f"consul://{consul.endpoint}", election=election, environ={})


@pytest.fixture
def ours(store: Callable[[], Store], stand: CandidateFactory) -> NewCandidate:
    """A candidate on the shared server, whose least session TTL is Consul's own."""
    return lambda: stand(store())


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as made:
        yield made


def _lock_key(server: ConsulServer, election: Election) -> dict[str, object]:
    (key,) = server.http("GET", f"/v1/kv/{election.prefix}/.lock?consistent").json()
    assert isinstance(key, dict)
    return key


# ── what Consul is told ────────────────────────────────────────────────────────────────────────


def test_a_session_carries_no_health_check_and_the_delay_asked_for(
    consul: ConsulServer, store: Callable[[], Store], stand: CandidateFactory
) -> None:
    candidate = stand(store(), ttl_s=15.5, takeover_delay_s=12.5)

    (session,) = consul.http("GET", f"/v1/session/info/{candidate.session.handle}").json()

    assert (session["NodeChecks"], session["ServiceChecks"]) == ([], None)
    assert session["Behavior"] == "release"
    assert session["LockDelay"] == 12_500_000_000
    assert candidate.renew() == candidate.session.ttl_s == 15.5


def test_a_delay_that_consul_would_not_keep_is_cut_to_what_it_does(
    consul: ConsulServer, store: Callable[[], Store], stand: CandidateFactory
) -> None:
    candidate = stand(store(), takeover_delay_s=300.0)

    (session,) = consul.http("GET", f"/v1/session/info/{candidate.session.handle}").json()

    assert session["LockDelay"] == 60_000_000_000


def test_a_ttl_beyond_consuls_most_is_refused_with_a_remedy(store: Callable[[], Store]) -> None:
    with pytest.raises(RefusedError, match=r"must be between .*; use another --ttl"):
        store().open(ttl_s=86401.0, takeover_delay_s=5.0, record="{}", timeout_s=CALL_S)


def test_the_lock_is_one_that_consul_lock_respects(
    consul: ConsulServer, election: Election, ours: NewCandidate
) -> None:
    leader = ours()
    token = leader.leads()
    program = consul.process.argv[0]
    argv = [program, "lock", "-try=2s", "-shell=false", election.prefix, "echo", "it ran"]

    def consul_lock() -> subprocess.CompletedProcess[str]:
        environ = consul.client_environ()
        return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)

    while_leading = consul_lock()
    leader.resign(token)
    after = consul_lock()

    assert "it ran" not in while_leading.stdout
    assert "lock acquisition" in while_leading.stderr
    assert "it ran" in after.stdout
    assert leader.wins().token > token, "`consul lock` deletes the key as it leaves"


def test_a_repeated_campaign_does_not_touch_the_key(
    consul: ConsulServer, election: Election, ours: NewCandidate
) -> None:
    leader = ours()
    held = leader.wins()
    leader.record = '{"id": "says something else"}'

    again = leader.campaign()

    assert isinstance(again, Held)
    assert again.token == held.token == _lock_key(consul, election)["ModifyIndex"]


def test_what_a_leader_says_of_itself_is_cut_short(ours: NewCandidate) -> None:
    leader = ours()
    leader.record = json.dumps({"id": "x" * 50_000})
    leader.wins()

    standing = ours().campaign()

    assert isinstance(standing, Behind)
    assert standing.leader == leader.record[:4096]


# ── sudden ends ────────────────────────────────────────────────────────────────────────────────


def test_an_orderly_end_leaves_no_lock_delay(ours: NewCandidate) -> None:
    leader, standby = ours(), ours()
    token = leader.leads()
    leader.resign(token)
    leader.close()

    standing = standby.campaign()

    assert isinstance(standing, Held)
    assert standing.clean


def test_a_candidate_whose_session_died_is_told_so_in_spite_of_the_lock_delay(
    consul: ConsulServer, ours: NewCandidate
) -> None:
    leader, standby = ours(), ours()
    leader.leads()
    for session in (leader.session, standby.session):
        consul.http("PUT", f"/v1/session/destroy/{session.handle}")

    with pytest.raises(SessionLostError):
        standby.campaign()


def test_a_lock_released_by_an_operator_is_unclean(
    consul: ConsulServer, election: Election, ours: NewCandidate
) -> None:
    leader, standby = ours(), ours()
    token = leader.leads(run="run-of-the-first")
    handle = leader.session.handle
    answer = consul.http("PUT", f"/v1/kv/{election.prefix}/.lock?release={handle}", b"")
    assert answer.body.strip() == b"true"

    taken = leader.take_office(token)
    held = standby.wins()

    assert not taken
    assert (held.clean, held.last_run) == (False, "run-of-the-first")


def test_a_key_that_somebody_overwrote_is_no_longer_that_of_our_token(
    consul: ConsulServer, election: Election, ours: NewCandidate
) -> None:
    leader = ours()
    held = leader.wins()

    consul.consul("kv", "put", f"{election.prefix}/.lock", "rubbish")

    assert leader.watch(held)
    assert not leader.take_office(held.token)
    standing = leader.standing()
    assert isinstance(standing, Held)
    assert standing.token > held.token


# ── watches ────────────────────────────────────────────────────────────────────────────────────


def test_an_index_that_consul_has_not_reached_does_not_make_us_deaf(ours: NewCandidate) -> None:
    leader = ours()
    held = leader.wins()
    future = Held(token=held.token, clean=True, last_run="", cursor=10**15)

    woken = leader.watch(future, timeout_s=600.0)  # Longer than pytest lets a deaf one wait.

    assert woken


def test_a_snapshot_restored_by_an_operator_wakes_a_leader_that_is_not_in_it(
    consul_server: Callable[..., ConsulServer],
    election: Election,
    stand: CandidateFactory,
    tmp_path: Path,
    pool: ThreadPoolExecutor,
) -> None:
    server = consul_server()
    server.consul("snapshot", "save", str(tmp_path / "before"))
    leader = stand(connect(f"consul://{server.endpoint}", election=election, environ={}))
    held = leader.wins()
    woken = pool.submit(leader.watch, held)

    server.consul("snapshot", "restore", str(tmp_path / "before"))

    with suppress(UnreachableError):  # Consul may end all queries, and answers with what was.
        woken.result()
    assert leader.watch(held)
    assert not isinstance(leader.standing(), Held)


def test_a_watch_through_a_lock_delay_ends_when_it_is_time_to_ask_again(
    consul: ConsulServer, ours: NewCandidate
) -> None:
    leader, standby = ours(), ours()
    leader.leads()
    consul.http("PUT", f"/v1/session/destroy/{leader.session.handle}")
    vacant = standby.campaign()
    assert isinstance(vacant, Vacant)

    woken = standby.watch(vacant)

    assert woken, "the end of a lock-delay is no event in Consul"


def test_a_watch_whose_server_falls_silent_ends_in_time(
    consul: ConsulServer,
    election: Election,
    stand: CandidateFactory,
    proxy: Callable[[str], Proxy],
) -> None:
    way = proxy(consul.endpoint)
    leader = stand(connect(f"consul://{way.endpoint}", election=election, environ={}))
    held = leader.wins()
    way.cut_inbound()

    with pytest.raises(UnreachableError):
        leader.watch(held, timeout_s=1.0)


# ── servers in trouble ─────────────────────────────────────────────────────────────────────────


def test_a_consul_without_a_leader_of_its_own_is_unreachable_and_loses_nothing(
    consul_server: Callable[..., ConsulServer], election: Election, tmp_path: Path
) -> None:
    server = consul_server()
    server.kill()
    (config_path,) = tmp_path.glob("consul-*/consul.json")
    config = json.loads(config_path.read_text())
    config |= {"bootstrap_expect": 3, "data_dir": str(tmp_path / "empty")}
    config["performance"]["rpc_hold_timeout"] = "500ms"
    config_path.write_text(json.dumps(config))
    port = int(server.endpoint.rpartition(":")[2])
    server.process.start(ready=lambda: listens(port))
    lonely = connect(f"consul://{server.endpoint}", election=election, environ={})

    with pytest.raises(UnreachableError, match="No cluster leader"):
        lonely.leader(timeout_s=20.0)
    with pytest.raises(UnreachableError, match="No cluster leader"):
        lonely.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=20.0)


@pytest.mark.parametrize("fault", ["cut", "black_hole"])
def test_a_leader_keeps_its_office_when_the_endpoint_it_used_fails(
    consul: ConsulServer,
    election: Election,
    stand: CandidateFactory,
    proxy: Callable[[str], Proxy],
    fault: str,
) -> None:
    first, second = proxy(consul.endpoint), proxy(consul.endpoint)
    url = f"consul://{first.endpoint},{second.endpoint}"
    leader = stand(connect(url, election=election, environ={}))
    token = leader.leads()
    leader.call_s = 4.0

    getattr(first, fault)()

    assert leader.renew() > 0
    standing = leader.standing()
    assert isinstance(standing, Held)
    assert standing.token == token
    leader.resign(token)
