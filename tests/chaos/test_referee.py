"""The matrix can fail: the referee sees two jobs at once, in a made ledger and in living proof."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.broken import without
from tests.chaos.host import own_host
from tests.chaos.ledger import Ledger
from tests.chaos.matrix import named
from tests.chaos.play import play
from tests.chaos.stores import open_store
from tests.chaos.team import team_on
from tests.e2e.sidecars import Stamps, wait_for
from tests.servers import EtcdServer

MS = 1_000_000
TAKEOVER_DELAY = "return timing.takeover_delay_s * max(ttls_s) / timing.ttl_s"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger")
    yield made
    made.close()


def write(ledger: Ledger, tmp_path: Path, *stamps: tuple[int, int, int]) -> None:
    """Each a time in ms, a pid, and a token."""
    with (tmp_path / "ledger").open("a") as file:
        file.writelines(f"{at_ms * MS} {pid} {token}\n" for at_ms, pid, token in stamps)


def test_one_job_after_the_other_is_in_order(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, tmp_path, (0, 10, 1), (2, 10, 1), (4, 20, 2), (6, 20, 2))

    account = ledger.account()

    assert [stint.token for stint in account.stints] == [1, 2]
    assert (account.overlaps, account.refused, account.backward) == ([], 0, [])


def test_a_job_that_goes_on_beside_the_next_is_seen_and_refused(
    ledger: Ledger, tmp_path: Path
) -> None:
    write(ledger, tmp_path, (0, 10, 1), (2, 20, 2), (3, 10, 1), (4, 20, 2), (8, 10, 1))

    account = ledger.account()

    assert account.overlap_ms == 5
    assert (account.refused, account.overlaps[0].refused) == (2, 2)


def test_a_job_that_wakes_late_is_counted_from_its_waking(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, tmp_path, (0, 10, 1), (5000, 20, 2), (9000, 10, 1), (9004, 10, 1))

    account = ledger.account()

    assert account.overlap_ms == 4
    assert account.refused == 2


def test_an_overlap_shows_though_the_writes_arrive_in_order(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, tmp_path, (0, 10, 1), (7, 10, 1), (3, 20, 2))

    account = ledger.account()

    assert account.overlap_ms == 4
    assert (account.refused, account.overlaps[0].accepted) == (0, 2)


def test_a_token_that_goes_back_or_stays_is_seen(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, tmp_path, (0, 10, 5), (2, 20, 5), (4, 30, 4))

    account = ledger.account()

    assert account.backward == ["token 5 after 5", "token 4 after 5", "token 4 after 5"]


def test_an_overlap_between_two_accounts_is_seen(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, tmp_path, (0, 10, 1), (2, 20, 2))
    assert ledger.account().overlaps == []

    write(ledger, tmp_path, (5, 10, 1))

    assert len(ledger.account().overlaps) == 1


def test_a_lock_whose_holder_is_killed_runs_two_jobs(etcd: EtcdServer, ledger: Ledger) -> None:
    """`etcdctl lock`, SIGKILL: its child lives on beside the next one, and nothing tells it."""
    stamps = Stamps(ledger.path)

    def lock(token: int) -> list[str]:
        child = stamps.command("as-token", str(token))
        return etcd.etcdctl_argv("lock", "--ttl", "2", "chaos-naive", "--", *child)

    def running(token: int) -> bool:
        stint = ledger.newest()
        return stint is not None and stint.token == token

    with _started(lock(1)) as first:
        wait_for(lambda: running(1), "the first job")
        with _started(lock(2)):
            first.kill()  # The program that `etcdctl` names may be one that has executed another.

            wait_for(lambda: running(2), "the second job")
            wait_for(lambda: ledger.account().overlaps, "the referee to see both")


@contextlib.contextmanager
def _started(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(argv, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(not own_host(), reason="the next leader would find the job on its own host")
def test_without_the_takeover_delay_the_matrix_fails(
    need_server: Callable[[str], None], tmp_path: Path
) -> None:
    """A leader that is cut off cannot hear that it was revoked, and rightly runs for a while."""
    need_server("etcd")
    environ = without(TAKEOVER_DELAY, "return 0.0", file="core/election/rules.py", folder=tmp_path)
    with (
        open_store("etcd", tmp_path / "store") as store,
        # The revocation must come long before the leader steps down by itself, on any host.
        team_on(store, tmp_path / "team", ttl_s=15.0, environ=environ) as team,
    ):
        outcome = play(team, named("revoke while cut off"))

    assert "two jobs at once" in " ".join(outcome.failures)
    assert outcome.account.refused > 0
