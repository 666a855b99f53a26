"""As process 1 of a container: TERM stops the job, orphans are reaped, exit codes pass.

A PID namespace of its own is all of a container that matters here. To make one takes privileges.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for
from tests.guard.test_inheritance import zombies

_UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_ORPHANS = Path(__file__).parent / "jobs" / "orphans.py"


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    """Skip where nobody may make a PID namespace."""
    tried = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no PID namespaces here: {tried.stderr.strip()}")


def process_one(sidecar: Sidecar) -> psutil.Process:
    """The guard, as the host sees it."""
    wait_for(lambda: sidecar.children(), "unshare to fork")
    return sidecar.children()[0]


def test_term_stops_the_job(arena: Arena, tmp_path: Path) -> None:
    job = f"trap 'echo asked; exit 5' TERM; touch {tmp_path}/up; while :; do sleep 0.02; done"
    sidecar = arena.start(command=["sh", "-c", job], through=_UNSHARE, stdout=subprocess.PIPE)
    wait_for((tmp_path / "up").exists, "the job to run")

    process_one(sidecar).terminate()

    said, _ = sidecar.process.communicate(timeout=60)
    assert said == b"asked\n"
    assert sidecar.wait() == 5


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_standby_can_be_stopped(arena: Arena, signum: int) -> None:
    """The kernel spares process 1 any signal for which it has no handler."""
    arena.start()
    arena.stamps.wait_for_stints(1)
    standby = arena.start(through=_UNSHARE)
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")

    process_one(standby).send_signal(signum)

    assert standby.wait() == 128 + signum


def test_orphans_are_reaped(arena: Arena, tmp_path: Path) -> None:
    sidecar = arena.start(
        command=[sys.executable, "-I", "-S", str(_ORPHANS), str(tmp_path / "born")],
        through=_UNSHARE,
    )
    wait_for((tmp_path / "born").exists, "the orphans to be born")

    guard = process_one(sidecar)
    wait_for(lambda: not zombies(guard.children()), "the guard to reap the orphans")
    process_one(sidecar).terminate()  # unshare itself would ignore it.
    assert sidecar.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(("job", "code"), [("exit 0", 0), ("exit 77", 77), ("kill -KILL $$", 137)])
def test_exit_codes_are_passed_on(arena: Arena, job: str, code: int) -> None:
    sidecar = arena.start(command=["sh", "-c", job], through=_UNSHARE)

    assert sidecar.wait() == code


def test_a_tree_is_gone_before_the_next_job_starts(arena: Arena) -> None:
    leader = arena.start(
        "--stop-timeout", "200ms", through=_UNSHARE,
        command=arena.stamps.command("daemon-child", "ignore-term", "close-fds"),
    )  # fmt: skip
    arena.stamps.wait_for_stints(1)
    arena.start()

    process_one(leader).terminate()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_without_a_proc_of_its_own_it_refuses_to_run(arena: Arena) -> None:
    """It could not see its tree, and would take every tree for dead."""
    sidecar = arena.start(through=_UNSHARE[:-1])

    assert sidecar.wait() == 125
    assert "/proc" in sidecar.log()
    assert arena.stamps.stints() == []
