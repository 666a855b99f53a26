"""What etcd says of leases comes from one member's memory: when it counts, and when not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Election,
    Held,
    Limits,
    Standing,
    UnreachableError,
)
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.etcd_members import WHO_ARE_YOU as _WHO_ARE_YOU
from tests.contract.etcd_members import Members
from tests.servers.etcd import EtcdCluster
from tests.servers.gate import Gate, Trouble
from tests.servers.operations import Operation

_LIMITS = Limits(15.0, 10.0)
_UNJUDGED = Limits(15.0)
_KEEP_ALIVE = "/v3/lease/keepalive"
_TOLD = "/v3/lease/timetolive"
# The gate takes what compares so much for it, and nothing else here does.
_SAYS_SO = Operation.TAKE_OFFICE

# Where a call is meant to run into its time-out.
_SHORT_S = 2.0


def _in_office(candidate: Candidate) -> None:
    assert candidate.take_office(candidate.wins().token, limits=_LIMITS)


def _sees(standing: Standing) -> Behind:
    assert isinstance(standing, Behind)
    return standing


@pytest.fixture(scope="module")
def cluster(
    need_server: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EtcdCluster]:
    need_server("etcd")
    made = EtcdCluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def members(cluster: EtcdCluster, election: Election, stand: CandidateFactory) -> Members:
    return Members(cluster, election, stand)


def test_what_is_told_in_another_term_of_etcds_own_counts_for_nothing(members: Members) -> None:
    """Whether the term ended before it was told, or thereafter."""
    first, _ = members.candidate()
    _in_office(first)
    second, way = members.candidate()
    second.campaign()
    known = _sees(second.standing())

    members.elect_another()
    term_before = _sees(second.standing())
    same_term = _sees(second.standing())
    way.after[_TOLD] = members.elect_another
    term_after = _sees(second.standing())

    assert (term_before.quiet_s, term_after.quiet_s) == (None, None)
    assert known.quiet_s is not None
    # Who leads etcd next lets each lease last for longer, the more so on a machine that is quick.
    assert same_term.quiet_s is not None
    assert same_term.quiet_s >= 0.0


def test_what_another_member_tells_counts_for_nothing(members: Members) -> None:
    first, _ = members.candidate()
    _in_office(first)
    second, way = members.candidate()
    second.campaign()

    way.by[_TOLD] = members.client(1)
    behind = _sees(second.standing())

    assert _TOLD in way.asked
    assert behind.quiet_s is None


def test_what_is_told_of_one_leader_does_not_count_against_the_next(members: Members) -> None:
    first, _ = members.candidate()
    second, _ = members.candidate()
    third, way = members.candidate()
    _in_office(first)
    second.campaign()
    third.campaign()

    def changes_hands() -> None:
        first.close()
        _in_office(second)

    way.after[_TOLD] = changes_hands
    behind = _sees(third.standing())

    assert (behind.leader, behind.in_office) == (second.record, True)
    assert behind.quiet_s is None


def test_a_renewal_in_the_same_term_of_the_same_member_is_made_once(members: Members) -> None:
    first, way = members.candidate()
    _in_office(first)
    way.asked.clear()

    first.renews_and_looks()

    assert way.asked.count(_KEEP_ALIVE) == 1


@pytest.mark.parametrize("moment", ["before", "between"])
def test_a_renewal_around_which_etcds_own_term_ends_is_made_again(
    members: Members, moment: str
) -> None:
    first, way = members.candidate()
    _in_office(first)
    way.asked.clear()
    if moment == "before":
        members.elect_another()
    else:
        way.after[_KEEP_ALIVE] = members.elect_another

    held = first.renews_and_looks()

    assert isinstance(held, Held)
    assert way.asked.count(_KEEP_ALIVE) == 2
    assert _sees(members.candidate()[0].campaign()).limits == _LIMITS


def test_who_renews_at_another_member_is_not_judged_by_its_silence(members: Members) -> None:
    """As behind a balancer that spreads requests. Said in the record once, and no more."""
    first, way = members.candidate()
    token = first.wins().token
    assert first.take_office(token, limits=_LIMITS)
    second, _ = members.candidate()
    judged = _sees(second.campaign()).limits
    way.by[_KEEP_ALIVE] = members.client(1)
    way.asked.clear()

    held = first.renews_and_looks()
    tries = way.asked.count(_KEEP_ALIVE)
    behind = _sees(second.standing())
    again = first.renews_and_looks()

    assert (judged, tries) == (_LIMITS, 2)
    assert (behind.limits, behind.quiet_s, behind.leader_token) == (_UNJUDGED, None, token)
    assert way.asked.count(_KEEP_ALIVE) == tries + 1
    for standing in (held, again):
        assert isinstance(standing, Held)
        assert standing.token == token
    first.resign(token)
    assert second.wins().clean


@pytest.mark.parametrize(
    ("trouble", "once"), [(Trouble.SILENT, False), (Trouble.CUT, True)], ids=["silent", "cut"]
)
def test_a_renewal_that_others_may_not_see_is_none_until_the_record_says_so(
    members: Members, trouble: Trouble, once: bool
) -> None:
    with closing(Gate(members.endpoint, dialect="etcd", late_s=_SHORT_S)) as gate:
        first, way = members.candidate(by=gate.endpoint)
        _in_office(first)
        way.by[_KEEP_ALIVE] = members.client(1)
        first.call_s = _SHORT_S
        gate.trouble(_SAYS_SO, trouble, once=once)

        with pytest.raises(UnreachableError):
            first.renews_and_looks()
        gate.heal()
        first.call_s = CALL_S
        held = first.renews_and_looks()

        assert isinstance(held, Held)
        assert _sees(members.candidate()[0].campaign()).limits == _UNJUDGED


def test_who_does_not_lead_is_told_so_whichever_member_renewed(members: Members) -> None:
    first, its_way = members.candidate()
    _in_office(first)
    second, way = members.candidate()
    second.campaign()
    for each in (its_way, way):
        each.by[_KEEP_ALIVE] = members.client(1)
        each.asked.clear()

    behind = second.renews_and_looks()
    members.delete_key_of(first)
    absent = first.renews_and_looks()

    assert isinstance(behind, Behind)
    assert absent == Absent()
    assert [each.asked.count(_KEEP_ALIVE) for each in (its_way, way)] == [1, 1]


def test_whether_a_server_answers_is_asked_before_there_is_haste(members: Members) -> None:
    first, way = members.candidate()
    opened = way.asked.copy()

    _in_office(first)

    assert opened.count(_WHO_ARE_YOU) == way.asked.count(_WHO_ARE_YOU) == 1
