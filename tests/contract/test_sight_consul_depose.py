"""Who beats no more is deposed, by whoever saw its last beat, and not when Consul would do so.

So TTLs may be shorter than Consul's least.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coordsidecar.store.protocol import (
    Behind,
    Election,
    Held,
    Limits,
    SessionLostError,
    Standing,
    Store,
)
from coordsidecar_adapters.consul.keys import ElectionKeys
from coordsidecar_adapters.consul.state import State
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import ConsulHarness
from tests.servers import ConsulServer

NewCandidate = Callable[[], Candidate]
AfterNextLook = Callable[[Callable[[], object]], None]

_LIMITS = Limits(61.0, 50.0)
# Whoever runs into a lock-delay does not get the lock within a test.
_LONG_DELAY_S = 60.0


@pytest.fixture
def harness(consul: ConsulServer) -> ConsulHarness:
    return ConsulHarness(consul)


@pytest.fixture
def ours(harness: ConsulHarness, election: Election, stand: CandidateFactory) -> NewCandidate:
    return lambda: stand(harness.connect(election), takeover_delay_s=_LONG_DELAY_S)


@pytest.fixture
def after_next_look(monkeypatch: pytest.MonkeyPatch) -> AfterNextLook:
    """Have something happen once, between what a store reads and what it does by that."""
    look = ElectionKeys.look

    def arrange(happens: Callable[[], object]) -> None:
        def look_then(keys: ElectionKeys, deadline_s: float) -> tuple[int, State]:
            found = look(keys, deadline_s)
            monkeypatch.undo()
            happens()
            return found

        monkeypatch.setattr(ElectionKeys, "look", look_then)

    return arrange


def _in_office(leader: Candidate) -> int:
    held = leader.wins()
    assert leader.take_office(held.token, run="run-of-the-first", limits=_LIMITS) == held.token
    return held.token


def _behind(standing: Standing) -> Behind:
    assert isinstance(standing, Behind)
    return standing


def _deposes(candidate: Candidate, beat: int | None) -> Standing:
    return candidate.store.campaign(
        candidate.session,
        record=candidate.record,
        run="run-of-the-second",
        limits=_LIMITS,
        depose=beat,
        timeout_s=CALL_S,
    )


def _foreign_holder(consul: ConsulServer, election: Election) -> str:
    """Let another program take the lock; returns its session."""
    opened = consul.http("PUT", "/v1/session/create", {"TTL": "120s", "Checks": []})
    session = str(opened.json()["ID"])
    path = f"/v1/kv/{election.prefix}/.lock?acquire={session}"
    assert consul.http("PUT", path, b"foreign").body.strip() == b"true"
    return session


def _holder(consul: ConsulServer, election: Election) -> str:
    (key,) = consul.http("GET", f"/v1/kv/{election.prefix}/.lock?consistent").json()
    return str(key.get("Session", ""))


def test_a_leader_that_does_not_beat_is_deposed_by_who_saw_its_last(ours: NewCandidate) -> None:
    leader, standby, third = ours(), ours(), ours()
    token = _in_office(leader)
    leader.renews_and_looks()
    behind = _behind(standby.campaign())

    held = _deposes(standby, behind.beat)

    assert isinstance(held, Held)
    assert (held.in_office, held.clean, held.last_run) == (False, False, "run-of-the-first")
    assert (held.last_led, held.last_limits, held.beat) == (token, _LIMITS, behind.beat)
    assert not _behind(third.campaign()).in_office
    taken = standby.take_office(held.token, run="run-of-the-second")
    assert taken == held.token
    assert taken > token
    assert _behind(third.standing()).leader_token == taken


def test_a_leader_that_beat_once_more_is_not_deposed(ours: NewCandidate) -> None:
    leader, standby = ours(), ours()
    token = _in_office(leader)
    behind = _behind(standby.campaign())
    leader.renews_and_looks()

    standing = _deposes(standby, behind.beat)

    assert _behind(standing).leader_token == token
    held = leader.standing()
    assert isinstance(held, Held)
    assert held.token == token


def test_nor_one_that_beats_between_the_look_and_the_deposition(
    ours: NewCandidate, after_next_look: AfterNextLook
) -> None:
    leader, standby = ours(), ours()
    token = _in_office(leader)
    behind = _behind(standby.campaign())
    after_next_look(leader.renews_and_looks)

    standing = _deposes(standby, behind.beat)

    assert _behind(standing).leader_token == token
    assert _behind(standing).beat != behind.beat


def test_no_holder_that_is_not_in_office_is_deposed(
    consul: ConsulServer, harness: ConsulHarness, election: Election, ours: NewCandidate
) -> None:
    """Another program holds the lock, and the record of a leader of ours lies about."""
    leader, standby = ours(), ours()
    _in_office(leader)
    beat = _behind(standby.campaign()).beat
    harness.delete_key(election, leader.session)
    foreign = _foreign_holder(consul, election)

    standings = _deposes(standby, beat), _deposes(standby, None)

    assert _holder(consul, election) == foreign
    assert [_behind(standing).beat for standing in standings] == [None, None]


def test_nor_one_that_took_the_lock_between_the_look_and_the_deposition(
    consul: ConsulServer,
    harness: ConsulHarness,
    election: Election,
    ours: NewCandidate,
    after_next_look: AfterNextLook,
) -> None:
    leader, standby = ours(), ours()
    _in_office(leader)
    beat = _behind(standby.campaign()).beat
    foreign = []

    def usurp() -> None:
        harness.delete_key(election, leader.session)
        foreign.append(_foreign_holder(consul, election))

    after_next_look(usurp)

    standing = _deposes(standby, beat)

    assert foreign == [_holder(consul, election)]
    assert _behind(standing).beat is None


def test_nobody_deposes_itself(ours: NewCandidate) -> None:
    leader = ours()
    _in_office(leader)
    before = leader.standing()
    assert isinstance(before, Held)

    held = _deposes(leader, before.beat)

    assert held == before


def test_who_has_no_session_deposes_nobody_and_is_told_so(
    harness: ConsulHarness, ours: NewCandidate
) -> None:
    leader, standby = ours(), ours()
    _in_office(leader)
    behind = _behind(standby.campaign())
    harness.end_session(standby.session)

    with pytest.raises(SessionLostError):
        _deposes(standby, behind.beat)

    assert isinstance(leader.renews_and_looks(), Held)


def test_who_finds_the_lock_free_in_the_end_just_takes_it(
    harness: ConsulHarness, election: Election, ours: NewCandidate
) -> None:
    leader, standby = ours(), ours()
    _in_office(leader)
    behind = _behind(standby.campaign())
    harness.delete_key(election, leader.session)

    held = _deposes(standby, behind.beat)

    assert isinstance(held, Held)
    assert (held.in_office, held.clean, held.beat) == (False, False, behind.beat)


def test_a_leader_that_was_deposed_is_told_so(ours: NewCandidate) -> None:
    leader, standby = ours(), ours()
    token = _in_office(leader)
    leader.renews_and_looks()
    held = _deposes(standby, _behind(standby.campaign()).beat)
    assert isinstance(held, Held)

    before_office = leader.renews_and_looks(), leader.take_office(token)
    seen_by_us = standby.standing()
    assert standby.take_office(held.token, run="run-of-the-second")
    in_office = leader.renews_and_looks()

    assert isinstance(before_office[0], Behind)
    assert seen_by_us == held, "one that is deposed leaves the record alone"
    assert before_office[1] is None
    assert _behind(in_office).leader_token == held.token


def test_the_end_of_a_session_that_was_deposed_neither_frees_the_lock_nor_delays_it(
    harness: ConsulHarness, ours: NewCandidate
) -> None:
    leader, standby, third = ours(), ours(), ours()
    _in_office(leader)
    held = _deposes(standby, _behind(standby.campaign()).beat)
    assert isinstance(held, Held)

    harness.end_session(leader.session)

    assert standby.standing() == held
    assert standby.take_office(held.token, run="run-of-the-second") == held.token
    standby.run = "run-of-the-second"
    standby.resign(held.token)
    next_one = third.campaign()
    assert isinstance(next_one, Held)
    assert next_one.clean


# ── TTLs that Consul does not grant ────────────────────────────────────────────────────────────


def _granted(server: ConsulServer, store: Store, ttl_s: float) -> tuple[float, float, str]:
    """What a session lasts by itself and by its renewal, and by Consul."""
    session = store.open(ttl_s=ttl_s, takeover_delay_s=1.0, record="{}", timeout_s=CALL_S)
    renewed_s = store.renew(session, look=False, timeout_s=CALL_S).ttl_s
    (info,) = server.http("GET", f"/v1/session/info/{session.handle}").json()
    store.close(session, timeout_s=CALL_S)
    return session.ttl_s, renewed_s, info["TTL"]


def test_a_ttl_below_consuls_least_is_ours_all_the_same(
    consul: ConsulServer, harness: ConsulHarness, election: Election
) -> None:
    assert _granted(consul, harness.connect(election), 3.0) == (3.0, 3.0, "10000ms")


def test_a_server_that_grants_short_ttls_is_asked_for_no_longer_one(
    quick_consul: ConsulServer, election: Election
) -> None:
    store = ConsulHarness(quick_consul).connect(election)

    assert _granted(quick_consul, store, 3.0) == (3.0, 3.0, "3000ms")


def test_the_least_ttl_is_the_one_that_the_server_names(
    consul_server: Callable[..., ConsulServer], election: Election
) -> None:
    server = consul_server(session_ttl_min="90s")
    store = ConsulHarness(server).connect(election)

    assert _granted(server, store, 15.0) == (15.0, 15.0, "90000ms")
