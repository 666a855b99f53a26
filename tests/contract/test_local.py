"""What lock files promise beyond the contract: the kernel's word, and nothing lost on disk."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Election,
    Held,
    Leader,
    RefusedError,
    Session,
    SessionLostError,
    Store,
)
from coordsidecar_adapters.local.store import connect
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory

ELECTION = Election(namespace="team", name="job")
NewCandidate = Callable[[], Candidate]


def _store(folder: Path) -> Store:
    return connect(f"local:{folder}", election=ELECTION, environ={})


@pytest.fixture
def lock_path(tmp_path: Path) -> Path:
    return tmp_path / "team" / "job.lock"


@pytest.fixture
def local(tmp_path: Path, stand: CandidateFactory) -> NewCandidate:
    return lambda: stand(_store(tmp_path))


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


# ── who holds it ───────────────────────────────────────────────────────────────────────────────


def test_a_job_that_inherited_the_descriptor_holds_the_lock_after_its_sidecar_died(
    local: NewCandidate, tmp_path: Path
) -> None:
    script = """
import subprocess, sys
from coordsidecar.store.protocol import Election
from coordsidecar_adapters.local.store import connect
store = connect("local:" + sys.argv[1], election=Election("team", "job"), environ={})
session = store.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=5.0)
held = store.campaign(session, record="{}", timeout_s=5.0)
assert store.take_office(session, held.token, run="the-run", timeout_s=5.0)
job = subprocess.Popen(["sleep", "600"], pass_fds=session.fds)
print(job.pid, flush=True)
sys.stdin.read()
"""
    argv = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sidecar:
        assert sidecar.stdout is not None
        job_pid = int(sidecar.stdout.readline())
        sidecar.kill()
    standby = local()
    try:
        while_the_job_lives = standby.campaign()
    finally:
        os.kill(job_pid, signal.SIGKILL)

    held = standby.wins()

    assert isinstance(while_the_job_lives, Behind)
    assert (held.clean, held.last_run) == (True, "the-run")


def test_another_process_adopts_the_lock_and_gives_it_up_for_both(
    local: NewCandidate, tmp_path: Path
) -> None:
    script = """
import math, sys
from coordsidecar.store.protocol import Election, Held, Session
from coordsidecar_adapters.local.store import connect
store = connect("local:" + sys.argv[1], election=Election("team", "job"), environ={})
session = Session(handle=sys.argv[2], ttl_s=math.inf, fds=(int(sys.argv[3]),))
held = store.standing(session, timeout_s=5.0)
assert isinstance(held, Held), held
assert store.take_office(session, held.token, run="the-run", timeout_s=5.0)
store.resign(session, held.token, run="the-run", timeout_s=5.0)
print(held.token)
"""
    leader, standby = local(), local()
    token = leader.leads(run="the-run")
    fd = leader.session.fds[0]
    argv = [sys.executable, "-c", script, str(tmp_path), leader.session.handle, str(fd)]

    adopted = subprocess.run(argv, pass_fds=[fd], stdout=subprocess.PIPE, check=True)

    assert int(adopted.stdout) == token
    held = standby.campaign()
    assert isinstance(held, Held)
    assert held.clean
    assert isinstance(leader.standing(), Behind)


def test_the_descriptor_is_not_inherited_unless_somebody_says_so(local: NewCandidate) -> None:
    leader = local()

    leader.wins()

    assert not os.get_inheritable(leader.session.fds[0])


def test_a_descriptor_number_that_was_closed_and_used_again_is_left_alone(
    local: NewCandidate,
) -> None:
    leader = local()
    leader.leads()
    fd = leader.session.fds[0]
    os.close(fd)
    read_end, write_end = os.pipe()
    reused = read_end if read_end == fd else os.dup2(read_end, fd)

    with pytest.raises(SessionLostError):
        leader.standing()
    leader.resign(None)
    leader.close()

    os.fstat(reused)  # Still open.
    for pipe_fd in {read_end, write_end, reused}:
        os.close(pipe_fd)


def test_a_handle_that_is_not_ours_is_a_lost_session(tmp_path: Path) -> None:
    session = Session(handle="694d7c", ttl_s=15.0)

    with pytest.raises(SessionLostError):
        _store(tmp_path).renew(session, look=False, timeout_s=CALL_S)


def test_a_lock_that_the_job_gave_away_is_not_held(local: NewCandidate, lock_path: Path) -> None:
    leader = local()
    token = leader.leads()
    fcntl.flock(leader.session.fds[0], fcntl.LOCK_UN)
    with lock_path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        standing = leader.standing()
        office = leader.take_office(token)

    assert isinstance(standing, Behind)
    assert not office
