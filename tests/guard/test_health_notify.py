"""--health-notify: the job says itself how it is, as to systemd; one that does not moves."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for
from tests.guard.test_freeze import wait_until_frozen
from tests.guard.test_health import said, why
from tests.guard.test_hooks import notes
from tests.guard.usurper import usurped

_JOB = Path(__file__).parent / "jobs" / "notify.py"
# Long for a job that beats each 50 ms, be the host ever so busy.
WATCHDOG = ("--health-notify", "3s")
READY_ONLY = ("--health-notify", "0s")
SOON = ("--health-start-period", "2s")
# Says READY=1 at the address in its first argument.
_SAY_READY = """
import socket, sys
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.sendto(b"READY=1", chr(0) + sys.argv[1][1:])
"""


def job(*steps: str) -> list[str]:
    return [sys.executable, "-S", str(_JOB), *steps]


def stamping(arena: Arena, *steps: str) -> list[str]:
    """A job of which the main process stamps, and one below it does the steps."""
    both = f"{shlex.join(job(*steps))} & exec {shlex.join(arena.stamps.command())}"
    return ["sh", "-c", both]


def well_while(file: Path) -> tuple[str, ...]:
    file.touch()
    return ("READY=1", f"while:{file}:WATCHDOG=1")


@pytest.mark.parametrize("stores", ["arena", "etcd_arena"])
def test_a_job_whose_watchdog_ends_moves_and_the_history_says_why(
    stores: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    arena: Arena = request.getfixturevalue(stores)
    file = tmp_path / "well"
    other = stamping(arena, "READY=1", f"while:{arena.folder}:WATCHDOG=1")
    first = arena.start("--id", "one", *WATCHDOG, command=stamping(arena, *well_while(file)))
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "two", *WATCHDOG, command=other)
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")
    wait_for(lambda: said(first, "healthy"), "the first to be well")
    assert said(first, "unhealthy") == []

    file.unlink()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    wait_for(lambda: said(second, "healthy"), "the second to be well")
    assert why(arena) == ["the job is unhealthy: no WATCHDOG=1 for 3s"]
    assert len(said(first, "unhealthy")) == 1
    assert first.process.poll() is None


def test_a_job_that_is_never_ready_moves_after_its_start_period(arena: Arena) -> None:
    command = stamping(arena, f"while:{arena.folder}:WATCHDOG=1")
    arena.start("--id", "one", *WATCHDOG, *SOON, command=command)
    arena.stamps.wait_for_stints(1)

    arena.start("--id", "two")

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert why(arena) == ["the job is unhealthy: no READY=1 within 2s"]


def test_a_job_that_says_that_it_is_sick_moves(arena: Arena) -> None:
    # Else it may be stopped before it has stamped at all.
    stamped = f"run:until test -s {arena.stamps.path}; do sleep 0.01; done"
    command = stamping(arena, stamped, "READY=1", "WATCHDOG=trigger")
    arena.start("--id", "one", *READY_ONLY, command=command)
    arena.stamps.wait_for_stints(1)

    arena.start("--id", "two")

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert why(arena) == ["the job is unhealthy: it has said WATCHDOG=trigger"]


def test_each_start_begins_anew_and_what_an_earlier_one_says_is_heard_by_nobody(
    arena: Arena, tmp_path: Path
) -> None:
    """Here the earlier address is noted, and spoken to from the next start."""
    ledger = tmp_path / "ledger"
    say = shlex.join([sys.executable, "-c", _SAY_READY])
    speak = f"test $(wc -l < {ledger}) = 1 || {say} $(head -n 1 {ledger}) 2>> {ledger}"
    first_only = f"test $(wc -l < {ledger}) = 1 && kill -KILL $PPID"
    steps = (f"note:{ledger}:$NOTIFY_SOCKET", f"run:{speak}")
    again = ("--restart", "on-failure", "--unhealthy", "restart", "--max-restarts", "1/60s")
    sidecar = arena.start(
        *READY_ONLY, *SOON, *again, command=job(*steps, f"run:{first_only}", "sleep")
    )

    wait_for(lambda: said(sidecar, "unhealthy"), "the second start to be sick")

    assert "no READY=1 within 2s" in said(sidecar, "unhealthy")[0]
    assert said(sidecar, "healthy") == []
    lines = notes(ledger)
    assert "ConnectionRefusedError" in lines[-1]


def test_a_job_that_is_restarted_is_well_once_it_has_said_so_again(
    arena: Arena, tmp_path: Path
) -> None:
    ledger, file = tmp_path / "ledger", tmp_path / "well"
    steps = (f"note:{ledger}:$COORDSIDECAR_TOKEN", *well_while(file), "sleep")
    sidecar = arena.start(*WATCHDOG, "--unhealthy", "restart", command=job(*steps))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")

    file.unlink()
    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")
    file.touch()

    wait_for(lambda: len(said(sidecar, "healthy")) == 2, "the next to be well")
    assert set(notes(ledger)) == {"1"}


def test_a_job_that_is_stopping_is_not_sick(arena: Arena, tmp_path: Path) -> None:
    """Though it takes its time, and says nothing more."""
    go = tmp_path / "go"
    steps = ("READY=1", "WATCHDOG=1", "STOPPING=1", "run:sleep 4", f"note:{go}:over", "exec:true")
    sidecar = arena.start("--health-notify", "1s", command=job(*steps))

    assert sidecar.wait() == 0

    assert notes(go) == ["over"]
    assert len(said(sidecar, "healthy")) <= 1
    assert said(sidecar, "unhealthy") == []


def test_the_variables_are_for_the_main_process_of_the_job(arena: Arena, tmp_path: Path) -> None:
    """And none of systemd's, which are the sidecar's own."""
    ledger = tmp_path / "ledger"
    told = "$$ $WATCHDOG_PID $WATCHDOG_USEC"
    env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "systemd"), "WATCHDOG_USEC": "1"}
    arena.start(
        *("--id", "one", "--health-notify", "1500ms"), env=env,
        command=job(f"note:{ledger}:{told}", f"note:{ledger}:$NOTIFY_SOCKET", "exec:sleep 600"),
    )  # fmt: skip
    wait_for(lambda: len(notes(ledger)) == 2, "it to be noted")

    pid, watched, usec = notes(ledger)[0].split()
    assert pid == watched
    assert usec == "1500000"
    assert notes(ledger)[1].startswith("@coordsidecar-")


def test_without_a_watchdog_none_is_announced_not_even_systemds(
    arena: Arena, tmp_path: Path
) -> None:
    env = {**os.environ, "WATCHDOG_USEC": "7000000", "WATCHDOG_PID": "1"}
    sidecar = arena.start(*READY_ONLY, env=env)
    arena.stamps.wait_for_stints(1)

    environ = sidecar.job().environ()

    assert "NOTIFY_SOCKET" in environ
    assert not {"WATCHDOG_USEC", "WATCHDOG_PID"} & environ.keys()


def test_a_standby_command_is_not_heard(arena: Arena) -> None:
    first = arena.start()
    arena.stamps.wait_for_stints(1)
    other = arena.start(*READY_ONLY, "--standby", shlex.join(job("exec:sleep 600")))
    wait_for(other.leads, "the standby command to run")

    assert "NOTIFY_SOCKET" not in other.job().environ()
    assert first.process.poll() is None


def test_a_job_that_is_kept_was_ready_long_before(arena: Arena, tmp_path: Path) -> None:
    """It says so once, while it stands by."""
    started = tmp_path / "started"
    steps = ("READY=1", f"note:{started}:it is", "sleep")
    trap = f"trap '' USR1 USR2; {shlex.join(job(*steps))}"
    modes = ("--while-standby", "signal", "--lead-signal", "USR1", "--standby-signal", "USR2")
    first = arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "two", *modes, *READY_ONLY, *SOON, command=["sh", "-c", trap])
    wait_for(lambda: notes(started), "it to be ready")

    first.signal(signal.SIGTERM)

    wait_for(lambda: said(second, "healthy"), "it to be well")
    assert said(second, "unhealthy") == []


def test_a_job_that_was_frozen_for_longer_than_its_watchdog_is_not_sick_of_that(
    arena: Arena, tmp_path: Path
) -> None:
    file = tmp_path / "well"
    modes = ("--while-standby", "freeze", "--takeover-delay", "0s", "--health-notify", "1s")
    sidecar = arena.start(*modes, command=job(*well_while(file), "sleep"))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    pid = sidecar.job().pid

    with usurped(arena):
        wait_until_frozen(sidecar)
        time.sleep(1.5)  # Nothing tells that a time is over in which nothing happens.

    wait_for(lambda: len(said(sidecar, "healthy")) == 2, "it to be well in its next term")
    assert said(sidecar, "unhealthy") == []
    assert sidecar.job().pid == pid
    file.unlink()
    wait_for(lambda: said(sidecar, "unhealthy"), "it to be judged again")


def test_what_it_says_of_its_state_is_logged(arena: Arena) -> None:
    sidecar = arena.start(*READY_ONLY, command=job("STATUS=loading 3 of 7\\nREADY=1", "sleep"))

    wait_for(lambda: said(sidecar, "job-status"), "its state to be said")

    assert said(sidecar, "job-status")[0].endswith("job-status: loading 3 of 7")
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")


@pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="there is no systemd-notify")
def test_systemd_notify_is_heard_and_does_not_wait_for_long(arena: Arena, tmp_path: Path) -> None:
    """It waits until its barrier is served, and complains if it never is."""
    ledger = tmp_path / "ledger"
    script = f"systemd-notify --ready && echo served >> {ledger}; exec sleep 600"
    sidecar = arena.start(*READY_ONLY, command=["sh", "-c", script])

    wait_for(lambda: notes(ledger) and said(sidecar, "healthy"), "it to be heard")

    assert notes(ledger) == ["served"]


@pytest.mark.skipif(os.getuid() != 0, reason="to be somebody else takes root")
def test_a_job_of_another_user_is_heard(arena: Arena) -> None:
    # Not our Python, of which that user might not be allowed to read anything.
    say = f"python3 -c '{_SAY_READY}' $NOTIFY_SOCKET; exec sleep 600"
    command = ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", say]
    sidecar = arena.start(*READY_ONLY, command=command)

    wait_for(lambda: said(sidecar, "healthy"), "it to be heard")
