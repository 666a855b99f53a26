"""Who holds a lock file, by the kernel's word: whoever has its descriptor, and nobody else."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Behind, Held, Session, SessionLostError
from tests.contract.candidate import CALL_S, NewCandidate
from tests.contract.lock_files import store as _store


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
