"""Lock files and inotify: who waits is woken by what matters, and by nothing else."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path

from coordsidecar.store.protocol import Behind, SessionLostError
from coordsidecar_adapters.local import inotify
from tests.contract.candidate import CALL_S, NewCandidate
from tests.contract.lock_files import store as _store


def test_standbys_that_look_on_do_not_wake_each_other(
    local: NewCandidate, lock_path: Path, tmp_path: Path
) -> None:
    leader, standby = local(), local()
    leader.leads()
    behind = standby.campaign()
    assert isinstance(behind, Behind)
    mask = inotify.CLOSE_WRITE | inotify.REPLACED
    events = inotify.FileEvents()
    events.listen(str(lock_path), mask)

    standby.watch(behind, timeout_s=0.05)
    standby.standing()
    _store(tmp_path).leader(timeout_s=CALL_S)

    assert events.wait(0.0) == 0


def test_to_resign_is_an_event_though_to_unlock_is_none(
    local: NewCandidate, lock_path: Path
) -> None:
    leader = local()
    token = leader.leads()
    events = inotify.FileEvents()
    events.listen(str(lock_path), inotify.TOUCHED)

    leader.resign(token)

    assert events.wait(0.0) == inotify.TOUCHED


def test_a_standby_hears_that_somebody_else_took_over(local: NewCandidate) -> None:
    first, second, third = local(), local(), local()
    token = first.leads()
    behind = third.campaign()
    assert isinstance(behind, Behind)
    first.resign(token)
    second.leads()

    woken = third.watch(behind)

    assert woken
    now = third.standing()
    assert isinstance(now, Behind)
    assert now.leader == second.record


def test_a_watch_of_a_file_that_is_gone_ends_at_once(tmp_path: Path) -> None:
    events = inotify.FileEvents()

    events.listen(str(tmp_path / "gone"), inotify.REPLACED)

    assert events.wait(0.0) == 0


def test_all_descriptors_are_closed_again_but_the_one_that_hears_events(
    local: NewCandidate,
) -> None:
    leader, standby = local(), local()
    token = leader.leads()
    behind = standby.campaign()
    assert isinstance(behind, Behind)
    standby.watch(behind, timeout_s=0.01)
    gc.collect()  # What earlier tests have left is not to vanish meanwhile.
    before = set(os.listdir("/proc/self/fd"))

    standby.campaign()
    standby.watch(behind, timeout_s=0.01)
    standby.store.leader(timeout_s=CALL_S)
    leader.resign(token)
    leader.resign(token)
    with suppress(SessionLostError):
        standby.standing()

    # Fewer than before: a thread of an earlier test has ended only now.
    assert set(os.listdir("/proc/self/fd")) <= before
