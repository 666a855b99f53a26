"""Who is about to resign finds out beforehand whether whoever stands next lives."""

from __future__ import annotations

import urllib.request

import pytest

from coordsidecar.store.protocol import Held, Limits
from tests.contract.candidate import NewCandidate
from tests.contract.harness import EtcdHarness, Harness
from tests.contract.test_appointment import LIMITS, leader, quiet_for, stands_by
from tests.e2e.sidecars import wait_for

pytestmark = pytest.mark.stores("etcd")


def times_asked(harness: Harness) -> int:
    """How often this etcd was asked about a lease."""
    assert isinstance(harness, EtcdHarness)
    counter = 'grpc_server_handled_total{grpc_code="OK",grpc_method="LeaseTimeToLive"'
    with urllib.request.urlopen(f"{harness.server.url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(counter)))


def test_who_has_prepared_does_not_ask_again(harness: Harness, candidate: NewCandidate) -> None:
    """The job may take as long to end as the answer to be there."""
    first, token = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second")

    at_first = times_asked(harness)
    first.prepare()
    wait_for(lambda: times_asked(harness) > at_first, "the question to be counted")
    before = times_asked(harness)
    first.resign(token)
    appointed = second.watch(behind)

    assert times_asked(harness) == before
    assert isinstance(appointed, Held)


def test_what_was_found_out_long_ago_is_asked_again(
    harness: Harness, candidate: NewCandidate
) -> None:
    """The job took its time to end, and who stands next may have died meanwhile."""
    first, token = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second", limits=Limits(2.0, 1.0))

    first.prepare()
    quiet_for(harness, second, at_least_s=3)
    first.resign(token)

    assert second.watch(behind) is True


def test_who_left_after_it_was_found_is_not_appointed(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, token = leader(candidate)
    second, _ = stands_by(candidate, "run-of-the-second")
    third, behind = stands_by(candidate, "run-of-the-third")
    first.prepare()
    harness.end_session(second.session)

    first.resign(token)

    assert third.watch(behind), "the key before it was deleted"
    assert third.wins(run="run-of-the-third", limits=LIMITS).clean
