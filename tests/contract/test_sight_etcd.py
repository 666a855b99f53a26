"""etcd tells since when a leader did not renew: what is asked, of whom, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from coordsidecar.store.protocol import Behind, Election, Held, Limits, Standing
from tests.contract.candidate import Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.etcd_dial import Dialer, on_both_transports
from tests.servers import EtcdServer, Proxy
from tests.servers.etcd import etcd_put
from tests.servers.gate import Gate, Trouble
from tests.servers.operations import Operation

_LIMITS = Limits(15.0, 10.0)
_UNJUDGED = Limits(15.0)
# To the gate, who is told of a lease asks for nothing that it knows.
_ASKS_OF_LEASE = Operation.OTHER

_QUIET_S = 2.0
_PAUSE_S = 0.2
# Where a call is meant to run into its time-out.
_SHORT_S = 2.0


def _in_office(candidate: Candidate, limits: Limits = _LIMITS) -> Candidate:
    assert candidate.take_office(candidate.wins().token, limits=limits)
    return candidate


def _sees(standing: Standing) -> Behind:
    assert isinstance(standing, Behind)
    return standing


def _sees_quiet(candidate: Candidate) -> Behind:
    """Look until the leader has been quiet for a while; pytest's time-out bounds it."""
    while True:
        behind = _sees(candidate.standing())
        if behind.quiet_s is not None and behind.quiet_s >= _QUIET_S:
            return behind
        candidate.watch(behind, timeout_s=_PAUSE_S)


@on_both_transports
def test_a_leader_that_does_not_renew_is_seen_quiet_and_never_for_longer_than_it_was(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: CandidateFactory
) -> None:
    begun_s = time.monotonic()
    _in_office(stand(dial(etcd.endpoint, election)))
    second = stand(dial(etcd.endpoint, election))
    second.campaign()

    at_once = _sees(second.standing()).quiet_s, time.monotonic() - begun_s
    later = _sees_quiet(second).quiet_s, time.monotonic() - begun_s
    by_a_look = _sees(second.standing()).quiet_s, time.monotonic() - begun_s

    for quiet_s, passed_s in (at_once, later, by_a_look):
        assert quiet_s is not None
        assert 0.0 <= quiet_s <= passed_s
    assert by_a_look[0] is not None
    assert by_a_look[0] >= _QUIET_S


@on_both_transports
def test_a_renewal_ends_the_silence(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: CandidateFactory
) -> None:
    first = _in_office(stand(dial(etcd.endpoint, election)))
    second = stand(dial(etcd.endpoint, election))
    second.campaign()
    _sees_quiet(second)

    begun_s = time.monotonic()
    first.renews_and_looks()
    behind = _sees(second.standing())

    assert behind.quiet_s is not None
    assert behind.quiet_s <= time.monotonic() - begun_s
    assert behind.limits == _LIMITS


@on_both_transports
def test_only_a_leader_in_office_is_judged_and_if_its_record_says_so(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: CandidateFactory
) -> None:
    first, second = (stand(dial(etcd.endpoint, election)) for _ in range(2))
    token = first.wins().token
    second.campaign()

    foreign = _sees(second.standing())
    assert first.take_office(token, limits=_UNJUDGED)
    second.campaign()
    unjudged = _sees(second.standing())
    assert first.take_office(token, limits=_LIMITS)
    second.campaign()
    judged = _sees(second.standing())

    assert (foreign.in_office, foreign.quiet_s) == (False, None)
    assert (unjudged.in_office, unjudged.quiet_s) == (True, None)
    assert judged.quiet_s is not None


@pytest.mark.parametrize("name", ["abc", "somebody", "0xabc", "-abc", "f" * 16])
@on_both_transports
def test_a_key_that_hangs_on_no_lease_tells_nothing(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: CandidateFactory, name: str
) -> None:
    etcd.etcdctl("put", "--", f"{election.prefix}/{name}", "forged")
    second = stand(dial(etcd.endpoint, election))
    created = _sees(second.campaign()).leader_token
    record = f'{{"led": {created}, "released": 0, "lock": "{created}", "ttl": 15, "quiet": 10}}'
    etcd_put(etcd, f"{election.prefix}.office", record.encode())
    second.campaign()

    behind = _sees(second.standing())

    assert (behind.limits, behind.quiet_s) == (_LIMITS, None)


@on_both_transports
def test_who_is_next_in_line_knows(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: CandidateFactory
) -> None:
    first, second, third = (stand(dial(etcd.endpoint, election)) for _ in range(3))
    first.wins()

    next_in_line = [_sees(each.campaign()).next_in_line for each in (second, third)]

    assert next_in_line == [True, False]


@pytest.fixture
def gate(etcd: EtcdServer) -> Iterator[Gate]:
    made = Gate(etcd.endpoint, dialect="etcd", late_s=_SHORT_S)
    yield made
    made.close()


def test_whom_etcd_will_not_tell_looks_all_the_same_and_asks_once_a_leader(
    gate: Gate, etcd: EtcdServer, election: Election, stand: CandidateFactory
) -> None:
    dial = Dialer("etcd.gateway", "etcd")
    first = _in_office(stand(dial(etcd.endpoint, election)))
    second = stand(dial(etcd.endpoint, election))
    second.campaign()
    third = stand(dial(gate.endpoint, election))
    third.campaign()
    gate.trouble(_ASKS_OF_LEASE, Trouble.REFUSED)

    looks = [_sees(third.standing()), _sees(third.standing()), _sees(third.standing())]
    asked = gate.hits
    first.close()
    _in_office(second)
    looks += [_sees(third.standing()), _sees(third.standing())]

    assert [(behind.quiet_s, behind.limits) for behind in looks] == [(None, _LIMITS)] * 5
    assert (asked, gate.hits) == (1, 2)


def test_a_silence_about_the_lease_leaves_time_for_the_look(
    gate: Gate, election: Election, stand: CandidateFactory
) -> None:
    dial = Dialer("etcd.gateway", "etcd")
    _in_office(stand(dial(gate.endpoint, election)))
    second = stand(dial(gate.endpoint, election))
    second.campaign()
    second.call_s = _SHORT_S
    gate.trouble(_ASKS_OF_LEASE, Trouble.SILENT)

    looks = [_sees(second.standing()), _sees(second.standing())]

    assert [behind.quiet_s for behind in looks] == [None, None]
    assert gate.hits == len(looks)


@on_both_transports
def test_a_leader_stays_judged_when_its_connection_or_its_process_is_another(
    dial: Dialer,
    etcd: EtcdServer,
    election: Election,
    proxy: Callable[[str], Proxy],
    stand: CandidateFactory,
) -> None:
    way = proxy(etcd.endpoint)
    first = _in_office(stand(dial(way.endpoint, election)))
    second = stand(dial(etcd.endpoint, election))
    second.campaign()

    way.cut()
    way.heal()
    held = first.renews_and_looks()
    connected_anew = _sees(second.standing()).limits
    held_again = first.adopted_by(dial(etcd.endpoint, election)).renews_and_looks()
    adopted = _sees(second.standing()).limits

    assert isinstance(held, Held)
    assert isinstance(held_again, Held)
    assert connected_anew == adopted == _LIMITS
