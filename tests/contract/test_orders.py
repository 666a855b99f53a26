"""What an operator orders reaches whoever leads, with its next proof; and nothing else follows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.store import registry
from coordsidecar.store.directory import Directory
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Election, Held, RefusedError
from tests.contract.candidate import CALL_S, Candidate, NewCandidate
from tests.contract.harness import Harness


@pytest.fixture
def directory(harness: Harness, election: Election) -> Directory:
    return registry.directory(harness.url, namespace=election.namespace, environ={})


def ordered(candidate: Candidate) -> Order | None:
    renewal = candidate.store.renew(candidate.session, look=True, timeout_s=CALL_S)
    assert isinstance(renewal.standing, Held)
    return renewal.order


def test_who_leads_finds_the_last_order_with_each_proof(
    candidate: NewCandidate, directory: Directory, election: Election
) -> None:
    leader = candidate()
    token = leader.leads()
    first, last = Order(token, 30.0, "ann", "a reboot"), Order(token + 1, 0.5, "bob")

    found = [ordered(leader)]
    for order in (first, last):
        directory.order(election.name, order, timeout_s=CALL_S)
        found += [ordered(leader), ordered(leader)]

    assert found == [None, first, first, last, last]


def test_it_changes_neither_lock_nor_token_nor_who_follows(
    candidate: NewCandidate, directory: Directory, election: Election
) -> None:
    leader, heir = candidate(), candidate()
    token = leader.leads()
    heir.campaign()

    directory.order(election.name, Order(token, 30.0, "ann"), timeout_s=CALL_S)
    proof = leader.renews_and_looks()
    leader.resign(token)

    assert isinstance(proof, Held)
    assert proof.token == token
    assert heir.leads() > token


def test_whatever_the_next_leader_finds_of_it_was_meant_for_another(
    candidate: NewCandidate, directory: Directory, election: Election
) -> None:
    leader = candidate()
    token = leader.leads()
    directory.order(election.name, Order(token, 30.0, "ann"), timeout_s=CALL_S)
    leader.resign(token)
    following = candidate()
    later = following.leads()

    order = ordered(following)

    assert order is None or order.token == token < later


@pytest.mark.stores("local")
@pytest.mark.parametrize(
    "put",
    [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/tty", path)],
    ids=["pipe", "folder", "tty"],
)
def test_what_is_no_file_holds_no_leader_up(
    harness: Harness,
    candidate: NewCandidate,
    directory: Directory,
    election: Election,
    put: Callable[[Path], None],
) -> None:
    leader = candidate()
    token = leader.leads()
    path = Path(harness.url.removeprefix("local:")) / f"{election.prefix}.order"

    put(path)
    found = ordered(leader)
    beside = set(path.parent.iterdir())
    if path.is_dir():
        with pytest.raises(RefusedError, match="cannot write"):
            directory.order(election.name, Order(token, 30.0, "ann"), timeout_s=CALL_S)
    leader.resign(token)

    assert found is None
    assert set(path.parent.iterdir()) <= beside


@pytest.mark.parametrize(
    "raw", [b"", b"\x00\xff", b"[", b'{"order": "step-down"}', b"x" * 100_000], ids=len
)
def test_what_is_no_order_is_none_and_the_leader_leads_on(
    harness: Harness, candidate: NewCandidate, election: Election, raw: bytes
) -> None:
    leader = candidate()
    token = leader.leads()

    harness.write_order(election, raw)

    assert ordered(leader) is None
    assert leader.renews_and_looks() == leader.standing()
    leader.resign(token)
