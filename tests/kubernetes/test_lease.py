"""A Lease may be deleted and made anew by anybody, and says what client-go says."""

from __future__ import annotations

import pytest

from coordsidecar.store.protocol import Absent, Behind, Election, Held
from tests.contract.candidate import Candidate, NewCandidate
from tests.contract.conftest import CandidateFactory
from tests.contract.lease_harness import KubernetesHarness
from tests.kubernetes.deposing import behind as _behind
from tests.servers.leases import OperatedLease

# ── made anew ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def early(harness: KubernetesHarness, election: Election, stand: CandidateFactory) -> NewCandidate:
    """Make a candidate that finds the Lease as it is, or none."""

    def make() -> Candidate:
        harness.connect(Election(election.namespace, "another"))  # The namespace is there.
        return stand(harness.connect_to_what_is_there(election))

    return make


def test_who_makes_the_lease_does_not_know_who_led_before(early: NewCandidate) -> None:
    first, second = early(), early()

    held = first.wins(run="run-of-the-first")

    assert (held.clean, held.in_office, held.last_led) == (False, False, -1)
    assert isinstance(second.campaign(), Behind)
    assert first.take_office(held.token) == held.token
    first.resign(held.token)
    assert second.wins(run="run-of-the-second").in_office


def test_nor_does_whoever_comes_after_one_that_took_no_office(early: NewCandidate) -> None:
    first, second = early(), early()
    first.wins()

    first.resign(None)

    assert not second.wins().clean


def test_who_saw_the_lease_deleted_does_not_take_it_from_whoever_made_it_anew(
    candidate: NewCandidate, early: NewCandidate, lease: OperatedLease
) -> None:
    """A write by what was seen then would compare nothing, and be carried out at any time."""
    first, second = candidate(), early()
    first.leads()
    behind = second.campaign()
    assert isinstance(behind, Behind)
    lease.delete()
    while not second.watch(behind):
        pass
    third = early()
    token = third.wins().token

    assert isinstance(second.campaign(), Behind)
    standing = third.standing()
    assert isinstance(standing, Held)
    assert standing.token == token


def test_a_lease_that_is_deleted_ends_the_term_and_vouches_for_nobody(
    candidate: NewCandidate, early: NewCandidate, lease: OperatedLease
) -> None:
    first = candidate()
    token = first.leads()

    lease.delete()

    assert isinstance(first.renews_and_looks(), Absent)
    held = early().wins(run="run-of-the-second")
    assert (held.clean, held.in_office) == (False, False)
    assert held.token > token


def test_a_watch_tells_of_a_deletion(candidate: NewCandidate, lease: OperatedLease) -> None:
    leader, standby = candidate(), candidate()
    held = leader.wins()
    behind = _behind(standby.campaign())

    lease.delete()

    assert leader.watch(held)
    assert standby.watch(behind)


# ── what stands in it ──────────────────────────────────────────────────────────────────────────


def test_it_says_what_client_go_says(
    harness: KubernetesHarness, election: Election, stand: CandidateFactory, lease: OperatedLease
) -> None:
    store = harness.connect(election)
    first = stand(store, ttl_s=15.4)
    second = stand(harness.connect(election))
    assert "spec" not in lease.read() or not lease.read()["spec"].get("holderIdentity")

    token = first.leads()
    held = lease.read()["spec"]
    first.resign(token)
    released = lease.read()["spec"]
    second.leads()
    passed_on = lease.read()["spec"]

    assert held["holderIdentity"] == first.session.handle
    assert held["leaseDurationSeconds"] == 16, "no fewer than it is held for"
    assert released["holderIdentity"] == ""
    assert released["leaseDurationSeconds"] == 1
    transitions = [spec["leaseTransitions"] for spec in (held, released, passed_on)]
    assert transitions == [1, 1, 2]
    assert passed_on["acquireTime"] >= held["renewTime"] >= held["acquireTime"]


def test_a_renewal_without_a_look_keeps_it_too(
    candidate: NewCandidate, lease: OperatedLease
) -> None:
    first = candidate()
    first.wins()
    before = lease.read()["spec"]["renewTime"]

    first.renew()

    assert lease.read()["spec"]["renewTime"] > before


def test_a_lease_that_has_passed_on_too_often_to_be_counted_passes_on(
    candidate: NewCandidate, lease: OperatedLease
) -> None:
    first = candidate()
    lease.patch(spec={"leaseTransitions": 2**31 - 1})

    first.wins()

    assert lease.spec()["leaseTransitions"] == 2**31 - 1
