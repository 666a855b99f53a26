"""Each change of office leaves a line: who led under which token, from when to when, and why not
any more; in the record that is written with it in any case."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from coordsidecar.store import registry
from coordsidecar.store.curbs import Curbs, Pause
from coordsidecar.store.history import MOST_TERMS, History
from coordsidecar.store.protocol import Behind, Election, Held, Limits
from tests.contract.candidate import CALL_S, Candidate, NewCandidate
from tests.contract.harness import Harness

LIMITS = Limits(60.0, 30.0)

Read = Callable[[], History]


@pytest.fixture
def history(harness: Harness, election: Election) -> Read:
    there = registry.directory(harness.url, namespace=election.namespace, environ={})
    return lambda: there.board(election.name, timeout_s=CALL_S).history


def id_of(candidate: Candidate) -> str:
    return str(json.loads(candidate.record)["id"])


def told(history: History) -> list[tuple[int, str, str]]:
    return [(term.token, term.id, term.why) for term in history]


def test_nobody_ever_led(history: Read) -> None:
    assert history() == ()


def test_a_term_lasts_and_ends_for_a_reason(candidate: NewCandidate, history: Read) -> None:
    leader = candidate()
    token = leader.leads()
    (lasting,) = history()

    leader.resign(token, why="SIGTERM: stopping the job")
    (over,) = history()

    assert (lasting.token, lasting.id, lasting.ended, lasting.why) == (token, id_of(leader), "", "")
    assert (over.token, over.began) == (token, lasting.began)
    assert lasting.began <= over.ended
    assert over.why == "SIGTERM: stopping the job"


def test_who_follows_adds_its_own_however_it_comes_into_office(
    candidate: NewCandidate, history: Read
) -> None:
    first, second = candidate(), candidate()
    token = first.leads(run="run-of-the-first")
    behind = second.campaign(run="run-of-the-second", limits=LIMITS)
    assert isinstance(behind, Behind)
    assert isinstance(first.renews_and_looks(), Held)

    first.resign(token, why="the job ended; exit code 0")
    held = second.wins(run="run-of-the-second", limits=LIMITS)
    in_office = held.in_office or held.last_led == held.token
    led = held.token if in_office else second.take_office(held.token, run="run-of-the-second")

    assert led is not None
    assert told(history()) == [
        (token, id_of(first), "the job ended; exit code 0"),
        (led, id_of(second), ""),
    ]


def test_of_who_took_office_by_a_write_that_numbers_it_every_later_write_says_the_same(
    candidate: NewCandidate, history: Read, harness: Harness, election: Election
) -> None:
    first, second = candidate(), candidate()
    first.resign(first.leads(run="run-of-the-first"), why="once")
    held = second.wins(run="run-of-the-second", limits=LIMITS)
    led = held.token if held.in_office else second.take_office(held.token)
    there = registry.directory(harness.url, namespace=election.namespace, environ={})

    at_first = history()
    assert isinstance(second.renews_and_looks(), Held)
    renewed = history()
    there.curb(election.name, lambda _: Curbs(Pause("a mark", 60.0, "ann")), timeout_s=CALL_S)
    curbed = history()

    assert at_first[-1].token == led
    assert at_first == renewed == curbed


def test_what_is_done_twice_stands_there_once(candidate: NewCandidate, history: Read) -> None:
    leader = candidate()
    held = leader.wins()
    tokens = [leader.take_office(held.token) for _ in range(2)]
    once = history()

    leader.resign(tokens[0], why="the first answer was lost")
    ended = history()
    leader.resign(tokens[0], why="so it was said again")

    assert len(once) == 1
    assert history() == ended


@pytest.mark.stores("etcd", "consul", "local")  # A Lease is taken from its holder by sight.
def test_an_end_that_nobody_could_tell_of_stays_open(
    candidate: NewCandidate, history: Read
) -> None:
    gone, after = candidate(), candidate()
    token = gone.leads(run="run-of-the-first")

    gone.close()  # As it would be by its death: no word of the job.
    held = after.wins()
    led = after.take_office(held.token)

    assert told(history()) == [(token, id_of(gone), ""), (led, id_of(after), "")]
    assert [term.ended for term in history()] == ["", ""]


def test_of_many_the_last_are_kept(candidate: NewCandidate, history: Read) -> None:
    leader = candidate()
    tokens = []
    for _ in range(MOST_TERMS + 3):
        held = leader.wins(run="a-run", limits=LIMITS)
        token = held.token if held.in_office else leader.take_office(held.token)
        assert token is not None
        tokens.append(token)
        leader.resign(token, why=f"after {token}")

    assert [term.token for term in history()] == tokens[-MOST_TERMS:]
    assert [term.why for term in history()] == [f"after {token}" for token in tokens[-MOST_TERMS:]]
