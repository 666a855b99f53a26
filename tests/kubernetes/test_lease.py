"""What is a Lease's own way: nothing of it expires, and anybody may write or delete it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coordsidecar.store.protocol import Absent, Behind, Election, Held, Limits, Standing
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import KubernetesHarness
from tests.servers.leases import OperatedLease

NewCandidate = Callable[[], Candidate]


_LIMITS = Limits(61.0, 50.0)


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as made:
        yield made


def _deposes(candidate: Candidate, beat: int | None) -> Standing:
    return candidate.store.campaign(
        candidate.session,
        record=candidate.record,
        run="run-of-the-second",
        limits=_LIMITS,
        depose=beat,
        timeout_s=CALL_S,
    )


def _behind(standing: Standing) -> Behind:
    assert isinstance(standing, Behind)
    return standing


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


# ── silence ────────────────────────────────────────────────────────────────────────────────────


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


# ── before the first renewal ───────────────────────────────────────────────────────────────────


@pytest.fixture
def elected_into_office(candidate: NewCandidate) -> tuple[Candidate, Held]:
    """A leader that has not renewed yet: its token stands nowhere in the Lease."""
    leader = candidate()
    leader.resign(leader.leads())
    held = leader.wins(run="run-of-the-first")
    assert held.in_office
    return leader, held


def test_who_is_deposed_before_its_first_renewal_is_not_taken_for_who_deposed_it(
    elected_into_office: tuple[Candidate, Held], candidate: NewCandidate
) -> None:
    _, led = elected_into_office
    standby = candidate()

    held = _deposes(standby, _behind(standby.campaign()).beat)

    assert isinstance(held, Held)
    assert (held.clean, held.last_run) == (False, "run-of-the-first")
    assert (held.last_led, held.in_office) == (led.token, False)
    again = standby.standing()
    assert isinstance(again, Held)
    assert (again.clean, again.last_led) == (False, led.token)


def test_whoever_writes_the_lease_changes_no_term_and_loses_nothing(
    elected_into_office: tuple[Candidate, Held], lease: OperatedLease
) -> None:
    """Not even before the first renewal, which alone writes down by which version it began."""
    leader, held = elected_into_office
    lease.patch(metadata={"labels": {"team": "payments"}}, spec={"preferredHolder": "b"})

    renewed = leader.renews_and_looks()
    lease.patch(metadata={"labels": {"team": "billing"}})
    again = leader.renews_and_looks()

    assert isinstance(renewed, Held)
    assert isinstance(again, Held)
    assert (renewed.token, again.token) == (held.token, held.token)
    assert lease.read()["metadata"]["labels"] == {"team": "billing"}
    leader.resign(held.token)
    assert lease.read()["metadata"]["labels"] == {"team": "billing"}


def test_the_first_renewal_writes_down_by_which_version_the_term_began(
    elected_into_office: tuple[Candidate, Held],
    harness: KubernetesHarness,
    election: Election,
    lease: OperatedLease,
) -> None:
    """For who knows nothing but what stands there: an elector that adopts, and all others."""
    leader, held = elected_into_office
    leader.renew()
    lease.patch(metadata={"labels": {"team": "payments"}})

    standing = leader.adopted_by(harness.connect(election)).standing()

    assert isinstance(standing, Held)
    assert (standing.token, standing.clean, standing.last_led) == (held.token, True, held.token)
    token = harness.connect(election).leader(timeout_s=CALL_S)
    assert token is not None
    assert token.token == held.token


def test_a_holder_whose_annotations_are_taken_away_renews_no_more_and_begins_anew(
    candidate: NewCandidate, lease: OperatedLease
) -> None:
    """It does not know under which term it holds the Lease, and nor does anybody else."""
    leader = candidate()
    token = leader.leads()
    lease.patch(metadata={"annotations": {"coordsidecar/term": None}})
    before = lease.spec()

    standing = leader.renews_and_looks()

    assert isinstance(standing, Absent)
    assert lease.spec() == before
    held = leader.campaign()
    assert isinstance(held, Held)
    assert held.token > token
    assert not held.clean


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
