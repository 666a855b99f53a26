"""--while-standby signal: the job is kept running, told by signals whether it leads."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, Stamps, wait_for
from tests.guard.usurper import usurped

JOB = Path(__file__).parent / "jobs" / "obedient.py"
OPTIONS = ("--while-standby", "signal", "--lead-signal", "USR1", "--standby-signal", "USR2",
            "--takeover-delay", "0s")  # fmt: skip


class Obedient:
    """A sidecar whose job stamps only while it thinks that it leads."""

    def __init__(self, arena: Arena, name: str, *options: str, habit: str) -> None:
        self.stamps = Stamps(arena.folder / name)
        command = [sys.executable, "-I", "-S", str(JOB), str(self.stamps.path), habit]
        self.sidecar: Sidecar = arena.start(*OPTIONS, *options, command=command)
        wait_for(self.stamps.path.exists, "the job to listen")


def test_the_job_runs_while_standing_by_and_is_told_that_it_leads(arena: Arena) -> None:
    leader = arena.start()
    arena.stamps.wait_for_stints(1)
    kept = Obedient(arena, "kept", habit="silent")
    job = kept.sidecar.job()
    assert job.environ()["COORDSIDECAR_ROLE"] == "standby"

    leader.signal(signal.SIGTERM)

    turn = kept.stamps.wait_for_stints(1)[0]
    assert turn.first_ns > arena.stamps.stints()[-1].last_ns
    assert kept.sidecar.job() == job


def test_a_job_that_is_slow_to_listen_is_not_killed_by_the_news_that_it_leads(
    arena: Arena,
) -> None:
    command = ["sh", "-c", "sleep 0.3; trap 'echo told; exit 4' USR1; while :; do sleep 0.01; done"]

    sidecar = arena.start(*OPTIONS, command=command, stdout=subprocess.PIPE)
    said, _ = sidecar.process.communicate(timeout=60)

    assert (sidecar.wait(), said) == (4, b"told\n")


_HOLDS_BACK = """
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
until_s = time.monotonic() + 0.5
while time.monotonic() < until_s:
    pass
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
time.sleep(0.2)
def told(*_):
    print("told", flush=True)
    raise SystemExit(4)
signal.signal(signal.SIGUSR1, told)
time.sleep(600)
"""


def test_nor_is_one_that_holds_signals_back_for_a_moment_as_a_shell_does_to_fork(
    arena: Arena,
) -> None:
    command = [sys.executable, "-S", "-c", _HOLDS_BACK]

    sidecar = arena.start(*OPTIONS, command=command, stdout=subprocess.PIPE)
    said, _ = sidecar.process.communicate(timeout=60)

    assert (sidecar.wait(), said) == (4, b"told\n")


# The guard's first look at its job is refused.
_SEES_IT_LATER = """
import errno
from coordsidecar.cli import main
from coordsidecar.guard import job

looks = 0

def refused_once(*arguments, **how):
    global looks
    looks += 1
    if looks == 1:
        raise OSError(errno.EMFILE, "Too many open files")
    return open(*arguments, **how)

job.open = refused_once
main.main()
"""


def test_nor_is_one_that_cannot_be_looked_at_just_then(arena: Arena, tmp_path: Path) -> None:
    go = tmp_path / "go"
    waits = f"while ! test -e {go}; do sleep 0.01; done"
    listens = "trap 'echo told; exit 4' USR1; while :; do sleep 0.01; done"
    program = (sys.executable, "-c", _SEES_IT_LATER)
    sidecar = arena.start(
        *OPTIONS, command=["sh", "-c", f"{waits}; {listens}"], program=program,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    put_off = "as soon as it listens"
    wait_for(lambda: put_off in sidecar.log() or sidecar.process.poll() is not None, put_off)

    go.touch()
    said, _ = sidecar.process.communicate(timeout=60)

    assert (sidecar.wait(), said) == (4, b"told\n")


def test_a_job_that_acknowledges_is_kept_and_leads_again(arena: Arena) -> None:
    kept = Obedient(arena, "kept", "--standby-timeout", "60s", habit="acknowledges")
    kept.stamps.wait_for_stints(1)
    job = kept.sidecar.job()

    with usurped(arena):
        wait_for(lambda: "standing-by" in kept.sidecar.log(), "the lead to be handed back")
        handed_back_ns = time.monotonic_ns()

    turns = kept.stamps.wait_for_stints(2)
    assert turns[0].last_ns < handed_back_ns
    assert kept.sidecar.job() == job


def test_a_job_that_does_not_acknowledge_is_killed_before_another_may_lead(arena: Arena) -> None:
    kept = Obedient(arena, "kept", "--standby-timeout", "300ms", habit="deaf")
    kept.stamps.wait_for_stints(1)
    job = kept.sidecar.job()

    with usurped(arena):
        wait_for(lambda: not job.is_running(), "the job to be killed")
        wait_for(kept.sidecar.leads, "the job to be started anew, to stand by")

        # Until its exec it still has the guard's own environment.
        def told() -> str | None:
            return kept.sidecar.job().environ().get("COORDSIDECAR_ROLE")

        wait_for(lambda: told() == "standby", "it to be told to stand by")
    assert "could not be made to stand by" in kept.sidecar.log()


def test_an_old_acknowledgement_does_not_count(arena: Arena) -> None:
    """Only what the job says after it was told this time."""
    kept = Obedient(arena, "kept", "--standby-timeout", "300ms", habit="deaf")
    kept.stamps.wait_for_stints(1)
    job = kept.sidecar.job()
    Path(job.environ()["COORDSIDECAR_ACK"]).touch()

    with usurped(arena):
        wait_for(lambda: not job.is_running(), "the job to be killed")


def test_a_stop_while_the_job_is_asked_to_stand_by_gains_it_no_time(arena: Arena) -> None:
    """The lead is lost already: another may start its job when the grace is over."""
    kept = Obedient(
        arena, "kept", "--standby-timeout", "600s", "--stop-timeout", "600s", habit="deaf"
    )
    kept.stamps.wait_for_stints(1)

    with usurped(arena):
        wait_for(lambda: "lost:" in kept.sidecar.log(), "the lead to be lost")
        kept.sidecar.signal(signal.SIGTERM)

        kept.sidecar.wait()


def test_the_folder_of_acknowledgements_is_removed_whatever_is_in_it(arena: Arena) -> None:
    kept = Obedient(arena, "kept", "--standby-timeout", "60s", habit="acknowledges")
    kept.stamps.wait_for_stints(1)
    folder = Path(kept.sidecar.job().environ()["COORDSIDECAR_ACK"]).parent
    (folder / "left by the job").touch()

    kept.sidecar.signal(signal.SIGTERM)

    assert kept.sidecar.wait() == 0
    assert not folder.exists()


def test_a_stop_reaches_a_job_that_stands_by(arena: Arena) -> None:
    arena.start()
    arena.stamps.wait_for_stints(1)
    kept = Obedient(arena, "kept", habit="silent")

    kept.sidecar.signal(signal.SIGTERM)

    assert kept.sidecar.wait() == 128 + signal.SIGTERM
    assert kept.sidecar.everyone() == []
