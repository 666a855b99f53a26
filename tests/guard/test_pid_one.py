"""As process 1 of a container: TERM stops the job, orphans are reaped, exit codes pass.

A PID namespace of its own is all of a container that matters here. To make one takes privileges.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import HELPERS, PROCESS_ONE, Sidecar, named, wait_for
from tests.guard.test_inheritance import zombies

UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_ORPHANS = Path(__file__).parent / "jobs" / "orphans.py"


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    """Skip where nobody may make a PID namespace."""
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no PID namespaces here: {tried.stderr.strip()}")


def process_one(sidecar: Sidecar) -> psutil.Process:
    """What is process 1 there, as the host sees it."""
    wait_for(lambda: named(sidecar.children(), PROCESS_ONE), "process 1 to be there")
    return named(sidecar.children(), PROCESS_ONE)[0]


def guard_of(sidecar: Sidecar) -> psutil.Process:
    """Its first child; the elector is one of the guard's, but for one whose guard died."""
    wait_for(lambda: process_one(sidecar).children(), "the guard to be there")
    return process_one(sidecar).children()[0]


def elector_of(guard: psutil.Process) -> psutil.Process:
    def is_one(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):  # It has just ended.
            return process.cmdline() == guard.cmdline() and process.name() not in HELPERS
        return False

    found: list[psutil.Process] = []

    def is_there() -> bool:
        found[:] = filter(is_one, guard.children())
        return bool(found)

    wait_for(is_there, "the elector to be there")
    return found[0]


def test_term_stops_the_job(arena: Arena, tmp_path: Path) -> None:
    job = f"trap 'echo asked; exit 5' TERM; touch {tmp_path}/up; while :; do sleep 0.02; done"
    sidecar = arena.start(command=["sh", "-c", job], through=UNSHARE, stdout=subprocess.PIPE)
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
    standby = arena.start(through=UNSHARE)
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")

    process_one(standby).send_signal(signum)

    assert standby.wait() == 128 + signum


def test_orphans_are_reaped(arena: Arena, tmp_path: Path) -> None:
    sidecar = arena.start(
        command=[sys.executable, "-I", "-S", str(_ORPHANS), str(tmp_path / "born")],
        through=UNSHARE,
    )
    wait_for((tmp_path / "born").exists, "the orphans to be born")

    guard = guard_of(sidecar)
    wait_for(lambda: not zombies(guard.children()), "the guard to reap the orphans")
    process_one(sidecar).terminate()  # unshare itself would ignore it.
    assert sidecar.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(("job", "code"), [("exit 0", 0), ("exit 77", 77), ("kill -KILL $$", 137)])
def test_exit_codes_are_passed_on(arena: Arena, job: str, code: int) -> None:
    sidecar = arena.start(command=["sh", "-c", job], through=UNSHARE)

    assert sidecar.wait() == code


def test_a_tree_is_gone_before_the_next_job_starts(arena: Arena) -> None:
    leader = arena.start(
        "--stop-timeout", "200ms", through=UNSHARE,
        command=arena.stamps.command("daemon-child", "ignore-term", "close-fds"),
    )  # fmt: skip
    arena.stamps.wait_for_stints(1)
    arena.start()

    process_one(leader).terminate()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_without_a_proc_of_its_own_it_refuses_to_run(arena: Arena) -> None:
    """It could not see its tree, and would take every tree for dead."""
    sidecar = arena.start(through=UNSHARE[:-1])

    assert sidecar.wait() == 125
    assert "/proc" in sidecar.log()
    assert arena.stamps.stints() == []


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_guard_that_is_killed_or_stopped_hands_over(etcd_arena: Arena, signum: int) -> None:
    """Were it process 1, the kernel would end the elector too, and nobody would give up the lead;
    or it could not be buried."""
    arena = etcd_arena
    leader = arena.start(
        through=UNSHARE, command=arena.stamps.command("daemon-child", "ignore-term")
    )
    arena.stamps.wait_for_stints(1)
    standby = arena.start()
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")

    guard_of(leader).send_signal(signum)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert leader.wait() == 128 + signal.SIGKILL
    assert "released: the job is confirmed dead" in leader.log()
    assert "did not resign" not in standby.log()


def test_guard_and_elector_stopped_at_once_cannot_keep_the_job_alive(etcd_arena: Arena) -> None:
    """Process 1 is the fuse: nobody in its container can stop it."""
    arena = etcd_arena
    leader = arena.start(through=UNSHARE)
    arena.stamps.wait_for_stints(1)
    arena.start()
    guard = guard_of(leader)

    elector_of(guard).suspend()
    guard.suspend()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert leader.wait() == 128 + signal.SIGKILL
    assert leader.log().count("fuse: ") == 1


def test_an_elector_that_was_stopped_is_woken_to_bury_its_guard(etcd_arena: Arena) -> None:
    leader = etcd_arena.start(through=UNSHARE)
    etcd_arena.stamps.wait_for_stints(1)
    guard = guard_of(leader)

    elector_of(guard).suspend()
    guard.kill()

    assert leader.wait() == 128 + signal.SIGKILL


def test_what_others_started_does_not_keep_process_one(arena: Arena, tmp_path: Path) -> None:
    """As `docker exec` does; its orphans come to process 1, and are reaped there."""
    sidecar = arena.start(through=UNSHARE)
    arena.stamps.wait_for_stints(1)
    enter = ("nsenter", "--target", str(process_one(sidecar).pid), "--pid", "--mount")
    subprocess.run([*enter, "sh", "-c", "sleep 600 & sleep 0.01 &"], check=True)
    wait_for(lambda: named(process_one(sidecar).children(), "sleep"), "the orphans to come")
    wait_for(lambda: not zombies(process_one(sidecar).children()), "the dead to be reaped")

    process_one(sidecar).terminate()

    assert sidecar.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("signum", [signal.SIGUSR1, signal.SIGHUP, signal.SIGWINCH, 40])
def test_signals_for_the_job_are_handed_on(arena: Arena, tmp_path: Path, signum: int) -> None:
    job = f"trap 'echo heard; exit 7' {signum}; touch {tmp_path}/up; while :; do sleep 0.02; done"
    sidecar = arena.start(command=["bash", "-c", job], through=UNSHARE, stdout=subprocess.PIPE)
    wait_for((tmp_path / "up").exists, "the job to run")

    process_one(sidecar).send_signal(signum)

    said, _ = sidecar.process.communicate(timeout=60)
    assert said == b"heard\n"
    assert sidecar.wait() == 7


def test_a_process_one_that_is_stopped_is_in_nobodys_way(etcd_arena: Arena) -> None:
    arena = etcd_arena
    leader = arena.start(through=UNSHARE)
    arena.stamps.wait_for_stints(1)
    arena.start()

    process_one(leader).suspend()
    guard_of(leader).kill()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    process_one(leader).resume()
    assert leader.wait() == 128 + signal.SIGKILL


def test_a_child_ignored_by_who_started_us_is_heard_of_all_the_same(arena: Arena) -> None:
    """Else the kernel reaps the guard, and process 1 waits for ever for the news of it."""
    ignoring = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    through = (*UNSHARE, sys.executable, "-c", ignoring)
    sidecar = arena.start(command=["sh", "-c", "exit 7"], through=through)

    assert sidecar.wait() == 7


_STOPPED_AT_ITS_START = """
import os, signal, sys

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "coordsidecar.settings.settings":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Stop())
from coordsidecar.cli.main import main
main(sys.argv[1:])
"""


def test_a_stop_that_comes_before_anybody_handles_it_is_not_lost(tmp_path: Path) -> None:
    """The kernel would drop it, and the container go on to lead until it is killed."""
    python = [sys.executable, "-c", _STOPPED_AT_ITS_START, "--store", f"local:{tmp_path}"]
    # It may have begun by the time at which the guard hears of the stop.
    job = ["--name", "x", "--", "sleep", "600"]
    started = subprocess.run(
        [*UNSHARE, *python, *job], capture_output=True, text=True, timeout=60, check=False
    )

    assert started.returncode in (128 + signal.SIGTERM, -signal.SIGTERM), started.stderr


def test_what_systemd_says_to_process_one_is_handed_on(arena: Arena) -> None:
    sidecar = arena.start(
        command=["sh", "-c", "echo $LISTEN_FDS $LISTEN_PID $$"],
        through=UNSHARE,
        env={**os.environ, "LISTEN_PID": "1", "LISTEN_FDS": "1"},
        stdout=subprocess.PIPE,
    )

    said, _ = sidecar.process.communicate(timeout=60)
    fds, told, own = said.split()
    assert (fds, told) == (b"1", own)


def test_a_killed_guard_with_many_orphans_is_told_by_its_exit_code(arena: Arena) -> None:
    """Each of them ends; when the elector does is chance."""
    for _ in range(5):
        orphans = "for i in 1 2 3 4 5 6 7 8 9; do setsid sleep 600 & done; wait"
        sidecar = arena.start(command=["sh", "-c", orphans], through=UNSHARE)
        one = process_one(sidecar)
        wait_for(lambda: len(one.children(recursive=True)) > 11, "the orphans")  # noqa: B023

        guard_of(sidecar).kill()

        assert sidecar.wait() == 128 + signal.SIGKILL, sidecar.log()
