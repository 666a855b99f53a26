"""Nothing of a Lease expires: who is silent is deposed, by whoever saw its last beat."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coordsidecar.store.protocol import Behind, Held, Limits
from tests.contract.candidate import NewCandidate
from tests.kubernetes.deposing import LIMITS as _LIMITS
from tests.kubernetes.deposing import behind as _behind
from tests.kubernetes.deposing import deposes as _deposes
from tests.servers.leases import OperatedLease


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as made:
        yield made


def test_each_renewal_is_a_beat_and_wakes_who_stands_by_but_not_the_leader(
    candidate: NewCandidate,
) -> None:
    leader, standby = candidate(), candidate()
    held = leader.wins()
    assert leader.take_office(held.token, limits=_LIMITS)
    before = _behind(standby.campaign())

    renewed = leader.renews_and_looks()

    assert isinstance(renewed, Held)
    assert standby.watch(before)
    after = _behind(standby.standing())
    assert (after.limits, after.leader_token, after.in_office) == (_LIMITS, held.token, True)
    assert after.beat != before.beat


def test_no_write_but_a_renewal_is_a_beat(candidate: NewCandidate, lease: OperatedLease) -> None:
    """Else whoever writes labels often enough would keep a dead leader alive."""
    leader, standby = candidate(), candidate()
    leader.leads()
    before = _behind(standby.campaign())

    lease.patch(metadata={"labels": {"team": "payments"}, "annotations": {"note": "a"}})

    assert standby.watch(before)
    after = _behind(standby.standing())
    assert after.cursor != before.cursor
    assert after.beat == before.beat
    assert isinstance(_deposes(standby, before.beat), Held)


def test_a_leader_is_not_woken_by_its_own_beats(
    candidate: NewCandidate, lease: OperatedLease, aside: ThreadPoolExecutor
) -> None:
    leader, standby = candidate(), candidate()
    held = leader.wins()
    watching = aside.submit(leader.watch, held)

    for _ in range(3):
        behind = _behind(standby.campaign())
        leader.renew()
        assert standby.watch(behind)
    woken = watching.done()
    lease.patch(spec={"holderIdentity": "stranger"})

    assert not woken
    assert watching.result()


def test_a_leader_is_deposed_by_whoever_saw_its_last_beat(candidate: NewCandidate) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads(run="run-of-the-first")
    beat = _behind(standby.campaign()).beat

    held = _deposes(standby, beat)

    assert isinstance(held, Held)
    assert (held.clean, held.last_run, held.last_led) == (False, "run-of-the-first", token)
    assert (held.in_office, held.beat) == (False, beat)
    assert held.token > token
    assert isinstance(leader.renews_and_looks(), Behind)


def test_who_was_deposed_mends_the_record_and_leaves_the_lease_to_its_holder(
    candidate: NewCandidate, lease: OperatedLease
) -> None:
    leader, standby = candidate(), candidate()
    token = leader.leads(run="run-of-the-first")
    held = _deposes(standby, _behind(standby.campaign()).beat)
    assert isinstance(held, Held)

    leader.resign(token)

    standing = standby.standing()
    assert isinstance(standing, Held)
    assert (standing.clean, standing.token) == (True, held.token)
    assert lease.read()["spec"]["holderIdentity"] == standby.session.handle


def test_a_late_beat_saves_the_leader(candidate: NewCandidate) -> None:
    leader, standby = candidate(), candidate()
    leader.leads()
    beat = _behind(standby.campaign()).beat
    leader.renew()

    standing = _deposes(standby, beat)

    assert isinstance(standing, Behind)
    assert isinstance(leader.renews_and_looks(), Held)


def test_a_holder_that_is_none_of_ours_is_judged_by_its_own_duration(
    candidate: NewCandidate, lease: OperatedLease
) -> None:
    """As client-go would; and it has no token."""
    standby = candidate()
    lease.patch(spec={"holderIdentity": "stranger", "leaseDurationSeconds": 7})

    behind = _behind(standby.campaign())

    assert (behind.leader, behind.leader_token, behind.in_office) == ("stranger", 0, False)
    assert behind.limits == Limits(7.0, 7.0)
    lease.patch(spec={"renewTime": "2026-01-01T00:00:00.000000Z"})
    assert isinstance(_deposes(standby, behind.beat), Behind)
    held = _deposes(standby, _behind(standby.standing()).beat)
    assert isinstance(held, Held)
    assert held.clean, "none of ours ever led"


@pytest.mark.parametrize("duration", [None, 1, 2**31 - 1])
def test_no_duration_makes_a_holder_eternal(
    candidate: NewCandidate, lease: OperatedLease, duration: int | None
) -> None:
    standby = candidate()
    lease.patch(spec={"holderIdentity": "stranger", "leaseDurationSeconds": duration})

    limits = _behind(standby.campaign()).limits

    assert limits is not None
    assert 0 < limits.ttl_s <= 86400


def test_a_strangers_term_is_not_taken_for_that_of_ours_before_it(
    candidate: NewCandidate, lease: OperatedLease
) -> None:
    """client-go leaves our annotations as they are."""
    leader, standby = candidate(), candidate()
    token = leader.leads()

    lease.patch(spec={"holderIdentity": "stranger", "leaseDurationSeconds": 7})

    behind = _behind(standby.campaign())
    assert (behind.in_office, behind.leader_token, behind.leader) == (False, 0, "stranger")
    assert not isinstance(leader.renews_and_looks(), Held)
    held = _deposes(standby, behind.beat)
    assert isinstance(held, Held)
    assert (held.clean, held.last_led) == (False, token)
