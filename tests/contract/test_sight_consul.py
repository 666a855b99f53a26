"""Leadership by sight on Consul: each renewal of a leader is a beat, which others can tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coordsidecar.store.protocol import Absent, Behind, Election, Held, Limits, Office, Standing
from coordsidecar_adapters.consul.keys import ElectionKeys
from coordsidecar_adapters.consul.state import State
from tests.contract.candidate import Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import ConsulHarness
from tests.servers import ConsulServer

NewCandidate = Callable[[], Candidate]

_LIMITS = Limits(61.0, 50.0)


@pytest.fixture
def harness(consul: ConsulServer) -> ConsulHarness:
    return ConsulHarness(consul)


@pytest.fixture
def ours(harness: ConsulHarness, election: Election, stand: CandidateFactory) -> NewCandidate:
    return lambda: stand(harness.connect(election))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as made:
        yield made


def _in_office(leader: Candidate) -> int:
    held = leader.wins()
    assert leader.take_office(held.token, run="run-of-the-first", limits=_LIMITS) == held.token
    return held.token


def _behind(standing: Standing) -> Behind:
    assert isinstance(standing, Behind)
    return standing


# ── beats ──────────────────────────────────────────────────────────────────────────────────────


def test_a_renewal_with_a_look_is_one_that_others_can_tell(ours: NewCandidate) -> None:
    leader, standby = ours(), ours()
    token = _in_office(leader)
    before = _behind(standby.campaign())

    held = leader.renews_and_looks()

    after = _behind(standby.standing())
    assert isinstance(held, Held)
    assert (held.token, held.clean, held.beat) == (token, True, after.beat)
    assert None not in (before.beat, after.beat)
    assert before.beat != after.beat
    assert (after.leader_token, after.in_office, after.limits) == (token, True, _LIMITS)


def test_each_renewal_is_another_beat(ours: NewCandidate) -> None:
    leader, standby = ours(), ours()
    _in_office(leader)

    beats = [
        _behind(standby.campaign()).beat
        for _ in range(4)
        if isinstance(leader.renews_and_looks(), Held)
    ]

    assert len(set(beats)) == 4


def test_a_renewal_without_a_look_is_no_beat(ours: NewCandidate) -> None:
    leader, standby = ours(), ours()
    _in_office(leader)
    before = standby.campaign()

    leader.renew()

    assert standby.standing() == before


def test_who_is_not_in_office_does_not_beat(ours: NewCandidate) -> None:
    leader, standby = ours(), ours()
    first = leader.wins()
    before = standby.campaign()

    held = leader.renews_and_looks()

    assert _behind(before).beat is None
    assert standby.standing() == before
    assert held == first
    assert first.beat is None


def test_who_is_not_in_office_asks_consul_all_the_same(
    harness: ConsulHarness, election: Election, ours: NewCandidate
) -> None:
    leader = ours()
    leader.wins()
    harness.delete_key(election, leader.session)

    assert leader.renews_and_looks() == Absent()


def test_who_was_elected_into_office_keeps_token_and_lock_by_its_first_beat(
    ours: NewCandidate,
) -> None:
    leader, standby, third = ours(), ours(), ours()
    leader.resign(_in_office(leader))
    held = standby.campaign(run="run-of-the-second", limits=_LIMITS)
    assert isinstance(held, Held)
    assert held.in_office
    before = _behind(third.campaign())

    again = standby.renews_and_looks()

    after = _behind(third.standing())
    assert isinstance(again, Held)
    assert (again.token, again.cursor, again.clean) == (held.token, held.cursor, True)
    assert (after.leader_token, after.in_office, after.limits) == (held.token, True, _LIMITS)
    assert before.beat != after.beat
    standby.resign(held.token)
    assert third.wins().clean


def test_a_beat_leaves_the_rest_of_the_record_as_it_was(
    harness: ConsulHarness, election: Election, ours: NewCandidate
) -> None:
    leader, standby = ours(), ours()
    token = _in_office(leader)
    leader.renews_and_looks()

    harness.delete_key(election, leader.session)

    held = standby.wins()
    assert (held.clean, held.last_run) == (False, "run-of-the-first")
    assert (held.last_led, held.last_limits) == (token, _LIMITS)


def test_a_session_in_the_hands_of_another_process_beats(
    harness: ConsulHarness, election: Election, ours: NewCandidate
) -> None:
    leader, standby = ours(), ours()
    token = _in_office(leader)
    before = _behind(standby.campaign())

    held = leader.adopted_by(harness.connect(election)).renews_and_looks()

    assert isinstance(held, Held)
    assert (held.token, held.clean) == (token, True)
    assert _behind(standby.standing()).beat != before.beat


def test_a_leader_whose_record_somebody_wrote_between_two_beats_proves_its_ownership(
    consul: ConsulServer, harness: ConsulHarness, election: Election, ours: NewCandidate
) -> None:
    leader, standby = ours(), ours()
    token = _in_office(leader)
    leader.renews_and_looks()
    raw = consul.http("GET", f"/v1/kv/{election.prefix}/.office?raw").body
    harness.write_office(election, json.dumps(json.loads(raw), indent=1).encode())
    between = _behind(standby.campaign())

    held = leader.renews_and_looks()

    assert isinstance(held, Held)
    assert (held.token, held.clean) == (token, True)
    assert _behind(standby.standing()).beat not in (between.beat, None)


@pytest.mark.parametrize("beat", ["-1", "true", "1.5", '"7"', "null", "[]", "1e400", str(2**62)])
def test_a_beat_that_is_none_counts_as_none(beat: str) -> None:
    office = Office.decode(f'{{"led": 2, "released": 1, "beat": {beat}}}')

    assert office == Office(led=2, released=1)


def test_a_term_begins_without_a_beat_and_ends_with_its_last() -> None:
    office = Office(led=2, released=1, run="a-run", beat=7)

    assert Office.decode(office.encode()) == office
    assert office.resigned(2, run="a-run").beat == 7
    taken = office.taken(9, lock=9, run="", floor=0)
    assert taken is not None
    assert taken.beat == 0


# ── watches ────────────────────────────────────────────────────────────────────────────────────


def test_a_watch_wakes_a_standby_by_each_beat(ours: NewCandidate, pool: ThreadPoolExecutor) -> None:
    leader, standby = ours(), ours()
    _in_office(leader)
    behind = _behind(standby.campaign())
    woken = pool.submit(standby.watch, behind)

    leader.renews_and_looks()

    assert woken.result()
    assert standby.watch(behind), "one that begins late misses no beat"


def test_a_watch_wakes_a_standby_when_the_leader_takes_office(
    ours: NewCandidate, pool: ThreadPoolExecutor
) -> None:
    leader, standby = ours(), ours()
    held = leader.wins()
    behind = _behind(standby.campaign())
    woken = pool.submit(standby.watch, behind)

    leader.take_office(held.token)

    assert woken.result()


def test_a_leader_sleeps_through_its_own_beats_and_is_woken_by_all_else(
    harness: ConsulHarness,
    election: Election,
    ours: NewCandidate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leader = ours()
    _in_office(leader)
    held = leader.standing()
    assert isinstance(held, Held)
    wait = ElectionKeys.wait
    meanwhile = ["beat", "beat", "delete"]

    def wait_meanwhile(
        keys: ElectionKeys, *, index: int, wait_s: float, timeout_s: float
    ) -> tuple[int, State]:
        if meanwhile.pop(0) == "beat":
            leader.renews_and_looks()
        else:
            harness.delete_key(election, leader.session)
        return wait(keys, index=index, wait_s=wait_s, timeout_s=timeout_s)

    monkeypatch.setattr(ElectionKeys, "wait", wait_meanwhile)
    woken = leader.watch(held)

    assert (woken, meanwhile) == (True, [])
