"""A watch tells of every change since the standing was read, and of other programs' doings."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from coordsidecar.store.protocol import Behind, Election, Held
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.harness import Harness

NewCandidate = Callable[[], Candidate]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as made:
        yield made


def test_a_watch_wakes_the_next_when_the_leader_resigns(
    candidate: NewCandidate, pool: ThreadPoolExecutor
) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    behind = second.campaign()
    assert isinstance(behind, Behind)
    woken = pool.submit(second.watch, behind)

    first.resign(token)

    assert woken.result()
    assert isinstance(second.campaign(), Held)


def test_a_watch_that_begins_late_misses_nothing(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    behind = second.campaign()
    assert isinstance(behind, Behind)
    first.resign(token)

    woken = second.watch(behind)

    assert woken
    assert isinstance(second.campaign(), Held)


def test_a_watch_wakes_whoever_is_next_in_a_long_queue(candidate: NewCandidate) -> None:
    queue = [candidate() for _ in range(4)]
    standings = [each.campaign() for each in queue]
    assert isinstance(standings[0], Held)
    tokens = [standings[0].token]
    queue.pop(0).resign(None)

    while queue:
        held = queue[0].wins()
        tokens.append(held.token)
        queue.pop(0).resign(None)

    assert tokens == sorted(set(tokens))


def test_a_watch_in_quiet_times_ends_at_its_time_out(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    held = first.wins()
    assert first.take_office(held.token)
    behind = second.campaign()
    assert isinstance(behind, Behind)
    held_now = first.standing()
    assert isinstance(held_now, Held)

    woken = first.watch(held_now, timeout_s=0.5), second.watch(behind, timeout_s=0.5)

    assert woken == (False, False)


def test_a_leader_whose_key_is_deleted_is_woken_and_holds_no_more(
    harness: Harness, election: Election, candidate: NewCandidate, pool: ThreadPoolExecutor
) -> None:
    first = candidate()
    held = first.wins()
    woken = pool.submit(first.watch, held)

    harness.delete_key(election, first.session)

    assert woken.result()
    assert not isinstance(first.standing(), Held)


@pytest.mark.stores("etcd", "consul")
def test_a_leader_whose_session_is_revoked_is_woken(
    harness: Harness, candidate: NewCandidate, pool: ThreadPoolExecutor
) -> None:
    first = candidate()
    held = first.wins()
    woken = pool.submit(first.watch, held)

    harness.end_session(first.session)

    assert woken.result()


def test_the_next_is_woken_when_the_leaders_session_ends(
    harness: Harness, candidate: NewCandidate
) -> None:
    first, second = candidate(), candidate()
    first.leads()
    behind = second.campaign()
    assert isinstance(behind, Behind)
    harness.end_session(first.session)

    woken = second.watch(behind)

    assert woken


def test_another_program_that_holds_the_election_keeps_us_behind_until_it_ends(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    ours = candidate()
    with _running(harness.foreign_leader(election)) as end_it:
        _until(lambda: harness.connect(election).leader(timeout_s=CALL_S) is not None)

        standing = ours.campaign()

        assert isinstance(standing, Behind)
        end_it()
        assert ours.wins().clean, "other programs write no office record: no delay"


def test_we_keep_another_program_out_until_we_resign(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    ours = candidate()
    token = ours.leads()
    with _running(harness.foreign_leader(election)):
        ours.resign(token)

        _until(lambda: harness.connect(election).leader(timeout_s=CALL_S) is not None)

        assert isinstance(ours.campaign(), Behind)


@contextmanager
def _running(argv: list[str]) -> Iterator[Callable[[], None]]:
    """Run a program in a group of its own; yields what ends it with SIGTERM and reaps it."""
    with ExitStack() as stack:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0
        )

        def end_it() -> None:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()

        stack.callback(end_it)
        yield end_it


def _until(true: Callable[[], bool]) -> None:
    """Wait for another program, which gives no event; pytest's time-out bounds it."""
    while not true():
        time.sleep(0.02)
