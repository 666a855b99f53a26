"""What a hook or a check leaves when the helper that runs it is killed: nothing, and no delay."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, has_ended, named, wait_for
from tests.guard.test_health import QUICK
from tests.guard.test_hooks import notes


def stubborn(ledger: Path, then: str) -> str:
    """A command that starts one who ignores TERM, in a session of its own; then goes on."""
    child = f"trap '' TERM; echo $$ >> {ledger}; exec sleep 600"
    return f'setsid sh -c "{child.replace("$", chr(92) + "$")}" & sleep 0.2; {then}'


def left(ledger: Path) -> psutil.Process:
    wait_for(lambda: notes(ledger), "somebody to be started")
    return psutil.Process(int(notes(ledger)[0]))


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or has_ended(process)


def helpers(sidecar: Sidecar, name: str) -> list[psutil.Process]:
    return named(sidecar.children(), name)


@pytest.mark.parametrize("kind", ["hook", "check"])
def test_what_a_helper_leaves_that_is_killed_goes_with_it_and_the_job_goes_on(
    kind: str, arena: Arena, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    command = stubborn(ledger, "kill -9 $PPID; sleep 600")
    options = ["--on-lead", command] if kind == "hook" else ["--health-cmd", command, *QUICK]
    sidecar = arena.start(*options)
    arena.stamps.wait_for_stints(1)
    job = sidecar.job().pid

    stray = left(ledger)

    wait_for(lambda: gone(stray), "it to be gone")
    assert sidecar.job().pid == job
    assert sidecar.leads()


def test_nothing_of_the_jobs_is_taken_for_it(arena: Arena, tmp_path: Path) -> None:
    """An orphan of the job's is the guard's child, too."""
    ledger = tmp_path / "ledger"
    orphan = f"(setsid sh -c 'echo $$ >> {ledger}; exec sleep 600' &)"
    command = ["sh", "-c", f"{orphan}; exec sleep 600"]
    sidecar = arena.start("--on-lead", "sleep 0.5; kill -9 $PPID", command=command)
    orphaned = left(ledger)
    wait_for(lambda: "what runs hooks has ended" in sidecar.log(), "the helper to be killed")
    sidecar.elector().kill()
    wait_for(lambda: "elector-replaced" in sidecar.log(), "the guard to have turned since")

    assert not gone(orphaned)
    assert sidecar.leads()


def test_a_hook_that_stops_its_runner_is_bounded_all_the_same(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    command = stubborn(ledger, "kill -STOP $PPID; sleep 600")
    sidecar = arena.start("--on-lead", command, "--hook-timeout", "1s")

    stray = left(ledger)

    wait_for(lambda: gone(stray), "the hook to be killed")
    wait_for(lambda: "did not end within 1s: killed" in sidecar.log(), "it to be said")


@pytest.mark.parametrize("how", ["ends", "is killed", "is killed with its elector"])
@pytest.mark.parametrize("name", ["hook-runner", "health-prober"])
def test_a_helper_that_is_stopped_when_its_sidecar_ends_leaves_nothing(
    name: str, how: str, arena: Arena, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    command = stubborn(ledger, "sleep 600")
    options = ["--on-lead", command]
    if name == "health-prober":
        options = ["--health-cmd", command, *QUICK, "--health-timeout", "1h"]
    sidecar = arena.start(*options)
    stray, elector = left(ledger), sidecar.elector()
    (helper,) = helpers(sidecar, name)

    sidecar.signal(signal.SIGSTOP)  # Else it would let its helper go on.
    helper.suspend()
    if how == "is killed with its elector":
        elector.kill()
    sidecar.signal(signal.SIGTERM if how == "ends" else signal.SIGKILL)
    sidecar.signal(signal.SIGCONT)
    sidecar.wait()

    wait_for(lambda: gone(helper) and gone(stray), "all of it to be gone")


def test_one_that_shows_no_environment_when_its_helper_dies_is_found_when_it_does(
    arena: Arena, tmp_path: Path
) -> None:
    """As who is just executing a program."""
    ledger, go, hook = tmp_path / "ledger", tmp_path / "go", tmp_path / "hook.sh"
    bare = f"echo $$ >> {ledger}; while ! test -e {go}; do sleep 0.02; done"
    shows = "exec env COORDSIDECAR_BESIDE=$0 sleep 600"
    stray_of = f"setsid env -i /bin/sh -c '{bare}; {shows}' \"$COORDSIDECAR_BESIDE\""
    hook.write_text(f"{stray_of} &\nsleep 0.3; kill -9 $PPID; sleep 600\n")
    sidecar = arena.start("--on-lead", f"exec /bin/sh {hook}")
    stray = left(ledger)

    wait_for(lambda: "what runs hooks has ended" in sidecar.log(), "the helper to be killed")
    go.touch()

    wait_for(lambda: gone(stray), "it to be gone")
    assert sidecar.leads()
