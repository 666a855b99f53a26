"""What lock files promise beyond the contract: they are flock(1)'s locks, and none once gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Leader,
    RefusedError,
    SessionLostError,
    StoreError,
)
from tests.contract.candidate import CALL_S, NewCandidate
from tests.contract.lock_files import store as _store

# ── what could never be a lock ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["job.lock", "job.json"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    """A pipe can be opened and locked, but not written; nobody waits for that to change."""
    (tmp_path / "team").mkdir()
    make(tmp_path / "team" / name)

    with pytest.raises(RefusedError, match=rf"{name} is no regular file; remove it"):
        _store(tmp_path).open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=CALL_S)


@pytest.mark.parametrize("which", ["job.lock", "job.json"])
def test_a_pipe_that_is_put_in_a_files_place_holds_nobody_up(
    local: NewCandidate, lock_path: Path, which: str
) -> None:
    """Each of these would wait until somebody writes into it."""
    leader, other = local(), local()
    token = leader.leads()
    behind = other.campaign()
    assert isinstance(behind, Behind)
    path = lock_path.with_name(which)
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(StoreError, match=f"{which}: not a regular file"):
        other.store.leader(timeout_s=CALL_S)
    with pytest.raises(StoreError, match=f"{which}: not a regular file"):
        other.watch(behind)
    for ask in (other.standing, other.campaign, leader.standing, lambda: leader.resign(token)):
        with suppress(StoreError):
            ask()


def test_a_limit_of_files_sizes_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-m", "coordsidecar"]

    refused = subprocess.run(
        [*limited, "--store", f"local:{tmp_path}", "--name", "job", "--", "true"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert refused.returncode == 125
    assert "raise it (ulimit -f)" in refused.stderr


# ── flock(1) ───────────────────────────────────────────────────────────────────────────────────


def test_flock_finds_the_lock_taken_until_we_resign(local: NewCandidate, lock_path: Path) -> None:
    leader = local()
    token = leader.leads()
    argv = ["flock", "--nonblock", "--conflict-exit-code", "77", str(lock_path), "true"]

    while_leading = subprocess.run(argv, check=False).returncode
    leader.resign(token)
    after = subprocess.run(argv, check=False).returncode

    assert (while_leading, after) == (77, 0)


def test_a_program_that_holds_the_lock_is_shown_as_a_leader_without_a_token(
    local: NewCandidate, lock_path: Path, tmp_path: Path
) -> None:
    lock_path.parent.mkdir()
    argv = ["flock", "--no-fork", str(lock_path), "sh", "-c", "echo; exec sleep 600"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as flock:
        assert flock.stdout is not None
        flock.stdout.readline()  # It has the lock.

        leader = _store(tmp_path).leader(timeout_s=CALL_S)
        standing = local().campaign()

        flock.kill()
    assert isinstance(leader, Leader)
    assert leader.token == 0
    assert str(lock_path) in json.loads(leader.record)["id"]
    assert isinstance(standing, Behind)
    assert (standing.leader, standing.leader_token) == (leader.record, 0)
    assert local().wins().clean


def test_the_content_of_somebody_elses_lock_file_is_left_alone(
    local: NewCandidate, lock_path: Path
) -> None:
    lock_path.parent.mkdir()
    lock_path.write_text("4711\n")
    leader = local()

    leader.leads()
    os.close(leader.session.fds[0])

    assert lock_path.read_text() == "4711\n"
    assert not local().wins().clean, "a lock without our id proves nothing"


# ── a lock file that is deleted or replaced ────────────────────────────────────────────────────


def test_a_leader_whose_lock_file_is_deleted_is_absent_and_its_session_lost(
    local: NewCandidate, lock_path: Path
) -> None:
    leader = local()
    leader.leads()

    lock_path.unlink()

    assert isinstance(leader.standing(), Absent)
    with pytest.raises(SessionLostError):
        leader.renew()
    with pytest.raises(SessionLostError):
        leader.campaign()


def test_the_next_after_a_deleted_lock_file_waits_and_gets_a_greater_token(
    local: NewCandidate, lock_path: Path
) -> None:
    leader = local()
    token = leader.leads(run="run-of-the-first")
    lock_path.unlink()

    held = local().wins()

    assert (held.clean, held.last_run) == (False, "run-of-the-first")
    assert held.token > token


def test_a_copy_of_the_lock_file_is_not_the_lock_file(
    local: NewCandidate, lock_path: Path, tmp_path: Path
) -> None:
    leader = local()
    leader.leads()
    shutil.copy(lock_path, tmp_path / "copy")

    os.rename(tmp_path / "copy", lock_path)

    assert isinstance(leader.standing(), Absent)
    assert not local().wins().clean


@pytest.mark.parametrize("replace", [True, False], ids=["replaced", "deleted"])
def test_a_standby_is_woken_when_the_lock_file_goes(
    local: NewCandidate, lock_path: Path, tmp_path: Path, replace: bool
) -> None:
    leader, standby = local(), local()
    leader.leads()
    behind = standby.campaign()
    assert isinstance(behind, Behind)

    if replace:
        (tmp_path / "other").touch()
        os.rename(tmp_path / "other", lock_path)
    else:
        lock_path.unlink()

    assert standby.watch(behind)
    assert isinstance(standby.standing(), Absent)
