"""Whoever resigns appoints the candidate that stands next, in the same commit."""

from __future__ import annotations

import json
import time

import pytest

from coordsidecar.store.protocol import Behind, Election, Held, Limits, Standing
from tests.contract.candidate import Candidate, NewCandidate
from tests.contract.harness import EtcdHarness, Harness

pytestmark = pytest.mark.stores("etcd")

LIMITS = Limits(60.0, 30.0)


def stands_by(
    candidate: NewCandidate, run: str, *, limits: Limits = LIMITS
) -> tuple[Candidate, Behind]:
    """A candidate that may be appointed, and how it stands."""
    one = candidate()
    behind = one.campaign(run=run, limits=limits)
    assert isinstance(behind, Behind)
    return one, behind


def leader(candidate: NewCandidate) -> tuple[Candidate, int]:
    one = candidate()
    return one, one.leads(run="run-of-the-first")


def resigns_in_favour(first: Candidate, token: int) -> None:
    """It resigns, having seen by a renewal who is next."""
    assert isinstance(first.renews_and_looks(), Held)
    first.resign(token)


def told_of_it(one: Candidate, behind: Behind) -> Held:
    """By its watch. One transaction comes as several events: where the host is busy the watch may
    end with the first of them, and one from the same revision on tells again."""
    while not isinstance(appointed := one.watch(behind), Held):
        assert appointed is True
    return appointed


def test_who_stands_next_is_told_by_its_watch_that_it_is_in_office(candidate: NewCandidate) -> None:
    first, token = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second")

    resigns_in_favour(first, token)
    appointed = told_of_it(second, behind)
    assert appointed.in_office
    assert appointed.token > token
    assert in_office_by(second.standing()) == appointed.token
    third = candidate().campaign()
    assert isinstance(third, Behind)
    assert (third.leader_token, third.in_office, third.limits) == (appointed.token, True, LIMITS)


def in_office_by(standing: Standing) -> int:
    """The token, of whoever holds the election and has taken office under it."""
    assert isinstance(standing, Held)
    assert standing.token == standing.last_led
    return standing.token


def test_who_was_appointed_proves_it_by_renewing_and_resigns_like_any_other(
    candidate: NewCandidate,
) -> None:
    first, token = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second")
    resigns_in_favour(first, token)
    appointed = told_of_it(second, behind)

    renewed = second.renews_and_looks()
    second.resign(appointed.token)
    third = candidate().wins()

    assert isinstance(renewed, Held)
    assert renewed.token == appointed.token
    assert third.clean
    assert third.token > appointed.token


def test_office_is_passed_on_and_on(candidate: NewCandidate) -> None:
    leads, token = leader(candidate)
    tokens = [token]
    for run in ("b", "c", "d"):
        following, behind = stands_by(candidate, run)
        resigns_in_favour(leads, token)
        appointed = told_of_it(following, behind)
        leads, token = following, appointed.token
        tokens.append(token)

    assert tokens == sorted(set(tokens))


def test_who_says_nothing_of_its_run_is_not_appointed(candidate: NewCandidate) -> None:
    """It is another program, or it doubts that the leader before has ended."""
    first, token = leader(candidate)
    second = candidate()
    behind = second.campaign()
    assert isinstance(behind, Behind)

    resigns_in_favour(first, token)

    assert second.watch(behind) is True
    held = second.wins(run="run-of-the-second", limits=LIMITS)
    assert (held.clean, held.in_office) == (True, True)


def test_who_no_longer_stands_as_it_was_seen_is_not_appointed(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, token = leader(candidate)
    second, _ = stands_by(candidate, "run-of-the-second")
    third, behind = stands_by(candidate, "run-of-the-third")
    assert isinstance(first.renews_and_looks(), Held)
    harness.end_session(second.session)

    first.resign(token)

    assert third.watch(behind), "the key before it was deleted"
    assert third.wins(run="run-of-the-third", limits=LIMITS).clean


def test_who_came_after_the_last_renewal_is_appointed_as_well(candidate: NewCandidate) -> None:
    first, token = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second")

    first.resign(token)

    told_of_it(second, behind)


def quiet_for(harness: Harness, candidate: Candidate, *, at_least_s: int) -> None:
    """Return once its lease has not been renewed for so long; it never is."""
    assert isinstance(harness, EtcdHarness)
    while True:
        said = harness.server.etcdctl("lease", "timetolive", candidate.session.handle, "-w", "json")
        told = json.loads(said)
        if int(told["granted-ttl"]) - int(told["ttl"]) >= at_least_s:
            return
        time.sleep(0.1)  # The server's clock gives no event to wait for.


def test_who_has_not_renewed_for_long_is_not_appointed(
    harness: Harness, candidate: NewCandidate
) -> None:
    """It may be dead, and nobody has watched it: who comes next would wait for all of its term."""
    first, token = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second", limits=Limits(2.0, 1.0))

    quiet_for(harness, second, at_least_s=3)
    first.resign(token)

    assert second.watch(behind) is True
    assert second.wins(run="run-of-the-second", limits=LIMITS).in_office


@pytest.mark.parametrize("appointed", [True, False], ids=["appointed", "elected"])
def test_who_stands_behind_a_new_leader_hears_of_it(
    candidate: NewCandidate, appointed: bool
) -> None:
    """Only from then on it can tell whether that one falls silent."""
    first, token = leader(candidate)
    second = candidate()
    second.campaign(run="run-of-the-second", limits=LIMITS if appointed else None)
    third, behind = stands_by(candidate, "run-of-the-third")

    first.resign(token)
    if not appointed:
        assert second.wins(run="run-of-the-second", limits=LIMITS).in_office

    while True:  # Who was elected was seen to be next before it came into office.
        assert third.watch(behind)
        found = third.standing()
        assert isinstance(found, Behind)
        behind = found
        if found.in_office:
            break
    assert found.leader_token > token
    assert found.may_follow


def test_an_appointed_one_that_dies_leaves_no_clean_office(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, token = leader(candidate)
    second, _ = stands_by(candidate, "run-of-the-second")
    third = candidate()
    third.campaign()
    resigns_in_favour(first, token)

    harness.end_session(second.session)
    held = third.wins()

    assert (held.clean, held.last_run, held.last_limits) == (False, "run-of-the-second", LIMITS)


def test_who_leaves_as_it_is_appointed_gives_the_office_back(candidate: NewCandidate) -> None:
    first, token = leader(candidate)
    second, _ = stands_by(candidate, "run-of-the-second")
    third = candidate()
    third.campaign()
    resigns_in_favour(first, token)

    second.resign(None)

    assert third.wins().clean


def test_who_repeats_that_it_resigns_appoints_nobody_else(candidate: NewCandidate) -> None:
    first, token = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second")
    stands_by(candidate, "run-of-the-third")
    resigns_in_favour(first, token)
    appointed = told_of_it(second, behind)

    first.resign(token)

    assert in_office_by(second.standing()) == appointed.token


def test_two_electors_of_one_session_appoint_one_candidate(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    """The first of them was replaced; its request was under way all the while."""
    first, token = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second")
    assert isinstance(first.renews_and_looks(), Held)
    other = first.adopted_by(harness.connect(election))
    for _ in range(2):  # By the first it learns which key is its own.
        assert isinstance(other.renews_and_looks(), Held)
    stands_by(candidate, "run-of-the-third")

    other.resign(token)
    first.resign(token)

    appointed = told_of_it(second, behind)
    assert in_office_by(second.standing()) == appointed.token


def test_a_record_that_anybody_wrote_appoints_nobody_else(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    """What is not the record of our own run and our own key is a hint at the most."""
    first, _ = leader(candidate)
    second, behind = stands_by(candidate, "run-of-the-second")

    harness.write_office(election, b'{"led": 99, "released": 1, "run": "r", "lock": "99"}')

    assert second.watch(behind) is True
    assert isinstance(second.standing(), Behind)
    first.resign(None)
