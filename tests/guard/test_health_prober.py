"""Health checks that hang, flood and fork on; and what becomes of who runs them."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, Stamps, named, wait_for, words_of
from tests.e2e.test_hanging import held
from tests.guard.test_health import QUICK, said, well_while
from tests.guard.test_hooks import note, notes


def prober(sidecar: Sidecar) -> psutil.Process:
    (only,) = named(sidecar.children(), "health-prober")
    return only


def test_a_check_that_hangs_is_killed_with_all_that_it_started_and_has_failed(
    arena: Arena, tmp_path: Path
) -> None:
    left = Stamps(tmp_path / "left")
    check = f"{shlex.join(left.command('daemon-child', 'ignore-term'))}"
    options = ("--health-cmd", check, *QUICK, "--health-timeout", "500ms", "--health-fall", "2")
    sidecar = arena.start(*options)

    wait_for(lambda: said(sidecar, "unhealthy"), "the check to be given up")

    assert "it did not end within 500ms" in said(sidecar, "unhealthy")[0]
    wait_for(
        lambda: not [p for p in sidecar.everyone() if str(left.path) in words_of(p)],
        "nothing of the checks to be left",
    )


def test_a_check_that_floods_and_forks_on_harms_nobody(arena: Arena, tmp_path: Path) -> None:
    left = Stamps(tmp_path / "left")
    forks = shlex.join(left.command("fork-on", "setsid-on"))
    options = ("--health-cmd", f"yes flood & {forks}", *QUICK, "--health-timeout", "500ms")
    sidecar = arena.start(*options, "--health-fall", "1")

    wait_for(lambda: said(sidecar, "unhealthy"), "the check to be given up")

    assert "it did not end within 500ms: flood" in said(sidecar, "unhealthy")[0]
    assert len(sidecar.log()) < 10000
    wait_for(lambda: said(sidecar, "job-ended"), "the job to end")
    wait_for(
        lambda: not [p for p in sidecar.everyone() if str(left.path) in words_of(p)],
        "nothing of the check to be left",
    )


def test_a_prober_that_is_killed_and_cannot_be_reaped_is_followed_by_another(
    arena: Arena, tmp_path: Path
) -> None:
    file = tmp_path / "well"
    sidecar = arena.start(*well_while(file))
    arena.stamps.wait_for_stints(1)
    first = prober(sidecar)

    with held(first):
        first.kill()
        wait_for(lambda: len(named(sidecar.children(), "health-prober")) == 2, "another prober")
        file.unlink()
        wait_for(lambda: said(sidecar, "unhealthy"), "the other one to look")
    wait_for(lambda: not first.is_running(), "the first to be reaped")


def test_a_prober_that_is_killed_is_replaced_and_the_job_goes_on(
    arena: Arena, tmp_path: Path
) -> None:
    file = tmp_path / "well"
    sidecar = arena.start(*well_while(file))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    first, pid = prober(sidecar), sidecar.job().pid

    first.kill()

    wait_for(lambda: said(sidecar, "health-prober"), "its end to be said")
    wait_for(lambda: named(sidecar.children(), "health-prober"), "its successor")
    assert sidecar.job().pid == pid
    file.unlink()
    wait_for(lambda: said(sidecar, "unhealthy"), "the successor to look at the job")
    assert len(said(sidecar, "health-prober")) == 1


def test_a_prober_that_is_stopped_is_replaced_and_the_job_goes_on(
    arena: Arena, tmp_path: Path
) -> None:
    file = tmp_path / "well"
    sidecar = arena.start(*well_while(file), "--health-timeout", "500ms")
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    first, pid = prober(sidecar), sidecar.job().pid

    first.suspend()
    file.unlink()

    wait_for(lambda: "says nothing; it is replaced" in sidecar.log(), "its silence to be noticed")
    assert sidecar.job().pid == pid
    wait_for(lambda: said(sidecar, "unhealthy"), "the successor to look at the job")


def test_a_prober_that_is_stopped_holds_up_no_stop(arena: Arena, tmp_path: Path) -> None:
    first, second = arena.pair(*well_while(tmp_path / "well"))
    prober(first).suspend()

    first.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert first.wait() == 128 + signal.SIGTERM
    wait_for(lambda: first.everyone() == [], "all of it to be gone")
    assert second.leads()


@pytest.mark.parametrize("stopped", [False, True], ids=["awake", "stopped"])
def test_a_guard_that_is_killed_leaves_neither_prober_nor_check_behind(
    stopped: bool, arena: Arena, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    hanging = f"trap '' TERM INT HUP; {note(ledger, 'check')}; sleep 600; sleep 600"
    sidecar = arena.start("--health-cmd", hanging, *QUICK, "--health-timeout", "1h")
    wait_for(lambda: notes(ledger), "a check to hang")
    if stopped:
        prober(sidecar).suspend()

    sidecar.signal(signal.SIGKILL)

    wait_for(lambda: sidecar.everyone() == [], "all of it to be gone")


def test_a_prober_holds_nothing_of_ours(arena: Arena, tmp_path: Path) -> None:
    sidecar = arena.start(*well_while(tmp_path / "well"))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    pid = prober(sidecar).pid

    held = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if int(fd.name) > 2]

    kinds = sorted(name.partition(":")[0] for name in held)
    assert [kind for kind in kinds if kind == "socket"] == ["socket"]
    assert not [name for name in held if "lock" in name]


def test_without_a_check_there_is_no_prober(arena: Arena) -> None:
    sidecar = arena.start()
    arena.stamps.wait_for_stints(1)

    assert named(sidecar.children(), "health-prober") == []
