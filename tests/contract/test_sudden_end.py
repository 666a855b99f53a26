"""The office record tells a sudden end from an orderly one, whoever wrote it last."""

from __future__ import annotations

import pytest

from coordsidecar.store.protocol import Election, Held
from tests.contract.candidate import NewCandidate
from tests.contract.harness import Harness


@pytest.mark.stores("etcd", "consul")
def test_a_sudden_end_leaves_an_unclean_office_that_names_the_run(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = first.leads(run="run-of-the-first")

    harness.end_session(first.session)

    held = second.wins()
    assert (held.clean, held.last_run) == (False, "run-of-the-first")
    assert held.token > token


@pytest.mark.stores("local")
def test_a_sudden_end_names_the_run_though_the_kernel_vouches_for_its_descriptors(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = first.leads(run="run-of-the-first")

    harness.end_session(first.session)

    held = second.wins()
    assert (held.clean, held.last_run) == (True, "run-of-the-first")
    assert held.token > token


def test_an_unclean_office_stays_so_until_somebody_takes_it(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first = candidate()
    first.leads(run="run-of-the-first")
    harness.delete_key(election, first.session)
    second = candidate()
    assert not second.wins().clean

    second.resign(None)

    held = candidate().wins()
    assert (held.clean, held.last_run) == (False, "run-of-the-first")


def test_who_resigns_after_the_session_ended_mends_the_record(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    harness.end_session(first.session)

    first.resign(token)

    assert second.wins().clean


@pytest.mark.stores("etcd", "consul")
def test_the_next_holder_sees_the_record_mended(harness: Harness, candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    harness.end_session(first.session)
    assert not second.wins().clean

    first.resign(token)

    standing = second.standing()
    assert isinstance(standing, Held)
    assert standing.clean


def test_a_late_resignation_does_not_speak_for_the_next_leader(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first = candidate()
    token = first.leads(run="run-of-the-first")
    harness.delete_key(election, first.session)
    second = candidate()
    second.leads(run="run-of-the-second")

    first.resign(token)

    assert isinstance(second.standing(), Held)
    harness.delete_key(election, second.session)
    held = candidate().wins()
    assert (held.clean, held.last_run) == (False, "run-of-the-second")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"rubbish",
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b'{"led": true, "released": true}',
        b'{"led": 1e999, "released": 1}',
        b'{"led": 7, "released": 7, "run": 5}',
        b"[" * 100_000,
        b" " * 300_000,
    ],
    ids=lambda raw: f"{raw[:12]!r}x{len(raw)}",
)
def test_rubbish_in_the_office_record_is_unclean_and_harmless(
    harness: Harness, election: Election, candidate: NewCandidate, rubbish: bytes
) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign(run="run-of-the-second")
    first.resign(token)

    harness.write_office(election, rubbish)

    held = second.wins(run="run-of-the-second")
    assert (held.clean, held.in_office) == (False, False)
    assert second.take_office(held.token)
    second.resign(held.token)
    assert first.wins().clean
