"""Office on Consul is taken with the lock: its token is known only when the transaction is over."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from coordsidecar.store.protocol import Behind, Election, Held
from coordsidecar_adapters.consul.client import ConsulClient
from coordsidecar_adapters.consul.keys import ElectionKeys
from coordsidecar_adapters.consul.settings import ConsulSettings
from coordsidecar_adapters.consul.store import connect
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.servers import ConsulServer

NewCandidate = Callable[[], Candidate]


@pytest.fixture
def ours(consul: ConsulServer, election: Election, stand: CandidateFactory) -> NewCandidate:
    url = f"consul://{consul.endpoint}"
    return lambda: stand(connect(url, election=election, environ={}))


@pytest.fixture
def keys(consul: ConsulServer, election: Election) -> ElectionKeys:
    client = ConsulClient(ConsulSettings.read(f"consul://{consul.endpoint}", {}), tls=None)
    return ElectionKeys(client, election=election)


def test_the_token_is_the_index_of_both_keys(keys: ElectionKeys, ours: NewCandidate) -> None:
    held = ours().campaign(run="run-of-the-first")

    state = keys.read(time.monotonic() + CALL_S)

    assert isinstance(held, Held)
    assert held.in_office
    assert state.lock is not None
    assert held.token == state.lock.modify_index == state.office_index == state.office.led


def test_office_is_not_taken_by_who_guessed_wrongly(keys: ElectionKeys, ours: NewCandidate) -> None:
    """Between the guess and the transaction another one led, and went in order."""
    first, second = ours(), ours()
    first.resign(first.leads())
    deadline_s = time.monotonic() + CALL_S
    guess = keys.guess(deadline_s)
    first.resign(first.leads())
    before = keys.read(deadline_s)

    refusal, won = keys.acquire(second.session, "{}", guess, deadline_s, run="run-of-the-second")

    assert (won, keys.read(deadline_s)) == (None, before), refusal


def test_what_a_watch_saw_saves_a_read_and_is_no_more_than_a_guess(ours: NewCandidate) -> None:
    first, second = ours(), ours()
    behind = _sees_an_orderly_end(first, second)
    first.resign(first.leads())

    held = second.campaign(run="run-of-the-second")

    assert isinstance(held, Held)
    assert held.in_office
    assert held.token > behind.leader_token


def test_office_is_not_taken_where_a_watch_saw_a_clean_end_and_a_sudden_one_followed(
    consul: ConsulServer, election: Election, ours: NewCandidate
) -> None:
    first, second = ours(), ours()
    _sees_an_orderly_end(first, second)
    first.leads(run="run-of-the-first")
    assert consul.http("DELETE", f"/v1/kv/{election.prefix}/.lock").status == 200

    held = second.campaign(run="run-of-the-second")

    assert isinstance(held, Held)
    assert (held.in_office, held.clean, held.last_run) == (False, False, "run-of-the-first")


def _sees_an_orderly_end(leader: Candidate, standby: Candidate) -> Behind:
    """The leader resigns, and the standby's watch finds both keys so. Returns how it stood."""
    token = leader.leads()
    behind = standby.campaign(run="run-of-the-second")
    assert isinstance(behind, Behind)
    leader.resign(token)
    assert standby.watch(behind)
    return behind
