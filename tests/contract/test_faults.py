"""A store that does not answer raises `UnreachableError` in time, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from coordsidecar.store.protocol import Behind, Election, Held, Leader, UnreachableError
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import ServerHarness
from tests.servers import Proxy

_SHORT_S = 0.5


@pytest.fixture
def leading(
    own: ServerHarness, election: Election, stand: CandidateFactory
) -> tuple[Candidate, int]:
    """A leader, and its token, on a server that the test may harm."""
    leader = stand(own.connect(election))
    return leader, leader.leads()


@pytest.fixture
def far(
    server_harness: ServerHarness,
    election: Election,
    stand: CandidateFactory,
    proxy: Callable[[str], Proxy],
) -> tuple[Candidate, int, Proxy]:
    """A leader, its token, and the network between it and a server that stays well."""
    way = proxy(server_harness.server.endpoint)
    leader = stand(server_harness.connect_by(way, election))
    return leader, leader.leads(), way


def test_a_killed_server_is_unreachable_and_knows_the_session_when_it_is_back(
    own: ServerHarness, leading: tuple[Candidate, int]
) -> None:
    leader, token = leading

    own.server.kill()

    _nothing_answers(leader, token)
    own.server.restart()
    _all_is_well(leader, token)


def test_a_frozen_server_is_unreachable_until_it_thaws(
    own: ServerHarness, leading: tuple[Candidate, int]
) -> None:
    leader, token = leading

    own.server.pause()

    _nothing_answers(leader, token)
    own.server.resume()
    _all_is_well(leader, token)


def test_a_watch_on_a_server_that_dies_ends(
    own: ServerHarness, leading: tuple[Candidate, int]
) -> None:
    leader, token = leading
    held = leader.standing()
    assert isinstance(held, Held)

    own.server.kill()

    with pytest.raises(UnreachableError):
        leader.watch(held, timeout_s=2.0)
    own.server.restart()
    _all_is_well(leader, token)


@pytest.mark.parametrize("fault", ["black_hole", "cut", "cut_inbound", "cut_outbound"])
def test_a_broken_network_is_unreachable_until_it_is_mended(
    far: tuple[Candidate, int, Proxy], fault: str
) -> None:
    leader, token, way = far

    getattr(way, fault)()

    _nothing_answers(leader, token)
    way.heal()
    _all_is_well(leader, token)


def test_a_watch_in_a_black_hole_ends_in_time(far: tuple[Candidate, int, Proxy]) -> None:
    leader, token, way = far
    held = leader.standing()
    assert isinstance(held, Held)

    way.black_hole()

    with suppress(UnreachableError):
        assert not leader.watch(held, timeout_s=_SHORT_S)
    way.heal()
    _all_is_well(leader, token)


def test_a_slow_network_is_still_a_network(far: tuple[Candidate, int, Proxy]) -> None:
    leader, token, way = far

    way.delay_s = 0.1

    _all_is_well(leader, token)


@pytest.mark.parametrize("fault", ["cut_inbound", "cut_outbound"])
def test_a_candidacy_whose_answer_was_lost_is_one_candidacy(
    server_harness: ServerHarness,
    election: Election,
    stand: CandidateFactory,
    proxy: Callable[[str], Proxy],
    fault: str,
) -> None:
    way = proxy(server_harness.server.endpoint)
    ours = stand(server_harness.connect_by(way, election))
    near = stand(server_harness.connect(election))
    getattr(way, fault)()

    _unanswered(lambda: ours.store.campaign(ours.session, record=ours.record, timeout_s=_SHORT_S))

    way.heal()
    token = ours.wins().token
    assert isinstance(near.campaign(), Behind)
    assert near.store.leader(timeout_s=CALL_S) == Leader(token=token, record=ours.record)
    ours.resign(None)
    assert near.wins().token > token


def test_an_office_taken_without_an_answer_is_found_taken(
    server_harness: ServerHarness,
    election: Election,
    stand: CandidateFactory,
    proxy: Callable[[str], Proxy],
) -> None:
    way = proxy(server_harness.server.endpoint)
    ours = stand(server_harness.connect_by(way, election))
    near = stand(server_harness.connect(election))
    token = ours.wins().token
    way.cut_inbound()

    _unanswered(lambda: ours.store.take_office(ours.session, token, run="ours", timeout_s=_SHORT_S))

    way.heal()
    assert ours.take_office(token, run="ours")
    server_harness.end_session(ours.session)
    held = near.wins()
    assert (held.clean, held.last_run) == (False, "ours")


def test_a_resignation_without_an_answer_may_be_repeated(
    server_harness: ServerHarness,
    election: Election,
    stand: CandidateFactory,
    far: tuple[Candidate, int, Proxy],
) -> None:
    leader, token, way = far
    near = stand(server_harness.connect(election))
    way.cut_inbound()

    _unanswered(
        lambda: leader.store.resign(leader.session, token, run=leader.run, timeout_s=_SHORT_S)
    )

    way.heal()
    leader.resign(token)
    assert near.wins().clean


def test_a_session_that_died_behind_a_black_hole_is_lost_once_we_hear_of_it(
    server_harness: ServerHarness,
    election: Election,
    stand: CandidateFactory,
    far: tuple[Candidate, int, Proxy],
) -> None:
    leader, token, way = far
    near = stand(server_harness.connect(election))
    way.black_hole()
    server_harness.end_session(leader.session)
    near_token = near.leads(run="near")

    way.heal()
    leader.resign(token)

    standing = near.standing()
    assert isinstance(standing, Held)
    assert standing.token == near_token > token


def _nothing_answers(leader: Candidate, token: int) -> None:
    """Every call raises `UnreachableError`; pytest's time-out bounds those that would hang."""
    store, session, record = leader.store, leader.session, leader.record
    calls: list[Callable[[], object]] = [
        lambda: store.renew(session, look=False, timeout_s=_SHORT_S),
        lambda: store.standing(session, timeout_s=_SHORT_S),
        lambda: store.campaign(session, record=record, timeout_s=_SHORT_S),
        lambda: store.take_office(session, token, run="a-run", timeout_s=_SHORT_S),
        lambda: store.leader(timeout_s=_SHORT_S),
        lambda: store.open(ttl_s=60.0, takeover_delay_s=1.0, record=record, timeout_s=_SHORT_S),
    ]
    for call in calls:
        _unanswered(call)


def _unanswered(call: Callable[[], object]) -> None:
    with pytest.raises(UnreachableError):
        call()


def _all_is_well(leader: Candidate, token: int) -> None:
    """The same session holds the same election; a server that comes back may need a moment."""
    while True:
        with suppress(UnreachableError):
            assert leader.renew() > 0
            break
    standing = leader.standing()
    assert isinstance(standing, Held)
    assert standing.token == token
    assert leader.take_office(token)
    assert leader.store.leader(timeout_s=CALL_S) == Leader(token=token, record=leader.record)
