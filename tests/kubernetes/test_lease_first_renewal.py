"""A leader's token stands in a Lease from its first renewal; before it, too, its term is one."""

from __future__ import annotations

import pytest

from coordsidecar.store.protocol import Absent, Election, Held
from tests.contract.candidate import CALL_S, Candidate, NewCandidate
from tests.contract.lease_harness import KubernetesHarness
from tests.kubernetes.deposing import behind as _behind
from tests.kubernetes.deposing import deposes as _deposes
from tests.servers.leases import OperatedLease


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
