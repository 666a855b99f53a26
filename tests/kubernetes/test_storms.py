"""Twenty candidates race for one Lease, which has no queue: of those who see it free, one gets it.

That each write compares what it replaces is all that keeps them apart.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Behind, Election, Held, StoreError, Vacant
from tests.contract.candidate import Candidate, stand_for
from tests.contract.lease_harness import KubernetesHarness
from tests.servers import KubernetesServer

_CANDIDATES = 20
_HAND_OVERS = 40
_COUPS = 10
_CALL_S = 60.0
_TTL_S = 600.0
_WATCH_S = 2.0


class Race:
    """What the candidates did, in order."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.faults: list[str] = []
        self.refusals: list[StoreError] = []
        self._at_work = threading.Lock()
        self._another = threading.Condition()

    @property
    def over(self) -> bool:
        return len(self.tokens) > _HAND_OVERS or bool(self.faults)

    def run(self, candidate: Candidate, run: str) -> None:
        """Campaign, lead and resign until all is over. A store's error is none of ours."""
        while not self.over:
            try:
                self._campaign(candidate, run)
            except StoreError as error:
                self.refusals.append(error)

    def _campaign(self, candidate: Candidate, run: str) -> None:
        match standing := candidate.campaign(run=run):
            case Held():
                self._lead(candidate, standing, run)
            case Vacant():
                candidate.watch(standing, timeout_s=standing.retry_after_s)
            case Behind():
                candidate.watch(standing, timeout_s=_WATCH_S)
            case _:
                self.faults.append(f"{run} has campaigned, and is {standing}")

    def _lead(self, candidate: Candidate, held: Held, run: str) -> None:
        token = held.token if held.in_office else candidate.take_office(held.token, run=run)
        if token is None:
            self.faults.append(f"{run} held the Lease, and took no office")
            return
        if not self._at_work.acquire(blocking=False):
            self.faults.append(f"{run} leads under {token} beside another")
            return
        try:
            self._note(token)
            if not isinstance(candidate.renews_and_looks(), Held):
                self.faults.append(f"{run} does not lead any more under {token}")
        finally:
            self._at_work.release()
            candidate.resign(token)
        with self._another:  # Lest one that has just let go is the first to take it again.
            self._another.wait_for(lambda: self.over or self.tokens[-1] != token, _CALL_S)

    def _note(self, token: int) -> None:
        with self._another:
            self.tokens.append(token)
            self._another.notify_all()


@pytest.fixture
def harness(kubernetes: KubernetesServer, tmp_path: Path) -> KubernetesHarness:
    return KubernetesHarness(kubernetes, tmp_path)


def test_of_twenty_that_race_one_leads_at_a_time_and_tokens_only_go_up(
    harness: KubernetesHarness, election: Election
) -> None:
    race = Race()

    everybody(harness, election, lambda candidate, number: race.run(candidate, f"run-{number}"))

    assert not race.faults
    assert len(race.tokens) > _HAND_OVERS
    for before, after in itertools.pairwise(race.tokens):
        assert before < after
    # A store's errors are no answer, and would be nothing to count on.
    assert not race.refusals


def test_of_twenty_that_depose_a_silent_leader_one_succeeds(
    harness: KubernetesHarness, election: Election
) -> None:
    """All have seen the same last beat; whoever is first replaces it, and it is gone."""
    at_once = threading.Barrier(_CANDIDATES)
    won: list[list[int]] = [[] for _ in range(_COUPS)]
    leader = stand(harness, election)
    leader.leads()

    def depose(candidate: Candidate, number: int) -> None:
        for coup in won:
            standing = candidate.standing()
            beat = standing.beat if isinstance(standing, Behind) else None
            at_once.wait(_CALL_S)
            if beat is not None and _deposes(candidate, beat):
                coup.append(number)
            at_once.wait(_CALL_S)

    everybody(harness, election, depose)

    assert [len(coup) for coup in won] == [1] * _COUPS, won


def _deposes(candidate: Candidate, beat: int) -> bool:
    standing = candidate.store.campaign(
        candidate.session, record=candidate.record, depose=beat, timeout_s=_CALL_S
    )
    return isinstance(standing, Held)


def everybody(
    harness: KubernetesHarness, election: Election, do: Callable[[Candidate, int], None]
) -> None:
    """Let each of them do so in a thread of its own; return when all have ended."""
    with ExitStack() as stack:
        candidates = [stand(harness, election) for _ in range(_CANDIDATES)]
        for candidate in candidates:
            stack.callback(candidate.end)
        threads = stack.enter_context(ThreadPoolExecutor(_CANDIDATES))
        ends = [threads.submit(do, each, number) for number, each in enumerate(candidates)]
        for end in ends:
            end.result()


def stand(harness: KubernetesHarness, election: Election) -> Candidate:
    return stand_for(harness.connect(election), ttl_s=_TTL_S, takeover_delay_s=1.0, call_s=_CALL_S)
